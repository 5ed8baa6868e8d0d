//! Natterjack, the host.
pub mod clock;
pub mod database;
pub mod error;
pub mod name;
pub mod protocol;
