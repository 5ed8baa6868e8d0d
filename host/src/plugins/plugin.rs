//! One loaded version of a plugin.

use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime::component::{Component, InstancePre};

use super::bindings::{commands, lifecycle, message_filter, observer, room_guard, timer};
use super::command::CommandInfo;
use super::filter::Filter;
use super::guarded_call::PluginHealth;
use super::observer::Interest;
use super::outbound_http::Reach;
use super::state::State;
use crate::clock::Timestamp;
use crate::config;

/// A loaded version of a plugin. It is immutable and replaced as a whole by another version.
pub(super) struct Plugin {
    pub(super) id: Arc<str>,
    pub(super) sha256: [u8; 32],
    pub(super) loaded_at: Timestamp,
    pub(super) short_hash: String,
    pub(super) component: Component,
    pub(super) pre: InstancePre<State>,
    pub(super) hooks: Hooks,
    /// The plugin's own settings, as the JSON that `init` gets.
    pub(super) settings: String,
    /// The hosts that it may call over HTTP.
    pub(super) reach: Reach,
    pub(super) order: i32,
    pub(super) budget: config::Budget,
    pub(super) about: Option<About>,
    pub(super) commands: Vec<Arc<CommandInfo>>,
    pub(super) interest: Interest,
    pub(super) filter: Filter,
    /// Serialises retries after a conflict, so that a retry does not conflict with another retry.
    pub(super) retry_permit: Semaphore,
    /// Whether messages are rejected or pass unfiltered while its filter is quarantined.
    pub(super) on_fault: config::OnFault,
    pub(super) health: PluginHealth,
}

impl Plugin {
    /// For the log: the version it declares, or the beginning of its hash.
    pub(super) fn version(&self) -> &str {
        self.about.as_ref().map_or(&self.short_hash, |about| &about.version)
    }
}

/// A plugin's description of itself.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) summary: String,
}

/// Indices of a component's exported hooks; none for hooks that it does not export.
#[derive(Clone)]
pub(super) struct Hooks {
    pub(super) lifecycle: Option<lifecycle::LifecyclePluginIndices>,
    pub(super) commands: Option<commands::CommandsPluginIndices>,
    pub(super) message_filter: Option<message_filter::MessageFilterPluginIndices>,
    pub(super) room_guard: Option<room_guard::RoomGuardPluginIndices>,
    pub(super) observer: Option<observer::ObserverPluginIndices>,
    pub(super) timer: Option<timer::TimerPluginIndices>,
}

impl Hooks {
    /// The names of the exported hooks, as the contract spells them.
    pub(super) fn names(&self) -> Vec<&'static str> {
        [
            ("lifecycle", self.lifecycle.is_some()),
            ("commands", self.commands.is_some()),
            ("message-filter", self.message_filter.is_some()),
            ("room-guard", self.room_guard.is_some()),
            ("observer", self.observer.is_some()),
            ("timer", self.timer.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, exported)| exported.then_some(name))
        .collect()
    }
}

/// A hash in lower-case hex.
pub(super) fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
