//! Stores accounts, rooms, logs and plugin values in SQLite or PostgreSQL. All SQL is in this module. Most queries are written
//! once for both engines: both take `$1`, `RETURNING` and `ON CONFLICT`.

mod account_deletions;
mod accounts;
mod apply;
mod audit;
mod backup;
mod blocks;
mod deleted_rooms;
mod entries;
mod erasures;
mod external;
mod failures;
mod guest_rooms;
mod guest_rules;
mod health;
mod lock;
#[cfg(test)]
mod log_tests;
mod logins;
mod media;
mod migrate;
mod monitor;
mod names;
mod nodes;
mod plugin_names;
mod plugin_set;
mod postgres;
mod posts;
mod retention;
mod room_deletions;
mod room_locks;
mod rooms;
mod rows;
mod search;
mod search_index;
mod sessions;
#[cfg(test)]
mod tests;
mod throttles;
mod timers;
mod unread;
mod values;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Sqlite, Transaction};

pub use self::accounts::{NewUser, User};
pub use self::audit::{Action, AuditLine, Outcome};
pub use self::backup::BackupError;
pub use self::entries::Tombstones;
pub use self::erasures::{Erasure, ErasureBatch};
pub use self::health::Availability;
use self::health::Health;
pub use self::lock::Claim;
pub use self::logins::{LoginRow, Rotation};
pub use self::media::{Share, Upload};
pub use self::migrate::Migration;
pub use self::names::NameConflict;
pub use self::nodes::Node;
pub use self::plugin_set::{AgreedPlugin, Agreement, PluginFile, PluginSet};
use self::postgres::Engine;
pub use self::postgres::PgTx;
pub use self::posts::PostOutcome;
pub use self::rooms::RoomActivity;
pub use self::search::Found;
pub use self::search_index::Indexing;
pub use self::throttles::Bucket;
use crate::error::Error;

/// How long a query waits for a connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long SQLite waits for another process that writes (the command line).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes to which SQLite truncates its write-ahead log after a checkpoint; otherwise one large transaction leaves it large
/// for good.
const JOURNAL_SIZE_LIMIT: &str = "16777216";

/// Overwrites deleted bytes with zeros, also in pages that become free: no deleted data is left in the file.
const SECURE_DELETE: &str = "ON";

/// Connections of SQLite for the short reads that log-ins and posts wait for, besides the configured readers.
const URGENT_READERS: u32 = 2;

/// Evaluates the same expression for either engine.
macro_rules! each {
    ($engine:ident: $on:expr, $c:ident => $body:expr) => {
        match $on {
            $crate::database::$engine::Sqlite($c) => $body,
            $crate::database::$engine::Postgres($c) => $body,
        }
    };
}
use each;

#[derive(Clone, Debug)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(Engine),
}

/// A transaction that writes.
#[derive(Debug)]
pub enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(PgTx),
}

/// Why the database could not be opened; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("database url: {0}; it should look like `sqlite:data/natterjack.db` or `postgres://user@host/name`")]
    Url(String),
    #[error("cannot open the database {url}: {source}")]
    Connect { url: String, source: sqlx::Error },
    #[error(
        "the database is newer than this program: it has migration {found}, this program knows {known} at the most; \
         install a newer natterjack, or restore a backup made with this one"
    )]
    Newer { found: i64, known: i64 },
    #[error("cannot bring the database up to date: {0}")]
    Migrate(MigrateError),
    #[error(
        "the database {url} is in use by another server ({by}): servers that share only a database do not exchange messages; {way_out}"
    )]
    InUse { url: String, by: String, way_out: String },
    #[error("cannot lock the database {url}: {source}")]
    Lock { url: String, source: io::Error },
    #[error("cannot bring the database up to date: cannot compute the keys of names: {0}")]
    Names(Error),
}

/// A handle on the database; cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    /// Read connections, as many as configured.
    read: Pool,
    /// For the short reads that log-ins, tokens and posts wait for: these never queue behind long reads.
    urgent: Pool,
    /// Write connections. On SQLite a single one, so that writers queue for it instead of failing on a locked database.
    write: Pool,
    health: Arc<Health>,
    /// Lock held by a server on SQLite, so that no second server opens the database.
    _lock: Option<Arc<File>>,
}

/// How to open a database.
#[derive(Clone, Debug)]
pub struct Options {
    pub url: String,
    /// Flushes to disk at every commit, so that a power cut loses nothing.
    pub full_sync: bool,
    pub readers: u32,
}

impl Database {
    /// Opens the database, creating a missing SQLite file, and runs the pending migrations.
    pub async fn open(options: &Options) -> Result<Self, OpenError> {
        let database = Self::connect(options, true, None).await?;
        database.migrate().await?;
        Ok(database)
    }

    /// Like [`Self::open`], for a server: fails while another server uses the database, unless both share it as nodes of a cluster.
    /// Opens all connections at once and keeps them.
    pub async fn open_for_server(options: &Options, claim: Claim) -> Result<Self, OpenError> {
        let database = Self::connect(options, true, Some(claim)).await?;
        database.migrate().await?;
        Ok(database)
    }

    /// Opens an existing database without running migrations.
    pub async fn open_as_it_is(options: &Options) -> Result<Self, OpenError> {
        Self::connect(options, false, None).await
    }

    async fn connect(options: &Options, create: bool, claim: Option<Claim>) -> Result<Self, OpenError> {
        match options.url.split_once(':') {
            Some(("sqlite", _)) => Self::open_sqlite(options, create, claim).await,
            Some(("postgres" | "postgresql", _)) => {
                let health = Arc::new(Health::default());
                let (read, write) = Engine::open(options, &health, claim).await?;
                let (read, urgent, write) =
                    (Pool::Postgres(read), Pool::Postgres(write.clone()), Pool::Postgres(write));
                Ok(Self { read, urgent, write, health, _lock: None })
            }
            _ => Err(OpenError::Url(format!("no known kind of database in `{}`", shown(&options.url)))),
        }
    }

    async fn open_sqlite(options: &Options, create: bool, claim: Option<Claim>) -> Result<Self, OpenError> {
        let connect_error = |source| OpenError::Connect { url: shown(&options.url), source };
        let connect = SqliteConnectOptions::from_str(&options.url)
            .map_err(|e| OpenError::Url(e.to_string()))?
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(if options.full_sync { SqliteSynchronous::Full } else { SqliteSynchronous::Normal })
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("journal_size_limit", JOURNAL_SIZE_LIMIT)
            .pragma("secure_delete", SECURE_DELETE)
            .create_if_missing(create);
        let in_memory = options.url.contains(":memory:") || options.url.contains("mode=memory");
        let folder = connect.get_filename().parent().unwrap_or(Path::new("")).to_owned();
        if create {
            if !folder.as_os_str().is_empty() {
                std::fs::create_dir_all(&folder).map_err(|e| connect_error(sqlx::Error::Io(e)))?;
            }
            if !in_memory {
                make_private(connect.get_filename()).map_err(|e| connect_error(sqlx::Error::Io(e)))?;
            }
        }
        let lock = match claim {
            Some(_) if !in_memory => lock::lock_file(&options.url, connect.get_filename()).await?,
            _ => None,
        };
        let pool = |connections: u32| {
            let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
            // A server keeps its connections: opening one later could fail for lack of file descriptors.
            if claim.is_some() { pool.idle_timeout(None).max_lifetime(None) } else { pool }
        };
        let write = pool(1)
            // After a failed write SQLite has ended the transaction by itself, and sqlx still counts it: such a connection
            // could never begin another one.
            .after_release(|connection, _| {
                Box::pin(async move {
                    // Runs what is queued for the connection first, such as a rollback.
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_with(connect.clone())
            .await
            .map_err(connect_error)?;
        let connect = connect.pragma("query_only", "ON");
        let read = pool(options.readers).connect_with(connect.clone()).await.map_err(connect_error)?;
        let urgent = pool(URGENT_READERS).connect_with(connect).await.map_err(connect_error)?;
        if claim.is_some() {
            open_ahead(&read, options.readers).await;
            open_ahead(&urgent, URGENT_READERS).await;
        }
        let (read, urgent, write) = (Pool::Sqlite(read), Pool::Sqlite(urgent), Pool::Sqlite(write));
        Ok(Self { read, urgent, write, health: Arc::default(), _lock: lock.map(Arc::new) })
    }

    /// Checks that the database answers.
    pub async fn ping(&self) -> Result<(), Error> {
        each!(Pool: &self.urgent, pool => sqlx::query("SELECT 1").execute(pool).await.map(|_| ()))?;
        Ok(())
    }

    /// Name of each pool, with its numbers of connections in use and idle.
    pub fn pools(&self) -> Vec<(&'static str, usize, usize)> {
        let count = |pool: &Pool| each!(Pool: pool, pool => (pool.size() as usize, pool.num_idle()));
        let shown = |name, pool: &Pool| {
            let (all, idle) = count(pool);
            (name, all.saturating_sub(idle), idle)
        };
        match self.read {
            Pool::Sqlite(_) => {
                vec![shown("read", &self.read), shown("urgent", &self.urgent), shown("write", &self.write)]
            }
            // On PostgreSQL, urgent reads use the writer's pool.
            Pool::Postgres(_) => vec![shown("read", &self.read), shown("write", &self.write)],
        }
    }

    /// Begins a write transaction. On SQLite this waits for the one write connection.
    pub async fn begin(&self) -> Result<Tx, Error> {
        Ok(match &self.write {
            // Takes the write lock at once: a transaction that begins by reading can fail to get it later.
            Pool::Sqlite(pool) => Tx::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Pool::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Closes all connections; SQLite then checkpoints its log into the file.
    pub async fn close(&self) {
        each!(Pool: &self.read, pool => pool.close().await);
        each!(Pool: &self.urgent, pool => pool.close().await);
        each!(Pool: &self.write, pool => pool.close().await);
    }
}

impl Tx {
    pub async fn commit(self) -> Result<(), Error> {
        Ok(each!(Tx: self, tx => tx.commit().await)?)
    }

    /// Chooses the statement for this engine where the two need different SQL.
    fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }

    /// Runs `work` in a savepoint: an error leaves the transaction as it was before, unless the error ends the whole
    /// transaction.
    async fn in_savepoint<T>(&mut self, work: impl AsyncFnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.statement("SAVEPOINT work").await?;
        let done = work(self).await;
        match &done {
            Err(error) if error.ends_transaction() => return done,
            Err(_) => self.statement("ROLLBACK TO SAVEPOINT work").await?,
            Ok(_) => {}
        }
        self.statement("RELEASE SAVEPOINT work").await?;
        done
    }

    async fn statement(&mut self, sql: &'static str) -> Result<(), Error> {
        each!(Tx: self, tx => sqlx::query(sql).execute(&mut **tx).await.map(|_| ()))?;
        Ok(())
    }
}

/// The URL with its password replaced by `hidden`.
fn shown(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => {
            // Fails only for URLs that cannot have a password.
            let _ = parsed.set_password(Some("hidden"));
            parsed.to_string()
        }
        _ => url.to_owned(),
    }
}

/// Creates an empty file that only its owner can read, since it will hold password hashes. SQLite gives its companion files the
/// same permissions.
fn make_private(file: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Opens all connections of a pool; connections that fail to open are tried again when they are needed.
async fn open_ahead<DB: sqlx::Database>(pool: &sqlx::Pool<DB>, connections: u32) {
    let opened = join_all((0..connections).map(|_| pool.acquire())).await;
    let failed: Vec<sqlx::Error> = opened.into_iter().filter_map(Result::err).collect();
    if let Some(error) = failed.first() {
        let (missing, wanted) = (failed.len(), connections);
        tracing::warn!(%error, missing, wanted, "could not open all database connections");
    }
}

/// The constraint and message of a unique violation, which name the column; None for other errors.
fn unique_violation(error: &sqlx::Error) -> Option<String> {
    let database = error.as_database_error().filter(|e| e.is_unique_violation())?;
    Some(format!("{} {}", database.constraint().unwrap_or_default(), database.message()))
}
