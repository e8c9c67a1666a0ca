//! Sessions: both directions of a connection, in the order of the capture.
//!
//! Takes what [`crate::tunnel`] has unwrapped, decides which connections are RTMP, who is the client and where
//! each direction can be read from, and gives [`Event`]s as they complete. It is the [`tunnel::Sink`].
//! It keeps no message: what somebody wants to know of a session is gathered from its events.

mod answers;
mod batch;
pub mod calls;
mod conversation;
mod detect;
pub mod framing_trace;
mod handshake_blocks;
mod learned;
mod other_protocol;
mod roles;

use std::net::SocketAddr;
use std::ops::Range;

use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::origin::{FrameNo, Source, SourceMap, Time};
use crate::rtmp::Defect;
use crate::rtmp::decoder::{self, HandshakePart};
use crate::rtmp::dialect::Dialect;
use crate::rtmp::handshake::Scheme;
use crate::rtmp::message::Message;
use crate::tcp::{self, Connection, ConnectionId, Endpoint, Gap, Piece};
use crate::tunnel::{self, Notice};
use detect::Expected;

pub use answers::{Answers, Outcome, Reply};
pub use batch::{Batch, Told};
pub use calls::{By, Call, Response, TransactionOutcome, Transactions, milliseconds};
pub use conversation::RtmpSession;
pub use detect::Protocol;
pub use learned::{Learned, ReadAhead};
pub use roles::Roles;

/// Which way bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Direction {
    /// From the client to the server.
    #[serde(rename = "c2s")]
    ClientToServer,
    /// From the server to the client.
    #[serde(rename = "s2c")]
    ServerToClient,
}

impl Direction {
    /// `c2s` or `s2c`, as rows and options have it.
    pub fn code(self) -> &'static str {
        match self {
            Direction::ClientToServer => "c2s",
            Direction::ServerToClient => "s2c",
        }
    }

    /// `c→s` or `s→c`, as lists for people have it.
    pub fn arrow(self) -> &'static str {
        match self {
            Direction::ClientToServer => "c→s",
            Direction::ServerToClient => "s→c",
        }
    }

    /// `client → server` or `server → client`.
    pub fn in_words(self) -> &'static str {
        match self {
            Direction::ClientToServer => "client → server",
            Direction::ServerToClient => "server → client",
        }
    }

    /// The other one.
    pub fn back(self) -> Direction {
        match self {
            Direction::ClientToServer => Direction::ServerToClient,
            Direction::ServerToClient => Direction::ClientToServer,
        }
    }

    /// Its place in arrays of two.
    pub fn index(self) -> usize {
        match self {
            Direction::ClientToServer => 0,
            Direction::ServerToClient => 1,
        }
    }
}

/// Which connections to look at, and how much of them to keep.
#[derive(Clone, Debug)]
pub struct Options {
    /// Ports whose connections are treated as RTMP even where their bytes do not prove it.
    pub ports: Vec<u16>,
    /// The ports given by the user: what is on them is RTMP, whatever it looks like.
    pub forced_ports: Vec<u16>,
    /// Only these connections are looked at.
    pub only: ConnectionFilter,
    /// How many bytes the open messages of all connections may hold together.
    pub total_open_bytes: usize,
    /// The decoders' options.
    pub decoder: decoder::Options,
    /// The directions that do not keep to the specification. Their connections are treated as RTMP.
    pub dialects: Vec<(ConnectionId, Direction, Dialect)>,
    /// What the layer below needs to take off what wraps the sessions.
    pub tunnel: tunnel::Options,
    /// What other connections say of the servers, so far.
    pub learned: Learned,
    /// How to learn from the rest of the capture, if it can be read twice.
    pub read_ahead: Option<ReadAhead>,
}

impl Options {
    /// The options of the decoder of a direction.
    fn decoder_of(&self, connection: ConnectionId, direction: Direction) -> decoder::Options {
        let named = self.dialects.iter().find(|(id, way, _)| (*id, *way) == (connection, direction));
        decoder::Options { dialect: named.map_or(self.decoder.dialect, |named| named.2), ..self.decoder }
    }

    /// Whether a port is one of RTMP's, by itself or on request.
    fn names(&self, port: u16) -> bool {
        self.ports.contains(&port) || self.forced_ports.contains(&port)
    }

    /// Whether a connection is RTMP whatever it looks like.
    fn is_forced(&self, connection: &Connection) -> bool {
        let is_dialect = self.dialects.iter().any(|(id, ..)| *id == connection.id);
        is_dialect || connection.endpoints.iter().any(|endpoint| self.forced_ports.contains(&endpoint.port()))
    }

    /// Why a connection is expected to be RTMP.
    fn expects(&self, connection: &Connection) -> Option<Expected> {
        if connection.is_raw {
            return Some(Expected::Given);
        }
        if self.is_forced(connection) || connection.endpoints.iter().any(|endpoint| self.names(endpoint.port())) {
            return Some(Expected::Port);
        }
        self.learned.server_of(connection).map(|_| Expected::Server)
    }

    /// Learns from the rest of the capture, once, if it can be read twice. Whether it did.
    fn learn(&mut self) -> bool {
        let Some(ahead) = self.read_ahead.take() else { return false };
        self.learned = ahead.learn();
        true
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            ports: vec![1935],
            forced_ports: Vec::new(),
            only: ConnectionFilter::default(),
            total_open_bytes: 64 << 20,
            decoder: decoder::Options::default(),
            dialects: Vec::new(),
            tunnel: tunnel::Options::default(),
            learned: Learned::default(),
            read_ahead: None,
        }
    }
}

/// Some of a capture's connections: all, unless something is named.
#[derive(Clone, Debug, Default)]
pub struct ConnectionFilter {
    /// Only this connection.
    pub connection: Option<ConnectionId>,
    /// Only connections on these ports.
    pub ports: Vec<u16>,
}

impl ConnectionFilter {
    /// Whether `connection` is one of them.
    pub fn covers(&self, connection: &Connection) -> bool {
        self.connection.is_none_or(|only| only == connection.id)
            && (self.ports.is_empty() || connection.endpoints.iter().any(|end| self.ports.contains(&end.port())))
    }
}

/// Something that happened in a session.
pub struct Event<'a> {
    /// The connection, as it is known so far.
    pub connection: &'a Connection,
    /// The endpoint that sent the bytes.
    pub sender: Endpoint,
    /// Which way the bytes travelled.
    pub direction: Direction,
    /// What happened.
    pub kind: Kind<'a>,
    /// Where the bytes of this direction's stream are in the capture, as far back as `kind` needs.
    pub sources: &'a SourceMap<Source>,
}

impl Event<'_> {
    /// Offsets in the direction's stream: of its first byte, and one past its last.
    pub fn range(&self) -> Range<u64> {
        match &self.kind {
            Kind::Handshake(part, _) => part.range.clone(),
            Kind::Message(message) => message.start()..message.end(),
            Kind::Gap(gap) => gap.offset..gap.offset + gap.len,
            Kind::Undecoded { range, .. } => range.clone(),
        }
    }

    /// The sender's and the receiver's address.
    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.connection.endpoints[self.sender.index()], self.connection.endpoints[self.sender.peer().index()])
    }

    /// The frame that holds the first captured byte in a range of the direction's stream, and the frame that
    /// completed the last; with their times.
    pub fn frames(&self, range: Range<u64>) -> ((FrameNo, Time), (FrameNo, Time)) {
        let place = |source: Source| (source.packet, source.time);
        let first = self.sources.resolve(range.clone()).next().map(|run| (run.from.frame, run.from.time));
        let last = match self.sources.at(range.end.saturating_sub(1)) {
            Some(source) => Some(place(source)),
            // It ends in a hole.
            None => self.sources.resolve(range).last().map(|run| place(run.from)),
        };
        let unknown = (self.connection.last.frame, self.connection.last.time);
        (first.unwrap_or(unknown), last.or(first).unwrap_or(unknown))
    }
}

/// What happened.
pub enum Kind<'a> {
    /// A part of the handshake.
    Handshake(HandshakePart<'a>, HandshakeFacts),
    /// A message, whole or not.
    Message(&'a Message),
    /// Bytes that were not captured.
    Gap(Gap),
    /// Bytes that were captured and could not be decoded.
    Undecoded {
        /// Their offsets in the direction's stream.
        range: Range<u64>,
        /// Why.
        why: Defect,
    },
}

/// What a part of the handshake says, seen together with the other side's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HandshakeFacts {
    /// C0 or S0, in the parts that have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u8>,
    /// How C1 or S1 was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// The four bytes that are zero, or the software's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software: Option<[u8; 4]>,
    /// Whether C2 or S2 gives back the random bytes of the other side's block. None if either was not captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub echo_ok: Option<bool>,
    /// Whether C2 or S2 ends in a valid signature of the other side's digest. None if there is no digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_ok: Option<bool>,
}

/// Receives the events of all sessions, in the order in which they complete in the capture.
pub trait Observer {
    /// Something happened.
    fn event(&mut self, event: &Event<'_>);
    /// A connection is over, or the capture is. Called for every TCP connection.
    fn closed(&mut self, connection: &Connection, conversation: &RtmpSession);
    /// A second copy of bytes differed from the first.
    fn conflict(&mut self, _connection: &Connection, _conversation: &RtmpSession, _conflict: &tcp::Conflict) {}
    /// These bytes came and are about to be decoded.
    fn bytes(&mut self, _connection: &Connection, _conversation: &RtmpSession, _from: Endpoint, _piece: &Piece<'_>) {}
}

/// Two observers: each is told everything, the first one first.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn event(&mut self, event: &Event<'_>) {
        self.0.event(event);
        self.1.event(event);
    }

    fn closed(&mut self, connection: &Connection, conversation: &RtmpSession) {
        self.0.closed(connection, conversation);
        self.1.closed(connection, conversation);
    }

    fn conflict(&mut self, connection: &Connection, conversation: &RtmpSession, conflict: &tcp::Conflict) {
        self.0.conflict(connection, conversation, conflict);
        self.1.conflict(connection, conversation, conflict);
    }

    fn bytes(&mut self, connection: &Connection, conversation: &RtmpSession, from: Endpoint, piece: &Piece<'_>) {
        self.0.bytes(connection, conversation, from, piece);
        self.1.bytes(connection, conversation, from, piece);
    }
}

/// All sessions of a capture.
pub struct Sessions<O> {
    options: Options,
    conversations: FxHashMap<ConnectionId, RtmpSession>,
    /// How many bytes they hold.
    open_bytes: usize,
    observer: O,
}

impl<O: Observer> Sessions<O> {
    /// Sessions whose events go to `observer`.
    pub fn new(options: Options, observer: O) -> Self {
        Sessions { options, conversations: FxHashMap::default(), open_bytes: 0, observer }
    }

    /// The observer.
    pub fn observer(&mut self) -> &mut O {
        &mut self.observer
    }

    /// The observer, when all is done.
    pub fn into_observer(self) -> O {
        self.observer
    }
}

impl<O: Observer> tcp::Sink for Sessions<O> {
    fn opened(&mut self, connection: &Connection) {
        if self.options.only.covers(connection) {
            self.conversations.insert(connection.id, RtmpSession::new(connection, &self.options));
        }
    }

    fn piece(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>) {
        if let Some(conversation) = self.conversations.get_mut(&connection.id) {
            self.observer.bytes(connection, conversation, from, &piece);
            self.open_bytes -= conversation.open_bytes();
            conversation.allow_open_bytes(self.options.total_open_bytes.saturating_sub(self.open_bytes));
            conversation.piece(connection, from, piece, &mut self.options, &mut self.observer);
            self.open_bytes += conversation.open_bytes();
            if conversation.is_certain() && !conversation.is_noted && conversation.roles().are_known() {
                conversation.is_noted = true;
                self.options.learned.note(connection, conversation);
            }
        }
    }

    fn gap(&mut self, connection: &Connection, from: Endpoint, gap: Gap) {
        if let Some(conversation) = self.conversations.get_mut(&connection.id) {
            self.open_bytes -= conversation.open_bytes();
            conversation.gap(connection, from, gap, &mut self.options, &mut self.observer);
            self.open_bytes += conversation.open_bytes();
        }
    }

    fn conflict(&mut self, connection: &Connection, _: Endpoint, conflict: tcp::Conflict) {
        if let Some(conversation) = self.conversations.get(&connection.id) {
            self.observer.conflict(connection, conversation, &conflict);
        }
    }

    fn closed(&mut self, connection: &Connection) {
        if let Some(mut conversation) = self.conversations.remove(&connection.id) {
            self.open_bytes -= conversation.open_bytes();
            conversation.finish(connection, &mut self.options, &mut self.observer);
            self.observer.closed(connection, &conversation);
        }
    }
}

impl<O: Observer> tunnel::Sink for Sessions<O> {
    fn notice(&mut self, connection: &Connection, from: Endpoint, notice: Notice) {
        if let Some(conversation) = self.conversations.get_mut(&connection.id) {
            conversation.notice(from, notice);
        }
    }
}
