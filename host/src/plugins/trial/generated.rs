//! Loads generated modules and components as unknown files. `cargo xtask fuzz loading` runs longer.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use self::making::around;
use super::loader::{Stage, TrialLoader};
use crate::plugins::engine;

#[path = "../../../../fuzz/src/loading.rs"]
#[allow(unreachable_pub, reason = "it belongs to a crate of its own, too")]
mod making;

/// A module with function subtyping, on which wasmtime without a garbage collector panicked.
const SUBTYPING: &[u8] = b"\0asm\x01\0\0\0\x01\x0e\x01\x4e\x02\x50\0\x60\0\0\x50\x01\0\x60\0\0\x03\x03\x02\x01\0\x04\x04\x01\x70\0\x02\x08\x01\x01\x09\x07\x01\0\x41\0\x0b\x01\0\x0a\x0c\x02\x02\0\x0b\x07\0\x41\0\x11\0\0\x0b";

/// Number of generated files. Each has a fixed seed, so every run uses the same files.
const FILES: u64 = 180;
const SEED_BYTES: usize = 3000;

fn generated_file(seed: u64) -> Option<Vec<u8>> {
    let mut random = StdRng::seed_from_u64(seed);
    let bytes: Vec<u8> = (0..SEED_BYTES).map(|_| random.random()).collect();
    making::file(&bytes)
}

#[test]
fn generated_files_never_crash_the_loader() {
    let loader = TrialLoader::new().unwrap();
    let (mut invalid, mut compiled, mut started) = (0, 0, 0);
    for file in (0..FILES).filter_map(generated_file) {
        match loader.load(&file) {
            Stage::Invalid => invalid += 1,
            Stage::Refused => {}
            Stage::Compiled => compiled += 1,
            Stage::Started => {
                compiled += 1;
                started += 1;
            }
        }
    }
    // Otherwise the generated files test too little.
    assert!(invalid > 10 && compiled > 20 && started > 5, "{invalid} invalid, {compiled} compiled, {started} started");
}

#[test]
fn function_subtyping_is_refused_by_name_before_compiling() {
    let component = around(SUBTYPING);
    let refused = engine::validate(&component).unwrap_err();
    assert!(matches!(&refused, engine::Invalid::Proposal(names) if names.contains("gc")), "{refused:?}");
    assert_eq!(TrialLoader::new().unwrap().load(&component), Stage::Invalid);
}

#[test]
fn disabled_proposals_are_named_and_those_that_compilers_emit_are_valid() {
    let module = |body: &[u8]| [b"\0asm\x01\0\0\0", body].concat();
    // (memory i64 0), (memory 0) (memory 0), (tag), (func return_call 0)
    let off: [(&str, &[u8]); 4] = [
        ("memory64", b"\x05\x03\x01\x04\0"),
        ("multi-memory", b"\x05\x05\x02\0\0\0\0"),
        ("exceptions", b"\x01\x04\x01\x60\0\0\x0d\x03\x01\0\0"),
        ("tail-call", b"\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x06\x01\x04\0\x12\0\x0b"),
    ];
    for (name, body) in off {
        let refused = engine::validate(&around(&module(body))).unwrap_err();
        assert_eq!(refused, engine::Invalid::Proposal(name.into()));
    }
    // (memory 1) (func memory.fill), (func (result i32 i32)), (func i32.extend8_s), (func v128.const)
    let on: [&[u8]; 4] = [
        b"\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x03\x01\0\x01\x0a\x0d\x01\x0b\0\x41\0\x41\0\x41\0\xfc\x0b\0\x0b",
        b"\x01\x06\x01\x60\0\x02\x7f\x7f\x03\x02\x01\0\x0a\x08\x01\x06\0\x41\0\x41\0\x0b",
        b"\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x08\x01\x06\0\x41\0\xc0\x1a\x0b",
        b"\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x17\x01\x15\0\xfd\x0c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x1a\x0b",
    ];
    for body in on {
        assert_eq!(engine::validate(&around(&module(body))), Ok(()), "{body:02x?}");
    }
}
