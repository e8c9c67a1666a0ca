//! Rules of the capture: bytes that were sent and are not in it. All else is to be read with that in mind, so that
//! they come before all others, whichever of the two captures is the one with the holes.

use crate::compare::{Comparison, Side, Value};
use crate::recording::{EventKind, RecordedEvent};
use crate::rtmp::handshake::Part;
use crate::session::{Direction, Protocol};
use crate::tcp::{Gap, GapReason};

use super::opening::{CLIENT, Opening, SERVER, first_row, mismatches_of, row_of};
use super::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};

pub static GAP: Rule = Rule {
    code: "capture-gap",
    layer: Layer::Capture,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the capture lost bytes that were sent",
    page: Page {
        what: "There is a hole in the sequence numbers of a direction that no segment fills, and the receiver \
               acknowledged the bytes: it received them, but the capture lacks them. Where a chunk header was in the \
               hole, what follows is found again by looking for headers, and the messages around it are damaged or \
               missing.",
        looks: "segment   seq 4622   206 bytes\n\
                missing   seq 4828   1448 bytes\n\
                segment   seq 6276   c6 00 00 28 00 03 2e 09\n\
                \n\
                The peer's acknowledgement number passes 6276, so the bytes did arrive.",
        who: "tcpdump and dumpcap on a busy machine, where the kernel's buffer overflows; switches whose mirror port is slower \
              than the traffic.",
        fix: "Record again with a larger buffer (tcpdump -B 65536, dumpcap -B 64), with a filter for the one port, to a local disk.",
        source: "Sequence numbers and acknowledgements of RFC 9293 section 3.4.",
    },
    check: Check::Diff(gap),
};

pub static SNAPLEN: Rule = Rule {
    code: "capture-snaplen",
    layer: Layer::Capture,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the capture keeps only the first bytes of each packet",
    page: Page {
        what: "Packets were longer on the wire than they are in the file: the capture was made with a snap length. \
               Every larger segment has a hole at its end.",
        looks: "frame header   c8 00 00 00   200 bytes captured\n\
                frame header   de 05 00 00   1502 bytes on the wire",
        who: "tcpdump with -s 96 or similar, old versions of it without -s, and devices that record headers only.",
        fix: "Record again with tcpdump -s 0.",
        source: "The packet headers of pcap and pcapng have both lengths.",
    },
    check: Check::Diff(snaplen),
};

pub static MIDSTREAM: Rule = Rule {
    code: "capture-midstream",
    layer: Layer::Capture,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the capture begins in the middle of the connection",
    page: Page {
        what: "There is no SYN and no handshake: the connection was open when the recording began. The chunk size, \
               what type-3 headers inherit, and everything that was agreed on before are unknown; they are inferred \
               from what follows.",
        looks: "a beginning has   03 00 00 00 00 09 00 7c 02   C0, time, version\n\
                this one has      c6 41 9a 21 6c 42 7f         a type-3 chunk",
        who: "tcpdump started after the encoder.",
        fix: "Start the capture, then the client.",
        source: "RTMP 1.0 section 5.2: a connection begins with the handshake. Section 5.3.1.2: headers build on earlier ones.",
    },
    check: Check::Diff(midstream),
};

pub static ONE_WAY: Rule = Rule {
    code: "capture-one-way",
    layer: Layer::Capture,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the capture has one direction only",
    page: Page {
        what: "One side sent, and its acknowledgement numbers grow: it received bytes that are not in the file. So the \
               other side's answers and the chunk sizes that it announced are unknown.",
        looks: "client   seq 1      03 00 00 00 00 ...   ack 1\n\
                client   seq 1538   00 00 00 00 a5 ...   ack 3074\n\
                \n\
                3073 bytes of the server were acknowledged, but no packet of the server was captured.",
        who: "Filters such as `dst port 1935`, mirror ports set to one direction, and routes that differ there and back.",
        fix: "Filter with `port 1935`, which captures both directions, or record on one of the two machines.",
        source: "Acknowledgement numbers of RFC 9293 section 3.4.",
    },
    check: Check::Diff(one_way),
};

const SIDES: [Side; 2] = [Side::A, Side::B];
const DIRECTIONS: [Direction; 2] = [CLIENT, SERVER];

fn gap(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for (side, direction) in SIDES.into_iter().flat_map(|side| DIRECTIONS.map(|direction| (side, direction))) {
        let Some(opening) = comparison.session(side).map(Opening::of) else { continue };
        if is_one_way(opening, direction) {
            continue;
        }
        let gaps: Vec<_> = gaps(opening, direction)
            .filter(|(_, gap)| gap.reason.is_in_capture() && gap.reason != GapReason::Snaplen)
            .collect();
        let Some(&(item, first)) = gaps.first() else { continue };
        let lost: u64 = gaps.iter().map(|(_, gap)| gap.len).sum();
        let places = if gaps.len() == 1 { String::new() } else { format!(" in {} places", gaps.len()) };
        let certainty = if first.reason == GapReason::Acknowledged { Certainty::Certain } else { Certainty::Likely };
        let title = format!(
            "{} lost {lost} of the {}'s bytes{places}, the first at stream offset {}",
            name(comparison, side),
            sender(direction),
            first.offset
        );
        let how = match first.reason {
            GapReason::Acknowledged => "the receiver acknowledged them, so they were sent and received",
            _ => "no later packet contains them",
        };
        let why = format!(
            "{how}; messages that had bytes in the hole are damaged or missing, and what follows it in this direction \
             was found again by its chunk headers: timestamps and types there may be guesses"
        );
        let Some(claim) = claim(comparison, side, Some(direction), item, certainty, title) else { continue };
        claims.push(claim.why(why).fix("record again with a larger capture buffer (tcpdump -B 65536, dumpcap -B 64)"));
    }
    claims
}

fn snaplen(comparison: &Comparison<'_>) -> Vec<Claim> {
    let claim_of = |side: Side| {
        let opening = Opening::of(comparison.session(side)?);
        let cut = |direction| gaps(opening, direction).filter(|(_, gap)| gap.reason == GapReason::Snaplen);
        let [of_client, of_server] = DIRECTIONS.map(|direction| cut(direction).map(|(_, gap)| gap.len).sum::<u64>());
        let (item, _) = DIRECTIONS.into_iter().flat_map(cut).min_by_key(|(item, _)| item.number)?;
        let packets: usize = DIRECTIONS.into_iter().map(|direction| cut(direction).count()).sum();
        let title = format!(
            "{} keeps only the beginning of {packets} packets: {of_client} bytes of the client and {of_server} of the \
             server are cut off",
            name(comparison, side)
        );
        let claim = claim(comparison, side, None, item, Certainty::Certain, title)?;
        let why = "the packets were longer on the wire than they are in the file, so the capture was made with a snap \
                   length; messages that extend into the part that was cut off are damaged or missing";
        Some(claim.why(why).fix("record again with tcpdump -s 0"))
    };
    SIDES.into_iter().filter_map(claim_of).collect()
}

fn midstream(comparison: &Comparison<'_>) -> Vec<Claim> {
    let [in_a, in_b] =
        SIDES.map(|side| comparison.session(side).map(Opening::of).filter(|opening| starts_late(*opening)));
    // If both do, it is no difference; how far they had come may be one, and is not known.
    let (side, opening) = match (in_a, in_b) {
        (None, Some(b)) => (Side::B, b),
        (Some(a), None) => (Side::A, a),
        _ => return Vec::new(),
    };
    let Some(item) = opening.session.items.first() else { return Vec::new() };
    let Some(row) = row_of(comparison, side, item) else { return Vec::new() };
    let title = format!("{} begins in the middle of the connection, after the handshake", name(comparison, side));
    let is_alone = |row: usize| comparison.item(row, Side::A).is_none() || comparison.item(row, Side::B).is_none();
    let before = mismatches_of(comparison, |other| other <= row && is_alone(other));
    if before.is_empty() && comparison.a.is_some() {
        return Vec::new();
    }
    let value = Value::words(item.info.clone());
    let mut values = [None, None];
    values[side as usize] = Some(value);
    let claim = Claim::on(row, "capture", values, Certainty::Certain, title);
    let breaks = Impact::Capture { direction: None, from: 0 };
    let why = "there is no SYN and no handshake before the first bytes; the chunk sizes and all that chunk headers \
               inherit from earlier ones are inferred from what follows, so everything else reported here is an \
               assumption";
    vec![claim.explaining(before).why(why).fix("start the capture first, then the client").breaking(breaks)]
}

fn one_way(comparison: &Comparison<'_>) -> Vec<Claim> {
    let of = |side| {
        let opening = Opening::of(comparison.session(side)?);
        // By itself, one direction that was given alone is what somebody wanted to look at.
        let is_alone = |direction| comparison.a.is_some() && is_not_given(opening, direction);
        let absent = |&direction: &Direction| is_one_way(opening, direction) || is_alone(direction);
        let direction = DIRECTIONS.into_iter().find(absent)?;
        Some((side, opening, direction))
    };
    let (side, opening, direction) = match (of(Side::A), of(Side::B)) {
        (a, Some(b)) if a.is_none_or(|a| a.2 != b.2) => b,
        (Some(a), None) => a,
        _ => return Vec::new(),
    };
    let count = opening.count(direction);
    let unseen = count.unseen_bytes + count.gap_bytes;
    let is_given = opening.session.is_given();
    let (absent, present) = (sender(direction), sender(direction.back()));
    let Some(row) = comparison.rows_of(direction).next().or_else(|| first_row(comparison, direction, side)) else {
        return Vec::new();
    };
    let explains = mismatches_of(comparison, |row| comparison.either_item(row).direction == direction);
    if explains.is_empty() && comparison.a.is_some() {
        return Vec::new();
    }
    let title = format!("{} contains nothing that the {absent} sent", name(comparison, side));
    let (why, fix) = if is_given {
        let why = format!("only bytes of the {present} were given: what the {absent} sent is unknown");
        (why, "give the bytes of both directions")
    } else {
        let why = format!(
            "the {present} acknowledged {unseen} bytes of the {absent}, and the capture contains none of them: what the \
             {absent} answered, and which chunk size it announced, is unknown"
        );
        (why, "capture both directions: filter with `port 1935`, not `dst port` or `src port`")
    };
    let claim = Claim::on(row, "capture", [None, None], Certainty::Certain, title);
    vec![claim.why(why).fix(fix).explaining(explains).breaking(Impact::Capture { direction: Some(direction), from: 0 })]
}

/// A claim about bytes that one capture lost, beginning with this item. None if nothing differs for it.
fn claim(
    comparison: &Comparison<'_>,
    side: Side,
    lost: Option<Direction>,
    item: &RecordedEvent,
    certainty: Certainty,
    title: String,
) -> Option<Claim> {
    let row = row_of(comparison, side, item)?;
    let is_of = |other: usize| lost.is_none_or(|direction| comparison.either_item(other).direction == direction);
    // What comes before the hole in its direction was read in time.
    let is_before = |other: &usize| {
        let sound = comparison.item(*other, side).filter(|sound| sound.direction == item.direction);
        sound.is_some_and(|sound| sound.at.end <= item.at.start)
    };
    let from = (0..row).rev().find(is_before).map_or(0, |last| last + 1);
    let is_hurt = |row: usize| comparison.item(row, side).is_some_and(RecordedEvent::is_damaged);
    let behind = mismatches_of(comparison, |other| other >= from && is_of(other));
    let hurt: Vec<usize> = behind.iter().copied().filter(|&index| is_hurt(comparison.mismatches[index].row)).collect();
    let explains = if hurt.is_empty() { behind.into_iter().take(1).collect() } else { hurt };
    let value = Value::words(item.info.clone());
    let mut sides = [None, None];
    sides[side as usize] = Some(value);
    let claim = Claim::on(row, "capture", sides, certainty, title);
    (!explains.is_empty() || comparison.a.is_none())
        .then(|| claim.explaining(explains).breaking(Impact::Capture { direction: lost, from }))
}

fn gaps<'r>(opening: Opening<'r>, direction: Direction) -> impl Iterator<Item = (&'r RecordedEvent, Gap)> {
    opening.items(direction).filter_map(|item| match item.content {
        EventKind::Gap(gap) => Some((item, gap)),
        _ => None,
    })
}

/// Whether nothing of a direction was captured, though the other side acknowledged bytes of it.
fn is_one_way(opening: Opening<'_>, direction: Direction) -> bool {
    let (count, back) = (opening.count(direction), opening.count(direction.back()));
    // The FIN's own number is no byte.
    count.bytes == 0 && back.bytes > 0 && count.unseen_bytes + count.gap_bytes > 1
}

/// Whether the bytes of the other direction only were given.
fn is_not_given(opening: Opening<'_>, direction: Direction) -> bool {
    let (count, back) = (opening.count(direction), opening.count(direction.back()));
    opening.session.is_given() && count.bytes == 0 && back.bytes > 0
}

/// Whether neither the SYN nor the handshake was captured, of a direction that was.
fn starts_late(opening: Opening<'_>) -> bool {
    let is_late = |(direction, part): (Direction, Part)| {
        let is_there = opening.count(direction).bytes > 0;
        is_there && !opening.session.from_start[direction.index()] && opening.part(part).is_none()
    };
    opening.session.stream.protocol == Protocol::Rtmp
        && [(CLIENT, Part::C0C1), (SERVER, Part::S0S1S2)].into_iter().any(is_late)
}

fn name(comparison: &Comparison<'_>, side: Side) -> &'static str {
    match side {
        _ if comparison.a.is_none() => "the capture",
        Side::A => "capture A, the good one,",
        Side::B => "capture B",
    }
}

fn sender(direction: Direction) -> &'static str {
    match direction {
        CLIENT => "client",
        SERVER => "server",
    }
}
