//! Plugins: WebAssembly components that a folder holds and that are swapped while people talk.
//!
//! What a component exports is what it subscribes to (`message-filter`, `commands`, `room-guard`, `observer`, `timer`);
//! what it imports is what it asks to be allowed. The router calls [`Plugins`], and what has happened is told to
//! observers once it has; everything else here is how a call is kept within
//! its budget, how what it staged becomes true together, and how a new version takes over. wasmtime is known to
//! this folder alone.

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
use std::path::Path;
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

/// Commands and guards that may run at once; each has an instance with its memory.
const CALLS: usize = 256;
/// Orders that may wait for the folder's keeper.
const MAX_FOLDER_COMMANDS: usize = 4;

/// Why plugins cannot run at all.
#[derive(Debug, thiserror::Error)]
#[error("plugins cannot run: {0}")]
pub struct StartError(String);

/// The plugins that run.
pub struct Plugins {
    shared: Arc<Shared>,
    /// To whoever follows the folder.
    commands: mpsc::Sender<FolderCommand>,
}

/// What plugins need to stay with a running server.
pub struct PluginRuntime<'a> {
    /// Whose plugins these are, if there are further nodes.
    pub cluster: Option<&'a config::Cluster>,
    /// Ends the following.
    pub stop: CancellationToken,
    /// The tasks of observers and timers.
    pub reacting: &'a TaskTracker,
    /// What has happened until then is still told, and no more timers come due.
    pub stop_reacting: CancellationToken,
}

/// Where compiled plugins are kept, or are for as long as the process runs. Without such a place each start compiles them all,
/// which is no reason not to start.
async fn kept(data_dir: &Path, for_good: bool) -> Option<Compiled> {
    let data_dir = data_dir.to_owned();
    let open = move || if for_good { Compiled::open(&data_dir) } else { Compiled::scratch() };
    match tokio::task::spawn_blocking(open).await.map_err(io::Error::other).flatten() {
        Ok(compiled) => Some(compiled),
        Err(error) => {
            tracing::warn!(%error, "compiled plugins cannot be kept; each start compiles them again");
            None
        }
    }
}

/// What the folder's keeper and the callers have in common.
struct Shared {
    registry: ArcSwap<Registry>,
    statuses: ArcSwap<Vec<PluginStatus>>,
    /// What the folder's keeper goes by.
    tables: ArcSwap<Tables>,
    /// The files that are not loaded again.
    crashed: ArcSwap<Vec<CrashedFile>>,
    services: Arc<Services>,
    core_ops: &'static [&'static str],
    calls: Semaphore,
    /// Whether the plugins are those of a cluster.
    clustered: bool,
    /// Told when another node may have changed the set.
    set_hint: Notify,
    /// Told when this node has.
    set_changed: Notify,
}

impl Shared {
    fn new(services: Arc<Services>, core_ops: &'static [&'static str], clustered: bool) -> Self {
        Self {
            registry: ArcSwap::default(),
            statuses: ArcSwap::default(),
            tables: ArcSwap::default(),
            crashed: ArcSwap::default(),
            services,
            core_ops,
            calls: Semaphore::new(CALLS),
            clustered,
            set_hint: Notify::new(),
            set_changed: Notify::new(),
        }
    }
}

impl Plugins {
    /// Loads what is in the folder and stays with it: follows what changes, tells observers of what happens and wakes those
    /// who set timers. A plugin that does not start is logged and listed, and the others run. `core_ops` are the commands that
    /// no plugin can take; what is compiled is kept in `data_dir`.
    pub async fn start(
        config: &config::Plugins,
        tables: &Tables,
        services: Arc<Services>,
        core_ops: &'static [&'static str],
        data_dir: &Path,
        runtime: PluginRuntime<'_>,
    ) -> Result<Arc<Self>, StartError> {
        let (plugins, folder) = Self::open(config, tables, services, core_ops, data_dir, runtime.cluster).await?;
        let PluginRuntime { stop, reacting, stop_reacting, .. } = runtime;
        tokio::spawn(async move { stop.run_until_cancelled(folder.watch()).await });
        Observers::start(plugins.shared.clone(), reacting, stop_reacting.clone());
        reacting.spawn(Timers::new(plugins.shared.clone()).run(stop_reacting));
        Ok(Arc::new(plugins))
    }

    /// Loads what is in the folder, once: for trying plugins out.
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
        tokio::fs::create_dir_all(&config.folder)
            .await
            .map_err(|error| StartError(format!("the folder {} cannot be made: {error}", config.folder.display())))?;
        let compiled = kept(data_dir, config.cache).await;
        let forge = Loader::open(compiled, services.trial.clone(), services.metrics.clone()).map_err(failed)?;
        let shared = Arc::new(Shared::new(services, core_ops, cluster.is_some()));
        let (commands, waiting) = mpsc::channel(MAX_FOLDER_COMMANDS);
        let (versions, crashed) = (Versions::open(data_dir), CrashedFiles::open(data_dir));
        let mut folder = Folder::new(shared.clone(), forge, versions, crashed, config.clone(), tables.clone(), waiting);
        if let Some(cluster) = cluster {
            let failed = |error: &dyn Display| StartError(format!("what the cluster runs cannot be read: {error}"));
            let set = ClusterPlugins::open(shared.services.database.clone(), cluster, data_dir).await;
            let joined = folder.join(set.map_err(|error| failed(&error))?, cluster.distribute).await;
            joined.map_err(|error| failed(&error))?;
        }
        folder.load_all().await;
        Ok((Self { shared, commands }, folder))
    }

    /// Shows a message to the filters. Gives the text to store instead, if there is one.
    pub fn filter(&self, call: &Call, draft: Draft) -> Result<Option<String>> {
        filter::run(&self.shared.registry.load(), call, draft, None)
    }

    /// Runs a plugin's command. `args` has ids where its params name accounts and rooms.
    pub async fn run(&self, name: &str, call: &Call, args: Value) -> Result<Value> {
        let _turn = self.turn().await?;
        let registry = self.shared.registry.load_full();
        command::run(&registry, &self.shared.services, name, call, &args).await
    }

    /// Whether somebody may join the private room of `call`; the error says why not.
    pub async fn admit(&self, call: &Call, credentials: &[Credential]) -> Result<()> {
        let _turn = self.turn().await?;
        let registry = self.shared.registry.load_full();
        guard::admit(&registry, &self.shared.services, call, credentials).await
    }

    /// Tells observers of one event, and waits until they have dealt with it; whether it was told to any. For trying
    /// plugins out: a server tells them while it goes on.
    pub async fn tell(&self, observed: Observed) -> Result<bool> {
        observer::tell_at_once(&self.shared, observed).await
    }

    /// Wakes a timer's plugin, due or not, and waits until it is done: for trying plugins out.
    pub async fn wake(&self, timer: &Timer) -> Result<()> {
        timer::wake_at_once(&self.shared, timer).await
    }

    /// Whether what is changed here is changed on all nodes of a cluster.
    pub fn clustered(&self) -> bool {
        self.shared.clustered
    }

    /// Another node may have changed what the cluster runs: it is looked at now, instead of a little later.
    pub fn look_at_set(&self) {
        self.shared.set_hint.notify_one();
    }

    /// Waits until this node has changed what the cluster runs: the others may be told.
    pub async fn set_changed(&self) {
        self.shared.set_changed.notified().await;
    }

    /// The commands that plugins offer, as JSON.
    pub fn commands(&self) -> Value {
        self.shared.registry.load().commands().map(|command| command.to_json()).collect()
    }

    pub fn command(&self, name: &str) -> Option<Arc<CommandInfo>> {
        self.shared.registry.load().command(name).map(|(_, command)| command.clone())
    }

    /// The command behind a slash word.
    pub fn slash(&self, word: &str) -> Option<Arc<CommandInfo>> {
        self.shared.registry.load().word(word).cloned()
    }

    /// Instances are bounded, so calls are; one that has to wait waits here.
    async fn turn(&self) -> Result<SemaphorePermit<'_>> {
        self.shared.calls.acquire().await.map_err(Error::internal)
    }
}
