//! The one wasmtime engine of the process.

mod proposals;

use wasmtime::{Cache, Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

pub(super) use self::proposals::{Invalid, validate};
use super::compiled::Compiled;
use super::ticker;

/// Instances alive at once, over all plugins: filters' long-lived ones and those of the calls under way.
const INSTANCES: u32 = 1000;

/// Core instances and tables that a component may bring: its own module, the adapters its toolchain wraps around it.
const PARTS: u32 = 16;

/// Memories that a component may bring: its own, and an adapter's.
pub(super) const MEMORIES: u32 = 4;

/// How much of a memory or table stays with its slot for the next instance.
const KEPT: usize = 256 << 10;

/// How deep a guest may recurse, in bytes of native stack; well within the stack a call runs on.
const GUEST_STACK: usize = 512 << 10;
const CALL_STACK: usize = 1 << 20;

/// Makes the engine, pooled if the address space allows it, and starts its ticker.
pub(super) fn start(compiled: Option<&Compiled>) -> wasmtime::Result<Engine> {
    let cache = compiled.map(Compiled::cache).transpose()?;
    let engine = match Engine::new(&configured(true, cache.clone())) {
        Ok(engine) => engine,
        Err(refused) => {
            tracing::warn!(
                reason = %refused.root_cause(),
                "cannot reserve address space for plugin instances; each will be allocated on demand, \
                 which is slower (lift the limit on virtual memory, `ulimit -v`, to avoid this)"
            );
            Engine::new(&configured(false, cache))?
        }
    };
    ticker::start(&engine)?;
    Ok(engine)
}

/// The same for a process that loads one plugin and ends: it compiles the same code, and reserves no address space.
pub(super) fn start_small(compiled: Option<&Compiled>) -> wasmtime::Result<Engine> {
    let engine = Engine::new(&configured(false, compiled.map(Compiled::cache).transpose()?))?;
    ticker::start(&engine)?;
    Ok(engine)
}

fn configured(pooled: bool, cache: Option<Cache>) -> Config {
    let mut config = Config::new();
    proposals::apply(&mut config);
    config
        // Nothing here runs two tasks in one store, and keeping that possible slows every call.
        .concurrency_support(false)
        .epoch_interruption(true)
        .cache(cache)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(CALL_STACK);
    if pooled {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(INSTANCES)
            .total_core_instances(INSTANCES * 4)
            .total_memories(INSTANCES)
            .total_tables(INSTANCES * 4)
            .total_stacks(INSTANCES)
            .max_core_instances_per_component(PARTS)
            .max_tables_per_component(PARTS)
            .max_memories_per_component(MEMORIES)
            // The few pages that a call touched are wiped by hand, which is cheaper than handing them back and faulting them
            // in again; where the kernel can say which ones those are.
            .pagemap_scan(Enabled::Auto)
            .linear_memory_keep_resident(KEPT)
            .table_keep_resident(KEPT);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}
