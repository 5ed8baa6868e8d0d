//! Clusters of servers, with their own NATS and PostgreSQL database.

use super::{Nats, Server, Setup, database};

/// The services that the nodes of a cluster share.
pub(crate) struct Cluster {
    pub(crate) nats: Nats,
    database: String,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::on(&database::postgres().expect("the tests of clusters need PostgreSQL: `cargo xtask test`")).await
    }

    /// Starts a cluster with a new database of this PostgreSQL.
    pub(crate) async fn on(server: &str) -> Self {
        let (nats, database) = tokio::join!(Nats::start(), database::create(server));
        Self { nats, database }
    }

    /// Adds the settings of a cluster node of this name to `setup`.
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
