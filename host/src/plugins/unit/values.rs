//! A plugin's own keys and values, as a call sees them.

use std::ops::Bound;
use std::sync::Arc;

use super::{READS, UnitOfWork};
use crate::error::{Error, Result};
use crate::protocol::Change;

const KEY_BYTES: usize = 256;
const VALUE_BYTES: usize = 64 << 10;
/// What one plugin may keep: keys and values together.
const QUOTA: u64 = 64 << 20;

impl UnitOfWork {
    pub(in super::super) async fn value(&mut self, plugin: &Arc<str>, key: String) -> Result<Option<Vec<u8>>> {
        check_key(&key)?;
        let place = (plugin.clone(), key);
        if let Some(staged) = self.values.get(&place) {
            return Ok(staged.clone());
        }
        if self.reads.len() == READS {
            return Err(Error::TooLarge { what: "the number of keys read in one call", limit: READS.to_string() });
        }
        let found = self.services.database.value(plugin, &place.1).await?;
        let version = found.as_ref().map_or(0, |(_, version)| *version);
        // The first version read stands: if a later read shows another, the unit is a conflict, as it should be.
        self.reads.entry(place).or_insert(version);
        Ok(found.map(|(value, _)| value))
    }

    pub(in super::super) async fn put(&mut self, plugin: &Arc<str>, key: String, value: Vec<u8>) -> Result<()> {
        check_key(&key)?;
        if value.len() > VALUE_BYTES {
            return Err(Error::TooLarge { what: "a stored value", limit: format!("{VALUE_BYTES} bytes") });
        }
        self.check_quota(plugin, &key, &value).await?;
        self.stage(Change::PutValue { plugin: plugin.clone(), key: key.clone(), value: value.clone() })?;
        self.values.insert((plugin.clone(), key), Some(value));
        Ok(())
    }

    pub(in super::super) async fn delete(&mut self, plugin: &Arc<str>, key: String) -> Result<()> {
        check_key(&key)?;
        self.stage(Change::DeleteValue { plugin: plugin.clone(), key: key.clone() })?;
        self.values.insert((plugin.clone(), key), None);
        Ok(())
    }

    /// Keys with this prefix after `after`, in byte order, staged ones among them.
    pub(in super::super) async fn keys(
        &mut self,
        plugin: &Arc<str>,
        prefix: &str,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<String>> {
        if prefix.len() > KEY_BYTES || after.as_ref().is_some_and(|after| after.len() > KEY_BYTES) {
            return Err(Error::TooLarge { what: "a key", limit: format!("{KEY_BYTES} bytes") });
        }
        let limit = limit.clamp(1, 1000);
        let mut listed: Vec<String> = Vec::new();
        let mut after = after;
        loop {
            let page = self.services.database.keys(plugin, prefix, after.as_deref(), limit).await?;
            // Beyond a full page there may be stored keys that sort before the next staged one.
            let end = (page.len() >= limit as usize).then(|| page.last().cloned()).flatten();
            listed.extend(self.merged(plugin, prefix, after.as_deref(), page, end.as_deref()));
            match end {
                Some(end) if listed.len() < limit as usize => after = Some(end),
                _ => break,
            }
        }
        listed.truncate(limit as usize);
        Ok(listed)
    }

    /// One page of stored keys with what was staged between `after` and `end` (or to the end of all).
    fn merged(
        &self,
        plugin: &Arc<str>,
        prefix: &str,
        after: Option<&str>,
        page: Vec<String>,
        end: Option<&str>,
    ) -> Vec<String> {
        let from = (plugin.clone(), after.unwrap_or_default().to_owned());
        let mut keys = page;
        for ((owner, key), value) in self.values.range((Bound::Included(from), Bound::Unbounded)) {
            if owner != plugin || end.is_some_and(|end| key.as_str() > end) {
                break;
            }
            if !key.starts_with(prefix) || after == Some(key) {
                continue;
            }
            match (keys.binary_search(key), value) {
                (Ok(at), None) => drop(keys.remove(at)),
                (Err(at), Some(_)) => keys.insert(at, key.clone()),
                _ => {}
            }
        }
        keys
    }

    async fn check_quota(&mut self, plugin: &Arc<str>, key: &str, value: &[u8]) -> Result<()> {
        let stored = match self.stored.get(plugin) {
            Some(stored) => *stored,
            None => {
                let stored = self.services.database.stored_bytes(plugin).await?;
                self.stored.insert(plugin.clone(), stored);
                stored
            }
        };
        let staged = self.values.iter().filter(|((owner, _), _)| owner == plugin);
        let staged: usize =
            staged.map(|((_, key), value)| value.as_ref().map_or(0, |value| key.len() + value.len())).sum();
        let after = stored + (staged + key.len() + value.len()) as u64;
        if after <= QUOTA {
            return Ok(());
        }
        // Close to the quota it matters that a value which is replaced or was shrunk is counted once.
        let replaced = match self.services.database.value(plugin, key).await? {
            Some((old, _)) => (key.len() + old.len()) as u64,
            None => 0,
        };
        if after.saturating_sub(replaced) > QUOTA {
            return Err(Error::TooLarge { what: "what this plugin keeps", limit: format!("{} MiB", QUOTA >> 20) });
        }
        Ok(())
    }
}

fn check_key(key: &str) -> Result<()> {
    match key.len() {
        0 => Err(Error::invalid("key", "must not be empty")),
        1..=KEY_BYTES => Ok(()),
        _ => Err(Error::TooLarge { what: "a key", limit: format!("{KEY_BYTES} bytes") }),
    }
}
