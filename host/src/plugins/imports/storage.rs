//! The `storage` import: the plugin's own keys and values.

use crate::plugins::bindings::host::storage;
use crate::plugins::bindings::wire;
use crate::plugins::state::State;

impl storage::Host for State {
    async fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, wire::Error> {
        let (unit, plugin) = self.unit()?;
        Ok(unit.value(plugin, key).await?)
    }

    async fn put(&mut self, key: String, value: Vec<u8>) -> Result<(), wire::Error> {
        let (unit, plugin) = self.unit()?;
        Ok(unit.put(plugin, key, value).await?)
    }

    async fn delete(&mut self, key: String) -> Result<(), wire::Error> {
        let (unit, plugin) = self.unit()?;
        Ok(unit.delete(plugin, key).await?)
    }

    async fn list(&mut self, prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>, wire::Error> {
        let (unit, plugin) = self.unit()?;
        Ok(unit.keys(plugin, &prefix, after, limit).await?)
    }
}
