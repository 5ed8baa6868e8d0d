//! Writing beside other nodes: what a batch goes by is read within its transaction, after its rooms are locked, in the same order
//! by all.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::rooms::StandingRow;
use super::{Database, Pool, Tx};
use crate::error::{Error, Result};
use crate::protocol::{AccountId, Membership, RoomId};

const LOCK: &str = "SELECT r.id FROM json_array_elements_text($1::json) AS p (uid) JOIN rooms r ON r.uid = p.uid \
    ORDER BY r.id FOR UPDATE OF r";
const STANDINGS: &str = "SELECT p.room, p.account, m.role, s.invited, s.banned, s.muted_until \
    FROM json_to_recordset($1::json) AS p (room TEXT, account TEXT) \
    JOIN rooms r ON r.uid = p.room JOIN users u ON u.uid = p.account \
    LEFT JOIN members m ON m.room_id = r.id AND m.user_id = u.id \
    LEFT JOIN standings s ON s.room_id = r.id AND s.user_id = u.id";
const LAST: &str =
    "SELECT r.uid, r.last_seq FROM json_array_elements_text($1::json) AS p (uid) JOIN rooms r ON r.uid = p.uid";

#[derive(sqlx::FromRow)]
struct Row {
    room: RoomId,
    account: AccountId,
    #[sqlx(flatten)]
    membership: StandingRow,
}

impl Tx {
    /// Lets no other node change these rooms, or say something in them, before this transaction is over.
    pub async fn lock_rooms(&mut self, rooms: impl Iterator<Item = RoomId>) -> Result<()> {
        let Self::Postgres(tx) = self else { return Ok(()) };
        let rooms = serde_json::to_string(&rooms.collect::<Vec<_>>()).map_err(Error::internal)?;
        sqlx::query(LOCK).bind(rooms).execute(&mut **tx).await?;
        Ok(())
    }

    /// How accounts stand to rooms; those without a row are nothing to each other.
    pub async fn memberships(
        &mut self,
        asked: impl Iterator<Item = (RoomId, AccountId)>,
    ) -> Result<HashMap<(RoomId, AccountId), Membership>> {
        let Self::Postgres(tx) = self else { return Ok(HashMap::new()) };
        let asked: Vec<Value> = asked.map(|(room, account)| json!({"room": room, "account": account})).collect();
        let rows: Vec<Row> =
            sqlx::query_as(STANDINGS).bind(Value::Array(asked).to_string()).fetch_all(&mut **tx).await?;
        rows.into_iter().map(|row| Ok(((row.room, row.account), row.membership.membership()?))).collect()
    }
}

impl Database {
    /// Whether a transaction on PostgreSQL that has given out numbers in this room is still under way.
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

    /// How far the logs of these rooms go; those that are gone are left out.
    pub async fn last_seqs(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, u64>> {
        let Pool::Postgres(pool) = &self.read else { return Ok(HashMap::new()) };
        let asked = serde_json::to_string(rooms).map_err(Error::internal)?;
        let rows: Vec<(RoomId, i64)> = sqlx::query_as(LAST).bind(asked).fetch_all(pool).await?;
        Ok(rows.into_iter().map(|(room, last)| (room, last.unsigned_abs())).collect())
    }
}
