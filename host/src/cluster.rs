//! One node of several: the hub's link to the others. Events travel by core NATS, which forgets; truth, order and leases are
//! PostgreSQL's, so that whatever NATS loses is read from there.
//!
//! What a room is told goes out on the room's subject, and only nodes on which somebody hears the room listen there. Each node
//! puts a room's entries in order by their numbers (`hub/places/sequence.rs`); what is missing is read from the log.

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
use crate::hub::link::{LEASE, Link, Outgoing};
use crate::hub::{Broadcaster, Hub, NodeId};
use crate::metrics::Metrics;
use crate::plugins::Plugins;
use crate::rooms::RoomCache;

/// How often a node says that it lives, and looks who else does.
const BEAT: Duration = Duration::from_secs(2);

/// Why a node cannot join its cluster; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("[cluster] nats: {0}")]
    Nats(String),
    #[error("[cluster] this node cannot join: {0}")]
    Database(#[from] Error),
}

/// What a node is in its cluster, from before anybody connects.
pub struct Joining {
    pub node: NodeId,
    pub validity: Arc<CacheValidity>,
    link: Arc<Link>,
    outgoing: mpsc::Receiver<Outgoing>,
}

impl Joining {
    /// A new node, which the hub is one of from now on.
    pub fn new(hub: &Hub) -> Self {
        let (link, outgoing) = Link::new();
        let link = Arc::new(link);
        hub.link(link.clone());
        Self { node: Uuid::now_v7(), validity: Arc::new(CacheValidity::none()), link, outgoing }
    }
}

/// What the cluster needs of the house.
pub struct Parts {
    pub database: Database,
    pub hub: Arc<Hub>,
    pub broadcaster: Broadcaster,
    pub known: Arc<RoomCache>,
    pub accounts: Arc<Accounts>,
    pub plugins: Arc<Plugins>,
    pub metrics: Arc<Metrics>,
}

/// A node that takes part.
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
    asked: people::Asked,
    /// Something may have gone unheard: all rooms are to be looked at.
    sweep: Notify,
    beat_now: Notify,
    leaving: CancellationToken,
}

impl Cluster {
    /// Joins the others, and takes part until `stop`; from `leaving` on it says that it takes no more connections. A NATS that
    /// does not answer is no reason not to start.
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
            asked: people::Asked::default(),
            sweep: Notify::new(),
            beat_now: Notify::new(),
            leaving,
        });
        // Before anybody hears of it.
        cluster.beat().await?;
        let broadcasts = cluster.nats.subscribe(&cluster.nats.to_all()).await?;
        let asked = cluster.nats.subscribe(&cluster.nats.to_node(node)).await?;
        let run = |task: futures_util::future::BoxFuture<'static, ()>| {
            let stop = stop.clone();
            tasks.spawn(async move { stop.run_until_cancelled(task).await });
        };
        run(Box::pin(cluster.clone().send(outgoing)));
        run(Box::pin(cluster.clone().hear_all(broadcasts)));
        run(Box::pin(cluster.clone().answer(asked)));
        run(Box::pin(cluster.clone().keep_rooms()));
        run(Box::pin(cluster.clone().fill_gaps()));
        run(Box::pin(cluster.clone().sweep_rooms()));
        run(Box::pin(cluster.clone().tell_of_plugins()));
        run(Box::pin(cluster.clone().broadcast_departed()));
        run(Box::pin(cluster.clone().keep_lease()));
        run(Box::pin(cluster.clone().follow(events)));
        tracing::info!(node = %cluster.node, name = cluster.name, "one node of a cluster");
        Ok(cluster)
    }

    /// This node, as the others know it.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// What is in order, and what is not.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Goes in order: its people are gone before its lease is.
    pub async fn leave(&self) {
        let (told, goodbye) = oneshot::channel();
        self.parts.hub.publish_to_nodes(|| Outgoing::Goodbye(told));
        // Dropped where there was no place for it.
        let _ = goodbye.await;
        if let Err(error) = self.parts.database.remove_node(&self.node.to_string()).await {
            tracing::warn!(%error, "the other nodes hear of this one's end when its lease is over");
        }
    }
}

/// Whether a node of this configuration would reach NATS; says what answers.
pub async fn reach(config: &config::Cluster) -> Result<String, StartError> {
    nats::reach(config).await
}
