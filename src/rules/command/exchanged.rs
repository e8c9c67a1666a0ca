//! publish with its name and its type exchanged.

use crate::amf::Value;
use crate::compare::Comparison;
use crate::recording::Session;
use crate::rules::messages::{self, BodyPlace};
use crate::rules::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction::ClientToServer;

use super::commands;

pub static EXCHANGED: Rule = Rule {
    code: "publish-exchanged",
    layer: Layer::Command,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the name and the type of publish are exchanged",
    page: Page {
        what: "The arguments of publish are the stream's name and then the type, which is live, record or append. Here the type \
               comes first: the stream is called `live`, and its name is read as a type.",
        looks: "02 00 04 6c 69 76 65 02 00 04 63 61 6d 31   sent: live, cam1\n\
                02 00 04 63 61 6d 31 02 00 04 6c 69 76 65   expected: cam1, live",
        who: "Clients written from a list of the arguments in another order.",
        fix: "Send the name first, then the type.",
        source: "RTMP 1.0 section 7.2.2.6.",
    },
    check: Check::Diff(exchanged),
};

const TYPES: [&str; 4] = ["live", "record", "append", "appendonly"];

fn exchanged(comparison: &Comparison<'_>) -> Vec<Claim> {
    // The item of publish, if what is in the place of the name is a type, and the other way round.
    let of = |session: &Session| {
        commands(session).into_iter().filter(|said| said.is(ClientToServer, "publish")).find_map(|said| {
            let [_, name, kind, ..] = said.command.arguments() else { return None };
            let is_type = |value: &Value<'_>| value.as_str().map(|text| TYPES.contains(&text.to_string().as_str()));
            (is_type(name)? && !is_type(kind)?).then_some(said.item)
        })
    };
    let Some(item) = of(comparison.b).filter(|_| comparison.a.and_then(of).is_none()) else { return Vec::new() };
    let spots = [BodyPlace::new(item, 0..0, "the type, then the name")];
    let title = "the name and the type of publish are exchanged".to_owned();
    // Beside A, in which each is in its place, there is nothing else that it may be.
    let certainty = if comparison.a.is_some() { Certainty::Certain } else { Certainty::Likely };
    let claim = messages::claim(comparison, &spots, "message", certainty, title);
    let row = claim.row;
    let why = "the first of them is a type, as live is, and the second is not";
    let explains = comparison.open().filter(|&index| comparison.mismatches[index].row == row).collect::<Vec<_>>();
    vec![claim.why(why).fix("send the name first, then the type").explaining(explains)]
}
