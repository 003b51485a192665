//! How wasmtime is set up. The numbers come from `cargo xtask bench` and from measurements of wasmtime 48 on Linux 6.18.

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::room::Totals;

/// Settings that the compiled code depends on: the compiling child and the serving process must agree on every one.
pub(crate) fn compiling() -> Config {
    let mut config = Config::new();
    config
        // 4 us of a 26 us call; the only way to stop a loop.
        .epoch_interruption(true)
        .memory_init_cow(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(ASYNC_STACK_BYTES)
        // Guard pages instead of bounds checks: 5 us of a 26 us call.
        .memory_reservation(RESERVED_BYTES)
        // Needs component-model-async, which no guest uses and which would add state to every store.
        .concurrency_support(false);
    config
}

/// The same, with a pool of ready slots for instances.
pub(crate) fn serving(totals: Totals, pagemap_scan: bool) -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(totals.instances)
        // Counters, not memory. A component with imports is 3 core instances, one made of a Python program 38.
        .total_core_instances(totals.instances.saturating_mul(MAX_CORE_INSTANCES))
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .total_memories(totals.memories)
        .max_memories_per_component(MAX_MEMORIES)
        .total_tables(totals.tables)
        .max_tables_per_component(MAX_TABLES)
        .total_stacks(totals.instances)
        .max_memory_size(MAX_MEMORY_BYTES)
        .table_elements(MAX_TABLE_ELEMENTS);
    if pagemap_scan {
        // Only the pages that a guest has touched are reset, and they stay mapped: 21 us a call against 50.
        pool.linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
            .table_keep_resident(KEEP_TABLE_BYTES)
            .pagemap_scan(Enabled::Yes);
    } else {
        // Without it resident pages are copied over one by one (70 us); giving them back in batches costs 41.
        pool.linear_memory_keep_resident(0)
            .table_keep_resident(0)
            .decommit_batch_size(DECOMMIT_BATCH)
            .pagemap_scan(Enabled::No);
    }
    let mut config = compiling();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Whether the kernel has `PAGEMAP_SCAN` (Linux 6.7; gVisor has not).
pub(crate) fn pagemap_scan_available() -> bool {
    PoolingAllocationConfig::is_pagemap_scan_available()
}

/// The most that a policy may ask for in `limits.memory`.
pub(crate) const MAX_MEMORY_BYTES: usize = 64 << 20;
/// Core instances inside one component.
pub(crate) const MAX_CORE_INSTANCES: u32 = 64;
/// Linear memories inside one component; more than one only where languages are mixed.
pub(crate) const MAX_MEMORIES: u32 = 4;
/// Tables inside one component.
pub(crate) const MAX_TABLES: u32 = 64;
/// Function references in one table; a C# program in debug mode has 10,000.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 20_000;

/// Deep enough for recursive JSON readers (128 levels), shallow enough to stop a runaway in 0.3 ms.
const WASM_STACK_BYTES: usize = 512 << 10;
/// The guest's stack and what the host needs above it.
const ASYNC_STACK_BYTES: usize = 1 << 20;
/// All that a 32-bit memory can address.
const RESERVED_BYTES: u64 = 4 << 30;
/// Rust puts 1 MiB of stack at the bottom of a memory.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;
const KEEP_TABLE_BYTES: usize = 64 << 10;
const DECOMMIT_BATCH: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// Not every machine that runs this test has `PAGEMAP_SCAN`; every one must start.
    #[test]
    fn starts_with_and_without_pagemap_scan() {
        let totals = Totals::for_instances(8);
        let compiler = wasmtime::Engine::new(&compiling()).unwrap();
        for pagemap_scan in [false, pagemap_scan_available()] {
            let engine = wasmtime::Engine::new(&serving(totals, pagemap_scan)).unwrap();
            assert_eq!(hash(&engine), hash(&compiler), "what the child compiles must fit");
        }
    }

    fn hash(engine: &wasmtime::Engine) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }
}
