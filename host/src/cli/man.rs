//! `natterjack man`: prints manual pages.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;

use super::{Arguments, write_out};

/// Print the manual page, or write those of all subcommands into a folder
///
/// To read it at once: natterjack man | man -l -
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to write a page for each subcommand, such as /usr/local/share/man/man1
    folder: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let command = Arguments::command();
    match &args.folder {
        Some(folder) => std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(command, folder))
            .with_context(|| format!("the pages cannot be written into {}", folder.display())),
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            write_out(format_args!("{}", String::from_utf8_lossy(&page)));
            Ok(())
        }
    }
}
