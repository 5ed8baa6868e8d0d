//! The list of plugin files that crashed their first load: they are not loaded again until an operator asks for a retry. The
//! list is kept in the data directory, so that it survives restarts.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::plugin::hex;
use crate::clock::{Timestamp, now};

const FILE: &str = "quarantined-plugins.json";
/// Beyond this the oldest are dropped; such a file would be tried again in a child process.
const MAX_FILES: usize = 100;

/// A plugin file that crashed its first load and is not loaded again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashedFile {
    pub sha256: Arc<str>,
    /// The id of the plugin that it was installed as.
    pub plugin: Arc<str>,
    pub reason: String,
    /// When it crashed, in milliseconds since 1970.
    at: i64,
}

impl CrashedFile {
    /// When it crashed.
    pub fn at(&self) -> Timestamp {
        Timestamp(self.at)
    }
}

/// The list of crashed files, the newest last.
pub(super) struct CrashedFiles {
    path: PathBuf,
    files: Vec<CrashedFile>,
}

impl CrashedFiles {
    /// Reads the list. An unreadable list counts as empty: unknown files are tried in a child process anyway.
    pub(super) fn open(data_dir: &Path) -> Self {
        let path = data_dir.join(FILE);
        let files = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!(file = %path.display(), %error, "cannot parse list of quarantined plugin files, starting an empty one");
                Vec::new()
            }),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(file = %path.display(), %error, "cannot read list of quarantined plugin files");
                }
                Vec::new()
            }
        };
        Self { path, files }
    }

    pub(super) fn all(&self) -> &[CrashedFile] {
        &self.files
    }

    /// Why the file with this hash is not loaded; none if it is not in the list.
    pub(super) fn reason(&self, sha256: &[u8; 32]) -> Option<&str> {
        let sha256 = hex(sha256);
        self.files.iter().find(|file| *file.sha256 == *sha256).map(|file| &*file.reason)
    }

    pub(super) fn add(&mut self, plugin: &Arc<str>, sha256: &[u8; 32], reason: &str) {
        let sha256: Arc<str> = hex(sha256).into();
        self.files.retain(|file| file.sha256 != sha256);
        self.files.push(CrashedFile { sha256, plugin: plugin.clone(), reason: reason.to_owned(), at: now().0 });
        self.files.drain(..self.files.len().saturating_sub(MAX_FILES));
        self.save();
    }

    /// Removes the files of a plugin, or those whose hash starts with `which`. Returns how many were removed.
    pub(super) fn forget(&mut self, which: &str) -> usize {
        let before = self.files.len();
        self.files.retain(|file| *file.plugin != *which && !matches_hash(which, &file.sha256));
        let forgotten = before - self.files.len();
        if forgotten > 0 {
            self.save();
        }
        forgotten
    }

    fn save(&self) {
        if let Err(error) = self.write() {
            tracing::error!(
                file = %self.path.display(), %error,
                "cannot write list of quarantined plugin files; changes are lost on restart"
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

/// Whether `which` is the hash or a long enough prefix of it.
fn matches_hash(which: &str, sha256: &str) -> bool {
    const MIN_DIGITS: usize = 8;
    which.len() >= MIN_DIGITS && sha256.starts_with(&which.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crashed_file_stays_listed_after_a_restart_until_it_is_forgotten() {
        let data = tempfile::tempdir().unwrap();
        let mut files = CrashedFiles::open(data.path());
        files.add(&"echo".into(), &[7; 32], "ended by SIGSEGV");
        files.add(&"other".into(), &[8; 32], "ended by SIGILL");
        let mut reopened = CrashedFiles::open(data.path());
        assert_eq!(reopened.reason(&[7; 32]), Some("ended by SIGSEGV"));
        assert_eq!(reopened.reason(&[9; 32]), None);
        assert_eq!((reopened.forget("0707070"), reopened.forget("07070707"), reopened.forget("other")), (0, 1, 1));
        assert!(CrashedFiles::open(data.path()).all().is_empty());
    }

    #[test]
    fn list_is_bounded_and_an_unreadable_one_starts_empty() {
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
