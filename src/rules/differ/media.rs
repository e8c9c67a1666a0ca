//! Other media, other times, other chunk streams.

use std::collections::HashSet;

use crate::compare::{Comparison, FieldPath, MessageKind, Mismatch, Side};
use crate::field;
use crate::rules::{Check, Claim, Effect, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction;

use super::together;

pub static CHUNK_STREAMS: Rule = Rule {
    code: "csid-differs",
    layer: Layer::Chunk,
    severity: Severity::Info,
    modes: &[Mode::Diff],
    title: "messages are on different chunk streams",
    page: Page {
        what: "The sender puts the same messages on chunk streams of other numbers. This does not matter to receivers.",
        looks: "A  08 00 00 00 .. 14   publish on chunk stream 8\n\
                B  03 00 00 00 .. 14   publish on chunk stream 3",
        who: "Every client has a scheme of its own: OBS sends all of its media on 4, ffmpeg audio on 4 and video on 6.",
        fix: "Nothing. Stay between 3 and 31, as some servers allow no more.",
        source: "RTMP 1.0 section 5.3.1.1.",
    },
    check: Check::Rest(chunk_streams),
};

pub static MEDIA: Rule = Rule {
    code: "media-differs",
    layer: Layer::Media,
    severity: Severity::Info,
    modes: &[Mode::Diff],
    title: "the sessions carry different media",
    page: Page {
        what: "The audio or video bytes differ: another source, another encoder, or another part of the source.",
        looks: "A  17 01 00 00 00 00 00 02 ba 06 05 ff ff ..\n\
                B  17 01 00 00 00 00 00 01 9c 65 88 84 00 ..",
        who: "Sessions that were not recorded from the same file with the same settings, or not for the same time.",
        fix: "To compare payloads, publish the same file in both sessions, without encoding it again (`-c copy`).",
        source: "Reported only for messages that nothing else explains.",
    },
    check: Check::Rest(media),
};

pub static TIMESTAMPS: Rule = Rule {
    code: "timestamps-differ",
    layer: Layer::Media,
    severity: Severity::Info,
    modes: &[Mode::Diff],
    title: "timestamps differ by more than a constant",
    page: Page {
        what: "The same messages have different timestamps, and the difference varies.",
        looks: "A  86 00 00 28 ..   a delta of 40 ms\n\
                B  86 00 00 29 ..   a delta of 41 ms",
        who: "Live sources, encoders that use the time of day, and rounding.",
        fix: "Nothing, if they follow the media. Timestamps that are 1000 or 90 times too large are a different rule.",
        source: "RTMP 1.0 section 5.3.1.2.",
    },
    check: Check::Rest(timestamps),
};

fn chunk_streams(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for direction in [Direction::ClientToServer, Direction::ServerToClient] {
        let is_of = |index: usize| {
            let mismatch = &comparison.mismatches[index];
            matches!(mismatch.path, FieldPath::Chunk(_)) && comparison.either_item(mismatch.row).direction == direction
        };
        claims.extend(together(comparison, is_of, |all| {
            let mut uses: Vec<String> = Vec::new();
            for &index in all {
                let mismatch = &comparison.mismatches[index];
                let text = |side| mismatch.side(side).map(|value| value.text.clone()).unwrap_or_default();
                let name = &comparison.either(mismatch.row).name;
                let word = format!("{name} on {} instead of {}", text(Side::B), text(Side::A));
                if mismatch.path == FieldPath::CSID && !uses.contains(&word) {
                    uses.push(word);
                }
            }
            uses.truncate(6);
            if uses.is_empty() {
                return "messages are cut into chunks differently".to_owned();
            }
            format!("messages are on different chunk streams: {}", uses.join(", "))
        }));
    }
    claims
}

fn media(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for direction in [Direction::ClientToServer, Direction::ServerToClient] {
        let is_media =
            |row: usize| comparison.either(row).kind.is_media() && comparison.either_item(row).direction == direction;
        let is_of = |index: usize| {
            let mismatch = &comparison.mismatches[index];
            is_media(mismatch.row) && !mismatch.path.is_of_header()
        };
        let mut effect = Effect::MayMatter;
        let claim = together(comparison, is_of, |all| {
            let said = title(comparison, direction, all);
            effect = said.1;
            said.0
        });
        claims.extend(claim.map(|claim| claim.with_effect(effect)));
    }
    claims
}

/// What differs, and what comes of it: other media, and less or more at either end, are of other recordings.
fn title(comparison: &Comparison<'_>, direction: Direction, all: &[usize]) -> (String, Effect) {
    let coded = |row: usize| matches!(comparison.either(row).kind, MessageKind::Audio | MessageKind::Video);
    let rows: Vec<usize> = comparison.rows_of(direction).filter(|&row| coded(row)).collect();
    let has = |row: usize, side| comparison.item(row, side).is_some();
    let hash = |row: usize, side| comparison.item(row, side).and_then(|item| item.message()).map(|kept| kept.hash);
    let same = rows.iter().filter(|&&row| has(row, Side::A) && hash(row, Side::A) == hash(row, Side::B)).count();
    let only = |side: Side, other: Side| rows.iter().filter(|&&row| has(row, side) && !has(row, other)).count();
    let (only_a, only_b) = (only(Side::A, Side::B), only(Side::B, Side::A));
    let changed = rows.len() - same - only_a - only_b;
    // Nobody encodes the same twice: a few messages that are equal by chance, of silence, do not make it one recording.
    let in_both = rows
        .iter()
        .filter(|&&row| has(row, Side::A))
        .count()
        .min(rows.iter().filter(|&&row| has(row, Side::B)).count());
    if is_other_media(comparison, direction) {
        let few = if same == 0 { "no message".to_owned() } else { format!("{same} of {in_both} messages") };
        let is = if same > 1 { "are" } else { "is" };
        let said = format!("the sessions carry different media: {few} of audio or video {is} the same in both");
        return (said, Effect::NoneKnown);
    }
    // What only one side has is judged by where it is.
    let is_small = |&index: &usize| {
        let mismatch = &comparison.mismatches[index];
        mismatch.is_whole_message() || is_small(mismatch)
    };
    let in_kind = |kind: fn(MessageKind) -> bool| {
        let rows = rows.iter().filter(move |&&row| kind(comparison.either(row).kind));
        let same = rows.clone().filter(|&&row| has(row, Side::A) && hash(row, Side::A) == hash(row, Side::B)).count();
        let of = |side| rows.clone().filter(|&&row| has(row, side)).count();
        (same, of(Side::A), of(Side::B))
    };
    // One track is the same and the other is not at all.
    let is_replaced = [MessageKind::is_audio, MessageKind::is_video].into_iter().any(|kind| {
        let (same, a, b) = in_kind(kind);
        same == 0 && (a > 0 || b > 0)
    });
    let mut said = vec![format!("{same} audio and video messages are the same")];
    let is_changed = changed > 0 && !all.iter().all(is_small) || is_replaced;
    let mut effect = if is_changed { Effect::MayMatter } else { Effect::NoneKnown };
    if changed > 0 {
        said.push(format!("{changed} differ"));
    }
    let last_same = rows.iter().rposition(|&row| has(row, Side::A) && has(row, Side::B));
    for (letter, count, side) in [("A", only_a, Side::A), ("B", only_b, Side::B)] {
        if count == 0 {
            continue;
        }
        let first = rows.iter().position(|&row| has(row, side) && !(has(row, Side::A) && has(row, Side::B)));
        let is_tail = first > last_same;
        let last = rows.iter().rposition(|&row| has(row, side) && !(has(row, Side::A) && has(row, Side::B)));
        let is_lead = last < rows.iter().position(|&row| has(row, Side::A) && has(row, Side::B));
        if !is_tail && !is_lead {
            effect = Effect::MayMatter;
        }
        let place = if is_tail { ", all after the last one of the other" } else { "" };
        said.push(format!("{count} are in {letter} only{place}"));
    }
    if same == rows.len() {
        let effect = if all.iter().all(is_small) { Effect::NoneKnown } else { Effect::MayMatter };
        return (format!("the configuration of the media differs in {} places", all.len()), effect);
    }
    (said.join(", "), effect)
}

/// Whether the two carry other audio and video: hardly a message of one is in the other, neither as it is nor in part. A
/// few are equal by chance, as silence is; what was changed in a systematic way still has stretches of A's bytes.
fn is_other_media(comparison: &Comparison<'_>, direction: Direction) -> bool {
    /// As many bytes as no two frames have in common by chance.
    const STRETCH: usize = 12;
    let rows: Vec<usize> = comparison
        .rows_of(direction)
        .filter(|&row| matches!(comparison.either(row).kind, MessageKind::Audio | MessageKind::Video))
        .collect();
    // The end of each body, and its beginning after the longest tag header of old.
    let parts = |side| {
        let bodies = rows.iter().filter_map(move |&row| comparison.item(row, side)?.message());
        let bodies = bodies.map(|kept| &kept.body).filter(|body| body.len() >= 2 * STRETCH);
        bodies.map(|body| [&body[body.len() - STRETCH..], &body[5..5 + STRETCH]])
    };
    let known: HashSet<&[u8]> = parts(Side::A).flatten().collect();
    let (mut all, mut alike) = (0, 0);
    for part in parts(Side::B) {
        all += 1;
        alike += usize::from(part.iter().any(|part| known.contains(part)));
    }
    let of_a = parts(Side::A).count();
    of_a > 0 && all > 0 && alike * 10 < all.min(of_a)
}

/// Whether muxers differ in a field, and decoders do not mind: the optional end of an AVC configuration (ISO 14496-15
/// 5.3.3.1), and a composition time that is off by less than a person notices.
fn is_small(mismatch: &Mismatch) -> bool {
    const OPTIONAL: [&str; 4] = ["chroma_format_byte", "bit_depth_luma_byte", "bit_depth_chroma_byte", "num_sps_ext"];
    // A signed number of 24 bits.
    let number = |side| match *mismatch.side(side)?.bytes {
        [high, middle, low] => Some(i64::from(i32::from_be_bytes([high, middle, low, 0]) >> 8)),
        _ => None,
    };
    match mismatch.path {
        FieldPath::Field("video.composition_time", _) => {
            number(Side::A).zip(number(Side::B)).is_some_and(|(a, b)| (a - b).abs() <= UNNOTICED)
        }
        FieldPath::Field(name, _) => {
            let last = name.strip_prefix("video.avc.config.").unwrap_or_default();
            OPTIONAL.contains(&last) && mismatch.side(Side::B).is_none() != mismatch.side(Side::A).is_none()
        }
        _ => false,
    }
}

/// So much, in milliseconds, a few frames may be off, and nobody sees it (EBU R 37 has 60 and 40 between audio and video).
const UNNOTICED: i64 = 100;
/// So much, in milliseconds, rounding brings about.
const ROUNDED: i64 = 10;
/// So many messages are a few.
const FEW: usize = 3;

/// How much later the timestamps of the other track are than A's, if it is the same for all.
fn other_track(comparison: &Comparison<'_>, direction: Direction, is_video: bool) -> Option<(&'static str, i64)> {
    let (name, kind) = if is_video { ("video", MessageKind::Video) } else { ("audio", MessageKind::Audio) };
    let timestamp = |row, side| comparison.item(row, side)?.message()?.header.timestamp;
    let rows = comparison.rows_of(direction).filter(|&row| comparison.either(row).kind == kind);
    let mut all =
        rows.filter_map(|row| Some(i64::from(timestamp(row, Side::B)?) - i64::from(timestamp(row, Side::A)?)));
    let first = all.next()?;
    all.all(|by| by == first).then_some((name, first))
}

fn timestamps(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for direction in [Direction::ClientToServer, Direction::ServerToClient] {
        let is_of = |index: usize| {
            let mismatch = &comparison.mismatches[index];
            mismatch.path == FieldPath::TIMESTAMP && comparison.either_item(mismatch.row).direction == direction
        };
        let difference = |index: usize| -> Option<i64> {
            let mismatch = &comparison.mismatches[index];
            let number = |side| match mismatch.side(side)?.value {
                field::Value::Uint(number) => i64::try_from(number).ok(),
                _ => None,
            };
            Some(number(Side::B)? - number(Side::A)?)
        };
        // Times of other media are other times, and configuration has none that matters.
        let is_comparable = |index: &&usize| {
            let row = comparison.mismatches[**index].row;
            let hash = |side| comparison.item(row, side).and_then(|item| item.message()).map(|kept| kept.hash);
            matches!(comparison.either(row).kind, MessageKind::Audio | MessageKind::Video)
                && hash(Side::A) == hash(Side::B)
        };
        let mut effect = Effect::NoneKnown;
        let claim = together(comparison, is_of, |all| {
            let far: Vec<i64> =
                all.iter().filter(is_comparable).filter_map(|&index| difference(index)).map(i64::abs).collect();
            let most = far.iter().max().copied().unwrap_or_default();
            let is_small =
                most <= ROUNDED || far.len() <= FEW && most <= UNNOTICED || is_other_media(comparison, direction);
            effect = if is_small { Effect::NoneKnown } else { Effect::MayMatter };
            let differences: Vec<i64> = all.iter().filter_map(|&index| difference(index)).collect();
            let least = differences.iter().min().copied().unwrap_or_default();
            let most = differences.iter().max().copied().unwrap_or_default();
            if least == most && all.len() > 1 {
                let kinds = |is: fn(MessageKind) -> bool| all.iter().any(|&index| is(kind_of(comparison, index)));
                let track = match [kinds(MessageKind::is_audio), kinds(MessageKind::is_video)] {
                    [true, false] => "audio ",
                    [false, true] => "video ",
                    _ => "",
                };
                let way = if least < 0 { "earlier" } else { "later" };
                let title = format!("{} {track}timestamps are all {} ms {way} than A's", all.len(), least.abs());
                let other = other_track(comparison, direction, track == "audio ");
                return match other.filter(|_| !track.is_empty()) {
                    Some((name, by)) => {
                        format!("{title}, those of {name} {by:+} ms: {} ms out of step", (least - by).abs())
                    }
                    None => title,
                };
            }
            let by = if least == most { least.to_string() } else { format!("{least} to {most}") };
            match all.len() {
                1 => format!("1 timestamp differs, B's by {by} ms from A's"),
                many => format!("{many} timestamps differ, B's by {by} ms from A's"),
            }
        });
        claims.extend(claim.map(|claim| claim.with_effect(effect)));
    }
    claims
}

fn kind_of(comparison: &Comparison<'_>, mismatch: usize) -> MessageKind {
    comparison.either(comparison.mismatches[mismatch].row).kind
}
