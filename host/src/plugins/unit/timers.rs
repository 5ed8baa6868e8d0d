//! Timers as a call lists, sets and cancels them.

use std::sync::Arc;
use std::time::Duration;

use super::UnitOfWork;
use super::listing::{NameKind, check_name};
use super::pushes::check_json;
use crate::clock::{Timestamp, now};
use crate::error::{Error, Result};
use crate::protocol::{Change, Timer};

/// Timers that one plugin may have set.
const MAX_TIMERS_PER_PLUGIN: u64 = 10_000;
/// The shortest delay of a timer.
const MIN_TIMER_DELAY: Duration = Duration::from_secs(1);
/// The longest delay of a timer: ten years with their leap days.
const MAX_TIMER_DELAY: Duration = Duration::from_secs(3653 * 24 * 60 * 60);

/// A timer that the call set or cancelled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Staged {
    /// Whether it is set after the call.
    pub(super) set: bool,
    /// Whether it was set before the call.
    before: bool,
}

impl UnitOfWork {
    pub(in super::super) async fn set_timer(
        &mut self,
        plugin: &Arc<str>,
        name: String,
        due_at: Timestamp,
        payload: String,
    ) -> Result<()> {
        check_name("name", "a timer's name", &name)?;
        check_json("payload", "a timer's payload", &payload)?;
        let present = now();
        if due_at > present + MAX_TIMER_DELAY {
            return Err(Error::invalid("due", "at most ten years ahead"));
        }
        let set_by = self.timer_requester().await?;
        let before = self.was_set(plugin, &name).await?;
        self.check_timer_limit(plugin, &name, before).await?;
        let due_at = due_at.max(earliest(present));
        let due_at = round_up_to_second(due_at);
        let timer = Timer { plugin: plugin.clone(), name: name.clone(), due_at, payload, set_by };
        self.stage(Change::SetTimer(timer))?;
        self.timers.insert((plugin.clone(), name), Staged { set: true, before });
        Ok(())
    }

    pub(in super::super) async fn cancel_timer(&mut self, plugin: &Arc<str>, name: String) -> Result<()> {
        check_name("name", "a timer's name", &name)?;
        let before = self.was_set(plugin, &name).await?;
        self.stage(Change::CancelTimer { plugin: plugin.clone(), name: name.clone() })?;
        self.timers.insert((plugin.clone(), name), Staged { set: false, before });
        Ok(())
    }

    /// Stages the end of the timer that this call is for, to be committed with the call's writes; the call may set it again.
    pub(in super::super) fn end_timer(&mut self, timer: &Timer) -> Result<()> {
        let Timer { plugin, name, due_at, .. } = timer.clone();
        self.timers.insert((plugin.clone(), name.clone()), Staged { set: false, before: true });
        self.stage(Change::EndTimer { plugin, name, due_at })
    }

    /// Names of timers with this prefix after `after`, in byte order, including staged ones.
    pub(in super::super) async fn timer_names(
        &self,
        plugin: &Arc<str>,
        prefix: &str,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<String>> {
        self.names(NameKind::Timers, plugin, prefix, after, limit).await
    }

    /// Moves staged timers to at least the minimum delay from now, since the call may have taken long.
    pub(super) fn postpone_timers(&mut self) {
        let earliest = round_up_to_second(earliest(now()));
        for change in &mut self.changes {
            if let Change::SetTimer(timer) = change {
                timer.due_at = timer.due_at.max(earliest);
            }
        }
    }

    async fn was_set(&self, plugin: &Arc<str>, name: &str) -> Result<bool> {
        if let Some(staged) = self.timers.get(&(plugin.clone(), name.to_owned())) {
            return Ok(staged.before);
        }
        // If the timer exists, it is the first name with this prefix.
        let first = self.services.database.timer_names(plugin, name, None, 1).await?;
        Ok(first.first().is_some_and(|first| first == name))
    }

    async fn check_timer_limit(&mut self, plugin: &Arc<str>, name: &str, before: bool) -> Result<()> {
        let stored = match self.timers_before.get(plugin) {
            Some(stored) => *stored,
            None => {
                let stored = self.services.database.count_timers(plugin).await?;
                self.timers_before.insert(plugin.clone(), stored);
                stored
            }
        };
        let others = self.timers.iter().filter(|((owner, other), _)| owner == plugin && other != name);
        let (mut new, mut gone) = (u64::from(!before), 0);
        for (_, staged) in others {
            new += u64::from(staged.set && !staged.before);
            gone += u64::from(!staged.set && staged.before);
        }
        if stored + new > MAX_TIMERS_PER_PLUGIN + gone {
            return Err(Error::TooLarge {
                what: "the number of this plugin's timers",
                limit: MAX_TIMERS_PER_PLUGIN.to_string(),
            });
        }
        Ok(())
    }
}

fn earliest(present: Timestamp) -> Timestamp {
    present + MIN_TIMER_DELAY
}

/// Rounds up to a whole second.
fn round_up_to_second(at: Timestamp) -> Timestamp {
    let begun = Timestamp::from_seconds(at.as_seconds());
    if begun < at { Timestamp::from_seconds(at.as_seconds() + 1) } else { begun }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_are_rounded_up_to_a_second() {
        for (asked, due) in [(5000, 5000), (5001, 6000), (5999, 6000)] {
            assert_eq!(round_up_to_second(Timestamp(asked)), Timestamp(due));
        }
    }
}
