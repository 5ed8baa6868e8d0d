//! `[plugins]` and the `[plugin.<id>]` tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value as Json;

use super::fault::Faults;
use super::http_host::HttpHost;
use super::key::{At, Difference, Key, choice, section, within};
use super::private_address::PrivateAddress;
use super::show::Shown;
use super::tree::{Node, Value, join};

section! {
    /// `[plugins]`: where plugins are, and the limits of each unless its own table says otherwise.
    Plugins {
        /// The watched folder: plugins are loaded when their files are added, and unloaded when they are removed.
        folder: PathBuf = "plugins".into() => restart;
        /// Whether compiled plugins are cached on disk.
        cache: bool = true => restart;
        filter_ms: u64 = 5, within(1..=1000);
        call_ms: u64 = 1000, within(1..=60_000);
        memory_mib: usize = 32, within(1..=4096);
    }
}

choice! {
    /// What happens to messages while a plugin's filter is quarantined.
    OnFault { Reject = "reject", Allow = "allow", }
}

choice! {
    /// An import that a plugin gets only if its operator grants it.
    Grant {
        Storage = "storage",
        Accounts = "accounts",
        Rooms = "rooms",
        RoomsAdmin = "rooms-admin",
        Messages = "messages",
        Passwords = "passwords",
        Push = "push",
        Timers = "timers",
        Http = "http",
    }
}

section! {
    /// `[plugin.<id>]`: one plugin. A plugin without a table has all of these at their defaults.
    Plugin {
        enabled: bool = true;
        /// Filters run from low to high.
        order: i32 = 0;
        on_fault: OnFault = OnFault::Reject;
        grants: Vec<Grant> = vec![];
        /// Hosts that the plugin may call, if `http` is granted.
        http_hosts: Vec<HttpHost> = vec![];
        /// Addresses outside the public internet that those hosts may have.
        allow_private: Vec<PrivateAddress> = vec![];
        sha256: Pin = Pin::default();
        limits: PluginLimits = PluginLimits::default();
        settings: Settings = Settings::default();
    }
}

section! {
    /// A plugin's own limits, where they differ from `[plugins]`.
    PluginLimits {
        filter_ms: Option<u64> = None, |value: &Option<u64>| value.as_ref().map_or(Ok(()), within(1..=1000));
        call_ms: Option<u64> = None, |value: &Option<u64>| value.as_ref().map_or(Ok(()), within(1..=60_000));
        memory_mib: Option<usize> = None, |value: &Option<usize>| value.as_ref().map_or(Ok(()), within(1..=4096));
    }
}

/// The limits of one plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub filter: Duration,
    pub call: Duration,
    pub memory_bytes: usize,
}

impl Plugins {
    /// The limits of a plugin whose own table sets these.
    pub fn budget(&self, own: &PluginLimits) -> Budget {
        Budget {
            filter: Duration::from_millis(own.filter_ms.unwrap_or(self.filter_ms)),
            call: Duration::from_millis(own.call_ms.unwrap_or(self.call_ms)),
            memory_bytes: own.memory_mib.unwrap_or(self.memory_mib) * 1024 * 1024,
        }
    }
}

/// The SHA-256 that a plugin's file must have, if one is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pin(Option<[u8; 32]>);

impl Pin {
    /// Whether a file with this hash may be loaded.
    pub fn admits(&self, sha256: &[u8; 32]) -> bool {
        self.0.is_none_or(|pinned| pinned == *sha256)
    }
}

impl Key for Pin {
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        const WANTED: &str = "a SHA-256 of 64 hexadecimal digits (`sha256sum FILE`)";
        match at.text() {
            Some("") => Some(Self(None)),
            Some(text) => match parse_sha256(text) {
                Some(hash) => Some(Self(Some(hash))),
                None => at.refuse(format!("`{text}` is not {WANTED}"), faults),
            },
            None => at.wanted(WANTED, faults),
        }
    }

    fn show(&self) -> Option<Shown> {
        let hex: String = self.0.iter().flatten().map(|byte| format!("{byte:02x}")).collect();
        Some(hex.as_str().into())
    }
}

fn parse_sha256(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(hash)
}

/// A plugin's own settings, passed to it unchanged. They may hold secrets, so neither `Debug` nor `--print-config`
/// shows their values.
#[derive(Clone, PartialEq)]
pub struct Settings(pub Json);

impl Default for Settings {
    fn default() -> Self {
        Self(Json::Object(serde_json::Map::new()))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.0.as_object().into_iter().flat_map(serde_json::Map::keys).collect();
        write!(f, "Settings({names:?})")
    }
}

impl Key for Settings {
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        match at.node.value {
            Value::Table(_) => json(at, faults).map(Self),
            _ => at.wanted("a table", faults),
        }
    }

    fn show(&self) -> Option<Shown> {
        let names = self.0.as_object().into_iter().flat_map(serde_json::Map::keys);
        Some(Shown::table(names.map(|name| (name.clone(), Some("<hidden>".into()))).collect()))
    }

    fn differences(&self, new: &Self, key: &str, found: &mut Vec<Difference>) {
        let none = serde_json::Map::new();
        let object = |settings: &'_ Self| settings.0.as_object().unwrap_or(&none).clone();
        let (old, new) = (object(self), object(new));
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names.into_iter().filter(|name| old.get(*name) != new.get(*name)) {
            let logged = |settings: &serde_json::Map<String, Json>| {
                settings.get(name).map(|value| Self(serde_json::json!({name: value})).logged(name))
            };
            found.push(Difference { key: join(key, name), from: logged(&old), to: logged(&new) });
        }
    }
}

/// A TOML value as JSON; dates become strings, since JSON has none.
fn json(at: &At<'_>, faults: &mut Faults) -> Option<Json> {
    Some(match &at.node.value {
        Value::String(text) | Value::Datetime(text) => text.as_str().into(),
        Value::Integer(number) => match i64::try_from(*number) {
            Ok(number) => number.into(),
            Err(_) => {
                return at.refuse(format!("{number} is out of range; wanted {} to {}", i64::MIN, i64::MAX), faults);
            }
        },
        Value::Boolean(value) => (*value).into(),
        Value::Float(number) => match serde_json::Number::from_f64(*number) {
            Some(number) => Json::Number(number),
            None => return at.refuse(format!("is {number}; wanted a finite number"), faults),
        },
        Value::Array(items) => {
            let read = |node: &Node| json(&At { key: at.key, node }, faults);
            Json::Array(items.iter().map(read).collect::<Option<_>>()?)
        }
        Value::Table(table) => {
            let mut object = serde_json::Map::new();
            for (name, node) in table {
                object.insert(name.clone(), json(&At { key: &join(at.key, name), node }, faults)?);
            }
            Json::Object(object)
        }
    })
}

impl Key for BTreeMap<String, Plugin> {
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let Value::Table(table) = &at.node.value else {
            return at.wanted("a table for each plugin, such as [plugin.word-filter]", faults);
        };
        let mut plugins = Self::new();
        for (id, node) in table {
            let key = join(at.key, id);
            let at = At { key: &key, node };
            if !matches!(node.value, Value::Table(_)) {
                at.refuse::<()>(super::misplaced::no_plugin_table(id, node), faults);
                continue;
            }
            if !is_plugin_id(id) {
                at.refuse::<()>(
                    "is not a plugin id; wanted lower-case words joined by dashes, such as `word-filter`",
                    faults,
                );
            }
            if let Some(plugin) = Plugin::read(&at, faults) {
                check_hosts(&plugin, &at, faults);
                plugins.insert(id.clone(), plugin);
            }
        }
        Some(plugins)
    }

    fn show(&self) -> Option<Shown> {
        Some(Shown::table(self.iter().map(|(id, plugin)| (id.clone(), plugin.show())).collect()))
    }

    fn differences(&self, new: &Self, key: &str, found: &mut Vec<Difference>) {
        let none = Plugin::default();
        let ids: BTreeSet<&String> = self.keys().chain(new.keys()).collect();
        for id in ids {
            let table = |tables: &'_ Self| tables.get(id).unwrap_or(&none).clone();
            table(self).differences(&table(new), &join(key, id), found);
        }
    }
}

/// Records faults for hosts that can never be reached, so that they are noticed before the plugin calls them.
fn check_hosts(plugin: &Plugin, at: &At<'_>, faults: &mut Faults) {
    let Value::Table(table) = &at.node.value else { return };
    let Some(node) = table.get("http_hosts") else { return };
    let at = At { key: &join(at.key, "http_hosts"), node };
    for host in &plugin.http_hosts {
        if let Err(why) = host.check_reachable(&plugin.allow_private) {
            at.refuse::<()>(why, faults);
        }
    }
}

/// Whether this is a valid plugin id: lower-case words joined by dashes.
pub(crate) fn is_plugin_id(id: &str) -> bool {
    let word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    id.split('-').all(word) && id.starts_with(|first: char| first.is_ascii_lowercase())
}
