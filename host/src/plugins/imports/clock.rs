//! The `clock` import: wall time.

use crate::plugins::bindings::host::clock;
use crate::plugins::state::State;

impl clock::Host for State {
    fn now(&mut self) -> u64 {
        u64::try_from(crate::clock::now().0).unwrap_or(0)
    }
}
