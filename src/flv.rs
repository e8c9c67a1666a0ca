//! FLV files: a header, and tags with what RTMP has in messages (Adobe, "Video File Format Specification", 10.1, annex E).
//!
//! Takes the bytes of a file in pieces, returns [`Tag`]s with their places, and says what is damaged: a PreviousTagSize
//! that does not fit, a tag that is cut, bytes that are no tag, after which the next tag is looked for. Bodies are those
//! of audio, video and data messages: their decoders are in `rtmp`. For what reads messages, a [`Decoder`] gives tags as
//! such.

mod decoder;

use std::collections::VecDeque;

use crate::field::{Defect, counted};
use crate::rtmp::MessageTypeId;

pub use decoder::{Decoder, Event};

/// What every FLV file begins with (E.2).
pub const SIGNATURE: &[u8] = b"FLV";

/// Whether bytes begin as an FLV file does: signature, version 1, and no reserved bit in the flags. None if more bytes
/// are needed.
pub fn begins(bytes: &[u8]) -> Option<bool> {
    let begins = bytes.iter().zip(b"FLV\x01").all(|(byte, expected)| byte == expected);
    match bytes.get(SIGNATURE.len() + 1) {
        Some(flags) => Some(begins && flags & 0xfa == 0),
        None if begins => None,
        None => Some(false),
    }
}

/// The file header (E.2) and the PreviousTagSize after it.
const FILE_HEADER: usize = 9;
/// A tag's header (E.4.1).
const TAG_HEADER: usize = 11;
/// PreviousTagSize (E.3).
const TAIL: usize = 4;
/// The types of tags (E.4.1): audio, video, script data.
const TYPES: [u8; 3] = [8, 9, 18];

/// A tag, or bytes that are none.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// The file's header.
    Header {
        /// Whether there is audio, according to it.
        audio: bool,
        /// Whether there is video, according to it.
        video: bool,
        /// What is wrong with it.
        defects: Vec<Defect>,
    },
    /// A tag.
    Tag(Tag),
    /// Bytes between tags.
    Garbage {
        /// Offset of the first in the file.
        offset: u64,
        /// How many.
        len: u64,
    },
}

/// A tag (E.4.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Tag {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Offset of its header in the file.
    pub offset: u64,
    /// What it is: 8 audio, 9 video, 18 script data, as in RTMP.
    pub type_id: MessageTypeId,
    /// Whether its body is encrypted (E.4.1, Filter).
    pub is_encrypted: bool,
    /// Milliseconds.
    pub timestamp: u32,
    /// How long its body is according to its header.
    pub length: u32,
    /// The bytes of its header, as far as they are in the file.
    pub header: Vec<u8>,
    /// The body, as far as it is in the file.
    pub body: Vec<u8>,
    /// What is wrong with it.
    pub defects: Vec<Defect>,
}

impl Tag {
    /// Offset of its body in the file.
    pub fn body_offset(&self) -> u64 {
        self.offset + TAG_HEADER as u64
    }

    /// Whether all of its body is in the file.
    pub fn is_complete(&self) -> bool {
        self.body.len() == self.length as usize
    }
}

/// Takes a file's bytes, returns its tags. It holds one tag at most, of 16 MiB.
#[derive(Debug, Default)]
pub struct Parser {
    bytes: VecDeque<u8>,
    /// Offset in the file of the first of them.
    at: u64,
    number: u64,
    has_header: bool,
    /// Offset and length of bytes that are no tag, so far.
    garbage: Option<(u64, u64)>,
    is_over: bool,
}

impl Parser {
    /// A parser at the file's beginning.
    pub fn new() -> Parser {
        Parser::default()
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// There are no more.
    pub fn finish(&mut self) {
        self.is_over = true;
    }

    /// How many bytes wait for more.
    pub fn open_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// So many bytes are missing here, after [`Parser::finish`] gave what was there: goes on after them, at the next
    /// tag that is certain.
    pub fn resume(&mut self, missing: u64) {
        self.at += missing;
        self.is_over = false;
        self.has_header = true;
        self.garbage = Some((self.at, 0));
    }

    /// The next item; None if it needs more bytes, or there is none.
    pub fn next_item(&mut self) -> Option<Item> {
        if !self.has_header {
            return self.header();
        }
        loop {
            match self.look() {
                Look::Tag(_) | Look::Header if self.has_garbage() => return self.take_garbage(),
                Look::Tag(size) => {
                    self.garbage = None;
                    return Some(self.tag(size));
                }
                Look::Header => {
                    self.garbage = None;
                    return self.header();
                }
                Look::Other => {
                    let garbage = self.garbage.get_or_insert((self.at, 0));
                    garbage.1 += 1;
                    self.skip(1);
                }
                Look::More if !self.is_over => return None,
                Look::More if self.garbage.is_some() || !self.may_be_tag() => {
                    let rest = self.bytes.len();
                    if rest > 0 {
                        let garbage = self.garbage.get_or_insert((self.at, 0));
                        garbage.1 += rest as u64;
                        self.skip(rest);
                    }
                    return self.take_garbage();
                }
                Look::More => return Some(self.tag(self.bytes.len())),
            }
        }
    }

    fn header(&mut self) -> Option<Item> {
        if self.bytes.len() < FILE_HEADER + TAIL && !self.is_over || self.bytes.is_empty() {
            return None;
        }
        self.has_header = true;
        let mut defects = Vec::new();
        let mut defect = |at: usize, text: String| defects.push(Defect::new("flv-header", at, text));
        let flags = self.byte(4);
        let size = self.word(5, 4);
        if self.bytes.len() < FILE_HEADER {
            defect(0, format!("the file ends in its header, after {}", counted(self.bytes.len() as u64, "byte")));
        } else if size != FILE_HEADER as u32 {
            defect(5, format!("the header's length is {size}, and 9 is the only one that is defined"));
        }
        if self.bytes.len() >= FILE_HEADER + TAIL && size == FILE_HEADER as u32 && self.word(FILE_HEADER, TAIL) != 0 {
            defect(9, format!("PreviousTagSize before the first tag is {}, not 0", self.word(FILE_HEADER, TAIL)));
        }
        // A longer header is skipped; one that is longer than any cannot be.
        let len = if (FILE_HEADER as u32..256).contains(&size) { size as usize } else { FILE_HEADER };
        self.skip((len + TAIL).min(self.bytes.len()));
        Some(Item::Header { audio: flags & 4 != 0, video: flags & 1 != 0, defects })
    }

    /// What is at the beginning of the bytes.
    fn look(&self) -> Look {
        // Files that were put one after the other, and bodies of one connection.
        if self.bytes.front() == Some(&SIGNATURE[0]) {
            let head: Vec<u8> = self.bytes.iter().copied().take(FILE_HEADER).collect();
            match begins(&head) {
                Some(true) if head.len() == FILE_HEADER && head.ends_with(&[0, 0, 0, FILE_HEADER as u8]) => {
                    return Look::Header;
                }
                Some(true) | None if head.len() < FILE_HEADER && !self.is_over => return Look::More,
                _ => {}
            }
        }
        if self.bytes.len() < TAG_HEADER {
            return if self.bytes.is_empty() || self.may_be_tag() { Look::More } else { Look::Other };
        }
        if !self.may_be_tag() {
            return Look::Other;
        }
        let size = TAG_HEADER + self.word(1, 3) as usize;
        if self.bytes.len() < size + TAIL {
            // A length may be anything: what only looks like a tag must not swallow the rest of the file.
            return if self.is_over && self.garbage.is_some() { Look::Other } else { Look::More };
        }
        let fits = self.word(size, TAIL) == size as u32;
        let goes_on = self.bytes.len() == size + TAIL || TYPES.contains(&(self.byte(size + TAIL) & 0x1f));
        // After garbage only what is sure is a tag.
        match self.garbage {
            Some(_) if !fits => Look::Other,
            None if !fits && !goes_on => Look::Other,
            _ => Look::Tag(size),
        }
    }

    /// Whether the bytes that there are can begin a tag: a known type without reserved bits, and stream 0.
    fn may_be_tag(&self) -> bool {
        let is_type = self.bytes.front().is_some_and(|byte| TYPES.contains(&(byte & 0x1f)) && byte & 0xc0 == 0);
        is_type && (8..TAG_HEADER).all(|at| self.bytes.get(at).is_none_or(|byte| *byte == 0))
    }

    /// Takes a tag of so many bytes, or what there is of it.
    fn tag(&mut self, size: usize) -> Item {
        self.number += 1;
        let offset = self.at;
        let (first, length) = (self.byte(0), self.word(1, 3));
        let timestamp = self.word(4, 3) | u32::from(self.byte(7)) << 24;
        let header = self.bytes.iter().copied().take(TAG_HEADER).collect();
        let body: Vec<u8> =
            self.bytes.iter().copied().take(size.min(TAG_HEADER + length as usize)).skip(TAG_HEADER).collect();
        let whole = TAG_HEADER + length as usize;
        let mut defects = Vec::new();
        if self.bytes.len() < whole {
            let have = self.bytes.len().saturating_sub(TAG_HEADER);
            let text = format!("the file ends inside the tag: {have} of the {length} bytes of its body are there");
            defects.push(Defect::new("flv-tag-cut", (offset as usize).saturating_add(self.bytes.len()), text));
        } else if self.bytes.len() < whole + TAIL {
            let text = "the file ends before the PreviousTagSize of its last tag";
            defects.push(Defect::new("flv-previous-tag-size", (offset as usize).saturating_add(whole), text));
        } else if self.word(whole, TAIL) != whole as u32 {
            let text =
                format!("PreviousTagSize after the tag is {}, and the tag has {whole} bytes", self.word(whole, TAIL));
            defects.push(Defect::new("flv-previous-tag-size", (offset as usize).saturating_add(whole), text));
        }
        self.skip((whole + TAIL).min(self.bytes.len()));
        Item::Tag(Tag {
            number: self.number,
            offset,
            type_id: MessageTypeId(first & 0x1f),
            is_encrypted: first & 0x20 != 0,
            timestamp,
            length,
            header,
            body,
            defects,
        })
    }

    fn has_garbage(&self) -> bool {
        self.garbage.is_some_and(|(_, len)| len > 0)
    }

    fn take_garbage(&mut self) -> Option<Item> {
        let (offset, len) = self.garbage.take().filter(|(_, len)| *len > 0)?;
        Some(Item::Garbage { offset, len })
    }

    fn skip(&mut self, count: usize) {
        self.bytes.drain(..count);
        self.at += count as u64;
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or_default()
    }

    fn word(&self, at: usize, len: usize) -> u32 {
        (at..at + len).fold(0, |word, at| word << 8 | u32::from(self.byte(at)))
    }
}

enum Look {
    /// A tag of so many bytes, without its PreviousTagSize.
    Tag(usize),
    /// The header of another file.
    Header,
    Other,
    /// That cannot be told yet.
    More,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tag and its PreviousTagSize, from the specification.
    fn tag(type_id: u8, timestamp: u32, body: &[u8]) -> Vec<u8> {
        let [high, a, b, c] = timestamp.to_be_bytes();
        let length = (body.len() as u32).to_be_bytes();
        let mut bytes = vec![type_id, length[1], length[2], length[3], a, b, c, high, 0, 0, 0];
        bytes.extend(body);
        bytes.extend((bytes.len() as u32).to_be_bytes());
        bytes
    }

    fn file(tags: &[Vec<u8>]) -> Vec<u8> {
        [b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec(), tags.concat()].concat()
    }

    fn items(bytes: &[u8], piece: usize) -> Vec<Item> {
        let mut parser = Parser::new();
        let mut items = Vec::new();
        for piece in bytes.chunks(piece) {
            parser.push(piece);
            items.extend(std::iter::from_fn(|| parser.next_item()));
        }
        parser.finish();
        items.extend(std::iter::from_fn(|| parser.next_item()));
        items
    }

    fn tags(items: &[Item]) -> Vec<(u64, u8, u32, usize, usize)> {
        let of = |item: &Item| match item {
            Item::Tag(tag) => Some((tag.offset, tag.type_id.0, tag.timestamp, tag.body.len(), tag.defects.len())),
            _ => None,
        };
        items.iter().filter_map(of).collect()
    }

    #[test]
    fn tags_in_pieces_of_any_size() {
        let bytes = file(&[tag(18, 0, b"abc"), tag(9, 0x0102_0304, b"de"), tag(8, 7, b"")]);
        for piece in 1..=bytes.len() {
            let all = items(&bytes, piece);
            assert_eq!(all[0], Item::Header { audio: true, video: true, defects: vec![] });
            assert_eq!(tags(&all), [(13, 18, 0, 3, 0), (31, 9, 0x0102_0304, 2, 0), (48, 8, 7, 0, 0)], "{piece}");
            assert_eq!(all.len(), 4);
        }
    }

    #[test]
    fn damage_is_told_and_what_follows_is_read() {
        let good = [tag(18, 0, b"abc"), tag(9, 1, b"defgh"), tag(8, 2, b"ij")];
        // A PreviousTagSize that does not fit costs nothing else.
        let mut bytes = file(&good);
        let at = 13 + good[0].len() - 1;
        bytes[at] = 99;
        let all = items(&bytes, 7);
        assert_eq!(tags(&all), [(13, 18, 0, 3, 1), (31, 9, 1, 5, 0), (51, 8, 2, 2, 0)]);
        // Bytes between two tags.
        let bytes = [file(&good[..1]), vec![0xff, 8, 9, 0x18, 7], good[1].clone(), good[2].clone()].concat();
        for piece in [1, 3, 100] {
            let all = items(&bytes, piece);
            assert!(all.contains(&Item::Garbage { offset: 31, len: 5 }), "{all:?}");
            assert_eq!(tags(&all), [(13, 18, 0, 3, 0), (36, 9, 1, 5, 0), (56, 8, 2, 2, 0)], "{piece}");
        }
        // A cut anywhere: what is before it is read.
        let bytes = file(&good);
        for end in 13..bytes.len() {
            let all = items(&bytes[..end], 5);
            let whole = [31, 51, 68].iter().filter(|tag_end| **tag_end <= end).count();
            assert!(tags(&all).len() >= whole, "{end}: {all:?}");
            assert!(tags(&all)[..whole].iter().all(|tag| tag.4 == 0), "{end}: {all:?}");
            let is_damaged = all.iter().any(|item| match item {
                Item::Tag(tag) => !tag.defects.is_empty(),
                Item::Garbage { .. } => true,
                Item::Header { .. } => false,
            });
            assert_eq!(is_damaged, ![13, 31, 51].contains(&end), "{end}: {all:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_end_and_are_counted_once(bytes in proptest::collection::vec(0u8..20, 0..300), piece in 1usize..50) {
            let all = items(&[b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec(), bytes.clone()].concat(), piece);
            let counted: usize = all.iter().map(|item| match item {
                Item::Tag(tag) => (11 + tag.body.len() + 4).min(bytes.len()),
                Item::Garbage { len, .. } => *len as usize,
                Item::Header { .. } => 0,
            }).sum();
            proptest::prop_assert!(counted >= bytes.len().saturating_sub(15) || bytes.is_empty());
        }
    }
}
