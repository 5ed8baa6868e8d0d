//! Wall time. Always granted.

use crate::host;
use crate::types::Timestamp;

/// The current time, in milliseconds since 1970-01-01T00:00:00Z.
pub fn now() -> Timestamp {
    host::clock::now()
}
