//! One RTMPT session: the bytes of both directions, put in order from the requests and responses that carried them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::origin::{FrameNo, Source};
use crate::tcp::{Connection, ConnectionId, Endpoint, Gap, Piece};
use crate::tunnel::{Notice, Sink};

/// What is known of RTMPT around a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rtmpt {
    /// The session's name: the server's answer to `/open`.
    pub session: String,
    /// The TCP connections that carried its requests, in the order in which they began to.
    pub tcp_streams: Vec<ConnectionId>,
    /// Requests: `/send`, `/idle` and `/close`.
    pub requests: u64,
    /// Whether the session was opened in the capture.
    pub opened: bool,
    /// Whether the client closed it.
    pub closed: bool,
    /// What is wrong with it, the first of each kind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// Something wrong with a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What.
    #[serde(flatten)]
    pub kind: ProblemKind,
    /// The frame in which it was noticed.
    pub frame: FrameNo,
}

/// What is wrong with an RTMPT session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum ProblemKind {
    /// A request has a number that an answered one had.
    SequenceRepeated {
        /// The number.
        number: u64,
    },
    /// Numbers are left out.
    SequenceSkipped {
        /// The one that was due.
        due: u64,
        /// The one that came.
        number: u64,
    },
    /// The server answered a request with an error of HTTP.
    HttpStatus {
        /// The request's number.
        number: u64,
        /// The status.
        status: u16,
    },
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            ProblemKind::SequenceRepeated { number } => {
                write!(f, "request number {number} is used again after it was answered")
            }
            ProblemKind::SequenceSkipped { due, number } => {
                write!(f, "request number {number} came where {due} was due, and the ones between never did")
            }
            ProblemKind::HttpStatus { number, status } => {
                write!(f, "the server answered request number {number} with HTTP status {status}")
            }
        }?;
        write!(f, " (frame {})", self.frame)
    }
}

/// `RTMPT session "AB12" over TCP connections 0, 3; 17 requests`.
impl std::fmt::Display for Rtmpt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers: Vec<_> = self.tcp_streams.iter().map(|id| id.0.to_string()).collect();
        let connections = if numbers.len() == 1 { "connection" } else { "connections" };
        let requests = if self.requests == 1 { "request" } else { "requests" };
        let (session, numbers) = (self.session.escape_debug(), numbers.join(", "));
        write!(f, "session {session} over TCP {connections} {numbers}; {} {requests}", self.requests)?;
        if !self.opened {
            f.write_str("; it was opened before the capture")?;
        }
        self.problems.iter().try_for_each(|problem| write!(f, "; {problem}"))
    }
}

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    /// The connection that it is shown as: the one that it was opened on, or one of its own where that has a session.
    pub connection: Connection,
    /// The client, in that connection.
    client: Endpoint,
    pub info: Rtmpt,
    told: Option<Rtmpt>,
    /// The TCP connections that are open and carried requests of it.
    pub carriers: Vec<ConnectionId>,
    /// What the client sent, and what the server did.
    lanes: [Lane; 2],
    /// Requests that are not answered yet: how many bytes of each were taken.
    unanswered: BTreeMap<u64, u64>,
    /// The same for those whose connection ended without an answer.
    abandoned: BTreeMap<u64, u64>,
}

/// One direction, in order of the requests' numbers.
#[derive(Debug, Default)]
struct Lane {
    /// Offset of the next byte.
    offset: u64,
    /// Whose turn it is.
    next: Option<u64>,
    waiting: BTreeMap<u64, Waiting>,
    cost: usize,
}

/// What a request or response whose turn has not come has so far.
#[derive(Debug, Default)]
struct Waiting {
    parts: Vec<Part>,
    is_whole: bool,
}

/// Bytes with their sources, or a gap.
#[derive(Debug)]
enum Part {
    Bytes(Vec<u8>, Vec<(u32, Source)>),
    Gap(Gap),
}

/// One of the two lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

/// How a request is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Its number, unless it comes out of turn and is taken as it comes.
    pub number: Option<u64>,
    /// So many of its first bytes were taken before.
    pub skip: u64,
}

/// So many bytes wait for their turn; then they are given without those before them.
const MOST_WAITING: usize = 1 << 20;
/// So many problems are told of.
const MOST_PROBLEMS: usize = 16;

impl Session {
    pub fn new(name: String, connection: Connection, client: Endpoint, opened: bool) -> Session {
        let mut connection = connection;
        for side in &mut connection.sides {
            *side = Default::default();
            side.started_at_syn = opened;
        }
        connection.client = Some(client);
        connection.is_tunnelled = true;
        Session {
            connection,
            client,
            info: Rtmpt { session: name, opened, ..Rtmpt::default() },
            told: None,
            carriers: Vec::new(),
            lanes: Default::default(),
            unanswered: BTreeMap::new(),
            abandoned: BTreeMap::new(),
        }
    }

    /// A TCP connection begins to carry requests of it.
    pub fn carried_by(&mut self, carrier: ConnectionId) {
        if !self.carriers.contains(&carrier) {
            self.carriers.push(carrier);
        }
        if !self.info.tcp_streams.contains(&carrier) {
            self.info.tcp_streams.push(carrier);
        }
    }

    /// A request begins.
    pub fn request(&mut self, number: u64, sink: &mut impl Sink) -> Turn {
        self.info.requests += 1;
        let next = *self.lanes[0].next.get_or_insert(number);
        self.lanes[1].next.get_or_insert(number);
        // It is sent again because it was not answered, or the client does not count.
        if let Some(&skip) = self.unanswered.get(&number) {
            return Turn { number: Some(number), skip };
        }
        if number >= next {
            self.unanswered.insert(number, 0);
            return Turn { number: Some(number), skip: 0 };
        }
        if let Some(skip) = self.abandoned.remove(&number) {
            return Turn { number: None, skip };
        }
        self.problem(ProblemKind::SequenceRepeated { number }, sink);
        Turn { number: None, skip: 0 }
    }

    /// Bytes of a request or response.
    pub fn bytes(
        &mut self,
        way: Way,
        turn: Option<u64>,
        bytes: &[u8],
        sources: &[(u32, Source)],
        sink: &mut impl Sink,
    ) {
        let from = self.from(way);
        if way == Way::Up
            && let Some(taken) = turn.and_then(|number| self.unanswered.get_mut(&number))
        {
            *taken += bytes.len() as u64;
        }
        let lane = &mut self.lanes[way as usize];
        match turn {
            Some(number) if lane.next.is_some_and(|next| next < number) => {
                lane.cost += bytes.len() + std::mem::size_of_val(sources) + size_of::<Part>();
                let part = Part::Bytes(bytes.to_vec(), sources.to_vec());
                lane.waiting.entry(number).or_default().parts.push(part);
                if lane.cost > MOST_WAITING {
                    self.jump(way, number, sink);
                }
            }
            _ => {
                let piece = Piece { offset: lane.offset, bytes, sources };
                lane.offset += bytes.len() as u64;
                sink.piece(&self.connection, from, piece);
            }
        }
    }

    /// A hole in a request or response.
    pub fn gap(&mut self, way: Way, turn: Option<u64>, gap: Gap, sink: &mut impl Sink) {
        let from = self.from(way);
        let lane = &mut self.lanes[way as usize];
        match turn {
            Some(number) if lane.next.is_some_and(|next| next < number) => {
                lane.waiting.entry(number).or_default().parts.push(Part::Gap(gap));
            }
            _ => {
                let gap = Gap { offset: lane.offset, ..gap };
                lane.offset += gap.len;
                sink.gap(&self.connection, from, gap);
            }
        }
    }

    /// A request is over.
    pub fn request_over(&mut self, turn: Turn, sink: &mut impl Sink) {
        if let Some(number) = turn.number {
            self.over(Way::Up, number, sink);
        }
    }

    /// A request's answer is over.
    pub fn answered(&mut self, turn: Turn, sink: &mut impl Sink) {
        let Some(number) = turn.number else { return };
        self.unanswered.remove(&number);
        // The server took it, so it had those before it, or does not wait for them.
        self.jump(Way::Up, number, sink);
        self.over(Way::Down, number, sink);
    }

    /// A request's connection ended before it was answered.
    pub fn abandon(&mut self, turn: Turn, sink: &mut impl Sink) {
        let Some(number) = turn.number else { return };
        let Some(taken) = self.unanswered.remove(&number) else { return };
        while self.abandoned.len() >= 64 {
            self.abandoned.pop_first();
        }
        self.abandoned.insert(number, taken);
        self.over(Way::Up, number, sink);
        self.over(Way::Down, number, sink);
    }

    pub fn status(&mut self, turn: Turn, status: u16, sink: &mut impl Sink) {
        self.problem(ProblemKind::HttpStatus { number: turn.number.unwrap_or_default(), status }, sink);
    }

    /// Adds what a TCP connection counted that carried requests of it.
    pub fn add_counts(&mut self, client: Endpoint, carrier: &Connection) {
        for (own, other) in [(self.client, client), (self.client.peer(), client.peer())] {
            self.connection.sides[own.index()].add(carrier.side(other));
        }
    }

    /// What waits is given, as nothing more comes.
    pub fn finish(&mut self, sink: &mut impl Sink) {
        self.unanswered.clear();
        for way in [Way::Up, Way::Down] {
            if let Some((&last, _)) = self.lanes[way as usize].waiting.last_key_value() {
                self.jump(way, last, sink);
            }
        }
        self.tell(sink);
    }

    /// Tells what is known, if it is more than before.
    pub fn tell(&mut self, sink: &mut impl Sink) {
        if self.told.as_ref() != Some(&self.info) {
            self.told = Some(self.info.clone());
            sink.notice(&self.connection, self.client, Notice::Rtmpt(Box::new(self.info.clone())));
        }
    }

    fn problem(&mut self, kind: ProblemKind, sink: &mut impl Sink) {
        let is_known = |known: &Problem| std::mem::discriminant(&known.kind) == std::mem::discriminant(&kind);
        if self.info.problems.len() < MOST_PROBLEMS && !self.info.problems.iter().any(is_known) {
            self.info.problems.push(Problem { kind, frame: self.connection.last.frame });
            self.tell(sink);
        }
    }

    fn from(&self, way: Way) -> Endpoint {
        match way {
            Way::Up => self.client,
            Way::Down => self.client.peer(),
        }
    }

    /// The request or response with this number is over: the next one's turn comes, if this was the one whose turn it was.
    fn over(&mut self, way: Way, number: u64, sink: &mut impl Sink) {
        let lane = &mut self.lanes[way as usize];
        if lane.next == Some(number) {
            lane.next = number.checked_add(1);
            self.release(way, sink);
            return;
        }
        if lane.next.is_some_and(|next| next > number) {
            return;
        }
        lane.waiting.entry(number).or_default().is_whole = true;
        // Numbers before it that nobody asked with have no answer.
        let is_open = |next: u64| next < number && self.unanswered.range(next..number).next().is_none();
        if way == Way::Down && lane.next.is_some_and(is_open) {
            self.jump(way, number, sink);
        }
    }

    /// It is the turn of the one with this number: those before it that do not come are passed over.
    fn jump(&mut self, way: Way, number: u64, sink: &mut impl Sink) {
        loop {
            let lane = &mut self.lanes[way as usize];
            let Some(due) = lane.next.filter(|next| *next < number) else { return };
            let next = lane.waiting.first_key_value().map_or(number, |(&first, _)| first).min(number).max(due);
            if next > due && way == Way::Up {
                self.problem(ProblemKind::SequenceSkipped { due, number: next }, sink);
            }
            let lane = &mut self.lanes[way as usize];
            // One that is not whole is taken to be.
            lane.next = if next == due { due.checked_add(1) } else { Some(next) };
            self.release(way, sink);
        }
    }

    /// Gives what waits and whose turn has come.
    fn release(&mut self, way: Way, sink: &mut impl Sink) {
        loop {
            let lane = &mut self.lanes[way as usize];
            let Some(next) = lane.next else { return };
            let Some(waiting) = lane.waiting.remove(&next) else { return };
            if waiting.is_whole {
                lane.next = next.checked_add(1);
            }
            for part in waiting.parts {
                match part {
                    Part::Bytes(bytes, sources) => {
                        let cost = bytes.len() + std::mem::size_of_val(&sources[..]) + size_of::<Part>();
                        let lane = &mut self.lanes[way as usize];
                        lane.cost = lane.cost.saturating_sub(cost);
                        self.bytes(way, None, &bytes, &sources, sink);
                    }
                    Part::Gap(gap) => self.gap(way, None, gap, sink),
                }
            }
            if !waiting.is_whole {
                return;
            }
        }
    }
}
