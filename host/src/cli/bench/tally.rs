//! Latencies and faults that clients observed.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The largest recorded time, in microseconds.
const MAX_MICROS: u64 = 120_000_000;
/// Significant figures of recorded times.
const SIGNIFICANT_FIGURES: u8 = 2;

/// A histogram of times.
pub(super) struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        // The constants are valid.
        #[expect(clippy::expect_used, reason = "cannot fail")]
        Self(Histogram::new_with_max(MAX_MICROS, SIGNIFICANT_FIGURES).expect("bounds that fit"))
    }
}

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(MAX_MICROS).clamp(1, MAX_MICROS));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        // Both have the same bounds.
        let _ = self.0.add(&other.0);
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(super) fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(quantile))
    }

    pub(super) fn max(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }
}

/// Counts of faults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) out_of_order: u64,
    pub(super) refused: u64,
    pub(super) closed: u64,
    /// The text of the first refusal or close.
    pub(super) first: Option<String>,
}

impl Faults {
    pub(super) fn merge(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.out_of_order += other.out_of_order;
        self.refused += other.refused;
        self.closed += other.closed;
        self.first = self.first.take().or(other.first);
    }

    pub(super) fn refuse(&mut self, why: &str) {
        self.refused += 1;
        self.first.get_or_insert_with(|| why.to_owned());
    }
}

/// Checks that a client receives each message of one sender once and in order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Order {
    next: u32,
    skipped: u32,
}

impl Order {
    pub(super) fn had(&mut self, number: u32, faults: &mut Faults) {
        if number >= self.next {
            self.skipped += number - self.next;
            self.next = number + 1;
        } else if self.skipped > 0 {
            self.skipped -= 1;
            faults.out_of_order += 1;
        } else {
            faults.doubled += 1;
        }
    }

    /// Counts the messages that are missing of those that were sent.
    pub(super) fn end(self, sent: u32, faults: &mut Faults) {
        faults.lost += u64::from(self.skipped + sent.saturating_sub(self.next));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(numbers: &[u32], sent: u32) -> Faults {
        let (mut order, mut faults) = (Order::default(), Faults::default());
        numbers.iter().for_each(|number| order.had(*number, &mut faults));
        order.end(sent, &mut faults);
        faults
    }

    #[test]
    fn lost_duplicated_and_reordered_messages_are_distinguished() {
        assert_eq!(faults_of(&[0, 1, 2], 3), Faults::default());
        assert_eq!(faults_of(&[0, 2], 4), Faults { lost: 2, ..Faults::default() });
        assert_eq!(faults_of(&[0, 1, 1], 2), Faults { doubled: 1, ..Faults::default() });
        assert_eq!(faults_of(&[0, 2, 1], 3), Faults { out_of_order: 1, ..Faults::default() });
    }
}
