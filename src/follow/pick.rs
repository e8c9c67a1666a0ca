//! The bytes of a selection: of a message, of a field, or of a part of a direction's stream.

use std::cell::Cell;
use std::ops::Range;

use crate::compare::{FieldPath, field_values_of};
use crate::decode::{Row, Selection};
use crate::dissect::{Dissection, paths, vocabulary};
use crate::field::counted;
use crate::origin::Time;
use crate::rtmp::body::{self, Body};
use crate::rtmp::class::{self, MessageClass};
use crate::rtmp::message::Message;
use crate::session::{ConnectionFilter, Direction, Event, Kind, Observer, RtmpSession};
use crate::tcp::{Connection, ConnectionId, Endpoint, Piece};

/// What is selected.
#[derive(Clone, Debug)]
pub enum What {
    /// The body of the message, or the bytes of the handshake, of this row.
    Row(u64),
    /// The first field of this name; of one row, if that is given.
    Field(String, Option<u64>),
    /// A range of a direction's stream.
    Stream(ConnectionId, Direction, Range<u64>),
}

/// What became of a selection.
#[derive(Clone, Debug, Default)]
pub struct Picked {
    /// The bytes. Those that were not captured are zero.
    pub bytes: Vec<u8>,
    /// Those that were not captured.
    pub holes: Vec<Range<u64>>,
    /// Offset of the first in the direction's stream, if they are of the stream itself.
    pub offset: u64,
}

/// Finds the bytes of a selection.
#[derive(Debug)]
pub struct Pick<'c> {
    what: What,
    connections: ConnectionFilter,
    direction: Option<Direction>,
    seen: u64,
    found: Option<Result<Picked, String>>,
    /// The bytes of the range, by endpoint.
    sides: [Picked; 2],
    is_done: &'c Cell<bool>,
}

impl<'c> Pick<'c> {
    /// Looks for `what` on these connections, in a direction or in both; `is_done` is set when no more is needed.
    pub fn new(
        what: What,
        connections: ConnectionFilter,
        direction: Option<Direction>,
        is_done: &'c Cell<bool>,
    ) -> Pick<'c> {
        Pick { what, connections, direction, seen: 0, found: None, sides: Default::default(), is_done }
    }

    /// The bytes, or why there are none. None if what is selected is not in the capture.
    pub fn finish(self) -> Option<Result<Picked, String>> {
        self.found
    }
}

impl Observer for Pick<'_> {
    fn event(&mut self, event: &Event<'_>) {
        self.seen += 1;
        let is_wanted = self.connections.covers(event.connection)
            && self.direction.is_none_or(|direction| direction == event.direction);
        if self.found.is_some() || !is_wanted {
            return;
        }
        match &self.what {
            What::Row(number) if *number == self.seen => self.found = Some(body_of(event)),
            What::Field(name, row) if row.is_none_or(|row| row == self.seen) => {
                self.found = field_of(event, self.seen, name).map(Ok);
            }
            _ => {}
        }
        self.is_done.set(self.found.is_some());
    }

    fn bytes(&mut self, connection: &Connection, _: &RtmpSession, from: Endpoint, piece: &Piece<'_>) {
        let What::Stream(id, _, range) = &self.what else { return };
        let end = piece.offset + piece.bytes.len() as u64;
        if connection.id != *id || end <= range.start || piece.offset >= range.end {
            return;
        }
        let side = &mut self.sides[from.index()];
        let (start, stop) = (piece.offset.max(range.start), end.min(range.end));
        let at = range.start + side.bytes.len() as u64;
        if at < start {
            side.holes.push(at - range.start..start - range.start);
            side.bytes.resize((start - range.start) as usize, 0);
        }
        side.bytes.extend_from_slice(&piece.bytes[(start - piece.offset) as usize..(stop - piece.offset) as usize]);
    }

    fn closed(&mut self, connection: &Connection, conversation: &RtmpSession) {
        if let What::Stream(id, direction, range) = &self.what
            && connection.id == *id
        {
            let side = std::mem::take(&mut self.sides[conversation.sender(*direction).index()]);
            self.found = Some(Ok(Picked { offset: range.start, ..side }));
        }
    }
}

fn body_of(event: &Event<'_>) -> Result<Picked, String> {
    match &event.kind {
        Kind::Message(message) => {
            let holes = message.holes.iter().map(|hole| hole.start.into()..hole.end.into()).collect();
            Ok(Picked { bytes: message.body.clone(), holes, offset: 0 })
        }
        Kind::Handshake(part, _) => Ok(Picked { bytes: part.bytes.to_vec(), ..Picked::default() }),
        Kind::Gap(gap) => Err(format!("it is a gap of {}, which were not captured", counted(gap.len, "byte"))),
        Kind::Undecoded { range, .. } => {
            let (direction, Range { start, end }) = (event.direction.code(), range);
            Err(format!("it is not a message; --direction {direction} --bytes {start}..{end} selects its bytes"))
        }
    }
}

/// The bytes of the first field of a row that has this name: a value of AMF with its marker and length.
fn field_of(event: &Event<'_>, number: u64, name: &str) -> Option<Picked> {
    let mut found = None;
    if vocabulary::find(name).is_some() {
        let row = Row::new(number, event, &Selection { whole: true, ..Selection::default() });
        Dissection::new(&row, event, Time::default()).each_value(name, |_, _, bytes| {
            if found.is_none() && !bytes.is_empty() {
                found = Some(bytes.to_vec());
            }
        });
    } else if let Kind::Message(message) = &event.kind {
        found = value_of(message, name);
    }
    found.map(|bytes| Picked { bytes, ..Picked::default() })
}

fn value_of(message: &Message, path: &str) -> Option<Vec<u8>> {
    let (type_id, length, bytes) = (message.header.type_id, message.header.length, message.decodable());
    let wanted = paths::parse(path).map(|(wanted, _)| wanted);
    let decoded = body::decode(type_id, bytes, length, &mut ()).body;
    let name = match &decoded {
        Body::Command(command) => command.name().map(|name| name.to_string()),
        Body::Data(data) => class::handler(data).map(|name| name.to_string()),
        _ => None,
    };
    if wanted.is_some() && wanted != name.as_deref() {
        return None;
    }
    let is_coded = matches!(MessageClass::of(type_id, &decoded), MessageClass::Audio | MessageClass::Video { .. });
    // `command.NAME.…` is how paths to messages of any name begin.
    let path = path.strip_prefix("command.").unwrap_or(path);
    field_values_of(type_id, bytes, length, &name.unwrap_or_default(), is_coded)
        .into_iter()
        .find(|unit| match &unit.path {
            FieldPath::Field(..) => path == unit.path.to_string() || path == format!("rtmpt.{}", unit.path),
            other => path == other.to_string(),
        })
        .and_then(|unit| Some(bytes.get(unit.range)?.to_vec()))
}
