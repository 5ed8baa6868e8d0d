//! Rate limits of guessing: how often somebody may try, and how often be wrong.
//!
//! A guess takes its permit before it is evaluated and gives it back if it was right. So however many guesses arrive at once, no
//! more are evaluated than the limit allows, and right passwords cost nothing.

mod buckets;

use std::fmt::Debug;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use uuid::Uuid;

use self::buckets::{Asked, Slot};
pub(crate) use self::buckets::{Buckets, Quota};
use super::keys::hex;
use crate::config;
use crate::database::{Bucket, Database};
use crate::error::{Error, Result};
use crate::metrics::{Counter, Metrics, THROTTLED};
use crate::protocol::{AccountId, LoginId, RoomId};

/// How long a guess waits for the outcome of others that are under way.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// How many buckets all names share that nobody has.
const UNKNOWN_NAMES: u64 = 4096;

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

    /// Whether it is one of these, or a part of one. An IPv6 site is exempt as a whole or not at all.
    pub fn is_in(self, networks: &[IpNet]) -> bool {
        networks.iter().any(|network| network.contains(&self.0) || Self::from(network.addr()) == self)
    }
}

/// Whose password is guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    Account(AccountId),
    /// A name that nobody has, by a hash of few values.
    Unknown(u64),
}

impl Subject {
    /// A name that nobody has, folded.
    pub fn unknown(name: &str) -> Self {
        let digest = Sha256::digest(name);
        let hash = digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte));
        Self::Unknown(hash % UNKNOWN_NAMES)
    }
}

/// How somebody guesses who has proven before that the account is theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Known {
    /// By the device token of an earlier log-in.
    Device(AccountId, Uuid),
    /// Logged in, and asked for the password once more.
    Login(LoginId),
}

/// Who offers a room's password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guesser {
    Account(AccountId),
    /// A guest has no other identity that outlives its connection.
    Origin(Origin),
}

pub struct Throttles {
    /// Signing up, and logging in in vain, by address.
    pub attempts: Throttle<Origin>,
    /// Failed refreshes, by address.
    pub refreshes: Throttle<Origin>,
    /// Refreshes of one login.
    pub rotations: Throttle<LoginId>,
    /// Log-ins to one account from one address, right ones too: each costs a hash.
    pub log_ins: Throttle<(Subject, Origin)>,
    /// Failed log-ins to one account from one address.
    pub failed_logins: Throttle<(Subject, Origin)>,
    /// Failed log-ins to one account from everywhere.
    pub failed_logins_of_account: Throttle<Subject>,
    /// Wrong passwords of people who are known to the account.
    pub failed_logins_of_known: Throttle<Known>,
    pub room_passwords: Throttle<(RoomId, Guesser)>,
    /// Addresses without limits of their own.
    exempt: Vec<IpNet>,
}

impl Throttles {
    /// In a cluster, tries are counted in the `common` database, for all nodes together.
    pub fn new(limits: &config::Limits, metrics: &Metrics, common: Option<&Database>) -> Self {
        fn throttle<K: Hash + Debug>(
            what: &'static str,
            quota: Quota,
            metrics: &Metrics,
            common: Option<&Database>,
        ) -> Throttle<K> {
            let common = common.map(|database| Common::new(database.clone(), what, quota));
            Throttle::new(quota, common, metrics.counter(THROTTLED, &[("what", what)]))
        }
        let attempts = Quota::per_minute(limits.attempts_per_minute, limits.attempts_burst);
        let failures = |per_minute| Quota::per_minute(per_minute, per_minute);
        let failed_logins = failures(limits.failed_logins_per_minute);
        Self {
            attempts: throttle("attempt", attempts, metrics, common),
            refreshes: throttle("refresh", attempts, metrics, common),
            rotations: throttle("refresh_of_login", attempts, metrics, common),
            log_ins: throttle("login", attempts, metrics, common),
            failed_logins: throttle("failed_login", failed_logins, metrics, common),
            failed_logins_of_account: throttle(
                "failed_login_of_account",
                failures(limits.failed_logins_per_account_per_minute),
                metrics,
                common,
            ),
            failed_logins_of_known: throttle("failed_login_of_device", failed_logins, metrics, common),
            room_passwords: throttle(
                "room_password",
                failures(limits.wrong_room_passwords_per_minute),
                metrics,
                common,
            ),
            exempt: limits.exempt.clone(),
        }
    }

    /// Whether an address has no limits of its own.
    pub fn exempts(&self, origin: Origin) -> bool {
        origin.is_in(&self.exempt)
    }
}

/// What all nodes count together.
struct Common {
    database: Database,
    what: &'static str,
    bucket: Bucket,
}

impl Common {
    fn new(database: Database, what: &'static str, quota: Quota) -> Self {
        Self { database, what, bucket: Bucket { holds: quota.burst, refill: quota.refill } }
    }

    /// Of one length, whatever people send.
    fn key(&self, key: &impl Debug) -> String {
        format!("{}:{}", self.what, hex(&Sha256::digest(format!("{key:?}"))[..16]))
    }

    async fn take(&self, key: &impl Debug) -> Result<Option<Duration>> {
        self.database.take_try(&self.key(key), self.bucket).await
    }
}

/// So many tries for each key.
pub struct Throttle<K> {
    quota: Quota,
    buckets: Arc<Buckets<K>>,
    common: Option<Common>,
    refused: Counter,
}

impl<K: Hash + Debug> Throttle<K> {
    fn new(quota: Quota, common: Option<Common>, refused: Counter) -> Self {
        Self { quota, buckets: Arc::default(), common, refused }
    }

    /// Counts a try; an error if there were too many.
    pub async fn take(&self, key: &K) -> Result<()> {
        let wait = match (self.buckets.take(key, self.quota, 1), &self.common) {
            // Whoever tries too often here does so everywhere.
            (Err(wait), _) => Some(wait),
            (Ok(()), Some(common)) => common.take(key).await?,
            (Ok(()), None) => None,
        };
        wait.map_or(Ok(()), |wait| Err(self.refusal(wait)))
    }

    /// A permit for one guess; an error if too many were wrong. Where others are under way that may turn out right, it waits for
    /// them.
    pub async fn permit(&self, key: &K) -> Result<Permit<'_, K>> {
        let slot = match timeout(MAX_WAIT, self.granted(key)).await {
            Ok(granted) => granted?,
            Err(_) => return Err(self.refusal(self.quota.refill)),
        };
        let mut permit = Permit { throttle: self, slot, common_key: None, returned: false };
        if let Some(common) = &self.common {
            match common.take(key).await {
                Ok(None) => permit.common_key = Some(common.key(key)),
                Ok(Some(wait)) => {
                    permit.returned = true;
                    return Err(self.refusal(wait));
                }
                Err(error) => {
                    permit.returned = true;
                    return Err(error);
                }
            }
        }
        Ok(permit)
    }

    async fn granted(&self, key: &K) -> Result<Slot> {
        let mut asked = self.buckets.ask_for(key, self.quota);
        loop {
            let waiting = match asked {
                Asked::Granted(slot) => return Ok(slot),
                Asked::Refused(wait) => return Err(self.refusal(wait)),
                Asked::Wait(waiting) => waiting,
            };
            // Counted for as long as this waits, also if the request is given up.
            let counted = Counted { buckets: &self.buckets, slot: waiting.slot };
            let mut settled = std::pin::pin!(waiting.settled.notified());
            settled.as_mut().enable();
            // The outcome may have come before it was listened for.
            match self.buckets.ask(waiting.slot, self.quota) {
                Asked::Wait(for_subscribers) => drop(Counted { buckets: &self.buckets, slot: for_subscribers.slot }),
                other => {
                    drop(counted);
                    asked = other;
                    continue;
                }
            }
            settled.await;
            drop(counted);
            asked = self.buckets.ask(waiting.slot, self.quota);
        }
    }

    fn refusal(&self, retry_after: Duration) -> Error {
        self.refused.increment(1);
        Error::RateLimited { retry_after }
    }
}

struct Counted<'a, K> {
    buckets: &'a Buckets<K>,
    slot: Slot,
}

impl<K> Drop for Counted<'_, K> {
    fn drop(&mut self) {
        self.buckets.stop_waiting(self.slot);
    }
}

/// The permit for one guess. Dropped, it counts as a wrong one, also if the request was given up in the middle.
#[must_use]
pub struct Permit<'a, K> {
    throttle: &'a Throttle<K>,
    slot: Slot,
    common_key: Option<String>,
    returned: bool,
}

impl<K> Permit<'_, K> {
    /// The guess was right, or none at all.
    pub async fn give_back(mut self) {
        self.returned = true;
        if let (Some(key), Some(common)) = (self.common_key.take(), &self.throttle.common)
            && let Err(error) = common.database.give_back_try(&key, common.bucket).await
        {
            tracing::warn!(%error, "a right password counts as a wrong one for a while");
        }
    }
}

impl<K> Drop for Permit<'_, K> {
    fn drop(&mut self) {
        self.throttle.buckets.settle(self.slot, self.throttle.quota, self.returned);
    }
}

#[cfg(test)]
mod tests;
