//! Delay between broadcasts to a busy room: fan-out to many subscribers costs nearly the same for one entry as for several, so
//! a broadcast worker waits a moment to coalesce more entries.

use std::time::{Duration, Instant};

/// The delay is the duration of the last broadcast times this.
const DELAY_FACTOR: u32 = 2;
const MAX_DELAY: Duration = Duration::from_millis(4);
/// A room with a shorter delay does not wait: timers are not that fine.
const MIN_DELAY: Duration = Duration::from_millis(1);
/// Each time waiting brought nothing, twice as many delays as before are skipped, up to this many.
const MAX_SKIPPED_DELAYS: u32 = 64;

/// The delay of a room that takes long to broadcast to.
#[derive(Default)]
pub(super) struct CoalescingDelay {
    /// Entries that come before this wait until then.
    until: Option<Instant>,
    /// How many delays are skipped since waiting brought nothing, and how many of these are left.
    skipped: u32,
    left: u32,
}

impl CoalescingDelay {
    /// Whether a broadcast that took this long is worth delaying the next one.
    pub(super) fn is_worthwhile(took: Duration) -> bool {
        took * DELAY_FACTOR >= MIN_DELAY
    }

    /// Until when an entry that comes now should wait; none if it is broadcast immediately.
    pub(super) fn wait_until(&mut self, now: Instant) -> Option<Instant> {
        let until = self.until.filter(|until| now < *until)?;
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                None
            }
            None => Some(until),
        }
    }

    /// Records a broadcast. `added` is the number of jobs merged while it waited; none if it did not wait.
    pub(super) fn record(&mut self, began: Instant, ended: Instant, added: Option<usize>) {
        self.until = Some(ended + ((ended - began) * DELAY_FACTOR).min(MAX_DELAY));
        match added {
            Some(0) => {
                self.skipped = (self.skipped * 2).clamp(1, MAX_SKIPPED_DELAYS);
                self.left = self.skipped;
            }
            Some(_) => (self.skipped, self.left) = (0, 0),
            None => {}
        }
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until < now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn first_entry_is_sent_immediately_and_the_next_waits_briefly() {
        let (mut delay, start) = (CoalescingDelay::default(), Instant::now());
        assert_eq!(delay.wait_until(start), None);
        delay.record(start, start + MS, None);
        assert_eq!(delay.wait_until(start + 2 * MS), Some(start + 3 * MS));
        assert_eq!(delay.wait_until(start + 3 * MS), None);
        delay.record(start, start + 100 * MS, None);
        assert_eq!(delay.wait_until(start + 100 * MS), Some(start + 104 * MS), "never long");
    }

    #[test]
    fn room_that_gains_nothing_by_waiting_waits_ever_less_often() {
        let (mut delay, mut now, mut waits) = (CoalescingDelay::default(), Instant::now(), Vec::new());
        for n in 0..1000 {
            let wait = delay.wait_until(now);
            waits.extend(wait.map(|_| n));
            delay.record(now, now + MS, wait.map(|_| 0));
            now += 2 * MS;
        }
        assert_eq!(waits[..5], [1, 3, 6, 11, 20]);
        assert!(waits.len() < 30, "{waits:?}");
        delay.left = 0;
        assert!(delay.wait_until(now).is_some());
        delay.record(now, now + MS, Some(3));
        assert!(delay.wait_until(now + MS).is_some(), "waiting pays again");
    }
}
