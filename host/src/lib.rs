//! The Natterjack host: connections, accounts, rooms and persistence of a chat server whose commands, guards and
//! filters are hot-reloadable WebAssembly plugins.
//!
//! A frame passes through these modules: [`transport`] (bytes) → [`dialect`] (decodes a command) → [`session`] (the
//! connection's identity) → [`router`] (permissions, plugin hooks) → [`accounts`], [`rooms`], [`messages`] (execution) →
//! [`database`] (commit) → [`hub`] (fan-out to subscribers) → [`dialect`] (encodes an event once) → [`transport`]. Only
//! [`server`] depends on all of them.

pub mod accounts;
mod cache;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod dashboard;
pub mod database;
pub mod dialect;
pub mod error;
mod follow;
pub mod hub;
mod latency;
pub mod log;
pub mod media;
pub mod messages;
pub mod metrics;
pub mod name;
pub mod plugins;
pub mod protocol;
pub mod room_cache;
pub mod rooms;
pub mod router;
pub mod search;
pub mod server;
pub mod session;
pub mod text;
pub mod transport;

// The entry points of the fuzz targets, which the tests run too, refer to this crate by its name.
#[cfg(test)]
extern crate self as natterjack;
