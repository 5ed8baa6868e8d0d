//! Token buckets by key, for keys that outsiders choose: keys are stored as keyed hashes, and the number of buckets is bounded.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

const SHARDS: usize = 16;
/// Keys that one shard tells apart. Beyond them, new keys share the overflow buckets, so that a flood of keys evicts none.
const BUCKETS_PER_SHARD: usize = 2048;
const OVERFLOW_BUCKETS_PER_SHARD: u64 = 64;
/// How often a shard without free slots is searched for idle buckets.
const PURGE_INTERVAL: Duration = Duration::from_secs(1);
/// The most requests of one key that wait for the outcome of others.
const MAX_WAITING_PER_KEY: u32 = 512;

/// How many permits a bucket holds, and how long it takes to refill one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) burst: u32,
    pub(crate) refill: Duration,
}

impl Quota {
    pub(crate) fn per_hour(count: u32) -> Self {
        Self { burst: count.max(1), refill: Duration::from_secs(60 * 60) / count.max(1) }
    }

    pub(crate) fn per_minute(count: u32, burst: u32) -> Self {
        Self { burst: burst.max(1), refill: Duration::from_secs(60) / count.max(1) }
    }

    pub(crate) fn per_second(count: u32, burst: u32) -> Self {
        Self { burst: burst.max(1), refill: Duration::from_secs(1) / count.max(1) }
    }
}

struct Bucket {
    /// When the bucket is full again (generic cell rate algorithm).
    full_at: Instant,
    /// Permits whose outcome is open, and which may be given back.
    pending: u32,
    waiting: u32,
    settled: Option<Arc<Notify>>,
}

impl Bucket {
    fn take(&mut self, quota: Quota, count: u32, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + quota.refill * count;
        let wait = full_at.saturating_duration_since(now + quota.refill * quota.burst);
        if wait.is_zero() {
            self.full_at = full_at;
            return Ok(());
        }
        Err(wait)
    }

    fn is_idle(&self, now: Instant) -> bool {
        self.full_at <= now && self.pending == 0 && self.waiting == 0
    }
}

struct Shard {
    buckets: HashMap<u64, Bucket>,
    purged_at: Option<Instant>,
}

impl Shard {
    /// The bucket of this hash, or an overflow bucket while the shard has no room for it.
    fn slot(&mut self, hash: u64, now: Instant) -> u64 {
        if self.buckets.contains_key(&hash) {
            return hash;
        }
        if self.buckets.len() >= BUCKETS_PER_SHARD && self.purged_at.is_none_or(|at| now - at >= PURGE_INTERVAL) {
            self.buckets.retain(|_, bucket| !bucket.is_idle(now));
            self.purged_at = Some(now);
        }
        let slot = if self.buckets.len() < BUCKETS_PER_SHARD { hash } else { hash % OVERFLOW_BUCKETS_PER_SHARD };
        let empty = || Bucket { full_at: now, pending: 0, waiting: 0, settled: None };
        self.buckets.entry(slot).or_insert_with(empty);
        slot
    }
}

pub(crate) struct Buckets<K> {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    keys: PhantomData<fn(&K)>,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        let shard = || Mutex::new(Shard { buckets: HashMap::new(), purged_at: None });
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| shard()), keys: PhantomData }
    }
}

/// A bucket of a table.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    shard: usize,
    hash: u64,
}

/// The answer to a request for a permit.
pub(super) enum PermitDecision {
    Granted(Slot),
    /// All permits are taken, but some may be given back.
    Wait(Waiting),
    Refused(Duration),
}

/// A request that waits for the outcome of others; counted until it stops waiting.
pub(super) struct Waiting {
    pub(super) slot: Slot,
    pub(super) settled: Arc<Notify>,
}

impl<K: Hash> Buckets<K> {
    /// Takes `count` permits for good. The error is how long it takes until there are that many.
    pub(crate) fn take(&self, key: &K, quota: Quota, count: u32) -> Result<(), Duration> {
        self.with_bucket(self.slot(key), Instant::now(), |bucket, _, now| bucket.take(quota, count, now))
    }

    fn slot(&self, key: &K) -> Slot {
        let hash = self.hasher.hash_one(key);
        Slot { shard: (hash >> 60) as usize % SHARDS, hash }
    }
}

impl<K> Buckets<K> {
    /// The number of buckets.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().buckets.len()).sum()
    }

    fn with_bucket<T>(&self, slot: Slot, now: Instant, work: impl FnOnce(&mut Bucket, Slot, Instant) -> T) -> T {
        let mut shard = self.shards[slot.shard].lock();
        let hash = shard.slot(slot.hash, now);
        let empty = || Bucket { full_at: now, pending: 0, waiting: 0, settled: None };
        work(shard.buckets.entry(hash).or_insert_with(empty), Slot { hash, ..slot }, now)
    }

    /// Takes a permit whose outcome is open.
    pub(super) fn ask(&self, slot: Slot, quota: Quota) -> PermitDecision {
        self.with_bucket(slot, Instant::now(), |bucket, slot, now| match bucket.take(quota, 1, now) {
            Ok(()) => {
                bucket.pending += 1;
                PermitDecision::Granted(slot)
            }
            Err(_) if bucket.pending > 0 && bucket.waiting < MAX_WAITING_PER_KEY => {
                bucket.waiting += 1;
                let settled = bucket.settled.get_or_insert_with(Arc::default).clone();
                PermitDecision::Wait(Waiting { slot, settled })
            }
            Err(wait) => PermitDecision::Refused(wait),
        })
    }

    pub(super) fn stop_waiting(&self, slot: Slot) {
        self.with_bucket(slot, Instant::now(), |bucket, _, _| bucket.waiting = bucket.waiting.saturating_sub(1));
    }

    /// Records that the outcome of a permit is known; one that is `returned` goes back into the bucket.
    pub(super) fn settle(&self, slot: Slot, quota: Quota, returned: bool) {
        self.with_bucket(slot, Instant::now(), |bucket, _, now| {
            bucket.pending = bucket.pending.saturating_sub(1);
            if returned {
                bucket.full_at = bucket.full_at.checked_sub(quota.refill).unwrap_or(now);
            }
            if let Some(settled) = &bucket.settled {
                settled.notify_waiters();
            }
            if bucket.waiting == 0 {
                bucket.settled = None;
            }
        });
    }
}

impl<K: Hash> Buckets<K> {
    pub(super) fn ask_for(&self, key: &K, quota: Quota) -> PermitDecision {
        self.ask(self.slot(key), quota)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_of_a_flood_of_keys_are_bounded_and_shared() {
        let buckets = Buckets::<u64>::default();
        let quota = Quota::per_minute(1, 1);
        let refused = (0..200_000).filter(|key| buckets.take(key, quota, 1).is_err()).count();
        assert!(buckets.len() <= SHARDS * (BUCKETS_PER_SHARD + OVERFLOW_BUCKETS_PER_SHARD as usize));
        assert!(refused > 100_000, "{refused}");
    }

    #[test]
    fn idle_buckets_make_room_for_new_keys() {
        let buckets = Buckets::<u64>::default();
        let quota = Quota { burst: 1, refill: Duration::from_nanos(1) };
        for key in 0..200_000 {
            assert_eq!(buckets.take(&key, quota, 1), Ok(()));
        }
    }
}
