//! Generates components from any bytes: from fixed seeds in a unit test of the host, and from fuzzer input in the fuzz target.

use arbitrary::{Arbitrary as _, Unstructured};
use wasm_encoder::ComponentBuilder;
use wasm_smith::{Component, Config, Module};

/// A component; `None` if the bytes do not suffice.
pub fn file(bytes: &[u8]) -> Option<Vec<u8>> {
    let (kind, rest) = bytes.split_first()?;
    let mut rest = Unstructured::new(rest);
    if kind % 3 == 0 { component(&mut rest) } else { module(kind % 3 == 1, &mut rest) }
}

/// Wraps a module in a component that instantiates it.
pub fn around(module: &[u8]) -> Vec<u8> {
    let mut component = ComponentBuilder::default();
    let module = component.core_module_raw(None, module);
    component.core_instantiate(None, module, std::iter::empty::<(&str, wasm_encoder::ModuleArg)>());
    component.finish()
}

/// A module; with `plain`, without proposals that the engine has disabled.
fn module(plain: bool, bytes: &mut Unstructured<'_>) -> Option<Vec<u8>> {
    let mut config = Config::arbitrary(bytes).ok()?;
    // No imports, since nothing would provide them.
    config.max_imports = 0;
    // Each function costs time to compile.
    config.max_funcs = config.max_funcs.min(20);
    config.max_instructions = config.max_instructions.min(200);
    if plain {
        (config.gc_enabled, config.exceptions_enabled, config.tail_call_enabled) = (false, false, false);
        (config.threads_enabled, config.memory64_enabled, config.relaxed_simd_enabled) = (false, false, false);
        (config.max_memories, config.max_memory32_bytes) = (1, 1 << 20);
    }
    Some(around(&Module::new(config, bytes).ok()?.to_bytes()))
}

fn component(bytes: &mut Unstructured<'_>) -> Option<Vec<u8>> {
    let config = Config { max_components: 3, max_modules: 3, max_instances: 3, ..Config::default() };
    Some(Component::new(config, bytes).ok()?.to_bytes())
}
