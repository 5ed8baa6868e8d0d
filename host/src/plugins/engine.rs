//! Configures and creates the process's wasmtime engine.

mod proposals;

use wasmtime::{Cache, Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

pub(super) use self::proposals::{Invalid, validate};
use super::compiled::Compiled;
use super::ticker;

/// Instances alive at once, over all plugins: those of filters and those of calls in flight.
const MAX_INSTANCES: u32 = 1000;

/// Core instances and tables per component: its own module, and the adapters that its toolchain adds.
const MAX_PARTS_PER_COMPONENT: u32 = 16;

/// Memories per component: its own, and those of adapters.
pub(super) const MAX_MEMORIES_PER_COMPONENT: u32 = 4;

/// Bytes of a memory or table that stay resident in its pool slot for the next instance.
const KEEP_RESIDENT_BYTES: usize = 256 << 10;

/// Native stack that a guest may use; well below the size of the stack that a call runs on.
const GUEST_STACK_BYTES: usize = 512 << 10;
const CALL_STACK_BYTES: usize = 1 << 20;

/// Creates the engine and starts its ticker. Instances are pooled if enough address space can be reserved.
pub(super) fn start(compiled: Option<&Compiled>) -> wasmtime::Result<Engine> {
    let cache = compiled.map(Compiled::cache).transpose()?;
    let engine = match Engine::new(&configured(true, cache.clone())) {
        Ok(engine) => engine,
        Err(refused) => {
            tracing::warn!(
                reason = %refused.root_cause(),
                "cannot reserve address space for plugin instances, allocating each on demand, which is slower; \
                 to avoid this, raise the limit on virtual memory (`ulimit -v`)"
            );
            Engine::new(&configured(false, cache))?
        }
    };
    ticker::start(&engine)?;
    Ok(engine)
}

/// Creates an engine for a process that loads one plugin: it generates the same code, but reserves no address space.
pub(super) fn start_small(compiled: Option<&Compiled>) -> wasmtime::Result<Engine> {
    let engine = Engine::new(&configured(false, compiled.map(Compiled::cache).transpose()?))?;
    ticker::start(&engine)?;
    Ok(engine)
}

fn configured(pooled: bool, cache: Option<Cache>) -> Config {
    let mut config = Config::new();
    proposals::apply(&mut config);
    config
        // No store runs two tasks, and support for it slows every call.
        .concurrency_support(false)
        .epoch_interruption(true)
        .cache(cache)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .async_stack_size(CALL_STACK_BYTES);
    if pooled {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(MAX_INSTANCES)
            .total_core_instances(MAX_INSTANCES * 4)
            .total_memories(MAX_INSTANCES)
            .total_tables(MAX_INSTANCES * 4)
            .total_stacks(MAX_INSTANCES)
            .max_core_instances_per_component(MAX_PARTS_PER_COMPONENT)
            .max_tables_per_component(MAX_PARTS_PER_COMPONENT)
            .max_memories_per_component(MAX_MEMORIES_PER_COMPONENT)
            // The few pages that a call touched are zeroed in place, which is cheaper than unmapping them and faulting them
            // in again. This needs a kernel that can list the touched pages.
            .pagemap_scan(Enabled::Auto)
            .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
            .table_keep_resident(KEEP_RESIDENT_BYTES);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}
