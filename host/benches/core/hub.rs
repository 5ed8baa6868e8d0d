//! Broadcasting entries to a room, up to the frames that each connection's task takes.

use criterion::{BenchmarkId, Criterion, Throughput};
use natterjack::dialect::Dialect;

use crate::scene::{Audience, DIALECTS};

/// Entries that are queued together, as after a group commit.
const ENTRIES_PER_BATCH: u64 = 16;

pub(crate) fn broadcast(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("broadcast 16 posts to a room");
    for (name, dialects, each) in [
        ("one dialect", &[Dialect::Native][..], 100),
        ("one dialect", &[Dialect::Native][..], 500),
        ("six dialects", &DIALECTS[..], 100),
    ] {
        let subscribers = dialects.len() * each;
        let mut audience = Audience::new(dialects, each);
        group.throughput(Throughput::Elements(ENTRIES_PER_BATCH * subscribers as u64));
        group.bench_function(BenchmarkId::new(name, subscribers), |bencher| {
            bencher.iter(|| {
                audience.broadcast(ENTRIES_PER_BATCH);
                assert_eq!(audience.drain(), ENTRIES_PER_BATCH as usize * subscribers);
            });
        });
    }
    group.finish();
}
