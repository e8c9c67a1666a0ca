//! Headers that are where they cannot: the first on a chunk stream, and those of which nothing can be made.

use std::collections::HashSet;

use crate::compare::{Comparison, Side};
use crate::recording::{EventKind, RecordedEvent, Session};
use crate::rtmp::message::Ending;
use crate::rules::broken::spaced;
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction;

use super::{BOTH, is_break, is_explained, is_meant, is_refused, messages, of_row, raw};

pub static FMT_FIRST: Rule = Rule {
    code: "fmt-first-on-csid",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the first header on a chunk stream leaves out what it cannot inherit",
    page: Page {
        what: "Headers of fmt 1, 2 and 3 leave out fields that are as in the message before on the same chunk stream. On a \
               chunk stream without one there is nothing to repeat: the receiver has no length and no type.",
        looks: "c8 02 00 07 70 75 62 6c 69 73 68 ...                        fmt 3\n\
                88 00 00 00 02 00 07 70 75 62 6c 69 73 68 ...               fmt 2\n\
                08 00 00 00 00 00 1e 14 01 00 00 00 02 00 07 70 75 62 ...   right",
        who: "Clients that compare with the last message sent, on whichever chunk stream it was.",
        fix: "Begin each chunk stream with fmt 0, and keep the fields of the last message for each chunk stream.",
        source: "RTMP 1.0 section 5.3.1.2.1. nginx-rtmp and Node-Media-Server close; a first header of fmt 1 is \
                 accepted by both.",
    },
    check: Check::Diff(fmt_first),
};

/// A first header that is not full: its format and chunk stream, and what follows it.
struct First {
    index: usize,
    fmt: u8,
    csid: u32,
    header: Vec<u8>,
    command: Option<String>,
}

fn fmt_first(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for direction in BOTH {
        // As the first header of user control events receivers take fmt 1; librtmp sends it.
        let counts = |first: &First| {
            let item = &comparison.b.items[first.index];
            let is_control = item.message().is_some_and(|kept| (1..=6).contains(&kept.header.type_id.0));
            let is_known = item.message().is_none_or(|kept| kept.header.type_id.is_known());
            is_known && (first.fmt > 1 || !is_control || is_refused(comparison, item))
        };
        let of_a: Vec<&[u8]> = messages(comparison, Side::A, direction).map(|(.., kept)| &kept.body[..]).collect();
        let is_of_a = |bytes: &[u8]| {
            // So many bytes are the same by chance once in 2^40.
            const PROOF: usize = 5;
            of_a.iter().any(|body| (PROOF..64).contains(&body.len()) && bytes.starts_with(body))
        };
        let found = first_not_full(comparison.b, direction, is_of_a).filter(counts);
        let Some(first) = found else { continue };
        if comparison
            .a
            .and_then(|a| first_not_full(a, direction, |_| false))
            .is_some_and(|other| other.csid == first.csid)
        {
            continue;
        }
        let Some(row) = comparison.rows.iter().position(|row| row.b == Some(first.index)) else { continue };
        let First { index, fmt, csid, header, command } = first;
        let certainty = if command.is_some() { Certainty::Certain } else { Certainty::Likely };
        let what = command.map(|name| format!(", {name},")).unwrap_or_default();
        let missing = match fmt {
            1 => "a message stream",
            2 => "a length, a type and a message stream",
            _ => "a length, a type, a message stream and a time",
        };
        let title = format!(
            "the first chunk on chunk stream {csid}{what} has fmt {fmt}, but there is no earlier header to inherit \
             from"
        );
        // Who takes the missing stream for 0 reads on.
        let is_taken = fmt == 1 && !is_refused(comparison, &comparison.b.items[index]);
        let claim = Claim::of_message(comparison, row, "chunk.fmt", certainty, title)
            .why(format!(
                "{} is the first header on chunk stream {csid} and inherits {missing} from the one before it, which \
                 does not exist",
                spaced(&header)
            ))
            .fix(format!("begin chunk stream {csid} with a full header, fmt 0"))
            .explaining(of_row(comparison, row));
        claims.push(match is_taken {
            true => claim.weighing(Severity::Warning),
            false => claim.breaking(Impact::Framing),
        });
    }
    claims
}

/// The first chunk stream that does not begin with a full header, in a direction that was captured from its start.
/// `is_body` says of bytes that cannot be read whether they are a message's body.
fn first_not_full(session: &Session, direction: Direction, is_body: impl Fn(&[u8]) -> bool) -> Option<First> {
    let mut known: HashSet<u32> = HashSet::new();
    let items = || session.items.iter().enumerate().filter(|(_, item)| item.direction == direction);
    if !items().next().is_some_and(|(_, item)| matches!(item.content, EventKind::Handshake { .. })) {
        return None;
    }
    for (index, item) in items() {
        match &item.content {
            EventKind::Message(kept) if kept.fmt.is_some_and(|fmt| fmt > 0) && !known.contains(&kept.csid) => {
                let (fmt, csid) = (kept.fmt?, kept.csid);
                return Some(First {
                    index,
                    fmt,
                    csid,
                    header: kept.first_header.to_vec(),
                    command: command(&kept.body),
                });
            }
            EventKind::Message(kept) => _ = known.insert(kept.csid),
            EventKind::Handshake { .. } => {}
            EventKind::Gap(_) => return None,
            EventKind::Undecoded => {
                let bytes = raw(session, direction, item.at.start)?;
                let (fmt, csid) = (bytes[0] >> 6, u32::from(bytes[0] & 0x3f));
                let len = [12, 8, 4, 1][usize::from(fmt)];
                let is_first = fmt > 0 && csid > 1 && !known.contains(&csid);
                let is_sent = bytes.get(len..).is_some_and(&is_body);
                return is_first
                    .then(|| First {
                        index,
                        fmt,
                        csid,
                        header: bytes[..len.min(bytes.len())].to_vec(),
                        command: bytes.get(len..).and_then(command),
                    })
                    .filter(|first| first.command.is_some() || is_sent);
            }
        }
    }
    None
}

/// The name that an AMF 0 command begins with.
fn command(body: &[u8]) -> Option<String> {
    let [2, high, low, rest @ ..] = body else { return None };
    let name = rest.get(..usize::from(u16::from_be_bytes([*high, *low])))?;
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    is_name.then(|| String::from_utf8_lossy(name).into_owned())
}

pub static DESYNC: Rule = Rule {
    code: "desync-unknown",
    layer: Layer::Chunk,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "there is no chunk header where one is expected",
    page: Page {
        what: "A direction decodes up to some byte, and the bytes after it are not chunks. None of the known mistakes \
               explains them: bytes were lost or inserted on the way to the socket, or the sender writes a header \
               incorrectly in an unknown way.",
        looks: "06 00 00 28 00 02 11 09 01 00 00 00   correct\n\
                00 46 00 00 28 00 02 11 09   a byte too many: chunk stream 134\n\
                00 28 00 02 11 09 27 01      too few: the header began before",
        who: "Short writes whose result is not checked; two threads on one socket; buffers that are reused too early.",
        fix: "Look at the last message before the place: the length in its header, and what was written.",
        source: "RTMP 1.0 section 5.3.1.",
    },
    check: Check::Diff(desync),
};

fn desync(comparison: &Comparison<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for direction in BOTH {
        let breaks = |session: &Session| {
            session.items.iter().position(|item: &RecordedEvent| item.direction == direction && is_break(item))
        };
        // What is read as a header at the end, and is none that the sender meant.
        let stray = |session: &Session| {
            // After a hole it may be anything.
            session.items.iter().all(|item| !matches!(item.content, EventKind::Gap(_))).then_some(())?;
            session.items.iter().position(|item| {
                let Some(kept) = item.message().filter(|_| item.direction == direction) else { return false };
                let is_cut = matches!(kept.ending, Ending::Cut | Ending::Lost);
                // No server gives out such ids, whichever way round.
                let is_wild = |id: u32| id > 0xffff && id.swap_bytes() > 0xffff;
                let is_wild = kept.header.message_stream_id.is_some_and(|id| is_wild(id.0));
                is_wild || is_cut && !is_meant(session, item)
            })
        };
        // After bytes that the capture lacks it is not the sender who is out of step.
        let is_lost = |item: &RecordedEvent| item.direction == direction && matches!(item.content, EventKind::Gap(_));
        let found = |session| breaks(session).or_else(|| stray(session));
        let (Some(index), None) = (found(comparison.b), comparison.a.and_then(found)) else { continue };
        if is_explained(comparison, direction) || comparison.b.items[..index].iter().any(is_lost) {
            continue;
        }
        let Some(row) = comparison.rows.iter().position(|row| row.b == Some(index)) else { continue };
        let item = &comparison.b.items[index];
        let before = comparison
            .rows_of(direction)
            .take_while(|&other| other < row)
            .filter(|&other| comparison.item(other, Side::B).is_some_and(|item| item.message().is_some()))
            .last();
        let after = before.map(|row| format!(" after {}", comparison.either(row).name)).unwrap_or_default();
        let bytes = raw(comparison.b, direction, item.at.start).map(|bytes| spaced(&bytes[..bytes.len().min(12)]));
        let bytes = bytes.map(|bytes| format!("{bytes} is not a chunk header; ")).unwrap_or_default();
        let defect = item.defects.first().map(|defect| defect.message.clone()).unwrap_or_default();
        let title = format!("the chunks break off at stream offset {}{after}", item.at.start);
        let claim = Claim::of_message(comparison, row, "chunk", Certainty::Likely, title)
            .why(format!("{bytes}{defect}; none of the known mistakes explains these bytes"))
            .fix(
                "compare what is written for the last message before it with its header: there are bytes missing or \
                 bytes too many",
            )
            .explaining(of_row(comparison, row))
            .breaking(Impact::Framing);
        claims.push(claim);
    }
    claims
}
