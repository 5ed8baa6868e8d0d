//! Uploading plugins, going back, removing them, and switching them on and off.

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
use crate::transport::http::admin::audit::Told;
use crate::transport::http::admin::{Admin, off_thread};
use crate::transport::http::extract::{Path, Query};
use crate::transport::http::me::Done;
use crate::transport::http::{Answer, State};

/// An interpreter packed into a component has about this.
const MAX_FILE: usize = 20 << 20;

/// Read the plugins' tables and their folder now, instead of a little later
#[utoipa::path(post, path = "/api/admin/plugins/reload", tag = "administration", security(("token" = [])), operation_id = "reload_plugins", responses((status = 200, body = Plugins)))]
pub(in crate::transport::http) async fn reload(Shared(state): Shared<Arc<State>>, _: Admin) -> Answer {
    let config = read_config(&state).await?;
    state.plugins.reload(Some(config.plugin)).await?;
    Ok(axum::Json(Plugins::of(&state)).into_response())
}

/// Put a plugin into the folder, in the place of its version before if there is one; the body is the component
///
/// In a cluster it is for all nodes. It is started first: what is no component, speaks of another contract or wants what is not granted is refused with the
/// reason, and the version before goes on.
#[utoipa::path(put, path = "/api/admin/plugins/{id}", tag = "administration", security(("token" = [])), operation_id = "upload_plugin", params(("id" = String, Path)), request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses((status = 200, body = Plugin)))]
pub(in crate::transport::http) async fn upload(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let file = whole(body, announced.unwrap_or(0)).await?;
    state.plugins.install(&id, file.into()).await?;
    answer(&state, &id)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::transport::http) struct Back {
    /// The SHA-256 of a kept version, as `versions` has them; the one that ran before the present one if it is not said.
    to: Option<String>,
}

/// Run a former version of a plugin again, in a cluster on all nodes
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
/// A file is quarantined if its first load took the process down that loads unknown files. It is loaded in such a process again.
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
    /// What it is called from then on: lower-case words joined by dashes.
    to: String,
}

/// Call a plugin otherwise: its file, storage, timers and account go with it, and its table in the configuration file
///
/// Nothing may be there by the new name. Not in a cluster.
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
        if let Err(error) = off_thread(move || config::rename_plugin(&file, &from, &new)).await {
            plugins.rename(&to, &id).await?;
            return Err(error.into());
        }
    }
    plugins.reload(Some(read_config(&state).await?.plugin)).await?;
    Ok((Told::detail(format!("renamed to {to}")), axum::Json(shown(&state, &to)?)).into_response())
}

/// Take a plugin's file out of the folder, in a cluster for all nodes; its kept versions can still be gone back to
#[utoipa::path(delete, path = "/api/admin/plugins/{id}", tag = "administration", security(("token" = [])), operation_id = "remove_plugin", params(("id" = String, Path)), responses((status = 200, body = Done)))]
pub(in crate::transport::http) async fn remove(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
) -> Answer {
    state.plugins.remove(&id).await?;
    Ok(Done::answer("the plugin is removed"))
}

/// Switch a plugin on, in the configuration file; in a cluster for all nodes
#[utoipa::path(post, path = "/api/admin/plugins/{id}/enable", tag = "administration", security(("token" = [])), operation_id = "enable_plugin", params(("id" = String, Path)), responses((status = 200, body = Plugin)))]
pub(in crate::transport::http) async fn enable(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
) -> Answer {
    switch(&state, id, true).await
}

/// Switch a plugin off, in the configuration file; in a cluster for all nodes
#[utoipa::path(post, path = "/api/admin/plugins/{id}/disable", tag = "administration", security(("token" = [])), operation_id = "disable_plugin", params(("id" = String, Path)), responses((status = 200, body = Plugin)))]
pub(in crate::transport::http) async fn disable(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
) -> Answer {
    switch(&state, id, false).await
}

/// The configuration file stays the only truth: it is changed, and then followed. In a cluster that is what its nodes agreed on.
async fn switch(state: &State, id: String, enabled: bool) -> Answer {
    find(state, &id)?;
    let plugins = &state.plugins;
    if plugins.clustered() {
        let keys = PluginKeys::from_iter([("enabled".to_owned(), enabled.into())]);
        plugins.change_everywhere(&id, keys).await?;
        return Ok(axum::Json(shown(state, &id)?).into_response());
    }
    let file = config_file(state)?;
    let written = id.clone();
    let config = off_thread(move || config::switch_plugin(&file, &written, enabled)).await?;
    plugins.reload(Some(config.plugin)).await?;
    Ok(axum::Json(shown(state, &id)?).into_response())
}

/// Of a plugin that was put into the folder just now.
fn answer(state: &State, id: &str) -> Answer {
    let status = find(state, id)?;
    let version = status.version.as_deref().unwrap_or_default();
    let sha256 = status.versions.first().map(|newest| &*newest.sha256).unwrap_or_default();
    Ok((Told::detail(format!("version {version}, {sha256}")), axum::Json(Plugin::from(&status))).into_response())
}

async fn whole(body: Body, announced: usize) -> Result<Vec<u8>> {
    let too_large = || Error::TooLarge { what: "plugin", limit: format!("{MAX_FILE} bytes") };
    if announced > MAX_FILE {
        return Err(too_large());
    }
    let mut parts = body.into_data_stream();
    let mut file = Vec::with_capacity(announced);
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| Error::BadRequest(format!("body: {error}")))?;
        if file.len() + part.len() > MAX_FILE {
            return Err(too_large());
        }
        file.extend_from_slice(&part);
    }
    Ok(file)
}

pub(super) async fn read_config(state: &State) -> Result<Config> {
    let file = state.config_file.clone();
    off_thread(move || {
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
