//! The `log` import: writes to the server's log.

use tracing::Level;

use crate::plugins::bindings::host::log;
use crate::plugins::state::State;

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) {
        let level = match level {
            log::Level::Trace => Level::TRACE,
            log::Level::Debug => Level::DEBUG,
            log::Level::Info => Level::INFO,
            log::Level::Warn => Level::WARN,
            log::Level::Error => Level::ERROR,
        };
        self.guest_log.write(level, &message);
    }
}
