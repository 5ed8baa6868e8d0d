//! Random bytes fit for secrets. Always granted.

use crate::host;

/// At most 65,536 bytes; more than that gives 65,536.
pub fn bytes(length: u32) -> Vec<u8> {
    host::random::bytes(length)
}
