//! The plugins folder: what is in it, what has been made of it, and what became of the rest.

mod cluster_overrides;
mod compiling;
mod distribute;
mod handle;
mod missing;
mod rename;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use self::compiling::{Compiling, Sha256};
use self::distribute::Given;
use super::cluster_plugins::ClusterPlugins;
use super::crashed::CrashedFiles;
use super::files::{self, File, Reading, Stamp};
use super::folder_command::FolderCommand;
use super::load::{LoadError, Loader, check_kind, check_pin, hash};
use super::plugin::{Plugin, hex};
use super::registry::Registry;
use super::versions::Versions;
use super::{PluginState, PluginStats, PluginStatus, Shared, Tables, contract};
use crate::clock::{Timestamp, now};
use crate::config;
use crate::metrics::{LOADS, QUARANTINED};

/// Keeps the registry what the folder and the configuration say. The only one that changes the registry.
pub(super) struct Folder {
    pub(super) shared: Arc<Shared>,
    pub(super) forge: Arc<Loader>,
    pub(super) versions: Versions,
    /// The files that are not loaded again.
    crashed: CrashedFiles,
    compiling: Compiling,
    pub(super) config: config::Plugins,
    /// As this node's configuration has them.
    pub(super) tables: Tables,
    /// What the cluster agreed on, if there is one.
    pub(super) set: Option<ClusterPlugins>,
    /// Whether that could not be read when it was last looked at.
    set_away: bool,
    /// If this node gives what it has to all.
    given: Option<Given>,
    pub(super) commands: mpsc::Receiver<FolderCommand>,
    known: BTreeMap<Arc<str>, KnownPlugin>,
}

/// A file, as it was last looked at.
struct KnownPlugin {
    stamp: Option<Stamp>,
    sha256: Option<[u8; 32]>,
    terms: Terms,
    /// Why it does not run, and since when.
    error: Option<(LoadError, Timestamp)>,
    /// It is being compiled.
    compiling: Option<Sha256>,
}

/// Why a version is not started.
enum NotReady {
    /// It is being compiled: come back to it.
    Compiling(Sha256),
    Refused(LoadError),
}

impl From<LoadError> for NotReady {
    fn from(error: LoadError) -> Self {
        Self::Refused(error)
    }
}

/// A version that has started, and what the registry is with it.
struct Ready {
    registry: Registry,
    sha256: [u8; 32],
    version: Option<String>,
    hooks: String,
    replaces: bool,
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
        forge: Loader,
        versions: Versions,
        crashed: CrashedFiles,
        config: config::Plugins,
        tables: Tables,
        commands: mpsc::Receiver<FolderCommand>,
    ) -> Self {
        shared.crashed.store(Arc::new(crashed.all().to_vec()));
        Self {
            shared,
            forge: Arc::new(forge),
            versions,
            crashed,
            compiling: Compiling::default(),
            config,
            tables,
            set: None,
            set_away: false,
            given: None,
            commands,
            known: BTreeMap::new(),
        }
    }

    /// Brings the registry up to date. False if a file is still being written.
    pub(super) async fn scan(&mut self, look: Look) -> bool {
        let own = match files::list(&self.config.folder).await {
            Ok(files) => files,
            Err(error) => {
                // What runs goes on: a folder that is away for a moment is no order to unload everything.
                tracing::error!(folder = %self.config.folder.display(), %error, "cannot read the plugins folder");
                return true;
            }
        };
        self.take_over_tables();
        let mut settled = self.give_files(&own, look).await;
        let files = match self.files_to_run(own).await {
            Ok(files) => files,
            Err(error) => {
                tracing::error!(%error, "cannot read the folder of the cluster's plugins");
                return settled;
            }
        };
        self.take_over_tables();
        let gone: Vec<_> = self.known.keys().filter(|id| !files.contains_key(*id)).cloned().collect();
        for id in gone {
            self.unload(&id, "its file is gone");
            self.known.remove(&id);
        }
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
                self.unload(id, "it is disabled");
            }
            self.known
                .insert(id.clone(), KnownPlugin { stamp: None, sha256: None, terms, error: None, compiling: None });
            return true;
        }
        if look == Look::Glance && known.is_some_and(|known| known.stamp == Some(file.stamp)) {
            return true;
        }
        let bytes = match files::read(file).await {
            Ok(Reading::Whole(bytes)) => Bytes::from(bytes),
            Ok(Reading::Changing) => return false,
            Err(error) => {
                self.refuse(id, file, None, terms, error).await;
                return true;
            }
        };
        let sha256 = hash(&bytes);
        if let Some(known) = self.known.get_mut(id).filter(|known| known.terms == terms && known.sha256 == Some(sha256))
        {
            known.stamp = Some(file.stamp);
            return true;
        }
        match self.prepare(id, bytes.clone(), &terms).await {
            Ok(ready) => self.put_in_force(id, ready, &bytes, terms, file.stamp).await,
            Err(NotReady::Refused(error)) => self.refuse(id, file, Some((sha256, &bytes)), terms, error).await,
            Err(NotReady::Compiling(sha256)) => {
                let compiling = Some(sha256);
                self.known.insert(id.clone(), KnownPlugin { stamp: None, sha256: None, terms, error: None, compiling });
            }
        }
        true
    }

    fn terms(&self, id: &str) -> Terms {
        let table = self.shared.tables.load().get(id).cloned().unwrap_or_default();
        Terms { budget: self.config.budget(&table.limits), table }
    }

    /// Starts a version, and leaves everything as it is.
    async fn prepare(&mut self, id: &Arc<str>, bytes: Bytes, terms: &Terms) -> Result<Ready, NotReady> {
        check_kind(&bytes)?;
        let sha256 = hash(&bytes);
        check_pin(id, &sha256, &terms.table)?;
        let registry = self.shared.registry.load_full();
        let former = registry.plugin(id);
        let component = match former.filter(|former| former.sha256 == sha256) {
            // Where only the settings changed there is nothing to compile.
            Some(former) => former.component.clone(),
            None => {
                if let Some(reason) = self.crashed.reason(&sha256) {
                    let reason = reason.to_owned();
                    return Err(LoadError::Quarantined { id: id.clone(), reason }.into());
                }
                self.component(id, sha256, &bytes, terms).ok_or(NotReady::Compiling(sha256))??
            }
        };
        let plugin = self.forge.assemble(id, sha256, component, &terms.table, terms.budget).await?;
        Ok(Ready {
            sha256,
            version: plugin.about.as_ref().map(|about| about.version.clone()),
            hooks: plugin.hooks.names().join(" "),
            replaces: former.is_some(),
            registry: registry.with(plugin, self.shared.core_ops)?,
        })
    }

    async fn put_in_force(&mut self, id: &Arc<str>, ready: Ready, bytes: &[u8], terms: Terms, stamp: Stamp) {
        let Ready { registry, sha256, version, hooks, replaces } = ready;
        self.swap(registry);
        self.known.insert(
            id.clone(),
            KnownPlugin { stamp: Some(stamp), sha256: Some(sha256), terms, error: None, compiling: None },
        );
        if let Err(error) = self.versions.keep(id, &hex(&sha256), bytes).await {
            tracing::warn!(plugin = %id, %error, "this version cannot be kept; it cannot be gone back to later");
        }
        self.count(id, if replaces { "replaced" } else { "loaded" });
        tracing::info!(
            plugin = %id, version, sha256 = hex(&sha256[..4]), hooks,
            "{}", if replaces { "plugin replaced" } else { "plugin loaded" }
        );
    }

    async fn refuse(
        &mut self,
        id: &Arc<str>,
        file: &File,
        read: Option<(Sha256, &[u8])>,
        terms: Terms,
        error: LoadError,
    ) {
        let same = self.known.get(id).and_then(|known| known.error.as_ref()).filter(|(known, _)| *known == error);
        let since = same.map(|(_, since)| *since);
        if since.is_none() {
            let then = match self.shared.registry.load().plugin(id) {
                Some(_) => "plugin not replaced; the version before goes on",
                None => "plugin not loaded",
            };
            self.count(id, "refused");
            tracing::error!(plugin = %id, file = %file.path.display(), "{then}: {error}");
        }
        self.close_for(id, read.map(|(_, bytes)| bytes), &terms, &error).await;
        let mut seen = (Some(file.stamp), read.map(|(sha256, _)| sha256));
        if let (LoadError::Untried(_), Some(sha256)) = (&error, seen.1)
            && self.compiling.tries_again(sha256)
        {
            seen = (None, None);
        }
        let (stamp, sha256) = seen;
        let error = Some((error, since.unwrap_or_else(now)));
        self.known.insert(id.clone(), KnownPlugin { stamp, sha256, terms, error, compiling: None });
    }

    fn unload(&mut self, id: &str, why: &str) {
        let registry = self.shared.registry.load_full();
        let ran = registry.plugin(id).is_some();
        if ran || registry.is_missing(id) {
            self.swap(registry.without(id));
        }
        self.shared.services.metrics.gauge(QUARANTINED, &[("plugin", id)]).set(0.0);
        if ran {
            self.count(id, "unloaded");
            tracing::info!(plugin = id, "plugin unloaded: {why}");
        }
    }

    fn count(&self, id: &str, outcome: &str) {
        self.shared.services.metrics.counter(LOADS, &[("plugin", id), ("outcome", outcome)]).increment(1);
    }

    /// Calls under way keep the registry that they began with.
    fn swap(&mut self, registry: Registry) {
        self.shared.registry.store(Arc::new(registry));
        // Who was away may have timers that have come due.
        self.shared.services.timers_changed.notify_one();
        // A name that was taken may be free now.
        for known in self.known.values_mut().filter(|known| matches!(known.error, Some((LoadError::Taken { .. }, _)))) {
            known.stamp = None;
            known.sha256 = None;
        }
    }

    fn statuses(&self) -> Vec<PluginStatus> {
        let registry = self.shared.registry.load();
        let status = |(id, known): (&Arc<str>, &KnownPlugin)| {
            let running = registry.plugin(id);
            let about = running.and_then(|plugin| plugin.about.as_ref());
            let commands = running.map(|plugin| &*plugin.commands).unwrap_or_default();
            PluginStatus {
                id: id.clone(),
                state: match running {
                    Some(_) => PluginState::Running,
                    None if !known.terms.table.enabled => PluginState::Disabled,
                    None if known.compiling.is_some() => PluginState::Compiling,
                    None if matches!(known.error, Some((LoadError::Quarantined { .. }, _))) => PluginState::Quarantined,
                    None => PluginState::Failed,
                },
                name: about.map(|about| about.name.clone()),
                version: about.map(|about| about.version.clone()),
                summary: about.map(|about| about.summary.clone()),
                sha256: running.map(|plugin| hex(&plugin.sha256)),
                loaded_at: running.map(|plugin| plugin.loaded_at),
                hooks: running.map(|plugin| plugin.hooks.names()).unwrap_or_default(),
                commands: commands.iter().map(|command| command.name.clone()).collect(),
                asked: running.map(|plugin| asked(plugin)).unwrap_or_default(),
                granted: known.terms.table.grants.clone(),
                order: known.terms.table.order,
                error: known.error.as_ref().map(|(error, since)| (error.to_string(), *since)),
                quarantine: None,
                stats: PluginStats::default(),
                versions: self.versions_of(id),
            }
        };
        self.known.iter().map(status).collect()
    }
}

fn asked(plugin: &Plugin) -> Vec<String> {
    contract::shape(&plugin.component, plugin.pre.engine()).wants.into_iter().collect()
}
