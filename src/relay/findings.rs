//! What is to be said of a pair of legs: one finding for each rule that applies, with its first place on both legs.
//!
//! Takes what was judged, gives [`Finding`]s. A thousand messages dropped are one finding with a count.

use serde::Serialize;

use crate::origin::FrameNo;

use super::change::{self, Excerpt};
use super::judge::{Fate, Judged, Nothing, Reason};
use super::measure::{Measures, Moved};
use super::metadata::{self, Difference};
use super::mixed::Mixed;
use super::unit::{Kind, Unit};
use crate::rules::{Certainty, Diagnosis, Rule, Severity, relay as rules};

/// Something that happened between a publisher and a player.
pub type Finding = Diagnosis<Evidence>;

/// Where it happened, and what became of the bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Evidence {
    /// Which pair of legs, from 0.
    pub leg: usize,
    /// How many messages it is about.
    pub count: u64,
    /// The first place.
    pub r#where: Where,
    /// The first more places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<Where>,
    /// The bytes of both legs there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Bytes>,
    /// What became of a data message's properties.
    #[serde(skip_serializing_if = "Vec::is_empty", rename = "differences")]
    pub properties: Vec<Difference>,
}

/// A place on both legs.
#[derive(Clone, Debug, Serialize)]
pub struct Where {
    /// On the publisher's leg.
    pub publisher: Option<Place>,
    /// On the player's leg; for a message that is missing, the last that came before it.
    pub player: Option<Place>,
    /// Whether the player did not get it.
    pub missing: bool,
}

/// A message on a leg.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// Which capture, from 0.
    pub capture: usize,
    /// The connection.
    pub tcp_stream: u32,
    /// The message's number in the capture.
    pub message: u64,
    /// The frame.
    pub frame: FrameNo,
    /// Offset in the direction's stream: of the byte that differs, or of the message.
    pub stream_offset: u64,
    /// The message's timestamp in ms.
    pub timestamp: Option<u32>,
    /// What it is.
    pub what: String,
}

/// The bytes where two payloads differ.
#[derive(Clone, Debug, Serialize)]
pub struct Bytes {
    /// As sent.
    pub publisher: Excerpt,
    /// As received.
    pub player: Excerpt,
}

/// How many further places a finding names.
const MORE: usize = 20;

/// Everything that is to be said of a pair.
pub fn find(judged: &Judged<'_>, measures: &Measures, mixed: &Mixed, leg: usize) -> Vec<Finding> {
    let teller = Teller { judged, measures, mixed, leg };
    let mut findings: Vec<Finding> = [
        teller.nothing(),
        teller.silent(Kind::Video),
        teller.silent(Kind::Audio),
        teller.dropped(),
        teller.stopped(),
        teller.mixed(),
        teller.payload_changed(),
        teller.reordered(),
        teller.repeated(),
        teller.times_vary(),
        teller.delayed(),
        teller.not_forwarded(),
        teller.leaked(),
        teller.metadata(),
        teller.times_moved(),
        teller.start_at_key(),
    ]
    .into_iter()
    .flatten()
    .collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

struct Teller<'j, 'a> {
    judged: &'j Judged<'a>,
    measures: &'j Measures,
    mixed: &'j Mixed,
    leg: usize,
}

/// Why a server seems not to pass something on, and what helps.
fn why_nothing(nothing: Nothing, server: &str) -> (String, &'static str) {
    match nothing {
        Nothing::PlayerGone => (
            "The publisher's messages all come before the player asked for the stream, or after it had gone."
                .to_owned(),
            "Let the player ask for the stream while it is published, or wait for it.",
        ),
        Nothing::DataOnly => (
            format!("{server} does not pass these data messages on."),
            "Send audio or video with them, or use a server that forwards data messages.",
        ),
        Nothing::NoKeyFrame => (
            "A player can begin only at a key frame, and servers wait for one before they send anything.".to_owned(),
            "Send a key frame every few seconds.",
        ),
        Nothing::Enhanced => (
            format!("{server} seems not to know enhanced RTMP; such servers drop what they cannot read."),
            "Send a codec that FLV has a number for (H.264, AAC) without enhanced headers, or use a server that knows \
             enhanced RTMP.",
        ),
        Nothing::Elsewhere => (
            format!("{server} seems to keep one stream for each connection."),
            "Publish each stream on a connection of its own; in the server, tell the streams of a connection apart by \
             message stream ID (RTMP 1.0 5.3.1.2.5).",
        ),
        Nothing::Unknown => (
            "The player asked for the stream and was there; what was sent does not say why the server kept it."
                .to_owned(),
            "Look in the server's log for this stream: access rules, an error in the codec headers, another name.",
        ),
    }
}

impl Teller<'_, '_> {
    fn nothing(&self) -> Option<Finding> {
        let mut nothing = self.judged.nothing()?;
        let is_relayed = |at: &usize| self.judged.sent[*at].kind.is_media() || self.judged.sent[*at].kind == Kind::Data;
        let all: Vec<usize> = (0..self.judged.sent.len()).filter(is_relayed).collect();
        all.first()?;
        let mut title = format!("nothing reached the player: {}", nothing.text(self.judged.only_kind()));
        if let Some((connection, path)) = &self.mixed.elsewhere {
            nothing = Nothing::Elsewhere;
            title = format!("nothing reached the player: it reached that of {path}, on connection {connection}");
        }
        let (why, fix) = why_nothing(nothing, self.at_the_beginning());
        let mut finding = self.finding(&rules::NOTHING, &all, title, why);
        finding.fix = fix.to_owned();
        Some(finding)
    }

    /// Neither audio nor video came through though the other did, or data.
    fn silent(&self, kind: Kind) -> Option<Finding> {
        let nothing = self.judged.silent(kind)?;
        let all: Vec<usize> = self.sent_with(|fate| fate == Fate::Dropped);
        let all: Vec<usize> = all.into_iter().filter(|&at| self.is_of(at, kind)).collect();
        let title = format!("no {} reached the player: {}", kind.name(), nothing.text(Some(kind)));
        let (why, fix) = why_nothing(nothing, self.at_the_beginning());
        let mut finding = self.finding(&rules::NOTHING, &all, title, why);
        finding.fix = fix.to_owned();
        Some(finding)
    }

    /// Whether it is audio, or video, or its configuration.
    fn is_of(&self, at: usize, kind: Kind) -> bool {
        matches!(
            (self.judged.sent[at].kind, kind),
            (Kind::Audio | Kind::AudioConfig, Kind::Audio) | (Kind::Video | Kind::VideoConfig, Kind::Video)
        )
    }

    /// What is missing, without what another statement is about; up to the last that came through, or after it.
    fn missing(&self, after_the_last: bool) -> Vec<usize> {
        // That nothing came is one statement.
        if self.judged.nothing().is_some() {
            return Vec::new();
        }
        let silent = [Kind::Audio, Kind::Video].map(|kind| self.judged.silent(kind).map(|_| kind));
        let is_told = |at: usize| silent.iter().flatten().any(|&kind| self.is_of(at, kind));
        let last = self.judged.last_received().unwrap_or(0);
        let all = self.sent_with(|fate| fate == Fate::Dropped).into_iter();
        all.filter(|&at| !is_told(at) && (at > last) == after_the_last).collect()
    }

    /// ` between 173 and 846 ms`.
    fn between(&self, first: usize, last: usize) -> String {
        let sent = &self.judged.sent;
        match (sent[first].kept.header.timestamp, sent[last].kept.header.timestamp) {
            (Some(from), Some(to)) if from != to => format!(" between {from} and {to} ms"),
            (Some(at), _) => format!(" at {at} ms"),
            _ => String::new(),
        }
    }

    fn dropped(&self) -> Option<Finding> {
        let all = self.missing(false);
        let (first, last) = (*all.first()?, *all.last()?);
        let why = format!(
            "No message on the player's leg has the payload of {}. The player was already receiving the stream, and \
             messages that were sent later came through, so whole messages were dropped.",
            if all.len() == 1 { "this one" } else { "these" }
        );
        if let Some((kind, all)) = self.cut_short() {
            let last = all.last().copied().unwrap_or(last);
            let title = format!(
                "the rest of the {} did not arrive, and the stream continued: {}{}",
                kind.name(),
                self.kinds(&all),
                self.between(first, last)
            );
            let why = "Nothing of this kind that was sent after the last one before it came through, while other messages \
                       that were sent later did.";
            return Some(self.finding(&rules::STOPPED, &all, title, why.to_owned()));
        }
        let title = format!("{}{} did not arrive", self.kinds(&all), self.between(first, last));
        Some(self.finding(&rules::DROP, &all, title, why))
    }

    /// The track of which all of these are, if it came until the first of them and then no more, while much of the other did.
    fn ended(&self, all: &[usize]) -> Option<Kind> {
        const LEAST: usize = 3;
        let kind = self.judged.sent[*all.first()?].kind;
        let is_of = |at: usize| self.judged.sent[at].kind == kind;
        let came = |at: &usize| self.judged.sent[*at].kind.is_coded() && self.judged.received(*at).is_some();
        let before = (0..all[0]).filter(came).any(is_of);
        let after: Vec<usize> = (all[0]..self.judged.sent.len()).filter(came).collect();
        let is_end = before && after.len() >= LEAST && !after.iter().any(|&at| is_of(at));
        (kind.is_coded() && all.len() >= LEAST && all.iter().all(|&at| is_of(at)) && is_end).then_some(kind)
    }

    /// The track that ends while the other goes on, and all that is missing of it.
    fn cut_short(&self) -> Option<(Kind, Vec<usize>)> {
        let mut all = self.missing(false);
        let kind = self.ended(&all)?;
        all.extend(self.missing(true).into_iter().filter(|&at| self.judged.sent[at].kind == kind));
        Some((kind, all))
    }

    /// The rest of the session, when there was time for it to come through.
    fn stopped(&self) -> Option<Finding> {
        let told = self.cut_short().map(|(kind, _)| kind);
        let all: Vec<usize> =
            self.missing(true).into_iter().filter(|&at| Some(self.judged.sent[at].kind) != told).collect();
        let (first, last) = (*all.first()?, *all.last()?);
        let stayed = self.judged.pair.player.left().unwrap_or(self.judged.pair.player.closed());
        let stayed = stayed.since(self.judged.sent[first].item.time) as f64 / 1e9;
        let why = format!(
            "Nothing that was sent after the last message before {} came through, though the player was connected for \
             {stayed:.1} s more. The capture does not say whether the server stopped or its way to the player was blocked.",
            if all.len() == 1 { "this one" } else { "these" }
        );
        let title = format!("the rest of the stream did not arrive: {}{}", self.kinds(&all), self.between(first, last));
        Some(self.finding(&rules::STOPPED, &all, title, why))
    }

    fn mixed(&self) -> Option<Finding> {
        let foreign = self.mixed.foreign.as_ref()?;
        let player = &self.judged.pair.player;
        let count = foreign.got.len();
        let (messages, were) = if count == 1 { ("message", "was") } else { ("messages", "were") };
        let title = format!("{count} {messages} of {} reached the player of {}", foreign.path, player.path());
        let why = format!(
            "They {were} published as {} on connection {}, and this player asked for another name. {} seems to keep \
             one stream for each connection, whatever message stream a message comes on.",
            foreign.path,
            foreign.connection,
            self.at_the_beginning()
        );
        let mut finding = self.finding(&rules::MIXED, &[], title, why);
        let mut places = foreign.got.iter().take(1 + MORE).map(|&at| Where {
            publisher: None,
            player: Some(place(&self.judged.got[at], player.capture, player.session.stream.tcp_stream.0)),
            missing: false,
        });
        if let Some(first) = places.next() {
            finding.evidence.r#where = first;
        }
        finding.evidence.more = places.collect();
        finding.evidence.count = count as u64;
        Some(finding)
    }

    /// The server's name, at the beginning of a sentence.
    fn at_the_beginning(&self) -> &str {
        self.judged.pair.server().map_or("The server", |software| &software.name)
    }

    /// The server's name, in a sentence.
    fn server(&self) -> &str {
        self.judged.pair.server().map_or("the server", |software| &software.name)
    }

    fn payload_changed(&self) -> Option<Finding> {
        let media = |at: &usize| self.judged.sent[*at].kind != Kind::Data;
        let all: Vec<_> =
            self.sent_with(|fate| matches!(fate, Fate::Changed { .. })).into_iter().filter(media).collect();
        let first = *all.first()?;
        let (sent, received) = (&self.judged.sent[first], self.judged.received(first)?);
        let change = change::between(sent.kept, received.kept);
        let lengths = match (sent.kept.header.length, received.kept.header.length) {
            (a, b) if a == b => format!("both are {a} bytes long"),
            (a, b) => format!("{a} bytes were sent and {b} arrived"),
        };
        let at = if change.beyond {
            format!("beyond the first {} bytes, which are all that was kept", change.at)
        } else {
            format!("at offset {}", change.at)
        };
        let mut finding = self.finding(
            &rules::PAYLOAD_CHANGED,
            &all,
            format!("{} arrived with a different payload", self.kinds(&all)),
            format!("The same kind, place and timestamp, but other bytes: {lengths}, the first difference is {at}."),
        );
        if let Some(transform) = change.transform {
            finding.title = format!("{}: {}", self.kinds(&all), transform.title);
            (finding.why, finding.fix, finding.certainty) = (transform.why, transform.fix, Some(transform.certainty));
        }
        if !change.beyond {
            for (place, kept) in [
                (&mut finding.evidence.r#where.publisher, sent.kept),
                (&mut finding.evidence.r#where.player, received.kept),
            ] {
                // Where one has ended, its last byte is the place.
                let at = change.at.min(kept.body.len().saturating_sub(1));
                if let (Some(place), Some((offset, frame))) = (place, kept.places.of(at)) {
                    (place.stream_offset, place.frame) = (offset, frame);
                }
            }
        }
        finding.evidence.bytes = Some(Bytes { publisher: change.sent, player: change.received });
        Some(finding)
    }

    fn reordered(&self) -> Option<Finding> {
        let all = self.sent_with(|fate| matches!(fate, Fate::Forwarded { moved: true, .. }));
        all.first()?;
        let why = "The payload is the same on both legs, but not its position among the others of its kind.".to_owned();
        Some(self.finding(&rules::REORDER, &all, format!("{} arrived out of order", self.kinds(&all)), why))
    }

    /// What came more than once.
    fn repeated(&self) -> Option<Finding> {
        let again = self.judged.repeated();
        again.first()?;
        let sent: Vec<usize> = again.iter().map(|&(_, sent)| sent).collect();
        let title = format!("{} arrived more than once", self.kinds(&sent));
        let why = "The player got the same payload with the same timestamp again, and the publisher sent it once.";
        let mut finding = self.finding(&rules::REPEATED, &sent, title, why.to_owned());
        let player = &self.judged.pair.player;
        let mut places = again.iter().take(1 + MORE).map(|&(got, sent)| Where {
            publisher: self.place(sent).publisher,
            player: Some(place(&self.judged.got[got], player.capture, player.session.stream.tcp_stream.0)),
            missing: false,
        });
        if let Some(first) = places.next() {
            finding.evidence.r#where = first;
        }
        finding.evidence.more = places.collect();
        Some(finding)
    }

    fn times_vary(&self) -> Option<Finding> {
        let times = self.measures.timestamps.as_ref().filter(|times| times.varies())?;
        if let Some(finding) = self.tracks_apart() {
            return Some(finding);
        }
        let all = &self.measures.off_time;
        let title = format!(
            "timestamps moved by different amounts: mostly by {} ms, by {} to {} ms in all",
            signed(times.mostly),
            signed(times.least),
            signed(times.most)
        );
        let why = format!(
            "the difference of {} from the publisher's timestamp is not that of most messages.",
            self.kinds(all)
        );
        let mut finding = self.finding(&rules::TS_REBASE, all, title, why);
        finding.severity = Severity::Error;
        Some(finding)
    }

    /// What was done to the timestamps of one track, or of both, where each has something of its own.
    fn tracks_apart(&self) -> Option<Finding> {
        let tracks = &self.measures.tracks;
        let faster = tracks.iter().find_map(|track| match track.moved {
            Moved::Times(factor) => Some((track, factor)),
            _ => None,
        });
        let (all, title, why) = match (faster, &tracks[..]) {
            (Some((track, factor)), _) => (
                &track.all,
                format!(
                    "the timestamps of {} run {} times as fast as the publisher's",
                    track.kind.name(),
                    rounded(factor)
                ),
                format!("Each is, from the first on, {} times as far as the publisher's.", rounded(factor)),
            ),
            (None, [one, two]) => {
                let (Moved::By(of_one), Moved::By(of_two)) = (one.moved, two.moved) else { return None };
                let (moved, by, other, of_other) = match of_one.abs() > of_two.abs() {
                    true => (one, of_one, two, of_two),
                    false => (two, of_two, one, of_one),
                };
                (
                    &moved.all,
                    format!(
                        "{} timestamps moved by {} ms, those of {} by {}: they are {} ms out of step",
                        moved.kind.name(),
                        signed(by),
                        other.kind.name(),
                        signed(of_other),
                        by.abs_diff(of_other)
                    ),
                    "The publisher has audio and video in step; each track moved as a whole.".to_owned(),
                )
            }
            _ => return None,
        };
        let mut finding = self.finding(&rules::TS_REBASE, all, title, why);
        finding.severity = Severity::Error;
        Some(finding)
    }

    fn times_moved(&self) -> Option<Finding> {
        let times = self.measures.timestamps.as_ref();
        // Where they moved by different amounts, that is the statement.
        if times.is_some_and(|times| times.varies()) {
            return None;
        }
        let moved = times.filter(|times| times.mostly != 0).map(|times| signed(times.mostly));
        let coded = self.sent_with(|fate| matches!(fate, Fate::Forwarded { .. }));
        let coded: Vec<_> = coded.into_iter().filter(|&at| self.judged.sent[at].kind.is_coded()).collect();
        let Some(by) = moved else { return self.headers_moved() };
        let why = "The difference is the same for all audio and video, so they stay in sync.".to_owned();
        let mut finding = self.finding(&rules::TS_REBASE, &coded, format!("all timestamps moved by {by} ms"), why);
        finding.fix = "Nothing.".to_owned();
        Some(finding)
    }

    fn headers_moved(&self) -> Option<Finding> {
        let headers = &self.measures.headers_off_time;
        let first = *headers.first()?;
        let text = |unit: &Unit<'_>| unit.kept.header.timestamp.map_or_else(|| "?".to_owned(), |ms| ms.to_string());
        let why = format!(
            "The server caches sequence headers for players that join later, and sends them with its own timestamp: \
             sent at {} ms, received at {} ms. Audio and video frames keep theirs.",
            text(&self.judged.sent[first]),
            text(self.judged.received(first)?)
        );
        let title = format!("{} arrived with a different timestamp", self.kinds(headers));
        let mut finding = self.finding(&rules::TS_REBASE, headers, title, why);
        finding.fix =
            "Nothing. Start the player's clock at the first audio or video frame, not at a sequence header.".to_owned();
        Some(finding)
    }

    fn delayed(&self) -> Option<Finding> {
        let delay = self.measures.delay.as_ref()?;
        let all = &self.measures.late;
        all.first()?;
        let title = format!(
            "{} arrived up to {:.0} ms late, where most took {:.3} ms",
            self.kinds(all),
            delay.max,
            delay.median
        );
        let why = "The time between the packet that completed the message on the way to the server and the one that \
                   completed it on the way to the player.";
        Some(self.finding(&rules::DELAY, all, title, why.to_owned()))
    }

    fn not_forwarded(&self) -> Option<Finding> {
        // That nothing came is one statement.
        if self.judged.nothing().is_some() {
            return None;
        }
        let all = self.sent_with(|fate| fate == Fate::NotEligible(Reason::UnknownType));
        let first = &self.judged.sent[*all.first()?];
        let server = self.server();
        let mut why = format!(
            "None of this kind arrived, although other messages did: {server} does not forward {}.",
            first.title()
        );
        if self.judged.pair.server().is_none() {
            let says = self.judged.pair.publisher.session.stream.fms_ver.as_deref().unwrap_or("nothing");
            why += &format!(" (The server does not say its name; its fmsVer is {says}.)");
        }
        Some(self.finding(&rules::UNKNOWN_TYPE, &all, format!("{} not forwarded by {server}", self.kinds(&all)), why))
    }

    fn leaked(&self) -> Option<Finding> {
        let leaks = |at: &usize| self.judged.received(*at).is_some_and(|unit| unit.wrapped);
        // To another server it belongs.
        if self.judged.pair.player.role == super::legs::Role::Publish {
            return None;
        }
        let all: Vec<_> = (0..self.judged.sent.len()).filter(leaks).collect();
        all.first()?;
        let why = "The player receives the server's command before the metadata, and most players then ignore the \
                   metadata.";
        Some(self.finding(&rules::SETDATAFRAME_LEAK, &all, rules::SETDATAFRAME_LEAK.title.to_owned(), why.to_owned()))
    }

    fn metadata(&self) -> Option<Finding> {
        let data = |at: &usize| self.judged.sent[*at].kind == Kind::Data;
        let all: Vec<_> =
            self.sent_with(|fate| matches!(fate, Fate::Changed { .. })).into_iter().filter(data).collect();
        let first = *all.first()?;
        let differences = metadata::compare(&self.judged.sent[first], self.judged.received(first)?);
        let count = |wanted: fn(&Difference) -> bool| differences.iter().filter(|d| wanted(d)).count();
        let (lost, added, other) = (
            count(|d| matches!(d, Difference::Lost { .. })),
            count(|d| matches!(d, Difference::Added { .. })),
            count(|d| matches!(d, Difference::Value { .. })),
        );
        let server = self.server();
        let what = match (lost, added, other) {
            (0, 0, 0) => "the properties are the same".to_owned(),
            _ => format!(
                "{lost} {} lost, {added} added, {other} with another value",
                if lost == 1 { "property" } else { "properties" }
            ),
        };
        let title = format!("{server} rewrote {}: {what}", self.judged.sent[first].title());
        let why = match server {
            "nginx-rtmp" => "nginx-rtmp reads what it knows into a fixed list and writes that list as an object.",
            "Node-Media-Server" => "Node-Media-Server removes the wrapper and writes the properties as an object.",
            _ => "The server reads the message and writes its own.",
        };
        let mut finding = self.finding(&rules::METADATA_REWRITTEN, &all, title, why.to_owned());
        finding.evidence.properties = differences;
        Some(finding)
    }

    fn start_at_key(&self) -> Option<Finding> {
        let all = self.sent_with(|fate| fate == Fate::NotEligible(Reason::StartAtKey));
        all.first()?;
        let is_picture = |at: usize| self.judged.sent[at].kind == Kind::Video && self.judged.received(at).is_some();
        let then = match (0..self.judged.sent.len()).any(is_picture) {
            true => "its first video frame is a keyframe",
            false => "no keyframe was sent while it was there",
        };
        let why = format!("The player joined between two keyframes and could not show these; {then}.");
        let title = format!("{} before the player's first keyframe left out", self.kinds(&all));
        Some(self.finding(&rules::START_AT_KEY, &all, title, why))
    }

    fn sent_with(&self, wanted: impl Fn(Fate) -> bool) -> Vec<usize> {
        self.judged.fates.iter().enumerate().filter(|(_, fate)| wanted(**fate)).map(|(at, _)| at).collect()
    }

    /// `1 video message`, `3 messages (2 audio, 1 video)`.
    fn kinds(&self, all: &[usize]) -> String {
        let mut counts = std::collections::BTreeMap::<String, u64>::new();
        for &at in all {
            let unit = &self.judged.sent[at];
            let title = if unit.kind.is_media() { unit.kind.name().to_owned() } else { unit.title() };
            *counts.entry(title).or_default() += 1;
        }
        let plural = |count: u64| if count == 1 { "message" } else { "messages" };
        match counts.len() {
            1 => counts.iter().map(|(title, count)| format!("{count} {title} {}", plural(*count))).collect(),
            _ => {
                let parts: Vec<_> = counts.iter().map(|(title, count)| format!("{count} {title}")).collect();
                format!("{} messages ({})", all.len(), parts.join(", "))
            }
        }
    }

    fn finding(&self, rule: &'static Rule, all: &[usize], title: String, why: String) -> Finding {
        let mut places = all.iter().take(1 + MORE).map(|&at| self.place(at));
        let evidence = Evidence {
            leg: self.leg,
            count: all.len() as u64,
            r#where: places.next().unwrap_or(Where { publisher: None, player: None, missing: false }),
            more: places.collect(),
            bytes: None,
            properties: Vec::new(),
        };
        Finding {
            rule,
            certainty: Some(Certainty::Certain),
            effect: None,
            severity: rule.severity,
            title,
            evidence,
            why,
            fix: rule.page.fix.to_owned(),
            differences: None,
            consequences: None,
        }
    }

    fn place(&self, at: usize) -> Where {
        let (publisher, player) = (&self.judged.pair.publisher, &self.judged.pair.player);
        let unit = &self.judged.sent[at];
        let received = self.judged.received(at);
        let missing = received.is_none();
        let received = received.or_else(|| self.before(at));
        Where {
            publisher: Some(place(unit, publisher.capture, publisher.session.stream.tcp_stream.0)),
            player: received.map(|unit| place(unit, player.capture, player.session.stream.tcp_stream.0)),
            missing,
        }
    }

    /// What came last before a message that did not.
    fn before(&self, at: usize) -> Option<&Unit<'_>> {
        let track = &self.judged.sent[at].track;
        let mut before = (0..at).rev().filter(|&other| self.judged.sent[other].track == *track);
        before.find_map(|other| self.judged.received(other))
    }
}

fn place(unit: &Unit<'_>, capture: usize, tcp_stream: u32) -> Place {
    Place {
        capture,
        tcp_stream,
        message: unit.item.number,
        frame: unit.item.frames[0],
        stream_offset: unit.item.at.start,
        timestamp: unit.kept.header.timestamp,
        what: unit.title(),
    }
}

fn signed(ms: i32) -> String {
    if ms > 0 { format!("+{ms}") } else { ms.to_string() }
}

/// A factor in as many digits as say something.
fn rounded(factor: f64) -> String {
    let text = format!("{factor:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
