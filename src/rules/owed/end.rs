//! How a connection ends or stands still. An end is a symptom: any cause before it is the better answer, and without
//! one it is said what was owed, never that the last message was to blame.

use crate::compare::{Beside, Comparison, Side, Value};
use crate::origin::FrameNo;
use crate::owed::Step;
use crate::recording::{Pause, RecordedEvent, Session};
use crate::rtmp::message::Ending;
use crate::rules::control::counting;
use crate::rules::opening::{CLIENT, Opening, SERVER, WAITS, is_over, mismatches_of, row_of};
use crate::rules::{Certainty, Check, Claim, Effect, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction;
use crate::tcp::How;

use super::{of_a, of_b, sender};

pub static SILENT_CLOSE: Rule = Rule {
    code: "silent-close",
    layer: Layer::Capture,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "one side closed the connection without saying why",
    page: Page {
        what: "A FIN or RST ends the session, and neither _error nor onStatus came before it. That is a symptom: no cause was \
               found before it. The report says what was owed at that moment, and which message the closing side received \
               last; that one need not be the reason.",
        looks: "client   14 00 00 00 00 02 00 07 63 6f 6e 6e 65 63 74   connect\n\
                server   FIN\n\
                \n\
                The server owed the answer to connect.",
        who: "nginx-rtmp closes so on an unknown application, a chunk stream id from 32 on, a message over 1 MiB, AMF that it \
              cannot parse, and a handshake whose first byte is not 3.",
        fix: "Look into the closing side's log: it often has the reason. With a capture that works, `diff` shows what came before.",
        source: "RTMP 1.0 section 7.2 has errors for commands only, none for what cannot be read. Seen with nginx-rtmp 1.2.",
    },
    check: Check::Diff(silent_close),
};

pub static RESET: Rule = Rule {
    code: "reset-differs",
    layer: Layer::Capture,
    severity: Severity::Warning,
    modes: &[Mode::Diff],
    title: "a side resets the connection in the middle of the session",
    page: Page {
        what: "B ends with a RST before its side has said that it is done (FCUnpublish, deleteStream, closeStream); A does not end so. \
               What was written shortly before may be lost: a reset throws away what the other side has not read yet.",
        looks: "A  client   02 00 0c 64 65 6c 65 74 65 53 74 72 65 61 6d   deleteStream\n\
                A  client   FIN\n\
                \n\
                B  client   04 00 13 3d 00 02 0a 09 01 00 00 00            video\n\
                B  client   RST",
        who: "Programs that are killed, or that close a socket while unread bytes, such as the server's Acknowledgements, are in it; \
              firewalls and load balancers that drop a connection.",
        fix: "Send FCUnpublish and deleteStream, read what the other side still sends, and close with FIN.",
        source: "RFC 9293 3.10.4: closing with data unread, or aborting, sends RST.",
    },
    check: Check::Diff(reset),
};

pub static CUT_SHORT: Rule = Rule {
    code: "closed-mid-message",
    layer: Layer::Capture,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a side closes in the middle of its own message",
    page: Page {
        what: "The sender's FIN or RST comes before the last byte of a message that it had begun. Nothing is missing in the capture: \
               the rest was never written. The receiver drops what it has of the message, or counts the connection as broken.",
        looks: "04 .. 00 13 3d 09 ..   a video message of 4925 bytes\n\
                .. 2459 bytes of it .. FIN",
        who: "Programs that are killed, or that close the socket while another thread still writes to it.",
        fix: "Write the message to its end before the socket is closed; to stop at once, stop between two messages.",
        source: "RTMP 1.0 section 5.3.1: the message length in the header says how much is due.",
    },
    check: Check::Diff(cut_short),
};

pub static STALLS: Rule = Rule {
    code: "message-stall",
    layer: Layer::Capture,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the sender pauses in the middle of a message",
    page: Page {
        what: "A message is begun, then for a second or more nothing comes of that direction, and then its rest. The receiver can do \
               nothing but wait; its TCP window was open, and nothing was sent again.",
        looks: "04 .. 00 13 3d 09 ..   a video message of 4925 bytes\n\
                .. 2000 bytes, 2.6 s of nothing, 2925 bytes ..",
        who: "Senders that write a message in several calls and wait for something between them: a lock, a disk, a rate limit, the \
              encoder. A network path that stopped for that long looks the same.",
        fix: "Find out what the sending thread waited for. Write a message in one go once it is complete.",
        source: "Times of the frames that carry one message.",
    },
    check: Check::Diff(stalls),
};

/// So long, in seconds, nothing comes in the middle of a message before that is worth a word.
const LONG: f64 = 1.0;

fn silent_close(comparison: &Comparison<'_>) -> Vec<Claim> {
    let b = Opening::of(comparison.b);
    let Some(end) = b.session.stream.end.filter(|end| end.how != How::Reused) else { return Vec::new() };
    let to_closer = if end.by == "server" { CLIENT } else { SERVER };
    if b.session.stream.error.is_some() || is_over(b.session) || end.by == "client" && has_begun(b) {
        return Vec::new();
    }
    // Who waited in vain gave up; that nobody answered is another matter.
    if end.by == "client" && b.idle() >= WAITS {
        return Vec::new();
    }
    let Some((item, row)) = last_whole(comparison, b, to_closer, end.frame) else { return Vec::new() };
    let only_in_a = |at: usize| at > row && comparison.item(at, Side::B).is_none();
    let lacks: Vec<usize> = mismatches_of(comparison, only_in_a)
        .into_iter()
        .filter(|&index| comparison.mismatches[index].is_whole_message())
        .collect();
    let answers = lacks.iter().any(|&index| {
        let row = comparison.mismatches[index].row;
        !comparison.either(row).kind.is_media()
    });
    if !answers && comparison.a.is_some() {
        return Vec::new();
    }
    let how = if end.how == How::Rst { "reset" } else { "closed" };
    let owed = of_b(comparison).owed();
    // A client that came back got what it wanted: the end is worth knowing, and broke no more than this connection.
    let back = if comparison.a.is_none() { came_back(comparison) } else { None };
    let at_that_moment = match (&owed, back) {
        (Some(owed), _) => format!("the {} owed {}", sender(owed.duty.by), owed.duty.due.words()),
        (None, Some(back)) => format!("the client continued on connection {}", back.tcp_stream.0),
        (None, None) => unacknowledged(comparison.b).unwrap_or_else(|| "nothing was owed".to_owned()),
    };
    let title = format!("the {} {how} the connection without giving a reason; {at_that_moment}", end.by);
    let short = match comparison.a.is_none() {
        true => String::new(),
        false => format!(", {} messages short of the good one", lacks.len()),
    };
    let why = format!(
        "frame {} ends the session{short}; no _error and no onStatus came before. The last whole message that the \
         {} received is {} (frame {}), which need not be the reason",
        end.frame, end.by, item.info, item.frames[0]
    );
    let value = Value::words(item.info.clone());
    let claim = Claim::on(row, "end", [None, Some(value)], Certainty::Likely, title);
    let fix = format!("look into the {}'s log", end.by);
    let claim = claim.why(why).fix(fix).explaining(lacks.first().copied()).breaking(Impact::End);
    // By itself a client that goes may have had all that it came for; so may one that lacks no more than A's farewell.
    let ends_in_a = of_a(comparison).and_then(|a| a.first(Step::ClientEnds));
    let is_farewell = |index: &usize| {
        let row = comparison.mismatches[*index].row;
        comparison.rows[row].a.zip(ends_in_a).is_some_and(|(item, first)| item >= first)
    };
    let is_free_to_go = end.by == "client" && lacks.iter().all(is_farewell);
    let is_harmless = is_free_to_go || owed.is_none() && back.is_some();
    vec![if is_harmless { claim.weighing(Severity::Warning) } else { claim }]
}

/// An Acknowledgement that one side owed the other at the end.
fn unacknowledged(session: &Session) -> Option<String> {
    [CLIENT, SERVER].into_iter().find_map(|direction| {
        let (bytes, window) = counting::owed(session, direction)?;
        let who = sender(direction.back());
        Some(format!("the {who} owed an Acknowledgement: {bytes} bytes, and the window is {window}"))
    })
}

/// A reset that A does not have. One of the side that is owed nothing has a rule of its own, and so has the server's.
fn reset(comparison: &Comparison<'_>) -> Vec<Claim> {
    let (Some(a), b) = (comparison.a, Opening::of(comparison.b)) else { return Vec::new() };
    let reset = |session: &Session| session.stream.end.filter(|end| end.how == How::Rst);
    let Some(end) = reset(comparison.b).filter(|end| end.by == "client") else { return Vec::new() };
    let is_cut = |session: &Session| reset(session).is_some() && !is_over(session);
    // A snapshot does not say how its connection ended.
    if a.is_snapshot || is_cut(a) || is_over(comparison.b) || !has_begun(b) {
        return Vec::new();
    }
    let Some((_, row)) = last_whole(comparison, b, CLIENT, end.frame) else { return Vec::new() };
    let in_a = match a.stream.end {
        Some(of_a) if of_a.how == How::Fin => format!("; in A the {} closes it (FIN)", of_a.by),
        _ => "; A ends after FCUnpublish or deleteStream, if at all".to_owned(),
    };
    let title = format!("the client resets the connection in the middle of the session{in_a}");
    let value = Value::words(format!("RST in frame {}", end.frame));
    let claim = Claim::on(row, "end", [None, Some(value)], Certainty::Likely, title);
    let why = format!("frame {} is the reset; no FCUnpublish, deleteStream or FIN came before it", end.frame);
    vec![claim.why(why).fix(RESET.page.fix).with_effect(Effect::MayMatter)]
}

/// The later session in which the same client does the same at the same server, with audio or video.
fn came_back<'r>(comparison: &Comparison<'r>) -> Option<&'r Beside> {
    let ended = &comparison.b.stream;
    let wanted = ended.activities.first()?;
    let last = comparison.b.items.iter().map(|item| item.time).max()?;
    comparison.around.iter().find(|other| {
        let asked = other.activities.first();
        other.times[0] >= last
            && other.client == ended.client.ip()
            && other.server == ended.server
            && other.app == ended.app
            && asked.is_some_and(|(what, name)| *what == wanted.what && *name == wanted.name)
            && other.has_media.contains(&true)
    })
}

/// The last thing that came whole in a direction before frame `end`: what came after the FIN or RST was not received.
/// A snapshot has no frames.
fn last_whole<'r>(
    comparison: &Comparison<'r>,
    b: Opening<'r>,
    direction: Direction,
    end: FrameNo,
) -> Option<(&'r RecordedEvent, usize)> {
    let is_before =
        |item: &&RecordedEvent| b.session.is_snapshot || !end.precedes(item.frames[0]) && item.frames[0] != end;
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

fn cut_short(comparison: &Comparison<'_>) -> Vec<Claim> {
    let b = comparison.b;
    let (Some(item), None) = (cut(b), comparison.a.and_then(cut)) else { return Vec::new() };
    let Some((row, kept)) = row_of(comparison, Side::B, item).zip(item.message()) else { return Vec::new() };
    let Some(end) = b.stream.end else { return Vec::new() };
    let name = &comparison.either(row).name;
    let how = if end.how == How::Rst { "resets" } else { "closes" };
    let (sent, length) = (kept.body.len().min(kept.header.length as usize), kept.header.length);
    let title = format!("the {} {how} the connection in the middle of its own message: {name}", end.by);
    let claim = Claim::of_message(comparison, row, "message.ending", Certainty::Likely, title);
    let of = if kept.is_whole() || sent == 0 { String::new() } else { format!("{sent} of its {length} bytes came; ") };
    let own: Vec<usize> = comparison.open().filter(|&index| comparison.mismatches[index].row == row).collect();
    let why = format!("{of}frame {} ends the connection, and nothing is missing in the capture", end.frame);
    let claim = claim.why(why).fix(CUT_SHORT.page.fix).explaining(own).breaking(Impact::Owed);
    // A program that is stopped ends so too, but A went on.
    vec![if comparison.a.is_some() { claim.weighing(Severity::Error) } else { claim }]
}

/// The message in whose middle its own sender ended the connection, where its direction is sound up to there.
fn cut(session: &Session) -> Option<&RecordedEvent> {
    let end = session.stream.end.filter(|end| end.how != How::Reused)?;
    let direction = if end.by == "client" { CLIENT } else { SERVER };
    let mut own = session.items.iter().filter(|item| item.direction == direction);
    let last = own.next_back()?;
    // A command that is cut off is what a program leaves that is done.
    let is_cut = last.message().is_some_and(|kept| kept.ending == Ending::Cut && kept.header.type_id.is_media());
    let is_sound = own.all(|item| !item.is_damaged() && item.defects.is_empty());
    let is_explained = session.framing.iter().any(|framing| framing.direction == direction);
    // Bytes that the receiver acknowledged and nobody captured are no proof of anything; a FIN has a number of its own.
    let is_whole = Opening::of(session).total(direction).is_some();
    (is_cut && is_sound && !is_explained && is_whole).then_some(last)
}

fn stalls(comparison: &Comparison<'_>) -> Vec<Claim> {
    let claim = |direction| {
        let (item, pause) = longest_pause(comparison.b, direction)?;
        if comparison.a.is_some_and(|a| longest_pause(a, direction).is_some()) {
            return None;
        }
        let row = row_of(comparison, Side::B, item)?;
        let who = sender(direction);
        let name = &comparison.either(row).name;
        let title = format!("the {who} sends nothing for {:.1} s in the middle of a message: {name}", pause.seconds());
        let why = format!(
            "frame {} holds its bytes up to stream offset {}, and the next one comes in frame {}; the receiver's window was \
             open, and nothing was sent again",
            pause.from, pause.at, pause.to
        );
        let claim = Claim::of_message(comparison, row, "tcp.pause", Certainty::Likely, title);
        Some(claim.why(why).fix("find out what the sending thread waited for"))
    };
    [CLIENT, SERVER].into_iter().filter_map(claim).collect()
}

/// The longest pause in the middle of a message of a direction, if it is long, and neither the receiver nor the network
/// is known to be its reason.
fn longest_pause(session: &Session, direction: Direction) -> Option<(&RecordedEvent, Pause)> {
    let opening = Opening::of(session);
    let is_network = opening.count(direction).retransmitted_bytes > 0 || opening.total(direction).is_none();
    let is_receiver = opening.count(direction.back()).window_closed.is_some();
    if is_network || is_receiver {
        return None;
    }
    let own = || session.items.iter().filter(|item| item.direction == direction);
    let paused =
        own().filter_map(|item| Some((item, item.pause.as_deref().copied().filter(|pause| pause.seconds() >= LONG)?)));
    // Whose other messages went on in the meantime only sent this one slowly.
    let is_idle = |pause: &Pause| {
        !own().any(|other| {
            other.frames.iter().any(|frame| (pause.from..pause.to).contains(frame) && *frame != pause.from)
        })
    };
    let longest = paused.max_by_key(|(_, pause)| pause.nanoseconds)?;
    is_idle(&longest.1).then_some(longest)
}
