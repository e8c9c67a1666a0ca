//! TLS: what is inside, where the keys are known; else what can be told without them.
//!
//! Takes the bytes of connections, gives the application data of those whose first bytes are a TLS handshake and whose
//! secrets a key log has. All others pass as they are. What it finds out is told as [`Tls`].
//!
//! | file | holds |
//! |---|---|
//! | `keylog` | the secrets that one of the two sides wrote down |
//! | `hello` | what both sides say before anything is encrypted |
//! | `cipher` | from secrets to keys, and from a record to its content |
//! | `side` | one direction: records, holes between them, the keys in use |
//!
//! ```text
//!             ClientHello, ServerHello          keys for both
//!  piece ──▶ Hellos (all is held) ──────────────────────────────▶ Session ──▶ contents
//!             │ no TLS, no keys, a hole, too much                           └▶ holes
//!             ▼
//!           passes as it is
//! ```

mod cipher;
mod hello;
mod keylog;
mod side;

use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::origin::FrameNo;
use crate::tcp::{self, Connection, ConnectionId, Endpoint, Gap, Piece};

use super::held::{Arrival, Arrivals, Held};
use super::{Notice, Sink};
use cipher::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, Suite};
use hello::{ClientHello, Messages, ServerHello};
use keylog::Secrets;
pub use keylog::{KeyLog, MoreKeys};
use side::{Epoch, Side, Step};

/// What is known of TLS on a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tls {
    /// The version: the one chosen, or the newest that the client offers while the server has not answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The cipher suite that the server chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cipher: Option<CipherSuite>,
    /// The name of the server that the client asked for (SNI).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The protocols that the client offered (ALPN).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alpn_offered: Vec<String>,
    /// The one that the server chose, where that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpn: Option<String>,
    /// The random of the ClientHello: the second word of the connection's lines in a key log.
    #[serde(serialize_with = "hex::serde::serialize")]
    pub client_random: [u8; 32],
    /// Whether data that the client sent with its first flight was accepted; absent if it sent none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_data: Option<EarlyData>,
    /// Whether the application data was decrypted, or why not.
    pub decryption: Decryption,
    /// Encrypted records of the client and the server that were opened.
    pub records: [u64; 2],
    /// Encrypted records of the client and the server that were lost, or could not be opened.
    pub records_lost: [u64; 2],
    /// The last alert that ends a connection for an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<Alert>,
}

/// A version of TLS, as its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Version(pub u16);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0x0300 => f.write_str("SSL 3.0"),
            0x0301..=0x0304 => write!(f, "1.{}", self.0 - 0x0301),
            other => write!(f, "0x{other:04x}"),
        }
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.to_string()
    }
}

/// A cipher suite, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct CipherSuite(pub u16);

impl fmt::Display for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match cipher::name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:04x}", self.0),
        }
    }
}

impl From<CipherSuite> for String {
    fn from(suite: CipherSuite) -> String {
        suite.to_string()
    }
}

/// What became of data that was sent before the handshake was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EarlyData {
    /// It cannot be told.
    Unknown,
    /// The server took it.
    Accepted,
    /// The server passed it over; the client has to send it again.
    Rejected,
}

/// Whether application data was decrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decryption {
    /// The handshake is not in the capture, or not over.
    #[default]
    NoHandshake,
    /// There is no key log.
    NoKeyLog,
    /// The key log does not have this connection.
    NotInKeyLog,
    /// The cipher suite or version is not supported.
    Unsupported,
    /// The keys are known.
    Keys,
    /// The keys are known, and none of the records could be opened with them.
    WrongKeys,
}

/// An alert (RFC 8446 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// Its number.
    pub description: u8,
    /// Its name.
    pub name: &'static str,
    /// Whether the client sent it.
    pub from_client: bool,
    /// The frame that holds it; absent if it was read before anything was decrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<FrameNo>,
}

/// `TLS 1.3, TLS_AES_256_GCM_SHA384, for live.example.org, ALPN http/1.1; decrypted`.
impl fmt::Display for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version @ Version(0x0301..=0x0304)) => write!(f, "TLS {version}")?,
            Some(version) => write!(f, "{version}")?,
            None => f.write_str("TLS")?,
        }
        if let Some(cipher) = self.cipher {
            write!(f, ", {cipher}")?;
        }
        if let Some(name) = &self.server_name {
            write!(f, ", for {}", printable(name))?;
        }
        match (&self.alpn, &self.alpn_offered[..]) {
            (Some(alpn), _) => write!(f, ", ALPN {}", printable(alpn))?,
            (None, []) => {}
            (None, offered) => write!(f, ", ALPN offered {}", printable(&offered.join(" ")))?,
        }
        match self.early_data {
            Some(EarlyData::Accepted) => f.write_str(", early data accepted")?,
            Some(EarlyData::Rejected) => f.write_str(", early data rejected")?,
            Some(EarlyData::Unknown) => f.write_str(", early data sent")?,
            None => {}
        }
        let random = hex::encode(&self.client_random[..8]);
        match self.decryption {
            Decryption::NoHandshake => f.write_str("; not decrypted: the handshake is not complete in the capture"),
            Decryption::NoKeyLog => {
                f.write_str("; not decrypted: there are no keys (--keylog FILE; docs/rtmps.md says how to get them)")
            }
            Decryption::NotInKeyLog => write!(f, "; not decrypted: client random {random}… is not in the key log"),
            Decryption::Unsupported => f.write_str("; not decrypted: the version or cipher suite is not supported"),
            Decryption::Keys => f.write_str("; decrypted"),
            Decryption::WrongKeys => {
                write!(f, "; not decrypted: the keys in the log for client random {random}… open none of the records")
            }
        }?;
        let lost: u64 = self.records_lost.iter().sum();
        if self.decryption == Decryption::Keys && lost > 0 {
            let records = if lost == 1 { "record" } else { "records" };
            write!(f, ", but for {lost} {records}")?;
        }
        if let Some(alert) = self.alert {
            let who = if alert.from_client { "client" } else { "server" };
            write!(f, "; alert of the {who}: {} ({})", alert.name, alert.description)?;
        }
        Ok(())
    }
}

/// Without control characters: names come from the wire.
fn printable(text: &str) -> String {
    text.escape_debug().to_string()
}

impl Tls {
    /// Whether what was inside was given.
    pub fn is_decrypted(&self) -> bool {
        self.decryption == Decryption::Keys
    }

    fn take(&mut self, client: Option<&ClientHello>, server: Option<&ServerHello>) {
        if let Some(hello) = client {
            self.version = Some(Version(hello.version));
            self.server_name.clone_from(&hello.server_name);
            self.alpn_offered.clone_from(&hello.alpn);
            self.client_random = hello.random;
            self.early_data = hello.early_data.then_some(EarlyData::Unknown);
        }
        if let Some(hello) = server {
            self.version = Some(Version(hello.version));
            self.cipher = Some(CipherSuite(hello.cipher));
            self.alpn.clone_from(&hello.alpn);
        }
    }
}

/// Where keys come from.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The key log, as far as it is known when reading begins.
    pub keys: Arc<KeyLog>,
    /// A way to get more of it.
    pub more: Option<MoreKeys>,
}

/// The connections that begin with TLS.
#[derive(Debug)]
pub(super) struct Layer<S> {
    options: Options,
    connections: FxHashMap<ConnectionId, State>,
    /// What all connections hold that wait for keys.
    held: usize,
    pub sink: S,
}

#[derive(Debug)]
enum State {
    Hellos(Box<Hellos>),
    Session(Box<Session>),
}

/// A connection of which the hellos are not there yet, or the keys.
#[derive(Debug, Default)]
struct Hellos {
    arrivals: Arrivals,
    records: [Records; 2],
    client: Option<(Endpoint, ClientHello)>,
    server: Option<ServerHello>,
    alert: Option<Alert>,
}

/// A direction's records up to its hello, without what is in the way of it.
#[derive(Debug, Default)]
struct Records {
    header: Vec<u8>,
    left: usize,
    messages: Messages,
    is_over: bool,
    alert: Vec<u8>,
}

/// So much of a connection is held until its keys are known, in bytes.
const MOST_HELD: usize = 256 << 10;
/// So much of all connections.
const MOST_HELD_TOGETHER: usize = 16 << 20;

/// Whether secrets are missing that a key log may get later. In TLS 1.3 those of the application data are written after
/// those of the handshake, and one direction's before the other's.
fn lacks_secrets(session: &Result<Box<Session>, Decryption>) -> bool {
    match session {
        Ok(session) => session.lacks_secrets,
        Err(decryption) => matches!(decryption, Decryption::NoKeyLog | Decryption::NotInKeyLog),
    }
}

/// A connection whose keys are known.
#[derive(Debug)]
struct Session {
    /// Whether the secret of one direction's application data is not known.
    lacks_secrets: bool,
    client: Endpoint,
    sides: [Side; 2],
    messages: [Messages; 2],
    hellos: (ClientHello, ServerHello),
    /// Early data of which it is not known whether the server took it.
    early: Vec<Held>,
    info: Tls,
    /// What was told last.
    told: Option<Tls>,
}

impl<S: Sink> Layer<S> {
    pub fn new(options: Options, sink: S) -> Self {
        Layer { options, connections: FxHashMap::default(), held: 0, sink }
    }

    /// Adds keys that a capture has.
    pub fn add_keys(&mut self, text: &[u8]) {
        Arc::make_mut(&mut self.options.keys).add(text);
    }

    /// Takes what arrived on a connection whose hellos are awaited: all of it is held.
    fn decide(&mut self, connection: &Connection, is_over: bool) {
        let Some(State::Hellos(hellos)) = self.connections.get(&connection.id) else { return };
        let is_tls = hellos.client.is_some() || !hellos.is_refuted();
        let is_full = hellos.arrivals.cost() > MOST_HELD || self.held > MOST_HELD_TOGETHER;
        let is_answered = hellos.server.is_some() && hellos.client.is_some() || hellos.is_refuted();
        if is_tls && !is_answered && !is_over && !is_full {
            return;
        }
        let mut session = hellos.session(&self.options.keys);
        if lacks_secrets(&session) {
            let more = self.options.more.as_ref().map(MoreKeys::read).unwrap_or_default();
            self.options.more.take_if(|more| more.is_once());
            if !more.is_empty() {
                Arc::make_mut(&mut self.options.keys).add(&more);
                session = hellos.session(&self.options.keys);
            }
        }
        // A log that grows may have them a moment later.
        if lacks_secrets(&session) && self.options.more.is_some() && !is_over && !is_full && is_tls {
            return;
        }
        let Some(State::Hellos(hellos)) = self.connections.remove(&connection.id) else { return };
        self.held -= hellos.arrivals.cost();
        match session {
            Ok(mut session) => {
                session.tell(connection, &mut self.sink);
                let keys = &self.options.keys;
                for (from, arrival) in hellos.arrivals {
                    match &arrival {
                        Arrival::Piece(held) => session.piece(connection, from, held.piece(), keys, &mut self.sink),
                        Arrival::Gap(gap) => session.sides[from.index()].hole(*gap),
                    }
                }
                self.connections.insert(connection.id, State::Session(session));
            }
            Err(decryption) => {
                if let Some((from, hello)) = &hellos.client {
                    let mut info = Tls { decryption, alert: hellos.alert, ..Tls::default() };
                    info.take(Some(hello), hellos.server.as_ref());
                    self.sink.notice(connection, *from, Notice::Tls(Box::new(info)));
                }
                hellos.arrivals.pass(connection, &mut self.sink);
            }
        }
    }

    /// The state of a connection, and its beginning if this is its first piece and may be TLS.
    fn state(&mut self, connection: &Connection, piece: &Piece<'_>) -> Option<&mut State> {
        if piece.offset == 0 && side::may_begin(piece.bytes) {
            let begins = || State::Hellos(Box::default());
            return Some(self.connections.entry(connection.id).or_insert_with(begins));
        }
        if self.connections.is_empty() {
            return None;
        }
        self.connections.get_mut(&connection.id)
    }
}

impl<S: Sink> tcp::Sink for Layer<S> {
    fn opened(&mut self, connection: &Connection) {
        self.sink.opened(connection);
    }

    fn piece(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>) {
        match self.state(connection, &piece) {
            None => self.sink.piece(connection, from, piece),
            Some(State::Hellos(hellos)) => {
                let before = hellos.arrivals.cost();
                hellos.push(from, piece);
                self.held += hellos.arrivals.cost() - before;
                self.decide(connection, false);
            }
            Some(State::Session(_)) => {
                let Some(State::Session(session)) = self.connections.get_mut(&connection.id) else { return };
                session.piece(connection, from, piece, &self.options.keys, &mut self.sink);
            }
        }
    }

    fn gap(&mut self, connection: &Connection, from: Endpoint, gap: Gap) {
        match self.connections.get_mut(&connection.id) {
            None => self.sink.gap(connection, from, gap),
            Some(State::Hellos(hellos)) => {
                let before = hellos.arrivals.cost();
                hellos.arrivals.gap(from, gap);
                self.held += hellos.arrivals.cost() - before;
                hellos.records[from.index()].is_over = true;
                let is_lost = match (&hellos.client, &hellos.server) {
                    (Some((client, _)), None) => *client != from,
                    (None, _) => true,
                    (Some(_), Some(_)) => false,
                };
                self.decide(connection, is_lost);
            }
            Some(State::Session(session)) => session.sides[from.index()].hole(gap),
        }
    }

    fn conflict(&mut self, connection: &Connection, from: Endpoint, conflict: tcp::Conflict) {
        // The offsets inside are others; that there was one is in the connection's counts.
        if !self.connections.contains_key(&connection.id) {
            self.sink.conflict(connection, from, conflict);
        }
    }

    fn closed(&mut self, connection: &Connection) {
        self.decide(connection, true);
        if let Some(State::Session(mut session)) = self.connections.remove(&connection.id) {
            session.finish(connection, &mut self.sink);
        }
        self.sink.closed(connection);
    }
}

impl<S: Sink> Sink for Layer<S> {
    fn notice(&mut self, connection: &Connection, from: Endpoint, notice: Notice) {
        self.sink.notice(connection, from, notice);
    }
}

impl Hellos {
    fn push(&mut self, from: Endpoint, piece: Piece<'_>) {
        self.arrivals.piece(from, piece);
        let records = &mut self.records[from.index()];
        records.push(piece.bytes);
        while let Some((kind, body)) = records.messages.next() {
            match kind {
                hello::CLIENT_HELLO if self.client.is_none() => match ClientHello::read(&body) {
                    Some(hello) => self.client = Some((from, hello)),
                    None => records.is_over = true,
                },
                hello::SERVER_HELLO => match ServerHello::read(&body) {
                    Some(hello) if hello.is_retry() => {}
                    Some(hello) => {
                        self.server = Some(hello);
                        records.is_over = true;
                    }
                    None => records.is_over = true,
                },
                _ => {}
            }
        }
        if let &[level, description] = &records.alert[..]
            && (level == 2 || description != 0)
        {
            let from_client = self.client.as_ref().is_some_and(|(client, _)| *client == from);
            let name = alert_name(description);
            self.alert = Some(Alert { description, name, from_client, frame: None });
        }
    }

    /// Whether a direction turned out to be something other than a handshake of TLS.
    fn is_refuted(&self) -> bool {
        self.records.iter().any(|records| records.is_over) && self.server.is_none()
    }

    /// A session, if there are keys for it.
    fn session(&self, keys: &KeyLog) -> Result<Box<Session>, Decryption> {
        let (Some((from, client)), Some(server)) = (&self.client, &self.server) else {
            return Err(Decryption::NoHandshake);
        };
        let missing = if keys.is_empty() { Decryption::NoKeyLog } else { Decryption::NotInKeyLog };
        let secrets = keys.of(&client.random).ok_or(missing)?;
        Session::new(*from, client.clone(), server.clone(), secrets)
    }
}

impl Records {
    fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_over {
            if self.left == 0 {
                let take = bytes.len().min(5 - self.header.len());
                self.header.extend_from_slice(&bytes[..take]);
                bytes = &bytes[take..];
                let Some(&[kind, major, _, high, low]) = self.header.first_chunk() else { continue };
                self.left = usize::from(u16::from_be_bytes([high, low]));
                self.is_over = !matches!(kind, 20..=23) || major != 3 || self.left == 0;
                if !self.is_over {
                    continue;
                }
                return;
            }
            let take = bytes.len().min(self.left);
            match self.header[0] {
                HANDSHAKE => self.messages.push(&bytes[..take]),
                ALERT if self.alert.len() + take <= 2 => self.alert.extend_from_slice(&bytes[..take]),
                _ => {}
            }
            self.left -= take;
            bytes = &bytes[take..];
            if self.left == 0 {
                self.header.clear();
            }
        }
    }
}

impl Session {
    fn new(
        client: Endpoint,
        hello: ClientHello,
        answer: ServerHello,
        secrets: &Secrets,
    ) -> Result<Box<Session>, Decryption> {
        let mut info = Tls { decryption: Decryption::Keys, ..Tls::default() };
        info.take(Some(&hello), Some(&answer));
        let mut session = Session {
            lacks_secrets: false,
            client,
            sides: Default::default(),
            messages: Default::default(),
            hellos: (hello, answer),
            early: Vec::new(),
            info,
            told: None,
        };
        session.add_keys(secrets)?;
        Ok(Box::new(session))
    }

    /// Makes the keys that the hellos and the secrets give.
    fn add_keys(&mut self, secrets: &Secrets) -> Result<(), Decryption> {
        let (hello, answer) = &self.hellos;
        let unsupported = Decryption::Unsupported;
        let suite = Suite::of(answer.cipher).ok_or(unsupported)?;
        let ends = [self.client, self.client.peer()];
        match answer.version {
            0x0304 => {
                if secrets.traffic.iter().chain(&secrets.handshake).all(Option::is_none) {
                    return Err(Decryption::NotInKeyLog);
                }
                self.lacks_secrets = secrets.traffic.iter().any(Option::is_none);
                for (index, end) in ends.into_iter().enumerate() {
                    let side = &mut self.sides[end.index()];
                    let early = secrets.early.as_ref().filter(|_| index == 0 && hello.early_data);
                    let epochs = [
                        (Epoch::Early, early),
                        (Epoch::Handshake, secrets.handshake[index].as_ref()),
                        (Epoch::Application, secrets.traffic[index].as_ref()),
                    ];
                    for (epoch, secret) in epochs {
                        let Some(secret) = secret else { continue };
                        side.add_keys(epoch, suite.open_with(secret).ok_or(unsupported)?);
                    }
                    side.lacks_handshake_keys = secrets.handshake[index].is_none();
                    side.set_tls13(suite, secrets.traffic[index].clone());
                }
            }
            0x0303 => {
                let master = secrets.master.as_ref().ok_or(Decryption::NotInKeyLog)?;
                let randoms = [&hello.random, &answer.random];
                let openers = suite.open_both(master, randoms, answer.encrypt_then_mac).ok_or(unsupported)?;
                for (end, opener) in ends.into_iter().zip(openers) {
                    self.sides[end.index()].add_keys(Epoch::Application, opener);
                }
            }
            _ => return Err(unsupported),
        }
        Ok(())
    }

    /// Takes bytes, and gives the contents of all records that are there.
    fn piece(
        &mut self,
        connection: &Connection,
        from: Endpoint,
        piece: Piece<'_>,
        keys: &KeyLog,
        sink: &mut impl Sink,
    ) {
        self.sides[from.index()].push(piece);
        loop {
            match self.sides[from.index()].step() {
                Step::Wait => break,
                Step::Content(APPLICATION_DATA, Some(Epoch::Early)) => {
                    let (bytes, sources) = self.sides[from.index()].content();
                    if self.info.early_data == Some(EarlyData::Accepted) {
                        self.give(connection, from, sink);
                    } else if self.early.len() < MOST_EARLY {
                        self.early.push(Held { offset: 0, bytes: bytes.to_vec(), sources: sources.to_vec() });
                    }
                }
                Step::Content(APPLICATION_DATA, _) => {
                    if from == self.client && !self.early.is_empty() {
                        // The end of accepted early data is said before other keys are used.
                        self.info.early_data = Some(EarlyData::Rejected);
                        self.settle_early(connection, sink);
                    }
                    self.give(connection, from, sink);
                }
                // What is sent in the clear was read before.
                Step::Content(HANDSHAKE, Some(_)) => self.handshake(connection, from, keys, sink),
                Step::Content(ALERT, _) => self.alert(connection, from),
                Step::Content(CHANGE_CIPHER_SPEC, _) => self.sides[from.index()].change_cipher(),
                Step::Content(..) => {}
            }
        }
    }

    /// Gives the content of the record just read.
    fn give(&mut self, connection: &Connection, from: Endpoint, sink: &mut impl Sink) {
        let side = &mut self.sides[from.index()];
        if let Some(gap) = side.take_lost() {
            sink.gap(connection, from, gap);
        }
        let offset = side.out;
        let (bytes, sources) = side.content();
        if bytes.is_empty() {
            return;
        }
        sink.piece(connection, from, Piece { offset, bytes, sources });
        let len = bytes.len() as u64;
        side.out += len;
    }

    /// Early data is the client's only if the server took it (RFC 8446 4.2.10).
    fn settle_early(&mut self, connection: &Connection, sink: &mut impl Sink) {
        if self.info.early_data == Some(EarlyData::Accepted) {
            for held in std::mem::take(&mut self.early) {
                let side = &mut self.sides[self.client.index()];
                let piece = Piece { offset: side.out, ..held.piece() };
                side.out += held.bytes.len() as u64;
                sink.piece(connection, self.client, piece);
            }
        } else if self.info.early_data == Some(EarlyData::Rejected) {
            self.early.clear();
            self.sides[self.client.index()].forget_unopened();
        }
    }

    fn handshake(&mut self, connection: &Connection, from: Endpoint, keys: &KeyLog, sink: &mut impl Sink) {
        let is_client = from == self.client;
        let is_tls13 = self.hellos.1.version == 0x0304;
        self.messages[from.index()].push(self.sides[from.index()].content().0);
        while let Some((kind, body)) = self.messages[from.index()].next() {
            match kind {
                hello::ENCRYPTED_EXTENSIONS if is_tls13 && !is_client => {
                    let (alpn, early) = hello::encrypted_extensions(&body);
                    self.info.alpn = alpn;
                    if self.info.early_data.is_some() {
                        self.info.early_data = Some(if early { EarlyData::Accepted } else { EarlyData::Rejected });
                        self.settle_early(connection, sink);
                    }
                }
                hello::END_OF_EARLY_DATA if is_tls13 && is_client => {
                    self.info.early_data = Some(EarlyData::Accepted);
                    self.settle_early(connection, sink);
                }
                hello::KEY_UPDATE if is_tls13 => self.sides[from.index()].update_keys(),
                // TLS 1.2: new keys are agreed on under the old ones.
                hello::CLIENT_HELLO if !is_tls13 && is_client => {
                    if let Some(hello) = ClientHello::read(&body) {
                        self.hellos.0 = hello;
                    }
                }
                hello::SERVER_HELLO if !is_tls13 && !is_client => {
                    if let Some(answer) = ServerHello::read(&body) {
                        self.hellos.1 = answer;
                        if let Some(secrets) = keys.of(&self.hellos.0.random) {
                            // Without these the records that follow are told of as undecrypted.
                            _ = self.add_keys(secrets);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn alert(&mut self, connection: &Connection, from: Endpoint) {
        if let &[level, description] = self.sides[from.index()].content().0
            && (level == 2 || description > 0 && self.hellos.1.version == 0x0304)
        {
            let frame = Some(connection.last.frame);
            let (name, from_client) = (alert_name(description), from == self.client);
            self.info.alert = Some(Alert { description, name, from_client, frame });
        }
    }

    fn finish(&mut self, connection: &Connection, sink: &mut impl Sink) {
        if self.info.early_data == Some(EarlyData::Unknown) && !self.early.is_empty() {
            self.info.early_data = Some(EarlyData::Accepted);
        }
        self.settle_early(connection, sink);
        for from in Endpoint::BOTH {
            let side = &mut self.sides[from.index()];
            side.finish();
            if let Some(gap) = side.take_lost() {
                sink.gap(connection, from, gap);
            }
        }
        self.tell(connection, sink);
    }

    /// Tells what is known, if it is more than before.
    fn tell(&mut self, connection: &Connection, sink: &mut impl Sink) {
        let of = |which: usize| [self.client, self.client.peer()].map(|end| self.sides[end.index()].records[which]);
        (self.info.records, self.info.records_lost) = (of(0), of(1));
        if self.info.records == [0; 2] && self.info.records_lost != [0; 2] {
            self.info.decryption = Decryption::WrongKeys;
        }
        if self.told.as_ref() != Some(&self.info) {
            self.told = Some(self.info.clone());
            sink.notice(connection, self.client, Notice::Tls(Box::new(self.info.clone())));
        }
    }
}

/// So many records of early data are held until it is known whether the server took them.
const MOST_EARLY: usize = 256;

/// The name of an alert (RFC 8446 6).
fn alert_name(description: u8) -> &'static str {
    match description {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        109 => "missing_extension",
        110 => "unsupported_extension",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        _ => "unknown alert",
    }
}
