//! Keys and values that plugins store.

use super::{Database, Tx, each};
use crate::error::{Error, Result};
use crate::protocol::StorageRead;

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

    /// Bytes of a plugin's keys and values together.
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

impl Tx {
    pub(super) async fn put_value(&mut self, plugin: &str, key: &str, value: &[u8]) -> Result<()> {
        each!(Tx: self, tx => sqlx::query(
            "INSERT INTO plugin_values (plugin, key, value, version) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (plugin, key) DO UPDATE SET value = excluded.value, version = excluded.version",
        )
        .bind(plugin)
        .bind(key)
        .bind(value)
        .bind(rand::random_range(1..i64::MAX))
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        Ok(())
    }

    pub(super) async fn delete_value(&mut self, plugin: &str, key: &str) -> Result<()> {
        each!(Tx: self, tx => sqlx::query(
            "DELETE FROM plugin_values WHERE plugin = $1 AND key = $2",
        )
        .bind(plugin)
        .bind(key)
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        Ok(())
    }

    pub(super) async fn check_read(&mut self, read: &StorageRead) -> Result<()> {
        let version: Option<i64> = each!(Tx: self, tx => sqlx::query_scalar(
            "SELECT version FROM plugin_values WHERE plugin = $1 AND key = $2",
        )
        .bind(&*read.plugin)
        .bind(&read.key)
        .fetch_optional(&mut **tx)
        .await)?;
        if version.unwrap_or(0) == read.version {
            Ok(())
        } else {
            Err(Error::Conflict("the same value was changed concurrently; try again".into()))
        }
    }
}
