//! Who publishes and who gets it.
//!
//! Takes recordings, gives pairs of a publisher's leg and the leg on which a server sends the same stream on: to a
//! player, or to another server that it publishes to. Legs are found by their commands and joined by application and
//! name; a push is joined by its name, its address and its payloads, as the application may be another. `--pair`
//! overrides all that.

use std::net::SocketAddr;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

use crate::origin::Time;
use crate::recording::{EventKind, RecordedEvent, Recording, Session};
use crate::rtmp::MessageStreamId;
use crate::rtmp::body::{self, Body};
use crate::rtmp::handshake::Part;
use crate::session::Direction;

/// One connection's part in a relay.
#[derive(Clone, Debug)]
pub struct Leg<'a> {
    /// Which capture, from 0.
    pub capture: usize,
    /// The connection.
    pub session: &'a Session,
    /// Which way the media go.
    pub direction: Direction,
    /// Whether the client publishes or plays.
    pub role: Role,
    /// The stream's name, without what follows a `?`.
    pub name: String,
    /// Only this message stream is meant: the connection has others.
    only: Option<MessageStreamId>,
    /// When the client asked for it.
    pub since: Time,
}

/// What the client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It sends.
    Publish,
    /// It is sent to.
    Play,
}

/// A connection named by hand: capture and connection, both from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Which capture.
    pub capture: usize,
    /// Which of its connections.
    pub connection: u32,
}

/// A publisher's leg, and one on which its stream continues.
#[derive(Clone, Debug)]
pub struct Pair<'a> {
    /// To the server.
    pub publisher: Leg<'a>,
    /// From the server.
    pub player: Leg<'a>,
    /// The next publisher of the same stream, from when on what the player gets is its.
    pub until: Option<Time>,
}

/// All legs of the recordings, in order of appearance.
pub fn find(recordings: &[Recording]) -> Vec<Leg<'_>> {
    let sessions =
        recordings.iter().enumerate().flat_map(|(at, recording)| recording.sessions.iter().map(move |s| (at, s)));
    sessions.flat_map(|(capture, session)| of_session(capture, session)).collect()
}

/// The pairs among the legs; the legs that belong to none.
pub fn pair<'a>(legs: &[Leg<'a>]) -> (Vec<Pair<'a>>, Vec<Leg<'a>>) {
    let mut pairs = Vec::new();
    let mut used = vec![false; legs.len()];
    let mut publishers: FxHashMap<&str, Vec<usize>> = FxHashMap::default();
    for (at, leg) in legs.iter().enumerate().filter(|(_, leg)| leg.role == Role::Publish) {
        publishers.entry(&leg.name).or_default().push(at);
    }
    for (at, player) in legs.iter().enumerate() {
        let of_name = publishers.get(player.name.as_str()).map_or(&[][..], Vec::as_slice);
        for &from in of_name {
            let publisher = &legs[from];
            let fits = match player.role {
                Role::Play => publisher.feeds(player),
                Role::Publish => at != from && publisher.is_pushed_as(player),
            };
            if fits {
                (used[at], used[from]) = (true, true);
                let later = of_name.iter().map(|&other| &legs[other]).filter(|other| other.since > publisher.since);
                // The server's own leg to the next server begins nothing anew.
                let next = later
                    .filter(|other| other.same_stream(publisher) && other.sends() && !publisher.is_pushed_as(other));
                let until = next.map(|other| other.since).min();
                pairs.push(Pair { publisher: publisher.clone(), player: player.clone(), until });
            }
        }
    }
    let left = legs.iter().zip(used).filter(|(_, used)| !used).map(|(leg, _)| leg.clone()).collect();
    (pairs, left)
}

/// The pair named by hand.
pub fn named(recordings: &[Recording], publisher: Named, player: Named) -> Result<Pair<'_>, String> {
    let leg = |named: Named, role| -> Result<Leg<'_>, String> {
        let recording =
            recordings.get(named.capture).ok_or_else(|| format!("there is no capture {}", named.capture + 1))?;
        let session = recording.sessions.iter().find(|session| session.stream.tcp_stream.0 == named.connection);
        let session =
            session.ok_or_else(|| format!("connection {} does not exist, or is not RTMP", named.connection))?;
        let mut legs = of_session(named.capture, session);
        match legs.iter().position(|leg| leg.role == role).or_else(|| (!legs.is_empty()).then_some(0)) {
            Some(at) => Ok(legs.swap_remove(at)),
            None => Ok(unknown(named.capture, session, role)),
        }
    };
    let pair = (leg(publisher, Role::Publish)?, leg(player, Role::Play)?);
    let is_known = !pair.0.name.is_empty() && !pair.1.name.is_empty();
    if is_known && pair.0.role == Role::Play && pair.1.role == Role::Publish {
        let text = |named: Named| match recordings.len() {
            1 => named.connection.to_string(),
            _ => format!("{}/{}", named.capture + 1, named.connection),
        };
        let (first, second) = (text(publisher), text(player));
        return Err(format!(
            "connection {first} plays and connection {second} publishes; the publisher comes first: --pair {second}:{first}"
        ));
    }
    Ok(Pair { publisher: pair.0, player: pair.1, until: None })
}

fn of_session(capture: usize, session: &Session) -> Vec<Leg<'_>> {
    let mut legs: Vec<Leg<'_>> = Vec::new();
    for item in session.items.iter().filter(|item| item.direction == Direction::ClientToServer) {
        let Some((role, name, stream)) = asks(item) else { continue };
        let direction = match role {
            Role::Publish => Direction::ClientToServer,
            Role::Play => Direction::ServerToClient,
        };
        legs.push(Leg { capture, session, direction, role, name, only: stream, since: item.time });
    }
    // Who has one stream may write anything as its number.
    let several = legs.windows(2).any(|pair| pair[0].only != pair[1].only);
    if !several {
        legs.iter_mut().for_each(|leg| leg.only = None);
        legs.truncate(1);
    }
    legs
}

/// A connection whose commands were not captured: the media go where most messages go.
fn unknown(capture: usize, session: &Session, role: Role) -> Leg<'_> {
    let media = |direction| {
        let mine = session.items.iter().filter(|item| item.direction == direction);
        mine.filter(|item| item.message().is_some_and(|kept| kept.header.type_id.is_media())).count()
    };
    let to_client = media(Direction::ServerToClient) > media(Direction::ClientToServer);
    let direction = if to_client { Direction::ServerToClient } else { Direction::ClientToServer };
    let since = session.items.first().map_or(Time(0), |item| item.time);
    Leg { capture, session, direction, role, name: String::new(), only: None, since }
}

/// What a `publish` or `play` asks for: the name, and the message stream it came on.
fn asks(item: &RecordedEvent) -> Option<(Role, String, Option<MessageStreamId>)> {
    let kept = item.message()?;
    let Body::Command(command) = body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut ()).body else {
        return None;
    };
    let role = match command.name()?.0 {
        b"publish" => Role::Publish,
        b"play" | b"play2" => Role::Play,
        _ => return None,
    };
    let name = command.arguments().iter().find_map(|value| value.as_str())?.to_string();
    Some((role, without_query(&name).to_owned(), kept.header.message_stream_id))
}

fn without_query(text: &str) -> &str {
    text.split('?').next().unwrap_or_default().trim_matches('/')
}

impl<'a> Leg<'a> {
    /// The items of its direction and stream, in order.
    pub fn items(&self) -> impl Iterator<Item = &'a RecordedEvent> + use<'a> {
        let (direction, only) = (self.direction, self.only);
        self.session.items.iter().filter(move |item| {
            let of_other = |only| {
                item.message()
                    .is_some_and(|kept| kept.header.message_stream_id.is_some_and(|id| id.0 != 0 && id != only))
            };
            item.direction == direction && !only.is_some_and(of_other)
        })
    }

    /// The application, without what follows a `?`.
    pub fn app(&self) -> &'a str {
        self.session.stream.app.as_deref().map_or("", without_query)
    }

    /// `live/one`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.app(), self.name)
    }

    /// Sender and receiver of the media.
    pub fn ends(&self) -> (SocketAddr, SocketAddr) {
        let stream = &self.session.stream;
        match self.direction {
            Direction::ClientToServer => (stream.client, stream.server),
            Direction::ServerToClient => (stream.server, stream.client),
        }
    }

    /// When the client gave it up: its `deleteStream`, or the connection's last item. None if neither is to be seen.
    pub fn left(&self) -> Option<Time> {
        let gives_up = |item: &&RecordedEvent| {
            let Some(kept) = item.message().filter(|kept| !kept.header.type_id.is_media()) else { return false };
            let body = body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut ()).body;
            let Body::Command(command) = body else { return false };
            command.name().is_some_and(|name| matches!(name.0, b"deleteStream" | b"closeStream" | b"FCUnpublish"))
        };
        let asked = self.session.items.iter().filter(|item| item.direction == Direction::ClientToServer);
        let gave_up = asked.filter(|item| item.time >= self.since).find(gives_up).map(|item| item.time);
        let last = || self.session.items.iter().map(|item| item.time).max();
        gave_up.or_else(|| self.session.stream.end.and_then(|_| last()))
    }

    /// The time of the last item of the connection, either way.
    pub fn last(&self) -> Time {
        self.session.items.iter().map(|item| item.time).max().unwrap_or(self.since)
    }

    /// When the connection ended, or the capture of it: a player that gets nothing is there all the same.
    pub fn closed(&self) -> Time {
        let stream = &self.session.stream;
        self.last().max(Time(stream.start.0 + (stream.duration * 1e9) as i64))
    }

    /// What the server of the connection is, if it is one that is known.
    pub fn server(&self) -> Server {
        let software = self.session.items.iter().find_map(|item| match &item.content {
            EventKind::Handshake { part: Part::S0S1S2, facts, .. } => facts.software,
            _ => None,
        });
        match software {
            Some([0x0d, 0x0e, 0x0a, 0x0d]) => Server::NginxRtmp,
            Some([1, 2, 3, 4]) => Server::NodeMediaServer,
            _ => Server::Unknown,
        }
    }

    fn same_stream(&self, other: &Leg<'_>) -> bool {
        self.app() == other.app() && self.name == other.name
    }

    /// Whether audio, video or data travels on it. Some streams carry only data.
    fn sends(&self) -> bool {
        self.items().any(|item| item.message().is_some_and(|kept| super::unit::is_relayed(kept.header.type_id)))
    }

    /// Whether what it publishes is what the other plays.
    fn feeds(&self, player: &Leg<'_>) -> bool {
        let same_time = || self.since <= player.closed() && player.since <= self.closed();
        // Captures of two machines have two clocks.
        self.same_stream(player) && (self.capture != player.capture || same_time()) && self.sends()
    }

    /// Whether the other leg is its server publishing the same on: from the server's address, later, the same payloads.
    fn is_pushed_as(&self, other: &Leg<'_>) -> bool {
        let stream = (&self.session.stream, &other.session.stream);
        if self.role != Role::Publish || self.name != other.name || self.since >= other.since {
            return false;
        }
        if stream.0.server.ip() != stream.1.client.ip() || stream.0.server == stream.1.server {
            return false;
        }
        let media = |leg: &Leg<'a>| {
            let kept = leg.items().filter_map(RecordedEvent::message).filter(|kept| kept.header.type_id.is_media());
            kept.map(|kept| kept.hash).collect::<FxHashSet<_>>()
        };
        let mine = media(self);
        let theirs = other.items().filter_map(RecordedEvent::message).filter(|kept| kept.header.type_id.is_media());
        let (equal, all) =
            theirs.fold((0, 0), |(equal, all), kept| (equal + usize::from(mine.contains(&kept.hash)), all + 1));
        all > 0 && 2 * equal >= all
    }
}

/// Servers that are known by their handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// nginx-rtmp-module: S1 has `0d 0e 0a 0d` in the place of the version.
    NginxRtmp,
    /// Node-Media-Server: S1 has `01 02 03 04`.
    NodeMediaServer,
    /// Any other, and those that answer a plain handshake.
    Unknown,
}

impl Server {
    /// Its name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Server::NginxRtmp => "nginx-rtmp",
            Server::NodeMediaServer => "Node-Media-Server",
            Server::Unknown => "the server",
        }
    }
}
