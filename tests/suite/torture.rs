//! Torture test: clients chat, join and leave while servers are killed and restarted. Acknowledged posts are stored once, all
//! clients receive the same order, and no entry that a client received is lost.
//!
//! `cargo xtask torture` runs it for any duration. Both print their seed, and read one from NATTERJACK_TORTURE_SEED.

#![allow(clippy::print_stdout, reason = "a long test tells how it gets on")]

mod chatter;
mod history;
mod round;
mod stage;

use std::time::Duration;

use self::round::round;
use self::stage::Stage;

/// The length of a round in the long run.
const ROUND_DURATION: Duration = Duration::from_secs(60);
const SHORT_ROUND_DURATION: Duration = Duration::from_secs(15);
/// Long enough for every kind of fault to happen.
const CLUSTER_ROUND_DURATION: Duration = Duration::from_secs(25);
/// How long a node is suspended in the long run: far longer than its lease.
const SUSPENSION: Duration = Duration::from_secs(20);

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is not a whole number")))
}

/// The seed from the environment, or a random one.
fn seed() -> u64 {
    variable("NATTERJACK_TORTURE_SEED").unwrap_or_else(|| rand::random_range(0..1_000_000))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_reordered_while_the_server_is_killed() {
    let report = round(Stage::alone().await, seed(), SHORT_ROUND_DURATION).await;
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    // A round in which nothing happened would show nothing.
    assert!(report.kills() > 0 && report.acknowledged() > 0, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn nothing_is_lost_doubled_or_reordered_while_nodes_die_and_nats_postgresql_and_nodes_are_away() {
    let report = round(Stage::cluster(Duration::ZERO).await, seed(), CLUSTER_ROUND_DURATION).await;
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
        let stage = if clustered { Stage::cluster(SUSPENSION).await } else { Stage::alone().await };
        let report = round(stage, first + n, ROUND_DURATION).await;
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
