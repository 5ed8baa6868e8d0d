//! Selects the WebAssembly proposals that plugins may use. All others are off, since each feature of the compiler is attack
//! surface for a hostile component.

use wasmparser::{Validator, WasmFeatures};
use wasmtime::Config;

/// A proposal, whether it is on, and the reason.
type Proposal = (WasmFeatures, bool, &'static str);

/// Every proposal that the parser knows; a test checks that the list is complete.
#[rustfmt::skip]
const PROPOSALS: &[Proposal] = &[
    // On: emitted by default for `wasm32-wasip2` by rustc, clang, and the toolchains of componentize-js and componentize-py.
    (WasmFeatures::MUTABLE_GLOBAL, true, "the stack pointer of every compiled guest"),
    (WasmFeatures::SATURATING_FLOAT_TO_INT, true, "emitted by rustc and clang by default"),
    (WasmFeatures::SIGN_EXTENSION, true, "emitted by rustc and clang by default"),
    (WasmFeatures::REFERENCE_TYPES, true, "emitted by rustc and clang by default: table indices of more than one byte"),
    (WasmFeatures::CALL_INDIRECT_OVERLONG, true, "part of the reference types"),
    (WasmFeatures::MULTI_VALUE, true, "emitted by rustc and clang by default"),
    (WasmFeatures::BULK_MEMORY, true, "emitted by rustc and clang by default: copies and fills"),
    (WasmFeatures::BULK_MEMORY_OPT, true, "part of the bulk memory operations"),
    (WasmFeatures::SIMD, true, "used by interpreters and by crates that search text"),
    (WasmFeatures::FLOATS, true, "numbers with a fraction"),
    (WasmFeatures::EXTENDED_CONST, true, "emitted for position-independent code, which componentize-py links"),
    (WasmFeatures::COMPONENT_MODEL, true, "a plugin is a component"),
    // Off, although on by default in the engine.
    (WasmFeatures::GC, false, "the engine is built without a collector; function subtyping, which is a part, then broke an assertion of its own"),
    (WasmFeatures::GC_TYPES, false, "the engine is built without a collector"),
    (WasmFeatures::FUNCTION_REFERENCES, false, "only languages with a collector use it"),
    (WasmFeatures::EXCEPTIONS, false, "needs the collector"),
    (WasmFeatures::TAIL_CALL, false, "emitted only on request; has calling conventions of its own"),
    (WasmFeatures::MULTI_MEMORY, false, "a guest has one memory; emitted only by special tools"),
    (WasmFeatures::MEMORY64, false, "no guest may have 4 GiB; bounds checks would be explicit"),
    (WasmFeatures::RELAXED_SIMD, false, "results differ between machines"),
    (WasmFeatures::THREADS, false, "a guest has one thread"),
    (WasmFeatures::CM_ASYNC, false, "the contract has no asynchronous functions, and keeping them possible slows every call"),
    // Off by default, and pinned off for later versions of the engine.
    (WasmFeatures::SHARED_EVERYTHING_THREADS, false, "a guest has one thread"),
    (WasmFeatures::LEGACY_EXCEPTIONS, false, "replaced by the exceptions proposal"),
    (WasmFeatures::MEMORY_CONTROL, false, "not standardized"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, false, "not standardized"),
    (WasmFeatures::STACK_SWITCHING, false, "not standardized"),
    (WasmFeatures::WIDE_ARITHMETIC, false, "emitted only on request"),
    (WasmFeatures::CUSTOM_DESCRIPTORS, false, "not standardized"),
    (WasmFeatures::COMPACT_IMPORTS, false, "not standardized"),
    (WasmFeatures::CM_VALUES, false, "the contract has no values"),
    (WasmFeatures::CM_NESTED_NAMES, false, "the contract has no nested names"),
    (WasmFeatures::CM_ASYNC_STACKFUL, false, "part of the asynchronous functions"),
    (WasmFeatures::CM_MORE_ASYNC_BUILTINS, false, "part of the asynchronous functions"),
    (WasmFeatures::CM_THREADING, false, "a guest has one thread"),
    (WasmFeatures::CM_ERROR_CONTEXT, false, "part of the asynchronous functions"),
    (WasmFeatures::CM_FIXED_LENGTH_LISTS, false, "the contract has none"),
    (WasmFeatures::CM_GC, false, "the engine is built without a collector"),
    (WasmFeatures::CM_MAP, false, "the contract has none"),
    (WasmFeatures::CM64, false, "goes with 64-bit memories"),
    (WasmFeatures::CM_IMPLEMENTS, false, "the contract imports each interface once"),
    (WasmFeatures::CM_CANON_NAMES, false, "not standardized"),
];

/// The features that are on.
fn allowed() -> WasmFeatures {
    let on = PROPOSALS.iter().filter(|(_, on, _)| *on);
    on.fold(WasmFeatures::empty(), |all, (flag, ..)| all | *flag)
}

/// Enables or disables each proposal in the engine's configuration.
pub(super) fn apply(config: &mut Config) {
    for (flag, on, _) in PROPOSALS {
        config.wasm_features(*flag, *on);
    }
}

/// Checks that these bytes are a valid component for the engine.
pub(in crate::plugins) fn validate(bytes: &[u8]) -> Result<(), Invalid> {
    let Err(error) = Validator::new_with_features(allowed()).validate_all(bytes) else { return Ok(()) };
    let valid_with = |features| Validator::new_with_features(features).validate_all(bytes).is_ok();
    let every = WasmFeatures::all();
    if !valid_with(every) {
        return Err(Invalid::Malformed(error.to_string()));
    }
    let off = PROPOSALS.iter().filter(|(_, on, _)| !on);
    let needed: Vec<String> = off
        .filter(|(flag, ..)| !valid_with(every - *flag))
        .flat_map(|(flag, ..)| flag.iter_names().map(|(name, _)| name.to_lowercase().replace('_', "-")))
        .collect();
    match needed.is_empty() {
        // No single proposal is necessary: one of several would do.
        true => Err(Invalid::Malformed(error.to_string())),
        false => Err(Invalid::Proposal(needed.join(", "))),
    }
}

/// Why the engine would not accept a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::plugins) enum Invalid {
    /// Not valid; with the parser's message.
    Malformed(String),
    /// Valid only with these disabled proposals.
    Proposal(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_proposal_that_the_parser_knows_is_listed() {
        let decided = PROPOSALS.iter().fold(WasmFeatures::empty(), |all, (flag, ..)| all | *flag);
        let open: Vec<_> = (WasmFeatures::all() - decided).iter_names().map(|(name, _)| name).collect();
        assert!(open.is_empty(), "on or off? {open:?}");
        assert!(PROPOSALS.iter().all(|(.., reason)| !reason.is_empty()));
        let off = PROPOSALS.iter().filter(|(_, on, _)| !on);
        assert!(off.clone().all(|(flag, ..)| !allowed().intersects(*flag)), "what is off is no part of what is on");
    }

    #[test]
    fn engine_enables_exactly_the_allowed_proposals() {
        let mut config = Config::new();
        apply(&mut config);
        let engine = wasmtime::Engine::new(config.concurrency_support(false)).unwrap();
        assert_eq!(engine.get_wasm_features(), allowed());
    }
}
