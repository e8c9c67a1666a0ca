//! Which bytes of a text are packets.
//!
//! Takes the dumps or lines of a text, tells packets from payload by their headers, and gives what the text says. Also the
//! lines before dumps, in which tcpdump and tshark say number and time.

use std::ops::Range;

use crate::origin::{FrameNo, Time};

use super::digits::Line;
use super::dump::Dumps;
use super::{Assumption, Content, Packet, Part, Text};

/// What is said before a dump.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heading {
    number: Option<u64>,
    time: Option<Stamp>,
    /// It is of bytes that are not those of the frame: a reassembled segment, decrypted data.
    is_derived: bool,
}

/// A time as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    nanoseconds: i64,
    kind: StampKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StampKind {
    /// Since 1970.
    Epoch,
    /// With a date, without a time zone.
    Date,
    /// Since midnight, or since the packet before.
    Clock,
    /// Since the first packet.
    Relative,
}

impl Heading {
    /// Takes a line that is not of a dump.
    pub(super) fn read(&mut self, line: &str) {
        let source =
            line.strip_suffix("bytes):").and_then(|line| line.rsplit_once(" (")).filter(|_| !line.starts_with(' '));
        if let Some((name, _)) = source {
            self.is_derived = name != "Frame";
            return;
        }
        let line = line.trim();
        let mut words = line.split_ascii_whitespace();
        let Some(first) = words.next() else { return };
        let second = words.next().unwrap_or_default();
        // tshark: `1   0.000000    127.0.0.1 → …`; "No.  Time" of Wireshark's text export alike.
        let relative = || Some((first.parse().ok()?, decimal(second)?));
        if let Some((number, nanoseconds)) = relative().filter(|_| second.contains('.')) {
            let time = Some(Stamp { nanoseconds, kind: StampKind::Relative });
            *self = Heading { number: Some(number), time, is_derived: false };
        } else if let Some(stamp) = stamp(first, second) {
            *self = Heading { time: Some(stamp), ..Heading::default() };
        }
    }

    pub(super) fn take(&mut self) -> Heading {
        std::mem::take(self)
    }
}

/// tcpdump's times: `08:44:54.624237`, `1795337094.624237`, `2026-11-28 08:44:54.624237`.
fn stamp(first: &str, second: &str) -> Option<Stamp> {
    if let Some(nanoseconds) = clock(first) {
        return Some(Stamp { nanoseconds, kind: StampKind::Clock });
    }
    if let (Some(day), Some(clock)) = (date(first), clock(second)) {
        return Some(Stamp { nanoseconds: day.checked_mul(DAY)?.checked_add(clock)?, kind: StampKind::Date });
    }
    let is_epoch = first.len() >= 17 && first.as_bytes().get(10) == Some(&b'.');
    is_epoch.then(|| decimal(first)).flatten().map(|nanoseconds| Stamp { nanoseconds, kind: StampKind::Epoch })
}

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;

/// `1795337094.624237`
pub(super) fn decimal(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let nanoseconds: i64 = format!("{:0<9.9}", fraction).parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(SECOND)?.checked_add(nanoseconds)
}

/// `08:44:54.624237`
fn clock(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let is_two = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_two(hours) || !is_two(minutes) || !seconds.contains('.') {
        return None;
    }
    let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    Some(minutes * 60 * SECOND + decimal(seconds)?)
}

/// `2026-11-28`, in days since 1970.
fn date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let mut part = |len: usize| {
        let text = parts.next().filter(|text| text.len() == len)?;
        text.parse::<i64>().ok()
    };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// What dumps are: packets if their headers say so, else one direction, or both where one is indented.
pub(super) fn recognise(found: Dumps) -> Text {
    let Dumps { bytes, dumps, low_byte_first } = found;
    let mut assumed = Vec::new();
    if low_byte_first {
        assumed.push(Assumption::LowByteFirst);
    }
    let real: Vec<_> = dumps.into_iter().filter(|dump| !dump.heading.is_derived).collect();
    let ranges: Vec<_> = real.iter().map(|dump| dump.range.clone()).collect();
    if let Some(link_type) = common_link_type(&bytes, &ranges) {
        let stamps: Vec<_> = real.iter().map(|dump| dump.heading.time).collect();
        let times = times(&stamps, &mut assumed);
        let packet = |(dump, time): (&super::dump::Dump, Time)| Packet {
            number: dump.heading.number,
            time,
            link_type,
            range: dump.range.clone(),
        };
        let mut packets: Vec<Packet> = real.iter().zip(times).map(packet).collect();
        // Numbers are those of frames only if they ascend.
        if !packets.windows(2).all(|pair| pair[0].number.is_some() && pair[0].number < pair[1].number) {
            packets.iter_mut().for_each(|packet| packet.number = None);
        }
        assumed.push(Assumption::Packets { count: packets.len(), link_type });
        return Text { bytes, content: Content::Packets(packets), assumed };
    }
    let parts: Vec<_> = real.iter().map(|dump| Part::of(usize::from(dump.is_indented), dump.range.clone())).collect();
    if parts.len() > 1 && parts.iter().all(|part| part.side == 0) {
        assumed.push(Assumption::Joined(parts.len()));
    }
    Text { bytes, content: Content::Parts(parts), assumed }
}

/// What bytes are that came in one piece: a packet, or of one direction.
pub(super) fn of_bytes(bytes: Vec<u8>) -> Text {
    of_lines(vec![Line { bytes, is_indented: false }])
}

/// What lines of hex are: packets, if each is one; else a direction, or two, where some are indented.
pub(super) fn of_lines(lines: Vec<Line>) -> Text {
    let mut bytes = Vec::new();
    let mut ranges = Vec::new();
    let mut sides = Vec::new();
    for line in lines.into_iter().filter(|line| !line.bytes.is_empty()) {
        let start = bytes.len();
        bytes.extend(line.bytes);
        ranges.push(start..bytes.len());
        sides.push(line.is_indented);
    }
    let are_packets = ranges.iter().all(|range| link_type(&bytes[range.clone()]).is_some());
    if let Some(link_type) = common_link_type(&bytes, &ranges).filter(|_| are_packets) {
        let packet = |range: &Range<usize>| Packet { number: None, time: Time::NONE, link_type, range: range.clone() };
        let assumed = vec![Assumption::Packets { count: ranges.len(), link_type }];
        return Text { content: Content::Packets(ranges.iter().map(packet).collect()), assumed, bytes };
    }
    // One packet in several lines.
    if let Some(link_type) = link_type(&bytes) {
        let packet = Packet { number: None, time: Time::NONE, link_type, range: 0..bytes.len() };
        let assumed = vec![Assumption::Packets { count: 1, link_type }];
        return Text { content: Content::Packets(vec![packet]), assumed, bytes };
    }
    let has_two = sides.iter().any(|&indented| indented) && sides.first() == Some(&false);
    let part = |(range, indented): (Range<usize>, bool)| Part::of(usize::from(has_two && indented), range);
    let parts = ranges.into_iter().zip(sides).map(part).collect();
    Text { bytes, content: Content::Parts(parts), assumed: Vec::new() }
}

/// The times of packets, and what they assume.
fn times(stamps: &[Option<Stamp>], assumed: &mut Vec<Assumption>) -> Vec<Time> {
    let kind = stamps.iter().flatten().map(|stamp| stamp.kind).next();
    let Some(kind) = kind.filter(|kind| stamps.iter().flatten().all(|stamp| stamp.kind == *kind)) else {
        return vec![Time::NONE; stamps.len()];
    };
    if stamps.iter().any(Option::is_none) {
        // Some have none: none is shown rather than some wrong.
        return vec![Time::NONE; stamps.len()];
    }
    let all: Vec<i64> = stamps.iter().flatten().map(|stamp| stamp.nanoseconds).collect();
    match kind {
        StampKind::Epoch => {}
        StampKind::Date => assumed.push(Assumption::NoZone),
        StampKind::Relative => assumed.push(Assumption::Relative),
        StampKind::Clock if all.first() == Some(&0) => {
            assumed.push(Assumption::Relative);
            // tcpdump -ttt: since the packet before; -ttttt: since the first, so they ascend.
            if all.windows(2).any(|pair| pair[1] < pair[0]) {
                let mut sum = 0_i64;
                return all
                    .iter()
                    .map(|delta| {
                        sum = sum.saturating_add(*delta);
                        Time(sum)
                    })
                    .collect();
            }
        }
        StampKind::Clock => {
            assumed.push(Assumption::NoDate);
            // Past midnight.
            let (mut days, mut before) = (0_i64, 0_i64);
            return all
                .iter()
                .map(|&clock| {
                    if clock < before - DAY / 2 {
                        days += 1;
                    }
                    before = clock;
                    Time(clock + days * DAY)
                })
                .collect();
        }
    }
    all.into_iter().map(Time).collect()
}

/// The link type that most packets have, if at least half of them are packets by their headers.
fn common_link_type(bytes: &[u8], ranges: &[Range<usize>]) -> Option<u32> {
    let mut counts: Vec<(u32, usize)> = Vec::new();
    for found in ranges.iter().filter_map(|range| link_type(&bytes[range.clone()])) {
        match counts.iter_mut().find(|(link, _)| *link == found) {
            Some((_, count)) => *count += 1,
            None => counts.push((found, 1)),
        }
    }
    let (link_type, _) = counts.iter().copied().max_by_key(|(_, count)| *count)?;
    let all: usize = counts.iter().map(|(_, count)| count).sum();
    (all * 2 >= ranges.len()).then_some(link_type)
}

/// The link type of a packet (LINKTYPE_*), by its headers.
fn link_type(bytes: &[u8]) -> Option<u32> {
    let be16 = |at: usize| bytes.get(at..at + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let ip_at = |at: usize| bytes.get(at..).is_some_and(is_ip);
    if is_ip(bytes) {
        return Some(101);
    }
    let mut at = 12;
    while matches!(be16(at), Some(0x8100 | 0x88a8)) && at < 28 {
        at += 4;
    }
    if matches!(be16(at), Some(0x0800 | 0x86dd)) && ip_at(at + 2) {
        return Some(1);
    }
    if matches!(be16(0), Some(0..=4)) && matches!(be16(14), Some(0x0800 | 0x86dd)) && ip_at(16) {
        return Some(113);
    }
    if matches!(be16(0), Some(0x0800 | 0x86dd)) && ip_at(20) {
        return Some(276);
    }
    let family = bytes.first_chunk::<4>().map(|family| u32::from_le_bytes(*family));
    let is_family = family.is_some_and(|family| matches!(family.min(family.swap_bytes()), 2 | 10 | 24 | 28 | 30));
    (is_family && ip_at(4)).then_some(0)
}

/// Whether an IP packet begins here: its lengths fit, or its checksum does.
fn is_ip(bytes: &[u8]) -> bool {
    match bytes.first().map(|first| first >> 4) {
        Some(4) => {
            let header = usize::from(bytes[0] & 15) * 4;
            let Some(head) = bytes.get(..header).filter(|_| header >= 20) else { return false };
            let total = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let sum: u32 = head.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
            let sum = (sum & 0xffff) + (sum >> 16);
            let is_valid = (sum & 0xffff) + (sum >> 16) == 0xffff;
            is_valid || (total >= header && total <= bytes.len() && bytes.len() - total <= 46) && head[8] > 0
        }
        Some(6) => {
            let Some(head) = bytes.get(..40) else { return false };
            let length = 40 + usize::from(u16::from_be_bytes([head[4], head[5]]));
            let known = matches!(head[6], 0 | 4 | 6 | 17 | 41 | 43 | 44 | 47 | 51 | 58 | 60);
            known && length <= bytes.len().max(1280) && head[7] > 0
        }
        _ => false,
    }
}

/// The frame with a number, if it is one.
pub(super) fn frame(number: Option<u64>) -> FrameNo {
    number.map_or(FrameNo::NONE, FrameNo)
}
