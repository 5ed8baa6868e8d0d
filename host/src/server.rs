//! The composition root: wires the parts, serves, and takes everything down again in order.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::Accounts;
use crate::accounts::keys::{KeyError, Keys};
use crate::accounts::password::PasswordHasher;
use crate::accounts::token::Tokens;
use crate::config::{self, Config, Synchronous};
use crate::database::{self, Database, OpenError};
use crate::dialect::Dialect;
use crate::dialect::native::{CORE_OPS, Greeting};
use crate::error::Error;
use crate::figures::Figures;
use crate::hub::{Close, Hub};
use crate::media::Media;
use crate::messages::{Messages, Retention, Writer};
use crate::metrics::Metrics;
use crate::plugins::{Live, PluginStatus, Plugins, RecentLines, Services};
use crate::rooms::{GuestRooms, Known, Rooms};
use crate::router::Router;
use crate::session::Core;
use crate::transport;
use crate::transport::http;

const DATABASE_FILE: &str = "natterjack.db";
/// Clients come back spread over this long, so that a restarted server is not met by all at once.
const RECONNECT_SPREAD: Duration = Duration::from_secs(5);

/// How often the samples of the metrics are put in order.
const TIDYING: Duration = Duration::from_secs(5);

/// Why the server does not start; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the signing key: {0}")]
    Key(#[from] KeyError),
    #[error(transparent)]
    Database(#[from] OpenError),
    #[error("cannot listen on {address}: {source}{}", hint(.source, .address))]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Plugins(#[from] crate::plugins::StartError),
    #[error(transparent)]
    Part(#[from] Error),
}

fn hint(error: &io::Error, address: &SocketAddr) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "; something else listens there: stop it, or choose another port (PORT={} say)",
                address.port().wrapping_add(1)
            )
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 need special rights: choose a higher one".into(),
        _ => String::new(),
    }
}

/// A server that accepts connections.
pub struct Server {
    core: Arc<Core>,
    database: Database,
    addresses: Vec<(SocketAddr, Option<Dialect>)>,
    new_key: Option<PathBuf>,
    accepting: TaskTracker,
    connections: TaskTracker,
    reacting: TaskTracker,
    writing: TaskTracker,
    stop: CancellationToken,
    stop_reacting: CancellationToken,
    stop_writing: CancellationToken,
    shutdown_timeout: Duration,
}

impl Server {
    /// Opens the database, loads the plugins and starts to listen. Changes of the plugins' tables in `config_file` are
    /// followed; `recent_lines` are those of the log that administrators may read.
    pub async fn start(
        config: &Config,
        config_file: Option<&Path>,
        recent_lines: Arc<RecentLines>,
    ) -> Result<Self, StartError> {
        let (keys, new_key) = Keys::load(&config.auth, &config.server.data_dir)?;
        let database = open_database(config).await?;

        let stop = CancellationToken::new();
        let (stop_reacting, stop_writing) = (CancellationToken::new(), CancellationToken::new());
        let (accepting, connections) = (TaskTracker::new(), TaskTracker::new());
        let (reacting, writing) = (TaskTracker::new(), TaskTracker::new());
        let hub = Arc::new(Hub::default());
        tokio::spawn(hub.clone().announce(stop.clone()));
        let known = Arc::new(Known::default());
        let writer = Writer::start(database.clone(), hub.clone(), known.clone(), &writing, stop_writing.clone());
        let passwords = Arc::new(PasswordHasher::new(&config.auth)?);
        let accounts = Arc::new(Accounts::new(
            database.clone(),
            passwords.clone(),
            Tokens::new(keys, config.auth.access_ttl),
            hub.clone(),
            &config.auth,
            &config.limits,
        ));
        let rooms = Arc::new(Rooms::new(database.clone(), writer.clone(), known));
        tokio::spawn(follow_accounts(accounts.clone(), rooms.clone(), config.auth.recheck_interval, stop.clone()));
        let messages = Arc::new(Messages::new(database.clone(), &config.limits));
        rooms.preset(&config.rooms.preset).await?;
        let metrics = Arc::new(Metrics::default());
        tokio::spawn(tidy(metrics.clone(), stop.clone()));
        let retention = Retention::new(database.clone(), writer.clone(), &config.retention, &config.media);
        tokio::spawn(retention.run(stop.clone()));
        let guest_rooms = GuestRooms::new(database.clone(), writer.clone(), hub.clone(), config.rooms.guest_rooms_ttl);
        tokio::spawn(guest_rooms.run(stop.clone()));
        let services = Services::new(
            database.clone(),
            passwords,
            writer.clone(),
            rooms.clone(),
            messages.clone(),
            hub.clone(),
            metrics.clone(),
        );
        let live = Live {
            config_file: config_file.map(Path::to_owned),
            stop: stop.clone(),
            reacting: &reacting,
            stop_reacting: stop_reacting.clone(),
        };
        let data_dir = &config.server.data_dir;
        let plugins =
            Plugins::start(&config.plugins, &config.plugin, Arc::new(services), &CORE_OPS, data_dir, live).await?;

        let figures = Arc::new(Figures::default());
        tokio::spawn(figures.clone().run(hub.clone(), plugins.clone(), stop.clone()));

        let core = Arc::new(Core {
            router: Router { accounts: accounts.clone(), rooms, messages, writer, hub: hub.clone(), plugins },
            accounts,
            hub,
            limits: config.limits.clone(),
            guests: config.auth.guests,
            dialects: config.dialects.clone(),
            greeting: Greeting::new(&config.server, &config.limits),
        });
        let app = http::app(Arc::new(http::State {
            core: core.clone(),
            database: database.clone(),
            media: Media::new(database.clone(), &config.media),
            metrics,
            origins: config.cors.origins.clone(),
            proxies: config.server.trusted_proxies.clone(),
            connections: connections.clone(),
            stop: stop.clone(),
            config_file: config_file.map(Path::to_owned),
            recent_lines,
            figures,
            config: config.clone(),
        }));
        let mut addresses = Vec::new();
        for (address, dialect) in listeners(config) {
            let listen_error = |source| StartError::Listen { address, source };
            let listener = TcpListener::bind(address).await.map_err(listen_error)?;
            addresses.push((listener.local_addr().map_err(listen_error)?, dialect));
            let app = app.clone().layer(Extension(http::Spoken(dialect)));
            accepting.spawn(transport::serve(listener, app, connections.clone(), stop.clone()));
        }
        tracing::info!(?addresses, "accepting connections");
        Ok(Self {
            core,
            database,
            addresses,
            new_key,
            accepting,
            connections,
            reacting,
            writing,
            stop,
            stop_reacting,
            stop_writing,
            shutdown_timeout: config.server.shutdown_timeout,
        })
    }

    /// Where it listens, and what is spoken there if that is not the clients' choice.
    pub fn addresses(&self) -> &[(SocketAddr, Option<Dialect>)] {
        &self.addresses
    }

    /// The signing key, if this start made one.
    pub fn new_key(&self) -> Option<&Path> {
        self.new_key.as_deref()
    }

    pub fn plugins(&self) -> Vec<PluginStatus> {
        self.core.router.plugins.statuses()
    }

    /// Takes no more, lets go of the connections, writes what is queued, and closes the database. False if something took
    /// longer than it may.
    pub async fn shut_down(self) -> bool {
        let open = self.core.hub.count();
        tracing::info!(connections = open, "stopping");
        self.stop.cancel();
        self.core.hub.close_all(going_away);
        for tasks in [&self.accepting, &self.connections, &self.reacting, &self.writing] {
            tasks.close();
        }
        let orderly = timeout(self.shutdown_timeout, async {
            self.accepting.wait().await;
            self.connections.wait().await;
        })
        .await
        .is_ok();
        // What the connections did last is still told to observers, who may write.
        self.stop_reacting.cancel();
        let reacted = timeout(self.shutdown_timeout, self.reacting.wait()).await.is_ok();
        // Whatever the connections left in the queue is acknowledged or was never promised; it is written either way.
        self.stop_writing.cancel();
        let written = timeout(self.shutdown_timeout, self.writing.wait()).await.is_ok();
        self.database.close().await;
        orderly && reacted && written
    }
}

fn listeners(config: &Config) -> impl Iterator<Item = (SocketAddr, Option<Dialect>)> {
    let dialects = &config.dialects;
    let any = config.server.listen.iter().map(|address| (*address, None));
    let one = [
        (&dialects.groups.listen, Dialect::Groups),
        (&dialects.direct.listen, Dialect::Direct),
        (&dialects.rooms.listen, Dialect::Rooms),
        (&dialects.go.listen, Dialect::Go),
    ];
    any.chain(one.into_iter().flat_map(|(listen, dialect)| listen.iter().map(move |address| (*address, Some(dialect)))))
}

async fn tidy(metrics: Arc<Metrics>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(TIDYING);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        metrics.tidy();
    }
}

/// Does what follows from accounts that were disabled or deleted, also by the command line, which is another process.
async fn follow_accounts(accounts: Arc<Accounts>, rooms: Arc<Rooms>, every: Duration, stop: CancellationToken) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        // What fails is tried again with the next tick.
        for done in [accounts.recheck().await, rooms.see_off_deleted().await] {
            if let Err(error) = done {
                tracing::warn!(%error, "disabled or deleted accounts could not be looked for");
            }
        }
    }
}

fn going_away() -> Close {
    let spread = u64::try_from(RECONNECT_SPREAD.as_millis()).unwrap_or(u64::MAX);
    let wait = rand::random_range(0..spread);
    Close::new(Close::GOING_AWAY, json!({"reconnect_after_ms": wait}).to_string())
}

async fn open_database(config: &Config) -> Result<Database, StartError> {
    Ok(Database::open(&database_options(config)).await?)
}

/// The accounts and where they are stored, for whoever needs no more of a server: the command line.
pub async fn open_accounts(config: &Config) -> Result<(Accounts, Database), StartError> {
    let (keys, _) = Keys::load(&config.auth, &config.server.data_dir)?;
    let database = open_database(config).await?;
    let passwords = Arc::new(PasswordHasher::new(&config.auth)?);
    let tokens = Tokens::new(keys, config.auth.access_ttl);
    let accounts = Accounts::new(database.clone(), passwords, tokens, Arc::default(), &config.auth, &config.limits);
    Ok((accounts, database))
}

/// Which database the configuration names.
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

/// What became of the plugins if a server started now. They run beside a database that is thrown away.
pub async fn try_plugins(config: &Config) -> Result<Vec<PluginStatus>, StartError> {
    let scratch = tempfile::tempdir().map_err(Error::internal)?;
    let url = format!("sqlite:{}", scratch.path().join(DATABASE_FILE).display());
    let database = Database::open(&database::Options { url, full_sync: false, readers: 1 }).await?;
    let (hub, known) = (Arc::new(Hub::default()), Arc::new(Known::default()));
    let (stop, writing) = (CancellationToken::new(), TaskTracker::new());
    let writer = Writer::start(database.clone(), hub.clone(), known.clone(), &writing, stop.clone());
    let services = Services::new(
        database.clone(),
        Arc::new(PasswordHasher::new(&config.auth)?),
        writer.clone(),
        Arc::new(Rooms::new(database.clone(), writer, known)),
        Arc::new(Messages::new(database.clone(), &config.limits)),
        hub,
        Arc::default(),
    );
    // Nothing of the server's own is touched, not even what it keeps compiled.
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
