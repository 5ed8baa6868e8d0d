//! Health, metrics and status of the cluster, for operators.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::database::Node;
use crate::metrics::{
    CLUSTER_CONNECTED, CLUSTER_HEARD, CLUSTER_LOST, CLUSTER_NODES, CLUSTER_READ, CLUSTER_ROOMS, CLUSTER_SENT, Counter,
    Gauge, Metrics,
};

/// Health of a node's connection to its cluster.
#[derive(Default)]
pub struct Health {
    pub(super) hears: AtomicBool,
    pub(super) lease: AtomicBool,
    pub(super) draining: AtomicBool,
}

impl Health {
    /// Whether the node receives messages by NATS.
    pub fn hears(&self) -> bool {
        self.hears.load(Ordering::Relaxed)
    }

    /// Whether the node's lease is renewed.
    pub fn has_lease(&self) -> bool {
        self.lease.load(Ordering::Relaxed)
    }
}

pub(super) struct ClusterMetrics {
    pub(super) sent: Counter,
    pub(super) unsent: Counter,
    pub(super) received: Counter,
    pub(super) read: Counter,
    pub(super) lost: Counter,
    pub(super) nodes: Gauge,
    pub(super) rooms: Gauge,
    pub(super) connected: Gauge,
}

impl ClusterMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            sent: metrics.counter(CLUSTER_SENT, &[("outcome", "sent")]),
            unsent: metrics.counter(CLUSTER_SENT, &[("outcome", "dropped")]),
            received: metrics.counter(CLUSTER_HEARD, &[]),
            read: metrics.counter(CLUSTER_READ, &[]),
            lost: metrics.counter(CLUSTER_LOST, &[]),
            nodes: metrics.gauge(CLUSTER_NODES, &[]),
            rooms: metrics.gauge(CLUSTER_ROOMS, &[]),
            connected: metrics.gauge(CLUSTER_CONNECTED, &[]),
        }
    }
}

/// A node, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    pub id: String,
    pub name: String,
    pub version: String,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// `alive`, `draining`, `deaf` (it is not connected to NATS) or `dead`.
    pub state: &'static str,
    pub connections: i64,
    pub rooms: i64,
    /// Messages that were posted there since its start.
    pub messages: i64,
    /// The same for nodes that run the same plugins.
    pub plugins: String,
}

/// Whether all live nodes run the same plugins.
pub fn converged(nodes: &[NodeStatus]) -> bool {
    let mut alive = nodes.iter().filter(|node| node.state != "dead").map(|node| &node.plugins);
    let first = alive.next();
    alive.all(|plugins| Some(plugins) == first)
}

impl From<Node> for NodeStatus {
    fn from(node: Node) -> Self {
        let state = match node {
            _ if node.lease_ms <= 0 => "dead",
            _ if node.draining => "draining",
            _ if !node.hears => "deaf",
            _ => "alive",
        };
        let Node { id, name, version, started_at, connections, rooms, messages, plugins, .. } = node;
        Self { id, name, version, started_at, state, connections, rooms, messages, plugins }
    }
}
