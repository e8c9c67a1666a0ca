//! Calls and their answers: which `_result` belongs to which `connect`, and how long it took.
//!
//! Takes a connection's events as they come, gives for each command what it answers, or what is wrong
//! with it as an answer; at the end a [`Report`] of what stayed unanswered. One [`Transactions`] for each
//! connection, kept by its observers. Two kinds of answer are told apart, [`By`]:
//!
//! - By **transaction**: `_result` or `_error` carries the transaction id of a command from the other side
//!   (RTMP 1.0 7.2). If an id is used again while it is open, the oldest unanswered call is taken, with a
//!   [doubt](Response::doubt). Id 0 asks for no answer and is never linked so.
//! - By **status**: `publish` and `play` are answered by an `onStatus` on their message stream (7.2.2), which
//!   names no call. The first that fits is treated as the answer; `FCPublish` and its like have `onFCPublish`.
//!
//! Bytes that wait for others before them are delivered late, so an answer can be heard before its call. Where the
//! other direction is not all known, answers without a call are remembered, and a call that was captured before one
//! of them is linked when it is heard.
//!
//! An answer is called wrong only where the other direction was seen from its handshake on without a hole.
//! Whether a call should have been answered in this way or in that is not judged here.

mod report;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{Direction, Event, Kind};
use crate::amf::{Number, Str, Value};
use crate::origin::{Form, FrameNo, Source, Time};
use crate::rtmp::body::{self, Body};
use crate::rtmp::decoder::HandshakePart;
use crate::rtmp::handshake::Part;
use crate::rtmp::message::{Ending, Message};
use crate::rtmp::{Defect, MessageStreamId, MessageTypeId};

pub use report::{Report, ResponseTimes, Unanswered, milliseconds};

/// How many calls of a connection are remembered; the oldest are forgotten.
const MOST: usize = 4096;
/// How many answers are remembered whose call may be heard later; the oldest are forgotten.
const MOST_EARLY: usize = 64;
/// How many characters of a command's name are kept. The longest known has 17.
const NAME: usize = 64;

/// One connection's calls.
#[derive(Debug, Default)]
pub struct Transactions {
    sides: [Side; 2],
    /// The calls that an answer may still come for, in order of arrival.
    calls: BTreeMap<Serial, Call>,
    /// Those with a transaction id, the unanswered first.
    by_id: BTreeSet<(Direction, Id, IsAnswered, Serial)>,
    /// Those that wait for a status.
    by_status: BTreeSet<(Direction, &'static str, Option<MessageStreamId>, Serial)>,
    /// The ids that were answered by transaction, with the frame of the answer.
    answered: BTreeMap<(Direction, Id), FrameNo>,
    /// Answers whose call was not heard yet.
    early: VecDeque<Early>,
    next: Serial,
    /// Whether anything had to be forgotten: then a missing call proves nothing.
    is_forgetful: bool,
    tally: report::Tally,
}

/// A call's place in the order of arrival.
type Serial = u64;
/// A transaction id's bits: they can be sorted, and ids that count up sort as they count.
type Id = u64;
type IsAnswered = bool;

/// An answer that was heard before its call.
#[derive(Debug)]
struct Early {
    /// Who has called, if anybody has.
    caller: Direction,
    names: Names,
    at: AnswerPlace,
    is_error: bool,
}

/// What an answer names of its call.
#[derive(Debug, PartialEq)]
enum Names {
    Transaction(Id),
    Status(&'static str, Option<MessageStreamId>),
}

/// Where an answer is: the frame that completed it and its time, and its first byte in the direction's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerPlace {
    /// Offset of its first byte.
    pub offset: u64,
    /// The frame that completed it.
    pub frame: FrameNo,
    /// The time of `frame`.
    pub time: Time,
}

/// What was seen of a direction.
#[derive(Debug, Default)]
struct Side {
    from_start: bool,
    has_holes: bool,
    /// Whether it sent a command with id 0. Some servers answer even those.
    has_zero: bool,
}

/// A command that asks for an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Who called.
    pub direction: Direction,
    /// Offset of its first byte in the direction's stream. With the direction it names the message.
    pub offset: u64,
    /// The frame that completed it.
    pub frame: FrameNo,
    /// The frame that holds its first byte.
    pub first_frame: FrameNo,
    /// The time of `frame`.
    pub time: Time,
    /// The command's name; of very long ones the beginning.
    pub name: String,
    /// Its transaction id, if it has one.
    pub transaction_id: Option<f64>,
    /// Its message stream, if known.
    pub message_stream_id: Option<MessageStreamId>,
    is_answered: bool,
}

/// What a command is to the calls before it.
#[derive(Clone, Debug, PartialEq)]
pub enum TransactionOutcome {
    /// It answers one.
    Response(Response),
    /// It is a call, and this answer to it was heard before it.
    AnsweredBefore(Response, AnswerPlace),
    /// It is an answer, and wrong as such.
    Wrong(Defect),
}

/// An answer's link to its call. Serialized, it is `answers` of the row format.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The call.
    pub call: Call,
    /// From the frame that completed the call to the one that completed the answer, in nanoseconds.
    /// Negative if the capture's clock went back.
    pub response_time: i64,
    /// How it is known.
    pub by: By,
    /// What speaks against this call, if anything does.
    pub doubt: Option<&'static str>,
    /// Whether it says that the call failed: `_error`, or a status of level `error`.
    pub is_error: bool,
}

/// How an answer is known to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// It carries the call's transaction id.
    Transaction,
    /// It is the first status that fits the call.
    Status,
}

/// A command, as far as calls are concerned.
struct CommandMessage<'a> {
    direction: Direction,
    name: &'a str,
    id: Option<f64>,
    stream: Option<MessageStreamId>,
    code: Option<Str<'a>>,
    is_error: bool,
    offset: u64,
    first_frame: FrameNo,
    frame: FrameNo,
    time: Time,
    /// Whether all that its sender knew of the other side when it was sent is in the capture.
    is_all_known: bool,
}

impl Transactions {
    /// Takes an event of the connection. Gives what a command answers, or what is wrong with it.
    pub fn event(&mut self, event: &Event<'_>) -> Option<TransactionOutcome> {
        let side = &mut self.sides[event.direction.index()];
        match &event.kind {
            Kind::Handshake(HandshakePart { part, complete, .. }, _) => {
                side.from_start |= *complete && *part != Part::C2;
                None
            }
            Kind::Gap(_) | Kind::Undecoded { .. } => {
                side.has_holes = true;
                None
            }
            Kind::Message(message) => {
                side.has_holes |= !message.is_complete();
                self.message(event, message)
            }
        }
    }

    /// Whether both directions were seen from their handshake on without a hole.
    pub fn is_whole(&self) -> bool {
        self.sides.iter().all(Side::is_whole)
    }

    /// The calls without an answer so far that should have one.
    pub fn unanswered(&self) -> impl Iterator<Item = &Call> {
        self.calls.values().filter(|call| !call.is_answered && !vocabulary::is_optional(&call.name))
    }

    /// What there is to say of the calls at the end, or so far.
    pub fn report(&self) -> Report {
        let unanswered = self.calls.values().filter(|call| !call.is_answered);
        self.tally.report(unanswered, self.is_whole())
    }

    fn message(&mut self, event: &Event<'_>, message: &Message) -> Option<TransactionOutcome> {
        let header = message.header;
        let is_command = matches!(header.type_id, MessageTypeId::AMF0_COMMAND | MessageTypeId::AMF3_COMMAND);
        // What the sender gave up, the receiver has not heard.
        if !is_command || matches!(message.ending, Ending::Aborted | Ending::Abandoned) {
            return None;
        }
        let decoded = body::decode(header.type_id, message.decodable(), header.length, &mut ());
        let Body::Command(command) = decoded.body else { return None };
        let property = |name: &[u8]| command.arguments().iter().find_map(|value| value.property(name)?.as_str());
        let ((first_frame, _), (frame, time)) = event.frames(message.start()..message.end());
        let is_decrypted = |source: Source| matches!(source.form, Form::Decrypted { .. });
        let is_tunnelled = event.connection.is_tunnelled || event.sources.at(message.start()).is_some_and(is_decrypted);
        let back = event.direction.back();
        let other = event.connection.side(event.sender.peer());
        self.hear(&CommandMessage {
            direction: event.direction,
            name: &command.name()?.text(),
            id: command.values.get(1).and_then(Value::as_number),
            stream: header.message_stream_id,
            code: property(b"code"),
            is_error: property(b"level").is_some_and(|level| level == "error"),
            offset: message.start(),
            first_frame,
            frame,
            time,
            // A hole shows only later, but what the sender has acknowledged shows now.
            // In a tunnel it does not: offsets inside are others, and a record that cannot be decrypted is told of when
            // the next one can.
            is_all_known: self.sides[back.index()].is_whole()
                && other.acknowledged <= Some(other.delivered)
                && !is_tunnelled,
        })
    }

    fn hear(&mut self, said: &CommandMessage<'_>) -> Option<TransactionOutcome> {
        if matches!(said.name, "_result" | "_error") {
            return self.result(said);
        }
        if let Some(status) = vocabulary::status(said.name, said.code) {
            return self.status(said, status).map(TransactionOutcome::Response);
        }
        if said.name == "onStatus" { None } else { self.call(said) }
    }

    fn call(&mut self, said: &CommandMessage<'_>) -> Option<TransactionOutcome> {
        let status = vocabulary::answering_status(said.name);
        let id = said.id.filter(|&id| id != 0.0).map(f64::to_bits);
        self.sides[said.direction.index()].has_zero |= said.id == Some(0.0);
        if id.is_none() && status.is_none() {
            return None;
        }
        let serial = self.next;
        self.next += 1;
        self.tally.count += 1;
        if let Some(id) = id {
            self.by_id.insert((said.direction, id, false, serial));
        }
        if let Some(status) = status {
            self.by_status.insert((said.direction, status, said.stream, serial));
        }
        let call = Call {
            direction: said.direction,
            offset: said.offset,
            frame: said.frame,
            first_frame: said.first_frame,
            time: said.time,
            name: said.name.chars().take(NAME).collect(),
            transaction_id: said.id,
            message_stream_id: said.stream,
            is_answered: false,
        };
        self.calls.insert(serial, call);
        if self.calls.len() > MOST {
            self.forget_oldest();
        }
        self.answered_before(said, serial, id, status)
    }

    /// Links a call to the first answer that was heard before it, and captured after it.
    fn answered_before(
        &mut self,
        said: &CommandMessage<'_>,
        serial: Serial,
        id: Option<Id>,
        status: Option<&'static str>,
    ) -> Option<TransactionOutcome> {
        let answers = |early: &Early| match early.names {
            Names::Transaction(named) => id == Some(named),
            Names::Status(named, stream) => status == Some(named) && stream == said.stream,
        };
        let is_after = |early: &Early| (early.at.time, early.at.frame) > (said.time, said.frame);
        let place =
            self.early.iter().position(|early| early.caller == said.direction && answers(early) && is_after(early))?;
        let Early { names, at, is_error, .. } = self.early.remove(place)?;
        let by = match names {
            Names::Transaction(id) => {
                self.take_transaction(said.direction, id, false, serial, at.frame);
                By::Transaction
            }
            Names::Status(status, stream) => {
                self.by_status.remove(&(said.direction, status, stream, serial));
                By::Status
            }
        };
        let response = self.answer(serial, at.time, by, None, is_error)?;
        Some(TransactionOutcome::AnsweredBefore(response, at))
    }

    /// Remembers an answer whose call may be heard later.
    fn remember_early(&mut self, said: &CommandMessage<'_>, names: Names, is_error: bool) {
        if said.is_all_known {
            return;
        }
        if self.early.len() == MOST_EARLY {
            self.early.pop_front();
        }
        let at = AnswerPlace { offset: said.offset, frame: said.frame, time: said.time };
        self.early.push_back(Early { caller: said.direction.back(), names, at, is_error });
    }

    /// Takes note that a call has its answer by transaction.
    fn take_transaction(&mut self, caller: Direction, id: Id, was_answered: bool, serial: Serial, frame: FrameNo) {
        self.by_id.remove(&(caller, id, was_answered, serial));
        self.answered.insert((caller, id), frame);
        if self.answered.len() > MOST {
            self.answered.pop_first();
            self.is_forgetful = true;
        }
    }

    fn forget_oldest(&mut self) {
        let Some((serial, call)) = self.calls.pop_first() else { return };
        self.is_forgetful = true;
        self.tally.forgotten += u64::from(!call.is_answered);
        if let Some(id) = call.transaction_id {
            self.by_id.remove(&(call.direction, id.to_bits(), call.is_answered, serial));
        }
        if let Some(status) = vocabulary::answering_status(&call.name) {
            self.by_status.remove(&(call.direction, status, call.message_stream_id, serial));
        }
    }

    /// An answer by transaction.
    fn result(&mut self, said: &CommandMessage<'_>) -> Option<TransactionOutcome> {
        let caller = said.direction.back();
        let Some(id) = said.id else {
            let text = format!("{} has no transaction id, so it answers no call (RTMP 1.0 7.2)", said.name);
            return self.wrong(said, "answer-without-call", text);
        };
        let bits = id.to_bits();
        let mut open = self.by_id.range((caller, bits, false, 0)..=(caller, bits, true, Serial::MAX));
        if let Some(&(_, _, was_answered, serial)) = open.next() {
            let is_one_of_many = !was_answered && open.next().is_some_and(|(_, _, is_answered, _)| !is_answered);
            let doubt = is_one_of_many.then_some(ONE_OF_MANY);
            self.take_transaction(caller, bits, was_answered, serial, said.frame);
            let is_error = said.name == "_error";
            return self.answer(serial, said.time, By::Transaction, doubt, is_error).map(TransactionOutcome::Response);
        }
        self.remember_early(said, Names::Transaction(bits), said.name == "_error");
        let (name, id) = (said.name, vocabulary::number(id));
        if let Some(frame) = self.answered.get(&(caller, bits)) {
            let place = frame.known().map(|frame| format!(", in frame {frame}")).unwrap_or_default();
            let text = format!("the call with transaction id {id} has its answer already{place}");
            return self.wrong(said, "answered-twice", text);
        }
        if said.id == Some(0.0) && self.sides[caller.index()].has_zero {
            return None;
        }
        let own = said.direction;
        let is_own = self.answered.contains_key(&(own, bits))
            || self.by_id.range((own, bits, false, 0)..=(own, bits, true, Serial::MAX)).next().is_some();
        if is_own {
            let text = format!("{name} has the transaction id {id} of a call by the same side, which cannot answer it");
            return self.wrong(said, "answer-wrong-direction", text);
        }
        let text = format!(
            "{name} has transaction id {id}, but the other side made no call with it: the caller keeps waiting"
        );
        self.wrong(said, "answer-without-call", text)
    }

    fn wrong(&self, said: &CommandMessage<'_>, code: &'static str, message: String) -> Option<TransactionOutcome> {
        let is_certain = said.is_all_known && !self.is_forgetful;
        is_certain.then_some(TransactionOutcome::Wrong(Defect { code, offset: said.offset, message }))
    }

    /// An answer by status: of the oldest call on its message stream, or of the only one on another.
    fn status(&mut self, said: &CommandMessage<'_>, status: &'static str) -> Option<Response> {
        let caller = said.direction.back();
        let on = |from, to| (caller, status, from, 0)..=(caller, status, to, Serial::MAX);
        let mut here = self.by_status.range(on(said.stream, said.stream));
        let (&key, doubt) = if let Some(key) = here.next() {
            (key, here.next().map(|_| ONE_OF_MANY))
        } else {
            let mut anywhere = self.by_status.range(on(None, Some(MessageStreamId(u32::MAX))));
            let Some(only) = anywhere.next().filter(|_| anywhere.next().is_none()) else {
                self.remember_early(said, Names::Status(status, said.stream), said.is_error);
                return None;
            };
            (only, Some(ELSEWHERE))
        };
        self.by_status.remove(&key);
        self.answer(key.3, said.time, By::Status, doubt, said.is_error)
    }

    fn answer(
        &mut self,
        serial: Serial,
        time: Time,
        by: By,
        doubt: Option<&'static str>,
        is_error: bool,
    ) -> Option<Response> {
        let call = self.calls.get_mut(&serial)?;
        let response_time = time.since(call.time);
        let has_times = call.time.known().is_some();
        let id = call.transaction_id.map(f64::to_bits);
        if !std::mem::replace(&mut call.is_answered, true) {
            self.tally.answered(has_times.then_some(response_time), is_error);
            // It gives way to unanswered calls of its id, and to them only: a `_result` may still follow.
            if let Some(id) = id.filter(|&id| self.by_id.remove(&(call.direction, id, false, serial))) {
                self.by_id.insert((call.direction, id, true, serial));
            }
        }
        let call = call.clone();
        let awaits_result = id.is_some_and(|id| self.by_id.contains(&(call.direction, id, true, serial)));
        let awaits_status = vocabulary::answering_status(&call.name)
            .is_some_and(|status| self.by_status.contains(&(call.direction, status, call.message_stream_id, serial)));
        if !awaits_result && !awaits_status {
            self.calls.remove(&serial);
        }
        Some(Response { call, response_time, by, doubt, is_error })
    }
}

const ONE_OF_MANY: &str = "another call that it could answer is open";
const ELSEWHERE: &str = "the call was made on another message stream";

impl Side {
    fn is_whole(&self) -> bool {
        self.from_start && !self.has_holes
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Response { call, response_time, .. } = self;
        write!(f, "answers {}", call.name)?;
        let mut separator = " (";
        let mut add = |text: &dyn fmt::Display| {
            write!(f, "{separator}{text}")?;
            separator = ", ";
            Ok(())
        };
        if let Some(frame) = call.frame.known() {
            add(&format_args!("frame {frame}"))?;
        }
        if call.time.known().is_some() {
            add(&milliseconds(*response_time))?;
        }
        match (separator, self.doubt) {
            (" (", None) => Ok(()),
            (" (", Some(doubt)) => write!(f, " ({doubt})"),
            (_, None) => f.write_str(")"),
            (_, Some(doubt)) => write!(f, "; {doubt})"),
        }
    }
}

impl Serialize for Response {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("frame", &self.call.frame)?;
        map.serialize_entry("first_frame", &self.call.first_frame)?;
        map.serialize_entry("command", &self.call.name)?;
        if let Some(id) = self.call.transaction_id {
            map.serialize_entry("transaction_id", &Number(id))?;
        }
        let response_time = self.call.time.known().map(|_| report::seconds(self.response_time));
        map.serialize_entry("response_time", &response_time)?;
        map.serialize_entry("by", &self.by)?;
        if let Some(doubt) = self.doubt {
            map.serialize_entry("doubt", doubt)?;
        }
        map.end()
    }
}
