//! Chunk sizes that sender and receiver do not agree on (RTMP 1.0 5.4.1): found in framing that broke.

use crate::compare::{Comparison, Side};
use crate::rtmp::dialect::ChunkSize;
use crate::rules::broken::{self, FramingEvidence};
use crate::rules::{Check, Claim, DiagnosisText, Layer, Mode, Page, Rule, Severity};

use super::both;

/// What stands for "not cut at all".
const WHOLE: u32 = 0xff_ffff;

pub static NOT_ANNOUNCED: Rule = Rule {
    code: "chunk-size-not-announced",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "chunks have a size that was never announced",
    page: Page {
        what: "A message is cut into chunks of a size that the receiver was not told, or not cut at all. Without a Set \
               Chunk Size, chunks end after 128 bytes, and the receiver reads what follows as a chunk header.",
        looks: "03 00 00 00 00 00 87 14 00 00 00 00 02 00 07 63 6f 6e 6e ...\n\
                \n\
                0x87 is 135: the body needs a second chunk, so c3 has to come before its byte 128. Without it, 69 \
                ('i') is read as a header: 01 101001, fmt 1 on chunk stream 41.",
        who: "Hand-written clients whose first messages were short enough; clients that send Set Chunk Size too late.",
        fix: "Send Set Chunk Size (type 1, chunk stream 2, big-endian) before the first message that uses it, or cut \
              at 128 bytes.",
        source: "RTMP 1.0 section 5.4.1; nginx-rtmp closes with \"chunk stream too big: 41 >= 32\", arut/nginx-rtmp-module#246.",
    },
    check: Check::Diff(|comparison| {
        let mut claims = both(comparison, NOT_ANNOUNCED.code, not_announced);
        claims.extend(broken::claims_with(comparison, WRONG_DIRECTION.code, in_one_piece));
        with_announcement(comparison, claims)
    }),
};

fn not_announced(seen: &FramingEvidence<'_, '_>) -> Option<DiagnosisText> {
    let ChunkSize::Own(size) = seen.best.dialect.chunk_size else { return None };
    let (name, length, force) = (seen.name(), seen.length(), seen.size_in_force());
    let how = match size {
        WHOLE => format!("is written in one piece of {length} bytes"),
        _ => format!("is cut at {size} bytes"),
    };
    let said = match seen.announced() {
        Some((_, size)) => format!("the last Set Chunk Size announced {size}"),
        None => "no Set Chunk Size precedes it, so the default of 128 applies".to_owned(),
    };
    let wrong = seen.read_as_header(force).map(|read| format!("; the receiver reads {read}")).unwrap_or_default();
    Some(DiagnosisText {
        title: format!("{name} {how}, but the chunk size is {force}"),
        why: format!("{said}{wrong}"),
        fix: match size {
            WHOLE => format!(
                "send Set Chunk Size of {length} bytes or more before it, or put a type 3 header after every {force} \
                 bytes"
            ),
            _ => format!("send Set Chunk Size {size} ({}) before it, or cut at {force}", written(size)),
        },
    })
}

/// The claims explain the announcement as well, where it differs or is missing.
fn with_announcement(comparison: &Comparison<'_>, claims: Vec<Claim>) -> Vec<Claim> {
    let explain = |claim: Claim| {
        let (row, direction) = (claim.row, comparison.either_item(claim.row).direction);
        claim.explaining(comparison.open().filter(|&index| {
            let at = comparison.mismatches[index].row;
            let is_size = comparison.either_item(at).message().and_then(broken::announced).is_some();
            at < row && is_size && comparison.either_item(at).direction == direction
        }))
    };
    claims.into_iter().map(explain).collect()
}

/// A message in one piece, shorter than the peer's chunks: that it is cut by those is one guess of many.
fn in_one_piece(seen: &FramingEvidence<'_, '_>) -> Option<DiagnosisText> {
    if is_cut_by_the_peers(seen) {
        return None;
    }
    let (name, length, force) = (seen.name(), seen.length(), seen.size_in_force());
    let wrong = seen.read_as_header(force).map(|read| format!("; the receiver reads {read}")).unwrap_or_default();
    Some(DiagnosisText {
        title: format!("{name} is written in one piece of {length} bytes, but the chunk size is {force}"),
        why: format!(
            "no Set Chunk Size precedes it, so {force} applies; what the other side announced is for its own \
             chunks{wrong}"
        ),
        fix: format!(
            "send Set Chunk Size of {length} bytes or more before it, or put a type 3 header after every {force} bytes"
        ),
    })
}

fn is_cut_by_the_peers(seen: &FramingEvidence<'_, '_>) -> bool {
    let ChunkSize::Own(size) = seen.best.dialect.chunk_size else { return false };
    seen.best.certain || seen.length() > size
}

pub static NOT_APPLIED: Rule = Rule {
    code: "chunk-size-not-applied",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a chunk size is announced and not used",
    page: Page {
        what: "Set Chunk Size announces a size, but the sender continues to cut as before. The receiver reads longer \
               chunks, so the type 3 headers become payload, and the message ends in the middle of its own bytes.",
        looks: "02 00 00 00 00 00 04 01 00 00 00 00 00 00 10 00   4096 from here on\n\
                06 ... 128 bytes ... c6 ... 128 bytes ... c6      and still 128\n\
                \n\
                The receiver passes c6 on as a byte of the video frame.",
        who: "Clients that set a variable of the library after the message was sent, or keep one size for each chunk stream.",
        fix: "Use the announced size for every chunk after the Set Chunk Size message, on all chunk streams.",
        source: "RTMP 1.0 section 5.4.1. nginx-rtmp closes at the first message longer than the old size.",
    },
    check: Check::Diff(|comparison| both(comparison, NOT_APPLIED.code, not_applied)),
};

fn not_applied(seen: &FramingEvidence<'_, '_>) -> Option<DiagnosisText> {
    let (_, size) = seen.announced()?;
    let chunks = seen.kept()?.chunks?;
    let extra = chunks.count.saturating_sub(1);
    Some(DiagnosisText {
        title: format!("Set Chunk Size announced {size}, but {} is still cut at {}", seen.name(), chunks.size),
        why: format!(
            "its {extra} type 3 headers ({}) are {} bytes apart; a receiver that reads {size} bytes at once treats \
             them as payload and ends the message early",
            seen.first_bytes(),
            chunks.size
        ),
        fix: format!("cut at {size} after the Set Chunk Size message, or do not send it"),
    })
}

pub static BYTE_ORDER: Rule = Rule {
    code: "chunk-size-byte-order",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the chunk size is announced in little-endian",
    page: Page {
        what: "The four bytes of Set Chunk Size are written in the byte order of the machine. The receiver reads a \
               size of hundreds of thousands, while the sender cuts at the size it meant.",
        looks: "00 10 00 00   read: 1048576, meant: 4096\n\
                00 00 10 00   right\n\
                \n\
                The payload that arrives is as long as it should be, with c6 at 4096, 8193 and so on.",
        who: "Code that copies an integer into the message.",
        fix: "Write the size big-endian (htonl, to_be_bytes), like all integers of RTMP except the message stream id.",
        source: "RTMP 1.0 section 5.4.1; nginx-rtmp logs \"too big RTMP chunk size\" and keeps the old one.",
    },
    check: Check::Diff(|comparison| with_announcement(comparison, both(comparison, BYTE_ORDER.code, byte_order))),
};

fn byte_order(seen: &FramingEvidence<'_, '_>) -> Option<DiagnosisText> {
    let (_, size) = seen.announced()?;
    let meant = size.swap_bytes();
    Some(DiagnosisText {
        title: format!("Set Chunk Size was sent as {} ({size}), {meant} in little-endian", written(size)),
        why: format!("{} is cut at {meant}, and the receiver was told {size}", seen.name()),
        fix: format!("write the size big-endian: {}", written(meant)),
    })
}

pub static WRONG_DIRECTION: Rule = Rule {
    code: "chunk-size-wrong-direction",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "chunks have the size that the other side announced for its own chunks",
    page: Page {
        what: "Set Chunk Size applies to what its sender sends. Here the side that received it uses the size for its \
               own chunks, and never announced a size itself.",
        looks: "server: 02 00 00 00 00 00 04 01 00 00 00 00 00 00 10 00   4096\n\
                client: 04 ... 4096 bytes ... c4\n\
                \n\
                Without a Set Chunk Size of its own the client has 128.",
        who: "Libraries with one chunk size for both directions: Red5/red5-client#54.",
        fix: "Keep two sizes, one for each direction; send a Set Chunk Size before using a size other than 128.",
        source: "RTMP 1.0 section 5.4.1: the chunk size is maintained independently for each direction.",
    },
    check: Check::Diff(|comparison| broken::claims_with(comparison, WRONG_DIRECTION.code, wrong_direction)),
};

fn wrong_direction(seen: &FramingEvidence<'_, '_>) -> Option<DiagnosisText> {
    if !is_cut_by_the_peers(seen) {
        return None;
    }
    let ChunkSize::Own(size) = seen.best.dialect.chunk_size else { return None };
    let peer = seen.comparison.b.items.iter().find(|item| {
        item.direction != seen.framing.direction && item.message().and_then(broken::announced) == Some(size)
    })?;
    let force = seen.size_in_force();
    let wrong = seen.read_as_header(force).map(|read| format!(", and the receiver reads {read}")).unwrap_or_default();
    Some(DiagnosisText {
        title: format!("{} is cut at {size} bytes, the size that the other side announced for itself", seen.name()),
        why: format!(
            "the Set Chunk Size {size} in frame {} applies to its sender only; in this direction {force} is in \
             force{wrong}",
            peer.frames[1]
        ),
        fix: format!("send Set Chunk Size {size} ({}) before it, or cut at {force}", written(size)),
    })
}

pub static NOT_RESET: Rule = Rule {
    code: "chunk-size-not-reset",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a new connection begins with the chunk size of the previous one",
    page: Page {
        what: "The first connection works. After a reconnect the sender cuts at the size that it announced on the old one, \
               while the receiver begins with 128 again.",
        looks: "03 00 00 00 00 00 87 14 00 00 00 00 02 00 07 63 6f 6e 6e 65 63 74 ...\n\
                \n\
                connect, 0x87 bytes, without c3 after byte 128 of its body.",
        who: "Clients that keep the object of the connection: obsproject/obs-studio#878.",
        fix: "Set both chunk sizes back to 128 for each TCP connection, or send Set Chunk Size before connect.",
        source: "RTMP 1.0 section 5.4.1: the size is 128 at first.",
    },
    check: Check::Diff(|comparison| broken::claims_with(comparison, NOT_RESET.code, not_reset)),
};

fn not_reset(seen: &FramingEvidence<'_, '_>) -> Option<DiagnosisText> {
    let ChunkSize::Own(size) = seen.best.dialect.chunk_size else { return None };
    let force = seen.size_in_force();
    let wrong = seen.read_as_header(force).map(|read| format!(": the receiver reads {read}")).unwrap_or_default();
    let length = seen.length();
    let how = if length <= size { format!("in one piece of {length} bytes") } else { format!("cut at {size} bytes") };
    Some(DiagnosisText {
        title: format!("{} is written {how}, by the chunk size {size} of an earlier connection", seen.name()),
        why: format!(
            "{size} was announced on another connection of this {}; on this one {force} is in force{wrong}",
            if seen.framing.direction == crate::session::Direction::ClientToServer { "client" } else { "server" }
        ),
        fix: "begin each connection with 128, and announce the size again".to_owned(),
    })
}

pub static TYPE3_MISSING: Rule = Rule {
    code: "type3-missing",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "type 3 headers are missing between the chunks of a message",
    page: Page {
        what: "A message longer than the chunk size continues without a header where its next chunk begins. Other \
               messages of the same sender are cut as they should be, so it knows the chunk size; it does not apply it \
               here.",
        looks: "06 00 00 00 00 0d 0b 09 01 00 00 00   3339 bytes of video, 128 to a chunk\n\
                17 01 00 00 00 ... 128 bytes ... c6 ... 128 bytes ... c6\n\
                \n\
                c6 (11 000110) has to follow every 128 bytes; here the payload continues at once.",
        who: "Publishers with two writers, one for commands and one for media.",
        fix: "Write the type 3 header of the chunk stream before each further chunk, or announce a chunk size that no message \
              exceeds.",
        source: "RTMP 1.0 section 5.3.1.2.4.",
    },
    check: Check::Diff(|comparison| both(comparison, TYPE3_MISSING.code, type3_missing)),
};

fn type3_missing(seen: &FramingEvidence<'_, '_>) -> Option<DiagnosisText> {
    let (name, length, force, csid) = (seen.name(), seen.length(), seen.size_in_force(), seen.kept()?.csid);
    let wrong = seen.read_as_header(force).map(|read| format!("; the receiver reads {read}")).unwrap_or_default();
    let rightly = seen.comparison.rows_of(seen.framing.direction).take_while(|&row| row < seen.row).find_map(|row| {
        let kept = seen.comparison.item(row, Side::B)?.message()?;
        kept.chunks.is_some_and(|chunks| chunks.count > 1).then(|| seen.comparison.either(row).name.clone())
    });
    let rightly = rightly.map(|name| format!("; {name} before it is cut correctly")).unwrap_or_default();
    let missing = length.saturating_sub(1) / force;
    Some(DiagnosisText {
        title: format!(
            "{name} of {length} bytes has no type 3 headers: {missing} {} left out at chunk size {force}",
            if missing == 1 { "is" } else { "are" }
        ),
        why: format!("its payload continues without a header after {force} bytes{wrong}{rightly}"),
        fix: format!(
            "write {} before every further {force} bytes of the message",
            broken::spaced(&super::type3::header(csid))
        ),
    })
}

/// A size as it is in the message.
fn written(size: u32) -> String {
    broken::spaced(&size.to_be_bytes())
}
