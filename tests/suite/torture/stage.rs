//! The servers of a round (one, or three nodes with their own NATS and PostgreSQL), and the faults injected into them.

use std::collections::HashSet;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use xtask::postgres::Postgres;

use super::chatter::Tally;
use crate::harness::{Account, Cluster, Plugin, Server, Setup};

const NODES: usize = 3;
/// How long a dead node's accounts may still count as online: its lease, and the time until another node notices.
const OFFLINE_WITHIN: Duration = Duration::from_secs(20);

pub(super) struct Stage {
    nodes: Vec<Server>,
    shared: Option<Shared>,
}

/// Services shared by the nodes of a cluster.
struct Shared {
    cluster: Cluster,
    postgres: Postgres,
    /// How long a node is suspended at most.
    cut_off: Duration,
}

fn setup() -> Setup {
    let setup = Setup::bare()
        .replace("command_burst = 200", "command_burst = 1000000")
        .replace("commands_per_second = 20", "commands_per_second = 1000000")
        .replace("attempts_burst = 30", "attempts_burst = 1000000");
    setup.install(Plugin::Groups, Plugin::Groups.file_name());
    setup
}

impl Stage {
    pub(super) async fn alone() -> Self {
        Self { nodes: vec![setup().start().await], shared: None }
    }

    pub(super) async fn cluster(cut_off: Duration) -> Self {
        let postgres = Postgres::start().expect("PostgreSQL's programs are there");
        let cluster = Cluster::on(&postgres.url()).await;
        let mut nodes = Vec::new();
        for n in 0..NODES {
            nodes.push(cluster.node(&format!("node-{n}"), setup()).start().await);
        }
        Self { nodes, shared: Some(Shared { cluster, postgres, cut_off }) }
    }

    /// Any of the servers.
    pub(super) fn node(&self) -> &Server {
        &self.nodes[0]
    }

    pub(super) fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.address().to_owned()).collect()
    }

    /// Injects one fault after the other until the time is over, and restores everything at the end.
    pub(super) async fn torment(
        &mut self,
        addresses: &watch::Sender<Vec<String>>,
        seed: u64,
        lasting: Duration,
        tally: &Tally,
    ) {
        let mut random = StdRng::seed_from_u64(seed);
        let end = Instant::now() + lasting;
        while Instant::now() < end {
            sleep(Duration::from_millis(random.random_range(100..1500))).await;
            if self.shared.is_some() && random.random_bool(0.5) {
                self.cut_something_off(&mut random).await;
                tally.outages.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            self.end_a_server(&mut random, tally).await;
            addresses.send_replace(self.addresses());
        }
    }

    /// Kills a server, or sometimes stops it gracefully, and starts it again.
    async fn end_a_server(&mut self, random: &mut StdRng, tally: &Tally) {
        let at = random.random_range(0..self.nodes.len());
        let node = &mut self.nodes[at];
        if random.random_bool(0.2) {
            node.stop().await;
            tally.stops.fetch_add(1, Ordering::Relaxed);
        } else {
            node.kill().await;
            tally.kills.fetch_add(1, Ordering::Relaxed);
        }
        if random.random_bool(0.2) {
            // Killed before its first connection.
            let mut short_lived = node.setup().command(&["serve"]);
            let short_lived = short_lived.stdout(Stdio::null()).stderr(Stdio::null());
            let mut short_lived = short_lived.spawn().expect("the server's binary runs");
            sleep(Duration::from_millis(random.random_range(0..200))).await;
            short_lived.kill().await.expect("it is killed");
            tally.kills.fetch_add(1, Ordering::Relaxed);
        }
        node.start_again().await;
    }

    /// Stops NATS or PostgreSQL, or suspends a node, for a while.
    async fn cut_something_off(&mut self, random: &mut StdRng) {
        let Some(Shared { cluster, postgres, cut_off }) = &mut self.shared else { return };
        let a_while = Duration::from_millis(random.random_range(0..2000));
        match random.random_range(0..3) {
            0 => {
                cluster.nats.stop().await;
                sleep(a_while).await;
                cluster.nats.start_again().await;
            }
            1 => {
                postgres.crash().expect("it ends");
                sleep(a_while).await;
                postgres.start_again().expect("it starts again");
            }
            _ => {
                let node = &self.nodes[random.random_range(0..self.nodes.len())];
                node.signal(Signal::SIGSTOP);
                sleep(a_while.max(*cut_off)).await;
                node.signal(Signal::SIGCONT);
            }
        }
    }

    /// Warnings and errors in the output of the running servers.
    pub(super) fn troubles(&self) -> Vec<String> {
        let out_of_order = |line: &&String| ["panicked", " WARN ", " ERROR "].iter().any(|sign| line.contains(sign));
        let said = |node: &Server| -> Vec<String> {
            let lines = node.output();
            let lines = lines.iter().filter(out_of_order).map(|line| format!("{}: {line}", node.address()));
            lines.collect::<Vec<_>>().into_iter().rev().take(20).rev().collect()
        };
        self.nodes.iter().flat_map(said).collect()
    }

    /// After all clients have disconnected: the accounts that still count as online, after the nodes had time to notice.
    pub(super) async fn who_is_left(&self, accounts: &[Account]) -> Vec<String> {
        let mut left = Vec::new();
        for (node, me) in self.nodes.iter().zip(accounts) {
            let mut watcher = node.log_in(me).await;
            let others: Vec<_> = accounts.iter().filter(|other| other.id != me.id).map(|other| &other.id).collect();
            let watched = watcher.call("presence.watch", json!({"accounts": others})).await.expect("an answer");
            let watched = watched["accounts"].as_array().expect("a list");
            let online = watched.iter().filter(|one| one["online"] == true);
            let mut online: HashSet<String> = online.map(|one| one["id"].as_str().expect("an id").to_owned()).collect();
            let end = Instant::now() + OFFLINE_WITHIN;
            while !online.is_empty() {
                let event = timeout(end.saturating_duration_since(Instant::now()), watcher.expect_event("presence"));
                let Ok(event) = event.await else { break };
                if event["data"]["online"] == false {
                    online.remove(event["data"]["account"].as_str().expect("an id"));
                }
            }
            left.extend(online.into_iter().map(|id| format!("{id} is online at {}, and is nowhere", node.address())));
        }
        left
    }
}
