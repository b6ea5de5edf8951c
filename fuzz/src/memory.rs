//! Counts the heap of a thread, so that what a target holds is measured and not believed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Zeroed blocks from here on come from the system untouched, and take memory only as they are written to: the window of
/// a brotli body is reserved whole. They are counted apart.
const LAZY: usize = 1 << 20;

/// What a thread has on the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Heap {
    live: isize,
    peak: isize,
    lazy: isize,
}

thread_local! {
    static HEAP: Cell<Heap> = const { Cell::new(Heap { live: 0, peak: 0, lazy: 0 }) };
}

/// The system's allocator, counting.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(live: isize, lazy: isize) {
    // A thread that is ending has no counter, and nobody asks for it.
    let _ = HEAP.try_with(|heap| {
        let mut now = heap.get();
        now.live += live;
        now.lazy += lazy;
        now.peak = now.peak.max(now.live);
        heap.set(now);
    });
}

/// Whether a block was taken zeroed is not known when it is given back, so all that are this large are counted apart.
fn add(size: usize, sign: isize) {
    let bytes = size.cast_signed() * sign;
    if size >= LAZY {
        count(0, bytes)
    } else {
        count(bytes, 0)
    }
}

// SAFETY: every call goes to `System` with the arguments it came with, and its answer is given back unchanged; the counter
// beside it takes no memory of its own (`Cell` in a constant thread-local without a destructor), so it does not come here
// again.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size(), 1);
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size(), 1);
        // SAFETY: as the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        add(layout.size(), -1);
        // SAFETY: as the caller's.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(layout.size(), -1);
        add(size, 1);
        // SAFETY: as the caller's.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// Heap that some work holds: what it took and has not given back, whoever holds it.
#[derive(Debug, Default)]
pub struct Account {
    /// Bytes held, in blocks of less than a mebibyte.
    pub held: usize,
    /// Bytes in larger blocks, which may be untouched.
    pub large: usize,
    /// The most that was held in one go of work, since [`Self::peak`] was asked.
    peak: usize,
}

impl Account {
    /// Does a piece of the work.
    pub fn charge<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let before = HEAP.get();
        HEAP.set(Heap {
            peak: before.live,
            ..before
        });
        let result = work();
        let after = HEAP.get();
        let add = |to: usize, by: isize| {
            to.checked_add_signed(by)
                .expect("no more is given back than was taken")
        };
        self.peak = self.peak.max(add(self.held, after.peak - before.live));
        self.held = add(self.held, after.live - before.live);
        self.large = add(self.large, after.lazy - before.lazy);
        HEAP.set(Heap {
            peak: after.peak.max(before.peak),
            ..after
        });
        result
    }

    /// The most that was held at once since this was asked before.
    pub fn peak(&mut self) -> usize {
        std::mem::replace(&mut self.peak, self.held)
    }
}
