//! `cargo xtask torture`.

use anyhow::Result;
use xtask::command::{self, cargo};
use xtask::postgres::Postgres;
use xtask::tools;

use crate::plugins;
use crate::workspace::Workspace;

/// The test of the suite that runs for a configured time.
const LONG_FORM: &str = "torture::nothing_is_lost_doubled_or_reordered_for_as_long_as_one_likes";

/// Kill the server again and again while people talk, and check that nothing is lost, doubled or reordered.
///
/// Runs rounds of a minute, each with a server, rooms and a seed of its own, and reports the result of each. The seed determines
/// the random choices of a round but not its timing, so that it may take several runs to reproduce a failure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long to run
    #[arg(long, default_value_t = 30)]
    minutes: u32,
    /// The first round's seed; following rounds use the following numbers [default: random]
    #[arg(long)]
    seed: Option<u32>,
    /// Use a private PostgreSQL instead of SQLite
    #[arg(long)]
    postgres: bool,
    /// Run three nodes of a cluster instead of one server; NATS, PostgreSQL and nodes are disconnected too
    #[arg(long, conflicts_with = "postgres")]
    cluster: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    plugins::build(workspace, false)?;
    command::run(&mut cargo(&["build", "--workspace", "--bin=natterjack", "--test=suite", "--locked"]))?;
    let postgres = if args.postgres { Some(Postgres::start()?) } else { None };
    let mut test = cargo(&["test", "--workspace", "--locked", "--test=suite", "--", "--exact", LONG_FORM]);
    test.args(["--ignored", "--nocapture"]).env("NATTERJACK_TORTURE_MINUTES", args.minutes.to_string());
    if let Some(seed) = args.seed {
        test.env("NATTERJACK_TORTURE_SEED", seed.to_string());
    }
    if args.cluster {
        tools::install()?;
        test.env("NATTERJACK_TORTURE_CLUSTER", "1");
    }
    if let Some(postgres) = &postgres {
        test.env("NATTERJACK_TEST_POSTGRES", postgres.url());
    }
    command::run(&mut test)
}
