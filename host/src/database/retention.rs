//! Finds the entries that retention removes.

use super::entries::bounded;
use super::{Database, each};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::protocol::RoomId;

impl Database {
    /// The room after `after` in the order of ids, or the first one.
    pub async fn next_room(&self, after: Option<RoomId>) -> Result<Option<RoomId>> {
        Ok(each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT uid FROM rooms WHERE uid > $1 ORDER BY uid LIMIT 1",
        )
        .bind(after.map(|room| room.to_string()).unwrap_or_default())
        .fetch_optional(pool)
        .await)?)
    }

    /// The `seq` of the last message that is not among the room's latest `kept` ones; 0 if there are no more than those.
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

    /// Among the room's `limit` oldest entries, those from before `before` or with a `seq` up to `beyond`: the `seq` of the
    /// last one, and their number.
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
