//! One connection's life.
//!
//! Takes the segments of one connection, gives each direction what concerns it, and keeps the
//! connection's public record. It knows what SYN, FIN and RST mean; what becomes of the bytes is
//! [`super::reassembly`]'s.
//!
//! ```text
//!            FIN of one side             FIN of the other, all delivered or acknowledged
//!  open ────────────────────▶ half closed ──────────────────────────────▶ over
//!    │ RST in the window                       SYN with another number ──▶ over
//!    ▼                                                end of the capture ──▶ over
//!  reset ──▶ open again, if the side that "sent" the RST continues: the RST was not its own
//! ```

use super::reassembly::{Data, Direction, Output};
use super::seq::Position;
use super::{Connection, End, Endpoint, How, Moment, Resources, Sink};
use crate::packet::Segment;

/// An open connection.
#[derive(Debug)]
pub(super) struct Flow {
    pub connection: Connection,
    directions: [Direction; 2],
    /// Whether the endpoint has acknowledged anything, indexed as [`Endpoint`].
    has_acknowledged: [bool; 2],
    reset: Option<Reset>,
}

/// A RST that was taken.
#[derive(Clone, Copy, Debug)]
struct Reset {
    by: Endpoint,
    /// Its sequence number: the sender's stream is over there.
    at: Position,
}

impl Flow {
    pub fn new(connection: Connection) -> Flow {
        Flow { connection, directions: Default::default(), has_acknowledged: [false; 2], reset: None }
    }

    /// Whether the connection was reset.
    pub fn is_reset(&self) -> bool {
        self.reset.is_some()
    }

    /// Whether both sides have finished, and nothing that was sent before can still come.
    pub fn is_over(&self) -> bool {
        self.directions.iter().all(Direction::is_over)
    }

    pub fn push(&mut self, segment: &Segment<'_>, from: Endpoint, resources: &mut Resources, sink: &mut impl Sink) {
        let side = &mut self.connection.sides[from.index()];
        if segment.duplicate {
            side.duplicate_frames += 1;
            return;
        }
        side.packets += 1;
        side.announces(segment);
        self.connection.last = Moment::of(segment);

        if segment.syn {
            self.open(segment, from, resources, sink);
        }
        let at = self.directions[from.index()].place(segment.seq);
        if segment.rst {
            self.reset(segment, from, at, resources, sink);
        } else {
            self.take(segment, from, at, resources, sink);
        }
        for endpoint in Endpoint::BOTH {
            let (direction, mut output) = self.split(endpoint, Moment::of(segment), resources, sink);
            direction.expire_holes(&mut output);
            direction.enforce_limits(&mut output);
        }
    }

    /// Delivers what waits, reports what does not come, and frees the buffers.
    pub fn close(&mut self, now: Moment, resources: &mut Resources, sink: &mut impl Sink) {
        for endpoint in Endpoint::BOTH {
            let (direction, mut output) = self.split(endpoint, now, resources, sink);
            direction.close(&mut output);
        }
        sink.closed(&self.connection);
    }

    /// What a SYN tells: where its stream begins and, with an ACK, where the peer's does.
    fn open(&mut self, segment: &Segment<'_>, from: Endpoint, resources: &mut Resources, sink: &mut impl Sink) {
        let opener = if segment.ack.is_some() { from.peer() } else { from };
        self.connection.client.get_or_insert(opener);
        let now = Moment::of(segment);
        let (direction, mut output) = self.split(from, now, resources, sink);
        direction.begin(segment.seq.wrapping_add(1), &mut output);
        if let Some(ack) = segment.ack {
            let (direction, mut output) = self.split(from.peer(), now, resources, sink);
            direction.begin_if_unknown(ack, &mut output);
        }
    }

    fn reset(
        &mut self,
        segment: &Segment<'_>,
        from: Endpoint,
        at: Position,
        resources: &mut Resources,
        sink: &mut impl Sink,
    ) {
        let now = Moment::of(segment);
        if !self.directions[from.index()].would_take_reset(at) {
            self.connection.sides[from.index()].strays += 1;
            return;
        }
        self.connection.sides[from.index()].rst.get_or_insert(now);
        let end = End { how: How::Rst, by: from, frame: now.frame, time: now.time };
        self.connection.end.get_or_insert(end);
        self.reset.get_or_insert(Reset { by: from, at });
        for endpoint in Endpoint::BOTH {
            let (direction, mut output) = self.split(endpoint, now, resources, sink);
            direction.stop_waiting_for_start(&mut output);
            direction.forget_history(output.resources);
        }
    }

    /// Takes data, FIN and acknowledgement.
    fn take(
        &mut self,
        segment: &Segment<'_>,
        from: Endpoint,
        at: Position,
        resources: &mut Resources,
        sink: &mut impl Sink,
    ) {
        let now = Moment::of(segment);
        let (direction, mut output) = self.split(from, now, resources, sink);
        // The SYN takes a sequence number; data after it (TCP Fast Open, RFC 7413) begins after it.
        let at = if segment.syn { at + 1 } else { at };
        if direction.is_stray(at) {
            output.side().strays += 1;
            return;
        }
        if let Some(ack) = segment.ack {
            let (peer, mut output) = self.split(from.peer(), now, resources, sink);
            peer.note_future_ack(ack, &mut output);
        }
        let data = Data { at, payload: segment.payload, missing: segment.missing, sources: segment.sources };
        let (direction, mut output) = self.split(from, now, resources, sink);
        direction.receive(&data, &mut output);
        if segment.fin && direction.finish_at(data.end(), &mut output) {
            let end = End { how: How::Fin, by: from, frame: now.frame, time: now.time };
            output.side().fin.get_or_insert(now);
            self.connection.end.get_or_insert(end);
        }
        if let Some(ack) = segment.ack {
            self.acknowledge(segment, from, ack, resources, sink);
        }
        self.doubt_reset(segment, from, data.end());
    }

    fn acknowledge(
        &mut self,
        segment: &Segment<'_>,
        from: Endpoint,
        ack: u32,
        resources: &mut Resources,
        sink: &mut impl Sink,
    ) {
        let is_first = !std::mem::replace(&mut self.has_acknowledged[from.index()], true);
        // The third packet of the handshake, or data that carries its ACK, when the SYN+ACK is not in
        // the capture: the peer has sent nothing that could be acknowledged but its SYN.
        let is_first_after_syn = is_first && !segment.syn && self.directions[from.index()].begins_at(segment.seq);
        let (direction, mut output) = self.split(from.peer(), Moment::of(segment), resources, sink);
        if is_first_after_syn {
            direction.begin_if_unknown(ack, &mut output);
        }
        direction.acknowledge(ack, &mut output);
        if direction.outlived_fin() {
            output.side().fin = None;
            direction.withdraw_fin();
            let by = from.peer();
            self.connection.end.take_if(|end| end.how == How::Fin && end.by == by);
        }
    }

    /// Takes a RST back when the side that sent it continues: it was forged, or dropped on the way.
    fn doubt_reset(&mut self, segment: &Segment<'_>, from: Endpoint, end: Position) {
        let Some(reset) = self.reset else { return };
        let goes_on = if from == reset.by {
            end > reset.at
        } else {
            // One more than was sent before is the RST's own FIN, if it came after one.
            self.directions[reset.by.index()].acknowledged_to() > Some(reset.at + 1)
        };
        if goes_on && !segment.syn {
            self.reset = None;
            self.connection.sides[reset.by.index()].rst = None;
            self.connection.sides[reset.by.index()].strays += 1;
            self.connection.end.take_if(|end| end.how == How::Rst);
        }
    }

    /// A direction, and where its results go.
    fn split<'a, S: Sink>(
        &'a mut self,
        from: Endpoint,
        now: Moment,
        resources: &'a mut Resources,
        sink: &'a mut S,
    ) -> (&'a mut Direction, Output<'a, S>) {
        let output = Output { connection: &mut self.connection, from, now, resources, sink };
        (&mut self.directions[from.index()], output)
    }
}
