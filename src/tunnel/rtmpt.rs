//! RTMPT: RTMP in the bodies of HTTP requests and responses.
//!
//! Takes the bytes of connections, gives those of the RTMP sessions that they carry. A connection belongs to RTMPT when
//! its first request is one of `/open`, `/send`, `/idle`, `/close` and `/fcs`, and the server plays along. There is no
//! specification; what is known is in Red5's `RTMPTServlet` and in librtmp.
//!
//! | request | body | response |
//! |---|---|---|
//! | `/fcs/ident2` | a zero | an address, or an error: it is passed over |
//! | `/open/1` | a zero | the session's name, and a line break |
//! | `/send/NAME/NUMBER` | the client's bytes | a byte for the polling interval, then the server's bytes |
//! | `/idle/NAME/NUMBER` | a zero | the same |
//! | `/close/NAME/NUMBER` | a zero | the same |
//!
//! ## One session from several TCP connections
//!
//! A client may use several connections, one after the other or at the same time, and a proxy may send requests of many
//! clients over one. So:
//!
//! - **Number.** A session is shown under the number of the connection that it was opened on (or on which its first
//!   captured request came), with that one's addresses. A second session of the same connection has a number of its own,
//!   from 2^31 on: Wireshark has none for it. Connections that carry requests of a session shown elsewhere say so.
//! - **Order.** The client's direction is the bodies of `/send`, the server's the bodies of the responses less their first
//!   byte, both in the order of the requests' numbers. A body whose turn it is passes byte by byte as it is captured. One
//!   with a higher number waits until those before it are over; it waits no longer once the server has answered it, as
//!   then the server had those before, or did not wait for them. So rows have the order of the capture, unless
//!   connections overtake each other.
//! - **Sent again.** A request whose connection ended without an answer may be sent again on another: its bytes count
//!   once. A number that was answered and comes again is a mistake of the client: it is told of, and the bytes are taken.
//! - **Gaps.** A hole inside a body is a hole of as many bytes in its direction. One that reaches into a head is of an
//!   unknown number of bytes; the next message is found by its first line. What a connection still owed when it ended is
//!   not waited for.
//! - **Provenance.** The bytes are the file's own, so sources pass as they are; only offsets are new.
//! - **End.** A session ends with the last of its connections, after `/close`, or with the capture.

mod session;

use std::collections::VecDeque;
use std::net::SocketAddr;

use rustc_hash::FxHashMap;

use super::held::Arrivals;
use super::http::{Head, Hole, Messages, Part, Side};
use super::{Notice, Sink, slice};
use crate::origin::Source;
use crate::tcp::{self, Connection, ConnectionId, Endpoint, Gap, Piece};
pub use session::{Problem, ProblemKind, Rtmpt};
use session::{Session, Turn, Way};

/// A session's server and name.
type Key = (SocketAddr, String);

/// The connections that carry RTMPT, and the sessions on them.
#[derive(Debug)]
pub(super) struct Layer<S> {
    carriers: FxHashMap<ConnectionId, Box<Carrier>>,
    inner: Inner<S>,
}

#[derive(Debug)]
struct Inner<S> {
    sessions: FxHashMap<Key, Session>,
    /// Sessions without an open connection, in the order in which they lost it.
    idle: VecDeque<Key>,
    /// Sessions that have numbers of their own, so far.
    extra: u32,
    sink: S,
}

/// A TCP connection that carries requests.
#[derive(Debug)]
struct Carrier {
    client: Endpoint,
    /// Everything, as long as it may be nothing of RTMPT's.
    held: Option<Arrivals>,
    directions: [Messages; 2],
    /// The request that is being sent. Its answer may be captured before the rest of it.
    sending: Option<Request>,
    /// Requests that are not answered, in their order.
    pending: VecDeque<Request>,
    /// The response that is being received.
    response: Option<Response>,
    /// The sessions that had requests on it.
    sessions: Vec<Key>,
    /// The session that has the connection's number.
    shown: Option<Key>,
    /// Whether responses were lost, so that the next one is that to the last request.
    is_lost: bool,
}

#[derive(Clone, Debug)]
struct Request {
    what: What,
    turn: Turn,
    /// Bytes of its body that were given.
    taken: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Open,
    /// `/send`, `/idle`, `/close`.
    Of {
        key: Key,
        verb: Verb,
    },
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Send,
    Idle,
    Close,
}

#[derive(Debug)]
struct Response {
    request: Request,
    status: u16,
    /// Bytes of its body so far.
    len: u64,
    /// The body of the response to `/open`.
    name: Vec<u8>,
}

/// So much is held of a connection until it is known whether the server speaks RTMPT.
const MOST_HELD: usize = 64 << 10;
/// So many sessions are kept that have no connection.
const MOST_IDLE: usize = 1024;
/// The longest name of a session.
const LONGEST_NAME: usize = 128;
/// The number of the first session that has no connection of its own.
const FIRST_EXTRA: u32 = 1 << 31;

impl<S: Sink> Layer<S> {
    pub fn new(sink: S) -> Self {
        let inner = Inner { sessions: FxHashMap::default(), idle: VecDeque::new(), extra: 0, sink };
        Layer { carriers: FxHashMap::default(), inner }
    }

    pub fn sink(&mut self) -> &mut S {
        &mut self.inner.sink
    }

    pub fn into_sink(self) -> S {
        self.inner.sink
    }

    /// Ends the sessions that are open when the capture ends.
    pub fn finish(&mut self) {
        let mut open: Vec<_> = self.inner.sessions.drain().map(|(_, session)| session).collect();
        open.sort_by_key(|session| session.connection.id);
        for session in open {
            self.inner.close(session);
        }
    }

    /// Lets go of a connection that is not RTMPT.
    fn release(&mut self, connection: &Connection) {
        let carrier = self.carriers.remove(&connection.id);
        if let Some(held) = carrier.and_then(|carrier| carrier.held) {
            held.pass(connection, &mut self.inner.sink);
        }
    }
}

impl<S: Sink> tcp::Sink for Layer<S> {
    fn opened(&mut self, connection: &Connection) {
        self.inner.sink.opened(connection);
    }

    fn piece(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>) {
        let is_start = piece.offset == 0 && may_begin(piece.bytes);
        if is_start && !self.carriers.contains_key(&connection.id) && is_first(connection, from) {
            self.carriers.insert(connection.id, Box::new(Carrier::new(from)));
        }
        let carrier = if self.carriers.is_empty() { None } else { self.carriers.get_mut(&connection.id) };
        let Some(carrier) = carrier else { return self.inner.sink.piece(connection, from, piece) };
        if let Some(held) = &mut carrier.held {
            held.piece(from, piece);
        }
        carrier.push(connection, from, piece, &mut self.inner);
        if carrier.is_refuted() {
            self.release(connection);
        }
    }

    fn gap(&mut self, connection: &Connection, from: Endpoint, gap: Gap) {
        let Some(carrier) = self.carriers.get_mut(&connection.id) else {
            return self.inner.sink.gap(connection, from, gap);
        };
        match &mut carrier.held {
            Some(held) => {
                held.gap(from, gap);
                self.release(connection);
            }
            None => carrier.hole(connection, from, gap, &mut self.inner),
        }
    }

    fn conflict(&mut self, connection: &Connection, from: Endpoint, conflict: tcp::Conflict) {
        // The offsets inside are others; that there was one is in the connection's counts.
        if !self.carriers.contains_key(&connection.id) {
            self.inner.sink.conflict(connection, from, conflict);
        }
    }

    fn closed(&mut self, connection: &Connection) {
        match self.carriers.remove(&connection.id) {
            None => self.inner.sink.closed(connection),
            Some(mut carrier) => match carrier.held.take() {
                Some(held) => {
                    held.pass(connection, &mut self.inner.sink);
                    self.inner.sink.closed(connection);
                }
                None => carrier.close(connection, &mut self.inner),
            },
        }
    }
}

impl<S: Sink> Sink for Layer<S> {
    fn notice(&mut self, connection: &Connection, from: Endpoint, notice: Notice) {
        self.inner.sink.notice(connection, from, notice);
    }
}

/// Whether a first request may begin with these bytes.
fn may_begin(bytes: &[u8]) -> bool {
    let start = b"POST /";
    start.starts_with(&bytes[..bytes.len().min(start.len())])
}

/// Whether the other side has said nothing yet: in HTTP the client begins.
fn is_first(connection: &Connection, from: Endpoint) -> bool {
    connection.client.is_none_or(|client| client == from)
}

impl<S: Sink> Inner<S> {
    /// The session with this name; it begins here if it is not known.
    fn session(&mut self, key: &Key, carrier: &mut Carrier, connection: &Connection, opened: bool) -> &mut Session {
        if opened && let Some(old) = self.sessions.remove(key) {
            // The server gives the name a second time.
            self.close(old);
        }
        if !self.sessions.contains_key(key) {
            let is_own = carrier.shown.is_none();
            let mut shown = connection.clone();
            if is_own {
                carrier.shown = Some(key.clone());
            } else {
                shown.id = ConnectionId(FIRST_EXTRA + self.extra);
                self.extra = (self.extra + 1) % FIRST_EXTRA;
            }
            let session = Session::new(key.1.clone(), shown, carrier.client, opened);
            if !is_own {
                self.sink.opened(&session.connection);
            }
            self.sessions.insert(key.clone(), session);
        }
        let session = self.sessions.get_mut(key).expect("it was just put there");
        if !carrier.sessions.contains(key) {
            carrier.sessions.push(key.clone());
            session.carried_by(connection.id);
            session.tell(&mut self.sink);
            if carrier.shown.is_none() {
                self.sink.notice(connection, carrier.client, Notice::Carries(session.connection.id));
            }
        }
        session.connection.last = connection.last;
        session
    }

    fn close(&mut self, mut session: Session) {
        session.finish(&mut self.sink);
        self.sink.closed(&session.connection);
    }
}

impl Carrier {
    fn new(client: Endpoint) -> Carrier {
        let mut directions = [Messages::new(Side::Requests), Messages::new(Side::Responses)];
        if client == Endpoint::Second {
            directions.reverse();
        }
        Carrier {
            client,
            held: Some(Arrivals::default()),
            directions,
            pending: VecDeque::new(),
            sending: None,
            response: None,
            sessions: Vec::new(),
            shown: None,
            is_lost: false,
        }
    }

    fn is_refuted(&self) -> bool {
        self.held
            .as_ref()
            .is_some_and(|held| held.cost() > MOST_HELD || self.directions.iter().any(|direction| direction.is_refuted))
    }

    fn push(&mut self, connection: &Connection, from: Endpoint, piece: Piece<'_>, inner: &mut Inner<impl Sink>) {
        let mut at = 0;
        while let Some(part) = self.directions[from.index()].next(piece.bytes, &mut at) {
            match (from == self.client, part) {
                (true, Part::Head(head)) => self.request(connection, head, inner),
                (true, Part::Body(range)) => {
                    let sources = slice(piece.sources, &range);
                    self.request_body(&piece.bytes[range], &sources, connection, inner);
                }
                (true, Part::End) => self.request_over(inner),
                (false, Part::Head(head)) => self.response(connection, head, inner),
                (false, Part::Body(range)) => {
                    let sources = slice(piece.sources, &range);
                    self.response_body(&piece.bytes[range], &sources, connection, inner);
                }
                (false, Part::End) => self.response_over(connection, inner),
            }
        }
        if self.directions[from.index()].is_refuted && self.held.is_none() {
            // What follows is no HTTP: the next start of a message is looked for.
            self.directions[from.index()].is_refuted = false;
            self.lose(from, None, connection, inner);
        }
    }

    fn request(&mut self, connection: &Connection, head: Head, inner: &mut Inner<impl Sink>) {
        let Head::Request { is_post, target } = head else { return };
        let server = connection.endpoints[self.client.peer().index()];
        let what = if is_post { what(&target, server) } else { None };
        // The first one decides.
        let Some(what) = what.or_else(|| self.held.is_none().then_some((What::Other, 0))) else {
            self.directions[self.client.index()].is_refuted = true;
            return;
        };
        let (what, number) = what;
        let mut request = Request { what, turn: Turn { number: None, skip: 0 }, taken: 0 };
        if let What::Of { key, verb } = &request.what {
            self.held = None;
            let session = inner.session(key, self, connection, false);
            session.info.closed |= *verb == Verb::Close;
            let key = key.clone();
            request.turn = inner.with(&key, |session, sink| session.request(number, sink)).unwrap_or(request.turn);
        }
        self.sending = Some(request.clone());
        self.pending.push_back(request);
    }

    fn request_body(
        &mut self,
        bytes: &[u8],
        sources: &[(u32, Source)],
        connection: &Connection,
        inner: &mut Inner<impl Sink>,
    ) {
        let Some(request) = &mut self.sending else { return };
        let What::Of { key, verb: Verb::Send } = &request.what else { return };
        let skip = request.turn.skip.saturating_sub(request.taken).min(bytes.len() as u64) as usize;
        request.taken += bytes.len() as u64;
        if skip == bytes.len() {
            return;
        }
        let sources = super::sources_from(sources, skip);
        let turn = request.turn.number;
        inner.with(key, |session, sink| {
            session.connection.last = connection.last;
            session.bytes(Way::Up, turn, &bytes[skip..], &sources, sink);
        });
    }

    fn request_over(&mut self, inner: &mut Inner<impl Sink>) {
        let Some(Request { what: What::Of { key, .. }, turn, .. }) = self.sending.take() else { return };
        inner.with(&key, |session, sink| session.request_over(turn, sink));
    }

    fn response(&mut self, connection: &Connection, head: Head, inner: &mut Inner<impl Sink>) {
        let Head::Response { status } = head else { return };
        if (100..200).contains(&status) {
            return;
        }
        if std::mem::take(&mut self.is_lost) {
            while self.pending.len() > 1 {
                self.give_up_first(inner);
            }
        }
        let Some(request) = self.pending.pop_front() else {
            let last = self.sessions.last().map(|key| What::Of { key: key.clone(), verb: Verb::Idle });
            let request = Request { what: last.unwrap_or(What::Other), turn: Turn { number: None, skip: 0 }, taken: 0 };
            self.response = Some(Response { request, status, len: 0, name: Vec::new() });
            return;
        };
        match &request.what {
            What::Open if status != 200 && self.held.is_some() => {
                self.directions[self.client.index()].is_refuted = true;
            }
            What::Of { key, .. } if status != 200 => {
                let turn = request.turn;
                inner.with(key, |session, sink| {
                    session.connection.last = connection.last;
                    session.status(turn, status, sink);
                });
            }
            _ => {}
        }
        self.response = Some(Response { request, status, len: 0, name: Vec::new() });
    }

    fn response_body(
        &mut self,
        bytes: &[u8],
        sources: &[(u32, Source)],
        connection: &Connection,
        inner: &mut Inner<impl Sink>,
    ) {
        let Some(response) = self.response.as_mut().filter(|response| response.status == 200) else { return };
        // The first byte says how soon to ask again.
        let skip = usize::from(response.len == 0);
        response.len += bytes.len() as u64;
        match &response.request.what {
            What::Open => {
                let room = LONGEST_NAME.saturating_sub(response.name.len());
                response.name.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            What::Of { key, .. } if bytes.len() > skip => {
                let turn = response.request.turn.number;
                let sources = super::sources_from(sources, skip);
                inner.with(key, |session, sink| {
                    session.connection.last = connection.last;
                    session.bytes(Way::Down, turn, &bytes[skip..], &sources, sink);
                });
            }
            _ => {}
        }
    }

    fn response_over(&mut self, connection: &Connection, inner: &mut Inner<impl Sink>) {
        let Some(response) = self.response.take() else { return };
        match &response.request.what {
            What::Open if response.status == 200 => {
                let name = String::from_utf8_lossy(&response.name).trim().to_owned();
                let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '<');
                match is_name {
                    true => {
                        self.held = None;
                        let server = connection.endpoints[self.client.peer().index()];
                        inner.session(&(server, name), self, connection, true);
                    }
                    false if self.held.is_some() => self.directions[self.client.index()].is_refuted = true,
                    false => {}
                }
            }
            What::Of { key, .. } => {
                let turn = response.request.turn;
                inner.with(key, |session, sink| session.answered(turn, sink));
            }
            _ => {}
        }
    }

    /// A hole in the connection.
    fn hole(&mut self, connection: &Connection, from: Endpoint, gap: Gap, inner: &mut Inner<impl Sink>) {
        match self.directions[from.index()].hole(gap.len) {
            Hole::Lost => self.lose(from, Some(gap), connection, inner),
            Hole::InBody => {
                let is_client = from == self.client;
                let request = match &mut self.response {
                    _ if is_client => self.sending.as_mut(),
                    Some(response) => {
                        response.len += gap.len;
                        Some(&mut response.request)
                    }
                    None => None,
                };
                let Some(request) = request else { return };
                if is_client {
                    request.taken += gap.len;
                }
                let Request { what: What::Of { key, verb }, turn, .. } = request else { return };
                if !is_client || *verb == Verb::Send {
                    let (way, turn) = (if is_client { Way::Up } else { Way::Down }, turn.number);
                    inner.with(key, |session, sink| {
                        session.connection.last = connection.last;
                        session.gap(way, turn, gap, sink);
                    });
                }
            }
        }
    }

    /// It is not known where the next message begins.
    fn lose(&mut self, from: Endpoint, gap: Option<Gap>, connection: &Connection, inner: &mut Inner<impl Sink>) {
        let is_client = from == self.client;
        _ = self.directions[from.index()].hole(0);
        let current = match is_client {
            true => self.sending.take().map(|request| (request.what, request.turn)),
            false => self.response.take().map(|response| (response.request.what, response.request.turn)),
        };
        let (key, turn) = match current {
            Some((What::Of { key, .. }, turn)) => (Some(key), Some(turn)),
            _ => (self.sessions.last().cloned(), None),
        };
        self.is_lost = true;
        let Some(key) = key else { return };
        inner.with(&key, |session, sink| {
            session.connection.last = connection.last;
            if let Some(gap) = gap {
                let way = if is_client { Way::Up } else { Way::Down };
                session.gap(way, turn.and_then(|turn| turn.number), Gap { exact: false, ..gap }, sink);
            }
            match turn {
                Some(turn) if is_client => session.request_over(turn, sink),
                Some(turn) => session.answered(turn, sink),
                None => {}
            }
        });
    }

    /// Nobody answers the first of the requests any more.
    fn give_up_first(&mut self, inner: &mut Inner<impl Sink>) {
        let Some(request) = self.pending.pop_front() else { return };
        if let What::Of { key, .. } = &request.what {
            inner.with(key, |session, sink| session.abandon(request.turn, sink));
        }
    }

    fn close(&mut self, connection: &Connection, inner: &mut Inner<impl Sink>) {
        // A body without a length ends with the connection.
        self.response_over(connection, inner);
        while !self.pending.is_empty() {
            self.give_up_first(inner);
        }
        for (index, key) in self.sessions.iter().enumerate() {
            let Some(session) = inner.sessions.get_mut(key) else { continue };
            session.connection.last = connection.last;
            session.connection.end = connection.end;
            if index == 0 {
                session.add_counts(self.client, connection);
            }
            session.carriers.retain(|carrier| *carrier != connection.id);
            if !session.carriers.is_empty() {
                continue;
            }
            if session.info.closed {
                let session = inner.sessions.remove(key).expect("it is there");
                inner.close(session);
            } else {
                inner.idle.push_back(key.clone());
            }
        }
        while inner.idle.len() > MOST_IDLE {
            let Some(key) = inner.idle.pop_front() else { break };
            // It may have found another connection since.
            if inner.sessions.get(&key).is_some_and(|session| session.carriers.is_empty())
                && let Some(session) = inner.sessions.remove(&key)
            {
                inner.close(session);
            }
        }
        if self.shown.is_none() {
            inner.sink.closed(connection);
        }
    }
}

impl<S: Sink> Inner<S> {
    /// Does something with a session and the sink.
    fn with<T>(&mut self, key: &Key, act: impl FnOnce(&mut Session, &mut S) -> T) -> Option<T> {
        self.sessions.get_mut(key).map(|session| act(session, &mut self.sink))
    }
}

/// What a request asks for, and its number; none if it is not RTMPT's.
fn what(target: &str, server: SocketAddr) -> Option<(What, u64)> {
    // A proxy is asked with the whole URL.
    let path = match target.strip_prefix("http://") {
        Some(rest) => &rest[rest.find('/')?..],
        None => target,
    };
    let mut parts = path.split('?').next()?.trim_start_matches('/').split('/');
    let verb = match parts.next()? {
        "open" => return Some((What::Open, 0)),
        "fcs" => return Some((What::Other, 0)),
        "send" => Verb::Send,
        "idle" => Verb::Idle,
        "close" => Verb::Close,
        _ => return None,
    };
    let name = parts.next().filter(|name| !name.is_empty() && name.len() <= LONGEST_NAME)?;
    let number = parts.next()?.parse().ok()?;
    Some((What::Of { key: (server, name.to_owned()), verb }, number))
}
