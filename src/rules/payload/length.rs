//! Payload rules about ends: cut off, or filled up with something else.

use super::PayloadClaim;
use super::case::Case;
use crate::rules::{Certainty, Check, Layer, Mode, Page, Rule, Severity};

pub static TRUNC: Rule = Rule {
    code: "px-trunc",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "the end is missing",
    page: Page {
        what: "Only the beginning of what was sent arrived. Where it stops mostly tells why: at the chunk size, at a \
               power of two, at the first zero byte, at the length modulo 65536.",
        looks: "sent      ff d8 ff e0 00 10 4a 46 49 46 00 01\n\
                received  ff d8 ff e0                      the first 00 ended a C string",
        who: "Receivers that treat one recv() as one message, that keep only the first chunk (128 or the announced \
              chunk size), that store lengths in 16 bits, or use strlen on data; writers that are closed before they \
              flush.",
        fix: "Read until the message length is reached, over as many chunks and recv() calls as it takes. Keep lengths in at \
              least 24 bits and never measure payload with string functions.",
        source: "RTMP 1.0 section 5.3; POSIX recv. nginx-rtmp's and SRS's chunk readers loop for this reason.",
    },
    check: Check::Payload(truncated),
};

pub static ZERO_PAD: Rule = Rule {
    code: "px-zero-pad",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "the end is filled with zeros",
    page: Page {
        what: "The length is right, but from some offset on there are only zeros: a buffer of the message's length was \
               allocated, and only its beginning was filled.",
        looks: "sent      17 01 00 00 50 00 00 12 34 65 88 84\n\
                received  17 01 00 00 50 00 00 00 00 00 00 00    one short read of 7 bytes",
        who: "Readers that allocate `message length` bytes and call read() once; preallocated files that were not written to \
              the end.",
        fix: "Use what read() returns and call it again until the buffer is full (read_exact, readFully, MSG_WAITALL).",
        source: "POSIX read: fewer bytes than asked for are not an error.",
    },
    check: Check::Payload(zero_padded),
};

pub static STALE_PAD: Rule = Rule {
    code: "px-stale-pad",
    layer: Layer::Payload,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "the end belongs to another message",
    page: Page {
        what: "Length and beginning are correct; the rest is what an earlier message had at the same place. A buffer \
               is reused and was only partly filled this time.",
        looks: "earlier   27 01 00 00 28 00 00 0b 41 9a 02 1c\n\
                sent      27 01 00 00 50 00 00 0b 41 9a 44 e8\n\
                received  27 01 00 00 50 00 00 0b 41 9a 02 1c    the last 2 are old",
        who: "Readers with one buffer for the connection and a read() whose result is not checked.",
        fix: "Read until the message is complete, and pass on only the bytes that were read.",
        source: "POSIX read; recognised only with a capture that holds the earlier message.",
    },
    check: Check::Payload(stale_padded),
};

/// A tail shorter than this could be zero, or equal another message's, by accident.
const LEAST_TAIL: usize = 4;

fn truncated(case: &Case<'_>) -> Option<PayloadClaim> {
    let (len, whole) = (case.received.len(), case.sent.len());
    if case.prefix < len || len >= whole {
        return None;
    }
    let fits = reasons(case.sent, len);
    let reason = if fits.is_empty() { String::new() } else { format!(" {len} bytes: {}.", fits.join("; or ")) };
    Some(PayloadClaim {
        certainty: Certainty::Certain,
        title: match len {
            0 => format!("nothing of {whole} bytes arrived"),
            _ => format!("only the first {len} of {whole} bytes arrived"),
        },
        sent: len..whole,
        received: len..len,
        places: 1,
        why: format!("Only the beginning of what was sent was received; {} bytes are missing.{reason}", whole - len),
        fix: TRUNC.page.fix.to_owned(),
    })
}

/// What happens to be so at this length.
fn reasons(sent: &[u8], len: usize) -> Vec<String> {
    let whole = sent.len();
    let mut fits = Vec::new();
    let mut fit = |holds: bool, reason: &str| {
        if holds {
            fits.push(reason.to_owned());
        }
    };
    fit(len == 128, "the default chunk size, so only the first chunk was kept");
    fit(
        [4000, 4096, 5000, 8192, 60000, 65536].contains(&len),
        "a common chunk size and buffer size, so only the first chunk, or one recv(), was kept",
    );
    fit([1024, 2048, 16384, 32768].contains(&len), "a common buffer size, so one recv() was kept");
    fit(whole > 0xffff && len == whole & 0xffff, "the length modulo 65536, so it was stored in 16 bits");
    fit([32767, 65535].contains(&len), "the largest 16-bit number");
    fit(len > 0 && len.is_multiple_of(1448) || len == 1460, "whole TCP segments, so reading stopped with a segment");
    fit(memchr::memchr(0, sent) == Some(len), "up to the first zero byte, so it was treated as a C string");
    for chunk in [128, 4096, 60000] {
        fit(
            whole > chunk && len == whole - (whole - 1) / chunk,
            &format!(
                "less by one byte for each chunk boundary at chunk size {chunk}, so headers were counted as payload"
            ),
        );
    }
    fits
}

fn zero_padded(case: &Case<'_>) -> Option<PayloadClaim> {
    let (len, at) = (case.sent.len(), case.prefix);
    let zero = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0);
    if len != case.received.len() || len - at < LEAST_TAIL || !zero(&case.received[at..]) {
        return None;
    }
    Some(PayloadClaim {
        certainty: Certainty::Certain,
        title: if at == 0 {
            format!("all {len} bytes are zero")
        } else {
            format!("the last {} of {len} bytes are zero", len - at)
        },
        sent: at..len,
        received: at..len,
        places: 1,
        why: format!("The first {at} bytes and the length are correct; everything else is zero."),
        fix: ZERO_PAD.page.fix.to_owned(),
    })
}

fn stale_padded(case: &Case<'_>) -> Option<PayloadClaim> {
    let (sent, received, at) = (case.sent.len(), case.received.len(), case.prefix);
    // The length may be that of the other message, too.
    let is_longer = received > sent && at == sent;
    if !is_longer && sent != received || received - at < LEAST_TAIL {
        return None;
    }
    let tail = &case.received[at..];
    case.context.neighbours.iter().find(|old| old.get(at..received) == Some(tail))?;
    Some(PayloadClaim {
        certainty: Certainty::Certain,
        title: format!("the last {} of {received} bytes are those of another message", received - at),
        sent: at..sent,
        received: at..received,
        places: 1,
        why: format!("From offset {at} on, the bytes are those of another message at the same place."),
        fix: STALE_PAD.page.fix.to_owned(),
    })
}
