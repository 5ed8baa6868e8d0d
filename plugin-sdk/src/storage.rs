//! The plugin's own keys and values, if `storage` is granted. They stay when the plugin is replaced, and no
//! other plugin sees them.
//!
//! Keys are 1 to 256 bytes and values at most 64 KiB; over that, or over the plugin's quota, the error is
//! `too_large`. Writes are staged: the same call reads them back, others see them once it has succeeded.
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

/// What [`put`] kept under the key.
///
/// # Errors
/// As the host's; `internal` if what is there is not a `T`.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    Ok(match get_bytes(key)? {
        Some(bytes) => Some(serde_json::from_slice(&bytes)?),
        None => None,
    })
}

/// Keeps a value, as JSON.
///
/// # Errors
/// As the host's; `internal` if the value has no JSON form.
pub fn put<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<()> {
    put_bytes(key, &serde_json::to_vec(value)?)
}

/// The bytes under the key.
///
/// # Errors
/// As the host's.
pub fn get_bytes(key: &str) -> Result<Option<Vec<u8>>> {
    host::storage::get(key)
}

/// Keeps bytes as they are.
///
/// # Errors
/// As the host's.
pub fn put_bytes(key: &str, value: &[u8]) -> Result<()> {
    host::storage::put(key, value)
}

/// Forgets the key. Deleting what is not there is no error.
///
/// # Errors
/// As the host's.
pub fn delete(key: &str) -> Result<()> {
    host::storage::delete(key)
}

/// Keys that start with `prefix` and come after `after` (if given), in byte order, at most `limit` (1 to 1,000).
///
/// # Errors
/// As the host's.
pub fn list(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
    host::storage::list(prefix, after, limit)
}
