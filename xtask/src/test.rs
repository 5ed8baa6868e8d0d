//! `cargo xtask test`.

use anyhow::Result;
use xtask::command::{self, cargo};
use xtask::postgres::Postgres;
use xtask::tools;

use crate::workspace::Workspace;
use crate::{foreign, plugins, schemathesis};

/// Slow tests that do not depend on the database, and run only on SQLite.
const SAME_ON_EVERY_DATABASE: [&str; 2] = ["foreign::", "pages::"];

/// Tests that run for a configured time, and are left out here.
const OPEN_ENDED: [&str; 1] = ["torture::nothing_is_lost_doubled_or_reordered_for_as_long_as_one_likes"];

/// Build what the tests need, then run them all: plain `cargo test`, with doc tests.
///
/// The tests run the real server binary and the real plugins, so those are built first. Tests of the server run twice:
/// on SQLite, and on a private PostgreSQL that is started for them.
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
    // Always the whole workspace: a choice of packages would change the features of dependencies, and rebuild most of them.
    command::run(&mut cargo(&["build", "--workspace", "--bin=natterjack", "--test=suite", "--locked"]))?;
    let mut test = cargo(&["test", "--workspace", "--locked"]);
    if !args.filters.is_empty() {
        test.arg("--").args(&args.filters);
    }
    command::run(&mut test)?;

    let postgres = Postgres::start()?;
    let mut again = cargo(&["test", "--workspace", "--locked", "--test=suite"]);
    again.env("NATTERJACK_TEST_POSTGRES", postgres.url());
    // The tests of clusters are ignored without PostgreSQL.
    again.arg("--").args(&args.filters).arg("--include-ignored");
    again.args(SAME_ON_EVERY_DATABASE.iter().chain(&OPEN_ENDED).flat_map(|tests| ["--skip", *tests]));
    println!("running the suite again on PostgreSQL");
    command::run(&mut again)?;
    if args.filters.is_empty() {
        let mut database = cargo(&["test", "--workspace", "--locked", "--lib", "--", "database::log_tests::"]);
        command::run(database.env("NATTERJACK_TEST_POSTGRES", postgres.url()))?;
    }
    drop(postgres);
    match args.filters.as_slice() {
        [] => println!("all tests passed"),
        filters => {
            println!("no failure among the tests whose names contain {}; the others were not run", filters.join(" or "))
        }
    }
    Ok(())
}
