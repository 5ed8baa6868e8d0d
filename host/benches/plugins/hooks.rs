//! What it costs to ask a plugin: a filter about one message, a command that needs nothing of the host.

use criterion::Criterion;
use natterjack::plugins::Draft;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::house::{self, House};

pub(crate) fn filter(bench: &mut Criterion) {
    // The whole way to a plugin and back, and then what the shipped one does on it.
    asked(bench, "filter: 200-byte message, reused instance", "fixture_no_ads.wasm", "");
    let settings = r#"plugin.word-filter.settings = { words = ["darn"], action = "mask" }"#;
    asked(bench, "filter: the same by word-filter", "word-filter.wasm", settings);
}

fn asked(bench: &mut Criterion, name: &str, plugin: &str, settings: &str) {
    let runtime = Runtime::new().unwrap();
    let house = House::new(&[plugin], settings);
    let plugins = runtime.block_on(async { house.start(house.services().await).await });
    let (_inside, call) = (runtime.enter(), house::call());
    let body = "What a fine evening at the pond, said one toad to another. ".repeat(4)[..200].to_owned();
    let draft = Draft { body, reply_to: None, edit_of: None, attachments: Vec::new() };
    assert_eq!(plugins.filter(&call, draft.clone()).unwrap(), None);
    bench.bench_function(name, |bencher| {
        bencher.iter(|| plugins.filter(&call, draft.clone()).unwrap());
    });
}

pub(crate) fn command(bench: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let house = House::new(&["groups.wasm"], r#"plugin.groups.grants = ["rooms", "rooms-admin", "accounts"]"#);
    let plugins = runtime.block_on(async { house.start(house.services().await).await });
    let call = house::call();
    // Only a private room has a password: `groups` says so before it asks the host for anything.
    let args = json!({"name": "pond", "visibility": "public", "password": "sesame"});
    let refused = runtime.block_on(plugins.run("room.create", &call, args.clone())).unwrap_err();
    assert_eq!(refused.code(), "invalid", "{refused}");
    bench.bench_function("command: fresh instance, no database", |bencher| {
        bencher.to_async(&runtime).iter(|| async { plugins.run("room.create", &call, args.clone()).await.is_err() });
    });
}
