//! Which mistakes could make the bytes here of a message that is due: every operator on every field, as far as the
//! bytes allow it.

use memchr::memmem;

use crate::rtmp::chunk::EXTENDED;
use crate::sender::{Chunks, Field, Message, Mistake, Operator, Scope};

use super::anchors::Due;
use super::walk::{Headers, Walk};

/// A mistake that may have been made in a message.
#[derive(Clone, Debug)]
pub struct Candidate<'r> {
    /// The message.
    pub message: Message<'r>,
    /// Index of the item of A.
    pub item: usize,
    /// Its time in A.
    pub time: u32,
    /// How many of its kind A has had with it.
    pub next: usize,
    /// Whether it was made after the message, which is taken already.
    pub is_behind: bool,
    /// The mistake; its scope is open.
    pub mistake: Mistake,
    /// The number that the field should be, and the one that it is.
    pub values: Option<(u32, u32)>,
    /// What is in the message that does not belong: after how many bytes of it, and how many.
    pub inserted: Vec<(u32, u32)>,
    /// Where the message first differs from what it should be.
    pub wrong_at: usize,
    /// The number of the chunk whose header is there, if one is.
    pub chunk: Option<u32>,
}

/// Bytes are searched for by so many.
const NEEDLE: usize = 12;
/// So many times something may be in a message that does not belong.
const MOST_INSERTED: usize = 64;
/// A payload may be so many bytes too short, or too long, to be looked at as such.
const MOST_EXTRA: i64 = 16;
/// So many bytes may come after a message that belong to nothing.
const FARTHEST: usize = 128 << 10;

/// The candidates where a walk stops.
pub fn at<'r>(walk: &Walk<'r, '_>) -> Vec<Candidate<'r>> {
    let mut all = of(walk, walk.due(Headers::Any));
    all.extend(behind(walk));
    all
}

/// The candidates for messages that may be due there.
pub fn of<'m>(walk: &Walk<'_, '_>, due: Vec<(Due<'m>, usize)>) -> Vec<Candidate<'m>> {
    let mut all = Vec::new();
    for (due, next) in due {
        let (message, raw) = (due.message, &walk.raw[walk.at..]);
        let mut sender = walk.sender.clone();
        let mut honest = Vec::new();
        let first = sender.next(&message, 0);
        let header_len = first.header.len();
        first.append_to(&mut honest);
        let same = |honest: &[u8]| honest.iter().zip(raw).take_while(|(meant, there)| meant == there).count();
        let mut chunks = vec![];
        // With another header, it does not matter what would follow.
        if same(&honest) >= header_len {
            let mut from = first.covered();
            while from < message.body.len() {
                let chunk = sender.next(&message, from);
                from += chunk.covered().max(1);
                chunks.push(honest.len());
                chunk.append_to(&mut honest);
            }
        }
        let wrong_at = same(&honest);
        // The header that the first wrong byte is in, or right after; the same byte may begin both header and payload.
        let near = chunks.partition_point(|&begins| begins <= wrong_at + 1);
        let chunk = (near > 0).then_some(near as u32);
        let mut add = |operator: Operator, field: Field, values: Option<(u32, u32)>| {
            let mistake = Mistake { operator, field, scope: Scope::default() };
            all.push(Candidate {
                message,
                item: due.item,
                time: due.time,
                next,
                is_behind: false,
                mistake,
                values,
                inserted: Vec::new(),
                wrong_at,
                chunk,
            });
        };
        // Where the header has another format than the first byte says, that is what is wrong.
        if raw.first().is_none_or(|first| first >> 6 != message.fmt || walk.is_swapped(&message)) {
            format(&message, raw, &mut add);
            continue;
        }
        // A field that is put in shows after the header.
        if wrong_at <= header_len {
            header(walk, &message, raw, &mut add);
        }
        let short = honest.len().saturating_sub(wrong_at) as i64;
        for less in short.max(1)..=MOST_EXTRA.min(message.body.len() as i64 - 1) {
            add(Operator::Plus(-less), Field::Payload, None);
        }
        if wrong_at >= header_len && wrong_at < honest.len() {
            body(&message, &honest, raw, wrong_at, header_len, &mut add);
            let inserted = insertions(&honest, raw, wrong_at);
            if let Some(&(at, length)) = inserted.first() {
                let operator = Operator::Inserted(at, length);
                let mistake = Mistake { operator, field: Field::Message, scope: Scope::default() };
                all.push(Candidate {
                    message,
                    item: due.item,
                    time: due.time,
                    next,
                    is_behind: false,
                    mistake,
                    values: None,
                    inserted,
                    wrong_at,
                    chunk,
                });
            }
        }
    }
    all
}

/// What may come after the last message that belongs to nothing.
fn behind<'r>(walk: &Walk<'r, '_>) -> Vec<Candidate<'r>> {
    let Some((due, next)) = walk.last else { return Vec::new() };
    let candidate = |operator, field, values| Candidate {
        message: due.message,
        item: due.item,
        time: due.time,
        next,
        is_behind: true,
        mistake: Mistake { operator, field, scope: Scope::default() },
        values,
        inserted: Vec::new(),
        wrong_at: 0,
        chunk: None,
    };
    let mut all = vec![candidate(Operator::Padded, Field::Payload, None)];
    all.extend((1..=MOST_EXTRA).map(|extra| candidate(Operator::Plus(extra), Field::Payload, None)));
    let raw = &walk.raw[walk.at..];
    for (next_due, _) in walk.due(Headers::AsWritten) {
        let Some(needle) = next_due.message.body.get(..NEEDLE) else { continue };
        let Some(body) = memmem::find(&raw[..raw.len().min(FARTHEST)], needle) else { continue };
        for header in [12, 8, 4, 1, 13, 9, 5, 2] {
            if let Some(stray) = body.checked_sub(header).filter(|&stray| stray > 0) {
                all.push(candidate(Operator::Stray(stray as u32), Field::Message, None));
            }
        }
    }
    all
}

/// What makes the first byte of a header say another format, or chunk stream.
fn format(message: &Message<'_>, raw: &[u8], add: &mut impl FnMut(Operator, Field, Option<(u32, u32)>)) {
    let Some(&first) = raw.first() else { return };
    if first == (message.csid as u8) << 2 | message.fmt {
        add(Operator::Exchanged, Field::Basic, None);
    }
    let written = u32::from(first >> 6);
    let meant = u32::from(message.fmt);
    if written != meant {
        add(Operator::Constant(written), Field::Format, Some((meant, written)));
    }
}

/// What may be wrong with a header.
fn header(
    walk: &Walk<'_, '_>,
    message: &Message<'_>,
    raw: &[u8],
    add: &mut impl FnMut(Operator, Field, Option<(u32, u32)>),
) {
    let basic = usize::from(if message.csid < 64 { 1 } else { message.form });
    let number = |at: usize, len: usize| {
        let bytes = raw.get(at..at + len)?;
        Some(bytes.iter().fold(0u32, |value, &byte| value << 8 | u32::from(byte)))
    };
    let csid = match basic {
        1 => raw.first().map(|byte| u32::from(byte & 0x3f)),
        2 => number(1, 1),
        _ => number(1, 2).map(|id| id.swap_bytes() >> 16),
    };
    let mut numbers = vec![(Field::Csid, csid)];
    if message.fmt < 2 {
        numbers.push((Field::Length, number(basic + 3, 3)));
        numbers.push((Field::TypeId, number(basic + 6, 1)));
    }
    if message.fmt == 0 {
        numbers.push((Field::StreamId, number(basic + 7, 4).map(u32::swap_bytes)));
    }
    for (field, written) in numbers {
        let (Some((value, bytes)), Some(written)) = (field.number(message), written) else { continue };
        for operator in Operator::between(value, written, bytes) {
            add(operator, field, Some((value, written)));
        }
    }
    if message.csid >= 64 {
        add(Operator::Narrowed, Field::Csid, None);
    }
    if message.fmt == 0 {
        add(Operator::Narrowed, Field::StreamId, None);
    }
    if message.fmt < 3 {
        add(Operator::Widened, Field::Timestamp, None);
        add(Operator::Narrowed, Field::Timestamp, None);
    }
    if message.fmt < 2 {
        add(Operator::Widened, Field::Length, None);
        add(Operator::Narrowed, Field::Length, None);
        add(Operator::Exchanged, Field::Length, None);
        add(Operator::Exchanged, Field::TypeId, None);
    }
    for (field, last) in [(Field::Timestamp, 2), (Field::Length, 1), (Field::TypeId, 1), (Field::StreamId, 0)] {
        let operator = if message.fmt <= last { Operator::LeftOut } else { Operator::PutIn };
        add(operator, field, None);
    }
    add(Operator::LeftOut, Field::Extended, None);
    add(Operator::PutIn, Field::Extended, None);
    let sent = walk.sender.sent(message.csid);
    let length = sent.map(|sent| (message.body.len() as u32, sent.length));
    add(Operator::Inherited, Field::Length, length.filter(|(meant, before)| meant != before));
    add(Operator::Inherited, Field::StreamId, None);
    add(Operator::Inherited, Field::TypeId, None);
    add(Operator::Inherited, Field::Timestamp, None);
}

/// What may be wrong with what follows the header.
fn body(
    message: &Message<'_>,
    honest: &[u8],
    raw: &[u8],
    wrong_at: usize,
    header_len: usize,
    add: &mut impl FnMut(Operator, Field, Option<(u32, u32)>),
) {
    let there = &raw[wrong_at..];
    if let Some(needle) = there.get(..NEEDLE)
        && let Some(at) = memmem::find(&honest[wrong_at..], needle)
        && at > 0
    {
        add(Operator::Lost(wrong_at as u32, at as u32), Field::Message, None);
    }
    // The next message may begin with bytes that this one would have gone on with.
    for back in 0..=wrong_at.saturating_sub(header_len).min(2) {
        add(Operator::Cut((wrong_at - back) as u32), Field::Message, None);
    }
    add(Operator::LeftOut, Field::Continuation, None);
    add(Operator::Twice, Field::Continuation, None);
    for at in wrong_at.saturating_sub(3)..=wrong_at {
        let field =
            |bytes: &[u8]| bytes.get(at..).and_then(|rest| rest.first_chunk()).map(|&four| u32::from_be_bytes(four));
        if let (Some(meant), Some(written)) = (field(honest), field(raw))
            && meant >= EXTENDED
        {
            let operators = Operator::between(meant, written, 4);
            operators.into_iter().for_each(|operator| add(operator, Field::ExtendedAgain, Some((meant, written))));
        }
    }
    if let Some(&first) = there.first() {
        for operator in Operator::between(message.csid, u32::from(first & 0x3f), 1) {
            add(operator, Field::Continuation, Some((message.csid, u32::from(first & 0x3f))));
        }
        let size = wrong_at.saturating_sub(header_len) as u32;
        if first >> 6 == 3 && size > 0 {
            add(Operator::Constant(size), Field::ChunkSize, None);
            add(Operator::WithHeader(true), Field::ChunkSize, None);
            add(Operator::WithHeader(false), Field::ChunkSize, None);
        }
    }
}

/// What is in a message that does not belong, if all of the message is there.
fn insertions(honest: &[u8], raw: &[u8], wrong_at: usize) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    let (mut meant, mut there) = (wrong_at, wrong_at);
    while meant < honest.len() && there < raw.len() && found.len() < MOST_INSERTED {
        let needle = &honest[meant..honest.len().min(meant + NEEDLE)];
        let window = &raw[there..raw.len().min(there + FARTHEST)];
        let Some(length) = memmem::find(window, needle).filter(|&length| length > 0) else { return found };
        found.push((meant as u32, length as u32));
        there += length;
        let same = honest[meant..].iter().zip(&raw[there..]).take_while(|(meant, there)| meant == there).count();
        (meant, there) = (meant + same, there + same);
    }
    found
}

/// The scopes that a mistake may have.
pub fn scopes(candidate: &Candidate<'_>, walk: &Walk<'_, '_>) -> Vec<Scope> {
    let message = &candidate.message;
    let one = Scope::one(message);
    if matches!(
        candidate.mistake.operator,
        Operator::Cut(_) | Operator::Lost(..) | Operator::Stray(_) | Operator::Inserted(..)
    ) {
        return vec![one];
    }
    let (type_id, fmt, longer_than) = (Some(message.type_id), Some(message.fmt), Some(walk.sender.chunk_size()));
    let all = Scope::default();
    let such = [
        all,
        Scope { type_id, ..all },
        Scope { fmt, ..all },
        Scope { longer_than, ..all },
        Scope { type_id, fmt, ..all },
    ];
    let later = such.map(|scope| Scope { from_here: true, ..scope });
    such.into_iter().chain(later).chain([one]).collect()
}

/// The chunks of a message that a mistake may be made in, the likeliest first.
pub fn chunks(candidate: &Candidate<'_>) -> Vec<Option<Chunks>> {
    let is_of_chunks = matches!(candidate.mistake.field, Field::Continuation | Field::ExtendedAgain | Field::ChunkSize);
    let mut all = vec![None];
    if let Some(number) = candidate.chunk.filter(|_| is_of_chunks) {
        // A header that is wrong shows at its chunk; a chunk of another size at the next header.
        let near = [number, number - 1].into_iter().flat_map(|number| [Chunks::Nth(number), Chunks::From(number)]);
        all.extend([Chunks::Last].into_iter().chain(near).map(Some));
    }
    all
}
