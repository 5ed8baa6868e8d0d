//! Natterjack, the host: connections, accounts, rooms and persistence of a chat server whose commands, guards and
//! filters are hot-reloadable WebAssembly plugins.
//!
//! A frame's way through the house: [`transport`] (bytes) → [`dialect`] (a command) → [`session`] (whose) → [`router`]
//! (may they; plugin hooks) → [`accounts`], [`rooms`], [`messages`] (what it does) → [`database`] (committed) →
//! [`hub`] (who hears of it) → [`dialect`] (an event's bytes, once) → [`transport`]. Only [`server`] sees all of them.

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
pub mod rooms;
pub mod router;
pub mod search;
pub mod server;
pub mod session;
pub mod text;
pub mod transport;

// The entries of the fuzz targets, which the tests run too, know this crate by its name.
#[cfg(test)]
extern crate self as natterjack;
