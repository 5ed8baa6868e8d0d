//! Lines for the server's log, under the plugin's name. Always granted.
//!
//! ```
//! use natterjack_plugin_sdk::prelude::*;
//! let chat = MockHost::new();
//! log::warn(format_args!("{} words are too many", 3));
//! assert_eq!(chat.logs(), [(log::Level::Warn, "3 words are too many".to_owned())]);
//! ```

use std::fmt::Display;

use crate::host;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// For whoever works on the plugin.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth looking into.
    Warn,
    /// Something failed.
    Error,
}

/// Writes a line. Text over 4 KiB is cut, and too many lines in one call are dropped.
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
