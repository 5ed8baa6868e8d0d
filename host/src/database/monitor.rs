//! Monitors a PostgreSQL database over a connection of its own, which also holds the server's lock: opens the circuit breaker
//! when the database does not answer, and closes it when it answers again.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::health::{Availability, Health};
use super::lock::{LockError, PostgresLock};

/// How often the database is pinged. Together with `ANSWER_TIMEOUT` this bounds how long a request waits before it is refused.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const ANSWER_TIMEOUT: Duration = Duration::from_millis(2500);
/// How often a connection is tried while the database is unavailable.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);

/// Monitors until the returned guard is dropped.
pub(super) fn start(health: Arc<Health>, connection: PgConnection, lock: PostgresLock) -> DropGuard {
    let stop = CancellationToken::new();
    let (stopped, watching) = (stop.clone(), watch(health, connection, lock));
    tokio::spawn(async move { stopped.run_until_cancelled(watching).await });
    stop.drop_guard()
}

async fn watch(health: Arc<Health>, connection: PgConnection, lock: PostgresLock) {
    let mut connection = Some(connection);
    loop {
        connection = match connection {
            Some(connection) => check(&health, connection).await,
            None => match timeout(ANSWER_TIMEOUT, lock.acquire()).await {
                Ok(Ok(connection)) => {
                    if health.set(Availability::Available) {
                        tracing::info!("database answers again");
                    }
                    Some(connection)
                }
                Ok(Err(LockError::Held(by))) => {
                    health.set(Availability::TakenOver);
                    return tracing::error!(
                        by,
                        "another server took over the database while this one was not connected to it; stopping"
                    );
                }
                Ok(Err(LockError::Failed(error))) => {
                    mark_unavailable(&health, &error.to_string());
                    sleep(PROBE_INTERVAL).await;
                    None
                }
                Err(_) => {
                    mark_unavailable(&health, "no answer in time");
                    None
                }
            },
        };
    }
}

/// Pings the database once, after the interval or at a suspicion; returns the connection if it still works.
async fn check(health: &Health, mut connection: PgConnection) -> Option<PgConnection> {
    tokio::select! {
        () = sleep(CHECK_INTERVAL) => {}
        () = health.suspected.notified() => {}
    }
    match timeout(ANSWER_TIMEOUT, connection.ping()).await {
        Ok(Ok(())) => Some(connection),
        // Perhaps only this connection failed: the next one decides.
        Ok(Err(_)) => None,
        Err(_) => {
            mark_unavailable(health, "no answer in time");
            None
        }
    }
}

fn mark_unavailable(health: &Health, error: &str) {
    if health.set(Availability::Unavailable) {
        tracing::error!(error, "database does not answer, refusing requests that need it");
    }
}
