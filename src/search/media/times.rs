//! Edits of timestamps: from A's times of the same messages to B's.

use std::collections::{HashMap, HashSet};

use crate::recording::RecordedMessage;
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::rtmp::class::{MediaKind, MessageClass};

use super::written::WrittenTime;
use super::{Both, Edit, Meant, MediaScope};

/// What was done to the timestamps of messages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TimeEdit {
    /// So many milliseconds were added.
    Plus(i64),
    /// They run so many times as fast, from the first one on.
    Times(f64),
    /// Only so many low bits are kept.
    Bits(u8),
    /// Each is this.
    Constant(u32),
    /// Each is that of the message before.
    Previous,
    /// Each is the difference to the message before it on its chunk stream.
    Difference,
    /// The composition time is added: it is when a frame is shown, not when it is decoded.
    Presentation,
    /// The difference that is written is to the last message of any chunk stream, and is added up on each.
    ToAnyMessage,
    /// The difference that is written is to the last message of its type, on a chunk stream that has both.
    ToOwnType,
    /// From this row on so many milliseconds are added.
    From(usize, i64),
    /// They begin anew at every key frame.
    EachKeyFrame,
    /// What headers hold of them is changed.
    Written(WrittenTime),
    /// Each is rounded down to a multiple of so many milliseconds.
    Rounded(u32),
}

/// So many messages show how times run.
const LEAST: usize = 4;
/// So far apart, in milliseconds, audio and video are seen to be (EBU R 37).
const OUT_OF_STEP: i64 = 200;
/// What rounding does to one step, in milliseconds.
const ROUNDING: i64 = 1;

/// A message in both.
#[derive(Clone, Copy)]
struct At {
    row: usize,
    kind: MediaKind,
    csid: u32,
    a: u32,
    b: u32,
    composition: i64,
    is_key: bool,
    captured: [Option<i64>; 2],
}

/// The edit that makes B's timestamps of A's, if there is one.
pub(super) fn edit(all: &[Both<'_>]) -> Option<Meant> {
    // When a configuration is sent says nothing of the clock.
    let both: Vec<At> = all.iter().filter(|both| !both.is_config()).filter_map(at).collect();
    if both.len() < LEAST {
        return None;
    }
    if steps(&both).all(|(last, next)| step(last.a, next.a) == step(last.b, next.b)) {
        return if is_repeated(all) { None } else { offset(&both) };
    }
    let scopes: [&[MediaKind]; 3] = [&[MediaKind::Audio, MediaKind::Video], &[MediaKind::Audio], &[MediaKind::Video]];
    for kinds in scopes {
        let is_in = |at: &At| kinds.contains(&at.kind);
        let (inside, outside): (Vec<At>, Vec<At>) = both.iter().partition(|at| is_in(at));
        // What is outside of the scope runs as in A.
        let runs = |(last, next): (&At, &At)| (step(last.a, next.a) - step(last.b, next.b)).abs() <= ROUNDING;
        if inside.len() < LEAST || !steps(&outside).all(runs) {
            continue;
        }
        let mut fitting: Vec<(TimeEdit, bool)> = candidates(&inside)
            .into_iter()
            .filter_map(|edit| {
                let worst = worst(edit, &inside)?;
                (worst <= ROUNDING).then_some((edit, worst == 0))
            })
            .collect();
        if let Some((edit, is_exact)) = fitting.first().copied() {
            let is_sole = is_exact && fitting.drain(..).filter(|(_, is_exact)| *is_exact).count() == 1;
            let scope =
                if outside.is_empty() || kinds.len() == 2 { MediaScope::All } else { MediaScope::Kind(kinds[0]) };
            // Where times jump, either part may be what most have.
            let changed = |at: &&At| at.a != at.b || matches!(edit, TimeEdit::From(..));
            let rows = inside.iter().filter(changed).map(|at| at.row).collect();
            return Some(Meant { edit: Edit::Time(edit), scope, rows, is_sole });
        }
    }
    None
}

fn at(both: &Both<'_>) -> Option<At> {
    let [a, b] = both.pair()?;
    let composition = match body::decode(MessageTypeId::VIDEO, &a.body, a.header.length, &mut ()).body {
        Body::Video(video) if both.kind == MediaKind::Video => video.composition_time().unwrap_or(0),
        _ => 0,
    };
    let (csid, is_key) = (b.csid, a.class == MessageClass::Video { keyframe: true });
    let (a, b) = (a.header.timestamp?, b.header.timestamp?);
    let Both { row, kind, captured, .. } = *both;
    Some(At { row, kind, csid, a, b, composition: composition.into(), is_key, captured })
}

/// Whether the same media comes more than once, as of a file that is played in a loop: which pass of one is which of the
/// other is not known then.
fn is_repeated(all: &[Both<'_>]) -> bool {
    [0, 1].into_iter().any(|side| {
        let mut seen = HashSet::new();
        let frames = all.iter().filter(|both| !both.is_config()).filter_map(|both| both.sides[side]);
        let is_key = |kept: &&RecordedMessage| kept.class == MessageClass::Video { keyframe: true };
        frames.filter(is_key).any(|kept| !seen.insert(kept.hash))
    })
}

/// From one timestamp to another: they wrap at 2^32.
fn step(from: u32, to: u32) -> i64 {
    i64::from(to.wrapping_sub(from) as i32)
}

/// Each message with the one before it of its kind.
fn steps(all: &[At]) -> impl Iterator<Item = (&At, &At)> {
    let mut last: [Option<&At>; 2] = [None, None];
    all.iter().filter_map(move |at| last[at.kind as usize].replace(at).map(|last| (last, at)))
}

/// One track is out of step with the other by more than in A, or both begin elsewhere than a session does.
fn offset(both: &[At]) -> Option<Meant> {
    let of = |kind| both.iter().find(|at| at.kind == kind).map(|at| step(at.a, at.b));
    let rows = |is: &dyn Fn(&At) -> bool| both.iter().filter(|at| is(at)).map(|at| at.row).collect();
    let meant = |edit, scope, rows| Some(Meant { edit: Edit::Time(edit), scope, rows, is_sole: true });
    let (audio, video) = (of(MediaKind::Audio), of(MediaKind::Video));
    match (audio, video) {
        (Some(audio), Some(video)) if (audio - video).abs() > OUT_OF_STEP => {
            let kind = if audio.abs() > video.abs() { MediaKind::Audio } else { MediaKind::Video };
            let plus = if kind == MediaKind::Audio { audio - video } else { video - audio };
            meant(TimeEdit::Plus(plus), MediaScope::Kind(kind), rows(&|at| at.kind == kind))
        }
        (Some(plus), _) | (None, Some(plus)) if plus.abs() >= OTHER_BASE => {
            let first = both.first()?;
            let plus = i64::from(first.b) - i64::from(first.a);
            meant(TimeEdit::Plus(plus), MediaScope::All, rows(&|_| true))
        }
        _ => None,
    }
}

/// Sessions seldom last so long, in milliseconds; a clock counts from longer ago.
pub(super) const OTHER_BASE: i64 = 24 * 3600 * 1000;

/// The edits that may be it, the simplest first.
fn candidates(all: &[At]) -> Vec<TimeEdit> {
    let mut found = vec![TimeEdit::Previous, TimeEdit::Difference, TimeEdit::Presentation];
    let streams: HashSet<u32> = all.iter().map(|at| at.csid).collect();
    let kinds: HashSet<(u32, bool)> = all.iter().map(|at| (at.csid, at.kind == MediaKind::Audio)).collect();
    if streams.len() > 1 {
        found.push(TimeEdit::ToAnyMessage);
    }
    if kinds.len() > streams.len() {
        found.push(TimeEdit::ToOwnType);
    }
    found.extend([8, 16, 24, 31].map(TimeEdit::Bits));
    found.push(TimeEdit::Constant(all[0].b));
    if all.iter().any(|at| at.is_key) {
        found.push(TimeEdit::EachKeyFrame);
    }
    let (first, last) = (all[0], all[all.len() - 1]);
    let (of_a, of_b) = (step(first.a, last.a), step(first.b, last.b));
    if of_a > 0 && of_b > 0 {
        let factor = of_b as f64 / of_a as f64;
        // So little is the rounding of the last step.
        if (factor - 1.0).abs() > 0.01 {
            found.push(TimeEdit::Times(factor));
        }
    }
    let rounded = [1000, 500, 100, 50, 40, 20, 10, 5].into_iter().find(|step| all.iter().all(|at| at.b % step == 0));
    found.extend(rounded.map(TimeEdit::Rounded));
    found.extend(jump(all).map(|(index, more)| TimeEdit::From(all[index].row, more)));
    found
}

/// Whether the source stopped between two messages of one side and not of the other: so much more time went by there, too.
fn is_pause(last: &At, next: &At, more: i64) -> bool {
    /// So far a clock may be off, in milliseconds, and as a share.
    const OFF: i64 = 200;
    let went_by = |side: usize| Some((next.captured[side]? - last.captured[side]?) / 1_000_000);
    let of_a = went_by(0).unwrap_or(step(last.a, next.a));
    went_by(1).is_some_and(|of_b| (of_b - of_a - more).abs() <= OFF.max(more.abs() / 5))
}

/// Where the offset of B's times to A's changes, if it does so once: the index, and by how much.
fn jump(all: &[At]) -> Option<(usize, i64)> {
    let offset = |at: &At| step(at.a, at.b);
    let first = offset(&all[0]);
    let index = all.iter().position(|at| (offset(at) - first).abs() > ROUNDING)?;
    let more = offset(&all[index]);
    // Some keep 31 bits of a time (FLV E.4.1 has them signed): then it begins anew.
    if (more - first).unsigned_abs() == 1 << 31 {
        return None;
    }
    if is_pause(&all[index - 1], &all[index], more - first) {
        return None;
    }
    let is_same = all[index..].iter().all(|at| (offset(at) - more).abs() <= ROUNDING);
    (is_same && index + 1 < all.len()).then_some((index, more - first))
}

/// How far the times that an edit gives are from B's at most, each from where B's time before it is.
fn worst(edit: TimeEdit, all: &[At]) -> Option<i64> {
    let mut worst = 0;
    let mut changes: u32 = 0;
    let mut on_stream: HashMap<u32, At> = HashMap::new();
    let mut of_kind: [Option<At>; 2] = [None, None];
    let mut before: Option<At> = None;
    let mut of_key: Option<At> = None;
    let first = all.first()?;
    let from = match edit {
        TimeEdit::From(..) => jump(all)?.0,
        _ => 0,
    };
    for (index, at) in all.iter().enumerate() {
        let same_stream = on_stream.insert(at.csid, *at);
        let same_kind = of_kind[at.kind as usize].replace(*at);
        let last = before.replace(*at);
        if at.is_key && edit == TimeEdit::EachKeyFrame {
            // All begin with the same time, each after the first in place of a later one.
            let begins = of_key.map_or(at.b, |key| key.b);
            changes += u32::from(of_key.is_some() && at.a != at.b);
            if at.b != begins {
                return None;
            }
            of_key = Some(*at);
            continue;
        }
        let meant = match edit {
            TimeEdit::Plus(more) => i64::from(at.a) + more,
            TimeEdit::Bits(bits) => i64::from(at.a & (u32::MAX >> (32 - u32::from(bits)))),
            TimeEdit::Constant(value) => value.into(),
            TimeEdit::Rounded(step) => i64::from(at.a / step * step),
            TimeEdit::Presentation => i64::from(at.a) + at.composition + step(first.a, first.b) - first.composition,
            TimeEdit::Times(factor) => i64::from(first.b) + (step(first.a, at.a) as f64 * factor).round() as i64,
            TimeEdit::From(_, more) => i64::from(at.a) + step(first.a, first.b) + if index >= from { more } else { 0 },
            TimeEdit::EachKeyFrame => match of_key {
                Some(key) => step(key.a, at.a) + i64::from(key.b),
                None => continue,
            },
            TimeEdit::Written(_) => return None,
            TimeEdit::Previous => match same_kind {
                Some(last) => last.a.into(),
                None => continue,
            },
            TimeEdit::Difference => match same_stream {
                Some(last) => step(last.a, at.a),
                None => continue,
            },
            TimeEdit::ToAnyMessage => match (same_stream, last) {
                (Some(of_stream), Some(last)) => i64::from(of_stream.b) + step(last.a, at.a),
                _ => continue,
            },
            TimeEdit::ToOwnType => match (same_stream, same_kind) {
                (Some(of_stream), Some(of_kind)) => i64::from(of_stream.b) + step(of_kind.a, at.a),
                _ => continue,
            },
        };
        let off = step(meant as u32, at.b).abs();
        if off > ROUNDING {
            return None;
        }
        changes += u32::from(step(first.a, first.b) != step(at.a, at.b));
        worst = worst.max(off);
    }
    // What changes nothing explains nothing.
    (changes > 0).then_some(worst)
}

/// Whether the deltas of messages were taken to another message than a receiver adds them to, by what audio frames of so
/// many milliseconds should add up to. Each message has whether it is audio, its chunk stream, and its time as received.
pub(super) fn base(all: &[(bool, u32, u32)], frame: f64) -> Option<TimeEdit> {
    const FRAMES: usize = 16;
    /// So far, as a share, the clock of a sender may be off.
    const OFF: f64 = 0.02;
    let count = all.iter().filter(|(is_audio, ..)| *is_audio).count();
    if count < FRAMES || all.len() - count < LEAST {
        return None;
    }
    let meant = (count - 1) as f64 * frame;
    let share = |first: i64, last: i64| (last - first) as f64 / meant;
    let of_audio = || all.iter().filter(|(is_audio, ..)| *is_audio).map(|&(.., time)| i64::from(time));
    let received = share(of_audio().next()?, of_audio().next_back()?);
    // Twice that may be a gap, or a slow start.
    if (received - 1.0).abs() < 5.0 * OFF {
        return None;
    }
    let tried = [TimeEdit::ToAnyMessage, TimeEdit::ToOwnType];
    let fits = |edit: &TimeEdit| {
        let mut on_stream: HashMap<u32, u32> = HashMap::new();
        let (mut of_kind, mut before): ([Option<i64>; 2], Option<i64>) = ([None; 2], None);
        let mut ends: Option<(i64, i64)> = None;
        for &(is_audio, csid, time) in all {
            let last = on_stream.insert(csid, time);
            let delta = last.map(|last| step(last, time));
            let base = match edit {
                TimeEdit::ToAnyMessage => before,
                _ => of_kind[usize::from(is_audio)],
            };
            let meant = match (base, delta) {
                (Some(base), Some(delta)) => base + delta,
                _ => i64::from(time),
            };
            (before, of_kind[usize::from(is_audio)]) = (Some(meant), Some(meant));
            if is_audio {
                ends = Some((ends.map_or(meant, |(first, _)| first), meant));
            }
        }
        ends.is_some_and(|(first, last)| (share(first, last) - 1.0).abs() < OFF)
    };
    let streams: HashSet<u32> = all.iter().map(|&(_, csid, _)| csid).collect();
    let mut fitting =
        tried.into_iter().filter(|edit| (*edit == TimeEdit::ToAnyMessage) == (streams.len() > 1)).filter(fits);
    fitting.next()
}
