//! The server's own log: output, format, and level.

use std::io::IsTerminal as _;
use std::sync::Arc;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::config::{self, LogFormat};
use crate::plugins::RecentLines;

/// Handle to the started log.
pub struct Log {
    /// The latest lines, for administrators.
    pub recent_lines: Arc<RecentLines>,
    filter: reload::Handle<EnvFilter, Registry>,
}

impl Log {
    /// Starts logging for this process. To be called once.
    pub fn start(config: &config::Log) -> Result<Self, ParseError> {
        let (filter, handle) = reload::Layer::new(EnvFilter::builder().parse(&config.level)?);
        let recent_lines = Arc::new(RecentLines::default());
        // Write errors are not reported: if stderr is closed, reporting them there would panic.
        let shown = fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
        let shown = match config.format {
            LogFormat::Text => shown.with_ansi(std::io::stderr().is_terminal()).boxed(),
            // An event's fields stand beside `timestamp`, `level`, `target` and `message`, those of its spans in `spans`.
            LogFormat::Json => shown.json().flatten_event(true).with_current_span(false).boxed(),
        };
        // One filter for all layers: per-layer filters lose events after `tracing::enabled!`, which database drivers call.
        tracing_subscriber::registry().with(filter).with(shown).with(recent_lines.clone().layer()).init();
        Ok(Self { recent_lines, filter: handle })
    }

    /// Changes the level. An invalid level is logged and ignored.
    pub fn set_level(&self, level: &str) {
        match EnvFilter::builder().parse(level) {
            Ok(filter) => {
                // Fails only if the log is gone.
                let _ = self.filter.reload(filter);
            }
            Err(error) => tracing::error!(%error, "invalid log level, keeping the current one"),
        }
    }
}
