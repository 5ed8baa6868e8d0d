//! Keys of a plugin's table, in the form that nodes of a cluster exchange.

use super::edit::settings_table;
use super::key::Section as _;
use super::{Config, Faults, Plugin, Settings};

/// Keys of a `[plugin.<id>]` table with their values, including secrets.
pub type PluginKeys = toml::Table;

impl Plugin {
    /// All keys of this table, each with its value.
    pub fn keys(&self, id: &str) -> Result<PluginKeys, String> {
        let shown = self.entries().into_iter().filter_map(|(key, shown)| Some((key, shown?.into_value())));
        let mut keys: PluginKeys = shown.collect();
        if self.allow_private.is_empty() {
            // A node of the previous version refuses tables with keys that it does not know.
            keys.remove("allow_private");
        }
        keys.extend(self.settings.keys(id)?);
        Ok(keys)
    }

    /// This table with the given keys replaced.
    pub fn with(&self, id: &str, keys: &PluginKeys) -> Result<Self, String> {
        let mut table = self.keys(id)?;
        table.extend(keys.clone());
        let plugins = PluginKeys::from_iter([(id.to_owned(), table.into())]);
        let document = PluginKeys::from_iter([("plugin".to_owned(), plugins.into())]);
        let none: [(String, String); 0] = [];
        let config = Config::from_text("the cluster's plugins", &document.to_string(), none);
        Ok(config.map_err(|faults: Faults| faults.to_string())?.plugin_of(id))
    }
}

impl Settings {
    /// The key `settings` with these settings; the error names one that TOML cannot hold.
    pub fn keys(&self, id: &str) -> Result<PluginKeys, String> {
        Ok(PluginKeys::from_iter([("settings".to_owned(), settings_table(id, self)?.into())]))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = r#"
        [plugin.bot]
        order = 3
        on_fault = "allow"
        grants = ["http", "storage"]
        http_hosts = ["*.example.org:8080"]
        allow_private = ["10.0.0.5:8080"]
        sha256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
        limits = { call_ms = 500 }
        settings = { api_token = "secret", words = ["a", "b"], deep = { er = [1, 2.5, true] } }
    "#;

    fn bot() -> Plugin {
        let none: [(String, String); 0] = [];
        Config::from_text("test", TEXT, none).unwrap().plugin_of("bot")
    }

    #[test]
    fn a_table_is_restored_from_its_keys() {
        let keys: PluginKeys = bot().keys("bot").unwrap().to_string().parse().unwrap();
        assert_eq!(Plugin::default().with("bot", &keys).unwrap(), bot());
    }

    #[test]
    fn keys_that_are_left_out_stay_unchanged() {
        let keys = "enabled = false".parse().unwrap();
        assert_eq!(bot().with("bot", &keys).unwrap(), Plugin { enabled: false, ..bot() });
        let keys = Settings(json!({"words": []})).keys("bot").unwrap();
        assert_eq!(bot().with("bot", &keys).unwrap().settings.0, json!({"words": []}));
    }

    #[test]
    fn unknown_keys_and_null_settings_are_faults() {
        let why = bot().with("bot", &"colour = 1".parse().unwrap()).unwrap_err();
        assert!(why.contains("plugin.bot.colour"), "{why}");
        let why = Settings(json!({"words": null})).keys("bot").unwrap_err();
        assert!(why.contains("settings.words"), "{why}");
    }
}
