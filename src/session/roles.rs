//! Who is the client of a connection, and how sure that is.
//!
//! A SYN says it, or the handshake. A capture that begins in mid-session has neither: then it is known from other
//! connections of the same server or from what only one side says, and else it is guessed from the ports.

use serde::Serialize;

use crate::origin::known_address;
use crate::rtmp::body::{self, Body};
use crate::rtmp::message::Message;
use crate::tcp::{Connection, Endpoint};

use super::Learned;

/// On what it rests who is the client: in order, the later is the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Roles {
    /// On nothing: bytes were given without packets, and do not say whose they are.
    Nothing,
    /// On nothing but who sent the first packet that was captured.
    FirstPacket,
    /// A guess: one port is of the range that clients get from their system, the other is not.
    PortRange,
    /// A guess: one port is one of RTMP's.
    Port,
    /// One end is the server of other connections in the capture.
    OtherConnections,
    /// One side sent what only clients send, or only servers.
    Messages,
    /// The handshake.
    Handshake,
    /// The SYN.
    Syn,
}

impl Roles {
    /// Whether it is more than a guess.
    pub fn are_known(self) -> bool {
        self >= Roles::OtherConnections
    }

    /// On what it rests, in words.
    pub fn why(self) -> &'static str {
        match self {
            Roles::Nothing => {
                "nothing in the bytes says which side sent them; those given first are shown as the client's"
            }
            Roles::FirstPacket => "the client is the one that sent the first packet captured",
            Roles::PortRange => "the client's port is from the ephemeral range",
            Roles::Port => "the server's port is RTMP's",
            Roles::OtherConnections => "the server is known from other connections",
            Roles::Messages => "it is inferred from what each side sent",
            Roles::Handshake => "it is inferred from the handshake",
            Roles::Syn => "the client opened the connection",
        }
    }
}

/// The first port of the range from which Linux takes a client's port; others begin later.
const FIRST_EPHEMERAL: u16 = 32768;

/// The client as far as it can be told before anything is decoded. `ports`: where RTMP servers listen.
pub(super) fn client(connection: &Connection, learned: &Learned, ports: impl Fn(u16) -> bool) -> (Endpoint, Roles) {
    if let Some(client) = connection.client {
        return (client, Roles::Syn);
    }
    if let Some(server) = learned.server_of(connection) {
        return (server.peer(), Roles::OtherConnections);
    }
    if let Some(client) = learned.client_of(connection.id) {
        return (client, Roles::Messages);
    }
    if connection.is_raw && connection.endpoints.iter().all(|&endpoint| known_address(endpoint).is_none()) {
        return (Endpoint::First, Roles::Nothing);
    }
    let [first, second] = connection.endpoints.map(|endpoint| endpoint.port());
    let only = |is: &dyn Fn(u16) -> bool| match (is(first), is(second)) {
        (true, false) => Some(Endpoint::First),
        (false, true) => Some(Endpoint::Second),
        _ => None,
    };
    if let Some(server) = only(&ports) {
        return (server.peer(), Roles::Port);
    }
    if let Some(client) = only(&|port| port >= FIRST_EPHEMERAL) {
        return (client, Roles::PortRange);
    }
    (Endpoint::First, Roles::FirstPacket)
}

/// Which side a message betrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    Client,
    Server,
}

/// Who sends such a message, if only one side does (RTMP 1.0 7.2). User control messages do not count: a server that
/// pushes to another is its client, and sends Stream Begin and pings as it does to players (nginx-rtmp).
pub(super) fn speaker(message: &Message) -> Option<Speaker> {
    let header = message.header;
    if header.type_id.is_media() || header.type_id.is_protocol_control() || !message.is_complete() {
        return None;
    }
    match body::decode(header.type_id, message.decodable(), header.length, &mut ()).body {
        Body::Command(command) => match command.name()?.to_string().as_str() {
            "connect" | "createStream" | "releaseStream" | "FCPublish" | "FCUnpublish" | "publish" | "play"
            | "play2" | "deleteStream" | "getStreamLength" | "FCSubscribe" => Some(Speaker::Client),
            // The answer to connect.
            "_result" | "_error" if command.arguments().iter().any(|value| value.property(b"code").is_some()) => {
                Some(Speaker::Server)
            }
            "onStatus" | "onBWDone" | "onFCPublish" | "onFCUnpublish" | "onFCSubscribe" => Some(Speaker::Server),
            _ => None,
        },
        _ => None,
    }
}

/// What the messages so far say of who is the client.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Votes([u32; 2]);

impl Votes {
    /// Takes note of a message that `from` sent.
    pub fn hear(&mut self, from: Endpoint, message: &Message) {
        let client = match speaker(message) {
            Some(Speaker::Client) => from,
            Some(Speaker::Server) => from.peer(),
            None => return,
        };
        self.0[client.index()] += 1;
    }

    /// The client, if all that was heard agrees.
    pub fn client(self) -> Option<Endpoint> {
        match self.0 {
            [0, 0] => None,
            [_, 0] => Some(Endpoint::First),
            [0, _] => Some(Endpoint::Second),
            _ => None,
        }
    }
}
