//! How often a room is told something: telling many takes long however little it is, so a busy room waits a moment for more.

use std::time::{Duration, Instant};

/// A room waits so many times as long as telling it took.
const DELAY_FACTOR: u32 = 2;
const MAX_DELAY: Duration = Duration::from_millis(4);
/// Whoever is told faster need not wait: timers are not that fine.
const MIN_DELAY: Duration = Duration::from_millis(1);
/// After waiting in vain, a room is told at once twice as often as the last time, up to this often.
const MAX_SKIPPED_DELAYS: u32 = 64;

/// What is remembered of a room that takes long to tell.
#[derive(Default)]
pub(super) struct CoalescingDelay {
    /// What comes before is to wait until then.
    until: Option<Instant>,
    /// How often it is told at once, since waiting brought nothing; and how many of these are left.
    skipped: u32,
    left: u32,
}

impl CoalescingDelay {
    /// Whether telling that took so long is worth waiting for more.
    pub(super) fn is_worthwhile(took: Duration) -> bool {
        took * DELAY_FACTOR >= MIN_DELAY
    }

    /// Until when something should wait that has come now; none if it is told at once.
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

    /// The room was told. `added` is what waiting for it has brought, if it waited.
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
    fn the_first_is_told_at_once_and_what_follows_soon_waits_a_moment() {
        let (mut delay, start) = (CoalescingDelay::default(), Instant::now());
        assert_eq!(delay.wait_until(start), None);
        delay.record(start, start + MS, None);
        assert_eq!(delay.wait_until(start + 2 * MS), Some(start + 3 * MS));
        assert_eq!(delay.wait_until(start + 3 * MS), None);
        delay.record(start, start + 100 * MS, None);
        assert_eq!(delay.wait_until(start + 100 * MS), Some(start + 104 * MS), "never long");
    }

    #[test]
    fn a_room_in_which_waiting_brings_nothing_waits_ever_less_often() {
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
