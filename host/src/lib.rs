//! Natterjack, the host.
pub mod accounts;
mod cache;
pub mod clock;
pub mod config;
pub mod database;
pub mod dialect;
pub mod error;
pub mod hub;
pub mod messages;
pub mod name;
pub mod protocol;
pub mod rooms;
