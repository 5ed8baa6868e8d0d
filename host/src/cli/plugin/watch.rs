//! `natterjack plugin watch`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use tokio::time::{Instant, sleep};

use super::crate_folder::{CrateFolder, plugins_folder};

/// How often the sources are looked at. A crate has few files, so this needs no help from the system.
const LOOK: Duration = Duration::from_millis(250);

/// Build and install a plugin whenever its sources change, until interrupted
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The crate's folder [default: this one]
    dir: Option<PathBuf>,
    /// The plugins folder [default: the one that config.toml here names]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Given to `cargo build`, such as --offline
    #[arg(last = true, value_name = "CARGO ARGS")]
    cargo: Vec<OsString>,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let folder = plugins_folder(args.folder)?;
    let plugin = CrateFolder::open(args.dir)?;
    println!("watching {}; it goes to {}", plugin.dir.display(), folder.display());
    loop {
        let sources = settled(&plugin.dir).await;
        let began = Instant::now();
        match plugin.build(&args.cargo).await {
            Ok(built) => match built.install(&folder) {
                Ok(file) => {
                    println!("{} -> {} in {:.1} s", built.summary(), file.display(), began.elapsed().as_secs_f32());
                }
                Err(error) => eprintln!("not installed: {error:#}"),
            },
            Err(error) => eprintln!("not installed, what was there stays: {error:#}"),
        }
        // Cargo may have written Cargo.lock: that is no change of ours to build again.
        while look(&plugin.dir) == sources {
            sleep(LOOK).await;
        }
    }
}

/// When each source last changed.
type Sources = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// The sources, once nobody has written any for a moment: editors save in several steps.
async fn settled(dir: &Path) -> Sources {
    let mut before = look(dir);
    loop {
        sleep(LOOK).await;
        let now = look(dir);
        if now == before {
            return now;
        }
        before = now;
    }
}

fn look(dir: &Path) -> Sources {
    let mut sources = Sources::new();
    gather(dir, true, &mut sources);
    sources
}

/// All files but hidden ones and what cargo makes.
fn gather(dir: &Path, top: bool, sources: &mut Sources) {
    // What is gone by now, or cannot be read, will show at the next look or in cargo's messages.
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') || (top && (name == "target" || name == "Cargo.lock")) {
            continue;
        }
        let Ok(about) = entry.metadata() else { continue };
        if about.is_dir() {
            gather(&entry.path(), false, sources);
        } else {
            sources.insert(entry.path(), (about.len(), about.modified().ok()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_a_source_is_seen_and_what_cargo_makes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("src/lib.rs", "one");
        let before = look(folder.path());
        write("target/debug/x", "built");
        write("Cargo.lock", "locked");
        write("src/.lib.rs.swp", "editor");
        assert_eq!(look(folder.path()), before);
        write("src/lib.rs", "three");
        assert_ne!(look(folder.path()), before);
    }
}
