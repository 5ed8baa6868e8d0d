//! Stopping, in the order in which nothing is lost.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};

use super::Server;
use crate::hub::Close;

/// Clients come back spread over this long, so that a restarted server is not met by all at once.
const RECONNECT_SPREAD: Duration = Duration::from_secs(5);

impl Server {
    /// Says that it is not ready, takes no more, lets go of the connections, has observers hear of what happened, writes what
    /// is queued, and closes the database, all within the time that is configured. False if there was something that it
    /// could not finish; a client that does not say goodbye is nothing of the kind.
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
            tracing::warn!(
                connections = self.connections.len(),
                "some connections did not end in time; they are cut off"
            );
        }
        // What the connections did last is still told to observers, who may write.
        self.stop_reacting.cancel();
        let reacted = timeout_at(began + limit * 3 / 4, self.reacting.wait()).await.is_ok();
        if !reacted {
            tracing::error!("observers did not finish in time; they do not hear of what happened last");
        }
        // Whatever the connections left in the queue is acknowledged or was never promised; it is written either way.
        self.stop_writing.cancel();
        let written = timeout_at(began + limit, self.writing.wait()).await.is_ok();
        if !written {
            tracing::error!("what was queued was not written in time; nobody was told that it was");
        }
        // The others hear of what was written last, and that this node is gone.
        if let Some(cluster) = &self.cluster
            && timeout_at(began + limit, cluster.leave()).await.is_err()
        {
            tracing::warn!("the other nodes were not told in time; they hear of it when this node's lease is over");
        }
        self.stop_clustering.cancel();
        self.clustering.close();
        self.clustering.wait().await;
        // SQLite's own log is folded into its file; the next start does so where there is no time left for it.
        let _ = timeout_at(began + limit, self.database.close()).await;
        reacted && written
    }
}

fn going_away() -> Close {
    let spread = u64::try_from(RECONNECT_SPREAD.as_millis()).unwrap_or(u64::MAX);
    let wait = rand::random_range(0..spread);
    Close::new(Close::GOING_AWAY, json!({"reconnect_after_ms": wait}).to_string())
}
