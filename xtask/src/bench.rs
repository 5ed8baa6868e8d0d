//! `cargo xtask bench`.

mod cluster;
mod peers;
mod quick;

use std::path::PathBuf;

use anyhow::Result;

use crate::workspace::Workspace;

/// Compare the server with others, or with itself at another commit.
///
/// With --quick: the instructions on a message's hot path, counted by valgrind's callgrind, here and at another commit. A busy
/// machine does not change them.
///
/// With --peers: this server, npm's ws and socket.io, Bun, ejabberd, axum in the style of its example, and a bare epoll loop
/// as the limit, in turn, each on one core, loaded from another. Peers are installed under target/bench, ejabberd as a Debian
/// package; those that cannot be installed are left out. Takes a quiet machine with two cores and about ten minutes. Results
/// go to docs/benchmarks, where those of workloads that were not repeated stay.
///
/// With --cluster: the CPU time and latency that running several nodes adds.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Compare with other servers, on this machine
    #[arg(long, required_unless_present_any = ["quick", "cluster"])]
    peers: bool,
    /// Compare one node, the same with NATS, and three nodes
    #[arg(long, conflicts_with_all = ["peers", "quick"])]
    cluster: bool,
    /// Count the instructions on a message's hot path, here and at another commit
    #[arg(long, conflicts_with = "peers")]
    quick: bool,
    /// The commit to compare with
    #[arg(long, default_value = "HEAD~1", requires = "quick", value_name = "COMMIT")]
    against: String,
    /// Only this workload; may be given more than once
    #[arg(long, value_name = "NAME", requires = "peers", value_parser = peers::names())]
    only: Vec<String>,
    /// How often to measure each; the median counts
    #[arg(long, default_value_t = 3, conflicts_with = "quick", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long to measure, each time
    #[arg(long, default_value_t = 3, conflicts_with = "quick", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    time: u32,
    /// A server that is already built [default: build it, with optimisation]
    #[arg(long, conflicts_with = "quick", value_name = "PATH")]
    server: Option<PathBuf>,
    /// The folder for the results [default: docs/benchmarks]
    #[arg(long, conflicts_with = "quick", value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    if args.quick {
        return quick::run(workspace, &args.against);
    }
    let out = args.out.clone().unwrap_or_else(|| workspace.root.join("docs/benchmarks"));
    if args.cluster {
        return cluster::run(workspace, args.server.as_deref(), args.rounds, args.time, &out);
    }
    let plan =
        peers::Plan { only: &args.only, rounds: args.rounds, seconds: args.time, server: args.server.as_deref(), out };
    peers::run(workspace, &plan)
}
