//! Several servers that are one together: a NATS and a PostgreSQL database of their own.

use super::{Nats, Server, Setup, database};

/// What the nodes of a cluster have in common.
pub(crate) struct Cluster {
    pub(crate) nats: Nats,
    database: String,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::on(&database::postgres().expect("the tests of clusters need PostgreSQL: `cargo xtask test`")).await
    }

    /// With a database of this PostgreSQL.
    pub(crate) async fn on(server: &str) -> Self {
        let (nats, database) = tokio::join!(Nats::start(), database::create(server));
        Self { nats, database }
    }

    /// What a node of this name starts with: what `setup` has, and its place in the cluster.
    pub(crate) fn node(&self, name: &str, setup: Setup) -> Setup {
        setup
            .on_database(&self.database)
            .variable("NATTERJACK__CLUSTER__NATS", &self.nats.url())
            .variable("NATTERJACK__CLUSTER__NODE", name)
    }

    /// A node with the shipped plugins.
    pub(crate) async fn start_node(&self, name: &str) -> Server {
        self.node(name, Setup::new()).start().await
    }
}
