//! Names, numbers and states that are nearly right: a command in other letters, a type of publish that nobody knows, one
//! transaction id for all, a level that its code contradicts, media of a stream that was deleted.

use std::collections::HashMap;

use crate::amf::Value;
use crate::compare::Comparison;
use crate::recording::Session;
use crate::rules::messages::{self, BodyPlace};
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction::{self, ClientToServer, ServerToClient};

use super::{Said, commands};

pub static COMMAND_NAME: Rule = Rule {
    code: "command-name",
    layer: Layer::Command,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a command has a known name in other letters",
    page: Page {
        what: "Names of commands are compared letter by letter, capitals included. Here one is a known name but for the case \
               of its letters, or but for one letter. Receivers drop what they do not know, and most say nothing.",
        looks: "02 00 07 43 6f 6e 6e 65 63 74   sent: Connect\n\
                02 00 07 63 6f 6e 6e 65 63 74   expected: connect",
        who: "Clients that take the name from an enumeration or a method of their own.",
        fix: "Write the name as the specification has it.",
        source: "RTMP 1.0 section 7.2; names that servers add are releaseStream, FCPublish, FCUnpublish, getStreamLength, _checkbw.",
    },
    check: Check::Diff(command_name),
};

pub static PUBLISH_TYPE: Rule = Rule {
    code: "publish-type",
    layer: Layer::Command,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the specification does not have this type of publish",
    page: Page {
        what: "After the stream's name publish says how: live, record or append, in these letters. Some servers ignore what \
               they do not know, others refuse it or record where live was meant.",
        looks: "02 00 04 4c 49 56 45   sent: LIVE\n\
                02 00 04 6c 69 76 65   expected: live",
        who: "Clients that write the name of an enumeration; those that leave the value undefined.",
        fix: "Send the string `live`.",
        source: "RTMP 1.0 section 7.2.2.6.",
    },
    check: Check::Diff(publish_type),
};

pub static STATUS_LEVEL: Rule = Rule {
    code: "onstatus-level",
    layer: Layer::Command,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the level of a status contradicts its code",
    page: Page {
        what: "A status has a level, `status`, `warning` or `error`, and a code. Clients look at either: where they \
               contradict each other, some continue and others give up.",
        looks: "00 05 6c 65 76 65 6c 02 00 05 65 72 72 6f 72   level `error`\n\
                00 04 63 6f 64 65 02 00 14 4e 65 74 53 ..      code `NetStream.Play.Start`",
        who: "Servers that build all their answers from one template.",
        fix: "Send level `status` with codes of success, and `error` with those of failure.",
        source: "RTMP 1.0 sections 7.2.1.1, 7.2.2.1 and 7.2.2.6.",
    },
    check: Check::Diff(status_level),
};

pub static TXN_SAME: Rule = Rule {
    code: "txn-same",
    layer: Layer::Command,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "calls that wait for an answer have the same transaction id",
    page: Page {
        what: "The transaction id is what an answer is told by. Here several calls carry the same one, so that nobody can say \
               which of them an answer is for. What waits for one answer at a time works by luck.",
        looks: "02 00 07 connect 00 3f f0 00 00 00 00 00 00        1\n\
                02 00 0c createStream 00 3f f0 00 00 00 00 00 00   1 again",
        who: "Clients that never count their calls.",
        fix: "Begin with 1 for connect, and add 1 for each call; 0 for what is not answered.",
        source: "RTMP 1.0 section 7.2.1.",
    },
    check: Check::Diff(txn_same),
};

pub static AFTER_DELETE: Rule = Rule {
    code: "media-after-delete",
    layer: Layer::Command,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "audio or video continues after deleteStream",
    page: Page {
        what: "deleteStream gives a message stream back: what is published on it ends. Here audio and video follow on the same \
               stream, and it was not created again. Servers drop them, or close.",
        looks: "02 00 0c deleteStream 00 .. 05 00 3f f0 00 00 00 00 00 00   stream 1\n\
                04 .. 09 01 00 00 00   video on stream 1",
        who: "Clients that tidy up an older stream with the number of the new one.",
        fix: "Send deleteStream, or FCUnpublish, when the last frame is sent.",
        source: "RTMP 1.0 section 7.2.2.3.",
    },
    check: Check::Diff(after_delete),
};

/// What clients and servers send by name (RTMP 1.0 7.2, and what servers add).
const CALLS: [&str; 16] = [
    "connect",
    "createStream",
    "deleteStream",
    "closeStream",
    "publish",
    "play",
    "pause",
    "seek",
    "receiveAudio",
    "receiveVideo",
    "releaseStream",
    "FCPublish",
    "FCUnpublish",
    "getStreamLength",
    "onStatus",
    "_result",
];

/// The known name that a name is but for the case of letters, or but for one letter, if it is long.
fn nearly(name: &str) -> Option<&'static str> {
    let is_known = |name: &str| CALLS.contains(&name) || matches!(name, "play2" | "_error" | "_checkbw" | "close");
    let is_near = |known: &&&str| {
        let differing = known.bytes().zip(name.bytes()).filter(|(a, b)| a != b).count();
        known.eq_ignore_ascii_case(name) || known.len() > 6 && known.len() == name.len() && differing == 1
    };
    CALLS.iter().find(is_near).copied().filter(|_| !is_known(name))
}

fn command_name(comparison: &Comparison<'_>) -> Vec<Claim> {
    let of = |session: &Session| -> Vec<(usize, String, &'static str)> {
        let said = commands(session);
        // Some servers answer FCPublish by onFCPublish; a name of both letters may be one of the software's own.
        said.into_iter().filter_map(|said| Some((said.item, said.name.clone(), nearly(&said.name)?))).collect()
    };
    let found = of(comparison.b);
    let known = comparison.a.map(of).unwrap_or_default();
    let Some((item, name, meant)) = found.into_iter().find(|(_, name, _)| known.iter().all(|known| known.1 != *name))
    else {
        return Vec::new();
    };
    let spots = [BodyPlace::new(item, 0..name.len() + 3, name.clone())];
    let title = format!("a command is called {name}, and {meant} is meant");
    let claim = messages::claim(comparison, &spots, "command.name", Certainty::Likely, title);
    vec![
        claim
            .why("names are compared letter by letter: receivers do not know this one, and drop it")
            .fix(format!("write {meant}"))
            .breaking(Impact::Response),
    ]
}

const TYPES: [&str; 4] = ["live", "record", "append", "appendonly"];

fn publish_type(comparison: &Comparison<'_>) -> Vec<Claim> {
    let of = |session: &Session| {
        commands(session).into_iter().filter(|said| said.is(ClientToServer, "publish")).find_map(|said| {
            let [_, name, kind, ..] = said.command.arguments() else { return None };
            // Out of a body that does not decode anything may be read.
            if !session.items[said.item].defects.is_empty() {
                return None;
            }
            let text = kind.as_str().map(|text| text.to_string());
            // With the name in its place it is another mistake.
            let is_type = name.as_str().is_some_and(|name| TYPES.contains(&name.to_string().as_str()));
            let is_known = text.as_deref().is_some_and(|text| TYPES.contains(&text) || text.is_empty());
            (!is_known && !is_type).then(|| (said.item, text.unwrap_or_else(|| kind_of(kind).to_owned())))
        })
    };
    let Some((item, text)) = of(comparison.b).filter(|_| comparison.a.and_then(of).is_none()) else {
        return Vec::new();
    };
    let meant = TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(&text)).unwrap_or("live");
    let spots = [BodyPlace::new(item, 0..0, "the type of publish")];
    let title = format!("the type of publish is {text}, and not {meant}");
    let claim = messages::claim(comparison, &spots, "publish.type", Certainty::Likely, title);
    vec![
        claim
            .why("servers compare it letter by letter; the specification has live, record and append")
            .fix(format!("send the string {meant}")),
    ]
}

/// What a value is that is no string.
fn kind_of(value: &Value<'_>) -> &'static str {
    match value {
        Value::Undefined => "undefined",
        Value::Null => "null",
        Value::Number(_) => "a number",
        Value::Boolean(_) => "a boolean",
        _ => "no string",
    }
}

/// Codes with which something begins or continues.
pub(super) fn is_success(code: &str) -> bool {
    const ENDS: [&str; 6] = [".Start", ".Success", ".Reset", ".PublishNotify", ".Notify", ".Complete"];
    ENDS.iter().any(|end| code.ends_with(end))
}

/// Whether a status has a level that its code contradicts.
pub(super) fn contradicts(code: &str, level: &str) -> bool {
    level == "error" && is_success(code) || level == "status" && crate::owed::is_refusal(code)
}

fn status_level(comparison: &Comparison<'_>) -> Vec<Claim> {
    let of = |session: &Session| {
        commands(session).into_iter().filter(|said| said.direction == ServerToClient).find_map(|said| {
            let (code, level) = (said.text("code")?, said.text("level")?);
            contradicts(&code, &level).then_some((said.item, code, level))
        })
    };
    let found = of(comparison.b).filter(|_| comparison.a.and_then(of).is_none());
    let Some((item, code, level)) = found else { return Vec::new() };
    let spots = [BodyPlace::new(item, 0..0, format!("level {level}, code {code}"))];
    let title = format!("the status {code} has level {level}, which contradicts it");
    let claim = messages::claim(comparison, &spots, "message", Certainty::Certain, title);
    let meant = if is_success(&code) { "status" } else { "error" };
    vec![
        claim
            .why("clients look at the level or at the code: one of the two is wrong for some")
            .fix(format!("send level {meant} with {code}"))
            .breaking(Impact::Response),
    ]
}

fn txn_same(comparison: &Comparison<'_>) -> Vec<Claim> {
    const ANSWERED: [&str; 4] = ["connect", "createStream", "getStreamLength", "_checkbw"];
    // The first two calls with one id, on one connection.
    let of = |session: &Session| {
        let mut first: HashMap<u64, String> = HashMap::new();
        commands(session).into_iter().find_map(|said: Said<'_>| {
            let is_call = said.direction == ClientToServer && ANSWERED.contains(&&*said.name);
            let id = said.command.transaction_id().filter(|&id| is_call && id != 0.0)?;
            let before = first.insert(id.to_bits(), said.name.clone())?;
            (before != said.name).then_some((said.item, before, said.name, id))
        })
    };
    let found = of(comparison.b).filter(|_| comparison.a.and_then(of).is_none());
    let Some((item, before, name, id)) = found else { return Vec::new() };
    let id = crate::amf::number_text(id);
    let spots = [BodyPlace::new(item, 0..0, format!("transaction id {id}"))];
    let title = format!("{name} has transaction id {id}, as {before} before it");
    let mut claim = messages::claim(comparison, &spots, "command.transaction_id", Certainty::Certain, title);
    // Other numbers than A's are to be expected.
    claim.explains.clear();
    vec![
        claim
            .why("an answer names the call by this number only; a server that matches them may answer once, or the wrong one")
            .fix("count: 1 for connect, and one more for each call after it"),
    ]
}

fn after_delete(comparison: &Comparison<'_>) -> Vec<Claim> {
    let of = |session: &Session| {
        let mut deleted: Option<u32> = None;
        let mut said = commands(session).into_iter().filter(|said| said.direction == ClientToServer).peekable();
        let mut media: Vec<usize> = Vec::new();
        for (index, item) in
            session.items.iter().enumerate().filter(|(_, item)| item.direction == Direction::ClientToServer)
        {
            if let Some(said) = said.next_if(|said| said.item == index) {
                let stream = said.command.arguments().iter().rev().find_map(Value::as_number).map(|id| id as u32);
                match &*said.name {
                    "deleteStream" => deleted = stream,
                    "createStream" | "publish" => deleted = None,
                    _ => {}
                }
                continue;
            }
            let kept = item.message().filter(|kept| kept.header.type_id.is_media());
            let on = kept.and_then(|kept| kept.header.message_stream_id).map(|stream| stream.0);
            if deleted.is_some() && on == deleted {
                media.push(index);
            }
        }
        media
    };
    let found = of(comparison.b);
    let Some(&first) = found.first().filter(|_| comparison.a.is_none_or(|a| of(a).is_empty())) else {
        return Vec::new();
    };
    // What a second thread still had to send is no mistake that anybody sees.
    const LATE: usize = 8;
    let certainty = if found.len() > LATE { Certainty::Certain } else { Certainty::Possible };
    let spots = [BodyPlace::new(first, 0..0, "media of a stream that was deleted")];
    let title = format!("{} of audio or video come after deleteStream", messages::count(found.len(), "message"));
    let claim = messages::claim(comparison, &spots, "message", certainty, title);
    let severity = if found.len() > LATE { Severity::Error } else { Severity::Info };
    vec![
        claim
            .why("the stream is given back with deleteStream, and was not created again; servers drop what comes on it")
            .fix("send deleteStream after the last frame")
            .weighing(severity),
    ]
}
