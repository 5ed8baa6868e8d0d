//! Which plugins run, and what each hook and command leads to. Never changed, only swapped as a whole.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::command::CommandInfo;
use super::load::LoadError;
use super::plugin::Plugin;
use crate::config::OnFault;
use crate::error::{Error, Result};

/// A plugin that should decide and does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) filter: bool,
    pub(super) guard: bool,
    /// What becomes of messages without its filter.
    pub(super) on_fault: OnFault,
}

impl Missing {
    pub(super) fn decides(&self) -> bool {
        self.filter || self.guard
    }

    /// Whether messages are rejected without it.
    pub(super) fn rejects(&self) -> bool {
        self.filter && self.on_fault == OnFault::Reject
    }
}

#[derive(Default)]
pub(super) struct Registry {
    plugins: BTreeMap<Arc<str>, Arc<Plugin>>,
    filters: Vec<Arc<Plugin>>,
    guards: Vec<Arc<Plugin>>,
    observers: Vec<Arc<Plugin>>,
    timers: Vec<Arc<Plugin>>,
    commands: HashMap<Arc<str>, (Arc<Plugin>, Arc<CommandInfo>)>,
    words: HashMap<Arc<str>, Arc<CommandInfo>>,
    missing: BTreeMap<Arc<str>, Missing>,
}

impl Registry {
    pub(super) fn is_missing(&self, id: &str) -> bool {
        self.missing.contains_key(id)
    }

    pub(super) fn missing(&self, id: &str) -> Option<&Missing> {
        self.missing.get(id)
    }

    /// Whether every filter runs that messages have to pass.
    pub(super) fn check_filters(&self) -> Result<()> {
        match self.missing.iter().find(|(_, missing)| missing.rejects()) {
            None => Ok(()),
            Some((id, _)) => Err(Error::Unavailable(format!(
                "the message filter {id} does not run; nothing can be posted until an administrator has seen to it"
            ))),
        }
    }

    /// Whether every guard runs that has a say in who comes in.
    pub(super) fn check_guards(&self) -> Result<()> {
        match self.missing.iter().find(|(_, missing)| missing.guard) {
            None => Ok(()),
            Some((id, _)) => Err(Error::Unavailable(format!(
                "the room guard {id} does not run; private rooms stay shut until an administrator has seen to it"
            ))),
        }
    }

    pub(super) fn plugin(&self, id: &str) -> Option<&Arc<Plugin>> {
        self.plugins.get(id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Plugin>> {
        self.plugins.values()
    }

    /// In the order in which they see a message.
    pub(super) fn filters(&self) -> &[Arc<Plugin>] {
        &self.filters
    }

    pub(super) fn guards(&self) -> &[Arc<Plugin>] {
        &self.guards
    }

    pub(super) fn observers(&self) -> &[Arc<Plugin>] {
        &self.observers
    }

    /// Those that are woken by timers.
    pub(super) fn timers(&self) -> &[Arc<Plugin>] {
        &self.timers
    }

    pub(super) fn command(&self, name: &str) -> Option<&(Arc<Plugin>, Arc<CommandInfo>)> {
        self.commands.get(name)
    }

    pub(super) fn word(&self, word: &str) -> Option<&Arc<CommandInfo>> {
        self.words.get(word)
    }

    /// By plugin, then in the order in which a plugin names them.
    pub(super) fn commands(&self) -> impl Iterator<Item = &Arc<CommandInfo>> {
        self.plugins.values().flat_map(|plugin| &plugin.commands)
    }

    /// With this plugin in place of its former version, if there is one.
    pub(super) fn with(&self, plugin: Plugin, core_ops: &[&str]) -> Result<Self, LoadError> {
        self.check(&plugin, core_ops)?;
        let (mut plugins, mut missing) = (self.plugins.clone(), self.missing.clone());
        missing.remove(&plugin.id);
        plugins.insert(plugin.id.clone(), Arc::new(plugin));
        Ok(Self::of(plugins, missing))
    }

    pub(super) fn without(&self, id: &str) -> Self {
        let (mut plugins, mut missing) = (self.plugins.clone(), self.missing.clone());
        plugins.remove(id);
        missing.remove(id);
        Self::of(plugins, missing)
    }

    /// Without this plugin, which would have decided something.
    pub(super) fn with_missing(&self, id: Arc<str>, missing: Missing) -> Self {
        let mut all = self.missing.clone();
        all.insert(id, missing);
        Self::of(self.plugins.clone(), all)
    }

    fn of(plugins: BTreeMap<Arc<str>, Arc<Plugin>>, missing: BTreeMap<Arc<str>, Missing>) -> Self {
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
        // Ties stay in the order of their ids: the sort is stable.
        registry.filters.sort_by_key(|plugin| plugin.order);
        registry.guards.sort_by_key(|plugin| plugin.order);
        registry.plugins = plugins;
        registry
    }

    /// A name that two plugins offer would mean one thing or the other by chance.
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
