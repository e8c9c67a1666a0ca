//! How long the way through the server took, and what became of the timestamps.

use std::collections::BTreeMap;

use serde::Serialize;

use super::judge::{Fate, Judged};
use super::unit::Kind;

/// Times of one pair of legs.
#[derive(Debug, Default)]
pub struct Measures {
    /// How long the messages took that were sent while the player was there.
    pub delay: Option<Delay>,
    /// Audio and video that took much longer than the others: places among those sent.
    pub late: Vec<usize>,
    /// How much later the player's timestamps of audio and video are.
    pub timestamps: Option<Timestamps>,
    /// Audio and video whose timestamps moved by another amount than most.
    pub off_time: Vec<usize>,
    /// How the timestamps of audio and of video moved, each track by itself.
    pub tracks: Vec<TrackTimes>,
    /// Configurations whose timestamps moved by another amount.
    pub headers_off_time: Vec<usize>,
    /// Audio and video that were sent before the player joined and came out of the server's memory.
    pub from_cache: u64,
    /// Forwarded messages that came on another chunk stream.
    pub csid_rewritten: u64,
    /// Forwarded messages that came on another message stream.
    pub message_stream_rewritten: u64,
}

/// What became of the timestamps of one track.
#[derive(Clone, Debug)]
pub struct TrackTimes {
    /// Audio or video.
    pub kind: Kind,
    /// What was done to them.
    pub moved: Moved,
    /// Its messages: places among those sent.
    pub all: Vec<usize>,
}

/// What was done to timestamps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moved {
    /// So many ms were added.
    By(i32),
    /// They run so many times as fast, from the first one on.
    Times(f64),
    /// Neither.
    Varying,
}

/// Delays in ms.
#[derive(Clone, Debug, Serialize)]
pub struct Delay {
    /// The shortest.
    pub min: f64,
    /// Half of them took no longer.
    pub median: f64,
    /// The longest.
    pub max: f64,
    /// How many were measured.
    pub messages: u64,
}

/// Differences between timestamps, in ms.
#[derive(Clone, Debug, Serialize)]
pub struct Timestamps {
    /// The difference that most have.
    pub mostly: i32,
    /// The smallest.
    pub least: i32,
    /// The largest.
    pub most: i32,
}

/// What takes this much longer than the median is worth a word, in ms.
const LATE: f64 = 500.0;
/// Servers that count in other units than ms round; differences up to this are that, in ms.
const ROUNDING: i32 = 1;

impl Timestamps {
    /// Whether the differences differ.
    pub fn varies(&self) -> bool {
        self.least.abs_diff(self.mostly).max(self.most.abs_diff(self.mostly)) > ROUNDING.unsigned_abs()
    }
}

/// Measures a pair of legs.
pub fn measure(judged: &Judged<'_>) -> Measures {
    let mut measures = Measures::default();
    let (mut delays, mut differences) = (Vec::new(), Vec::new());
    let mut of_kind: BTreeMap<Kind, Vec<Pair>> = BTreeMap::new();
    for (at, unit) in judged.sent.iter().enumerate() {
        let Some(received) = judged.received(at) else { continue };
        if matches!(judged.fates[at], Fate::Forwarded { .. }) {
            measures.csid_rewritten += u64::from(unit.kept.csid != received.kept.csid);
            let streams = (unit.kept.header.message_stream_id, received.kept.header.message_stream_id);
            measures.message_stream_rewritten += u64::from(streams.0 != streams.1);
        }
        let difference = match (unit.kept.header.timestamp, received.kept.header.timestamp) {
            (Some(sent), Some(received)) => Some(received.wrapping_sub(sent).cast_signed()),
            _ => None,
        };
        if unit.kind.is_config() {
            if difference.is_some_and(|difference| difference.abs_diff(judged.offset) > ROUNDING.unsigned_abs()) {
                measures.headers_off_time.push(at);
            }
            continue;
        }
        if !unit.kind.is_coded() {
            continue;
        }
        if let (Some(sent), Some(received)) = (unit.kept.header.timestamp, received.kept.header.timestamp) {
            of_kind.entry(unit.kind).or_default().push(Pair { at, sent, received });
        }
        if let Some(difference) = difference {
            differences.push(difference);
            if difference.abs_diff(judged.offset) > ROUNDING.unsigned_abs() {
                measures.off_time.push(at);
            }
        }
        if judged.is_live(at) {
            delays.push((at, received.item.time.since(unit.item.time) as f64 / 1e6));
        } else {
            measures.from_cache += 1;
        }
    }
    if let (Some(&least), Some(&most)) = (differences.iter().min(), differences.iter().max()) {
        measures.timestamps = Some(Timestamps { mostly: judged.offset, least, most });
    }
    let tracks = of_kind.into_iter().map(|(kind, pairs)| TrackTimes {
        kind,
        moved: moved(&pairs),
        all: pairs.iter().map(|pair| pair.at).collect(),
    });
    measures.tracks = tracks.collect();
    let mut sorted: Vec<_> = delays.iter().map(|(_, delay)| *delay).collect();
    sorted.sort_by(f64::total_cmp);
    if let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) {
        let median = sorted[(sorted.len() - 1) / 2];
        measures.late = delays.iter().filter(|(_, delay)| *delay > median + LATE).map(|(at, _)| *at).collect();
        measures.delay = Some(Delay { min, median, max, messages: sorted.len() as u64 });
    }
    measures
}

/// The timestamps of a message that came through.
struct Pair {
    /// Its place among those sent.
    at: usize,
    sent: u32,
    received: u32,
}

/// What was done to the timestamps of a track.
fn moved(pairs: &[Pair]) -> Moved {
    /// So many show how times run.
    const LEAST: usize = 4;
    /// Clocks that are this close, as a share, run alike.
    const ALIKE: f64 = 0.01;
    let step = |from: u32, to: u32| i64::from(to.wrapping_sub(from).cast_signed());
    let [first, .., last] = pairs else {
        return pairs.first().map_or(Moved::Varying, |only| Moved::By(step(only.sent, only.received) as i32));
    };
    let by = step(first.sent, first.received);
    let rounding = i64::from(ROUNDING);
    if pairs.iter().all(|pair| (step(pair.sent, pair.received) - by).abs() <= rounding) {
        return Moved::By(by as i32);
    }
    let (sent, received) = (step(first.sent, last.sent), step(first.received, last.received));
    let factor = received as f64 / sent.max(1) as f64;
    let runs = |pair: &Pair| {
        let meant = (step(first.sent, pair.sent) as f64 * factor).round() as i64;
        (step(first.received, pair.received) - meant).abs() <= rounding.max(factor as i64)
    };
    let is_factor = pairs.len() >= LEAST && sent > 0 && received > 0 && (factor - 1.0).abs() > ALIKE;
    if is_factor && pairs.iter().all(runs) { Moved::Times(factor) } else { Moved::Varying }
}
