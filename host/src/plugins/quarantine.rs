//! What becomes of a plugin that keeps failing: it rests for a while, then one call decides whether it is well again.
//!
//! One person whose calls make a plugin fail is told so each time, and that is that. Three within a minute mean that the
//! plugin is at fault, and it is left alone for half a minute, then twice as long, up to ten minutes. The time is the
//! caller's to say, so that all of it can be tried out without waiting.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::accounts::throttle::Origin;
use crate::protocol::AccountId;

/// Faults further apart than this have nothing to do with each other.
const WINDOW: Duration = Duration::from_secs(60);
/// Fewer could be the doing of one person with a second account.
const WITNESSES: usize = 3;
const FIRST_TERM: Duration = Duration::from_secs(30);
const LONGEST_TERM: Duration = Duration::from_secs(600);

/// Whose call failed. Guests count by where they come from: new ones cost nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Witness {
    Account(AccountId),
    Origin(Origin),
    /// The server itself, or a plugin.
    Inside,
}

/// What a fault or the end of a probe led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is quarantined for this long.
    Began(Duration),
    /// The probe failed too: quarantined again.
    Prolonged(Duration),
    /// The probe went well.
    Ended,
}

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Free,
    /// The one call that decides.
    Probe,
    /// Not before this has passed.
    Held(Duration),
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Free,
    Held { until: Instant },
    Probing { since: Instant },
}

/// The rules, without a clock of their own.
#[derive(Debug)]
struct Rules {
    stage: Stage,
    /// The latest fault of each witness.
    recent: Vec<(Witness, Instant)>,
    /// The last term, and when it was over.
    term: Option<Duration>,
    ended: Option<Instant>,
}

impl Rules {
    fn new() -> Self {
        Self { stage: Stage::Free, recent: Vec::new(), term: None, ended: None }
    }

    fn enter(&mut self, now: Instant) -> Entry {
        match self.stage {
            Stage::Free => Entry::Free,
            Stage::Held { until } if until > now => Entry::Held(until - now),
            Stage::Held { .. } => {
                self.stage = Stage::Probing { since: now };
                Entry::Probe
            }
            Stage::Probing { .. } => Entry::Held(Duration::ZERO),
        }
    }

    fn fault(&mut self, now: Instant, witness: Witness) -> Option<Step> {
        // Calls that were under way when it began tell nothing new.
        if !matches!(self.stage, Stage::Free) {
            return None;
        }
        self.recent.retain(|(who, at)| *who != witness && now.duration_since(*at) < WINDOW);
        self.recent.push((witness, now));
        if self.recent.len() < WITNESSES {
            return None;
        }
        self.recent.clear();
        // One that was well for long enough starts over.
        let relapse = self.ended.is_some_and(|ended| now.duration_since(ended) < LONGEST_TERM);
        Some(Step::Began(self.hold(now, self.term.filter(|_| relapse))))
    }

    fn probe_failed(&mut self, now: Instant) -> Step {
        Step::Prolonged(self.hold(now, self.term))
    }

    fn probe_passed(&mut self, now: Instant) -> Step {
        self.stage = Stage::Free;
        self.ended = Some(now);
        Step::Ended
    }

    /// The probe came to nothing, one way or the other: the next call is one.
    fn probe_abandoned(&mut self) {
        if let Stage::Probing { since } = self.stage {
            self.stage = Stage::Held { until: since };
        }
    }

    fn hold(&mut self, now: Instant, before: Option<Duration>) -> Duration {
        let term = before.map_or(FIRST_TERM, |before| (before * 2).min(LONGEST_TERM));
        self.term = Some(term);
        self.stage = Stage::Held { until: now + term };
        term
    }
}

/// One version of a plugin, as it behaves. Another version starts with a clean one.
#[derive(Debug)]
pub(super) struct Record {
    /// Whether `rules` has to be asked: they seldom have.
    restricted: AtomicBool,
    rules: Mutex<Rules>,
}

/// A call that may be made. Dropping it says nothing about the plugin.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    record: &'a Record,
    probe: bool,
}

impl Record {
    pub(super) fn new() -> Self {
        Self { restricted: AtomicBool::new(false), rules: Mutex::new(Rules::new()) }
    }

    /// Asks for a call; the error is how long there will be none.
    pub(super) fn enter(&self, now: Instant) -> Result<Pass<'_>, Duration> {
        if !self.restricted.load(Relaxed) {
            return Ok(Pass { record: self, probe: false });
        }
        match self.rules.lock().enter(now) {
            Entry::Free => Ok(Pass { record: self, probe: false }),
            Entry::Probe => Ok(Pass { record: self, probe: true }),
            Entry::Held(wait) => Err(wait),
        }
    }

    /// How much of a quarantine is left, if there is one; nothing while the next call or the present one decides.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        match self.rules.lock().stage {
            Stage::Free => None,
            Stage::Held { until } => Some(until.saturating_duration_since(now)),
            Stage::Probing { .. } => Some(Duration::ZERO),
        }
    }
}

impl Pass<'_> {
    /// The plugin answered.
    pub(super) fn answered(mut self, now: Instant) -> Option<Step> {
        if !std::mem::take(&mut self.probe) {
            return None;
        }
        let step = self.record.rules.lock().probe_passed(now);
        self.record.restricted.store(false, Relaxed);
        Some(step)
    }

    /// The plugin was at fault.
    pub(super) fn failed(mut self, now: Instant, witness: Witness) -> Option<Step> {
        let mut rules = self.record.rules.lock();
        let step = match std::mem::take(&mut self.probe) {
            true => Some(rules.probe_failed(now)),
            false => rules.fault(now, witness),
        };
        if step.is_some() {
            self.record.restricted.store(true, Relaxed);
        }
        step
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.record.rules.lock().probe_abandoned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn somebody() -> Witness {
        Witness::Account(AccountId::new())
    }

    /// Quarantined at `now`.
    fn held(now: Instant) -> Rules {
        let mut rules = Rules::new();
        assert_eq!(rules.fault(now, somebody()), None);
        assert_eq!(rules.fault(now, somebody()), None);
        assert_eq!(rules.fault(now, somebody()), Some(Step::Began(FIRST_TERM)));
        rules
    }

    #[test]
    fn three_people_within_a_minute_quarantine_a_plugin() {
        let now = Instant::now();
        let mut rules = held(now);
        assert_eq!(rules.enter(now + SECOND), Entry::Held(FIRST_TERM - SECOND));
    }

    #[test]
    fn one_person_alone_does_not_however_often() {
        let (now, ann) = (Instant::now(), somebody());
        let mut rules = Rules::new();
        for _ in 0..10 {
            assert_eq!(rules.fault(now, ann), None);
        }
        assert_eq!(rules.fault(now, somebody()), None);
        assert_eq!(rules.enter(now), Entry::Free);
        assert_eq!(rules.fault(now, somebody()), Some(Step::Began(FIRST_TERM)));
    }

    #[test]
    fn faults_more_than_a_minute_apart_do_not_add_up() {
        let now = Instant::now();
        let mut rules = Rules::new();
        for third in 0..10 {
            assert_eq!(rules.fault(now + WINDOW / 2 * third, somebody()), None);
        }
    }

    #[test]
    fn after_its_term_one_call_decides_and_the_others_wait_for_it() {
        let now = Instant::now();
        let mut rules = held(now);
        assert_eq!(rules.enter(now + FIRST_TERM), Entry::Probe);
        assert_eq!(rules.enter(now + FIRST_TERM), Entry::Held(Duration::ZERO));
        assert_eq!(rules.probe_passed(now + FIRST_TERM), Step::Ended);
        assert_eq!(rules.enter(now + FIRST_TERM), Entry::Free);
    }

    #[test]
    fn each_failed_probe_doubles_the_term_up_to_ten_minutes() {
        let mut now = Instant::now();
        let mut rules = held(now);
        let mut terms = Vec::new();
        let mut term = FIRST_TERM;
        for _ in 0..6 {
            now += term;
            assert_eq!(rules.enter(now), Entry::Probe);
            let Step::Prolonged(longer) = rules.probe_failed(now) else { panic!("prolonged") };
            terms.push(longer.as_secs());
            term = longer;
        }
        assert_eq!(terms, [60, 120, 240, 480, 600, 600]);
    }

    #[test]
    fn a_relapse_takes_longer_unless_the_plugin_was_well_for_long() {
        for (well, term) in [(SECOND, 2 * FIRST_TERM), (LONGEST_TERM, FIRST_TERM)] {
            let mut now = Instant::now();
            let mut rules = held(now);
            now += FIRST_TERM;
            rules.enter(now);
            rules.probe_passed(now);
            now += well;
            rules.fault(now, somebody());
            rules.fault(now, somebody());
            assert_eq!(rules.fault(now, somebody()), Some(Step::Began(term)));
        }
    }

    #[test]
    fn a_probe_that_was_never_finished_is_made_again() {
        let now = Instant::now();
        let mut rules = held(now);
        assert_eq!(rules.enter(now + FIRST_TERM), Entry::Probe);
        rules.probe_abandoned();
        assert_eq!(rules.enter(now + FIRST_TERM), Entry::Probe);
    }

    #[test]
    fn a_record_lets_go_after_a_good_probe() {
        let (record, now) = (Record::new(), Instant::now());
        for _ in 0..WITNESSES {
            record.enter(now).unwrap().failed(now, somebody());
        }
        assert_eq!(record.enter(now).unwrap_err(), FIRST_TERM);
        assert_eq!(record.left(now), Some(FIRST_TERM));
        let now = now + FIRST_TERM;
        drop(record.enter(now).unwrap());
        let probe = record.enter(now).unwrap();
        assert!(record.enter(now).is_err());
        assert_eq!(probe.answered(now), Some(Step::Ended));
        assert_eq!(record.enter(now).unwrap().answered(now), None);
        assert_eq!(record.left(now), None);
    }
}
