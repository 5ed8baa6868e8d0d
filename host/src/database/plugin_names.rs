//! Finds the rows that the database stores for a plugin, and moves them to another plugin id.

use super::{Database, each};
use crate::error::{Error, Result};
use crate::name::BOT_PREFIX;

impl Database {
    /// Whether anything is stored for a plugin: values, timers, or the account that it posts as.
    pub async fn has_plugin_data(&self, plugin: &str) -> Result<bool> {
        Ok(each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM plugin_values WHERE plugin = $1) \
             OR EXISTS (SELECT 1 FROM timers WHERE plugin = $1) OR EXISTS (SELECT 1 FROM users WHERE plugin = $1)",
        )
        .bind(plugin)
        .fetch_one(pool)
        .await)?)
    }

    /// Moves all that is stored for a plugin to another id. Fails with a conflict if anything is stored for that one.
    pub async fn rename_plugin(&self, from: &str, to: &str) -> Result<()> {
        if self.has_plugin_data(to).await? {
            return Err(Error::Conflict(format!("data of a plugin named {to} is stored already")));
        }
        let mut tx = self.begin().await?;
        for statement in [
            "UPDATE plugin_values SET plugin = $2 WHERE plugin = $1",
            "UPDATE timers SET plugin = $2 WHERE plugin = $1",
        ] {
            each!(Tx: &mut tx, tx => sqlx::query(statement).bind(from).bind(to).execute(&mut **tx).await.map(|_| ()))?;
        }
        each!(Tx: &mut tx, tx => sqlx::query(
            "UPDATE users SET plugin = $2, username = $3, username_key = $3 WHERE plugin = $1",
        )
        .bind(from)
        .bind(to)
        .bind(format!("{BOT_PREFIX}{to}"))
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        tx.commit().await
    }
}
