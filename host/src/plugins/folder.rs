//! The plugins folder: scans it, loads and replaces plugins, and records why files are not loaded.

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
use self::distribute::Distributed;
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

/// Keeps the registry in step with the folder and the configuration. Nothing else changes the registry.
pub(super) struct Folder {
    pub(super) shared: Arc<Shared>,
    pub(super) loader: Arc<Loader>,
    pub(super) versions: Versions,
    /// Files that crashed their first load.
    crashed: CrashedFiles,
    compiling: Compiling,
    pub(super) config: config::Plugins,
    /// The plugins' tables in this node's configuration.
    pub(super) tables: Tables,
    /// The plugin files and tables set for the whole cluster, if this node is in one.
    pub(super) cluster_plugins: Option<ClusterPlugins>,
    /// Whether the last refresh of `cluster_plugins` failed.
    cluster_unreachable: bool,
    /// What this node has distributed, if it distributes its own plugins to the cluster.
    distributed: Option<Distributed>,
    pub(super) commands: mpsc::Receiver<FolderCommand>,
    known: BTreeMap<Arc<str>, KnownPlugin>,
}

/// A plugin's file as of the last scan.
struct KnownPlugin {
    stamp: Option<Stamp>,
    sha256: Option<[u8; 32]>,
    terms: Terms,
    /// Why it does not run, and since when that is the reason.
    error: Option<(LoadError, Timestamp)>,
    /// The hash of the file that is being compiled.
    compiling: Option<Sha256>,
}

/// Why a version was not started.
enum NotReady {
    /// Its component is being compiled.
    Compiling(Sha256),
    Refused(LoadError),
}

impl From<LoadError> for NotReady {
    fn from(error: LoadError) -> Self {
        Self::Refused(error)
    }
}

/// A version that has started, and the registry that includes it.
struct Ready {
    registry: Registry,
    sha256: [u8; 32],
    version: Option<String>,
    hooks: String,
    replaces: bool,
}

/// A plugin's table and the call budget that follows from it.
#[derive(Clone, PartialEq)]
struct Terms {
    table: config::Plugin,
    budget: config::Budget,
}

/// Which files a scan reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScanMode {
    /// Only files whose size or modification time changed.
    Changed,
    /// Every file.
    All,
}

impl Folder {
    pub(super) fn new(
        shared: Arc<Shared>,
        loader: Loader,
        versions: Versions,
        crashed: CrashedFiles,
        config: config::Plugins,
        tables: Tables,
        commands: mpsc::Receiver<FolderCommand>,
    ) -> Self {
        shared.crashed.store(Arc::new(crashed.all().to_vec()));
        Self {
            shared,
            loader: Arc::new(loader),
            versions,
            crashed,
            compiling: Compiling::default(),
            config,
            tables,
            cluster_plugins: None,
            cluster_unreachable: false,
            distributed: None,
            commands,
            known: BTreeMap::new(),
        }
    }

    /// Brings the registry up to date. Returns false if a file is still being written.
    pub(super) async fn scan(&mut self, mode: ScanMode) -> bool {
        let own = match files::list(&self.config.folder).await {
            Ok(files) => files,
            Err(error) => {
                // Running plugins stay: a folder that is unreadable for a moment must not unload everything.
                tracing::error!(folder = %self.config.folder.display(), %error, "cannot read plugins folder");
                return true;
            }
        };
        self.apply_tables();
        let mut settled = self.distribute_files(&own, mode).await;
        let files = match self.files_to_run(own).await {
            Ok(files) => files,
            Err(error) => {
                tracing::error!(%error, "cannot read folder of cluster plugins");
                return settled;
            }
        };
        self.apply_tables();
        let gone: Vec<_> = self.known.keys().filter(|id| !files.contains_key(*id)).cloned().collect();
        for id in gone {
            self.unload(&id, "file removed");
            self.known.remove(&id);
        }
        for (id, file) in files {
            settled &= self.update(&id, &file, mode).await;
        }
        self.shared.statuses.store(Arc::new(self.statuses()));
        settled
    }

    async fn update(&mut self, id: &Arc<str>, file: &File, mode: ScanMode) -> bool {
        let terms = self.terms(id);
        let known = self.known.get(id).filter(|known| known.terms == terms);
        if !terms.table.enabled {
            if known.is_none() {
                self.unload(id, "disabled");
            }
            self.known
                .insert(id.clone(), KnownPlugin { stamp: None, sha256: None, terms, error: None, compiling: None });
            return true;
        }
        if mode == ScanMode::Changed && known.is_some_and(|known| known.stamp == Some(file.stamp)) {
            return true;
        }
        let bytes = match files::read(file).await {
            Ok(Reading::Whole(bytes)) => Bytes::from(bytes),
            Ok(Reading::Changing) => return false,
            Err(error) => {
                self.record_refusal(id, file, None, terms, error).await;
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
            Ok(ready) => self.activate(id, ready, &bytes, terms, file.stamp).await,
            Err(NotReady::Refused(error)) => self.record_refusal(id, file, Some((sha256, &bytes)), terms, error).await,
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

    /// Starts a version without putting it into the registry.
    async fn prepare(&mut self, id: &Arc<str>, bytes: Bytes, terms: &Terms) -> Result<Ready, NotReady> {
        check_kind(&bytes)?;
        let sha256 = hash(&bytes);
        check_pin(id, &sha256, &terms.table)?;
        let registry = self.shared.registry.load_full();
        let former = registry.plugin(id);
        let component = match former.filter(|former| former.sha256 == sha256) {
            // If only the settings changed there is nothing to compile.
            Some(former) => former.component.clone(),
            None => {
                if let Some(reason) = self.crashed.reason(&sha256) {
                    let reason = reason.to_owned();
                    return Err(LoadError::Quarantined { id: id.clone(), reason }.into());
                }
                self.component(id, sha256, &bytes, terms).ok_or(NotReady::Compiling(sha256))??
            }
        };
        let plugin = self.loader.assemble(id, sha256, component, &terms.table, terms.budget).await?;
        Ok(Ready {
            sha256,
            version: plugin.about.as_ref().map(|about| about.version.clone()),
            hooks: plugin.hooks.names().join(" "),
            replaces: former.is_some(),
            registry: registry.with(plugin, self.shared.core_ops)?,
        })
    }

    async fn activate(&mut self, id: &Arc<str>, ready: Ready, bytes: &[u8], terms: Terms, stamp: Stamp) {
        let Ready { registry, sha256, version, hooks, replaces } = ready;
        self.swap(registry);
        self.known.insert(
            id.clone(),
            KnownPlugin { stamp: Some(stamp), sha256: Some(sha256), terms, error: None, compiling: None },
        );
        if let Err(error) = self.versions.keep(id, &hex(&sha256), bytes).await {
            tracing::warn!(plugin = %id, %error, "cannot keep copy of plugin version, rollback to it will be impossible");
        }
        self.count(id, if replaces { "replaced" } else { "loaded" });
        tracing::info!(
            plugin = %id, version, sha256 = hex(&sha256[..4]), hooks,
            "{}", if replaces { "plugin replaced" } else { "plugin loaded" }
        );
    }

    async fn record_refusal(
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
            let outcome = match self.shared.registry.load().plugin(id) {
                Some(_) => "plugin not replaced, previous version keeps running",
                None => "plugin not loaded",
            };
            self.count(id, "refused");
            tracing::error!(plugin = %id, file = %file.path.display(), "{outcome}: {error}");
        }
        self.block_without(id, read.map(|(_, bytes)| bytes), &terms, &error).await;
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

    /// Replaces the registry. Calls in flight keep the registry that they began with.
    fn swap(&mut self, registry: Registry) {
        self.shared.registry.store(Arc::new(registry));
        // A plugin that was not loaded may have timers that have come due.
        self.shared.services.timers_changed.notify_one();
        // A name that was taken may be free now, so refused files are read again.
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
