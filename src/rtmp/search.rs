//! How plausible it is that a chunk header is at a given place, and where the next one is.
//!
//! Used to choose between two readings of the same bytes, and by [`super::resync`], which looks for headers
//! where the bytes before do not tell where they are.
//!
//! Takes bytes and what is known of the chunk streams, walks chunk headers from a place and adds up
//! the evidence in bits: a field of `n` bits that has one of `2^k` plausible values is worth `n - k`.
//! Nothing is decoded here, and nothing is remembered.

use crate::field::Reader;

use super::chunk::{ChunkHeader, EXTENDED};
use super::{ChunkStreamId, MessageTypeId};

/// What is known of a chunk stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    pub length: Option<u32>,
    pub type_id: Option<MessageTypeId>,
    pub extended: Option<u32>,
    /// First body byte of the last message: the tag byte of audio and video repeats.
    pub first: Option<u8>,
    /// Body bytes still to come of the open message.
    pub open: u32,
    /// A message was open when bytes were lost, so a type-3 chunk cannot be made sense of.
    pub torn: bool,
}

/// The chunk size in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Known(u32),
    /// Not known; a message of this length was seen in one chunk.
    AtLeast(u32),
}

/// A message has at most so many bytes, so a larger chunk size is the same as this one.
pub(super) const LARGEST: u32 = 0xff_ffff;

/// So many headers without enough evidence are evidence against it. This also bounds the work.
const MOST_HEADERS: u32 = 64;

/// What a walk found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    pub verdict: Verdict,
    /// The evidence in bits.
    pub bits: u32,
    /// How many headers were read.
    pub headers: u32,
}

impl Walk {
    /// Walks compare by this: the greater is the better.
    pub fn rank(&self) -> (Verdict, u32) {
        (self.verdict, self.bits)
    }
}

/// In order: the later is the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// Something cannot be.
    Refuted,
    /// The bytes ended before either.
    Open,
    /// There is enough evidence.
    Accepted,
}

/// A place from which chunks are walked, with what is taken as given there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// Offset in the data.
    pub at: usize,
    /// How many bytes of chunk payload come first, of which chunk stream, and what is known of it after them.
    pub payload: Option<(usize, ChunkStreamId, Known)>,
}

/// The walker: what is known, and how much evidence is asked for.
pub(super) struct Walker<K> {
    /// What is known of a chunk stream.
    pub known: K,
    /// The chunk size in force.
    pub size: Size,
    /// The latest timestamp of the direction in ms.
    pub clock: Option<u32>,
    /// A type that is let pass though the specification does not know it.
    pub tolerated: Option<MessageTypeId>,
    /// Whether a header with fields may continue a message, which the specification forbids.
    pub loose: bool,
}

impl<K: Fn(ChunkStreamId) -> Option<Known>> Walker<K> {
    /// Walks chunks from `start` until there are `need` bits of evidence in two headers at least, or a contradiction.
    pub fn walk(&self, data: &[u8], start: Start, need: u32) -> Walk {
        let mut changed = Vec::new();
        let mut at = start.at;
        if let Some((len, csid, known)) = start.payload {
            changed.push((csid, known));
            at += len;
        }
        let mut size = self.size;
        let mut walk = Walk { verdict: Verdict::Open, bits: 0, headers: 0 };
        loop {
            if walk.headers >= MOST_HEADERS {
                return Walk { verdict: Verdict::Refuted, ..walk };
            }
            if walk.bits >= need && walk.headers >= 2 {
                return Walk { verdict: Verdict::Accepted, ..walk };
            }
            let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) else { return walk };
            let known = |csid| {
                changed.iter().find(|(id, _)| *id == csid).map(|(_, known)| *known).or_else(|| (self.known)(csid))
            };
            let repeats = |csid| {
                let extended = known(csid).and_then(|known| known.extended);
                let basic = basic_len(rest[0]);
                extended.is_some_and(|extended| rest.get(basic..basic + 4) == Some(&extended.to_be_bytes()[..]))
            };
            let Ok(header) = ChunkHeader::read(&mut Reader::new(rest, &mut ()), repeats) else { return walk };
            let before = known(header.csid);
            let payload = &rest[usize::from(header.len)..];
            let Some(bits) = self.weigh(&header, before, payload) else {
                return Walk { verdict: Verdict::Refuted, ..walk };
            };
            walk.bits += bits;
            walk.headers += 1;

            let mut after = before.unwrap_or_default();
            let (Some(length), Some(type_id)) = (header.length.or(after.length), header.type_id.or(after.type_id))
            else {
                return Walk { verdict: Verdict::Refuted, ..walk };
            };
            if header.fmt < 3 {
                after.extended = header.extended;
            }
            let left = if after.open > 0 { after.open } else { length };
            if after.open == 0 {
                after =
                    Known { length: Some(length), type_id: Some(type_id), first: payload.first().copied(), ..after };
            }
            at += usize::from(header.len);
            let take = match size {
                Size::Known(size) => left.min(size),
                Size::AtLeast(longest) if left <= longest => left,
                // Where it is cut is not known.
                Size::AtLeast(_) => return walk,
            };
            after.open = left - take;
            set(&mut changed, header.csid, after);
            if let (MessageTypeId::SET_CHUNK_SIZE, Some(&value)) = (type_id, payload.first_chunk()) {
                size = Size::Known(u32::from_be_bytes(value).clamp(1, LARGEST));
            }
            at += take as usize;
        }
    }

    /// Whether a header may be at the start of these bytes, as far as its first byte and its type say: a quick look
    /// before [`Walker::weigh`], which finds no evidence where this says no.
    pub fn may_begin(&self, bytes: &[u8]) -> bool {
        let Some(&first) = bytes.first() else { return false };
        let extra = basic_len(first) - 1;
        if first >> 6 < 2 {
            let type_id = bytes.get(extra + 7).map(|&byte| MessageTypeId(byte));
            return type_id.is_none_or(|type_id| type_id.is_known() || self.tolerated == Some(type_id));
        }
        let id = match (extra, bytes) {
            (0, _) => u32::from(first & 0x3f),
            (1, &[_, low, ..]) => 64 + u32::from(low),
            (_, &[_, low, high, ..]) => 64 + u32::from(u16::from_le_bytes([low, high])),
            _ => return true,
        };
        (self.known)(ChunkStreamId(id)).is_some()
    }

    /// The evidence, in bits, that this is a header; None if it cannot be one here.
    pub fn weigh(&self, header: &ChunkHeader, known: Option<Known>, payload: &[u8]) -> Option<u32> {
        let open = known.is_some_and(|known| known.open > 0);
        if header.csid.0 < 2 {
            return None;
        }
        if header.fmt == 3 {
            let repeated = if header.extended.is_some() { 24 } else { 0 };
            if open {
                return Some(8 + repeated);
            }
            let known = known.filter(|known| !known.torn)?;
            let (type_id, length) = (known.type_id?, known.length?);
            let bits = body_bits(type_id, length, known.first, payload)?;
            // An inherited length is no evidence.
            return if type_id.is_protocol_control() {
                Some(6 + repeated)
            } else {
                (1 + repeated).checked_add_signed(bits)
            };
        }
        if open {
            let same = known.is_some_and(|known| {
                header.length.is_none_or(|length| known.length == Some(length))
                    && header.type_id.is_none_or(|type_id| known.type_id == Some(type_id))
            });
            return (self.loose && same).then_some(8);
        }
        let time = header.time?;
        if header.extended.is_some_and(|extended| extended < EXTENDED) {
            return None;
        }
        let mut bits: u32 = if known.is_some() { 3 } else { 0 };
        bits += match (header.fmt, self.clock) {
            (0, Some(clock)) if time.abs_diff(clock) < 60_000 => 8,
            (0, _) if time < 1 << 16 => 6,
            (0, _) => 0,
            _ if time < 1 << 10 => 12,
            _ if time < 1 << 16 => 8,
            _ if time < 600_000 => 4,
            _ => return None,
        };
        let type_id = header.type_id.or(known.and_then(|known| known.type_id))?;
        let length = header.length.or(known.and_then(|known| known.length))?;
        if header.fmt < 2 {
            if !type_id.is_known() && self.tolerated != Some(type_id) {
                return None;
            }
            bits += if known.and_then(|known| known.type_id) == Some(type_id) { 8 } else { 4 };
            bits += match length {
                0..0x1_0000 => 8,
                0x1_0000..0x10_0000 => 4,
                _ => 0,
            };
        }
        if let Some(stream) = header.message_stream_id {
            // Little-endian it is small; big-endian, a known mistake, it is small in the other order.
            bits += match stream.0.min(stream.0.swap_bytes()) {
                0..16 => 24,
                16..0x1_0000 => 12,
                _ => return None,
            };
        }
        bits.checked_add_signed(body_bits(type_id, length, known.and_then(|known| known.first), payload)?)
    }
}

/// Whether a header that begins a message is so unusual that it should not be believed without a look at what follows.
/// A wrong value that senders are known to write is not: the message must be shown as it is.
pub(super) fn is_suspicious<K>(walker: &Walker<K>, header: &ChunkHeader, known: Option<Known>, payload: &[u8]) -> bool
where
    K: Fn(ChunkStreamId) -> Option<Known>,
{
    let inherited = |known: Option<Known>| known.and_then(|known| known.type_id.zip(known.length));
    let Some((type_id, length)) = header.type_id.zip(header.length).or(inherited(known)) else { return false };
    if !type_id.is_known() {
        // With a stream id or a name in the right place it is a message of an odd type, and not an accident.
        let odd =
            Walker { known: |_| None, size: walker.size, clock: walker.clock, tolerated: Some(type_id), loose: false };
        return odd.weigh(header, known, payload).is_none_or(|bits| bits < 32);
    }
    let absurd_stream = header.message_stream_id.is_some_and(|id| id.0.min(id.0.swap_bytes()) >= 0x1_0000);
    let absurd_delta =
        header.fmt != 0 && header.extended.is_none() && header.time.is_some_and(|delta| delta >= 600_000);
    let absurd_length = type_id.is_protocol_control() && body_bits(type_id, length, None, payload).is_none();
    absurd_stream || absurd_delta || absurd_length
}

/// How many fields of a header have values that no sender means: random bytes have nearly all of them so.
pub(super) fn oddities(header: &ChunkHeader, is_new: bool, clock: Option<u32>) -> usize {
    let far = |time: u32| match clock {
        Some(clock) if header.fmt == 0 => time.abs_diff(clock) > 3_600_000,
        _ => time > 3_600_000,
    };
    let odd = [
        is_new,
        header.type_id.is_some_and(|type_id| !type_id.is_known()),
        header.length.is_some_and(|length| length >= 1 << 20),
        header.time.is_some_and(far) && header.extended.is_none(),
        header.message_stream_id.is_some_and(|id| id.0.min(id.0.swap_bytes()) >= 0x1_0000),
    ];
    odd.into_iter().filter(|&odd| odd).count()
}

/// The evidence, in bits, in a body that does not begin as its type asks. There are such bodies, as JPEG sent as video, but
/// less than one in so many.
const UNFIT: i32 = -12;

/// The evidence, in bits, in the first bytes of a body; None if a body of this type cannot have this length.
fn body_bits(type_id: MessageTypeId, length: u32, last_first: Option<u8>, payload: &[u8]) -> Option<i32> {
    let control_length = match type_id {
        MessageTypeId::SET_PEER_BANDWIDTH => length == 5,
        MessageTypeId::USER_CONTROL => (2..=64).contains(&length),
        _ => length == 4,
    };
    if type_id.is_protocol_control() {
        return control_length.then_some(12);
    }
    match &payload[..payload.len().min(length as usize)] {
        // It was not captured, or it is empty as the last message of audio and video may be.
        [] if length > 0 || type_id.is_media() => Some(0),
        payload => Some(fitting_bits(type_id, last_first, payload).map_or(UNFIT, |bits| bits as i32)),
    }
}

/// The same; None if the body does not begin as its type asks.
fn fitting_bits(type_id: MessageTypeId, last_first: Option<u8>, payload: &[u8]) -> Option<u32> {
    let &first = payload.first()?;
    let named = |at: usize| {
        // An AMF0 string: marker 2, length, name.
        let string = payload.get(at..)?;
        let name = string.get(3..)?;
        let len = usize::from(u16::from_be_bytes([string[1], string[2]]));
        let printable = name[..name.len().min(len)].iter().all(|byte| byte.is_ascii_graphic());
        (string[0] == 2 && (1..128).contains(&len) && printable).then_some(20)
    };
    match type_id {
        MessageTypeId::AMF0_COMMAND | MessageTypeId::AMF0_DATA => {
            if payload.len() < 4 {
                (first == 2).then_some(6)
            } else {
                named(0)
            }
        }
        MessageTypeId::AMF3_COMMAND | MessageTypeId::AMF3_DATA => {
            if payload.len() < 5 {
                (first == 0).then_some(6)
            } else {
                named(1).or_else(|| named(0))
            }
        }
        _ if last_first == Some(first) => Some(8 + packet_type_bits(type_id, payload)?),
        MessageTypeId::VIDEO if first & 0x80 != 0 => {
            let four_cc = payload.get(1..5)?;
            four_cc.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')).then_some(12)
        }
        MessageTypeId::VIDEO => {
            let plausible = (1..=5).contains(&(first >> 4)) && matches!(first & 0x0f, 2..=7 | 12);
            plausible.then_some(3 + packet_type_bits(type_id, payload)?)
        }
        MessageTypeId::AUDIO => Some(packet_type_bits(type_id, payload)?),
        MessageTypeId::AGGREGATE => matches!(first, 8 | 9 | 18).then_some(6),
        _ => Some(0),
    }
}

/// The evidence in the byte after a tag byte, for the codecs that have a packet type there.
fn packet_type_bits(type_id: MessageTypeId, payload: &[u8]) -> Option<u32> {
    let (&first, Some(&second)) = (payload.first()?, payload.get(1)) else { return Some(0) };
    match type_id {
        MessageTypeId::AUDIO if first >> 4 == 10 => (second < 2).then_some(7),
        MessageTypeId::VIDEO if first & 0x80 == 0 && matches!(first & 0x0f, 7 | 12) => {
            // A composition time of more than four hours either way is not one.
            let near = payload.get(2).is_none_or(|high| matches!(high, 0 | 0xff));
            (second <= 2 && near).then_some(12)
        }
        _ => Some(0),
    }
}

/// Length of a basic header, from its first byte.
pub(super) fn basic_len(first: u8) -> usize {
    match first & 0x3f {
        0 => 2,
        1 => 3,
        _ => 1,
    }
}

/// Length of the shortest basic header for `csid`.
pub(super) fn basic_len_of(csid: ChunkStreamId) -> u8 {
    match csid.0 {
        ..64 => 1,
        64..320 => 2,
        _ => 3,
    }
}

/// The first byte of a type-3 header on `csid`.
pub(super) fn type3(csid: ChunkStreamId) -> u8 {
    match csid.0 {
        ..64 => 0xc0 | csid.0 as u8,
        64..320 => 0xc0,
        _ => 0xc1,
    }
}

pub(super) fn set(changed: &mut Vec<(ChunkStreamId, Known)>, csid: ChunkStreamId, known: Known) {
    match changed.iter_mut().find(|(id, _)| *id == csid) {
        Some((_, old)) => *old = known,
        None => changed.push((csid, known)),
    }
}
