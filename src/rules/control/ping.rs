//! Ping requests and what answers them.

use crate::compare::Comparison;
use crate::recording::Session;

use super::super::oddity::{self, Oddity};
use super::super::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};
use super::event;

pub static WRONG_REPLY: Rule = Rule {
    code: "ping-wrong-reply",
    layer: Layer::Control,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a ping is answered wrongly",
    page: Page {
        what: "A Ping Response (event 7) repeats the four bytes of the Ping Request (event 6). A response with other bytes, or a \
               request sent back, is no answer.",
        looks: "00 06 00 00 10 22   request\n\
                00 07 00 00 10 78   response with a time of its own",
        who: "Clients that put their own clock into the answer, or send the message back unchanged.",
        fix: "Answer with event 7 and the four bytes that were received.",
        source: "RTMP 1.0 section 7.1.7.",
    },
    check: Check::Diff(|comparison| claims(comparison, true)),
};

pub static UNANSWERED: Rule = Rule {
    code: "ping-unanswered",
    layer: Layer::Control,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a ping is not answered",
    page: Page {
        what: "A side sends Ping Requests and never gets a response; servers close such connections after a while.",
        looks: "00 06 00 00 10 22\n\
                \n\
                00 07 00 00 10 22 is due the other way, and does not come.",
        who: "Clients that do not read while they publish. nginx-rtmp pings after 60 seconds and closes 30 seconds later.",
        fix: "Read what the server sends, and answer event 6 with event 7 and the same four bytes.",
        source: "RTMP 1.0 section 7.1.7; nginx-rtmp's ping and ping_timeout.",
    },
    check: Check::Diff(|comparison| claims(comparison, false)),
};

/// A request without a right answer.
struct Ping {
    /// Index of the item.
    request: usize,
    sent: [u8; 4],
    /// The first event of a ping that came back, and its index.
    back: Option<(usize, u16, [u8; 4])>,
}

fn claims(comparison: &Comparison<'_>, wrong: bool) -> Vec<Claim> {
    let of = |session: &Session| -> Vec<Ping> {
        pings(session).into_iter().filter(|ping| ping.back.is_some() == wrong).collect()
    };
    if !of(comparison.a).is_empty() {
        return Vec::new();
    }
    let all = of(comparison.b);
    let Some(first) = all.first() else { return Vec::new() };
    let place = first.back.map_or(first.request, |(index, ..)| index);
    let Some(row) = comparison.rows.iter().position(|row| row.b == Some(place)) else { return Vec::new() };
    let (count, sent) = (all.len(), hex::encode(first.sent));
    let oddity = match first.back {
        Some((_, event, data)) => Oddity::certain(
            format!("a ping request with {sent} is answered with event {event} and {}", hex::encode(data)),
            format!("the answer to event 6 is event 7 with the same four bytes; {count} requests have no such answer"),
            "answer with event 7 and the four bytes that were received",
        ),
        // A single one may be under way when the capture ends.
        None => Oddity {
            certainty: if count > 1 || pings_closed(comparison.b) { Certainty::Certain } else { Certainty::Likely },
            ..Oddity::certain(
                format!("{count} ping requests are not answered"),
                "event 7 with the bytes of the request does not come, though messages of that side do come later",
                "read what the peer sends, and answer event 6 with event 7 and the same four bytes",
            )
        },
    };
    vec![oddity::claim(comparison, row, &[row], oddity, |_| true)]
}

fn pings_closed(session: &Session) -> bool {
    session.stream.end.as_ref().is_some_and(|end| end.by == "server")
}

/// The requests of a session without a right answer, where the other side goes on for a while or is closed on.
fn pings(session: &Session) -> Vec<Ping> {
    let mut open: Vec<Ping> = Vec::new();
    let mut after = Vec::new();
    for (index, item) in session.items.iter().enumerate() {
        let Some(kept) = item.message() else { continue };
        let Some((kind @ (6 | 7), Some(data))) = event(kept) else {
            for (ping, later) in open.iter().zip(&mut after) {
                *later += usize::from(session.items[ping.request].direction != item.direction);
            }
            continue;
        };
        let waits = |ping: &Ping| ping.back.is_none() && session.items[ping.request].direction != item.direction;
        let right = |ping: &Ping| waits(ping) && kind == 7 && ping.sent == data && kept.header.length == 6;
        if let Some(at) = open.iter().position(right) {
            open.remove(at);
            after.remove(at);
        } else if let Some(ping) = open.iter_mut().find(|ping| waits(ping) && (kind == 7 || ping.sent == data)) {
            ping.back = Some((index, kind, data));
        } else if kind == 6 && open.len() < MOST {
            open.push(Ping { request: index, sent: data, back: None });
            after.push(0);
        }
    }
    let closed = pings_closed(session);
    let is_late = |(ping, later): &(Ping, usize)| ping.back.is_some() || closed || *later >= ENOUGH;
    open.into_iter().zip(after).filter(is_late).map(|(ping, _)| ping).collect()
}

/// Requests that wait at once.
const MOST: usize = 16;
/// So many messages of the other side behind a request say that no answer comes.
const ENOUGH: usize = 3;
