//! `natterjack plugin watch`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::crate_folder::CrateFolder;
use super::destination::{Destination, Target};
use crate::follow::{Watch, follow, quiet};

/// Build and install a plugin whenever its sources change, until interrupted
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The crate's folder [default: the current folder]
    dir: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
    /// Passed to `cargo build`, such as --offline
    #[arg(last = true, value_name = "CARGO ARGS")]
    cargo: Vec<OsString>,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let plugin = CrateFolder::open(args.dir)?;
    let destination = Destination::find(args.target, &plugin.dir)?;
    say!("watching {}, installing to {}", plugin.dir.display(), destination.name());
    let changed = Arc::new(Notify::new());
    loop {
        // Created again for each build, since there may be new folders; and before the build, so that changes during it count.
        let _sources = follow_sources(&plugin.dir, &changed)?;
        let began = Instant::now();
        match plugin.build(&args.cargo).await {
            Ok(built) => match destination.install(&built).await {
                Ok(installed) => {
                    say!("{} -> {installed} in {:.1} s", built.summary(), began.elapsed().as_secs_f32());
                }
                Err(error) => eprintln!("not installed: {error:#}"),
            },
            Err(error) => eprintln!("not installed, the previous version stays: {error:#}"),
        }
        changed.notified().await;
        // Editors save in several steps.
        quiet(&changed).await;
    }
}

/// Watches the crate and its folders, except hidden ones and cargo's output.
fn follow_sources(dir: &Path, changed: &Arc<Notify>) -> Result<Watch> {
    let cannot = || format!("cannot watch {}", dir.display());
    let top = dir.to_owned();
    let mut watch = follow(dir, move |path| is_source(&top, path), changed).with_context(cannot)?;
    for entry in std::fs::read_dir(dir).with_context(cannot)?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && is_source(dir, &entry.path()) {
            watch.add_recursive(&entry.path()).with_context(cannot)?;
        }
    }
    Ok(watch)
}

fn is_source(dir: &Path, path: &Path) -> bool {
    let Ok(inside) = path.strip_prefix(dir) else { return false };
    let mut names = inside.components().map(|part| part.as_os_str().to_string_lossy());
    let cargo_output = names.clone().next().is_none_or(|first| first == "target" || first == "Cargo.lock");
    !cargo_output && !names.any(|name| name.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn change_of_a_nested_source_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("src/words");
        std::fs::create_dir_all(&deep).unwrap();
        let changed = Arc::new(Notify::new());
        let _watch = follow_sources(folder.path(), &changed).unwrap();
        std::fs::write(deep.join("mod.rs"), "one").unwrap();
        changed.notified().await;
        std::fs::write(folder.path().join("build.rs"), "two").unwrap();
        changed.notified().await;
    }

    #[test]
    fn files_of_cargo_and_editors_are_no_sources() {
        let dir = Path::new("/p");
        for source in ["src/lib.rs", "Cargo.toml", "src/target/mod.rs", "tests"] {
            assert!(is_source(dir, &dir.join(source)), "{source}");
        }
        for other in ["", "target", "target/debug/x", "Cargo.lock", "src/.lib.rs.swp", ".git", ".git/index"] {
            assert!(!is_source(dir, &dir.join(other)), "{other}");
        }
    }
}
