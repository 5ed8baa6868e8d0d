//! Lock-free latency histogram: logarithmic slots, four per doubling.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The first slot starts at 2^8 ns, a quarter of a microsecond; shorter times count as that.
const FIRST_EXPONENT: u32 = 8;
/// The slots reach to 2^36 ns, more than a minute; longer times count as that.
const DOUBLINGS: usize = 28;
const SLOTS: usize = 4 * DOUBLINGS;

/// Counts of latencies; recording costs one atomic addition.
pub(crate) struct Latencies([AtomicU64; SLOTS]);

impl Default for Latencies {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Latencies {
    pub(crate) fn record(&self, took: Duration) {
        self.0[slot(took)].fetch_add(1, Relaxed);
    }

    pub(crate) fn tally(&self) -> Tally {
        Tally(array::from_fn(|slot| self.0[slot].load(Relaxed)))
    }
}

/// A snapshot of the counts.
#[derive(Clone, Debug)]
pub struct Tally([u64; SLOTS]);

impl Default for Tally {
    fn default() -> Self {
        Self([0; SLOTS])
    }
}

impl Tally {
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The latency at this quantile, such as 0.99, at most a quarter too high; none if nothing was counted.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let wanted = (self.count() as f64 * part).ceil() as u64;
        let mut counted = 0;
        let slot = self.0.iter().position(|count| {
            counted += count;
            counted >= wanted.max(1)
        })?;
        Some(end_of(slot))
    }

    /// The counts since `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self(array::from_fn(|slot| self.0[slot].saturating_sub(before.0[slot])))
    }
}

fn slot(took: Duration) -> usize {
    let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1 << FIRST_EXPONENT);
    let doubling = nanos.ilog2();
    let quarter = (nanos >> (doubling - 2)) & 3;
    (4 * (doubling - FIRST_EXPONENT) as usize + quarter as usize).min(SLOTS - 1)
}

fn end_of(slot: usize) -> Duration {
    let start = 1 << (FIRST_EXPONENT as usize + slot / 4);
    Duration::from_nanos(start + start / 4 * (slot as u64 % 4 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantile_is_at_most_a_quarter_too_high() {
        for micros in [1, 7, 30, 999, 12_345, 20_000_000] {
            let latencies = Latencies::default();
            latencies.record(Duration::from_micros(micros));
            let estimate = latencies.tally().quantile(0.5).unwrap().as_nanos() as f64 / 1000.0;
            assert!((micros as f64..=1.25 * micros as f64).contains(&estimate), "{estimate} for {micros}");
        }
    }

    #[test]
    fn few_slow_samples_show_in_the_last_percent_only() {
        let latencies = Latencies::default();
        for n in 0..100 {
            latencies.record(Duration::from_millis(if n < 98 { 1 } else { 500 }));
        }
        let tally = latencies.tally();
        assert_eq!(tally.count(), 100);
        assert!(tally.quantile(0.5).unwrap() < Duration::from_millis(2));
        assert!(tally.quantile(0.99).unwrap() >= Duration::from_millis(500));
        latencies.record(Duration::from_secs(1));
        assert_eq!(latencies.tally().since(&tally).count(), 1);
    }

    #[test]
    fn zero_and_maximum_durations_have_a_slot() {
        assert_eq!(Tally::default().quantile(0.99), None);
        assert_eq!((slot(Duration::ZERO), slot(Duration::MAX)), (0, SLOTS - 1));
    }
}
