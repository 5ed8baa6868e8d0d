//! Administration routes to list, change and configure plugins, and to read their logs.

pub(in crate::transport::http) mod change;
pub(in crate::transport::http) mod settings;
mod shown;

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

pub(super) use self::shown::millis;
use self::shown::{Plugin, Plugins};
use super::Admin;
use crate::error::{Error, Result};
use crate::plugins::{PluginStatus, RecentLine};
use crate::text;
use crate::transport::http::extract::{Path, Query};
use crate::transport::http::{Answer, State};

/// How many lines are returned by default.
const DEFAULT_LINES: usize = 100;

/// List all plugins and their state
#[utoipa::path(get, path = "/api/admin/plugins", tag = "administration", security(("token" = [])), operation_id = "list_plugins", responses((status = 200, body = Plugins)))]
pub(in crate::transport::http) async fn list(Shared(state): Shared<Arc<State>>, _: Admin) -> Answer {
    Ok(axum::Json(Plugins::of(&state)).into_response())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::transport::http) struct Logs {
    /// The most lines to return; 100 by default.
    #[param(maximum = 4_294_967_295_u32)]
    lines: Option<u32>,
    /// Only lines newer than the one with this number.
    #[param(format = "uint64")]
    after: Option<u64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PluginLog)]
pub(in crate::transport::http) struct Lines {
    #[schema(value_type = Vec<Object>)]
    lines: Vec<RecentLine>,
}

/// Show a plugin's recent log lines
#[utoipa::path(get, path = "/api/admin/plugins/{id}/logs", tag = "administration", security(("token" = [])), operation_id = "plugin_logs", params(("id" = String, Path), Logs), responses((status = 200, body = Lines)))]
pub(in crate::transport::http) async fn logs(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
    Query(Logs { lines, after }): Query<Logs>,
) -> Answer {
    let lines = state.recent_lines.of(
        &id,
        after.unwrap_or(0),
        lines.map_or(DEFAULT_LINES, |lines| usize::try_from(lines).unwrap_or(usize::MAX)),
    );
    // An unloaded plugin may still have log lines.
    if lines.is_empty() {
        find(&state, &id)?;
    }
    Ok(axum::Json(Lines { lines }).into_response())
}

fn find(state: &State, id: &str) -> Result<PluginStatus> {
    let statuses = state.plugins.statuses();
    statuses.into_iter().find(|status| &*status.id == id).ok_or_else(|| {
        Error::NotFound(format!("there is no plugin `{}`: the plugins folder has no such file", text::shown(id)))
    })
}

fn shown(state: &State, id: &str) -> Result<Plugin> {
    Ok(Plugin::from(&find(state, id)?))
}
