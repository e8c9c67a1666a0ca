//! Relays: what became, on the way through a server, of every message that a publisher sent.
//!
//! Takes recordings of one capture or several, gives a [`Report`]: which publisher feeds which player, how each
//! message fared, and findings with their places on both legs. It does not lay out text and reads no files.
//!
//! | module | holds |
//! |---|---|
//! | [`legs`] | who publishes, who gets it, and which belong together |
//! | [`mod@unit`] | a message of a leg, and what it is known by |
//! | [`align`] | which message of one leg is which of the other |
//! | [`judge`] | forwarded, changed, dropped, or not for this player |
//! | [`mixed`] | streams that a server mixes up |
//! | [`measure`] | delays and timestamps |
//! | [`change`], [`metadata`] | how a payload, or a data message, differs |
//! | [`findings`] | what is to be said of it |

pub mod align;
pub mod change;
pub mod findings;
pub mod judge;
pub mod legs;
pub mod measure;
pub mod metadata;
pub mod mixed;
pub mod unit;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::recording::Recording;
use crate::session::Direction;
use crate::streams::Software;

pub use crate::rules::Severity;
pub use findings::Finding;
pub use judge::{Fate, Judged, Reason};
pub use legs::LegName;
pub use measure::{Delay, Timestamps};
pub use unit::Kind;

/// The version of the report's format.
pub const FORMAT_VERSION: u32 = 1;

/// What became of everything.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Whether anything went wrong.
    pub verdict: Verdict,
    /// The answer in one sentence.
    pub summary: String,
    /// Each publisher with each of its players.
    pub legs: Vec<Leg>,
    /// What is to be said of them: the worst first, of equals in order of the legs.
    pub findings: Vec<Finding>,
    /// Connections that publish or play and have no other side here.
    pub alone: Vec<Who>,
}

/// Whether anything went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every player got what it was to get.
    Intact,
    /// Something was dropped or changed, or lost its order or its time.
    Damaged,
    /// Nothing of what was published reached any player.
    #[serde(rename = "nothing forwarded")]
    NothingForwarded,
    /// There is no publisher with a player.
    Nothing,
}

/// A publisher and one of its players.
#[derive(Debug, Serialize)]
pub struct Leg {
    /// Who sends.
    pub publisher: Who,
    /// Who gets it.
    pub player: Who,
    /// The server between them, as it calls itself; `unknown` if it does not.
    pub server: String,
    /// The same in its own words, and where it says so.
    #[serde(skip)]
    pub server_software: Option<Software>,
    /// What became of what was sent.
    pub total: Counts,
    /// The same by kind.
    pub kinds: Vec<OfKind>,
    /// What the player got besides, by name.
    pub added: Vec<Added>,
    /// How long the way took, for what was sent while the player was there.
    pub delay: Option<Delay>,
    /// Audio and video sent before the player joined, that it got out of the server's memory.
    pub from_cache: u64,
    /// How much later the player's timestamps are.
    pub timestamps: Option<Timestamps>,
    /// Messages forwarded on another chunk stream, as is usual.
    pub csid_rewritten: u64,
    /// Messages forwarded on another message stream, as is usual.
    pub message_stream_rewritten: u64,
    /// Why nothing came through, if nothing did.
    #[serde(skip)]
    pub nothing: Option<judge::Nothing>,
    /// Audio or video, if the publisher sent nothing but that.
    #[serde(skip)]
    only_kind: Option<Kind>,
    /// Every message that was sent, if asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Row>,
}

/// A connection's part.
#[derive(Debug, Serialize)]
pub struct Who {
    /// Which capture, from 0.
    pub capture: usize,
    /// Which connection.
    pub tcp_stream: u32,
    /// Which way its media go.
    pub direction: Direction,
    /// Who sends them.
    pub src: String,
    /// Who gets them.
    pub dst: String,
    /// Whether the client publishes or plays.
    pub role: legs::Role,
    /// Application and stream.
    pub path: String,
}

/// What became of messages: `sent` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// By the publisher.
    pub sent: u64,
    /// Came through as they were.
    pub forwarded: u64,
    /// Came as something else.
    pub changed: u64,
    /// Are missing.
    pub dropped: u64,
    /// Were not for this player.
    pub not_eligible: u64,
}

/// What became of the messages of one kind.
#[derive(Debug, Serialize)]
pub struct OfKind {
    /// The kind.
    pub kind: Kind,
    /// The counts.
    #[serde(flatten)]
    pub counts: Counts,
    /// Why messages were not for this player.
    pub why: Vec<Why>,
}

/// Messages that were not for this player for one reason.
#[derive(Debug, Serialize)]
pub struct Why {
    /// The reason.
    pub reason: Reason,
    /// How many.
    pub count: u64,
}

/// Messages that the player got and the publisher did not send.
#[derive(Debug, Serialize)]
pub struct Added {
    /// What they are: `command onStatus`.
    pub what: String,
    /// How many.
    pub count: u64,
}

/// What became of one message.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its number in the capture.
    pub message: u64,
    /// Its frame.
    pub frame: u64,
    /// Its timestamp in ms.
    pub timestamp: Option<u32>,
    /// What it is.
    pub what: String,
    /// Its length in bytes.
    pub length: u32,
    /// What became of it: `forwarded`, `changed`, `dropped`, `not_eligible`.
    pub fate: &'static str,
    /// Why it was not for this player.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The message on the player's leg: its number in the capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received: Option<u64>,
    /// Its frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_frame: Option<u64>,
    /// How long it took, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<f64>,
}

/// What is wanted of a report.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Pairs named by hand, publisher first; if there are any, no others are looked for.
    pub pairs: Vec<(LegName, LegName)>,
    /// Whether every message is to be listed.
    pub messages: bool,
}

/// Follows every publisher's messages to its players. Fails if a pair named by hand is not there.
pub fn relay(recordings: &[Recording], options: &Options) -> Result<Report, String> {
    let all_legs = legs::find(recordings);
    let (pairs, alone) = if options.pairs.is_empty() {
        legs::pair(&all_legs)
    } else {
        let named = options.pairs.iter().map(|&(publisher, player)| legs::named(recordings, publisher, player));
        (named.collect::<Result<_, _>>()?, Vec::new())
    };
    let judged: Vec<Judged<'_>> = pairs.iter().map(judge::judge).collect();
    let mixed = mixed::find(&judged, &all_legs);
    let (mut legs, mut findings) = (Vec::new(), Vec::new());
    for (judged, mixed) in judged.iter().zip(&mixed) {
        let pair = &judged.pair;
        let measures = measure::measure(judged);
        let backward = measures.delay.as_ref().is_some_and(|delay| delay.median < 0.0 && delay.messages > 2);
        if backward && pair.publisher.capture == pair.player.capture {
            // Nobody asked for this pair: the names agree, and the player is fed by somebody else.
            if options.pairs.is_empty() {
                continue;
            }
            let [publisher, player] = [&pair.publisher, &pair.player].map(|leg| leg.in_pair(recordings.len()));
            return Err(format!(
                "connection {player} has the messages earlier than connection {publisher}; the publisher comes first: \
                 --pair {player}:{publisher}"
            ));
        }
        findings.extend(findings::find(judged, &measures, mixed, legs.len()));
        legs.push(Leg::new(judged, mixed, measures, options.messages));
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let verdict = match findings.first() {
        _ if legs.is_empty() => Verdict::Nothing,
        _ if legs.iter().all(|leg: &Leg| leg.total.forwarded + leg.total.changed == 0) => Verdict::NothingForwarded,
        Some(finding) if finding.severity == Severity::Error => Verdict::Damaged,
        _ => Verdict::Intact,
    };
    let summary = summary(&legs, &findings, verdict, &alone);
    Ok(Report {
        format_version: FORMAT_VERSION,
        verdict,
        summary,
        legs,
        findings,
        alone: alone.iter().map(Who::new).collect(),
    })
}

fn summary(legs: &[Leg], findings: &[Finding], verdict: Verdict, alone: &[legs::Leg<'_>]) -> String {
    let forwarded: u64 = legs.iter().map(|leg| leg.total.forwarded).sum();
    match verdict {
        Verdict::Nothing => {
            let of = |role| alone.iter().filter(|leg| leg.role == role).count();
            let (publishers, players) = (of(legs::Role::Publish), of(legs::Role::Play));
            if let Some((publisher, player)) = differ_in_case(alone) {
                return format!(
                    "no publisher/player pair found: connection {publisher} publishes and connection {player} plays names \
                     that differ only in capital and small letters, which servers tell apart"
                );
            }
            format!(
                "no publisher/player pair found ({publishers} published, {players} played); choose one with --pair PUB:PLAY"
            )
        }
        Verdict::NothingForwarded => match legs.iter().find_map(|leg| Some((leg.nothing?, leg.only_kind))) {
            Some((nothing, kind)) => nothing.text(kind),
            None => "the publisher sent nothing that a server could forward".to_owned(),
        },
        Verdict::Intact => {
            let rewritten: u64 = legs.iter().map(|leg| leg.total.changed).sum();
            let and = if rewritten > 0 { format!(", {rewritten} rewritten as servers do") } else { String::new() };
            let ends: BTreeSet<_> = legs.iter().map(|leg| (leg.player.capture, leg.player.tcp_stream)).collect();
            let has = |role| legs.iter().any(|leg| leg.player.role == role);
            let end = match (has(legs::Role::Play), has(legs::Role::Publish)) {
                (true, false) => "player",
                (false, _) => "next server",
                (true, true) => "receiver",
            };
            let (players, they) = match ends.len() {
                1 => (format!("the {end}"), "it was"),
                more => (format!("{more} {end}s"), "they were"),
            };
            let messages = if forwarded == 1 { "message" } else { "messages" };
            format!("{players} received everything {they} due: {forwarded} {messages} unchanged{and}")
        }
        Verdict::Damaged => {
            if let Some(leg) = legs.iter().find(|leg| leg.is_of_another_stream()) {
                return format!(
                    "connections {} and {} do not carry the same stream: {} of {} messages that should have been \
                     forwarded arrived",
                    leg.publisher.tcp_stream,
                    leg.player.tcp_stream,
                    leg.total.forwarded,
                    leg.due()
                );
            }
            let first = findings.first().map(|finding| (finding.title.as_str(), finding.evidence.leg));
            let (title, leg) = first.unwrap_or_default();
            let connection = legs.get(leg).map_or(0, |leg| leg.player.tcp_stream);
            let others = findings.iter().filter(|finding| finding.severity == Severity::Error).count() - 1;
            let more = if others > 0 { format!("; {others} more") } else { String::new() };
            format!("to the player on connection {connection}, {title}{more}")
        }
    }
}

/// The connections of a publisher and a player whose names are the same but for capital and small letters.
fn differ_in_case(alone: &[legs::Leg<'_>]) -> Option<(u32, u32)> {
    let of = |role| alone.iter().filter(move |leg| leg.role == role);
    let number = |leg: &legs::Leg<'_>| leg.session.stream.tcp_stream.0;
    of(legs::Role::Publish).find_map(|publisher| {
        let path = publisher.path();
        let player = of(legs::Role::Play).find(|player| player.path().eq_ignore_ascii_case(&path))?;
        (player.path() != path).then(|| (number(publisher), number(player)))
    })
}

impl Leg {
    fn new(judged: &Judged<'_>, mixed: &mixed::Mixed, measures: measure::Measures, messages: bool) -> Leg {
        let mut kinds: BTreeMap<Kind, (Counts, BTreeMap<Reason, u64>)> = BTreeMap::new();
        let mut total = Counts::default();
        for (unit, &fate) in judged.sent.iter().zip(&judged.fates) {
            let (counts, why) = kinds.entry(unit.kind).or_default();
            total.add(fate);
            counts.add(fate);
            if let Fate::NotEligible(reason) = fate {
                *why.entry(reason).or_default() += 1;
            }
        }
        let mut added: BTreeMap<String, u64> = BTreeMap::new();
        for (unit, _) in judged.got.iter().zip(&judged.origins).filter(|(_, origin)| origin.is_none()) {
            *added.entry(unit.title()).or_default() += 1;
        }
        let of_kind = |(kind, (counts, why)): (_, (_, BTreeMap<_, _>))| OfKind {
            kind,
            counts,
            why: why.into_iter().map(|(reason, count)| Why { reason, count }).collect(),
        };
        Leg {
            publisher: Who::new(&judged.pair.publisher),
            player: Who::new(&judged.pair.player),
            server: judged.pair.server().map_or_else(|| "unknown".to_owned(), |software| slug(&software.name)),
            server_software: judged.pair.server().cloned(),
            total,
            kinds: kinds.into_iter().map(of_kind).collect(),
            added: added.into_iter().map(|(what, count)| Added { what, count }).collect(),
            delay: measures.delay,
            from_cache: measures.from_cache,
            timestamps: measures.timestamps,
            csid_rewritten: measures.csid_rewritten,
            message_stream_rewritten: measures.message_stream_rewritten,
            only_kind: judged.only_kind(),
            nothing: judged.nothing().map(|why| mixed.elsewhere.as_ref().map_or(why, |_| judge::Nothing::Elsewhere)),
            messages: if messages {
                (0..judged.sent.len()).map(|at| Row::new(judged, at)).collect()
            } else {
                Vec::new()
            },
        }
    }

    /// How many messages were for the player, those at the end included: what came through neither there nor before is no
    /// matter of the end.
    fn due(&self) -> u64 {
        let why = self.kinds.iter().flat_map(|of| &of.why);
        let at_the_end: u64 = why.filter(|why| why.reason == Reason::AtTheEnd).map(|why| why.count).sum();
        self.total.sent - self.total.not_eligible + at_the_end
    }

    /// Whether so little came through that it will be another stream, or one that was coded anew.
    fn is_of_another_stream(&self) -> bool {
        self.nothing.is_none() && 11 * self.total.forwarded < self.due()
    }
}

/// `Node-Media-Server` as `node-media-server`.
fn slug(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

impl Counts {
    fn add(&mut self, fate: Fate) {
        self.sent += 1;
        *match fate {
            Fate::Forwarded { .. } => &mut self.forwarded,
            Fate::Changed { .. } => &mut self.changed,
            Fate::Dropped => &mut self.dropped,
            Fate::NotEligible(_) => &mut self.not_eligible,
        } += 1;
    }
}

impl Who {
    fn new(leg: &legs::Leg<'_>) -> Who {
        let (src, dst) = leg.ends();
        Who {
            capture: leg.capture,
            tcp_stream: leg.session.stream.tcp_stream.0,
            direction: leg.direction,
            src: src.to_string(),
            dst: dst.to_string(),
            role: leg.role,
            path: leg.path(),
        }
    }
}

impl Row {
    fn new(judged: &Judged<'_>, at: usize) -> Row {
        let unit = &judged.sent[at];
        let received = judged.received(at);
        let (fate, reason) = match judged.fates[at] {
            Fate::Forwarded { .. } => ("forwarded", None),
            Fate::Changed { .. } => ("changed", None),
            Fate::Dropped => ("dropped", None),
            Fate::NotEligible(reason) => ("not_eligible", Some(reason)),
        };
        Row {
            message: unit.item.number,
            frame: unit.item.frames[0].0,
            timestamp: unit.kept.header.timestamp,
            what: unit.title(),
            length: unit.kept.header.length,
            fate,
            reason,
            received: received.map(|unit| unit.item.number),
            received_frame: received.map(|unit| unit.item.frames[0].0),
            delay: received.map(|received| received.item.time.since(unit.item.time) as f64 / 1e6),
        }
    }
}
