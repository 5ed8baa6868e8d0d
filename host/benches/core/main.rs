//! Cost of a message in the core: decoding and encoding frames, storing posts, broadcasting to a room.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark that cannot go on stops")]

mod codec;
mod hub;
mod scene;
mod writer;

use criterion::{criterion_group, criterion_main};

criterion_group!(core, codec::decode, codec::encode, hub::broadcast, writer::posts);
criterion_main!(core);
