//! The nodes of a cluster: who is alive, by the database's clock.

use std::time::Duration;

use super::{Database, Pool};
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// A node, as it said last.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Node {
    pub id: String,
    pub name: String,
    pub version: String,
    pub started_at: Timestamp,
    pub draining: bool,
    pub connections: i64,
    pub rooms: i64,
    pub messages: i64,
    /// The same for nodes that run the same plugins.
    pub plugins: String,
    /// Whether it is connected to NATS.
    pub hears: bool,
    /// For how long it still counts as alive, in milliseconds; negative for how long it does not.
    #[sqlx(default)]
    pub lease_ms: i64,
}

const BEAT: &str = "INSERT INTO nodes (id, name, version, started_at, lease_until, draining, connections, rooms, messages, plugins, hears) \
    VALUES ($1, $2, $3, $4, (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT + $5, $6, $7, $8, $9, $10, $11) \
    ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until, draining = excluded.draining, \
    connections = excluded.connections, rooms = excluded.rooms, messages = excluded.messages, \
    plugins = excluded.plugins, hears = excluded.hears";

impl Database {
    /// Says that a node lives, for as long as `lease`.
    pub async fn beat(&self, node: &Node, lease: Duration) -> Result<()> {
        let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        let Pool::Postgres(pool) = &self.write else { return Err(alone()) };
        sqlx::query(BEAT)
            .bind(&node.id)
            .bind(&node.name)
            .bind(&node.version)
            .bind(node.started_at)
            .bind(lease)
            .bind(node.draining)
            .bind(node.connections)
            .bind(node.rooms)
            .bind(node.messages)
            .bind(&node.plugins)
            .bind(node.hears)
            .execute(pool)
            .await?;
        Ok(())
    }

    /// All nodes that are there or were lately, the oldest first.
    pub async fn nodes(&self) -> Result<Vec<Node>> {
        let Pool::Postgres(pool) = &self.read else { return Err(alone()) };
        Ok(sqlx::query_as(
            "SELECT *, lease_until - (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT AS lease_ms \
             FROM nodes ORDER BY started_at, id",
        )
        .fetch_all(pool)
        .await?)
    }

    /// A node has gone in order.
    pub async fn remove_node(&self, id: &str) -> Result<()> {
        let Pool::Postgres(pool) = &self.write else { return Err(alone()) };
        sqlx::query("DELETE FROM nodes WHERE id = $1").bind(id).execute(pool).await?;
        Ok(())
    }

    /// Forgets nodes that have been dead for so long.
    pub async fn remove_dead_nodes(&self, since: Duration) -> Result<()> {
        let since = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let Pool::Postgres(pool) = &self.write else { return Err(alone()) };
        sqlx::query(
            "DELETE FROM nodes WHERE lease_until < (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT - $1",
        )
        .bind(since)
        .execute(pool)
        .await?;
        Ok(())
    }

    /// What all nodes know by this name: `value`, if none of them was faster.
    pub async fn common_secret(&self, name: &str, value: &str) -> Result<String> {
        let Pool::Postgres(pool) = &self.write else { return Err(alone()) };
        sqlx::query("INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(name)
            .bind(value)
            .execute(pool)
            .await?;
        Ok(sqlx::query_scalar("SELECT value FROM secrets WHERE name = $1").bind(name).fetch_one(pool).await?)
    }
}

fn alone() -> Error {
    Error::Unavailable("this server is no cluster: nodes share a PostgreSQL".into())
}
