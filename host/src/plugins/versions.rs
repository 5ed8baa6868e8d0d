//! Copies of the versions of each plugin that have run, for rollback. They are kept in the data directory, since the plugins
//! folder belongs to the operator.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::fs;

use crate::clock::{Timestamp, now};

const FOLDER: &str = "plugin-versions";
/// Versions kept per plugin, including the one that runs.
pub(super) const MAX_KEPT_VERSIONS: usize = 5;

/// A version that has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptVersion {
    pub sha256: Arc<str>,
    /// When it last replaced another version.
    pub since: Timestamp,
}

/// The index of kept versions, which is read from the file names.
pub(super) struct Versions {
    folder: PathBuf,
    /// Kept versions by plugin, the newest first.
    kept: BTreeMap<Arc<str>, Vec<KeptVersion>>,
}

impl Versions {
    pub(super) fn open(data_dir: &Path) -> Self {
        let folder = data_dir.join(FOLDER);
        let kept = read_index(&folder).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(folder = %folder.display(), %error, "cannot read kept plugin versions");
            }
            BTreeMap::new()
        });
        Self { folder, kept }
    }

    /// A plugin's kept versions, the newest first.
    pub(super) fn of(&self, id: &str) -> &[KeptVersion] {
        self.kept.get(id).map_or(&[], Vec::as_slice)
    }

    /// Keeps the version that runs from now on, and deletes the oldest beyond the limit.
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
        gone.extend(stay.drain(MAX_KEPT_VERSIONS.min(stay.len())..));
        *kept = stay;
        for old in gone {
            fs::remove_file(self.path(id, &old)).await?;
        }
        Ok(())
    }

    /// Moves a plugin's versions to another id.
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
    async fn versions_are_listed_newest_first_and_survive_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let mut versions = Versions::open(folder.path());
        let id: Arc<str> = "echo".into();
        for hash in ["a", "b", "b", "a"] {
            versions.keep(&id, hash, hash.as_bytes()).await.unwrap();
        }
        assert_eq!(hashes(&versions, "echo"), ["a", "b"]);
        let reopened = Versions::open(folder.path());
        assert_eq!(reopened.of("echo"), versions.of("echo"));
        assert_eq!(reopened.read("echo", &reopened.of("echo")[1]).await.unwrap(), b"b");
        assert!(reopened.of("nobody").is_empty());
    }

    #[tokio::test]
    async fn oldest_versions_beyond_the_limit_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let mut versions = Versions::open(folder.path());
        for n in 0..MAX_KEPT_VERSIONS + 3 {
            versions.keep(&"echo".into(), &format!("h{n}"), b"").await.unwrap();
        }
        assert_eq!(hashes(&versions, "echo"), ["h7", "h6", "h5", "h4", "h3"]);
        let files = std::fs::read_dir(folder.path().join(FOLDER).join("echo")).unwrap().count();
        assert_eq!(files, MAX_KEPT_VERSIONS);
    }
}
