//! A sliding view of a byte stream: the bytes from here on, read ahead in pieces of a chosen size.

use std::io::{self, Read};

/// The unread part of a stream, as far as it has been read in.
pub(crate) struct Window {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset in the stream of `buffer[start]`.
    offset: u64,
    read_size: usize,
    ended: bool,
}

impl Window {
    /// A view of `reader`, which is asked for `read_size` bytes at a time.
    pub(crate) fn new(reader: Box<dyn Read + Send>, read_size: usize) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            offset: 0,
            read_size: read_size.max(1),
            ended: false,
        }
    }

    /// Offset in the stream of the first unread byte.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Offset in the stream of the first byte that is not in memory; when it has ended, its length.
    pub(crate) fn end(&self) -> u64 {
        self.offset + (self.end - self.start) as u64
    }

    /// The unread bytes that are in memory.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Makes at least `count` bytes available, unless the stream ends before; says whether it did.
    #[inline]
    pub(crate) fn need(&mut self, count: usize) -> io::Result<bool> {
        if self.end - self.start >= count {
            return Ok(true);
        }
        self.fill(count)
    }

    #[cold]
    fn fill(&mut self, count: usize) -> io::Result<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let room = count.max(self.end) + self.read_size;
        if self.buffer.len() < room {
            self.buffer.resize(room, 0);
        }
        while self.end < count && !self.ended {
            let upto = (self.end + self.read_size).min(self.buffer.len());
            match self.reader.read(&mut self.buffer[self.end..upto]) {
                Ok(0) => self.ended = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.end >= count)
    }

    /// Marks `count` bytes as read; they must be available.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }

    /// Marks `count` bytes as read and returns them; they must be available.
    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> &[u8] {
        let from = self.start;
        self.consume(count);
        &self.buffer[from..from + count]
    }

    /// Passes over `count` bytes without keeping them; says whether the stream had as many.
    pub(crate) fn skip(&mut self, mut count: u64) -> io::Result<bool> {
        while count > 0 {
            if !self.need(1)? {
                return Ok(false);
            }
            let step = usize::try_from(count)
                .unwrap_or(usize::MAX)
                .min(self.end - self.start);
            self.consume(step);
            count -= step as u64;
        }
        Ok(true)
    }

    /// Gives the stream back, with the bytes that were read ahead put in front again.
    pub(crate) fn into_reader(self) -> Box<dyn Read + Send> {
        let ahead = self.buffer[self.start..self.end].to_vec();
        Box::new(io::Cursor::new(ahead).chain(self.reader))
    }
}
