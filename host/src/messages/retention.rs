//! Retention: removes old entries, unused files, old lines of the audit log, and old tombstones of deleted rooms.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Writer;
use crate::clock::{Timestamp, now};
use crate::config::{self, Reloadable};
use crate::database::Database;
use crate::error::Result;
use crate::protocol::{Actor, Change, RoomId, Unit};

/// How many rows are removed at a time, so that posts come in between.
const BATCH_SIZE: u32 = 500;
/// How many tombstones of deleted rooms are kept.
const MAX_ROOM_TOMBSTONES: u32 = 100_000;
/// How often the configured interval is read again.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Task that removes old data at the configured interval.
pub struct Retention {
    database: Database,
    writer: Writer,
    config: Reloadable<config::Retention>,
    media: Reloadable<config::Media>,
}

impl Retention {
    pub fn new(
        database: Database,
        writer: Writer,
        config: Reloadable<config::Retention>,
        media: Reloadable<config::Media>,
    ) -> Self {
        Self { database, writer, config, media }
    }

    /// Sweeps at the configured interval until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            match stop.run_until_cancelled(self.sweep()).await {
                Some(Err(error)) => tracing::warn!(%error, "retention sweep failed, retrying"),
                Some(Ok(())) => {}
                None => return,
            }
            let began = Instant::now();
            let due = |interval: Duration| began + interval;
            // Read again every time: the interval may become shorter meanwhile.
            while Instant::now() < due(self.config.get().interval) {
                let next = due(self.config.get().interval).min(Instant::now() + POLL_INTERVAL);
                if stop.run_until_cancelled(sleep_until(next)).await.is_none() {
                    return;
                }
            }
        }
    }

    async fn sweep(&self) -> Result<()> {
        let files = self.drop_unused_media().await?;
        if files > 0 {
            tracing::info!(files, "removed unused files");
        }
        let lines = self.drop_old_audit().await?;
        if lines > 0 {
            tracing::info!(lines, "removed old audit log lines");
        }
        while self.database.prune_deleted_rooms(MAX_ROOM_TOMBSTONES, BATCH_SIZE).await? > 0 {}
        let config = self.config.latest();
        if config.max_age.is_zero() && config.max_messages == 0 {
            return Ok(());
        }
        let mut after = None;
        while let Some(room) = self.database.next_room(after).await? {
            let entries = self.prune(&config, room).await?;
            if entries > 0 {
                tracing::info!(%room, entries, "removed old entries");
            }
            after = Some(room);
        }
        Ok(())
    }

    async fn prune(&self, config: &config::Retention, room: RoomId) -> Result<u64> {
        let age = config.max_age;
        let before = if age.is_zero() { Timestamp(i64::MIN) } else { now() - age };
        let beyond = match config.max_messages {
            0 => 0,
            kept => self.database.seq_beyond(room, kept).await?,
        };
        let mut gone = 0;
        while let Some((up_to, count)) = self.database.overdue(room, before, beyond, BATCH_SIZE).await? {
            let prune = Change::Prune { room, up_to, limit: BATCH_SIZE };
            self.writer.commit(Unit::new(Actor::Server, vec![prune])).await?;
            gone += count;
        }
        Ok(gone)
    }

    async fn drop_old_audit(&self) -> Result<u64> {
        match self.config.latest().audit_max_age {
            age if age.is_zero() => Ok(0),
            age => self.database.drop_audit_before(now() - age).await,
        }
    }

    async fn drop_unused_media(&self) -> Result<u64> {
        let before = now() - self.media.get().unused_ttl;
        let mut files = 0;
        loop {
            // Few at a time: each may be large.
            match self.database.drop_unused_media(before, 10).await? {
                0 => return Ok(files),
                dropped => files += dropped,
            }
        }
    }
}
