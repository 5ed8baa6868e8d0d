//! Leases: each node renews its lease in the database, by the database's clock, and drops nodes whose leases have expired.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use super::wire::ToAll;
use super::{Cluster, HEARTBEAT_INTERVAL, LEASE_DURATION};
use crate::database::Node;
use crate::error::Result;

/// How often full buckets of rate limits in the database are removed.
const TIDY_INTERVAL: Duration = Duration::from_secs(60);
/// How long dead nodes stay in the list.
const DEAD_NODE_RETENTION: Duration = Duration::from_secs(60 * 60);

impl Cluster {
    pub(super) async fn keep_lease(self: Arc<Self>) {
        let mut tick = interval(HEARTBEAT_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // If the database or this node was unavailable, the others' leases have expired too: give them time to renew.
        let mut expire_from = Instant::now() + LEASE_DURATION;
        let mut last_beat = Instant::now();
        let mut tidied = Instant::now();
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.heartbeat_now.notified() => {}
                () = self.leaving.cancelled(), if !self.health.draining.load(Ordering::Relaxed) => {}
            }
            let began = Instant::now();
            if began - last_beat > LEASE_DURATION {
                expire_from = began + LEASE_DURATION;
            }
            let reachable = self.nats.round_trip().await;
            self.health.hears.store(reachable, Ordering::Relaxed);
            let renewed = self.heartbeat().await;
            self.health.lease.store(renewed.is_ok(), Ordering::Relaxed);
            self.metrics.connected.set(if reachable { 1.0 } else { 0.0 });
            self.metrics.lost.absolute(self.link.lost());
            if let Err(error) = renewed {
                tracing::warn!(%error, "heartbeat failed");
                continue;
            }
            last_beat = Instant::now();
            if reachable {
                let trusted = self.validity.holds();
                if !trusted {
                    self.resync();
                }
                self.validity.renew(began + LEASE_DURATION);
            }
            let (nth, _) = self.parts.hub.people();
            self.send_to_all(&ToAll::Beat { nth }).await;
            if tidied.elapsed() >= TIDY_INTERVAL {
                tidied = Instant::now();
                // An error is ignored: the next run or another node repeats this.
                let _ = self.parts.database.remove_full_buckets().await;
            }
            if let Err(error) = self.check_nodes(Instant::now() >= expire_from).await {
                tracing::warn!(%error, "reading leases of other nodes failed");
            }
        }
    }

    /// Renews this node's lease.
    pub(super) async fn heartbeat(&self) -> Result<()> {
        let draining = self.leaving.is_cancelled();
        self.health.draining.store(draining, Ordering::Relaxed);
        let hub = &self.parts.hub;
        let node = Node {
            id: self.node.to_string(),
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            draining,
            connections: hub.count() as i64,
            rooms: hub.count_rooms() as i64,
            messages: hub.posted().cast_signed(),
            plugins: self.parts.plugins.digest(),
            hears: self.nats.is_connected(),
            lease_ms: 0,
        };
        self.parts.database.beat(&node, LEASE_DURATION).await
    }

    /// Reads all leases; drops nodes whose lease has expired, so that accounts connected to them alone go offline.
    async fn check_nodes(&self, may_expire: bool) -> Result<()> {
        // Before reading the database, so that a node that joins meanwhile is not taken for dead.
        let known = self.parts.hub.known_nodes();
        let nodes = self.parts.database.nodes().await?;
        let alive: Vec<_> =
            nodes.iter().filter(|node| node.lease_ms > 0).filter_map(|node| node.id.parse().ok()).collect();
        self.metrics.nodes.set(alive.len() as f64);
        if !may_expire {
            return Ok(());
        }
        for node in known.into_iter().filter(|node| !alive.contains(node)) {
            tracing::warn!(%node, "lease expired, dropping node");
            self.parts.hub.drop_node(node);
            // It may have stored entries that it did not publish.
            self.sweep.notify_one();
        }
        if nodes.iter().any(|node| node.lease_ms < 0) {
            self.parts.database.remove_dead_nodes(DEAD_NODE_RETENTION).await?;
        }
        Ok(())
    }
}
