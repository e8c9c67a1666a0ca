//! A script followed against bytes: which message comes next, and whether its sender writes just these bytes.

mod own;
mod styles;

use crate::rtmp::MessageTypeId;
use crate::rtmp::chunk::EXTENDED;
use crate::sender::{Chunks, Field, Message, Mistake, Operator, Sender};

use super::alone;
use super::anchors::{Anchors, Due, lane};
use super::candidates::Candidate;
use super::interrupted;
use super::{Made, WORK};

pub use styles::{Headers, basic_len, id_at};

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
    /// How much later than in A the last media message is.
    shift: Option<u32>,
    /// How often that jumped: then a header was read wrongly, or a time was written so.
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

    /// The message stream that B's commands and media used last.
    pub fn msid_of_streams(&self) -> Option<u32> {
        self.anchors.before.iter().rev().map(|message| message.msid).find(|&msid| msid > 0)
    }
}
