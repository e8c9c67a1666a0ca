//! Other media, other times, other chunk streams.

use crate::compare::{Comparison, FieldPath, Lane, Side};
use crate::field;
use crate::rules::{Check, Claim, Layer, Mode, Page, Rule, Severity};
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
            |row: usize| comparison.either(row).lane.is_media() && comparison.either_item(row).direction == direction;
        let is_of = |index: usize| {
            let mismatch = &comparison.mismatches[index];
            is_media(mismatch.row) && !mismatch.path.is_of_header()
        };
        claims.extend(together(comparison, is_of, |all| title(comparison, direction, all)));
    }
    claims
}

fn title(comparison: &Comparison<'_>, direction: Direction, all: &[usize]) -> String {
    let coded = |row: usize| matches!(comparison.either(row).lane, Lane::Audio | Lane::Video);
    let rows: Vec<usize> = comparison.rows_of(direction).filter(|&row| coded(row)).collect();
    let has = |row: usize, side| comparison.item(row, side).is_some();
    let hash = |row: usize, side| comparison.item(row, side).and_then(|item| item.message()).map(|kept| kept.hash);
    let same = rows.iter().filter(|&&row| has(row, Side::A) && hash(row, Side::A) == hash(row, Side::B)).count();
    let only = |side: Side, other: Side| rows.iter().filter(|&&row| has(row, side) && !has(row, other)).count();
    let (only_a, only_b) = (only(Side::A, Side::B), only(Side::B, Side::A));
    let changed = rows.len() - same - only_a - only_b;
    if same == 0 && rows.iter().any(|&row| has(row, Side::A)) && rows.iter().any(|&row| has(row, Side::B)) {
        return "the sessions carry different media: no audio or video message is the same in both".to_owned();
    }
    let mut said = vec![format!("{same} audio and video messages are the same")];
    if changed > 0 {
        said.push(format!("{changed} differ"));
    }
    let last_same = rows.iter().rposition(|&row| has(row, Side::A) && has(row, Side::B));
    for (letter, count, side) in [("A", only_a, Side::A), ("B", only_b, Side::B)] {
        if count == 0 {
            continue;
        }
        let first = rows.iter().position(|&row| has(row, side) && !(has(row, Side::A) && has(row, Side::B)));
        let place = if first > last_same { ", all after the last one of the other" } else { "" };
        said.push(format!("{count} are in {letter} only{place}"));
    }
    if same == rows.len() {
        return format!("the configuration of the media differs in {} places", all.len());
    }
    said.join(", ")
}

fn timestamps(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for direction in [Direction::ClientToServer, Direction::ServerToClient] {
        let is_of = |index: usize| {
            let mismatch = &comparison.mismatches[index];
            mismatch.path == FieldPath::TIMESTAMP && comparison.either_item(mismatch.row).direction == direction
        };
        claims.extend(together(comparison, is_of, |all| {
            let difference = |index: usize| -> Option<i64> {
                let mismatch = &comparison.mismatches[index];
                let number = |side| match mismatch.side(side)?.value {
                    field::Value::Uint(number) => i64::try_from(number).ok(),
                    _ => None,
                };
                Some(number(Side::B)? - number(Side::A)?)
            };
            let differences: Vec<i64> = all.iter().filter_map(|&index| difference(index)).collect();
            let least = differences.iter().min().copied().unwrap_or_default();
            let most = differences.iter().max().copied().unwrap_or_default();
            if least == most && all.len() > 1 {
                let lanes = |is: fn(Lane) -> bool| all.iter().any(|&index| is(lane_of(comparison, index)));
                let track = match [lanes(Lane::is_audio), lanes(Lane::is_video)] {
                    [true, false] => "audio ",
                    [false, true] => "video ",
                    _ => "",
                };
                let way = if least < 0 { "earlier" } else { "later" };
                return format!("{} {track}timestamps are all {} ms {way} than A's", all.len(), least.abs());
            }
            format!("{} timestamps differ, B's by {least} to {most} ms from A's", all.len())
        }));
    }
    claims
}

fn lane_of(comparison: &Comparison<'_>, mismatch: usize) -> Lane {
    comparison.either(comparison.mismatches[mismatch].row).lane
}
