//! Bounded caches of database rows, and how long they may be trusted.

use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::error::Result;

/// How long cached rows may be trusted: forever on a single node; in a cluster only until the validity has to be renewed, since
/// invalidations by other nodes may be lost.
pub struct CacheValidity {
    began: Instant,
    /// Milliseconds since `began`; `u64::MAX` means forever.
    until: AtomicU64,
}

impl Default for CacheValidity {
    fn default() -> Self {
        Self { began: Instant::now(), until: AtomicU64::new(u64::MAX) }
    }
}

impl CacheValidity {
    /// A validity that holds only once it is renewed.
    pub fn none() -> Self {
        Self { until: AtomicU64::new(0), ..Self::default() }
    }

    /// Whether cached rows may be trusted now.
    pub fn holds(&self) -> bool {
        match self.until.load(Ordering::Relaxed) {
            u64::MAX => true,
            until => self.began.elapsed().as_millis() < u128::from(until),
        }
    }

    /// Ends the validity until it is renewed.
    pub fn revoke(&self) {
        self.until.store(0, Ordering::Relaxed);
    }

    /// Extends the validity up to this moment.
    pub fn renew(&self, until: Instant) {
        let until = until.saturating_duration_since(self.began).as_millis();
        self.until.store(u64::try_from(until).unwrap_or(u64::MAX - 1), Ordering::Relaxed);
    }
}

/// A bounded cache that never keeps a value that was loaded before an invalidation.
pub(crate) struct Cache<K, V> {
    entries: quick_cache::sync::Cache<K, V>,
    /// Number of invalidations: a value whose load was overtaken by one is not kept.
    changes: AtomicU64,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: quick_cache::sync::Cache::new(capacity), changes: AtomicU64::new(0) }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.entries.get(key)
    }

    /// The cached value, or the one that `load` gives, which is then cached.
    pub(crate) async fn get_or_load(&self, key: &K, load: impl Future<Output = Result<V>>) -> Result<V> {
        if let Some(value) = self.entries.get(key) {
            return Ok(value);
        }
        let before = self.changes.load(Ordering::SeqCst);
        let value = load.await?;
        if self.changes.load(Ordering::SeqCst) != before {
            return Ok(value);
        }
        self.entries.insert(key.clone(), value.clone());
        // Checked again: an invalidation may have come just before the insertion.
        if self.changes.load(Ordering::SeqCst) != before {
            self.entries.remove(key);
        }
        Ok(value)
    }

    /// Invalidates a key. To be called after the change is committed and before it is broadcast.
    pub(crate) fn forget(&self, key: &K) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.entries.remove(key);
    }

    /// Invalidates every key for which `gone` is true. Visits all keys.
    pub(crate) fn forget_where(&self, gone: impl Fn(&K) -> bool) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.entries.retain(|key, _| !gone(key));
    }

    /// Invalidates everything.
    pub(crate) fn clear(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn value_is_loaded_once_and_again_after_invalidation() {
        let cache = Cache::new(8);
        assert_eq!(cache.get_or_load(&1, async { Ok(10) }).await, Ok(10));
        assert_eq!(cache.get_or_load(&1, async { Ok(11) }).await, Ok(10));
        cache.forget(&1);
        assert_eq!(cache.get_or_load(&1, async { Ok(12) }).await, Ok(12));
    }

    #[tokio::test]
    async fn matching_keys_are_invalidated_and_others_kept() {
        let cache = Cache::new(8);
        for key in [1, 2, 3] {
            assert_eq!(cache.get_or_load(&key, async { Ok("old") }).await, Ok("old"));
        }
        cache.forget_where(|key| *key != 2);
        assert_eq!([1, 2, 3].map(|key| cache.get(&key)), [None, Some("old"), None]);
    }

    #[tokio::test]
    async fn value_loaded_before_an_invalidation_is_not_kept() {
        let cache = Cache::new(8);
        let overtaken = cache.get_or_load(&1, async {
            cache.forget(&1);
            Ok("old")
        });
        assert_eq!(overtaken.await, Ok("old"));
        assert_eq!(cache.get_or_load(&1, async { Ok("new") }).await, Ok("new"));
    }
}
