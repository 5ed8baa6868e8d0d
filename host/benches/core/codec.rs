//! Decoding and encoding a post's frame in each dialect.

use std::hint::black_box;

use criterion::Criterion;
use natterjack::dialect::Encoded;
use natterjack::protocol::Event;

use crate::scene::{self, DIALECTS};

pub(crate) fn decode(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("decode a post");
    for dialect in DIALECTS {
        let frame = scene::frame(dialect);
        assert!(scene::decode(dialect, &frame), "{frame}");
        group.bench_function(dialect.name(), |bencher| {
            bencher.iter(|| scene::decode(dialect, black_box(&frame)));
        });
    }
    group.finish();
}

pub(crate) fn encode(bench: &mut Criterion) {
    let (room, ann) = (scene::room(), scene::ann());
    let event = Event::Entry(scene::posted(&room, &ann, 42));
    let mut group = bench.benchmark_group("encode a post");
    for dialect in DIALECTS {
        assert!(Encoded::new(&event, Some(&room)).for_dialect(dialect).is_some(), "{dialect:?}");
        group.bench_function(dialect.name(), |bencher| {
            bencher.iter(|| Encoded::new(black_box(&event), Some(&room)).for_dialect(dialect));
        });
    }
    group.finish();
}
