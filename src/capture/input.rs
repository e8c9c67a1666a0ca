//! The bytes of a capture, whatever they were packed in.
//!
//! Takes any `Read`, gives a window of decompressed bytes that grows on demand and moves forward. gzip,
//! zstd, xz and lz4 are told by their magic, one inside the other if need be. A read asks for as much as the
//! buffer holds, but [`Input::fill`] returns as soon as what was asked for is there: a live capture
//! is decoded frame by frame. Knows nothing of capture formats.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;
use lzma_rust2::XzReader;

use super::zstd;

/// A compression that is undone on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip (RFC 1952), of one or more members.
    Gzip,
    /// Zstandard (RFC 8878), of one or more frames.
    Zstd,
    /// xz, of one or more streams.
    Xz,
    /// LZ4, of one or more frames.
    Lz4,
}

impl Compression {
    fn of(head: &[u8]) -> Option<Compression> {
        match head {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            [0xfd, b'7', b'z', b'X'] => Some(Compression::Xz),
            // Frames, and those of old (`lz4 -l`).
            [0x04, 0x22, 0x4d, 0x18] | [0x02, 0x21, 0x4c, 0x18] => Some(Compression::Lz4),
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// Its name: `gzip`, `zstd`, `xz` or `lz4`.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Xz => "xz",
            Compression::Lz4 => "lz4",
        }
    }
}

/// Why no more bytes come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The source ended.
    Source,
    /// The source ended inside a gzip member or a zstd frame.
    CompressedCut,
    /// The compressed data can only be read with more memory than is allowed, in MiB.
    Memory {
        /// So many MiB are.
        limit: u32,
    },
    /// The compressed data is damaged, as its decoder says.
    CompressedDamaged(String),
    /// The data grew by more than the limit allows (`limit` bytes out for each byte in).
    Expansion {
        /// The limit that was exceeded.
        limit: u64,
    },
}

/// The decompressed bytes: a window that starts at [`Input::offset`].
pub(super) struct Input {
    source: Box<dyn Read + Send>,
    compressions: Vec<Compression>,
    shared: Arc<Shared>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    offset: u64,
    ending: Option<Ending>,
}

impl Input {
    pub(super) fn new(reader: impl Read + Send + 'static, expansion: u64) -> Input {
        let shared = Arc::new(Shared::default());
        let (source, compressions) =
            decompressed(Box::new(Counted { reader, shared: shared.clone() }), expansion, &shared);
        Input { source, compressions, shared, buffer: vec![0; BUFFER], start: 0, end: 0, offset: 0, ending: None }
    }

    /// Reads until the window holds `len` bytes or the source has ended, and returns how many it holds.
    pub(super) fn fill(&mut self, len: usize) -> io::Result<usize> {
        while self.end - self.start < len && self.ending.is_none() {
            self.make_room();
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ending = Some(Ending::Source),
                Ok(n) => self.end += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // What the source itself could not read is the caller's problem; what a decoder makes of
                // its bytes only ends the capture early.
                Err(e) if self.shared.failed.load(Ordering::Relaxed) => return Err(e),
                Err(e) => self.ending = Some(ending(&e)),
            }
        }
        Ok(self.end - self.start)
    }

    /// What the window holds.
    pub(super) fn window(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Moves the window `len` bytes on, which it must hold. What it passed stays readable through
    /// [`Input::passed`] until the next `fill`.
    pub(super) fn advance(&mut self, len: usize) {
        debug_assert!(len <= self.end - self.start, "only bytes that were filled can be passed");
        self.start += len;
        self.offset += len as u64;
    }

    /// Passes `len` bytes and returns the place of `part` of them, for [`Input::passed`].
    pub(super) fn pass(&mut self, len: usize, part: Range<usize>) -> Range<usize> {
        let place = self.start + part.start..self.start + part.end;
        self.advance(len);
        place
    }

    /// Bytes that were just passed.
    pub(super) fn passed(&self, place: Range<usize>) -> &[u8] {
        &self.buffer[place]
    }

    /// Offset of the window's first byte in the decompressed file.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Why the bytes ended, once they have.
    pub(super) fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    pub(super) fn compressions(&self) -> &[Compression] {
        &self.compressions
    }

    /// Bytes read from the source, before decompression.
    pub(super) fn bytes_read(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// Bytes are moved only when the buffer is full and half of it has been passed, and it doubles only
    /// when more than half is still wanted: the cost per byte is constant even if hostile lengths ask
    /// for a large window again and again.
    fn make_room(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            if self.start >= self.buffer.len() / 2 {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            } else {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
    }
}

/// Large enough that the cost of a system call vanishes; more brought nothing.
const BUFFER: usize = 1 << 20;
/// Compressions inside each other; nobody needs more than two.
const LAYERS: usize = 4;
/// So much memory may a block of xz ask for, in KiB; `xz -9` asks for 65 MiB.
const XZ_MEMORY: u32 = 256 << 10;
/// Small files may expand as they like: a capture of zeros is no attack.
const EXPANSION_GRACE: u64 = 16 << 20;

/// What the bottom reader tells the others.
#[derive(Default)]
struct Shared {
    bytes: AtomicU64,
    failed: AtomicBool,
}

struct Counted<R> {
    reader: R,
    shared: Arc<Shared>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let result = self.reader.read(buf);
        match &result {
            Ok(n) => _ = self.shared.bytes.fetch_add(*n as u64, Ordering::Relaxed),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.shared.failed.store(true, Ordering::Relaxed),
        }
        result
    }
}

fn decompressed(
    mut source: Box<dyn Read + Send>,
    expansion: u64,
    shared: &Arc<Shared>,
) -> (Box<dyn Read + Send>, Vec<Compression>) {
    let mut compressions = Vec::new();
    loop {
        let (head, failure) = peek(&mut source);
        let compression = Compression::of(&head);
        source = match failure {
            Some(e) => Box::new(Cursor::new(head).chain(Failing(Some(e)))),
            None => Box::new(Cursor::new(head).chain(source)),
        };
        let Some(compression) = compression.filter(|_| compressions.len() < LAYERS) else {
            return (source, compressions);
        };
        compressions.push(compression);
        let packed = BufReader::with_capacity(256 << 10, source);
        let reader: Box<dyn Read + Send> = match compression {
            Compression::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Compression::Zstd => Box::new(zstd::Decoder::new(packed)),
            Compression::Xz => Box::new(XzReader::new_mem_limit(packed, true, XZ_MEMORY)),
            Compression::Lz4 => Box::new(Lz4(FrameDecoder::new(packed))),
        };
        source = Box::new(Bounded { reader, produced: 0, expansion, shared: shared.clone() });
    }
}

/// Frames of LZ4, one after the other: the decoder ends after each.
struct Lz4<R: Read>(FrameDecoder<BufReader<R>>);

impl<R: Read> Read for Lz4<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.0.read(buf)?;
            if n > 0 || buf.is_empty() || self.0.get_mut().fill_buf()?.is_empty() {
                return Ok(n);
            }
        }
    }
}

/// The first four bytes (fewer at the end), and the error that stopped them.
fn peek(source: &mut impl Read) -> (Vec<u8>, Option<io::Error>) {
    let mut head = Vec::with_capacity(4);
    match source.take(4).read_to_end(&mut head) {
        Ok(_) => (head, None),
        Err(e) => (head, Some(e)),
    }
}

/// Gives an error that was met too early, in its place.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Ends a stream that grows beyond all measure.
struct Bounded {
    reader: Box<dyn Read + Send>,
    produced: u64,
    expansion: u64,
    shared: Arc<Shared>,
}

impl Read for Bounded {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let consumed = self.shared.bytes.load(Ordering::Relaxed);
        if self.produced > EXPANSION_GRACE && self.produced / self.expansion.max(1) > consumed {
            return Err(io::Error::other(TooLarge(self.expansion)));
        }
        let n = self.reader.read(buf)?;
        self.produced += n as u64;
        Ok(n)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("expands more than {0} times")]
struct TooLarge(u64);

fn ending(error: &io::Error) -> Ending {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<TooLarge>()) {
        Some(TooLarge(limit)) => Ending::Expansion { limit: *limit },
        None if error.kind() == io::ErrorKind::UnexpectedEof => Ending::CompressedCut,
        None if error.kind() == io::ErrorKind::OutOfMemory => Ending::Memory { limit: XZ_MEMORY >> 10 },
        None => Ending::CompressedDamaged(error.to_string()),
    }
}
