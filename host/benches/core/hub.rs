//! A room that is told: from an entry to the frames that each connection's task takes.

use criterion::{BenchmarkId, Criterion, Throughput};
use natterjack::dialect::Dialect;

use crate::scene::{Audience, DIALECTS};

/// Entries that are there before anybody is woken, as after a group commit.
const BATCH: u64 = 16;

pub(crate) fn publish(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("tell a room 16 posts");
    for (name, dialects, each) in [
        ("one dialect", &[Dialect::Native][..], 100),
        ("one dialect", &[Dialect::Native][..], 500),
        ("six dialects", &DIALECTS[..], 100),
    ] {
        let listeners = dialects.len() * each;
        let mut audience = Audience::new(dialects, each);
        group.throughput(Throughput::Elements(BATCH * listeners as u64));
        group.bench_function(BenchmarkId::new(name, listeners), |bencher| {
            bencher.iter(|| {
                audience.publish(BATCH);
                assert_eq!(audience.drain(), BATCH as usize * listeners);
            });
        });
    }
    group.finish();
}
