//! A plugin's own keys and values, including the call's staged writes.

use std::sync::Arc;

use super::listing::{NameKind, check_name};
use super::{MAX_READS, UnitOfWork};
use crate::error::{Error, Result};
use crate::protocol::Change;

const MAX_VALUE_BYTES: usize = 64 << 10;
/// Storage of one plugin: keys and values together.
const STORAGE_QUOTA_BYTES: u64 = 64 << 20;

impl UnitOfWork {
    pub(in super::super) async fn value(&mut self, plugin: &Arc<str>, key: String) -> Result<Option<Vec<u8>>> {
        check_key(&key)?;
        let place = (plugin.clone(), key);
        if let Some(staged) = self.values.get(&place) {
            return Ok(staged.clone());
        }
        if self.reads.len() == MAX_READS {
            return Err(Error::TooLarge { what: "the number of keys read in one call", limit: MAX_READS.to_string() });
        }
        let found = self.services.database.value(plugin, &place.1).await?;
        let version = found.as_ref().map_or(0, |(_, version)| *version);
        // The first version read is kept: if a later read finds another version, the commit fails with a conflict.
        self.reads.entry(place).or_insert(version);
        Ok(found.map(|(value, _)| value))
    }

    pub(in super::super) async fn put(&mut self, plugin: &Arc<str>, key: String, value: Vec<u8>) -> Result<()> {
        check_key(&key)?;
        if value.len() > MAX_VALUE_BYTES {
            return Err(Error::TooLarge { what: "a stored value", limit: format!("{MAX_VALUE_BYTES} bytes") });
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

    /// Keys with this prefix after `after`, in byte order, including staged ones.
    pub(in super::super) async fn keys(
        &self,
        plugin: &Arc<str>,
        prefix: &str,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<String>> {
        self.names(NameKind::Values, plugin, prefix, after, limit).await
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
        if after <= STORAGE_QUOTA_BYTES {
            return Ok(());
        }
        // Near the quota, the value that is replaced must not be counted twice.
        let replaced = match self.services.database.value(plugin, key).await? {
            Some((old, _)) => (key.len() + old.len()) as u64,
            None => 0,
        };
        if after.saturating_sub(replaced) > STORAGE_QUOTA_BYTES {
            return Err(Error::TooLarge {
                what: "the storage of this plugin",
                limit: format!("{} MiB", STORAGE_QUOTA_BYTES >> 20),
            });
        }
        Ok(())
    }
}

fn check_key(key: &str) -> Result<()> {
    check_name("key", "a key", key)
}
