//! Timers of plugins.

use std::sync::Arc;
use std::time::Duration;

use super::{Database, Pool, Tx, each};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::protocol::{Account, AccountId, Requester, RoomId, Timer};

/// A plugin's timers that are due, with who set them.
macro_rules! due {
    () => {
        "SELECT t.name, t.due_at, t.payload, t.set_in, u.id, u.uid, u.username, u.is_admin FROM timers t \
         LEFT JOIN users u ON u.id = t.set_by WHERE t.plugin = $1 AND t.due_at <= $2"
    };
}

#[derive(sqlx::FromRow)]
struct TimerRow {
    name: String,
    due_at: Timestamp,
    payload: String,
    set_in: Option<RoomId>,
    id: Option<i64>,
    uid: Option<AccountId>,
    username: Option<String>,
    is_admin: Option<bool>,
}

impl TimerRow {
    fn timer(self, plugin: &Arc<str>) -> Timer {
        let set_by = match (self.id, self.uid, self.username) {
            (Some(number), Some(id), Some(name)) => {
                let is_admin = self.is_admin.unwrap_or_default();
                Some(Requester { account: Account { id, number, name: name.into(), is_admin }, room: self.set_in })
            }
            _ => None,
        };
        Timer { plugin: plugin.clone(), name: self.name, due_at: self.due_at, payload: self.payload, set_by }
    }
}

impl Database {
    /// A plugin's timers that have come due, the oldest first.
    pub async fn due_timers(&self, plugin: &Arc<str>, now: Timestamp, limit: u32) -> Result<Vec<Timer>> {
        let rows: Vec<TimerRow> = each!(Pool: &self.read, pool => sqlx::query_as(concat!(
            due!(), " ORDER BY t.due_at LIMIT $3",
        ))
        .bind(&**plugin)
        .bind(now)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await)?;
        Ok(rows.into_iter().map(|row| row.timer(plugin)).collect())
    }

    /// Due timers that no node of the cluster has claimed.
    pub async fn unclaimed_timers(&self, plugin: &Arc<str>, now: Timestamp, limit: u32) -> Result<Vec<Timer>> {
        let Pool::Postgres(pool) = &self.read else { return self.due_timers(plugin, now, limit).await };
        let rows: Vec<TimerRow> = sqlx::query_as(concat!(
            due!(),
            " AND t.claimed_until < (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT ORDER BY t.due_at LIMIT $3",
        ))
        .bind(&**plugin)
        .bind(now)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
        Ok(rows.into_iter().map(|row| row.timer(plugin)).collect())
    }

    /// Claims a timer for this node for `lease`, by the database's clock; false if another node has claimed it.
    pub async fn claim_timer(&self, timer: &Timer, lease: Duration) -> Result<bool> {
        // On SQLite there is only one node.
        let Pool::Postgres(pool) = &self.write else { return Ok(true) };
        let claimed = sqlx::query(
            "UPDATE timers SET claimed_until = (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT + $1 \
             WHERE plugin = $2 AND name = $3 AND due_at = $4 \
             AND claimed_until < (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT",
        )
        .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
        .bind(&*timer.plugin)
        .bind(&timer.name)
        .bind(timer.due_at)
        .execute(pool)
        .await?;
        Ok(claimed.rows_affected() == 1)
    }

    /// Renews this node's claim of a timer.
    pub async fn renew_claim(&self, timer: &Timer, lease: Duration) -> Result<()> {
        let Pool::Postgres(pool) = &self.write else { return Ok(()) };
        sqlx::query(
            "UPDATE timers SET claimed_until = (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT + $1 \
             WHERE plugin = $2 AND name = $3 AND due_at = $4",
        )
        .bind(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX))
        .bind(&*timer.plugin)
        .bind(&timer.name)
        .bind(timer.due_at)
        .execute(pool)
        .await?;
        Ok(())
    }

    /// When a plugin's next timer comes due, after this moment.
    pub async fn next_timer(&self, plugin: &str, after: Timestamp) -> Result<Option<Timestamp>> {
        let next: Option<Option<Timestamp>> = each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT MIN(due_at) FROM timers WHERE plugin = $1 AND due_at > $2",
        )
        .bind(plugin)
        .bind(after)
        .fetch_optional(pool)
        .await)?;
        Ok(next.flatten())
    }

    /// Whether the timer is still set for this moment.
    pub async fn has_timer(&self, timer: &Timer) -> Result<bool> {
        let found: Option<String> = each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT name FROM timers WHERE plugin = $1 AND name = $2 AND due_at = $3",
        )
        .bind(&*timer.plugin)
        .bind(&timer.name)
        .bind(timer.due_at)
        .fetch_optional(pool)
        .await)?;
        Ok(found.is_some())
    }

    /// How often the timer has failed; None if it is no longer set for this moment.
    pub async fn timer_failures(&self, timer: &Timer) -> Result<Option<usize>> {
        let failures: Option<i64> = each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT failures FROM timers WHERE plugin = $1 AND name = $2 AND due_at = $3",
        )
        .bind(&*timer.plugin)
        .bind(&timer.name)
        .bind(timer.due_at)
        .fetch_optional(pool)
        .await)?;
        Ok(failures.map(|failures| usize::try_from(failures).unwrap_or(usize::MAX)))
    }

    pub async fn count_timers(&self, plugin: &str) -> Result<u64> {
        let count: i64 = each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT COUNT(*) FROM timers WHERE plugin = $1",
        )
        .bind(plugin)
        .fetch_one(pool)
        .await)?;
        Ok(count.unsigned_abs())
    }

    /// Names of a plugin's timers that start with `prefix` and come after `after`, in byte order.
    pub async fn timer_names(
        &self,
        plugin: &str,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>> {
        Ok(each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT name FROM timers WHERE plugin = $1 AND substr(name, 1, length($2)) = $2 AND name >= $2 AND name > $3 \
             ORDER BY name LIMIT $4",
        )
        .bind(plugin)
        .bind(prefix)
        .bind(after.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await)?)
    }

    /// Reschedules a timer after a failure.
    pub async fn postpone_timer(&self, timer: &Timer, due_at: Timestamp) -> Result<()> {
        each!(Pool: &self.write, pool => sqlx::query(
            "UPDATE timers SET due_at = $1, claimed_until = 0, failures = failures + 1 WHERE plugin = $2 AND name = $3 AND due_at = $4",
        )
        .bind(due_at)
        .bind(&*timer.plugin)
        .bind(&timer.name)
        .bind(timer.due_at)
        .execute(pool)
        .await
        .map(|_| ()))?;
        Ok(())
    }

    /// Removes a timer, unless it was set again meanwhile.
    pub async fn drop_timer(&self, timer: &Timer) -> Result<()> {
        each!(Pool: &self.write, pool => sqlx::query(
            "DELETE FROM timers WHERE plugin = $1 AND name = $2 AND due_at = $3",
        )
        .bind(&*timer.plugin)
        .bind(&timer.name)
        .bind(timer.due_at)
        .execute(pool)
        .await
        .map(|_| ()))?;
        Ok(())
    }
}

impl Tx {
    pub(super) async fn set_timer(&mut self, timer: &Timer) -> Result<()> {
        each!(Tx: self, tx => sqlx::query(
            "INSERT INTO timers (plugin, name, due_at, payload, set_by, set_in) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (plugin, name) DO UPDATE SET due_at = excluded.due_at, payload = excluded.payload, \
             set_by = excluded.set_by, set_in = excluded.set_in, claimed_until = 0, failures = 0",
        )
        .bind(&*timer.plugin)
        .bind(&timer.name)
        .bind(timer.due_at)
        .bind(&timer.payload)
        .bind(timer.set_by.as_ref().map(|set_by| set_by.account.number))
        .bind(timer.set_by.as_ref().and_then(|set_by| set_by.room))
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        Ok(())
    }

    pub(super) async fn cancel_timer(&mut self, plugin: &str, name: &str) -> Result<()> {
        each!(Tx: self, tx => sqlx::query(
            "DELETE FROM timers WHERE plugin = $1 AND name = $2",
        )
        .bind(plugin)
        .bind(name)
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        Ok(())
    }

    pub(super) async fn end_timer(&mut self, plugin: &str, name: &str, due_at: Timestamp) -> Result<()> {
        let ended = each!(Tx: self, tx => sqlx::query(
            "DELETE FROM timers WHERE plugin = $1 AND name = $2 AND due_at = $3",
        )
        .bind(plugin)
        .bind(name)
        .bind(due_at)
        .execute(&mut **tx)
        .await
        .map(|done| done.rows_affected()))?;
        if ended == 1 { Ok(()) } else { Err(Error::Conflict("the timer was set again or cancelled meanwhile".into())) }
    }
}
