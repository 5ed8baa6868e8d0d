//! Several servers that are one together: a NATS and a PostgreSQL database of their own.

use super::{Nats, Server, Setup, database};

/// What the nodes of a cluster have in common.
pub(crate) struct Cluster {
    pub(crate) nats: Nats,
    database: String,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let server = database::postgres().expect("the tests of clusters need PostgreSQL: `cargo xtask test`");
        let (nats, database) = tokio::join!(Nats::start(), database::create(&server));
        Self { nats, database }
    }

    /// What a node of this name starts with: what `setup` has, and its place in the cluster.
    pub(crate) fn node(&self, name: &str, setup: Setup) -> Setup {
        setup
            .on_database(&self.database)
            .variable("NATTERJACK__CLUSTER__NATS", &self.nats.url())
            .variable("NATTERJACK__CLUSTER__NODE", name)
            .variable("JWT_SECRET", "one secret that all nodes of the cluster sign their tokens with")
    }

    /// A node with the shipped plugins.
    pub(crate) async fn start_node(&self, name: &str) -> Server {
        self.node(name, Setup::new()).start().await
    }
}
