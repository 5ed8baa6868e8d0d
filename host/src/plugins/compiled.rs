//! Compiled plugins, kept on disk: compiling one takes longer than all the rest of loading it.
//!
//! wasmtime keeps them itself, by a hash of the component and of everything that its compiler depends on, in a folder named
//! for its version. Two things are ours: nobody else may write there, since what lies there is run as it is; and each entry
//! has a seal, the hash of its content. What has none, or another one, was damaged or never finished, and is thrown away.
//! The seals lie beside wasmtime's folder, not in it: a thread of its own tidies up there, and what it does not know goes.
//!
//! Beside them is noted which files were loaded in a process of their own and did it no harm, each with the engine that loaded it.

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
/// What wasmtime has to itself.
const CACHE: &str = "cache";
/// Where in there it puts its entries, a folder for each version.
const ENTRIES: &str = "cache/modules";
const SEALS: &str = "seals";
/// A file for each plugin file that was tried, named by its SHA-256; in it is the engine's fingerprint.
const TRIED: &str = "tried";
/// Those noted first go first.
const MAX_TRIED: usize = 500;
/// Those not used for longest go first.
const MOST_FILES: u64 = 200;
const MOST_BYTES: u64 = 256 << 20;
/// Its entries are named by a hash; whatever else lies there is bookkeeping and is never run.
const NAME_CHARS: usize = 43;

/// The folder of compiled plugins, checked.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    folder: PathBuf,
    /// Where nothing is to be kept, it goes with the process.
    _scratch: Option<Arc<TempDir>>,
}

impl Compiled {
    /// Makes the folder if there is none, and throws away what has no good seal.
    pub(super) fn open(data_dir: &Path) -> io::Result<Self> {
        let folder = data_dir.join(FOLDER);
        make_ours(&folder)?;
        for part in [ENTRIES, SEALS, TRIED] {
            fs::create_dir_all(folder.join(part))?;
        }
        // wasmtime wants to know where it is whatever becomes of the working folder.
        let compiled = Self { folder: folder.canonicalize()?, _scratch: None };
        compiled.sweep()?;
        Ok(compiled)
    }

    /// A folder of which nothing stays.
    pub(super) fn scratch() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let compiled = Self::open(folder.path())?;
        Ok(Self { _scratch: Some(Arc::new(folder)), ..compiled })
    }

    /// What another process has opened, which alone tidies up there.
    pub(super) fn shared(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), _scratch: None }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether this file was tried with this engine, and did no harm.
    pub(super) fn was_tried(&self, sha256: &[u8; 32], engine: &str) -> bool {
        fs::read_to_string(self.note_of(sha256)).is_ok_and(|tried_with| tried_with == engine)
    }

    pub(super) fn note_tried(&self, sha256: &[u8; 32], engine: &str) -> io::Result<()> {
        fs::write(self.note_of(sha256), engine)?;
        let mut notes = Vec::new();
        for note in fs::read_dir(self.folder.join(TRIED))? {
            let note = note?;
            notes.push((note.metadata()?.modified()?, note.path()));
        }
        notes.sort();
        let surplus = notes.len().saturating_sub(MAX_TRIED);
        notes[..surplus].iter().try_for_each(|(_, note)| fs::remove_file(note))
    }

    fn note_of(&self, sha256: &[u8; 32]) -> PathBuf {
        self.folder.join(TRIED).join(hex(sha256))
    }

    /// For the engine.
    pub(super) fn cache(&self) -> wasmtime::Result<Cache> {
        let mut config = CacheConfig::new();
        config
            .with_directory(self.folder.join(CACHE))
            .with_file_count_soft_limit(MOST_FILES)
            .with_files_total_size_soft_limit(MOST_BYTES)
            // It would write an entry again, packed tighter, and break its seal.
            .with_optimized_compression_usage_counter_threshold(u64::MAX);
        Cache::new(config)
    }

    /// Seals what is new. What the process does not live to seal is compiled again.
    pub(super) fn seal(&self) -> io::Result<()> {
        for (name, path) in self.entries()? {
            let seal = self.seal_of(&name);
            if !seal.exists() {
                fs::write(seal, digest(&path)?)?;
            }
        }
        Ok(())
    }

    fn sweep(&self) -> io::Result<()> {
        let entries = self.entries()?;
        for (name, path) in &entries {
            let sealed =
                fs::read_to_string(self.seal_of(name)).is_ok_and(|seal| digest(path).is_ok_and(|is| is == seal));
            if !sealed {
                tracing::warn!(entry = %path.display(), "a compiled plugin was damaged or never finished; it is compiled again when it is needed");
                fs::remove_file(path)?;
            }
        }
        // wasmtime removes entries that nobody uses.
        for seal in fs::read_dir(self.folder.join(SEALS))? {
            let seal = seal?;
            if seal.file_name().to_str().is_none_or(|name| !entries.get(name).is_some_and(|entry| entry.exists())) {
                fs::remove_file(seal.path())?;
            }
        }
        Ok(())
    }

    /// By name, of whatever version.
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
                if entry.file_type()?.is_dir() || name.len() != NAME_CHARS {
                    continue;
                }
                entries.insert(format!("{}.{name}", version.file_name().to_string_lossy()), entry.path());
            }
        }
        Ok(entries)
    }

    fn seal_of(&self, name: &str) -> PathBuf {
        self.folder.join(SEALS).join(name)
    }
}

/// A folder that only we can write and could write.
fn make_ours(folder: &Path) -> io::Result<()> {
    let make = || DirBuilder::new().recursive(true).mode(0o700).create(folder);
    make()?;
    // Not following links: one could lead to where others write.
    let about = fs::symlink_metadata(folder)?;
    let problem = if !about.is_dir() {
        "is no folder"
    } else if about.uid() != nix::unistd::geteuid().as_raw() {
        "belongs to another user"
    } else if about.permissions().mode() & 0o077 == 0 {
        return Ok(());
    } else {
        tracing::warn!(folder = %folder.display(), "others could write here: the compiled plugins are thrown away");
        fs::remove_dir_all(folder)?;
        return make();
    };
    Err(io::Error::other(format!("{} {problem}; take it away, and it is made anew", folder.display())))
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

    /// Compiles it; gives the cache's hits and misses.
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
    fn what_was_compiled_before_is_taken_from_the_disk() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(compile(&Compiled::open(data.path()).unwrap()), (0, 1));
        assert_eq!(compile(&Compiled::open(data.path()).unwrap()), (1, 0));
        let mode = fs::metadata(data.path().join(FOLDER)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[tokio::test]
    async fn tidying_up_takes_no_seal_away() {
        let data = tempfile::tempdir().unwrap();
        let compiled = Compiled::open(data.path()).unwrap();
        compile(&compiled);
        // wasmtime tidies up at most once an hour, after it has compiled something; a file of nobody's shows that it has.
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
    fn a_damaged_entry_is_thrown_away_and_made_again() {
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
    fn an_entry_that_was_never_sealed_is_thrown_away() {
        let data = tempfile::tempdir().unwrap();
        let compiled = Compiled::open(data.path()).unwrap();
        compile(&compiled);
        let entry = only_entry(&compiled);
        fs::remove_dir_all(data.path().join(FOLDER).join(SEALS)).unwrap();
        Compiled::open(data.path()).unwrap();
        assert!(!entry.exists());
    }

    #[test]
    fn tried_file_is_known_to_the_same_engine_only_and_few_are_noted() {
        let data = tempfile::tempdir().unwrap();
        let compiled = Compiled::open(data.path()).unwrap();
        compiled.note_tried(&[7; 32], "one").unwrap();
        let for_subscribers = Compiled::open(data.path()).unwrap();
        assert!(
            for_subscribers.was_tried(&[7; 32], "one")
                && !for_subscribers.was_tried(&[7; 32], "two")
                && !for_subscribers.was_tried(&[8; 32], "one")
        );
        for n in 0..=MAX_TRIED {
            let mut hash = [1; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            compiled.note_tried(&hash, "one").unwrap();
        }
        assert_eq!(fs::read_dir(compiled.folder.join(TRIED)).unwrap().count(), MAX_TRIED);
    }

    #[test]
    fn what_lay_where_others_could_write_is_not_trusted_and_a_link_is_not_followed() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join(FOLDER);
        let entry = folder.join(ENTRIES).join("wasmtime").join("x".repeat(NAME_CHARS));
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
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), &folder).unwrap();
        assert!(Compiled::open(data.path()).unwrap_err().to_string().contains("is no folder"));
    }
}
