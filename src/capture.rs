//! Capture files: from a byte source to frames.
//!
//! Takes a `Read` (a file, standard input), gives its frames in order, each as soon as its bytes are there,
//! with its number, time, link type and place in the file. pcap and pcapng, bare or compressed, are told
//! by their magic. What is neither is read as text that says bytes, or as the raw bytes of a direction, where it
//! looks like that (`given`, with [`crate::raw`]). Damage is a [`Warning`] between the frames; [`Error`] is for what is no capture at all.
//! Opens no files, looks into no frame, and holds one buffer whatever the capture's size.

mod clock;
mod error;
mod given;
mod input;
mod merged;
mod pcap;
mod pcapng;
mod warning;
mod zstd;

use std::io::Read;
use std::net::SocketAddr;
use std::ops::Range;

use serde::Serialize;

use crate::origin::{FrameNo, Time};
use crate::raw::beginning::{self, Beginning};
pub use error::{Error, Looks};
use given::{Directions, Given};
use input::Input;
pub use input::{Compression, Ending};
use merged::Merged;
pub use merged::{Open, Part};
pub use warning::{BlockProblem, RecordPart, Warning};

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
    /// Bytes of a TCP connection that were given without packets.
    Bytes(Bytes<'a>),
    /// A TLS key log that was stored in the capture (pcapng decryption secrets).
    Secrets(&'a [u8]),
    /// Something that somebody wrote into the file; of a frame before that frame.
    Note(Note),
    /// Something wrong with the file at this place.
    Warning(Warning),
}

/// What somebody wrote into a capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What it is about.
    pub about: About,
    /// What it is.
    #[serde(rename = "kind")]
    pub what: NoteKind,
    /// The text, which may hold anything.
    pub text: String,
}

/// What a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// The capture, or a section of it.
    Capture,
    /// An interface, by its number in the section.
    Interface(u32),
    /// A frame.
    Frame(FrameNo),
}

/// What a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// A comment.
    Comment,
    /// An interface's name.
    Name,
    /// An interface's description.
    Description,
}

/// Bytes of one direction of a TCP connection, which continue those before them.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a> {
    /// Which of the connections, from 0.
    pub connection: u32,
    /// Whose: 0 is the side that is given first, 1 the other.
    pub side: usize,
    /// The addresses of both sides, if they are known.
    pub endpoints: Option<[SocketAddr; 2]>,
    /// Whether the direction begins as a TCP stream does: with a handshake of RTMP, TLS or HTTP.
    pub from_start: bool,
    /// The frame that held them, if that is known.
    pub frame: FrameNo,
    /// The time of that frame.
    pub time: Time,
    /// The bytes.
    pub bytes: &'a [u8],
    /// Their offset in the file; of text, among the bytes that it says.
    pub file_offset: u64,
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
    /// How many bytes a text may say.
    pub text: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { record_len: 16 << 20, scan: 64 << 20, expansion: 200, text: crate::raw::MOST }
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
    Given(Box<Given>),
    Directions(Box<Directions>),
    Merged(Box<Merged>),
}

impl Capture {
    /// Recognises the format. Reads no more than that needs.
    pub fn open(reader: impl Read + Send + 'static, limits: Limits) -> Result<Capture, Error> {
        let mut input = Input::new(reader, limits.expansion);
        input.fill(4)?;
        Capture::recognise(input, limits)
    }

    /// Reads the bytes of one direction, as they are or as a text says them, whatever they begin with.
    pub fn open_raw(reader: impl Read + Send + 'static, limits: Limits) -> Result<Capture, Error> {
        let mut input = Input::new(reader, limits.expansion);
        input.fill(beginning::ENOUGH)?;
        if is_capture(input.window()) {
            return Err(Error::IsACapture);
        }
        if input.window().is_empty() {
            return Err(unrecognised(input));
        }
        let format = match is_text(input.window()) && beginning::of(input.window()).is_none() {
            true => Format::Given(Box::new(Given::read(&mut input, &limits)?)),
            false => Format::Directions(Box::new(Directions::one(&mut input)?)),
        };
        Ok(Capture::of(input, format, limits))
    }

    /// Reads the raw bytes of both directions, first the client's. `steps` says in which order: up to which offset
    /// of which file; without any, the first is read before the second.
    pub fn open_directions<R: Read + Send + 'static>(
        readers: [R; 2],
        steps: Vec<(usize, u64)>,
        limits: Limits,
    ) -> Result<Capture, Error> {
        let mut inputs = Vec::new();
        for reader in readers {
            let mut input = Input::new(reader, limits.expansion);
            input.fill(4)?;
            if is_capture(input.window()) {
                return Err(Error::IsACapture);
            }
            inputs.push(match is_text(input.window()) {
                true => {
                    let text = Given::read(&mut input, &limits)?;
                    Input::new(std::io::Cursor::new(text.into_direction()?), limits.expansion)
                }
                false => input,
            });
        }
        let (Some(second), Some(mut first)) = (inputs.pop(), inputs.pop()) else { return Err(Error::Empty) };
        let format = Format::Directions(Box::new(Directions::two(&mut first, second, steps)?));
        Ok(Capture::of(first, format, limits))
    }

    /// Reads several files as one capture, in order of time. An error comes with the file's place in `parts`.
    pub fn merge(parts: Vec<Part>, limits: Limits) -> Result<Capture, (usize, Error)> {
        let merged = Merged::open(parts, limits)?;
        let nothing = Input::new(std::io::empty(), limits.expansion);
        Ok(Capture::of(nothing, Format::Merged(Box::new(merged)), limits))
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
            _ => match Capture::recognise_given(&mut input, &limits)? {
                Some(format) => format,
                None => return Err(unrecognised(input)),
            },
        };
        Ok(Capture::of(input, format, limits))
    }

    fn of(input: Input, format: Format, limits: Limits) -> Capture {
        Capture { input, format, limits, frames: 0, ended: false }
    }

    /// What is no capture file, and can be read as one.
    fn recognise_given(input: &mut Input, limits: &Limits) -> Result<Option<Format>, Error> {
        input.fill(beginning::ENOUGH)?;
        Ok(match beginning::of(input.window()) {
            Some(Beginning::Conversation) => return Err(Error::Conversation),
            Some(_) => Some(Format::Directions(Box::new(Directions::one(input)?))),
            None if is_text(input.window()) => Some(Format::Given(Box::new(Given::read(input, limits)?))),
            None => None,
        })
    }

    /// The next frame, secrets or warning; `None` at the end.
    #[allow(clippy::should_implement_trait, reason = "what it returns borrows the buffer, so it cannot be an iterator")]
    pub fn next(&mut self) -> Result<Option<Event<'_>>, Error> {
        if matches!(self.format, Format::Given(_) | Format::Directions(_) | Format::Merged(_)) {
            return match &mut self.format {
                Format::Given(given) => Ok(given.step(&mut self.frames)),
                Format::Directions(directions) => directions.step(&mut self.input),
                Format::Merged(merged) => merged.step(&mut self.frames),
                Format::Pcap(_) | Format::Pcapng(_) => Ok(None),
            };
        }
        loop {
            if self.ended {
                return Ok(None);
            }
            let number = FrameNo(self.frames + 1);
            let step = match &mut self.format {
                Format::Given(_) | Format::Directions(_) | Format::Merged(_) => Ok(Step::End),
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
                Step::Note(note) => Event::Note(note),
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
        match &self.format {
            Format::Merged(merged) => merged.bytes_read(),
            _ => self.input.bytes_read(),
        }
    }

    /// Whether it has frames; else it is bytes without packets.
    pub fn has_frames(&self) -> bool {
        match &self.format {
            Format::Pcap(_) | Format::Pcapng(_) | Format::Merged(_) => true,
            Format::Given(given) => given.has_packets(),
            Format::Directions(_) => false,
        }
    }

    /// Whether it is the bytes of one connection and nothing else: one that has no number, no port and no packets.
    pub fn is_one_connection(&self) -> bool {
        matches!(self.format, Format::Directions(_))
    }

    /// Whether it is of a format in which keys can be stored.
    pub fn may_have_secrets(&self) -> bool {
        matches!(self.format, Format::Pcapng(_) | Format::Merged(_))
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
        given::whole(&mut self.input, most)
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
    Note(Note),
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
fn cut(input: &Input, frame: FrameNo, part: RecordPart, had: usize, needed: usize) -> Step {
    let ending = input.ending().cloned().unwrap_or(Ending::Source);
    if ending == Ending::Source && input.window().is_empty() {
        return Step::End;
    }
    Step::Last(Warning::Cut { ending, frame, at: input.offset(), part, had: had as u64, needed: needed as u64 })
}

/// Whether a file that begins with these bytes is a capture file.
fn is_capture(head: &[u8]) -> bool {
    head.first_chunk().is_some_and(|magic| pcap::Records::recognise(*magic) || pcapng::Blocks::recognise(*magic))
}

/// Whether a file is text, and none that is known to be something else.
fn is_text(head: &[u8]) -> bool {
    // UTF-16 begins with a byte order mark.
    let is_utf16 = matches!(head, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
    is_utf16 || !head.is_empty() && Looks::of(&head[..head.len().min(512)]) == Looks::Text
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
