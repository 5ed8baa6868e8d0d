//! What the chores and the tests both need: other programs, and a private PostgreSQL.

pub mod command;
pub mod debian;
pub mod postgres;
pub mod tools;
