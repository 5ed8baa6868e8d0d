//! Random bytes fit for secrets. Always granted.

use crate::host;

/// Returns `length` random bytes, at most 65,536.
pub fn bytes(length: u32) -> Vec<u8> {
    host::random::bytes(length)
}
