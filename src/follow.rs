//! A connection's bytes in the order of each direction's stream, with the layer that each belongs to; and the bytes of
//! one message or field.
//!
//! Takes the events of [`crate::session`] and the bytes before them. [`Follow`] returns [`Stretch`]es; what the decoder
//! has not finished yet is held until it is. [`Pick`] returns the bytes of a selection. How they look is left to others.

mod pick;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::decode::{Row, Selection};
use crate::dissect::vocabulary::Place;
use crate::dissect::{Dissection, Section};
use crate::field::Value;
use crate::origin::Time;
use crate::rtmp::message::Message;
use crate::session::{Direction, Event, Kind, Observer, RtmpSession};
use crate::tcp::{Connection, ConnectionId, Endpoint, Piece};

pub use pick::{Pick, Picked, What};

/// What a byte is to the layers above TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// TCP payload that is not decoded.
    Payload,
    /// A part of the handshake.
    Handshake,
    /// The header of a chunk.
    ChunkHeader,
    /// The body of a message, where it is not AMF.
    Body,
    /// Values of AMF.
    Amf,
}

/// Bytes of a direction that follow each other.
#[derive(Debug)]
pub struct Stretch<'a> {
    /// Which way they travelled.
    pub direction: Direction,
    /// Offset of the first in the direction's stream.
    pub offset: u64,
    /// What they are.
    pub bytes: Bytes<'a>,
    /// What begins with them.
    pub title: Option<&'a str>,
}

/// What is at a place of the stream.
#[derive(Debug)]
pub enum Bytes<'a> {
    /// These bytes.
    Captured(&'a [u8], Layer),
    /// So many bytes that were not captured.
    Missing(u64),
}

/// A place of the stream whose layer is known.
#[derive(Debug)]
struct Span {
    end: u64,
    layer: Layer,
    title: Option<String>,
}

/// One direction: bytes that wait for their layer, and layers that wait for the bytes before them.
#[derive(Debug, Default)]
struct Side {
    /// Everything before this offset was handed on.
    at: u64,
    waiting: BTreeMap<u64, Vec<u8>>,
    bytes: usize,
    spans: BTreeMap<u64, Span>,
}

/// Bytes that wait longer than this are handed on as payload.
const MOST_WAITING: usize = 96 << 20;

/// Hands on the bytes of one connection.
pub struct Follow<F> {
    id: ConnectionId,
    direction: Option<Direction>,
    sides: [Side; 2],
    seen: u64,
    emit: F,
}

impl<F: FnMut(&Stretch<'_>)> Follow<F> {
    /// Follows a connection, in one direction or both.
    pub fn new(id: ConnectionId, direction: Option<Direction>, emit: F) -> Follow<F> {
        Follow { id, direction, sides: Default::default(), seen: 0, emit }
    }

    fn flush(&mut self, sender: Endpoint, direction: Direction, is_over: bool) {
        let is_wanted = self.direction.is_none_or(|wanted| wanted == direction);
        let emit = &mut self.emit;
        self.sides[sender.index()].flush(is_over, |offset, bytes, title| {
            if is_wanted {
                emit(&Stretch { direction, offset, bytes, title });
            }
        });
    }
}

impl<F: FnMut(&Stretch<'_>)> Observer for Follow<F> {
    fn event(&mut self, event: &Event<'_>) {
        self.seen += 1;
        if event.connection.id != self.id {
            return;
        }
        let sender = event.sender;
        let side = &mut self.sides[sender.index()];
        let row = Row::new(self.seen, event, &Selection::default());
        let title = format!("row {}  {}", row.number, row.label());
        match &event.kind {
            Kind::Message(message) => side.message(message, &Dissection::new(&row, event, Time::default()), title),
            Kind::Handshake(part, _) => side.span(part.range.clone(), Layer::Handshake, Some(title)),
            Kind::Undecoded { range, .. } => side.span(range.clone(), Layer::Payload, Some(title)),
            Kind::Gap(gap) => side.span(gap.offset..gap.offset + gap.len, Layer::Payload, None),
        }
        self.flush(sender, event.direction, false);
    }

    fn bytes(&mut self, connection: &Connection, conversation: &RtmpSession, from: Endpoint, piece: &Piece<'_>) {
        if connection.id != self.id {
            return;
        }
        let side = &mut self.sides[from.index()];
        side.bytes += piece.bytes.len();
        match side.waiting.last_entry() {
            Some(mut last) if last.key() + last.get().len() as u64 == piece.offset => {
                last.get_mut().extend_from_slice(piece.bytes);
            }
            _ => _ = side.waiting.insert(piece.offset, piece.bytes.to_vec()),
        }
        if side.bytes > MOST_WAITING {
            self.flush(from, conversation.direction(from), true);
        }
    }

    fn closed(&mut self, connection: &Connection, conversation: &RtmpSession) {
        if connection.id == self.id {
            for sender in Endpoint::BOTH {
                self.flush(sender, conversation.direction(sender), true);
            }
        }
    }
}

impl Side {
    fn span(&mut self, range: Range<u64>, layer: Layer, title: Option<String>) {
        if range.end > self.at.max(range.start) {
            self.spans.insert(range.start, Span { end: range.end, layer, title });
        }
    }

    /// The layers of a message's chunks.
    fn message(&mut self, message: &Message, row: &Dissection<'_>, title: String) {
        let content = row.section(Place::Content);
        let amf = ranges_of_amf(content);
        let mut in_body = 0u64;
        for (number, chunk) in message.chunks.iter().enumerate() {
            let title = match number {
                0 => title.clone(),
                _ => format!("row {}  chunk {} of {}", row.row().number, number + 1, message.chunks.len()),
            };
            let payload = chunk.at + u64::from(chunk.header_len);
            self.span(chunk.at..payload, Layer::ChunkHeader, Some(title));
            let end = in_body + u64::from(chunk.payload);
            let mut at = in_body;
            let first = amf.partition_point(|range| range.end <= in_body);
            for range in amf[first..].iter().take_while(|range| range.start < end) {
                let (start, stop) = (range.start.max(at), range.end.min(end));
                self.span(payload + (at - in_body)..payload + (start - in_body), Layer::Body, None);
                self.span(payload + (start - in_body)..payload + (stop - in_body), Layer::Amf, None);
                at = stop;
            }
            self.span(payload + (at - in_body)..payload + (end - in_body), Layer::Body, None);
            in_body = end;
        }
    }

    /// Hands on what is known, in the order of the stream; all of it if no more comes.
    fn flush(&mut self, is_over: bool, mut emit: impl FnMut(u64, Bytes<'_>, Option<&str>)) {
        loop {
            let next = self.spans.first_key_value().map(|(start, span)| (*start, span.end));
            match next {
                // Two decoders of one place: what was handed on stays.
                Some((_, end)) if end <= self.at => _ = self.spans.pop_first(),
                Some((start, _)) if start <= self.at => {
                    if let Some((_, span)) = self.spans.pop_first() {
                        self.hand_on(span.end, span.layer, span.title.as_deref(), &mut emit);
                    }
                }
                Some((start, _)) if is_over => self.hand_on(start, Layer::Payload, None, &mut emit),
                None if is_over => {
                    let end = self.waiting.last_key_value().map_or(0, |(start, bytes)| start + bytes.len() as u64);
                    if end > self.at {
                        self.hand_on(end, Layer::Payload, None, &mut emit);
                    }
                    return;
                }
                _ => return,
            }
        }
    }

    /// Hands on the bytes up to `end`.
    fn hand_on(
        &mut self,
        end: u64,
        layer: Layer,
        mut title: Option<&str>,
        emit: &mut impl FnMut(u64, Bytes<'_>, Option<&str>),
    ) {
        while self.at < end {
            let Some(mut first) = self.waiting.first_entry().filter(|first| *first.key() < end) else {
                emit(self.at, Bytes::Missing(end - self.at), title.take());
                self.at = end;
                break;
            };
            let start = *first.key();
            if start > self.at {
                emit(self.at, Bytes::Missing(start - self.at), title.take());
            }
            let bytes = first.get_mut();
            let whole = start + bytes.len() as u64 <= end;
            let rest = if whole { Vec::new() } else { bytes.split_off((end - start) as usize) };
            emit(start, Bytes::Captured(bytes, layer), title.take());
            self.at = start + bytes.len() as u64;
            self.bytes -= bytes.len();
            first.remove();
            if !whole {
                self.waiting.insert(end, rest);
            }
        }
    }
}

/// The parts of a body that are AMF, in order.
fn ranges_of_amf(content: &Section<'_>) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for leaf in content.tree.leaves().filter(|leaf| leaf.value != Value::None && leaf.def.name.starts_with("amf.")) {
        let (start, end) = (leaf.range.start as u64, leaf.range.end as u64);
        match ranges.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => ranges.push(start..end),
        }
    }
    ranges
}
