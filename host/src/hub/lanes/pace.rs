//! How often a room is told something: telling many takes long however little it is, so a busy room waits a moment for more.

use std::time::{Duration, Instant};

/// A room waits so many times as long as telling it took.
const REST: u32 = 2;
const LONGEST: Duration = Duration::from_millis(4);
/// Whoever is told faster need not wait: timers are not that fine.
const SHORTEST: Duration = Duration::from_millis(1);
/// After waiting in vain, a room is told at once twice as often as the last time, up to this often.
const TRUST: u32 = 64;

/// What is remembered of a room that takes long to tell.
#[derive(Default)]
pub(super) struct Pace {
    /// What comes before is to wait until then.
    rests_until: Option<Instant>,
    /// How often it is told at once, since waiting brought nothing; and how many of these are left.
    at_once: u32,
    left: u32,
}

impl Pace {
    /// Whether telling that took so long is worth waiting for more.
    pub(super) fn matters(took: Duration) -> bool {
        took * REST >= SHORTEST
    }

    /// Until when something should wait that has come now; none if it is told at once.
    pub(super) fn wait_until(&mut self, now: Instant) -> Option<Instant> {
        let until = self.rests_until.filter(|until| now < *until)?;
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                None
            }
            None => Some(until),
        }
    }

    /// The room was told. `added` is what waiting for it has brought, if it waited.
    pub(super) fn told(&mut self, began: Instant, ended: Instant, added: Option<usize>) {
        self.rests_until = Some(ended + ((ended - began) * REST).min(LONGEST));
        match added {
            Some(0) => {
                self.at_once = (self.at_once * 2).clamp(1, TRUST);
                self.left = self.at_once;
            }
            Some(_) => (self.at_once, self.left) = (0, 0),
            None => {}
        }
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.rests_until.is_none_or(|until| until < now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_first_is_told_at_once_and_what_follows_soon_waits_a_moment() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.wait_until(start), None);
        pace.told(start, start + MS, None);
        assert_eq!(pace.wait_until(start + 2 * MS), Some(start + 3 * MS));
        assert_eq!(pace.wait_until(start + 3 * MS), None);
        pace.told(start, start + 100 * MS, None);
        assert_eq!(pace.wait_until(start + 100 * MS), Some(start + 104 * MS), "never long");
    }

    #[test]
    fn a_room_in_which_waiting_brings_nothing_waits_ever_less_often() {
        let (mut pace, mut now, mut waits) = (Pace::default(), Instant::now(), Vec::new());
        for n in 0..1000 {
            let wait = pace.wait_until(now);
            waits.extend(wait.map(|_| n));
            pace.told(now, now + MS, wait.map(|_| 0));
            now += 2 * MS;
        }
        assert_eq!(waits[..5], [1, 3, 6, 11, 20]);
        assert!(waits.len() < 30, "{waits:?}");
        pace.left = 0;
        assert!(pace.wait_until(now).is_some());
        pace.told(now, now + MS, Some(3));
        assert!(pace.wait_until(now + MS).is_some(), "waiting pays again");
    }
}
