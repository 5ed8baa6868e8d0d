//! Rate limits for attempts, shared by all nodes of a cluster: each key is a bucket that an attempt takes from and that refills
//! steadily (the generic cell rate algorithm), by the database's clock.

use std::time::Duration;

use super::{Database, Pool};
use crate::error::Result;

const NOW: &str = "extract(epoch FROM clock_timestamp())::DOUBLE PRECISION * 1000";
// `excluded.full_at - $2` is now.
const TAKE: &str = "INSERT INTO throttles (key, full_at) \
    SELECT $1, extract(epoch FROM clock_timestamp())::DOUBLE PRECISION * 1000 + $2 \
    ON CONFLICT (key) DO UPDATE SET full_at = greatest(throttles.full_at, excluded.full_at - $2) + $2 \
    WHERE greatest(throttles.full_at, excluded.full_at - $2) + $2 - (excluded.full_at - $2) <= $2 * $3 RETURNING key";

/// How many tries a bucket holds, and how long it takes to refill one.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    pub holds: u32,
    pub refill: Duration,
}

impl Bucket {
    fn refill_ms(self) -> f64 {
        self.refill.as_secs_f64() * 1000.0
    }
}

impl Database {
    /// Takes a try from a bucket; None if there was one, otherwise how long it takes until there is. Always None on SQLite, which
    /// no other node shares.
    pub async fn take_attempt(&self, key: &str, bucket: Bucket) -> Result<Option<Duration>> {
        let Pool::Postgres(pool) = &self.write else { return Ok(None) };
        let taken: Option<String> = sqlx::query_scalar(TAKE)
            .bind(key)
            .bind(bucket.refill_ms())
            .bind(f64::from(bucket.holds))
            .fetch_optional(pool)
            .await?;
        match taken {
            Some(_) => Ok(None),
            None => self.wait_for_try(key, bucket).await,
        }
    }

    async fn wait_for_try(&self, key: &str, bucket: Bucket) -> Result<Option<Duration>> {
        let Pool::Postgres(pool) = &self.write else { return Ok(None) };
        let sql = sqlx::AssertSqlSafe(format!("SELECT full_at - {NOW} FROM throttles WHERE key = $1"));
        let full_in: Option<f64> = sqlx::query_scalar(sql).bind(key).fetch_optional(pool).await?;
        let wait = full_in.unwrap_or(0.0) + bucket.refill_ms() * (1.0 - f64::from(bucket.holds));
        Ok((wait > 0.0).then(|| Duration::from_secs_f64(wait / 1000.0)))
    }

    /// Returns a try that was taken to its bucket.
    pub async fn return_attempt(&self, key: &str, bucket: Bucket) -> Result<()> {
        let Pool::Postgres(pool) = &self.write else { return Ok(()) };
        sqlx::query("UPDATE throttles SET full_at = full_at - $2 WHERE key = $1")
            .bind(key)
            .bind(bucket.refill_ms())
            .execute(pool)
            .await?;
        Ok(())
    }

    /// Removes buckets that are full again.
    pub async fn remove_full_buckets(&self) -> Result<()> {
        let Pool::Postgres(pool) = &self.write else { return Ok(()) };
        let sql = sqlx::AssertSqlSafe(format!("DELETE FROM throttles WHERE full_at < {NOW}"));
        sqlx::query(sql).execute(pool).await?;
        Ok(())
    }
}
