//! Reads entries from the log that other nodes stored and NATS did not deliver.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::Cluster;
use crate::error::Result;
use crate::hub::PendingBroadcast;
use crate::protocol::{CacheInvalidation, EntryPayload, RoomId};

/// How long missing entries may still arrive by NATS before they are read.
const ARRIVAL_GRACE: Duration = Duration::from_millis(20);
/// How many entries of a room are read at a time.
const ENTRIES_PER_READ: u32 = 1000;
/// Delay after a database error.
const RETRY_DELAY: Duration = Duration::from_millis(500);

impl Cluster {
    pub(super) async fn fill_gaps(self: Arc<Self>) {
        loop {
            let rooms = self.link.gaps().take().await;
            sleep(ARRIVAL_GRACE).await;
            for room in rooms {
                if let Err(error) = self.fill(room).await {
                    tracing::debug!(%room, %error, "reading missing entries failed, retrying");
                    sleep(RETRY_DELAY).await;
                    self.link.gaps().insert(room);
                }
            }
        }
    }

    async fn fill(&self, room: RoomId) -> Result<()> {
        let Some(missing) = self.parts.hub.missing(room) else { return Ok(()) };
        let entries = self.parts.database.entries(room, missing.from - 1, missing.up_to, ENTRIES_PER_READ).await?;
        let complete = entries.len() < ENTRIES_PER_READ as usize;
        let up_to = if complete { missing.up_to } else { entries.last().map_or(missing.up_to, |last| last.seq) };
        if entries.iter().any(|entry| matches!(entry.what, EntryPayload::RoomUpdated { .. })) {
            self.parts.known.forget(CacheInvalidation::Room(room));
        }
        self.metrics.read.increment(entries.len() as u64);
        tracing::debug!(%room, from = missing.from, up_to, entries = entries.len(), "read missing entries from log");
        let Some(room) = self.room(room, &[]).await else { return Ok(()) };
        self.parts
            .broadcaster
            .broadcast_read(Arc::new(room), entries.into_iter().map(PendingBroadcast::late).collect(), up_to)
            .await;
        Ok(())
    }
}
