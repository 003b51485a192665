//! The allocator of a Wasm instance: takes the next bytes, never gives any back.
//!
//! An instance lives for one call, so freeing is wasted work. And Rust's own allocator begins without a heap: every fresh instance would grow
//! its memory, two `mprotect` in the host, 8 to 10 µs of a 26 µs evaluation. A static arena is part of the memory the instance begins with.

#![expect(unsafe_code, reason = "a global allocator is an unsafe trait; Wasm without threads has one caller at a time")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};

/// Holds what a call on an object of some 100 KB needs; only pages that are touched cost anything.
const ARENA_BYTES: usize = 512 * 1024;
const PAGE_BYTES: usize = 64 * 1024;
/// 1 MiB at a time: growing is what costs.
const LEAST_PAGES: usize = 16;

#[repr(align(16))]
struct Arena(UnsafeCell<[u8; ARENA_BYTES]>);

struct Bump {
    /// Where the next block may begin; 0 before the first.
    next: Cell<usize>,
    end: Cell<usize>,
}

// SAFETY: `wasm32-unknown-unknown` without the `atomics` feature has no threads.
unsafe impl Sync for Arena {}
// SAFETY: as above.
unsafe impl Sync for Bump {}

static ARENA: Arena = Arena(UnsafeCell::new([0; ARENA_BYTES]));

#[global_allocator]
static BUMP: Bump = Bump { next: Cell::new(0), end: Cell::new(0) };

impl Bump {
    /// Makes room for `bytes` at `start` or, where the space before `end` is used up, in new pages.
    fn take(&self, size: usize, align: usize) -> usize {
        if self.next.get() == 0 {
            let begin = ARENA.0.get() as usize;
            self.next.set(begin);
            self.end.set(begin + ARENA_BYTES);
        }
        let Some(start) = self.next.get().checked_next_multiple_of(align) else { return 0 };
        match start.checked_add(size) {
            Some(end) if end <= self.end.get() => {
                self.next.set(end);
                start
            }
            _ => self.grow(size, align),
        }
    }

    /// Begins anew in pages of its own: the rest of the old space is lost, as all is when the call ends.
    fn grow(&self, size: usize, align: usize) -> usize {
        let Some(bytes) = size.checked_add(align) else { return 0 };
        let pages = bytes.div_ceil(PAGE_BYTES).max(LEAST_PAGES);
        let before = core::arch::wasm32::memory_grow(0, pages);
        if before == usize::MAX {
            return 0;
        }
        let begin = before * PAGE_BYTES;
        let Some(start) = begin.checked_next_multiple_of(align) else { return 0 };
        // Memory may grow to 4 GiB, whose end is not a number of 32 bits.
        let Some(end) = begin.checked_add(pages * PAGE_BYTES) else { return 0 };
        self.next.set(start + size);
        self.end.set(end);
        start
    }
}

// SAFETY: blocks are aligned, within memory, and never overlap: `next` only moves up, but for the last block, which is its owner's to resize.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.take(layout.size(), layout.align()) as *mut u8
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let start = block as usize;
        let is_last = start + layout.size() == self.next.get();
        if is_last
            && let Some(end) = start.checked_add(size)
            && end <= self.end.get()
        {
            self.next.set(end);
            return block;
        }
        if size <= layout.size() {
            return block;
        }
        let moved = self.take(size, layout.align()) as *mut u8;
        if !moved.is_null() {
            // SAFETY: both blocks are ours, the new one is larger, and they do not overlap.
            unsafe { moved.copy_from_nonoverlapping(block, layout.size()) };
        }
        moved
    }
}
