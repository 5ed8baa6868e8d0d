//! The registry of running plugins, by hook and command. It is immutable and replaced as a whole.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::command::CommandInfo;
use super::load::LoadError;
use super::plugin::Plugin;
use crate::config::OnFault;
use crate::error::{Error, Result};

/// A filter or guard that should decide and does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MissingPlugin {
    pub(super) filter: bool,
    pub(super) guard: bool,
    /// Whether messages are rejected or pass unfiltered without it.
    pub(super) on_fault: OnFault,
}

impl MissingPlugin {
    /// Whether it is a filter or a guard.
    pub(super) fn decides(&self) -> bool {
        self.filter || self.guard
    }

    /// Whether messages are rejected while it is missing.
    pub(super) fn rejects(&self) -> bool {
        self.filter && self.on_fault == OnFault::Reject
    }
}

/// The running plugins by hook, command and slash word, and the missing filters and guards.
#[derive(Default)]
pub(super) struct Registry {
    plugins: BTreeMap<Arc<str>, Arc<Plugin>>,
    filters: Vec<Arc<Plugin>>,
    guards: Vec<Arc<Plugin>>,
    observers: Vec<Arc<Plugin>>,
    timers: Vec<Arc<Plugin>>,
    commands: HashMap<Arc<str>, (Arc<Plugin>, Arc<CommandInfo>)>,
    words: HashMap<Arc<str>, Arc<CommandInfo>>,
    missing: BTreeMap<Arc<str>, MissingPlugin>,
}

impl Registry {
    pub(super) fn is_missing(&self, id: &str) -> bool {
        self.missing.contains_key(id)
    }

    pub(super) fn missing(&self, id: &str) -> Option<&MissingPlugin> {
        self.missing.get(id)
    }

    /// Fails with [`Error::Unavailable`] if a filter is missing that rejects messages in its absence.
    pub(super) fn check_filters(&self) -> Result<()> {
        match self.missing.iter().find(|(_, missing)| missing.rejects()) {
            None => Ok(()),
            Some((id, _)) => Err(Error::Unavailable(format!(
                "the message filter {id} does not run; nothing can be posted until an administrator has fixed or removed it"
            ))),
        }
    }

    /// Fails with [`Error::Unavailable`] if a guard is missing.
    pub(super) fn check_guards(&self) -> Result<()> {
        match self.missing.iter().find(|(_, missing)| missing.guard) {
            None => Ok(()),
            Some((id, _)) => Err(Error::Unavailable(format!(
                "the room guard {id} does not run; private rooms cannot be joined until an administrator has fixed or removed it"
            ))),
        }
    }

    pub(super) fn plugin(&self, id: &str) -> Option<&Arc<Plugin>> {
        self.plugins.get(id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.plugins.values()
    }

    /// The filters, in the order in which they are called.
    pub(super) fn filters(&self) -> &[Arc<Plugin>] {
        &self.filters
    }

    pub(super) fn guards(&self) -> &[Arc<Plugin>] {
        &self.guards
    }

    pub(super) fn observers(&self) -> &[Arc<Plugin>] {
        &self.observers
    }

    /// The plugins that export `timer`.
    pub(super) fn timers(&self) -> &[Arc<Plugin>] {
        &self.timers
    }

    pub(super) fn command(&self, name: &str) -> Option<&(Arc<Plugin>, Arc<CommandInfo>)> {
        self.commands.get(name)
    }

    pub(super) fn word(&self, word: &str) -> Option<&Arc<CommandInfo>> {
        self.words.get(word)
    }

    /// All commands by plugin id, then in the plugin's own order.
    pub(super) fn commands(&self) -> impl Iterator<Item = &Arc<CommandInfo>> {
        self.plugins.values().flat_map(|plugin| &plugin.commands)
    }

    /// A copy in which this plugin is added or replaces its former version.
    /// Fails if a command or slash word is taken.
    pub(super) fn with(&self, plugin: Plugin, core_ops: &[&str]) -> Result<Self, LoadError> {
        self.check(&plugin, core_ops)?;
        let (mut plugins, mut missing) = (self.plugins.clone(), self.missing.clone());
        missing.remove(&plugin.id);
        plugins.insert(plugin.id.clone(), Arc::new(plugin));
        Ok(Self::of(plugins, missing))
    }

    /// A copy without this plugin.
    pub(super) fn without(&self, id: &str) -> Self {
        let (mut plugins, mut missing) = (self.plugins.clone(), self.missing.clone());
        plugins.remove(id);
        missing.remove(id);
        Self::of(plugins, missing)
    }

    /// A copy in which this plugin is marked as missing.
    pub(super) fn with_missing(&self, id: Arc<str>, missing: MissingPlugin) -> Self {
        let mut all = self.missing.clone();
        all.insert(id, missing);
        Self::of(self.plugins.clone(), all)
    }

    fn of(plugins: BTreeMap<Arc<str>, Arc<Plugin>>, missing: BTreeMap<Arc<str>, MissingPlugin>) -> Self {
        let mut registry = Self { missing, ..Self::default() };
        for plugin in plugins.values() {
            if plugin.hooks.message_filter.is_some() {
                registry.filters.push(plugin.clone());
            }
            if plugin.hooks.room_guard.is_some() {
                registry.guards.push(plugin.clone());
            }
            if plugin.hooks.observer.is_some() {
                registry.observers.push(plugin.clone());
            }
            if plugin.hooks.timer.is_some() {
                registry.timers.push(plugin.clone());
            }
            for command in &plugin.commands {
                registry.commands.insert(command.name.clone(), (plugin.clone(), command.clone()));
                if let Some(word) = &command.slash {
                    registry.words.insert(word.clone(), command.clone());
                }
            }
        }
        // The sort is stable, so plugins of equal order stay sorted by id.
        registry.filters.sort_by_key(|plugin| plugin.order);
        registry.guards.sort_by_key(|plugin| plugin.order);
        registry.plugins = plugins;
        registry
    }

    /// Checks that no command or slash word is taken by another plugin or by the server.
    fn check(&self, plugin: &Plugin, core_ops: &[&str]) -> Result<(), LoadError> {
        for command in &plugin.commands {
            let taken = |by: String| LoadError::Taken { what: "command", name: command.name.to_string(), by };
            if core_ops.contains(&&*command.name) {
                return Err(taken("the server itself".into()));
            }
            if let Some((other, _)) = self.commands.get(&command.name)
                && other.id != plugin.id
            {
                return Err(taken(format!("the plugin {}", other.id)));
            }
            let Some(word) = &command.slash else { continue };
            let taken = |by: String| LoadError::Taken { what: "word", name: format!("/{word}"), by };
            if let Some(other) = self.words.get(word)
                && other.plugin != plugin.id
            {
                return Err(taken(format!("the plugin {}", other.plugin)));
            }
        }
        Ok(())
    }
}
