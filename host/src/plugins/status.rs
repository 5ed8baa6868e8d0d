//! How the plugins are doing, for operators.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::plugin::hex;
use super::{CrashedFile, KeptVersion, Plugins, Tables};
use crate::clock::Timestamp;
use crate::config;
use crate::latency::Tally;

/// How a plugin is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginState {
    Running,
    /// It failed too often and is not called for now, `quarantine` says how; or its file is not loaded any more, since it took
    /// a process down, and `error` says how.
    Quarantined,
    /// It is loaded once it is compiled.
    Compiling,
    /// Switched off.
    Disabled,
    Failed,
}

impl PluginState {
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

/// A plugin, for operators.
#[derive(Clone, Debug)]
pub struct PluginStatus {
    pub id: Arc<str>,
    pub state: PluginState,
    /// What it says of itself.
    pub name: Option<String>,
    pub version: Option<String>,
    pub summary: Option<String>,
    /// Of the version that runs.
    pub sha256: Option<String>,
    /// When that took its place, or got its present settings.
    pub loaded_at: Option<Timestamp>,
    pub hooks: Vec<&'static str>,
    pub commands: Vec<Arc<str>>,
    /// What the version that runs imports beyond what every plugin has.
    pub asked: Vec<String>,
    /// What `config.toml` lets it import.
    pub granted: Vec<config::Grant>,
    /// Filters run from low to high.
    pub order: i32,
    /// Why the file as it is now does not run, and since when; an older version may.
    pub error: Option<(String, Timestamp)>,
    /// While it is quarantined: how it failed, and for how much longer it is not called.
    pub quarantine: Option<(String, Duration)>,
    /// How the version that runs has done since it was loaded.
    pub stats: PluginStats,
    /// What can be gone back to, the newest first; the version that runs is among them.
    pub versions: Vec<KeptVersion>,
}

/// What was counted of one version's calls.
#[derive(Clone, Debug, Default)]
pub struct PluginStats {
    pub times: Tally,
    /// Calls in which it trapped, took too long or asked for too much.
    pub faults: u64,
}

/// One loading of a plugin: its next one counts from nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoadId {
    pub plugin: Arc<str>,
    at: Timestamp,
}

impl Plugins {
    /// How long the calls of each plugin took since it was loaded.
    pub fn call_times(&self) -> impl Iterator<Item = (LoadId, Tally)> {
        let registry = self.shared.registry.load_full();
        let times = registry
            .all()
            .map(|plugin| (LoadId { plugin: plugin.id.clone(), at: plugin.loaded_at }, plugin.health.stats().times));
        times.collect::<Vec<_>>().into_iter()
    }

    /// The files that took a process down when they were first loaded, and are not loaded again.
    pub fn crashed_files(&self) -> Arc<Vec<CrashedFile>> {
        self.shared.crashed.load_full()
    }

    /// The plugins' tables in force.
    pub fn tables(&self) -> Tables {
        Tables::clone(&self.shared.tables.load())
    }

    /// Stands for which plugins run and how they are set: the same on nodes that do the same.
    pub fn digest(&self) -> String {
        let (statuses, tables) = (self.shared.statuses.load(), self.shared.tables.load());
        let mut digest = Sha256::new();
        for status in &**statuses {
            // A pin is how a node refuses a version, and not how it runs one.
            let table = config::Plugin {
                sha256: config::Pin::default(),
                ..tables.get(&*status.id).cloned().unwrap_or_default()
            };
            let table = table.keys(&status.id).unwrap_or_default();
            // Who could not take a version or a table over is known by that, too.
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
