//! What administrators may see and do: the plugins, and everybody's accounts.

pub(super) mod accounts;

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{FromRequestParts, State as Shared};
use axum::http::request::Parts;
use axum::response::IntoResponse as _;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Authorized, Path, Query};
use super::{Answer, Failure, State};
use crate::config::{self, Config, EditError};
use crate::error::{Error, Result};
use crate::plugins::PluginStatus;
use crate::protocol::AccountId;

/// How many lines are given if nobody says how many.
const LINES: usize = 100;

/// Somebody whose account has the admin flag.
pub(super) struct Admin(AccountId);

impl FromRequestParts<Arc<State>> for Admin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Failure> {
        let Authorized(identity) = Authorized::from_request_parts(parts, state).await?;
        // Asked of the database each time: the flag may have gone since the token was given out.
        let user = state.core.accounts.user(identity.account.id).await?;
        if user.is_admin && user.disabled_at.is_none() {
            Ok(Self(user.uid))
        } else {
            let name = user.username;
            Err(Error::Forbidden(format!(
                "only for administrators; `natterjack user admin {name}` makes this account one"
            ))
            .into())
        }
    }
}

/// All plugins and how they are
#[utoipa::path(get, path = "/api/admin/plugins", tag = "administration", security(("token" = [])), operation_id = "list_plugins", responses((status = 200, body = Listed)))]
pub(super) async fn plugins(Shared(state): Shared<Arc<State>>, _: Admin) -> Answer {
    Ok(axum::Json(listed(&state)).into_response())
}

/// Read the plugins' tables and their folder now, instead of a little later
#[utoipa::path(post, path = "/api/admin/plugins/reload", tag = "administration", security(("token" = [])), operation_id = "reload_plugins", responses((status = 200, body = Listed)))]
pub(super) async fn reload(Shared(state): Shared<Arc<State>>, _: Admin) -> Answer {
    let file = state.config_file.clone();
    let config = off_thread(move || {
        Config::load(file.as_deref(), config::environment()).map_err(|faults| EditError::Faults(faults.to_string()))
    })
    .await?;
    state.core.router.plugins.reload(Some(config.plugin)).await?;
    Ok(axum::Json(listed(&state)).into_response())
}

/// Switch a plugin on, in the configuration file
#[utoipa::path(post, path = "/api/admin/plugins/{id}/enable", tag = "administration", security(("token" = [])), operation_id = "enable_plugin", params(("id" = String, Path)), responses((status = 200, body = Plugin)))]
pub(super) async fn enable(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>) -> Answer {
    switch(&state, id, true).await
}

/// Switch a plugin off, in the configuration file
#[utoipa::path(post, path = "/api/admin/plugins/{id}/disable", tag = "administration", security(("token" = [])), operation_id = "disable_plugin", params(("id" = String, Path)), responses((status = 200, body = Plugin)))]
pub(super) async fn disable(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>) -> Answer {
    switch(&state, id, false).await
}

/// The configuration file stays the only truth: it is changed, and then followed.
async fn switch(state: &State, id: String, enabled: bool) -> Answer {
    find(state, &id)?;
    let file = config_file(state)?;
    let written = id.clone();
    let config = off_thread(move || config::switch_plugin(&file, &written, enabled)).await?;
    tracing::info!(plugin = %id, enabled, "switched in the configuration by an administrator");
    state.core.router.plugins.reload(Some(config.plugin)).await?;
    Ok(axum::Json(shown(&find(state, &id)?)).into_response())
}

fn config_file(state: &State) -> Result<PathBuf> {
    state.config_file.clone().ok_or_else(|| {
        Error::Conflict(
            "this server runs without a configuration file, and that is where plugins are switched; make a config.toml \
             (it may be empty) and start the server with it, or move the plugin's file out of the folder"
                .into(),
        )
    })
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Logs {
    /// At the most; 100 if it is not said.
    lines: Option<usize>,
    /// Only what is newer than the line of this number.
    #[param(format = "uint64")]
    after: Option<u64>,
}

/// What the log said of a plugin lately
#[utoipa::path(get, path = "/api/admin/plugins/{id}/logs", tag = "administration", security(("token" = [])), operation_id = "plugin_logs", params(("id" = String, Path), Logs), responses((status = 200, body = Lines)))]
pub(super) async fn logs(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
    Query(Logs { lines, after }): Query<Logs>,
) -> Answer {
    let lines = state.recent_lines.of(&id, after.unwrap_or(0), lines.unwrap_or(LINES));
    // One that was unloaded may still have something to say.
    if lines.is_empty() {
        find(&state, &id)?;
    }
    Ok(axum::Json(json!({"lines": lines})).into_response())
}

/// A plugin, as `shown` writes it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents a shape")]
pub(super) struct Plugin {
    id: String,
    state: String,
    #[schema(required)]
    name: Option<String>,
    #[schema(required)]
    version: Option<String>,
    #[schema(required)]
    error: Option<String>,
    hooks: Vec<String>,
    commands: Vec<String>,
    order: i32,
}

#[derive(ToSchema)]
#[schema(as = Plugins)]
#[expect(dead_code, reason = "it documents a shape")]
pub(super) struct Listed {
    plugins: Vec<Plugin>,
}

#[derive(ToSchema)]
#[schema(as = PluginLog)]
#[expect(dead_code, reason = "it documents a shape")]
pub(super) struct Lines {
    lines: Vec<Value>,
}

fn find(state: &State, id: &str) -> Result<PluginStatus> {
    let statuses = state.core.router.plugins.statuses();
    statuses.into_iter().find(|status| &*status.id == id).ok_or_else(|| {
        Error::NotFound(format!("there is no plugin `{}`: the plugins folder has no such file", id.escape_debug()))
    })
}

fn listed(state: &State) -> Value {
    json!({"plugins": state.core.router.plugins.statuses().iter().map(shown).collect::<Vec<_>>()})
}

fn shown(status: &PluginStatus) -> Value {
    json!({
        "id": &*status.id,
        "state": status.state.as_str(),
        "name": status.name,
        "version": status.version,
        "summary": status.summary,
        "sha256": status.sha256,
        "hooks": status.hooks,
        "commands": status.commands.iter().map(|name| &**name).collect::<Vec<_>>(),
        "grants": {
            "asked": status.asked,
            "given": status.granted.iter().map(|grant| grant.as_str()).collect::<Vec<_>>(),
        },
        "order": status.order,
        "error": status.error,
    })
}

/// Files are read and written where no connection waits for it.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, EditError> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?;
    done.map_err(|error| match error {
        EditError::File { .. } => Error::Unavailable(error.to_string()),
        EditError::Faults(_) | EditError::Outranked { .. } => Error::Conflict(error.to_string()),
    })
}
