//! Rooms that guests made: nobody is left to care for them once everybody has gone, so they go too.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::now;
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
    ttl: Duration,
}

impl GuestRooms {
    /// A room goes when nobody was in it for `ttl`.
    pub fn new(database: Database, writer: Writer, hub: Arc<Hub>, ttl: Duration) -> Self {
        Self { database, writer, hub, ttl }
    }

    /// Sweeps again and again until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        if self.ttl.is_zero() {
            return;
        }
        let every = INTERVAL.min(self.ttl / 10).max(Duration::from_millis(100));
        // Not at once: after a start, whoever was there comes back first.
        let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            if let Some(Err(error)) = stop.run_until_cancelled(self.sweep()).await {
                tracing::warn!(%error, "could not look after the rooms that guests made; it is tried again");
            }
        }
    }

    async fn sweep(&self) -> Result<()> {
        let at = now();
        for (room, members) in self.database.guest_rooms().await? {
            if members > 0 || self.hub.is_heard(room) {
                self.database.see_guest_room(room, at).await?;
            }
        }
        for room in self.database.guest_rooms_unseen_since(at - self.ttl).await? {
            if self.hub.is_heard(room) {
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
