//! Audio or video that the metadata announces and that never comes.

use crate::amf::Value;
use crate::compare::{Comparison, FieldPath};
use crate::recording::Session;
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::rtmp::class::{DataName, MediaKind, MessageClass};
use crate::rules::messages::{self, BodyPlace, DirectionMessages};
use crate::rules::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction;

pub static TRACK_MISSING: Rule = Rule {
    code: "track-missing",
    layer: Layer::Media,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "announced audio or video never comes",
    page: Page {
        what: "onMetaData announces audio or video, by hasAudio or hasVideo, or by its codec, and no message of it comes while the \
               other track runs for seconds. Players that believe the announcement wait for the track before they show \
               anything.",
        looks: "00 08 68 61 73 41 75 64 69 6f 01 01                       hasAudio true\n\
                00 0c 61 75 64 69 6f 63 6f 64 65 63 69 64 00 40 24 ..   audiocodecid 10",
        who: "Encoders whose microphone delivers nothing; servers that drop a codec which they do not know and leave the metadata \
              as it was.",
        fix: "Announce only tracks that are sent. As a player, give up waiting for a track after a second or two.",
        source: "FLV specification, annex E.5. google/ExoPlayer issue 6653: a black screen.",
    },
    check: Check::Diff(missing),
};

/// So long, in milliseconds of its timestamps, the other track has to run before the announced one is missing.
const LONG: u32 = 1500;

/// A track that is announced, by the property that announces it.
struct Announced {
    item: usize,
    kind: MediaKind,
    by: &'static str,
}

fn missing(comparison: &Comparison<'_>) -> Vec<Claim> {
    let claim = |direction| {
        let found = of(comparison.b, direction)?;
        if comparison.a.and_then(|a| of(a, direction)).is_some_and(|other| other.kind == found.kind) {
            return None;
        }
        let (track, other) = match found.kind {
            MediaKind::Audio => ("audio", "video"),
            MediaKind::Video => ("video", "audio"),
        };
        let title = format!("the metadata announces {track} ({}), and none ever comes", found.by);
        let spots = [BodyPlace::new(found.item, 0..0, format!("{} is set", found.by))];
        let path = FieldPath::property("onMetaData", found.by);
        let mut claim = messages::claim(comparison, &spots, path, Certainty::Likely, title);
        let is_of = |index: &usize| {
            let mismatch = &comparison.mismatches[*index];
            let kind = comparison.either(mismatch.row).kind;
            let is_track = if found.kind == MediaKind::Audio { kind.is_audio() } else { kind.is_video() };
            let is_only_a = mismatch.is_whole_message() && comparison.rows[mismatch.row].b.is_none();
            is_track && is_only_a && comparison.either_item(mismatch.row).direction == direction
        };
        claim.explains = comparison.open().filter(is_of).collect();
        Some(
            claim
                .why(format!(
                    "{other} runs for seconds without it; players that trust the announcement wait for {track}"
                ))
                .fix(format!("send {track}, or leave its properties out of the metadata")),
        )
    };
    [Direction::ClientToServer, Direction::ServerToClient].into_iter().filter_map(claim).collect()
}

fn of(session: &Session, direction: Direction) -> Option<Announced> {
    let flow = DirectionMessages::of(session, direction);
    if !flow.is_complete || turns_off(session) {
        return None;
    }
    let times = |wanted: MediaKind| {
        let is = move |class: MessageClass| match wanted {
            MediaKind::Audio => class == MessageClass::Audio,
            MediaKind::Video => matches!(class, MessageClass::Video { .. }),
        };
        let mut times = flow.messages.iter().filter(move |(_, kept)| is(kept.class));
        let first = times.next().and_then(|(_, kept)| kept.header.timestamp);
        (first, times.next_back().and_then(|(_, kept)| kept.header.timestamp))
    };
    let has_others = flow.messages.iter().any(|(_, kept)| kept.class == MessageClass::Aggregate);
    let (item, announced) = flow.messages.iter().find_map(|(item, kept)| {
        let is_metadata = kept.class == MessageClass::Data(DataName::OnMetaData);
        is_metadata.then(|| (*item, announced(&kept.body, kept.header.type_id)))
    })?;
    let is_missing = |kind| {
        let other = match kind {
            MediaKind::Audio => MediaKind::Video,
            MediaKind::Video => MediaKind::Audio,
        };
        let (own, (first, last)) = (times(kind), times(other));
        own.0.is_none() && first.zip(last).is_some_and(|(first, last)| last.wrapping_sub(first) as i32 >= LONG as i32)
    };
    let found = announced.into_iter().find(|(kind, _)| is_missing(*kind)).filter(|_| !has_others)?;
    Some(Announced { item, kind: found.0, by: found.1 })
}

/// The tracks that metadata announces: by a codec that is not 0, unless it says itself that there is no such track.
fn announced(bytes: &[u8], type_id: MessageTypeId) -> Vec<(MediaKind, &'static str)> {
    let decoded = body::decode(type_id, bytes, bytes.len() as u32, &mut ());
    let Body::Data(data) = &decoded.body else { return Vec::new() };
    let property = |name: &str| data.arguments().iter().find_map(|value| value.property(name.as_bytes()));
    let says = |name: &str| match property(name)? {
        Value::Boolean(says) => Some(*says),
        _ => None,
    };
    let is_set = |name: &str| match property(name) {
        Some(Value::Number(number)) => *number != 0.0,
        Some(Value::String(text)) => !text.0.is_empty(),
        _ => false,
    };
    let tracks = [(MediaKind::Audio, "hasAudio", "audiocodecid"), (MediaKind::Video, "hasVideo", "videocodecid")];
    let of = |(kind, has, codec): (MediaKind, &'static str, &'static str)| match says(has) {
        Some(true) => Some((kind, has)),
        Some(false) => None,
        None => is_set(codec).then_some((kind, codec)),
    };
    tracks.into_iter().filter_map(of).collect()
}

/// Whether the client asked for less than all: receiveAudio, receiveVideo, or a pause.
fn turns_off(session: &Session) -> bool {
    crate::compare::identify_all(&session.items)
        .iter()
        .any(|named| matches!(named.command.as_deref(), Some("receiveAudio" | "receiveVideo" | "pause" | "pauseRaw")))
}
