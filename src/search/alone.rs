//! The same search without A: bodies that say of themselves how long they are stand in for those of A.
//!
//! The NAL units of a video frame lead from length to length, the values of a command from marker to marker, and a message
//! that is in one piece ends where the direction does. What is due is made of that; then every operator is tried as with
//! A. A body that comes of the bytes proves less than one that was known before, so nothing here is certain.

use crate::compare::Comparison;
use crate::field::Reader;
use crate::rtmp::MessageTypeId;
use crate::rtmp::chunk::ChunkHeader;
use crate::sender::{Field, Message, Mistake, Operator};
use crate::session::Direction;

use super::anchors::{Anchors, Due, is_sound, lane};
use super::candidates::{self, Candidate};
use super::interrupted::{self, Interrupted};
use super::media;
use super::walk::{MOST_STREAMS, Walk, id_at};
use super::{Explained, Found, SHOWN};

/// A message that may be where a walk stops.
pub struct Built {
    style: Message<'static>,
    body: Vec<u8>,
    /// What its body proves of its length, in bits.
    pub bits: u32,
}

impl Built {
    /// The message.
    pub fn message(&self) -> Message<'_> {
        Message { body: &self.body, ..self.style }
    }
}

/// What makes a cause worth a word, in bits.
pub const WORTH_A_WORD: u32 = 20;
/// Bodies are not longer.
const LONGEST: usize = 4 << 20;
/// So far behind a header another one is looked for.
const FARTHEST: usize = 64 << 10;

/// So many messages before the one where a walk stops may be what is wrong: a body that does not say how long it is can be
/// read with a wrong length.
const BACK: usize = 2;
/// What the header of a message that could be read proves, in bits.
const READ: u32 = 16;

/// Why a direction of B does not decode, by what its own messages should be.
pub fn framing(comparison: &Comparison<'_>, direction: Direction) -> Option<Explained> {
    let known = Anchors::new(comparison, direction, true, true)?;
    let known_count = known.before.len();
    let mut best: Option<(u32, Explained)> = None;
    for back in 0..=BACK.min(known_count) {
        let anchors = Anchors::of_first(comparison, direction, true, true, known_count - back)?;
        let found = from(comparison, direction, &anchors, back > 0)?;
        // What is doubted could be read.
        let doubted = &known.before[known_count - back..];
        let cost: u32 = doubted.iter().map(|message| READ + evidence(message.type_id, message.body)).sum();
        let found = found.and_then(|(bits, explained)| Some((bits.checked_sub(cost)?, explained)));
        best = best.filter(|(bits, _)| found.as_ref().is_none_or(|(more, _)| bits >= more)).or(found);
    }
    best.map(|(_, explained)| explained)
}

/// The same where these messages are beyond doubt, with what speaks for it, in bits; None if all decodes. The next one may
/// be doubted although it can be read.
fn from(
    comparison: &Comparison<'_>,
    direction: Direction,
    anchors: &Anchors<'_>,
    is_doubted: bool,
) -> Option<Option<(u32, Explained)>> {
    let tape = comparison.b.tapes[direction.index()].as_ref().filter(|tape| tape.ends)?;
    let at = usize::try_from(anchors.from.checked_sub(tape.offset)?).ok()?;
    let mut walk = Walk::new(&tape.bytes, at, anchors, true);
    walk.is_alone = true;
    if !is_doubted {
        walk.follow();
    }
    if walk.is_done() {
        return None;
    }
    let built = bodies(&walk);
    let due = |one: &'_ Built| {
        (
            Due { item: usize::MAX, message: Message { body: &[], ..one.style }, time: one.style.timestamp },
            walk.next_of(lane(one.style.type_id)),
        )
    };
    let mut best: Option<(u32, Found, Walk<'_, '_>)> = None;
    let behind = candidates::at(&walk).into_iter().map(|candidate| (0, candidate));
    let of_built = built.iter().flat_map(|one| {
        let (due, next) = due(one);
        let candidates = candidates::of(&walk, vec![(Due { message: one.message(), ..due }, next)]);
        candidates.into_iter().map(|candidate| (one.bits, candidate))
    });
    let candidates: Vec<(u32, Candidate<'_>)> = behind.chain(of_built).collect();
    {
        for (bits, candidate) in candidates {
            let alone = Mistake { scope: crate::sender::Scope::one(&candidate.message), ..candidate.mistake };
            if !is_tried(&candidate) || !walk.with(alone).take(&candidate) {
                continue;
            }
            for scope in candidates::scopes(&candidate, &walk) {
                let mistake = Mistake { scope, ..candidate.mistake };
                if !walk.allows(&mistake) {
                    continue;
                }
                let mut trial = walk.with(mistake);
                if !trial.take(&candidate) {
                    continue;
                }
                trial.bits += bits;
                // The body of one message is gone when the next is looked at.
                trial.sender.mistakes.retain(|mistake| mistake.scope.one.is_none());
                trial.follow();
                // One message that is shorter than its header says is not all there, which is looked for apart.
                let is_longer = candidate.values.is_some_and(|(meant, written)| written > meant);
                if mistake.field == Field::Length && is_longer && trial.made.len() < 2 {
                    continue;
                }
                let cost = mistake.price();
                let is_better = best.as_ref().is_none_or(|(price, _, other)| {
                    (other.bits, *price) < (trial.bits, u32::MAX) && (other.bits < trial.bits || *price > cost)
                });
                if trial.is_done() && trial.bits >= WORTH_A_WORD && is_better {
                    let at = tape.offset + walk.at as u64;
                    let found = Found {
                        mistake,
                        at,
                        wrong_at: at + candidate.wrong_at as u64,
                        bytes: walk.raw[walk.at + candidate.wrong_at..].iter().take(SHOWN).copied().collect(),
                        item_of_a: usize::MAX,
                        values: candidate.values,
                        length: candidate.message.body.len() as u32,
                        chunk_size: walk.sender.chunk_size(),
                        header_len: if candidate.message.csid < 64 { 1 } else { candidate.message.form.max(2) },
                        foreign: None,
                        times: trial.made.len().max(1) as u32,
                    };
                    best = Some((cost, found, trial));
                }
            }
        }
    }
    for interrupted in passages(&walk) {
        let (first, trial, times) = interrupted;
        let cost = first.mistake.price();
        if trial.is_done()
            && trial.bits >= WORTH_A_WORD
            && best.as_ref().is_none_or(|(.., other)| other.bits < trial.bits)
        {
            // What fills a chunk up belongs to the message before.
            let is_behind = first.mistake.operator == Operator::Padded;
            let at = tape.offset + walk.at as u64 - u64::from(is_behind);
            let found = Found {
                mistake: first.mistake,
                at,
                wrong_at: tape.offset + walk.at as u64 + first.wrong_at as u64,
                bytes: walk.raw[walk.at + first.wrong_at..].iter().take(SHOWN).copied().collect(),
                item_of_a: usize::MAX,
                values: None,
                length: first.length,
                chunk_size: walk.sender.chunk_size(),
                header_len: 1,
                foreign: first.foreign,
                times,
            };
            best = Some((cost, found, trial));
        }
    }
    Some(best.map(|(price, found, walk)| {
        let explained = Explained {
            found: vec![found],
            until: tape.offset + walk.at as u64,
            reaches_end: true,
            certain: false,
            price,
            messages: walk.messages,
            content: 0,
        };
        (walk.bits, explained)
    }))
}

/// What may be where a walk stops and is no value of a header, each followed as far as the same is done again.
fn passages<'r, 'b>(walk: &Walk<'r, 'b>) -> Vec<(Interrupted<'r, 'b>, Walk<'r, 'b>, u32)> {
    const MOST: u32 = 64;
    let follow = |first: Interrupted<'r, 'b>| {
        let name = first.mistake.operator.name();
        let (mut trial, mut times) = (first.walk.clone(), 1);
        trial.bits += first.bits;
        trial.follow_own();
        while !trial.is_done() && times < MOST {
            let again = interrupted::at(&trial).into_iter().find(|other| other.mistake.operator.name() == name);
            // What is done again and again is not that bytes get lost.
            let Some(again) = again.filter(|_| name == "inserted") else { break };
            let bits = trial.bits + again.bits;
            trial = again.walk;
            trial.bits = bits;
            trial.follow_own();
            times += 1;
        }
        (first, trial, times)
    };
    interrupted::at(walk).into_iter().map(follow).collect()
}

/// Bodies that come of the bytes cannot show what is missing in them.
fn is_tried(candidate: &Candidate<'_>) -> bool {
    let Mistake { operator, field, .. } = candidate.mistake;
    !matches!(operator, Operator::Cut(_) | Operator::Lost(..) | Operator::Inserted(..) | Operator::Stray(_))
        && !matches!((operator, field), (Operator::Plus(_), Field::Payload))
}

/// The messages that may be where a walk stops, the surest first.
pub fn bodies(walk: &Walk<'_, '_>) -> Vec<Built> {
    let raw = &walk.raw[walk.at..raw_end(walk)];
    let Some(&first) = raw.first() else { return Vec::new() };
    let fmt = first >> 6;
    let mut ids = Vec::new();
    if let Some(id) = id_at(raw) {
        ids.push(id);
    }
    if first & 0x3f == 0 {
        // No id at all, where the last command had one.
        ids.extend(walk.last_before().map(|last| (1, last.csid)));
    }
    ids.extend(walk.id_of_next_chunk(raw).filter(|id| id.1 >= 64 && !ids.contains(id)));
    let mut all: Vec<(u32, Built)> = Vec::new();
    for (form, csid) in ids {
        for reading in READINGS.into_iter().filter(|reading| fmt < 2 || fmt == 2 && !reading.is_exchanged) {
            of_header(walk, raw, (form, csid), reading, &mut all);
        }
    }
    all.sort_by_key(|(bits, _)| std::cmp::Reverse(*bits));
    all.into_iter().map(|(_, built)| built).collect()
}

/// How the fields of a header may be there.
#[derive(Clone, Copy, PartialEq)]
struct Reading {
    /// How many bytes more the timestamp has.
    wider: usize,
    /// Whether the type comes before the length.
    is_exchanged: bool,
}

/// As the format has it, and two ways of not keeping to it.
const READINGS: [Reading; 3] = [
    Reading { wider: 0, is_exchanged: false },
    Reading { wider: 1, is_exchanged: false },
    Reading { wider: 0, is_exchanged: true },
];

/// Adds the messages that may have the header here, read so, with what speaks for each to be tried first.
fn of_header(
    walk: &Walk<'_, '_>,
    raw: &[u8],
    (form, csid): (u8, u32),
    reading: Reading,
    all: &mut Vec<(u32, Built)>,
) -> Option<()> {
    let basic = usize::from(form);
    let fmt = raw.first()? >> 6;
    let sent = walk.sender.sent(csid);
    let honest = basic + [11, 7, 3, 0][usize::from(fmt)] + if fmt < 3 { reading.wider } else { 0 };
    let other = match fmt {
        _ if reading != READINGS[0] => None,
        0 => Some(honest - 4),
        1 => Some(honest + 4),
        _ => None,
    };
    let number = |at: usize| {
        let bytes = raw.get(at..at + 3)?;
        Some(usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2]))
    };
    let after_time = basic + 3 + reading.wider;
    let (length_at, type_at) =
        if reading.is_exchanged { (after_time + 1, after_time) } else { (after_time, after_time + 3) };
    let (type_id, field) = match fmt {
        0 | 1 => (MessageTypeId(*raw.get(type_at)?), number(length_at)?),
        _ => (sent?.type_id, sent?.length as usize),
    };
    if !type_id.is_known() {
        return None;
    }
    let time = walk.times_at(&raw[reading.wider..], fmt, basic).into_iter().flatten().next();
    let before = sent.map_or(0, |sent| sent.timestamp);
    let timestamp = match (fmt, time) {
        (0, Some(time)) => time,
        (_, Some(delta)) => before.wrapping_add(delta),
        (_, None) => before.wrapping_add(sent.map_or(0, |sent| sent.delta)),
    };
    let msid = sent.map(|sent| sent.msid).or(walk.msid_of_streams()).unwrap_or(0);
    let style = Message { csid, form, fmt, timestamp, type_id, msid, body: &[] };
    // A full header says which stream it is; one that is not full may say so by mistake, and then it is the known one.
    let told =
        raw.get(type_at.max(length_at + 2) + 1..).and_then(<[u8]>::first_chunk).map(|&bytes| u32::from_le_bytes(bytes));
    let style = match told.filter(|&told| fmt == 0 && told <= MOST_STREAMS) {
        Some(msid) => Message { msid, ..style },
        None => style,
    };
    let repeats_stream = fmt == 1 && told == Some(msid) && msid > 0;
    for header in [Some(honest), other].into_iter().flatten() {
        let Some(payload) = raw.get(header..) else { continue };
        for stream in streams(payload, csid, form, walk.sender.chunk_size() as usize, header) {
            let mut lengths = units(type_id, &stream);
            lengths.extend(next_headers(walk, &stream));
            lengths.extend([field, stream.len()]);
            lengths.retain(|&length| length > 0 && length <= stream.len());
            lengths.sort_unstable();
            lengths.dedup();
            for length in lengths {
                let body = stream[..length].to_vec();
                let is_all = length == stream.len() && header + length == raw.len();
                let mut bits = evidence(type_id, &body) + if is_all { length.ilog2() } else { 0 };
                bits += if length == field { 8 } else { 0 };
                bits += if repeats_stream && header > honest { 24 } else { 0 };
                if bits > 0
                    && is_sound(type_id, &body)
                    && media::is_sound(type_id, &body) != Some(false)
                    && !all.iter().any(|(_, built)| built.style == style && built.body == body)
                {
                    // With another length the next message begins elsewhere.
                    let next = interrupted::proof_of(walk, &stream[length..]);
                    all.push((bits + next, Built { style, body, bits }));
                }
            }
        }
    }
    Some(())
}

fn raw_end(walk: &Walk<'_, '_>) -> usize {
    walk.raw.len().min(walk.at + LONGEST)
}

/// The payload after a header: with type 3 headers taken out as far as they are there, of its chunk stream or all of
/// another, or with a first chunk that is as much shorter as its header is long; and as it is.
fn streams(payload: &[u8], csid: u32, form: u8, size: usize, header_len: usize) -> Vec<Vec<u8>> {
    let own: Vec<u8> = match (csid, form) {
        (..64, _) => vec![0xc0 | csid as u8],
        _ => vec![0xc0, (csid - 64) as u8],
    };
    let other = payload.get(size..size + 1).filter(|next| next[0] >= 0xc0 && !payload[size..].starts_with(&own));
    let mut all: Vec<Vec<u8>> = other.into_iter().map(|header| joined(payload, header, size)).collect();
    all.push(joined(payload, &own, size));
    if payload.len() > size && all.iter().all(|joined| joined.len() <= size) {
        all.push(payload.to_vec());
    }
    let shorter = size.saturating_sub(header_len);
    if let Some((first, rest)) = payload.split_at_checked(shorter)
        && let Some(next) = rest.strip_prefix(&own[..])
    {
        all.push([first, &joined(next, &own, size)].concat());
    }
    all
}

/// Chunks put together, as long as each next one has this header.
fn joined(payload: &[u8], header: &[u8], size: usize) -> Vec<u8> {
    let mut joined = Vec::new();
    let mut rest = payload;
    loop {
        let (chunk, behind) = rest.split_at(size.min(rest.len()));
        joined.extend_from_slice(chunk);
        match behind.strip_prefix(header) {
            Some(next) => rest = next,
            None => return joined,
        }
    }
}

/// Where bytes look like the header of a message on a chunk stream that has had one of its type.
fn next_headers(walk: &Walk<'_, '_>, bytes: &[u8]) -> Vec<usize> {
    let is_header = |&at: &usize| {
        let Ok(header) = ChunkHeader::read(&mut Reader::new(&bytes[at..], &mut ()), |_| false) else { return false };
        let Some(sent) = walk.sender.sent(header.csid.0).filter(|_| header.fmt > 0) else { return false };
        let is_near = header.time.is_none_or(|delta| delta < 10_000);
        let is_such = header.type_id.is_none_or(|type_id| type_id == sent.type_id);
        header.fmt < 3 && is_near && is_such && header.length.is_none_or(|length| (1..1 << 20).contains(&length))
    };
    (2..bytes.len().min(FARTHEST)).filter(is_header).take(8).collect()
}

/// Where the NAL units of a video frame end, one after the other.
pub fn units(type_id: MessageTypeId, bytes: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let Some(mut at) = payload_at(type_id, bytes) else { return ends };
    while let Some(length) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let length = u32::from_be_bytes(*length) as usize;
        at = at.saturating_add(4).saturating_add(length);
        if length == 0 || at > bytes.len() || ends.len() >= 64 {
            break;
        }
        ends.push(at);
    }
    ends
}

/// Where the NAL units of a video frame of H.264 begin (FLV E.4.3.1).
pub fn payload_at(type_id: MessageTypeId, bytes: &[u8]) -> Option<usize> {
    match bytes {
        [tag, 1, ..] if type_id == MessageTypeId::VIDEO && tag & 0x8f == 7 => Some(5),
        _ => None,
    }
}

/// What a body proves of its own length, in bits.
pub fn evidence(type_id: MessageTypeId, body: &[u8]) -> u32 {
    match type_id {
        MessageTypeId::AMF0_COMMAND
        | MessageTypeId::AMF3_COMMAND
        | MessageTypeId::AMF0_DATA
        | MessageTypeId::AMF3_DATA => 16,
        // The tag of AAC, and one of two packet types (FLV E.4.2.1).
        MessageTypeId::AUDIO if matches!(body, [0xa0..=0xaf, 0 | 1, ..]) => 12,
        _ => {
            let ends = units(type_id, body);
            if ends.last() == Some(&body.len()) { 20 * ends.len() as u32 } else { 0 }
        }
    }
}
