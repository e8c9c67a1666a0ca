//! What times the timestamps tell: whether they go on, at which speed, and how far apart key frames are.
//!
//! How timestamps are written in chunk headers is the business of the chunk rules.

use std::collections::HashMap;

use crate::compare::{Comparison, Side};
use crate::recording::{Kept, Session};
use crate::rtmp::MessageTypeId;

use super::look::{self, Flow, Spot, count};
use super::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction;

/// Both directions, the client's first.
const BOTH: [Direction; 2] = [Direction::ClientToServer, Direction::ServerToClient];
/// The range of a timestamp field.
const FIELD: u32 = 1 << 24;
/// A fall of more than this is the clock's overflow.
const HALF: u32 = 1 << 31;
/// A gap between key frames that receivers complain about, in ms.
const LONG: u32 = 4000;

pub static BACKWARDS: Rule = Rule {
    code: "ts-backwards",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "timestamps go back",
    page: Page {
        what: "Timestamps of sound, and those of pictures, must not fall on a message stream: they are times of decoding. \
               Receivers drop what comes late, or refuse the stream.",
        looks: "04 00 01 17 00 00 40 08 ..   279 ms\n\
                04 00 00 b3 00 00 40 08 ..   179 ms, behind it",
        who: "Publishers that stamp pictures with the time they are shown, or whose clock was set; loops of a file.",
        fix: "Stamp messages with the time of decoding, and let it only grow; the time pictures are shown goes into the \
              composition time.",
        source: "RTMP errata section 5.2; pedroSG94/RootEncoder issue 2048.",
    },
    check: Check::Diff(backwards),
};

pub static NEGATIVE: Rule = Rule {
    code: "ts-negative-delta",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a fmt 1 or 2 header goes back in time",
    page: Page {
        what: "Headers of fmt 1 and 2 have the step since the message before, a number without a sign. A negative one is \
               written as a very large one: receivers that do not count modulo 2^32 jump by weeks, with 24 bits by hours.",
        looks: "44 ff ff ff 00 00 40 08 ff ff ff d8   a step of -40 ms, as 4294967256\n\
                44 ff ff d8 00 00 40 08               the same in 24 bits: 16777176 ms\n\
                04 00 00 b3 00 00 40 08 ..            as it should be: a fmt 0 header with the time",
        who: "Publishers that put sound and pictures on one chunk stream and subtract without looking.",
        fix: "Write a fmt 0 header where the time goes back.",
        source: "RTMP 1.0 section 5.3.1.2.1; ossrs/srs issue 2808, obsproject/obs-studio issue 8764.",
    },
    check: Check::Diff(negative),
};

pub static ABSOLUTE: Rule = Rule {
    code: "ts-abs-in-delta",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "fmt 1 and 2 headers have the time in place of the step",
    page: Page {
        what: "Headers of fmt 1 and 2 have the step since the message before. Here they have the time itself: each step is \
               larger than the one before, and at the receiver time runs faster and faster.",
        looks: "46 00 00 28 .. 46 00 00 50 .. 46 00 00 78 ..   40, 80, 120 as steps: 40, 120, 240 ms\n\
                46 00 00 28 .. 86 00 00 28 .. c6 ..            as it should be",
        who: "Writers that choose a shorter header and leave the field as it is.",
        fix: "Subtract the timestamp of the message before on the chunk stream.",
        source: "RTMP 1.0 section 5.3.1.2.2.",
    },
    check: Check::Diff(absolute),
};

pub static UNIT: Rule = Rule {
    code: "ts-unit",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "timestamps are not in milliseconds",
    page: Page {
        what: "Timestamps of RTMP are in milliseconds. Here they are in a smaller unit, that of the encoder or the container: \
               the stream seems to run many times slower.",
        looks: "46 00 9c 40 ..   40000 from picture to picture: microseconds\n\
                46 00 0e 10 ..   3600: 1/90000 s\n\
                46 00 00 28 ..   40 ms",
        who: "Publishers that pass on times of Android's MediaCodec (microseconds) or of MPEG-TS (90 kHz).",
        fix: "Divide: microseconds by 1000, 90 kHz by 90.",
        source: "RTMP 1.0 section 5.3.1.2.1; ant-media/LibRtmp-Client-for-Android issue 7.",
    },
    check: Check::Diff(unit),
};

pub static KEYFRAMES: Rule = Rule {
    code: "keyframe-interval",
    layer: Layer::Media,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "key frames are far apart",
    page: Page {
        what: "A player can begin at key frames only, and segments of HLS and DASH begin at them. More than 4 s from one to the \
               next makes both slow; some services warn or refuse.",
        looks: "17 01 .. at 0 ms, 27 01 .. many times, 17 01 .. at 10000 ms",
        who: "Encoders with their own defaults: x264 has a key frame every 250 pictures.",
        fix: "Set a key frame every two seconds: with ffmpeg -g 60 at 30 pictures a second, and -sc_threshold 0.",
        source: "The ingest rules of YouTube and Twitch: at most 4 s, better 2 s.",
    },
    check: Check::Diff(key_frames),
};

/// The messages of sound or of pictures that have times of their own: no configurations.
fn timed<'r>(flow: &Flow<'r>, type_id: MessageTypeId) -> Vec<(usize, &'r Kept, u32)> {
    let is_config = |body: &[u8]| match (type_id, body) {
        (_, []) => true,
        // An enhanced header: the low bits are the packet type, 0 the configuration, 4 metadata.
        (MessageTypeId::VIDEO, [tag, ..]) if tag & 0x80 != 0 => matches!(tag & 15, 0 | 4),
        (MessageTypeId::VIDEO, [tag, 0, ..]) => tag & 15 == 7 || tag & 15 == 12,
        (MessageTypeId::AUDIO, [tag, 0, ..]) => tag >> 4 == 10,
        (MessageTypeId::AUDIO, [tag, ..]) => tag >> 4 == 9 && tag & 15 == 0,
        _ => false,
    };
    let such = flow.messages.iter().filter(|(_, kept)| kept.header.type_id == type_id && !is_config(&kept.body));
    such.filter_map(|&(item, kept)| Some((item, kept, kept.header.timestamp?))).collect()
}

/// The mismatches of timestamps that belong to `spots`, or to the whole of their direction.
fn times_of(comparison: &Comparison<'_>, direction: Direction, is: impl Fn(usize) -> bool) -> Vec<usize> {
    let such = |&index: &usize| {
        let mismatch = &comparison.mismatches[index];
        mismatch.path == "header.timestamp"
            && comparison.either_item(mismatch.row).direction == direction
            && is(mismatch.row)
    };
    comparison.open().filter(such).collect()
}

/// A claim about the time of the first of `spots`.
fn claim(comparison: &Comparison<'_>, spots: &[Spot], certainty: Certainty, title: String) -> Claim {
    let mut claim = look::claim(comparison, spots, "header.timestamp", certainty, title);
    let at = (0..comparison.mismatches.len()).find(|&index| {
        let mismatch = &comparison.mismatches[index];
        mismatch.row == claim.row && mismatch.path == "header.timestamp"
    });
    if let Some(index) = at {
        claim.sides = comparison.mismatches[index].sides.clone();
    }
    claim.explains.clear();
    claim
}

/// Whether a step is negative, as a number of 32 or of 24 bits.
fn is_negative(kept: &Kept) -> bool {
    let is_step = matches!(kept.fmt, 1 | 2);
    is_step
        && kept.header.timestamp_delta.is_some_and(|step| step >= HALF || (FIELD - 0x1_0000..FIELD - 1).contains(&step))
}

fn steps_back(flow: &Flow<'_>) -> Vec<Spot> {
    let such = flow.messages.iter().filter(|(_, kept)| kept.header.type_id.is_media() && is_negative(kept));
    let text = |kept: &Kept| kept.header.timestamp_delta.map(|step| format!("a step of {step}")).unwrap_or_default();
    such.map(|&(item, kept)| Spot::new(item, 0..0, text(kept))).collect()
}

fn negative(comparison: &Comparison<'_>) -> Vec<Claim> {
    let Some(spots) = look::only_in_b(comparison, steps_back) else { return Vec::new() };
    let item = &comparison.b.items[spots[0].item];
    let Some((kept, step)) = item.message().and_then(|kept| Some((kept, kept.header.timestamp_delta?))) else {
        return Vec::new();
    };
    let back = if step >= HALF { step.wrapping_neg() } else { FIELD - step };
    let name = &comparison.named[1][spots[0].item].name;
    let title = format!("a fmt {} header of {name} has a step of {step} ms: it goes back by {back} ms", kept.fmt);
    let rows = look::rows_of_b(comparison);
    let first = rows.get(&spots[0].item).copied().unwrap_or_default();
    let explains = if step >= HALF {
        let here: Vec<usize> = spots.iter().filter_map(|spot| rows.get(&spot.item).copied()).collect();
        times_of(comparison, item.direction, |row| here.contains(&row))
    } else {
        times_of(comparison, item.direction, |row| row >= first)
    };
    vec![
        claim(comparison, &spots, Certainty::Certain, title)
            .why(format!(
                "a step has no sign; {}; receivers that add it jump ahead",
                if step >= HALF {
                    format!("modulo 2^32 the time falls to {} ms", kept.header.timestamp.unwrap_or_default())
                } else {
                    "in the field's 24 bits it is a step of more than four hours and a half".to_owned()
                }
            ))
            .fix("write a fmt 0 header where the time goes back; better, let it only grow")
            .explaining(explains),
    ]
}

/// Messages with a time before that of the one in front of them, of the same kind and message stream.
fn falls(flow: &Flow<'_>) -> Vec<(Spot, u32)> {
    let mut found: Vec<(Spot, u32)> = Vec::new();
    for type_id in [MessageTypeId::AUDIO, MessageTypeId::VIDEO] {
        // Behind a command times may begin anew: publish again, play another, seek.
        let is_break = |type_id| matches!(type_id, MessageTypeId::AMF0_COMMAND | MessageTypeId::AMF3_COMMAND);
        let mut breaks =
            flow.messages.iter().filter(|(_, kept)| is_break(kept.header.type_id)).map(|&(item, _)| item).peekable();
        let mut last: HashMap<_, u32> = HashMap::new();
        for (item, kept, time) in timed(flow, type_id) {
            while breaks.next_if(|&at| at < item).is_some() {
                last.clear();
            }
            let before = last.insert(kept.header.message_stream_id, time);
            let Some(before) = before.filter(|&before| time < before) else { continue };
            let back = before - time;
            // The clock's overflow, and times that are cut to the field, are other matters.
            let is_cut = time < FIELD && back > FIELD / 2 && back <= FIELD;
            if back < HALF && !is_cut {
                found.push((Spot::new(item, 0..0, format!("{time} ms")), before));
            }
        }
    }
    found.sort_by_key(|(spot, _)| spot.item);
    found
}

fn backwards(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |flow: &Flow<'_>| falls(flow).into_iter().map(|(spot, _)| spot).collect();
    let Some(spots) = look::only_in_b(comparison, find) else { return Vec::new() };
    let (first, direction) = (spots[0].item, comparison.b.items[spots[0].item].direction);
    let before = falls(&Flow::of(comparison.b, direction)).first().map_or(0, |(_, before)| *before);
    let kept = comparison.b.items[first].message();
    // A step may be misread; a whole time is what the sender wrote.
    let certainty = if kept.is_some_and(|kept| kept.fmt == 0) { Certainty::Certain } else { Certainty::Likely };
    let name = &comparison.named[1][first].name;
    let more = if spots.len() > 1 { format!("; times fall {}", count(spots.len(), "time")) } else { String::new() };
    let title = format!("{name} is at {}, behind {before} ms{more}", spots[0].text);
    let rows = look::rows_of_b(comparison);
    let here: Vec<usize> = spots.iter().filter_map(|spot| rows.get(&spot.item).copied()).collect();
    let explains = times_of(comparison, direction, |row| here.contains(&row));
    vec![
        claim(comparison, &spots, certainty, title)
            .why("times of one kind must not fall on a message stream; receivers drop what comes late, or refuse the stream")
            .fix("stamp messages with the time of decoding, and let it only grow")
            .explaining(explains),
    ]
}

/// Headers of fmt 1 and 2 on one chunk stream whose steps only grow, as times do.
fn growing(flow: &Flow<'_>) -> Vec<Spot> {
    const LEAST: usize = 8;
    let mut steps: HashMap<u32, Vec<(usize, u32)>> = HashMap::new();
    for &(item, kept) in flow.messages.iter().filter(|(_, kept)| kept.header.type_id.is_media()) {
        if let (1 | 2, Some(step)) = (kept.fmt, kept.header.timestamp_delta) {
            steps.entry(kept.csid).or_default().push((item, step));
        }
    }
    let grow = |steps: &&Vec<(usize, u32)>| {
        let (first, last) = (steps[0].1, steps[steps.len() - 1].1);
        steps.len() >= LEAST
            && steps.windows(2).all(|pair| pair[0].1 <= pair[1].1)
            && last / 4 > first
            && steps.windows(2).filter(|pair| pair[0].1 < pair[1].1).count() * 4 >= steps.len() * 3
    };
    let mut spots: Vec<Spot> = steps
        .values()
        .filter(grow)
        .flatten()
        .map(|&(item, step)| Spot::new(item, 0..0, format!("a step of {step} ms")))
        .collect();
    spots.sort_by_key(|spot| spot.item);
    spots
}

fn absolute(comparison: &Comparison<'_>) -> Vec<Claim> {
    let Some(spots) = look::only_in_b(comparison, growing) else { return Vec::new() };
    let direction = comparison.b.items[spots[0].item].direction;
    let rows = look::rows_of_b(comparison);
    // A tells what the times are.
    let is_time = |spot: &&Spot| {
        let row = rows.get(&spot.item).copied().unwrap_or_default();
        let of_a = comparison.item(row, Side::A).and_then(|item| item.message()).and_then(|kept| kept.header.timestamp);
        of_a.is_some() && of_a == comparison.b.items[spot.item].message().and_then(|kept| kept.header.timestamp_delta)
    };
    let same = spots.iter().filter(is_time).count();
    let certainty = if same * 2 > spots.len() { Certainty::Certain } else { Certainty::Likely };
    let last = &spots[spots.len() - 1].text;
    let title = format!("{} of fmt 1 and 2 have the time itself and no step", count(spots.len(), "header"));
    let of_a =
        if same > 0 { format!("; in {same} of them it is the very timestamp that A has") } else { String::new() };
    vec![
        claim(comparison, &spots, certainty, title)
            .why(format!("the steps only grow, up to {last}{of_a}: at the receiver time runs faster and faster"))
            .fix("subtract the timestamp of the message before on the chunk stream")
            .explaining(times_of(comparison, direction, |_| true)),
    ]
}

/// By how much B's times are larger than A's on the same messages of a direction, if it is one factor.
fn factor(comparison: &Comparison<'_>, direction: Direction) -> Option<(f64, usize)> {
    let mut first: Option<(u32, u32)> = None;
    let mut factors = Vec::new();
    for row in comparison.rows_of(direction).filter(|&row| comparison.either(row).lane.is_media()) {
        let message = |side| comparison.item(row, side).and_then(|item| item.message());
        let (Some(a), Some(b)) = (message(Side::A), message(Side::B)) else { continue };
        let (Some(of_a), Some(of_b), true) = (a.header.timestamp, b.header.timestamp, a.hash == b.hash) else {
            continue;
        };
        let &mut (zero_a, zero_b) = first.get_or_insert((of_a, of_b));
        if let Some(span) = of_a.checked_sub(zero_a).filter(|&span| span >= 100) {
            factors.push((f64::from(of_b.wrapping_sub(zero_b)) / f64::from(span), comparison.rows[row].b?));
        }
    }
    let (last, _) = *factors.last()?;
    let is_one =
        factors.iter().filter(|(factor, _)| (factor / last - 1.0).abs() < 0.02).count() * 10 >= factors.len() * 9;
    (factors.len() >= 4 && is_one).then(|| (last, factors[0].1))
}

fn unit(comparison: &Comparison<'_>) -> Vec<Claim> {
    const UNITS: [(f64, &str); 5] = [
        (1000.0, "microseconds"),
        (90.0, "1/90000 s"),
        (44.1, "samples at 44100 Hz"),
        (48.0, "samples at 48000 Hz"),
        (1e6, "nanoseconds"),
    ];
    let claim = |direction| {
        let (factor, item) = factor(comparison, direction)?;
        let (_, unit) = UNITS.into_iter().find(|(unit, _)| (factor / unit - 1.0).abs() < 0.02)?;
        let spots = [Spot::new(item, 0..0, unit)];
        let title = format!("timestamps are in {unit}, not in milliseconds");
        Some(
            claim(comparison, &spots, Certainty::Certain, title)
                .why(format!(
                    "the same messages are {factor:.1} times as far apart as in A, and A plays at the right speed"
                ))
                .fix(format!("divide timestamps by {factor:.1} before they are sent"))
                .explaining(times_of(comparison, direction, |_| true)),
        )
    };
    BOTH.into_iter().filter_map(claim).collect()
}

/// Where key frames are farthest apart.
struct Gap {
    /// The item of the key frame before it.
    item: usize,
    /// From it to the next, or to the last picture, in ms.
    length: u32,
    /// From the first picture to the last, in ms.
    span: u32,
}

fn longest(session: &Session, direction: Direction) -> Option<Gap> {
    let pictures = timed(&Flow::of(session, direction), MessageTypeId::VIDEO);
    let is_key = |kept: &Kept| kept.body.first().is_some_and(|tag| tag >> 4 & 7 == 1);
    let span = pictures.last()?.2.wrapping_sub(pictures[0].2);
    let mut key: Option<(usize, u32)> = None;
    let mut longest: Option<Gap> = None;
    for &(item, kept, time) in &pictures {
        if let Some((at, since)) = key {
            let length = time.saturating_sub(since);
            if longest.as_ref().is_none_or(|gap| length > gap.length) {
                longest = Some(Gap { item: at, length, span });
            }
        }
        if is_key(kept) {
            key = Some((item, time));
        }
    }
    longest
}

fn key_frames(comparison: &Comparison<'_>) -> Vec<Claim> {
    // Where the times are wrong, so are the gaps.
    let is_wrong = |rule: fn(&Comparison<'_>) -> Vec<Claim>| !rule(comparison).is_empty();
    if [unit, absolute, negative, backwards].into_iter().any(is_wrong) {
        return Vec::new();
    }
    let claim = |direction| {
        let gap = longest(comparison.b, direction).filter(|gap| (LONG + 1..FIELD / 2).contains(&gap.length))?;
        let of_a = longest(comparison.a, direction).filter(|of_a| of_a.length <= LONG)?;
        let seconds = |ms: u32| f64::from(ms) / 1000.0;
        let spots = [Spot::new(gap.item, 0..1, format!("no key frame for {:.1} s behind it", seconds(gap.length)))];
        let title = format!("key frames are up to {:.1} s apart", seconds(gap.length));
        let mut claim = look::claim(comparison, &spots, "video.type", Certainty::Certain, title);
        claim.explains.clear();
        // What is shorter than that says nothing about A.
        let severity = if of_a.span > LONG { Severity::Warning } else { Severity::Info };
        Some(
            claim
                .why(format!(
                    "A has at most {:.1} s; a player that joins sees nothing before the next key frame, and segments cannot be \
                     shorter",
                    seconds(of_a.length)
                ))
                .fix("set a key frame every two seconds")
                .weighing(severity),
        )
    };
    BOTH.into_iter().filter_map(claim).collect()
}
