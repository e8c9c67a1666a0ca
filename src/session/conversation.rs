//! One connection's session: detection first, then a decoder for each direction.

use std::ops::Range;

use crate::flv;
use crate::origin::{Source, SourceMap};
use crate::rtmp::decoder::{self, Decoder};
use crate::rtmp::message::Message;
use crate::tcp::{Connection, ConnectionId, Endpoint, Gap, Piece};
use crate::tunnel::{Arrival, Arrivals, Held as HeldPiece, Notice, Proxy, Rtmpt, Tls};

use super::detect::{self, Context, ENOUGH, Entry, Expected, Finding, Head, detect};
use super::handshake_blocks::Blocks;
use super::roles::{self, Roles, Votes};
use super::{Direction, Event, HandshakeFacts, Kind, Observer, Options, Protocol};

/// What is known of the session on a connection.
#[derive(Debug)]
pub struct RtmpSession {
    /// What the connection carries.
    pub protocol: Protocol,
    /// The evidence for it.
    pub why: &'static str,
    /// Which endpoint is the client.
    pub client: Endpoint,
    /// The PROXY header that came before the client's bytes.
    pub proxy: Option<Proxy>,
    /// What is known of TLS around it.
    pub tls: Option<Box<Tls>>,
    /// What is known of RTMPT around it.
    pub rtmpt: Option<Box<Rtmpt>>,
    /// The number of the RTMPT session whose requests the connection carries, if it is shown under another.
    pub carries: Option<ConnectionId>,
    /// What the HTTP request asked for whose message has FLV as its body.
    pub http_flv: Option<String>,
    roles: Roles,
    /// Whether the protocol is proven.
    is_certain: bool,
    /// What the evidence is once messages have been decoded.
    why_then: &'static str,
    /// Whether others have been told of the server.
    pub(super) is_noted: bool,
    votes: Votes,
    stage: Stage,
    blocks: Blocks,
    /// The gap that a decoder is being told of.
    gap: Option<Gap>,
    /// How many bytes all other connections leave for this one.
    allowed: usize,
}

#[derive(Debug)]
enum Stage {
    /// Bytes are held until the protocol is known.
    Detecting(Held),
    /// RTMP: the decoders of the client's and the server's direction.
    Decoding(Box<[Decoder; 2]>),
    /// FLV, which one side sends.
    Tags(Endpoint, Box<flv::Decoder>),
    /// Not RTMP: the bytes are let go, but for what is told of them.
    Ignoring(Option<Box<Foreign>>),
}

/// What is told of a direction that is not RTMP where RTMP is expected, when all of it has come.
#[derive(Debug)]
struct Foreign {
    from: Endpoint,
    /// Offset of its first byte, and one past the last.
    range: Range<u64>,
    /// The first bytes.
    shown: Vec<u8>,
    /// Where the first and the last bytes are in the capture.
    places: [(u64, u64, Source); 2],
}

/// The port of HTTPS, on which services take RTMPS as well.
const TLS_PORT: u16 = 443;
/// So many bytes of a foreign protocol are shown.
const SHOWN: usize = 16;
/// So many bytes are held at most before it is decided what they are.
const MOST_HELD: usize = 64 << 10;

/// What came before the protocol was known, in the order of the capture.
#[derive(Debug, Default)]
struct Held {
    arrivals: Arrivals,
    /// The first bytes of each endpoint without a hole.
    heads: [Vec<u8>; 2],
    /// Whether a hole ended the head.
    cut: [bool; 2],
    /// How many bytes there are.
    bytes: usize,
}

impl RtmpSession {
    pub(super) fn new(connection: &Connection, options: &Options) -> RtmpSession {
        let (client, roles) = roles::client(connection, &options.learned, |port| options.names(port));
        RtmpSession {
            protocol: Protocol::Undecided,
            why: "",
            client,
            proxy: None,
            tls: None,
            rtmpt: None,
            carries: None,
            http_flv: None,
            roles,
            is_certain: false,
            why_then: "",
            is_noted: false,
            votes: Votes::default(),
            stage: Stage::Detecting(Held::default()),
            blocks: Blocks::default(),
            gap: None,
            allowed: usize::MAX,
        }
    }

    /// Takes note of what wraps the session.
    pub(super) fn notice(&mut self, from: Endpoint, notice: Notice) {
        match notice {
            Notice::Proxy(header) => _ = self.proxy.get_or_insert(header),
            Notice::Tls(tls) => self.tls = Some(tls),
            Notice::Rtmpt(rtmpt) => {
                self.rtmpt = Some(rtmpt);
                self.is_client(from);
            }
            Notice::Carries(number) => {
                self.carries = Some(number);
                self.is_client(from);
            }
            Notice::HttpFlv(target) => {
                self.http_flv = Some(target);
                self.is_client(from);
            }
        }
    }

    /// The tunnel says who is the client: in HTTP only it asks.
    fn is_client(&mut self, client: Endpoint) {
        if let Stage::Detecting(_) = self.stage {
            (self.client, self.roles) = (client, self.roles.max(Roles::Handshake));
        }
    }

    /// How many bytes it holds that wait for more.
    pub(super) fn open_bytes(&self) -> usize {
        match &self.stage {
            Stage::Detecting(held) => held.arrivals.cost(),
            Stage::Decoding(decoders) => decoders.iter().map(Decoder::open_bytes).sum(),
            Stage::Tags(_, decoder) => decoder.open_bytes(),
            Stage::Ignoring(_) => 0,
        }
    }

    /// Sets how many bytes it may hold.
    pub(super) fn allow_open_bytes(&mut self, bytes: usize) {
        self.allowed = bytes;
        if let Stage::Decoding(decoders) = &mut self.stage {
            let taken = [decoders[0].open_bytes(), decoders[1].open_bytes()];
            decoders[0].allow_open_bytes(bytes.saturating_sub(taken[1]));
            decoders[1].allow_open_bytes(bytes.saturating_sub(taken[0]));
        }
    }

    /// On what it rests who is the client.
    pub fn roles(&self) -> Roles {
        match self.roles {
            known if known > Roles::Messages => known,
            // What was said agrees, or does not.
            other => match self.votes.client() {
                Some(client) if client == self.client => Roles::Messages,
                Some(_) => Roles::FirstPacket,
                None => other,
            },
        }
    }

    /// Whether it is proven that the connection carries this protocol.
    pub fn is_certain(&self) -> bool {
        self.is_certain
    }

    /// The client, as what was said on the connection has it.
    pub(super) fn client_by_messages(&self) -> Option<Endpoint> {
        self.votes.client()
    }

    /// The endpoint that sends in this direction.
    pub fn sender(&self, direction: Direction) -> Endpoint {
        match direction {
            Direction::ClientToServer => self.client,
            Direction::ServerToClient => self.client.peer(),
        }
    }

    /// The direction in which this endpoint sends.
    pub fn direction(&self, sender: Endpoint) -> Direction {
        if sender == self.client { Direction::ClientToServer } else { Direction::ServerToClient }
    }

    /// What it carries, with what is around that: `RTMPS`.
    pub fn protocol_name(&self) -> String {
        let is_decrypted = self.tls.as_ref().is_some_and(|tls| tls.is_decrypted());
        self.protocol.inside(is_decrypted, self.rtmpt.is_some(), self.http_flv.is_some())
    }

    /// Whether it is RTMP, and decoded.
    pub fn is_rtmp(&self) -> bool {
        self.protocol == Protocol::Rtmp
    }

    /// Whether messages of this connection are decoded: RTMP's, or the tags of FLV.
    pub fn is_decoded(&self) -> bool {
        matches!(self.protocol, Protocol::Rtmp | Protocol::Flv)
    }

    /// The decoder of what this endpoint sends, once it is known to be RTMP.
    pub fn decoder(&self, from: Endpoint) -> Option<&Decoder> {
        match &self.stage {
            Stage::Decoding(decoders) => Some(&decoders[self.direction(from).index()]),
            _ => None,
        }
    }

    /// The chunk size in force in this direction, if it is decoded and known, or guessed.
    pub fn chunk_size(&self, direction: Direction) -> Option<u32> {
        match &self.stage {
            Stage::Decoding(decoders) => decoders[direction.index()].chunk_size(),
            _ => None,
        }
    }

    /// Whether that chunk size is a guess.
    pub fn chunk_size_is_guessed(&self, direction: Direction) -> bool {
        matches!(&self.stage, Stage::Decoding(decoders) if decoders[direction.index()].chunk_size_is_guessed())
    }

    pub(super) fn piece(
        &mut self,
        connection: &Connection,
        from: Endpoint,
        piece: Piece<'_>,
        options: &mut Options,
        observer: &mut impl Observer,
    ) {
        match &mut self.stage {
            Stage::Decoding(_) => {
                self.decode(connection, from, observer, |decoder, out| {
                    decoder.push(piece.offset, piece.bytes, piece.sources, out);
                });
            }
            Stage::Detecting(held) => {
                let head = &mut held.heads[from.index()];
                if !held.cut[from.index()] && head.len() < ENOUGH {
                    head.extend_from_slice(&piece.bytes[..piece.bytes.len().min(ENOUGH - head.len())]);
                }
                held.bytes += piece.bytes.len();
                held.arrivals.piece(from, piece);
                let is_full = held.arrivals.cost() > self.allowed;
                self.decide(connection, is_full, options, observer);
            }
            Stage::Tags(..) => {
                let allowed = self.allowed;
                self.read_tags(connection, from, observer, |decoder, out| {
                    decoder.push(piece.offset, piece.bytes, piece.sources, out);
                    if decoder.open_bytes() > allowed {
                        decoder.gap(0, out);
                    }
                });
            }
            Stage::Ignoring(foreign) => {
                if let Some(foreign) = foreign.as_mut().filter(|foreign| foreign.from == from) {
                    foreign.add(piece.offset, piece.bytes, piece.sources);
                }
            }
        }
    }

    pub(super) fn gap(
        &mut self,
        connection: &Connection,
        from: Endpoint,
        gap: Gap,
        options: &mut Options,
        observer: &mut impl Observer,
    ) {
        match &mut self.stage {
            Stage::Decoding(_) => {
                self.decode_gap(connection, from, gap, observer);
            }
            Stage::Detecting(held) => {
                held.cut[from.index()] = true;
                held.arrivals.gap(from, gap);
                self.decide(connection, false, options, observer);
            }
            Stage::Tags(..) => self.gap_in_tags(connection, from, gap, observer),
            Stage::Ignoring(_) => {}
        }
    }

    pub(super) fn finish(&mut self, connection: &Connection, options: &mut Options, observer: &mut impl Observer) {
        if let Stage::Detecting(_) = self.stage {
            self.decide(connection, true, options, observer);
        }
        match &mut self.stage {
            Stage::Decoding(_) => {
                for from in [self.client, self.client.peer()] {
                    self.decode(connection, from, observer, Decoder::finish);
                }
            }
            Stage::Tags(sender, _) => {
                let from = *sender;
                self.read_tags(connection, from, observer, flv::Decoder::finish);
            }
            Stage::Ignoring(foreign) => {
                if let Some(foreign) = foreign.take() {
                    self.tell_of(&foreign, connection, observer);
                }
            }
            Stage::Detecting(_) => {}
        }
    }

    /// Finds out the protocol if it can be told now, and then deals with what was held.
    fn decide(&mut self, connection: &Connection, is_over: bool, options: &mut Options, observer: &mut impl Observer) {
        match self.sender_of_tags(connection, is_over) {
            Some(Some(from)) => return self.settle_tags(connection, from, options, observer),
            Some(None) => {}
            None => return,
        }
        if connection.is_raw && self.roles < Roles::Messages {
            let Stage::Detecting(held) = &self.stage else { return };
            match speaking_client(connection, held, options) {
                Some(client) => (self.client, self.roles) = (client, Roles::Messages),
                // No port and no SYN says whose the bytes are: more of them may.
                None if !is_over && held.bytes < MOST_HELD => return,
                None => {}
            }
        }
        let Stage::Detecting(held) = &self.stage else { return };
        let is_told = connection.is_raw && self.roles >= Roles::Messages;
        let find = |client: Endpoint, roles: Roles, options: &Options| {
            let head = |endpoint: Endpoint| Head {
                bytes: &held.heads[endpoint.index()],
                from_start: connection.side(endpoint).started_at_syn,
                is_over: is_over || held.cut[endpoint.index()],
            };
            let began = held.arrivals.iter().find(|(_, arrival)| matches!(arrival, Arrival::Piece(_)));
            let context = Context {
                roles_known: roles == Roles::Syn || is_told,
                client_began: is_told || began.is_none_or(|(from, _)| *from == client),
                expected: self.rtmpt.as_ref().map(|_| Expected::Tunnel).or_else(|| options.expects(connection)),
                is_tls_port: connection.endpoints[client.peer().index()].port() == TLS_PORT,
                is_full: held.bytes >= MOST_HELD,
                has_payload: held.bytes > 0,
                is_at_end: is_over,
            };
            detect(head(client), head(client.peer()), context)
        };
        let Some(mut finding) = find(self.client, self.roles, options) else { return };
        let has_start = connection.client.is_some() || finding.roles.is_some();
        if !has_start && finding.protocol != Protocol::Empty && !self.is_clear(&finding, held) && options.learn() {
            // What the rest of the capture says of the server.
            (self.client, self.roles) = roles::client(connection, &options.learned, |port| options.names(port));
            let Some(found) = find(self.client, self.roles, options) else { return };
            finding = found;
        }
        if options.is_forced(connection)
            && !matches!(finding.protocol, Protocol::Rtmp | Protocol::Rtmpe | Protocol::Empty)
        {
            let entry = |endpoint| match connection.side(endpoint).started_at_syn {
                true => Entry::Handshake,
                false => Entry::Midstream,
            };
            let entries = [self.client, self.client.peer()].map(entry);
            finding = Finding { entries, ..detect::FORCED };
        }
        self.settle(connection, finding, options, observer);
    }

    /// Whether other connections can say nothing more of this one: it is another protocol by its first bytes, or the
    /// server is known.
    fn is_clear(&self, finding: &Finding, held: &Held) -> bool {
        let is_unread = matches!(finding.protocol, Protocol::Other | Protocol::Undecided);
        let is_known = self.roles.are_known() && finding.protocol == Protocol::Rtmp;
        is_known || finding.is_certain && !is_unread || held.arrivals.iter().next().is_none()
    }

    fn settle(&mut self, connection: &Connection, finding: Finding, options: &Options, observer: &mut impl Observer) {
        self.protocol = finding.protocol;
        (self.why, self.why_then) = (finding.why, finding.why_then);
        self.is_certain = finding.is_certain;
        if finding.swapped {
            self.client = self.client.peer();
        }
        if let Some(roles) = finding.roles.filter(|&roles| roles > self.roles) {
            self.roles = roles;
        }
        if finding.protocol == Protocol::Empty {
            // The tunnel gave nothing, and says why.
            if self.carries.is_some() {
                (self.protocol, self.why) = (Protocol::Rtmpt, "its requests are those of an RTMPT session");
            } else if self.tls.is_some() {
                (self.protocol, self.why) = (Protocol::Tls, "a TLS handshake, and nothing after it could be decrypted");
            }
        }
        let is_rtmp = matches!(finding.protocol, Protocol::Rtmp | Protocol::Rtmpe);
        let Stage::Detecting(held) = std::mem::replace(&mut self.stage, Stage::Ignoring(None)) else { return };
        if !is_rtmp {
            self.tell_of_undecrypted(&held, connection, observer);
            let is_told = self.protocol == Protocol::Rtmpt || options.expects(connection).is_some();
            if is_told && self.protocol != Protocol::Empty {
                self.stage = Stage::Ignoring(Foreign::of(&held, self.client).map(Box::new));
            }
            return;
        }
        if !self.roles.are_known() && finding.entries == [Entry::Midstream; 2] {
            self.guess_client(&held, options);
        }
        let [of_client, of_server] = [Direction::ClientToServer, Direction::ServerToClient]
            .map(|direction| options.decoder_of(connection.id, direction));
        let client = match finding.entries[0] {
            Entry::Handshake => Decoder::client(of_client),
            Entry::FromC2 => Decoder::client_from_c2(of_client),
            Entry::Midstream => Decoder::midstream(of_client),
        };
        let server = match finding.entries[1] {
            Entry::Handshake => Decoder::server(of_server),
            Entry::FromC2 | Entry::Midstream => Decoder::midstream(of_server),
        };
        self.stage = Stage::Decoding(Box::new([client, server]));
        for (from, arrival) in held.arrivals {
            match arrival {
                Arrival::Piece(held) => self.decode(connection, from, observer, |decoder, out| {
                    decoder.push(held.offset, &held.bytes, &held.sources, out);
                }),
                Arrival::Gap(gap) => self.decode_gap(connection, from, gap, observer),
            }
        }
    }

    /// Takes as the client the one that the first messages betray, if they do. In mid-session both directions are
    /// decoded alike.
    fn guess_client(&mut self, held: &Held, options: &Options) {
        let mut votes = Votes::default();
        for from in Endpoint::BOTH {
            let mut decoder = Decoder::midstream(options.decoder);
            let mut hear = |event: decoder::Event<'_>, _: &SourceMap<Source>| {
                if let decoder::Event::Message(message) = event {
                    votes.hear(from, message);
                }
            };
            decoder.push(0, &held.heads[from.index()], &[], &mut hear);
            decoder.finish(&mut hear);
        }
        if let Some(client) = votes.client() {
            (self.client, self.roles) = (client, Roles::Messages);
        }
    }

    fn decode_gap(&mut self, connection: &Connection, from: Endpoint, gap: Gap, observer: &mut impl Observer) {
        self.gap = Some(gap);
        self.decode(connection, from, observer, |decoder, out| decoder.gap(gap.offset, gap.len, gap.exact, out));
    }

    /// Who sends FLV, if somebody does; None if more bytes will tell.
    fn sender_of_tags(&self, connection: &Connection, is_over: bool) -> Option<Option<Endpoint>> {
        let Stage::Detecting(held) = &self.stage else { return Some(None) };
        let mut waits = false;
        for from in Endpoint::BOTH {
            let head = &held.heads[from.index()];
            let is_start = self.http_flv.is_some() || connection.side(from).started_at_syn;
            if !is_start || head.is_empty() {
                continue;
            }
            match flv::begins(head) {
                Some(true) => return Some(Some(from)),
                Some(false) => {}
                None => waits |= !is_over && !held.cut[from.index()],
            }
        }
        (!waits).then_some(None)
    }

    fn settle_tags(
        &mut self,
        connection: &Connection,
        sender: Endpoint,
        options: &Options,
        observer: &mut impl Observer,
    ) {
        (self.protocol, self.is_certain) = (Protocol::Flv, true);
        self.why = match self.http_flv {
            Some(_) => "the body of an HTTP message begins with FLV's signature",
            None => "the first bytes are FLV's signature",
        };
        if connection.is_raw {
            // A file has no two sides. It is what a publisher sends.
            (self.client, self.roles) = (sender, Roles::Messages);
        }
        let tags = Stage::Tags(sender, Box::new(flv::Decoder::new(options.decoder.media_prefix)));
        let Stage::Detecting(held) = std::mem::replace(&mut self.stage, tags) else { return };
        for (from, arrival) in held.arrivals {
            match arrival {
                Arrival::Piece(held) => self.read_tags(connection, from, observer, |decoder, out| {
                    decoder.push(held.offset, &held.bytes, &held.sources, out);
                }),
                Arrival::Gap(gap) => self.gap_in_tags(connection, from, gap, observer),
            }
        }
    }

    /// Hands something to the decoder of the side that sends FLV, and its events on to the observer.
    fn read_tags(
        &mut self,
        connection: &Connection,
        from: Endpoint,
        observer: &mut impl Observer,
        act: impl FnOnce(&mut flv::Decoder, &mut dyn FnMut(flv::Event, &SourceMap<Source>)),
    ) {
        let Stage::Tags(sender, mut decoder) = std::mem::replace(&mut self.stage, Stage::Ignoring(None)) else {
            return;
        };
        if from == sender {
            let direction = self.direction(from);
            act(&mut decoder, &mut |event, sources| {
                let kind = match &event {
                    flv::Event::Message(message) => Kind::Message(message),
                    flv::Event::Undecoded { range, why } => Kind::Undecoded { range: range.clone(), why: why.clone() },
                };
                observer.event(&Event { connection, sender: from, direction, kind, sources });
            });
        }
        self.stage = Stage::Tags(sender, decoder);
    }

    fn gap_in_tags(&mut self, connection: &Connection, from: Endpoint, gap: Gap, observer: &mut impl Observer) {
        if !matches!(self.stage, Stage::Tags(sender, _) if sender == from) {
            return;
        }
        self.read_tags(connection, from, observer, |decoder, out| decoder.gap(gap.len, out));
        let (direction, kind, sources) = (self.direction(from), Kind::Gap(gap), &SourceMap::default());
        observer.event(&Event { connection, sender: from, direction, kind, sources });
    }

    /// Hands something to the decoder of the sender's direction, and its events on to the observer.
    fn decode(
        &mut self,
        connection: &Connection,
        from: Endpoint,
        observer: &mut impl Observer,
        act: impl FnOnce(&mut Decoder, &mut dyn FnMut(decoder::Event<'_>, &SourceMap<Source>)),
    ) {
        let direction = self.direction(from);
        // The decoders are taken out, so that an event can show the rest of the conversation.
        let Stage::Decoding(mut decoders) = std::mem::replace(&mut self.stage, Stage::Ignoring(None)) else { return };
        let [client, server] = &mut *decoders;
        let (decoder, other) = if direction == Direction::ClientToServer { (client, server) } else { (server, client) };
        act(decoder, &mut |event, sources| {
            let kind = match event {
                decoder::Event::Handshake(part) => {
                    let facts = self.blocks.facts(&part, other.handshake_so_far());
                    self.see(&facts);
                    Kind::Handshake(part, facts)
                }
                decoder::Event::Message(message) => {
                    self.hear(from, message);
                    Kind::Message(message)
                }
                decoder::Event::Hole(_) => {
                    let Some(gap) = self.gap.take() else { return };
                    Kind::Gap(gap)
                }
                decoder::Event::Undecoded(bytes) => Kind::Undecoded { range: bytes.range, why: bytes.why },
            };
            observer.event(&Event { connection, sender: from, direction, kind, sources });
        });
        self.stage = Stage::Decoding(decoders);
    }

    /// Takes note of what a message proves.
    fn hear(&mut self, from: Endpoint, message: &Message) {
        if self.roles < Roles::Handshake {
            self.votes.hear(from, message);
        }
        if !self.is_certain && message.is_complete() && message.header.type_id.is_known() {
            self.is_certain = true;
            self.why = self.why_then;
        }
    }

    /// Takes note of what a part of the handshake proves.
    fn see(&mut self, facts: &HandshakeFacts) {
        let is_answer = facts.echo_ok == Some(true) || facts.signature_ok == Some(true);
        if !self.is_certain && is_answer && self.protocol == Protocol::Rtmp {
            (self.is_certain, self.why) = (true, detect::ANSWERS);
        }
    }

    /// Tells of what a tunnel could not decrypt, so that it is not known whether it is RTMP.
    fn tell_of_undecrypted(&self, held: &Held, connection: &Connection, observer: &mut impl Observer) {
        for (from, arrival) in held.arrivals.iter() {
            let Arrival::Gap(gap) = arrival else { continue };
            if !gap.reason.is_in_capture() {
                let (direction, kind, sources) = (self.direction(*from), Kind::Gap(*gap), &SourceMap::default());
                observer.event(&Event { connection, sender: *from, direction, kind, sources });
            }
        }
    }

    /// Tells of a direction that is not RTMP, where RTMP is expected.
    fn tell_of(&self, foreign: &Foreign, connection: &Connection, observer: &mut impl Observer) {
        let mut map = SourceMap::default();
        let [first, last] = foreign.places;
        map.push(first.0, first.1, first.2);
        if last.0 > first.0 {
            map.push(last.0, last.1, last.2);
        }
        let (code, what) = match self.protocol {
            Protocol::Tls => ("tls-on-rtmp-port", "TLS, perhaps RTMPS: it cannot be read without the keys"),
            Protocol::Http => ("not-rtmp", "HTTP, not RTMP"),
            Protocol::Rtmpt => ("rtmpt", "RTMPT: RTMP inside HTTP requests"),
            Protocol::ProxyHeader => ("not-rtmp", "a PROXY protocol header before the client's bytes"),
            _ => ("not-rtmp", "not RTMP: the first bytes are not a handshake"),
        };
        let message = format!("{what}; the direction begins with {}", hex::encode(&foreign.shown));
        let why = crate::rtmp::Defect { code, offset: foreign.range.start, message };
        let direction = self.direction(foreign.from);
        let kind = Kind::Undecoded { range: foreign.range.clone(), why };
        observer.event(&Event { connection, sender: foreign.from, direction, kind, sources: &map });
    }
}

/// The client by what each side sent so far, of a connection that has no packets.
fn speaking_client(connection: &Connection, held: &Held, options: &Options) -> Option<Endpoint> {
    let mut votes = Votes::default();
    for from in Endpoint::BOTH {
        // The parts of both sides' handshakes have the same lengths.
        let mut decoder = match connection.side(from).started_at_syn {
            true => Decoder::client(options.decoder),
            false => Decoder::midstream(options.decoder),
        };
        let mut hear = |event: decoder::Event<'_>, _: &SourceMap<Source>| {
            if let decoder::Event::Message(message) = event {
                votes.hear(from, message);
            }
        };
        for (sender, arrival) in held.arrivals.iter() {
            if let (true, Arrival::Piece(piece)) = (*sender == from, arrival) {
                decoder.push(piece.offset, &piece.bytes, &[], &mut hear);
            }
        }
        decoder.finish(&mut hear);
    }
    votes.client()
}

impl Foreign {
    /// What was held of the client, or of the server if the client sent nothing: one direction is enough to name it.
    fn of(held: &Held, client: Endpoint) -> Option<Foreign> {
        let mut told: Option<Foreign> = None;
        for from in [client, client.peer()] {
            for (sender, arrival) in held.arrivals.iter() {
                let Arrival::Piece(HeldPiece { offset, bytes, sources }) = arrival else { continue };
                match &mut told {
                    _ if *sender != from => {}
                    Some(foreign) if foreign.from == from => foreign.add(*offset, bytes, sources),
                    Some(_) => {}
                    None => {
                        let &(_, source) = sources.first()?;
                        let end = sources.get(1).map_or(bytes.len() as u64, |next| next.0.into());
                        let place = (*offset, end, source);
                        let mut foreign =
                            Foreign { from, range: *offset..*offset, shown: Vec::new(), places: [place, place] };
                        foreign.add(*offset, bytes, sources);
                        told = Some(foreign);
                    }
                }
            }
        }
        told
    }

    fn add(&mut self, offset: u64, bytes: &[u8], sources: &[(u32, Source)]) {
        if self.range.end == offset && self.shown.len() < SHOWN {
            self.shown.extend_from_slice(&bytes[..bytes.len().min(SHOWN - self.shown.len())]);
        }
        self.range.end = offset + bytes.len() as u64;
        if let Some(&(start, source)) = sources.last() {
            self.places[1] = (offset + u64::from(start), bytes.len() as u64 - u64::from(start), source);
        }
    }
}
