//! Sets and cancels timers, if `timers` is granted: each timer calls [`Timer::on_timer`](crate::Timer::on_timer).
//!
//! Timers survive a restart and a new version of the plugin. Names are 1 to 256 bytes, payloads at most 16 KiB of
//! JSON, and a plugin has at most 10,000 timers; over that the error is `too_large`. A timer comes due one second after the
//! call has succeeded at the earliest; due times are rounded up to a second.
//!
//! ```
//! use std::time::Duration;
//! use natterjack_plugin_sdk::prelude::*;
//! # fn main() -> Result<()> {
//! let chat = MockHost::new().grant("timers");
//! timers::after("tea", Duration::from_secs(180), &json!({ "sort": "green" }))?;
//! assert_eq!(chat.timer("tea"), Some(clock::now() + 180_000));
//! # Ok(()) }
//! ```

use std::time::Duration;

use serde::Serialize;

use crate::error::Result;
use crate::host;
use crate::types::Timestamp;

/// When a timer comes due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// In this many milliseconds.
    After(u64),
    At(Timestamp),
}

/// Sets or replaces the timer of this name, to come due after `wait`.
///
/// # Errors
/// `invalid` if that is more than ten years ahead, `too_large` over a limit.
pub fn after<T: Serialize + ?Sized>(name: &str, wait: Duration, payload: &T) -> Result<()> {
    let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    host::timers::set(name, Due::After(wait), serde_json::to_string(payload)?)
}

/// Sets or replaces the timer of this name, to come due at `when`. A time in the past counts as now.
///
/// # Errors
/// As [`after`].
pub fn at<T: Serialize + ?Sized>(name: &str, when: Timestamp, payload: &T) -> Result<()> {
    host::timers::set(name, Due::At(when), serde_json::to_string(payload)?)
}

/// Cancels the timer. Cancelling a timer that is not set is no error.
///
/// # Errors
/// Errors of the host, such as `unavailable` in a filter.
pub fn cancel(name: &str) -> Result<()> {
    host::timers::cancel(name)
}

/// Names of timers that start with `prefix` and come after `after` (if given), in byte order, at most `limit`
/// (1 to 1,000).
///
/// # Errors
/// Errors of the host, such as `unavailable` in a filter.
pub fn list(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
    host::timers::list(prefix, after, limit)
}
