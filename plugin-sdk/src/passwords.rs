//! Password hashing by the host, if `passwords` is granted: argon2id at the server's cost. The plugin never
//! sees an account's own hash.

use crate::error::Result;
use crate::host;

/// A PHC string to keep in [`storage`](crate::storage). Passwords are 1 to 1,024 bytes.
///
/// # Errors
/// `invalid` if the password is empty or too long.
pub fn hash(password: &str) -> Result<String> {
    host::passwords::hash(password)
}

/// Whether `password` made `hash`.
///
/// # Errors
/// `invalid` if `hash` is none of the host's.
pub fn verify(password: &str, hash: &str) -> Result<bool> {
    host::passwords::verify(password, hash)
}
