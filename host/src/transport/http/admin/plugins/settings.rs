//! Administration routes for a plugin's settings. The plugin is started with new settings before they are saved, since only it
//! can validate them.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::IntoResponse as _;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::change::{config_file, read_config};
use super::shown::Plugin;
use super::{find, shown};
use crate::config::{self, Config};
use crate::error::{Error, Result};
use crate::transport::http::admin::audit::AuditNote;
use crate::transport::http::admin::{Admin, edit_blocking};
use crate::transport::http::extract::{Json, Path};
use crate::transport::http::{Answer, State};

#[derive(Serialize, ToSchema)]
#[schema(as = PluginSettings)]
pub(in crate::transport::http) struct Settings {
    /// From `config.toml`, or from the cluster. Values whose keys look like secrets are shown as `<hidden>`.
    #[schema(value_type = Object)]
    settings: Value,
}

/// Show a plugin's own settings
#[utoipa::path(get, path = "/api/admin/plugins/{id}/settings", tag = "administration", security(("token" = [])), operation_id = "plugin_settings", params(("id" = String, Path)), responses((status = 200, body = Settings)))]
pub(in crate::transport::http) async fn show(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
) -> Answer {
    find(&state, &id)?;
    let table = table(&state, &id).await?;
    Ok(axum::Json(Settings { settings: table.settings.shown() }).into_response())
}

/// Change a plugin's own settings, in the configuration file; in a cluster for all nodes
///
/// The body replaces all settings. A secret given as `<hidden>` stays as it is. The plugin is started with them first: if it
/// refuses them, the answer has its reason and nothing is changed.
#[utoipa::path(put, path = "/api/admin/plugins/{id}/settings", tag = "administration", security(("token" = [])), operation_id = "set_plugin_settings", params(("id" = String, Path)), request_body(content = Object), responses((status = 200, body = Plugin)))]
pub(in crate::transport::http) async fn change(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
    Json(new): Json<Map<String, Value>>,
) -> Answer {
    find(&state, &id)?;
    let before = table(&state, &id).await?;
    let settings = before.settings.changed_to(Value::Object(new)).map_err(|why| Error::invalid("settings", why))?;
    let changed = changed_keys(&before.settings.0, &settings.0);
    let plugins = &state.plugins;
    if plugins.clustered() {
        let keys = settings.keys(&id).map_err(|why| Error::invalid("settings", why))?;
        plugins.change_in_cluster(&id, keys).await?;
    } else {
        let (file, written) = (config_file(&state)?, id.clone());
        let table = config::Plugin { settings: settings.clone(), ..before };
        plugins.try_out(&id, table).await?;
        let config: Config = edit_blocking(move || config::set_plugin_settings(&file, &written, &settings)).await?;
        plugins.reload(Some(config.plugin)).await?;
    }
    Ok((AuditNote::detail(format!("changed: {changed}")), axum::Json(shown(&state, &id)?)).into_response())
}

/// The plugin's table in the configuration file; in a cluster, in the configuration that all nodes share.
async fn table(state: &State, id: &str) -> Result<config::Plugin> {
    let plugins = &state.plugins;
    if plugins.clustered() {
        return Ok(plugins.tables().remove(id).unwrap_or_default());
    }
    Ok(read_config(state).await?.plugin_of(id))
}

/// The names of the changed settings, for the audit log; their values may be secrets.
fn changed_keys(before: &Value, after: &Value) -> String {
    let keys = |settings: &Value| settings.as_object().into_iter().flat_map(Map::keys).cloned().collect::<Vec<_>>();
    let mut keys = [keys(before), keys(after)].concat();
    keys.sort();
    keys.dedup();
    keys.retain(|key| before.get(key) != after.get(key));
    if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") }
}
