//! HTTP-FLV: a live stream, or a file, as the body of one HTTP message.
//!
//! Takes the bytes of connections, gives those of the body where one begins with FLV's signature: that of a response (a
//! player that gets a stream), or of a request (an encoder that posts one). Bodies have a length, come in chunks, or end
//! with the connection. Bodies before it are passed over; those after it continue the stream, as FLV that begins again.
//! A connection of whose first bytes nothing of that is found passes as it is.

use rustc_hash::FxHashMap;

use super::held::{Arrival, Arrivals};
use super::http::{Head, Hole, Messages, Part, Side};
use super::{Notice, Sink, slice};
use crate::flv;
use crate::tcp::{self, Connection, ConnectionId, Endpoint, Gap, Piece};

/// The connections that speak HTTP.
#[derive(Debug)]
pub(super) struct Layer<S> {
    open: FxHashMap<ConnectionId, Box<Carrier>>,
    sink: S,
}

/// A connection that speaks HTTP.
#[derive(Debug)]
enum Carrier {
    /// It is not known yet whether a body is FLV.
    Looking { client: Endpoint, held: Arrivals, directions: [Looking; 2], target: String },
    /// This side sends it.
    Found {
        sender: Endpoint,
        messages: Messages,
        offset: u64,
        /// So many messages of this side's come before the one with FLV.
        before: u32,
    },
}

/// One direction, until it is known.
#[derive(Debug)]
struct Looking {
    messages: Messages,
    /// The first bytes of the body.
    body: Vec<u8>,
    /// How many messages there were.
    count: u32,
}

/// So much is held of a connection at most.
const MOST_HELD: usize = 64 << 10;
/// So many first bytes of a body tell whether it is FLV.
const ENOUGH: usize = 5;
/// The longest target that is shown.
const LONGEST_TARGET: usize = 512;

impl<S: Sink> Layer<S> {
    pub fn new(sink: S) -> Self {
        Layer { open: FxHashMap::default(), sink }
    }

    pub fn sink(&mut self) -> &mut S {
        &mut self.sink
    }

    pub fn into_sink(self) -> S {
        self.sink
    }

    /// Lets go of a connection without FLV.
    fn release(&mut self, connection: &Connection) {
        if let Some(carrier) = self.open.remove(&connection.id)
            && let Carrier::Looking { held, .. } = *carrier
        {
            held.pass(connection, &mut self.sink);
        }
    }

    /// A body of this side's is FLV: what was held is read again for it.
    fn found(&mut self, connection: &Connection, sender: Endpoint) {
        let Some(carrier) = self.open.get_mut(&connection.id) else { return };
        let Carrier::Looking { client, held, target, directions } = &mut **carrier else { return };
        let before = directions[sender.index()].count.saturating_sub(1);
        let (client, held, target) = (*client, std::mem::take(held), std::mem::take(target));
        **carrier = Carrier::Found { sender, messages: Messages::new(side(client, sender)), offset: 0, before };
        self.sink.notice(connection, client, Notice::HttpFlv(target));
        for (from, arrival) in held {
            match arrival {
                Arrival::Piece(held) => carrier.body(connection, from, held.piece(), &mut self.sink),
                Arrival::Gap(gap) => carrier.hole(connection, from, gap, &mut self.sink),
            }
        }
    }
}

impl<S: Sink> tcp::Sink for Layer<S> {
    fn opened(&mut self, connection: &Connection) {
        self.sink.opened(connection);
    }

    fn piece(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>) {
        if piece.offset == 0
            && let Some(client) = client(connection, from, piece.bytes)
            && !self.open.contains_key(&connection.id)
        {
            self.open.insert(connection.id, Box::new(Carrier::new(client)));
        }
        let carrier = if self.open.is_empty() { None } else { self.open.get_mut(&connection.id) };
        let Some(carrier) = carrier else { return self.sink.piece(connection, from, piece) };
        if let Carrier::Found { .. } = **carrier {
            return carrier.body(connection, from, piece, &mut self.sink);
        }
        match carrier.look(from, piece) {
            Some(true) => self.found(connection, from),
            Some(false) => self.release(connection),
            None => {}
        }
    }

    fn gap(&mut self, connection: &Connection, from: Endpoint, gap: Gap) {
        match self.open.get_mut(&connection.id) {
            None => self.sink.gap(connection, from, gap),
            Some(carrier) => match &mut **carrier {
                Carrier::Looking { held, .. } => {
                    held.gap(from, gap);
                    self.release(connection);
                }
                Carrier::Found { .. } => carrier.hole(connection, from, gap, &mut self.sink),
            },
        }
    }

    fn conflict(&mut self, connection: &Connection, from: Endpoint, conflict: tcp::Conflict) {
        // The offsets inside are others; that there was one is in the connection's counts.
        if !self.open.contains_key(&connection.id) {
            self.sink.conflict(connection, from, conflict);
        }
    }

    fn closed(&mut self, connection: &Connection) {
        self.release(connection);
        self.sink.closed(connection);
    }
}

impl<S: Sink> Sink for Layer<S> {
    fn notice(&mut self, connection: &Connection, from: Endpoint, notice: Notice) {
        self.sink.notice(connection, from, notice);
    }
}

/// Who the client is, if a direction that begins with these bytes may be HTTP's.
fn client(connection: &Connection, from: Endpoint, bytes: &[u8]) -> Option<Endpoint> {
    let may_be = |start: &[u8]| bytes.iter().zip(start).all(|(byte, expected)| byte == expected);
    let is_request = [&b"GET "[..], b"POST ", b"PUT "].into_iter().any(may_be);
    let client = if is_request { from } else { from.peer() };
    let fits = connection.client.is_none_or(|known| known == client);
    (fits && (is_request || may_be(b"HTTP/1."))).then_some(client)
}

/// What a side sends.
fn side(client: Endpoint, sender: Endpoint) -> Side {
    if client == sender { Side::Requests } else { Side::Responses }
}

impl Carrier {
    fn new(client: Endpoint) -> Carrier {
        let looking =
            |endpoint| Looking { messages: Messages::new(side(client, endpoint)), body: Vec::new(), count: 0 };
        Carrier::Looking {
            client,
            held: Arrivals::default(),
            directions: Endpoint::BOTH.map(looking),
            target: String::new(),
        }
    }

    /// Whether a body of this side's is FLV; None if that may still come.
    fn look(&mut self, from: Endpoint, piece: Piece<'_>) -> Option<bool> {
        let Carrier::Looking { held, directions, target, .. } = self else { return None };
        let Looking { messages, body, count } = &mut directions[from.index()];
        let mut at = 0;
        let mut is_found = false;
        while let Some(part) = messages.next(piece.bytes, &mut at) {
            match part {
                Part::Head(head) => {
                    body.clear();
                    *count += 1;
                    if let Head::Request { target: asked, .. } = head {
                        *target = asked.chars().take(LONGEST_TARGET).collect();
                    }
                }
                Part::Body(range) => {
                    let room = ENOUGH.saturating_sub(body.len());
                    body.extend_from_slice(&piece.bytes[range.start..range.end.min(range.start + room)]);
                    is_found |= flv::begins(body) == Some(true);
                }
                Part::End => {}
            }
            if is_found {
                break;
            }
        }
        let is_refuted = messages.is_refuted;
        held.piece(from, piece);
        match is_found {
            true => Some(true),
            false => (is_refuted || held.cost() > MOST_HELD).then_some(false),
        }
    }

    /// Passes what a piece has of the body.
    fn body(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>, sink: &mut impl Sink) {
        let Carrier::Found { sender, messages, offset, before } = self else { return };
        if from != *sender {
            return;
        }
        let mut at = 0;
        while let Some(part) = messages.next(piece.bytes, &mut at) {
            let range = match part {
                Part::Body(range) if *before == 0 => range,
                Part::End => {
                    *before = before.saturating_sub(1);
                    continue;
                }
                Part::Head(_) | Part::Body(_) => continue,
            };
            let sources = slice(piece.sources, &range);
            let bytes = &piece.bytes[range];
            sink.piece(connection, from, Piece { offset: *offset, bytes, sources: &sources });
            *offset += bytes.len() as u64;
        }
    }

    /// Passes a hole in the body. Of one that reaches out of it nobody knows how long it is in the body.
    fn hole(&mut self, connection: &Connection, from: Endpoint, gap: Gap, sink: &mut impl Sink) {
        let Carrier::Found { sender, messages, offset, .. } = self else { return };
        if from != *sender {
            return;
        }
        let is_inside = messages.hole(gap.len) == Hole::InBody;
        if !is_inside {
            messages.look_for_chunk();
        }
        let exact = is_inside && gap.exact;
        sink.gap(connection, from, Gap { offset: *offset, exact, ..gap });
        *offset += gap.len;
    }
}
