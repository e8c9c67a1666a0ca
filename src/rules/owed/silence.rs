//! A step that is due and does not come. Of each session the earliest is told, whoever owed it.

use crate::compare::{Beside, Comparison, FieldPath, Side, ValuePath};
use crate::origin::FrameNo;
use crate::owed::{self, Duty, Owed, Step};
use crate::recording::{RecordedEvent, Session};
use crate::rules::command::{Said, commands};
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction::{self, ClientToServer as CLIENT, ServerToClient as SERVER};

use super::{claim, of_a, of_b, only_in_a, sender};

pub static HANDSHAKE: Rule = Rule {
    code: "hs-unanswered",
    layer: Layer::Handshake,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the server does not answer the handshake",
    page: Page {
        what: "The client sent C0 and C1, TCP delivered them, and no S0 ever comes. Who listens there does not speak RTMP, or \
               hangs before it does.",
        looks: "client   03 00 00 00 00 00 00 00 00 ..   C0 and C1, acknowledged by TCP\n\
                server   (nothing)",
        who: "Load balancers and port forwards that lead to no server; servers that wait for TLS, for a PROXY header or \
              for more bytes; servers that are out of threads.",
        fix: "Look at what listens on that port, and whether it logs the connection. If it expects TLS, use rtmps.",
        source: "RTMP 1.0 section 5.2.1: the server sends S0 and S1 when it has C0.",
    },
    check: Check::Diff(|comparison| earliest(comparison, |duty| duty.due == Step::ServerHello)),
};

pub static CONNECT: Rule = Rule {
    code: "connect-unanswered",
    layer: Layer::Command,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "connect gets no answer",
    page: Page {
        what: "The client sent connect and waits for _result. A server silently drops a message that it does not \
               understand, so mostly the mistake is in how connect was written: its type, its values, its chunks.",
        looks: "03 00 00 00 00 00 8c 14 00 00 00 00 | 02 00 07 63 6f 6e 6e 65 63 74 | 00 3f f0 00 00 00 00 00 00 | 03 ..\n\
                \n\
                14 is the type, 8c the length; connect has transaction id 1 and an object that ends in 00 00 09.",
        who: "Clients under construction; servers that hang.",
        fix: "Check in this order: message type, format byte of type 17, end of the object, lengths of strings, chunk size. If \
              connect is as in the working capture, look at the server.",
        source: "RTMP 1.0 section 7.2.1.1. nginx-rtmp and Node-Media-Server ignore messages of a wrong type.",
    },
    check: Check::Diff(|comparison| earliest(comparison, |duty| duty.due == Step::Connected)),
};

pub static CALL: Rule = Rule {
    code: "call-unanswered",
    layer: Layer::Command,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "createStream gets no answer",
    page: Page {
        what: "The client asked for a message stream, and no _result with its number comes. Without the number it cannot \
               publish or play.",
        looks: "client   02 00 0c 63 72 65 61 74 65 53 74 72 65 ..   createStream\n\
                server   (nothing)",
        who: "Servers whose application waits for a login or a hook before it creates streams, and servers that could not read \
              the command.",
        fix: "As the server, answer createStream with _result, its transaction id, null and the stream's number.",
        source: "RTMP 1.0 section 7.2.1.3.",
    },
    check: Check::Diff(|comparison| earliest(comparison, |duty| duty.due == Step::StreamCreated)),
};

pub static START: Rule = Rule {
    code: "publish-start-missing",
    layer: Layer::Command,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "publish or play gets no onStatus",
    page: Page {
        what: "The server has to answer publish with onStatus NetStream.Publish.Start, play with NetStream.Play.Start. Clients wait \
               for it before they send media.",
        looks: "02 00 08 6f 6e 53 74 61 74 75 73 00 00 .. 05 03 00 05 6c 65 76 65 6c 02 00 06 73 74 61 74 75 73 ..\n\
                \n\
                onStatus, 0, null, an object with level, code and description.",
        who: "Servers with an on_publish hook that hangs, servers that want another command first (FCPublish), servers that \
              could not read the name.",
        fix: "As the server, send onStatus on the message stream of publish. As the client, look at what the server logs.",
        source: "RTMP 1.0 sections 7.2.2.1 and 7.2.2.6.",
    },
    check: Check::Diff(|comparison| {
        earliest(comparison, |duty| matches!(duty.due, Step::PublishStarted | Step::PlayStarted))
    }),
};

pub static CLIENT_STOPS: Rule = Rule {
    code: "client-stops",
    layer: Layer::Command,
    severity: Severity::Fatal,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the client does not take the step that is due",
    page: Page {
        what: "The server answered, and it is the client's turn: C2 after S1, connect after the handshake, createStream after the \
               answer to connect, publish or play after that to createStream, audio and video after NetStream.Publish.Start. \
               Nothing of it comes, though the connection stays open: the client did not understand the answer, waits for \
               something else, or its program hangs.",
        looks: "server   02 00 07 5f 72 65 73 75 6c ..   _result of connect\n\
                client   00 07 00 00 3a 98              only answers to pings",
        who: "Clients that leave the chunk header at byte 128 inside a longer _result, so that it does not parse; clients that \
              wait for onBWDone or onFCPublish; encoders whose input delivers nothing.",
        fix: "Debug the client at the server's last answer: does it get it whole, parse it, and find its transaction id?",
        source: "RTMP 1.0 sections 5.2.1 and 7.2. StephenPasco/VideoCore issue 190: _result read with its chunk headers.",
    },
    check: Check::Diff(|comparison| earliest(comparison, |duty| duty.by == CLIENT && duty.after != Step::Opened)),
};

pub static NOTHING_PLAYS: Rule = Rule {
    code: "play-without-media",
    layer: Layer::Command,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the server lets the client play, and sends nothing",
    page: Page {
        what: "The answer to play is NetStream.Play.Start, and neither audio, video nor data follows. As long as nobody publishes \
               under that name, most servers keep a player waiting so.",
        looks: "server   02 00 08 6f 6e 53 74 61 74 75 73 ..   onStatus Play.Start\n\
                server   (nothing)",
        who: "Players of a name that nobody publishes, or that differs in one letter; servers that wait for a key frame.",
        fix: "Publish the stream; compare application and name of publisher and player letter by letter.",
        source: "RTMP 1.0 section 7.2.2.1. nginx-rtmp answers play whether or not somebody publishes.",
    },
    check: Check::Diff(|comparison| earliest(comparison, |duty| duty.due == Step::ServerMedia)),
};

/// The rules of this module.
pub static RULES: [&Rule; 6] = [&HANDSHAKE, &CONNECT, &CALL, &START, &CLIENT_STOPS, &NOTHING_PLAYS];

/// What is due earliest in B and never comes, if it is one of these duties, and A has it.
fn earliest(comparison: &Comparison<'_>, is: fn(&Duty) -> bool) -> Vec<Claim> {
    let b = of_b(comparison);
    let Some(owed) = b.owed().filter(|owed| is(owed.duty)) else { return Vec::new() };
    match of_a(comparison) {
        // Where A has neither, nothing is known of what should have been.
        Some(a) if a.first(owed.duty.due).is_none() => return Vec::new(),
        None if !owed.is_late() => return Vec::new(),
        _ => {}
    }
    about(comparison, &owed).into_iter().collect()
}

fn about(comparison: &Comparison<'_>, owed: &Owed) -> Option<Claim> {
    let Duty { after, by, due, .. } = *owed.duty;
    // A server that closes on connect has answered in its way; which application that was, is another rule's.
    if due == Step::Connected && owed.ended_by == Some(by) {
        return None;
    }
    let item = owed.since?;
    let asked = comparison.b.items.get(item)?;
    let certainty = if owed.is_late() { Certainty::Likely } else { Certainty::Possible };
    let awaited = awaited(comparison, owed);
    let title = title(owed, awaited.as_ref());
    let mut claim = claim(comparison, item, path(after), certainty, title)?;
    claim.explains = only_in_a(comparison, due).into_iter().take(1).collect();
    let own = comparison.open().filter(|&index| comparison.mismatches[index].row == claim.row).count();
    let differs = own > 0 && by == SERVER && comparison.a.is_some();
    if differs {
        // What was asked is not what A asked: that may be why.
        claim.certainty = Certainty::Possible;
    }
    let mut why = vec![format!("{} is in frame {}; {}", asked.info, asked.frames[0], since(comparison, owed))];
    if differs {
        why.push(format!("{} itself differs from A in {}, which may be why", after.words(), places(own)));
    } else if comparison.a.is_some() {
        why.push(format!("in A {} comes", due.words()));
    }
    let publisher = publisher(comparison).filter(|_| due == Step::ServerMedia);
    match publisher {
        Some(publisher) => {
            let number = publisher.tcp_stream.0;
            why.push(format!(
                "connection {number} publishes the stream: the server does not pass it on to this player"
            ));
        }
        None if due == Step::PlayStarted || due == Step::ServerMedia => {
            why.push("some servers send nothing as long as nobody publishes the stream".to_owned());
        }
        None => {}
    }
    if let Some(awaited) = &awaited {
        why.push(format!("the last thing that the client asked is {}, in frame {}", awaited.call, awaited.frame));
        why.extend(awaited.others.then(|| format!("in A the client continues without an answer to {}", awaited.call)));
    }
    if by == CLIENT {
        why.extend(is_cut(asked).then(|| {
            "the answer is longer than one chunk: a client that leaves the chunk headers inside it cannot read it"
                .to_owned()
        }));
    }
    let fix = match publisher {
        Some(_) => "look at what became of it with rtmp-inspect relay, and into the server's log".to_owned(),
        None => match &awaited {
            Some(Awaited { call, .. }) => {
                format!("do not wait for an answer to {call}: many servers send none; continue with {}", due.words())
            }
            None => fix(owed).to_owned(),
        },
    };
    let claim = claim.why(why.join("; ")).fix(fix).breaking(Impact::Owed);
    Some(match severity(comparison, owed, awaited.is_some()) {
        Some(severity) => claim.weighing(severity),
        None => claim,
    })
}

/// The session of the same capture that publishes, at the same server, what this one plays, while it waits.
fn publisher<'r>(comparison: &Comparison<'r>) -> Option<&'r Beside> {
    let stream = &comparison.b.stream;
    let played = stream.activities.iter().find(|activity| activity.what == "play")?;
    let end = stream.start.0 + (stream.duration * 1e9) as i64;
    comparison.around.iter().find(|other| {
        other.server == stream.server
            && other.app == stream.app
            && other.times[0].0 <= end
            && other.times[1] >= stream.start
            && other.activities.iter().any(|(what, name)| *what == "publish" && *name == played.name)
            && other.has_media[CLIENT.index()]
    })
}

/// The call after which a client stops, while it waits for an answer that no server owes.
struct Awaited {
    call: String,
    frame: FrameNo,
    /// Whether A continues without that answer.
    others: bool,
}

/// The last call of a client that does not do what is due, if it got no answer of its own.
fn awaited(comparison: &Comparison<'_>, owed: &Owed) -> Option<Awaited> {
    if owed.duty.by != CLIENT {
        return None;
    }
    let calls = |session: &Session| -> Vec<(usize, String)> {
        let is_call = |said: &Said<'_>| said.direction == CLIENT && owed::PREPARATIONS.contains(&&*said.name);
        commands(session).into_iter().filter(is_call).map(|said| (said.item, said.name)).collect()
    };
    // Answers have the call's transaction id, or its name: onFCPublish.
    let is_answered = |side: Side, (item, call): &(usize, String)| {
        let named = comparison.identities[side as usize].iter().skip(*item);
        let handler = format!("on{call}");
        named.into_iter().any(|named| named.answers(call) || named.is(&handler))
    };
    let last = calls(comparison.b).pop().filter(|(item, _)| Some(*item) > owed.since)?;
    if is_answered(Side::B, &last) {
        return None;
    }
    let others =
        comparison.a.map(calls).into_iter().flatten().any(|call| call.1 == last.1 && !is_answered(Side::A, &call));
    let frame = comparison.b.items[last.0].frames[0];
    Some(Awaited { call: last.1, frame, others })
}

fn title(owed: &Owed, awaited: Option<&Awaited>) -> String {
    let Duty { after, by, due, .. } = *owed.duty;
    let who = sender(by);
    if let Some(Awaited { call, .. }) = awaited {
        let due = if due == Step::Publish { "neither publish nor play" } else { due.words() };
        let sends = if due.starts_with("neither") { format!("sends {due}") } else { format!("sends no {due}") };
        return format!("the client {sends} after {call}, which is not answered: it waits for that answer");
    }
    let closes = if owed.ended_by == Some(by) { ", and closes" } else { "" };
    match (due, due.call()) {
        (Step::ServerHello, _) => format!("the server does not answer the handshake{closes}"),
        (Step::PublishStarted | Step::PlayStarted, Some(call)) if !closes.is_empty() => {
            format!("the server closes on {}, without onStatus", call.words())
        }
        (_, Some(call)) => format!("the server does not answer {}{closes}", call.words()),
        (Step::Publish, _) => format!("the {who} sends neither publish nor play after {}{closes}", after.words()),
        _ => format!("the {who} sends no {} after {}{closes}", due.words(), after.words()),
    }
}

/// What came since, and for how long nothing did.
fn since(comparison: &Comparison<'_>, owed: &Owed) -> String {
    let Duty { by, .. } = *owed.duty;
    let after = owed.since.map_or(0, |item| item + 1);
    let later = comparison.b.items.iter().zip(&comparison.identities[Side::B as usize]).skip(after);
    let mut names: Vec<&str> = Vec::new();
    for (_, named) in later.filter(|(item, _)| item.direction == by) {
        if !names.contains(&named.name.as_str()) && names.len() < 3 {
            names.push(&named.name);
        }
    }
    let end = match owed.ended_by {
        Some(closer) => format!("until the {} closes", sender(closer)),
        None => "to the end of the capture".to_owned(),
    };
    let what = if names.is_empty() { "nothing".to_owned() } else { format!("only {}", names.join(", ")) };
    format!("from then on the {} sends {what}, for {:.1} s, {end}", sender(by), owed.waited)
}

fn fix(owed: &Owed) -> &'static str {
    match owed.duty.due {
        Step::ServerHello => {
            "look at what listens on that port: is it an RTMP server, does it expect TLS or a PROXY header, does it log?"
        }
        Step::Connected => {
            "check message type, format byte, end of the object, lengths of strings and chunk size; then the server"
        }
        Step::StreamCreated => {
            "look into the server's log; as the server, answer createStream with the number of a stream"
        }
        Step::PublishStarted => {
            "look into the server's log: a hook, a login, or a missing FCPublish; check the name and the type of publish"
        }
        Step::PlayStarted | Step::ServerMedia => "publish the stream, and check application and name",
        Step::ClientMedia => "look at what delivers audio and video to the client, and whether it saw onStatus",
        _ => "look at what the client does with the server's last answer, and what it waits for",
    }
}

/// How bad it is, where that is not as the rule has it.
fn severity(comparison: &Comparison<'_>, owed: &Owed, waits: bool) -> Option<Severity> {
    let closes = owed.ended_by == Some(owed.duty.by);
    match owed.duty.due {
        // Who only tried whether somebody answers goes, and nothing is wrong.
        _ if owed.duty.by == CLIENT && closes && !(waits && lacks_media(comparison)) => Some(Severity::Warning),
        Step::PlayStarted if comparison.a.is_none() && !closes => Some(Severity::Warning),
        _ => None,
    }
}

/// Whether A did what the session is for, and B did not get to it.
fn lacks_media(comparison: &Comparison<'_>) -> bool {
    of_a(comparison).is_some_and(|a| a.serves()) && !of_b(comparison).serves()
}

fn path(after: Step) -> FieldPath {
    match after {
        Step::Connect | Step::CreateStream | Step::Publish | Step::Play => ValuePath::of(after.words()).into(),
        Step::ClientHello | Step::ServerHello | Step::ClientEcho => FieldPath::from("handshake.order"),
        _ => FieldPath::Message,
    }
}

/// Whether a message came in more than one chunk.
fn is_cut(item: &RecordedEvent) -> bool {
    let chunks = item.message().and_then(|kept| kept.chunks);
    item.direction == Direction::ServerToClient && chunks.is_some_and(|chunks| chunks.count > 1)
}

fn places(count: usize) -> String {
    if count == 1 { "1 place".to_owned() } else { format!("{count} places") }
}
