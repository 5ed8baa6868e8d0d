//! Loads WebAssembly components from the plugins folder, calls them, and replaces them while the server runs.
//!
//! A component's exports are the hooks it subscribes to (`message-filter`, `commands`, `room-guard`, `observer`, `timer`);
//! its imports are the interfaces it asks to be granted. The router calls [`Plugins`]; observers receive events after they
//! are committed. The rest of this folder limits a call's CPU time and memory, commits its staged changes as one unit, and
//! replaces one version by another. Only this folder uses wasmtime.

mod apply;
mod args;
mod bindings;
mod call;
mod cluster_plugins;
mod command;
mod compile_thread;
mod compiled;
mod contract;
mod crashed;
mod engine;
mod fault;
mod files;
mod filter;
mod folder;
mod folder_command;
mod guard;
mod guarded_call;
mod guest_log;
mod imports;
mod inspect;
mod instance;
mod limits;
mod load;
mod message;
mod meter;
mod observer;
mod outbound_http;
mod plugin;
mod quarantine;
mod recent_lines;
mod registry;
mod renaming;
mod services;
pub mod slash;
mod specs;
mod state;
mod status;
#[cfg(test)]
mod testing;
mod ticker;
mod timer;
mod trial;
mod unit;
mod versions;
mod write_call;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::Value;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::call::Call;
use self::cluster_plugins::ClusterPlugins;
pub use self::command::{CommandInfo, Param, ParamKind, Place};
use self::compiled::Compiled;
pub use self::crashed::CrashedFile;
use self::crashed::CrashedFiles;
pub use self::filter::Draft;
use self::folder::Folder;
use self::folder_command::FolderCommand;
pub use self::inspect::{Inspection, inspect, wit};
use self::load::Loader;
use self::observer::Observers;
pub use self::recent_lines::{RecentLine, RecentLines};
use self::registry::Registry;
pub use self::renaming::finish_renaming;
pub use self::services::Services;
pub use self::status::{LoadId, PluginState, PluginStats, PluginStatus};
use self::timer::Timers;
pub(crate) use self::trial::run_child as run_trial;
pub use self::trial::{Trial, TrialLoader};
pub use self::versions::KeptVersion;
use self::versions::Versions;
use crate::config;
use crate::error::{Error, Result};
use crate::hub::Observed;
use crate::protocol::{Credential, Timer};

/// The plugins' tables in the configuration, by id.
pub type Tables = BTreeMap<String, config::Plugin>;

/// Calls of commands, guards, observers and timers that may run at once; each has an instance with its memory.
const MAX_CONCURRENT_CALLS: usize = 256;
/// Commands that may wait for the folder task.
const MAX_FOLDER_COMMANDS: usize = 4;

/// Why the plugin host cannot start.
#[derive(Debug, thiserror::Error)]
#[error("plugins cannot run: {0}")]
pub struct StartError(String);

/// The plugin host: the loaded plugins, and the calls into them.
pub struct Plugins {
    shared: Arc<Shared>,
    /// To the task that runs [`Folder::watch`].
    commands: mpsc::Sender<FolderCommand>,
}

/// What the plugin host needs in a running server.
pub struct PluginRuntime<'a> {
    /// The cluster whose plugins this node runs, if it is in one.
    pub cluster: Option<&'a config::Cluster>,
    /// Stops watching the folder.
    pub stop: CancellationToken,
    /// Tracks the tasks of observers and timers.
    pub reacting: &'a TaskTracker,
    /// Stops observers and timers: events queued until then are still delivered, and no more timers come due.
    pub stop_reactions: CancellationToken,
}

/// Opens the cache of compiled plugins: in the data directory if `persistent`, else in a temporary folder. None if that
/// fails: then each start compiles all plugins.
async fn open_cache(data_dir: &Path, persistent: bool) -> Option<Compiled> {
    let data_dir = data_dir.to_owned();
    let open = move || if persistent { Compiled::open(&data_dir) } else { Compiled::scratch() };
    match tokio::task::spawn_blocking(open).await.map_err(io::Error::other).flatten() {
        Ok(compiled) => Some(compiled),
        Err(error) => {
            tracing::warn!(%error, "cannot open cache of compiled plugins; each start compiles them again");
            None
        }
    }
}

/// State shared by the folder task and the callers.
struct Shared {
    registry: ArcSwap<Registry>,
    statuses: ArcSwap<Vec<PluginStatus>>,
    /// The plugins' tables in force.
    tables: ArcSwap<Tables>,
    /// Files that crashed a process and are not loaded again.
    crashed: ArcSwap<Vec<CrashedFile>>,
    services: Arc<Services>,
    core_ops: &'static [&'static str],
    data_dir: PathBuf,
    call_permits: Semaphore,
    /// Whether this node is in a cluster.
    clustered: bool,
    /// Notified when another node may have changed the cluster's plugins.
    cluster_hint: Notify,
    /// Notified when this node has changed the cluster's plugins.
    cluster_changed: Notify,
}

impl Shared {
    fn new(services: Arc<Services>, core_ops: &'static [&'static str], data_dir: &Path, clustered: bool) -> Self {
        Self {
            registry: ArcSwap::default(),
            statuses: ArcSwap::default(),
            tables: ArcSwap::default(),
            crashed: ArcSwap::default(),
            services,
            core_ops,
            data_dir: data_dir.to_owned(),
            call_permits: Semaphore::new(MAX_CONCURRENT_CALLS),
            clustered,
            cluster_hint: Notify::new(),
            cluster_changed: Notify::new(),
        }
    }
}

impl Plugins {
    /// Loads the plugins in the folder, then follows changes of the folder, delivers events to observers and runs timers. A
    /// plugin that does not start is logged and listed, and the others run. `core_ops` are the commands that no plugin may
    /// define; compiled plugins are cached in `data_dir`.
    pub async fn start(
        config: &config::Plugins,
        tables: &Tables,
        services: Arc<Services>,
        core_ops: &'static [&'static str],
        data_dir: &Path,
        runtime: PluginRuntime<'_>,
    ) -> Result<Arc<Self>, StartError> {
        let (plugins, folder) = Self::open(config, tables, services, core_ops, data_dir, runtime.cluster).await?;
        let PluginRuntime { stop, reacting, stop_reactions, .. } = runtime;
        tokio::spawn(async move { stop.run_until_cancelled(folder.watch()).await });
        Observers::start(plugins.shared.clone(), reacting, stop_reactions.clone());
        reacting.spawn(Timers::new(plugins.shared.clone()).run(stop_reactions));
        Ok(Arc::new(plugins))
    }

    /// Loads the plugins in the folder once, without following changes: for the plugin test tools.
    pub async fn load(
        config: &config::Plugins,
        tables: &Tables,
        services: Arc<Services>,
        core_ops: &'static [&'static str],
        data_dir: &Path,
    ) -> Result<Arc<Self>, StartError> {
        let (plugins, _) = Self::open(config, tables, services, core_ops, data_dir, None).await?;
        Ok(Arc::new(plugins))
    }

    async fn open(
        config: &config::Plugins,
        tables: &Tables,
        services: Arc<Services>,
        core_ops: &'static [&'static str],
        data_dir: &Path,
        cluster: Option<&config::Cluster>,
    ) -> Result<(Self, Folder), StartError> {
        let failed = |error: wasmtime::Error| StartError(format!("{error:#}"));
        tokio::fs::create_dir_all(&config.folder).await.map_err(|error| {
            StartError(format!("the folder {} cannot be created: {error}", config.folder.display()))
        })?;
        let compiled = open_cache(data_dir, config.cache).await;
        let loader = Loader::open(compiled, services.trial.clone(), services.metrics.clone()).map_err(failed)?;
        let shared = Arc::new(Shared::new(services, core_ops, data_dir, cluster.is_some()));
        let (commands, receiver) = mpsc::channel(MAX_FOLDER_COMMANDS);
        let (versions, crashed) = (Versions::open(data_dir), CrashedFiles::open(data_dir));
        let mut folder =
            Folder::new(shared.clone(), loader, versions, crashed, config.clone(), tables.clone(), receiver);
        if let Some(cluster) = cluster {
            let failed = |error: &dyn Display| StartError(format!("the cluster's plugins cannot be read: {error}"));
            let cluster_plugins = ClusterPlugins::open(shared.services.database.clone(), cluster, data_dir).await;
            let joined =
                folder.join_cluster(cluster_plugins.map_err(|error| failed(&error))?, cluster.distribute).await;
            joined.map_err(|error| failed(&error))?;
        }
        folder.load_all().await;
        Ok((Self { shared, commands }, folder))
    }

    /// Runs the message filters over a draft. Returns the rewritten text, if a filter changed it.
    pub fn filter(&self, call: &Call, draft: Draft) -> Result<Option<String>> {
        filter::run(&self.shared.registry.load(), call, draft, None)
    }

    /// Runs a plugin's command. Account and room params in `args` must already be ids.
    pub async fn run(&self, name: &str, call: &Call, args: Value) -> Result<Value> {
        let _permit = self.call_permit().await?;
        let registry = self.shared.registry.load_full();
        command::run(&registry, &self.shared.services, name, call, &args).await
    }

    /// Asks the room guards whether the actor may join the private room of `call`; the error says why not.
    pub async fn admit(&self, call: &Call, credentials: &[Credential]) -> Result<()> {
        let _permit = self.call_permit().await?;
        let registry = self.shared.registry.load_full();
        guard::admit(&registry, &self.shared.services, call, credentials).await
    }

    /// Delivers one event to the observers and waits until they have handled it. Returns whether any observer received it.
    /// For the plugin test tools: a running server does not wait for observers.
    pub async fn observe(&self, observed: Observed) -> Result<bool> {
        observer::deliver_and_wait(&self.shared, observed).await
    }

    /// Calls the plugin of a timer, due or not, and waits for it: for the plugin test tools.
    pub async fn run_timer(&self, timer: &Timer) -> Result<()> {
        timer::run_now(&self.shared, timer).await
    }

    /// Whether changes made here apply to all nodes of a cluster.
    pub fn clustered(&self) -> bool {
        self.shared.clustered
    }

    /// Checks the cluster's plugins now instead of at the next poll, since another node may have changed them.
    pub fn refresh_cluster_plugins(&self) {
        self.shared.cluster_hint.notify_one();
    }

    /// Waits until this node has changed the cluster's plugins, so that the caller can notify the other nodes.
    pub async fn cluster_plugins_changed(&self) {
        self.shared.cluster_changed.notified().await;
    }

    /// All commands of plugins, as JSON.
    pub fn commands(&self) -> Value {
        self.shared.registry.load().commands().map(|command| command.to_json()).collect()
    }

    /// The plugin command of this name.
    pub fn command(&self, name: &str) -> Option<Arc<CommandInfo>> {
        self.shared.registry.load().command(name).map(|(_, command)| command.clone())
    }

    /// The command that is typed as `/word`.
    pub fn slash(&self, word: &str) -> Option<Arc<CommandInfo>> {
        self.shared.registry.load().word(word).cloned()
    }

    /// Waits for a permit to call a plugin: wasmtime instances are bounded, so concurrent calls are.
    async fn call_permit(&self) -> Result<SemaphorePermit<'_>> {
        self.shared.call_permits.acquire().await.map_err(Error::internal)
    }
}
