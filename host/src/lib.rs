//! Natterjack, the host.
pub mod clock;
pub mod error;
pub mod protocol;
