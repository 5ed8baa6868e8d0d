//! Why a plugin is not loaded.

use std::sync::Arc;

use super::MAX_FILE_BYTES;
use crate::plugins::contract;

/// Why a plugin is not loaded. The text is for the operator and says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::plugins) enum LoadError {
    #[error("it has {bytes} bytes; at most {} are loaded", MAX_FILE_BYTES)]
    TooLarge { bytes: u64 },
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("it is no WebAssembly file; put the plugin's built `.wasm` there")]
    NotWasm,
    #[error("it is a core module, not a component; build it for the target `wasm32-wasip2`")]
    CoreModule,
    #[error(
        "its SHA-256 is {found}, not the one pinned in config.toml; put that there if you trust this file: [plugin.{id}] sha256 = \"{found}\""
    )]
    Pin { id: Arc<str>, found: String },
    #[error("it cannot be compiled: {0}")]
    Broken(String),
    #[error(
        "it uses WebAssembly features that this server disables: {0}; build it for the target `wasm32-wasip2` without them"
    )]
    Proposal(String),
    #[error(
        "its file is quarantined, since its first load crashed the child process that loads unknown files ({reason}); replace the file, or retry it with `natterjack plugin retry {id}`"
    )]
    Quarantined { id: Arc<str>, reason: String },
    #[error("its trial load did not complete: {0}; the server retries it later")]
    Untried(String),
    #[error(
        "it uses {name}, but this server speaks version {}; build it with the SDK of that version",
        contract::VERSION
    )]
    Version { name: String },
    #[error("it exports nothing that the server calls; a plugin exports at least one of {}", contract::HOOKS.join(", "))]
    NoHook,
    #[error("it exports {0}, which this server does not know; it is made for a newer one")]
    UnknownExport(String),
    #[error("it imports {0}, which this server does not have; remove its use, or update the server")]
    UnknownImport(String),
    #[error(
        "it imports {missing}, which is not granted; if you trust it with that, put into config.toml: [plugin.{id}] grants = [{grants}]"
    )]
    NotGranted { id: Arc<str>, missing: String, grants: String },
    #[error("it does not fit the contract: {why}; build it with the SDK of version {}", contract::VERSION)]
    Misfit { why: String },
    #[error("it could not be started: {0}")]
    Start(String),
    #[error("its command `{name}` is not well described: {why}")]
    Spec { name: String, why: String },
    #[error("the {what} `{name}` belongs to {by} already; rename it, or remove one of the two")]
    Taken { what: &'static str, name: String, by: String },
}

impl LoadError {
    /// The reason why a file cannot be compiled, without the introduction.
    pub(in crate::plugins) fn broken(self) -> String {
        match self {
            Self::Broken(why) => why,
            other => other.to_string(),
        }
    }
}
