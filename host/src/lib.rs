//! Natterjack, the host.
pub mod accounts;
pub mod cache;
pub mod clock;
pub mod config;
pub mod database;
pub mod error;
pub mod name;
pub mod plugins;
pub mod protocol;
