//! One reading of the bytes: which chunk headers follow one another, and the evidence in them.
//!
//! Takes the bytes at the place of its next header and returns where the one after it is. Which readings are followed, and
//! which one is believed, is left to [`super`].

use crate::field::Reader;
use crate::rtmp::chunk::ChunkHeader;
use crate::rtmp::search::{Known, LARGEST, Size, Walker, basic_len, set};
use crate::rtmp::{ChunkStreamId, MessageTypeId};

use super::Found;
use super::proof::DEFAULT;

/// The evidence, in bits, in the header after a message, with which the message was not cut.
const LANDING: u32 = 16;
/// The same where the message is no longer than a chunk is by default (RTMP 1.0 5.4.1).
const SHORT_LANDING: u32 = 6;

/// One reading of the bytes.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// Where its first header is.
    pub start: usize,
    /// Where its next header is.
    pub at: usize,
    /// The chunk size at `start`.
    pub base: Size,
    /// The chunk size at `at`.
    pub size: Size,
    /// Whether `base` is a size that was tried.
    pub tried: bool,
    pub bits: u32,
    pub headers: u32,
    /// Headers that continue a message at the distance of the size tried.
    pub matches: u32,
    /// How many messages in several chunks ended where another begins.
    pub landings: u32,
    /// The message just ended had several chunks.
    pub ends_cut: bool,
    /// The length of a message just ended, if it rests on its not being cut.
    pub uncut: Option<u32>,
    /// What it changes in what is known of the chunk streams.
    pub changed: Vec<(ChunkStreamId, Known)>,
}

/// A message whose chunks may end anywhere.
#[derive(Clone, Debug)]
pub(super) struct Split {
    pub csid: ChunkStreamId,
    /// Offset of its first body byte in the chunk.
    pub body: usize,
    /// How many body bytes are to come.
    pub left: u32,
    /// What is known of its chunk stream after it.
    pub after: Known,
}

impl Split {
    /// Where its message ends, if it is not cut.
    pub fn end(&self) -> usize {
        self.body + self.left as usize
    }

    /// The chunk size with which it is cut at `at`.
    pub fn size_if_cut(&self, at: usize) -> Option<u32> {
        at.checked_sub(self.body).filter(|&size| size > 0).map(|size| size as u32)
    }
}

impl Candidate {
    pub fn new(start: usize, size: Size) -> Candidate {
        Candidate {
            start,
            at: start,
            base: size,
            size,
            tried: false,
            bits: 0,
            headers: 0,
            matches: 0,
            landings: 0,
            ends_cut: false,
            uncut: None,
            changed: Vec::new(),
        }
    }

    pub fn found(&self) -> Found {
        let Candidate { start: at, base: size, bits, headers, matches, .. } = *self;
        Found { at, size, bits, headers, matches }
    }

    /// The reading in which the message is not cut.
    pub fn uncut(mut self, split: Split) -> Candidate {
        set(&mut self.changed, split.csid, Known { open: 0, ..split.after });
        Candidate { at: split.end(), uncut: Some(split.left), ..self }
    }

    /// The message just ended was not cut: chunks are at least as long.
    pub fn accept_uncut(&mut self) {
        if let (Some(length), Size::AtLeast(longest)) = (self.uncut.take(), self.base) {
            self.base = Size::AtLeast(longest.max(length));
            self.size = self.base;
        }
    }

    /// Reads the header at `at`, where `here` begins, after byte `before`. None: it cannot be one here. Some(Some): its
    /// message may be cut anywhere.
    pub fn step<K: Fn(ChunkStreamId) -> Option<Known>>(
        &mut self,
        walker: &Walker<K>,
        here: &[u8],
        before: Option<u8>,
    ) -> Option<Option<Split>> {
        let changed = &self.changed;
        let known =
            |csid| changed.iter().find(|(id, _)| *id == csid).map(|(_, known)| *known).or_else(|| (walker.known)(csid));
        let repeats = |csid| {
            let extended = known(csid).and_then(|known| known.extended);
            let basic = basic_len(here[0]);
            extended.is_some_and(|extended| here.get(basic..basic + 4) == Some(&extended.to_be_bytes()[..]))
        };
        // Cut by the end of the data: nothing speaks against it.
        let Ok(header) = ChunkHeader::read(&mut Reader::new(here, &mut ()), repeats) else { return Some(None) };
        let known = known(header.csid);
        let payload = &here[usize::from(header.len)..];
        let bits = walker.weigh(&header, known, payload)?;
        let mut after = known.unwrap_or_default();
        let (length, type_id) = (header.length.or(after.length)?, header.type_id.or(after.type_id)?);
        let continues = after.open > 0;
        let bits = if continues { bits } else { bits.checked_sub(doubt(&header, known, payload)?)? };
        if continues {
            // In a run of equal bytes any of them may be a header.
            let is_evident = before != Some(here[0]);
            self.matches += u32::from(is_evident);
            self.bits += if is_evident { bits } else { 0 };
        } else {
            if let Some(length) = self.uncut.take() {
                if bits < if length <= DEFAULT { SHORT_LANDING } else { LANDING } {
                    return None;
                }
                self.uncut = Some(length);
                self.accept_uncut();
            }
            self.landings += u32::from(std::mem::take(&mut self.ends_cut));
            self.bits += bits;
        }
        self.headers += 1;
        if header.fmt < 3 {
            after.extended = header.extended;
        }
        let left = if continues { after.open } else { length };
        if !continues {
            after = Known { length: Some(length), type_id: Some(type_id), first: payload.first().copied(), ..after };
        }
        self.at += usize::from(header.len);
        let take = match self.size {
            Size::Known(size) => left.min(size),
            Size::AtLeast(longest) if left <= longest => left,
            Size::AtLeast(_) => {
                let body = self.at;
                return Some(Some(Split { csid: header.csid, body, left, after }));
            }
        };
        after.open = left - take;
        self.ends_cut = after.open == 0 && continues && self.tried;
        set(&mut self.changed, header.csid, after);
        if let (MessageTypeId::SET_CHUNK_SIZE, Some(&value)) = (type_id, payload.first_chunk()) {
            self.size = Size::Known(u32::from_be_bytes(value).clamp(1, LARGEST));
        }
        self.at += take as usize;
        Some(None)
    }
}

/// Whether the header may be a shorter one with other bytes before it: 40 44 00 00 1a … is 44 00 00 1a … after a byte
/// 40, and so is 41 b0 44 00 00 1a … after two.
pub(super) fn is_shifted(header: &ChunkHeader) -> bool {
    let Some(id) = header.csid.0.checked_sub(64) else { return false };
    let last = if id <= 0xff { id } else { id >> 8 };
    last >> 6 == u32::from(header.fmt) && last & 0x3f >= 2
}

/// What speaks against a header that begins a message, in bits, where it is only looked for; None if it cannot be one.
fn doubt(header: &ChunkHeader, known: Option<Known>, payload: &[u8]) -> Option<u32> {
    let mut doubt = 0;
    if known.is_none() && is_shifted(header) {
        doubt += 24;
    }
    let type_id = header.type_id.or(known.and_then(|known| known.type_id))?;
    let is_same = known.is_some_and(|known| known.type_id == Some(type_id));
    if !is_same && matches!(type_id.0, 15..=17 | 19 | 22) {
        doubt += 8;
    }
    if header.length.is_some_and(|length| length >= 1 << 20) {
        doubt += 8;
    }
    if type_id.is_protocol_control() && header.csid.0 != 2 {
        doubt += 8;
    }
    if type_id == MessageTypeId::SET_CHUNK_SIZE {
        // Nobody announces a size by repeating the header of the last announcement.
        let value = payload.first_chunk().map(|&value| u32::from_be_bytes(value));
        let is_size = value.is_none_or(|value| (1..=LARGEST).contains(&value) || value == 0x7fff_ffff);
        (header.fmt < 2 && is_size).then_some(())?;
    }
    Some(doubt)
}
