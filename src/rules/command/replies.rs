//! Answers that do not say what their request asks for: another request's status or transaction id, no stream, objects in
//! each other's place, or the same answer twice.
//!
//! What a client makes of such an answer is a consequence, so the answer is judged here, before the client.

use crate::amf::Value;
use crate::compare::{Comparison, is_gap};
use crate::owed;
use crate::recording::Session;
use crate::rules::messages::{self, BodyPlace};
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction::{ClientToServer, ServerToClient};

use super::names::is_success;
use super::{Said, commands, only_in_a};

pub static WRONG: Rule = Rule {
    code: "answer-wrong",
    layer: Layer::Command,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "an answer of the server does not say what its request asks for",
    page: Page {
        what: "The _result of createStream is to hold the number of a stream, which is not 0; that of connect its properties and \
               then the information with its code; publish is answered by NetStream.Publish.Start and play by \
               NetStream.Play.Start; and each call is answered once, with its own transaction id. A client that gets something \
               else waits, closes, or continues on the wrong stream.",
        looks: "02 00 07 _result 00 40 00 .. 05 00 3f f0 00 00 00 00 00 00   stream 1\n\
                02 00 07 _result 00 40 00 .. 05 00 00 00 00 00 00 00 00 00   stream 0",
        who: "Servers under construction: one template for all answers, streams counted from 0, the last id in place of the \
              request's.",
        fix: "In the server, answer each call once, with its transaction id and what the specification has for it.",
        source: "RTMP 1.0 sections 7.2.1.1, 7.2.1.3, 7.2.2.1 and 7.2.2.6.",
    },
    check: Check::Diff(wrong),
};

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq)]
enum Fault {
    /// It has the transaction id of a call that was answered, and this one was not.
    TransactionOf { answered: String, waits: String },
    /// The call was answered before.
    Twice { call: String },
    /// The stream is 0, or there is none.
    NoStream { number: Option<f64> },
    /// The information comes before the properties.
    Exchanged,
    /// The status of another request.
    Status { call: &'static str, code: String, meant: &'static str },
}

/// An answer of a session, and what is wrong with it.
struct Wrong {
    item: usize,
    name: String,
    fault: Fault,
}

/// A call of the client that waits for `_result`.
struct Call {
    name: String,
    id: f64,
    is_answered: bool,
}

fn of(session: &Session) -> Vec<Wrong> {
    let said = commands(session);
    let (mut calls, mut found): (Vec<Call>, Vec<Wrong>) = (Vec::new(), Vec::new());
    for said in said.iter().filter(|said| session.items[said.item].defects.is_empty()) {
        let id = said.command.transaction_id().filter(|&id| id != 0.0);
        match (said.direction, &*said.name, id) {
            (ClientToServer, name, Some(id)) if !name.starts_with('_') => {
                calls.push(Call { name: name.to_owned(), id, is_answered: false });
            }
            (ServerToClient, "_result" | "_error", Some(id)) => {
                let fault = answer(said, id, &mut calls);
                found.extend(fault.map(|fault| Wrong { item: said.item, name: said.name.clone(), fault }));
            }
            _ => {}
        }
    }
    // What never comes, and what was never called, may be in a hole.
    let has_hole = |direction| session.items.iter().any(|item| item.direction == direction && is_gap(item));
    if has_hole(ClientToServer) {
        found.retain(|wrong| !matches!(wrong.fault, Fault::TransactionOf { .. } | Fault::Twice { .. }));
    }
    if !has_hole(ServerToClient) {
        found.extend(status(&said));
    }
    found.sort_by_key(|wrong| wrong.item);
    found
}

/// Judges an answer, and takes it off the calls that wait.
fn answer(said: &Said<'_>, id: f64, calls: &mut [Call]) -> Option<Fault> {
    let is_result = said.name == "_result";
    let arguments = said.command.arguments();
    let code = said.text("code");
    if let Some(call) = calls.iter_mut().find(|call| call.id == id && !call.is_answered) {
        call.is_answered = true;
        return match &*call.name {
            "createStream" if is_result && code.is_none() => {
                let number = arguments.iter().rev().find_map(Value::as_number);
                number.is_none_or(|number| number == 0.0).then_some(Fault::NoStream { number })
            }
            "connect" if is_result => {
                let [first, second, ..] = arguments else { return None };
                let has = |value: &Value<'_>, name: &[u8]| value.property(name).is_some();
                let is_exchanged = has(first, b"code") && !has(second, b"code") && has(second, b"fmsVer");
                is_exchanged.then_some(Fault::Exchanged)
            }
            _ => None,
        };
    }
    let answered = calls.iter().rev().find(|call| call.id == id)?.name.clone();
    // Nobody knows how often what clients only prepare with is answered.
    if !matches!(&*answered, "connect" | "createStream") || !is_result {
        return None;
    }
    // A number alone is what createStream asks for.
    let is_stream = code.is_none() && arguments.last().and_then(Value::as_number).is_some();
    let waits = calls.iter_mut().find(|call| is_stream && call.name == "createStream" && !call.is_answered);
    Some(match waits {
        Some(waits) => {
            waits.is_answered = true;
            Fault::TransactionOf { answered, waits: waits.name.clone() }
        }
        None => Fault::Twice { call: answered },
    })
}

/// The status of another request, where the right one never comes.
fn status(said: &[Said<'_>]) -> Option<Wrong> {
    const CALLS: [(&str, &str, &str); 2] = [
        ("publish", "NetStream.Publish.", "NetStream.Publish.Start"),
        ("play", "NetStream.Play.", "NetStream.Play.Start"),
    ];
    let called = |name: &str| said.iter().find(|said| said.is(ClientToServer, name)).map(|said| said.item);
    // Where both are asked for, a status may be of either.
    let (publish, play) = (called("publish"), called("play"));
    let (at, (call, family, meant)) = match (publish, play) {
        (Some(at), None) => (at, CALLS[0]),
        (None, Some(at)) => (at, CALLS[1]),
        _ => return None,
    };
    let mut answers = said.iter().filter(|said| said.item > at && said.is(ServerToClient, "onStatus"));
    let codes = || said.iter().filter(|said| said.is(ServerToClient, "onStatus")).filter_map(|said| said.text("code"));
    if codes().any(|code| code == meant || owed::is_refusal(&code)) {
        return None;
    }
    let is_wrong = |code: &str| {
        let is_misspelt = code != meant && code.eq_ignore_ascii_case(meant);
        is_misspelt || is_success(code) && !code.starts_with(family)
    };
    answers.find_map(|said| {
        let code = said.text("code").filter(|code| is_wrong(code))?;
        Some(Wrong { item: said.item, name: said.name.clone(), fault: Fault::Status { call, code, meant } })
    })
}

fn wrong(comparison: &Comparison<'_>) -> Vec<Claim> {
    let known: Vec<Fault> = comparison.a.map(of).into_iter().flatten().map(|wrong| wrong.fault).collect();
    let new = of(comparison.b).into_iter().find(|wrong| !known.contains(&wrong.fault));
    let Some(Wrong { item, name, fault }) = new else { return Vec::new() };
    let number = crate::amf::number_text;
    let (path, title, why, fix) = match &fault {
        Fault::TransactionOf { answered, waits } => (
            "command.transaction_id",
            format!("{name} has the transaction id of {answered}, which was answered before, and {waits} gets no answer"),
            format!("the client finds its call by this number: it drops what answers {answered} again, and waits for {waits}"),
            format!("answer {waits} with its own transaction id"),
        ),
        Fault::Twice { call } => (
            "command.transaction_id",
            format!("the server answers {call} twice"),
            "a client that treats the second one as the answer to its next call has no stream, or a wrong one".to_owned(),
            format!("answer {call} once"),
        ),
        Fault::NoStream { number: of } => (
            "_result.stream",
            match of {
                Some(of) => format!("the answer to createStream contains stream {}", number(*of)),
                None => "the answer to createStream contains no stream number".to_owned(),
            },
            "message stream 0 is the connection's own: what is published or played on it belongs to no stream".to_owned(),
            "answer createStream with a number from 1 on".to_owned(),
        ),
        Fault::Exchanged => (
            "message",
            "the two objects of connect's _result are in each other's place: the information comes before the properties"
                .to_owned(),
            "clients look for the code in the second object: they find none, and do not know that they are connected".to_owned(),
            "send the properties (fmsVer, capabilities) first, and then the information (level, code, description)".to_owned(),
        ),
        Fault::Status { call, code, meant } => (
            "onStatus.code",
            format!("the server answers {call} with {code} where {meant} is due"),
            format!("the client waits for {meant}, and this answers something else"),
            format!("answer {call} with {meant}"),
        ),
    };
    let spots = [BodyPlace::new(item, 0..0, title.clone())];
    let claim = messages::claim(comparison, &spots, path, Certainty::Certain, title);
    let row = claim.row;
    let own: Vec<usize> = comparison.open().filter(|&index| comparison.mismatches[index].row == row).collect();
    // The answer that A has in its place.
    let twins = match fault {
        Fault::TransactionOf { .. } => only_in_a(comparison, ServerToClient, |named| named.answers("createStream")),
        Fault::Status { .. } => only_in_a(comparison, ServerToClient, |named| named.is("onStatus")),
        _ => Vec::new(),
    };
    let claim = claim.why(why).fix(fix).explaining(own.into_iter().chain(twins.into_iter().take(1)));
    let progress = owed::Progress::of(comparison.b, &comparison.identities[crate::compare::Side::B as usize]);
    // This client took it all the same.
    vec![match progress.serves_after(item) {
        true => claim.weighing(Severity::Warning),
        false => claim.breaking(Impact::Response),
    }]
}
