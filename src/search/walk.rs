//! A script followed against bytes: which message comes next, and whether its sender writes just these bytes.

use crate::field::Reader;
use crate::rtmp::MessageTypeId;
use crate::rtmp::chunk::{ChunkHeader, EXTENDED};
use crate::sender::{Chunks, Field, Message, Mistake, Operator, Sender, Sent};

use super::alone;
use super::anchors::{Anchors, Due, is_sound, lane};
use super::candidates::Candidate;
use super::interrupted;
use super::{Made, WORK};

/// How far a script was followed.
#[derive(Clone)]
pub struct Walk<'r, 'b> {
    /// The bytes of the direction.
    pub raw: &'b [u8],
    /// Up to here they come out.
    pub at: usize,
    /// The sender, with its mistakes.
    pub sender: Sender,
    /// The mistakes that were made so far.
    pub made: Vec<Made>,
    /// Where the bytes begin to be wrong.
    pub wrong: usize,
    /// How many messages came out since the first mistake.
    pub messages: u64,
    /// How many bytes of A's bodies after the first that is wrong.
    pub content: u64,
    /// How many bytes were compared.
    pub effort: u64,
    /// Whether there is no A, and bodies are what they say of themselves.
    pub is_alone: bool,
    /// The evidence since the first mistake, in bits, where there is no A.
    pub bits: u32,
    /// The type and length of the last message of B's own that was taken.
    pub last_own: Option<(MessageTypeId, u32)>,
    /// How much later than in A messages are, and how often that jumped where a header was read: it was read wrongly then.
    shift: Option<u32>,
    pub jumps: u32,
    /// How many bytes, but for zeros, were passed over.
    pub strange: u32,
    /// The last message of A's that was taken, and how many of its kind A has had with it.
    pub last: Option<(Due<'r>, usize)>,
    anchors: &'b Anchors<'r>,
    own_media: bool,
    next: [usize; 4],
    /// How many bytes the sender meant to write.
    meant: u64,
    /// Those of them that it did not.
    dropped: std::ops::Range<u64>,
    /// How many bytes come before one of them that it did not mean to write.
    inserted: Vec<(u64, usize)>,
}

/// Which headers are looked for where a message is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// Those that the sender, with the mistakes made so far, begins with the byte that is there.
    AsWritten,
    /// Those of any format, and of a chunk stream that the byte may stand for by mistake.
    Any,
}

/// How many of A's messages of a kind B may lack.
const AHEAD: usize = 3;
/// Message streams are numbered from 1, and nobody has many.
pub const MOST_STREAMS: u32 = 255;
/// So far, in milliseconds, no message moves against the others from one to the next, if both recordings are of one source.
const FAR: u32 = 500;
/// So many messages may be between two chunks of one.
const MOST_BETWEEN: usize = 8;

impl<'r, 'b> Walk<'r, 'b> {
    /// Before the first message.
    pub fn new(raw: &'b [u8], at: usize, anchors: &'b Anchors<'r>, own_media: bool) -> Walk<'r, 'b> {
        Walk {
            raw,
            at: at.min(raw.len()),
            sender: anchors.sender.clone(),
            made: Vec::new(),
            wrong: usize::MAX,
            messages: 0,
            content: 0,
            effort: 0,
            is_alone: false,
            bits: 0,
            last_own: anchors.last.map(|(due, _)| (due.message.type_id, due.message.body.len() as u32)),
            shift: anchors.last.map(|(due, _)| due.message.timestamp.wrapping_sub(due.time)),
            jumps: 0,
            strange: 0,
            last: anchors.last,
            anchors,
            own_media,
            next: anchors.next,
            meant: 0,
            dropped: 0..0,
            inserted: Vec::new(),
        }
    }

    /// Whether all bytes came out.
    pub fn is_done(&self) -> bool {
        self.at == self.raw.len()
    }

    /// Whether so much was compared that not everything is tried.
    pub fn is_spent(&self) -> bool {
        self.effort > WORK
    }

    /// The same with one mistake more.
    pub fn with(&self, mistake: Mistake) -> Walk<'r, 'b> {
        let mut walk = self.clone();
        walk.sender.mistakes.push(mistake);
        walk
    }

    /// Whether what was written before speaks against a mistake.
    pub fn allows(&self, mistake: &Mistake) -> bool {
        let is_spared = |message: &Message<'_>| match mistake.operator {
            Operator::Stray(_) | Operator::Inserted(..) | Operator::Cut(_) | Operator::Lost(..) => true,
            Operator::LeftOut | Operator::PutIn => {
                let last = match mistake.field {
                    Field::Timestamp => 2,
                    Field::Length | Field::TypeId => 1,
                    Field::StreamId => 0,
                    Field::Extended => {
                        return (message.timestamp >= EXTENDED) != (mistake.operator == Operator::LeftOut);
                    }
                    _ => return message.body.len() <= self.sender.chunk_size() as usize,
                };
                (message.fmt <= last) != (mistake.operator == Operator::LeftOut)
            }
            // The last one is not spared: it shows there.
            Operator::Padded => {
                let size = self.sender.chunk_size() as usize;
                let is_last = self.last.is_some_and(|(last, _)| last.message.body.as_ptr() == message.body.as_ptr());
                message.body.len().is_multiple_of(size) || is_last
            }
            Operator::Exchanged if mistake.field == Field::Basic => false,
            Operator::Narrowed if mistake.field == Field::Csid => message.csid < 64,
            Operator::Widened | Operator::Narrowed | Operator::Exchanged => {
                let last = match mistake.field {
                    Field::Timestamp => 2,
                    Field::StreamId => 0,
                    _ => 1,
                };
                message.fmt > last
            }
            // The last one is not spared: it shows there.
            Operator::Plus(more) if mistake.field == Field::Payload => {
                more > 0 && self.last.is_some_and(|(last, _)| last.message.body.as_ptr() == message.body.as_ptr())
            }
            operator => match mistake.field {
                Field::Continuation | Field::ExtendedAgain | Field::ChunkSize => {
                    let chunks = match mistake.scope.chunks {
                        Some(Chunks::Nth(number) | Chunks::From(number)) => number.max(1),
                        Some(Chunks::Last) | None => 1,
                    };
                    message.body.len() as u64 <= 128 * u64::from(chunks)
                }
                field => field
                    .number(message)
                    .is_none_or(|(value, bytes)| operator.apply(value, bytes).is_none_or(|written| written == value)),
            },
        };
        let before = self.anchors.before.iter().filter(|message| mistake.scope.covers(message));
        mistake.scope.from_here || before.into_iter().all(is_spared)
    }

    /// Takes messages until one is not what it should be.
    pub fn follow(&mut self) {
        while !self.is_done() && !self.is_spent() && self.step(true) {}
    }

    /// Takes B's own messages until one is not sound.
    pub fn follow_own(&mut self) {
        while !self.is_done() && !self.is_spent() && self.own_or_cut() {}
    }

    /// The messages that may be next, each as the bytes have its style.
    pub fn due(&self, headers: Headers) -> Vec<(Due<'r>, usize)> {
        let mut all = Vec::new();
        for (lane, due) in self.anchors.lanes.iter().enumerate() {
            for (ahead, due) in due[self.next[lane]..].iter().take(AHEAD).enumerate() {
                for message in self.styles(due.message, headers) {
                    all.push((Due { message, ..*due }, self.next[lane] + ahead + 1));
                }
            }
        }
        all
    }

    /// Takes the next message, whichever it is.
    fn step(&mut self, may_alternate: bool) -> bool {
        for (due, next) in self.due(Headers::AsWritten) {
            let mut trial = self.clone();
            trial.next[lane(due.message.type_id)] = next;
            if trial.write_at(&due.message, may_alternate) {
                trial.last = Some((due, next));
                trial.note_time(&due.message, due.time);
                *self = trial;
                return true;
            }
            self.effort = trial.effort;
        }
        if !self.is_alone || self.sender.mistakes.is_empty() {
            return self.own();
        }
        // A body without a form of its own can be read with any length: with the right one another header follows.
        let mut trial = self.clone();
        if trial.own() && (trial.is_done() || interrupted::proof_of(&trial, &self.raw[trial.at..]) > 0) {
            *self = trial;
            return true;
        }
        self.effort = trial.effort;
        self.built() || self.own_or_cut()
    }

    /// Takes a message that says of itself how long it is, with the mistakes made so far.
    fn built(&mut self) -> bool {
        for built in alone::bodies(self) {
            let mut trial = self.clone();
            if trial.write(&built.message()) {
                trial.bits += built.bits;
                *self = trial;
                return true;
            }
            self.effort = trial.effort;
        }
        false
    }

    /// How many messages of a kind A has had.
    pub fn next_of(&self, lane: usize) -> usize {
        self.next[lane]
    }

    /// Whether a chunk stream has lately had messages of a type.
    pub fn has_had(&self, csid: u32, type_id: MessageTypeId) -> bool {
        const LATELY: usize = 64;
        let before = self.anchors.before.iter().rev().take(LATELY);
        before.into_iter().any(|message| (message.csid, message.type_id) == (csid, type_id))
    }

    /// The stream and chunk stream of the last message that was beyond doubt.
    pub fn last_before(&self) -> Option<Message<'r>> {
        self.anchors.before.last().copied()
    }

    /// Takes the message of a candidate, with the mistake that it is about.
    pub fn take(&mut self, candidate: &Candidate<'_>) -> bool {
        let message = candidate.message;
        self.wrong = self.at + candidate.wrong_at;
        if candidate.is_behind {
            return match candidate.mistake.operator {
                Operator::Stray(length) => self.skip(length as usize) && self.step(true),
                Operator::Plus(extra) => self.skip(extra as usize),
                _ => {
                    let size = self.sender.chunk_size() as usize;
                    let padding = (size - message.body.len() % size) % size;
                    padding > 0 && self.compare(&vec![0; padding])
                }
            };
        }
        self.next[lane(message.type_id)] = candidate.next;
        match candidate.mistake.operator {
            Operator::Cut(length) => {
                let total = self.length_of(&message);
                self.dropped = self.meant + u64::from(length)..self.meant + total;
            }
            Operator::Lost(at, length) => {
                self.dropped = self.meant + u64::from(at)..self.meant + u64::from(at) + u64::from(length);
            }
            Operator::Inserted(..) => {
                // The first is the last to be taken from the end.
                let inserted = candidate.inserted.iter().rev();
                self.inserted = inserted.map(|&(at, length)| (self.meant + u64::from(at), length as usize)).collect();
            }
            _ => {}
        }
        let is_written = self.write(&message);
        self.note_time(&message, candidate.time);
        is_written
    }

    /// Takes note of how much later than in A a message is.
    fn note_time(&mut self, message: &Message<'_>, in_a: u32) {
        let now = message.timestamp.wrapping_sub(in_a);
        let before = self.shift.replace(now).unwrap_or(now);
        let moved = now.wrapping_sub(before).min(before.wrapping_sub(now));
        self.jumps += u32::from(message.type_id.is_media() && moved > FAR);
    }

    /// How many bytes a message has as it is written.
    fn length_of(&self, message: &Message<'_>) -> u64 {
        let mut sender = self.sender.clone();
        let (mut from, mut total) = (0, 0);
        loop {
            let chunk = sender.next(message, from);
            from += chunk.covered();
            total += chunk.len() as u64;
            if from >= message.body.len() || chunk.payload.is_empty() {
                return total;
            }
        }
    }

    /// Writes a message; false if the bytes are others.
    fn write(&mut self, message: &Message<'_>) -> bool {
        self.write_at(message, true)
    }

    fn write_at(&mut self, message: &Message<'_>, may_alternate: bool) -> bool {
        self.count_mistakes(message);
        let (mut from, mut between) = (0, 0);
        loop {
            let before = self.sender.clone();
            let chunk = self.sender.next(message, from);
            let at = (self.at, self.meant);
            let is_written = self.compare(&chunk.header) && {
                let begins = self.at;
                let is_written = self.compare(chunk.payload);
                self.content += self.at.saturating_sub(begins.max(self.wrong)) as u64;
                is_written
            };
            if !is_written || !self.compare(&vec![0; chunk.padding]) || !self.skip(chunk.extra) {
                (self.at, self.meant) = at;
                self.sender = before;
                between += 1;
                if from == 0 || !may_alternate || between > MOST_BETWEEN || !self.between(message.csid) {
                    return false;
                }
                continue;
            }
            from += chunk.covered();
            if from >= message.body.len() || self.is_done() {
                self.messages += u64::from(!self.sender.mistakes.is_empty());
                return true;
            }
        }
    }

    /// Passes over bytes that belong to nothing.
    fn skip(&mut self, extra: usize) -> bool {
        let bytes = self.raw.get(self.at..self.at + extra).unwrap_or_default();
        self.strange += bytes.iter().filter(|byte| **byte != 0).count() as u32;
        self.at += extra;
        self.meant += extra as u64;
        self.at <= self.raw.len()
    }

    /// Counts the mistakes that make a message's bytes others than they should be.
    fn count_mistakes(&mut self, message: &Message<'_>) {
        for (index, mistake) in self.sender.mistakes.iter().enumerate() {
            if !mistake.scope.covers(message) {
                continue;
            }
            let mut without = self.sender.clone();
            without.mistakes.remove(index);
            let is_made = match mistake.field {
                Field::Payload if matches!(mistake.operator, Operator::Plus(_)) => true,
                Field::Continuation | Field::ExtendedAgain | Field::ChunkSize | Field::Payload => {
                    message.body.len() > self.sender.chunk_size() as usize
                }
                Field::Message => true,
                _ => without.next(message, 0).header != self.sender.clone().next(message, 0).header,
            };
            if is_made {
                self.made.push(Made { operator: mistake.operator, field: mistake.field });
            }
        }
    }

    /// Takes a message on another chunk stream between two chunks of one.
    fn between(&mut self, csid: u32) -> bool {
        let mut trial = self.clone();
        let is_other = self.raw.get(self.at).is_some_and(|byte| u32::from(byte & 0x3f) != csid);
        let is_taken = is_other && trial.step(false);
        if is_taken {
            *self = trial;
        } else {
            self.effort = trial.effort;
        }
        is_taken
    }

    /// Compares what is written next with the bytes; what is dropped is not there.
    fn compare(&mut self, mut piece: &[u8]) -> bool {
        while !piece.is_empty() {
            let before = self.dropped.start.saturating_sub(self.meant);
            let mut until_inserted = usize::MAX;
            if let Some(&(meant, length)) = self.inserted.last() {
                if meant == self.meant {
                    self.at = (self.at + length).min(self.raw.len());
                    self.inserted.pop();
                    continue;
                } else {
                    until_inserted = meant.saturating_sub(self.meant) as usize;
                }
            }
            let in_dropped = self.dropped.contains(&self.meant);
            let len = match in_dropped {
                true => (self.dropped.end - self.meant).min(piece.len() as u64) as usize,
                false if before > 0 && self.dropped.end > self.meant => (piece.len() as u64).min(before) as usize,
                false => piece.len(),
            };
            let len = len.min(until_inserted);
            let (now, rest) = piece.split_at(len);
            piece = rest;
            self.meant += len as u64;
            if in_dropped {
                continue;
            }
            let there = &self.raw[self.at..];
            let common = now.len().min(there.len());
            self.effort += common.min(16) as u64;
            if now[..common] != there[..common] {
                return false;
            }
            self.effort += common as u64;
            self.at += common;
            if common < now.len() {
                // The bytes end here.
                return true;
            }
        }
        true
    }

    /// The message as the bytes here have its style.
    fn styles(&self, message: Message<'r>, headers: Headers) -> Vec<Message<'r>> {
        let raw = &self.raw[self.at..];
        let (Some(&first), Some(here)) = (raw.first(), id_at(raw)) else { return Vec::new() };
        let last = self.anchors.before.iter().rev().find(|before| before.type_id == message.type_id);
        let known = last.map_or(message.csid, |last| last.csid);
        let msid = last.map_or_else(|| self.msid_of_streams().unwrap_or(message.msid), |last| last.msid);
        let own = (last.map_or(message.form, |last| last.form), known);
        let mut ids = vec![here, own];
        ids.extend(self.id_of_next_chunk(raw).filter(|_| message.body.len() > self.sender.chunk_size() as usize));
        let is_of_header = |mistake: &Mistake| {
            matches!(mistake.field, Field::Format | Field::Basic)
                || (mistake.operator, mistake.field) == (Operator::Narrowed, Field::Csid)
        };
        let is_open = headers == Headers::Any || self.sender.mistakes.iter().any(is_of_header);
        // The six bits before the two.
        ids.extend(Some((1, u32::from(first >> 2))).filter(|id| is_open && id.1 >= 2));
        ids.sort_by_key(|id| *id != here);
        ids.dedup();
        let mut all: Vec<Message<'_>> = Vec::new();
        for (form, csid) in ids {
            if (form, csid) != (1, u32::from(first >> 2)) || csid == here.1 || csid == known {
                self.timed(Message { csid, form, fmt: first >> 6, ..message }, msid, is_open, &mut all);
            }
            for fmt in (0..4).filter(|&fmt| is_open && fmt != first >> 6) {
                let style = Message { csid, form, fmt, ..message };
                let is_tried = match headers {
                    Headers::Any => csid == here.1 || self.is_swapped(&style),
                    Headers::AsWritten => self.is_as_written(&style),
                };
                if is_tried && self.sender.takes(&style) {
                    self.timed(style, msid, is_open, &mut all);
                }
            }
        }
        all
    }

    /// Adds a message with the times and the streams that a header of its format has here.
    fn timed(&self, style: Message<'r>, msid: u32, is_open: bool, all: &mut Vec<Message<'r>>) {
        let Message { csid, form, fmt, .. } = style;
        let raw = &self.raw[self.at..];
        let basic = if csid < 64 { 1 } else { usize::from(form).max(2) };
        let sent = self.sender.sent(csid);
        let named = (fmt == 0).then(|| raw.get(basic + 7..basic + 11)).flatten();
        let named = named.and_then(|bytes| bytes.first_chunk()).map(|&bytes| u32::from_le_bytes(bytes));
        let named = named.filter(|&named| named <= MOST_STREAMS);
        let msid = if style.msid == 0 { 0 } else { msid };
        let mut times = self.times_at(raw, fmt, basic);
        if basic > 1 && is_open {
            times.extend(self.times_at(raw, fmt, basic - 1));
        }
        let of_width = |mistake: &Mistake| {
            mistake.field == Field::Timestamp && matches!(mistake.operator, Operator::Widened | Operator::Narrowed)
        };
        if fmt < 3 && (is_open || self.sender.mistakes.iter().any(of_width)) {
            let rest = raw.get(basic..).unwrap_or_default();
            times.extend(rest.first_chunk().map(|&two| Some(u32::from(u16::from_be_bytes(two)))));
            times.extend(rest.first_chunk().map(|&four| Some(u32::from_be_bytes(four))));
            times.dedup();
        }
        for time in times {
            let timestamp = match (fmt, time, sent) {
                (0, Some(time), _) => time,
                (3, _, Some(sent)) => sent.timestamp.wrapping_add(sent.delta),
                (_, Some(time), Some(sent)) => sent.timestamp.wrapping_add(time),
                (_, Some(time), None) => time,
                _ => style.timestamp,
            };
            for msid in [Some(msid), named.filter(|&named| named != msid)].into_iter().flatten() {
                all.push(Message { timestamp, msid, ..style });
            }
        }
    }

    /// Whether the sender, with its mistakes, begins a message with the byte that is here.
    fn is_as_written(&self, message: &Message<'_>) -> bool {
        let header = self.sender.clone().next(message, 0).header;
        header.first() == self.raw.get(self.at)
    }

    /// Whether the byte here has the two parts of a message's basic header in each other's place.
    pub fn is_swapped(&self, message: &Message<'_>) -> bool {
        let swapped = u8::try_from(message.csid).ok().filter(|csid| *csid < 64).map(|csid| csid << 2 | message.fmt);
        swapped.as_ref() == self.raw.get(self.at)
    }

    /// The id, and the length of its form, in the type 3 header where the first chunk of a message ends.
    pub fn id_of_next_chunk(&self, raw: &[u8]) -> Option<(u8, u32)> {
        let &first = raw.first()?;
        let header = basic_len(first) + [11, 7, 3, 0][usize::from(first >> 6)];
        let next = raw.get(header + self.sender.chunk_size() as usize..)?;
        next.first().filter(|first| *first >> 6 == 3).and_then(|_| id_at(next))
    }

    /// What the time field of a header here may say: the greatest value stands for an extended timestamp, or itself.
    pub fn times_at(&self, raw: &[u8], fmt: u8, basic: usize) -> Vec<Option<u32>> {
        let Some(bytes) = raw.get(basic..basic + 3).filter(|_| fmt < 3) else { return vec![None] };
        let time = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        if time < EXTENDED {
            return vec![Some(time)];
        }
        let behind = basic + [11, 7, 3][usize::from(fmt)];
        let extended = raw.get(behind..).and_then(|rest| rest.first_chunk()).map(|&bytes| u32::from_be_bytes(bytes));
        vec![extended, Some(time)]
    }

    /// The message stream that B's commands and media used last.
    pub fn msid_of_streams(&self) -> Option<u32> {
        self.anchors.before.iter().rev().map(|message| message.msid).find(|&msid| msid > 0)
    }

    /// How many zeros a sender that fills the last chunk up puts after a message.
    fn padding(&self, type_id: MessageTypeId, length: u32) -> usize {
        let covers = |mistake: &Mistake| {
            mistake.operator == Operator::Padded
                && mistake.scope.type_id.is_none_or(|of| of == type_id)
                && mistake.scope.longer_than.is_none_or(|than| length > than)
        };
        let size = self.sender.chunk_size();
        if self.sender.mistakes.iter().any(covers) { ((size - length % size) % size) as usize } else { 0 }
    }

    /// Takes a message of B's own, or the beginning of one that the bytes end in.
    pub fn own_or_cut(&mut self) -> bool {
        if self.own() {
            return true;
        }
        let raw = &self.raw[self.at..];
        let Ok(header) = ChunkHeader::read(&mut Reader::new(raw, &mut ()), |_| false) else { return false };
        let sent = self.sender.sent(header.csid.0);
        let Some(length) = header.length.or(sent.map(|sent| sent.length)) else { return false };
        let is_known = header.type_id.or(sent.map(|sent| sent.type_id)).is_some_and(MessageTypeId::is_known);
        let is_cut = is_known && sent.is_some() && usize::from(header.len) + length as usize > raw.len();
        let size = self.sender.chunk_size() as usize;
        let basic = basic_len(raw[0]);
        let is_next = |at: usize| {
            let bytes = raw[at..].iter().zip(&raw[..basic]).enumerate();
            bytes.into_iter().all(|(index, (there, first))| *there == if index == 0 { first | 0xc0 } else { *first })
        };
        let mut inside = (usize::from(header.len) + size..raw.len()).step_by(size + basic);
        if is_cut && inside.all(is_next) {
            self.at += raw.len();
            return true;
        }
        false
    }

    /// Takes a message that A has not, if its header and body are sound.
    pub fn own(&mut self) -> bool {
        let raw = &self.raw[self.at..];
        let Ok(header) = ChunkHeader::read(&mut Reader::new(raw, &mut ()), |_| false) else { return false };
        let csid = header.csid.0;
        let sent = self.sender.sent(csid);
        let inherited = sent.map(|sent| (sent.length, sent.type_id));
        let Some((length, type_id)) = header.length.zip(header.type_id).or(inherited) else { return false };
        // librtmp begins its chunk stream for control messages with format 1.
        let msid = header.message_stream_id.map(|msid| msid.0).or(sent.map(|sent| sent.msid)).unwrap_or(0);
        if msid > MOST_STREAMS && self.anchors.before.iter().all(|message| message.msid != msid) {
            return false;
        }
        let takes_media = self.is_alone || self.own_media && self.sender.mistakes.is_empty();
        if type_id.is_media() && !takes_media {
            return false;
        }
        let mut body = Vec::new();
        let mut at = usize::from(header.len);
        let size = self.sender.chunk_size() as usize;
        let basic = &raw[..basic_len(raw[0])];
        while body.len() < length as usize {
            if !body.is_empty() {
                let is_next = |(index, byte): (usize, &u8)| {
                    raw.get(at + index) == Some(&if index == 0 { byte | 0xc0 } else { *byte })
                };
                if !basic.iter().enumerate().all(is_next) {
                    return false;
                }
                at += basic.len();
            }
            let take = size.min(length as usize - body.len());
            let Some(bytes) = raw.get(at..at + take) else { return false };
            body.extend_from_slice(bytes);
            at += take;
        }
        self.effort += at as u64;
        // A message of a type that does not exist is one all the same, if another header follows it.
        let is_followed = || interrupted::proof_of(self, &self.raw[self.at + at..]) > 0;
        let is_other = !type_id.is_known() && !body.is_empty() && !self.is_alone;
        let is_taken = is_sound(type_id, &body) || is_other && is_followed();
        if !is_taken {
            return false;
        }
        let (timestamp, delta) = match (header.fmt, header.time, sent) {
            (0, Some(time), _) => (time, time),
            (_, time, Some(sent)) => {
                let delta = time.unwrap_or(sent.delta);
                (sent.timestamp.wrapping_add(delta), delta)
            }
            (_, time, None) => (time.unwrap_or(0), time.unwrap_or(0)),
        };
        self.sender.observe(csid, Sent { timestamp, delta, length, type_id, msid });
        if let (MessageTypeId::SET_CHUNK_SIZE, Some(&size)) = (type_id, body.first_chunk()) {
            self.sender.announce(u32::from_be_bytes(size));
        }
        let padding = self.padding(type_id, length);
        if !raw[at..].iter().take(padding).all(|&byte| byte == 0) {
            return false;
        }
        at = (at + padding).min(raw.len());
        if !self.sender.mistakes.is_empty() {
            self.bits += 8 + alone::evidence(type_id, &body);
        }
        self.last_own = Some((type_id, length));
        self.at += at;
        self.meant += at as u64;
        true
    }
}

/// The chunk stream id of a basic header, after the length of its form (RTMP 1.0 5.3.1.1).
pub fn id_at(raw: &[u8]) -> Option<(u8, u32)> {
    Some(match (raw.first()? & 0x3f, raw.get(1), raw.get(2)) {
        (0, Some(&low), _) => (2, 64 + u32::from(low)),
        (1, Some(&low), Some(&high)) => (3, 64 + u32::from(low) + 256 * u32::from(high)),
        (id, ..) => (1, id.into()),
    })
}

/// How many bytes a basic header has (RTMP 1.0 5.3.1.1).
pub fn basic_len(first: u8) -> usize {
    match first & 0x3f {
        0 => 2,
        1 => 3,
        _ => 1,
    }
}
