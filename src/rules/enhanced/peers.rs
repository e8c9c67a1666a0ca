//! What both sides say they can do, and what they then do.

use crate::amf::Value;
use crate::compare::{Comparison, Side, Step};
use crate::field;
use crate::recording::Session;
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::rules::messages::{self, BodyPlace, DirectionMessages};
use crate::rules::{Certainty, Check, Claim, Effect, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction::{self, ClientToServer, ServerToClient};

pub static NOT_NEGOTIATED: Rule = Rule {
    code: "er-not-negotiated",
    layer: Layer::Enhanced,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "enhanced media is sent to a peer that did not announce support",
    page: Page {
        what: "Peers that support enhanced RTMP announce it in connect or in its answer: fourCcList, \
               videoFourCcInfoMap, audioFourCcInfoMap or capsEx. Here the receiver announces nothing and is sent \
               extended headers. An old receiver reads them as an unknown codec.",
        looks: "00 0a 66 6f 75 72 43 63 4c 69 73 74 0a ..   fourCcList\n\
                91 61 76 63 31 ..   an extended header",
        who: "OBS Studio and ffmpeg send H.265 and AV1 in this way without asking; some servers accept it \
              nevertheless.",
        fix: "Use a server that supports enhanced RTMP, or a codec of FLV.",
        source: "Enhanced RTMP v2, section on capabilities. `unsupported video codec: 0` in old servers' logs.",
    },
    check: Check::Diff(not_negotiated),
};

pub static RECONNECT: Rule = Rule {
    code: "er-reconnect-ignored",
    layer: Layer::Enhanced,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the client continues after a request to reconnect",
    page: Page {
        what: "The server asks the client to connect elsewhere, with NetConnection.Connect.ReconnectRequest, because it is \
               about to stop. The client does not, so it will be cut off.",
        looks: "00 04 63 6f 64 65 02 00 26 4e 65 74 43 ..   code\n\
                00 05 74 63 55 72 6c 02 00 15 72 74 6d 70 ..   tcUrl, where to",
        who: "Clients that ignore statuses they do not know.",
        fix: "Connect to tcUrl, taken relative to the current one, and publish or play there.",
        source: "Enhanced RTMP v2, reconnect request.",
    },
    check: Check::Diff(reconnect),
};

pub static METADATA_CODEC: Rule = Rule {
    code: "er-onmeta-codecid",
    layer: Layer::Enhanced,
    severity: Severity::Info,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the metadata does not name the codec of enhanced video",
    page: Page {
        what: "For enhanced video, videocodecid in onMetaData is the FourCC as a number. Where it is 0 or missing, \
               players may treat the stream as having no video.",
        looks: "76 69 64 65 6f 63 6f 64 65 63 69 64 00 41 d8 5d 98 cc 40 00 00   avc1\n\
                76 69 64 65 6f 63 6f 64 65 63 69 64 00 00 00 00 00 00 00 00 00   0",
        who: "Publishers that have no number for the codec.",
        fix: "Write the FourCC as a number: 1635148593 for avc1, 1752589105 for hvc1, 1635135537 for av01.",
        source: "Enhanced RTMP v2, Enhancing onMetaData. veovera/enhanced-rtmp issue 8.",
    },
    check: Check::Diff(metadata_codec),
};

const CAPABILITIES: [&str; 4] = ["fourCcList", "videoFourCcInfoMap", "audioFourCcInfoMap", "capsEx"];

/// Whether a body has an extended header: of video, or of audio with SoundFormat 9.
fn first_extended(flow: &DirectionMessages<'_>) -> Option<usize> {
    // A FourCC is text; without it the byte is not such a header's. After the types 5 to 7 it is further on.
    let is_header = |body: &[u8]| {
        let four = body.get(1..5).is_some_and(|four| four.iter().all(|byte| matches!(byte, b' '..=b'~')));
        four || matches!(body[0] & 15, 5..=7)
    };
    let is_extended = |body: &[u8]| body.first().is_some_and(|first| first & 0x80 != 0) && is_header(body);
    // A few among others are no headers: the middle of a frame begins with any byte.
    let is_usual = flow.video().filter(|(_, body)| is_extended(body)).count() * 2 >= flow.video().count();
    let video = flow.video().find(|(_, body)| is_usual && is_extended(body));
    let audio = flow.audio().find(|(_, body)| body.first().is_some_and(|first| first >> 4 == 9) && is_header(body));
    [video, audio].into_iter().flatten().map(|(item, _)| item).min()
}

/// Whether the sender of a direction says that it knows enhanced RTMP.
fn says_so(session: &Session, direction: Direction) -> bool {
    let flow = DirectionMessages::of(session, direction);
    flow.messages.iter().any(|(_, kept)| {
        let decoded = body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut ()).body;
        let Body::Command(command) = decoded else { return false };
        let has = |value: &Value<'_>| CAPABILITIES.iter().any(|name| value.property(name.as_bytes()).is_some());
        command.arguments().iter().any(has)
    })
}

fn is_capability(step: &Step) -> bool {
    matches!(step, Step::Property(name) if CAPABILITIES.contains(&&**name))
}

fn not_negotiated(comparison: &Comparison<'_>) -> Vec<Claim> {
    [ClientToServer, ServerToClient]
        .into_iter()
        .filter_map(|direction| {
            let silent = |session: &Session| {
                let receiver = DirectionMessages::of(session, direction.back());
                let item = first_extended(&DirectionMessages::of(session, direction))?;
                (receiver.is_complete && !says_so(session, direction.back())).then_some(item)
            };
            let item = silent(comparison.b)?;
            if comparison.a.and_then(silent).is_some() {
                return None;
            }
            let spots = [BodyPlace::new(item, 0..5, "an extended header")];
            let said: Vec<usize> = comparison
                .open()
                .filter(|&index| {
                    let mismatch = &comparison.mismatches[index];
                    comparison.either_item(mismatch.row).direction == direction.back()
                        && mismatch.path.value().is_some_and(|path| path.steps().iter().any(is_capability))
                })
                .collect();
            let title = "enhanced media is sent to a peer that did not announce support".to_owned();
            let mut claim = messages::claim(comparison, &spots, "media.header", Certainty::Certain, title);
            claim.explains = said;
            let ends = comparison.b.items[item + 1..].iter().filter(|later| later.direction == direction).count() == 0;
            // Most receivers that say nothing take it all the same.
            let claim = match ends {
                true => Claim { certainty: Certainty::Likely, ..claim },
                false => claim.weighing(Severity::Info).with_effect(Effect::MayMatter),
            };
            Some(
                claim
                    .why("the receiver in B sends no fourCcList, videoFourCcInfoMap, audioFourCcInfoMap or capsEx")
                    .fix("use a peer that supports enhanced RTMP, or a codec and header of FLV")
                    .breaking(if ends { Impact::Response } else { Impact::Nothing }),
            )
        })
        .collect()
}

fn reconnect(comparison: &Comparison<'_>) -> Vec<Claim> {
    const CODE: &[u8] = b"NetConnection.Connect.ReconnectRequest";
    let asked = |session: &Session| {
        let flow = DirectionMessages::of(session, ServerToClient);
        let item =
            flow.messages.iter().find_map(|(item, kept)| memchr::memmem::find(&kept.body, CODE).map(|at| (*item, at)));
        // It continues if media come later.
        item.filter(|(item, _)| {
            let later = session.items[item + 1..].iter().filter_map(|item| item.message());
            later.filter(|kept| kept.header.type_id.is_media()).count() > 1
        })
    };
    let (Some((item, at)), None) = (asked(comparison.b), comparison.a.and_then(asked)) else { return Vec::new() };
    let later = comparison.b.items[item + 1..].iter().filter(|item| item.message().is_some()).count();
    let spots = [BodyPlace::new(item, at..at + CODE.len(), "ReconnectRequest")];
    let title = format!("the server asks to reconnect, but messages still follow on this connection ({later})");
    let claim = messages::claim(comparison, &spots, "onStatus.code", Certainty::Certain, title);
    vec![
        claim
            .why("the server is about to stop, and will cut the client off")
            .fix("connect to the tcUrl of the request, and continue there"),
    ]
}

fn metadata_codec(comparison: &Comparison<'_>) -> Vec<Claim> {
    let in_b = [ClientToServer, ServerToClient].map(|way| first_extended(&DirectionMessages::of(comparison.b, way)));
    let is_codec = |index: &usize| {
        let mismatch = &comparison.mismatches[*index];
        let direction = comparison.either_item(mismatch.row).direction;
        let says_nothing = mismatch.side(Side::B).is_none_or(|value| value.value == field::Value::Double(0.0));
        in_b[direction.index()].is_some() && mismatch.path.last() == Some("videocodecid") && says_nothing
    };
    let differs: Vec<_> = comparison.open().filter(is_codec).collect();
    let words = |said: &str| format!("videocodecid in the metadata is {said}, but the video is enhanced");
    let claim = if comparison.a.is_none() {
        without_codec(comparison, in_b).map(|(item, said)| {
            let spots = [BodyPlace::new(item, 0..0, said)];
            messages::claim(comparison, &spots, "onMetaData.videocodecid", Certainty::Certain, words(said))
        })
    } else {
        differs.first().map(|&first| {
            let said = comparison.mismatches[first].side(Side::B).map_or("missing", |_| "0");
            Claim::at(comparison, first, Certainty::Certain, words(said))
        })
    };
    let claim = claim.map(|claim| {
        claim
            .why("players may treat the stream as having no video")
            .fix("write the FourCC as a number: 1635148593 for avc1, 1752589105 for hvc1, 1635135537 for av01")
            .explaining(differs)
            .with_effect(Effect::MayMatter)
    });
    claim.into_iter().collect()
}

/// The first metadata without a codec of video, in a direction whose video is enhanced (the first such item, each).
fn without_codec(comparison: &Comparison<'_>, enhanced: [Option<usize>; 2]) -> Option<(usize, &'static str)> {
    [ClientToServer, ServerToClient].into_iter().filter(|way| enhanced[way.index()].is_some()).find_map(|way| {
        let flow = DirectionMessages::of(comparison.b, way);
        flow.of_type(MessageTypeId::AMF0_DATA).find_map(|(item, body)| {
            let decoded = body::decode(MessageTypeId::AMF0_DATA, body, body.len() as u32, &mut ()).body;
            let Body::Data(data) = decoded else { return None };
            let object = data.arguments().iter().rfind(|value| value.property(b"width").is_some())?;
            match object.property(b"videocodecid").and_then(Value::as_number) {
                None => Some((item, "missing")),
                Some(0.0) => Some((item, "0")),
                Some(_) => None,
            }
        })
    })
}
