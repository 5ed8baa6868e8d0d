//! Graceful shutdown, in an order in which nothing is lost.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};

use super::Server;
use crate::hub::Close;

/// Clients spread their reconnections over this time, so that they do not all meet a restarted server at once.
const RECONNECT_SPREAD: Duration = Duration::from_secs(5);

impl Server {
    /// Shuts down: reports not ready, stops accepting, closes connections, lets observers handle the last events, commits queued
    /// writes, and closes the database, all within the configured time. False if observers or writes did not finish; clients that
    /// do not complete the closing handshake do not count.
    pub async fn shut_down(self) -> bool {
        let (delay, limit) = {
            let server = self.server.get();
            (server.shutdown_delay, server.shutdown_timeout)
        };
        let open = self.core.hub.count();
        tracing::info!(connections = open, "stopping");
        self.leaving.cancel();
        sleep(delay).await;
        let began = Instant::now();
        self.stop.cancel();
        self.core.hub.close_all(going_away);
        for tasks in [&self.accepting, &self.connections, &self.reacting, &self.writing] {
            tasks.close();
        }
        // Each step leaves some of the time to those after it.
        let goodbyes = async {
            self.accepting.wait().await;
            self.connections.wait().await;
        };
        if timeout_at(began + limit / 2, goodbyes).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "connections did not close in time, aborting them");
        }
        // The connections' last events still go to observers, which may write.
        self.stop_reactions.cancel();
        let reacted = timeout_at(began + limit * 3 / 4, self.reacting.wait()).await.is_ok();
        if !reacted {
            tracing::error!("observers did not finish in time, dropping their last events");
        }
        // Writes that connections left in the queue are committed, whether or not somebody still waits for them.
        self.stop_writing.cancel();
        let written = timeout_at(began + limit, self.writing.wait()).await.is_ok();
        if !written {
            tracing::error!("queued writes not committed in time, none of them was acknowledged");
        }
        // Other nodes receive the last entries, and that this node has left.
        if let Some(cluster) = &self.cluster
            && timeout_at(began + limit, cluster.leave()).await.is_err()
        {
            tracing::warn!("leaving the cluster timed out, other nodes notice when the lease expires");
        }
        self.stop_clustering.cancel();
        self.clustering.close();
        self.clustering.wait().await;
        // Checkpoints SQLite's log; the next start does so if no time is left.
        let _ = timeout_at(began + limit, self.database.close()).await;
        reacted && written
    }
}

fn going_away() -> Close {
    let spread = u64::try_from(RECONNECT_SPREAD.as_millis()).unwrap_or(u64::MAX);
    let wait = rand::random_range(0..spread);
    Close::new(Close::GOING_AWAY, json!({"reconnect_after_ms": wait}).to_string())
}
