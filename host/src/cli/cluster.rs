//! `natterjack cluster`: lists the nodes that the database knows. No node needs to be reachable.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::cluster::{NodeStatus, converged};
use crate::config::{self, Config};
use crate::database::Database;
use crate::server;

/// See the nodes of a cluster.
///
/// Reads the database that the configuration names. Run it in a node's folder, or pass --config.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The server's configuration file
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the nodes, whether they are alive, and whether they run the same plugins
    Status {
        /// Print an array of objects instead of a table
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(args: Args) -> Result<()> {
    let config = Config::load(args.config.as_deref(), config::environment())?;
    if config.cluster.nats.is_empty() {
        bail!("this configuration is a single node's: `cluster.nats` is empty");
    }
    let database = Database::open_as_it_is(&server::database_options(&config)).await?;
    let Action::Status { json } = args.action;
    let nodes: Vec<NodeStatus> = database.nodes().await?.into_iter().map(NodeStatus::from).collect();
    database.close().await;
    if json {
        say!("{}", serde_json::to_string_pretty(&nodes)?);
        return Ok(());
    }
    say!(
        "{:<20} {:<9} {:<10} {:<26} {:>11} {:>8} {:>12}  PLUGINS",
        "NODE",
        "STATE",
        "VERSION",
        "SINCE",
        "CONNECTIONS",
        "ROOMS",
        "MESSAGES"
    );
    for node in &nodes {
        say!(
            "{:<20} {:<9} {:<10} {:<26} {:>11} {:>8} {:>12}  {}",
            node.name,
            node.state,
            node.version,
            node.started_at,
            node.connections,
            node.rooms,
            node.messages,
            node.plugins
        );
    }
    say!("{}", conclusion(&nodes));
    Ok(())
}

fn conclusion(nodes: &[NodeStatus]) -> String {
    let alive = nodes.iter().filter(|node| node.state != "dead").count();
    let plugins =
        if converged(nodes) { "they run the same plugins" } else { "converging: they do not run the same plugins yet" };
    match alive {
        0 => "no node lives".to_owned(),
        1 => "one node lives".to_owned(),
        n => format!("{n} nodes live; {plugins}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn node(state: &'static str, plugins: &str) -> NodeStatus {
        let (id, name, version) = (String::new(), String::new(), String::new());
        NodeStatus {
            id,
            name,
            version,
            started_at: Timestamp(0),
            state,
            connections: 0,
            rooms: 0,
            messages: 0,
            plugins: plugins.to_owned(),
        }
    }

    #[test]
    fn live_nodes_with_different_plugins_are_converging() {
        assert!(conclusion(&[node("alive", "a"), node("deaf", "b")]).contains("converging"));
        assert_eq!(conclusion(&[node("alive", "a"), node("dead", "b")]), "one node lives");
        assert_eq!(conclusion(&[node("alive", "a"), node("alive", "a")]), "2 nodes live; they run the same plugins");
    }
}
