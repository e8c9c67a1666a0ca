//! publish and play: what must come before, on which stream, and the first status.

use crate::amf::Value;
use crate::compare::{Comparison, FieldPath, ValuePath};
use crate::recording::{RecordedEvent, Session};
use crate::rules::look::{self, Flow, Spot};
use crate::rules::opening::gave_up;
use crate::rules::{Breaks, Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction::{ClientToServer, ServerToClient};

use super::{Said, commands, commands_of_a, ended_by, only_in_a, says_something, with_path};

pub static ORDER: Rule = Rule {
    code: "order-createstream",
    layer: Layer::Command,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a command is sent before the one it needs is answered",
    page: Page {
        what: "createStream belongs behind the _result of connect, publish and play behind that of createStream, whose answer \
               is the number of the stream. A client that does not wait guesses that number, and some servers ignore it.",
        looks: "02 00 0c 63 72 65 61 74 65 53 74 72 65 61 6d 00 40 00 ..   createStream\n\
                02 00 07 5f 72 65 73 75 6c 74 00 40 00 ..   its _result, with the number",
        who: "Clients that write all their commands at once.",
        fix: "Wait for the answer.",
        source: "RTMP 1.0 sections 7.2.1.3 and 7.2.2. nginx and Node-Media-Server take publish even without createStream.",
    },
    check: Check::Diff(order),
};

pub static STATUS_STREAM: Rule = Rule {
    code: "onstatus-msid",
    layer: Layer::Command,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "onStatus is on a message stream other than the one it is about",
    page: Page {
        what: "The status of publish and play belongs on the message stream of the command. A client that keeps \
               streams apart does not see it elsewhere, and keeps waiting.",
        looks: "05 00 00 00 00 00 69 14 01 00 00 00   onStatus on message stream 1\n\
                05 00 00 00 00 00 69 14 00 00 00 00   on 0",
        who: "Servers that send all commands on message stream 0.",
        fix: "Send onStatus on the message stream of publish or play.",
        source: "RTMP 1.0 section 7.2.2. ZLMediaKit/ZLMediaKit issue 4002; GStreamer never starts.",
    },
    check: Check::Diff(status_stream),
};

pub static START_MISSING: Rule = Rule {
    code: "publish-start-missing",
    layer: Layer::Command,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "publish or play gets no onStatus",
    page: Page {
        what: "Behind publish the client waits for onStatus with NetStream.Publish.Start, behind play for NetStream.Play.Start. \
               It does not come, so nothing is sent.",
        looks: "02 00 07 70 75 62 6c 69 73 68 00 40 14 ..   publish\n\
                02 00 08 6f 6e 53 74 61 74 75 73 00 00 ..   onStatus, which is missing",
        who: "Servers that wait for a hook, for FCPublish, or for a login; servers that close without a word.",
        fix: "Look into the server's log for the hook or the login; send releaseStream and FCPublish before publish.",
        source: "RTMP 1.0 section 7.2.2.6. sergey-dryabzhinsky/nginx-rtmp-module issue 38.",
    },
    check: Check::Diff(start_missing),
};

fn order(comparison: &Comparison<'_>) -> Vec<Claim> {
    let of = |session: &Session| -> Vec<(usize, &'static str, &'static str)> {
        let said = commands(session);
        let whole = [ClientToServer, ServerToClient].into_iter().all(|way| Flow::of(session, way).is_complete);
        let call = |name: &str| said.iter().find(|said| said.is(ClientToServer, name));
        let answer = |call: &Said<'_>| {
            let id = call.command.transaction_id();
            said.iter()
                .find(|said| {
                    said.direction == ServerToClient
                        && matches!(said.name.as_str(), "_result" | "_error")
                        && said.command.transaction_id() == id
                })
                .map(|said| said.item)
        };
        let needs = [("createStream", "connect"), ("publish", "createStream"), ("play", "createStream")];
        needs
            .into_iter()
            .filter_map(|(name, needed)| {
                let (call, answered) = (call(name)?, answer(self::call(&said, needed)?)?);
                (whole && call.item < answered).then_some((call.item, name, needed))
            })
            .collect()
    };
    let known: Vec<_> = comparison.a.map(of).into_iter().flatten().map(|(_, name, _)| name).collect();
    let early = of(comparison.b).into_iter().filter(|(_, name, _)| !known.contains(name));
    let mut claims: Vec<Claim> = early
        .map(|(item, name, needed)| {
            let spots = [Spot::new(item, 0..0, format!("before the _result of {needed}"))];
            let title = format!("{name} is sent before {needed} is answered");
            let mut claim = look::claim(comparison, &spots, ValuePath::of(name), Certainty::Certain, title);
            claim.explains = Vec::new();
            claim
                .why("a server may not be ready, or ignore what comes early")
                .fix(format!("wait for the _result of {needed}"))
        })
        .collect();
    let creates = || call(&commands_of_a(comparison), "createStream").is_some();
    if claims.is_empty() && (comparison.a.is_none() || creates()) {
        claims.extend(without_stream(comparison));
    }
    claims
}

/// Publish or play on a connection on which no stream was asked for.
fn without_stream(comparison: &Comparison<'_>) -> Option<Claim> {
    let said = commands(comparison.b);
    let start = said.iter().find(|said| said.is(ClientToServer, "publish") || said.is(ClientToServer, "play"))?;
    let whole = Flow::of(comparison.b, ClientToServer).is_complete;
    if !whole || call(&said, "createStream").is_some_and(|create| create.item < start.item) {
        return None;
    }
    let spots = [Spot::new(start.item, 0..0, "no createStream before it")];
    let title = format!("{} is sent, and no stream was created", start.name);
    let mut claim = look::claim(comparison, &spots, ValuePath::of(&start.name), Certainty::Certain, title);
    let answers = only_in_a(comparison, ServerToClient, |named| named.is("_result") && named.answers("createStream"));
    claim.explains = [only_in_a(comparison, ClientToServer, |named| named.is("createStream")), answers].concat();
    Some(
        claim
            .why("the stream's number comes from createStream; nginx-rtmp and Node-Media-Server do without, others do not")
            .fix("send createStream and wait for its _result"),
    )
}

fn call<'a, 'r>(said: &'a [Said<'r>], name: &str) -> Option<&'a Said<'r>> {
    said.iter().find(|said| said.is(ClientToServer, name))
}

fn status_stream(comparison: &Comparison<'_>) -> Vec<Claim> {
    // Row of the status, the stream it came on and the one it is about.
    let of = |session: &Session| {
        let said = commands(session);
        let start = said.iter().find(|said| said.is(ClientToServer, "publish") || said.is(ClientToServer, "play"))?;
        let status = said.iter().find(|said| said.item > start.item && said.is(ServerToClient, "onStatus"))?;
        let (on, of) = (status.kept.header.message_stream_id?, start.kept.header.message_stream_id?);
        // A client on another stream than it was given is at fault itself.
        let given = said.iter().filter(|said| said.item < start.item && said.is(ServerToClient, "_result"));
        let given = given.filter_map(|said| said.command.arguments().get(1)?.as_number()).next_back();
        // One that was given none does not know it.
        let create = call(&said, "createStream").filter(|create| create.item < start.item);
        let answers = |create: &Said<'_>, said: &Said<'_>| {
            said.is(ServerToClient, "_result") && said.command.transaction_id() == create.command.transaction_id()
        };
        let is_answered = create.is_some_and(|create| said.iter().any(|said| answers(create, said)));
        let is_given = given.map_or(!is_answered, |given| given == f64::from(of.0));
        (on != of && is_given).then_some((status.item, on, of, start.name.clone()))
    };
    let Some((item, on, stream, name)) = of(comparison.b) else { return Vec::new() };
    if comparison.a.and_then(of).is_some() {
        return Vec::new();
    }
    let goes_on = comparison.b.items[item..].iter().filter_map(|item| item.message());
    let goes_on = goes_on.filter(|kept| kept.header.type_id.is_media()).count() > 0;
    let spots = [Spot::new(item, 0..0, format!("message stream {on}"))];
    let title = format!("onStatus is on message stream {on}, but {name} was on {stream}");
    let mut claim = look::claim(comparison, &spots, "header.streamid", Certainty::Certain, title);
    let row = claim.row;
    claim.explains = with_path(comparison, |path| *path == FieldPath::STREAM_ID);
    claim.explains.retain(|&index| comparison.mismatches[index].row == row);
    if let Some(&index) = claim.explains.first() {
        claim.sides = comparison.mismatches[index].sides.clone();
    }
    let claim = claim.fix(format!("send onStatus on message stream {stream}"));
    vec![if goes_on {
        claim
            .why("this client accepts it; one that keeps message streams apart does not see it, and waits")
            .weighing(Severity::Warning)
    } else {
        claim.why("a client that keeps message streams apart does not see it, and waits").breaking(Breaks::Response)
    }]
}

fn start_missing(comparison: &Comparison<'_>) -> Vec<Claim> {
    // publish or play that no status follows, with all commands seen.
    let of = |session: &Session| {
        let said = commands(session);
        let start = said.iter().find(|said| said.is(ClientToServer, "publish") || said.is(ClientToServer, "play"))?;
        // An answer that cannot be read is one all the same.
        let answers = |item: &RecordedEvent| {
            let kept = item.message();
            item.direction == ServerToClient && kept.is_some_and(|kept| !kept.header.type_id.is_protocol_control())
        };
        // In a snapshot, what is no answer to anything seen is where it can.
        let from = if session.is_snapshot { 0 } else { start.item };
        let answered = session.items[from..].iter().any(answers);
        let seen = Flow::of(session, ServerToClient).is_complete;
        (!answered && seen).then(|| (start.item, start.name.clone()))
    };
    let Some((item, name)) = of(comparison.b) else { return Vec::new() };
    let has_status = |said: &Said<'_>| {
        said.is(ServerToClient, "onStatus")
            && said.command.arguments().iter().any(|value: &Value<'_>| value.property(b"code").is_some())
    };
    let closes = ended_by(comparison.b, "server");
    if comparison.a.is_none() {
        if !closes && !gave_up(comparison, item) {
            return Vec::new();
        }
    } else if comparison.a.and_then(of).is_some()
        || !commands_of_a(comparison).iter().any(has_status)
        || says_something(comparison, item)
    {
        return Vec::new();
    }
    let spots = [Spot::new(item, 0..0, "no onStatus behind it")];
    let title = if closes {
        format!("the server closes on {name}, without onStatus")
    } else {
        format!("the server does not answer {name}")
    };
    let mut claim = look::claim(comparison, &spots, ValuePath::of(&name), Certainty::Likely, title);
    claim.explains = only_in_a(comparison, ServerToClient, |named| named.is("onStatus"));
    if comparison.a.is_none() && name == "play" && !closes {
        return vec![
            claim
                .why("some servers, nginx-rtmp among them, say nothing as long as nobody publishes the stream")
                .fix("publish the stream, and check app and name")
                .weighing(Severity::Warning),
        ];
    }
    vec![
        claim
            .why(match comparison.a.is_none() {
                true => "an onStatus is due here; without it a client sends nothing",
                false => "A gets onStatus here and goes on; without it a client sends nothing",
            })
            .fix("look into the server's log: a hook, a login, or a missing FCPublish")
            .breaking(Breaks::Response),
    ]
}
