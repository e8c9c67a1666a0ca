//! Messages that are not written through, without A: with another message in the middle, with bytes missing, or with more
//! after the end.
//!
//! Takes a walk that stops, gives what its sender may have done there, each with a walk that has gone past it. The
//! message's own header says how long it is, and the headers inside where its chunks are; where another message begins
//! before that, and all that follows is sound, the message is not all there.

use crate::field::Reader;
use crate::rtmp::body;
use crate::rtmp::chunk::ChunkHeader;
use crate::sender::{Field, Mistake, Operator, Scope, Sent};

use super::Foreign;
use super::alone::{self, evidence};
use super::walk::Walk;

/// What a sender may have done, and the walk past it.
pub struct Interrupted<'r, 'b> {
    /// The mistake, in the scope of this message.
    pub mistake: Mistake,
    /// How long the message should be.
    pub length: u32,
    /// Where it shows, from where the walk stopped.
    pub wrong_at: usize,
    /// What is there that does not belong.
    pub foreign: Option<Foreign>,
    /// What speaks for it, in bits.
    pub bits: u32,
    /// Past it.
    pub walk: Walk<'r, 'b>,
}

/// What a body proves that says of itself where it ends, in bits.
const WHOLE: u32 = 20;
/// So many bytes of a message may be missing.
const FARTHEST: usize = 1 << 20;
/// So many places are tried for the message after one that is not all there.
const MOST: usize = 32;
/// What the header of a message proves that is not all there, in bits.
const SURE: u32 = 24;
/// What a message that is whole in the middle of another proves, in bits.
const BITS: u32 = 16;

/// What may be where a walk stops.
pub fn at<'r, 'b>(walk: &Walk<'r, 'b>) -> Vec<Interrupted<'r, 'b>> {
    [padded(walk), crossed(walk), inside(walk), broken_off(walk)].into_iter().flatten().collect()
}

/// The message that begins where a walk stops, as its header has it.
struct Begun {
    csid: u32,
    header_len: usize,
    basic: Vec<u8>,
    sent: Sent,
}

impl Begun {
    fn read(walk: &Walk<'_, '_>) -> Option<Begun> {
        let raw = &walk.raw[walk.at..];
        let header = ChunkHeader::read(&mut Reader::new(raw, &mut ()), |_| false).ok()?;
        let before = walk.sender.sent(header.csid.0);
        let (length, type_id) = header.length.zip(header.type_id).or(before.map(|sent| (sent.length, sent.type_id)))?;
        let is_plausible =
            type_id.is_known() && length > 0 && before.is_none_or(|sent| sent.type_id == type_id || header.fmt < 2);
        let time = header.time.or(before.map(|sent| sent.delta)).unwrap_or(0);
        let base = before.filter(|_| header.fmt > 0).map_or(0, |sent| sent.timestamp);
        let msid = header.message_stream_id.map(|msid| msid.0).or(before.map(|sent| sent.msid)).unwrap_or(0);
        let sent = Sent { timestamp: base.wrapping_add(time), delta: time, length, type_id, msid };
        let header_len = usize::from(header.len);
        let mut basic = raw[..header_len.min(super::walk::basic_len(raw[0]))].to_vec();
        basic[0] |= 0xc0;
        is_plausible.then_some(Begun { csid: header.csid.0, header_len, basic, sent })
    }

    /// Scope of this message, which has no address of its own.
    fn mistake(operator: Operator, field: Field) -> Mistake {
        Mistake { operator, field, scope: Scope { one: Some(0), ..Scope::default() } }
    }
}

/// After the last message zeros fill its last chunk.
fn padded<'r, 'b>(walk: &Walk<'r, 'b>) -> Option<Interrupted<'r, 'b>> {
    let (type_id, length) = walk.last_own?;
    let size = walk.sender.chunk_size() as usize;
    let padding = (size - length as usize % size) % size;
    let there = walk.raw.get(walk.at..walk.at + padding).filter(|bytes| bytes.iter().all(|&byte| byte == 0))?;
    if there.is_empty() {
        return None;
    }
    let longer_than = (length as usize > size).then_some(size as u32);
    let scopes =
        [Scope { longer_than, ..Scope::default() }, Scope { longer_than, type_id: Some(type_id), ..Scope::default() }];
    let mistake = |scope| Mistake { operator: Operator::Padded, field: Field::Payload, scope };
    let mistake = scopes.into_iter().map(mistake).find(|mistake| walk.allows(mistake))?;
    let mut past = walk.with(mistake);
    past.at += padding;
    past.bits += 2 * padding.min(32) as u32;
    Some(Interrupted { mistake, length, wrong_at: 0, foreign: Some(Foreign::Zeros), bits: 0, walk: past })
}

/// Another message on the same chunk stream is between two chunks of one, or between a chunk's header and its payload.
fn crossed<'r, 'b>(walk: &Walk<'r, 'b>) -> Option<Interrupted<'r, 'b>> {
    [false, true].into_iter().find_map(|is_after_header| crossed_at(walk, is_after_header))
}

fn crossed_at<'r, 'b>(walk: &Walk<'r, 'b>, is_after_header: bool) -> Option<Interrupted<'r, 'b>> {
    let begun = Begun::read(walk)?;
    let (length, size) = (begun.sent.length as usize, walk.sender.chunk_size() as usize);
    let mut past = walk.clone();
    past.sender.observe(begun.csid, begun.sent);
    past.at += begun.header_len;
    let mut body: Vec<u8> = Vec::new();
    let mut inserted: Vec<(u32, u32)> = Vec::new();
    let mut foreign = None;
    while body.len() < length {
        if !body.is_empty() {
            while !past.raw[past.at..].starts_with(&begun.basic) {
                foreign = past.take_between(&begun, walk.at, &mut inserted)?.or(foreign);
            }
            past.at += begun.basic.len();
            if is_after_header {
                let mut trial = past.clone();
                if let Some(Some(message)) = trial.take_between(&begun, walk.at, &mut inserted) {
                    (past, foreign) = (trial, Some(message));
                }
            }
        }
        let take = size.min(length - body.len());
        body.extend_from_slice(past.raw.get(past.at..past.at + take)?);
        past.at += take;
    }
    let &(at, len) = inserted.first()?;
    let type_id = begun.sent.type_id;
    let bits = evidence(type_id, &body) + BITS * inserted.len() as u32;
    past.last_own = Some((type_id, begun.sent.length));
    let mistake = Begun::mistake(Operator::Inserted(at, len), Field::Message);
    body::decode(type_id, &body, body.len() as u32, &mut ()).defects.is_empty().then_some(Interrupted {
        mistake,
        length: begun.sent.length,
        wrong_at: at as usize,
        foreign,
        bits,
        walk: past,
    })
}

/// Another message is in the middle of a chunk: with it taken out, the one that was begun is all there.
fn inside<'r, 'b>(walk: &Walk<'r, 'b>) -> Option<Interrupted<'r, 'b>> {
    let begun = Begun::read(walk).filter(|_| proof(walk) >= SURE)?;
    let raw = &walk.raw[walk.at..];
    let size = walk.sender.chunk_size() as usize;
    let length = begun.sent.length as usize;
    let total = begun.header_len + length + length.saturating_sub(1) / size * begun.basic.len();
    let boundaries = (begun.header_len + size..total).step_by(size + begun.basic.len());
    let is_header = |at: usize| raw.get(at..).is_some_and(|rest| rest.starts_with(&begun.basic));
    // Up to the first header that is not in its place.
    let until = boundaries.clone().find(|&at| !is_header(at)).unwrap_or(total).min(raw.len()).min(FARTHEST);
    let mut start = walk.clone();
    start.sender.observe(begun.csid, begun.sent);
    let places = (begun.header_len + 1..until).filter(|&at| proof_of(&start, &raw[at..]) >= SURE).take(MOST);
    for place in places.collect::<Vec<_>>() {
        let mut past = start.clone();
        past.at = walk.at + place;
        if !past.own() {
            continue;
        }
        let inserted = past.at - walk.at - place;
        let type_id = past.last_own?.0;
        let moved = |at: usize| if at >= place { at + inserted } else { at };
        let is_whole = total + inserted <= raw.len() && boundaries.clone().all(|at| is_header(moved(at)));
        past.at = walk.at + total + inserted;
        let is_followed = past.is_done() || past.at < past.raw.len() && proof(&past) > 0;
        if !is_whole || !is_followed {
            continue;
        }
        past.last_own = Some((begun.sent.type_id, begun.sent.length));
        let mistake = Begun::mistake(Operator::Inserted(place as u32, inserted as u32), Field::Message);
        // What follows speaks for it.
        past.sender.mistakes.push(mistake);
        let next = raw[place] & 0x3f;
        return Some(Interrupted {
            mistake,
            length: begun.sent.length,
            wrong_at: place,
            foreign: Some(Foreign::Message(type_id, next.into())),
            bits: BITS + 8 * boundaries.count().min(4) as u32,
            walk: past,
        });
    }
    None
}

/// What the header of a message proves of being one, in bits: what it repeats of the message before on its chunk stream.
fn proof(walk: &Walk<'_, '_>) -> u32 {
    proof_of(walk, &walk.raw[walk.at..])
}

/// The same of any bytes.
pub fn proof_of(walk: &Walk<'_, '_>, raw: &[u8]) -> u32 {
    let Ok(header) = ChunkHeader::read(&mut Reader::new(raw, &mut ()), |_| false) else { return 0 };
    let Some(sent) = walk.sender.sent(header.csid.0) else { return 0 };
    // That 24 bits are by chance no more than a number.
    let small = |number: Option<u32>| number.map_or(0, |number| number.leading_zeros().saturating_sub(8));
    let time = small(header.time.filter(|_| header.fmt > 0));
    let is_such = |type_id| type_id == sent.type_id || walk.has_had(header.csid.0, type_id);
    let type_id = if header.type_id.is_some_and(is_such) { 7 } else { 0 };
    let stream = header.message_stream_id.map_or(0, |msid| if msid.0 == sent.msid { 24 } else { 0 });
    // One of a few chunk streams.
    4 + time + small(header.length) + type_id + stream
}

impl Walk<'_, '_> {
    /// Takes a whole message between the chunks of one that was begun at `start`: one on the same chunk stream does not
    /// belong there.
    fn take_between(&mut self, begun: &Begun, start: usize, inserted: &mut Vec<(u32, u32)>) -> Option<Option<Foreign>> {
        let from = self.at;
        let sent = self.sender.sent(begun.csid)?;
        let header = ChunkHeader::read(&mut Reader::new(&self.raw[from..], &mut ()), |_| false).ok()?;
        if inserted.len() >= MOST || !self.own() {
            return None;
        }
        if header.csid.0 != begun.csid {
            return Some(None);
        }
        inserted.push(((from - start) as u32, (self.at - from) as u32));
        // A receiver that tells them apart goes on with the one that was begun.
        self.sender.observe(begun.csid, sent);
        Some(Some(Foreign::Message(self.last_own?.0, begun.csid)))
    }
}

/// The next message begins before the one that was begun has its length.
fn broken_off<'r, 'b>(walk: &Walk<'r, 'b>) -> Option<Interrupted<'r, 'b>> {
    let begun = Begun::read(walk).filter(|_| proof(walk) >= SURE)?;
    let size = walk.sender.chunk_size() as usize;
    let length = begun.sent.length as usize;
    let inside = length.saturating_sub(1) / size * begun.basic.len();
    let total = begun.header_len + length + inside;
    let raw = &walk.raw[walk.at..];
    let mut start = walk.clone();
    start.sender.observe(begun.csid, begun.sent);
    let is_header = |&at: &usize| {
        let Ok(header) = ChunkHeader::read(&mut Reader::new(&raw[at..], &mut ()), |_| false) else { return false };
        let csid = header.csid.0;
        if header.fmt > 2 || start.sender.sent(csid).is_none() {
            return false;
        }
        let is_such =
            header.type_id.is_none_or(|type_id| type_id == begun.sent.type_id || start.has_had(csid, type_id));
        is_such && header.time.is_none_or(|time| header.fmt == 0 || time < 10_000)
    };
    let places = (begun.header_len + 1..total.min(raw.len()).min(FARTHEST)).filter(is_header).take(MOST);
    let places: Vec<usize> = places.collect();
    let mut best: Option<(u32, usize, Walk<'r, 'b>)> = None;
    for place in places {
        let mut past = start.clone();
        past.at = walk.at + place;
        let mut bits = 0;
        while !past.is_done() && !past.is_spent() {
            let told = proof(&past);
            if !past.own_or_cut() {
                break;
            }
            bits += told;
        }
        start.effort = past.effort;
        // So many places were tried.
        let bits = bits.saturating_sub(total.ilog2());
        if past.is_done() && best.as_ref().is_none_or(|(most, ..)| bits > *most) {
            best = Some((bits, place, past));
        }
    }
    let all = [best, shifted(walk, &begun, &start, total)];
    let (bits, place, past) = all.into_iter().flatten().max_by_key(|(bits, ..)| *bits)?;
    // A body that is all there has a wrong length in its header.
    let mut body = Vec::new();
    for chunk in raw[begun.header_len..place].chunks(size + begun.basic.len()) {
        body.extend_from_slice(&chunk[..chunk.len().min(size)]);
    }
    if evidence(begun.sent.type_id, &body) >= WHOLE {
        return None;
    }
    // Where the headers inside are not where they should be, bytes before them are missing.
    let first = begun.header_len + size;
    let step = size + begun.basic.len();
    let boundaries = (0..).map(|index| first + index * step).take_while(|&at| at + begun.basic.len() <= place);
    let wrong = boundaries.clone().find(|&at| !raw[at..].starts_with(&begun.basic));
    let missing = (total - place) as u32;
    let (operator, wrong_at) = match wrong {
        Some(at) => (Operator::Lost((at - size.min(at)) as u32, missing), at),
        None => (Operator::Cut(place as u32), place),
    };
    let mistake = Begun::mistake(operator, Field::Message);
    Some(Interrupted { mistake, length: begun.sent.length, wrong_at, foreign: None, bits, walk: past })
}

/// Bytes are missing in the last message of the direction: the headers inside come as much too early as it is too short.
fn shifted<'r, 'b>(
    walk: &Walk<'r, 'b>,
    begun: &Begun,
    start: &Walk<'r, 'b>,
    total: usize,
) -> Option<(u32, usize, Walk<'r, 'b>)> {
    let raw = &walk.raw[walk.at..];
    let missing = total.checked_sub(raw.len()).filter(|&missing| missing > 0)?;
    let size = walk.sender.chunk_size() as usize;
    let is_header = |at: usize| raw.get(at..).is_some_and(|rest| rest.starts_with(&begun.basic));
    let boundaries = (begun.header_len + size..total).step_by(size + begun.basic.len());
    // Those before the gap are in their places, those after it come too early, and some may be in it.
    let late: Vec<usize> = boundaries.skip_while(|&at| is_header(at)).collect();
    let early = late.iter().rev().take_while(|&&at| at.checked_sub(missing).is_some_and(is_header)).count();
    let lost = &late[..late.len() - early];
    let is_shifted = early > 0 && lost.last().is_none_or(|last| last - lost[0] < missing);
    let mut past = start.clone();
    past.at = walk.raw.len();
    // A field that is left out makes the same of a header; what explains more comes first.
    let bits = (proof(walk) + 8 * (early * begun.basic.len()) as u32).min(alone::WORTH_A_WORD);
    is_shifted.then_some((bits, raw.len(), past))
}
