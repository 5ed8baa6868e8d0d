//! How long a plugin takes until it is live: at the server's start, and after its file was saved.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use natterjack::plugins::Plugins;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::host::{self, Host};

const ALL: [&str; 2] = ["groups.wasm", "word-filter.wasm"];
const GRANTS: &str =
    r#"plugin.groups.grants = ["rooms", "rooms-admin", "accounts", "storage", "passwords", "messages"]"#;

fn running(plugins: &Plugins, id: &str) -> Option<String> {
    plugins.statuses().into_iter().find(|status| &*status.id == id)?.sha256
}

/// Loading the plugins at a server's start.
pub(crate) fn start(bench: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = bench.benchmark_group("start");
    group.sample_size(10);
    for (name, host) in [
        ("two plugins, nothing kept", Host::new(&ALL, GRANTS)),
        ("two plugins, compiled before", Host::new(&ALL, GRANTS).cached()),
    ] {
        let services = runtime.block_on(host.services());
        let plugins = runtime.block_on(host.start(services.clone()));
        assert!(ALL.iter().all(|file| running(&plugins, file.trim_end_matches(".wasm")).is_some()), "both run");
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(|| host.start(services.clone()));
        });
    }
    group.finish();
}

/// From saving a file until calls go to it, including the watcher's quiet time.
pub(crate) fn save(bench: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = bench.benchmark_group("save to live");
    group.sample_size(10).measurement_time(Duration::from_secs(8));
    for (name, host) in [
        ("a file never seen before", Host::new(&["groups.wasm"], GRANTS)),
        ("a file compiled before", Host::new(&["groups.wasm"], GRANTS).cached()),
    ] {
        let services = runtime.block_on(host.services());
        let stop = CancellationToken::new();
        let plugins = runtime.block_on(host.follow(services, stop.clone()));
        // Two plugins of about the same size alternate; without the cache each turn compiles.
        let turns = [host::built("room-password.wasm"), host::built("groups.wasm")];
        let mut turn = 0;
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                (0..rounds)
                    .map(|_| {
                        let before = running(&plugins, "groups");
                        host.install(
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

/// The plugin, as a new file if `anew`: a custom section makes it unique.
fn tagged(component: &[u8], turn: usize, anew: bool) -> Vec<u8> {
    let mut component = component.to_vec();
    if anew {
        component.extend([0, 5, 0]);
        component.extend(u32::try_from(turn).unwrap().to_le_bytes());
    }
    component
}
