//! Allows one server, or one cluster, per database: servers that share only a database do not exchange messages.
//!
//! On PostgreSQL this is a session-level advisory lock: exclusive for a server without NATS, shared by the nodes of a cluster.
//! On SQLite it is a lock on a file beside the database. Both are released when the process ends, however it ends. The command
//! line takes neither.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use super::{ACQUIRE_TIMEOUT, OpenError, shown};

/// Key of the advisory lock: a pair of integers, in a key space that PostgreSQL has for each database.
const LOCK_CLASS: i32 = i32::from_be_bytes(*b"natj");
const LOCK_OBJECT: i32 = 1;

/// How long a starting server waits for the previous one to release the lock.
const LOCK_WAIT_TIMEOUT: Duration = Duration::from_secs(3);
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// How often to try again while a lost connection of this process still holds the lock.
const MAX_OWN_LOCK_TRIES: u32 = 10;

const HOLDERS: &str = "SELECT a.pid, COALESCE(a.application_name, 'a session of ' || COALESCE(a.usename, 'another role')), \
    COALESCE(host(a.client_addr), 'PostgreSQL''s own machine') \
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid::BIGINT = $1 AND l.objid::BIGINT = $2 AND l.objsubid = 2 \
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
    AND a.pid <> pg_backend_pid() ORDER BY a.backend_start";
const END_OWN: &str = "SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid::BIGINT = $1 AND l.objid::BIGINT = $2 AND l.objsubid = 2 \
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
    AND a.application_name = $3 AND a.pid <> pg_backend_pid()";

/// How a server uses a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Alone.
    Exclusive,
    /// With the other nodes of its cluster.
    Shared,
}

/// Takes PostgreSQL's lock, at the start and again after the connection that held it is lost.
#[derive(Debug)]
pub(super) struct PostgresLock {
    shown_url: String,
    connect: PgConnectOptions,
    claim: Claim,
    /// The `application_name` that tells this process's connections from those of others.
    owner: String,
}

/// Why the lock was not taken.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another server holds it; the text describes which.
    Held(String),
    Failed(sqlx::Error),
}

impl From<sqlx::Error> for LockError {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

impl PostgresLock {
    pub(super) fn new(url: &str, connect: PgConnectOptions, claim: Claim) -> Self {
        let owner = owner();
        let connect = connect
            .application_name(&owner)
            // So that the lock of a machine that lost its power is free within half a minute, not within hours.
            .options([("tcp_keepalives_idle", "10"), ("tcp_keepalives_interval", "5"), ("tcp_keepalives_count", "3")]);
        Self { shown_url: shown(url), connect, claim, owner }
    }

    /// Connects and takes the lock, or returns a description of its holders.
    pub(super) async fn acquire(&self) -> Result<PgConnection, LockError> {
        let mut connection = PgConnection::connect_with(&self.connect).await?;
        for _ in 0..MAX_OWN_LOCK_TRIES {
            if self.try_lock(&mut connection).await? {
                return Ok(connection);
            }
            // PostgreSQL may not have noticed yet that this process's previous connection is gone.
            let ended: Vec<bool> = sqlx::query_scalar(END_OWN)
                .bind(i64::from(LOCK_CLASS))
                .bind(i64::from(LOCK_OBJECT))
                .bind(&self.owner)
                .fetch_all(&mut connection)
                .await?;
            if ended.is_empty() {
                break;
            }
            sleep(RETRY_INTERVAL).await;
        }
        // The lock may have become free since.
        if self.try_lock(&mut connection).await? {
            return Ok(connection);
        }
        Err(LockError::Held(holders(&mut connection).await?))
    }

    async fn try_lock(&self, connection: &mut PgConnection) -> sqlx::Result<bool> {
        let lock = match self.claim {
            Claim::Exclusive => "SELECT pg_try_advisory_lock($1, $2)",
            Claim::Shared => "SELECT pg_try_advisory_lock_shared($1, $2)",
        };
        sqlx::query_scalar(lock).bind(LOCK_CLASS).bind(LOCK_OBJECT).fetch_one(connection).await
    }

    /// Like [`Self::acquire`], but keeps trying for a while: at a start the previous server may still be stopping.
    pub(super) async fn acquire_at_start(&self) -> Result<PgConnection, OpenError> {
        let url = || self.shown_url.clone();
        let give_up = Instant::now() + LOCK_WAIT_TIMEOUT;
        loop {
            let held = match timeout(ACQUIRE_TIMEOUT, self.acquire()).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(LockError::Failed(source))) => return Err(OpenError::Connect { url: url(), source }),
                Ok(Err(LockError::Held(by))) => by,
                Err(_) => return Err(OpenError::Connect { url: url(), source: sqlx::Error::PoolTimedOut }),
            };
            if Instant::now() >= give_up {
                let way_out = match self.claim {
                    Claim::Exclusive => {
                        "stop that one, or make both nodes of one cluster by setting cluster.nats on both"
                    }
                    Claim::Shared => "stop that one, or set cluster.nats for it too",
                };
                let way_out = format!(
                    "{way_out}; if its machine is gone, end its connection with `SELECT pg_terminate_backend(PID)`"
                );
                return Err(OpenError::InUse { url: url(), by: held, way_out });
            }
            sleep(RETRY_INTERVAL).await;
        }
    }
}

/// Describes the holders of the lock.
async fn holders(connection: &mut PgConnection) -> sqlx::Result<String> {
    let rows: Vec<(i32, String, String)> =
        sqlx::query_as(HOLDERS).bind(i64::from(LOCK_CLASS)).bind(i64::from(LOCK_OBJECT)).fetch_all(connection).await?;
    let shown: Vec<String> =
        rows.into_iter().map(|(pid, name, address)| format!("{name} from {address}, PostgreSQL's PID {pid}")).collect();
    Ok(if shown.is_empty() { "one that has just ended".to_owned() } else { shown.join("; ") })
}

/// A name for this process that fits in the 63 bytes that PostgreSQL allows.
fn owner() -> String {
    let host = nix::unistd::gethostname().map_or_else(|_| String::new(), |name| name.to_string_lossy().into_owned());
    let host: String = host.chars().filter(char::is_ascii_graphic).take(20).collect();
    format!("natterjack on {host}, process {}, {:08x}", std::process::id(), rand::random::<u32>())
}

/// Locks the file beside a SQLite database, found by the database's canonical path. None if the file system cannot lock.
pub(super) async fn lock_file(url: &str, database: &Path) -> Result<Option<File>, OpenError> {
    let failed = |source| OpenError::Lock { url: shown(url), source };
    let mut path = database.canonicalize().map_err(failed)?.into_os_string();
    path.push(".lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    let give_up = Instant::now() + LOCK_WAIT_TIMEOUT;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < give_up => sleep(RETRY_INTERVAL).await,
            Err(TryLockError::WouldBlock) => {
                let mut by = String::new();
                let _ = file.read_to_string(&mut by);
                let by = if by.trim().is_empty() { "another process".to_owned() } else { by.trim().to_owned() };
                let way_out = "stop that one; `natterjack user`, `backup` and so on work beside it".to_owned();
                return Err(OpenError::InUse { url: shown(url), by, way_out });
            }
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, file = %path.display(), "cannot lock database file, a second server would not be detected");
                return Ok(None);
            }
        }
    }
    // The name is for the error text of a server that is refused; failing to write it does no harm.
    let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", owner()));
    Ok(Some(file))
}
