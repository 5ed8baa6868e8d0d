//! Whether the database can be reached and written to: a circuit breaker in front of PostgreSQL, and the outcome of recent writes.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::Database;
use super::failures::{write_failed, write_succeeded};
use crate::clock::now;
use crate::error::{Error, Result};

/// How long the outcome of a write predicts that of the next one.
const WRITE_CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// How soon a failed test write is repeated.
const WRITE_RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long a test write may take: a client waits for the answer.
const WRITE_CHECK_TIMEOUT: Duration = Duration::from_secs(4);

/// State of the circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    Available,
    /// It does not answer: statements are refused at once until a probe succeeds.
    Unavailable,
    /// Another server has locked it while this one was not connected. Final.
    TakenOver,
}

/// Health of a database, shared by all its connections.
#[derive(Debug)]
pub(super) struct Health {
    availability: watch::Sender<Availability>,
    /// Wakes the monitor when a statement failed in a way that may mean the database is gone.
    pub(super) suspected: Notify,
    writes: Mutex<Writes>,
    /// Allows one test write at a time.
    testing: tokio::sync::Mutex<()>,
}

/// When writes last succeeded and failed.
#[derive(Debug, Default)]
struct Writes {
    /// A commit or a test write.
    succeeded: Option<Instant>,
    /// A commit; cleared by the next commit that succeeds.
    commit_failed: Option<Instant>,
    test_failed: Option<Instant>,
    /// Why the latest of the two failed, as the error for clients.
    error: Option<Error>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            availability: watch::Sender::new(Availability::Available),
            suspected: Notify::new(),
            writes: Mutex::default(),
            testing: tokio::sync::Mutex::default(),
        }
    }
}

impl Health {
    pub(super) fn availability(&self) -> Availability {
        *self.availability.borrow()
    }

    /// Sets the state; true if it changed.
    pub(super) fn set(&self, to: Availability) -> bool {
        self.availability.send_if_modified(|now| std::mem::replace(now, to) != to)
    }

    /// Runs a database operation while the database is available: fails at once if it is not, or as soon as it no longer is.
    pub(super) async fn guard<T>(&self, operation: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        let mut availability = self.availability.subscribe();
        let refused = *availability.borrow_and_update();
        if refused != Availability::Available {
            return Err(Refused(refused).into());
        }
        let lost = async {
            // The sender lives as long as `self`.
            let found = availability.wait_for(|now| *now != Availability::Available).await.map(|now| *now);
            Err(Refused(found.unwrap_or(Availability::Unavailable)).into())
        };
        tokio::select! {
            biased;
            done = operation => {
                if done.as_ref().is_err_and(is_connection_failure) {
                    self.suspected.notify_one();
                }
                done
            }
            refused = lost => refused,
        }
    }

    /// Why the last failed write failed.
    fn write_error(&self) -> Error {
        match &self.writes.lock().error {
            Some(error @ Error::Unavailable(_)) => error.clone(),
            _ => cannot_write(),
        }
    }

    /// Whether recent writes predict success for the next one; None if there were none.
    fn recent_write(&self) -> Option<bool> {
        let writes = self.writes.lock();
        let within = |at: Option<Instant>, span: Duration| at.is_some_and(|at| at.elapsed() < span);
        if within(writes.commit_failed, WRITE_CHECK_INTERVAL) {
            return Some(false);
        }
        if within(writes.test_failed, WRITE_RETRY_INTERVAL) {
            return Some(false);
        }
        let failed_since = writes.test_failed > writes.succeeded;
        (!failed_since && within(writes.succeeded, WRITE_CHECK_INTERVAL)).then_some(true)
    }
}

/// The error of an operation that the circuit breaker refused.
#[derive(Debug)]
pub(super) struct Refused(Availability);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Availability::TakenOver => "another server uses the database",
            _ => "the database does not answer",
        })
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for sqlx::Error {
    fn from(refused: Refused) -> Self {
        Self::Io(io::Error::new(io::ErrorKind::NotConnected, refused))
    }
}

impl Refused {
    /// Whether an error comes from the circuit breaker, whose state is logged when it changes.
    pub(super) fn caused(error: &sqlx::Error) -> bool {
        matches!(error, sqlx::Error::Io(io) if io.get_ref().is_some_and(|inner| inner.is::<Self>()))
    }
}

/// Whether an error may mean that the database is no longer reachable.
fn is_connection_failure(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Tls(_) => true,
        // Connection lost, shutting down, starting up.
        sqlx::Error::Database(database) => {
            database.code().is_some_and(|code| code.len() == 5 && (code.starts_with("08") || code.starts_with("57P")))
        }
        _ => false,
    }
}

impl Database {
    /// The state of the circuit breaker, without asking the database.
    pub fn availability(&self) -> Availability {
        self.health.availability()
    }

    /// Waits until another server has taken the database over; this server must stop then.
    pub async fn taken_over(&self) {
        let mut availability = self.health.availability.subscribe();
        let _ = availability.wait_for(|now| *now == Availability::TakenOver).await;
    }

    /// Records the outcome of a commit of the server's own work.
    pub fn note_commit<T>(&self, outcome: &Result<T>) {
        let mut writes = self.health.writes.lock();
        match outcome {
            Ok(_) => {
                writes.succeeded = Some(Instant::now());
                writes.commit_failed = None;
                write_succeeded();
            }
            Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => {
                writes.commit_failed = Some(Instant::now());
                writes.error = Some(error.clone());
            }
            // A conflict with another writer says nothing about the database's health.
            Err(_) => {}
        }
    }

    /// Fails unless the database can be written to. A write within the last 10 seconds decides; otherwise a test write of one
    /// row does. An idle server writes nothing unless it is asked.
    pub async fn check_writes(&self) -> Result<()> {
        if self.availability() != Availability::Available {
            return Err(cannot_write());
        }
        let _testing = self.health.testing.lock().await;
        match self.health.recent_write() {
            Some(true) => return Ok(()),
            Some(false) => return Err(self.health.write_error()),
            None => {}
        }
        let outcome = match tokio::time::timeout(WRITE_CHECK_TIMEOUT, self.write_test_row()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(cannot_write()),
        };
        let mut writes = self.health.writes.lock();
        match outcome {
            Ok(()) => {
                writes.succeeded = Some(Instant::now());
                write_succeeded();
                Ok(())
            }
            Err(error) => {
                // The circuit breaker logs for itself.
                if self.availability() == Availability::Available {
                    write_failed(&error);
                }
                writes.test_failed = Some(Instant::now());
                writes.error = Some(error);
                drop(writes);
                Err(self.health.write_error())
            }
        }
    }

    async fn write_test_row(&self) -> Result<()> {
        let mut tx = self.begin().await?;
        super::each!(Tx: &mut tx, tx => sqlx::query(
            "INSERT INTO write_test (id, at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET at = excluded.at",
        )
        .bind(now())
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        tx.commit().await
    }
}

fn cannot_write() -> Error {
    Error::Unavailable("the database cannot be written to just now".into())
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn refused(outcome: &sqlx::Result<()>) -> bool {
        outcome.as_ref().is_err_and(Refused::caused)
    }

    #[tokio::test]
    async fn open_breaker_fails_new_and_waiting_operations() {
        let health = Health::default();
        health.guard(async { Ok(()) }).await.unwrap();
        let (waiting, ()) = tokio::join!(health.guard(pending()), async {
            tokio::task::yield_now().await;
            assert!(health.set(Availability::Unavailable));
        });
        assert!(refused(&waiting));
        assert!(refused(&health.guard(pending()).await));
        assert!(!health.set(Availability::Unavailable), "the state did not change");
        health.set(Availability::Available);
        health.guard(async { Ok(()) }).await.unwrap();
    }

    #[tokio::test]
    async fn connection_failure_wakes_the_monitor_and_a_failed_statement_does_not() {
        let health = Health::default();
        health.guard(async { sqlx::Result::<()>::Err(sqlx::Error::RowNotFound) }).await.unwrap_err();
        let woken = async |health: &Health| {
            let mut notified = std::pin::pin!(health.suspected.notified());
            notified.as_mut().enable()
        };
        assert!(!woken(&health).await);
        health.guard(async { sqlx::Result::<()>::Err(sqlx::Error::PoolTimedOut) }).await.unwrap_err();
        assert!(woken(&health).await);
    }
}
