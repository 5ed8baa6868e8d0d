//! Divides the files that may be open by purpose: connections get what everything else leaves.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::StartError;
use crate::config::Config;
use crate::transport::admission::SocketCaps;

/// Standard streams, the runtime, signals, watched folders and files, NATS, temporary files.
const PROCESS_FILES: u64 = 32;
/// Processes that try plugin files, plugins' calls over HTTP, and files that are read meanwhile.
const PLUGIN_FILES: u64 = 16;
/// The smallest reserve for connections beyond the caps, and the fewest connections to `metrics.listen` and of clients.
const MIN_RESERVED: u64 = 8;
const MIN_METRICS: u64 = 4;
const MIN_CONNECTIONS: u64 = 8;
/// The number of files reserved for everything but clients, the database and the listeners, if the limit is high enough.
const AMPLE_RESERVED_FILES: u64 = 200;

/// Raises the soft limit of open files to the hard limit; the usual soft limit is low for the sake of old programs. Returns the
/// resulting limit, if there is one.
pub fn raise_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// The current limit.
pub(super) fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Refuses a configuration that needs more files than this process may open.
pub fn check_limit(config: &Config) -> Result<(), StartError> {
    Budget::of(limit(), config).map(|_| ())
}

/// What the files that may be open are used for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub(super) caps: SocketCaps,
    /// Connections that read from the database, at most as many as configured.
    pub(super) readers: u32,
}

impl Budget {
    /// Divides `limit`: the database's readers have priority over connections, except over the fewest of these.
    pub(super) fn of(limit: Option<u64>, config: &Config) -> Result<Self, StartError> {
        let configured = config.database.readers;
        let Some(limit) = limit else { return Ok(Self { caps: SocketCaps::default(), readers: configured }) };
        let files = Files::of(config);
        let fewest = files.needed(1);
        let Some(readers) = (1..=configured).rev().find(|readers| files.needed(*readers) <= limit) else {
            return Err(StartError::Files { needed: fewest, limit });
        };
        let spare = limit - files.needed(readers);
        let beside = (files.beside() + spare / 2).min(AMPLE_RESERVED_FILES.max(files.beside()));
        // Files beyond the minimum are shared by short-lived uses: plugins' files, health checks, refusals.
        let more = beside - files.beside();
        let size = |files: u64| usize::try_from(files).unwrap_or(usize::MAX);
        let caps = SocketCaps {
            connections: size(limit - (files.needed(readers) - files.beside() - MIN_CONNECTIONS) - beside),
            reserved: size(MIN_RESERVED + more / 2).min(SocketCaps::RESERVED),
            metrics: size(MIN_METRICS + more / 8).min(SocketCaps::METRICS),
        };
        Ok(Self { caps, readers })
    }
}

/// What a configuration needs files for, with the numbers.
struct Files {
    on_sqlite: bool,
    listeners: u64,
    plugins: u64,
}

impl Files {
    fn of(config: &Config) -> Self {
        let is_component = |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|end| end == "wasm");
        let entries = std::fs::read_dir(&config.plugins.folder);
        let plugins = entries.map_or(0, |entries| entries.flatten().filter(is_component).count());
        Self {
            on_sqlite: !config.database.url.expose().starts_with("postgres"),
            listeners: super::listeners::listeners(config).count() as u64,
            plugins: plugins as u64,
        }
    }

    /// The minimum for everything but clients, the database and the listeners. A loaded plugin holds one.
    fn beside(&self) -> u64 {
        PROCESS_FILES + PLUGIN_FILES + self.plugins + MIN_RESERVED + MIN_METRICS
    }

    /// Connections for reading, those for writing and short reads, and one for the lock. SQLite opens the file and its log for each, its
    /// index and the lock once, and temporary files.
    fn database(&self, readers: u32) -> u64 {
        let readers = u64::from(readers);
        if self.on_sqlite { 2 * (readers + 3) + 6 } else { readers + readers.div_ceil(2) + 2 }
    }

    fn needed(&self, readers: u32) -> u64 {
        self.beside() + self.database(readers) + self.listeners + MIN_CONNECTIONS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str, readers: u32) -> Config {
        let text = format!("[database]\nurl = \"{url}\"\nreaders = {readers}\n[plugins]\nfolder = \"/nonexistent\"\n");
        Config::from_text("config.toml", &text, [("", ""); 0]).unwrap()
    }

    #[test]
    fn connections_leave_files_for_everything_else() {
        let config = config("", 4);
        let budget = Budget::of(Some(1024), &config).unwrap();
        assert_eq!((budget.caps.connections, budget.readers), (1024 - 200 - 20 - 1, 4));
        assert_eq!((budget.caps.reserved, budget.caps.metrics), (64, 16));
        assert_eq!(Budget::of(None, &config).unwrap().caps.connections, usize::MAX);
    }

    #[test]
    fn too_few_files_are_refused_with_the_number_that_is_needed() {
        for (url, least) in [("", 83), ("postgres://localhost/chat", 73)] {
            let said = Budget::of(Some(64), &config(url, 64)).unwrap_err().to_string();
            assert!(said.contains(&format!("needs at least {least} open files, the limit is 64")), "{said}");
            assert!(Budget::of(Some(least - 1), &config(url, 1)).is_err());
            let budget = Budget::of(Some(least), &config(url, 64)).unwrap();
            assert_eq!((budget.readers, budget.caps.connections, budget.caps.reserved), (1, 8, 8), "{url}");
        }
    }

    #[test]
    fn readers_are_lowered_before_the_start_is_refused() {
        let config = config("", 20);
        let mut readers = 1;
        for limit in 83..=300 {
            let budget = Budget::of(Some(limit), &config).unwrap();
            assert!(budget.readers >= readers && budget.caps.connections >= 8, "{limit}: {budget:?}");
            let used = 2 * (u64::from(budget.readers) + 3) + 6 + 1 + budget.caps.connections as u64;
            assert!(used + 48 + (budget.caps.reserved + budget.caps.metrics) as u64 <= limit, "{limit}: {budget:?}");
            readers = budget.readers;
        }
        assert_eq!(readers, 20);
    }
}
