//! Taking away what need not be kept any longer: old entries, files that no message carries, old lines of the audit log.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Writer;
use crate::clock::{Timestamp, now};
use crate::config;
use crate::database::Database;
use crate::error::Result;
use crate::protocol::{Actor, Change, RoomId, Unit};

/// How much goes at a time: posts come in between.
const BATCH: u32 = 500;

pub struct Retention {
    database: Database,
    writer: Writer,
    config: config::Retention,
    unused_media: Duration,
}

impl Retention {
    pub fn new(database: Database, writer: Writer, config: &config::Retention, media: &config::Media) -> Self {
        Self { database, writer, config: config.clone(), unused_media: media.unused_ttl }
    }

    /// Sweeps again and again until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(self.config.interval);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            if let Some(Err(error)) = stop.run_until_cancelled(self.sweep()).await {
                tracing::warn!(%error, "could not take away what is too old; it is tried again");
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
        if self.config.max_age.is_zero() && self.config.max_messages == 0 {
            return Ok(());
        }
        let mut after = None;
        while let Some(room) = self.database.next_room(after).await? {
            let entries = self.prune(room).await?;
            if entries > 0 {
                tracing::info!(%room, entries, "took away old entries");
            }
            after = Some(room);
        }
        Ok(())
    }

    async fn prune(&self, room: RoomId) -> Result<u64> {
        let age = self.config.max_age;
        let before = if age.is_zero() { Timestamp(i64::MIN) } else { now() - age };
        let beyond = match self.config.max_messages {
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
        match self.config.audit_max_age {
            age if age.is_zero() => Ok(0),
            age => self.database.drop_audit_before(now() - age).await,
        }
    }

    async fn drop_unused_media(&self) -> Result<u64> {
        let before = now() - self.unused_media;
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
