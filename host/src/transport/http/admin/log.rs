//! Administration routes with the server's recent log lines and its configuration.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Admin;
use crate::config::Config;
use crate::plugins::RecentLine;
use crate::transport::http::extract::Query;
use crate::transport::http::{Answer, State};

/// How many lines are returned by default.
const DEFAULT_LINES: usize = 200;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::transport::http) struct Recent {
    /// The most lines to return; 200 by default.
    #[param(maximum = 4_294_967_295_u32)]
    lines: Option<u32>,
    /// Only lines newer than the one with this number.
    #[param(format = "uint64")]
    after: Option<u64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ServerLog)]
pub(in crate::transport::http) struct Lines {
    /// Oldest first.
    #[schema(value_type = Vec<Object>)]
    lines: Vec<RecentLine>,
}

/// Show the server's recent log lines
#[utoipa::path(get, path = "/api/admin/log", tag = "administration", security(("token" = [])), operation_id = "server_log", params(Recent), responses((status = 200, body = Lines)))]
pub(in crate::transport::http) async fn lines(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Query(Recent { lines, after }): Query<Recent>,
) -> Answer {
    let lines = state.recent_lines.of_server(
        after.unwrap_or(0),
        lines.map_or(DEFAULT_LINES, |lines| usize::try_from(lines).unwrap_or(usize::MAX)),
    );
    Ok(axum::Json(Lines { lines }).into_response())
}

#[derive(Serialize, ToSchema)]
pub(in crate::transport::http) struct InForce {
    /// In the form of `config.toml`, with every key.
    toml: String,
}

/// Show the configuration in force, with secrets hidden
#[utoipa::path(get, path = "/api/admin/config", tag = "administration", security(("token" = [])), operation_id = "config_in_force", responses((status = 200, body = InForce)))]
pub(in crate::transport::http) async fn config(Shared(state): Shared<Arc<State>>, _: Admin) -> Answer {
    let mut config = Config::clone(&state.config.get());
    config.plugin = state.plugins.tables();
    Ok(axum::Json(InForce { toml: config.redacted() }).into_response())
}
