//! publish and play: what must come before, on which stream, and the first status.

use crate::compare::{Comparison, FieldPath};
use crate::recording::Session;
use crate::rules::messages::{self, BodyPlace};
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction::{ClientToServer, ServerToClient};

use super::{Said, commands, with_path};

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
    let spots = [BodyPlace::new(item, 0..0, format!("message stream {on}"))];
    let title = format!("onStatus is on message stream {on}, but {name} was on {stream}");
    let mut claim = messages::claim(comparison, &spots, "header.streamid", Certainty::Certain, title);
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
        claim.why("a client that keeps message streams apart does not see it, and waits").breaking(Impact::Response)
    }]
}
