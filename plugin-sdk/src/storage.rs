//! Stores the plugin's own keys and values, if `storage` is granted. They survive a new version of the plugin, and no
//! other plugin can read them.
//!
//! Keys are 1 to 256 bytes and values at most 64 KiB; over that, or over the plugin's quota, the error is
//! `too_large`. Writes are staged: the same call reads them back, other calls see them once it has succeeded.
//!
//! ```
//! use natterjack_plugin_sdk::prelude::*;
//! # fn main() -> Result<()> {
//! let _chat = MockHost::new().grant("storage");
//! storage::put("score/ann", &7)?;
//! assert_eq!(storage::get("score/ann")?, Some(7));
//! assert_eq!(storage::list("score/", None, 10)?, ["score/ann"]);
//! # Ok(()) }
//! ```

use serde::{Serialize, de::DeserializeOwned};

use crate::error::Result;
use crate::host;

/// The value that [`put`] stored under the key.
///
/// # Errors
/// Errors of the host; `internal` if the stored value cannot be parsed as a `T`.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    Ok(match get_bytes(key)? {
        Some(bytes) => Some(serde_json::from_slice(&bytes)?),
        None => None,
    })
}

/// Stores a value as JSON.
///
/// # Errors
/// Errors of the host; `internal` if the value has no JSON form.
pub fn put<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<()> {
    put_bytes(key, &serde_json::to_vec(value)?)
}

/// The bytes stored under the key.
///
/// # Errors
/// Errors of the host, such as `unavailable` in a filter.
pub fn get_bytes(key: &str) -> Result<Option<Vec<u8>>> {
    host::storage::get(key)
}

/// Stores bytes unchanged.
///
/// # Errors
/// Errors of the host, such as `unavailable` in a filter.
pub fn put_bytes(key: &str, value: &[u8]) -> Result<()> {
    host::storage::put(key, value)
}

/// Deletes the key. Deleting a missing key is no error.
///
/// # Errors
/// Errors of the host, such as `unavailable` in a filter.
pub fn delete(key: &str) -> Result<()> {
    host::storage::delete(key)
}

/// Keys that start with `prefix` and come after `after` (if given), in byte order, at most `limit` (1 to 1,000).
///
/// # Errors
/// Errors of the host, such as `unavailable` in a filter.
pub fn list(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
    host::storage::list(prefix, after, limit)
}
