//! Administration routes to reload, upload, roll back, retry, rename, remove, enable and disable plugins.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse as _;
use futures_util::StreamExt as _;
use serde::Deserialize;
use utoipa::IntoParams;

use super::shown::{Plugin, Plugins};
use super::{find, shown};
use crate::config::{self, Config, EditError, PluginKeys};
use crate::error::{Error, Result};
use crate::transport::http::admin::audit::AuditNote;
use crate::transport::http::admin::{Admin, edit_blocking};
use crate::transport::http::extract::{Path, Query};
use crate::transport::http::me::Done;
use crate::transport::http::{Answer, State};

/// The largest plugin file. A component with a packed interpreter has about this size.
const MAX_FILE_BYTES: usize = 20 << 20;

/// Read the plugins' tables and their folder now, instead of at the next scan
#[utoipa::path(post, path = "/api/admin/plugins/reload", tag = "administration", security(("token" = [])), operation_id = "reload_plugins", responses((status = 200, body = Plugins)))]
pub(in crate::transport::http) async fn reload(Shared(state): Shared<Arc<State>>, _: Admin) -> Answer {
    let config = read_config(&state).await?;
    state.plugins.reload(Some(config.plugin)).await?;
    Ok(axum::Json(Plugins::of(&state)).into_response())
}

/// Install or replace a plugin; the body is the component
///
/// In a cluster it is for all nodes. It is started first: a file that is not a component, has another contract or asks for missing grants is refused with the
/// reason, and the previous version keeps running.
#[utoipa::path(put, path = "/api/admin/plugins/{id}", tag = "administration", security(("token" = [])), operation_id = "upload_plugin", params(("id" = String, Path)), request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses((status = 200, body = Plugin)))]
pub(in crate::transport::http) async fn upload(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let file = read_file(body, announced.unwrap_or(0)).await?;
    state.plugins.install(&id, file.into()).await?;
    answer(&state, &id)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::transport::http) struct Back {
    /// The SHA-256 of a kept version, as listed in `versions`; by default the version that ran before the current one.
    to: Option<String>,
}

/// Roll back to a former version of a plugin, in a cluster on all nodes
#[utoipa::path(post, path = "/api/admin/plugins/{id}/rollback", tag = "administration", security(("token" = [])), operation_id = "roll_back_plugin", params(("id" = String, Path), Back), responses((status = 200, body = Plugin)))]
pub(in crate::transport::http) async fn roll_back(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
    Query(Back { to }): Query<Back>,
) -> Answer {
    state.plugins.roll_back(&id, to).await?;
    answer(&state, &id)
}

/// Load a quarantined plugin file again; `id` is the plugin, or the first digits (eight or more) of the file's SHA-256
///
/// A file is quarantined if its first load crashed the process that loads unknown files. It is loaded in such a process again.
#[utoipa::path(post, path = "/api/admin/plugins/{id}/retry", tag = "administration", security(("token" = [])), operation_id = "retry_plugin", params(("id" = String, Path)), responses((status = 200, body = Plugins)))]
pub(in crate::transport::http) async fn retry(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
) -> Answer {
    state.plugins.retry(&id).await?;
    Ok(axum::Json(Plugins::of(&state)).into_response())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::transport::http) struct NewId {
    /// The new id: lower-case words joined by dashes.
    #[param(pattern = "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length = 64)]
    to: String,
}

/// Rename a plugin with its file, storage, timers and account, and its table in the configuration file
///
/// The new id must be unused. Not available in a cluster.
#[utoipa::path(post, path = "/api/admin/plugins/{id}/rename", tag = "administration", security(("token" = [])), operation_id = "rename_plugin", params(("id" = String, Path), NewId), responses((status = 200, body = Plugin)))]
pub(in crate::transport::http) async fn rename(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
    Query(NewId { to }): Query<NewId>,
) -> Answer {
    find(&state, &id)?;
    let plugins = &state.plugins;
    plugins.check_rename(&id, &to).await?;
    plugins.rename(&id, &to).await?;
    if let Ok(file) = config_file(&state) {
        let (from, new) = (id.clone(), to.clone());
        if let Err(error) = edit_blocking(move || config::rename_plugin(&file, &from, &new)).await {
            plugins.rename(&to, &id).await?;
            plugins.renamed().await;
            return Err(error.into());
        }
    }
    plugins.renamed().await;
    plugins.reload(Some(read_config(&state).await?.plugin)).await?;
    Ok((AuditNote::detail(format!("renamed to {to}")), axum::Json(shown(&state, &to)?)).into_response())
}

/// Remove a plugin's file from the folder, in a cluster for all nodes; its kept versions can still be rolled back to
#[utoipa::path(delete, path = "/api/admin/plugins/{id}", tag = "administration", security(("token" = [])), operation_id = "remove_plugin", params(("id" = String, Path)), responses((status = 200, body = Done)))]
pub(in crate::transport::http) async fn remove(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
) -> Answer {
    state.plugins.remove(&id).await?;
    Ok(Done::answer("the plugin is removed"))
}

/// Enable a plugin, in the configuration file; in a cluster for all nodes
#[utoipa::path(post, path = "/api/admin/plugins/{id}/enable", tag = "administration", security(("token" = [])), operation_id = "enable_plugin", params(("id" = String, Path)), responses((status = 200, body = Plugin)))]
pub(in crate::transport::http) async fn enable(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
) -> Answer {
    switch(&state, id, true).await
}

/// Disable a plugin, in the configuration file; in a cluster for all nodes
#[utoipa::path(post, path = "/api/admin/plugins/{id}/disable", tag = "administration", security(("token" = [])), operation_id = "disable_plugin", params(("id" = String, Path)), responses((status = 200, body = Plugin)))]
pub(in crate::transport::http) async fn disable(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
) -> Answer {
    switch(&state, id, false).await
}

/// Changes `enabled` in the configuration file and reloads it; in a cluster, changes the configuration that all nodes share.
async fn switch(state: &State, id: String, enabled: bool) -> Answer {
    find(state, &id)?;
    let plugins = &state.plugins;
    if plugins.clustered() {
        let keys = PluginKeys::from_iter([("enabled".to_owned(), enabled.into())]);
        plugins.change_in_cluster(&id, keys).await?;
        return Ok(axum::Json(shown(state, &id)?).into_response());
    }
    let file = config_file(state)?;
    let written = id.clone();
    let config = edit_blocking(move || config::switch_plugin(&file, &written, enabled)).await?;
    plugins.reload(Some(config.plugin)).await?;
    Ok(axum::Json(shown(state, &id)?).into_response())
}

/// The answer for a plugin file that was just installed, with its version and hash for the audit log.
fn answer(state: &State, id: &str) -> Answer {
    let status = find(state, id)?;
    let version = status.version.as_deref().unwrap_or_default();
    let sha256 = status.versions.first().map(|newest| &*newest.sha256).unwrap_or_default();
    Ok((AuditNote::detail(format!("version {version}, {sha256}")), axum::Json(Plugin::from(&status))).into_response())
}

async fn read_file(body: Body, announced: usize) -> Result<Vec<u8>> {
    let too_large = || Error::TooLarge { what: "plugin", limit: format!("{MAX_FILE_BYTES} bytes") };
    if announced > MAX_FILE_BYTES {
        return Err(too_large());
    }
    let mut parts = body.into_data_stream();
    let mut file = Vec::with_capacity(announced);
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| Error::BadRequest(format!("body: {error}")))?;
        if file.len() + part.len() > MAX_FILE_BYTES {
            return Err(too_large());
        }
        file.extend_from_slice(&part);
    }
    Ok(file)
}

pub(super) async fn read_config(state: &State) -> Result<Config> {
    let file = state.config_file.clone();
    edit_blocking(move || {
        Config::load(file.as_deref(), config::environment()).map_err(|faults| EditError::Faults(faults.to_string()))
    })
    .await
}

pub(super) fn config_file(state: &State) -> Result<PathBuf> {
    state.config_file.clone().or_else(config::default_file).ok_or_else(|| {
        Error::Conflict(
            "this server runs without a configuration file, and that is where plugins are switched and set; make a \
             config.toml in its folder (it may be empty), or move the plugin's file out of the folder"
                .into(),
        )
    })
}
