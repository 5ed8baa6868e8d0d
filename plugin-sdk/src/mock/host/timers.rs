//! The mock `timers` import.

use super::granted;
use crate::timers::Due;
use crate::{Error, Result, Write};

/// The longest delay of a timer in milliseconds: ten years.
const FURTHEST: u64 = 3_653 * 24 * 60 * 60 * 1_000;

pub(crate) fn set(name: &str, due: Due, payload: String) -> Result<()> {
    granted("timers", |state| {
        if !(1..=256).contains(&name.len()) {
            return Err(Error::too_large("a timer's name has 1 to 256 bytes"));
        }
        if payload.len() > 16 << 10 {
            return Err(Error::too_large("a timer's payload has at most 16 KiB"));
        }
        let now = state.world.now;
        let at = match due {
            Due::After(wait) => now.saturating_add(wait),
            Due::At(when) => when,
        };
        if at.saturating_sub(now) > FURTHEST {
            return Err(Error::invalid("a timer is at most ten years ahead"));
        }
        let at = at.max(now + 1_000);
        let value = serde_json::from_str(&payload)?;
        let timers = &mut state.world.timers;
        timers.insert(name.to_owned(), (at, payload));
        if timers.len() > 10_000 {
            timers.remove(name);
            return Err(Error::too_large("a plugin has at most 10,000 timers"));
        }
        state.writes.push(Write::SetTimer(name.to_owned(), at, value));
        Ok(())
    })
}

pub(crate) fn cancel(name: &str) -> Result<()> {
    granted("timers", |state| {
        state.world.timers.remove(name);
        state.writes.push(Write::CancelTimer(name.to_owned()));
        Ok(())
    })
}

pub(crate) fn list(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
    granted("timers", |state| Ok(super::page(state.world.timers.keys(), prefix, after, limit)))
}
