//! The JSON form of a plugin's status, for administrators.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::plugins::{CrashedFile, KeptVersion, PluginStatus};
use crate::transport::http::State;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::transport::http) struct Plugin {
    id: String,
    /// `running`, `quarantined`, `compiling`, `disabled` or `failed`.
    state: &'static str,
    #[schema(required)]
    name: Option<String>,
    #[schema(required)]
    version: Option<String>,
    #[schema(required)]
    summary: Option<String>,
    /// Of the running version.
    #[schema(required)]
    sha256: Option<String>,
    /// When that version was loaded, or got its current settings.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    loaded_at: Option<Timestamp>,
    hooks: Vec<&'static str>,
    commands: Vec<String>,
    grants: Grants,
    order: i32,
    /// Why the current file does not run; an older version may.
    #[schema(required)]
    error: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    error_at: Option<Timestamp>,
    #[schema(required)]
    quarantine: Option<Quarantine>,
    calls: Calls,
    /// Versions that can be rolled back to, newest first, including the running one.
    versions: Vec<Version>,
}

#[derive(Serialize, ToSchema)]
struct Grants {
    /// The grants that the running version asks for.
    asked: Vec<String>,
    /// The grants that the configuration gives it.
    given: Vec<&'static str>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Quarantine {
    reason: String,
    /// How much longer it is not called.
    seconds_left: u64,
}

/// Call statistics of the running version, since it was loaded.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Calls {
    count: u64,
    /// Calls that trapped, timed out or exceeded a resource limit.
    faults: u64,
    /// In milliseconds; null before the first call.
    #[schema(required)]
    p50_ms: Option<f64>,
    #[schema(required)]
    p99_ms: Option<f64>,
}

#[derive(Serialize, ToSchema)]
struct Version {
    sha256: String,
    /// When it last replaced another version.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    running: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::transport::http) struct Plugins {
    plugins: Vec<Plugin>,
    /// Files that crashed the process that loads unknown files: they are loaded again only on request.
    quarantined_files: Vec<QuarantinedFile>,
}

#[derive(Serialize, ToSchema)]
struct QuarantinedFile {
    sha256: String,
    /// The plugin id that it was installed under.
    plugin: String,
    reason: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

impl From<&CrashedFile> for QuarantinedFile {
    fn from(file: &CrashedFile) -> Self {
        Self {
            sha256: file.sha256.to_string(),
            plugin: file.plugin.to_string(),
            reason: file.reason.clone(),
            at: file.at(),
        }
    }
}

impl Plugins {
    pub(super) fn of(state: &State) -> Self {
        let plugins = &state.plugins;
        Self {
            plugins: plugins.statuses().iter().map(Plugin::from).collect(),
            quarantined_files: plugins.crashed_files().iter().map(QuarantinedFile::from).collect(),
        }
    }
}

impl From<&PluginStatus> for Plugin {
    fn from(status: &PluginStatus) -> Self {
        let error = status.error.as_ref();
        let times = &status.stats.times;
        let version = |kept: &KeptVersion| Version {
            sha256: kept.sha256.to_string(),
            since: kept.since,
            running: status.sha256.as_deref() == Some(&*kept.sha256),
        };
        Self {
            id: status.id.to_string(),
            state: status.state.as_str(),
            name: status.name.clone(),
            version: status.version.clone(),
            summary: status.summary.clone(),
            sha256: status.sha256.clone(),
            loaded_at: status.loaded_at,
            hooks: status.hooks.clone(),
            commands: status.commands.iter().map(ToString::to_string).collect(),
            grants: Grants {
                asked: status.asked.clone(),
                given: status.granted.iter().map(|grant| grant.as_str()).collect(),
            },
            order: status.order,
            error: error.map(|(error, _)| error.clone()),
            error_at: error.map(|(_, since)| *since),
            quarantine: status
                .quarantine
                .as_ref()
                .map(|(reason, left)| Quarantine { reason: reason.clone(), seconds_left: left.as_secs() }),
            calls: Calls {
                count: times.count(),
                faults: status.stats.faults,
                p50_ms: times.quantile(0.5).map(millis),
                p99_ms: times.quantile(0.99).map(millis),
            },
            versions: status.versions.iter().map(version).collect(),
        }
    }
}

pub(in crate::transport::http::admin) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
