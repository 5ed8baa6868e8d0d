//! `natterjack plugin build`.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::crate_folder::CrateFolder;
use super::destination::{Destination, Target};
use super::grant_lines;

/// Build a plugin's crate, and check that a server would load the component
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The crate's folder [default: the current folder]
    dir: Option<PathBuf>,
    /// Install the plugin to --folder or --server [default: the plugins folder of the config.toml in the current folder, or
    /// else the last destination]
    #[arg(long)]
    install: bool,
    #[command(flatten)]
    target: Target,
    /// Passed to `cargo build`, such as --offline
    #[arg(last = true, value_name = "CARGO ARGS")]
    cargo: Vec<OsString>,
}

pub(super) async fn run(args: Args) -> Result<()> {
    if args.target.is_named() && !args.install {
        bail!("--folder and --server say where to install: add --install");
    }
    let plugin = CrateFolder::open(args.dir)?;
    // Found first, so that a mistake shows before the build.
    let destination = args.install.then(|| Destination::find(args.target, &plugin.dir)).transpose()?;
    let built = plugin.build(&args.cargo).await?;
    say!("{}", built.summary());
    match &destination {
        Some(destination) => say!("installed as {}", destination.install(&built).await?),
        None => say!("built {}", built.file.display()),
    }
    // A server that accepted the upload has granted them already.
    if !built.inspection.wants.is_empty() && !matches!(destination, Some(Destination::Server(..))) {
        say!("To start it, add to config.toml:\n{}", grant_lines(&built.id, &built.inspection.wants));
    }
    Ok(())
}
