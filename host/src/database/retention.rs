//! What is old enough to go.

use super::entries::bounded;
use super::{Database, each};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::protocol::RoomId;

impl Database {
    /// The rooms one after the other, in the order of their ids.
    pub async fn next_room(&self, after: Option<RoomId>) -> Result<Option<RoomId>> {
        Ok(each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT uid FROM rooms WHERE uid > $1 ORDER BY uid LIMIT 1",
        )
        .bind(after.map(|room| room.to_string()).unwrap_or_default())
        .fetch_optional(pool)
        .await)?)
    }

    /// The last message that is not among the room's latest `kept` ones; 0 if there are no more than those.
    pub async fn seq_beyond(&self, room: RoomId, kept: u32) -> Result<u64> {
        let seq: Option<i64> = each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT e.seq FROM entries e WHERE e.room_id = (SELECT id FROM rooms WHERE uid = $1) \
             AND e.kind = 'message.posted' ORDER BY e.seq DESC LIMIT 1 OFFSET $2",
        )
        .bind(room)
        .bind(i64::from(kept))
        .fetch_optional(pool)
        .await)?;
        Ok(seq.unwrap_or(0).unsigned_abs())
    }

    /// Of the room's oldest entries, no more than `limit` of them: up to which one they are from before `before` or not
    /// beyond `beyond`, and how many those are.
    pub async fn overdue(
        &self,
        room: RoomId,
        before: Timestamp,
        beyond: u64,
        limit: u32,
    ) -> Result<Option<(u64, u64)>> {
        let (up_to, count): (Option<i64>, i64) = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT MAX(seq), COUNT(*) FROM (SELECT e.seq, e.at FROM entries e \
             WHERE e.room_id = (SELECT id FROM rooms WHERE uid = $1) ORDER BY e.seq LIMIT $4) AS oldest \
             WHERE at < $2 OR seq <= $3",
        )
        .bind(room)
        .bind(before)
        .bind(bounded(beyond))
        .bind(i64::from(limit))
        .fetch_one(pool)
        .await)?;
        Ok(up_to.map(|seq| (seq.unsigned_abs(), count.unsigned_abs())))
    }
}
