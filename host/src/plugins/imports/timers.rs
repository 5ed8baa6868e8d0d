//! The `timers` import: sets and cancels the plugin's timers.

use std::time::Duration;

use crate::clock::{Timestamp, now};
use crate::error::Error;
use crate::plugins::bindings::host::timers;
use crate::plugins::bindings::wire;
use crate::plugins::state::State;

impl timers::Host for State {
    async fn set(&mut self, name: String, due: timers::Due, payload: String) -> Result<(), wire::Error> {
        let has_timer = self.has_timer;
        let (unit, plugin) = self.unit()?;
        if !has_timer {
            return Err(
                Error::Unavailable("this plugin does not export `timer`, the hook that timers call".into()).into()
            );
        }
        let due_at = match due {
            timers::Due::After(wait) => now() + Duration::from_millis(wait),
            timers::Due::At(at) => Timestamp(i64::try_from(at).unwrap_or(i64::MAX)),
        };
        Ok(unit.set_timer(plugin, name, due_at, payload).await?)
    }

    async fn cancel(&mut self, name: String) -> Result<(), wire::Error> {
        let (unit, plugin) = self.unit()?;
        Ok(unit.cancel_timer(plugin, name).await?)
    }

    async fn list(&mut self, prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>, wire::Error> {
        let (unit, plugin) = self.unit()?;
        Ok(unit.timer_names(plugin, &prefix, after, limit).await?)
    }
}
