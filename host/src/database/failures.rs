//! Classifies the engines' errors: an invalid request, a conflict with another writer, a database that does not answer, or one
//! that cannot be written to.

use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::health::Refused;
use crate::error::Error;

/// How long after the end of a failure the next one is not logged: on a full disk small writes may succeed now and then.
const QUIET_PERIOD: Duration = Duration::from_secs(10);

/// What was logged about failed writes.
#[derive(Debug, Default)]
struct Logged {
    /// That writes fail, and not yet that they succeed again.
    failing: bool,
    ended: Option<Instant>,
}

/// Global to the process, as the log is: errors are created without access to a database handle.
static WRITES: Mutex<Logged> = Mutex::new(Logged { failing: false, ended: None });

/// Why writes fail while reads may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteFailure {
    DiskFull,
    DiskFailed,
    ReadOnly,
}

impl WriteFailure {
    fn from_code(code: &str) -> Option<Self> {
        // PostgreSQL's codes have five characters.
        match code {
            "53100" => return Some(Self::DiskFull),
            "58030" => return Some(Self::DiskFailed),
            "25006" => return Some(Self::ReadOnly),
            _ if code.len() == 5 => return None,
            _ => {}
        }
        // SQLite's primary code is the last byte.
        let code: u32 = code.parse().ok()?;
        match code & 0xff {
            13 => Some(Self::DiskFull),
            8 => Some(Self::ReadOnly),
            // Failed: a write, a sync of the file or its folder, a truncation, a deletion, or the growth of shared memory. A quota and the limit
            // of a file's size are possible causes.
            10 if matches!(code, 778 | 1034 | 1290 | 1546 | 2570 | 4874) => Some(Self::DiskFailed),
            _ => None,
        }
    }
}

impl fmt::Display for WriteFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DiskFull => "disk full",
            Self::DiskFailed => "disk full, over a quota, or failing",
            Self::ReadOnly => "read-only",
        })
    }
}

/// Logs that the database cannot be written to, once until a write succeeds.
pub(super) fn write_failed(error: impl fmt::Display) {
    let mut logged = WRITES.lock();
    if !logged.failing && logged.ended.is_none_or(|at| at.elapsed() >= QUIET_PERIOD) {
        logged.failing = true;
        tracing::error!(%error, "database cannot be written to");
    }
}

/// Logs that the database can be written to again, if it was logged that it could not.
pub(super) fn write_succeeded() {
    let mut logged = WRITES.lock();
    if logged.failing {
        *logged = Logged { failing: false, ended: Some(Instant::now()) };
        tracing::info!("database can be written to again");
    }
}

/// Whether an engine's code says that the database is unavailable, rather than that the query was wrong.
fn is_unavailable(code: &str) -> bool {
    // PostgreSQL's codes have five characters: connection lost, no space or no more connections, shutting down, its own files failed,
    // and read-only.
    if code.len() == 5 {
        return ["08", "53", "57", "58", "25006"].iter().any(|class| code.starts_with(class));
    }
    // SQLite's primary code is the last byte: busy, locked, read-only, input or output failed, full,
    // cannot open.
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14))
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        // PostgreSQL: serialisation failure, deadlock.
        let code = error.as_database_error().and_then(|database| database.code());
        if matches!(code.as_deref(), Some("40001" | "40P01")) {
            return Self::Contended;
        }
        // PostgreSQL does not store U+0000 in texts, and SQLite finds nothing for it.
        if matches!(code.as_deref(), Some("22021" | "22P05")) {
            return Self::BadRequest("a text holds the control character U+0000, which nothing here can".into());
        }
        if let Some(why) = code.as_deref().and_then(WriteFailure::from_code) {
            write_failed(&error);
            return Self::Unavailable(format!("the database cannot be written to ({why}); nothing was stored"));
        }
        let unavailable = match &error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                true
            }
            sqlx::Error::Database(database) => database.code().is_some_and(|code| is_unavailable(&code)),
            _ => false,
        };
        if unavailable {
            if !Refused::caused(&error) {
                tracing::warn!(%error, "the database does not answer");
            }
            Self::Unavailable("the database does not answer just now; nothing was stored".into())
        } else {
            Self::internal(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disk_is_distinguished_from_an_unavailable_database() {
        for (code, why) in [
            ("13", Some(WriteFailure::DiskFull)),
            ("53100", Some(WriteFailure::DiskFull)),
            ("778", Some(WriteFailure::DiskFailed)),
            ("58030", Some(WriteFailure::DiskFailed)),
            ("8", Some(WriteFailure::ReadOnly)),
            ("1032", Some(WriteFailure::ReadOnly)),
            ("25006", Some(WriteFailure::ReadOnly)),
            // A failed read, another writer, and too many connections.
            ("266", None),
            ("5", None),
            ("53300", None),
            ("57P01", None),
        ] {
            assert_eq!(WriteFailure::from_code(code), why, "{code}");
            assert!(is_unavailable(code), "{code}");
        }
    }
}
