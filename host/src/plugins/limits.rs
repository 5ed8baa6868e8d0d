//! Limits a guest's memory and tables, and records whether it exceeded them.

use wasmtime::ResourceLimiter;

use super::engine::MAX_MEMORIES_PER_COMPONENT;

/// Elements over all tables of a store. A large Rust or JavaScript guest has a few thousand.
const MAX_TABLE_ELEMENTS: usize = 100_000;

/// Limits one store's memory. Refused growth is recorded, since the guest itself only shows a bare trap.
#[derive(Debug)]
pub(super) struct Limits {
    memory: usize,
    used: usize,
    elements: usize,
    refused: bool,
}

impl Limits {
    /// `memory` is in bytes, over all memories of the store.
    pub(super) fn new(memory: usize) -> Self {
        Self { memory, used: 0, elements: 0, refused: false }
    }

    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// Whether growth was refused.
    pub(super) fn refused(&self) -> bool {
        self.refused
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.used + desired.saturating_sub(current);
        if total > self.memory {
            self.refused = true;
            return Ok(false);
        }
        self.used = total;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.elements + desired.saturating_sub(current);
        if total > MAX_TABLE_ELEMENTS {
            self.refused = true;
            return Ok(false);
        }
        self.elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES_PER_COMPONENT as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_counted_over_all_memories_of_a_store() {
        let mut limits = Limits::new(3 << 16);
        assert!(limits.memory_growing(0, 2 << 16, None).unwrap());
        assert!(limits.memory_growing(0, 1 << 16, None).unwrap());
        assert!(!limits.refused());
        assert!(!limits.memory_growing(2 << 16, 3 << 16, None).unwrap());
        assert!(limits.refused());
    }
}
