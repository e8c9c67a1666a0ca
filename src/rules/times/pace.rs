//! Times that run too fast, and key frames that are far apart.

use std::collections::HashMap;

use crate::compare::{Comparison, Side};
use crate::recording::{Kept, Session};
use crate::rtmp::MessageTypeId;
use crate::rules::look::{self, Flow, Spot, count};
use crate::rules::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction;

use super::back::{backwards, negative};
use super::{BOTH, FIELD, claim, timed, times_of};

/// A gap between key frames that receivers complain about, in ms.
const LONG: u32 = 4000;

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
        let (times, unit) = UNITS.into_iter().find(|(unit, _)| (factor / unit - 1.0).abs() < 0.02)?;
        let spots = [Spot::new(item, 0..0, unit)];
        let title = format!("timestamps are in {unit}, not in milliseconds");
        Some(
            claim(comparison, &spots, Certainty::Certain, title)
                .why(format!(
                    "the same messages are {factor:.1} times as far apart as in A, and A plays at the right speed"
                ))
                .fix(format!("divide timestamps by {times} before they are sent"))
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
    /// Whether another key frame came.
    repeats: bool,
}

fn longest(session: &Session, direction: Direction) -> Option<Gap> {
    let pictures = timed(&Flow::of(session, direction), MessageTypeId::VIDEO);
    let is_key = |kept: &Kept| kept.body.first().is_some_and(|tag| tag >> 4 & 7 == 1);
    let repeats = pictures.iter().filter(|(_, kept, _)| is_key(kept)).count() > 1;
    let mut key: Option<(usize, u32)> = None;
    let mut longest: Option<Gap> = None;
    for &(item, kept, time) in &pictures {
        if let Some((at, since)) = key {
            let length = time.saturating_sub(since);
            if longest.as_ref().is_none_or(|gap| length > gap.length) {
                longest = Some(Gap { item: at, length, repeats });
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
        // One key frame says nothing of the next.
        let severity = if of_a.repeats { Severity::Warning } else { Severity::Info };
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
