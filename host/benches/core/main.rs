//! What a message costs on its way: frames that are read and written, posts that are stored, a room that is told.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark that cannot go on stops")]

mod codec;
mod hub;
mod scene;
mod writer;

use criterion::{criterion_group, criterion_main};

criterion_group!(core, codec::decode, codec::encode, hub::publish, writer::posts);
criterion_main!(core);
