//! A name that is in use by a publisher who is gone.

use crate::compare::{Beside, Comparison};
use crate::rules::messages::{self, BodyPlace};
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction::ClientToServer;

use super::{Said, commands, commands_of_a};

pub static STALE_PUBLISHER: Rule = Rule {
    code: "stale-publisher",
    layer: Layer::Command,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the server still holds the client's previous connection",
    page: Page {
        what: "A publisher vanished: no FCUnpublish, no deleteStream, no FIN. For the server it is still publishing, \
               so when it reconnects, its own name is in use.",
        looks: "first    27 01 00 00 50 ..                          video, then nothing\n\
                second   02 00 07 70 75 62 6c 69 73 68 00 ..       publish, the same name\n\
                server   00 04 63 6f 64 65 02 .. 42 61 64 4e 61 6d 65   code .. BadName",
        who: "Encoders that lose their network or their process; NAT routers that forget a connection.",
        fix: "In the client: send FCUnpublish and deleteStream and close, and wait before reconnecting. In the server: \
              drop idle publishers (nginx-rtmp: drop_idle_publisher), or ping them.",
        source: "arut/nginx-rtmp-module issues 367 and 1152, illuspas/Node-Media-Server issue 381.",
    },
    check: Check::Diff(stale),
};

pub fn stale(comparison: &Comparison<'_>) -> Vec<Claim> {
    let said = commands(comparison.b);
    // What A is refused too makes no difference.
    if commands_of_a(comparison).iter().any(|said| is_refusal(&said)) {
        return Vec::new();
    }
    let refusal = said.iter().find(is_refusal);
    let Some((refusal, name)) = refusal.zip(published(&said)) else { return Vec::new() };
    let asked = comparison.b.items[refusal.item].time;
    let stream = &comparison.b.stream;
    let holds_it = |other: &&Beside| {
        let is_name = other.activities.iter().any(|(what, of)| *what == "publish" && *of == name);
        let same = is_name && other.app == stream.app && other.client == stream.client.ip();
        // Who still sends is no ghost.
        let silent = other.left.is_some_and(|last| last.is_none_or(|(time, _)| time < asked));
        same && silent && other.tcp_stream < stream.tcp_stream
    };
    let Some(before) = comparison.around.iter().find(holds_it) else { return Vec::new() };
    let number = before.tcp_stream.0;
    let last = before.left.flatten().map(|(_, frame)| format!(", last seen in frame {frame}")).unwrap_or_default();
    let spots = [BodyPlace::new(refusal.item, 0..refusal.kept.body.len(), "the name is in use")];
    let title = format!("the server refuses the name, which the client's own connection {number} still holds");
    let claim = messages::claim(comparison, &spots, "onStatus.code", Certainty::Likely, title);
    vec![
        claim
            .why(format!(
                "connection {number} published the same stream{last}, and ended without FCUnpublish, deleteStream or FIN"
            ))
            .fix("close cleanly before reconnecting, or make the server drop idle publishers")
            .breaking(Impact::Response),
    ]
}

pub(super) fn is_refusal(said: &&Said<'_>) -> bool {
    said.text("code").is_some_and(|code| code.ends_with(".BadName"))
}

/// The name that a session publishes.
pub(super) fn published(said: &[Said<'_>]) -> Option<String> {
    let publish = said.iter().find(|said| said.is(ClientToServer, "publish"))?;
    Some(publish.command.arguments().get(1)?.as_str()?.to_string())
}
