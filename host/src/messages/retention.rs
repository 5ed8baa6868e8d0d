//! Taking away what need not be kept any longer: old entries, files that no message carries, old lines of the audit log.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Writer;
use crate::clock::{Timestamp, now};
use crate::config::{self, Reloadable};
use crate::database::Database;
use crate::error::Result;
use crate::protocol::{Actor, Change, RoomId, Unit};

/// How much goes at a time: posts come in between.
const BATCH: u32 = 500;
/// How many deleted rooms are remembered one by one.
const TOMBSTONES: u32 = 100_000;
/// How soon it is noticed that the interval was changed.
const LOOK: Duration = Duration::from_secs(1);

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

    /// Sweeps again and again until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            match stop.run_until_cancelled(self.sweep()).await {
                Some(Err(error)) => tracing::warn!(%error, "could not take away what is too old; it is tried again"),
                Some(Ok(())) => {}
                None => return,
            }
            let began = Instant::now();
            let due = |interval: Duration| began + interval;
            // Looked at again and again: it may become shorter meanwhile.
            while Instant::now() < due(self.config.get().interval) {
                let next = due(self.config.get().interval).min(Instant::now() + LOOK);
                if stop.run_until_cancelled(sleep_until(next)).await.is_none() {
                    return;
                }
            }
        }
    }

    async fn sweep(&self) -> Result<()> {
        let files = self.drop_unused_media().await?;
        if files > 0 {
            tracing::info!(files, "took away files that no message carries");
        }
        let lines = self.drop_old_audit().await?;
        if lines > 0 {
            tracing::info!(lines, "took away old lines of the audit log");
        }
        while self.database.prune_deleted_rooms(TOMBSTONES, BATCH).await? > 0 {}
        let config = self.config.latest();
        if config.max_age.is_zero() && config.max_messages == 0 {
            return Ok(());
        }
        let mut after = None;
        while let Some(room) = self.database.next_room(after).await? {
            let entries = self.prune(&config, room).await?;
            if entries > 0 {
                tracing::info!(%room, entries, "took away old entries");
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
        while let Some((up_to, count)) = self.database.overdue(room, before, beyond, BATCH).await? {
            let prune = Change::Prune { room, up_to, limit: BATCH };
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
