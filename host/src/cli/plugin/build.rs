//! `natterjack plugin build`.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;

use super::crate_folder::{CrateFolder, plugins_folder};
use super::grant_lines;

/// Build a plugin's crate, and see that a server would load what comes of it
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The crate's folder [default: this one]
    dir: Option<PathBuf>,
    /// Put the plugin into the plugins folder; a running server then replaces it
    #[arg(long)]
    install: bool,
    /// The plugins folder [default: the one that config.toml here names]
    #[arg(long, value_name = "FOLDER", requires = "install")]
    folder: Option<PathBuf>,
    /// Given to `cargo build`, such as --offline
    #[arg(last = true, value_name = "CARGO ARGS")]
    cargo: Vec<OsString>,
}

pub(super) async fn run(args: Args) -> Result<()> {
    // Before the time is spent on building.
    let folder = args.install.then(|| plugins_folder(args.folder)).transpose()?;
    let built = CrateFolder::open(args.dir)?.build(&args.cargo).await?;
    say!("{}", built.summary());
    match folder {
        Some(folder) => say!("installed as {}", built.install(&folder)?.display()),
        None => say!("built {}", built.file.display()),
    }
    if !built.inspection.wants.is_empty() {
        say!("It starts once config.toml has:\n{}", grant_lines(&built.id, &built.inspection.wants));
    }
    Ok(())
}
