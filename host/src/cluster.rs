//! One node of a cluster: connects the hub to the other nodes. Events travel by core NATS, which does not persist; PostgreSQL
//! holds the log, its order and the leases, so that messages that NATS loses are read from there.
//!
//! Events of a room are published on the room's subject, and only nodes with subscribers of the room subscribe to it. Each node
//! puts a room's entries in order by their numbers (`hub/subscriptions/sequence.rs`); missing ones are read from the log.

mod gaps;
mod inbound;
mod lease;
mod nats;
mod outbound;
mod people;
mod rooms;
mod status;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use self::nats::Nats;
pub use self::status::{Health, NodeStatus, converged};
use crate::accounts::Accounts;
use crate::cache::CacheValidity;
use crate::clock::{Timestamp, now};
use crate::config;
use crate::database::Database;
use crate::error::Error;
use crate::hub::link::{LEASE_DURATION, Link, Outgoing};
use crate::hub::{Broadcaster, Hub, NodeId};
use crate::metrics::Metrics;
use crate::plugins::Plugins;
use crate::room_cache::RoomCache;

/// How often a node renews its lease and checks those of the others.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);

/// Why a node cannot join its cluster.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("[cluster] nats: {0}")]
    Nats(String),
    #[error("[cluster] this node cannot join: {0}")]
    Database(#[from] Error),
}

/// A node's identity and link, created before the first connection.
pub struct Joining {
    pub node: NodeId,
    pub validity: Arc<CacheValidity>,
    link: Arc<Link>,
    outgoing: mpsc::Receiver<Outgoing>,
}

impl Joining {
    /// Makes the hub part of a cluster as a new node.
    pub fn new(hub: &Hub) -> Self {
        let (link, outgoing) = Link::new();
        let link = Arc::new(link);
        hub.link(link.clone());
        Self { node: Uuid::now_v7(), validity: Arc::new(CacheValidity::none()), link, outgoing }
    }
}

/// The services that the cluster's tasks use.
pub struct Parts {
    pub database: Database,
    pub hub: Arc<Hub>,
    pub broadcaster: Broadcaster,
    pub known: Arc<RoomCache>,
    pub accounts: Arc<Accounts>,
    pub plugins: Arc<Plugins>,
    pub metrics: Arc<Metrics>,
}

/// A running node of a cluster.
pub struct Cluster {
    node: NodeId,
    name: String,
    started_at: Timestamp,
    nats: Nats,
    link: Arc<Link>,
    parts: Parts,
    validity: Arc<CacheValidity>,
    health: Health,
    metrics: status::ClusterMetrics,
    pending_requests: people::PendingRequests,
    /// Notified when messages may have been lost: the logs of all subscribed rooms have to be checked.
    sweep: Notify,
    heartbeat_now: Notify,
    leaving: CancellationToken,
}

impl Cluster {
    /// Joins the cluster and starts its tasks, which run until `stop`; from `leaving` on the node reports that it is draining.
    /// Starts even if NATS does not answer.
    pub async fn start(
        config: &config::Cluster,
        joining: Joining,
        parts: Parts,
        tasks: &TaskTracker,
        leaving: CancellationToken,
        stop: CancellationToken,
    ) -> Result<Arc<Self>, StartError> {
        let Joining { node, validity, link, outgoing } = joining;
        let (nats, events) = Nats::connect(config, node).await?;
        let metrics = status::ClusterMetrics::new(&parts.metrics);
        let name = config.node_name();
        let cluster = Arc::new(Self {
            node,
            name,
            started_at: now(),
            nats,
            link,
            parts,
            validity,
            health: Health::default(),
            metrics,
            pending_requests: people::PendingRequests::default(),
            sweep: Notify::new(),
            heartbeat_now: Notify::new(),
            leaving,
        });
        // Before the other nodes receive anything from it.
        cluster.heartbeat().await?;
        let broadcasts = cluster.nats.subscribe(&cluster.nats.broadcast_subject()).await?;
        let requests = cluster.nats.subscribe(&cluster.nats.node_subject(node)).await?;
        let run = |task: futures_util::future::BoxFuture<'static, ()>| {
            let stop = stop.clone();
            tasks.spawn(async move { stop.run_until_cancelled(task).await });
        };
        run(Box::pin(cluster.clone().send(outgoing)));
        run(Box::pin(cluster.clone().receive_broadcasts(broadcasts)));
        run(Box::pin(cluster.clone().answer(requests)));
        run(Box::pin(cluster.clone().maintain_subscriptions()));
        run(Box::pin(cluster.clone().fill_gaps()));
        run(Box::pin(cluster.clone().sweep_rooms()));
        run(Box::pin(cluster.clone().announce_plugin_changes()));
        run(Box::pin(cluster.clone().broadcast_departed()));
        run(Box::pin(cluster.clone().keep_lease()));
        run(Box::pin(cluster.clone().handle_nats_events(events)));
        tracing::info!(node = %cluster.node, name = cluster.name, "joined cluster");
        Ok(cluster)
    }

    /// This node's id.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Health of this node's connection to its cluster.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Leaves the cluster: publishes that the node is gone, then ends its lease.
    pub async fn leave(&self) {
        let (sent, goodbye) = oneshot::channel();
        self.parts.hub.publish_to_nodes(|| Outgoing::Goodbye(sent));
        // The sender is dropped if the queue was full.
        let _ = goodbye.await;
        if let Err(error) = self.parts.database.remove_node(&self.node.to_string()).await {
            tracing::warn!(%error, "removing this node failed, the others notice when its lease expires");
        }
    }
}

/// Checks that NATS is reachable with this configuration; gives a description of the server.
pub async fn reach(config: &config::Cluster) -> Result<String, StartError> {
    nats::reach(config).await
}
