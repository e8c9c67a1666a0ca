//! What the client sends first, and what it leaves out.

use crate::compare::{Comparison, MessageKind, Side};
use crate::recording::EventKind;
use crate::rtmp::handshake::{self, BLOCK, Part};
use crate::rules::opening::{CLIENT, Opening, SERVER, WAITS, first_row, mismatches_at, mismatches_of};
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};

pub static VERSION: Rule = Rule {
    code: "hs-version",
    layer: Layer::Handshake,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the version in C0 is not 3",
    page: Page {
        what: "The first byte of a connection is the version of RTMP that the client asks for. It is 3. Other values are old \
               products (0 to 2), or RTMPE (6 and 8).",
        looks: "02 00 00 00 00 00 00 00 00   C0 is 2\n\
                03 00 00 00 00 00 00 00 00   C0, then C1: time and four zeros",
        who: "Clients that send their own version there, or C1 in its place.",
        fix: "Send 3 as the first byte of the connection.",
        source: "RTMP 1.0 section 5.2.2. nginx-rtmp closes without an error message, Node-Media-Server accepts \
                 anything.",
    },
    check: Check::Diff(version),
};

pub static C0_MISSING: Rule = Rule {
    code: "hs-c0-missing",
    layer: Layer::Handshake,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "C0 and C1 are less than 1537 bytes",
    page: Page {
        what: "C0 is 1 byte and C1 is 1536, together 1537. The client sent less and waits for the server, which waits \
               for the rest: without C0 it reads C1's first byte as C0 and lacks one at the end.",
        looks: "00 00 00 00 00 00 00 00 a5 4d     1536 bytes: C1 alone, its time first\n\
                03 00 00 00 00 00 00 00 00 a5 4d  1537 bytes: C0 and C1",
        who: "Clients written from a description that counts 1536, or whose random part is 1528 bytes less the size of \
              the times.",
        fix: "Send one byte 3, four bytes of time, four zeros and 1528 random bytes.",
        source: "RTMP 1.0 sections 5.2.2 and 5.2.3.",
    },
    check: Check::Diff(c0_missing),
};

pub static WAIT_S0_DEADLOCK: Rule = Rule {
    code: "hs-wait-s0-deadlock",
    layer: Layer::Handshake,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the client waits for S0 before it sends C1",
    page: Page {
        what: "The client sent C0 and nothing more. Servers answer when they have C0 and C1, so each side waits for the other.",
        looks: "client   03              one byte, then nothing\n\
                right    03 00 00 00 00  C0 and C1, 1537 bytes together",
        who: "Clients that exchange version bytes first, one by one.",
        fix: "Send C0 and C1 together, and then wait.",
        source: "RTMP 1.0 section 5.2.1: the handshake begins with the client sending C0 and C1. nginx-rtmp and Node-Media-Server \
                 both wait for C1.",
    },
    check: Check::Diff(wait_s0_deadlock),
};

pub static C2_MISSING: Rule = Rule {
    code: "hs-c2-missing",
    layer: Layer::Handshake,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the client leaves out C2",
    page: Page {
        what: "The first message follows C0 and C1, where C2 belongs. The server reads the next 1536 bytes as C2, \
               connect among them, and what follows as messages.",
        looks: "03 00 00 00 00 00 87 14 00 00 00 00 02 00 07   at stream offset 1537\n\
                \n\
                This is a chunk header and connect. C2 begins with the time of S1 and then repeats S1's random bytes.",
        who: "Clients that consider the handshake complete when S2 has arrived.",
        fix: "Answer S1 with C2: its time, the client's own time, and its 1528 random bytes; then send connect.",
        source: "RTMP 1.0 sections 5.2.1 and 5.2.4. nginx-rtmp resets the connection, Node-Media-Server closes it.",
    },
    check: Check::Diff(c2_missing),
};

/// Length of C0 and C1.
const C0_C1: usize = 1 + BLOCK;

fn version(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (a, b) = Opening::sides(comparison);
    let of_server = |opening: Opening<'_>| {
        // A server that speaks TLS is another matter.
        let bytes = opening.sent(SERVER);
        let is_tls = matches!(bytes, [0x15 | 0x16, 3, ..]);
        bytes.first().copied().filter(|_| opening.sent(CLIENT).first() == Some(&3) && !is_tls)
    };
    if let (Some(of_b), Some(3)) =
        (of_server(b).filter(|of_b| handshake::is_version(*of_b) && *of_b != 3), a.map_or(Some(3), of_server))
    {
        let Some(row) = first_row(comparison, SERVER, Side::B) else { return Vec::new() };
        let values = [a, Some(b)].map(|opening| Some(opening?.value(SERVER, 0, 16, "S0 and S1")));
        let title = format!("the server's version byte S0 is {of_b}; RTMP's is 3");
        let claim = Claim::on(row, "handshake", values, Certainty::Certain, title)
            .why("the client asked for 3, but the server answers with another version; strict clients give up")
            .fix("answer C0 with 3")
            .explaining(mismatches_at(comparison, row));
        return vec![claim.weighing(Severity::Error)];
    }
    let (Some(&of_b), of_a) = (b.sent(CLIENT).first(), a.and_then(|a| a.sent(CLIENT).first())) else {
        return Vec::new();
    };
    let sent = b.total(CLIENT).unwrap_or(u64::MAX);
    if of_b == 3 || of_a == Some(&of_b) || !handshake::is_version(of_b) || is_without_c0(b) || sent < C0_C1 as u64 {
        return Vec::new();
    }
    // An encrypted session that continues is another matter.
    let is_answered = !b.sent(SERVER).is_empty();
    if handshake::is_encrypted(of_b) && is_answered || is_tls(b) {
        return Vec::new();
    }
    let end = match b.ended_by() {
        Some(who) if !is_answered => format!("the server did not answer; the {who} closed the connection"),
        _ if is_answered => "this server answers nevertheless; others close".to_owned(),
        _ => "the server did not answer".to_owned(),
    };
    let rtmpe = if handshake::is_encrypted(of_b) { ", which asks for RTMPE" } else { "" };
    let title = format!("the client's version byte C0 is {of_b}{rtmpe}; RTMP's is 3");
    let claim = at_start(comparison, Certainty::Certain, title);
    claim.into_iter().map(|claim| claim.why(end.clone()).fix("send 3 as the first byte")).collect()
}

fn c0_missing(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (a, b) = Opening::sides(comparison);
    let is_short = |opening: Opening<'_>| is_without_c0(opening) || is_short(opening);
    if !is_short(b) || a.is_some_and(is_short) {
        return Vec::new();
    }
    let total = b.total(CLIENT).unwrap_or_default();
    let missing = C0_C1 as u64 - total;
    let (title, fix) = if is_without_c0(b) {
        (format!("the client sent C1 without C0: {total} bytes of 1537"), "send one byte 3 before C1")
    } else {
        (
            format!("C0 and C1 are {total} bytes, {missing} less than 1537"),
            "make C1 1536 bytes long: two times of 4 bytes and 1528 random bytes",
        )
    };
    let waits = b.idle() >= WAITS;
    let certainty = if waits { Certainty::Certain } else { Certainty::Likely };
    let how = match (waits, b.ended_by()) {
        (true, _) => format!("then neither side sent anything for {:.1} s", b.idle()),
        (false, Some(who)) => format!("then the {who} closed"),
        (false, None) => "and the capture ends".to_owned(),
    };
    let more = if missing == 1 { "one more byte".to_owned() } else { format!("{missing} more bytes") };
    let why = format!("{how}: the server waits for {more} before it answers");
    at_start(comparison, certainty, title).into_iter().map(|claim| claim.why(why.clone()).fix(fix)).collect()
}

fn wait_s0_deadlock(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (a, b) = Opening::sides(comparison);
    let is_alone = |opening: Opening<'_>| opening.sent(CLIENT) == [3] && opening.total(CLIENT) == Some(1);
    if !is_alone(b) || a.is_some_and(is_alone) || b.total(SERVER).is_none_or(|bytes| bytes > 1) {
        return Vec::new();
    }
    let waits = b.idle() >= WAITS;
    let certainty = if waits { Certainty::Certain } else { Certainty::Likely };
    let why = format!(
        "the client sent only C0, and the server sent {} bytes in {:.1} s: it answers when it has C1 too",
        b.total(SERVER).unwrap_or_default(),
        b.idle()
    );
    let title = "the client sends C0 and then waits; servers answer only when they have C1 too";
    let claim = at_start(comparison, certainty, title.to_owned());
    claim.into_iter().map(|claim| claim.why(why.clone()).fix("send C0 and C1, 1537 bytes, together")).collect()
}

fn c2_missing(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (a, b) = Opening::sides(comparison);
    let Some(at) = connect_for_c2(b) else { return c2_cut(comparison) };
    if a.and_then(connect_for_c2).is_some() {
        return Vec::new();
    }
    let row = comparison
        .rows_of(CLIENT)
        .find(|&row| comparison.item(row, Side::B).is_some_and(|item| item.at.contains(&(C0_C1 as u64))));
    let Some(row) = row.or_else(|| first_row(comparison, CLIENT, Side::B)) else { return Vec::new() };
    let values = [(a, "C2"), (Some(b), "a chunk header and a message")]
        .map(|(opening, text)| Some(opening?.value(CLIENT, C0_C1, 16, text)));
    let end = b.ended_by().map(|who| format!(", and the {who} closes")).unwrap_or_default();
    let why = format!(
        "the bytes after C1 are a chunk header, and the name connect is at stream offset {at}, inside the 1536 bytes \
         that the server reads as C2: it never sees the command{end}"
    );
    let is_c2 = |other: usize| {
        let is_handshake = comparison.either(other).kind == MessageKind::Handshake;
        other == row || is_handshake && comparison.either_item(other).direction == CLIENT
    };
    let explains = mismatches_of(comparison, is_c2);
    let claim = Claim::on(row, "handshake", values, Certainty::Certain, "the client sends connect where C2 belongs");
    vec![
        claim
            .why(why)
            .fix("answer S1 with the 1536 bytes of C2 before connect")
            .explaining(explains)
            .breaking(Impact::Framing),
    ]
}

/// How far S1 is from where it is due in what the client sent, if it has it with bytes missing or too many in front.
pub(super) fn moved_c2(opening: Opening<'_>) -> Option<i64> {
    const TIMES: usize = 8;
    const LOOKED_AT: usize = 32;
    const FAR: usize = 64;
    let echo = opening.sent(SERVER).get(1 + TIMES..1 + TIMES + LOOKED_AT)?;
    let due = C0_C1 + TIMES;
    let bytes = opening.sent(CLIENT).get(due - FAR..)?;
    let is_here = |far: i64| bytes.get((FAR as i64 + far) as usize..).is_some_and(|bytes| bytes.starts_with(echo));
    if is_here(0) {
        return None;
    }
    let all = || (1..FAR as i64).flat_map(|far| [-far, far]);
    let moved = all().find(|&far| is_here(far))?;
    // In a block of equal bytes it is everywhere, and in one that repeats itself at several places: then the first
    // message says how far it is.
    let is_random =
        opening.sent(SERVER)[1 + TIMES..].windows(LOOKED_AT).take(BLOCK).filter(|part| *part == echo).count() == 1;
    let begins_message = |&far: &i64| bytes.get((FAR as i64 + far) as usize + BLOCK - TIMES..).is_some_and(is_header);
    if is_random { Some(moved) } else { all().find(begins_message) }
}

/// Whether a full chunk header is here, of a control message, a command or metadata on message stream 0.
fn is_header(bytes: &[u8]) -> bool {
    matches!(bytes, [2..=0x3f, _, _, _, 0, _, _, 1..=6 | 17 | 18 | 20, 0, 0, 0, 0, ..])
}

/// How many bytes of C2 are not there, if it repeats S1 up to the header of the first message.
fn short_c2(opening: Opening<'_>) -> Option<usize> {
    const ENOUGH: usize = 64;
    let (c2, s1) = (opening.sent(CLIENT).get(C0_C1..)?, opening.sent(SERVER).get(1..C0_C1)?);
    let same = c2.iter().zip(s1).take_while(|(a, b)| a == b).count();
    // A byte of the header may be the one that S1 has there.
    let at = (same.saturating_sub(2)..=same).find(|at| *at < c2.len() && is_header(&c2[*at..]))?;
    (ENOUGH..BLOCK).contains(&at).then_some(BLOCK - at)
}

/// A client that sends nothing after C1, or C2 with bytes missing or too many in front.
fn c2_cut(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (a, b) = Opening::sides(comparison);
    if super::size::is_wrong(b) {
        return Vec::new();
    }
    if let (Some(moved), None) = (moved_c2(b), a.and_then(moved_c2)) {
        let (count, what) = (moved.unsigned_abs(), if moved < 0 { "short" } else { "too long" });
        let bytes = if count == 1 { "byte" } else { "bytes" };
        let title = format!("C2 is {count} {bytes} {what}");
        let why = format!(
            "the random bytes of S1, which C2 repeats, are {count} {bytes} {} than expected; the server counts 1536 \
             bytes, and reads connect from the wrong place",
            if moved < 0 { "earlier" } else { "later" }
        );
        let claim = at_c2(comparison, Certainty::Certain, title);
        return claim
            .map(|claim| claim.why(why).fix("send the 1536 bytes of S1 as C2, no more and no less"))
            .into_iter()
            .collect();
    }
    if let (Some(short), None) = (short_c2(b), a.and_then(short_c2)) {
        let title = format!("C2 is {short} bytes short");
        let why = "the first message begins inside the 1536 bytes of C2, which the server counts: it continues to read \
                   at the wrong place";
        let claim = at_c2(comparison, Certainty::Certain, title);
        let fix = "send all of the 1536 bytes of S1 as C2";
        return claim.map(|claim| claim.why(why).fix(fix)).into_iter().collect();
    }
    let stops = |opening: Opening<'_>| opening.total(CLIENT) == Some(C0_C1 as u64);
    // Who closes at once does not like what S1 says.
    let waits = b.idle() >= WAITS / 4.0;
    if !stops(b) || a.is_some_and(stops) || !is_answered(b) || !waits {
        return Vec::new();
    }
    let certainty = if b.idle() >= WAITS { Certainty::Certain } else { Certainty::Likely };
    let claim = at_c2(comparison, certainty, "the client received S1 but does not send C2".to_owned());
    let why = format!("S0, S1 and S2 arrived, but for {:.1} s nothing follows C1; the server waits for C2", b.idle());
    let fix = "answer S1 with the 1536 bytes of C2, and continue";
    claim.map(|claim| claim.why(why).fix(fix).breaking(Impact::Framing)).into_iter().collect()
}

/// A claim about what the client sent after C1, or did not.
fn at_c2(comparison: &Comparison<'_>, certainty: Certainty, title: String) -> Option<Claim> {
    let (a, b) = Opening::sides(comparison);
    let of_c2 =
        |row: &usize| matches!(comparison.either_item(*row).content, EventKind::Handshake { part: Part::C2, .. });
    let row = comparison.rows_of(CLIENT).find(of_c2).or_else(|| first_row(comparison, CLIENT, Side::B))?;
    let values = [a, Some(b)].map(|opening| Some(opening?.value(CLIENT, C0_C1, 16, "after C1")));
    let is_c2 = |other: usize| {
        let is_handshake = comparison.either(other).kind == MessageKind::Handshake;
        other == row || is_handshake && comparison.either_item(other).direction == CLIENT
    };
    let explains = mismatches_of(comparison, is_c2);
    Some(Claim::on(row, "handshake", values, certainty, title).explaining(explains).breaking(Impact::Framing))
}

/// Whether a client sent C1 alone: a block's length, and no version before it.
pub fn is_without_c0(opening: Opening<'_>) -> bool {
    let bytes = opening.sent(CLIENT);
    let is_block = opening.total(CLIENT) == Some(BLOCK as u64) && bytes.len() == BLOCK;
    // With C0 the zeros, or the version of the software, are one further on; and a time seldom begins with 3.
    is_block && bytes[0] != 3 && !is_answered(opening)
}

/// Whether the client began as it should, and stopped before C1 was whole.
fn is_short(opening: Opening<'_>) -> bool {
    let is_part = opening.total(CLIENT).is_some_and(|total| (2..C0_C1 as u64).contains(&total));
    is_part && opening.sent(CLIENT).first() == Some(&3) && !is_answered(opening)
}

/// Whether S2 is there: the server has all it wants.
fn is_answered(opening: Opening<'_>) -> bool {
    opening.count(SERVER).bytes > C0_C1 as u64
}

fn is_tls(opening: Opening<'_>) -> bool {
    matches!(opening.sent(CLIENT), [0x15 | 0x16, 3, ..])
}

/// Where the name connect is in what should be C2, if that begins with the header of a chunk instead.
fn connect_for_c2(opening: Opening<'_>) -> Option<usize> {
    const CONNECT: &[u8] = b"\x02\0\x07connect";
    let bytes = opening.sent(CLIENT);
    let behind = bytes.get(C0_C1..)?;
    let behind = &behind[..behind.len().min(BLOCK)];
    // A full header on a chunk stream of one byte, message stream 0, not too long.
    let is_header = matches!(behind, [2..=0x3f, _, _, _, 0, _, _, 1..=6 | 17 | 18 | 20, 0, 0, 0, 0, ..]);
    let found = behind.windows(CONNECT.len()).position(|window| window == CONNECT)?;
    is_header.then_some(C0_C1 + found)
}

/// A claim about the client's first bytes: nothing that follows can be read or is answered.
fn at_start(comparison: &Comparison<'_>, certainty: Certainty, title: String) -> Option<Claim> {
    let row = first_row(comparison, CLIENT, Side::B)?;
    let (a, b) = Opening::sides(comparison);
    let values = [a, Some(b)].map(|opening| {
        let opening = opening?;
        let text = match opening.total(CLIENT) {
            Some(total) if total < C0_C1 as u64 => format!("{total} bytes in all"),
            _ => "C0 and C1".to_owned(),
        };
        Some(opening.value(CLIENT, 0, 16, text))
    });
    let claim = Claim::on(row, "handshake", values, certainty, title);
    Some(claim.explaining(mismatches_at(comparison, row)).breaking(Impact::Framing))
}
