//! Brotli (RFC 7932) as a streaming decoder whose window and tables count for the memory they take.
//!
//! A stream names its window, of up to 16 MiB, in its first bits, and the decoder makes room for all of it before anything
//! has come out. So it is with its tables of codes: up to 3 MiB, that a few hundred bytes can ask for. Without a ceiling
//! these would take any amount of memory.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use brotli_decompressor::writer::DecompressorWriterCustomAlloc;
use brotli_decompressor::{Allocator, HuffmanCode, SliceWrapper, SliceWrapperMut};

/// Bytes decoded in one go.
const PIECE: usize = 16 << 10;

/// What is larger is a window, or the tables of many codes at once: the decoder fails without them, while it takes for
/// granted that it gets what is smaller.
const TABLES: usize = 64 << 10;

/// Bytes of windows that are kept for the next bodies: the largest, or some of those that are usual. To make one anew takes
/// as long as hundreds of packets, because all of it has to be cleared first; one that was in use need not be, for a decoder
/// reads nothing of it that it did not write.
const SPARE: usize = 17 << 20;

/// What the windows and tables of all bodies take.
#[derive(Debug, Clone, Default)]
pub(crate) struct Windows {
    taken: Arc<AtomicUsize>,
    /// Bytes in `spare`.
    kept: Arc<AtomicUsize>,
    /// Windows that wait for a body. One thread alone comes here.
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Windows {
    /// How many bytes those take that wait.
    pub(crate) fn kept(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
    }

    /// Room of so many bytes.
    fn room(&self, len: usize) -> Vec<u8> {
        if len > TABLES
            && let Ok(mut spare) = self.spare.lock()
            && let Some(at) = spare.iter().position(|window| window.len() == len)
        {
            self.kept.fetch_sub(len, Ordering::Relaxed);
            return spare.swap_remove(at);
        }
        vec![0; len]
    }

    /// Takes room back; keeps it when there is little, and no more than a third of what `limit` allows.
    fn give(&self, room: Vec<u8>, limit: usize) {
        if room.len() > TABLES
            && self.kept() + room.len() <= SPARE.min(limit / 3)
            && let Ok(mut spare) = self.spare.lock()
        {
            self.kept.fetch_add(room.len(), Ordering::Relaxed);
            spare.push(room);
        }
    }

    /// How many bytes that is.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

/// Makes room for one decoder.
struct Alloc(Lender);

/// Room that was made; it is given back when it is dropped.
struct Cell<T: Unit> {
    items: Vec<T>,
    lender: Option<Lender>,
}

/// What room is made for.
trait Unit: Clone + Default {
    /// Room for so many.
    fn room(_: &Windows, len: usize) -> Vec<Self> {
        vec![Self::default(); len]
    }

    /// Room that is no longer needed.
    fn give(_: Vec<Self>, _: &Lender) {}
}

impl Unit for u8 {
    fn room(windows: &Windows, len: usize) -> Vec<Self> {
        windows.room(len)
    }

    fn give(room: Vec<Self>, lender: &Lender) {
        lender.windows.give(room, lender.limit);
    }
}

impl Unit for u32 {}

impl Unit for HuffmanCode {}

/// Where room came from, and goes back to.
#[derive(Debug, Clone)]
struct Lender {
    windows: Windows,
    /// What this decoder alone takes.
    own: Arc<AtomicUsize>,
    /// What all decoders together may take.
    limit: usize,
}

impl<T: Unit> Default for Cell<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            lender: None,
        }
    }
}

impl<T: Unit> SliceWrapper<T> for Cell<T> {
    fn slice(&self) -> &[T] {
        &self.items
    }
}

impl<T: Unit> SliceWrapperMut<T> for Cell<T> {
    fn slice_mut(&mut self) -> &mut [T] {
        &mut self.items
    }
}

impl<T: Unit> Drop for Cell<T> {
    fn drop(&mut self) {
        if let Some(lender) = self.lender.take() {
            lender.count(|taken| taken - size_of_val(&*self.items));
            T::give(std::mem::take(&mut self.items), &lender);
        }
    }
}

impl Lender {
    /// Changes what this decoder takes, and what all take.
    fn count(&self, change: impl Fn(usize) -> usize) {
        for taken in [&self.windows.taken, &self.own] {
            taken.store(change(taken.load(Ordering::Relaxed)), Ordering::Relaxed);
        }
    }
}

impl<T: Unit> Allocator<T> for Alloc {
    type AllocatedMemory = Cell<T>;

    /// An empty cell stands for no room; the decoder fails then.
    fn alloc_cell(&mut self, len: usize) -> Cell<T> {
        let Self(lender) = self;
        let bytes = len.saturating_mul(size_of::<T>());
        if bytes > TABLES && lender.windows.taken().saturating_add(bytes) > lender.limit {
            return Cell::default();
        }
        lender.count(|taken| taken + bytes);
        Cell {
            items: T::room(&lender.windows, len),
            lender: Some(lender.clone()),
        }
    }

    fn free_cell(&mut self, _: Cell<T>) {}
}

/// One coded body; decoded bytes go to the writer inside.
pub(crate) struct Brotli<W: Write> {
    decoder: DecompressorWriterCustomAlloc<W, Cell<u8>, Alloc, Alloc, Alloc>,
    own: Arc<AtomicUsize>,
    begun: bool,
}

impl<W: Write> Brotli<W> {
    /// `limit` is what the windows and tables of all bodies together may take.
    pub(crate) fn new(next: W, windows: &Windows, limit: usize) -> Self {
        let own = Arc::<AtomicUsize>::default();
        let lender = Lender {
            windows: windows.clone(),
            own: own.clone(),
            limit,
        };
        let alloc = || Alloc(lender.clone());
        let out = alloc().alloc_cell(PIECE);
        Self {
            decoder: DecompressorWriterCustomAlloc::new(next, out, alloc(), alloc(), alloc()),
            own,
            begun: false,
        }
    }

    /// Bytes that its window, tables and buffers take.
    pub(crate) fn weight(&self) -> usize {
        self.own.load(Ordering::Relaxed)
    }

    pub(crate) fn get_ref(&self) -> &W {
        self.decoder.get_ref()
    }

    pub(crate) fn get_mut(&mut self) -> &mut W {
        self.decoder.get_mut()
    }

    /// An error when the coded stream had not ended.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.decoder.close()
    }
}

impl<W: Write> Write for Brotli<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(first) = bytes.first()
            && !std::mem::replace(&mut self.begun, true)
            && first & 0x7f == 0x11
        {
            // RFC 7932 section 9.1 leaves this beginning unused; some encoders name windows of up to 1 GiB with it.
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a large window"));
        }
        self.decoder.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.decoder.flush()
    }
}
