//! The plugins folder: what is in it, what has been made of it, and what became of the rest.

mod files;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use wasmtime::component::Component;

use self::files::{File, Reading, Stamp};
use super::load::{Forge, LoadError, hash};
use super::plugin::{Plugin, hex};
use super::{PluginState, PluginStatus, Shared, Tables, contract};
use crate::config;
use crate::metrics::{LOADS, QUARANTINED};

/// Keeps the registry what the folder and the configuration say. The only one that changes the registry.
pub(super) struct Folder {
    pub(super) shared: Arc<Shared>,
    pub(super) forge: Forge,
    pub(super) config: config::Plugins,
    pub(super) tables: Tables,
    pub(super) orders: mpsc::Receiver<Order>,
    known: BTreeMap<Arc<str>, Known>,
}

/// What somebody asks of the folder's keeper.
pub(super) struct Order {
    /// The new `[plugins]`, if it changed.
    pub(super) config: Option<config::Plugins>,
    /// New tables, if they changed.
    pub(super) tables: Option<Tables>,
    /// Told when it is done.
    pub(super) done: oneshot::Sender<()>,
}

/// A file, as it was last looked at.
struct Known {
    stamp: Option<Stamp>,
    sha256: Option<[u8; 32]>,
    terms: Terms,
    error: Option<LoadError>,
}

/// What the operator says about a plugin.
#[derive(Clone, PartialEq)]
struct Terms {
    table: config::Plugin,
    budget: config::Budget,
}

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Reads only files whose size or time changed.
    Glance,
    /// Reads every file: something happened here.
    Read,
}

impl Folder {
    pub(super) fn new(
        shared: Arc<Shared>,
        forge: Forge,
        config: config::Plugins,
        tables: Tables,
        orders: mpsc::Receiver<Order>,
    ) -> Self {
        Self { shared, forge, config, tables, orders, known: BTreeMap::new() }
    }

    /// Brings the registry up to date. False if a file is still being written.
    pub(super) async fn scan(&mut self, look: Look) -> bool {
        let files = match files::list(&self.config.folder).await {
            Ok(files) => files,
            Err(error) => {
                // What runs goes on: a folder that is away for a moment is no order to unload everything.
                tracing::error!(folder = %self.config.folder.display(), %error, "cannot read the plugins folder");
                return true;
            }
        };
        let gone: Vec<_> = self.known.keys().filter(|id| !files.contains_key(*id)).cloned().collect();
        for id in gone {
            self.unload(&id, "its file is gone");
            self.known.remove(&id);
        }
        let mut settled = true;
        for (id, file) in files {
            settled &= self.consider(&id, &file, look).await;
        }
        self.shared.statuses.store(Arc::new(self.statuses()));
        settled
    }

    async fn consider(&mut self, id: &Arc<str>, file: &File, look: Look) -> bool {
        let terms = self.terms(id);
        let known = self.known.get(id).filter(|known| known.terms == terms);
        if !terms.table.enabled {
            if known.is_none() {
                self.unload(id, "it is disabled in config.toml");
            }
            self.known.insert(id.clone(), Known { stamp: None, sha256: None, terms, error: None });
            return true;
        }
        if look == Look::Glance && known.is_some_and(|known| known.stamp == Some(file.stamp)) {
            return true;
        }
        let bytes = match files::read(file).await {
            Ok(Reading::Whole(bytes)) => bytes,
            Ok(Reading::Changing) => return false,
            Err(error) => {
                self.refuse(id, file, None, terms, error);
                return true;
            }
        };
        let sha256 = hash(&bytes);
        if let Some(known) = self.known.get_mut(id).filter(|known| known.terms == terms && known.sha256 == Some(sha256))
        {
            known.stamp = Some(file.stamp);
            return true;
        }
        match self.load(id, bytes, sha256, &terms).await {
            Ok(()) => {
                let stamp = Some(file.stamp);
                self.known.insert(id.clone(), Known { stamp, sha256: Some(sha256), terms, error: None });
            }
            Err(error) => self.refuse(id, file, Some(sha256), terms, error),
        }
        true
    }

    fn terms(&self, id: &str) -> Terms {
        let table = self.tables.get(id).cloned().unwrap_or_default();
        Terms { budget: self.config.budget(&table.limits), table }
    }

    async fn load(&mut self, id: &Arc<str>, bytes: Vec<u8>, sha256: [u8; 32], terms: &Terms) -> Result<(), LoadError> {
        let registry = self.shared.registry.load_full();
        let former = registry.plugin(id);
        // Where only the settings changed there is nothing to compile.
        let compiled: Option<Component> =
            former.filter(|former| former.sha256 == sha256).map(|former| former.component.clone());
        let plugin = self.forge.load(id, bytes, &terms.table, terms.budget, compiled).await?;
        let version = plugin.about.as_ref().map(|about| about.version.clone());
        let hooks = plugin.hooks.names().join(" ");
        self.swap(registry.with(plugin, self.shared.core_ops)?);
        self.count(id, if former.is_some() { "replaced" } else { "loaded" });
        tracing::info!(
            plugin = %id, version, sha256 = hex(&sha256[..4]), hooks,
            "{}", if former.is_some() { "plugin replaced" } else { "plugin loaded" }
        );
        Ok(())
    }

    fn refuse(&mut self, id: &Arc<str>, file: &File, sha256: Option<[u8; 32]>, terms: Terms, error: LoadError) {
        let again = self.known.get(id).is_some_and(|known| known.error.as_ref() == Some(&error));
        if !again {
            let then = match self.shared.registry.load().plugin(id) {
                Some(_) => "plugin not replaced; the version before goes on",
                None => "plugin not loaded",
            };
            self.count(id, "refused");
            tracing::error!(plugin = %id, file = %file.path.display(), "{then}: {error}");
        }
        self.known.insert(id.clone(), Known { stamp: Some(file.stamp), sha256, terms, error: Some(error) });
    }

    fn unload(&mut self, id: &str, why: &str) {
        let registry = self.shared.registry.load_full();
        if registry.plugin(id).is_some() {
            self.swap(registry.without(id));
            self.count(id, "unloaded");
            self.shared.services.metrics.gauge(QUARANTINED, &[("plugin", id)]).set(0.0);
            tracing::info!(plugin = id, "plugin unloaded: {why}");
        }
    }

    fn count(&self, id: &str, outcome: &str) {
        self.shared.services.metrics.counter(LOADS, &[("plugin", id), ("outcome", outcome)]).increment(1);
    }

    /// Calls under way keep the registry that they began with.
    fn swap(&mut self, registry: super::registry::Registry) {
        self.shared.registry.store(Arc::new(registry));
        // Who was away may have timers that have come due.
        self.shared.services.timers_changed.notify_one();
        // A name that was taken may be free now.
        for known in self.known.values_mut().filter(|known| matches!(known.error, Some(LoadError::Taken { .. }))) {
            known.stamp = None;
            known.sha256 = None;
        }
    }

    fn statuses(&self) -> Vec<PluginStatus> {
        let registry = self.shared.registry.load();
        let status = |(id, known): (&Arc<str>, &Known)| {
            let running = registry.plugin(id);
            let about = running.and_then(|plugin| plugin.about.as_ref());
            let commands = running.map(|plugin| &*plugin.commands).unwrap_or_default();
            PluginStatus {
                id: id.clone(),
                state: match running {
                    Some(_) => PluginState::Running,
                    None if known.terms.table.enabled => PluginState::Failed,
                    None => PluginState::Disabled,
                },
                name: about.map(|about| about.name.clone()),
                version: about.map(|about| about.version.clone()),
                summary: about.map(|about| about.summary.clone()),
                sha256: running.map(|plugin| hex(&plugin.sha256)),
                hooks: running.map(|plugin| plugin.hooks.names()).unwrap_or_default(),
                commands: commands.iter().map(|command| command.name.clone()).collect(),
                asked: running.map(|plugin| asked(plugin)).unwrap_or_default(),
                granted: known.terms.table.grants.clone(),
                order: known.terms.table.order,
                error: known.error.as_ref().map(ToString::to_string),
                quarantine: None,
            }
        };
        self.known.iter().map(status).collect()
    }
}

fn asked(plugin: &Plugin) -> Vec<String> {
    contract::shape(&plugin.component, plugin.pre.engine()).wants.into_iter().collect()
}
