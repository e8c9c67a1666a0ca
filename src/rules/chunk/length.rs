//! Message lengths (RTMP 1.0 6.1.1) that say another number than there are bytes, or more than the peer takes.

use crate::compare::{Comparison, Side};
use crate::recording::{RecordedEvent, RecordedMessage};
use crate::rtmp::MessageTypeId;
use crate::rtmp::message::Ending;
use crate::rules::broken::{self, FramingEvidence};
use crate::rules::{Certainty, Check, Claim, DiagnosisText, Impact, Layer, Mode, Page, Rule, Severity};

use super::{BOTH, is_break, is_explained, is_meant, is_refused, messages, of_row, type3};

pub static WITH_HEADERS: Rule = Rule {
    code: "mlen-includes-headers",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the message length counts the type 3 headers in the message",
    page: Page {
        what: "The length in the header counts everything written, including the headers between the chunks. The \
               receiver expects that many bytes of payload and reads the first bytes of the next message as the rest.",
        looks: "04 00 00 00 00 01 3f 12 01 00 00 00 ... 128 ... c4 ... 128 ... c4 ... 61 bytes\n\
                \n\
                0x13f is 319, and 128 + 128 + 61 is 317: two more, one for each c4.",
        who: "Writers that build the chunks first and measure the result: pedroSG94/RootEncoder#921.",
        fix: "Put the length of the payload alone into the header.",
        source: "RTMP 1.0 section 6.1.1: the length of the payload, not of chunk headers.",
    },
    check: Check::Diff(|comparison| broken::claims_with(comparison, WITH_HEADERS.code, with_headers)),
};

fn with_headers(seen: &FramingEvidence<'_, '_>) -> Option<DiagnosisText> {
    let kept = seen.kept()?;
    let extra = kept.chunks?.count.saturating_sub(1) as usize * type3::header(kept.csid).len();
    // The header's own bytes say what the receiver reads.
    let written = length_in(&kept.first_header)?;
    let payload = if kept.header.length == written { written.saturating_sub(extra as u32) } else { kept.header.length };
    Some(DiagnosisText {
        title: format!("the length of {} is {written}, but its payload has {payload} bytes", seen.name()),
        why: format!(
            "the {} extra bytes are its type 3 headers; the receiver reads that many bytes of the next message as its \
             end",
            written.saturating_sub(payload)
        ),
        fix: format!("write {} ({payload}) as the length", broken::spaced(&payload.to_be_bytes()[1..])),
    })
}

pub static BYTE_ORDER: Rule = Rule {
    code: "mlen-byte-order",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the message length is little-endian",
    page: Page {
        what: "The three bytes of the length are written in the byte order of the machine. The receiver waits for a \
               message of megabytes while its memory grows, or refuses it.",
        looks: "03 00 00 00 87 00 00 14 00 00 00 00   read: 8847360, meant: 135\n\
                03 00 00 00 00 00 87 14 00 00 00 00   right",
        who: "Code that copies an integer into the header.",
        fix: "Write the length big-endian, in three bytes.",
        source: "RTMP 1.0 section 5.3.1.2.1; nginx-rtmp logs \"too big message\" and closes, Node-Media-Server waits.",
    },
    check: Check::Diff(|comparison| broken::claims_with(comparison, BYTE_ORDER.code, byte_order)),
};

fn byte_order(seen: &FramingEvidence<'_, '_>) -> Option<DiagnosisText> {
    let bytes: [u8; 3] =
        *seen.kept()?.first_header.get(basic_len(seen.kept()?.first_header.first()?) + 3..)?.first_chunk()?;
    let [a, b, c] = bytes;
    let (read, meant) = (u32::from_be_bytes([0, a, b, c]), u32::from_be_bytes([0, c, b, a]));
    Some(DiagnosisText {
        title: format!(
            "the length of {} was sent as {} ({read}), {meant} in little-endian",
            seen.name(),
            broken::spaced(&bytes)
        ),
        why: format!("{meant} bytes of body follow; the receiver waits for {read}"),
        fix: format!("write the length big-endian: {}", broken::spaced(&[c, b, a])),
    })
}

/// The length in a header's bytes, if it has one.
fn length_in(header: &[u8]) -> Option<u32> {
    let [a, b, c] = *header.get(basic_len(header.first()?) + 3..)?.first_chunk()?;
    Some(u32::from_be_bytes([0, a, b, c]))
}

fn basic_len(first: &u8) -> usize {
    match first & 0x3f {
        0 => 2,
        1 => 3,
        _ => 1,
    }
}

pub static OVER_PEER_MAX: Rule = Rule {
    code: "mlen-over-peer-max",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a message is longer than the peer accepts",
    page: Page {
        what: "The message is valid, but servers limit the length that they accept, and close when a header exceeds \
               it. Key frames at high bit rates are affected first.",
        looks: "06 00 00 00 00 10 c8 e0 09 01 00 00 00 17 01 ...\n\
                \n\
                0x10c8e0 is 1100000; nginx-rtmp accepts up to 1048576 (max_message 1M).",
        who: "Encoders with large key frames, 4K, intra-only.",
        fix: "Raise max_message on the server; or lower the bit rate or the size of key frames.",
        source: "nginx-rtmp ngx_rtmp_core_module.c, max_message; gortmplib accepts 10 MiB.",
    },
    check: Check::Diff(over_peer_max),
};

/// The default of nginx's `max_message`, the lowest known.
const LOWEST_MAX: u32 = 1 << 20;

fn over_peer_max(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for direction in BOTH {
        let longest_of_a = messages(comparison, Side::A, direction).map(|(_, _, kept)| kept.header.length).max();
        let is_longer = |length: u32| length > LOWEST_MAX && longest_of_a.is_none_or(|longest| length > longest);
        // Other types are never so long, unless broken framing makes them up.
        let is_picture = |kept: &RecordedMessage| kept.header.type_id == MessageTypeId::VIDEO && kept.fmt < Some(2);
        let mut longer = messages(comparison, Side::B, direction)
            .filter(|(_, _, kept)| is_longer(kept.header.length) && (comparison.a.is_some() || is_picture(kept)));
        let Some((row, item, kept)) = longer.next() else { continue };
        if !is_refused(comparison, item)
            || !is_meant(comparison.b, item)
            || messages_or_bytes_lost(comparison, direction)
        {
            continue;
        }
        let (name, length) = (&comparison.either(row).name, kept.header.length);
        let title = format!("{name} has {length} bytes, and the peer closes the connection without an error message");
        let claim = Claim::of_message(comparison, row, "header.length", Certainty::Likely, title)
            .why(format!(
                "the default limit of nginx-rtmp and of others is {LOWEST_MAX} bytes{}",
                longest_of_a.map_or(String::new(), |longest| format!(
                    "; the longest message of A in this direction has {longest}, and the last messages show nothing \
                     else unusual"
                ))
            ))
            .fix("raise the server's limit (nginx-rtmp: max_message), or send smaller key frames")
            .explaining(of_row(comparison, row))
            .breaking(Impact::Framing);
        claims.push(claim);
    }
    claims
}

pub static CHANGES: Rule = Rule {
    code: "mlen-changes-mid-message",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a message begins before the previous one is complete",
    page: Page {
        what: "A header with fields begins a message on a chunk stream whose last message still lacks bytes, and no \
               Abort Message announces that it is given up. The header and the body before it do not belong together.",
        looks: "06 00 00 00 00 0d 0b 09 01 00 00 00 ... 128 ... c6 ... 128 ...\n\
                46 00 00 28 00 02 11 09 ...\n\
                \n\
                0xd0b bytes are announced, 256 arrive, and then another message of 0x211 bytes begins.",
        who: "Two threads that write to one socket; senders that give up a message on a full buffer.",
        fix: "Write each message to its end before the next on the same chunk stream, under one lock; to give it up send Abort \
              Message (type 2).",
        source: "RTMP 1.0 sections 5.3 and 5.4.2; ffmpeg: \"RTMP packet size mismatch\", SRS: \"msg in chunk cache, size=A \
                 cannot change to B\", ossrs/srs#2523.",
    },
    check: Check::Diff(changes),
};

fn changes(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for direction in BOTH {
        let abandoned =
            |side| messages(comparison, side, direction).find(|(_, _, kept)| kept.ending == Ending::Abandoned);
        let (Some((row, item, kept)), None) = (abandoned(Side::B), abandoned(Side::A)) else { continue };
        if is_explained(comparison, direction) {
            continue;
        }
        let next = messages(comparison, Side::B, direction)
            .find(|(_, next, other)| other.csid == kept.csid && next.at.start > item.at.start);
        // Where the chunks break off after it, the next may be no message at all.
        let is_lost = messages_or_bytes_lost(comparison, direction);
        let is_sound = |next: &RecordedEvent, other: &RecordedMessage| {
            other.ending == Ending::Complete && next.defects.is_empty() && is_meant(comparison.b, next)
        };
        if is_lost && !next.is_some_and(|(_, next, other)| is_sound(next, other)) {
            continue;
        }
        let (name, csid, length) = (&comparison.either(row).name, kept.csid, kept.header.length);
        let came = kept.body.len();
        let title = format!("{name} of {length} bytes is abandoned after {came}, without an Abort Message");
        let next = next.map(|(row, next, other)| {
            format!(
                "at stream offset {} {} of {} bytes begins on the same chunk stream {csid} ({})",
                next.at.start,
                comparison.either(row).name,
                other.header.length,
                broken::spaced(&other.first_header)
            )
        });
        let certainty = if is_lost { Certainty::Likely } else { Certainty::Certain };
        let how = match is_lost {
            true => {
                "it is complete; after it the rest of the first message breaks the framing, as when two threads \
                     write"
            }
            false => {
                "everything else in this direction decodes, so the framing is correct and the message itself is \
                      short"
            }
        };
        let claim = Claim::of_message(comparison, row, "message.ending", certainty, title)
            .why(format!(
                "{}; {how}",
                next.unwrap_or_else(|| format!("another message begins on the same chunk stream {csid}"))
            ))
            .fix("write a message to its end before the next one on its chunk stream, one writer at a time")
            .explaining(of_row(comparison, row))
            .breaking(Impact::Framing);
        claims.push(claim);
    }
    claims
}

fn messages_or_bytes_lost(comparison: &Comparison<'_>, direction: crate::session::Direction) -> bool {
    comparison.b.items.iter().any(|item| item.direction == direction && is_break(item))
}
