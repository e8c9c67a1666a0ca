//! What is in video messages with the extended header.

use crate::compare::{Comparison, MessageKind};
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::rtmp::media::content::VideoContent;
use crate::rtmp::media::video::VideoTag;
use crate::rtmp::media::{FourCc, Video};
use crate::rules::flv::units::is_whole;
use crate::rules::messages::{self, BodyPlace, DirectionMessages, count};
use crate::rules::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};

use super::tracks::{MOD_EX_TYPE, MULTITRACK_TYPE, track_beyond, wrong_nano};

pub static FOUR_CC: Rule = Rule {
    code: "er-fourcc",
    layer: Layer::Enhanced,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the FourCC is not a codec of enhanced RTMP",
    page: Page {
        what: "The first byte of the extended header is followed by the codec in four characters. For video these are \
               av01, vp08, vp09, avc1, hvc1 and vvc1; others are refused.",
        looks: "90 61 76 63 31 ..   avc1\n\
                90 31 63 76 61 ..   avc1 backwards\n\
                90 68 65 76 31 ..   hev1, which exists in files but not in RTMP",
        who: "Senders that write it as a little-endian number, or take it from a file.",
        fix: "Write the four characters in their order; for H.265 hvc1.",
        source: "Enhanced RTMP v2, VideoFourCc.",
    },
    check: Check::Diff(|comparison| {
        let found = messages::only_in_b(comparison, |flow| {
            spots(flow, |ex, _| {
                // What has no name in it at all is another kind of body.
                let is_name = ex.four_cc.0.iter().all(|&byte| byte.is_ascii_graphic() || byte == b' ');
                (!ex.four_cc.is_video() && ex.packet != METADATA && is_name)
                    .then(|| (ex.at - 4..ex.at, format!("FourCC {}", ex.four_cc)))
            })
        });
        let title = |spots: &[BodyPlace]| {
            format!("{} with {}, which is not a codec", count(spots.len(), "video message"), spots[0].text)
        };
        let why = "receivers know av01, vp08, vp09, avc1, hvc1 and vvc1, and refuse others";
        claims(comparison, found, "video.fourcc", title, why, "write the four characters of the codec in their order")
    }),
};

pub static CTS_CODEC: Rule = Rule {
    code: "er-cts-codec",
    layer: Layer::Enhanced,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "CodedFrames have no composition time where they should",
    page: Page {
        what: "In CodedFrames of avc1, hvc1 and vvc1 three bytes of composition time follow the FourCC; in \
               CodedFramesX, and with av01, vp08 and vp09, none do. Here they are missing, and everything is read \
               three bytes late.",
        looks: "91 61 76 63 31 | 00 00 50 | 00 00 02 b2 06 ..   as it should be\n\
                91 61 76 63 31 | 00 00 02 b2 06 ..   without",
        who: "Senders that know CodedFramesX and write type 1.",
        fix: "Write three bytes of composition time, or packet type 3 where it is zero.",
        source: "Enhanced RTMP v2, ExVideoTagBody. veovera/enhanced-rtmp issue 9.",
    },
    check: Check::Diff(|comparison| {
        let found = messages::only_in_b(comparison, |flow| {
            spots(flow, |ex, body| {
                let nal = matches!(&ex.four_cc.0, b"avc1" | b"hvc1" | b"vvc1") && ex.packet == CODED_FRAMES;
                let whole = |at| is_whole(body, at, 4);
                (nal && whole(ex.at) && !whole(ex.at + 3)).then(|| (ex.at..body.len(), "NAL units".to_owned()))
            })
        });
        let title =
            |spots: &[BodyPlace]| format!("{} of CodedFrames without composition time", count(spots.len(), "message"));
        let why = "the NAL units fit exactly when read right after the FourCC, where three bytes of composition time \
                   belong";
        claims(comparison, found, "video.cts", title, why, "write composition time, or packet type 3, CodedFramesX")
    }),
};

pub static FRAMES_X: Rule = Rule {
    code: "er-framesx-codec",
    layer: Layer::Enhanced,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "CodedFramesX with a codec that has no composition time",
    page: Page {
        what: "CodedFramesX is CodedFrames without the composition time of H.264, H.265 and H.266. AV1, VP8 and VP9 have none in \
               either, so for them it is not defined.",
        looks: "93 61 76 30 31 ..   CodedFramesX of av01\n\
                91 61 76 30 31 ..   CodedFrames, as it should be",
        who: "Senders that use packet type 3 for all codecs.",
        fix: "Send packet type 1 for av01, vp08 and vp09.",
        source: "Enhanced RTMP v2, VideoPacketType.",
    },
    check: Check::Diff(|comparison| {
        let is_such = |ex: &Ex| ex.packet == CODED_FRAMES_X && matches!(&ex.four_cc.0, b"av01" | b"vp08" | b"vp09");
        let found = messages::only_in_b(comparison, |flow| {
            if !spots(flow, |ex, _| is_such(&ex).then(|| (0..1, String::new()))).is_empty() {
                // Its sequence header belongs to it.
                return spots(flow, |ex, _| {
                    (is_such(&ex) || ex.packet == START).then(|| (0..ex.at, format!("CodedFramesX of {}", ex.four_cc)))
                });
            }
            Vec::new()
        });
        let title = |spots: &[BodyPlace]| format!("the stream comes in {}", spots[0].text);
        let why = "CodedFramesX is only defined for H.264, H.265 and H.266";
        claims(comparison, found, "video.packettype", title, why, "send packet type 1, CodedFrames")
    }),
};

pub static SEQUENCE_START: Rule = Rule {
    code: "er-seqstart",
    layer: Layer::Enhanced,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "video frames come before SequenceStart",
    page: Page {
        what: "SequenceStart holds the configuration of the codec. Without it decoders cannot begin.",
        looks: "90 61 76 63 31 01 64 00 0d ..   SequenceStart of avc1\n\
                91 61 76 63 31 00 00 50 ..   CodedFrames",
        who: "Publishers that reconnect and continue where they were; encoders with parameter sets in the stream only.",
        fix: "Send SequenceStart before the first frame, after every connect.",
        source: "Enhanced RTMP v2, VideoPacketType. OvenMediaLabs/OvenMediaEngine issue 2204.",
    },
    check: Check::Diff(|comparison| {
        let marked = messages::only_in_b(comparison, marked_as_frame);
        if let Some(spots) = marked {
            let title = format!("{}, not SequenceStart (0)", spots[0].text);
            let why = "without the FourCC's composition time, the rest is a configuration record to its last byte";
            let fix = "send it with packet type 0: decoders read it as a frame, and have no configuration";
            return claims(comparison, Some(spots), "video.packettype", |_| title.clone(), why, fix);
        }
        let found = messages::only_in_b(comparison, |flow| {
            if !flow.is_complete {
                return Vec::new();
            }
            let mut started = false;
            spots(flow, |ex, _| {
                started |= matches!(ex.packet, START | MPEG2_START);
                let coded = matches!(ex.packet, CODED_FRAMES | CODED_FRAMES_X);
                (coded && !started).then(|| (0..1, format!("packet type {}", ex.packet)))
            })
        });
        let title = |spots: &[BodyPlace]| format!("{} before SequenceStart", count(spots.len(), "video frame"));
        let why = "without the codec configuration no frame can be decoded; A sends it first";
        let mut claims =
            claims(comparison, found, "video.packettype", title, why, "send SequenceStart before the first frame");
        for claim in &mut claims {
            let is_config = |index: &usize| {
                let mismatch = &comparison.mismatches[*index];
                mismatch.is_whole_message() && comparison.either(mismatch.row).kind == MessageKind::VideoConfig
            };
            claim.explains = (0..comparison.mismatches.len()).filter(is_config).collect();
        }
        claims
    }),
};

pub static MULTITRACK: Rule = Rule {
    code: "er-multitrack-size",
    layer: Layer::Enhanced,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the sizes of tracks do not add up to the message",
    page: Page {
        what: "A Multitrack message with several tracks has number and size before each. The last must end where the \
               message ends.",
        looks: "96 11 61 76 63 31 | 00 00 0c 87 | 00 00 50 ..\n\
                \n\
                96 is Multitrack, 11 many tracks of one codec with CodedFrames, then the FourCC, track 00 of 3207 bytes.",
        who: "Senders that include the header of the track in its size, or write the size before the data is final.",
        fix: "Write as the size the number of bytes after it that belong to the track.",
        source: "Enhanced RTMP v2, AvMultitrackType. bluenviron/mediamtx issue 3685.",
    },
    check: Check::Diff(|comparison| {
        let found = messages::only_in_b(comparison, |flow| {
            let wrong = flow.video().filter_map(|(item, body)| {
                let (at, size) = track_beyond(body)?;
                let left = body.len() - at;
                Some(BodyPlace::new(item, at - 3..at, format!("a track of {size} bytes, {left} are left")))
            });
            wrong.collect()
        });
        let title =
            |spots: &[BodyPlace]| format!("{} with {}", count(spots.len(), "Multitrack message"), spots[0].text);
        let why = "the size of a track extends beyond the end of its message";
        claims(comparison, found, "multitrack.size", title, why, "write the number of bytes that belong to the track")
    }),
};

pub static MOD_EX: Rule = Rule {
    code: "er-modex",
    layer: Layer::Enhanced,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "ModEx with an invalid number of nanoseconds",
    page: Page {
        what: "ModEx puts data before the real packet type: its size less 1, the data, then what it is. TimestampOffsetNano has \
               three bytes, a number of nanoseconds below one million.",
        looks: "97 02 01 86 a0 01 61 76 63 31 ..   size 3, 100000 ns, CodedFrames\n\
                97 01 10 20 01 61 76 63 31 ..   size 2, too few",
        who: "Senders that write the number in as few bytes as possible.",
        fix: "Write 02, three bytes up to 0f 42 3f, and the type.",
        source: "Enhanced RTMP v2, VideoPacketModExType.",
    },
    check: Check::Diff(|comparison| {
        let found = messages::only_in_b(comparison, |flow| {
            let wrong = flow.video().filter_map(|(item, body)| {
                let (range, text) = wrong_nano(body)?;
                Some(BodyPlace::new(item, range, text))
            });
            wrong.collect()
        });
        let title =
            |spots: &[BodyPlace]| format!("{} whose ModEx has {}", count(spots.len(), "message"), spots[0].text);
        let why = "TimestampOffsetNano is a number of three bytes below one million; receivers that read three are off by one";
        claims(comparison, found, "modex.data", title, why, "write three bytes, and 02 as their size less 1")
    }),
};

const START: u8 = 0;
const CODED_FRAMES: u8 = 1;
const CODED_FRAMES_X: u8 = 3;
const METADATA: u8 = 4;
const MPEG2_START: u8 = 5;
/// FrameType of a command, which has no FourCC.
const COMMAND: u8 = 5;

/// A configuration record before any SequenceStart that is sent as a frame.
fn marked_as_frame(flow: &DirectionMessages<'_>) -> Vec<BodyPlace> {
    let first = flow.video().find(|(_, body)| header(body).is_some_and(|ex| ex.packet != METADATA));
    let marked = first.and_then(|(item, body)| {
        let packet =
            header(body).map(|ex| ex.packet).filter(|packet| matches!(*packet, CODED_FRAMES | CODED_FRAMES_X))?;
        let mut meant = body.to_vec();
        meant[0] = meant[0] & 0xf0 | START;
        let has_config = |body: &[u8]| {
            let decoded = body::decode(MessageTypeId::VIDEO, body, body.len() as u32, &mut ());
            matches!(
                decoded.body,
                Body::Video(Video { tag: VideoTag::Enhanced { content: VideoContent { config: Some(_), .. }, .. }, .. })
                    if decoded.defects.is_empty()
            )
        };
        let is_frame = is_whole(body, 5, 4) || is_whole(body, 8, 4);
        let name = if packet == CODED_FRAMES { "CodedFrames (1)" } else { "CodedFramesX (3)" };
        let text = format!("the configuration is sent with the packet type of {name}");
        (!is_frame && has_config(&meant)).then(|| BodyPlace::new(item, 0..1, text).meant(meant))
    });
    marked.into_iter().collect()
}

/// An extended header with one FourCC, no ModEx and no tracks.
struct Ex {
    packet: u8,
    four_cc: FourCc,
    /// Where the packet begins.
    at: usize,
}

/// The plain extended header of a body.
fn header(body: &[u8]) -> Option<Ex> {
    let (&first, rest) = body.split_first()?;
    let packet = first & 15;
    let is_plain = first & 0x80 != 0 && !matches!(packet, MULTITRACK_TYPE | MOD_EX_TYPE) && first >> 4 & 7 != COMMAND;
    Some(Ex { packet, four_cc: FourCc(*rest.first_chunk().filter(|_| is_plain)?), at: 5 })
}

fn spots(
    flow: &DirectionMessages<'_>,
    mut is_wrong: impl FnMut(Ex, &[u8]) -> Option<(std::ops::Range<usize>, String)>,
) -> Vec<BodyPlace> {
    // A few among others are no headers: the middle of a frame begins with any byte.
    let all = flow.video().count();
    let extended = flow.video().filter(|(_, body)| body.first().is_some_and(|first| first & 0x80 != 0)).count();
    if extended * 2 < all {
        return Vec::new();
    }
    let wrong = flow.video().filter_map(|(item, body)| {
        let (range, text) = is_wrong(header(body)?, body)?;
        Some(BodyPlace::new(item, range, text))
    });
    wrong.collect()
}

fn claims(
    comparison: &Comparison<'_>,
    found: Option<Vec<BodyPlace>>,
    path: &'static str,
    title: impl Fn(&[BodyPlace]) -> String,
    why: &str,
    fix: &str,
) -> Vec<Claim> {
    let claim = |spots: Vec<BodyPlace>| {
        messages::claim(comparison, &spots, path, Certainty::Certain, title(&spots)).why(why).fix(fix)
    };
    found.map(claim).into_iter().collect()
}
