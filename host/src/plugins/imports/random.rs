//! The `random` import: random bytes fit for secrets.

use rand::Rng;

use crate::plugins::bindings::host::random;
use crate::plugins::state::State;

/// Bytes per call; a longer request gets this many.
const MAX_BYTES: u32 = 65_536;

impl random::Host for State {
    fn bytes(&mut self, length: u32) -> Vec<u8> {
        let mut bytes = vec![0; length.min(MAX_BYTES) as usize];
        rand::rng().fill_bytes(&mut bytes);
        bytes
    }
}
