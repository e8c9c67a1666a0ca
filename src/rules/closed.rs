//! The rule for connections that end early, with no reason given. It is the last resort: any cause before the end is
//! the better answer.

use crate::compare::{Comparison, Side, Value};
use crate::origin::FrameNo;
use crate::recording::RecordedEvent;
use crate::session::Direction;
use crate::tcp::How;

use super::opening::{CLIENT, Opening, SERVER, is_over, mismatches_of, row_of};
use super::{Breaks, Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};

pub static SILENT_CLOSE: Rule = Rule {
    code: "silent-close",
    layer: Layer::Capture,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "one side closed the connection without saying why",
    page: Page {
        what: "A FIN or RST ends the session where the good one goes on, and neither _error nor onStatus came before it. What \
               the closing side received last is what it most likely objects to.",
        looks: "client   14 00 00 00 00 02 00 07 63 6f 6e 6e 65 63 74   connect\n\
                server   FIN\n\
                \n\
                The last complete message to the closer: connect.",
        who: "nginx-rtmp closes so on an unknown application, a chunk stream id from 32 on, a message over 1 MiB, AMF that it \
              cannot parse, and a handshake whose first byte is not 3.",
        fix: "Look at the message named, and into the closing side's log: it often has the reason.",
        source: "RTMP 1.0 section 7.2 has errors for commands only, none for what cannot be read. Seen with nginx-rtmp 1.2.",
    },
    check: Check::Diff(silent_close),
};

fn silent_close(comparison: &Comparison<'_>) -> Vec<Claim> {
    let b = Opening::of(comparison.b);
    let Some(end) = b.session.stream.end.filter(|end| end.how != How::Reused) else { return Vec::new() };
    let to_closer = if end.by == "server" { CLIENT } else { SERVER };
    if b.session.stream.error.is_some() || is_over(b.session) || end.by == "client" && has_begun(b) {
        return Vec::new();
    }
    // Who waited in vain gave up; that nobody answered is another matter.
    if end.by == "client" && b.idle() >= super::opening::WAITS {
        return Vec::new();
    }
    let Some((item, row)) = last_whole(comparison, b, to_closer, end.frame) else { return Vec::new() };
    let only_in_a = |at: usize| at > row && comparison.item(at, Side::B).is_none();
    let explains: Vec<usize> = mismatches_of(comparison, only_in_a)
        .into_iter()
        .filter(|&index| comparison.mismatches[index].is_whole_message())
        .collect();
    let answers = explains.iter().any(|&index| {
        let row = comparison.mismatches[index].row;
        !comparison.either(row).lane.is_media()
    });
    if !answers && comparison.a.is_some() {
        return Vec::new();
    }
    let how = if end.how == How::Rst { "reset" } else { "closed" };
    let title = format!("the {} {how} the connection after {} without giving a reason", end.by, item.info);
    let short = match comparison.a.is_none() {
        true => String::new(),
        false => format!(", {} messages short of the good one", explains.len()),
    };
    let why = format!(
        "frame {} ends the session{short}; no _error and no onStatus came before. The last whole message that the {} \
         received is {} (frame {})",
        end.frame, end.by, item.info, item.frames[0]
    );
    let value = Value::words(item.info.clone());
    let claim = Claim::on(row, "end", [None, Some(value)], Certainty::Likely, title);
    let fix = format!("look at this message, and into the {}'s log", end.by);
    let claim = claim.why(why).fix(fix).explaining(explains.into_iter().take(1)).breaking(Breaks::End);
    // By itself a client that goes may have had all that it came for.
    let is_free_to_go = comparison.a.is_none() && end.by == "client";
    vec![if is_free_to_go { claim.weighing(Severity::Warning) } else { claim }]
}

/// The last thing that came whole in a direction before frame `end`: what came after the FIN or RST was not received.
/// A snapshot has no frames.
fn last_whole<'r>(
    comparison: &Comparison<'r>,
    b: Opening<'r>,
    direction: Direction,
    end: FrameNo,
) -> Option<(&'r RecordedEvent, usize)> {
    let is_before = |item: &&RecordedEvent| b.session.is_snapshot || item.frames[0] < end;
    let whole = b.items(direction).filter(|item| item.defects.is_empty()).filter(is_before);
    let item = whole.last()?;
    Some((item, row_of(comparison, Side::B, item)?))
}

/// Whether media flows: a client may stop it when it likes.
fn has_begun(b: Opening<'_>) -> bool {
    [CLIENT, SERVER].into_iter().any(|direction| {
        b.messages(direction).any(|item| item.message().is_some_and(|kept| kept.header.type_id.is_media()))
    })
}
