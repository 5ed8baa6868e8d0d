//! PostgreSQL behind the circuit breaker: operations fail as soon as the database is known not to answer, and connections that
//! wait for an answer are closed.

use std::ops::{Deref, DerefMut};
use std::str::FromStr as _;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Connection as _, Describe, Either, Execute, Executor, PgConnection, Postgres, SqlStr};
use tokio::runtime::Handle;
use tokio_util::sync::DropGuard;

use super::health::{Availability, Health};
use super::lock::{Claim, PostgresLock};
use super::{ACQUIRE_TIMEOUT, OpenError, Options, monitor, shown};

/// How long a transaction may wait for its client, in PostgreSQL's notation.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "4s";
/// Setting by which the database's triggers know that this program indexes what it stores.
const INDEXES_SETTING: (&str, &str) = ("natterjack.indexes", "on");
/// A pool whose statements the circuit breaker guards.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    pool: PgPool,
    health: Arc<Health>,
    /// Ends the monitor with the last clone.
    _monitor: Option<Arc<DropGuard>>,
}

impl Engine {
    /// Connects, with one pool for reading and one for writing and short reads. With a claim it first locks the database, and then
    /// starts the monitor.
    pub(super) async fn open(
        options: &Options,
        health: &Arc<Health>,
        claim: Option<Claim>,
    ) -> Result<(Self, Self), OpenError> {
        let connect_error = |source| OpenError::Connect { url: shown(&options.url), source };
        let connect = PgConnectOptions::from_str(&options.url)
            .map_err(|e| OpenError::Url(e.to_string()))?
            // A node that is suspended in the middle of a transaction must not block the others.
            .options([("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT), INDEXES_SETTING]);
        let lock = match claim {
            Some(claim) => {
                let lock = PostgresLock::new(&options.url, connect.clone(), claim);
                Some((lock.acquire_at_start().await?, lock))
            }
            None => None,
        };
        let pool = |connections| {
            let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT);
            // A server keeps its connections: opening one later could fail for lack of file descriptors.
            if lock.is_some() { pool.idle_timeout(None) } else { pool }
        };
        // Two pools, so that the writer, log-ins and posts never wait for long reads.
        let writers = 1 + options.readers.div_ceil(2);
        let write = match pool(writers).connect_with(connect.clone()).await {
            // The timeout of a pool hides its cause: a single connection reports it.
            Err(sqlx::Error::PoolTimedOut) => Err(probe_error(&connect).await.unwrap_or(sqlx::Error::PoolTimedOut)),
            other => other,
        };
        let write = write.map_err(connect_error)?;
        let read = pool(options.readers).connect_lazy_with(connect);
        if lock.is_some() {
            super::open_ahead(&write, writers).await;
            super::open_ahead(&read, options.readers).await;
        }
        let monitor = lock.map(|(connection, lock)| Arc::new(monitor::start(health.clone(), connection, lock)));
        let engine = |pool| Self { pool, health: health.clone(), _monitor: monitor.clone() };
        Ok((engine(read), engine(write)))
    }

    /// The pool without the circuit breaker, for work that may take long and serves no request.
    pub(super) fn unguarded(&self) -> &PgPool {
        &self.pool
    }

    pub(super) async fn acquire(&self) -> sqlx::Result<Guarded> {
        let connection = self.health.guard(self.pool.acquire()).await?;
        Ok(Guarded { connection: Some(connection), health: self.health.clone(), abandoned: false })
    }

    pub(super) async fn begin(&self) -> sqlx::Result<PgTx> {
        let mut connection = self.acquire().await?;
        connection.execute("BEGIN").await?;
        Ok(PgTx { connection, open: true })
    }

    pub(super) fn size(&self) -> u32 {
        self.pool.size()
    }

    pub(super) fn num_idle(&self) -> usize {
        self.pool.num_idle()
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// The error of connecting once, within the time that the pool had.
async fn probe_error(connect: &PgConnectOptions) -> Option<sqlx::Error> {
    tokio::time::timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(connect)).await.ok()?.err()
}

/// A connection of the pool. When dropped it returns to the pool, or is closed if an operation on it was abandoned.
#[derive(Debug)]
pub struct Guarded {
    /// None only while it is dropped.
    connection: Option<PoolConnection<Postgres>>,
    health: Arc<Health>,
    abandoned: bool,
}

impl Guarded {
    async fn run<T>(&mut self, work: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>) -> sqlx::Result<T> {
        // It is set until `self` is dropped.
        let Some(connection) = &mut self.connection else { return Err(sqlx::Error::WorkerCrashed) };
        let done = self.health.guard(work(&mut *connection)).await;
        self.abandoned |= done.is_err() && self.health.availability() != Availability::Available;
        done
    }

    /// Whether the connection may still wait for an answer that never comes, so that it cannot be reused.
    fn must_close(&self) -> bool {
        self.abandoned || self.health.availability() != Availability::Available
    }

    /// Runs a query and collects its rows and results.
    async fn steps<'q>(
        &mut self,
        query: impl Execute<'q, Postgres> + 'q,
    ) -> sqlx::Result<Vec<Either<PgQueryResult, PgRow>>> {
        self.run(async |raw| raw.fetch_many(query).try_collect().await).await
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let must_close = self.must_close();
        if let Some(connection) = self.connection.take()
            && must_close
        {
            // Waiting for an answer that may never come would occupy a place in the pool.
            drop(connection.detach());
        }
    }
}

type Steps<'e> = BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>;

fn stream_of<'e>(
    steps: impl Future<Output = sqlx::Result<Vec<Either<PgQueryResult, PgRow>>>> + Send + 'e,
) -> Steps<'e> {
    stream::once(steps).map_ok(|steps| stream::iter(steps.into_iter().map(Ok))).try_flatten().boxed()
}

impl<'c> Executor<'c> for &'c mut Guarded {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> Steps<'e>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        stream_of(self.steps(query))
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(self.run(async |raw| raw.fetch_optional(query).await))
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        Box::pin(self.run(async |raw| raw.prepare_with(sql, parameters).await))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'c: 'e,
    {
        Box::pin(self.run(async |raw| raw.describe(sql).await))
    }
}

impl<'p> Executor<'p> for &'_ Engine {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> Steps<'e>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let engine = self.clone();
        stream_of(async move { engine.acquire().await?.steps(query).await })
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let engine = self.clone();
        Box::pin(async move { engine.acquire().await?.run(async |raw| raw.fetch_optional(query).await).await })
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'p: 'e,
    {
        let engine = self.clone();
        Box::pin(async move { engine.acquire().await?.run(async |raw| raw.prepare_with(sql, parameters).await).await })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'p: 'e,
    {
        let engine = self.clone();
        Box::pin(async move { engine.acquire().await?.run(async |raw| raw.describe(sql).await).await })
    }
}

/// A transaction: rolled back when it is dropped before its commit.
#[derive(Debug)]
pub struct PgTx {
    connection: Guarded,
    open: bool,
}

impl PgTx {
    /// Commits. An error does not mean that nothing was committed: the answer may have been lost.
    pub(super) async fn commit(mut self) -> sqlx::Result<()> {
        self.connection.execute("COMMIT").await?;
        self.open = false;
        Ok(())
    }
}

impl Drop for PgTx {
    fn drop(&mut self) {
        if !self.open || self.connection.must_close() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return self.connection.abandoned = true };
        let (connection, health) = (self.connection.connection.take(), self.connection.health.clone());
        let mut connection = Guarded { connection, health, abandoned: false };
        runtime.spawn(async move {
            // A connection that cannot even do this is closed, which ends the transaction too.
            if connection.execute("ROLLBACK").await.is_err() {
                connection.abandoned = true;
            }
            drop(connection);
        });
    }
}

impl Deref for PgTx {
    type Target = Guarded;

    fn deref(&self) -> &Guarded {
        &self.connection
    }
}

impl DerefMut for PgTx {
    fn deref_mut(&mut self) -> &mut Guarded {
        &mut self.connection
    }
}
