//! Cost of plugins: calls, start and reload. Build the plugins first: `cargo xtask plugins`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark that cannot go on stops")]

mod hooks;
mod host;
mod reload;

use criterion::{criterion_group, criterion_main};

criterion_group!(plugins, hooks::filter, hooks::words, hooks::command, reload::start, reload::save);
criterion_main!(plugins);
