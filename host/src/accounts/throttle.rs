//! Rate limits on guessing: how many attempts, and how many failures, are allowed.
//!
//! A guess takes its permit before it is evaluated and gives it back if it was right. So no more guesses are evaluated than the
//! limit allows, however many arrive at once, and right passwords use up nothing.

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

pub(crate) use self::buckets::{Buckets, Quota};
use self::buckets::{PermitDecision, Slot};
use super::keys::hex;
use crate::config;
use crate::database::{Bucket, Database};
use crate::error::{Error, Result};
use crate::metrics::{Counter, Metrics, THROTTLED};
use crate::protocol::{AccountId, LoginId, RoomId};

/// How long a guess waits for the outcome of others that are being evaluated.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Number of buckets that all unknown names share.
const UNKNOWN_NAME_BUCKETS: u64 = 4096;

/// Where a request comes from: an IPv4 address, or an IPv6 site (/64), since a site can use any number of addresses.
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
    /// Whether the request comes from this machine.
    pub fn is_local(self) -> bool {
        // The site of `::1`.
        self.0.is_loopback() || self.0 == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    }

    /// Whether the origin is in one of these networks. An IPv6 site is in one as a whole or not at all.
    pub fn is_in(self, networks: &[IpNet]) -> bool {
        networks.iter().any(|network| network.contains(&self.0) || Self::from(network.addr()) == self)
    }
}

/// Whose password is guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    Account(AccountId),
    /// An unknown name, by a hash that maps to one of `UNKNOWN_NAME_BUCKETS` values.
    Unknown(u64),
}

impl Subject {
    /// The subject for an unknown name, given in folded form.
    pub fn unknown(name: &str) -> Self {
        let digest = Sha256::digest(name);
        let hash = digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte));
        Self::Unknown(hash % UNKNOWN_NAME_BUCKETS)
    }
}

/// A guesser who has proven before that the account is theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KnownClient {
    /// By the device token of an earlier log-in.
    Device(AccountId, Uuid),
    /// Logged in, and asked for the password once more.
    Login(LoginId),
}

/// Who guesses a room's password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guesser {
    Account(AccountId),
    /// A guest: no other identity of it outlives its connection.
    Origin(Origin),
}

pub struct Throttles {
    /// Sign-ups and failed log-ins, by address.
    pub attempts: Throttle<Origin>,
    /// Failed refreshes, by address.
    pub refreshes: Throttle<Origin>,
    /// Refreshes of one login.
    pub rotations: Throttle<LoginId>,
    /// Log-ins to one account from one address, successful ones too, since each costs a hash.
    pub log_ins: Throttle<(Subject, Origin)>,
    /// Failed log-ins to one account from one address.
    pub failed_logins: Throttle<(Subject, Origin)>,
    /// Failed log-ins to one account from all addresses.
    pub failed_logins_of_account: Throttle<Subject>,
    /// Wrong passwords of clients that are known to the account.
    pub failed_logins_of_known: Throttle<KnownClient>,
    pub room_passwords: Throttle<(RoomId, Guesser)>,
    /// Addresses without limits of their own.
    exempt: Vec<IpNet>,
}

impl Throttles {
    /// In a cluster, attempts are counted in the `common` database, for all nodes together.
    pub fn new(limits: &config::Limits, metrics: &Metrics, common: Option<&Database>) -> Self {
        fn throttle<K: Hash + Debug>(
            what: &'static str,
            quota: Quota,
            metrics: &Metrics,
            common: Option<&Database>,
        ) -> Throttle<K> {
            let common = common.map(|database| SharedBuckets::new(database.clone(), what, quota));
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
    pub fn is_exempt(&self, origin: Origin) -> bool {
        origin.is_in(&self.exempt)
    }
}

/// A throttle's buckets in the database, shared by all nodes.
struct SharedBuckets {
    database: Database,
    what: &'static str,
    bucket: Bucket,
}

impl SharedBuckets {
    fn new(database: Database, what: &'static str, quota: Quota) -> Self {
        Self { database, what, bucket: Bucket { holds: quota.burst, refill: quota.refill } }
    }

    /// The database key: a hash, so that its length does not depend on what clients send.
    fn key(&self, key: &impl Debug) -> String {
        format!("{}:{}", self.what, hex(&Sha256::digest(format!("{key:?}"))[..16]))
    }

    async fn take(&self, key: &impl Debug) -> Result<Option<Duration>> {
        self.database.take_attempt(&self.key(key), self.bucket).await
    }
}

/// Limits attempts by key.
pub struct Throttle<K> {
    quota: Quota,
    buckets: Arc<Buckets<K>>,
    common: Option<SharedBuckets>,
    refused: Counter,
}

impl<K: Hash + Debug> Throttle<K> {
    fn new(quota: Quota, common: Option<SharedBuckets>, refused: Counter) -> Self {
        Self { quota, buckets: Arc::default(), common, refused }
    }

    /// Counts an attempt; an error if there were too many.
    pub async fn take(&self, key: &K) -> Result<()> {
        let wait = match (self.buckets.take(key, self.quota, 1), &self.common) {
            // Refused on this node alone, so the shared bucket need not be asked.
            (Err(wait), _) => Some(wait),
            (Ok(()), Some(common)) => common.take(key).await?,
            (Ok(()), None) => None,
        };
        wait.map_or(Ok(()), |wait| Err(self.refusal(wait)))
    }

    /// Takes a permit for one guess; an error if too many guesses were wrong. Waits for other guesses that are being evaluated
    /// and may turn out right.
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
                PermitDecision::Granted(slot) => return Ok(slot),
                PermitDecision::Refused(wait) => return Err(self.refusal(wait)),
                PermitDecision::Wait(waiting) => waiting,
            };
            // Counted while this waits; dropping it ends that, also if the request is cancelled.
            let counted = Counted { buckets: &self.buckets, slot: waiting.slot };
            let mut settled = std::pin::pin!(waiting.settled.notified());
            settled.as_mut().enable();
            // The outcome may have come before `settled` was enabled.
            match self.buckets.ask(waiting.slot, self.quota) {
                PermitDecision::Wait(again) => drop(Counted { buckets: &self.buckets, slot: again.slot }),
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

/// The permit for one guess. If it is dropped, also by a cancelled request, the guess counts as wrong.
#[must_use]
pub struct Permit<'a, K> {
    throttle: &'a Throttle<K>,
    slot: Slot,
    common_key: Option<String>,
    returned: bool,
}

impl<K> Permit<'_, K> {
    /// Returns the permit: the guess was right, or was not evaluated.
    pub async fn give_back(mut self) {
        self.returned = true;
        if let (Some(key), Some(common)) = (self.common_key.take(), &self.throttle.common)
            && let Err(error) = common.database.return_attempt(&key, common.bucket).await
        {
            tracing::warn!(%error, "returning a permit failed, a correct password counts as a failure");
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
