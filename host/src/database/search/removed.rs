//! Drops the words of deleted and edited messages from `search_terms`, in the background: triggers queue the removed texts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::{Database, Tx, each};
use super::{IdRange, RoomQuery};
use crate::error::Result;
use crate::search::tokens::index_runs;

/// Texts that one transaction processes.
const TEXTS_PER_BATCH: i64 = 50;

const DROP_SQLITE: &str = "DELETE FROM search_terms WHERE room_id = $1 AND term IN (SELECT value FROM json_each($2))";
const DROP_POSTGRES: &str =
    "DELETE FROM search_terms WHERE room_id = $1 AND term IN (SELECT json_array_elements_text($2::json))";

impl Database {
    /// Drops the words of a few more removed texts, unless another message of the room has them; false once there are no more.
    pub async fn forget_some_words(&self) -> Result<bool> {
        let removed: Vec<(i64, i64, String)> = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT id, room_id, body FROM search_removed ORDER BY id LIMIT $1",
        )
        .bind(TEXTS_PER_BATCH)
        .fetch_all(pool)
        .await)?;
        if removed.is_empty() {
            return Ok(false);
        }
        let mut terms: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        for (_, room, body) in &removed {
            terms.entry(*room).or_default().extend(index_runs(body).into_iter().flatten());
        }
        for (room, terms) in terms {
            let unused = self.unused(room, terms).await?;
            if unused.is_empty() {
                continue;
            }
            let mut tx = self.begin().await?;
            tx.lock_terms(room).await?;
            // A writer that stored such a word meanwhile has committed by now.
            let unused = Value::from(self.unused(room, unused).await?.into_iter().collect::<Vec<_>>()).to_string();
            let sql = tx.pick(DROP_SQLITE, DROP_POSTGRES);
            each!(Tx: &mut tx, tx => sqlx::query(sql).bind(room).bind(&unused).execute(&mut **tx).await.map(|_| ()))?;
            tx.commit().await?;
        }
        let mut tx = self.begin().await?;
        for (id, ..) in removed {
            each!(Tx: &mut tx, tx => sqlx::query("DELETE FROM search_removed WHERE id = $1")
                .bind(id)
                .execute(&mut **tx)
                .await
                .map(|_| ()))?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// The words that no message of the room has.
    async fn unused(&self, room: i64, terms: BTreeSet<String>) -> Result<BTreeSet<String>> {
        let mut unused = BTreeSet::new();
        let newest: i64 = each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT COALESCE((SELECT e.id FROM entries e WHERE e.room_id = $1 ORDER BY e.seq DESC LIMIT 1), 0)",
        )
        .bind(room)
        .fetch_one(pool)
        .await)?;
        for term in terms {
            let wanted = RoomQuery { room, newest, terms: vec![vec![vec![term.clone()]]] };
            // In effect without a deadline: no request waits for this.
            let deadline = Instant::now() + Duration::from_secs(3600);
            let (found, _) = self.find(&[wanted], IdRange { from: 0, before: i64::MAX }, 1, deadline).await?;
            if found.is_empty() {
                unused.insert(term);
            }
        }
        Ok(unused)
    }
}

impl Tx {
    /// Waits for writers that are storing words of the room, and blocks others. On SQLite there is no other writer.
    async fn lock_terms(&mut self, room: i64) -> Result<()> {
        if let Self::Postgres(tx) = self {
            sqlx::query("SELECT pg_advisory_xact_lock(7712, ($1 % 2147483647)::INT)")
                .bind(room)
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }

    /// Prevents words stored in `search_terms` for these rooms from being dropped before the transaction ends.
    pub(in super::super) async fn share_terms(&mut self, rooms: &[i64]) -> Result<()> {
        if let Self::Postgres(tx) = self {
            sqlx::query(
                "SELECT COUNT(pg_advisory_xact_lock_shared(7712, (r.id::BIGINT % 2147483647)::INT)::TEXT) \
                 FROM json_array_elements_text($1::json) AS r (id)",
            )
            .bind(Value::from(rooms).to_string())
            .execute(&mut **tx)
            .await?;
        }
        Ok(())
    }
}
