//! What full headers say: the type and the message stream (RTMP 1.0 5.3.1.2.1, 6.1.1).

use crate::compare::{Comparison, FieldPath, Side};
use crate::rtmp::MessageTypeId;
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};

use super::open_at;

pub static TYPE_ID_DEC_HEX: Rule = Rule {
    code: "type-id-dec-hex",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a hexadecimal message type was sent as a decimal number",
    page: Page {
        what: "A command or data message has a type that no receiver knows, although its body is AMF. Types are shown \
               in hexadecimal by Wireshark and in decimal by the specification: 0x14 is 20, and 14 is not a type.",
        looks: "03 00 00 00 00 00 8c 0e 00 00 00 00   02 00 07 63 6f 6e 6e 65 63 74\n\
                \n\
                0e is 14. AMF 0 commands are 14 hexadecimal, 20 decimal. Likewise 12 for 18 (0x12, data), 11 for 17 (0x11, AMF 3 \
                command), 15 for 21.",
        who: "Clients written by reading a Wireshark tree.",
        fix: "Send 20 (0x14) for AMF 0 commands, 18 (0x12) for AMF 0 data, 17 (0x11) for AMF 3 commands.",
        source: "RTMP 1.0 section 7.1. Servers silently drop types they do not know; Node-Media-Server closes.",
    },
    check: Check::Diff(type_id),
};

fn type_id(comparison: &Comparison<'_>) -> Vec<Claim> {
    let of_b = |row: usize| comparison.item(row, Side::B)?.message().zip(comparison.name(row, Side::B)?.read_as);
    // In A it has the right type, or there is no A.
    let rows = (0..comparison.rows.len()).filter(|&row| of_b(row).is_some());
    let wrong: Vec<usize> = open_at(comparison, FieldPath::TYPE_ID)
        .filter(|&index| of_b(comparison.mismatches[index].row).is_some())
        .collect();
    let is_wrong =
        |row: &usize| comparison.a.is_none() || wrong.iter().any(|&index| comparison.mismatches[index].row == *row);
    let Some(row) = rows.clone().find(is_wrong) else { return Vec::new() };
    let Some((kept, meant)) = of_b(row) else { return Vec::new() };
    let sent = kept.header.type_id;
    let MessageTypeId(number) = meant;
    let as_hex = u8::from_str_radix(&sent.0.to_string(), 16) == Ok(number);
    let why = if as_hex {
        format!("the body is that of {meant}, and {number:#04x} read as decimal is {}", sent.0)
    } else {
        format!("the body is that of {meant}; no receiver knows type {}", sent.numbers())
    };
    let name = comparison.either(row).name.clone();
    let title = format!("{name} was sent with message type {} where {} is meant", sent.numbers(), meant.numbers());
    let claim =
        Claim::at_header(comparison, row, FieldPath::TYPE_ID, (7..8, sent.to_string()), Certainty::Certain, title);
    vec![claim.why(why).fix(format!("send type {}", meant.numbers())).explaining(wrong).breaking(Impact::Response)]
}

pub static MSID_BIG_ENDIAN: Rule = Rule {
    code: "msid-big-endian",
    layer: Layer::Chunk,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the message stream id is big-endian",
    page: Page {
        what: "The message stream id is the only little-endian field of a full header. Written like the others, stream \
               1 becomes 16777216, which no createStream returned.",
        looks: "08 00 00 00 00 00 1e 14 00 00 00 01   wrong: 16777216\n\
                08 00 00 00 00 00 1e 14 01 00 00 00   right: 1",
        who: "Clients written from the figures: section 6.1.1 shows a big-endian stream id that is never sent so.",
        fix: "Write the last four bytes of a fmt 0 header in little-endian.",
        source: "RTMP 1.0 section 5.3.1.2.5. nginx-rtmp and Node-Media-Server ignore it; servers that check it drop \
                 the message: c-bata/rtmp#2, medooze/media-server#195.",
    },
    check: Check::Diff(msid_big_endian),
};

fn msid_big_endian(comparison: &Comparison<'_>) -> Vec<Claim> {
    let streams = |index: usize| -> Option<[u32; 2]> {
        let row = comparison.mismatches[index].row;
        let stream = |side| comparison.item(row, side)?.message()?.header.message_stream_id;
        Some([stream(Side::A)?.0, stream(Side::B)?.0])
    };
    let is_swapped = |&index: &usize| {
        streams(index).is_some_and(|[a, b]| b == a.swap_bytes() || b >= 1 << 24 && b.swap_bytes() < 1 << 8)
    };
    let wrong: Vec<usize> = open_at(comparison, FieldPath::STREAM_ID).filter(is_swapped).collect();
    let found = if comparison.a.is_none() {
        big_endian(comparison)
    } else {
        let first = wrong.first().and_then(|&first| Some((comparison.mismatches[first].row, streams(first)?)));
        first.map(|(row, [a, b])| (row, a, b, wrong.len()))
    };
    let Some((row, a, b, count)) = found else { return Vec::new() };
    let name = &comparison.either(row).name;
    let title = format!("{name} was sent on message stream {b}, which is {} in big-endian", b.swap_bytes());
    let also = match count {
        1 => String::new(),
        count => format!("; so are {} more messages", count - 1),
    };
    let same = match comparison.a.is_none() {
        false if a == b.swap_bytes() => format!(", and A sends it on {a}"),
        _ => String::new(),
    };
    let claim =
        Claim::at_header(comparison, row, FieldPath::STREAM_ID, (8..12, b.to_string()), Certainty::Certain, title)
            .why(format!(
                "in the other byte order it is {}{same}{also}; servers that check the field do not know stream {b}",
                b.swap_bytes()
            ))
            .fix("write the message stream id in little-endian, as the only field of the header")
            .explaining(wrong);
    vec![claim]
}

/// The first message of B on a stream that is small only when read in big-endian: its row, the stream meant and the
/// one written, and how many there are.
fn big_endian(comparison: &Comparison<'_>) -> Option<(usize, u32, u32, usize)> {
    let stream = |row: usize| comparison.item(row, Side::B)?.message()?.header.message_stream_id;
    let is_swapped = |&(_, stream): &(usize, u32)| stream >= 1 << 24 && stream.swap_bytes() < 1 << 8;
    let all = (0..comparison.rows.len()).filter_map(|row| Some((row, stream(row)?.0))).filter(is_swapped);
    let (row, sent) = all.clone().next()?;
    Some((row, sent.swap_bytes(), sent, all.count()))
}
