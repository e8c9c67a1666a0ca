//! Timestamps of sound and pictures: back, in another unit, as differences that are none; and key frames far apart.

use crate::compare::{Comparison, Side};
use crate::recording::Kept;
use crate::rtmp::MessageTypeId;
use crate::rules::look::{Flow, rows_of_b};
use crate::rules::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction::{ClientToServer, ServerToClient};

pub static ABSOLUTE: Rule = Rule {
    code: "ts-abs-in-delta",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "chunk headers of format 1 and 2 have the time itself",
    page: Page {
        what: "In chunk headers of format 1 and 2 stands how much later a message is than the one before. Here it is the time \
               itself, so receivers add up all of them and play faster and faster.",
        looks: "44 00 00 28 ..   the second message, 40 ms later\n\
                44 00 00 50 ..   the third, and 00 00 50 is 80 ms: its time\n\
                44 00 00 78 ..   the fourth",
        who: "Clients that save header bytes, and write the same field in all formats.",
        fix: "Write the difference to the message before on this chunk stream, or use format 0.",
        source: "RTMP 1.0 sections 5.3.1.2.2 and 5.3.1.2.3: timestamp delta.",
    },
    check: Check::Diff(absolute),
};

pub static NEGATIVE: Rule = Rule {
    code: "ts-negative-delta",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a timestamp difference is negative",
    page: Page {
        what: "A difference of timestamps has no sign. A negative one is read as a jump of 49 days, or of more than four hours \
               where it was cut to 24 bits.",
        looks: "44 ff ff ff 00 00 b8 08 ff ff ff d8   -40 in the extended timestamp\n\
                44 ff ff d8 00 00 b8 08   -40 in 24 bits",
        who: "Senders whose timestamps go back, with headers of format 1.",
        fix: "Send a header of format 0 where time goes back, or better do not let it.",
        source: "RTMP 1.0 section 5.3.1.2.1: going back needs format 0. ossrs/srs issue 2808.",
    },
    check: Check::Diff(negative),
};

pub static BACKWARDS: Rule = Rule {
    code: "ts-backwards",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "timestamps go back",
    page: Page {
        what: "A message is earlier than the one before it of the same kind. Timestamps are those of decoding, and only grow; \
               what is shown in another order has composition times. Servers drop such messages or close.",
        looks: "04 00 00 d1 00 00 b8 08 ..   209 ms\n\
                04 00 00 6d 00 00 b8 08 ..   then 109 ms",
        who: "Encoders with B-frames whose time of presentation is sent; sources that begin again without a new connection.",
        fix: "Send times of decoding, and the difference in the composition time.",
        source: "RTMP errata section 5.2. pedroSG94/RootEncoder issue 2048.",
    },
    check: Check::Diff(backwards),
};

pub static UNIT: Rule = Rule {
    code: "ts-unit",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "timestamps are not in milliseconds",
    page: Page {
        what: "Timestamps are milliseconds. Steps of 40000 are microseconds, steps of 3600 are 1/90000 s: both as they come from \
               encoders. Players show one picture and wait.",
        looks: "40 ms, 40000 us and 3600/90000 s:\n\
                \n\
                46 00 00 28 ..   46 00 9c 40 ..   46 00 0e 10 ..",
        who: "Senders that pass on the encoder's times: Android's are microseconds, those of transport streams 90 kHz.",
        fix: "Divide by 1000, or by 90.",
        source: "RTMP 1.0 section 5.3.1.2.1. ant-media/LibRtmp-Client-for-Android issue 7.",
    },
    check: Check::Diff(unit),
};

pub static KEYFRAME_INTERVAL: Rule = Rule {
    code: "keyframe-interval",
    layer: Layer::Media,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "key frames are more than 4 s apart",
    page: Page {
        what: "A player that joins sees nothing until the next key frame, and segments of HLS can only begin at one. Services \
               want one every 2 s and warn above 4.",
        looks: "17 01 .. at 00 00 00, and the next 17 01 .. at 00 20 d0: 8400 ms",
        who: "Encoders with their default distance of 250 pictures.",
        fix: "Set the distance of key frames to 2 s.",
        source: "Recommendations of YouTube and Twitch for encoders.",
    },
    check: Check::Diff(interval),
};

/// Key frames may be so far apart, in milliseconds.
const FAR: i64 = 4000;
/// So few steps prove nothing.
const FEW: usize = 5;

/// A message with its time.
#[derive(Clone, Copy)]
struct At<'r> {
    item: usize,
    kept: &'r Kept,
    time: i64,
}

/// The coded messages of one medium.
fn coded<'r>(flow: &Flow<'r>, medium: MessageTypeId) -> Vec<At<'r>> {
    let is_config = |body: &[u8]| match *body {
        [first, ..] if first & 0x80 != 0 && medium == MessageTypeId::VIDEO => first & 15 == 0,
        [first, 0, ..] => first & 15 == 7 && medium == MessageTypeId::VIDEO || first >> 4 == 10,
        _ => false,
    };
    let such = flow.messages.iter().filter(|(_, kept)| kept.header.type_id == medium && !is_config(&kept.body));
    such.filter_map(|&(item, kept)| Some(At { item, kept, time: kept.header.timestamp?.into() })).collect()
}

/// The first medium of a direction of which B shows something, and A the same does not.
fn media<'r, T>(
    comparison: &Comparison<'r>,
    find: impl Fn(&[At<'r>]) -> Option<T>,
) -> Option<(Vec<At<'r>>, Vec<At<'r>>, T)> {
    let ways = [ClientToServer, ServerToClient];
    let all = ways.into_iter().flat_map(|way| [MessageTypeId::VIDEO, MessageTypeId::AUDIO].map(|medium| (way, medium)));
    let mut all = all.filter_map(|(way, medium)| {
        let [a, b] = [comparison.a, comparison.b].map(|session| coded(&Flow::of(session, way), medium));
        let found = find(&b)?;
        find(&a).is_none().then_some((a, b, found))
    });
    all.next()
}

/// The claim that all open differences of media times are this, at an item of B.
fn claim(comparison: &Comparison<'_>, item: usize, certainty: Certainty, title: String) -> Claim {
    let row = rows_of_b(comparison).get(&item).copied().unwrap_or_default();
    let direction = comparison.either_item(row).direction;
    let is_time = |index: &usize| {
        let mismatch = &comparison.mismatches[*index];
        mismatch.path == "header.timestamp"
            && comparison.either(mismatch.row).lane.is_media()
            && comparison.either_item(mismatch.row).direction == direction
    };
    let explains: Vec<usize> = comparison.open().filter(is_time).collect();
    let here = explains.iter().copied().find(|&index| comparison.mismatches[index].row == row);
    let sides = here.map_or([None, None], |index| comparison.mismatches[index].sides.clone());
    Claim {
        certainty,
        title,
        row,
        path: "header.timestamp".to_owned(),
        sides,
        why: String::new(),
        fix: String::new(),
        explains,
        breaks: crate::rules::Breaks::Nothing,
        severity: None,
    }
}

fn absolute(comparison: &Comparison<'_>) -> Vec<Claim> {
    // Differences that grow by about the same from one message to the next.
    let find = |all: &[At<'_>]| {
        let deltas: Vec<(usize, i64)> = all
            .iter()
            .filter(|at| matches!(at.kept.fmt, 1 | 2))
            .filter_map(|at| Some((at.item, at.kept.header.timestamp_delta?.into())))
            .collect();
        let grow = deltas.windows(2).filter(|pair| pair[1].1 > pair[0].1).count();
        let (first, last) = (deltas.first()?, deltas.last()?);
        let steps = deltas.len() - 1;
        (steps >= FEW && grow == steps && last.1 - first.1 > 3 * first.1.max(1)).then_some((first.0, deltas))
    };
    let Some((a, _, (item, deltas))) = media(comparison, find) else { return Vec::new() };
    let times: Vec<i64> = a.iter().map(|at| at.time).collect();
    let same = deltas.iter().filter(|(_, delta)| times.contains(delta)).take(64).count();
    let certainty = if same >= deltas.len().min(64) { Certainty::Certain } else { Certainty::Likely };
    let shown: Vec<String> = deltas.iter().take(4).map(|(_, delta)| delta.to_string()).collect();
    let title = format!("differences of time grow from message to message: {} ...", shown.join(", "));
    vec![
        claim(comparison, item, certainty, title)
            .why("they are the times themselves; a receiver adds them up")
            .fix("write the difference to the message before on the chunk stream, or use format 0"),
    ]
}

fn negative(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |all: &[At<'_>]| {
        let is_negative = |delta: u32| delta >= 1 << 31 || (0xff_0000..0xff_ffff).contains(&delta);
        let wrong =
            |at: &&At<'_>| matches!(at.kept.fmt, 1 | 2) && at.kept.header.timestamp_delta.is_some_and(is_negative);
        all.iter().find(wrong).map(|at| (at.item, at.kept.header.timestamp_delta.unwrap_or_default()))
    };
    let Some((.., (item, delta))) = media(comparison, find) else { return Vec::new() };
    let meant = if delta >= 1 << 31 { i64::from(delta) - (1 << 32) } else { i64::from(delta) - (1 << 24) };
    let title = format!("a difference of time is {delta}, which is {meant} with a sign");
    vec![
        claim(comparison, item, Certainty::Certain, title)
            .why("differences have no sign: receivers jump forward by hours or days")
            .fix("send a header of format 0 where time goes back"),
    ]
}

fn backwards(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |all: &[At<'_>]| {
        let back = |pair: &&[At<'_>]| {
            let same_stream = pair[0].kept.header.message_stream_id == pair[1].kept.header.message_stream_id;
            // Timestamps wrap at 2^32; those cut to 24 bits are another rule's.
            let falls = (pair[1].time as u32).wrapping_sub(pair[0].time as u32) >= 1 << 31;
            same_stream && falls && !is_cut_to_24_bits(pair[0].time, pair[1].time)
        };
        all.windows(2).find(back).map(|pair| (pair[1].item, pair[0].time, pair[1].time))
    };
    let Some((.., (item, before, after))) = media(comparison, find) else { return Vec::new() };
    let title = format!("time goes back from {before} to {after} ms");
    vec![
        claim(comparison, item, Certainty::Certain, title)
            .why("timestamps are those of decoding and only grow; servers drop such messages or close")
            .fix("send times of decoding, and the difference in the composition time"),
    ]
}

/// Whether a time comes right if 2^24 is added to it.
fn is_cut_to_24_bits(before: i64, after: i64) -> bool {
    // Two messages are not further apart, in milliseconds.
    const APART: i64 = 10_000;
    after < 1 << 24 && (after + (1 << 24) - before).abs() <= APART
}

/// The middle one of the steps, if most are about the same.
fn step(all: &[At<'_>]) -> Option<i64> {
    let mut steps: Vec<i64> = all.windows(2).map(|pair| pair[1].time - pair[0].time).collect();
    steps.sort_unstable();
    let middle = *steps.get(steps.len() / 2).filter(|_| steps.len() >= FEW)?;
    let alike = steps.iter().filter(|&&step| (step - middle).abs() * 10 <= middle.abs() * 4).count();
    (alike * 10 >= steps.len() * 6).then_some(middle)
}

fn unit(comparison: &Comparison<'_>) -> Vec<Claim> {
    // Sound and pictures come every 5 to 200 ms.
    let Some((a, b, of_b)) = media(comparison, |all| step(all).filter(|step| *step > 450)) else { return Vec::new() };
    let Some(of_a) = step(&a).filter(|step| (5..=200).contains(step)) else { return Vec::new() };
    let (times, words, by) = match of_b as f64 / of_a as f64 {
        // Sound has 44100 or 48000 of them in a second.
        ratio if (42.0..50.0).contains(&ratio) && is_sound(&b) => {
            (0, "samples of sound", "44.1 or 48, the samples in a millisecond")
        }
        ratio if (700.0..1400.0).contains(&ratio) => (1000, "microseconds", "1000"),
        ratio if (64.0..126.0).contains(&ratio) => (90, "1/90000 s", "90"),
        _ => return Vec::new(),
    };
    let exact = a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.time * times == b.time);
    let certainty = if exact { Certainty::Certain } else { Certainty::Likely };
    let title = format!("timestamps are in {words}: steps of {of_b}, in A of {of_a}");
    let first = b.get(1).map_or(0, |at| at.item);
    vec![
        claim(comparison, first, certainty, title)
            .why("timestamps are milliseconds; a player shows one picture and waits for the next")
            .fix(format!("divide by {by}")),
    ]
}

fn is_sound(all: &[At<'_>]) -> bool {
    all.iter().all(|at| at.kept.header.type_id == MessageTypeId::AUDIO)
}

fn interval(comparison: &Comparison<'_>) -> Vec<Claim> {
    let gaps = |all: &[At<'_>]| -> Vec<(usize, i64)> {
        let is_key = |at: &&At<'_>| at.kept.body.first().is_some_and(|first| first >> 4 & 7 == 1);
        let keys: Vec<_> =
            all.iter().filter(|at| at.kept.header.type_id == MessageTypeId::VIDEO).filter(is_key).collect();
        keys.windows(2).map(|pair| (pair[1].item, pair[1].time - pair[0].time)).collect()
    };
    let find = |all: &[At<'_>]| gaps(all).into_iter().find(|(_, gap)| *gap > FAR);
    let Some((a, b, (item, gap))) = media(comparison, find) else { return Vec::new() };
    let Some(usual) = gaps(&a).into_iter().map(|(_, gap)| gap).max() else { return Vec::new() };
    let frames = b.iter().filter(|at| at.item <= item).count();
    let title = format!("key frames are {gap} ms apart, in A at most {usual}");
    let claim = claim(comparison, item, Certainty::Certain, title);
    let own = claim.explains.iter().copied().find(|&index| comparison.mismatches[index].side(Side::B).is_some());
    vec![
        claim
            .explaining(own)
            .why(format!(
                "a player that joins waits so long for its first picture; this is picture {frames} of the stream"
            ))
            .fix("set the distance of key frames to 2 s"),
    ]
}
