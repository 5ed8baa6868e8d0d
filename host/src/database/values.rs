//! The plugins' own keys and values.

use super::{Database, each};
use crate::error::Result;

impl Database {
    /// A value and its version.
    pub async fn value(&self, plugin: &str, key: &str) -> Result<Option<(Vec<u8>, i64)>> {
        Ok(each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT value, version FROM plugin_values WHERE plugin = $1 AND key = $2",
        )
        .bind(plugin)
        .bind(key)
        .fetch_optional(pool)
        .await)?)
    }

    /// Keys that start with `prefix` and come after `after`, in byte order.
    pub async fn keys(&self, plugin: &str, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        Ok(each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT key FROM plugin_values WHERE plugin = $1 AND substr(key, 1, length($2)) = $2 AND key >= $2 AND key > $3 \
             ORDER BY key LIMIT $4",
        )
        .bind(plugin)
        .bind(prefix)
        .bind(after.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await)?)
    }

    /// How much a plugin keeps: the bytes of its keys and values.
    pub async fn stored_bytes(&self, plugin: &str) -> Result<u64> {
        let bytes: i64 = each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT CAST(COALESCE(SUM(length(key) + length(value)), 0) AS BIGINT) FROM plugin_values WHERE plugin = $1",
        )
        .bind(plugin)
        .fetch_one(pool)
        .await)?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    }
}
