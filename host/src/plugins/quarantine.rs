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
const SOURCES_TO_OPEN: usize = 3;
const FIRST_TERM: Duration = Duration::from_secs(30);
const LONGEST_TERM: Duration = Duration::from_secs(600);

/// Whose call failed. Guests count by where they come from: new ones cost nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultSource {
    Account(AccountId),
    Origin(Origin),
    /// The server itself, or a plugin.
    Inside,
}

/// What a fault or the end of a probe led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    /// It is quarantined for this long.
    Opened(Duration),
    /// The probe failed too: quarantined again.
    Reopened(Duration),
    /// The probe went well.
    Closed,
}

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    Allowed,
    /// The one call that decides.
    Probe,
    /// Not before this has passed.
    Refused(Duration),
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open { until: Instant },
    HalfOpen { since: Instant },
}

/// The rules, without a clock of their own.
#[derive(Debug)]
struct Rules {
    state: State,
    /// The latest fault of each witness.
    recent: Vec<(FaultSource, Instant)>,
    /// The last term, and when it was over.
    term: Option<Duration>,
    ended: Option<Instant>,
}

impl Rules {
    fn new() -> Self {
        Self { state: State::Closed, recent: Vec::new(), term: None, ended: None }
    }

    fn enter(&mut self, now: Instant) -> Admission {
        match self.state {
            State::Closed => Admission::Allowed,
            State::Open { until } if until > now => Admission::Refused(until - now),
            State::Open { .. } => {
                self.state = State::HalfOpen { since: now };
                Admission::Probe
            }
            State::HalfOpen { .. } => Admission::Refused(Duration::ZERO),
        }
    }

    fn fault(&mut self, now: Instant, source: FaultSource) -> Option<Transition> {
        // Calls that were under way when it began tell nothing new.
        if !matches!(self.state, State::Closed) {
            return None;
        }
        self.recent.retain(|(who, at)| *who != source && now.duration_since(*at) < WINDOW);
        self.recent.push((source, now));
        if self.recent.len() < SOURCES_TO_OPEN {
            return None;
        }
        self.recent.clear();
        // One that was well for long enough starts over.
        let relapse = self.ended.is_some_and(|ended| now.duration_since(ended) < LONGEST_TERM);
        Some(Transition::Opened(self.hold(now, self.term.filter(|_| relapse))))
    }

    fn probe_failed(&mut self, now: Instant) -> Transition {
        Transition::Reopened(self.hold(now, self.term))
    }

    fn probe_passed(&mut self, now: Instant) -> Transition {
        self.state = State::Closed;
        self.ended = Some(now);
        Transition::Closed
    }

    /// The probe came to nothing, one way or the other: the next call is one.
    fn probe_abandoned(&mut self) {
        if let State::HalfOpen { since } = self.state {
            self.state = State::Open { until: since };
        }
    }

    fn hold(&mut self, now: Instant, before: Option<Duration>) -> Duration {
        let term = before.map_or(FIRST_TERM, |before| (before * 2).min(LONGEST_TERM));
        self.term = Some(term);
        self.state = State::Open { until: now + term };
        term
    }
}

/// One version of a plugin, as it behaves. Another version starts with a clean one.
#[derive(Debug)]
pub(super) struct CircuitBreaker {
    /// Whether `rules` has to be asked: they seldom have.
    restricted: AtomicBool,
    rules: Mutex<Rules>,
}

/// A call that may be made. Dropping it says nothing about the plugin.
#[derive(Debug)]
pub(super) struct CallPermit<'a> {
    breaker: &'a CircuitBreaker,
    probe: bool,
}

impl CircuitBreaker {
    pub(super) fn new() -> Self {
        Self { restricted: AtomicBool::new(false), rules: Mutex::new(Rules::new()) }
    }

    /// Asks for a call; the error is how long there will be none.
    pub(super) fn enter(&self, now: Instant) -> Result<CallPermit<'_>, Duration> {
        if !self.restricted.load(Relaxed) {
            return Ok(CallPermit { breaker: self, probe: false });
        }
        match self.rules.lock().enter(now) {
            Admission::Allowed => Ok(CallPermit { breaker: self, probe: false }),
            Admission::Probe => Ok(CallPermit { breaker: self, probe: true }),
            Admission::Refused(wait) => Err(wait),
        }
    }

    /// How much of a quarantine is left, if there is one; nothing while the next call or the present one decides.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        match self.rules.lock().state {
            State::Closed => None,
            State::Open { until } => Some(until.saturating_duration_since(now)),
            State::HalfOpen { .. } => Some(Duration::ZERO),
        }
    }
}

impl CallPermit<'_> {
    /// The plugin answered.
    pub(super) fn answered(mut self, now: Instant) -> Option<Transition> {
        if !std::mem::take(&mut self.probe) {
            return None;
        }
        let transition = self.breaker.rules.lock().probe_passed(now);
        self.breaker.restricted.store(false, Relaxed);
        Some(transition)
    }

    /// The plugin was at fault.
    pub(super) fn failed(mut self, now: Instant, source: FaultSource) -> Option<Transition> {
        let mut rules = self.breaker.rules.lock();
        let transition = match std::mem::take(&mut self.probe) {
            true => Some(rules.probe_failed(now)),
            false => rules.fault(now, source),
        };
        if transition.is_some() {
            self.breaker.restricted.store(true, Relaxed);
        }
        transition
    }
}

impl Drop for CallPermit<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.rules.lock().probe_abandoned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn somebody() -> FaultSource {
        FaultSource::Account(AccountId::new())
    }

    /// Quarantined at `now`.
    fn held(now: Instant) -> Rules {
        let mut rules = Rules::new();
        assert_eq!(rules.fault(now, somebody()), None);
        assert_eq!(rules.fault(now, somebody()), None);
        assert_eq!(rules.fault(now, somebody()), Some(Transition::Opened(FIRST_TERM)));
        rules
    }

    #[test]
    fn three_people_within_a_minute_quarantine_a_plugin() {
        let now = Instant::now();
        let mut rules = held(now);
        assert_eq!(rules.enter(now + SECOND), Admission::Refused(FIRST_TERM - SECOND));
    }

    #[test]
    fn one_person_alone_does_not_however_often() {
        let (now, ann) = (Instant::now(), somebody());
        let mut rules = Rules::new();
        for _ in 0..10 {
            assert_eq!(rules.fault(now, ann), None);
        }
        assert_eq!(rules.fault(now, somebody()), None);
        assert_eq!(rules.enter(now), Admission::Allowed);
        assert_eq!(rules.fault(now, somebody()), Some(Transition::Opened(FIRST_TERM)));
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
        assert_eq!(rules.enter(now + FIRST_TERM), Admission::Probe);
        assert_eq!(rules.enter(now + FIRST_TERM), Admission::Refused(Duration::ZERO));
        assert_eq!(rules.probe_passed(now + FIRST_TERM), Transition::Closed);
        assert_eq!(rules.enter(now + FIRST_TERM), Admission::Allowed);
    }

    #[test]
    fn each_failed_probe_doubles_the_term_up_to_ten_minutes() {
        let mut now = Instant::now();
        let mut rules = held(now);
        let mut terms = Vec::new();
        let mut term = FIRST_TERM;
        for _ in 0..6 {
            now += term;
            assert_eq!(rules.enter(now), Admission::Probe);
            let Transition::Reopened(longer) = rules.probe_failed(now) else { panic!("prolonged") };
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
            assert_eq!(rules.fault(now, somebody()), Some(Transition::Opened(term)));
        }
    }

    #[test]
    fn a_probe_that_was_never_finished_is_made_again() {
        let now = Instant::now();
        let mut rules = held(now);
        assert_eq!(rules.enter(now + FIRST_TERM), Admission::Probe);
        rules.probe_abandoned();
        assert_eq!(rules.enter(now + FIRST_TERM), Admission::Probe);
    }

    #[test]
    fn a_record_lets_go_after_a_good_probe() {
        let (breaker, now) = (CircuitBreaker::new(), Instant::now());
        for _ in 0..SOURCES_TO_OPEN {
            breaker.enter(now).unwrap().failed(now, somebody());
        }
        assert_eq!(breaker.enter(now).unwrap_err(), FIRST_TERM);
        assert_eq!(breaker.left(now), Some(FIRST_TERM));
        let now = now + FIRST_TERM;
        drop(breaker.enter(now).unwrap());
        let probe = breaker.enter(now).unwrap();
        assert!(breaker.enter(now).is_err());
        assert_eq!(probe.answered(now), Some(Transition::Closed));
        assert_eq!(breaker.enter(now).unwrap().answered(now), None);
        assert_eq!(breaker.left(now), None);
    }
}
