//! A message that breaks the framing at the very end of a direction, where there is too little after it for a
//! hypothesis to be replayed: what was sent is proven by what the message should be, which A has, or by its AMF.

use crate::compare::{Comparison, Side};
use crate::recording::{RecordedEvent, RecordedMessage};
use crate::rtmp::{MessageTypeId, body};
use crate::rules::broken::{self, spaced};
use crate::rules::{Certainty, Claim, Impact};
use crate::session::Direction;

use super::{BOTH, is_explained, messages, of_row, raw, type3};

/// How the message was written.
struct Tail<'r> {
    row: usize,
    item: &'r RecordedEvent,
    kept: &'r RecordedMessage,
    code: &'static str,
    size: usize,
    header: Vec<u8>,
    certain: bool,
    like_a: bool,
}

/// The types of messages that are AMF to the last byte.
const AMF: [MessageTypeId; 4] =
    [MessageTypeId::AMF0_COMMAND, MessageTypeId::AMF0_DATA, MessageTypeId::AMF3_COMMAND, MessageTypeId::AMF3_DATA];
/// So many messages of A are looked at for what one should be.
const MOST: usize = 16;

/// The claims of the rule `code`.
pub fn claims(comparison: &Comparison<'_>, code: &str) -> Vec<Claim> {
    let found = BOTH.into_iter().filter_map(|direction| find(comparison, direction));
    found.filter(|tail| tail.code == code).map(|tail| claim(comparison, &tail)).collect()
}

fn find<'r>(comparison: &Comparison<'r>, direction: Direction) -> Option<Tail<'r>> {
    if is_explained(comparison, direction) {
        return None;
    }
    // The first message whose body is not what it should be.
    let (row, item, kept) = messages(comparison, Side::B, direction).find(|(row, _, kept)| {
        let of_a = comparison.item(*row, Side::A).and_then(|item| item.message());
        let like_a = of_a.is_some_and(|of_a| of_a.hash == kept.hash);
        !like_a && kept.header.length > 4 && is_broken(kept)
    })?;
    let length = kept.header.length as usize;
    let sent = raw(comparison.b, direction, item.at.start + kept.first_header.len() as u64)?;
    // What it should be may be in A under another name: that comes of the body.
    let alike: Vec<&RecordedMessage> = messages(comparison, Side::A, direction)
        .map(|(.., of_a)| of_a)
        .filter(|of_a| of_a.header.type_id == kept.header.type_id && of_a.header.length == kept.header.length)
        .take(MOST)
        .collect();
    let is_meant = |body: &[u8]| match alike.iter().any(|of_a| of_a.body == body) {
        true => Some(true),
        false => is_amf(kept.header.type_id, body).then_some(false),
    };
    let force = kept.chunks?.size as usize;
    let right = type3::header(kept.csid);
    let found = |code, size, header: &[u8], like_a, certain| {
        Some(Tail { row, item, kept, code, size, header: header.to_vec(), certain, like_a })
    };
    // An extended timestamp that the field does not tell of.
    if let Some(like_a) =
        sent.get(4..).and_then(|sent| join(sent, length, force, &right)).and_then(|body| is_meant(&body))
    {
        return found("ts-field-ffffff-no-ext", force, &sent[..4], like_a, true);
    }
    for len in [0, 1, 2, 3, 4, 8, 12] {
        // What fits in a chunk has no header inside.
        let sent_header = sent.get(force..force + len).filter(|_| length > force);
        let Some(header) = sent_header.filter(|header| *header != right) else { continue };
        let Some(like_a) = join(sent, length, force, header).and_then(|body| is_meant(&body)) else { continue };
        let (code, certain) = match header.first().map(|first| first >> 6) {
            None => left_out(comparison, direction, row),
            Some(3) if type3::is_of_form(kept.csid, named(header)) => ("csid-extended-form", true),
            Some(3) => ("wrong-csid-continuation", true),
            Some(_) => ("fmt0-mid-message", true),
        };
        return found(code, force, header, like_a, certain);
    }
    // Another size.
    let announced = last_announced(comparison, direction, row);
    let sizes = (1..length.min(sent.len())).filter(|&size| size != force && sent[size..].starts_with(&right));
    for size in sizes.take(64) {
        let Some(like_a) = join(sent, length, size, &right).and_then(|body| is_meant(&body)) else { continue };
        let code = match announced {
            Some(announced) if announced.swap_bytes() as usize == size => "chunk-size-byte-order",
            Some(_) => "chunk-size-not-applied",
            None => "chunk-size-not-announced",
        };
        return found(code, size, &right, like_a, true);
    }
    None
}

/// Whether a body is not what the sender meant, as far as can be seen.
fn is_broken(kept: &RecordedMessage) -> bool {
    use crate::rtmp::message::Ending;
    match kept.ending {
        // What is no AMF, media and control messages, may differ for reasons of its own.
        Ending::Complete => AMF.contains(&kept.header.type_id) && !is_amf(kept.header.type_id, &kept.body),
        Ending::Lost | Ending::Cut | Ending::Abandoned => true,
        Ending::Aborted | Ending::Missing | Ending::Unproven => false,
    }
}

/// The body that was sent in chunks of `size` with this header between them.
fn join(sent: &[u8], length: usize, size: usize, header: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::with_capacity(length);
    let mut rest = sent;
    while body.len() < length {
        if !body.is_empty() {
            rest = rest.strip_prefix(header)?;
        }
        let take = size.max(1).min(length - body.len());
        body.extend_from_slice(rest.get(..take)?);
        rest = &rest[take..];
    }
    Some(body)
}

/// Whether a body is a command or data message that reads to its end without a fault.
fn is_amf(type_id: MessageTypeId, bytes: &[u8]) -> bool {
    AMF.contains(&type_id) && body::decode(type_id, bytes, bytes.len() as u32, &mut ()).defects.is_empty()
}

/// The chunk stream that a type 3 header names.
fn named(header: &[u8]) -> u32 {
    match *header {
        [0xc0, low, ..] => u32::from(low) + 64,
        [0xc1, low, high, ..] => u32::from(low) + 256 * u32::from(high) + 64,
        [first, ..] => u32::from(first & 0x3f),
        [] => 0,
    }
}

/// No header at all: who cut others of the kind knows the chunk size, who cut none may have another.
fn left_out(comparison: &Comparison<'_>, direction: Direction, row: usize) -> (&'static str, bool) {
    let is_command = |kept: &RecordedMessage| {
        matches!(kept.header.type_id, MessageTypeId::AMF0_COMMAND | MessageTypeId::AMF3_COMMAND)
    };
    let cut = |commands: bool| {
        let mut before = messages(comparison, Side::B, direction).take_while(|(other, ..)| *other < row);
        before.any(|(_, _, kept)| kept.chunks.is_some_and(|chunks| chunks.count > 1) && is_command(kept) == commands)
    };
    // A larger size that was never announced gives the same bytes. If A has the message in chunks, it is not that.
    let is_cut_in_a = comparison.item(row, Side::A).and_then(RecordedEvent::message).and_then(|kept| kept.chunks);
    let is_cut_in_a = is_cut_in_a.is_some_and(|chunks| chunks.count > 1);
    match (cut(false), cut(true)) {
        (true, _) => ("type3-missing", is_cut_in_a),
        (false, cut) => ("chunk-size-not-announced", !cut),
    }
}

fn last_announced(comparison: &Comparison<'_>, direction: Direction, row: usize) -> Option<u32> {
    let before = messages(comparison, Side::B, direction).take_while(|(other, ..)| *other < row);
    before.filter_map(|(_, _, kept)| broken::announced(kept)).last()
}

fn claim(comparison: &Comparison<'_>, tail: &Tail<'_>) -> Claim {
    let Tail { row, kept, code, size, header, .. } = tail;
    let name = &comparison.either(*row).name;
    let (length, csid, force) = (kept.header.length, kept.csid, kept.chunks.map_or(0, |chunks| chunks.size));
    let (right, header) = (spaced(&type3::header(csid)), spaced(header));
    let (title, fix) = match *code {
        "type3-missing" => (
            format!("{name} of {length} bytes has no type 3 headers, at chunk size {force}"),
            format!("write {right} before every further {force} bytes of the message"),
        ),
        "chunk-size-not-announced" if *size == force as usize => (
            format!("{name} is written in one piece of {length} bytes, but the chunk size is {force}"),
            format!(
                "send Set Chunk Size of {length} bytes or more before it, or write {right} after every {force} bytes"
            ),
        ),
        "chunk-size-not-announced" => (
            format!("{name} is cut at {size} bytes, but the chunk size is {force}"),
            format!("send Set Chunk Size {size} before it, or cut at {force}"),
        ),
        "chunk-size-not-applied" => (
            format!("Set Chunk Size announced {force}, but {name} is still cut at {size}"),
            format!("cut at {force} after the Set Chunk Size message, or do not send it"),
        ),
        "chunk-size-byte-order" => (
            format!("Set Chunk Size was sent in little-endian: it reads {force}, but {name} is cut at {size}"),
            format!("write the size big-endian: {}", spaced(&(*size as u32).to_be_bytes())),
        ),
        "ts-field-ffffff-no-ext" => (
            format!("{name} has an extended timestamp ({header}) after a timestamp field that does not announce it"),
            "write ff ff ff in the field where an extended timestamp follows, and none where the time fits in it"
                .to_owned(),
        ),
        "fmt0-mid-message" => (
            format!("{name} of {length} bytes continues with {header} instead of a type 3 header"),
            format!("continue the message with {right}"),
        ),
        _ => (
            format!("{name} on chunk stream {csid} continues with {header}, chunk stream {}", named(&tail.header)),
            format!("continue it with {right}"),
        ),
    };
    let proof = match tail.like_a {
        true => "read this way, the body equals A's, byte for byte",
        false => "read this way, the body is AMF to its last byte",
    };
    let at = match *code {
        "ts-field-ffffff-no-ext" => None,
        _ => kept.body.get(force as usize).or(raw_at(comparison, tail)),
    };
    let wrong = at.map(|&byte| {
        format!("; a receiver reads {} as a chunk header: {}", broken::in_words(byte), broken::as_header(byte))
    });
    let wrong = wrong.filter(|_| header != right).unwrap_or_default();
    let certainty = if tail.certain { Certainty::Certain } else { Certainty::Likely };
    Claim::of_message(comparison, *row, "chunk", certainty, title)
        .why(format!("{proof}{wrong}"))
        .fix(fix)
        .explaining(of_row(comparison, *row))
        .breaking(Impact::Framing)
}

/// The byte of the stream where the next chunk header has to be.
fn raw_at<'r>(comparison: &Comparison<'r>, tail: &Tail<'_>) -> Option<&'r u8> {
    let start = tail.item.at.start + tail.kept.first_header.len() as u64 + u64::from(tail.kept.chunks?.size);
    raw(comparison.b, tail.item.direction, start)?.first()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_joined_only_if_every_header_is_there() {
        let sent = *b"abcd\xc5efgh\xc5ij";
        assert_eq!(join(&sent, 10, 4, &[0xc5]).as_deref(), Some(&b"abcdefghij"[..]));
        assert_eq!(join(&sent, 10, 4, &[0xc6]), None, "another header");
        assert_eq!(join(&sent, 10, 5, &[0xc5]), None, "another size");
        assert_eq!(join(&sent, 11, 4, &[0xc5]), None, "not all of it is there");
        assert_eq!(join(&sent, 4, 4, &[0xc5]).as_deref(), Some(&b"abcd"[..]), "none behind the last chunk");
        assert_eq!(join(b"abcdefg", 7, 4, &[]).as_deref(), Some(&b"abcdefg"[..]), "left out");
    }
}
