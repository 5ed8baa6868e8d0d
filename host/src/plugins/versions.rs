//! The versions of each plugin that have run, so that the one before can be gone back to. They are kept in the data
//! directory: the plugins folder is the operator's.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::fs;

use crate::clock::{Timestamp, now};

const FOLDER: &str = "plugin-versions";
/// Of each plugin, with the one that runs.
pub(super) const KEPT: usize = 5;

/// A version that has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptVersion {
    pub sha256: Arc<str>,
    /// When it last began to run in the place of another.
    pub since: Timestamp,
}

/// What is kept. A file's name says all there is to know of it.
pub(super) struct Versions {
    folder: PathBuf,
    /// By plugin, the newest first.
    kept: BTreeMap<Arc<str>, Vec<KeptVersion>>,
}

impl Versions {
    pub(super) fn open(data_dir: &Path) -> Self {
        let folder = data_dir.join(FOLDER);
        let kept = read_index(&folder).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(folder = %folder.display(), %error, "the plugins' former versions cannot be read");
            }
            BTreeMap::new()
        });
        Self { folder, kept }
    }

    /// The newest first.
    pub(super) fn of(&self, id: &str) -> &[KeptVersion] {
        self.kept.get(id).map_or(&[], Vec::as_slice)
    }

    /// Keeps what runs from now on, and lets go of the oldest.
    pub(super) async fn keep(&mut self, id: &Arc<str>, sha256: &str, bytes: &[u8]) -> io::Result<()> {
        let newest = self.of(id).first();
        if newest.is_some_and(|newest| *newest.sha256 == *sha256) {
            return Ok(());
        }
        let since = newest.map_or(now(), |newest| now().max(newest.since + Duration::from_millis(1)));
        let version = KeptVersion { sha256: sha256.into(), since };
        let folder = self.folder.join(&**id);
        fs::create_dir_all(&folder).await?;
        let new = folder.join(".new");
        fs::write(&new, bytes).await?;
        fs::rename(new, self.path(id, &version)).await?;
        let kept = self.kept.entry(id.clone()).or_default();
        let (mut gone, mut stay): (Vec<_>, Vec<_>) = kept.drain(..).partition(|old| *old.sha256 == *sha256);
        stay.insert(0, version);
        gone.extend(stay.drain(KEPT.min(stay.len())..));
        *kept = stay;
        for old in gone {
            fs::remove_file(self.path(id, &old)).await?;
        }
        Ok(())
    }

    /// Keeps a plugin's versions under another id.
    pub(super) async fn rename(&mut self, from: &str, to: &Arc<str>) -> io::Result<()> {
        let Some(kept) = self.kept.remove(from) else { return Ok(()) };
        fs::rename(self.folder.join(from), self.folder.join(&**to)).await?;
        self.kept.insert(to.clone(), kept);
        Ok(())
    }

    pub(super) async fn read(&self, id: &str, version: &KeptVersion) -> io::Result<Vec<u8>> {
        fs::read(self.path(id, version)).await
    }

    fn path(&self, id: &str, version: &KeptVersion) -> PathBuf {
        self.folder.join(id).join(format!("{}-{}.wasm", version.since.0, version.sha256))
    }
}

fn read_index(folder: &Path) -> io::Result<BTreeMap<Arc<str>, Vec<KeptVersion>>> {
    let mut index = BTreeMap::new();
    for plugin in std::fs::read_dir(folder)? {
        let plugin = plugin?;
        let mut kept = Vec::new();
        for file in std::fs::read_dir(plugin.path())? {
            kept.extend(file?.file_name().to_str().and_then(parse));
        }
        kept.sort_by_key(|version| std::cmp::Reverse(version.since));
        index.insert(plugin.file_name().to_string_lossy().into(), kept);
    }
    Ok(index)
}

fn parse(name: &str) -> Option<KeptVersion> {
    let (since, sha256) = name.strip_suffix(".wasm")?.split_once('-')?;
    Some(KeptVersion { sha256: sha256.into(), since: Timestamp(since.parse().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes<'a>(versions: &'a Versions, id: &str) -> Vec<&'a str> {
        versions.of(id).iter().map(|version| &*version.sha256).collect()
    }

    #[tokio::test]
    async fn versions_are_kept_in_the_order_in_which_they_ran_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut versions = Versions::open(folder.path());
        let id: Arc<str> = "echo".into();
        for hash in ["a", "b", "b", "a"] {
            versions.keep(&id, hash, hash.as_bytes()).await.unwrap();
        }
        assert_eq!(hashes(&versions, "echo"), ["a", "b"]);
        let for_subscribers = Versions::open(folder.path());
        assert_eq!(for_subscribers.of("echo"), versions.of("echo"));
        assert_eq!(for_subscribers.read("echo", &for_subscribers.of("echo")[1]).await.unwrap(), b"b");
        assert!(for_subscribers.of("nobody").is_empty());
    }

    #[tokio::test]
    async fn only_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut versions = Versions::open(folder.path());
        for n in 0..KEPT + 3 {
            versions.keep(&"echo".into(), &format!("h{n}"), b"").await.unwrap();
        }
        assert_eq!(hashes(&versions, "echo"), ["h7", "h6", "h5", "h4", "h3"]);
        let files = std::fs::read_dir(folder.path().join(FOLDER).join("echo")).unwrap().count();
        assert_eq!(files, KEPT);
    }
}
