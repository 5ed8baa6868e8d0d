//! An on-disk cache of compiled plugins: compiling one takes longer than all the rest of loading it.
//!
//! wasmtime's own cache stores the entries, keyed by a hash of the component and of everything that its compiler depends on, in
//! a folder named after its version. This module adds two safeguards: the folder is private to this user, since entries are run
//! as they are; and each entry has a seal, the hash of its content. An entry without a matching seal was damaged or never
//! finished, and is deleted. The seals are stored beside wasmtime's folder, since wasmtime deletes unknown files in it.
//!
//! The folder also records which files passed a trial in a child process, each with the engine's fingerprint.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use wasmtime::{Cache, CacheConfig};

use super::plugin::hex;

const FOLDER: &str = "compiled-plugins";
/// wasmtime's own folder.
const CACHE: &str = "cache";
/// The folder in it with the entries, one subfolder per version.
const ENTRIES: &str = "cache/modules";
const SEALS: &str = "seals";
/// One file per plugin file that was tried, named by its SHA-256, with the engine's fingerprint as content.
const TRIED: &str = "tried";
/// Records of tried files; the oldest are deleted first.
const MAX_TRIED_RECORDS: usize = 500;
/// Size limits of the cache; the least recently used entries are deleted first.
const MAX_CACHE_FILES: u64 = 200;
const MAX_CACHE_BYTES: u64 = 256 << 20;
/// Length of an entry's name, which is a hash. Other files in the folder are bookkeeping and are never run.
const ENTRY_NAME_CHARS: usize = 43;

/// The checked cache folder.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    folder: PathBuf,
    /// Deletes the folder on drop, if the cache is temporary.
    _scratch: Option<Arc<TempDir>>,
}

impl Compiled {
    /// Creates the folder if needed, and deletes entries without a matching seal.
    pub(super) fn open(data_dir: &Path) -> io::Result<Self> {
        let folder = data_dir.join(FOLDER);
        ensure_private(&folder)?;
        for part in [ENTRIES, SEALS, TRIED] {
            fs::create_dir_all(folder.join(part))?;
        }
        // wasmtime requires an absolute path.
        let compiled = Self { folder: folder.canonicalize()?, _scratch: None };
        compiled.sweep()?;
        Ok(compiled)
    }

    /// Opens a temporary cache, which is deleted on drop.
    pub(super) fn scratch() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let compiled = Self::open(folder.path())?;
        Ok(Self { _scratch: Some(Arc::new(folder)), ..compiled })
    }

    /// Uses a cache that another process has opened; only that process deletes entries.
    pub(super) fn shared(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), _scratch: None }
    }

    /// The cache folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether this file passed a trial with this engine.
    pub(super) fn was_tried(&self, sha256: &[u8; 32], engine: &str) -> bool {
        fs::read_to_string(self.record_path(sha256)).is_ok_and(|tried_with| tried_with == engine)
    }

    /// Records that this file passed a trial with this engine.
    pub(super) fn record_tried(&self, sha256: &[u8; 32], engine: &str) -> io::Result<()> {
        fs::write(self.record_path(sha256), engine)?;
        let mut notes = Vec::new();
        for note in fs::read_dir(self.folder.join(TRIED))? {
            let note = note?;
            notes.push((note.metadata()?.modified()?, note.path()));
        }
        notes.sort();
        let surplus = notes.len().saturating_sub(MAX_TRIED_RECORDS);
        notes[..surplus].iter().try_for_each(|(_, note)| fs::remove_file(note))
    }

    fn record_path(&self, sha256: &[u8; 32]) -> PathBuf {
        self.folder.join(TRIED).join(hex(sha256))
    }

    /// The cache for the engine's configuration.
    pub(super) fn cache(&self) -> wasmtime::Result<Cache> {
        let mut config = CacheConfig::new();
        config
            .with_directory(self.folder.join(CACHE))
            .with_file_count_soft_limit(MAX_CACHE_FILES)
            .with_files_total_size_soft_limit(MAX_CACHE_BYTES)
            // Otherwise wasmtime recompresses an entry, which breaks its seal.
            .with_optimized_compression_usage_counter_threshold(u64::MAX);
        Cache::new(config)
    }

    /// Seals new entries. An entry that is left unsealed by a crash is compiled again.
    pub(super) fn seal(&self) -> io::Result<()> {
        for (name, path) in self.entries()? {
            let seal = self.seal_path(&name);
            if !seal.exists() {
                fs::write(seal, digest(&path)?)?;
            }
        }
        Ok(())
    }

    /// Deletes entries without a matching seal, and seals without an entry.
    fn sweep(&self) -> io::Result<()> {
        let entries = self.entries()?;
        for (name, path) in &entries {
            let sealed =
                fs::read_to_string(self.seal_path(name)).is_ok_and(|seal| digest(path).is_ok_and(|is| is == seal));
            if !sealed {
                tracing::warn!(entry = %path.display(), "compiled plugin damaged or unfinished, deleting it from cache");
                fs::remove_file(path)?;
            }
        }
        // wasmtime deletes entries that are not used.
        for seal in fs::read_dir(self.folder.join(SEALS))? {
            let seal = seal?;
            if seal.file_name().to_str().is_none_or(|name| !entries.get(name).is_some_and(|entry| entry.exists())) {
                fs::remove_file(seal.path())?;
            }
        }
        Ok(())
    }

    /// All entries by name, of all versions.
    fn entries(&self) -> io::Result<BTreeMap<String, PathBuf>> {
        let mut entries = BTreeMap::new();
        for version in fs::read_dir(self.folder.join(ENTRIES))? {
            let version = version?;
            if !version.file_type()?.is_dir() {
                continue;
            }
            for entry in fs::read_dir(version.path())? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if entry.file_type()?.is_dir() || name.len() != ENTRY_NAME_CHARS {
                    continue;
                }
                entries.insert(format!("{}.{name}", version.file_name().to_string_lossy()), entry.path());
            }
        }
        Ok(entries)
    }

    fn seal_path(&self, name: &str) -> PathBuf {
        self.folder.join(SEALS).join(name)
    }
}

/// Creates a folder that is private to this user. A folder that others could write to is emptied first.
fn ensure_private(folder: &Path) -> io::Result<()> {
    let make = || DirBuilder::new().recursive(true).mode(0o700).create(folder);
    make()?;
    // Links are not followed: one could lead to a folder that others can write to.
    let about = fs::symlink_metadata(folder)?;
    let problem = if !about.is_dir() {
        "is not a folder"
    } else if about.uid() != nix::unistd::geteuid().as_raw() {
        "belongs to another user"
    } else if about.permissions().mode() & 0o077 == 0 {
        return Ok(());
    } else {
        tracing::warn!(folder = %folder.display(), "cache folder accessible to other users, deleting compiled plugins");
        fs::remove_dir_all(folder)?;
        return make();
    };
    Err(io::Error::other(format!("{} {problem}; remove it, and it is created anew", folder.display())))
}

fn digest(path: &Path) -> io::Result<String> {
    Ok(hex(&Sha256::digest(fs::read(path)?)))
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;
    use wasmtime::Engine;
    use wasmtime::component::Component;

    use super::*;
    use crate::follow::follow;

    /// A component with a function in it, so that there is something to compile.
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0\x01\x1b\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7f\x03\x02\x01\0\x0a\x06\x01\x04\0\x41\x07\x0b";

    /// Compiles the component; returns the cache's hits and misses.
    fn compile(compiled: &Compiled) -> (usize, usize) {
        let cache = compiled.cache().unwrap();
        compile_with(&cache, COMPONENT);
        compiled.seal().unwrap();
        (cache.cache_hits(), cache.cache_misses())
    }

    fn compile_with(cache: &Cache, component: &[u8]) {
        let mut config = wasmtime::Config::new();
        config.cache(Some(cache.clone()));
        Component::from_binary(&Engine::new(&config).unwrap(), component).unwrap();
    }

    fn only_entry(compiled: &Compiled) -> PathBuf {
        let entries = compiled.entries().unwrap();
        assert_eq!(entries.len(), 1);
        entries.into_values().next().unwrap()
    }

    #[test]
    fn compiled_component_is_read_from_the_cache() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(compile(&Compiled::open(data.path()).unwrap()), (0, 1));
        assert_eq!(compile(&Compiled::open(data.path()).unwrap()), (1, 0));
        let mode = fs::metadata(data.path().join(FOLDER)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[tokio::test]
    async fn wasmtime_cleanup_keeps_the_seals() {
        let data = tempfile::tempdir().unwrap();
        let compiled = Compiled::open(data.path()).unwrap();
        compile(&compiled);
        // wasmtime cleans up at most once an hour, after it has compiled something; the deletion of a stray file shows that it has.
        let cache = compiled.folder.join(CACHE);
        for file in fs::read_dir(&cache).unwrap().map(Result::unwrap) {
            if file.file_name().to_string_lossy().starts_with(".cleanup") {
                fs::remove_file(file.path()).unwrap();
            }
        }
        let (stranger, tidied) = (cache.join("stranger"), Arc::new(Notify::new()));
        fs::write(&stranger, "").unwrap();
        let _watch = follow(&cache, |path| path.ends_with("stranger"), &tidied).unwrap();
        let mut another = COMPONENT.to_vec();
        let seven = another.len() - 2;
        another[seven] = 8;
        compile_with(&compiled.cache().unwrap(), &another);
        while stranger.exists() {
            tidied.notified().await;
        }
        assert_eq!(compile(&Compiled::open(data.path()).unwrap()), (1, 0));
    }

    #[test]
    fn damaged_entry_is_deleted_and_compiled_again() {
        let data = tempfile::tempdir().unwrap();
        let compiled = Compiled::open(data.path()).unwrap();
        compile(&compiled);
        let entry = only_entry(&compiled);
        let mut bytes = fs::read(&entry).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&entry, &bytes).unwrap();
        let compiled = Compiled::open(data.path()).unwrap();
        assert!(!entry.exists());
        assert_eq!(compile(&compiled), (0, 1));
        assert_eq!(compile(&compiled), (1, 0));
    }

    #[test]
    fn unsealed_entry_is_deleted() {
        let data = tempfile::tempdir().unwrap();
        let compiled = Compiled::open(data.path()).unwrap();
        compile(&compiled);
        let entry = only_entry(&compiled);
        fs::remove_dir_all(data.path().join(FOLDER).join(SEALS)).unwrap();
        Compiled::open(data.path()).unwrap();
        assert!(!entry.exists());
    }

    #[test]
    fn tried_file_is_known_to_the_same_engine_only_and_records_are_bounded() {
        let data = tempfile::tempdir().unwrap();
        let compiled = Compiled::open(data.path()).unwrap();
        compiled.record_tried(&[7; 32], "one").unwrap();
        let reopened = Compiled::open(data.path()).unwrap();
        assert!(
            reopened.was_tried(&[7; 32], "one")
                && !reopened.was_tried(&[7; 32], "two")
                && !reopened.was_tried(&[8; 32], "one")
        );
        for n in 0..=MAX_TRIED_RECORDS {
            let mut hash = [1; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            compiled.record_tried(&hash, "one").unwrap();
        }
        assert_eq!(fs::read_dir(compiled.folder.join(TRIED)).unwrap().count(), MAX_TRIED_RECORDS);
    }

    #[test]
    fn folder_writable_by_others_is_emptied_and_a_link_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join(FOLDER);
        let entry = folder.join(ENTRIES).join("wasmtime").join("x".repeat(ENTRY_NAME_CHARS));
        fs::create_dir_all(entry.parent().unwrap()).unwrap();
        fs::write(&entry, "code").unwrap();
        let compiled = Compiled::shared(&folder);
        fs::create_dir(folder.join(SEALS)).unwrap();
        compiled.seal().unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(Compiled::open(data.path()).unwrap().entries().unwrap().len(), 1);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Compiled::open(data.path()).unwrap().entries().unwrap().is_empty());
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);

        fs::remove_dir_all(&folder).unwrap();
        let other_folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(other_folder.path(), &folder).unwrap();
        assert!(Compiled::open(data.path()).unwrap_err().to_string().contains("is not a folder"));
    }
}
