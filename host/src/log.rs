//! The server's own log: where it goes, how it looks, and how much of it there is.

use std::io::IsTerminal as _;
use std::sync::Arc;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::config::{self, LogFormat};
use crate::plugins::RecentLines;

/// A log that has been started.
pub struct Log {
    /// What administrators may read of it.
    pub recent_lines: Arc<RecentLines>,
    filter: reload::Handle<EnvFilter, Registry>,
}

impl Log {
    /// Everything of this process is logged from here on. To be called once.
    pub fn start(config: &config::Log) -> Result<Self, ParseError> {
        let (filter, handle) = reload::Layer::new(EnvFilter::builder().parse(&config.level)?);
        let recent_lines = Arc::new(RecentLines::default());
        // If nobody reads the log any more there is nobody to tell that to, and trying to would be a panic.
        let shown = fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
        let shown = match config.format {
            LogFormat::Text => shown.with_ansi(std::io::stderr().is_terminal()).boxed(),
            // An event's fields stand beside `timestamp`, `level`, `target` and `message`, those of its spans in `spans`.
            LogFormat::Json => shown.json().flatten_event(true).with_current_span(false).boxed(),
        };
        // One filter for all: filters of single layers lose events after a `tracing::enabled!`, as database drivers ask it.
        tracing_subscriber::registry().with(filter).with(shown).with(recent_lines.clone().layer()).init();
        Ok(Self { recent_lines, filter: handle })
    }

    /// Says more or less from now on. What is no level changes nothing.
    pub fn set_level(&self, level: &str) {
        match EnvFilter::builder().parse(level) {
            Ok(filter) => {
                // Fails only if there is no log any more.
                let _ = self.filter.reload(filter);
            }
            Err(error) => tracing::error!(%error, "the log's level stays as it was"),
        }
    }
}
