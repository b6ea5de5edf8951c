//! Brotli (RFC 7932) as a streaming decoder whose window counts for the memory it takes.
//!
//! A stream names its window, of up to 16 MiB, in its first bits, and the decoder makes room for all of it before anything
//! has come out: without a ceiling some bytes a flow would take any amount of memory.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use brotli_decompressor::writer::DecompressorWriterCustomAlloc;
use brotli_decompressor::{Allocator, SliceWrapper, SliceWrapperMut, StandardAlloc};

/// Bytes decoded in one go.
const PIECE: usize = 16 << 10;

/// What is larger is a window: the tables of a stream are smaller, and the decoder takes for granted that it gets them.
const TABLES: usize = 64 << 10;

/// Bytes that the windows of all bodies take.
#[derive(Debug, Clone, Default)]
pub(crate) struct Windows(Arc<AtomicUsize>);

impl Windows {
    /// How many bytes that is.
    pub(crate) fn taken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Makes room for one decoder.
struct Alloc {
    windows: Windows,
    /// What this decoder alone takes.
    own: Windows,
    /// What all windows together may take.
    limit: usize,
}

/// Room that was made; it is given back when it is dropped.
#[derive(Default)]
struct Cell {
    bytes: Vec<u8>,
    windows: Windows,
    own: Windows,
}

impl SliceWrapper<u8> for Cell {
    fn slice(&self) -> &[u8] {
        &self.bytes
    }
}

impl SliceWrapperMut<u8> for Cell {
    fn slice_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        for taken in [&self.windows, &self.own] {
            taken.0.fetch_sub(self.bytes.len(), Ordering::Relaxed);
        }
    }
}

impl Allocator<u8> for Alloc {
    type AllocatedMemory = Cell;

    /// An empty cell stands for no room; the decoder fails then.
    fn alloc_cell(&mut self, len: usize) -> Cell {
        let taken = self.windows.0.load(Ordering::Relaxed);
        let len = if len > TABLES && taken + len > self.limit {
            0
        } else {
            len
        };
        for taken in [&self.windows, &self.own] {
            taken.0.fetch_add(len, Ordering::Relaxed);
        }
        Cell {
            bytes: vec![0; len],
            windows: self.windows.clone(),
            own: self.own.clone(),
        }
    }

    fn free_cell(&mut self, _: Cell) {}
}

/// One coded body; decoded bytes go to the writer inside.
pub(crate) struct Brotli<W: Write> {
    decoder: DecompressorWriterCustomAlloc<W, Cell, Alloc, StandardAlloc, StandardAlloc>,
    own: Windows,
    begun: bool,
}

impl<W: Write> Brotli<W> {
    /// `limit` is what the windows of all bodies together may take.
    pub(crate) fn new(next: W, windows: &Windows, limit: usize) -> Self {
        let mut alloc = Alloc {
            windows: windows.clone(),
            own: Windows::default(),
            limit,
        };
        let own = alloc.own.clone();
        let out = alloc.alloc_cell(PIECE);
        let (tables, codes) = (StandardAlloc::default(), StandardAlloc::default());
        Self {
            decoder: DecompressorWriterCustomAlloc::new(next, out, alloc, tables, codes),
            own,
            begun: false,
        }
    }

    /// Bytes that its window and buffers take.
    pub(crate) fn weight(&self) -> usize {
        self.own.taken()
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
