//! Rooms that guests created, and the time at which a person was last seen in each.

use super::{Database, each};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::protocol::RoomId;

impl Database {
    /// All rooms that guests made, with their numbers of members.
    pub async fn guest_rooms(&self) -> Result<Vec<(RoomId, i64)>> {
        Ok(each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT uid, member_count FROM rooms WHERE guest_seen_at IS NOT NULL",
        )
        .fetch_all(pool)
        .await)?)
    }

    pub async fn mark_guest_room_seen(&self, room: RoomId, at: Timestamp) -> Result<()> {
        each!(Pool: &self.write, pool => sqlx::query(
            "UPDATE rooms SET guest_seen_at = $1 WHERE uid = $2 AND guest_seen_at IS NOT NULL",
        )
        .bind(at)
        .bind(room)
        .execute(pool)
        .await
        .map(|_| ()))?;
        Ok(())
    }

    pub async fn guest_rooms_unseen_since(&self, since: Timestamp) -> Result<Vec<RoomId>> {
        Ok(each!(Pool: &self.read, pool => sqlx::query_scalar("SELECT uid FROM rooms WHERE guest_seen_at < $1")
            .bind(since)
            .fetch_all(pool)
            .await)?)
    }
}
