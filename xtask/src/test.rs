//! `cargo xtask test`.

use anyhow::Result;

use crate::command::cargo;
use crate::workspace::Workspace;
use crate::{command, plugins};

/// Build what the tests need, then run them all: plain `cargo test`, with doc tests.
///
/// The tests run the real server binary and the real plugins, so those are built first.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only tests whose names contain one of these
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    plugins::build(workspace, true)?;
    command::run(&mut cargo(&["build", "--package=natterjack", "--bin=natterjack", "--locked"]))?;

    let mut test = cargo(&["test", "--workspace", "--locked"]);
    if !args.filters.is_empty() {
        test.arg("--").args(&args.filters);
    }
    command::run(&mut test)?;
    match args.filters.as_slice() {
        [] => println!("all tests passed"),
        filters => {
            println!("no failure among the tests whose names contain {}; the others were not run", filters.join(" or "))
        }
    }
    Ok(())
}
