//! Writes to the server's log, under the plugin's name. Always granted.
//!
//! ```
//! use natterjack_plugin_sdk::prelude::*;
//! let chat = MockHost::new();
//! log::warn(format_args!("{} words are too many", 3));
//! assert_eq!(chat.logs(), [(log::Level::Warn, "3 words are too many".to_owned())]);
//! ```

use std::fmt::Display;

use crate::host;

/// The level of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// Details for developers of the plugin.
    Debug,
    /// Normal operation.
    Info,
    /// A possible problem.
    Warn,
    /// A failure.
    Error,
}

/// Writes a line. Text over 4 KiB is truncated; lines beyond the limit of one call are counted and dropped.
pub fn write(level: Level, message: impl Display) {
    host::log::write(level, &message.to_string());
}

/// Writes a line at [`Level::Debug`].
pub fn debug(message: impl Display) {
    write(Level::Debug, message);
}

/// Writes a line at [`Level::Info`].
pub fn info(message: impl Display) {
    write(Level::Info, message);
}

/// Writes a line at [`Level::Warn`].
pub fn warn(message: impl Display) {
    write(Level::Warn, message);
}

/// Writes a line at [`Level::Error`].
pub fn error(message: impl Display) {
    write(Level::Error, message);
}
