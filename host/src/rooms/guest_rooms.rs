//! Deletes rooms that guests created, once they have been empty for the configured time.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::now;
use crate::config::{self, Reloadable};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::hub::Hub;
use crate::messages::Writer;
use crate::protocol::{Actor, Change, Unit};

/// The longest interval between two sweeps.
const MAX_SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// Task that deletes empty guest rooms.
pub struct GuestRooms {
    database: Database,
    writer: Writer,
    hub: Arc<Hub>,
    config: Reloadable<config::Rooms>,
}

impl GuestRooms {
    /// Deletes rooms that were empty for `config.guest_rooms_ttl`; zero disables it.
    pub fn new(database: Database, writer: Writer, hub: Arc<Hub>, config: Reloadable<config::Rooms>) -> Self {
        Self { database, writer, hub, config }
    }

    /// Sweeps periodically until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            let ttl = self.config.get().guest_rooms_ttl;
            let interval = if ttl.is_zero() {
                MAX_SWEEP_INTERVAL
            } else {
                MAX_SWEEP_INTERVAL.min(ttl / 10).max(Duration::from_millis(100))
            };
            // Wait first: after a start, clients reconnect to their rooms.
            if stop.run_until_cancelled(tokio::time::sleep(interval)).await.is_none() {
                return;
            }
            if ttl.is_zero() {
                continue;
            }
            if let Some(Err(error)) = stop.run_until_cancelled(self.sweep(ttl)).await {
                tracing::warn!(%error, "guest room sweep failed, retrying");
            }
        }
    }

    async fn sweep(&self, ttl: Duration) -> Result<()> {
        let at = now();
        for (room, members) in self.database.guest_rooms().await? {
            if members > 0 || self.hub.has_subscribers(room) {
                self.database.mark_guest_room_seen(room, at).await?;
            }
        }
        for room in self.database.guest_rooms_unseen_since(at - ttl).await? {
            if self.hub.has_subscribers(room) {
                continue;
            }
            match self.writer.commit(Unit::new(Actor::Server, vec![Change::DeleteRoom { room }])).await {
                Ok(()) => tracing::info!(%room, "deleted empty guest room"),
                // Already deleted.
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
