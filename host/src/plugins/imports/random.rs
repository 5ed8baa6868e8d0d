//! Random bytes fit for secrets.

use rand::Rng;

use crate::plugins::bindings::host::random;
use crate::plugins::state::State;

/// More than this is not given in one go.
const BYTES: u32 = 65_536;

impl random::Host for State {
    fn bytes(&mut self, length: u32) -> Vec<u8> {
        let mut bytes = vec![0; length.min(BYTES) as usize];
        rand::rng().fill_bytes(&mut bytes);
        bytes
    }
}
