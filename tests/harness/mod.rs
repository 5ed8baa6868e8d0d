//! Test harness: starts servers, databases, NATS and browsers, and provides clients.

mod accounts;
mod artifacts;
mod browser;
mod client;
mod cluster;
mod compiled;
pub(crate) mod database;
mod http;
mod nats;
pub(crate) mod nonsense;
mod server;
mod socketio;

pub(crate) use self::accounts::Account;
pub(crate) use self::artifacts::{HOSTILE_GRANTS, INSTALLED, Plugin, natterjack, root};
pub(crate) use self::browser::{Browser, first_line};
pub(crate) use self::client::{Client, Failure};
pub(crate) use self::cluster::Cluster;
pub(crate) use self::nats::Nats;
pub(crate) use self::server::{Server, Setup};
pub(crate) use self::socketio::SocketIo;

use std::time::Duration;

/// How long a test waits for an expected event. Long, since machines are busy; only a failing test waits the whole time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
