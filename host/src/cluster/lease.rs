//! Leases: each node says again and again that it lives, by the database's clock, and looks who else does.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use super::wire::ToAll;
use super::{BEAT, Cluster, LEASE};
use crate::database::Node;
use crate::error::Result;

/// How often buckets of tries that are full again are forgotten.
const TIDYING: Duration = Duration::from_secs(60);
/// How long nodes that have died are shown.
const SHOWN: Duration = Duration::from_secs(60 * 60);

impl Cluster {
    pub(super) async fn keep_lease(self: Arc<Self>) {
        let mut tick = interval(BEAT);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // When the database, or this node, has been away, the others' leases have run out too: they get the time to say that they live.
        let mut judging_from = Instant::now() + LEASE;
        let mut last_beat = Instant::now();
        let mut tidied = Instant::now();
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.beat_now.notified() => {}
                () = self.leaving.cancelled(), if !self.health.draining.load(Ordering::Relaxed) => {}
            }
            let began = Instant::now();
            if began - last_beat > LEASE {
                judging_from = began + LEASE;
            }
            let heard = self.nats.round_trip().await;
            self.health.hears.store(heard, Ordering::Relaxed);
            let beaten = self.beat().await;
            self.health.lease.store(beaten.is_ok(), Ordering::Relaxed);
            self.metrics.connected.set(if heard { 1.0 } else { 0.0 });
            self.metrics.lost.absolute(self.link.lost());
            if let Err(error) = beaten {
                tracing::warn!(%error, "this node cannot say that it lives");
                continue;
            }
            last_beat = Instant::now();
            if heard {
                let trusted = self.validity.holds();
                if !trusted {
                    self.look_again();
                }
                self.validity.renew(began + LEASE);
            }
            let (nth, _) = self.parts.hub.people();
            self.send_to_all(&ToAll::Beat { nth }).await;
            if tidied.elapsed() >= TIDYING {
                tidied = Instant::now();
                // What fails is done the next time, or by another node.
                let _ = self.parts.database.tidy_tries().await;
            }
            if let Err(error) = self.look_around(Instant::now() >= judging_from).await {
                tracing::warn!(%error, "this node cannot see who else lives");
            }
        }
    }

    /// Says that this node lives.
    pub(super) async fn beat(&self) -> Result<()> {
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
        self.parts.database.beat(&node, LEASE).await
    }

    /// Looks who lives; whose lease is over is gone, with all who were connected to it alone.
    async fn look_around(&self, judging: bool) -> Result<()> {
        // Before the database is asked: who comes meanwhile is not missed there.
        let known = self.parts.hub.known_nodes();
        let nodes = self.parts.database.nodes().await?;
        let alive: Vec<_> =
            nodes.iter().filter(|node| node.lease_ms > 0).filter_map(|node| node.id.parse().ok()).collect();
        self.metrics.nodes.set(alive.len() as f64);
        if !judging {
            return Ok(());
        }
        for node in known.into_iter().filter(|node| !alive.contains(node)) {
            tracing::warn!(%node, "a node is gone: its lease is over");
            self.parts.hub.drop_node(node);
            // It may have stored something that it told nobody.
            self.sweep.notify_one();
        }
        if nodes.iter().any(|node| node.lease_ms < 0) {
            self.parts.database.remove_dead_nodes(SHOWN).await?;
        }
        Ok(())
    }
}
