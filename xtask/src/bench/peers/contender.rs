//! Who is measured, and how each is started.

use std::process::Command;

use anyhow::{Context, Result};

use super::ejabberd;
use super::ground::Ground;
use super::server::Server;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    Natterjack,
    /// An epoll loop that does nothing but fan out.
    Limit,
    Bun,
    Axum,
    Ws,
    SocketIo,
    Ejabberd,
    /// No server: one row a transaction, as fast as SQLite commits.
    OneRow,
}

impl Contender {
    /// What `natterjack bench` has to speak with it.
    pub(crate) fn speech(self) -> &'static str {
        match self {
            Self::Natterjack | Self::OneRow => "native",
            Self::Limit | Self::Bun | Self::Axum | Self::Ws => "plain",
            Self::SocketIo => "socket-io",
            Self::Ejabberd => "xmpp",
        }
    }

    /// A new one, on the server's core, with nothing in its memory or its database.
    pub(crate) fn start(self, ground: &Ground) -> Result<Server> {
        let log = ground.folder.join(format!("{self:?}.log").to_lowercase());
        let mut command = match self {
            Self::Natterjack => natterjack(ground)?,
            Self::Limit => ground.on_server_core(ground.peers.join("limit")),
            Self::Axum => ground.on_server_core(ground.peers.join("axum")),
            Self::Bun => script(ground, ground.bun(), "bun.mjs"),
            Self::Ws => script(ground, "node", "ws.mjs"),
            Self::SocketIo => script(ground, "node", "socket-io.mjs"),
            Self::Ejabberd => return ejabberd::start(ground, &log),
            Self::OneRow => anyhow::bail!("it is no server"),
        };
        Server::start(&mut command, &log)
    }
}

fn script(ground: &Ground, runtime: impl AsRef<std::ffi::OsStr>, script: &str) -> Command {
    let mut command = ground.on_server_core(runtime);
    command.arg(script).current_dir(&ground.folder);
    command
}

/// The whole of it: all plugins, the shipped configuration, limits for what comes from one address.
fn natterjack(ground: &Ground) -> Result<Command> {
    let data = ground.folder.join("data");
    if data.exists() {
        std::fs::remove_dir_all(&data).with_context(|| format!("cannot empty {}", data.display()))?;
    }
    Ok(ground.natterjack_at(&data))
}
