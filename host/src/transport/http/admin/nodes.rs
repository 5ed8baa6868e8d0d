//! The administration route that lists the nodes of the cluster.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::IntoResponse as _;
use serde::Serialize;
use utoipa::ToSchema;

use super::Admin;
use crate::cluster::{NodeStatus, converged};
use crate::transport::http::{Answer, State};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::transport::http) struct Nodes {
    /// The node that answers; null if this server is not in a cluster.
    #[schema(required)]
    answered_by: Option<String>,
    /// Whether all live nodes run the same plugins.
    converged: bool,
    /// Live nodes, and those that died within the last hour; oldest first.
    nodes: Vec<NodeStatus>,
}

/// List the nodes of the cluster, and whether they run the same plugins
#[utoipa::path(get, path = "/api/admin/nodes", tag = "administration", security(("token" = [])), operation_id = "list_nodes", responses((status = 200, body = Nodes)))]
pub(in crate::transport::http) async fn list(Shared(state): Shared<Arc<State>>, _: Admin) -> Answer {
    let Some(cluster) = &state.cluster else {
        return Ok(axum::Json(Nodes { answered_by: None, converged: true, nodes: Vec::new() }).into_response());
    };
    let nodes: Vec<NodeStatus> = state.database.nodes().await?.into_iter().map(NodeStatus::from).collect();
    let answered_by = Some(cluster.node().to_string());
    Ok(axum::Json(Nodes { answered_by, converged: converged(&nodes), nodes }).into_response())
}
