//! Who changed the bytes: what the capture shows at each hop, and what the receiver took from the stream.
//!
//! The payload passes the sender, the wire to the server, the server, the wire to the receiver, and the
//! receiver. Where it is still right on a wire, everything before that wire is cleared.

use std::net::SocketAddr;
use std::ops::Range;

use serde::Serialize;

use crate::origin::{FrameNo, serialize_address};
use crate::rtmp::{ChunkStreamId, MessageTypeId};
use crate::rules::{Certainty, Context};
use crate::session::Direction;
use crate::tcp::ConnectionId;

use super::receiver_trace::{self, ReceiverTrace};
use super::wire::{Asked, Carried, Seen, Wire};
use super::{Cause, InCapture, Report, files};

/// What the capture proves.
#[derive(Debug, Serialize)]
pub struct Proof {
    /// Who changed the bytes, if the capture shows it.
    pub guilty: Option<Hop>,
    /// What follows from the two legs, in words.
    pub statement: String,
    /// The payload on its way to the server.
    pub to_server: Option<Leg>,
    /// The payload on its way from the server.
    pub from_server: Option<Leg>,
    /// The player of the stream, where nothing of the payload came on its way from the server.
    pub player: Option<Player>,
    /// What was received, as taken from a raw stream; absent if it does not be in one.
    pub took: Option<ReceiverTrace>,
}

/// Somebody who can change bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hop {
    /// The one who sent the payload.
    Sender,
    /// The server between.
    Server,
    /// The one who received it.
    Receiver,
}

/// The payload in one direction of one connection.
#[derive(Debug, Serialize)]
pub struct Leg {
    /// The connection.
    pub tcp_stream: ConnectionId,
    /// The direction.
    pub direction: Direction,
    /// Who sent there.
    #[serde(serialize_with = "serialize_address")]
    pub src: SocketAddr,
    /// To whom.
    #[serde(serialize_with = "serialize_address")]
    pub dst: SocketAddr,
    /// How many bytes of the payload are in bodies of messages there.
    pub carried: u64,
    /// Whether that is all of it: the bytes were right on this wire.
    pub right: bool,
    /// How many messages carried it.
    pub messages: usize,
    /// The type of the first of them.
    pub message_type: MessageTypeId,
    /// Its chunk stream.
    pub csid: ChunkStreamId,
    /// How many bytes come before the payload in each body, if it is the same number everywhere.
    pub tag_header: Option<usize>,
    /// The first and the last frame.
    pub frames: (FrameNo, FrameNo),
    /// Offset of the payload's first byte in the direction's stream.
    pub stream_offset: u64,
}

/// A player that nothing of the payload reached.
#[derive(Debug, Serialize)]
pub struct Player {
    /// The connection.
    pub tcp_stream: ConnectionId,
    /// The server.
    #[serde(serialize_with = "serialize_address")]
    pub src: SocketAddr,
    /// The player.
    #[serde(serialize_with = "serialize_address")]
    pub dst: SocketAddr,
    /// The frame of its `play`.
    pub frame: FrameNo,
    /// Whether it asked before the payload had passed, and stayed until it had.
    pub was_there: bool,
}

/// The report on what was found in the capture.
pub(super) fn report(wire: Wire<'_>) -> Report {
    let (sent, received) = (wire.sent.target(), wire.received.target());
    let up = best(&wire, Direction::ClientToServer, |seen| (coverage(&seen.sent), coverage(&seen.received)));
    let raw = |seen: &Seen| union(seen.raw.iter().map(|run| run.target..run.target_end()).collect());
    let down = best(&wire, Direction::ServerToClient, |seen| (coverage(&seen.sent) + raw(seen), raw(seen)));
    let leg = |found: Option<Found<'_>>| found.and_then(|found| Leg::new(found, sent.len()));
    let (to_server, from_server) = (leg(up), leg(down));
    let player = if down.is_none() { silent_player(&wire, to_server.as_ref()) } else { None };
    let (mut guilty, mut statement) = judge(&wire, sent, received, up, down, to_server.as_ref(), from_server.as_ref());
    if let (Some(player), true) = (&player, to_server.as_ref().is_some_and(|leg| leg.right)) {
        let gone = if player.was_there { "" } else { ", which was not there when the payload passed" };
        statement = format!(
            "the bytes were correct when the server received them, and nothing of them was sent to the player on connection {}{gone}",
            player.tcp_stream.0
        );
        guilty = Some(Hop::Server).filter(|_| player.was_there && sent != received);
    }

    // Who took more than half of the received bytes from a raw stream, read that stream.
    let mostly = |found: &Found<'_>| raw(found.seen) * 2 > received.len() as u64;
    let from_client = best(&wire, Direction::ClientToServer, |seen| (raw(seen), 0));
    let reader = down.filter(mostly).or(from_client.filter(mostly));
    let steps = reader.map(|found| receiver_trace::steps(found, received));
    let took = steps.as_ref().zip(reader);
    let right_to_server = to_server.as_ref().is_some_and(|leg| leg.right);
    if let Some((steps, found)) = took
        && guilty.is_none()
        && found.direction == Direction::ClientToServer
        && right_to_server
        && steps.has_headers()
    {
        guilty = Some(Hop::Server);
        "the bytes were correct on the wire to the server".clone_into(&mut statement);
    }
    let is_its_fault = |found: &Found<'_>| match guilty {
        Some(Hop::Receiver) => found.direction == Direction::ServerToClient,
        Some(Hop::Server) => found.direction == Direction::ClientToServer,
        _ => false,
    };
    let context = down.or(up).map(|found| context(found.seen)).unwrap_or_default();
    let by_reader = took.filter(|(_, found)| is_its_fault(found));
    let by_reader = by_reader.and_then(|(steps, found)| receiver_trace::reader_cause(steps, found, sent, received));
    let (mut causes, mut unexplained) = files::causes(sent, received, &context);
    let mut names_reader = false;
    if let Some(cause) = by_reader {
        // What the stream shows goes deeper, unless the two files alone tell it all, and better.
        let is_general = |cause: &Cause| ["px-insert", "px-delete"].contains(&cause.rule.code);
        let told = unexplained == 0
            && causes.iter().all(|cause| cause.certainty == Some(Certainty::Certain) && !is_general(cause));
        if !(told && (is_general(&cause) || cause.rule.code == "px-over-stripped")) {
            (causes, unexplained, names_reader) = (vec![cause], 0, true);
        }
    }
    for cause in causes.iter_mut().filter(|cause| cause.evidence.r#where.capture.is_none()) {
        cause.evidence.r#where.capture =
            down.or(up).and_then(|found| found.place(cause.evidence.r#where.sent_offset as usize));
    }
    let summary = match causes.first() {
        None => format!("all {} bytes are equal; {statement}", sent.len()),
        Some(cause) if guilty == Some(Hop::Receiver) && !names_reader => {
            format!("{statement}; the receiver changed them: {}", cause.title)
        }
        Some(cause) => format!("{statement}; {}", cause.title),
    };
    let took = took.map(|(steps, found)| ReceiverTrace::new(steps, found));
    let proof = Proof { guilty, statement, to_server, from_server, player, took };
    Report::new(sent, received, summary, causes, unexplained, Some(proof))
}

/// A direction and what it holds.
#[derive(Clone, Copy)]
pub(super) struct Found<'w> {
    pub tcp_stream: ConnectionId,
    pub direction: Direction,
    pub seen: &'w Seen,
}

impl Found<'_> {
    /// Who reads this direction.
    pub fn reader(&self) -> &'static str {
        match self.direction {
            Direction::ClientToServer => "the server",
            Direction::ServerToClient => "the receiver",
        }
    }

    /// Where a byte of the payload is.
    pub fn place(&self, offset: usize) -> Option<InCapture> {
        let (carried, stream_offset) = self.seen.sent.iter().find_map(|carried| {
            let places = carried.places.iter();
            let mut places = places.filter(|&&(file, _, len)| (file..file + len).contains(&offset));
            places.next().map(|&(file, stream, _)| (carried, stream + (offset - file) as u64))
        })?;
        Some(self.at(stream_offset, carried.message.frame))
    }

    pub fn at(&self, stream_offset: u64, frame: FrameNo) -> InCapture {
        InCapture { tcp_stream: self.tcp_stream, direction: self.direction, stream_offset, frame }
    }
}

/// The direction that holds most of what is looked for.
fn best<'w>(wire: &'w Wire<'_>, direction: Direction, worth: impl Fn(&Seen) -> (u64, u64)) -> Option<Found<'w>> {
    let legs = wire.legs.iter().filter(|((_, way), _)| *way == direction).map(|(&(tcp_stream, direction), seen)| {
        (worth(seen), std::cmp::Reverse(tcp_stream), Found { tcp_stream, direction, seen })
    });
    let best = legs.max_by_key(|(worth, first, _)| (*worth, *first));
    best.filter(|(worth, ..)| *worth > (0, 0)).map(|(.., found)| found)
}

/// The player of the stream that carried the payload to the server, or the only one, where that is not known.
fn silent_player(wire: &Wire<'_>, to_server: Option<&Leg>) -> Option<Player> {
    let published = to_server.and_then(|leg| {
        let mut of_leg = wire.asked.iter().filter(|asked| asked.tcp_stream == leg.tcp_stream && !asked.plays);
        of_leg.next().map(|asked| asked.name.as_str())
    });
    let mut players = wire.asked.iter().filter(|asked| asked.plays);
    let player = match published {
        Some(name) => players.find(|asked| asked.name == name)?,
        None => players.next().filter(|_| players.next().is_none())?,
    };
    // A hole in what was captured could hold it.
    let is_whole = wire.legs.get(&(player.tcp_stream, Direction::ServerToClient)).is_none_or(|seen| !seen.has_holes);
    let was_there = to_server.is_some_and(|leg| player.frame < leg.frames.1 && player.last > leg.frames.1);
    let Asked { tcp_stream, client, server, frame, .. } = *player;
    is_whole.then_some(Player { tcp_stream, src: server, dst: client, frame, was_there })
}

/// How many bytes of the byte string are carried, each counted once.
fn coverage(carried: &[Carried]) -> u64 {
    union(carried.iter().map(|carried| carried.file.clone()).collect())
}

/// How many bytes the ranges cover together.
fn union(mut ranges: Vec<Range<usize>>) -> u64 {
    ranges.sort_unstable_by_key(|range| range.start);
    let (mut covered, mut end) = (0, 0);
    for range in ranges {
        covered += range.end.saturating_sub(range.start.max(end)) as u64;
        end = end.max(range.end);
    }
    covered
}

/// Whether all of the byte string is carried, in each message in one piece: with nothing put between.
fn is_whole(carried: &[Carried], len: usize) -> bool {
    let in_one_piece = carried.windows(2).all(|pair| pair[0].message.number != pair[1].message.number);
    in_one_piece && coverage(carried) == len as u64
}

/// The frame of the message that carried all of what was received and nothing of what was sent, if there is one.
fn other_message(seen: &Seen, received: usize) -> Option<FrameNo> {
    let of_payload = |number| seen.sent.iter().any(|carried| carried.message.number == number);
    let is_other = is_whole(&seen.received, received)
        && !seen.sent.is_empty()
        && seen.received.iter().all(|carried| !of_payload(carried.message.number));
    seen.received.first().filter(|_| is_other).map(|carried| carried.message.frame)
}

fn judge(
    wire: &Wire<'_>,
    sent: &[u8],
    received: &[u8],
    up: Option<Found<'_>>,
    down: Option<Found<'_>>,
    to_server: Option<&Leg>,
    from_server: Option<&Leg>,
) -> (Option<Hop>, String) {
    let is_right = |leg: Option<&Leg>| leg.is_some_and(|leg| leg.right);
    let as_received = |found: Option<Found<'_>>| {
        !received.is_empty() && found.is_some_and(|found| is_whole(&found.seen.received, received.len()))
    };
    let same = sent == received;
    let clear = |guilty: Hop, statement: &str| (Some(guilty).filter(|_| !same), statement.to_owned());
    if let Some(frame) = down.or(up).filter(|_| !same).and_then(|found| other_message(found.seen, received.len())) {
        return (
            None,
            format!("what was received is another message's payload, as it was on the wire in frame {frame}"),
        );
    }
    match (is_right(to_server), is_right(from_server)) {
        (true, true) => clear(Hop::Receiver, "the bytes were correct on the wire, on both legs"),
        (false, true) if to_server.is_none() => {
            clear(Hop::Receiver, "the bytes were correct on the wire when the server sent them")
        }
        (false, true) => clear(Hop::Receiver, "the bytes were correct on the wire to the receiver"),
        (true, false) if as_received(down) => {
            clear(Hop::Server, "the bytes were correct when the server received them, but not when it sent them")
        }
        (true, false) if from_server.is_some() => {
            let leg = from_server.map_or(0, |leg| leg.carried);
            (
                None,
                format!(
                    "the bytes were correct when the server received them; on the way to the receiver {leg} of {} \
                     bytes are in the capture",
                    sent.len()
                ),
            )
        }
        (true, false) => (
            None,
            "the bytes were correct on the wire when the server received them; the way to the receiver is not in the \
             capture"
                .to_owned(),
        ),
        (false, false) if as_received(up) => {
            clear(Hop::Sender, "the bytes were already changed on the wire; the sender changed them before sending")
        }
        (false, false) if as_received(down) => {
            (None, "the server sent what was received; the way to the server is not in the capture".to_owned())
        }
        (false, false) => {
            let messages = wire.messages;
            let most = to_server.into_iter().chain(from_server).map(|leg| leg.carried).max().unwrap_or(0);
            let statement = match (messages, most) {
                (0, _) => "the capture holds no RTMP message".to_owned(),
                (1, 0) => "the capture's only message does not carry the payload".to_owned(),
                (_, 0) => format!("none of the capture's {messages} messages carries the payload"),
                _ => format!("the capture holds {most} of the payload's {} bytes", sent.len()),
            };
            (None, statement)
        }
    }
}

impl Leg {
    fn new(found: Found<'_>, sent: usize) -> Option<Leg> {
        let Found { tcp_stream, direction, seen } = found;
        let carried = coverage(&seen.sent);
        let (first, last) = (seen.sent.first()?, seen.sent.last()?);
        let mut numbers: Vec<u64> = seen.sent.iter().map(|carried| carried.message.number).collect();
        numbers.dedup();
        let same = seen.sent.iter().all(|carried| carried.body_at == first.body_at);
        Some(Leg {
            tcp_stream,
            direction,
            src: seen.src,
            dst: seen.dst,
            carried,
            right: is_whole(&seen.sent, sent),
            messages: numbers.len(),
            message_type: first.message.type_id,
            csid: first.message.csid,
            tag_header: same.then_some(first.body_at),
            frames: (first.message.frame, last.message.frame),
            stream_offset: first.places.first().map_or(0, |&(_, stream, _)| stream),
        })
    }
}

/// What rules may want to know of the messages around the payload.
fn context(seen: &Seen) -> Context {
    let mut boundaries: Vec<usize> =
        seen.sent.iter().map(|carried| carried.file.start).filter(|&start| start > 0).collect();
    boundaries.sort_unstable();
    boundaries.dedup();
    Context { boundaries, ..seen.context.clone() }
}
