//! Cost of a plugin call: a filter for one message, and a command without host calls.

use criterion::Criterion;
use natterjack::plugins::Draft;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::host::{self, Host};

pub(crate) fn filter(bench: &mut Criterion) {
    // The full call path to a plugin and back, then the shipped plugin on the same path.
    let body = "What a fine evening at the pond, said one toad to another. ".repeat(4)[..200].to_owned();
    asked(bench, "filter: 200-byte message, reused instance", "fixture_no_ads.wasm", "", &body);
    let settings = r#"plugin.word-filter.settings = { words = ["darn"], action = "mask" }"#;
    asked(bench, "filter: the same by word-filter", "word-filter.wasm", settings, &body);
}

/// The shipped word filter with messages of several kinds, compared with a plugin that looks for one word.
pub(crate) fn words(bench: &mut Criterion) {
    let messages = [
        ("60 bytes of ASCII", "What a fine evening at the pond, said one toad to the other.".to_owned()),
        ("2 KB of ASCII", "What a fine evening at the pond, said one toad to the other. ".repeat(34)),
        ("60 Cyrillic letters", "Какой прекрасный вечер у пруда, сказала одна жаба другой, да.".to_owned()),
        ("60 Chinese letters", "池塘边的夜晚真美，一只蟾蜍对另一只说。".repeat(3)),
        ("60 Korean letters", "연못의 저녁이 참 좋다고 한 두꺼비가 말했다. ".repeat(2)),
    ];
    for (name, body) in messages {
        asked(bench, &format!("words: {name}, one word by fixture_no_ads"), "fixture_no_ads.wasm", "", &body);
        for count in [10, 1_000] {
            let settings = format!("plugin.word-filter.settings = {{ words = {:?} }}", listed(count));
            asked(bench, &format!("words: {name}, {count} words"), "word-filter.wasm", &settings, &body);
        }
    }
}

/// This number of words, none of which is in the messages; every fourth is in another script.
fn listed(count: usize) -> Vec<String> {
    const LATIN: [&str; 10] = ["bra", "dok", "fim", "gul", "hep", "jor", "kiv", "zun", "mop", "nyx"];
    const OTHERS: [&str; 10] = ["бра", "док", "фим", "гул", "笨", "蛋", "傻", "바", "보", "씨"];
    let word = |number: usize| {
        let parts = if number.is_multiple_of(4) { OTHERS } else { LATIN };
        [number / 100, number / 10, number].map(|digits| parts[digits % 10]).concat()
    };
    (0..count).map(word).collect()
}

fn asked(bench: &mut Criterion, name: &str, plugin: &str, settings: &str, body: &str) {
    let runtime = Runtime::new().unwrap();
    let host = Host::new(&[plugin], settings);
    let plugins = runtime.block_on(async { host.start(host.services().await).await });
    let (_inside, call) = (runtime.enter(), host::call());
    let draft = Draft { body: body.to_owned(), reply_to: None, edit_of: None, attachments: Vec::new() };
    assert_eq!(plugins.filter(&call, draft.clone()).unwrap(), None);
    bench.bench_function(name, |bencher| {
        bencher.iter(|| plugins.filter(&call, draft.clone()).unwrap());
    });
}

pub(crate) fn command(bench: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let host = Host::new(&["groups.wasm"], r#"plugin.groups.grants = ["rooms", "rooms-admin", "accounts"]"#);
    let plugins = runtime.block_on(async { host.start(host.services().await).await });
    let call = host::call();
    // Only a private room has a password: `groups` refuses this before any host call.
    let args = json!({"name": "pond", "visibility": "public", "password": "sesame"});
    let refused = runtime.block_on(plugins.run("room.create", &call, args.clone())).unwrap_err();
    assert_eq!(refused.code(), "invalid", "{refused}");
    bench.bench_function("command: fresh instance, no database", |bencher| {
        bencher.to_async(&runtime).iter(|| async { plugins.run("room.create", &call, args.clone()).await.is_err() });
    });
}
