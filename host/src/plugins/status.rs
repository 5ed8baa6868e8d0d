//! The state and statistics of plugins, for operators.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::plugin::hex;
use super::{CrashedFile, KeptVersion, Plugins, Tables};
use crate::clock::Timestamp;
use crate::config;
use crate::latency::Tally;

/// The state of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginState {
    Running,
    /// Its circuit breaker is not closed, and `quarantine` has the reason; or its file crashed its first load and is not loaded
    /// again, and `error` has the reason.
    Quarantined,
    /// Its file is being compiled.
    Compiling,
    /// Disabled by the configuration.
    Disabled,
    /// Its file could not be loaded; `error` has the reason.
    Failed,
}

impl PluginState {
    /// The state's name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Quarantined => "quarantined",
            Self::Compiling => "compiling",
            Self::Disabled => "disabled",
            Self::Failed => "failed",
        }
    }
}

/// The status of one plugin, for operators.
#[derive(Clone, Debug)]
pub struct PluginStatus {
    pub id: Arc<str>,
    pub state: PluginState,
    /// Its name, version and summary by its own description.
    pub name: Option<String>,
    pub version: Option<String>,
    pub summary: Option<String>,
    /// The SHA-256 of the running version, in hex.
    pub sha256: Option<String>,
    /// When the running version was loaded, or got its current settings.
    pub loaded_at: Option<Timestamp>,
    pub hooks: Vec<&'static str>,
    pub commands: Vec<Arc<str>>,
    /// The interfaces that the running version imports and that need a grant.
    pub asked: Vec<String>,
    /// The interfaces that are granted to it.
    pub granted: Vec<config::Grant>,
    /// Filters and guards are called in ascending order.
    pub order: i32,
    /// Why the current file does not run, and since when; an older version may run.
    pub error: Option<(String, Timestamp)>,
    /// While it is quarantined: the fault, and for how much longer it is not called.
    pub quarantine: Option<(String, Duration)>,
    /// Statistics of the running version since it was loaded.
    pub stats: PluginStats,
    /// The versions that it can be rolled back to, the newest first, including the running one.
    pub versions: Vec<KeptVersion>,
}

/// Statistics of the calls of one version.
#[derive(Clone, Debug, Default)]
pub struct PluginStats {
    /// Durations of calls.
    pub times: Tally,
    /// Calls that ended with a fault: a trap, a time-out or an exceeded limit.
    pub faults: u64,
}

/// Identifies one load of a plugin; its statistics start at zero with each load.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoadId {
    pub plugin: Arc<str>,
    at: Timestamp,
}

impl Plugins {
    /// Call times of each plugin since it was loaded.
    pub fn call_times(&self) -> impl Iterator<Item = (LoadId, Tally)> {
        let registry = self.shared.registry.load_full();
        let times = registry
            .all()
            .map(|plugin| (LoadId { plugin: plugin.id.clone(), at: plugin.loaded_at }, plugin.health.stats().times));
        times.collect::<Vec<_>>().into_iter()
    }

    /// The files that crashed their first load and are not loaded again.
    pub fn crashed_files(&self) -> Arc<Vec<CrashedFile>> {
        self.shared.crashed.load_full()
    }

    /// The plugins' tables in force.
    pub fn tables(&self) -> Tables {
        Tables::clone(&self.shared.tables.load())
    }

    /// A digest of the running plugins and their tables: equal on nodes that run the same.
    pub fn digest(&self) -> String {
        let (statuses, tables) = (self.shared.statuses.load(), self.shared.tables.load());
        let mut digest = Sha256::new();
        for status in &**statuses {
            // A pin only decides which file is loaded, not how it runs.
            let table = config::Plugin {
                sha256: config::Pin::default(),
                ..tables.get(&*status.id).cloned().unwrap_or_default()
            };
            let table = table.keys(&status.id).unwrap_or_default();
            // A node on which a version or table failed must have another digest.
            let failed = status.error.as_ref().map(|(why, _)| why);
            digest.update(format!("{:?}", (&status.id, &status.sha256, failed, table.to_string())));
        }
        hex(&digest.finalize()[..8])
    }

    /// Whether a plugin, running or not, has a name that is the same as this one or looks like it.
    pub fn is_named(&self, name: &str) -> bool {
        let (key, shape) = (crate::name::key(name), crate::name::shape(name));
        let is_like = |id: &str| crate::name::key(id) == key || crate::name::shape(id) == shape;
        self.shared.statuses.load().iter().any(|status| is_like(&status.id))
    }

    /// Every plugin in the folder, running or not.
    pub fn statuses(&self) -> Vec<PluginStatus> {
        let registry = self.shared.registry.load();
        let mut statuses = Vec::clone(&self.shared.statuses.load());
        for status in &mut statuses {
            let Some(plugin) = registry.plugin(&status.id) else { continue };
            status.stats = plugin.health.stats();
            status.quarantine = plugin.health.quarantine();
            if status.quarantine.is_some() {
                status.state = PluginState::Quarantined;
            }
        }
        statuses
    }
}
