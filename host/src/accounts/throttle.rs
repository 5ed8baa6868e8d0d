//! Guessing is slow: how often somebody may try, and how often be wrong.

use std::fmt::Debug;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sha2::{Digest as _, Sha256};

use super::keys::hex;
use crate::config;
use crate::database::{Bucket, Database};
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
    /// In a cluster, tries are counted in the `common` database, for all nodes together.
    pub fn new(limits: &config::Limits, metrics: &Metrics, common: Option<&Database>) -> Self {
        let tries = |quota, what: &'static str| {
            let common = common.map(|database| Common::new(database.clone(), what, &quota));
            (quota, common, metrics.counter(THROTTLED, &[("what", what)]))
        };
        let attempts = |what| tries(quota(limits.attempts_per_minute, limits.attempts_burst), what).into();
        let failures = |per_minute, what| tries(quota(per_minute, per_minute), what);
        Self {
            attempts: attempts("attempt"),
            refreshes: attempts("refresh"),
            failed_logins: failures(limits.failed_logins_per_minute, "failed_login").into(),
            room_passwords: failures(limits.wrong_room_passwords_per_minute, "room_password").into(),
        }
    }
}

fn quota(per_minute: u32, burst: u32) -> Quota {
    let positive = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Quota::per_minute(positive(per_minute)).allow_burst(positive(burst))
}

/// What all nodes count together.
struct Common {
    database: Database,
    what: &'static str,
    bucket: Bucket,
}

impl Common {
    fn new(database: Database, what: &'static str, quota: &Quota) -> Self {
        Self { database, what, bucket: Bucket { holds: quota.burst_size().get(), refill: quota.replenish_interval() } }
    }

    /// Of one length, whatever people send.
    fn key(&self, key: &impl Debug) -> String {
        format!("{}:{}", self.what, hex(&Sha256::digest(format!("{key:?}"))[..16]))
    }
}

type Tries = (Quota, Option<Common>, Counter);

/// So many tries, right or wrong.
pub struct Attempts<K: Hash + Eq + Clone + Debug> {
    tries: DefaultKeyedRateLimiter<K>,
    since_tidied: AtomicU32,
    common: Option<Common>,
    refused: Counter,
}

impl<K: Hash + Eq + Clone + Debug> From<Tries> for Attempts<K> {
    fn from((quota, common, refused): Tries) -> Self {
        Self { tries: RateLimiter::keyed(quota), since_tidied: AtomicU32::new(0), common, refused }
    }
}

impl<K: Hash + Eq + Clone + Debug> Attempts<K> {
    /// Counts a try; an error if there were too many.
    pub async fn take(&self, key: &K) -> Result<()> {
        if self.since_tidied.fetch_add(1, Ordering::Relaxed) >= TIDY_EVERY {
            self.since_tidied.store(0, Ordering::Relaxed);
            self.tries.retain_recent();
        }
        let here =
            self.tries.check_key(key).map_err(|not_until| not_until.wait_time_from(DefaultClock::default().now()));
        let wait = match (here, &self.common) {
            // Who tries too often here does so everywhere.
            (Err(wait), _) => Some(wait),
            (Ok(()), Some(common)) => common.database.take_try(&common.key(key), common.bucket).await?,
            (Ok(()), None) => None,
        };
        self.refuse_for(wait)
    }

    fn refuse_for(&self, wait: Option<Duration>) -> Result<()> {
        match wait {
            Some(retry_after) => {
                self.refused.increment(1);
                Err(Error::RateLimited { retry_after })
            }
            None => Ok(()),
        }
    }
}

/// So many wrong tries; right ones are free.
pub struct Failures<K: Hash + Eq + Clone + Debug> {
    wrong: Attempts<K>,
    /// Those who have been wrong too often, until then.
    blocked: quick_cache::sync::Cache<K, Instant>,
}

impl<K: Hash + Eq + Clone + Debug> From<Tries> for Failures<K> {
    fn from(tries: Tries) -> Self {
        Self { wrong: tries.into(), blocked: quick_cache::sync::Cache::new(BLOCKED) }
    }
}

impl<K: Hash + Eq + Clone + Debug> Failures<K> {
    /// Whether somebody may try at all just now.
    pub async fn check(&self, key: &K) -> Result<()> {
        let here = self.blocked.get(key).map(|until| until.saturating_duration_since(Instant::now()));
        let wait = match (here.filter(|wait| !wait.is_zero()), &self.wrong.common) {
            (None, Some(common)) => common.database.look_at_tries(&common.key(key), common.bucket).await?,
            (here, _) => here,
        };
        self.wrong.refuse_for(wait)
    }

    /// Counts a wrong try; after too many the next ones are refused for a while.
    pub async fn failed(&self, key: &K) {
        match self.wrong.take(key).await {
            Err(Error::RateLimited { retry_after }) => self.blocked.insert(key.clone(), Instant::now() + retry_after),
            Err(error) => tracing::warn!(%error, "a wrong try was counted on this node alone"),
            Ok(()) => {}
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

    #[tokio::test]
    async fn tries_beyond_the_burst_are_refused_with_a_time_to_wait() {
        let attempts: Attempts<&str> = (quota(1, 2), None, Counter::noop()).into();
        assert_eq!((attempts.take(&"ann").await, attempts.take(&"ann").await), (Ok(()), Ok(())));
        assert!(
            matches!(attempts.take(&"ann").await, Err(Error::RateLimited { retry_after }) if retry_after > Duration::ZERO)
        );
        assert_eq!(attempts.take(&"bob").await, Ok(()));
    }

    #[tokio::test]
    async fn only_wrong_tries_count_against_somebody() {
        let failures: Failures<&str> = (quota(1, 2), None, Counter::noop()).into();
        for _ in 0..100 {
            assert_eq!(failures.check(&"ann").await, Ok(()));
        }
        for _ in 0..3 {
            failures.failed(&"ann").await;
        }
        assert!(failures.check(&"ann").await.is_err());
        assert_eq!(failures.check(&"bob").await, Ok(()));
    }
}
