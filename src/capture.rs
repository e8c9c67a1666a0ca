//! Capture files: from a byte source to frames.
//!
//! Takes a `Read` (a file, standard input), gives its frames in order, each as soon as its bytes are there,
//! with its number, time, link type and place in the file. pcap and pcapng, bare or in gzip or zstd, are told
//! by their magic. Damage is a [`Warning`] between the frames; [`Error`] is for what is no capture at all.
//! Opens no files, looks into no frame, and holds one buffer whatever the capture's size.

mod clock;
mod error;
mod input;
mod pcap;
mod pcapng;
mod warning;
mod zstd;

use std::io::Read;
use std::ops::Range;

use crate::origin::{FrameNo, Time};
pub use error::{Error, Looks};
use input::Input;
pub use input::{Compression, Ending};
pub use warning::{BlockProblem, Part, Warning};

/// One frame of the capture.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its number, from 1.
    pub number: FrameNo,
    /// When it was captured.
    pub time: Time,
    /// The link type of its interface (LINKTYPE_*).
    pub link_type: u32,
    /// The captured bytes.
    pub bytes: &'a [u8],
    /// Its length on the wire, in bytes; larger than `bytes` when the snap length cut it.
    pub original_len: u32,
    /// Offset of `bytes` in the capture file (after decompression).
    pub file_offset: u64,
}

/// What a capture holds, in order.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A frame.
    Frame(Frame<'a>),
    /// A TLS key log that was stored in the capture (pcapng decryption secrets).
    Secrets(&'a [u8]),
    /// Something wrong with the file at this place.
    Warning(Warning),
}

/// Bounds against damaged and hostile files.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest pcap record or pcapng block that is believed, in bytes.
    pub record_len: u32,
    /// How far the next block is searched after a damaged one, in bytes.
    pub scan: u64,
    /// How many bytes may come out of one compressed byte, once 16 MiB have.
    pub expansion: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { record_len: 16 << 20, scan: 64 << 20, expansion: 200 }
    }
}

/// A capture that is being read.
pub struct Capture {
    input: Input,
    format: Format,
    limits: Limits,
    frames: u64,
    ended: bool,
}

enum Format {
    Pcap(pcap::Records),
    Pcapng(pcapng::Blocks),
}

impl Capture {
    /// Recognises the format. Reads no more than that needs.
    pub fn open(reader: impl Read + Send + 'static, limits: Limits) -> Result<Capture, Error> {
        let mut input = Input::new(reader, limits.expansion);
        input.fill(4)?;
        Capture::recognise(input, limits)
    }

    /// The same for a file that may also be another that begins with `beginning`.
    pub fn open_or(
        beginning: &[u8],
        reader: impl Read + Send + 'static,
        limits: Limits,
    ) -> Result<Result<Capture, NotACapture>, Error> {
        let mut input = Input::new(reader, limits.expansion);
        input.fill(4)?;
        // No more than a capture's first bytes are waited for, unless they can be those of the other.
        if input.window().first().is_some_and(|first| beginning.first() == Some(first)) {
            input.fill(beginning.len())?;
            if input.window().starts_with(beginning) {
                return Ok(Err(NotACapture { input }));
            }
        }
        Capture::recognise(input, limits).map(Ok)
    }

    fn recognise(mut input: Input, limits: Limits) -> Result<Capture, Error> {
        let format = match input.window().first_chunk() {
            Some(magic) if pcap::Records::recognise(*magic) => Format::Pcap(pcap::Records::open(&mut input)?),
            Some(magic) if pcapng::Blocks::recognise(*magic) => Format::Pcapng(pcapng::Blocks::new()),
            _ => return Err(unrecognised(input)),
        };
        Ok(Capture { input, format, limits, frames: 0, ended: false })
    }

    /// The next frame, secrets or warning; `None` at the end.
    #[allow(clippy::should_implement_trait, reason = "what it returns borrows the buffer, so it cannot be an iterator")]
    pub fn next(&mut self) -> Result<Option<Event<'_>>, Error> {
        loop {
            if self.ended {
                return Ok(None);
            }
            let number = FrameNo(self.frames + 1);
            let step = match &mut self.format {
                Format::Pcap(records) => records.step(&mut self.input, &self.limits, number),
                Format::Pcapng(blocks) => blocks.step(&mut self.input, &self.limits, number),
            };
            return Ok(Some(match step? {
                Step::Frame { time, link_type, original_len, file_offset, bytes } => {
                    self.frames += 1;
                    let bytes = self.input.passed(bytes);
                    Event::Frame(Frame { number, time, link_type, bytes, original_len, file_offset })
                }
                Step::Numbered => {
                    self.frames += 1;
                    continue;
                }
                Step::Secrets(bytes) => Event::Secrets(self.input.passed(bytes)),
                Step::Warning(warning) => Event::Warning(warning),
                Step::Last(warning) => {
                    self.ended = true;
                    Event::Warning(warning)
                }
                Step::End => {
                    self.ended = true;
                    continue;
                }
            }));
        }
    }

    /// Frames that were counted so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Bytes read from the source so far, before decompression: what progress can be measured by.
    pub fn bytes_read(&self) -> u64 {
        self.input.bytes_read()
    }

    /// Whether it is of a format in which keys can be stored.
    pub fn may_have_secrets(&self) -> bool {
        matches!(self.format, Format::Pcapng(_))
    }

    /// The compressions around the capture, outermost first.
    pub fn compressions(&self) -> &[Compression] {
        self.input.compressions()
    }
}

/// A file that is no capture, told by how it begins; compressed or not.
pub struct NotACapture {
    input: Input,
}

impl NotACapture {
    /// All of it, if that is no more than `most` bytes.
    pub fn bytes(mut self, most: usize) -> Result<Vec<u8>, Error> {
        while self.input.ending().is_none() {
            let had = self.input.window().len();
            if had > most {
                return Err(Error::TooLong { most });
            }
            self.input.fill(had + 1)?;
        }
        match (self.input.ending(), self.input.compressions().first()) {
            (Some(ending), Some(&compression)) if *ending != Ending::Source => {
                Err(Error::NotAll { compression, ending: ending.clone() })
            }
            _ => Ok(self.input.window().to_vec()),
        }
    }
}

/// What the reader of a format found. Bytes are places in the input's buffer.
enum Step {
    Frame {
        time: Time,
        link_type: u32,
        original_len: u32,
        file_offset: u64,
        bytes: Range<usize>,
    },
    /// A record without a frame that takes a frame number nevertheless.
    Numbered,
    Secrets(Range<usize>),
    Warning(Warning),
    /// A warning after which nothing can be read.
    Last(Warning),
    End,
}

/// The byte order of a file or a pcapng section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    /// The 32 bits at `at`, which the caller knows to be there.
    fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let bytes = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        match self {
            Order::Little => u32::from_le_bytes(bytes),
            Order::Big => u32::from_be_bytes(bytes),
        }
    }

    fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let bytes = [bytes[at], bytes[at + 1]];
        match self {
            Order::Little => u16::from_le_bytes(bytes),
            Order::Big => u16::from_be_bytes(bytes),
        }
    }

    fn i64(self, bytes: [u8; 8]) -> i64 {
        match self {
            Order::Little => i64::from_le_bytes(bytes),
            Order::Big => i64::from_be_bytes(bytes),
        }
    }
}

/// The step at the end of the bytes: the end, or a cut inside `part` of a record.
fn cut(input: &Input, frame: FrameNo, part: Part, had: usize, needed: usize) -> Step {
    let ending = input.ending().cloned().unwrap_or(Ending::Source);
    if ending == Ending::Source && input.window().is_empty() {
        return Step::End;
    }
    Step::Last(Warning::Cut { ending, frame, at: input.offset(), part, had: had as u64, needed: needed as u64 })
}

fn unrecognised(mut input: Input) -> Error {
    if let Err(e) = input.fill(512) {
        return Error::Io(e);
    }
    match (input.window().is_empty(), input.compressions().first(), input.ending()) {
        (true, None, _) => Error::Empty,
        (true, Some(&compression), Some(ending)) => Error::Compressed { compression, ending: ending.clone() },
        _ => {
            let head = &input.window()[..input.window().len().min(512)];
            Error::NotACapture { looks: Looks::of(head), inside: input.compressions().to_vec() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is no capture is read to its end, if it has no more bytes than are asked for.
    #[test]
    fn another_file_is_read_up_to_a_bound() {
        let file = [&b"{\"kind\""[..], &[b'x'; 300_000]].concat();
        for (most, fits) in [(0, false), (10, false), (file.len() - 1, false), (file.len(), true), (usize::MAX, true)] {
            let reader = std::io::Cursor::new(file.clone());
            let Ok(Err(other)) = Capture::open_or(b"{\"kind\"", reader, Limits::default()) else { panic!("a capture") };
            assert_eq!(other.bytes(most).ok().map(|bytes| bytes == file), fits.then_some(true), "{most}");
        }
    }
}
