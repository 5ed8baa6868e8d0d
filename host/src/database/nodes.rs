//! The nodes of a cluster and their leases, which run by the database's clock.

use std::time::Duration;

use super::{Database, Pool};
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// A node, as of its last heartbeat.
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
    /// A value that is equal for nodes that run the same plugins.
    pub plugins: String,
    /// Whether it is connected to NATS.
    pub hears: bool,
    /// Remaining lease in milliseconds; negative once the node counts as dead.
    #[sqlx(default)]
    pub lease_ms: i64,
}

const HEARTBEAT: &str = "INSERT INTO nodes (id, name, version, started_at, lease_until, draining, connections, rooms, messages, plugins, hears) \
    VALUES ($1, $2, $3, $4, (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT + $5, $6, $7, $8, $9, $10, $11) \
    ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until, draining = excluded.draining, \
    connections = excluded.connections, rooms = excluded.rooms, messages = excluded.messages, \
    plugins = excluded.plugins, hears = excluded.hears";

impl Database {
    /// Records a heartbeat: the node counts as alive for `lease` from now on.
    pub async fn beat(&self, node: &Node, lease: Duration) -> Result<()> {
        let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        let Pool::Postgres(pool) = &self.write else { return Err(not_clustered()) };
        sqlx::query(HEARTBEAT)
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

    /// Nodes that are alive or were recently, in the order of their starts.
    pub async fn nodes(&self) -> Result<Vec<Node>> {
        let Pool::Postgres(pool) = &self.read else { return Err(not_clustered()) };
        Ok(sqlx::query_as(
            "SELECT *, lease_until - (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT AS lease_ms \
             FROM nodes ORDER BY started_at, id",
        )
        .fetch_all(pool)
        .await?)
    }

    /// Removes a node that stopped in an orderly way.
    pub async fn remove_node(&self, id: &str) -> Result<()> {
        let Pool::Postgres(pool) = &self.write else { return Err(not_clustered()) };
        sqlx::query("DELETE FROM nodes WHERE id = $1").bind(id).execute(pool).await?;
        Ok(())
    }

    /// Removes nodes whose lease ended longer than `since` ago.
    pub async fn remove_dead_nodes(&self, since: Duration) -> Result<()> {
        let since = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let Pool::Postgres(pool) = &self.write else { return Err(not_clustered()) };
        sqlx::query(
            "DELETE FROM nodes WHERE lease_until < (extract(epoch FROM clock_timestamp()) * 1000)::BIGINT - $1",
        )
        .bind(since)
        .execute(pool)
        .await?;
        Ok(())
    }

    /// The secret that all nodes share under this name: stores `value` unless another node stored one first.
    pub async fn shared_secret(&self, name: &str, value: &str) -> Result<String> {
        let Pool::Postgres(pool) = &self.write else { return Err(not_clustered()) };
        sqlx::query("INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(name)
            .bind(value)
            .execute(pool)
            .await?;
        Ok(sqlx::query_scalar("SELECT value FROM secrets WHERE name = $1").bind(name).fetch_one(pool).await?)
    }
}

fn not_clustered() -> Error {
    Error::Unavailable(
        "this server is not part of a cluster; the nodes of a cluster share a PostgreSQL database".into(),
    )
}
