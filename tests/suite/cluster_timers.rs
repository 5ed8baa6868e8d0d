//! A plugin's timer fires once in a cluster, even if nodes die.

use nix::sys::signal::Signal;
use serde_json::json;
use tokio::time::timeout;

use crate::harness::{Client, Cluster, PATIENCE, Plugin, Server, Setup};

/// A node with the bot.
async fn node(cluster: &Cluster, name: &str, settings: &str) -> Server {
    let setup = Setup::bare().configure(&format!(
        r#"
        [plugin.bot]
        grants = ["storage", "rooms", "messages", "push", "timers", "http"]
        limits = {{ call_ms = 60000 }}
        settings = {{ commands = true{settings} }}
        "#,
    ));
    setup.install(Plugin::Bot, "bot.wasm");
    cluster.node(name, setup).start().await
}

async fn set(client: &mut Client, text: &str, again: u32) {
    let args = json!({"room": "lobby", "name": "tick", "text": text, "again": again});
    client.call("bot.alarm", args).await.unwrap();
}

/// How many timers of the bot fired on a node, from its metrics.
async fn timer_calls(server: &Server) -> u64 {
    let text = server.fetch("/metrics").await.text().await.unwrap();
    let of_timers = |line: &&str| line.contains(r#"plugin="bot""#) && line.contains(r#"hook="timer""#);
    let verdicts = text.lines().filter(|line| line.starts_with("natterjack_plugin_verdicts_total{")).filter(of_timers);
    verdicts.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn timer_fires_on_one_node_only() {
    let cluster = Cluster::start().await;
    let (first, second) = (node(&cluster, "first", "").await, node(&cluster, "second", "").await);
    let (mut ann, mut bob) = (first.join_as("ann").await, second.join_as("bob").await);
    ann.join("lobby").await;
    bob.join("lobby").await;
    set(&mut ann, "tick", 2).await;
    // The node whose timer fires last notifies its own clients, if not all.
    loop {
        tokio::select! {
            _ = ann.expect_message() => {}
            _ = bob.expect_message() => {}
        }
        if ann.history("lobby").await.len() == 3 {
            break;
        }
    }
    assert_eq!(timer_calls(&first).await + timer_calls(&second).await, 3);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn timer_of_a_dead_node_fires_on_another() {
    let cluster = Cluster::start().await;
    let (mut first, second) = (node(&cluster, "first", "").await, node(&cluster, "second", "").await);
    let (mut ann, mut bob) = (first.join_as("ann").await, second.join_as("bob").await);
    ann.join("lobby").await;
    bob.join("lobby").await;
    set(&mut ann, "still due", 0).await;
    first.kill().await;
    assert_eq!(bob.expect_message().await, "still due");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn timer_interrupted_by_node_death_fires_again_on_another() {
    let cluster = Cluster::start().await;
    let mut first = node(&cluster, "first", ", stuck = true").await;
    let mut ann = first.join_as("ann").await;
    ann.join("lobby").await;
    set(&mut ann, "at last", 0).await;
    first.expect_output("stuck").await;
    let second = node(&cluster, "second", "").await;
    let mut bob = second.join_as("bob").await;
    bob.join("lobby").await;
    first.kill().await;
    assert_eq!(bob.expect_message().await, "at last");
    assert_eq!(bob.history("lobby").await, ["at last"]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: `cargo xtask test`"]
async fn timer_effects_of_a_partitioned_node_are_not_committed_twice() {
    let cluster = Cluster::start().await;
    let mut first = node(&cluster, "first", ", stuck = true").await;
    let mut ann = first.join_as("ann").await;
    ann.join("lobby").await;
    set(&mut ann, "at last", 0).await;
    first.expect_output("stuck").await;
    let second = node(&cluster, "second", "").await;
    let mut bob = second.join_as("bob").await;
    bob.join("lobby").await;
    first.signal(Signal::SIGSTOP);
    assert_eq!(bob.expect_message().await, "at last");
    bob.post("lobby", "go on").await.unwrap();
    first.signal(Signal::SIGCONT);
    let told = async { while timer_calls(&first).await == 0 {} };
    timeout(PATIENCE, told).await.expect("it came to its end there too");
    // A node can stop only after its timer calls are settled.
    assert!(first.stop().await.success());
    assert_eq!(bob.history("lobby").await, ["at last", "go on"]);
}
