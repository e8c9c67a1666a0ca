//! Timestamps of audio and video: back, in another unit, as differences that are none; and key frames far apart.

use crate::compare::{Comparison, FieldPath, Side};
use crate::recording::{RecordedEvent, RecordedMessage, Session};
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::rtmp::class::{MediaKind, MessageClass};
use crate::rtmp::media::audio::{Audio, AudioTag};
use crate::rules::messages::{DirectionMessages, rows_of_b};
use crate::rules::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction::{self, ClientToServer, ServerToClient};

pub static ABSOLUTE: Rule = Rule {
    code: "ts-abs-in-delta",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "chunk headers of format 1 and 2 have absolute timestamps",
    page: Page {
        what: "Chunk headers of format 1 and 2 contain the time since the previous message. Here it is the absolute \
               time, so receivers add them all up and play faster and faster.",
        looks: "44 00 00 28 ..   the second message, 40 ms later\n\
                44 00 00 50 ..   the third, and 00 00 50 is 80 ms: its time\n\
                44 00 00 78 ..   the fourth",
        who: "Clients that save header bytes, and write the same field in all formats.",
        fix: "Write the difference from the previous message on this chunk stream, or use format 0.",
        source: "RTMP 1.0 sections 5.3.1.2.2 and 5.3.1.2.3: timestamp delta.",
    },
    check: Check::Diff(absolute),
};

pub static NEGATIVE: Rule = Rule {
    code: "ts-negative-delta",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a timestamp delta is negative",
    page: Page {
        what: "A timestamp delta is unsigned. A negative one is read as a jump of 49 days, or of more than four hours \
               where it was cut to 24 bits.",
        looks: "44 ff ff ff 00 00 b8 08 ff ff ff d8   -40 in the extended timestamp\n\
                44 ff ff d8 00 00 b8 08   -40 in 24 bits",
        who: "Senders whose timestamps go back, with headers of format 1.",
        fix: "Send a header of format 0 where the timestamp goes back, or better, keep it from going back.",
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
        what: "A message is earlier than the one before it of the same kind. Timestamps are decoding times, and only \
               grow; frames that are shown in another order have composition times. Servers drop such messages or \
               close.",
        looks: "04 00 00 d1 00 00 b8 08 ..   209 ms\n\
                04 00 00 6d 00 00 b8 08 ..   then 109 ms",
        who: "Encoders with B-frames that send presentation times; sources that restart without a new connection.",
        fix: "Send decoding times, and the difference in the composition time.",
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
        what: "Timestamps are milliseconds. Steps of 40000 are microseconds, steps of 3600 are 1/90000 s: both are \
               common encoder units. Players show one frame and wait.",
        looks: "40 ms, 40000 us and 3600/90000 s:\n\
                \n\
                46 00 00 28 ..   46 00 9c 40 ..   46 00 0e 10 ..",
        who: "Senders that pass on the encoder's times: Android's are microseconds, those of transport streams 90 kHz.",
        fix: "Divide by 1000, or by 90.",
        source: "RTMP 1.0 section 5.3.1.2.1. ant-media/LibRtmp-Client-for-Android issue 7.",
    },
    check: Check::Diff(unit),
};

pub static TIME_JUMP: Rule = Rule {
    code: "ts-jump",
    layer: Layer::Media,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "timestamps jump forward",
    page: Page {
        what: "From one audio or video message to the next the timestamp grows by more than ten seconds, although much \
               less time passed, and all other steps are short. Intervals are not measured across the jump.",
        looks: "17 01 .. at 00 00 a0, and 40 ms later 27 01 .. at 2b db 36: 160 and 2874166 ms",
        who: "Encoders that begin with their own times and switch to those of the input; a source that was changed.",
        fix: "Subtract the first timestamp of the source from all, and start again when the source changes.",
        source: "RTMP 1.0 section 5.3.1.2.1. Seen with VLC publishing through avformat.",
    },
    check: Check::Diff(jump),
};

pub static KEYFRAME_INTERVAL: Rule = Rule {
    code: "keyframe-interval",
    layer: Layer::Media,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "key frames are more than 4 s apart",
    page: Page {
        what: "A player that joins sees nothing until the next key frame, and segments of HLS can only begin at one. \
               Services ask for one every 2 s and warn above 4.",
        looks: "17 01 .. at 00 00 00, and the next 17 01 .. at 00 20 d0: 8400 ms",
        who: "Encoders with their default distance of 250 frames.",
        fix: "Set the distance of key frames to 2 s.",
        source: "Recommendations of YouTube and Twitch for encoders.",
    },
    check: Check::Diff(interval),
};

/// Key frames may be so far apart, in milliseconds.
const FAR: i64 = 4000;
/// What is further apart than this, in milliseconds, is a jump in time.
const JUMP: i64 = 3_600_000;
/// A step in time that is longer than this, in milliseconds, may be a jump.
const LONG: i64 = 10_000;
/// So few steps prove nothing.
const FEW: usize = 5;

/// A message with its time.
#[derive(Clone, Copy)]
struct At<'r> {
    item: usize,
    kept: &'r RecordedMessage,
    time: i64,
    /// When it was captured, in ns.
    captured: i64,
    /// How often the session had begun at another place by then, or time had jumped: it is compared only within a run.
    run: usize,
}

/// The coded messages of one medium.
fn coded<'r>(session: &'r Session, way: Direction, medium: MessageTypeId) -> Vec<At<'r>> {
    let flow = DirectionMessages::of(session, way);
    let such = flow.messages.iter().filter(|(_, kept)| kept.header.type_id == medium && !kept.class.is_config());
    let at = |&(item, kept): &(usize, &'r RecordedMessage)| {
        let captured = session.items[item].time.0;
        Some(At { item, kept, time: kept.header.timestamp?.into(), captured, run: flow.run(item) })
    };
    let mut all: Vec<_> = such.filter_map(at).collect();
    // A snapshot, or bytes without packets, do not say when they were captured.
    let jumps = if !session.has_times() { Vec::new() } else { jumps(&all) };
    for jump in jumps {
        all[jump..].iter_mut().for_each(|at| at.run += 1);
    }
    all
}

/// Where time jumps forward: by much more than the other steps are, and than went by. `ts-unit` is for steps that are
/// all too long, and a server may send what it has faster than it plays.
fn jumps(all: &[At<'_>]) -> Vec<usize> {
    let mut steps: Vec<i64> = all.windows(2).map(|pair| (pair[1].time - pair[0].time).abs()).collect();
    steps.sort_unstable();
    let Some(&usual) = steps.get(steps.len() / 2).filter(|_| steps.len() >= FEW) else { return Vec::new() };
    let is_jump = |pair: &[At<'_>]| {
        let step = pair[1].time - pair[0].time;
        let went_by = (pair[1].captured - pair[0].captured) / 1_000_000;
        pair[0].run == pair[1].run && step > LONG && step > 20 * usual && step > 3 * went_by
    };
    (1..all.len()).filter(|&at| is_jump(&all[at - 1..=at])).collect()
}

fn jump(comparison: &Comparison<'_>) -> Vec<Claim> {
    if !comparison.b.has_times() {
        return Vec::new();
    }
    let find = |all: &[At<'_>]| {
        let is_jump = |pair: &&[At<'_>]| pair[0].run != pair[1].run && pair[1].time - pair[0].time > LONG;
        let pair = all.windows(2).find(is_jump)?;
        let went_by = (pair[1].captured - pair[0].captured) / 1_000_000;
        (pair[1].time - pair[0].time > 3 * went_by).then_some((pair[1].item, pair[0].time, pair[1].time, went_by))
    };
    let Some((.., (item, before, after, went_by))) = media(comparison, find) else { return Vec::new() };
    let title = format!("timestamps jump from {before} to {after} ms");
    vec![
        claim(comparison, item, Certainty::Certain, title)
            .why(format!(
                "that is {} ms later, but only {went_by} ms passed between the two; players wait, skip, or lose \
                 synchronisation of audio and video",
                after - before
            ))
            .fix("use one clock throughout: subtract the first timestamp from all, also from those queued"),
    ]
}

/// The first medium of a direction of which B shows something, and A the same does not.
fn media<'r, T>(
    comparison: &Comparison<'r>,
    find: impl Fn(&[At<'r>]) -> Option<T>,
) -> Option<(Vec<At<'r>>, Vec<At<'r>>, T)> {
    let ways = [ClientToServer, ServerToClient];
    let all = ways.into_iter().flat_map(|way| [MessageTypeId::VIDEO, MessageTypeId::AUDIO].map(|medium| (way, medium)));
    let mut all = all.filter_map(|(way, medium)| {
        let of = |session| coded(session, way, medium);
        let (a, b) = (comparison.a.map(of).unwrap_or_default(), of(comparison.b));
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
        mismatch.path == FieldPath::TIMESTAMP
            && comparison.either(mismatch.row).kind.is_media()
            && comparison.either_item(mismatch.row).direction == direction
    };
    let explains: Vec<usize> = comparison.open().filter(is_time).collect();
    let here = explains.iter().copied().find(|&index| comparison.mismatches[index].row == row);
    let sides = here.map_or([None, None], |index| comparison.mismatches[index].sides.clone());
    Claim { explains, ..Claim::on(row, FieldPath::TIMESTAMP, sides, certainty, title) }
}

fn absolute(comparison: &Comparison<'_>) -> Vec<Claim> {
    // Differences that grow by about the same from one message to the next.
    let find = |all: &[At<'_>]| {
        let deltas: Vec<(usize, i64)> = all
            .iter()
            .filter(|at| matches!(at.kept.fmt, Some(1 | 2)))
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
    let title = format!("timestamp deltas grow from message to message: {} ...", shown.join(", "));
    vec![
        claim(comparison, item, certainty, title)
            .why("they are absolute times; a receiver adds them up")
            .fix("write the difference from the previous message on the chunk stream, or use format 0"),
    ]
}

fn negative(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |all: &[At<'_>]| {
        let is_negative = |delta: u32| delta >= 1 << 31 || (0xff_0000..0xff_ffff).contains(&delta);
        let wrong =
            |at: &At<'_>| matches!(at.kept.fmt, Some(1 | 2)) && at.kept.header.timestamp_delta.is_some_and(is_negative);
        // The first one may well be far after its configuration, which has no time of its own.
        let index = (1..all.len()).find(|&index| wrong(&all[index]))?;
        let goes_back = all[index].time < all[index - 1].time;
        Some((all[index].item, all[index].kept.header.timestamp_delta?, goes_back))
    };
    let Some((.., (item, delta, goes_back))) = media(comparison, find) else { return Vec::new() };
    let meant = if delta >= 1 << 31 { i64::from(delta) - (1 << 32) } else { i64::from(delta) - (1 << 24) };
    let title = format!("a timestamp delta is {delta}, which is {meant} as a signed number");
    let claim = claim(comparison, item, Certainty::Certain, title).fix(
        "send a header of format 0 where the timestamp goes \
                                                                back",
    );
    // Timestamps count modulo 2^32, so who keeps 32 bits ends where it was meant to: after another medium that
    // shares the chunk stream.
    vec![if delta >= 1 << 31 && !goes_back {
        claim
            .why("deltas are unsigned: receivers that do not count modulo 2^32 jump forward by 49 days")
            .weighing(Severity::Warning)
    } else {
        claim.why("deltas are unsigned: receivers jump forward by more than four hours")
    }]
}

fn backwards(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |all: &[At<'_>]| {
        let back = |pair: &&[At<'_>]| {
            let same_stream = pair[0].kept.header.message_stream_id == pair[1].kept.header.message_stream_id;
            // Timestamps wrap at 2^32; those cut to 24 bits have a rule of their own.
            let is_cut = pair[0].time > 0xff_0000 && pair[0].time < 1 << 24 && pair[1].time < 1 << 16;
            !is_cut
                && pair[0].run == pair[1].run
                && same_stream
                && (pair[1].time as u32).wrapping_sub(pair[0].time as u32) >= 1 << 31
        };
        all.windows(2).find(back).map(|pair| (pair[1].item, pair[0].time, pair[1].time))
    };
    let Some((.., (item, before, after))) = media(comparison, find) else { return Vec::new() };
    if is_mixed(comparison.b, item) {
        return Vec::new();
    }
    let title = format!("timestamps go back from {before} to {after} ms");
    // Who counts with 31 bits begins again there, after 24 days.
    if before > 0x7f00_0000 && after < 0x0100_0000 {
        return vec![
            claim(comparison, item, Certainty::Certain, title)
                .why("it is cut to 31 bits, and timestamps count modulo 2^32: receivers see a jump of 24 days")
                .fix("keep all 32 bits of the timestamp")
                .weighing(Severity::Warning),
        ];
    }
    vec![
        claim(comparison, item, Certainty::Certain, title)
            .why("timestamps are decoding times and only grow; servers drop such messages or close")
            .fix("send decoding times, and the difference in the composition time"),
    ]
}

/// Whether the message stream of an item has more than one configuration of audio or of video: then it carries several
/// sources, each with times of its own.
fn is_mixed(session: &Session, item: usize) -> bool {
    let of = |item: &RecordedEvent| Some((item.direction, item.message()?.header.message_stream_id));
    let here = of(&session.items[item]);
    [MediaKind::Audio, MediaKind::Video].into_iter().any(|kind| {
        let configs = session.items[..item].iter().filter(|other| of(other) == here);
        let mut configs = configs.filter_map(RecordedEvent::message);
        let mut of_kind =
            configs.by_ref().filter(|kept| kept.class == MessageClass::Config(kind)).map(|kept| kept.hash);
        let first = of_kind.next();
        first.is_some() && of_kind.any(|hash| Some(hash) != first)
    })
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
    // Audio and video come every 5 to 200 ms.
    let Some((a, b, of_b)) = media(comparison, |all| step(all).filter(|step| *step > 450)) else { return Vec::new() };
    // What they should be: A's, or else what the session says of its frames, or the pace at which they came.
    let usual = if comparison.a.is_none() { said(comparison, &b).or(pace(comparison, &b)) } else { step(&a) };
    let Some(of_a) = usual.filter(|step| (5..=200).contains(step)) else { return Vec::new() };
    let (times, words, by) = match of_b as f64 / of_a as f64 {
        // Sound has 44100 or 48000 of them in a second.
        ratio if (42.0..50.0).contains(&ratio) && is_sound(&b) => {
            (0, "audio samples", "44.1 or 48, the samples in a millisecond")
        }
        ratio if (700.0..1400.0).contains(&ratio) => (1000, "microseconds", "1000"),
        ratio if (64.0..126.0).contains(&ratio) => (90, "1/90000 s", "90"),
        _ => return Vec::new(),
    };
    let exact = comparison.a.is_some() && a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.time * times == b.time);
    let certainty = if exact { Certainty::Certain } else { Certainty::Likely };
    let title = match comparison.a.is_none() {
        true => format!("timestamps are in {words}: steps of {of_b}, for messages of about {of_a} ms"),
        false => format!("timestamps are in {words}: steps of {of_b}, in A of {of_a}"),
    };
    let first = b.get(1).map_or(0, |at| at.item);
    vec![
        claim(comparison, first, certainty, title)
            .why("timestamps are milliseconds; a player shows one frame and waits for the next")
            .fix(format!("divide by {by}")),
    ]
}

fn is_sound(all: &[At<'_>]) -> bool {
    all.iter().all(|at| at.kept.header.type_id == MessageTypeId::AUDIO)
}

/// How many milliseconds a message lasts by the session's own words: the metadata's frame rate, or a frame of AAC at
/// the rate of its configuration.
fn said(comparison: &Comparison<'_>, all: &[At<'_>]) -> Option<i64> {
    const AAC_FRAME: f64 = 1024.0;
    let first = all.first()?;
    let direction = comparison.b.items[first.item].direction;
    let items = comparison.b.items.iter().filter(|item| item.direction == direction);
    if first.kept.header.type_id == MessageTypeId::AUDIO {
        let mut configs = items
            .filter_map(RecordedEvent::message)
            .filter(|kept| kept.class == MessageClass::Config(MediaKind::Audio));
        let rate = configs.find_map(|kept| {
            let decoded = body::decode(MessageTypeId::AUDIO, &kept.body, kept.header.length, &mut ());
            let Body::Audio(Audio { tag: AudioTag::Legacy { config: Some(config), .. }, .. }) = decoded.body else {
                return None;
            };
            // Without SBR: that is what a frame's 1024 samples are counted in.
            Some(f64::from(config.sampling_frequency)).filter(|rate| *rate > 0.0)
        })?;
        return Some((AAC_FRAME * 1000.0 / rate) as i64);
    }
    let rate =
        DirectionMessages::of(comparison.b, direction).of_type(MessageTypeId::AMF0_DATA).find_map(|(_, body)| {
            let Body::Data(data) = body::decode(MessageTypeId::AMF0_DATA, body, body.len() as u32, &mut ()).body else {
                return None;
            };
            data.arguments().iter().find_map(|value| value.property(b"framerate")?.as_number())
        });
    rate.filter(|rate| *rate > 0.0).map(|rate| (1000.0 / rate) as i64)
}

/// How many milliseconds lie between two messages as they were captured.
fn pace(comparison: &Comparison<'_>, all: &[At<'_>]) -> Option<i64> {
    let [first, .., last] = all else { return None };
    comparison.b.has_times().then_some(())?;
    let time = |at: &At<'_>| comparison.b.items[at.item].time.0;
    Some((time(last) - time(first)) / (all.len() as i64 - 1) / 1_000_000)
}

/// Whether so many milliseconds before an item are as many by the clock of the capture, or by the number of frames in
/// ordinary steps: who sends faster than it plays has the steps, who sends seldom has the clock.
fn is_believed(comparison: &Comparison<'_>, all: &[At<'_>], item: usize, gap: i64) -> bool {
    let Some(last) = all.iter().position(|at| at.item == item) else { return false };
    let Some(first) = all[..last].iter().rposition(|at| at.time == all[last].time - gap) else { return false };
    let is_about = |other: i64| other * 2 > gap && other < gap * 2;
    let by_clock = (all[last].captured - all[first].captured) / 1_000_000;
    let mut steps: Vec<i64> = all[first..=last].windows(2).map(|pair| pair[1].time - pair[0].time).collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(0);
    comparison.b.has_times() && is_about(by_clock) || usual <= LONGEST_STEP && is_about(usual * steps.len() as i64)
}

/// Frames of a film are not so far apart, in milliseconds.
const LONGEST_STEP: i64 = 450;

fn interval(comparison: &Comparison<'_>) -> Vec<Claim> {
    let gaps = |all: &[At<'_>]| -> Vec<(usize, i64)> {
        let is_key = |at: &&At<'_>| at.kept.body.first().is_some_and(|first| first >> 4 & 7 == 1);
        let keys: Vec<_> =
            all.iter().filter(|at| at.kept.header.type_id == MessageTypeId::VIDEO).filter(is_key).collect();
        let pairs = keys.windows(2).filter(|pair| pair[0].run == pair[1].run);
        let mut gaps: Vec<_> = pairs.map(|pair| (pair[1].item, pair[1].time - pair[0].time)).collect();
        // The last one lasts to the end.
        if let (Some(key), Some(end)) =
            (keys.last(), all.last().filter(|end| end.kept.header.type_id == MessageTypeId::VIDEO))
        {
            gaps.extend((key.run == end.run).then_some((end.item, end.time - key.time)));
        }
        gaps
    };
    // Where times are wrong, so is what they say of key frames.
    let find = |all: &[At<'_>]| {
        gaps(all)
            .into_iter()
            .find(|&(item, gap)| (FAR + 1..JUMP).contains(&gap) && is_believed(comparison, all, item, gap))
    };
    let Some((a, b, (item, gap))) = media(comparison, find) else { return Vec::new() };
    let usual = gaps(&a).into_iter().map(|(_, gap)| gap).max();
    if usual.is_none() && comparison.a.is_some() {
        return Vec::new();
    }
    let frames = b.iter().filter(|at| at.item <= item).count();
    let in_a = usual.map(|usual| format!(", in A at most {usual}")).unwrap_or_default();
    let title = format!("no key frame is sent for {gap} ms{in_a}");
    let claim = claim(comparison, item, Certainty::Certain, title);
    let own = claim.explains.iter().copied().find(|&index| comparison.mismatches[index].side(Side::B).is_some());
    vec![
        claim
            .explaining(own)
            .why(format!(
                "a player that joins waits that long for its first frame; this is frame {frames} of the video"
            ))
            .fix("set the distance of key frames to 2 s"),
    ]
}
