//! Causes by search: the mistakes of a sender that make exactly what was received of what should have been sent.
//!
//! Takes a direction of B that does not decode, and what A says should be in it; gives [`Explained`]: the mistakes with
//! which the model of a sender ([`crate::sender`]) writes B's bytes. Nothing is inferred from symptoms: a mistake counts
//! if the bytes come out, and what it is called is for [`crate::rules`].
//!
//! 1. What is beyond doubt is noted: messages of B that are whole and have a body of A, and control and AMF messages
//!    that can be read to their end (`anchors`).
//! 2. From the first that is not, the script is followed against the bytes, message by message (`walk`): the bodies
//!    are A's, in order, the style (chunk stream, format, time) is what the bytes have.
//! 3. Where that stops, every operator is tried that can make the bytes there of the message that is due
//!    (`candidates`), in every scope. Those live that write the message exactly; best is what comes to the end of the
//!    bytes for the least price. Then the next mistake is looked for where it stops.
//!
//! The work is counted in bytes compared and bounded by [`WORK`], so that the result depends on nothing else.

mod alone;
mod anchors;
mod candidates;
mod interrupted;
pub mod media;
mod walk;

use crate::compare::{Comparison, Side};
use crate::field::Reader;
use crate::rtmp::MessageTypeId;
use crate::rtmp::chunk::ChunkHeader;
use crate::sender::{Field, Mistake, Operator, Scope};
use crate::session::Direction;

use anchors::Anchors;
use candidates::Candidate;
use walk::Walk;

/// So many bytes are compared for a direction.
pub const WORK: u64 = 32 << 20;
/// So many mistakes are looked for in a direction.
const MOST_MISTAKES: usize = 2;
/// So many bytes of A after the first wrong one prove a mistake.
const PROOF: u64 = 8;
/// So many first mistakes are followed to where a second one shows, each in as many scopes: what comes next tells.
const BEAM: usize = 8;
const SCOPES: usize = 2;
/// What it costs that a time is read which no message around has, in bits.
const JUMP: u32 = 24;
/// What another mistake may cost more, in bits, and still be a rival.
const MARGIN: u32 = 8;
/// So many bytes are shown of a mistake.
const SHOWN: usize = 16;

/// A direction whose bytes come out with these mistakes.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The mistakes, in the order in which they show.
    pub found: Vec<Found>,
    /// Offset in the stream up to which the bytes come out.
    pub until: u64,
    /// Whether that is all there is.
    pub reaches_end: bool,
    /// Whether nothing else explains it and all of the direction was captured.
    pub certain: bool,
    /// What it costs to say so, in bits.
    pub price: u32,
    /// How many messages come out from the first mistake on.
    pub messages: u64,
    /// How many bytes of A's bodies are among them.
    pub content: u64,
}

/// A mistake, and where it shows.
#[derive(Clone, Debug)]
pub struct Found {
    /// The mistake.
    pub mistake: Mistake,
    /// Offset in the stream of the message that it shows in first.
    pub at: u64,
    /// Where the first wrong byte is.
    pub wrong_at: u64,
    /// The first bytes there.
    pub bytes: Vec<u8>,
    /// Index of the item of A whose body that message has.
    pub item_of_a: usize,
    /// What the field should say, and what it says, if it is a number.
    pub values: Option<(u32, u32)>,
    /// How long the body is.
    pub length: u32,
    /// The chunk size in force.
    pub chunk_size: u32,
    /// How long a type 3 header on its chunk stream is.
    pub header_len: u8,
    /// What is there that does not belong.
    pub foreign: Option<Foreign>,
    /// In how many messages it was made.
    pub times: u32,
}

impl Found {
    /// How many bytes the headers of the message's second and further chunks have together.
    pub fn headers_inside(&self) -> i64 {
        i64::from(self.length.saturating_sub(1) / self.chunk_size.max(1)) * i64::from(self.header_len)
    }
}

/// Why a direction of B does not decode, if a mistake of its sender makes its bytes of A's messages.
pub fn framing(comparison: &Comparison<'_>, direction: Direction) -> Option<Explained> {
    if comparison.a.is_none() {
        return alone::framing(comparison, direction);
    }
    let tape = comparison.b.tapes[direction.index()].as_ref()?;
    let mut best: Option<(u64, Explained)> = None;
    // Both are in use: headers without fields that repeat an extended timestamp, and those that do not.
    for (own_media, repeats_extended) in [(false, true), (false, false), (true, true), (true, false)] {
        let anchors = Anchors::new(comparison, direction, own_media, repeats_extended)?;
        let at = usize::try_from(anchors.from.checked_sub(tape.offset)?).ok()?;
        let mut walk = Walk::new(&tape.bytes, at, &anchors, own_media);
        walk.follow();
        if walk.is_done() {
            // Nothing is wrong.
            return None;
        }
        let Some(reading) = explain(&mut walk, tape.offset, MOST_MISTAKES) else { continue };
        let cost = reading.cost();
        let explained = reading.explained(tape.offset, tape.ends);
        best = best.filter(|(least, _)| *least <= cost).or(explained.map(|explained| (cost, explained)));
    }
    best.map(|(_, explained)| explained)
}

/// Bytes read with some mistakes.
#[derive(Clone)]
struct Reading<'r, 'b> {
    found: Vec<Found>,
    walk: Walk<'r, 'b>,
    /// What the mistakes cost, in bits.
    price: u32,
    /// Whether others do as well.
    is_rivalled: bool,
}

impl Reading<'_, '_> {
    /// How much has to be said, in bits: the mistakes, and all bytes that they do not explain (minimum description
    /// length).
    fn cost(&self) -> u64 {
        u64::from(self.price) + 8 * (self.walk.raw.len() - self.walk.at) as u64
    }

    /// None if saying so takes more than it explains.
    fn explained(self, offset: u64, ends: bool) -> Option<Explained> {
        let Reading { mut found, walk, price, is_rivalled } = self;
        if 8 * walk.content <= u64::from(price) {
            return None;
        }
        for one in &mut found {
            if !matches!(one.mistake.operator, Operator::Inserted(..)) {
                let made = walk.made.iter().filter(|made| made.covers(one.mistake.operator, one.mistake.field));
                one.times = made.count().max(1) as u32;
            }
        }
        let reaches_end = walk.is_done();
        // Bytes that belong to nothing make room for any break.
        let is_any =
            |one: &Found| matches!(one.mistake.operator, Operator::Stray(_)) && one.foreign == Some(Foreign::Other);
        let is_sole = !is_rivalled && !found.iter().any(is_any);
        Some(Explained {
            certain: reaches_end && ends && is_sole && walk.content >= PROOF && !walk.is_spent(),
            until: offset + walk.at as u64,
            price,
            reaches_end,
            messages: walk.messages,
            content: walk.content,
            found,
        })
    }
}

/// What the bytes from where the script stops on are with the fewest words: with one mistake, or with another after it.
fn explain<'r, 'b>(walk: &mut Walk<'r, 'b>, offset: u64, most: usize) -> Option<Reading<'r, 'b>> {
    let mut firsts = readings(walk, offset);
    firsts.sort_by_key(Reading::cost);
    let best = firsts.first().cloned()?;
    let is_rival = |other: &Reading<'_, '_>| {
        other.found[0].mistake.field != best.found[0].mistake.field
            && other.walk.at >= best.walk.at
            && other.price <= best.price + MARGIN
    };
    let is_rivalled = firsts.iter().any(is_rival);
    let mut best = Reading { is_rivalled, ..best };
    if best.walk.is_done() && best.found.iter().all(|found| found.foreign.is_none()) || most < 2 {
        return Some(best);
    }
    // What explains less by itself may explain all with another mistake.
    let mut tried: Vec<(Operator, Field)> = Vec::new();
    let mut is_tried = |first: &Reading<'_, '_>| {
        let Mistake { operator, field, .. } = first.found[0].mistake;
        tried.push((operator, field));
        tried.iter().filter(|known| **known == (operator, field)).count() <= SCOPES
    };
    let open = firsts.into_iter().filter(|first| !first.walk.is_done());
    for mut first in open.filter(&mut is_tried).take(BEAM) {
        first.walk.effort = walk.effort;
        let second = explain(&mut first.walk, offset, most - 1);
        walk.effort = first.walk.effort.max(walk.effort);
        let Some(second) = second else { continue };
        let both = Reading {
            found: first.found.into_iter().chain(second.found).collect(),
            price: first.price + second.price,
            is_rivalled: is_rivalled || second.is_rivalled,
            walk: second.walk,
        };
        if both.cost() < best.cost() {
            best = both;
        }
    }
    Some(best)
}

/// The mistakes at the place where the script stops, each with what the bytes are then.
fn readings<'r, 'b>(walk: &mut Walk<'r, 'b>, offset: u64) -> Vec<Reading<'r, 'b>> {
    let mut all: Vec<Reading<'r, 'b>> = Vec::new();
    let in_chunks =
        |candidate| candidates::chunks(&candidate).into_iter().map(move |chunks| (candidate.clone(), chunks));
    for (candidate, chunks) in candidates::at(walk).into_iter().flat_map(in_chunks) {
        let one = Scope { chunks, ..Scope::one(&candidate.message) };
        let mut alone = walk.with(Mistake { scope: one, ..candidate.mistake });
        let is_possible = alone.take(&candidate);
        walk.effort = alone.effort;
        if !is_possible {
            continue;
        }
        for scope in candidates::scopes(&candidate, walk) {
            let mistake = Mistake { scope: Scope { chunks, ..scope }, ..candidate.mistake };
            if !walk.allows(&mistake) {
                continue;
            }
            let mut trial = walk.with(mistake);
            let is_taken = trial.take(&candidate);
            if is_taken {
                trial.follow();
            }
            walk.effort = trial.effort;
            if is_taken {
                // Without anything of A's after it, it says nothing. What follows one message only is looked for as such.
                let is_extra = matches!((mistake.operator, mistake.field), (Operator::Plus(1..), Field::Payload));
                if trial.content < PROOF || is_extra && trial.made.len() < 2 {
                    continue;
                }
                let at = offset + walk.at as u64;
                let found = Found {
                    mistake,
                    at,
                    wrong_at: at + candidate.wrong_at as u64,
                    bytes: walk.raw[walk.at + candidate.wrong_at..].iter().take(SHOWN).copied().collect(),
                    item_of_a: candidate.item,
                    values: candidate.values,
                    length: candidate.message.body.len() as u32,
                    chunk_size: walk.sender.chunk_size(),
                    header_len: if candidate.message.csid < 64 { 1 } else { candidate.message.form.max(2) },
                    foreign: foreign(walk, &candidate),
                    times: candidate.inserted.len().max(1) as u32,
                };
                // What is passed over is not explained.
                let passed_over = match (mistake.operator, mistake.field) {
                    (Operator::Plus(1..), Field::Payload) => 2 + 8 * (trial.strange - walk.strange),
                    _ => found.foreign.map_or(0, |foreign| foreign.price(&candidate)),
                };
                let price = mistake.price() + passed_over + JUMP * trial.jumps.saturating_sub(walk.jumps);
                all.push(Reading { found: vec![found], price, is_rivalled: false, walk: trial });
            }
        }
    }
    all
}

/// Bytes between those of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A message of this type on this chunk stream.
    Message(MessageTypeId, u32),
    /// Zeros.
    Zeros,
    /// The same bytes are right before them.
    Repeated,
    /// Anything else.
    Other,
}

impl Foreign {
    /// What it costs that these bytes are not explained, in bits.
    fn price(self, candidate: &Candidate<'_>) -> u32 {
        let length = match candidate.mistake.operator {
            Operator::Stray(length) => length,
            _ => candidate.inserted.iter().fold(0, |sum, &(_, length)| length.saturating_add(sum)),
        };
        match self {
            Foreign::Zeros => 2,
            Foreign::Repeated => 8,
            // Its header, and that it ends where it says.
            Foreign::Message(..) => 64,
            Foreign::Other => length.saturating_mul(8).min(1 << 24),
        }
    }
}

fn foreign(walk: &Walk<'_, '_>, candidate: &Candidate<'_>) -> Option<Foreign> {
    let (at, length) = match candidate.mistake.operator {
        Operator::Inserted(at, length) => (at as usize, length as usize),
        Operator::Stray(length) => (0, length as usize),
        _ => return None,
    };
    let at = walk.at + at;
    let bytes = walk.raw.get(at..at + length)?;
    let header = ChunkHeader::read(&mut Reader::new(bytes, &mut ()), |_| false).ok();
    let message = header.and_then(|header| {
        let sent = walk.sender.sent(header.csid.0);
        let type_id = header.type_id.or(sent.map(|sent| sent.type_id))?;
        let body = header.length.or(sent.map(|sent| sent.length))?;
        let is_all = usize::from(header.len) + body as usize == length && type_id.is_known();
        is_all.then_some(Foreign::Message(type_id, header.csid.0))
    });
    let is_repeated = || at >= length && walk.raw[at - length..at] == *bytes;
    Some(match message {
        Some(message) => message,
        None if bytes.iter().all(|&byte| byte == 0) => Foreign::Zeros,
        None if is_repeated() => Foreign::Repeated,
        None => Foreign::Other,
    })
}

/// Whether a body can be read to its end, and says of itself that this is where it ends.
pub fn proves_itself(type_id: MessageTypeId, body: &[u8]) -> bool {
    anchors::is_sound(type_id, body) && alone::evidence(type_id, body) > 0
}

/// The row of B that holds an offset of a direction.
pub fn row_of(comparison: &Comparison<'_>, direction: Direction, offset: u64) -> Option<usize> {
    let of_b = |&row: &usize| comparison.item(row, Side::B).is_some();
    let rows: Vec<usize> = comparison.rows_of(direction).filter(of_b).collect();
    let start = |row: usize| comparison.item(row, Side::B).map_or(0, |item| item.at.start);
    let mut rows: Vec<(u64, usize)> = rows.into_iter().map(|row| (start(row), row)).collect();
    rows.sort_unstable();
    let index = rows.partition_point(|&(start, _)| start <= offset).saturating_sub(1);
    rows.get(index).map(|&(_, row)| row)
}

/// A mistake that was made in a message.
#[derive(Clone, Copy, Debug)]
struct Made {
    operator: Operator,
    field: Field,
}

impl Made {
    fn covers(self, operator: Operator, field: Field) -> bool {
        (self.operator, self.field) == (operator, field)
    }
}
