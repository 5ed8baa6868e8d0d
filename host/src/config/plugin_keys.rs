//! Some keys of a plugin's table, as nodes of a cluster hand them on.

use super::edit::settings_table;
use super::key::Section as _;
use super::{Config, Faults, Plugin, Settings};

/// Keys of a `[plugin.<id>]` table with their values, secrets among them.
pub type PluginKeys = toml::Table;

impl Plugin {
    /// All keys of this table, each with its value.
    pub fn keys(&self, id: &str) -> Result<PluginKeys, String> {
        let shown = self.entries().into_iter().filter_map(|(key, shown)| Some((key, shown?.into_value())));
        let mut keys: PluginKeys = shown.collect();
        if self.allow_private.is_empty() {
            // A node of the version before takes no table with a key that it does not know.
            keys.remove("allow_private");
        }
        keys.extend(self.settings.keys(id)?);
        Ok(keys)
    }

    /// The same with these keys in place of its own.
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
    /// The key `settings` with these; the error names what TOML cannot hold.
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
    fn a_table_comes_out_of_its_keys_as_it_went_in() {
        let keys: PluginKeys = bot().keys("bot").unwrap().to_string().parse().unwrap();
        assert_eq!(Plugin::default().with("bot", &keys).unwrap(), bot());
    }

    #[test]
    fn keys_that_are_not_said_stay() {
        let keys = "enabled = false".parse().unwrap();
        assert_eq!(bot().with("bot", &keys).unwrap(), Plugin { enabled: false, ..bot() });
        let keys = Settings(json!({"words": []})).keys("bot").unwrap();
        assert_eq!(bot().with("bot", &keys).unwrap().settings.0, json!({"words": []}));
    }

    #[test]
    fn what_this_version_does_not_know_is_a_fault() {
        let why = bot().with("bot", &"colour = 1".parse().unwrap()).unwrap_err();
        assert!(why.contains("plugin.bot.colour"), "{why}");
        let why = Settings(json!({"words": null})).keys("bot").unwrap_err();
        assert!(why.contains("settings.words"), "{why}");
    }
}
