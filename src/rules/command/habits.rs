//! What some peers want of commands and data, and others leave out.

use crate::amf::Value;
use crate::compare::{Comparison, Side, Step};
use crate::owed::Progress;
use crate::recording::{RecordedMessage, Session};
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::rules::messages::{self, BodyPlace, DirectionMessages, count};
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction::{self, ClientToServer, ServerToClient};

use super::{commands, ended_by, only_in_a, with_path};

pub static FCPUBLISH: Rule = Rule {
    code: "fcpublish-reply",
    layer: Layer::Command,
    severity: Severity::Warning,
    modes: &[Mode::Diff],
    title: "FCPublish gets no onFCPublish, and the client does not publish",
    page: Page {
        what: "Some encoders wait for onFCPublish before they continue. Most servers never send it, and most clients \
               do not need it.",
        looks: "02 00 09 46 43 50 75 62 6c 69 73 68 00 40 08 ..   FCPublish\n\
                02 00 0b 6f 6e 46 43 50 75 62 6c 69 73 68 00 ..   onFCPublish",
        who: "Hardware encoders and Livestream Studio, with servers that only know publish.",
        fix: "In the server, answer FCPublish with onFCPublish, with a transaction id.",
        source: "membraneframework/membrane_rtmp_plugin issue 115.",
    },
    check: Check::Diff(fcpublish),
};

pub static ONBWDONE: Rule = Rule {
    code: "onbwdone-reaction",
    layer: Layer::Command,
    severity: Severity::Warning,
    modes: &[Mode::Diff],
    title: "the client closes on onBWDone",
    page: Page {
        what: "Some servers send onBWDone after the answer to connect. A client may answer with _checkbw or ignore it; \
               this one closes.",
        looks: "02 00 08 6f 6e 42 57 44 6f 6e 65 00 00 00 00 00 00 00 00 00 05\n\
                \n\
                onBWDone with transaction id 0 and null.",
        who: "Clients that treat an unknown command as an error.",
        fix: "As a client, ignore commands that are not known; as a server, leave onBWDone out.",
        source: "KallDrexx/rust-media-libs issue 41.",
    },
    check: Check::Diff(onbwdone),
};

pub static SETDATAFRAME: Rule = Rule {
    code: "setdataframe-missing",
    layer: Layer::Command,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a publisher's metadata has no @setDataFrame",
    page: Page {
        what: "A publisher tells the server to store metadata with @setDataFrame, then onMetaData, then the values. \
               Without it, some servers forward the metadata once and do not keep it for players that join later.",
        looks: "02 00 0d 40 73 65 74 44 61 74 61 46 72 61 6d 65 02 00 0a 6f 6e ..\n\
                02 00 0a 6f 6e 4d 65 74 61 44 61 74 61 08 ..   without",
        who: "Publishers that send the script tag of an FLV file as it is.",
        fix: "Put the string @setDataFrame before onMetaData.",
        source: "Azure: MPE_INGEST_RTMP_SETDATAFRAME_NOT_RECEIVED; arut/nginx-rtmp-module issue 509.",
    },
    check: Check::Diff(|comparison| data_frame(comparison, ClientToServer)),
};

pub static SETDATAFRAME_LEAK: Rule = Rule {
    code: "setdataframe-leak",
    layer: Layer::Command,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff, Mode::Relay],
    title: "a player's metadata begins with @setDataFrame",
    page: Page {
        what: "@setDataFrame is for the server. A relay should remove it; players look for onMetaData as the name of \
               the message and ignore this one.",
        looks: "02 00 0d 40 73 65 74 44 61 74 61 46 72 61 6d 65 02 00 0a 6f 6e ..\n\
                02 00 0a 6f 6e 4d 65 74 61 44 61 74 61 08 ..   as players expect it",
        who: "Relays that forward data messages unchanged.",
        fix: "Remove the first string when a data message goes to a player.",
        source: "streamband/hydra-srt issue 124; FFmpeg/FFmpeg pull request 93.",
    },
    check: Check::Diff(|comparison| data_frame(comparison, ServerToClient)),
};

pub static DELETE_STREAM: Rule = Rule {
    code: "deletestream-arg",
    layer: Layer::Command,
    severity: Severity::Info,
    modes: &[Mode::Lint, Mode::Diff],
    title: "deleteStream does not name the stream by its number",
    page: Page {
        what: "deleteStream has the number of the message stream as its argument. With anything else there, a server \
               keeps the stream until the connection ends.",
        looks: "05 00 3f f0 00 00 00 00 00 00   null and the Number 1\n\
                05 02 00 04 70 61 69 72   null and the string `pair`",
        who: "GStreamer 1.22 sends the stream's name.",
        fix: "Send the number that createStream returned.",
        source: "RTMP 1.0 section 7.2.2.3; RTMP errata section 8.3.",
    },
    check: Check::Diff(delete_stream),
};

pub static CODEC_FLAGS: Rule = Rule {
    code: "codec-flags-missing",
    layer: Layer::Command,
    severity: Severity::Warning,
    modes: &[Mode::Diff],
    title: "a player's connect does not list the codecs it knows",
    page: Page {
        what: "audioCodecs and videoCodecs are sets of codecs that a player can decode. Some servers leave out codecs \
               that are not listed.",
        looks: "00 0b 61 75 64 69 6f 43 6f 64 65 63 73 00 40 af ce ..   audioCodecs, 4071\n\
                00 0b 76 69 64 65 6f 43 6f 64 65 63 73 00 40 6f 80 ..   videoCodecs, 252",
        who: "Small players; Adobe Media Server filters by them.",
        fix: "Send audioCodecs 4071 and videoCodecs 252, as ffmpeg does.",
        source: "RTMP 1.0 section 7.2.1.1; RTMP errata section 8.1.4.",
    },
    check: Check::Diff(codec_flags),
};

fn fcpublish(comparison: &Comparison<'_>) -> Vec<Claim> {
    let has = |session: &Session, direction, name: &str| commands(session).iter().any(|said| said.is(direction, name));
    let (Some(a), b) = (comparison.a, comparison.b) else { return Vec::new() };
    let asked = commands(b).iter().find(|said| said.is(ClientToServer, "FCPublish")).map(|said| said.item);
    let stuck = !has(b, ServerToClient, "onFCPublish") && !has(b, ClientToServer, "publish");
    let (Some(item), true) =
        (asked, stuck && has(a, ServerToClient, "onFCPublish") && has(a, ClientToServer, "publish"))
    else {
        return Vec::new();
    };
    let spots = [BodyPlace::new(item, 0..0, "no onFCPublish after it")];
    let title = "FCPublish gets no onFCPublish, and the client does not publish".to_owned();
    let mut claim = messages::claim(comparison, &spots, "FCPublish", Certainty::Likely, title);
    claim.explains = only_in_a(comparison, ServerToClient, |named| named.is("onFCPublish"));
    vec![
        claim
            .why("in A onFCPublish arrives, and the client publishes")
            .fix("answer FCPublish with onFCPublish")
            .breaking(Impact::Response),
    ]
}

fn onbwdone(comparison: &Comparison<'_>) -> Vec<Claim> {
    let of = |session: &Session| {
        let said = commands(session);
        let done = said.iter().find(|said| said.is(ServerToClient, "onBWDone"))?.item;
        // Control messages may have been on their way.
        let says = |kept: &RecordedMessage| !(1..=6).contains(&kept.header.type_id.0);
        let silent = !session.items[done + 1..]
            .iter()
            .any(|item| item.direction == ClientToServer && item.message().is_some_and(says));
        (silent && ended_by(session, "client")).then_some(done)
    };
    let (Some(item), None) = (of(comparison.b), comparison.a.and_then(of)) else { return Vec::new() };
    let spots = [BodyPlace::new(item, 0..0, "onBWDone")];
    let title = "the client closes on onBWDone".to_owned();
    let claim = messages::claim(comparison, &spots, "onBWDone", Certainty::Likely, title);
    vec![
        claim
            .why("onBWDone is the server's last message, and after it the client sends nothing more and closes")
            .fix("ignore onBWDone, or answer it with _checkbw")
            .breaking(Impact::Response),
    ]
}

fn data_frame(comparison: &Comparison<'_>, direction: Direction) -> Vec<Claim> {
    const WRAPPER: &str = "@setDataFrame";
    // A publisher is to have it, a player not.
    let is_wanted = direction == ClientToServer;
    let of = |session: &Session| -> (Vec<usize>, usize) {
        let flow = DirectionMessages::of(session, direction);
        let first = |body: &[u8]| match body::decode(MessageTypeId::AMF0_DATA, body, body.len() as u32, &mut ()).body {
            Body::Data(data) => data.name().map(|name| name.to_string()),
            _ => None,
        };
        let named: Vec<_> =
            flow.of_type(MessageTypeId::AMF0_DATA).filter_map(|(item, body)| Some((item, first(body)?))).collect();
        let with = named.iter().filter(|(_, name)| name == WRAPPER).map(|(item, _)| *item).collect::<Vec<_>>();
        let bare = named.iter().filter(|(_, name)| name == "onMetaData").map(|(item, _)| *item).collect::<Vec<_>>();
        if is_wanted { (bare, with.len()) } else { (with, bare.len()) }
    };
    let (wrong, _) = of(comparison.b);
    if wrong.is_empty() || comparison.a.map(of).is_some_and(|(wrong, right)| !wrong.is_empty() || right == 0) {
        return Vec::new();
    }
    let spots: Vec<BodyPlace> =
        wrong.iter().map(|&item| BodyPlace::new(item, 0..16, if is_wanted { "onMetaData" } else { WRAPPER })).collect();
    let title = if is_wanted {
        format!("{} from the publisher without @setDataFrame", count(spots.len(), "metadata message"))
    } else {
        format!("{} to the player with @setDataFrame", count(spots.len(), "metadata message"))
    };
    let mut claim = messages::claim(comparison, &spots, "onMetaData.handler", Certainty::Certain, title);
    claim.explains.retain(|&index| {
        let step = comparison.mismatches[index].path.value().and_then(|path| path.last());
        matches!(step, Some(Step::Argument("handler" | "metadata") | Step::Position(0 | 1)))
    });
    let (why, fix) = if is_wanted {
        (
            "servers store metadata for players that join later only if @setDataFrame comes before it",
            "begin with @setDataFrame",
        )
    } else {
        ("players look for onMetaData as the message's name", "remove @setDataFrame")
    };
    vec![claim.why(why).fix(fix)]
}

fn delete_stream(comparison: &Comparison<'_>) -> Vec<Claim> {
    let of = |session: &Session| {
        let said = commands(session);
        let delete = said.iter().find(|said| said.is(ClientToServer, "deleteStream"))?;
        // After the command object.
        let argument = delete.command.arguments().get(1);
        argument
            .and_then(Value::as_number)
            .is_none()
            .then(|| (delete.item, argument.map_or_else(|| "nothing".to_owned(), Value::label)))
    };
    let (Some((item, text)), None) = (of(comparison.b), comparison.a.and_then(of)) else { return Vec::new() };
    let differs = with_path(comparison, |path| path.is("deleteStream", "stream"));
    let spots = [BodyPlace::new(item, 0..0, text.clone())];
    let title = format!("deleteStream has {text} instead of a number");
    let mut claim = messages::claim(comparison, &spots, "deleteStream.stream", Certainty::Certain, title);
    claim.explains = differs;
    if let Some(&index) = claim.explains.first() {
        claim.sides = comparison.mismatches[index].sides.clone();
    }
    vec![
        claim
            .why("servers find the stream by its number; without it they keep the stream")
            .fix("send the number that createStream returned"),
    ]
}

fn codec_flags(comparison: &Comparison<'_>) -> Vec<Claim> {
    let plays = commands(comparison.b).iter().any(|said| said.is(ClientToServer, "play"));
    let flags = with_path(comparison, |path| path.is("connect", "audioCodecs") || path.is("connect", "videoCodecs"));
    let missing: Vec<_> =
        flags.into_iter().filter(|&index| comparison.mismatches[index].side(Side::B).is_none()).collect();
    let (Some(&first), true) = (missing.first(), plays) else { return Vec::new() };
    let names: Vec<_> = missing.iter().filter_map(|&index| comparison.mismatches[index].path.last()).collect();
    let title = format!("the player's connect has no {}", names.join(" and no "));
    let claim = Claim::at(comparison, first, Certainty::Certain, title)
        .why("some servers leave out audio or video that the player does not list as decodable")
        .fix("send audioCodecs and videoCodecs")
        .explaining(missing);
    // This server sends all the same.
    let is_served = Progress::of(comparison.b, &comparison.identities[Side::B as usize]).serves();
    vec![if is_served { claim.weighing(Severity::Info) } else { claim }]
}
