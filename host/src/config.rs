//! The configuration: `config.toml`, overridden by the environment.
//!
//! Each module gets its own section only. All faults are reported at once, each with its place:
//!
//! ```
//! use natterjack::config::Config;
//!
//! let variables = [("NATTERJACK__AUTH__ACESS_TTL", "1h"), ("PORT", "http")];
//! let faults = Config::from_text("config.toml", "[log]\nlevel = 3\n", variables).unwrap_err();
//! assert_eq!(
//!     faults.to_string(),
//!     "config.toml:2: log.level: is an integer; wanted a string\n\
//!      NATTERJACK__AUTH__ACESS_TTL: auth.acess_ttl: unknown key; did you mean `access_ttl`?\n\
//!      PORT: server.listen: `http` is not a port; wanted 0 to 65535"
//! );
//! ```

mod contradictions;
mod edit;
mod fault;
mod http_host;
mod key;
mod listeners;
mod misplaced;
mod origins;
mod plugin_keys;
mod plugin_secrets;
mod plugins;
mod private_address;
mod public_address;
mod quantity;
mod reloadable;
mod scalars;
mod secret;
mod sections;
mod show;
#[cfg(test)]
mod tests;
mod tree;
mod variables;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::edit::{EditError, rename_plugin, set_plugin_settings, switch_plugin};
pub use self::fault::{Fault, Faults};
pub use self::http_host::HttpHost;
pub use self::key::Difference;
pub use self::listeners::Listener;
pub use self::plugin_keys::PluginKeys;
pub(crate) use self::plugins::is_plugin_id;
pub use self::plugins::{Budget, Grant, OnFault, Pin, Plugin, PluginLimits, Plugins, Settings};
pub use self::private_address::PrivateAddress;
pub(crate) use self::public_address::is_public;
pub use self::reloadable::Reloadable;
pub use self::secret::Secret;
pub use self::sections::{
    Auth, AuthKey, Cluster, Cors, Database, Dialects, Echo, External, ForwardedHeader, GroupsDialect, KeyAlgorithm,
    Limits, Log, LogFormat, Media, Metrics, PlainDialect, Retention, Rooms, Server, Synchronous, Tls,
};

use self::fault::Place;
use self::key::{Key, read_section, section};

/// The file that is read when none is named; it need not exist.
pub const DEFAULT_FILE: &str = "config.toml";

/// [`DEFAULT_FILE`], if it exists.
pub fn default_file() -> Option<PathBuf> {
    Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists())
}

section! {
    /// Everything that can be configured.
    Config {
        server: Server = Server::default();
        tls: Tls = Tls::default();
        database: Database = Database::default();
        cluster: Cluster = Cluster::default();
        auth: Auth = Auth::default();
        cors: Cors = Cors::default();
        dialects: Dialects = Dialects::default();
        limits: Limits = Limits::default();
        rooms: Rooms = Rooms::default();
        media: Media = Media::default();
        retention: Retention = Retention::default();
        plugins: Plugins = Plugins::default();
        /// By plugin id; use `Config::plugin_of` for a plugin that may have no table.
        plugin: BTreeMap<String, Plugin> = BTreeMap::new();
        metrics: Metrics = Metrics::default();
        log: Log = Log::default();
    }
}

impl Config {
    /// Reads this file, or else `config.toml` if it exists, overridden by the environment.
    pub fn load(path: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, Faults> {
        let file = path.unwrap_or(Path::new(DEFAULT_FILE));
        let name = file.to_string_lossy();
        let mut faults = Faults::default();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && path.is_none() => String::new(),
            Err(error) => {
                let why = match error.kind() {
                    ErrorKind::NotFound => "there is no such file".to_owned(),
                    ErrorKind::InvalidData => "is not UTF-8 text".to_owned(),
                    _ => format!("cannot be read: {error}"),
                };
                faults.add(&Place::File(name.as_ref().into()), "", why);
                // The environment is read all the same, so that its faults are reported too.
                String::new()
            }
        };
        Self::read(&name, &text, environment.into_iter().collect(), faults)
    }

    /// Reads a configuration's text; `file` is its name in faults.
    pub fn from_text<N: Into<String>, V: Into<String>>(
        file: &str,
        text: &str,
        environment: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, Faults> {
        let environment = environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self::read(file, text, environment, Faults::default())
    }

    /// The configuration in force as TOML, with secrets hidden.
    pub fn redacted(&self) -> String {
        self.show().map(show::Shown::into_document).unwrap_or_default()
    }

    /// This configuration with all changes of `new` that a running server can take over.
    pub fn take_over(&self, new: &Self) -> Self {
        let mut taken = new.clone();
        taken.keep(self);
        taken
    }

    /// The keys whose values differ in `new`, in the order of the sections.
    pub fn differences(&self, new: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        Key::differences(self, new, "", &mut found);
        found
    }

    /// This plugin's table, or the defaults.
    pub fn plugin_of(&self, id: &str) -> Plugin {
        self.plugin.get(id).cloned().unwrap_or_default()
    }

    fn read(file: &str, text: &str, environment: BTreeMap<String, String>, mut faults: Faults) -> Result<Self, Faults> {
        let parsed = tree::parse(&Arc::from(file), text, &mut faults);
        let is_whole = parsed.is_some();
        let mut tree = parsed.unwrap_or_default();
        tree::overlay(&mut tree, &environment, &mut faults);
        let mut config: Self = read_section(&tree, "", &mut faults);
        if let Some(port) = environment.get("PORT").filter(|port| !port.trim().is_empty()) {
            config.listen_on(port, &mut faults);
        }
        if is_whole {
            config.look_for_contradictions(&tree, &environment, &mut faults);
        }
        faults.or(config)
    }

    /// Applies `PORT`, which hosting services set.
    fn listen_on(&mut self, port: &str, faults: &mut Faults) {
        match (port.trim().parse(), self.server.listen.first_mut()) {
            (Ok(port), Some(first)) => first.set_port(port),
            (Ok(_), None) => {}
            (Err(_), _) => {
                let why = format!("`{port}` is not a port; wanted 0 to 65535");
                faults.add(&Place::Variable("PORT".to_owned()), "server.listen", why);
            }
        }
    }
}

/// The process's environment, for [`Config::load`]. Converts text that is not Unicode, so that it is reported as a bad value if
/// it is read, whereas `std::env::vars` would panic over any variable.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
}
