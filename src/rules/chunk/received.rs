//! What a receiver made of chunks, seen where it sends it on: bodies with headers or foreign chunks in them.

use std::borrow::Cow;

use crate::compare::{Comparison, MessageKind, Side};
use crate::recording::RecordedMessage;
use crate::rules::payload::framing;
use crate::rules::{Case, Certainty, Check, Claim, Context, Layer, Mode, Page, PayloadClaim, Rule, Severity};

use super::of_row;

pub static NO_DECHUNK: Rule = Rule {
    code: "receiver-no-dechunk",
    layer: Layer::Chunk,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "a command or data message has the type 3 headers of an earlier hop in it",
    page: Page {
        what: "An earlier receiver treated the headers between its chunks as payload. In a string they appear as a \
               strange letter every 128 bytes, and everything after each is shifted.",
        looks: "02 00 07 5f 72 65 73 75 6c 74 ... 128 bytes ... c3 ...\n\
                \n\
                c3 at offset 128 of the body; the byte after it is the right one.",
        who: "Receivers that read the whole message length from the socket at once: Red5/red5-server-common#28.",
        fix: "In the receiver: read at most a chunk's bytes, then a header, until the message is complete.",
        source: "RTMP 1.0 section 5.3.1; jgh-/VideoCore-Inactive#199.",
    },
    check: Check::Diff(no_dechunk),
};

fn no_dechunk(comparison: &Comparison<'_>) -> Vec<Claim> {
    let is_amf = |kind| matches!(kind, MessageKind::Command | MessageKind::Data);
    left_in(comparison, &framing::HEADERS_LEFT, is_amf)
}

pub static EXT_UNREAD: Rule = Rule {
    code: "type3-ext-unread",
    layer: Layer::Chunk,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "a body has the extended timestamps of an earlier hop in it",
    page: Page {
        what: "An earlier receiver did not expect the extended timestamp that its sender repeats after every type 3 \
               header, and treated its four bytes as payload. It begins when timestamps no longer fit in three bytes.",
        looks: "c6 01 00 00 10 02 1c ...   type 3 header, timestamp 0x01000010, payload\n\
                \n\
                In the forwarded body, 01 00 00 10 appears every 128 bytes.",
        who: "Readers written from the text of 2009, in which type 3 chunks have no extended timestamp: \
              yutopp/go-rtmp#72, KallDrexx/rust-media-libs#15.",
        fix: "In the receiver: where the last header had ff ff ff in its timestamp field, compare the four bytes after \
              a type 3 header with the timestamp, and skip them if they are equal.",
        source: "RTMP 1.0 section 5.3.1.3; errata section 5.1.",
    },
    check: Check::Diff(|comparison| left_in(comparison, &framing::EXT_LEFT, |_| true)),
};

/// The first body of B in which a payload rule finds what an earlier receiver left in it.
fn left_in(comparison: &Comparison<'_>, rule: &Rule, is_one: impl Fn(MessageKind) -> bool) -> Vec<Claim> {
    let found = bodies(comparison).filter(|(row, ..)| is_one(comparison.either(*row).kind)).find_map(|(row, a, b)| {
        let check = rule.check.payload()?;
        Some((row, check(&Case::new(&a.body, &b.body))?))
    });
    found.map(|(row, finding)| received(comparison, row, finding)).into_iter().collect()
}

pub static INTERLEAVE: Rule = Rule {
    code: "interleave-unsupported",
    layer: Layer::Chunk,
    severity: Severity::Error,
    modes: &[Mode::Payload, Mode::Diff],
    title: "a body has a chunk of another message in it",
    page: Page {
        what: "Chunks of messages on different chunk streams may alternate. An earlier receiver kept one buffer for \
               all of them, so that a chunk of audio is in the middle of a video frame.",
        looks: "06 ... 128 bytes ... 04 00 00 00 00 00 17 08 01 00 00 00 af 01 ... c6 ...\n\
                \n\
                The video frame that arrives has af 01 ... at offset 128.",
        who: "Receivers with one message at a time: KallDrexx/rust-media-libs#50, membraneframework/membrane_rtmp_plugin#118.",
        fix: "In the receiver: keep a buffer for each chunk stream. In the sender: write each message to its end.",
        source: "RTMP 1.0 section 5.3.",
    },
    check: Check::Diff(interleave),
};

/// So many messages around one are looked at for foreign chunks.
const AROUND: usize = 4;

fn interleave(comparison: &Comparison<'_>) -> Vec<Claim> {
    let check = |case: &Case<'_>| framing::FOREIGN_CHUNK.check.payload()?(case);
    let found = bodies(comparison).filter(|(_, a, b)| b.body.len() > a.body.len()).find_map(|(row, a, b)| {
        let around = row.saturating_sub(AROUND)..(row + AROUND + 1).min(comparison.rows.len());
        let neighbours = around.filter(|&other| other != row).filter_map(|other| {
            let kept = comparison.item(other, Side::A)?.message()?;
            (kept.csid != a.csid && kept.header.type_id.is_media()).then_some(kept)
        });
        let first_chunk =
            |kept: &RecordedMessage| Some(kept.body[..kept.body.len().min(kept.chunks?.size as usize)].to_vec());
        let foreign = neighbours.filter_map(first_chunk).filter(|chunk| chunk.len() >= 8).collect();
        let case = Case::with_context(&a.body, &b.body, Cow::Owned(Context { foreign, ..Context::default() }));
        Some((row, check(&case)?))
    });
    found.map(|(row, finding)| received(comparison, row, finding)).into_iter().collect()
}

/// The bodies that differ, both kept whole.
fn bodies<'r>(comparison: &Comparison<'r>) -> impl Iterator<Item = (usize, &'r RecordedMessage, &'r RecordedMessage)> {
    let mut rows: Vec<usize> = comparison.open().map(|index| comparison.mismatches[index].row).collect();
    rows.dedup();
    rows.into_iter().filter_map(|row| {
        let (a, b) = (comparison.item(row, Side::A)?.message()?, comparison.item(row, Side::B)?.message()?);
        (a.hash != b.hash && a.is_whole() && b.is_whole()).then_some((row, a, b))
    })
}

fn received(comparison: &Comparison<'_>, row: usize, finding: PayloadClaim) -> Claim {
    let PayloadClaim { certainty, title, why, fix, .. } = finding;
    Claim::of_message(comparison, row, "body", certainty.min(Certainty::Likely), title)
        .why(why)
        .fix(fix)
        .explaining(of_row(comparison, row))
}
