//! Lists, reads and writes plugin files in a folder.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::io::AsyncWriteExt as _;

use crate::clock::Timestamp;
use crate::plugins::load::{LoadError, MAX_FILE_BYTES};

/// Plugin files by the plugin's id.
pub(super) type Files = BTreeMap<Arc<str>, File>;

#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
}

/// A file's size and modification time, which usually change when its content does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    /// When it was last written, if the file system records it.
    pub(super) fn modified(&self) -> Option<Timestamp> {
        let since = self.modified?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(Timestamp(0) + since)
    }
}

/// The result of reading a file.
#[derive(Debug)]
pub(super) enum Reading {
    Whole(Vec<u8>),
    /// It changed during the read: it is still being written.
    Changing,
}

/// Lists the plugin files of a folder. Other files, and hidden ones (as copying tools create them), are skipped.
pub(super) async fn list(folder: &Path) -> io::Result<Files> {
    let mut files = Files::new();
    let mut entries = tokio::fs::read_dir(folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        let path = entry.path();
        let Some(id) = id(&path) else { continue };
        match stamp(&path).await {
            Ok(Some(stamp)) => {
                files.insert(id, File { path, stamp });
            }
            // A folder, or deleted meanwhile.
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

/// The plugin id in a file's name: its stem.
fn id(path: &Path) -> Option<Arc<str>> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".wasm")?;
    let well_formed = stem.starts_with(|first: char| first.is_ascii_lowercase())
        && stem.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !well_formed && !stem.starts_with('.') {
        tracing::warn!(file = %path.display(), "plugin file skipped: its name must be lower case, such as `word-filter.wasm`");
    }
    well_formed.then(|| stem.into())
}

async fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    let about = tokio::fs::metadata(path).await?;
    Ok(about.is_file().then(|| Stamp { bytes: about.len(), modified: about.modified().ok() }))
}

/// Writes a plugin's file atomically: readers see the old file or the new one.
pub(super) async fn put(folder: &Path, id: &str, bytes: &[u8]) -> io::Result<Stamp> {
    let (new, path) = (folder.join(format!(".{id}.wasm.new")), folder.join(format!("{id}.wasm")));
    let mut file = tokio::fs::File::create(&new).await?;
    file.write_all(bytes).await?;
    file.sync_all().await?;
    tokio::fs::rename(new, &path).await?;
    stamp(&path).await?.ok_or_else(|| io::Error::other("it is not a file"))
}

/// Reads a file, and checks that it did not change during the read.
pub(super) async fn read(file: &File) -> Result<Reading, LoadError> {
    if file.stamp.bytes > MAX_FILE_BYTES {
        return Err(LoadError::TooLarge { bytes: file.stamp.bytes });
    }
    let unreadable = |error: io::Error| LoadError::Unreadable(error.to_string());
    let bytes = tokio::fs::read(&file.path).await.map_err(unreadable)?;
    let still = stamp(&file.path).await.map_err(unreadable)? == Some(file.stamp);
    Ok(if still && bytes.len() as u64 == file.stamp.bytes { Reading::Whole(bytes) } else { Reading::Changing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_files_named_like_plugins_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["word-filter.wasm", "Shout.wasm", ".word-filter.wasm.swp", "notes.txt", "-x.wasm"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("groups.wasm")).unwrap();
        let files = list(folder.path()).await.unwrap();
        assert_eq!(files.keys().map(|id| &**id).collect::<Vec<_>>(), ["word-filter"]);
    }

    #[tokio::test]
    async fn file_that_grew_since_it_was_listed_is_reported_as_changing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.wasm");
        std::fs::write(&path, "half").unwrap();
        let files = list(folder.path()).await.unwrap();
        assert!(matches!(read(&files["p"]).await, Ok(Reading::Whole(bytes)) if bytes == b"half"));
        std::fs::write(&path, "half and half").unwrap();
        assert!(matches!(read(&files["p"]).await, Ok(Reading::Changing)));
    }

    #[tokio::test]
    async fn file_over_the_size_limit_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.wasm");
        std::fs::File::create(&path).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        let files = list(folder.path()).await.unwrap();
        assert!(matches!(read(&files["p"]).await, Err(LoadError::TooLarge { .. })));
    }
}
