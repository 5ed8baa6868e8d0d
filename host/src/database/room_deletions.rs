//! Deletes rooms with long logs: the room is gone once its deletion is committed, its log is removed in the background.

use uuid::Uuid;

use super::{Database, Tx, each};
use crate::error::Result;
use crate::protocol::RoomId;

/// A room with no more entries than this is deleted at once, with its log.
const MAX_SHORT_LOG_ENTRIES: i64 = 500;
/// Entries that one transaction deletes.
const ENTRIES_PER_BATCH: i64 = 500;
/// Search terms of the room that one transaction deletes.
const TERMS_PER_BATCH: i64 = 5000;

// Clears everything but the room's number, by which its log is found.
const BURY: &str = "UPDATE rooms SET uid = $2, code = $2, name = '', name_key = NULL, kind = 'session', visibility = 'private', \
    topic = '', guarded = FALSE, pair_low = NULL, pair_high = NULL, created_by = NULL, guest_seen_at = NULL, guest_origin = NULL, \
    member_count = 0 WHERE uid = $1 AND last_seq > $3 RETURNING id";

impl Tx {
    /// Deletes a room: from the commit on, the room, its log, its members and its files cannot be found.
    pub(super) async fn delete_room(&mut self, room: RoomId) -> Result<()> {
        let number: Option<i64> = each!(Tx: self, tx => sqlx::query_scalar(BURY)
            .bind(room)
            .bind(Uuid::new_v4().to_string())
            .bind(MAX_SHORT_LOG_ENTRIES)
            .fetch_optional(&mut **tx)
            .await)?;
        let Some(number) = number else {
            return self.execute_on_room("DELETE FROM rooms WHERE uid = $1", room).await;
        };
        for sql in [
            "DELETE FROM members WHERE room_id = $1",
            "DELETE FROM standings WHERE room_id = $1",
            "DELETE FROM names WHERE space = 'room' AND owner_id = $1",
            "INSERT INTO room_deletions (room_id) VALUES ($1)",
        ] {
            each!(Tx: self, tx => sqlx::query(sql).bind(number).execute(&mut **tx).await.map(|_| ()))?;
        }
        Ok(())
    }
}

impl Database {
    /// Deletes another batch of a deleted room's log; false once nothing of any is left.
    pub async fn delete_some_of_rooms(&self) -> Result<bool> {
        let number: Option<i64> = each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT room_id FROM room_deletions ORDER BY room_id LIMIT 1",
        )
        .fetch_optional(pool)
        .await)?;
        let Some(number) = number else { return Ok(false) };
        for (sql, limit) in [
            (
                "DELETE FROM entries WHERE id IN (SELECT e.id FROM entries e WHERE e.room_id = $1 ORDER BY e.seq LIMIT $2)",
                ENTRIES_PER_BATCH,
            ),
            (
                "DELETE FROM search_terms WHERE room_id = $1 \
                 AND term IN (SELECT t.term FROM search_terms t WHERE t.room_id = $1 ORDER BY t.term LIMIT $2)",
                TERMS_PER_BATCH,
            ),
        ] {
            let gone = each!(Pool: &self.write, pool => sqlx::query(sql)
                .bind(number)
                .bind(limit)
                .execute(pool)
                .await
                .map(|done| done.rows_affected()))?;
            if gone > 0 {
                return Ok(true);
            }
        }
        let mut tx = self.begin().await?;
        // A node of the previous version may have stored a message until now.
        let uid: Option<String> = each!(Tx: &mut tx, tx => sqlx::query_scalar("DELETE FROM rooms WHERE id = $1 RETURNING uid")
            .bind(number)
            .fetch_optional(&mut **tx)
            .await)?;
        // No client ever received this uid, so it needs no tombstone.
        each!(Tx: &mut tx, tx => sqlx::query("DELETE FROM deleted_rooms WHERE uid = $1")
            .bind(uid)
            .execute(&mut **tx)
            .await
            .map(|_| ()))?;
        tx.commit().await?;
        Ok(true)
    }
}
