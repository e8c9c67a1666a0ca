//! Timestamps in chunk headers (RTMP 1.0 5.3.1.2, 5.3.1.3): how they are written, not what times they tell.

use std::collections::HashMap;

use crate::compare::{Comparison, FieldPath, Side};
use crate::recording::{RecordedEvent, RecordedMessage};
use crate::rules::broken::{self, FramingEvidence};
use crate::rules::{Certainty, Check, Claim, DiagnosisText, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction;

use super::{BOTH, both, messages};

/// The range of a timestamp field.
const RANGE: u32 = 1 << 24;

pub static FIELD_FFFFFF: Rule = Rule {
    code: "ts-field-ffffff-no-ext",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the timestamp field and the extended timestamp contradict each other",
    page: Page {
        what: "Times of 0xffffff ms and more follow the header in four bytes, and the timestamp field is then ff ff \
               ff, which is how the receiver knows. Here either the field is ff ff ff and the four bytes are missing, \
               or the four bytes are there and the field is not ff ff ff.",
        looks: "06 ff ff ff 00 0d 0b 09 01 00 00 00 00 ff ff ff 17 01   right, 16777215 ms\n\
                06 ff ff ff 00 0d 0b 09 01 00 00 00 17 01               none follows\n\
                06 00 00 12 00 0d 0b 09 01 00 00 00 01 00 00 12 17 01   field not ff ff ff",
        who: "Writers that compare with > instead of >=, or keep the low bits in the field.",
        fix: "From 0xffffff on write ff ff ff in the field and the time in four bytes after the header; below, only \
              the field.",
        source: "RTMP 1.0 sections 5.3.1.2.1 and 5.3.1.3.",
    },
    check: Check::Diff(|comparison| both(comparison, FIELD_FFFFFF.code, field_ffffff)),
};

fn field_ffffff(seen: &FramingEvidence<'_, '_>) -> Option<DiagnosisText> {
    let kept = seen.kept()?;
    let basic = match kept.first_header.first()? & 0x3f {
        0 => 2,
        1 => 3,
        _ => 1,
    };
    let field = kept.first_header.get(basic..basic + 3)?;
    let is_maximum = field == [0xff; 3];
    let (name, shown) = (seen.name(), broken::spaced(field));
    Some(DiagnosisText {
        title: match is_maximum {
            true => format!("{name} has ff ff ff in its timestamp field, but no extended timestamp follows"),
            false => format!("{name} has an extended timestamp after a timestamp field of {shown}"),
        },
        why: match is_maximum {
            true => {
                "the receiver reads the first four bytes of the payload as the time, and ends the message four \
                     bytes late"
            }
            false => "the receiver reads the time from the field and treats the four bytes as payload",
        }
        .to_owned(),
        fix: match is_maximum {
            true => "write the time in four bytes after the header from 0xffffff on, not only above it",
            false => {
                "write ff ff ff in the field where an extended timestamp follows, and none where the time fits in it"
            }
        }
        .to_owned(),
    })
}

pub static WRAP_24: Rule = Rule {
    code: "ts-wrap-24",
    layer: Layer::Chunk,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "timestamps are cut to 24 bits",
    page: Page {
        what: "When the timestamp overflows the field of 24 bits, the sender writes its low bits instead of an \
               extended timestamp. After 4 h 39 min 37 s the time falls back to zero, and players stop or wait.",
        looks: "04 ff ff f0 ...                           16777200 ms\n\
                04 00 00 07 ...                           then 7 ms\n\
                04 ff ff ff 00 00 17 08 01 00 00 00 01 00 00 07   right: 16777223 ms",
        who: "AlexxIT/go2rtc, illuspas/Node-Media-Server#25, nareix/joy4#55.",
        fix: "From 0xffffff on write ff ff ff in the field and the whole time in four bytes after the header.",
        source: "RTMP 1.0 section 5.3.1.3.",
    },
    check: Check::Diff(wrap_24),
};

type Timed<'r> = (usize, &'r RecordedEvent, &'r RecordedMessage, u32);

fn timed<'r>(comparison: &Comparison<'r>, side: Side, direction: Direction) -> impl Iterator<Item = Timed<'r>> {
    messages(comparison, side, direction)
        .filter_map(|(row, item, kept)| Some((row, item, kept, kept.header.timestamp?)))
        .filter(|(_, _, kept, _)| kept.header.type_id.is_media())
}

/// Where the media's time falls by the range of the field, with the times before and after.
fn wrap<'r>(comparison: &Comparison<'r>, side: Side, direction: Direction) -> Option<(Timed<'r>, u32)> {
    let falls = |before: u32, time: u32| {
        // Within ten minutes on both sides of the end.
        (RANGE - 600_000..RANGE).contains(&before) && time < 600_000
    };
    let mut before = None;
    timed(comparison, side, direction).find_map(|one| match before.replace(one.3) {
        Some(before) if falls(before, one.3) => Some((one, before)),
        _ => None,
    })
}

fn wrap_24(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for direction in BOTH {
        let Some(((row, _, kept, time), before)) = wrap(comparison, Side::B, direction) else { continue };
        if wrap(comparison, Side::A, direction).is_some() {
            continue;
        }
        let times = |row| {
            let time = |side| comparison.item(row, side)?.message()?.header.timestamp;
            Some((time(Side::A)?, time(Side::B)?))
        };
        let is_cut = |(a, b): (u32, u32)| a != b && a.wrapping_sub(b) % RANGE == 0;
        let explains: Vec<usize> = (0..comparison.mismatches.len())
            .filter(|&index| {
                let mismatch = &comparison.mismatches[index];
                let is_here = comparison.either_item(mismatch.row).direction == direction;
                is_here && mismatch.path == FieldPath::TIMESTAMP && times(mismatch.row).is_some_and(is_cut)
            })
            .collect();
        let of_a = times(row).filter(|&times| is_cut(times));
        let title = format!(
            "{} has timestamp {time} after {before}: timestamps are cut to 24 bits",
            comparison.either(row).name
        );
        let right = of_a.map(|(a, _)| format!("; A has {a} there, 2^24 more")).unwrap_or_default();
        let certainty = if of_a.is_some() { Certainty::Certain } else { Certainty::Likely };
        let mut claim = Claim::of_message(comparison, row, "header.timestamp", certainty, title)
            .why(format!(
                "the time falls by 2^24 where the field ends, and no extended timestamp ({}) is written{right}",
                broken::spaced(&kept.first_header)
            ))
            .fix("from 16777215 ms on write ff ff ff in the field and the whole time in four bytes after the header");
        // Where most of the times are cut, those that are count as "begin elsewhere": then this is all there is to say.
        if explains.iter().any(|&index| comparison.mismatches[index].expected.is_none()) {
            claim = claim.explaining(explains);
        } else {
            let rest = super::open_at(comparison, FieldPath::TIMESTAMP)
                .filter(|&index| comparison.either_item(comparison.mismatches[index].row).direction == direction)
                .filter(|&index| times(comparison.mismatches[index].row).is_some_and(|(a, b)| a == b));
            claim = claim.explaining(rest);
        }
        claims.push(claim);
    }
    claims
}

pub static ABSOLUTE_IN_DELTA: Rule = Rule {
    code: "ext-abs-vs-delta",
    layer: Layer::Chunk,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the extended timestamp of a fmt 1 or 2 header is absolute",
    page: Page {
        what: "Headers of fmt 1 and 2 have a delta from the previous message, in the field and in the extended \
               timestamp alike. Here the four bytes hold the absolute time. Receivers that add it jump by hours.",
        looks: "46 ff ff ff 00 0d 0b 09 01 00 00 28   0x1000028 as a delta: 4 h 39 min\n\
                06 ff ff ff 00 0d 0b 09 01 00 00 00 01 00 00 28   fmt 0, the time\n\
                46 00 00 28 00 0d 0b 09               the delta alone",
        who: "SRS before 6.0.167 and 7.0.37: ossrs/srs#4356.",
        fix: "Write the delta from the previous message in fmt 1 and 2; or write the time in a fmt 0 header.",
        source: "RTMP 1.0 sections 5.3.1.2.2 and 5.3.1.3; veovera/enhanced-rtmp#42.",
    },
    check: Check::Diff(absolute_in_delta),
};

fn absolute_in_delta(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for direction in BOTH {
        let has = |item: &RecordedEvent| item.defects.iter().any(|defect| defect.code == ABSOLUTE_IN_DELTA.code);
        if messages(comparison, Side::A, direction).any(|(_, item, _)| has(item)) {
            continue;
        }
        let mut wrong = messages(comparison, Side::B, direction).filter(|(_, item, _)| has(item));
        let Some((row, item, kept)) = wrong.next() else { continue };
        let more = wrong.count();
        let defect = item.defects.iter().find(|defect| defect.code == ABSOLUTE_IN_DELTA.code);
        let also = if more == 0 { String::new() } else { format!("; so it is in {more} more messages") };
        let title = format!(
            "the extended timestamp of {}, a fmt {} header, is absolute, not a delta",
            comparison.either(row).name,
            kept.fmt.unwrap_or_default()
        );
        let claim = Claim::of_message(comparison, row, "header.timestamp", Certainty::Likely, title)
            .why(format!("{}{also}", defect.map(|defect| defect.message.clone()).unwrap_or_default()))
            .fix("write the delta from the previous message, or a fmt 0 header");
        claims.push(claim);
    }
    claims
}

pub static TYPE3_STEP: Rule = Rule {
    code: "type3-new-msg-ts",
    layer: Layer::Chunk,
    severity: Severity::Error,
    modes: &[Mode::Diff],
    title: "a type 3 header begins a message whose timestamp delta differs",
    page: Page {
        what: "A type 3 header that begins a message repeats the timestamp delta of the previous message. The sender \
               meant another delta, or the same time as before; from there on all timestamps of the chunk stream are \
               off by the difference.",
        looks: "84 00 00 28 ...   fmt 2, a delta of 40 ms\n\
                c4 ...            fmt 3: 40 ms once more\n\
                84 00 00 50 ...   what it should be for 80 ms",
        who: "Senders that use type 3 to mean \"the same time\": old librtmp.",
        fix: "Begin a message with type 3 only if its delta is that of the previous message; otherwise with fmt 2 and \
              the delta.",
        source: "RTMP 1.0 section 5.3.1.2.4; ScuffleCloud/scuffle#650, membraneframework/membrane_rtmp_plugin#42.",
    },
    check: Check::Diff(type3_step),
};

/// So many messages with the same body before it show how the times of A and B go together.
const STEADY: usize = 2;

fn type3_step(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for direction in BOTH {
        // By chunk stream: the offset of B's times from A's, how many messages had it, and whether it ever changed.
        let mut offsets: HashMap<u32, (i64, usize, bool)> = HashMap::new();
        for (row, _, kept) in messages(comparison, Side::B, direction) {
            let Some(of_a) = comparison.item(row, Side::A).and_then(|item| item.message()) else { continue };
            let (Some(a), Some(b)) = (of_a.header.timestamp, kept.header.timestamp) else { continue };
            let offset = i64::from(b) - i64::from(a);
            let (before, count, changed) = offsets.get(&kept.csid).copied().unwrap_or((offset, 0, false));
            let changes = before != offset;
            offsets.insert(kept.csid, (offset, count + 1, changed || changes));
            let was_steady = changes && !changed && count >= STEADY;
            let same = of_a.hash == kept.hash && of_a.csid == kept.csid;
            let step = kept
                .header
                .timestamp_delta
                .filter(|_| same && kept.fmt == Some(3) && of_a.fmt.is_some_and(|fmt| fmt != 3));
            let Some(step) = step.filter(|_| was_steady) else { continue };
            let meant = i64::from(step) + before - offset;
            let name = &comparison.either(row).name;
            let title = format!("{name} begins with a type 3 header, a delta of {step} ms, where {meant} ms is meant");
            let claim = Claim::of_message(comparison, row, "header.timestamp", Certainty::Certain, title)
                .why(format!(
                    "A has the same message with a fmt {} header at {a} ms; here type 3 repeats the previous delta, \
                     which gives {b} ms, and all messages that follow on chunk stream {} are {} ms off",
                    of_a.fmt.unwrap_or_default(),
                    kept.csid,
                    (offset - before).abs()
                ))
                .fix(
                    "begin a message with type 3 only if its delta is that of the previous message; otherwise with \
                      fmt 2",
                )
                .explaining(shifted(comparison, direction, row, kept.csid, offset));
            claims.push(claim);
            break;
        }
    }
    claims
}

/// The mismatches of timestamps from a row on that are off by `offset`, on one chunk stream.
fn shifted(comparison: &Comparison<'_>, direction: Direction, from: usize, csid: u32, offset: i64) -> Vec<usize> {
    super::open_at(comparison, FieldPath::TIMESTAMP)
        .filter(|&index| {
            let row = comparison.mismatches[index].row;
            let message = |side| comparison.item(row, side).filter(|item| item.direction == direction)?.message();
            let (Some(a), Some(b)) = (message(Side::A), message(Side::B)) else { return false };
            let (Some(of_a), Some(of_b)) = (a.header.timestamp, b.header.timestamp) else { return false };
            row >= from && b.csid == csid && i64::from(of_b) - i64::from(of_a) == offset
        })
        .collect()
}
