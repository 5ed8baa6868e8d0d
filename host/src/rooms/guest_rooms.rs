//! Rooms that guests made: nobody is left to care for them once everybody has gone, so they go too.

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

/// How often it is looked who is in them, at the least.
const INTERVAL: Duration = Duration::from_secs(60);

pub struct GuestRooms {
    database: Database,
    writer: Writer,
    hub: Arc<Hub>,
    config: Reloadable<config::Rooms>,
}

impl GuestRooms {
    /// A room goes when nobody was in it for as long as `config` says.
    pub fn new(database: Database, writer: Writer, hub: Arc<Hub>, config: Reloadable<config::Rooms>) -> Self {
        Self { database, writer, hub, config }
    }

    /// Sweeps again and again until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            let ttl = self.config.get().guest_rooms_ttl;
            let every = if ttl.is_zero() { INTERVAL } else { INTERVAL.min(ttl / 10).max(Duration::from_millis(100)) };
            // Not at once: after a start, whoever was there comes back first.
            if stop.run_until_cancelled(tokio::time::sleep(every)).await.is_none() {
                return;
            }
            if ttl.is_zero() {
                continue;
            }
            if let Some(Err(error)) = stop.run_until_cancelled(self.sweep(ttl)).await {
                tracing::warn!(%error, "could not look after the rooms that guests made; it is tried again");
            }
        }
    }

    async fn sweep(&self, ttl: Duration) -> Result<()> {
        let at = now();
        for (room, members) in self.database.guest_rooms().await? {
            if members > 0 || self.hub.has_subscribers(room) {
                self.database.see_guest_room(room, at).await?;
            }
        }
        for room in self.database.guest_rooms_unseen_since(at - ttl).await? {
            if self.hub.has_subscribers(room) {
                continue;
            }
            match self.writer.commit(Unit::new(Actor::Server, vec![Change::DeleteRoom { room }])).await {
                Ok(()) => tracing::info!(%room, "a room that a guest made was empty for long and is gone"),
                // Somebody else was faster.
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
