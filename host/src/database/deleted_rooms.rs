//! Tombstones of deleted rooms: uids that never name anything else, and names that may.

use super::{Database, each};
use crate::error::Result;
use crate::name::legacy_key;
use crate::protocol::RoomId;

impl Database {
    /// Whether this is the uid of a room that was deleted. Triggers keep the uids and refuse sessions that would take one; those
    /// pruned since are covered by a watermark over the time within each UUIDv7.
    pub async fn is_deleted_room(&self, id: RoomId) -> Result<bool> {
        let found: Option<String> = each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT d.uid FROM deleted_rooms d WHERE d.uid = $1 \
             UNION ALL SELECT w.uid FROM deleted_rooms_watermark w WHERE substr($1, 15, 1) = '7' AND $1 <= w.uid LIMIT 1",
        )
        .bind(id)
        .fetch_optional(pool)
        .await)?;
        Ok(found.is_some())
    }

    /// Whether a room gave up this name, by its deletion or for another name.
    pub async fn is_freed_room_name(&self, name: &str) -> Result<bool> {
        let found: Option<String> = each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT name_key FROM freed_room_names WHERE name_key = $1",
        )
        .bind(legacy_key(name))
        .fetch_optional(pool)
        .await)?;
        Ok(found.is_some())
    }

    /// Prunes all but the latest `kept` tombstones, at most `limit` of each kind; returns how many. Pruned UUIDv7s move the
    /// watermark up first, so that they stay refused.
    pub async fn prune_deleted_rooms(&self, kept: u32, limit: u32) -> Result<u64> {
        let mut tx = self.begin().await?;
        each!(Tx: &mut tx, tx => sqlx::query(
            "UPDATE deleted_rooms_watermark SET uid = COALESCE((SELECT MAX(uid) FROM (SELECT uid FROM deleted_rooms \
             WHERE deleted_at < (SELECT d.deleted_at FROM deleted_rooms d ORDER BY d.deleted_at DESC LIMIT 1 OFFSET $1) \
             ORDER BY deleted_at LIMIT $2) AS pruned WHERE substr(uid, 15, 1) = '7' \
             AND uid > (SELECT w.uid FROM deleted_rooms_watermark w)), uid)",
        )
        .bind(i64::from(kept))
        .bind(i64::from(limit))
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        let mut pruned = 0;
        for sql in [
            "DELETE FROM deleted_rooms WHERE uid IN (SELECT uid FROM deleted_rooms \
             WHERE deleted_at < (SELECT d.deleted_at FROM deleted_rooms d ORDER BY d.deleted_at DESC LIMIT 1 OFFSET $1) \
             ORDER BY deleted_at LIMIT $2)",
            "DELETE FROM freed_room_names WHERE name_key IN (SELECT name_key FROM freed_room_names \
             WHERE freed_at < (SELECT f.freed_at FROM freed_room_names f ORDER BY f.freed_at DESC LIMIT 1 OFFSET $1) \
             ORDER BY freed_at LIMIT $2)",
        ] {
            pruned += each!(Tx: &mut tx, tx => sqlx::query(sql)
                .bind(i64::from(kept))
                .bind(i64::from(limit))
                .execute(&mut **tx)
                .await
                .map(|done| done.rows_affected()))?;
        }
        tx.commit().await?;
        Ok(pruned)
    }
}

#[cfg(test)]
mod tests;
