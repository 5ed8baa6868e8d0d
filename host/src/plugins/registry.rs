//! Which plugins run, and what each hook and command leads to. Never changed, only swapped as a whole.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::command::CommandInfo;
use super::load::LoadError;
use super::plugin::Plugin;

#[derive(Default)]
pub(super) struct Registry {
    plugins: BTreeMap<Arc<str>, Arc<Plugin>>,
    filters: Vec<Arc<Plugin>>,
    guards: Vec<Arc<Plugin>>,
    observers: Vec<Arc<Plugin>>,
    timers: Vec<Arc<Plugin>>,
    commands: HashMap<Arc<str>, (Arc<Plugin>, Arc<CommandInfo>)>,
    words: HashMap<Arc<str>, Arc<CommandInfo>>,
}

impl Registry {
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
        let mut plugins = self.plugins.clone();
        plugins.insert(plugin.id.clone(), Arc::new(plugin));
        Ok(Self::of(plugins))
    }

    pub(super) fn without(&self, id: &str) -> Self {
        let mut plugins = self.plugins.clone();
        plugins.remove(id);
        Self::of(plugins)
    }

    fn of(plugins: BTreeMap<Arc<str>, Arc<Plugin>>) -> Self {
        let mut registry = Self::default();
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
