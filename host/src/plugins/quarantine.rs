//! Circuit breaker of a plugin: opens after repeated faults, then one probe call decides whether it closes.
//!
//! Faults of a single caller do not open it. Faults of three callers within a minute do: the plugin is quarantined for half
//! a minute, and for twice as long after each failed probe, up to ten minutes. The caller passes the current time, so tests
//! need not wait.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::accounts::throttle::Origin;
use crate::protocol::AccountId;

/// Faults further apart than this do not add up.
const FAULT_WINDOW: Duration = Duration::from_secs(60);
/// Callers whose calls must fail to open the breaker. Two could be one person with a second account.
const SOURCES_TO_OPEN: usize = 3;
const FIRST_QUARANTINE: Duration = Duration::from_secs(30);
const MAX_QUARANTINE: Duration = Duration::from_secs(600);

/// The caller that a fault is attributed to. Guests count by network origin, since new guest identities cost nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultSource {
    Account(AccountId),
    Origin(Origin),
    /// The server itself, or a plugin.
    Internal,
}

/// A state change of the breaker, with the length of the quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    /// The plugin is quarantined for this long.
    Opened(Duration),
    /// The probe failed: the plugin is quarantined again for this long.
    Reopened(Duration),
    /// The probe succeeded.
    Closed,
}

/// The breaker's answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    Allowed,
    /// Allowed as the probe, whose outcome decides.
    Probe,
    /// Refused for this long.
    Refused(Duration),
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open { until: Instant },
    HalfOpen { since: Instant },
}

/// The breaker's state machine, without a clock.
#[derive(Debug)]
struct Rules {
    state: State,
    /// The latest fault of each source.
    recent: Vec<(FaultSource, Instant)>,
    /// Length of the last quarantine, and when it ended.
    duration: Option<Duration>,
    ended: Option<Instant>,
}

impl Rules {
    fn new() -> Self {
        Self { state: State::Closed, recent: Vec::new(), duration: None, ended: None }
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
        // Calls that were in flight when the breaker opened count no more.
        if !matches!(self.state, State::Closed) {
            return None;
        }
        self.recent.retain(|(who, at)| *who != source && now.duration_since(*at) < FAULT_WINDOW);
        self.recent.push((source, now));
        if self.recent.len() < SOURCES_TO_OPEN {
            return None;
        }
        self.recent.clear();
        // After a long time without faults the first quarantine is short again.
        let relapse = self.ended.is_some_and(|ended| now.duration_since(ended) < MAX_QUARANTINE);
        Some(Transition::Opened(self.open(now, self.duration.filter(|_| relapse))))
    }

    fn probe_failed(&mut self, now: Instant) -> Transition {
        Transition::Reopened(self.open(now, self.duration))
    }

    fn probe_passed(&mut self, now: Instant) -> Transition {
        self.state = State::Closed;
        self.ended = Some(now);
        Transition::Closed
    }

    /// The probe ended without an outcome: the next call is the probe.
    fn probe_abandoned(&mut self) {
        if let State::HalfOpen { since } = self.state {
            self.state = State::Open { until: since };
        }
    }

    fn open(&mut self, now: Instant, before: Option<Duration>) -> Duration {
        let duration = before.map_or(FIRST_QUARANTINE, |before| (before * 2).min(MAX_QUARANTINE));
        self.duration = Some(duration);
        self.state = State::Open { until: now + duration };
        duration
    }
}

/// The circuit breaker of one version of a plugin. A new version starts with a closed one.
#[derive(Debug)]
pub(super) struct CircuitBreaker {
    /// Whether the breaker is not closed: most calls need not lock `rules`.
    restricted: AtomicBool,
    rules: Mutex<Rules>,
}

/// Permission to make one call. Dropping it records no outcome.
#[derive(Debug)]
pub(super) struct CallPermit<'a> {
    breaker: &'a CircuitBreaker,
    probe: bool,
}

impl CircuitBreaker {
    pub(super) fn new() -> Self {
        Self { restricted: AtomicBool::new(false), rules: Mutex::new(Rules::new()) }
    }

    /// Asks for permission to call; the error is how long calls are refused.
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

    /// The rest of the quarantine; none if closed, zero while the next or current call is the probe.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        match self.rules.lock().state {
            State::Closed => None,
            State::Open { until } => Some(until.saturating_duration_since(now)),
            State::HalfOpen { .. } => Some(Duration::ZERO),
        }
    }
}

impl CallPermit<'_> {
    /// Records that the plugin answered.
    pub(super) fn answered(mut self, now: Instant) -> Option<Transition> {
        if !std::mem::take(&mut self.probe) {
            return None;
        }
        let transition = self.breaker.rules.lock().probe_passed(now);
        self.breaker.restricted.store(false, Relaxed);
        Some(transition)
    }

    /// Records a fault of the plugin.
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

    fn any_account() -> FaultSource {
        FaultSource::Account(AccountId::new())
    }

    /// Rules with the breaker opened at `now`.
    fn opened(now: Instant) -> Rules {
        let mut rules = Rules::new();
        assert_eq!(rules.fault(now, any_account()), None);
        assert_eq!(rules.fault(now, any_account()), None);
        assert_eq!(rules.fault(now, any_account()), Some(Transition::Opened(FIRST_QUARANTINE)));
        rules
    }

    #[test]
    fn faults_of_three_callers_within_a_minute_open_the_breaker() {
        let now = Instant::now();
        let mut rules = opened(now);
        assert_eq!(rules.enter(now + SECOND), Admission::Refused(FIRST_QUARANTINE - SECOND));
    }

    #[test]
    fn repeated_faults_of_one_caller_do_not_open_the_breaker() {
        let (now, ann) = (Instant::now(), any_account());
        let mut rules = Rules::new();
        for _ in 0..10 {
            assert_eq!(rules.fault(now, ann), None);
        }
        assert_eq!(rules.fault(now, any_account()), None);
        assert_eq!(rules.enter(now), Admission::Allowed);
        assert_eq!(rules.fault(now, any_account()), Some(Transition::Opened(FIRST_QUARANTINE)));
    }

    #[test]
    fn faults_more_than_a_minute_apart_do_not_add_up() {
        let now = Instant::now();
        let mut rules = Rules::new();
        for third in 0..10 {
            assert_eq!(rules.fault(now + FAULT_WINDOW / 2 * third, any_account()), None);
        }
    }

    #[test]
    fn after_the_quarantine_one_call_is_the_probe_and_others_are_refused() {
        let now = Instant::now();
        let mut rules = opened(now);
        assert_eq!(rules.enter(now + FIRST_QUARANTINE), Admission::Probe);
        assert_eq!(rules.enter(now + FIRST_QUARANTINE), Admission::Refused(Duration::ZERO));
        assert_eq!(rules.probe_passed(now + FIRST_QUARANTINE), Transition::Closed);
        assert_eq!(rules.enter(now + FIRST_QUARANTINE), Admission::Allowed);
    }

    #[test]
    fn each_failed_probe_doubles_the_quarantine_up_to_ten_minutes() {
        let mut now = Instant::now();
        let mut rules = opened(now);
        let mut terms = Vec::new();
        let mut duration = FIRST_QUARANTINE;
        for _ in 0..6 {
            now += duration;
            assert_eq!(rules.enter(now), Admission::Probe);
            let Transition::Reopened(longer) = rules.probe_failed(now) else { panic!("prolonged") };
            terms.push(longer.as_secs());
            duration = longer;
        }
        assert_eq!(terms, [60, 120, 240, 480, 600, 600]);
    }

    #[test]
    fn relapse_doubles_the_quarantine_unless_it_comes_late() {
        for (well, duration) in [(SECOND, 2 * FIRST_QUARANTINE), (MAX_QUARANTINE, FIRST_QUARANTINE)] {
            let mut now = Instant::now();
            let mut rules = opened(now);
            now += FIRST_QUARANTINE;
            rules.enter(now);
            rules.probe_passed(now);
            now += well;
            rules.fault(now, any_account());
            rules.fault(now, any_account());
            assert_eq!(rules.fault(now, any_account()), Some(Transition::Opened(duration)));
        }
    }

    #[test]
    fn abandoned_probe_is_repeated() {
        let now = Instant::now();
        let mut rules = opened(now);
        assert_eq!(rules.enter(now + FIRST_QUARANTINE), Admission::Probe);
        rules.probe_abandoned();
        assert_eq!(rules.enter(now + FIRST_QUARANTINE), Admission::Probe);
    }

    #[test]
    fn breaker_closes_after_a_successful_probe() {
        let (breaker, now) = (CircuitBreaker::new(), Instant::now());
        for _ in 0..SOURCES_TO_OPEN {
            breaker.enter(now).unwrap().failed(now, any_account());
        }
        assert_eq!(breaker.enter(now).unwrap_err(), FIRST_QUARANTINE);
        assert_eq!(breaker.left(now), Some(FIRST_QUARANTINE));
        let now = now + FIRST_QUARANTINE;
        drop(breaker.enter(now).unwrap());
        let probe = breaker.enter(now).unwrap();
        assert!(breaker.enter(now).is_err());
        assert_eq!(probe.answered(now), Some(Transition::Closed));
        assert_eq!(breaker.enter(now).unwrap().answered(now), None);
        assert_eq!(breaker.left(now), None);
    }
}
