//! Who publishes and who gets it.
//!
//! Takes recordings, gives pairs of a publisher's leg and the leg on which a server sends the same stream on: to a
//! player, or to another server that it publishes to. Legs are found by their commands and joined by application and
//! name; a push is joined by its address and its payloads, as the application and the name may be others. `--pair`
//! overrides all that.

use std::net::SocketAddr;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

use crate::origin::Time;
use crate::recording::{RecordedEvent, Recording, Session};
use crate::rtmp::body::{self, Body};
use crate::rtmp::class::MessageClass;
use crate::rtmp::{MessageStreamId, MessageTypeId};
use crate::session::Direction;
use crate::streams::Software;

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
pub struct LegName {
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

/// So many data messages are looked through for a server's name.
const MOST_DATA: usize = 32;

impl Pair<'_> {
    /// What the server between them calls itself, to the one or to the other.
    pub fn server(&self) -> Option<&Software> {
        let of_player = || {
            let same = self.publisher.session.stream.server == self.player.session.stream.server;
            // Metadata that the publisher wrote names the server that it comes from.
            self.player.server().filter(|named| same && !self.publisher.has_data(named.name_in_text().as_bytes()))
        };
        self.publisher.server().or_else(of_player)
    }
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
    let copies = copies(legs);
    let is_copy: FxHashSet<usize> = copies.iter().map(|&(_, copy)| copy).collect();
    let mut publishers: FxHashMap<&str, Vec<usize>> = FxHashMap::default();
    for (at, leg) in legs.iter().enumerate().filter(|(_, leg)| leg.role == Role::Publish) {
        publishers.entry(&leg.name).or_default().push(at);
    }
    for (at, player) in legs.iter().enumerate() {
        let of_name = publishers.get(player.name.as_str()).map_or(&[][..], Vec::as_slice);
        let from: Vec<usize> = match player.role {
            Role::Play => {
                // What a server publishes to the next one is for that one's players.
                let is_for = |from: &usize| {
                    !is_copy.contains(from) || legs[*from].session.stream.server == player.session.stream.server
                };
                of_name.iter().copied().filter(|&from| legs[from].feeds(player)).filter(is_for).collect()
            }
            Role::Publish if !is_copy.contains(&at) => Vec::new(),
            Role::Publish => (0..legs.len()).filter(|&from| copies.contains(&(from, at))).collect(),
        };
        for from in from {
            let publisher = &legs[from];
            (used[at], used[from]) = (true, true);
            // The server's own leg to the next server, or a proxy's, begins nothing anew.
            let begins_anew = |&other: &usize| {
                let leg = &legs[other];
                leg.since > publisher.since
                    && leg.same_stream(publisher)
                    && leg.session.stream.server == publisher.session.stream.server
                    && leg.sends()
                    && !copies.contains(&(from, other))
            };
            let later = publishers.get(publisher.name.as_str()).map_or(&[][..], Vec::as_slice).iter().copied();
            let until = later.filter(begins_anew).map(|other| legs[other].since).min();
            pairs.push(Pair { publisher: publisher.clone(), player: player.clone(), until });
        }
    }
    let left = legs.iter().zip(used).filter(|(_, used)| !used).map(|(leg, _)| leg.clone()).collect();
    (pairs, left)
}

/// Which publisher's stream is published once more by its server: places of both legs. They are joined by their
/// payloads, of which the first of each leg are looked up.
fn copies(legs: &[Leg<'_>]) -> FxHashSet<(usize, usize)> {
    const LOOKED_UP: usize = 64;
    let mut by_payload: FxHashMap<u128, Vec<usize>> = FxHashMap::default();
    let publishers = || legs.iter().enumerate().filter(|(_, leg)| leg.role == Role::Publish);
    let media = |leg: &Leg<'_>| {
        let kept = leg.items().filter_map(RecordedEvent::message).filter(|kept| kept.header.type_id.is_media());
        let is_coded = |class| matches!(class, MessageClass::Audio | MessageClass::Video { .. });
        let hashes: Vec<u128> =
            kept.filter(|kept| is_coded(kept.class)).take(LOOKED_UP).map(|kept| kept.hash).collect();
        hashes
    };
    for (at, leg) in publishers() {
        for hash in media(leg) {
            let same = by_payload.entry(hash).or_default();
            // What everybody sends, silence, tells nothing.
            if same.last() != Some(&at) && same.len() < LOOKED_UP {
                same.push(at);
            }
        }
    }
    let mut candidates = FxHashSet::default();
    for same in by_payload.into_values() {
        candidates.extend(same.iter().flat_map(|&from| same.iter().map(move |&to| (from, to))));
    }
    candidates.retain(|&(from, to)| legs[from].is_pushed_as(&legs[to]));
    candidates
}

/// The pair named by hand.
pub fn named(recordings: &[Recording], publisher: LegName, player: LegName) -> Result<Pair<'_>, String> {
    let leg = |named: LegName, role| -> Result<Leg<'_>, String> {
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
        let (first, second) = (pair.0.in_pair(recordings.len()), pair.1.in_pair(recordings.len()));
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
    /// The connection as `--pair` takes it.
    pub fn in_pair(&self, captures: usize) -> String {
        let connection = self.session.stream.tcp_stream.0;
        if captures == 1 { connection.to_string() } else { format!("{}/{connection}", self.capture + 1) }
    }

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

    /// When the client gave it up: its `deleteStream`, or the end of the connection. None if neither is to be seen.
    pub fn left(&self) -> Option<Time> {
        let gives_up = |item: &&RecordedEvent| {
            let Some(kept) = item.message().filter(|kept| !kept.header.type_id.is_media()) else { return false };
            let body = body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut ()).body;
            let Body::Command(command) = body else { return false };
            command.name().is_some_and(|name| matches!(name.0, b"deleteStream" | b"closeStream" | b"FCUnpublish"))
        };
        let asked = self.session.items.iter().filter(|item| item.direction == Direction::ClientToServer);
        let gave_up = asked.filter(|item| item.time >= self.since).find(gives_up).map(|item| item.time);
        gave_up.or_else(|| self.session.stream.end.map(|_| self.closed()))
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

    /// What the server of the connection calls itself.
    pub fn server(&self) -> Option<&'a Software> {
        self.session.stream.server_software.as_ref()
    }

    /// Whether a data message has these bytes.
    fn has_data(&self, text: &[u8]) -> bool {
        let data = self.items().filter_map(RecordedEvent::message);
        let data = data.filter(|kept| kept.header.type_id == MessageTypeId::AMF0_DATA);
        data.take(MOST_DATA).any(|kept| memchr::memmem::find(&kept.body, text).is_some())
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
        if self.since >= other.since || other.since > self.closed() {
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
