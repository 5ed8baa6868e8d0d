//! Hashes passwords on the host, if `passwords` is granted: argon2id with the server's cost parameters. The plugin never
//! sees the hash of an account's password.

use crate::error::Result;
use crate::host;

/// Hashes a password of 1 to 1,024 bytes. Returns a PHC string to keep in [`storage`](crate::storage).
///
/// # Errors
/// `invalid` if the password is empty or too long.
pub fn hash(password: &str) -> Result<String> {
    host::passwords::hash(password)
}

/// Whether `password` matches `hash`.
///
/// # Errors
/// `invalid` if `hash` was not created by the host.
pub fn verify(password: &str, hash: &str) -> Result<bool> {
    host::passwords::verify(password, hash)
}
