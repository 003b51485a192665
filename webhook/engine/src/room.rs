//! Slots of the pool, reserved when a component is loaded: as many as it has permits. So an evaluation with a permit always finds a slot,
//! and one policy's evaluations never use up another's.

use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::ResourcesRequired;

/// How many of each the pool holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Component instances, and stacks to run them on.
    pub(crate) instances: u32,
    /// Linear memories; 4 GiB of address space each.
    pub(crate) memories: u32,
    /// Tables; 160 KiB of address space each.
    pub(crate) tables: u32,
}

/// What is still free.
pub(crate) struct Room(Mutex<Totals>);

/// A loaded component's share; given back when it is dropped.
pub(crate) struct Share {
    room: Arc<Room>,
    taken: Totals,
}

impl Totals {
    /// Room for `instances` at once, most of them with one memory and a few tables.
    pub(crate) const fn for_instances(instances: u32) -> Self {
        Self { instances, memories: instances, tables: instances.saturating_mul(TABLES_PER_INSTANCE) }
    }
}

impl Room {
    pub(crate) const fn new(totals: Totals) -> Self {
        Self(Mutex::new(totals))
    }

    /// Reserves slots for `permits` instances at once; `None` when there are not that many.
    pub(crate) fn reserve(self: &Arc<Self>, permits: u32, needs: &ResourcesRequired) -> Option<Share> {
        let taken = Totals {
            instances: permits,
            memories: permits.saturating_mul(needs.num_memories.max(1)),
            tables: permits.saturating_mul(needs.num_tables),
        };
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *free = Totals {
            instances: free.instances.checked_sub(taken.instances)?,
            memories: free.memories.checked_sub(taken.memories)?,
            tables: free.tables.checked_sub(taken.tables)?,
        };
        drop(free);
        Some(Share { room: Arc::clone(self), taken })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut free = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        free.instances += self.taken.instances;
        free.memories += self.taken.memories;
        free.tables += self.taken.tables;
    }
}

/// A Rust guest has two: its own and that of wit-component's shim.
const TABLES_PER_INSTANCE: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(num_memories: u32, num_tables: u32) -> ResourcesRequired {
        ResourcesRequired { num_memories, max_initial_memory_size: None, num_tables, max_initial_table_size: None }
    }

    #[test]
    fn a_share_is_given_back() {
        let room = Arc::new(Room::new(Totals { instances: 8, memories: 8, tables: 32 }));
        let first = room.reserve(4, &needs(1, 2)).unwrap();
        let second = room.reserve(4, &needs(1, 2)).unwrap();
        assert!(room.reserve(1, &needs(1, 2)).is_none());
        drop(first);
        assert!(room.reserve(4, &needs(1, 2)).is_some());
        drop(second);
    }

    #[test]
    fn a_refused_share_takes_nothing() {
        let room = Arc::new(Room::new(Totals { instances: 8, memories: 8, tables: 32 }));
        assert!(room.reserve(4, &needs(3, 2)).is_none());
        assert!(room.reserve(4, &needs(1, 9)).is_none());
        assert!(room.reserve(8, &needs(1, 4)).is_some());
    }
}
