//! The files that took a process down when they were first loaded: they are not loaded again unless an operator says so. The
//! list is kept in the data directory, so that it outlives the server.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::plugin::hex;
use crate::clock::{Timestamp, now};

const FILE: &str = "quarantined-plugins.json";
/// The oldest go first: such a file is tried anew, in a process of its own.
const MAX_FILES: usize = 100;

/// A plugin file that is not loaded any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashedFile {
    pub sha256: Arc<str>,
    /// The plugin that it was put there as.
    pub plugin: Arc<str>,
    pub reason: String,
    /// When, in milliseconds since 1970.
    at: i64,
}

impl CrashedFile {
    pub fn at(&self) -> Timestamp {
        Timestamp(self.at)
    }
}

/// All of them, the newest last.
pub(super) struct CrashedFiles {
    path: PathBuf,
    files: Vec<CrashedFile>,
}

impl CrashedFiles {
    /// Reads the list. What cannot be read is as good as empty, since unknown files are tried in a process of their own.
    pub(super) fn open(data_dir: &Path) -> Self {
        let path = data_dir.join(FILE);
        let files = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!(file = %path.display(), %error, "the list of quarantined plugin files cannot be read; it begins anew");
                Vec::new()
            }),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(file = %path.display(), %error, "the list of quarantined plugin files cannot be read");
                }
                Vec::new()
            }
        };
        Self { path, files }
    }

    pub(super) fn all(&self) -> &[CrashedFile] {
        &self.files
    }

    /// Why the file of this hash is not loaded.
    pub(super) fn reason(&self, sha256: &[u8; 32]) -> Option<&str> {
        let sha256 = hex(sha256);
        self.files.iter().find(|file| *file.sha256 == *sha256).map(|file| &*file.reason)
    }

    pub(super) fn add(&mut self, plugin: &Arc<str>, sha256: &[u8; 32], reason: &str) {
        let sha256: Arc<str> = hex(sha256).into();
        self.files.retain(|file| file.sha256 != sha256);
        self.files.push(CrashedFile { sha256, plugin: plugin.clone(), reason: reason.to_owned(), at: now().0 });
        self.files.drain(..self.files.len().saturating_sub(MAX_FILES));
        self.keep();
    }

    /// Forgets the files of a plugin, or those whose hash begins so; how many there were.
    pub(super) fn forget(&mut self, which: &str) -> usize {
        let before = self.files.len();
        self.files.retain(|file| *file.plugin != *which && !is_hash(which, &file.sha256));
        let forgotten = before - self.files.len();
        if forgotten > 0 {
            self.keep();
        }
        forgotten
    }

    fn keep(&self) {
        if let Err(error) = self.write() {
            tracing::error!(
                file = %self.path.display(), %error,
                "the list of quarantined plugin files cannot be written; it holds until the server ends"
            );
        }
    }

    fn write(&self) -> io::Result<()> {
        let new = self.path.with_extension("json.new");
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec_pretty(&self.files)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)
    }
}

/// Whether this is the hash, or enough of its beginning.
fn is_hash(which: &str, sha256: &str) -> bool {
    const MIN_DIGITS: usize = 8;
    which.len() >= MIN_DIGITS && sha256.starts_with(&which.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crashed_file_is_known_by_its_hash_after_a_restart_until_it_is_forgotten() {
        let data = tempfile::tempdir().unwrap();
        let mut files = CrashedFiles::open(data.path());
        files.add(&"echo".into(), &[7; 32], "ended by SIGSEGV");
        files.add(&"other".into(), &[8; 32], "ended by SIGILL");
        let mut for_subscribers = CrashedFiles::open(data.path());
        assert_eq!(for_subscribers.reason(&[7; 32]), Some("ended by SIGSEGV"));
        assert_eq!(for_subscribers.reason(&[9; 32]), None);
        assert_eq!(
            (for_subscribers.forget("0707070"), for_subscribers.forget("07070707"), for_subscribers.forget("other")),
            (0, 1, 1)
        );
        assert!(CrashedFiles::open(data.path()).all().is_empty());
    }

    #[test]
    fn list_is_bounded_and_a_broken_one_begins_anew() {
        let data = tempfile::tempdir().unwrap();
        let mut files = CrashedFiles::open(data.path());
        for n in 0..=MAX_FILES {
            files.add(&"p".into(), &[u8::try_from(n).unwrap(); 32], "crashed");
        }
        assert_eq!(files.all().len(), MAX_FILES);
        assert_eq!(files.reason(&[0; 32]), None);
        fs::write(data.path().join(FILE), "{").unwrap();
        assert!(CrashedFiles::open(data.path()).all().is_empty());
    }
}
