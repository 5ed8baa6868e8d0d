//! What the operator decides: `config.toml` and the environment over it.
//!
//! Each module gets its own section, never the whole. All that is wrong is told at once, each fault with its place:
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

mod edit;
mod fault;
mod http_host;
mod key;
mod live;
mod origins;
mod plugin_keys;
mod plugin_secrets;
mod plugins;
mod private_address;
mod public_address;
mod quantity;
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
pub use self::live::Live;
pub use self::plugin_keys::PluginKeys;
pub(crate) use self::plugins::is_plugin_id;
pub use self::plugins::{Budget, Grant, OnFault, Pin, Plugin, PluginLimits, Plugins, Settings};
pub use self::private_address::PrivateAddress;
pub(crate) use self::public_address::is_public;
pub use self::secret::Secret;
pub use self::sections::{
    Auth, AuthKey, Cluster, Cors, Database, Dialects, Echo, External, ForwardedHeader, GroupsDialect, KeyAlgorithm,
    Limits, Log, LogFormat, Media, Metrics, PlainDialect, Retention, Rooms, Server, Synchronous, Tls,
};

use self::fault::Place;
use self::key::{Key, read_section, section};
use self::tree::{Node, Table, Value};

/// Read when no file is named; it need not exist.
pub const DEFAULT_FILE: &str = "config.toml";

/// The file that is read when none is named, if it is there.
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
        /// By plugin id; ask `Config::plugin_of` for one that may have no table.
        plugin: BTreeMap<String, Plugin> = BTreeMap::new();
        metrics: Metrics = Metrics::default();
        log: Log = Log::default();
    }
}

impl Config {
    /// Reads this file, or else `config.toml` if there is one, and the environment over it.
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
                // The environment is still looked at, so that its faults are told too.
                String::new()
            }
        };
        Self::read(&name, &text, environment.into_iter().collect(), faults)
    }

    /// Reads a configuration's text; `file` is what faults call it.
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

    /// What of `new` a server that runs with this can take over.
    pub fn take_over(&self, new: &Self) -> Self {
        let mut taken = new.clone();
        taken.keep(self);
        taken
    }

    /// The keys under which `new` says something else, in the order of the sections.
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
        let mut tree = tree::parse(&Arc::from(file), text, &mut faults);
        tree::overlay(&mut tree, &environment, &mut faults);
        let mut config: Self = read_section(&tree, "", &mut faults);
        if let Some(port) = environment.get("PORT").filter(|port| !port.trim().is_empty()) {
            config.listen_on(port, &mut faults);
        }
        config.look_for_contradictions(&tree, &environment, &mut faults);
        faults.or(config)
    }

    /// Hosting services name the port in `PORT`.
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

    /// Keys that are right each by itself, but not together.
    fn look_for_contradictions(&self, tree: &Table, environment: &BTreeMap<String, String>, faults: &mut Faults) {
        let mut contradiction = |section: &str, keys: [&str; 2], wrong: bool, why: String| {
            let full = keys.map(|key| tree::join(section, key));
            if !wrong || full.iter().any(|key| faults.concern(key)) {
                return;
            }
            // Told where one of the two was written.
            let written = keys.iter().zip(&full).find_map(|(key, full)| Some((place(tree, section, key)?, full)));
            if let Some((place, key)) = written {
                faults.add(&place, key, why);
            }
        };
        let auth = &self.auth;
        contradiction(
            "auth",
            ["refresh_ttl", "access_ttl"],
            auth.refresh_ttl < auth.access_ttl,
            "a refresh token would end before its access token; wanted refresh_ttl ≥ access_ttl".to_owned(),
        );
        let least = auth.hash_parallelism * 8;
        contradiction(
            "auth",
            ["hash_memory_kib", "hash_parallelism"],
            auth.hash_memory_kib < least,
            format!("Argon2id needs 8 KiB a lane; wanted hash_memory_kib ≥ {least} for this hash_parallelism"),
        );
        let external = &auth.external;
        let without_issuer = external.issuer.is_empty() && *external != External::default();
        let wanted = "is for the tokens of another issuer, and there is no `issuer`; wanted its name";
        for key in ["secret", "audience", "id_claim"] {
            contradiction("auth.external", [key, "issuer"], without_issuer, wanted.to_owned());
        }
        contradiction(
            "auth.external",
            ["issuer", "secret"],
            !external.issuer.is_empty() && external.secret.is_empty() && auth.jwt_secret.is_empty(),
            "there is nothing to check its tokens with; wanted `secret`, or `auth.jwt_secret` if it signs with that"
                .to_owned(),
        );
        let limits = &self.limits;
        contradiction(
            "limits",
            ["outbox_bytes", "frame_bytes"],
            limits.outbox_bytes < limits.frame_bytes,
            "the outbox could not hold one frame; wanted outbox_bytes ≥ frame_bytes".to_owned(),
        );
        let alone = self.cluster.nats.is_empty();
        let shared = self.database.url.expose().starts_with("postgres");
        let why =
            "nodes of a cluster share a PostgreSQL; wanted database.url (or DATABASE_URL) = postgres://…".to_owned();
        contradiction("cluster", ["nats", "name"], !alone && !shared, why);
        let tls = &self.tls;
        let half = tls.certificate_file.is_empty() != tls.key_file.is_empty();
        let why = "a certificate and its key belong together; wanted both, or neither".to_owned();
        contradiction("tls", ["certificate_file", "key_file"], half, why);
        let bare = !tls.listen.is_empty() && tls.certificate_file.is_empty();
        let why = "there is no certificate to show there; wanted certificate_file and key_file".to_owned();
        contradiction("tls", ["listen", "certificate_file"], bare, why);

        let listen = &self.server.listen;
        let twice = listen.iter().enumerate().find(|(index, one)| one.port() != 0 && listen[..*index].contains(one));
        if let (Some((_, address)), false) = (twice, faults.concern("server.listen")) {
            let variable = environment.contains_key("PORT").then(|| Place::Variable("PORT".to_owned()));
            if let Some(place) = place(tree, "server", "listen").or(variable) {
                faults.add(&place, "server.listen", format!("{address} is there twice"));
            }
        }
    }
}

/// The process's environment, for [`Config::load`]. What is not Unicode is made so: if it is ours, it is then told as a
/// bad value, where `std::env::vars` would panic over anybody's variable.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
}

/// Where a key was written, if it was.
fn place(tree: &Table, section: &str, key: &str) -> Option<Place> {
    let mut table = tree;
    for part in section.split('.') {
        match table.get(part)? {
            Node { value: Value::Table(inner), .. } => table = inner,
            _ => return None,
        }
    }
    table.get(key).map(|node| node.place.clone())
}
