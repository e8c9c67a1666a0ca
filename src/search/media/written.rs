//! Edits of what chunk headers hold of the time: from what a sender meant to write there to what is there.
//!
//! Takes the messages of a direction, gives the one change of timestamp fields that makes B's of A's; without A, the one
//! after which times run with the clock of the capture and without which they do not. What a receiver makes of a wrong
//! field - times that go back, run too fast, jump - follows from it.

use std::collections::HashMap;

use crate::compare::{Comparison, Side};
use crate::rtmp::class::MediaKind;
use crate::rtmp::message::Ending;
use crate::session::Direction;

use super::times::TimeEdit;
use super::{Edit, Meant, MediaScope};

/// What was done to the time in headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenTime {
    /// What.
    pub change: Change,
    /// In which headers.
    pub headers: Headers,
    /// What belongs there and what is there, where it shows first.
    pub values: [u32; 2],
}

/// A change of a header's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The three bytes are in the other order.
    ByteOrder,
    /// The four bytes of the extended timestamp are in the other order.
    ExtendedOrder,
    /// Only so many low bits are written.
    Bits(u8),
    /// A full header has the difference to the message before in place of the time.
    HoldsDelta,
}

/// Headers that have a time (RTMP 1.0 5.3.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// All.
    All,
    /// Those of format 0.
    Full,
    /// Those of format 1 and 2.
    Delta,
}

/// So many fields show how a sender writes.
const LEAST: usize = 3;
/// From here on the extended timestamp has the time (RTMP 1.0 5.3.1.3).
const EXTENDED: u32 = 0xff_ffff;

/// A message whose header has a time.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub row: usize,
    pub csid: u32,
    pub fmt: u8,
    /// Audio or video, if it is coded media.
    pub kind: Option<MediaKind>,
    /// What is written: a time, or a difference.
    pub is: u32,
    /// Whether the extended timestamp has it.
    pub is_extended: bool,
    /// The time as received.
    pub time: u32,
    pub is_key: bool,
    /// When it was captured, in ms, where that is known.
    pub captured: Option<i64>,
}

/// The headers of B's messages that have a time, or inherit a difference.
pub(super) fn fields(comparison: &Comparison<'_>, direction: Direction) -> Vec<Field> {
    use crate::rtmp::class::MessageClass::{Audio, Video};
    let fields = comparison.rows_of(direction).filter_map(|row| {
        let item = comparison.item(row, Side::B)?;
        let kept = item.message().filter(|kept| kept.ending == Ending::Complete)?;
        let (kind, is_key) = match kept.class {
            Audio => (Some(MediaKind::Audio), false),
            Video { keyframe } => (Some(MediaKind::Video), keyframe),
            _ => (None, false),
        };
        let (fmt, time) = (kept.fmt?, kept.header.timestamp?);
        let is = if fmt == 0 { time } else { kept.header.timestamp_delta? };
        let captured = comparison.b.has_times().then_some(item.time.0 / 1_000_000);
        let is_extended = is_extended(&kept.first_header);
        Some(Field { row, csid: kept.csid, fmt, kind, is, is_extended, time, is_key, captured })
    });
    fields.collect()
}

/// Whether a chunk header sends one to the extended timestamp: its time is 0xffffff (RTMP 1.0 5.3.1.3).
fn is_extended(header: &[u8]) -> bool {
    let basic = match header.first().map(|first| first & 0x3f) {
        Some(0) => 2,
        Some(1) => 3,
        _ => 1,
    };
    header.get(basic..basic + 3) == Some(&[0xff; 3])
}

impl Headers {
    fn has(self, fmt: u8) -> bool {
        match self {
            Headers::All => true,
            Headers::Full => fmt == 0,
            Headers::Delta => fmt > 0,
        }
    }
}

impl Change {
    /// What is written in place of a value; `delta` is the difference to the message before.
    fn made(self, value: u32, delta: Option<u32>) -> Option<u32> {
        Some(match self {
            Change::ByteOrder if value < EXTENDED => value.swap_bytes() >> 8,
            Change::ExtendedOrder if value >= EXTENDED => value.swap_bytes(),
            Change::ByteOrder | Change::ExtendedOrder => value,
            Change::Bits(bits) => value & (u32::MAX >> (32 - u32::from(bits))),
            Change::HoldsDelta => delta?,
        })
    }
}

/// What may be done, and in which headers: the simplest first.
const TRIED: [(Change, Headers); 8] = [
    (Change::ByteOrder, Headers::All),
    (Change::ByteOrder, Headers::Full),
    (Change::ByteOrder, Headers::Delta),
    (Change::ExtendedOrder, Headers::All),
    (Change::ExtendedOrder, Headers::Full),
    (Change::ExtendedOrder, Headers::Delta),
    (Change::Bits(16), Headers::Full),
    (Change::HoldsDelta, Headers::Full),
];

const KINDS: [&[MediaKind]; 3] = [&[MediaKind::Audio, MediaKind::Video], &[MediaKind::Audio], &[MediaKind::Video]];

/// What a header should have, and what it has.
struct Pair {
    row: usize,
    kind: MediaKind,
    fmt: u8,
    meant: u32,
    delta: Option<u32>,
    is: u32,
}

/// The change that makes the times in B's headers of A's times.
pub(super) fn edit(comparison: &Comparison<'_>, direction: Direction) -> Option<Meant> {
    let of_a = |row| {
        let kept = comparison.item(row, Side::A)?.message()?;
        kept.header.timestamp
    };
    let mut on_stream: HashMap<u32, u32> = HashMap::new();
    let mut pairs = Vec::new();
    for field in fields(comparison, direction) {
        let a = of_a(field.row);
        let last = match a {
            Some(a) => on_stream.insert(field.csid, a),
            None => {
                on_stream.remove(&field.csid);
                continue;
            }
        };
        let (Some(a), Some(kind)) = (a, field.kind) else { continue };
        let delta = last.map(|last| a.wrapping_sub(last));
        let meant = match field.fmt {
            0 => a,
            1 | 2 => match delta {
                Some(delta) => delta,
                None => continue,
            },
            _ => continue,
        };
        pairs.push(Pair { row: field.row, kind, fmt: field.fmt, meant, delta, is: field.is });
    }
    let is_as_meant = |pair: &Pair| pair.meant.abs_diff(pair.is) <= 1;
    if pairs.iter().filter(|pair| !is_as_meant(pair)).count() < LEAST {
        return None;
    }
    let fits = |change: Change, headers: Headers, kinds: &[MediaKind]| {
        let mut changed = 0;
        let all = pairs.iter().all(|pair| {
            if !headers.has(pair.fmt) || !kinds.contains(&pair.kind) {
                return is_as_meant(pair);
            }
            // What has no message before it is the time itself.
            let made = change.made(pair.meant, pair.delta).unwrap_or(pair.meant);
            changed += usize::from(made.abs_diff(pair.meant) > 1);
            made == pair.is
        });
        all && changed >= LEAST
    };
    let mut fitting = TRIED.into_iter().flat_map(|(change, headers)| KINDS.map(|kinds| (change, headers, kinds)));
    let (change, headers, kinds) = fitting.find(|&(change, headers, kinds)| fits(change, headers, kinds))?;
    let is_sole = !fitting.any(|(other, headers, kinds)| other != change && fits(other, headers, kinds));
    let first = pairs.iter().find(|pair| !is_as_meant(pair))?;
    let edit = WrittenTime { change, headers, values: [first.meant, first.is] };
    let rows = pairs.iter().map(|pair| pair.row).filter(|&row| row >= first.row).collect();
    Some(meant(edit, kinds, rows, is_sole))
}

fn meant(edit: WrittenTime, kinds: &[MediaKind], rows: Vec<usize>, is_sole: bool) -> Meant {
    let scope = if kinds.len() == 2 { MediaScope::All } else { MediaScope::Kind(kinds[0]) };
    Meant { edit: Edit::Time(TimeEdit::Written(edit)), scope, rows, is_sole }
}

/// The change that, undone, makes times only grow, about as the clock of the capture does, where as they are they do not.
pub(super) fn alone(comparison: &Comparison<'_>, direction: Direction) -> Option<Meant> {
    let all = fields(comparison, direction);
    let as_received: Vec<u32> = all.iter().map(|field| field.time).collect();
    let media = all.iter().filter(|field| field.kind.is_some()).count();
    if media < MANY || runs(&all, &as_received) {
        return None;
    }
    let mut fitting = TRIED.into_iter().flat_map(|(change, headers)| KINDS.map(|kinds| (change, headers, kinds)));
    let mut fits = |(change, headers, kinds): &(Change, Headers, &[MediaKind])| {
        // What is wrapped shows once in a while, and never has more bits.
        let (least, most) = match change {
            Change::Bits(bits) => (1, u32::MAX >> (32 - u32::from(*bits))),
            _ => (LEAST, u32::MAX),
        };
        let is_held = all.iter().all(|field| field.is <= most || !headers.has(field.fmt));
        let (times, changed) = undone(&all, *change, *headers, kinds);
        changed >= least && is_held && runs(&all, &times)
    };
    let (change, headers, kinds) = match fitting.find(&mut fits) {
        Some(found) => found,
        None => return restarted(&all),
    };
    let is_sole = !fitting.any(|other| other.0 != change && fits(&other)) && restarted(&all).is_none();
    let (times, _) = undone(&all, change, headers, kinds);
    let is_wrong = |at: &usize| all[*at].kind.is_some() && times[*at] != as_received[*at];
    let first = (0..all.len()).find(is_wrong)?;
    let belongs = match (all[first].fmt, change) {
        (0, _) => times[first],
        (_, Change::ByteOrder | Change::ExtendedOrder) => change.made(all[first].is, None)?,
        _ => all[first].is,
    };
    let edit = WrittenTime { change, headers, values: [belongs, all[first].is] };
    let rows = all.iter().filter(|field| field.kind.is_some()).map(|field| field.row);
    // Of two readings neither is shown.
    is_sole.then(|| meant(edit, kinds, rows.filter(|&row| row >= all[first].row).collect(), true))
}

/// Fewer messages show nothing of how times run.
const MANY: usize = 12;

/// The times that were meant if this was done, and how many fields it changed.
fn undone(all: &[Field], change: Change, headers: Headers, kinds: &[MediaKind]) -> (Vec<u32>, usize) {
    let mut on_stream: HashMap<u32, (u32, u32)> = HashMap::new();
    let (mut clock, mut changed) = (0u32, 0);
    let times = all.iter().map(|field| {
        let last = on_stream.get(&field.csid).copied();
        let is_in = headers.has(field.fmt) && field.kind.is_none_or(|kind| kinds.contains(&kind));
        let value = match change {
            _ if !is_in => field.is,
            // Each undoes itself.
            Change::ByteOrder if !field.is_extended => field.is.swap_bytes() >> 8,
            Change::ExtendedOrder if field.is_extended => field.is.swap_bytes(),
            Change::Bits(bits) => {
                let over = 1u32 << bits;
                let low = clock & !(over - 1) | field.is & (over - 1);
                let near = [low.wrapping_sub(over), low, low.wrapping_add(over)];
                near.into_iter().min_by_key(|time| time.abs_diff(clock)).unwrap_or(low)
            }
            // A difference of 0 is none: there times begin anew.
            Change::HoldsDelta if field.kind.is_some() && field.is > 0 => {
                last.map_or(field.is, |(last, _)| last.wrapping_add(field.is))
            }
            _ => field.is,
        };
        changed += usize::from(value != field.is);
        let time = match (field.fmt, last) {
            (0, _) => value,
            (3, Some((last, delta))) => last.wrapping_add(delta),
            (_, Some((last, _))) => last.wrapping_add(value),
            _ => field.time,
        };
        on_stream.insert(field.csid, (time, last.map_or(0, |(last, _)| time.wrapping_sub(last))));
        clock = if field.kind.is_some() { time } else { clock };
        time
    });
    (times.collect(), changed)
}

/// Whether times of audio and of video only grow, in small steps, and about as the clock of the capture does: a stored
/// file may be sent some times as fast, and what comes first out of a server's memory.
fn runs(all: &[Field], times: &[u32]) -> bool {
    /// No step is so long, in milliseconds.
    const LONG: i64 = 2000;
    /// So many times as fast.
    const FASTEST: i64 = 10;
    /// What a server has in memory, in milliseconds.
    const AT_ONCE: i64 = 5000;
    [MediaKind::Audio, MediaKind::Video].into_iter().all(|kind| {
        let of_kind = || all.iter().zip(times).filter(|(field, _)| field.kind == Some(kind));
        let mut last: Option<u32> = None;
        let grow = of_kind().all(|(_, &time)| {
            let step = last.replace(time).map_or(0, |last| i64::from(time.wrapping_sub(last) as i32));
            (0..=LONG).contains(&step)
        });
        let ends = of_kind().next().zip(of_kind().next_back());
        grow && ends.is_none_or(|((first, &begin), (end, &last))| {
            let went_by = first.captured.zip(end.captured).map(|(first, end)| end - first);
            let lasts = i64::from(last.wrapping_sub(begin));
            went_by.is_some_and(|went_by| (went_by / 2..=went_by * FASTEST + AT_ONCE).contains(&lasts))
        })
    })
}

/// Times of video that begin anew at every key frame.
fn restarted(all: &[Field]) -> Option<Meant> {
    let keys: Vec<&Field> = all.iter().filter(|field| field.is_key).collect();
    let begins = keys.first()?.time;
    // One that goes back may be a source that began anew.
    if keys.len() < LEAST || keys.iter().any(|key| key.time != begins) {
        return None;
    }
    let (mut base, mut last, mut step) = (0u32, None, 0);
    let times: Vec<u32> = all
        .iter()
        .map(|field| {
            if field.kind != Some(MediaKind::Video) {
                return field.time;
            }
            if let Some(last) = last.replace(field.time) {
                match field.is_key {
                    true => base = base.wrapping_add(u32::wrapping_sub(last, begins)).wrapping_add(step),
                    false => step = field.time.wrapping_sub(last),
                }
            }
            base.wrapping_add(field.time)
        })
        .collect();
    let rows: Vec<usize> = all
        .iter()
        .filter(|field| field.kind == Some(MediaKind::Video) && field.row >= keys[1].row)
        .map(|field| field.row)
        .collect();
    let edit = Edit::Time(TimeEdit::EachKeyFrame);
    runs(all, &times).then_some(Meant { edit, scope: MediaScope::Kind(MediaKind::Video), rows, is_sole: true })
}
