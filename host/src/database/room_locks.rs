//! Locks for the writers of a cluster: a batch locks its rooms, in an order that all nodes share, and reads the rows that it
//! depends on within its transaction after that.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::rooms::MembershipRow;
use super::{Database, Pool, Tx};
use crate::error::{Error, Result};
use crate::protocol::{AccountId, Membership, RoomId};

const LOCK_ROOMS: &str = "SELECT r.id FROM json_array_elements_text($1::json) AS p (uid) JOIN rooms r ON r.uid = p.uid \
    ORDER BY r.id FOR UPDATE OF r";
const MEMBERSHIPS: &str = "SELECT p.room, p.account, m.role, s.invited, s.banned, s.muted_until \
    FROM json_to_recordset($1::json) AS p (room TEXT, account TEXT) \
    JOIN rooms r ON r.uid = p.room JOIN users u ON u.uid = p.account \
    LEFT JOIN members m ON m.room_id = r.id AND m.user_id = u.id \
    LEFT JOIN standings s ON s.room_id = r.id AND s.user_id = u.id";
const LAST_SEQS: &str =
    "SELECT r.uid, r.last_seq FROM json_array_elements_text($1::json) AS p (uid) JOIN rooms r ON r.uid = p.uid";

#[derive(sqlx::FromRow)]
struct Row {
    room: RoomId,
    account: AccountId,
    #[sqlx(flatten)]
    membership: MembershipRow,
}

impl Tx {
    /// Keeps other nodes from changing these rooms, or posting in them, until this transaction ends.
    pub async fn lock_rooms(&mut self, rooms: impl Iterator<Item = RoomId>) -> Result<()> {
        let Self::Postgres(tx) = self else { return Ok(()) };
        let rooms = serde_json::to_string(&rooms.collect::<Vec<_>>()).map_err(Error::internal)?;
        sqlx::query(LOCK_ROOMS).bind(rooms).execute(&mut **tx).await?;
        Ok(())
    }

    /// Memberships of accounts in rooms; pairs of which the account or the room does not exist are left out.
    pub async fn memberships(
        &mut self,
        asked: impl Iterator<Item = (RoomId, AccountId)>,
    ) -> Result<HashMap<(RoomId, AccountId), Membership>> {
        let Self::Postgres(tx) = self else { return Ok(HashMap::new()) };
        let asked: Vec<Value> = asked.map(|(room, account)| json!({"room": room, "account": account})).collect();
        let rows: Vec<Row> =
            sqlx::query_as(MEMBERSHIPS).bind(Value::Array(asked).to_string()).fetch_all(&mut **tx).await?;
        rows.into_iter().map(|row| Ok(((row.room, row.account), row.membership.membership()?))).collect()
    }
}

impl Database {
    /// Whether a transaction on PostgreSQL that has reserved numbers in this room is still open.
    pub async fn is_being_written(&self, room: RoomId) -> Result<bool> {
        let Pool::Postgres(pool) = &self.write else { return Ok(false) };
        let free: Option<i64> = sqlx::query_scalar("SELECT id FROM rooms WHERE uid = $1 FOR SHARE SKIP LOCKED")
            .bind(room)
            .fetch_optional(pool)
            .await?;
        if free.is_some() {
            return Ok(false);
        }
        Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM rooms WHERE uid = $1)").bind(room).fetch_one(pool).await?)
    }

    /// The `seq` of each room's last entry; rooms that are gone are left out.
    pub async fn last_seqs(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, u64>> {
        let Pool::Postgres(pool) = &self.read else { return Ok(HashMap::new()) };
        let asked = serde_json::to_string(rooms).map_err(Error::internal)?;
        let rows: Vec<(RoomId, i64)> = sqlx::query_as(LAST_SEQS).bind(asked).fetch_all(pool).await?;
        Ok(rows.into_iter().map(|(room, last)| (room, last.unsigned_abs())).collect())
    }
}
