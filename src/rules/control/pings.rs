//! Ping requests and responses: user control events 6 and 7 (RTMP 1.0 7.1.7).

use std::collections::{HashMap, HashSet};

use crate::compare::Comparison;
use crate::recording::Session;
use crate::rules::messages::{self, BodyPlace, DirectionMessages};
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction;

use super::{BOTH, Event, back, events, sender};

const REQUEST: u16 = 6;
const RESPONSE: u16 = 7;
/// So long, in nanoseconds, a response may take before it counts as missing.
const PATIENCE: i64 = 1_000_000_000;

pub static WRONG_REPLY: Rule = Rule {
    code: "ping-wrong-reply",
    layer: Layer::Control,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a ping request is answered incorrectly",
    page: Page {
        what: "A ping request (event 6) holds four bytes, the sender's time. The response (event 7) returns the same \
               bytes, on message stream 0. With other bytes, or sent as a request again, it does not count as a \
               response, and the server closes after a while.",
        looks: "00 06 00 00 3a 98   request\n\
                00 07 00 00 3a 98   response\n\
                00 07 00 00 3a c2   its own time: not a response\n\
                00 06 00 00 3a 98   the request once more",
        who: "Clients that send their own clock in these bytes, or copy the whole message.",
        fix: "Answer with 00 07 and the four bytes as received.",
        source: "RTMP 1.0 section 7.1.7.",
    },
    check: Check::Diff(|comparison| claims(comparison, true)),
};

pub static UNANSWERED: Rule = Rule {
    code: "ping-unanswered",
    layer: Layer::Control,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a ping request gets no answer",
    page: Page {
        what: "A ping request (event 6) asks whether the other side is alive; it answers with event 7 and the same four bytes. \
               Servers close a connection that does not, often after half a minute.",
        looks: "00 06 00 00 3a 98   request\n\
                00 07 00 00 3a 98   the response that is missing",
        who: "Small clients that do not read what the server sends while they publish.",
        fix: "Read while publishing, and answer event 6 with event 7 and the same bytes.",
        source: "RTMP 1.0 section 7.1.7. nginx-rtmp asks after 60 s and closes 30 s later: `ping: unresponded`; \
                 bluenviron/mediamtx issue 1245.",
    },
    check: Check::Diff(|comparison| claims(comparison, false)),
};

/// What came of a ping request.
struct Ping<'r> {
    request: Event<'r>,
    /// The event that was meant to answer it, and does not.
    wrong: Option<(Event<'r>, &'static str)>,
}

/// The ping requests of a direction that got no answer though there was time.
fn failed(session: &Session, direction: Direction, patience: i64) -> Vec<Ping<'_>> {
    // Beyond this many, one says as much as all.
    const MOST: usize = 64;
    // The answer may be among what was not captured.
    if !DirectionMessages::of(session, back(direction)).is_complete {
        return Vec::new();
    }
    let asked_back: HashMap<&[u8], usize> = events(session, back(direction))
        .filter(|event| event.kind == REQUEST)
        .map(|event| (event.data, event.item))
        .collect();
    // The other side's request once more is a wrong answer, and asks nothing.
    let is_echo = |event: &Event<'_>| asked_back.get(event.data).is_some_and(|&item| item < event.item);
    let requests: Vec<_> =
        events(session, direction).filter(|event| event.kind == REQUEST && !is_echo(event)).collect();
    let answers: Vec<_> =
        events(session, back(direction)).filter(|event| matches!(event.kind, REQUEST | RESPONSE)).collect();
    let ends = session.items.iter().map(|item| item.time).max().unwrap_or_default();
    let known: HashSet<&[u8]> = requests.iter().map(|request| request.data).collect();
    let is_right = |answer: &Event<'_>, data: &[u8]| {
        let is_of_connection = answer.kept.header.message_stream_id.is_none_or(|stream| stream.0 == 0);
        answer.kind == RESPONSE && answer.data == data && is_of_connection
    };
    let right: HashSet<&[u8]> =
        answers.iter().filter(|answer| is_right(answer, answer.data)).map(|answer| answer.data).collect();
    let failed = requests.into_iter().filter(|request| !right.contains(request.data));
    failed
        .take(MOST)
        .map(|request| {
            let behind = answers.iter().filter(|answer| answer.item > request.item);
            let mut wrong = behind.filter_map(|answer| {
                let what = match answer.kind {
                    REQUEST if answer.data == request.data => "a ping request with the same bytes",
                    RESPONSE if answer.data == request.data => "a ping response on a message stream other than 0",
                    RESPONSE if !known.contains(answer.data) => "a ping response with other bytes",
                    _ => return None,
                };
                Some((*answer, what))
            });
            Ping { request, wrong: wrong.next() }
        })
        // A wrong answer is one at once; the right one may take its time.
        .filter(|ping| {
            let had_time = ends.since(ping.request.row.time) >= patience || closed_by(session, sender(direction));
            had_time || ping.wrong.is_some()
        })
        .collect()
}

fn closed_by(session: &Session, who: &str) -> bool {
    session.stream.end.is_some_and(|end| end.by == who)
}

fn claims(comparison: &Comparison<'_>, with_answer: bool) -> Vec<Claim> {
    let of = |session, direction, patience| -> Vec<_> {
        failed(session, direction, patience).into_iter().filter(|ping| ping.wrong.is_some() == with_answer).collect()
    };
    let claim = |direction| {
        let mut pings = of(comparison.b, direction, PATIENCE);
        let mut certainty = Certainty::Certain;
        // Where A answers, it does so at once.
        let answers = comparison.a.iter().flat_map(|a| events(a, back(direction))).any(|event| event.kind == RESPONSE);
        if pings.is_empty() && answers {
            pings = of(comparison.b, direction, PATIENCE / 4);
            certainty = Certainty::Likely;
        }
        let first = pings.first().filter(|_| comparison.a.is_none_or(|a| of(a, direction, PATIENCE).is_empty()))?;
        let (asks, answers) = (sender(direction), sender(back(direction)));
        let times = if pings.len() > 1 { format!(", {} times", pings.len()) } else { String::new() };
        let data = hex::encode(first.request.data);
        let (item, title, why) = match &first.wrong {
            Some((answer, what)) => (
                answer.item,
                format!("the {answers} answers a ping request with {what}{times}"),
                format!(
                    "the request in frame {} has {data}, the answer in frame {} is event {} with {}; the {asks} waits \
                     for event 7 with its own bytes on message stream 0, and eventually closes",
                    first.request.row.frames[0],
                    answer.row.frames[0],
                    answer.kind,
                    hex::encode(answer.data)
                ),
            ),
            None => (
                first.request.item,
                format!("the {answers} does not answer a ping request{times}"),
                format!(
                    "no event 7 with {data} follows the request in frame {}; servers close connections that do not \
                     answer",
                    first.request.row.frames[0]
                ),
            ),
        };
        let spots = [BodyPlace::new(item, 0..6, comparison.b.items[item].info.clone())];
        let mut claim = messages::claim(comparison, &spots, "usercontrol.event", certainty, title);
        claim.explains.clear();
        let ended = closed_by(comparison.b, asks) && !comparison.a.is_some_and(|a| closed_by(a, asks));
        let breaks = if ended { Impact::Response } else { Impact::Nothing };
        // Servers ask to find out who is gone; a client that asks may well be ignored.
        let claim = match direction {
            Direction::ClientToServer if !ended || comparison.a.is_none() => claim.weighing(Severity::Warning),
            _ => claim,
        };
        Some(claim.why(why).fix("answer event 6 with event 7 and the same four bytes").breaking(breaks))
    };
    BOTH.into_iter().filter_map(claim).collect()
}
