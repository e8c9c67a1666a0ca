//! The TCP connections of a capture: what each carries, who is who, and how it went.
//!
//! Takes the events of [`crate::session`], gives one [`ConnectionSummary`] a connection. Messages are looked at as
//! they pass and let go.

mod software;

use std::net::SocketAddr;

use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::amf::Value;
use crate::origin::{FrameNo, Time, serialize_address};
use crate::rtmp::body::{self, Body};
use crate::rtmp::message::Message;
use crate::rtmp::{MessageTypeId, summary};
use crate::session::calls::{Report, Transactions};
use crate::session::{Direction, Event, Kind, Observer, Protocol, Roles, RtmpSession};
use crate::tcp::{self, Connection, ConnectionId, How, Moment};
use crate::tunnel::{Proxy, Rtmpt, Tls};

pub use software::Software;

/// The version of the report's format.
pub const FORMAT_VERSION: u32 = 1;

/// A connection.
#[derive(Debug, Serialize)]
pub struct ConnectionSummary {
    /// Its number.
    pub tcp_stream: ConnectionId,
    /// The client's address.
    #[serde(serialize_with = "serialize_address")]
    pub client: SocketAddr,
    /// The server's address.
    #[serde(serialize_with = "serialize_address")]
    pub server: SocketAddr,
    /// Whether it is known who is the client; else it is a guess.
    pub roles_known: bool,
    /// On what that rests.
    pub roles_from: Roles,
    /// What it carries.
    pub protocol: Protocol,
    /// Whether that is proven; else it is a guess.
    pub protocol_certain: bool,
    /// The evidence for that.
    pub protocol_why: &'static str,
    /// The PROXY header that came before the client's bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// What is known of TLS around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Box<Tls>>,
    /// What is known of RTMPT around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtmpt: Option<Box<Rtmpt>>,
    /// The RTMPT session whose requests it carries, if that is listed under another number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carries: Option<ConnectionId>,
    /// What the HTTP request asked for whose message has FLV as its body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_flv: Option<String>,
    /// The application the client connected to.
    pub app: Option<String>,
    /// Its whole URL.
    pub tc_url: Option<String>,
    /// What the client did: publish and play, in order.
    pub activities: Vec<Activity>,
    /// The client's `flashVer`.
    pub flash_ver: Option<String>,
    /// The server's `fmsVer`.
    pub fms_ver: Option<String>,
    /// What the client calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_software: Option<Software>,
    /// What the server calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_software: Option<Software>,
    /// The encoder named in the metadata.
    pub encoder: Option<String>,
    /// The last error the server reported: code and description.
    pub error: Option<String>,
    /// The commands that ask for an answer, and which got none; absent if the connection is not RTMP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<Report>,
    /// What the client sent.
    pub client_to_server: Side,
    /// What the server sent.
    pub server_to_client: Side,
    /// First and last frame.
    pub frames: (FrameNo, FrameNo),
    /// Time of the first packet, in seconds since the epoch.
    #[serde(serialize_with = "Time::serialize")]
    pub start: Time,
    /// From the first packet to the last, in seconds; 0 without times.
    #[serde(skip)]
    pub duration: f64,
    /// The same, if there are times.
    #[serde(rename = "duration")]
    pub known_duration: Option<f64>,
    /// How it ended; absent if the capture ends first.
    pub end: Option<End>,
}

/// Something the client does with a message stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Activity {
    /// `publish` or `play`.
    pub what: &'static str,
    /// The stream's name.
    pub name: String,
    /// The frame of the command.
    pub frame: FrameNo,
}

/// One direction.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Side {
    /// Packets.
    pub packets: u64,
    /// Payload bytes, each counted once.
    pub bytes: u64,
    /// Whole messages.
    pub messages: u64,
    /// Messages that are not whole.
    pub incomplete: u64,
    /// Messages with something wrong, the incomplete ones included.
    pub with_defects: u64,
    /// Bytes that could not be decoded.
    pub undecoded_bytes: u64,
    /// Holes in what was captured.
    pub gaps: u64,
    /// Bytes missing in them.
    pub gap_bytes: u64,
    /// Bytes that the receiver acknowledged and that are not in the capture, beyond the gaps: this direction was not captured.
    pub unseen_bytes: u64,
    /// Bytes sent again.
    pub retransmitted_bytes: u64,
    /// Packets that came late.
    pub out_of_order: u64,
    /// Second copies that differ from the first.
    pub conflicts: u64,
    /// Frames that the capture holds twice.
    pub duplicate_frames: u64,
    /// When this side took no more bytes for the longest time, as its TCP window was closed; absent if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_closed: Option<WindowClosed>,
    /// The chunk size at the end, if known.
    pub chunk_size: Option<u32>,
    /// Whether it is a guess: found from where the chunk headers are, as its announcement was not captured.
    pub chunk_size_guessed: bool,
    /// The last whole message before the connection's end.
    pub last_message: Option<LastMessage>,
}

/// A time for which a side took no bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WindowClosed {
    /// The first frame that said so.
    pub frame: FrameNo,
    /// How long it lasted, in seconds.
    pub seconds: f64,
    /// Whether it took bytes again.
    pub reopened: bool,
}

/// A message, told of briefly.
#[derive(Clone, Debug, Serialize)]
pub struct LastMessage {
    /// Its frame.
    pub frame: FrameNo,
    /// What it was.
    pub info: String,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct End {
    /// By FIN, RST, or a new connection on the same ports.
    pub how: How,
    /// Who ended it.
    pub by: &'static str,
    /// The frame that did.
    pub frame: FrameNo,
}

impl ConnectionSummary {
    /// What it carries, with what is around that: `RTMPS`.
    pub fn protocol_name(&self) -> String {
        let is_decrypted = self.tls.as_ref().is_some_and(|tls| tls.is_decrypted());
        self.protocol.inside(is_decrypted, self.rtmpt.is_some(), self.http_flv.is_some())
    }

    /// Whether it was captured from its middle on, and other connections could say more of it: what it carries, or who
    /// is the client.
    pub fn is_guessed(&self) -> bool {
        self.protocol == Protocol::Undecided && !self.protocol_certain && self.roles_from < Roles::Handshake
            || self.protocol == Protocol::Rtmp && !self.roles_known
    }
}

/// Gathers the connections of a capture.
#[derive(Debug)]
pub struct Streams {
    open: FxHashMap<ConnectionId, Gathered>,
    /// RTMP, what is on a port of RTMP's, and other protocols that are known.
    done: Vec<ConnectionSummary>,
    /// Connections without data, and with data that nothing is known of. A capture may have millions of them.
    plain: Vec<ConnectionSummary>,
    most_plain: usize,
    most: usize,
    left_out: u64,
}

/// How many connections are listed, or kept beside those that are RTMP.
pub const MOST: usize = 1 << 15;

impl Default for Streams {
    fn default() -> Streams {
        Streams {
            open: FxHashMap::default(),
            done: Vec::new(),
            plain: Vec::new(),
            most_plain: MOST,
            most: usize::MAX,
            left_out: 0,
        }
    }
}

#[derive(Debug, Default)]
struct Gathered {
    app: Option<String>,
    tc_url: Option<String>,
    activities: Vec<Activity>,
    flash_ver: Option<String>,
    fms_ver: Option<String>,
    software: software::Identification,
    encoder: Option<String>,
    error: Option<String>,
    calls: Transactions,
    sides: [Side; 2],
    last: [Option<Kept>; 2],
}

/// The last message, kept to be decoded only when the connection is over.
#[derive(Debug)]
struct Kept {
    frame: FrameNo,
    type_id: MessageTypeId,
    length: u32,
    bytes: Vec<u8>,
}

impl Streams {
    /// At most so many connections: RTMP before others, and then in the order in which they end.
    pub fn at_most(most: usize) -> Streams {
        Streams { most, most_plain: most, ..Streams::default() }
    }

    /// How many connections were left out to keep memory bounded.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    fn keep(&mut self, stream: ConnectionSummary, is_plain: bool) {
        if !is_plain {
            self.done.push(stream);
        } else if self.plain.len() < self.most_plain {
            self.plain.push(stream);
        } else {
            self.left_out += 1;
        }
        while self.done.len() + self.plain.len() > self.most {
            if self.plain.pop().is_none() {
                self.done.pop();
            }
            self.left_out += 1;
        }
    }

    /// The connection that was closed last, taken out.
    pub fn take(&mut self, connection: ConnectionId) -> Option<ConnectionSummary> {
        self.done.pop_if(|last| last.tcp_stream == connection)
    }

    /// The connections, in order of their numbers.
    pub fn into_streams(mut self) -> Vec<ConnectionSummary> {
        self.done.append(&mut self.plain);
        self.done.sort_by_key(|stream| stream.tcp_stream);
        self.done
    }
}

impl Observer for Streams {
    fn event(&mut self, event: &Event<'_>) {
        let gathered = self.open.entry(event.connection.id).or_default();
        gathered.calls.event(event);
        let side = &mut gathered.sides[event.direction.index()];
        match &event.kind {
            Kind::Handshake(part, _) => gathered.software.handshake(part.part, part.bytes),
            Kind::Gap(gap) => {
                side.gaps += 1;
                side.gap_bytes += gap.len;
            }
            Kind::Undecoded { range, .. } => side.undecoded_bytes += range.end - range.start,
            Kind::Message(message) => {
                let (_, (frame, _)) = event.frames(message.start()..message.end());
                gathered.message(message, frame, event.direction, event.connection.end.is_some());
            }
        }
    }

    fn closed(&mut self, connection: &Connection, conversation: &RtmpSession) {
        let gathered = self.open.remove(&connection.id);
        let is_unknown = matches!(conversation.protocol, Protocol::Undecided | Protocol::Empty | Protocol::Other);
        let is_plain = gathered.is_none() && is_unknown;
        self.keep(gathered.unwrap_or_default().into_stream(connection, conversation), is_plain);
    }
}

impl Gathered {
    fn message(&mut self, message: &Message, frame: FrameNo, direction: Direction, after_the_end: bool) {
        let header = message.header;
        let side = &mut self.sides[direction.index()];
        side.with_defects += u64::from(!message.defects.is_empty() || !message.is_complete());
        if !message.is_complete() {
            side.incomplete += 1;
            return;
        }
        side.messages += 1;
        let body = message.decodable();
        match &mut self.last[direction.index()] {
            // What still comes after the FIN or RST did not lead to it.
            Some(_) if after_the_end => {}
            Some(last) => {
                (last.frame, last.type_id, last.length) = (frame, header.type_id, header.length);
                last.bytes.clear();
                last.bytes.extend_from_slice(body);
            }
            last => *last = Some(Kept { frame, type_id: header.type_id, length: header.length, bytes: body.to_vec() }),
        }
        if header.type_id.is_media() || header.type_id.is_protocol_control() {
            return;
        }
        match body::decode(header.type_id, body, header.length, &mut ()).body {
            Body::Command(command) => {
                let Some(name) = command.name().map(|name| name.to_string()) else { return };
                self.command(&name, command.arguments(), direction, frame);
            }
            Body::Data(data) => {
                let encoder = data.arguments().iter().find_map(|value| text(value.property(b"encoder")));
                self.encoder = encoder.or(self.encoder.take());
                if direction == Direction::ServerToClient {
                    self.software.metadata(data.arguments());
                }
            }
            _ => {}
        }
    }

    fn command(&mut self, name: &str, arguments: &[Value<'_>], direction: Direction, frame: FrameNo) {
        let property = |name: &[u8]| arguments.iter().find_map(|value| text(value.property(name)));
        match name {
            "connect" => {
                self.app = property(b"app");
                self.tc_url = property(b"tcUrl");
                self.flash_ver = property(b"flashVer");
                self.software.connect(arguments);
            }
            "publish" | "play" => {
                let what = if name == "publish" { "publish" } else { "play" };
                let name = text(arguments.get(1)).unwrap_or_default();
                self.activities.push(Activity { what, name, frame });
            }
            "_result" | "_error" | "onStatus" => {
                self.fms_ver = property(b"fmsVer").or(self.fms_ver.take());
                if direction == Direction::ServerToClient {
                    self.software.answer(arguments);
                }
                if name == "_error" || property(b"level").as_deref() == Some("error") {
                    let code = property(b"code").unwrap_or_else(|| "no code".to_owned());
                    self.error = Some(match property(b"description") {
                        Some(description) => format!("{code}: {description}"),
                        None => code,
                    });
                }
            }
            _ => {}
        }
    }

    fn into_stream(self, connection: &Connection, conversation: &RtmpSession) -> ConnectionSummary {
        let address = |direction| connection.endpoints[conversation.sender(direction).index()];
        let Gathered { app, tc_url, activities, flash_ver, fms_ver, software, encoder, error, calls, mut sides, last } =
            self;
        let [client_software, server_software] = software.into_both();
        for direction in [Direction::ClientToServer, Direction::ServerToClient] {
            let side = &mut sides[direction.index()];
            side.take_tcp(connection.side(conversation.sender(direction)), connection.last.time);
            side.chunk_size = conversation.chunk_size(direction);
            side.chunk_size_guessed = conversation.chunk_size_is_guessed(direction);
            side.last_message = last[direction.index()].as_ref().map(|last| {
                let decoded = body::decode(last.type_id, &last.bytes, last.length, &mut ());
                LastMessage { frame: last.frame, info: summary::info(last.type_id, &decoded.body) }
            });
        }
        let mut calls = calls.report();
        calls.whole &= sides.iter().all(|side| side.unseen_bytes == 0);
        let [client_to_server, server_to_client] = sides;
        let duration = connection.last.time.since(connection.first.time) as f64 / 1e9;
        ConnectionSummary {
            tcp_stream: connection.id,
            client: address(Direction::ClientToServer),
            server: address(Direction::ServerToClient),
            roles_known: conversation.roles().are_known(),
            roles_from: conversation.roles(),
            protocol: conversation.protocol,
            protocol_certain: conversation.is_certain(),
            protocol_why: conversation.why,
            proxy: conversation.proxy,
            tls: conversation.tls.clone(),
            rtmpt: conversation.rtmpt.clone(),
            carries: conversation.carries,
            http_flv: conversation.http_flv.clone(),
            app,
            tc_url,
            activities,
            flash_ver,
            fms_ver,
            client_software,
            server_software,
            encoder,
            error,
            calls: conversation.is_rtmp().then_some(calls),
            client_to_server,
            server_to_client,
            frames: (connection.first.frame, connection.last.frame),
            start: connection.first.time,
            duration,
            known_duration: connection.first.time.known().map(|_| duration),
            end: connection.end.map(|end| End {
                how: end.how,
                by: match conversation.direction(end.by) {
                    Direction::ClientToServer => "client",
                    Direction::ServerToClient => "server",
                },
                frame: end.frame,
            }),
        }
    }
}

impl Side {
    fn take_tcp(&mut self, side: &tcp::Side, end: Time) {
        self.packets = side.packets;
        self.bytes = side.payload_bytes;
        self.gap_bytes = side.gap_bytes;
        self.unseen_bytes = side.acknowledged.unwrap_or(0).saturating_sub(side.payload_bytes + side.gap_bytes);
        self.retransmitted_bytes = side.retransmitted_bytes;
        self.out_of_order = side.out_of_order;
        self.conflicts = side.conflicts;
        self.duplicate_frames = side.duplicate_frames;
        let closed = |since: Moment, lasted: i64, reopened| WindowClosed {
            frame: since.frame,
            seconds: lasted as f64 / 1e9,
            reopened,
        };
        let to_the_end = side.window_closed.map(|since| closed(since, end.since(since.time), false));
        let before = side.longest_closed.map(|before| closed(before.since, before.lasted, true));
        self.window_closed = to_the_end.or(before);
    }
}

fn text(value: Option<&Value<'_>>) -> Option<String> {
    value.and_then(|value| value.as_str()).map(|text| text.to_string())
}
