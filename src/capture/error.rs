//! Why a capture cannot be read.
//!
//! A file that is no capture is named for what it looks like, with what to do about it.

use std::fmt;
use std::io;

use super::input::{Compression, Ending};

/// Why a capture cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is not one byte.
    #[error("the file is empty: the capture program wrote nothing")]
    Empty,
    /// The compressed file holds nothing that can be read.
    #[error("the {} data is {}: nothing could be read from it", .compression.name(), unusable(.ending))]
    Compressed {
        /// The outermost compression.
        compression: Compression,
        /// Why nothing came out.
        ending: Ending,
    },
    /// The compressed file gave some of its bytes only.
    #[error("the {} data is {}: not all could be read from it", .compression.name(), unusable(.ending))]
    NotAll {
        /// The outermost compression.
        compression: Compression,
        /// Why no more came out.
        ending: Ending,
    },
    /// There is more than may be read at once.
    #[error("there are more than {most} bytes")]
    TooLong {
        /// The bound.
        most: usize,
    },
    /// The file ends inside its header.
    #[error("the capture ends in its file header: {had} of {needed} bytes are there, and no frame")]
    HeaderCut {
        /// Bytes that are there.
        had: usize,
        /// Bytes of the header.
        needed: usize,
    },
    /// The file is something else.
    #[error("not a capture file{}: {looks}", Inside(.inside))]
    NotACapture {
        /// What it looks like.
        looks: Looks,
        /// The compressions around it.
        inside: Vec<Compression>,
    },
    /// It is text that does not say bytes.
    #[error("not a capture file{}: it looks like text, and cannot be read as hex: {why}", Inside(.inside))]
    Text {
        /// What is wrong with it.
        why: crate::raw::Error,
        /// The compressions around it.
        inside: Vec<Compression>,
    },
    /// It begins as text and is none.
    #[error("not a capture file: it looks like text, but is not UTF-8 further on")]
    NotUtf8,
    /// Raw bytes of both directions in one file.
    #[error(
        "the raw bytes of both directions follow each other in it, and nothing says where one ends: save each direction to \
         a file of its own (in Wireshark's Follow window, the list at the lower left) and give both with --raw C2S S2C, or \
         save the conversation as YAML, C Arrays or Hex Dump"
    )]
    Conversation,
    /// A text with more than one direction where one was announced.
    #[error("the text says packets or both directions: give it alone, without --raw")]
    NotADirection,
    /// One of several files has no place in time.
    #[error("its packets have no times, so it cannot be merged with others")]
    NotInTime,
    /// A capture file where raw bytes were announced.
    #[error("it is a capture file: give it without --raw")]
    IsACapture,
    /// The source could not be read.
    #[error("cannot read the capture: {0}")]
    Io(#[from] io::Error),
}

/// What a file that is no capture looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looks {
    /// A known format: its name, and what to do.
    Known(&'static str, &'static str),
    /// Text.
    Text,
    /// Nothing that is known; its first bytes.
    Unknown(Vec<u8>),
}

impl Looks {
    /// What a file with these first bytes looks like. Some hundred bytes are enough.
    pub(super) fn of(head: &[u8]) -> Looks {
        if let Some((_, name, advice)) = KNOWN.iter().find(|(magic, ..)| head.starts_with(magic)) {
            return Looks::Known(name, advice);
        }
        let text = head.trim_ascii_start();
        let starts = |tag: &[u8]| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
        if starts(b"<!doctype html") || starts(b"<html") {
            return Looks::Known("a web page (HTML)", "the download returned a page instead of the file");
        }
        if head.get(4..8) == Some(b"ftyp") {
            return Looks::Known("an MP4 file", MEDIA);
        }
        if head.get(257..262) == Some(b"ustar") {
            return Looks::Known("a tar archive", "unpack it first: tar xf FILE");
        }
        if is_text(head) {
            return Looks::Text;
        }
        if is_erf(head) {
            return Looks::Known("an Endace ERF capture", CONVERT);
        }
        Looks::Unknown(head[..head.len().min(8)].to_vec())
    }
}

impl fmt::Display for Looks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Looks::Known(name, advice) => write!(f, "it looks like {name}; {advice}"),
            Looks::Text => write!(f, "it looks like text"),
            Looks::Unknown(head) => {
                write!(f, "it starts with")?;
                head.iter().try_for_each(|byte| write!(f, " {byte:02x}"))?;
                write!(f, ", which is neither pcap nor pcapng; see whether editcap FILE out.pcapng can convert it")
            }
        }
    }
}

struct Inside<'a>(&'a [Compression]);

impl fmt::Display for Inside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|compression| write!(f, " inside {}", compression.name()))
    }
}

fn unusable(ending: &Ending) -> String {
    match ending {
        Ending::Source => "empty".to_owned(),
        Ending::CompressedCut => "cut".to_owned(),
        Ending::CompressedDamaged(why) => format!("damaged ({why})"),
        Ending::Memory { limit } => {
            format!(
                "compressed with a dictionary of more than {limit} MiB, and is not unpacked here (xz -dc FILE | rtmp-inspect decode -)"
            )
        }
        Ending::Expansion { limit } => format!("expanding to more than {limit} times its size"),
    }
}

fn is_text(head: &[u8]) -> bool {
    let printable = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..);
    let valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        // A character cut by the end of what was read.
        Err(e) => e.error_len().is_none(),
    };
    valid && head.iter().all(printable)
}

/// ERF has no magic: a known record type, a length that holds its own header, and zero or few flags.
fn is_erf(head: &[u8]) -> bool {
    let Some([kind, _, high, low]) = head.get(8..12) else { return false };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    let kinds = 1..=27;
    len >= 18 && kinds.contains(&(kind & 0x7f)) && head.get(len + 8).is_some_and(|next| kinds.contains(&(next & 0x7f)))
}

const CONVERT: &str = "convert it first: editcap FILE out.pcapng";
const MEDIA: &str = "this program reads packet captures, not media files";

/// Magic numbers, names, and what to do.
const KNOWN: &[(&[u8], &str, &str)] = &[
    (b"BZh", "a bzip2 file", "unpack it on the way: bzip2 -dc FILE | rtmp-inspect decode -"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it on the way: 7z x -so FILE | rtmp-inspect decode -"),
    (b"PK\x03\x04", "a zip archive", "unpack it on the way: unzip -p FILE | rtmp-inspect decode -"),
    (b"\x1f\x9d", "a compress (.Z) file", "unpack it on the way: zcat FILE | rtmp-inspect decode -"),
    (b"Rar!", "a rar archive", "unpack it first"),
    (b"snoop\0\0\0", "a Solaris snoop capture", CONVERT),
    (b"GMBU", "a Microsoft Network Monitor 2 capture", CONVERT),
    (b"RTSS", "a Microsoft Network Monitor 1 capture", CONVERT),
    (b"XCP\0", "a NetXRay capture", CONVERT),
    (b"TRSNIFF data    \x1a", "a Sniffer capture", CONVERT),
    (b"iptrace ", "an AIX iptrace capture", CONVERT),
    (b"\x13\0\0\0", "a Windows trace (ETL)", "convert it first: etl2pcapng FILE out.pcapng"),
    (b"\x7fELF", "a program", "give it the capture instead"),
    (b"%PDF", "a PDF document", "give it the capture instead"),
    (b"\x89PNG", "a PNG image", "give it the capture instead"),
    (b"\xff\xd8\xff", "a JPEG image", "give it the capture instead"),
];
