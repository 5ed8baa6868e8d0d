//! `cargo xtask schemathesis`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use xtask::command::{self, cargo};

/// The version that the suite's test was written for.
const VERSION: &str = "4.32.5";
/// Requests that the long run generates for each operation.
const EXAMPLES_PER_OPERATION: &str = "500";

/// Test the REST API against its OpenAPI document, at length
///
/// Like the short run in the tests, but with more requests, and different ones each time. Schemathesis, which generates them,
/// is installed into a virtual environment under target/; the first time that needs Python 3 and its package index.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only install Schemathesis, if it is missing
    #[arg(long)]
    install: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    install(workspace)?;
    if args.install {
        return Ok(());
    }
    let mut test = cargo(&["test", "--locked", "--workspace", "--test=suite"]);
    test.args(["rest_document", "--", "--nocapture"]).env("NATTERJACK_SCHEMATHESIS_EXAMPLES", EXAMPLES_PER_OPERATION);
    command::run(&mut test)
}

/// Installs Schemathesis under target/, where the tests expect it.
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
    .context("the tests of the REST API need Schemathesis from the Python package index, which could not be installed")
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target_dir.join("schemathesis")
}
