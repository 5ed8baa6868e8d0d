//! How long a plugin takes to come alive: at the server's start, and after its file was saved.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use natterjack::plugins::Plugins;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::house::{self, House};

const ALL: [&str; 2] = ["groups.wasm", "word-filter.wasm"];
const GRANTS: &str =
    r#"plugin.groups.grants = ["rooms", "rooms-admin", "accounts", "storage", "passwords", "messages"]"#;

fn running(plugins: &Plugins, id: &str) -> Option<String> {
    plugins.statuses().into_iter().find(|status| &*status.id == id)?.sha256
}

/// The plugins' part of a server's start.
pub(crate) fn start(bench: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = bench.benchmark_group("start");
    group.sample_size(10);
    for (name, house) in [
        ("two plugins, nothing kept", House::new(&ALL, GRANTS)),
        ("two plugins, compiled before", House::new(&ALL, GRANTS).cached()),
    ] {
        let services = runtime.block_on(house.services());
        let plugins = runtime.block_on(house.start(services.clone()));
        assert!(ALL.iter().all(|file| running(&plugins, file.trim_end_matches(".wasm")).is_some()), "both run");
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(|| house.start(services.clone()));
        });
    }
    group.finish();
}

/// From the moment that a file is in its place until calls go to it. The watcher's quiet time is part of it.
pub(crate) fn save(bench: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = bench.benchmark_group("save to live");
    group.sample_size(10).measurement_time(Duration::from_secs(8));
    for (name, house) in [
        ("a file never seen before", House::new(&["groups.wasm"], GRANTS)),
        ("a file compiled before", House::new(&["groups.wasm"], GRANTS).cached()),
    ] {
        let services = runtime.block_on(house.services());
        let stop = CancellationToken::new();
        let plugins = runtime.block_on(house.follow(services, stop.clone()));
        // Two plugins of about one size take turns; without the cache each turn compiles.
        let turns = [house::built("room-password.wasm"), house::built("groups.wasm")];
        let mut turn = 0;
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                (0..rounds)
                    .map(|_| {
                        let before = running(&plugins, "groups");
                        house.install(
                            "groups.wasm",
                            &tagged(&turns[turn % 2], turn, name.ends_with("never seen before")),
                        );
                        turn += 1;
                        let since = Instant::now();
                        runtime.block_on(live(&plugins, before));
                        since.elapsed()
                    })
                    .sum()
            });
        });
        stop.cancel();
    }
    group.finish();
}

async fn live(plugins: &Arc<Plugins>, before: Option<String>) {
    while running(plugins, "groups") == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The same plugin as another file, if it has to be one: a custom section says how often it was saved.
fn tagged(component: &[u8], turn: usize, anew: bool) -> Vec<u8> {
    let mut component = component.to_vec();
    if anew {
        component.extend([0, 5, 0]);
        component.extend(u32::try_from(turn).unwrap().to_le_bytes());
    }
    component
}
