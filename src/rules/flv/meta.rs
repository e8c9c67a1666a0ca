//! Metadata beside the stream: sizes and codecs that the stream itself does not have.

use crate::amf::{Value, number_text};
use crate::compare::{Comparison, FieldPath};
use crate::recording::RecordedMessage;
use crate::rtmp::MessageStreamId;
use crate::rtmp::body::{self, Body};
use crate::rtmp::class::{MediaKind, MessageClass};
use crate::rtmp::media::video::VideoTag;
use crate::rules::messages::{self, BodyPlace, DirectionMessages};
use crate::rules::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};

pub static VERSUS_STREAM: Rule = Rule {
    code: "meta-vs-stream",
    layer: Layer::Media,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the metadata contradicts the stream",
    page: Page {
        what: "onMetaData contains width, height and codec for players and pages that show them before the first \
               frame. Here the sequence header, which the decoder uses, contains other values.",
        looks: "00 05 77 69 64 74 68 00 40 84 00 00 00 00 00 00   width 640\n\
                \n\
                while the SPS in 17 00 .. has a width of 320.",
        who: "Publishers that take the metadata from settings rather than from the encoder; tools that scale the video \
              and keep the metadata.",
        fix: "Take width and height from the SPS, videocodecid from the tag.",
        source: "FLV 10.1 annex E.5; H.264 section 7.4.2.1.1.",
    },
    check: Check::Diff(versus),
};

/// What a message stream itself says: name and number.
fn facts(flow: &DirectionMessages<'_>, stream: Option<MessageStreamId>) -> Vec<(&'static str, f64)> {
    let mut facts: Vec<(&'static str, f64)> = Vec::new();
    let of_stream = flow.messages.iter().map(|(_, kept)| *kept).filter(|kept| kept.header.message_stream_id == stream);
    let configs: Vec<_> = of_stream.filter(|kept| kept.class == MessageClass::Config(MediaKind::Video)).collect();
    // Where the configuration changes, each may be what metadata is about.
    if configs.windows(2).any(|pair| pair[0].hash != pair[1].hash) {
        return facts;
    }
    let config = configs.into_iter().find_map(|kept| match decode(kept) {
        Body::Video(video) => match video.tag {
            VideoTag::Legacy { codec_id, content, .. } => {
                content.config.map(|config| (Some(codec_id), config.width, config.height))
            }
            VideoTag::Enhanced { content, .. } => content.config.map(|config| (None, config.width, config.height)),
            VideoTag::Empty {} => None,
        },
        _ => None,
    });
    if let Some((codec, width, height)) = config {
        facts.extend(width.map(|width| ("width", f64::from(width))));
        facts.extend(height.map(|height| ("height", f64::from(height))));
        facts.extend(codec.map(|codec| ("videocodecid", f64::from(codec))));
    }
    facts
}

fn decode(kept: &RecordedMessage) -> Body<'_> {
    body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut ()).body
}

fn versus(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |flow: &DirectionMessages<'_>| -> Vec<(&'static str, BodyPlace)> {
        let mut spots = Vec::new();
        for (item, kept) in flow.messages.iter().filter(|(_, kept)| kept.is_whole()) {
            let Body::Data(data) = decode(kept) else { continue };
            let facts = facts(flow, kept.header.message_stream_id);
            let Some(metadata) = data.values.iter().find(|value| value.properties().is_some()) else { continue };
            for (name, number) in &facts {
                // 0 says nothing, and codecs by FourCC are numbers above 15.
                let said = metadata.property(name.as_bytes()).and_then(Value::as_number).filter(|said| *said != 0.0);
                let Some(said) = said.filter(|said| said != number && (*name != "videocodecid" || *said < 16.0)) else {
                    continue;
                };
                let key = [&(name.len() as u16).to_be_bytes()[..], name.as_bytes()].concat();
                let Some(at) = memchr::memmem::find(&kept.body, &key) else { continue };
                let at = at + key.len();
                let text = format!("{name} {}, the stream's is {}", number_text(said), number_text(*number));
                spots.push((*name, BodyPlace::new(*item, at..at + 9, text)));
            }
        }
        spots
    };
    let Some(found) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let (names, spots): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let title = format!("the metadata contains {}", spots[0].text);
    let path = FieldPath::property("onMetaData", names[0]);
    let mut claim = messages::claim(comparison, &spots, path, Certainty::Certain, title);
    claim.explains.retain(|&index| comparison.mismatches[index].path.last().is_some_and(|name| names.contains(&name)));
    vec![
        claim
            .why(
                "the decoder uses the sequence header; players that trust the metadata show an incorrect size or \
                  refuse the stream",
            )
            .fix("take width, height and codec from the encoder's output"),
    ]
}
