//! `cargo xtask schemathesis`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use xtask::command::{self, cargo};

/// What the suite's test was written against.
const VERSION: &str = "4.32.5";
/// How many requests the long run makes up for each operation.
const EXAMPLES: &str = "500";

/// Try the REST API against its own document, at length
///
/// The same as the short run in the tests, with more requests, and other ones each time. Schemathesis, which makes them up,
/// is installed into a virtual environment under target/; that takes Python 3 and its package index, the first time.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only install Schemathesis, if it is not there
    #[arg(long)]
    install: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    install(workspace)?;
    if args.install {
        return Ok(());
    }
    let mut test = cargo(&["test", "--locked", "--workspace", "--test=suite"]);
    test.args(["rest_document", "--", "--nocapture"]).env("NATTERJACK_SCHEMATHESIS_EXAMPLES", EXAMPLES);
    command::run(&mut test)
}

/// Puts it under target/, where the tests look for it.
pub(crate) fn install(workspace: &Workspace) -> Result<()> {
    let folder = folder(workspace);
    let python = folder.join("bin/python");
    let wanted = format!("import importlib.metadata as m; assert m.version('schemathesis') == '{VERSION}'");
    if command::succeeds(Command::new(&python).args(["-c", &wanted])) {
        return Ok(());
    }
    command::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder)).context(
        "the tests of the REST API need Python 3 with its venv module (Debian: apt-get install python3-venv)",
    )?;
    let package = format!("schemathesis=={VERSION}");
    command::run(Command::new(&python).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        &package,
    ]))
    .context("the tests of the REST API need Schemathesis from the Python package index, which was not to be had")
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target_dir.join("schemathesis")
}
