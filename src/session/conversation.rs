//! One connection's session: detection first, then a decoder for each direction.

use crate::origin::{Source, SourceMap};
use crate::rtmp::decoder::{self, Decoder, HandshakePart};
use crate::rtmp::handshake::{self, BLOCK, Maker, Part, Scheme};
use crate::tcp::{Connection, Endpoint, Gap, Piece};

use super::detect::{ENOUGH, Entry, Finding, Head, detect};
use super::{Direction, Event, HandshakeFacts, Kind, Observer, Options, Protocol};

/// What is known of the session on a connection.
#[derive(Debug)]
pub struct Conversation {
    /// What the connection carries.
    pub protocol: Protocol,
    /// The evidence for it.
    pub why: &'static str,
    /// Which endpoint is the client.
    pub client: Endpoint,
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
    /// Not RTMP: the bytes are let go.
    Ignoring,
}

/// What came before the protocol was known, in the order of the capture.
#[derive(Debug, Default)]
struct Held {
    arrivals: Vec<(Endpoint, Arrival)>,
    /// The first bytes of each endpoint without a hole.
    heads: [Vec<u8>; 2],
    /// Whether a hole ended the head.
    cut: [bool; 2],
    /// What `arrivals` take, in bytes.
    cost: usize,
}

#[derive(Debug)]
enum Arrival {
    Piece { offset: u64, bytes: Vec<u8>, sources: Vec<(u32, Source)> },
    Gap(Gap),
}

/// The blocks that wait for their answer.
#[derive(Debug, Default)]
struct Blocks {
    c1: Option<Box<[u8; BLOCK]>>,
    s1: Option<Box<[u8; BLOCK]>>,
}

impl Conversation {
    pub(super) fn new(connection: &Connection, options: &Options) -> Conversation {
        let named = |endpoint: Endpoint| {
            let port = connection.endpoints[endpoint.index()].port();
            options.ports.contains(&port) || options.forced_ports.contains(&port)
        };
        let client = match connection.client {
            Some(client) => client,
            // Without a SYN the server is the one with a port of RTMP's.
            None if named(Endpoint::First) && !named(Endpoint::Second) => Endpoint::Second,
            None => Endpoint::First,
        };
        Conversation {
            protocol: Protocol::Undecided,
            why: "",
            client,
            stage: Stage::Detecting(Held::default()),
            blocks: Blocks::default(),
            gap: None,
            allowed: usize::MAX,
        }
    }

    /// How many bytes it holds that wait for more.
    pub(super) fn open_bytes(&self) -> usize {
        match &self.stage {
            Stage::Detecting(held) => held.cost,
            Stage::Decoding(decoders) => decoders.iter().map(Decoder::open_bytes).sum(),
            Stage::Ignoring => 0,
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

    /// Whether messages of this connection are decoded.
    pub fn is_rtmp(&self) -> bool {
        self.protocol == Protocol::Rtmp
    }

    /// The decoder of what this endpoint sends, once it is known to be RTMP.
    pub fn decoder(&self, from: Endpoint) -> Option<&Decoder> {
        match &self.stage {
            Stage::Decoding(decoders) => Some(&decoders[self.direction(from).index()]),
            _ => None,
        }
    }

    /// The chunk size in force in this direction, if it is decoded and known.
    pub fn chunk_size(&self, direction: Direction) -> Option<u32> {
        match &self.stage {
            Stage::Decoding(decoders) => decoders[direction.index()].chunk_size(),
            _ => None,
        }
    }

    pub(super) fn piece(
        &mut self,
        connection: &Connection,
        from: Endpoint,
        piece: Piece<'_>,
        options: &Options,
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
                let (bytes, sources) = (piece.bytes.to_vec(), piece.sources.to_vec());
                held.cost += size_of::<(Endpoint, Arrival)>() + bytes.len() + std::mem::size_of_val(&sources[..]);
                held.arrivals.push((from, Arrival::Piece { offset: piece.offset, bytes, sources }));
                let is_full = held.cost > self.allowed;
                self.decide(connection, is_full, options, observer);
            }
            Stage::Ignoring => {}
        }
    }

    pub(super) fn gap(
        &mut self,
        connection: &Connection,
        from: Endpoint,
        gap: Gap,
        options: &Options,
        observer: &mut impl Observer,
    ) {
        match &mut self.stage {
            Stage::Decoding(_) => {
                self.decode_gap(connection, from, gap, observer);
            }
            Stage::Detecting(held) => {
                held.cut[from.index()] = true;
                held.arrivals.push((from, Arrival::Gap(gap)));
                self.decide(connection, false, options, observer);
            }
            Stage::Ignoring => {}
        }
    }

    pub(super) fn finish(&mut self, connection: &Connection, options: &Options, observer: &mut impl Observer) {
        if let Stage::Detecting(_) = self.stage {
            self.decide(connection, true, options, observer);
        }
        if let Stage::Decoding(_) = self.stage {
            for from in [self.client, self.client.peer()] {
                self.decode(connection, from, observer, Decoder::finish);
            }
        }
    }

    /// Finds out the protocol if it can be told now, and then deals with what was held.
    fn decide(&mut self, connection: &Connection, is_over: bool, options: &Options, observer: &mut impl Observer) {
        let Stage::Detecting(held) = &self.stage else { return };
        let port_in = |ports: &[u16]| connection.endpoints.iter().any(|endpoint| ports.contains(&endpoint.port()));
        let forced = port_in(&options.forced_ports) || options.has_dialect(connection.id);
        let head = |endpoint: Endpoint| Head {
            bytes: &held.heads[endpoint.index()],
            from_start: connection.side(endpoint).started_at_syn,
            is_over: is_over || held.cut[endpoint.index()],
        };
        let (client, server) = (head(self.client), head(self.client.peer()));
        let roles_known = connection.client.is_some();
        let Some(mut finding) = detect(client, server, roles_known, forced || port_in(&options.ports)) else { return };
        if forced && !matches!(finding.protocol, Protocol::Rtmp | Protocol::Rtmpe | Protocol::Empty) {
            let entry = |head: Head<'_>| if head.from_start { Entry::Handshake } else { Entry::Midstream };
            let entries = [entry(client), entry(server)];
            finding =
                Finding { protocol: Protocol::Rtmp, why: "the port is decoded as RTMP on request", entries, ..finding };
        }
        self.settle(connection, finding, options, observer);
    }

    fn settle(&mut self, connection: &Connection, finding: Finding, options: &Options, observer: &mut impl Observer) {
        self.protocol = finding.protocol;
        self.why = finding.why;
        if finding.swapped {
            self.client = self.client.peer();
        }
        let next = match finding.protocol {
            Protocol::Rtmp | Protocol::Rtmpe => {
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
                Stage::Decoding(Box::new([client, server]))
            }
            _ => Stage::Ignoring,
        };
        let Stage::Detecting(held) = std::mem::replace(&mut self.stage, next) else { return };
        if let Stage::Ignoring = self.stage {
            self.tell_of_other_protocol(connection, &held, options, observer);
            return;
        }
        for (from, arrival) in held.arrivals {
            match arrival {
                Arrival::Piece { offset, bytes, sources } => {
                    self.decode(connection, from, observer, |decoder, out| decoder.push(offset, &bytes, &sources, out));
                }
                Arrival::Gap(gap) => self.decode_gap(connection, from, gap, observer),
            }
        }
    }

    fn decode_gap(&mut self, connection: &Connection, from: Endpoint, gap: Gap, observer: &mut impl Observer) {
        self.gap = Some(gap);
        self.decode(connection, from, observer, |decoder, out| decoder.gap(gap.offset, gap.len, out));
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
        let Stage::Decoding(mut decoders) = std::mem::replace(&mut self.stage, Stage::Ignoring) else { return };
        let [client, server] = &mut *decoders;
        let (decoder, other) = if direction == Direction::ClientToServer { (client, server) } else { (server, client) };
        act(decoder, &mut |event, sources| {
            let kind = match event {
                decoder::Event::Handshake(part) => {
                    let facts = self.blocks.facts(&part, other.handshake_so_far());
                    Kind::Handshake(part, facts)
                }
                decoder::Event::Message(message) => Kind::Message(message),
                decoder::Event::Hole(_) => {
                    let Some(gap) = self.gap.take() else { return };
                    Kind::Gap(gap)
                }
                decoder::Event::Undecoded(bytes) => Kind::Undecoded { range: bytes.range, why: bytes.why },
            };
            observer.event(&Event { connection, conversation: &*self, direction, kind, sources });
        });
        self.stage = Stage::Decoding(decoders);
    }

    /// Names what stands on a port of RTMP's and is something else.
    fn tell_of_other_protocol(
        &self,
        connection: &Connection,
        held: &Held,
        options: &Options,
        observer: &mut impl Observer,
    ) {
        let on_a_named_port = connection.endpoints.iter().any(|endpoint| options.ports.contains(&endpoint.port()));
        if !on_a_named_port && self.protocol != Protocol::Rtmpt {
            return;
        }
        for from in [self.client, self.client.peer()] {
            let first = held.arrivals.iter().find_map(|(sender, arrival)| match arrival {
                Arrival::Piece { offset, bytes, sources } if *sender == from => Some((*offset, bytes, sources)),
                _ => None,
            });
            let Some((offset, bytes, sources)) = first else { continue };
            let mut map = SourceMap::default();
            for (i, &(start, source)) in sources.iter().enumerate() {
                let end = sources.get(i + 1).map_or(bytes.len() as u32, |next| next.0);
                map.push(offset + u64::from(start), (end - start).into(), source);
            }
            let (code, what) = match self.protocol {
                Protocol::Tls => ("tls-on-rtmp-port", "TLS, so perhaps RTMPS: it cannot be read without the keys"),
                Protocol::Http => ("not-rtmp", "HTTP, not RTMP"),
                Protocol::Rtmpt => ("rtmpt", "RTMPT: RTMP inside HTTP requests"),
                Protocol::ProxyHeader => ("not-rtmp", "a PROXY protocol header stands before the client's bytes"),
                _ => ("not-rtmp", "not RTMP: the first bytes are no handshake"),
            };
            let shown = &bytes[..bytes.len().min(16)];
            let message = format!("{what}; the direction begins with {}", hex::encode(shown));
            let why = crate::rtmp::Defect { code, offset, message };
            let range = offset..offset + bytes.len() as u64;
            let direction = self.direction(from);
            let kind = Kind::Undecoded { range, why };
            observer.event(&Event { connection, conversation: self, direction, kind, sources: &map });
            // One direction is enough to name it.
            break;
        }
    }
}

impl Blocks {
    /// What a part of the handshake says, together with the blocks seen before. Blocks are kept until answered.
    /// C2 may come before S2 is whole: `other_so_far` is what there is of the other side's part.
    fn facts(&mut self, part: &HandshakePart<'_>, other_so_far: &[u8]) -> HandshakeFacts {
        let mut facts =
            HandshakeFacts { version: None, scheme: None, software: None, echo_ok: None, signature_ok: None };
        let block = |at: usize| part.bytes.get(at..).and_then(|bytes| bytes.first_chunk::<BLOCK>());
        let maker = if part.part == Part::S0S1S2 { Maker::Server } else { Maker::Client };
        if part.part != Part::C2 {
            facts.version = part.bytes.first().copied();
            facts.software = part.bytes.get(5..9).and_then(|bytes| bytes.first_chunk().copied());
            if let Some(block) = block(1).filter(|_| part.complete) {
                facts.scheme = Some(match facts.version {
                    Some(version) if handshake::is_encrypted(version) => Scheme::Rtmpe,
                    _ => handshake::digest_at(block, maker).map_or(Scheme::Simple, |(scheme, _)| scheme),
                });
                match maker {
                    Maker::Client => self.c1 = Some(Box::new(*block)),
                    Maker::Server => self.s1 = Some(Box::new(*block)),
                }
            }
        }
        let (answer, answered) = match part.part {
            Part::C0C1 => (None, None),
            Part::S0S1S2 => (block(1 + BLOCK), self.c1.take()),
            Part::C2 => {
                let early = other_so_far.get(1..).and_then(|bytes| bytes.first_chunk::<BLOCK>());
                (block(0), self.s1.take().or(early.map(|s1| Box::new(*s1))))
            }
        };
        if let (Some(answer), Some(answered), true) = (answer, answered, part.complete) {
            facts.echo_ok = Some(handshake::echoes(answer, &answered));
            facts.signature_ok = handshake::signs(answer, maker, &answered);
        }
        facts
    }
}
