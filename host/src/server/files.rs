//! How many files may be open, and how many connections that leaves room for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// What a server has open besides connections, its database and its listeners: standard streams, the runtime, watched folders,
/// plugins and their calls to elsewhere, connections that are just being refused, temporary files.
const FILES_BESIDE: u64 = 200;
/// What each connection to the database takes: SQLite has its file, its log and its index open.
const FILES_PER_DATABASE_CONNECTION: u64 = 3;

/// Raises the limit as far as it may be: the usual one is low for the sake of programs that are not ours. Gives what it is then,
/// if there is one.
pub fn raise_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// How many connections to the database a server has at the most: those for reading, those for writing and short reads, and one
/// for the lock.
fn database_connections(readers: u32) -> u64 {
    u64::from(readers) + u64::from(readers.div_ceil(2)) + 3
}

/// How many connections there may be at a time where so many files may be open. Half of them at least: whoever has that few has
/// no use for a server without connections either.
pub(super) fn most_connections(limit: Option<u64>, config: &Config) -> usize {
    let Some(limit) = limit else { return usize::MAX };
    let database = database_connections(config.database.readers) * FILES_PER_DATABASE_CONNECTION;
    let listeners = super::listeners::listeners(config).count() as u64;
    let left = limit.saturating_sub(FILES_BESIDE + database + listeners).max(limit / 2);
    usize::try_from(left).unwrap_or(usize::MAX)
}

/// The limit as it is.
pub(super) fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_everything_else() {
        let config = Config::default();
        assert_eq!(most_connections(Some(1024), &config), 1024 - 200 - 27 - 1);
        assert_eq!(most_connections(Some(100), &config), 50);
        assert_eq!(most_connections(None, &config), usize::MAX);
    }
}
