//! What comes before its time, and what gets lost where the handshake ends.

use crate::compare::{Comparison, Side, Value};
use crate::recording::Item;
use crate::rtmp::handshake::Part;
use crate::rules::opening::{CLIENT, Opening, SERVER, mismatches_at, mismatches_of, row_of};
use crate::rules::{Breaks, Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction;

use super::sides;

pub static EARLY_DATA: Rule = Rule {
    code: "hs-early-data",
    layer: Layer::Handshake,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "messages are sent before the handshake is done",
    page: Page {
        what: "The client sent a message before S2 was there, or the server before C2 was. The other side may still wait for its \
               part of the handshake, and take the message for that, or drop it.",
        looks: "client   03 00 00 00 00 ...                  C0 and C1\n\
                client   00 00 00 00 00 ...                  C2\n\
                client   03 00 00 00 00 00 87 14 00 00 00 00 connect\n\
                server   03 00 00 00 00 ...                  S0, S1 and S2 come only now",
        who: "Clients that save a round trip; servers that announce their window with S2.",
        fix: "Wait for S2 before the first message of the client, and for C2 before that of the server.",
        source: "RTMP 1.0 section 5.2.1: each side must wait. nginx-rtmp and Node-Media-Server tolerate it.",
    },
    check: Check::Diff(early_data),
};

pub static TAIL_LOST: Rule = Rule {
    code: "hs-tail-lost",
    layer: Layer::Handshake,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "what came in one segment with the handshake's end is never answered",
    page: Page {
        what: "The first command came in the same TCP segment as the end of C2, and nothing is ever answered to it. A receiver \
               that reads the handshake with one read, and throws away what is behind it in its buffer, loses the command.",
        looks: "segment   ... 5d 21 0b   end of C2\n\
                          03 00 00 00 00 00 87 14 00 00 00 00   connect, in the same segment",
        who: "Servers and clients whose handshake has a buffer of its own. nginx-rtmp and Node-Media-Server do it right.",
        fix: "As the receiver: hand the rest of the buffer on to the reader of chunks. As the sender, to get along with it: send \
              connect when the acknowledgement of C2 is there.",
        source: "TCP has no boundaries between writes (RFC 9293 section 3.9.1). Known from a client for Red5.",
    },
    check: Check::Diff(tail_lost),
};

fn early_data(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (a, b) = sides(comparison);
    let of = |(direction, part): (Direction, Part)| {
        let item = early(b, direction, part)?;
        if early(a, direction, part).is_some() {
            return None;
        }
        let row = row_of(comparison, Side::B, item)?;
        let (who, what) = match direction {
            CLIENT => ("client", "S2"),
            SERVER => ("server", "C2"),
        };
        let title = format!("the {who} sends {} before {what} is there", comparison.either(row).name);
        let waits_for = b.part(part).map(|(item, ..)| item.frames[0]);
        let frame = waits_for.map(|frame| format!(", which is whole in frame {frame}")).unwrap_or_default();
        let why = format!(
            "frame {} has it, before {what}{frame}; a receiver that is still in its handshake may drop it or take it for \
             a part of that. Many tolerate it",
            item.frames[1]
        );
        let value = Value {
            text: item.info.clone(),
            bytes: item.message().map(|kept| kept.first_header.clone()).unwrap_or_default(),
            in_body: None,
            place: Some((item.at.start, item.frames[1])),
        };
        let claim = Claim::on(row, "handshake.order", [None, Some(value)], Certainty::Certain, title);
        // A C2 from before S1 is there cannot echo it.
        let is_answer = |index: &usize| {
            let mismatch = &comparison.mismatches[*index];
            let is_of = comparison.either_item(mismatch.row).direction == direction;
            mismatch.path == "handshake.answer" && is_of && mismatch.side(Side::B).is_none()
        };
        let explains: Vec<usize> = comparison.open().filter(is_answer).collect();
        Some(claim.why(why).fix(format!("wait for {what} before the first message")).explaining(explains))
    };
    [(CLIENT, Part::S0S1S2), (SERVER, Part::C2)].into_iter().filter_map(of).collect()
}

/// The first message of a direction that came before a part of the other one's handshake was whole.
fn early(opening: Opening<'_>, direction: Direction, part: Part) -> Option<&Item> {
    let (handshake, ..) = opening.part(part).filter(|(item, ..)| item.defects.is_empty())?;
    // A C2 from before S1 answers nothing.
    let c2 = opening.part(Part::C2).map(|(item, ..)| item).filter(|_| direction == CLIENT);
    if let Some(c2) = c2.filter(|c2| c2.frames[0] < handshake.frames[1]) {
        return Some(c2);
    }
    // Nothing can be said of an order across holes.
    let is_whole = [CLIENT, SERVER].into_iter().all(|direction| opening.total(direction).is_some());
    // C2 answers S1, so it is early as well.
    let block = opening.part(Part::C2).map(|(item, ..)| item).filter(|_| direction == CLIENT);
    let first = block.into_iter().chain(opening.messages(direction)).min_by_key(|item| item.number)?;
    (is_whole && first.number < handshake.number && first.frames[0] < handshake.frames[0]).then_some(first)
}

fn tail_lost(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (a, b) = sides(comparison);
    let Some((item, frame)) = in_one_segment(b) else { return Vec::new() };
    let is_mute = |opening: Opening<'_>| opening.messages(SERVER).next().is_none();
    let is_mute_in_a = !comparison.is_alone() && is_mute(a);
    if in_one_segment(a).is_some() || !is_mute(b) || is_mute_in_a || b.total(SERVER).is_none() {
        return Vec::new();
    }
    let Some(row) = row_of(comparison, Side::B, item) else { return Vec::new() };
    // Where the command itself differs, that is why.
    let differs = !mismatches_at(comparison, row).is_empty() || comparison.item(row, Side::A).is_none();
    if differs && !comparison.is_alone() || !item.defects.is_empty() {
        return Vec::new();
    }
    let name = comparison.either(row).name.clone();
    let value = |side| {
        let item = comparison.item(row, side)?;
        Some(Value {
            text: format!("in frame {}", item.frames[1]),
            bytes: item.message().map(|kept| kept.first_header.clone()).unwrap_or_default(),
            in_body: None,
            place: Some((item.at.start, item.frames[1])),
        })
    };
    let explains = mismatches_of(comparison, |other| other > row && comparison.item(other, Side::B).is_none());
    // Alone it may as well be the command that the server does not like.
    let certainty = if comparison.is_alone() { Certainty::Possible } else { Certainty::Likely };
    let title = format!("{name} came in one segment with the end of C2, and the server never answers it");
    let why = format!(
        "frame {frame} holds the last bytes of C2 and {name}{}. A server that drops what its buffer holds behind the \
         handshake never saw it",
        if comparison.is_alone() { "" } else { "; the same command in a segment of its own is answered in A" }
    );
    let claim = Claim::on(row, "handshake.tail", [Side::A, Side::B].map(value), certainty, title);
    let fix = "in the receiver, read on behind C2 in the same buffer; in the sender, let connect wait a moment";
    vec![claim.why(why).fix(fix).explaining(explains.into_iter().take(1)).breaking(Breaks::Answer)]
}

/// The client's first message, if it begins in the segment that ends C2.
fn in_one_segment(opening: Opening<'_>) -> Option<(&Item, crate::origin::FrameNo)> {
    let (c2, ..) = opening.part(Part::C2).filter(|(item, ..)| item.defects.is_empty())?;
    let first = opening.messages(CLIENT).next()?;
    (first.frames[1] == c2.frames[0]).then_some((first, c2.frames[0]))
}
