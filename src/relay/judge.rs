//! What became of every message of a publisher on one player's leg.
//!
//! Takes a [`Pair`], gives a [`Judged`]: a [`Fate`] for each message that was sent, and for each that the player got
//! the one it came from. A message counts as dropped only if the player was there, had begun to get the stream, and
//! either a later message of the same kind came through or there was time enough for it: the server may have had it
//! when the stream or the player ended. What the capture cannot show is not held against anybody.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::origin::Time;
use crate::recording::{EventKind, RecordedEvent};
use crate::rtmp::class::{MessageClass, StatusCode};

use super::align::{self, Key};
use super::legs::Pair;
use super::metadata::{self, Difference};
use super::unit::{Kind, Track, Unit, is_relayed};

/// All that is known of a pair of legs.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The legs.
    pub pair: Pair<'a>,
    /// What the publisher sent, in order.
    pub sent: Vec<Unit<'a>>,
    /// What the player got, in order.
    pub got: Vec<Unit<'a>>,
    /// What became of each message sent.
    pub fates: Vec<Fate>,
    /// Which message sent each one got is, if it is one.
    pub origins: Vec<Option<usize>>,
    /// How much later the player's timestamps are, mostly, in ms.
    pub offset: i32,
    /// From when on the player was there, if the clocks can be compared.
    pub joined: Option<Time>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It came through as it was.
    Forwarded {
        /// Which of those the player got.
        to: usize,
        /// Whether it lost its place in the order.
        moved: bool,
    },
    /// Something else came in its place.
    Changed {
        /// Which of those the player got.
        to: usize,
    },
    /// It is missing.
    Dropped,
    /// It was not for this player.
    NotEligible(Reason),
}

/// Why a message was not for this player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It is between the publisher and the server.
    ForTheServer,
    /// It came before the player asked for the stream.
    BeforeJoin,
    /// It came before the first that the server forwarded to this player.
    BeforeStart,
    /// A video frame that needs others, before the player's first keyframe.
    StartAtKey,
    /// The server forwards none of its kind.
    UnknownType,
    /// The same configuration again.
    SameAgain,
    /// It came after the player had gone.
    AfterLeft,
    /// It came right before the player went or the capture ended.
    AtTheEnd,
    /// Bytes of it, or of the other leg where it should be, are not in the capture.
    NotCaptured,
    /// Several messages in one, which servers take apart.
    Aggregate,
}

/// Why nothing came through at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// While the player was there, nothing was sent.
    PlayerGone,
    /// Only data messages were sent.
    DataOnly,
    /// Video was sent, and no key frame while the player was there.
    NoKeyFrame,
    /// All that was sent has enhanced headers.
    Enhanced,
    /// It reached the player of another stream.
    Elsewhere,
    /// What was sent does not say.
    Unknown,
}

impl Nothing {
    /// Why, in a few words; of audio or of video, if it is only that.
    pub fn text(self, of: Option<Kind>) -> String {
        let sent = of.map_or("audio and video", Kind::name);
        match self {
            Nothing::PlayerGone => "while it was there, nothing was sent".to_owned(),
            Nothing::DataOnly => "only data messages were sent, and none came through".to_owned(),
            Nothing::NoKeyFrame => "no key frame was sent while it was there".to_owned(),
            Nothing::Enhanced => format!("all {sent} that was sent has enhanced headers"),
            Nothing::Elsewhere => "it reached the player of another stream".to_owned(),
            Nothing::Unknown => "none of what was sent came through".to_owned(),
        }
    }
}

impl Reason {
    /// Why, in a few words.
    pub fn text(self) -> &'static str {
        match self {
            Reason::ForTheServer => "for the server itself",
            Reason::BeforeJoin => "before the player joined",
            Reason::BeforeStart => "before the server began",
            Reason::StartAtKey => "before the first keyframe",
            Reason::UnknownType => "not forwarded by this server",
            Reason::SameAgain => "the same configuration again",
            Reason::AfterLeft => "after the player had left",
            Reason::AtTheEnd => "at the very end",
            Reason::NotCaptured => "not captured",
            Reason::Aggregate => "split by servers",
        }
    }
}

/// So many data messages between two that came through are compared with each other.
const MOST_COMPARED: usize = 64;
/// What is sent this shortly before the end may still be on its way, in ns.
const ON_ITS_WAY: i64 = 1_000_000_000;

/// A server that forwards at once may still hold so much when its publisher goes, in ns.
const LEFT_IN_THE_SERVER: i64 = 500_000_000;

/// Judges a pair of legs.
pub fn judge<'a>(pair: &Pair<'a>) -> Judged<'a> {
    let sent: Vec<_> = pair.publisher.items().filter_map(Unit::of).collect();
    let mut got: Vec<_> = pair.player.items().filter_map(Unit::of).collect();
    let same_clock = pair.publisher.capture == pair.player.capture;
    if same_clock {
        // What another publisher of the same stream caused is not this one's.
        let (from, until) = (pair.publisher.since, pair.until);
        got.retain(|unit| {
            let (time, is_media) = (unit.item.time, unit.kind.is_media());
            (!is_media || time >= from) && (!may_be_relayed(unit) || until.is_none_or(|until| time < until))
        });
    }
    let (keys_sent, keys_got) = (media_keys(&sent), media_keys(&got));
    let offset = align::offset(&keys_sent, &keys_got);
    let mut judged = Judged {
        pair: pair.clone(),
        fates: vec![Fate::Dropped; sent.len()],
        origins: vec![None; got.len()],
        sent,
        got,
        offset,
        joined: same_clock.then_some(pair.player.since),
    };
    let tracks = judged.tracks();
    for (sent, got) in tracks.values() {
        judged.match_track(sent, got);
    }
    judged.classify_unmatched(tracks);
    judged
}

fn media_keys(units: &[Unit<'_>]) -> Vec<Key> {
    units.iter().filter(|unit| unit.kind.is_coded()).map(Unit::key).collect()
}

/// Places of a track's messages among those sent and those got.
type Tracks = BTreeMap<Track, (Vec<usize>, Vec<usize>)>;

impl<'a> Judged<'a> {
    /// The message of the player's leg that is or replaces a message sent.
    pub fn received(&self, sent: usize) -> Option<&Unit<'a>> {
        match self.fates[sent] {
            Fate::Forwarded { to, .. } | Fate::Changed { to } => Some(&self.got[to]),
            _ => None,
        }
    }

    /// Whether the player had joined when a message was sent.
    pub fn is_live(&self, sent: usize) -> bool {
        self.joined.is_none_or(|joined| self.sent[sent].item.time >= joined)
    }

    /// Why nothing came through, if nothing did of what a server could forward.
    pub fn nothing(&self) -> Option<Nothing> {
        let sent: Vec<usize> = (0..self.sent.len()).filter(|&at| may_be_relayed(&self.sent[at])).collect();
        if sent.is_empty() || sent.iter().any(|&at| self.received(at).is_some()) {
            return None;
        }
        let closed = self.joined.map(|_| self.pair.player.closed());
        let is_there = |at: &usize| {
            let time = self.sent[*at].item.time;
            self.is_live(*at) && closed.is_none_or(|closed| time < closed)
        };
        let live: Vec<&Unit<'a>> = sent.iter().filter(|at| is_there(at)).map(|&at| &self.sent[at]).collect();
        let has = |is: fn(&Unit<'_>) -> bool| live.iter().any(|unit| is(unit));
        Some(if live.is_empty() {
            Nothing::PlayerGone
        } else if !has(|unit| unit.kind.is_media()) {
            Nothing::DataOnly
        } else if has(|unit| unit.kind == Kind::Video) && !has(|unit| unit.keyframe) {
            Nothing::NoKeyFrame
        } else if live.iter().filter(|unit| unit.kind.is_coded()).all(|unit| is_enhanced(unit)) {
            Nothing::Enhanced
        } else {
            Nothing::Unknown
        })
    }

    /// Of audio and of video: whether none came through though the server passed other messages on, and why.
    pub fn silent(&self, kind: Kind) -> Option<Nothing> {
        let of_kind: Vec<usize> = (0..self.sent.len()).filter(|&at| self.sent[at].kind == kind).collect();
        let is_silent = self.nothing().is_none()
            && of_kind.iter().any(|&at| self.fates[at] == Fate::Dropped)
            && of_kind.iter().all(|&at| self.received(at).is_none());
        let dropped = || of_kind.iter().filter(|&&at| self.fates[at] == Fate::Dropped);
        is_silent.then(|| match dropped().all(|&at| is_enhanced(&self.sent[at])) {
            true => Nothing::Enhanced,
            false => Nothing::Unknown,
        })
    }

    /// Audio or video, if nothing but that was sent.
    pub fn only_kind(&self) -> Option<Kind> {
        let has = |kind| self.sent.iter().any(|unit| unit.kind == kind);
        match (has(Kind::Audio), has(Kind::Video)) {
            (true, false) => Some(Kind::Audio),
            (false, true) => Some(Kind::Video),
            _ => None,
        }
    }

    /// The last of what was sent that came through.
    pub fn last_received(&self) -> Option<usize> {
        (0..self.sent.len()).rev().find(|&at| may_be_relayed(&self.sent[at]) && self.received(at).is_some())
    }

    fn tracks(&self) -> Tracks {
        let mut tracks = Tracks::new();
        for (at, unit) in self.sent.iter().enumerate().filter(|(_, unit)| may_be_relayed(unit)) {
            tracks.entry(unit.track.clone()).or_default().0.push(at);
        }
        for (at, unit) in self.got.iter().enumerate().filter(|(_, unit)| may_be_relayed(unit)) {
            tracks.entry(unit.track.clone()).or_default().1.push(at);
        }
        tracks
    }

    /// Finds for each message of a track the one that the player got for it.
    fn match_track(&mut self, sent: &[usize], got: &[usize]) {
        let Some(&first) = sent.first() else { return };
        let kind = self.sent[first].kind;
        let keys_sent: Vec<_> = sent.iter().map(|&at| self.sent[at].key()).collect();
        let keys_got: Vec<_> = got.iter().map(|&at| self.got[at].key()).collect();
        let pairs = align::align(&keys_sent, &keys_got, self.offset);
        let mut taken = vec![false; got.len()];
        for (i, j) in pairs.iter().enumerate().filter_map(|(i, j)| Some((i, (*j)?))) {
            taken[j] = true;
            self.set(sent[i], got[j], Fate::Forwarded { to: got[j], moved: false });
        }
        // What is equal and lost its place.
        let mut left: BTreeMap<u128, Vec<usize>> = BTreeMap::new();
        for j in (0..got.len()).rev().filter(|&j| !taken[j]) {
            if let Some(hash) = keys_got[j].hash {
                left.entry(hash).or_default().push(j);
            }
        }
        let mut moved = vec![false; sent.len()];
        for i in (0..sent.len()).filter(|&i| pairs[i].is_none()) {
            let Some(j) = keys_sent[i].hash.and_then(|hash| left.get_mut(&hash)?.pop()) else { continue };
            taken[j] = true;
            moved[i] = true;
            // A configuration sent again out of the server's memory has no place to lose.
            let out_of_order = self.sent[sent[i]].kind.is_coded();
            self.set(sent[i], got[j], Fate::Forwarded { to: got[j], moved: out_of_order });
        }
        // What came instead of something else.
        for gap in align::gaps(&pairs, got.len()) {
            let mine: Vec<_> = gap.a.filter(|&i| !moved[i]).collect();
            let theirs: Vec<_> = gap.b.filter(|&j| !taken[j]).collect();
            let pairs = match kind == Kind::Data && mine.len().max(theirs.len()) <= MOST_COMPARED {
                true => self.rewritten(&mine, &theirs, sent, got),
                false => self.replaced(&mine, &theirs, &keys_sent, &keys_got, kind),
            };
            for (i, j) in pairs {
                let whole = self.sent[sent[i]].is_whole() && self.got[got[j]].is_whole();
                let fate = if whole { Fate::Changed { to: got[j] } } else { Fate::NotEligible(Reason::NotCaptured) };
                self.set(sent[i], got[j], fate);
            }
        }
    }

    /// Pairs, between two messages that came through, what was sent with what came instead: by timestamp; then by
    /// order, if as many are left on both sides; data from the last backward, as servers keep the latest.
    fn replaced(
        &self,
        sent: &[usize],
        got: &[usize],
        keys_sent: &[Key],
        keys_got: &[Key],
        kind: Kind,
    ) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        let (mut rest_sent, mut from) = (Vec::new(), 0);
        let mut used = vec![false; got.len()];
        let mut by_time: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (place, &j) in got.iter().enumerate().rev() {
            if let Some(timestamp) = keys_got[j].timestamp {
                by_time.entry(timestamp).or_default().push(place);
            }
        }
        for &i in sent {
            let expected = keys_sent[i].timestamp.map(|timestamp| timestamp.wrapping_add_signed(self.offset));
            let found = expected.and_then(|timestamp| {
                let places = by_time.get_mut(&timestamp)?;
                while places.last().is_some_and(|&place| place < from) {
                    places.pop();
                }
                places.pop()
            });
            match found {
                Some(place) => {
                    (used[place], from) = (true, place + 1);
                    pairs.push((i, got[place]));
                }
                None => rest_sent.push(i),
            }
        }
        let rest_got: Vec<_> = got.iter().zip(used).filter(|(_, used)| !used).map(|(&j, _)| j).collect();
        if kind == Kind::Data {
            pairs.extend(rest_sent.iter().rev().copied().zip(rest_got.iter().rev().copied()));
        } else if rest_sent.len() == rest_got.len() && pairs.is_empty() {
            pairs.extend(rest_sent.iter().copied().zip(rest_got.iter().copied()));
        }
        pairs
    }

    /// Pairs data messages that a server wrote anew, in order: as many as can be, those with the fewest other values, and
    /// of equals the latest, as servers keep that for players who come later. Nothing comes before it was sent.
    fn rewritten(&self, mine: &[usize], theirs: &[usize], sent: &[usize], got: &[usize]) -> Vec<(usize, usize)> {
        let cost = |i: usize, j: usize| {
            let (sent, got) = (&self.sent[sent[mine[i]]], &self.got[got[theirs[j]]]);
            let is_late = self.joined.is_none() || sent.item.time <= got.item.time;
            is_late.then(|| {
                let differences = metadata::compare(sent, got);
                differences.iter().filter(|one| matches!(one, Difference::Value { .. })).count()
            })
        };
        // Of what is left from each place on: how many pairs, and how much they differ.
        let (rows, columns) = (mine.len(), theirs.len());
        let mut best = vec![vec![(0, Reverse(0)); columns + 1]; rows + 1];
        let mut costs = vec![vec![None; columns]; rows];
        for i in (0..rows).rev() {
            for j in (0..columns).rev() {
                costs[i][j] = cost(i, j);
                let paired = costs[i][j].map(|cost| {
                    let (pairs, Reverse(before)) = best[i + 1][j + 1];
                    (pairs + 1, Reverse(before + cost))
                });
                best[i][j] = best[i + 1][j].max(best[i][j + 1]).max(paired.unwrap_or_default());
            }
        }
        let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
        while i < rows && j < columns {
            if best[i][j] == best[i + 1][j] {
                i += 1;
            } else if best[i][j] == best[i][j + 1] {
                j += 1;
            } else {
                pairs.push((mine[i], theirs[j]));
                (i, j) = (i + 1, j + 1);
            }
        }
        pairs
    }

    fn set(&mut self, sent: usize, got: usize, fate: Fate) {
        self.fates[sent] = fate;
        self.origins[got] = Some(sent);
    }

    /// Finds out which of the messages that are missing were for this player.
    fn classify_unmatched(&mut self, tracks: Tracks) {
        for at in 0..self.sent.len() {
            let unit = &self.sent[at];
            if self.fates[at] == Fate::Dropped {
                self.fates[at] = match unit.kind {
                    Kind::Command | Kind::Control => Fate::NotEligible(Reason::ForTheServer),
                    Kind::Aggregate => Fate::NotEligible(Reason::Aggregate),
                    _ if !unit.is_whole() => Fate::NotEligible(Reason::NotCaptured),
                    _ => continue,
                };
            }
        }
        let start = self.start();
        let end = End::of(&self.pair, self.longest_delay());
        let holes = self.holes();
        for (sent, _) in tracks.into_values() {
            let kind = match sent.first() {
                Some(&first) => self.sent[first].kind,
                None => continue,
            };
            let any_came = sent.iter().any(|&at| self.received(at).is_some());
            let last_came = sent.iter().rposition(|&at| self.received(at).is_some());
            // Who got no video frame at all though a keyframe was sent did not wait for one.
            let was_shown = |&at: &usize| {
                let unit = &self.sent[at];
                unit.keyframe && at >= start && self.is_live(at) && !end.gone(unit.item.time)
            };
            let could_start = any_came || !sent.iter().any(was_shown);
            let mut waits_for_key = kind == Kind::Video && could_start && self.starts_at_key(start, &sent);
            let is_cut_short =
                kind.is_coded() && self.is_cut_short(&sent[last_came.map_or(0, |last| last + 1)..], any_came);
            let mut before: Option<usize> = None;
            // Of each message, the next that came through.
            let mut after: Vec<_> = sent.iter().map(|&at| self.received(at).map(|_| at)).collect();
            for place in (1..after.len()).rev() {
                after[place - 1] = after[place - 1].or(after[place]);
            }
            for (place, &at) in sent.iter().enumerate() {
                let unit = &self.sent[at];
                if self.fates[at] != Fate::Dropped {
                    if self.received(at).is_some() {
                        before = Some(at);
                    }
                    if at >= start && self.received(at).is_some() {
                        waits_for_key = false;
                    }
                    continue;
                }
                let reason = if !self.is_live(at) {
                    Some(Reason::BeforeJoin)
                } else if end.gone(unit.item.time) {
                    Some(Reason::AfterLeft)
                } else if matches!(kind, Kind::Data | Kind::Other) && !any_came {
                    Some(Reason::UnknownType)
                } else if waits_for_key && !unit.keyframe {
                    Some(Reason::StartAtKey)
                } else if kind.is_coded() && at < start {
                    Some(Reason::BeforeStart)
                } else if kind.is_config() && self.repeats(&sent[..place], at) {
                    Some(Reason::SameAgain)
                } else if last_came.is_none_or(|last| place > last) && !is_cut_short && end.near(unit, any_came) {
                    Some(Reason::AtTheEnd)
                } else if self.in_a_hole(before, after[place], &holes) {
                    Some(Reason::NotCaptured)
                } else {
                    None
                };
                waits_for_key &= !(unit.keyframe && at >= start);
                if let Some(reason) = reason {
                    self.fates[at] = Fate::NotEligible(reason);
                }
            }
        }
    }

    /// Whether a track of which no more comes has ended before the stream did: of others, much that was sent later came.
    fn is_cut_short(&self, rest: &[usize], any_came: bool) -> bool {
        const MUCH: usize = 8;
        let Some(&first) = rest.iter().find(|&&at| any_came && self.fates[at] == Fate::Dropped) else { return false };
        let later =
            (first + 1..self.sent.len()).filter(|&at| self.sent[at].kind.is_coded() && self.received(at).is_some());
        let (mut count, mut last) = (0, first);
        for at in later {
            (count, last) = (count + 1, at);
        }
        count >= MUCH && self.sent[last].item.time.since(self.sent[first].item.time) > 3 * self.longest_delay()
    }

    /// Of what the player got, that which it had already got: the same payload with the same timestamp. Each with the
    /// place among those sent of the message that it is.
    pub fn repeated(&self) -> Vec<(usize, usize)> {
        let known = |at: usize| {
            let unit = &self.got[at];
            (unit.kind.is_coded() && unit.is_whole()).then_some((unit.kept.hash, unit.kept.header.timestamp?))
        };
        // After a seek what was shown may come again.
        let is_sought = |item: &RecordedEvent| {
            item.message().is_some_and(|kept| kept.class == MessageClass::Status(StatusCode::SeekNotify))
        };
        if self.pair.player.items().any(is_sought) {
            return Vec::new();
        }
        let came = (0..self.got.len()).filter_map(|at| Some((known(at)?, self.origins[at]?)));
        let came: FxHashMap<_, usize> = came.collect();
        let again = (0..self.got.len()).filter(|&at| self.origins[at].is_none());
        again.filter_map(|at| Some((at, *came.get(&known(at)?)?))).collect()
    }

    /// How long a message took at most, of those that were sent while the player was there.
    fn longest_delay(&self) -> i64 {
        let live = (0..self.sent.len()).filter(|&at| self.sent[at].kind.is_coded() && self.is_live(at));
        let delays = live.filter_map(|at| Some(self.received(at)?.item.time.since(self.sent[at].item.time)));
        delays.max().unwrap_or(0)
    }

    /// The first message that the player was to get: the first sent since it joined that came through; if none did,
    /// the first keyframe, or the first of all where there are no video frames.
    fn start(&self) -> usize {
        let live = || (0..self.sent.len()).filter(|&at| self.sent[at].kind.is_coded() && self.is_live(at));
        let came = live().find(|&at| self.received(at).is_some());
        let key = || live().find(|&at| self.sent[at].keyframe);
        let sound = || live().next().filter(|_| self.sent.iter().all(|unit| unit.kind != Kind::Video));
        came.or_else(key).or_else(sound).unwrap_or(self.sent.len())
    }

    /// Whether the player's first video frame since it joined is a keyframe, so that the server may have waited for it.
    fn starts_at_key(&self, start: usize, track: &[usize]) -> bool {
        let first = track.iter().find(|&&at| at >= start && self.received(at).is_some());
        first.is_none_or(|&first| self.sent[first].marked_key)
    }

    /// Whether the message before this one in its track says the same.
    fn repeats(&self, before: &[usize], at: usize) -> bool {
        before.last().is_some_and(|&last| self.sent[last].key().hash == self.sent[at].key().hash)
    }

    /// Stretches of the player's leg that were not captured or not decoded.
    fn holes(&self) -> Vec<u64> {
        let lost =
            self.pair.player.items().filter(|item| matches!(item.content, EventKind::Gap(_) | EventKind::Undecoded));
        let mut holes: Vec<_> = lost.map(|item| item.at.start).collect();
        holes.sort_unstable();
        holes
    }

    /// Whether there is a hole in the player's leg between two messages that came through.
    fn in_a_hole(&self, before: Option<usize>, after: Option<usize>, holes: &[u64]) -> bool {
        let place = |at: usize| self.received(at).map(|unit| unit.item.at.start);
        let from = before.and_then(place).unwrap_or(0);
        let to = after.and_then(place).unwrap_or(u64::MAX);
        holes.partition_point(|&hole| hole < from) < holes.partition_point(|&hole| hole < to)
    }
}

/// Whether it is something that a server could forward. Commands of the two legs are not the same commands.
fn may_be_relayed(unit: &Unit<'_>) -> bool {
    matches!(unit.kind, Kind::Other) || is_relayed(unit.kept.header.type_id) && unit.kind != Kind::Aggregate
}

/// Whether audio or video has a header of enhanced RTMP (Enhanced RTMP v2: ExVideoTagHeader, ExAudioTagHeader).
fn is_enhanced(unit: &Unit<'_>) -> bool {
    let first = unit.kept.body.first().copied().unwrap_or(0);
    match unit.kind {
        Kind::Audio | Kind::AudioConfig => first >> 4 == 9,
        _ => first & 0x80 != 0,
    }
}

/// When both legs ended.
struct End {
    left: Option<Time>,
    player: Time,
    publisher: Time,
    same_clock: bool,
    /// How long a message took at most, in ns.
    longest_delay: i64,
}

impl End {
    fn of(pair: &Pair<'_>, longest_delay: i64) -> End {
        let (left, same_clock) = (pair.player.left(), pair.publisher.capture == pair.player.capture);
        let player = left.unwrap_or(pair.player.closed());
        let publisher = pair.publisher.left().unwrap_or(pair.publisher.closed());
        End { left, player, publisher, same_clock, longest_delay }
    }

    /// Whether the player had gone by then.
    fn gone(&self, time: Time) -> bool {
        self.same_clock && self.left.is_some_and(|left| time >= left)
    }

    /// Whether something sent then might not have come any more. If others of its kind came, the end of the stream
    /// may have overtaken it in the server; if none did, that is no matter of its end.
    fn near(&self, unit: &Unit<'_>, any_came: bool) -> bool {
        let time = unit.item.time;
        if !self.same_clock {
            return any_came;
        }
        let before = |end: Time, least: i64| end.since(time) < least.max(self.longest_delay);
        // Data come seldom: that none of its kind follows one says less.
        let in_the_server = if unit.kind.is_media() { LEFT_IN_THE_SERVER } else { ON_ITS_WAY };
        before(self.player, ON_ITS_WAY) || any_came && before(self.publisher, in_the_server)
    }
}
