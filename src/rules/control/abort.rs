//! Abort Message (RTMP 1.0 5.4.2): whether the other side can have followed it.

use crate::compare::{Comparison, Side};
use crate::recording::{RecordedMessage, Session};
use crate::rtmp::MessageTypeId;
use crate::rtmp::message::Ending;
use crate::rules::messages::{self, BodyPlace};
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction;

use super::{BOTH, back, number, sender};

pub static IGNORED: Rule = Rule {
    code: "abort-ignored",
    layer: Layer::Control,
    severity: Severity::Warning,
    modes: &[Mode::Diff],
    title: "a message is given up with Abort Message, which many receivers ignore",
    page: Page {
        what: "Abort Message announces that the rest of a message will not follow: the receiver has to drop what it \
               has. Receivers that ignore it append the next message of the chunk stream to the old bytes: one message \
               is garbage, and from its end on they read chunks at the wrong place.",
        looks: "02 00 00 00 00 00 04 02 00 00 00 00 00 00 00 06   give up stream 6\n\
                06 00 00 28 00 0c 87 09 01 00 00 00 17 01 ..      the next message there",
        who: "nginx-rtmp, Node-Media-Server and GStreamer ignore it, although receivers must support it.",
        fix: "In the sender, write each message to its end; in the receiver, empty the buffer of the chunk stream that \
              is named.",
        source: "RTMP 1.0 section 5.4.2; RTMP errata section 6.",
    },
    check: Check::Diff(ignored),
};

/// The messages of a direction that an Abort Message ends: the Abort, its chunk stream, the message.
fn given_up(session: &Session, direction: Direction) -> Vec<(usize, u32, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, u32)> = None;
    let mut abort: Option<(usize, u32)> = None;
    for (index, item) in session.items.iter().enumerate().filter(|(_, item)| item.direction == direction) {
        let Some(kept) = item.message() else { continue };
        // Which of the two rows is first depends on when they are complete.
        if kept.ending == Ending::Aborted {
            open = Some((index, kept.csid));
        } else if kept.header.type_id == MessageTypeId::ABORT {
            abort = number(kept).map(|csid| (index, csid));
        }
        if let (Some((message, csid)), Some((at, named))) = (open, abort)
            && csid == named
        {
            found.push((at, csid, message));
            (open, abort) = (None, None);
        }
    }
    found
}

fn ignored(comparison: &Comparison<'_>) -> Vec<Claim> {
    let claim = |direction| {
        let found = given_up(comparison.b, direction);
        let &(_, csid, message) =
            found.first().filter(|_| comparison.a.is_none_or(|a| given_up(a, direction).is_empty()))?;
        let kept = comparison.b.items[message].message()?;
        let name = &comparison.identities[1][message].name;
        let (sends, receives) = (sender(direction), sender(back(direction)));
        let ends = |session: &Session| session.stream.end.is_some_and(|end| end.by == receives);
        let fails = ends(comparison.b) && !comparison.a.is_some_and(ends);
        let title = format!(
            "the {sends} gives up {name} on chunk stream {csid} with Abort Message{}",
            if fails { format!(", and the {receives} closes") } else { String::new() }
        );
        let spots: Vec<BodyPlace> = found
            .iter()
            .flat_map(|&(abort, csid, message)| [(abort, csid), (message, csid)])
            .map(|(item, csid)| BodyPlace::new(item, 0..4, csid.to_string()))
            .collect();
        let claim = messages::claim(comparison, &spots, "control.chunk_stream_id", Certainty::Likely, title);
        let cut_off = |index: &usize| {
            let mismatch = &comparison.mismatches[*index];
            comparison.rows[mismatch.row].b == Some(message) || is_twin(comparison, mismatch.row, kept)
        };
        let more: Vec<usize> = comparison.open().filter(cut_off).collect();
        let claim = claim
            .explaining(more)
            .why(format!(
                "{} of its {} bytes arrived before; a receiver that ignores Abort Message treats what follows on chunk \
                 stream {csid} as the rest",
                kept.body.len(),
                kept.header.length
            ))
            .fix("write each message to its end; in the receiver, drop what is open on the chunk stream named");
        Some(if fails { claim.weighing(Severity::Error).breaking(Impact::Response) } else { claim })
    };
    BOTH.into_iter().filter_map(claim).collect()
}

/// Whether a row has only in A the message that B gives up.
fn is_twin(comparison: &Comparison<'_>, row: usize, given_up: &RecordedMessage) -> bool {
    let of_a = comparison.item(row, Side::A).and_then(|item| item.message());
    let is_longer =
        |kept: &RecordedMessage| kept.header.length == given_up.header.length && kept.body.starts_with(&given_up.body);
    comparison.rows[row].b.is_none() && of_a.is_some_and(is_longer)
}
