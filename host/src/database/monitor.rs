//! Watches over a PostgreSQL by a connection of its own, which also holds the server's lock: opens the circuit breaker when it
//! does not answer, and closes it again when it does.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::health::{Availability, Health};
use super::lock::{PostgresLock, Unlocked};

/// How often it is asked whether it is there. With the time that it has to answer this is how long somebody waits for being told
/// that it does not, at the most.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const ANSWER_TIMEOUT: Duration = Duration::from_millis(2500);
/// How often it is tried while it is away.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);

/// Watches until what this gives is dropped.
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
                Ok(Err(Unlocked::Held(by))) => {
                    health.set(Availability::TakenOver);
                    return tracing::error!(
                        by,
                        "another server took over the database while this one was not connected to it; stopping"
                    );
                }
                Ok(Err(Unlocked::Failed(error))) => {
                    lost(&health, &error.to_string());
                    sleep(PROBE_INTERVAL).await;
                    None
                }
                Err(_) => {
                    lost(&health, "no answer in time");
                    None
                }
            },
        };
    }
}

/// Gives the connection back if it is of use.
async fn check(health: &Health, mut connection: PgConnection) -> Option<PgConnection> {
    tokio::select! {
        () = sleep(CHECK_INTERVAL) => {}
        () = health.suspected.notified() => {}
    }
    match timeout(ANSWER_TIMEOUT, connection.ping()).await {
        Ok(Ok(())) => Some(connection),
        // It may be this connection alone: the next one tells.
        Ok(Err(_)) => None,
        Err(_) => {
            lost(health, "no answer in time");
            None
        }
    }
}

fn lost(health: &Health, error: &str) {
    if health.set(Availability::Unavailable) {
        tracing::error!(error, "database does not answer; what needs it is refused until it does");
    }
}
