//! What comes before its time, and what gets lost where the handshake ends.

use crate::compare::{Comparison, FieldPath, Side, Value};
use crate::origin::FrameNo;
use crate::recording::{EventKind, RecordedEvent};
use crate::rtmp::handshake::{BLOCK, Part};
use crate::rules::opening::{CLIENT, Opening, SERVER, mismatches_at, mismatches_of, row_of};
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction;

pub static EARLY_DATA: Rule = Rule {
    code: "hs-early-data",
    layer: Layer::Handshake,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "messages are sent before the handshake is complete",
    page: Page {
        what: "The client sent C2 before S1 had arrived, or a message before S2, or the server sent one before C2. The \
               other side may still wait for its part of the handshake, and read the message as that, or drop it.",
        looks: "client   03 00 00 00 00 ...                  C0 and C1\n\
                client   00 00 00 00 00 ...                  C2\n\
                client   03 00 00 00 00 00 87 14 00 00 00 00 connect\n\
                server   03 00 00 00 00 ...                  S0, S1 and S2 come only now",
        who: "Clients that save a round trip; servers that announce their window with S2.",
        fix: "Wait for S1 before C2, for S2 before the first message of the client, and for C2 before that of the server.",
        source: "RTMP 1.0 section 5.2.1: each side must wait; C2 may follow S1 before S2 has arrived. nginx-rtmp and \
                 Node-Media-Server tolerate it.",
    },
    check: Check::Diff(early_data),
};

pub static TAIL_LOST: Rule = Rule {
    code: "hs-tail-lost",
    layer: Layer::Handshake,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a command in the same segment as the handshake's end is never answered",
    page: Page {
        what: "The first command was in the same TCP segment as the end of C2, and is never answered. A receiver that \
               reads the handshake with one read, and discards the rest of its buffer, loses the command.",
        looks: "segment   ... 5d 21 0b   end of C2\n\
                          03 00 00 00 00 00 87 14 00 00 00 00   connect, in the same segment",
        who: "Servers and clients whose handshake uses a separate buffer. nginx-rtmp and Node-Media-Server do it \
              correctly.",
        fix: "In the receiver, pass the rest of the buffer to the chunk reader. In the sender, as a workaround, send \
              connect after C2 has been acknowledged.",
        source: "TCP has no boundaries between writes (RFC 9293 section 3.9.1). Known from a client for Red5.",
    },
    check: Check::Diff(tail_lost),
};

fn early_data(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (a, b) = Opening::sides(comparison);
    let of = |(direction, part): (Direction, Part)| {
        let Early { item, what, ready } = early(b, direction, part)?;
        if a.is_some_and(|a| early(a, direction, part).is_some()) {
            return None;
        }
        let row = row_of(comparison, Side::B, item)?;
        let who = if direction == CLIENT { "client" } else { "server" };
        let title = format!("the {who} sends {} before {what} has arrived", comparison.either(row).name);
        let why = format!(
            "it is in frame {}, before {what}, which is complete in frame {ready}; a receiver that is still in its \
             handshake may drop it or read it as part of that. Many tolerate it",
            item.frames[1]
        );
        let value = Value {
            bytes: item.message().map(|kept| kept.first_header.to_vec()).unwrap_or_default(),
            place: Some((item.at.start, item.frames[1])),
            ..Value::words(item.info.clone())
        };
        let claim = Claim::on(row, "handshake.order", [None, Some(value)], Certainty::Certain, title);
        // A C2 from before S1 is there cannot echo it.
        let is_answer = |index: &usize| {
            let mismatch = &comparison.mismatches[*index];
            let is_of = comparison.either_item(mismatch.row).direction == direction;
            mismatch.path == FieldPath::ANSWER && is_of && mismatch.side(Side::B).is_none()
        };
        let explains: Vec<usize> = comparison.open().filter(is_answer).collect();
        let before = if item.message().is_some() { "the first message" } else { "C2" };
        Some(claim.why(why).fix(format!("wait for {what} before {before}")).explaining(explains))
    };
    [(CLIENT, Part::S0S1S2), (SERVER, Part::C2)].into_iter().filter_map(of).collect()
}

/// What was sent too early.
struct Early<'r> {
    item: &'r RecordedEvent,
    /// What it should have waited for, and the frame in which that is whole.
    what: &'static str,
    ready: FrameNo,
}

/// What a direction sent before the part of the other one's handshake that it has to wait for: C2 before S1, or the
/// first message before S2 or C2.
fn early(opening: Opening<'_>, direction: Direction, part: Part) -> Option<Early<'_>> {
    let (handshake, _, bytes) = opening.part(part).filter(|(item, ..)| item.defects.is_empty())?;
    let c2 = opening.part(Part::C2).map(|(item, ..)| item).filter(|_| direction == CLIENT);
    if let (Some(c2), EventKind::Handshake { places, .. }) = (c2, &handshake.content)
        && let Some((_, ready)) = places.of(BLOCK).filter(|_| bytes.len() > BLOCK)
        && c2.frames[0].precedes(ready)
    {
        return Some(Early { item: c2, what: "S1", ready });
    }
    // Nothing can be said of an order across holes.
    let is_whole = [CLIENT, SERVER].into_iter().all(|direction| opening.total(direction).is_some());
    let first = opening.messages(direction).next()?;
    let ready = handshake.frames[0];
    let what = if part == Part::C2 { "C2" } else { "S2" };
    (is_whole && first.number < handshake.number && first.frames[0].precedes(ready)).then_some(Early {
        item: first,
        what,
        ready,
    })
}

fn tail_lost(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (a, b) = Opening::sides(comparison);
    let Some((item, frame)) = in_one_segment(b) else { return Vec::new() };
    let is_mute = |opening: Opening<'_>| opening.messages(SERVER).next().is_none();
    if a.is_some_and(|a| in_one_segment(a).is_some() || is_mute(a)) || !is_mute(b) || b.total(SERVER).is_none() {
        return Vec::new();
    }
    let Some(row) = row_of(comparison, Side::B, item) else { return Vec::new() };
    // Where the command itself differs, that is why.
    let differs = !mismatches_at(comparison, row).is_empty() || comparison.item(row, Side::A).is_none();
    if differs && comparison.a.is_some() || !item.defects.is_empty() {
        return Vec::new();
    }
    let name = comparison.either(row).name.clone();
    let value = |side| {
        let item = comparison.item(row, side)?;
        Some(Value {
            bytes: item.message().map(|kept| kept.first_header.to_vec()).unwrap_or_default(),
            place: Some((item.at.start, item.frames[1])),
            ..Value::words(format!("in frame {}", item.frames[1]))
        })
    };
    let explains = mismatches_of(comparison, |other| other > row && comparison.item(other, Side::B).is_none());
    // Alone it may as well be the command that the server does not like.
    let certainty = if comparison.a.is_none() { Certainty::Possible } else { Certainty::Likely };
    let title = format!("{name} is in the same segment as the end of C2, and the server never answers it");
    let why = format!(
        "frame {frame} holds the last bytes of C2 and {name}{}. A server that discards what its buffer holds after the \
         handshake never saw it",
        if comparison.a.is_none() { "" } else { "; the same command in a segment of its own is answered in A" }
    );
    let claim = Claim::on(row, "handshake.tail", [Side::A, Side::B].map(value), certainty, title);
    let fix = "in the receiver, continue after C2 in the same buffer; in the sender, delay connect a little";
    vec![claim.why(why).fix(fix).explaining(explains.into_iter().take(1)).breaking(Impact::Response)]
}

/// The client's first message, if it begins in the segment that ends C2.
fn in_one_segment(opening: Opening<'_>) -> Option<(&RecordedEvent, FrameNo)> {
    let (c2, ..) = opening.part(Part::C2).filter(|(item, ..)| item.defects.is_empty())?;
    let first = opening.messages(CLIENT).next()?;
    let frame = c2.frames[0].known()?;
    (first.frames[1] == frame).then_some((first, frame))
}
