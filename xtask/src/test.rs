//! `cargo xtask test`.

use anyhow::{Context as _, Result};
use xtask::command::{self, cargo};
use xtask::postgres::Postgres;
use xtask::tools;

use crate::workspace::Workspace;
use crate::{foreign, plugins, schemathesis, slowest};

/// Slow tests that are about what is before the database: once is enough.
const SAME_ON_EVERY_DATABASE: [&str; 2] = ["foreign::", "pages::"];

/// As long as they are told to.
const ENDLESS: [&str; 1] = ["torture::nothing_is_lost_doubled_or_reordered_for_as_long_as_one_likes"];

/// Build what the tests need, then run them all: plain `cargo test`, with doc tests.
///
/// The tests run the real server binary and the real plugins, so those are built first. What drives the server runs twice:
/// on SQLite, and on a private PostgreSQL that is started for it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only tests whose names contain one of these
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    foreign::install(workspace)?;
    schemathesis::install(workspace)?;
    tools::install()?;
    plugins::build(workspace, true)?;
    // Of the workspace each time: other packages would mean other features of what they depend on, and building most of it again.
    command::run(&mut cargo(&["build", "--workspace", "--bin=natterjack", "--test=suite", "--locked"]))?;
    let times = tempfile::NamedTempFile::new().context("a file for the times of the tests")?;
    let mut test = cargo(&["test", "--workspace", "--locked"]);
    slowest::watch(&mut test, times.path())?;
    if !args.filters.is_empty() {
        test.arg("--").args(&args.filters);
    }
    command::run(&mut test)?;

    let postgres = Postgres::start()?;
    let mut again = cargo(&["test", "--workspace", "--locked", "--test=suite"]);
    again.env("NATTERJACK_TEST_POSTGRES", postgres.url());
    slowest::watch(&mut again, times.path())?;
    // The tests of clusters are ignored where there is no PostgreSQL.
    again.arg("--").args(&args.filters).arg("--include-ignored");
    again.args(SAME_ON_EVERY_DATABASE.iter().chain(&ENDLESS).flat_map(|tests| ["--skip", *tests]));
    println!("once more, on PostgreSQL");
    command::run(&mut again)?;
    if args.filters.is_empty() {
        let mut database = cargo(&["test", "--workspace", "--locked", "--lib", "--", "database::log_tests::"]);
        command::run(database.env("NATTERJACK_TEST_POSTGRES", postgres.url()))?;
    }
    drop(postgres);
    println!("{}", slowest::report(times.path())?);
    match args.filters.as_slice() {
        [] => println!("all tests passed"),
        filters => {
            println!("no failure among the tests whose names contain {}; the others were not run", filters.join(" or "))
        }
    }
    Ok(())
}
