//! People talk, come and go, while the server is killed and started again and again: what was acknowledged is there once,
//! everybody heard one same order, and nothing that was shown is lost.
//!
//! `cargo xtask torture` runs it for as long as one likes; both say their seed, and take one from NATTERJACK_TORTURE_SEED.

#![allow(clippy::print_stdout, reason = "a long test tells how it gets on")]

mod chatter;
mod history;
mod round;
mod stage;

use std::time::Duration;

use self::round::round;
use self::stage::Stage;

/// The rounds of the long form.
const ROUND: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_secs(15);
/// So that something of everything happens.
const LONGER: Duration = Duration::from_secs(25);
/// For how long a node is stopped, in the long form: far longer than its lease.
const CUT_OFF: Duration = Duration::from_secs(20);

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is not a whole number")))
}

/// The seed that was asked for, or any.
fn seed() -> u64 {
    variable("NATTERJACK_TORTURE_SEED").unwrap_or_else(|| rand::random_range(0..1_000_000))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_reordered_while_the_server_is_killed() {
    let report = round(Stage::alone().await, seed(), SHORT).await;
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    // A round in which nothing happened would show nothing.
    assert!(report.kills() > 0 && report.acknowledged() > 0, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn nothing_is_lost_doubled_or_reordered_while_nodes_die_and_nats_postgresql_and_nodes_are_away() {
    let report = round(Stage::cluster(Duration::ZERO).await, seed(), LONGER).await;
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    assert!(report.kills() > 0 && report.outages() > 0 && report.acknowledged() > 0, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes as long as it is told to: `cargo xtask torture`"]
async fn nothing_is_lost_doubled_or_reordered_for_as_long_as_one_likes() {
    let first = seed();
    let clustered = variable("NATTERJACK_TORTURE_CLUSTER") == Some(1);
    let rounds = variable("NATTERJACK_TORTURE_MINUTES").unwrap_or(1).max(1);
    let (mut kills, mut acknowledged, mut faulty) = (0, 0, Vec::new());
    for n in 0..rounds {
        let stage = if clustered { Stage::cluster(CUT_OFF).await } else { Stage::alone().await };
        let report = round(stage, first + n, ROUND).await;
        println!("round {} of {rounds}, {report}", n + 1);
        kills += report.kills();
        acknowledged += report.acknowledged();
        if !report.is_clean() {
            faulty.push(first + n);
        }
    }
    println!("{rounds} rounds: {kills} kills, {acknowledged} posts acknowledged, {} rounds with faults", faulty.len());
    assert!(faulty.is_empty(), "rounds with these seeds had faults: {faulty:?}");
}
