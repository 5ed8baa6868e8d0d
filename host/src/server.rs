//! The composition root: creates and connects the parts, serves, and shuts everything down in order.

mod files;
mod listeners;
mod reload;
mod start_error;
mod stop;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::keys::Keys;
use crate::accounts::password::PasswordHasher;
use crate::accounts::token::{Tokens, new_refresh_token};
use crate::accounts::{Accounts, FailedLogIns};
use crate::cluster::{self, Cluster, Joining};
use crate::config::{self, Config, Listener, Secret, Synchronous};
use crate::dashboard::DashboardSamples;
use crate::database::{self, Claim, Database};
use crate::dialect::native::CORE_OPS;
use crate::error::Error;
use crate::hub::Hub;
use crate::log::Log;
use crate::media::Media;
use crate::messages::{Messages, Retention, Writer, indexing};
use crate::metrics::Metrics;
use crate::plugins::{self, PluginRuntime, PluginStatus, Plugins, Services, Trial};
use crate::room_cache::RoomCache;
use crate::rooms::{GuestRooms, Rooms};
use crate::router::{self, Commands, Exemptions, Router};
use crate::session::Core;
use crate::transport::admission::Admission;
use crate::transport::{ListenerContext, Purpose, Tls, http};

use self::files::Budget;
pub use self::files::{check_limit as check_file_limit, raise_limit as raise_file_limit};
pub use self::listeners::ListenerKind;
use self::listeners::listeners;
use self::reload::{Reload, Sections};
pub use self::start_error::StartError;

const DATABASE_FILE: &str = "natterjack.db";

/// How often ended logins are removed from the database.
const LOGIN_REMOVAL_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// How often the metrics' samples are sorted into buckets.
const METRICS_UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Erasure batches that run before logins are rechecked again.
const MAX_ERASURE_BATCHES: u32 = 20;

/// A server that accepts connections.
pub struct Server {
    core: Arc<Core>,
    plugins: Arc<Plugins>,
    database: Database,
    addresses: Vec<(SocketAddr, ListenerKind)>,
    new_key: Option<PathBuf>,
    reload: Arc<Notify>,
    server: config::Reloadable<config::Server>,
    accepting: TaskTracker,
    connections: TaskTracker,
    reacting: TaskTracker,
    writing: TaskTracker,
    cluster: Option<Arc<Cluster>>,
    clustering: TaskTracker,
    leaving: CancellationToken,
    stop: CancellationToken,
    stop_reactions: CancellationToken,
    stop_writing: CancellationToken,
    stop_clustering: CancellationToken,
}

impl Server {
    /// Opens the database, loads the plugins and starts to listen. Reloads `config_file` when it changes.
    pub async fn start(config: &Config, config_file: Option<&Path>, log: Arc<Log>) -> Result<Self, StartError> {
        let budget = Budget::of(files::limit(), config)?;
        let tls = Tls::open(&config.tls)?.map(Arc::new);
        let clustered = !config.cluster.nats.is_empty();
        let claim = if clustered { Claim::Shared } else { Claim::Exclusive };
        let options = database::Options { readers: budget.readers, ..database_options(config) };
        let database = Database::open_for_server(&options, claim).await?;
        let auth = if clustered { common_auth(config, &database).await? } else { config.auth.clone() };
        let (keys, new_key) = Keys::load(&auth, &config.server.data_dir)?;
        let sections = Sections::of(config);
        let in_force = config::Reloadable::from(config);

        let (leaving, stop) = (CancellationToken::new(), CancellationToken::new());
        let (stop_reactions, stop_writing) = (CancellationToken::new(), CancellationToken::new());
        let (accepting, connections) = (TaskTracker::new(), TaskTracker::new());
        let (reacting, writing) = (TaskTracker::new(), TaskTracker::new());
        let metrics = Arc::new(Metrics::default());
        let hub = Arc::new(Hub::default());
        tokio::spawn(hub.clone().broadcast_presence_changes(stop.clone()));
        let joining = clustered.then(|| Joining::new(&hub));
        let room_cache = Arc::new(
            joining.as_ref().map_or_else(RoomCache::default, |joining| RoomCache::new(joining.validity.clone())),
        );
        let writer =
            Writer::start(database.clone(), hub.clone(), room_cache.clone(), &writing, stop_writing.clone(), &metrics);
        let passwords = Arc::new(PasswordHasher::new(&config.auth)?);
        let accounts = Arc::new(Accounts::new(
            database.clone(),
            passwords.clone(),
            Tokens::new(keys, config.auth.access_ttl),
            hub.clone(),
            sections.auth.clone(),
            &config.limits,
            &metrics,
        ));
        let rooms = Arc::new(Rooms::new(database.clone(), writer.clone(), room_cache.clone(), sections.limits.clone()));
        // A node without contact to the others must not trust a cached login for longer than its lease.
        let recheck = hub.limit_cache_age(config.auth.recheck_interval);
        tokio::spawn(follow_accounts(accounts.clone(), rooms.clone(), recheck, stop.clone()));
        let messages = Arc::new(Messages::new(database.clone(), sections.limits.clone()));
        rooms.preset(&config.rooms.preset).await?;
        tokio::spawn(crate::rooms::remove_leftovers(database.clone(), stop.clone()));
        tokio::spawn(tidy(metrics.clone(), stop.clone()));
        let retention =
            Retention::new(database.clone(), writer.clone(), sections.retention.clone(), sections.media.clone());
        tokio::spawn(retention.run(stop.clone()));
        tokio::spawn(indexing::run(database.clone(), stop.clone()));
        let guest_rooms = GuestRooms::new(database.clone(), writer.clone(), hub.clone(), sections.rooms.clone());
        tokio::spawn(guest_rooms.run(stop.clone()));
        let services = Services::new(
            database.clone(),
            passwords,
            writer.clone(),
            rooms.clone(),
            messages.clone(),
            hub.clone(),
            metrics.clone(),
        )
        .with_trial(Trial::with_this_program());
        let cluster = clustered.then_some(&config.cluster);
        let runtime =
            PluginRuntime { cluster, stop: stop.clone(), reacting: &reacting, stop_reactions: stop_reactions.clone() };
        let data_dir = &config.server.data_dir;
        let renamed = plugins::finish_renaming(data_dir, &config.plugins, config_file, &database).await;
        let mut tables = config.plugin.clone();
        if let Some(renamed) = renamed
            && let Some(table) = tables.remove(&renamed.from)
        {
            tables.insert(renamed.to, table);
        }
        let plugins =
            Plugins::start(&config.plugins, &tables, Arc::new(services), &CORE_OPS, data_dir, runtime).await?;
        // A plugin posts under its name, so an account of that name would pass for it.
        let named = Arc::downgrade(&plugins);
        accounts.reserve(move |name| named.upgrade().is_some_and(|plugins| plugins.is_named(name)));

        let clustering = TaskTracker::new();
        let stop_clustering = CancellationToken::new();
        let cluster = match joining {
            Some(joining) => {
                let parts = cluster::Parts {
                    database: database.clone(),
                    hub: hub.clone(),
                    broadcaster: writer.broadcaster(),
                    known: room_cache,
                    accounts: accounts.clone(),
                    plugins: plugins.clone(),
                    metrics: metrics.clone(),
                };
                let (leaving, stop) = (leaving.clone(), stop_clustering.clone());
                Some(Cluster::start(&config.cluster, joining, parts, &clustering, leaving, stop).await?)
            }
            None => None,
        };

        let dashboard = Arc::new(DashboardSamples::default());
        tokio::spawn(dashboard.clone().run(hub.clone(), plugins.clone(), stop.clone()));

        let exempt = Exemptions::new(sections.limits.clone(), sections.server.clone());
        let core = Arc::new(Core {
            router: Router::new(router::Parts {
                accounts: accounts.clone(),
                rooms,
                messages,
                writer,
                hub: hub.clone(),
                plugins: plugins.clone(),
                commands: Commands::new(sections.limits.clone(), exempt),
            }),
            accounts: accounts.clone(),
            hub,
            limits: sections.limits.clone(),
            auth: sections.auth.clone(),
            dialects: sections.dialects.clone(),
            greeting: sections.greeting.clone(),
            metrics: metrics.clone(),
            failed_log_ins: FailedLogIns::default(),
        });
        log_lowered_limits(&budget, config);
        let admission = Admission::new(sections.limits.clone(), sections.server.clone(), &metrics);
        let admission = Arc::new(admission.with_caps(budget.caps));
        let state = Arc::new(http::State {
            core: core.clone(),
            database: database.clone(),
            media: Media::new(database.clone(), sections.media.clone()),
            plugins: plugins.clone(),
            metrics: metrics.clone(),
            metrics_config: sections.metrics.clone(),
            cors: sections.cors.clone(),
            server: sections.server.clone(),
            admission: admission.clone(),
            connections: connections.clone(),
            leaving: leaving.clone(),
            cluster: cluster.clone(),
            stop: stop.clone(),
            config_file: config_file.map(Path::to_owned),
            recent_lines: log.recent_lines.clone(),
            dashboard,
            config: in_force.clone(),
        });
        let listening =
            Arc::new(ListenerContext::new(admission, sections.limits.clone(), connections.clone(), stop.clone()));
        let app = http::app(state.clone(), config.metrics.listen.is_empty());
        let (mut addresses, mut bound) = (Vec::new(), Vec::new());
        for (configured, kind) in listeners(config) {
            let (listener, address) = listeners::open(configured, &bound, config)?;
            addresses.push((address, kind));
            bound.push(Listener { address, ..configured });
            let app = match kind {
                ListenerKind::Any | ListenerKind::Tls => app.clone().layer(Extension(http::ListenerDialect(None))),
                ListenerKind::One(dialect) => app.clone().layer(Extension(http::ListenerDialect(Some(dialect)))),
                ListenerKind::Metrics => http::metrics_app(state.clone()),
            };
            let tls = tls.clone().filter(|_| kind == ListenerKind::Tls);
            let purpose = if kind == ListenerKind::Metrics { Purpose::Metrics } else { Purpose::Clients };
            accepting.spawn(listening.clone().serve(listener, purpose, app, tls));
        }
        let reload = Arc::new(Notify::new());
        let running = plugins.clone();
        let server = sections.server.clone();
        let keeper = Reload {
            running: in_force,
            file: config_file.map(Path::to_owned),
            sections,
            accounts,
            metrics,
            plugins,
            tls,
            log,
        };
        let (following, stopped) = (keeper.follow(reload.clone()), stop.clone());
        tokio::spawn(async move { stopped.run_until_cancelled(following).await });
        tracing::info!(?addresses, "accepting connections");
        Ok(Self {
            core,
            plugins: running,
            database,
            addresses,
            new_key,
            reload,
            server,
            accepting,
            connections,
            reacting,
            writing,
            cluster,
            clustering,
            leaving,
            stop,
            stop_reactions,
            stop_writing,
            stop_clustering,
        })
    }

    /// Triggers a reload of configuration and certificate; the outcome is logged.
    pub fn reload(&self) {
        self.reload.notify_one();
    }

    /// Waits until another server has taken over the database; this server must stop then.
    pub fn database_lost(&self) -> impl Future<Output = ()> + Send + 'static {
        let database = self.database.clone();
        async move { database.taken_over().await }
    }

    /// The addresses that the server listens on, and what each serves.
    pub fn addresses(&self) -> &[(SocketAddr, ListenerKind)] {
        &self.addresses
    }

    /// The path of the signing key, if this start created it.
    pub fn new_key(&self) -> Option<&Path> {
        self.new_key.as_deref()
    }

    pub fn plugins(&self) -> Vec<PluginStatus> {
        self.plugins.statuses()
    }
}

/// Logs which limits were lowered since the process may open too few files.
fn log_lowered_limits(budget: &Budget, config: &Config) {
    const ADVICE: &str =
        "raise the limit of open files (systemd: LimitNOFILE=, Docker: --ulimit nofile=, a shell: ulimit -n)";
    let files = files::limit();
    let (connections, readers) = (budget.caps.connections, budget.readers);
    if connections < config.limits.connections {
        let configured = config.limits.connections;
        tracing::warn!(
            connections,
            files,
            "limits.connections was lowered from {configured} to what may be open: {ADVICE}"
        );
    }
    if readers < config.database.readers {
        let configured = config.database.readers;
        tracing::warn!(readers, files, "database.readers was lowered from {configured} to what may be open: {ADVICE}");
    }
}

async fn tidy(metrics: Arc<Metrics>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(METRICS_UPKEEP_INTERVAL);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        metrics.run_upkeep();
    }
}

/// Regularly ends the logins, memberships and data of accounts that were disabled or deleted, also by the command line, which is
/// another process.
async fn follow_accounts(accounts: Arc<Accounts>, rooms: Arc<Rooms>, every: Duration, stop: CancellationToken) {
    let mut tick = tokio::time::interval(every);
    let mut removed_at = None::<Instant>;
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        // Failures are retried at the next tick.
        for done in
            [accounts.recheck().await, rooms.end_deleted_memberships().await, erase_deleted(&rooms, &stop).await]
        {
            if let Err(error) = done {
                tracing::warn!(%error, "account recheck failed");
            }
        }
        if removed_at.is_none_or(|at| at.elapsed() >= LOGIN_REMOVAL_INTERVAL) {
            removed_at = Some(Instant::now());
            if let Err(error) = accounts.remove_ended_logins().await {
                tracing::warn!(%error, "removing ended logins failed");
            }
        }
    }
}

/// Runs a few batches of erasing deleted accounts, yielding to other tasks in between.
async fn erase_deleted(rooms: &Rooms, stop: &CancellationToken) -> crate::error::Result<()> {
    for _ in 0..MAX_ERASURE_BATCHES {
        if stop.is_cancelled() || !rooms.erase_some().await? {
            break;
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// The `[auth]` section of a node. Nodes must accept each other's tokens: without a configured key they share one in the
/// database.
async fn common_auth(config: &Config, database: &Database) -> Result<config::Auth, StartError> {
    let mut auth = config.auth.clone();
    if auth.jwt_secret.is_empty() && !auth.keys.iter().any(|key| key.sign) {
        auth.jwt_secret = Secret::new(database.shared_secret("jwt", &new_refresh_token()).await?);
    }
    Ok(auth)
}

/// Opens accounts and database without the rest of a server, for the command line.
pub async fn open_accounts(config: &Config) -> Result<(Accounts, Database), StartError> {
    let (keys, _) = Keys::load(&config.auth, &config.server.data_dir)?;
    let database = Database::open(&database_options(config)).await?;
    let passwords = Arc::new(PasswordHasher::new(&config.auth)?);
    let tokens = Tokens::new(keys, config.auth.access_ttl);
    let (auth, metrics) = ((&config.auth).into(), Metrics::default());
    let accounts = Accounts::new(database.clone(), passwords, tokens, Arc::default(), auth, &config.limits, &metrics);
    Ok((accounts, database))
}

/// The database that the configuration names.
pub fn database_options(config: &Config) -> database::Options {
    let url = match config.database.url.expose() {
        "" => format!("sqlite:{}", config.server.data_dir.join(DATABASE_FILE).display()),
        url => url.to_owned(),
    };
    database::Options {
        url,
        full_sync: config.database.synchronous == Synchronous::Full,
        readers: config.database.readers,
    }
}

/// The statuses that plugins would have if a server started now. They run with a temporary database.
pub async fn try_plugins(config: &Config) -> Result<Vec<PluginStatus>, StartError> {
    let scratch = tempfile::tempdir().map_err(Error::internal)?;
    let url = format!("sqlite:{}", scratch.path().join(DATABASE_FILE).display());
    let database = Database::open(&database::Options { url, full_sync: false, readers: 1 }).await?;
    let (hub, room_cache) = (Arc::new(Hub::default()), Arc::new(RoomCache::default()));
    let (stop, writing) = (CancellationToken::new(), TaskTracker::new());
    let metrics = Arc::new(Metrics::default());
    let writer = Writer::start(database.clone(), hub.clone(), room_cache.clone(), &writing, stop.clone(), &metrics);
    let services = Services::new(
        database.clone(),
        Arc::new(PasswordHasher::new(&config.auth)?),
        writer.clone(),
        Arc::new(Rooms::new(database.clone(), writer, room_cache, (&config.limits).into())),
        Arc::new(Messages::new(database.clone(), (&config.limits).into())),
        hub,
        metrics,
    )
    .with_trial(Trial::with_this_program());
    // Leaves the server's own files alone, including its cache of compiled plugins.
    let folder = config::Plugins { cache: false, ..config.plugins.clone() };
    let plugins = Plugins::load(&folder, &config.plugin, Arc::new(services), &CORE_OPS, scratch.path()).await?;
    let statuses = plugins.statuses();
    drop(plugins);
    stop.cancel();
    writing.close();
    writing.wait().await;
    database.close().await;
    Ok(statuses)
}
