//! The measured servers, and how each is started.

use std::process::Command;

use anyhow::{Context, Result};

use super::ejabberd;
use super::server::Server;
use super::testbed::Testbed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    Natterjack,
    /// An epoll loop that only fans out messages.
    Limit,
    Bun,
    Axum,
    Ws,
    SocketIo,
    Ejabberd,
    /// Not a server: inserts one row per transaction, as fast as SQLite commits.
    OneRow,
}

impl Contender {
    /// The value of `--speech` with which `natterjack bench` connects.
    pub(crate) fn speech(self) -> &'static str {
        match self {
            Self::Natterjack | Self::OneRow => "native",
            Self::Limit | Self::Bun | Self::Axum | Self::Ws => "plain",
            Self::SocketIo => "socket-io",
            Self::Ejabberd => "xmpp",
        }
    }

    /// Starts a fresh server with empty data on the server's core.
    pub(crate) fn start(self, testbed: &Testbed) -> Result<Server> {
        let log = testbed.folder.join(format!("{self:?}.log").to_lowercase());
        let mut command = match self {
            Self::Natterjack => natterjack(testbed)?,
            Self::Limit => testbed.on_server_core(testbed.peers.join("limit")),
            Self::Axum => testbed.on_server_core(testbed.peers.join("axum")),
            Self::Bun => script(testbed, testbed.bun(), "bun.mjs"),
            Self::Ws => script(testbed, "node", "ws.mjs"),
            Self::SocketIo => script(testbed, "node", "socket-io.mjs"),
            Self::Ejabberd => return ejabberd::start(testbed, &log),
            Self::OneRow => anyhow::bail!("it is not a server"),
        };
        Server::start(&mut command, &log)
    }
}

fn script(testbed: &Testbed, runtime: impl AsRef<std::ffi::OsStr>, script: &str) -> Command {
    let mut command = testbed.on_server_core(runtime);
    command.arg(script).current_dir(&testbed.folder);
    command
}

/// The full server: all plugins and the shipped configuration, with raised limits per address.
fn natterjack(testbed: &Testbed) -> Result<Command> {
    let data = testbed.folder.join("data");
    if data.exists() {
        std::fs::remove_dir_all(&data).with_context(|| format!("cannot empty {}", data.display()))?;
    }
    Ok(testbed.natterjack_at(&data))
}
