//! A plugin's settings. What they mean only the plugin knows: it is started with new ones before they count.

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
use crate::transport::http::admin::audit::Told;
use crate::transport::http::admin::{Admin, off_thread};
use crate::transport::http::extract::{Json, Path};
use crate::transport::http::{Answer, State};

#[derive(Serialize, ToSchema)]
#[schema(as = PluginSettings)]
pub(in crate::transport::http) struct Settings {
    /// As `config.toml` has them, or its cluster. What is called like a secret is shown as `<hidden>`.
    #[schema(value_type = Object)]
    settings: Value,
}

/// A plugin's own settings
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
/// The body is all of them. A secret that says `<hidden>` stays as it is. The plugin is started with them first: if it
/// refuses them, its reason is told and nothing is changed.
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
        plugins.change_everywhere(&id, keys).await?;
    } else {
        let (file, written) = (config_file(&state)?, id.clone());
        let table = config::Plugin { settings: settings.clone(), ..before };
        plugins.try_out(&id, table).await?;
        let config: Config = off_thread(move || config::set_plugin_settings(&file, &written, &settings)).await?;
        plugins.reload(Some(config.plugin)).await?;
    }
    Ok((Told::detail(format!("changed: {changed}")), axum::Json(shown(&state, &id)?)).into_response())
}

/// As the configuration file has it now; in a cluster, as its nodes agreed on.
async fn table(state: &State, id: &str) -> Result<config::Plugin> {
    let plugins = &state.plugins;
    if plugins.clustered() {
        return Ok(plugins.tables().remove(id).unwrap_or_default());
    }
    Ok(read_config(state).await?.plugin_of(id))
}

/// For the audit log, which is no place for secrets.
fn changed_keys(before: &Value, after: &Value) -> String {
    let keys = |settings: &Value| settings.as_object().into_iter().flat_map(Map::keys).cloned().collect::<Vec<_>>();
    let mut keys = [keys(before), keys(after)].concat();
    keys.sort();
    keys.dedup();
    keys.retain(|key| before.get(key) != after.get(key));
    if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") }
}
