//! Lists an account's sessions.

use super::rows::{RoomRow, room_columns};
use super::{Database, each};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::protocol::{AccountId, SessionSummary};

#[derive(sqlx::FromRow)]
struct SessionRow {
    #[sqlx(flatten)]
    room: RoomRow,
    last_message_at: Option<i64>,
}

impl Database {
    /// The sessions that an account owns, the latest first, with room numbers below `before`.
    pub async fn sessions(&self, owner: AccountId, before: Option<i64>, limit: u32) -> Result<Vec<SessionSummary>> {
        let rows: Vec<SessionRow> = each!(Pool: &self.read, pool => sqlx::query_as(concat!(
            "SELECT ", room_columns!(), ", \
             (SELECT e.at FROM entries e WHERE e.room_id = r.id AND e.kind = 'message.posted' AND e.deleted_at IS NULL \
              ORDER BY e.seq DESC LIMIT 1) AS last_message_at \
             FROM members m JOIN users me ON me.id = m.user_id JOIN rooms r ON r.id = m.room_id \
             WHERE me.uid = $1 AND m.role = 'owner' AND r.kind = 'session' AND r.id < $2 ORDER BY r.id DESC LIMIT $3",
        ))
        .bind(owner)
        .bind(before.unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await)?;
        rows.into_iter()
            .map(|row| {
                Ok(SessionSummary { room: row.room.room()?, last_message_at: row.last_message_at.map(Timestamp) })
            })
            .collect()
    }
}
