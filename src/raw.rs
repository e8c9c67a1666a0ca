//! Bytes without a capture: a direction's raw bytes, and text that says bytes.
//!
//! Takes text or the first bytes of a file, gives packets or pieces of directions, with what had to be assumed. Text is
//! whatever tools print and people paste: hex dumps, plain hex, literals of programming languages, Wireshark's "Follow TCP
//! Stream". Pure functions: reads no file, and decodes no RTMP beyond what tells a beginning.
//!
//! | module | reads |
//! |---|---|
//! | `dump` | lines with offsets: xxd, hexdump, od, tcpdump, Wireshark's packet bytes |
//! | `digits` | hex digits in any dress, without offsets |
//! | `literal` | arrays and strings of C, Rust, Go, Python, JavaScript |
//! | `follow` | what Wireshark and tshark write of a followed stream |
//! | `packets` | which of the bytes are packets, and of which link type; times before them |
//! | `beginning` | what raw bytes begin with |
//! | `order` | the order of two directions that were given apart |

pub mod beginning;
mod digits;
mod dump;
mod follow;
mod literal;
pub mod order;
mod packets;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;

use crate::origin::{FrameNo, Time};

/// What a text says.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// All bytes, in the order of the text.
    pub bytes: Vec<u8>,
    /// What they are: ranges of `bytes`.
    pub content: Content,
    /// What the text does not say and was assumed.
    pub assumed: Vec<Assumption>,
}

/// What bytes are.
#[derive(Clone, Debug)]
pub enum Content {
    /// Packets, with the headers below TCP.
    Packets(Vec<Packet>),
    /// Payload: pieces of directions, in order.
    Parts(Vec<Part>),
}

impl Default for Content {
    fn default() -> Self {
        Content::Parts(Vec::new())
    }
}

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its frame number, where the text says it.
    pub number: Option<u64>,
    /// When it was captured, where the text says it.
    pub time: Time,
    /// The link type of its first byte (LINKTYPE_*).
    pub link_type: u32,
    /// Its bytes.
    pub range: Range<usize>,
}

/// Bytes of one side of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The connection, from 0.
    pub connection: u32,
    /// The side: 0 or 1.
    pub side: usize,
    /// The addresses of both sides, where the text says them.
    pub endpoints: Option<[SocketAddr; 2]>,
    /// The frame, where the text says it.
    pub frame: FrameNo,
    /// The time, where the text says it.
    pub time: Time,
    /// Its bytes.
    pub range: Range<usize>,
}

impl Part {
    /// Bytes of which nothing more is known.
    fn of(side: usize, range: Range<usize>) -> Part {
        Part { connection: 0, side, endpoints: None, frame: FrameNo::NONE, time: Time::NONE, range }
    }
}

/// What was assumed, as the text or the bytes do not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assumption {
    /// The bytes begin with chunks.
    NoHandshake,
    /// The order of the two directions is not known.
    Order,
    /// Several dumps are one direction.
    Joined(usize),
    /// Words were written by a little-endian machine: the low byte comes first.
    LowByteFirst,
    /// Packets of this link type were recognised by their headers.
    Packets {
        /// How many.
        count: usize,
        /// Their link type.
        link_type: u32,
    },
    /// Times are of a day that is not said.
    NoDate,
    /// Times are read as UTC.
    NoZone,
    /// Times count from the first packet.
    Relative,
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Assumption::NoHandshake => f.write_str(
                "the bytes begin without a handshake: they are read as chunks from the first byte on, with the chunk size \
                 inferred",
            ),
            Assumption::Order => f.write_str(
                "the two directions were given without their order in time: a message is shown as early as those that it \
                 depends on allow",
            ),
            Assumption::Joined(count) => {
                write!(f, "{count} dumps without packet headers are read as one direction, in their order")
            }
            Assumption::LowByteFirst => {
                f.write_str("its words are read as those of a little-endian machine: the low byte comes first")
            }
            Assumption::Packets { count, link_type } => {
                let name = match link_type {
                    1 => "Ethernet frames",
                    0 => "loopback frames",
                    113 | 276 => "frames with Linux cooked headers",
                    _ => "IP packets",
                };
                let s = if *count == 1 { name.trim_end_matches('s') } else { name };
                write!(f, "{count} {s} recognised by their headers")
            }
            Assumption::NoDate => f.write_str("its times have no date: they count from midnight"),
            Assumption::NoZone => f.write_str("its times have no time zone: they are read as UTC"),
            Assumption::Relative => f.write_str("its times count from the first packet"),
        }
    }
}

/// Why a text does not say bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is nothing in it.
    #[error("no hex digits are in it")]
    NoBytes,
    /// A character that is no hex digit.
    #[error("line {line}, column {column}: {found:?} is not a hex digit")]
    NotHex {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is there.
        found: char,
    },
    /// Half a byte.
    #[error("line {line}: {digits} hex digits are an odd number, so one is missing or one is too many")]
    Odd {
        /// The line, from 1.
        line: usize,
        /// How many digits.
        digits: usize,
    },
    /// A number that is no byte.
    #[error("line {line}: {found} is not a byte: it must be 0 to 255")]
    NotAByte {
        /// The line, from 1.
        line: usize,
        /// The number.
        found: String,
    },
    /// A dump with a hole.
    #[error("line {line}: the offset is {found:#x} and should be {expected:#x}: lines of the dump are missing")]
    Missing {
        /// The line, from 1.
        line: usize,
        /// The offset after the line before.
        expected: u64,
        /// The offset that is there.
        found: u64,
    },
    /// What cannot be bytes again.
    #[error(
        "it is a followed stream as ASCII, in which all bytes but text are lost; save it as Raw, Hex Dump, C Arrays or \
         YAML (tshark -z follow,tcp,raw,N)"
    )]
    Ascii,
    /// Both directions, with nothing between them.
    #[error(
        "the bytes of both directions follow each other in it, and nothing tells whose each is; give what \
         tshark -z follow,tcp,raw,N prints, or each direction alone"
    )]
    Conversation,
    /// It is announced as base64 and is not.
    #[error("line {line}: not valid base64")]
    Base64 {
        /// The line, from 1.
        line: usize,
    },
    /// More than may be read at once.
    #[error("it says more than {most} bytes")]
    TooLong {
        /// The bound.
        most: usize,
    },
}

/// So many bytes are read from text at most.
pub const MOST: usize = 256 << 20;

/// Reads a text that says bytes.
pub fn read(text: &str) -> Result<Text, Error> {
    let text = text.trim_start_matches('\u{feff}');
    if let Some(read) = follow::read(text)? {
        return named(read);
    }
    if let Some(dump) = dump::read(text)? {
        return named(packets::recognise(dump));
    }
    if let Some(bytes) = literal::read(text)? {
        return named(packets::of_bytes(bytes));
    }
    named(packets::of_lines(digits::read(text)?))
}

/// With what was assumed of the beginning.
fn named(mut text: Text) -> Result<Text, Error> {
    if text.bytes.is_empty() {
        return Err(Error::NoBytes);
    }
    if let Content::Parts(parts) = &text.content {
        // Lines or dumps of several packets, without a word on whose each is.
        let is_one_side = parts.iter().all(|part| part.side == 0 && part.connection == 0);
        let head = &text.bytes[..text.bytes.len().min(beginning::ENOUGH)];
        if is_one_side && beginning::of(head) == Some(beginning::Beginning::Conversation) {
            return Err(Error::Conversation);
        }
        let first = parts.iter().find(|part| !part.range.is_empty());
        let is_chunks = |part: &Part| beginning::is_chunk(&text.bytes[part.range.clone()]);
        if first.is_some_and(is_chunks) {
            text.assumed.push(Assumption::NoHandshake);
        }
    }
    Ok(text)
}

/// The text of a file: UTF-8, or UTF-16 as PowerShell writes it. What is neither is no text.
pub fn decode_text(bytes: Vec<u8>) -> Result<String, Vec<u8>> {
    let utf16 = |read: fn([u8; 2]) -> u16, rest: &[u8]| {
        let units = rest.chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>()
    };
    match &bytes[..] {
        [0xff, 0xfe, rest @ ..] => Ok(utf16(u16::from_le_bytes, rest)),
        [0xfe, 0xff, rest @ ..] => Ok(utf16(u16::from_be_bytes, rest)),
        _ => String::from_utf8(bytes).map_err(|error| error.into_bytes()),
    }
}
