//! Payload rules about stretches: put in, left out, moved, joined and taken apart.

use super::PayloadClaim;
use super::case::{Case, common_prefix};
use super::framing::{describe_header, header_len};
use crate::rules::{Certainty, Check, Layer, Mode, Page, Rule, Severity};

pub static SPLIT: Rule = Rule {
    code: "px-split",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "only some of the payload's messages arrived",
    page: Page {
        what: "The payload was sent in several messages, and one or more of them arrived whole, but not all.",
        looks: "A JPEG of 9000 bytes sent in messages of 8191 and 809:\n\
                \n\
                sent      0: ff d8 ff e0 ..   8191: 9a 4c 02 ..   8999: d9\n\
                received  0: ff d8 ff e0 ..   8190: 71            the first message",
        who: "Receivers that treat one message as the whole payload, and players that join late.",
        fix: "Put a length or an end marker into the payload itself, and collect messages until then.",
        source: "RTMP 1.0 section 6.1: a message has a length, a file has none. Recognised only with a capture that shows \
                 where the messages end.",
    },
    check: Check::Payload(split),
};

pub static CONCAT: Rule = Rule {
    code: "px-concat",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "two messages were joined",
    page: Page {
        what: "The payload arrived together with that of another message, with nothing between them: the message \
               boundary was lost.",
        looks: "sent      ff d8 .. ff d9\n\
                received  ff d8 .. ff d9 ff d8 .. ff d9    the next frame directly after",
        who: "Receivers that pass on whatever one recv() returned, or append to one file without a length in between.",
        fix: "Cut at the message length from the header, not at what the socket delivers.",
        source: "TCP keeps no message boundaries (RFC 9293, section 3.7).",
    },
    check: Check::Payload(concatenated),
};

pub static SHIFT: Rule = Rule {
    code: "px-shift",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "everything is shifted by a few bytes",
    page: Page {
        what: "All bytes are there in order, but a few positions too early or too late: the length of a header is off \
               by that many bytes.",
        looks: "One byte of an audio tag too many was skipped:\n\
                \n\
                sent      21 0a 5c 8e 13\n\
                received  0a 5c 8e 13\n\
                \n\
                1 or 2 bytes: audio tag header. 5: video tag header. 11: FLV tag header. 12: chunk header of format 0.",
        who: "Parsers that always skip the video header's five bytes (sequence headers and other codecs differ), or read a \
              header twice.",
        fix: "Compute the header's length from its first bytes: codec and packet type decide.",
        source: "FLV specification, annex E.4.2 and E.4.3; RTMP 1.0 section 5.3.1.",
    },
    check: Check::Payload(shifted),
};

pub static INSERT: Rule = Rule {
    code: "px-insert",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "bytes were inserted",
    page: Page {
        what: "The received payload contains a run of bytes that was not sent; everything before and after it is \
               correct. What the bytes are and where they are tells who inserted them.",
        looks: "sent      .. 5e 41 | 07 88 ..\n\
                received  .. 5e 41 | c4 07 88 ..     a type-3 header at a chunk boundary\n\
                or        .. 5e 41 | 5e 41 07 88 ..  repeated: a segment was received twice",
        who: "At a multiple of the chunk size: a chunk header. At the edge of a TCP segment: a retransmission that was not \
              recognised. Elsewhere: the application.",
        fix: "Look at the bytes: the report decodes them as a chunk header if they can be one, and says whether they \
              repeat the bytes before them.",
        source: "Longest common start and end of both byte strings.",
    },
    check: Check::Payload(inserted),
};

pub static DELETE: Rule = Rule {
    code: "px-delete",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "bytes were dropped",
    page: Page {
        what: "A run of the bytes that were sent is missing; everything before and after it is correct.",
        looks: "sent      .. 5e 41 | 07 | 88 12 ..\n\
                received  .. 5e 41 | 88 12 ..    one byte, at a chunk boundary",
        who: "At a multiple of the chunk size: an off-by-one in the chunk reader. 1448 or 1460 bytes or a multiple: a TCP \
              segment. The size of a buffer: one recv() whose bytes were overwritten.",
        fix: "Check the loop that copies at this place: how many bytes it asks for, and how many it assumes it \
              received.",
        source: "Longest common start and end of both byte strings.",
    },
    check: Check::Payload(deleted),
};

pub static REORDER: Rule = Rule {
    code: "px-reorder",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "blocks are out of order",
    page: Page {
        what: "All bytes arrived, in blocks of one size, but the blocks are not in the order in which they were sent.",
        looks: "Blocks of 4096:\n\
                \n\
                sent      0: 11 ..   4096: 22 ..   8192: 33 ..\n\
                received  0: 11 ..   4096: 33 ..   8192: 22 ..",
        who: "Several threads that write one socket or file, or finish in an order other than they began; iteration \
              over a hash map of parts; UDP and WebRTC paths.",
        fix: "Number the blocks and sort by number, or let one thread write.",
        source: "The multiset of blocks of 65536, 60000, 16384, 8192, 4096, .. bytes is compared, the largest first.",
    },
    check: Check::Payload(reordered),
};

const LARGEST_SHIFT: usize = 64;
/// Sizes in which data travels, largest first: two large blocks that changed places are many small ones too.
const BLOCK_SIZES: &[usize] =
    &[65536, 60000, 32768, 16384, 8192, 4096, 4000, 2048, 1460, 1448, 1024, 1000, 512, 256, 188, 128, 64];

fn split(case: &Case<'_>) -> Option<PayloadClaim> {
    let Case { sent, received, .. } = *case;
    let cuts = &case.context.boundaries;
    if cuts.is_empty() || received.is_empty() || received.len() >= sent.len() {
        return None;
    }
    let ends_whole = |end: usize| end == sent.len() || cuts.binary_search(&end).is_ok();
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let start = starts
        .take_while(|start| start + received.len() <= sent.len())
        .find(|&start| ends_whole(start + received.len()) && sent[start..].starts_with(received))?;
    let end = start + received.len();
    let messages = 1 + cuts.iter().filter(|&&cut| cut > start && cut < end).count();
    Some(PayloadClaim {
        certainty: Certainty::Certain,
        title: format!("{messages} of the {} messages that carried the payload arrived", cuts.len() + 1),
        sent: if start > 0 { 0..start } else { end..sent.len() },
        received: if start > 0 { 0..0 } else { end..end },
        places: 1,
        why: format!("What was received is the payload's bytes {start} to {end}: both are ends of messages."),
        fix: SPLIT.page.fix.to_owned(),
    })
}

fn concatenated(case: &Case<'_>) -> Option<PayloadClaim> {
    let Case { sent, received, .. } = *case;
    if sent.is_empty() || received.len() <= sent.len() {
        return None;
    }
    let more = received.len() - sent.len();
    let (at, rest) = if received.starts_with(sent) {
        (sent.len(), &received[sent.len()..])
    } else if received.ends_with(sent) {
        (0, &received[..more])
    } else {
        return None;
    };
    let is_after = at > 0;
    let how = if is_after { "followed" } else { "preceded" };
    let begins_alike = sent.len() >= 8 && more >= 8 && common_prefix(sent, rest) >= 4;
    let (certainty, whose) = if rest == sent {
        (Certainty::Certain, "a second copy of itself".to_owned())
    } else if case.context.neighbours.iter().any(|neighbour| neighbour == rest) {
        (Certainty::Certain, format!("{more} bytes of another message"))
    } else if begins_alike && is_after {
        let start = hex::encode(&rest[..4]);
        (Certainty::Likely, format!("{more} bytes that begin like it ({start})"))
    } else {
        return None;
    };
    Some(PayloadClaim {
        certainty,
        title: format!("the payload is {how} by {whose}"),
        sent: at..at,
        received: at..at + more,
        places: 1,
        why: format!("The payload arrived complete, directly {how} by {whose}."),
        fix: CONCAT.page.fix.to_owned(),
    })
}

fn shifted(case: &Case<'_>) -> Option<PayloadClaim> {
    let Case { sent, received, .. } = *case;
    let most = LARGEST_SHIFT.min(sent.len() / 4);
    let header = |by: usize| match by {
        1 | 2 => " That is the length of an audio tag header.",
        5 => " That is the length of a video tag header.",
        11 => " That is the length of an FLV tag header.",
        12 => " That is the length of a chunk header of format 0.",
        _ => "",
    };
    let finding = |by: usize, early: bool, why: String| PayloadClaim {
        certainty: Certainty::Certain,
        title: format!("everything is {by} bytes too {}", if early { "early" } else { "late" }),
        sent: if early { 0..by } else { 0..0 },
        received: if early { 0..0 } else { 0..by },
        places: 1,
        why: why + header(by),
        fix: SHIFT.page.fix.to_owned(),
    };
    if received.len() < sent.len() {
        let by = sent.len() - received.len();
        let all = by <= most && sent.ends_with(received);
        return all.then(|| finding(by, true, format!("The first {by} bytes are missing, all others arrived.")));
    }
    if received.len() != sent.len() {
        return None;
    }
    let len = sent.len();
    if let Some(by) = (1..=most).find(|&by| received[by..] == sent[..len - by]) {
        let why = format!("{by} bytes come before the payload, and its last {by} are missing.");
        return Some(finding(by, false, why));
    }
    let by = (1..=most).find(|&by| received[..len - by] == sent[by..])?;
    Some(finding(by, true, format!("The first {by} bytes are missing, and {by} others are at the end.")))
}

fn inserted(case: &Case<'_>) -> Option<PayloadClaim> {
    let Case { sent, received, prefix, suffix, .. } = *case;
    if received.len() <= sent.len() || prefix + suffix < sent.len() {
        return None;
    }
    let len = received.len() - sent.len();
    let block = &received[prefix..prefix + len];
    let place = match prefix {
        0 => "before the payload".to_owned(),
        at if at == sent.len() => "after the payload".to_owned(),
        at => format!("at offset {at}"),
    };
    Some(PayloadClaim {
        certainty: Certainty::Certain,
        title: format!("{len} bytes were inserted {place}"),
        sent: prefix..prefix,
        received: prefix..prefix + len,
        places: 1,
        why: format!(
            "Without them, the received bytes equal the sent bytes. {}",
            describe_block(received, prefix, block)
        ),
        fix: INSERT.page.fix.to_owned(),
    })
}

/// What a stretch that should not be there looks like.
pub fn describe_block(received: &[u8], at: usize, block: &[u8]) -> String {
    let mut said = Vec::new();
    let len = block.len();
    let is_header =
        matches!(len, 1 | 2 | 3 | 4 | 7 | 8 | 11 | 12) && block[0] & 0x3f != 0 && header_len(block) == Some(len);
    if is_header {
        said.push(format!("They can be a chunk header: {}.", describe_header(block)));
    }
    if received[..at].ends_with(block) && len > 1 {
        said.push("They repeat the bytes right before them: delivered twice.".to_owned());
    }
    if len > 1 && block.iter().all(|&byte| byte == 0) {
        said.push("They are all zero.".to_owned());
    }
    said.extend(at_a_boundary(at));
    said.join(" ")
}

fn at_a_boundary(at: usize) -> Option<String> {
    let size = [65536, 60000, 8192, 4096, 4000, 1460, 1448, 128]
        .into_iter()
        .find(|size| at > 0 && at.is_multiple_of(*size))?;
    let what = if [1460, 1448].contains(&size) { "the size of a TCP segment" } else { "a common chunk size" };
    Some(format!("Offset {at} is {} times {size}, {what}.", at / size))
}

fn deleted(case: &Case<'_>) -> Option<PayloadClaim> {
    let Case { sent, received, prefix, suffix, .. } = *case;
    if received.len() >= sent.len() || prefix + suffix < received.len() {
        return None;
    }
    let len = sent.len() - received.len();
    let size = match len {
        1460 | 1448 => " That is one TCP segment.".to_owned(),
        _ if len % 1448 == 0 => format!(" That is {} TCP segments.", len / 1448),
        _ => String::new(),
    };
    let boundary = at_a_boundary(prefix).map(|text| format!(" {text}")).unwrap_or_default();
    Some(PayloadClaim {
        certainty: Certainty::Certain,
        title: format!("{len} bytes at offset {prefix} are missing"),
        sent: prefix..prefix + len,
        received: prefix..prefix,
        places: 1,
        why: format!("Everything before and after them is as it was sent.{size}{boundary}"),
        fix: DELETE.page.fix.to_owned(),
    })
}

fn reordered(case: &Case<'_>) -> Option<PayloadClaim> {
    let Case { sent, received, prefix, .. } = *case;
    if sent.len() != received.len() || counts(sent) != counts(received) {
        return None;
    }
    let size =
        BLOCK_SIZES.iter().copied().find(|&size| size < sent.len() && blocks(sent, size) == blocks(received, size))?;
    let moved = sent.chunks(size).zip(received.chunks(size)).filter(|(sent, received)| sent != received).count();
    let at = prefix / size * size;
    let end = (at + size).min(sent.len());
    Some(PayloadClaim {
        certainty: Certainty::Certain,
        title: format!("{moved} blocks of {size} bytes are out of order"),
        sent: at..end,
        received: at..end,
        places: moved as u64,
        why: format!(
            "Both hold the same {} blocks of {size} bytes; {moved} are out of place.",
            sent.len().div_ceil(size)
        ),
        fix: REORDER.page.fix.to_owned(),
    })
}

/// How often each byte occurs.
fn counts(bytes: &[u8]) -> [u64; 256] {
    let mut counts = [0; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    counts
}

/// The blocks in an order that does not depend on where they are.
fn blocks(bytes: &[u8], size: usize) -> Vec<&[u8]> {
    let mut blocks: Vec<&[u8]> = bytes.chunks(size).collect();
    blocks.sort_unstable();
    blocks
}
