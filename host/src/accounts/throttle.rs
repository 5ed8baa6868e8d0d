//! Guessing is slow: how often somebody may try, and how often be wrong.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::config;
use crate::error::{Error, Result};
use crate::metrics::{Counter, Metrics, THROTTLED};
use crate::protocol::{AccountId, RoomId};

/// How many keys are blocked at a time, at the most.
const BLOCKED: usize = 100_000;
/// How often keys that are as good as new are let go of.
const TIDY_EVERY: u32 = 1024;

/// Where a request comes from, as far as that tells people apart: an IPv6 site is one, since it has addresses to burn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(IpAddr);

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => IpAddr::V4(v4),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }
}

impl Origin {
    /// Whether it is this machine itself.
    pub fn is_local(self) -> bool {
        // `::1`, of which the site is left.
        self.0.is_loopback() || self.0 == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    }
}

/// Who offers a room's password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guesser {
    Account(AccountId),
    /// A guest has no other identity that outlives its connection.
    Origin(Origin),
}

pub struct Throttles {
    /// Signing up and logging in.
    pub attempts: Attempts<Origin>,
    pub refreshes: Attempts<Origin>,
    /// By the account's folded name, whether or not there is one.
    pub failed_logins: Failures<String>,
    pub room_passwords: Failures<(RoomId, Guesser)>,
}

impl Throttles {
    pub fn new(limits: &config::Limits, metrics: &Metrics) -> Self {
        let refused = |what| metrics.counter(THROTTLED, &[("what", what)]);
        let attempts = |what| Attempts::new(quota(limits.attempts_per_minute, limits.attempts_burst), refused(what));
        let failures = |per_minute| quota(per_minute, per_minute);
        Self {
            attempts: attempts("attempt"),
            refreshes: attempts("refresh"),
            failed_logins: Failures::new(failures(limits.failed_logins_per_minute), refused("failed_login")),
            room_passwords: Failures::new(failures(limits.wrong_room_passwords_per_minute), refused("room_password")),
        }
    }
}

fn quota(per_minute: u32, burst: u32) -> Quota {
    let positive = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Quota::per_minute(positive(per_minute)).allow_burst(positive(burst))
}

/// So many tries, right or wrong.
pub struct Attempts<K: Hash + Eq + Clone> {
    tries: DefaultKeyedRateLimiter<K>,
    since_tidied: AtomicU32,
    refused: Counter,
}

impl<K: Hash + Eq + Clone> Attempts<K> {
    fn new(quota: Quota, refused: Counter) -> Self {
        Self { tries: RateLimiter::keyed(quota), since_tidied: AtomicU32::new(0), refused }
    }

    /// Counts a try; an error if there were too many.
    pub fn take(&self, key: &K) -> Result<()> {
        if self.since_tidied.fetch_add(1, Ordering::Relaxed) >= TIDY_EVERY {
            self.since_tidied.store(0, Ordering::Relaxed);
            self.tries.retain_recent();
        }
        self.tries.check_key(key).map_err(|not_until| {
            self.refused.increment(1);
            Error::RateLimited { retry_after: not_until.wait_time_from(DefaultClock::default().now()) }
        })
    }
}

/// So many wrong tries; right ones are free.
pub struct Failures<K: Hash + Eq + Clone> {
    wrong: Attempts<K>,
    /// Those who have been wrong too often, until then.
    blocked: quick_cache::sync::Cache<K, Instant>,
}

impl<K: Hash + Eq + Clone> Failures<K> {
    fn new(quota: Quota, refused: Counter) -> Self {
        Self { wrong: Attempts::new(quota, refused), blocked: quick_cache::sync::Cache::new(BLOCKED) }
    }

    /// Whether somebody may try at all just now.
    pub fn check(&self, key: &K) -> Result<()> {
        match self.blocked.get(key).map(|until| until.saturating_duration_since(Instant::now())) {
            Some(retry_after) if retry_after > Duration::ZERO => {
                self.wrong.refused.increment(1);
                Err(Error::RateLimited { retry_after })
            }
            _ => Ok(()),
        }
    }

    /// Counts a wrong try; after too many the next ones are refused for a while.
    pub fn failed(&self, key: &K) {
        if let Err(Error::RateLimited { retry_after }) = self.wrong.take(key) {
            self.blocked.insert(key.clone(), Instant::now() + retry_after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_site_is_one_and_a_mapped_address_is_its_ipv4() {
        let origin = |text: &str| Origin::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(origin("2001:db8:1:2::1"), origin("2001:db8:1:2:ffff::9"));
        assert_ne!(origin("2001:db8:1:2::1"), origin("2001:db8:1:3::1"));
        assert_eq!(origin("::ffff:192.0.2.1"), origin("192.0.2.1"));
        assert_ne!(origin("192.0.2.1"), origin("192.0.2.2"));
    }

    #[test]
    fn tries_beyond_the_burst_are_refused_with_a_time_to_wait() {
        let attempts = Attempts::new(quota(1, 2), Counter::noop());
        assert_eq!((attempts.take(&"ann"), attempts.take(&"ann")), (Ok(()), Ok(())));
        assert!(
            matches!(attempts.take(&"ann"), Err(Error::RateLimited { retry_after }) if retry_after > Duration::ZERO)
        );
        assert_eq!(attempts.take(&"bob"), Ok(()));
    }

    #[test]
    fn only_wrong_tries_count_against_somebody() {
        let failures = Failures::new(quota(1, 2), Counter::noop());
        for _ in 0..100 {
            assert_eq!(failures.check(&"ann"), Ok(()));
        }
        for _ in 0..3 {
            failures.failed(&"ann");
        }
        assert!(failures.check(&"ann").is_err());
        assert_eq!(failures.check(&"bob"), Ok(()));
    }
}
