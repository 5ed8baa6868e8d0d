//! Shared by the tasks and the tests: running and installing other programs, and a private PostgreSQL.

pub mod command;
pub mod debian;
pub mod postgres;
pub mod tools;
