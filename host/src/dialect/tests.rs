//! Feeds malformed frames to all decoders: they must return a client error and never panic.

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};

#[path = "../../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "it is a crate of its own, too")]
mod fuzz;
#[path = "../../../tests/harness/nonsense.rs"]
mod nonsense;

type Entry = fn(&[u8]);

const ENTRIES: [(&str, Entry); 6] = [
    ("native", fuzz::native),
    ("groups", fuzz::groups),
    ("direct", fuzz::direct),
    ("go", fuzz::go),
    ("rooms", fuzz::rooms),
    ("sessions", fuzz::sessions),
];

fn corpus(dialect: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(dialect);
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn fuzz_corpus_passes_in_every_decoder() {
    let targets = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets")).unwrap();
    // `loading` is not a decoder; it is tested where plugins are loaded.
    let decoders = targets.filter(|target| target.as_ref().unwrap().file_name() != "loading.rs");
    assert_eq!(decoders.count(), ENTRIES.len(), "each target has its entry here");
    for (dialect, entry) in ENTRIES {
        let corpus = corpus(dialect);
        assert!(!corpus.is_empty());
        corpus.iter().for_each(|bytes| entry(bytes));
    }
}

/// The inputs of the corpus that are valid JSON.
fn valid_frames() -> Vec<Value> {
    let bytes = ENTRIES.iter().flat_map(|(dialect, _)| corpus(dialect));
    let mut valid: Vec<Value> = bytes.filter_map(|bytes| serde_json::from_slice(&bytes).ok()).collect();
    valid.push(json!({"op": "x", "type": "x", "event": "x", "payload": {}, "args": {}}));
    valid
}

proptest! {
    // A fixed seed: the same cases each time. `cargo xtask fuzz` generates new ones.
    #![proptest_config(ProptestConfig {
        cases: 10_000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default()
    })]

    #[test]
    fn decoders_do_not_panic_on_mutated_frames(frame in nonsense::frame(valid_frames())) {
        for (_, entry) in ENTRIES {
            entry(frame.as_bytes());
        }
    }

    #[test]
    fn decoders_do_not_panic_on_random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, entry) in ENTRIES {
            entry(&bytes);
        }
    }
}
