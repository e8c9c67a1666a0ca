//! A step that is taken before its turn, twice, or in the place of another.

use crate::amf::Value;
use crate::compare::{Comparison, FieldPath, ValuePath};
use crate::owed::{Early, Progress, Step};
use crate::recording::Session;
use crate::rtmp::MessageStreamId;
use crate::rules::command::commands;
use crate::rules::messages::count;
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction::{ClientToServer as CLIENT, ServerToClient as SERVER};

use super::{claim, of_a, of_b, only_in_a};

pub static ORDER: Rule = Rule {
    code: "order-createstream",
    layer: Layer::Command,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a command is sent before the one it needs is answered",
    page: Page {
        what: "createStream belongs after the _result of connect, publish and play after that of createStream, whose answer \
               is the number of the stream. A client that does not wait guesses that number, and some servers ignore it.",
        looks: "02 00 0c 63 72 65 61 74 65 53 74 72 65 61 6d 00 40 00 ..   createStream\n\
                02 00 07 5f 72 65 73 75 6c 74 00 40 00 ..   its _result, with the number",
        who: "Clients that write all their commands at once.",
        fix: "Wait for the answer.",
        source: "RTMP 1.0 sections 7.2.1.3 and 7.2.2. nginx and Node-Media-Server take publish even without createStream.",
    },
    check: Check::Diff(order),
};

pub static CONNECT_TWICE: Rule = Rule {
    code: "connect-twice",
    layer: Layer::Command,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "connect is sent again after it was answered",
    page: Page {
        what: "The server accepted connect, createStream is due, and the client sends connect once more. A connection is made \
               once; servers close, or forget what they knew of the client.",
        looks: "client   02 00 07 63 6f 6e 6e 65 63 74 00 3f f0 ..   connect, transaction 1\n\
                server   02 00 07 5f 72 65 73 75 6c 74 00 3f f0 ..   its _result\n\
                client   02 00 07 63 6f 6e 6e 65 63 74 00 40 00 ..   connect, transaction 2",
        who: "Clients whose retry timer is not stopped by the answer, and state machines that start over on an unexpected message.",
        fix: "Send connect once; after its _result send createStream. To connect again, open a new TCP connection.",
        source: "RTMP 1.0 section 7.2.1.1. nginx-rtmp: `connect: duplicate connection`, and it closes.",
    },
    check: Check::Diff(connect_twice),
};

pub static START_TWICE: Rule = Rule {
    code: "start-twice",
    layer: Layer::Command,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "publish or play is sent again for a stream that is on its way",
    page: Page {
        what: "publish or play comes twice on one message stream, with the same name, and neither a refusal nor the end of the \
               stream is between them. A server may start the stream twice, so that a player gets each message two times, or \
               refuse the second one because the name is in use.",
        looks: "client   08 .. 14 01 00 00 00   02 00 04 70 6c 61 79 00 ..   play\n\
                client   08 .. 14 01 00 00 00   02 00 04 70 6c 61 79 00 ..   play again\n\
                server   02 00 08 onStatus ..                 Play.Start, twice",
        who: "Clients that try again before the answer can have come, and two parts of a program that both start the stream.",
        fix: "Send it once, and wait for onStatus.",
        source: "RTMP 1.0 sections 7.2.2.1 and 7.2.2.6. nginx-rtmp starts a second play on the same stream.",
    },
    check: Check::Diff(start_twice),
};

pub static MEDIA_EARLY: Rule = Rule {
    code: "media-before-publish",
    layer: Layer::Command,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "audio, video or data is sent before publish",
    page: Page {
        what: "Media belongs to a stream that is being published: first publish, then the server's NetStream.Publish.Start, then \
               metadata, configuration and frames. What comes before belongs to no stream; servers drop it, and with it the \
               sequence headers that everything later needs.",
        looks: "client   04 00 00 00 00 00 2c 09 01 00 00 00 17 00 ..   AVC sequence header\n\
                client   02 00 07 70 75 62 6c 69 73 68 ..                publish",
        who: "Encoders whose threads start before the connection is ready.",
        fix: "Hold audio, video and metadata back until onStatus NetStream.Publish.Start has come.",
        source: "RTMP 1.0 section 7.2.2.6.",
    },
    check: Check::Diff(media_early),
};

pub static PLAY_NOT_PUBLISH: Rule = Rule {
    code: "play-not-publish",
    layer: Layer::Command,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the client sends play, and then audio and video",
    page: Page {
        what: "play asks the server to send a stream. The client sends audio and video itself after it: it meant publish. Servers \
               drop what it sends; nobody sees the stream, and no error says why.",
        looks: "client   02 00 04 70 6c 61 79 00 ..      play\n\
                client   04 .. 08 .. / 04 .. 09 ..   audio and video",
        who: "Clients that share code for both roles, and a wrong argument in a script.",
        fix: "Send publish with the name and `live` in place of play.",
        source: "RTMP 1.0 sections 7.2.2.1 and 7.2.2.6.",
    },
    check: Check::Diff(play_not_publish),
};

fn order(comparison: &Comparison<'_>) -> Vec<Claim> {
    let of = |progress: &Progress<'_>| -> Vec<Early> {
        let is_command = |early: &Early| matches!(early.step, Step::CreateStream | Step::Publish | Step::Play);
        progress.early().into_iter().filter(is_command).collect()
    };
    let (a, b) = (of_a(comparison), of_b(comparison));
    let known: Vec<Step> = a.iter().flat_map(of).map(|early| early.step).collect();
    let early: Vec<Early> = of(&b).into_iter().filter(|early| !known.contains(&early.step)).collect();
    let answered = early.iter().filter(|early| early.came.is_some()).filter_map(|early| {
        let call = early.needs.call()?;
        let title = format!("{} is sent before {} is answered", early.step.words(), call.words());
        let claim = claim(comparison, early.item, ValuePath::of(early.step.words()), Certainty::Certain, title)?;
        let why = "a server may not be ready, or ignore what comes early";
        Some(claim.why(why).fix(format!("wait for the _result of {}", call.words())))
    });
    let mut claims: Vec<Claim> = answered.collect();
    // Publish or play on a connection on which no stream was asked for before; A asks for one.
    let creates = |progress: &Progress<'_>| progress.first(Step::CreateStream);
    let without = early
        .iter()
        .find(|early| early.needs == Step::StreamCreated && creates(&b).is_none_or(|create| create > early.item));
    if let Some(early) = without.filter(|_| claims.is_empty() && a.as_ref().is_none_or(|a| creates(a).is_some())) {
        let title = format!("{} is sent, and no stream was created", early.step.words());
        let claim = claim(comparison, early.item, ValuePath::of(early.step.words()), Certainty::Certain, title);
        let explains = [only_in_a(comparison, Step::CreateStream), only_in_a(comparison, Step::StreamCreated)].concat();
        claims.extend(claim.map(|claim| {
            let claim = claim
                .why("the stream's number comes from createStream; nginx-rtmp and Node-Media-Server do without, others do not")
                .fix("send createStream and wait for its _result")
                .explaining(explains);
            // Where nothing comes back, this server does not do without.
            if b.serves() { claim } else { claim.weighing(Severity::Error).breaking(Impact::Response) }
        }));
    }
    claims
}

fn connect_twice(comparison: &Comparison<'_>) -> Vec<Claim> {
    // The connect that comes after one was accepted.
    let of = |progress: &Progress<'_>| {
        let accepted = progress.first(Step::Connected)?;
        progress.taken.iter().find(|&&(step, item)| step == Step::Connect && item > accepted).map(|&(_, item)| item)
    };
    let b = of_b(comparison);
    let (Some(item), None) = (of(&b), of_a(comparison).as_ref().and_then(of)) else { return Vec::new() };
    let title = "connect is sent again after it was answered, where createStream is due".to_owned();
    let Some(claim) = claim(comparison, item, ValuePath::of("connect"), Certainty::Certain, title) else {
        return Vec::new();
    };
    let row = claim.row;
    let own: Vec<usize> = comparison.open().filter(|&index| comparison.mismatches[index].row == row).collect();
    let claim = claim
        .why("a connection is made once: the server has accepted it, and what is due is createStream")
        .fix("send connect once, and createStream after its _result")
        .explaining(own);
    vec![match b.serves() {
        // This server does not mind.
        true => claim.weighing(Severity::Warning),
        false => claim.breaking(Impact::Response),
    }]
}

fn start_twice(comparison: &Comparison<'_>) -> Vec<Claim> {
    // The second one, and what it is called.
    let of = |session: &Session| {
        let mut last: Option<(String, String, Option<MessageStreamId>)> = None;
        commands(session).into_iter().find_map(|said| {
            let name = said.command.arguments().get(1).and_then(Value::as_str).map(|name| name.to_string());
            match (said.direction, &*said.name) {
                (CLIENT, "publish" | "play") => {
                    let this = (said.name.clone(), name?, said.kept.header.message_stream_id);
                    let is_same = last.as_ref() == Some(&this);
                    last = Some(this);
                    is_same.then_some((said.item, said.name))
                }
                // Whatever stops, refuses or ends a stream lets it begin again.
                (CLIENT, "deleteStream" | "closeStream" | "FCUnpublish" | "createStream" | "connect" | "pause") => {
                    last = None;
                    None
                }
                (SERVER, "_error") => {
                    last = None;
                    None
                }
                (SERVER, "onStatus") => {
                    let begins = [".Start", ".Reset", ".PublishNotify"];
                    let code = said.text("code").unwrap_or_default();
                    if !begins.iter().any(|end| code.ends_with(end)) {
                        last = None;
                    }
                    None
                }
                _ => None,
            }
        })
    };
    let Some((item, name)) = of(comparison.b).filter(|_| comparison.a.and_then(of).is_none()) else {
        return Vec::new();
    };
    let starts = commands(comparison.b).into_iter().filter(|said| said.is(SERVER, "onStatus"));
    let starts = starts.filter(|said| said.text("code").is_some_and(|code| code.ends_with(".Start"))).count();
    let title = format!("{name} is sent again for the same stream, before the first one is refused or ends");
    let Some(claim) = claim(comparison, item, ValuePath::of(name.as_str()), Certainty::Certain, title) else {
        return Vec::new();
    };
    let row = claim.row;
    let own: Vec<usize> = comparison.open().filter(|&index| comparison.mismatches[index].row == row).collect();
    let why = match starts {
        0 | 1 => "a server may start it twice, or refuse the second one".to_owned(),
        starts => format!("the server starts it {}: it may send everything that often", count(starts, "time")),
    };
    vec![claim.why(why).fix(format!("send {name} once, and wait for onStatus")).explaining(own)]
}

fn media_early(comparison: &Comparison<'_>) -> Vec<Claim> {
    // The first of it, where the client has said nothing of what it is for, or says so only later.
    let of = |progress: &Progress<'_>| {
        let first = progress.first(Step::ClientMedia).filter(|_| progress.is_whole(CLIENT))?;
        let publish = progress.first(Step::Publish);
        let is_early = publish.map_or(progress.first(Step::Play).is_none(), |publish| first < publish);
        is_early.then_some(first)
    };
    let b = of_b(comparison);
    let (Some(first), None) = (of(&b), of_a(comparison).as_ref().and_then(of)) else { return Vec::new() };
    let until = b.first(Step::Publish).unwrap_or(usize::MAX);
    let before = b.taken.iter().filter(|&&(step, item)| step == Step::ClientMedia && item < until).count();
    let title = match b.first(Step::Publish) {
        Some(_) => format!("{} of audio, video or data come before publish", count(before, "message")),
        None => format!("{} of audio, video or data come, and publish never does", count(before, "message")),
    };
    let claim = claim(comparison, first, FieldPath::Message, Certainty::Likely, title).map(|claim| {
        claim
            .why("what is sent before publish belongs to no stream; servers drop it, sequence headers included")
            .fix("hold media and metadata back until onStatus NetStream.Publish.Start")
    });
    claim.into_iter().collect()
}

fn play_not_publish(comparison: &Comparison<'_>) -> Vec<Claim> {
    let of = |progress: &Progress<'_>| {
        let is_known = progress.is_whole(CLIENT);
        let play = progress.first(Step::Play).filter(|_| is_known && progress.first(Step::Publish).is_none())?;
        let media = progress.taken.iter().filter(|&&(step, item)| step == Step::ClientMedia && item > play).count();
        (media > 0).then_some((play, media))
    };
    let (Some((item, media)), None) = (of(&of_b(comparison)), of_a(comparison).as_ref().and_then(of)) else {
        return Vec::new();
    };
    let title = format!("the client sends play, and then {} of audio, video or data", count(media, "message"));
    let Some(claim) = claim(comparison, item, ValuePath::of("play"), Certainty::Certain, title) else {
        return Vec::new();
    };
    let row = claim.row;
    let own = comparison.open().filter(|&index| comparison.mismatches[index].row == row);
    let own: Vec<usize> = own.chain(only_in_a(comparison, Step::Publish)).collect();
    vec![
        claim
            .why("play asks for a stream, and this client sends one: the server drops it")
            .fix("send publish with the name and `live` in place of play")
            .explaining(own)
            .breaking(Impact::Response),
    ]
}
