//! Faults of audio and video bodies (FLV 10.1 E.4).

use super::{Base, Fault, Then, fault};
use crate::kit::edit::{CLIENT, is_media, is_picture, is_sound};
use crate::kit::encode::Message;
use crate::kit::recording::Recording;

pub fn faults() -> Vec<Fault> {
    let mut faults = video();
    faults.extend(audio());
    faults
}

/// Offset of the configuration record and of the first NAL unit: tag, packet type, three bytes of composition time.
pub const HEAD: usize = 5;

fn video() -> Vec<Fault> {
    use Then::{Ends, GoesOn};
    vec![
        fault(
            "no-audio",
            &["track-missing"],
            Base::Ffmpeg,
            GoesOn,
            "the metadata announces audio, and none is sent",
            |s| s.drop_all(CLIENT, is_sound),
        ),
        fault(
            "frame-type-0",
            &["mistake:constant:video.type", "media-malformed", "media-differs"],
            Base::Own,
            GoesOn,
            "a video frame has frame type 0, which is reserved",
            |s| {
                let at = s.nth(4, is_picture);
                s.message(at).body[0] &= 0x0f;
            },
        ),
        fault("no-avc-config", &["avc-seqhdr-missing"], Base::Own, GoesOn, "there is no AVC sequence header", |s| {
            s.drop_all(CLIENT, is_video_config);
        }),
        fault(
            "avc-config-late",
            &["avc-seqhdr-missing"],
            Base::Ffmpeg,
            GoesOn,
            "the AVC sequence header comes after the key frame",
            |s| {
                let at = s.find(is_video_config);
                let config = s.remove(at);
                let at = s.find(is_picture);
                s.steps.insert(at + 1, config);
            },
        ),
        fault(
            "avcc-version-0",
            &["avc-seqhdr-invalid"],
            Base::Own,
            Ends,
            "the AVC configuration's version is 0",
            |s| {
                config(s, |body| body[HEAD] = 0);
            },
        ),
        fault("avcc-no-sps", &["avc-seqhdr-invalid"], Base::Own, Ends, "the AVC configuration has no SPS", |s| {
            config(s, |body| {
                body.truncate(HEAD + 5);
                body.extend([0xe0, 0]);
            });
        }),
        fault(
            "avcc-sps-too-long",
            &["avc-seqhdr-invalid"],
            Base::Ffmpeg,
            Ends,
            "the SPS is longer than the configuration",
            |s| {
                config(s, |body| body[HEAD + 6] = 1);
            },
        ),
        fault(
            "avc-config-twice",
            &["avc-seqhdr-repeat"],
            Base::Own,
            GoesOn,
            "the AVC sequence header is repeated before each video frame",
            |s| {
                let at = s.find(is_video_config);
                let config = s.message(at).clone();
                for number in (1..6).rev() {
                    let at = s.nth(number, is_picture);
                    let timestamp = s.message(at).timestamp;
                    s.insert(at, Message { timestamp, ..config.clone() });
                }
            },
        ),
        fault(
            "avc-config-changed",
            &["avc-seqhdr-repeat"],
            Base::Own,
            GoesOn,
            "a different AVC sequence header is sent without a key frame after it",
            |s| {
                let at = s.find(is_video_config);
                let mut config = s.message(at).clone();
                config.body[HEAD + 3] = 31;
                config.body[HEAD + 11] = 31;
                let at = s.nth(4, is_picture);
                config.timestamp = s.message(at).timestamp;
                s.insert(at, config);
            },
        ),
        fault("annex-b", &["avc-annexb"], Base::Own, GoesOn, "video frames have start codes instead of lengths", |s| {
            pictures(s, |body| {
                nals(body).into_iter().for_each(|(at, _)| body[at..at + 4].copy_from_slice(&[0, 0, 0, 1]))
            });
        }),
        fault(
            "nal-too-long",
            &["avc-nal-tiling"],
            Base::Own,
            GoesOn,
            "a NAL unit is 9 bytes longer than its frame",
            |s| {
                let at = s.nth(3, is_picture);
                let body = &mut s.message(at).body;
                let last = nals(body).last().expect("a NAL unit").0;
                let length = u32::from_be_bytes(body[last..last + 4].try_into().expect("four bytes")) + 9;
                body[last..last + 4].copy_from_slice(&length.to_be_bytes());
            },
        ),
        fault(
            "nal-length-size",
            &["avc-nal-tiling"],
            Base::Ffmpeg,
            GoesOn,
            "the configuration says 2 bytes of NAL length, video frames have 4",
            |s| {
                let at = s.find(is_video_config);
                s.message(at).body[HEAD + 4] = 0xfd;
            },
        ),
        fault("nal-empty", &["avc-nal-empty"], Base::Own, GoesOn, "video frames end in an empty NAL unit", |s| {
            pictures(s, |body| body.extend([0; 4]));
        }),
        fault("all-inter", &["keyframe-flag"], Base::Own, GoesOn, "the key frame is marked as an inter frame", |s| {
            let at = s.find(is_picture);
            s.message(at).body[0] = 0x27;
        }),
        fault("all-key", &["keyframe-flag"], Base::Ffmpeg, GoesOn, "each video frame is marked as a key frame", |s| {
            pictures(s, |body| body[0] = 0x17)
        }),
        fault("cts-negative", &["cts-signed"], Base::Own, GoesOn, "composition times are negative", |s| {
            pictures(s, |body| {
                let time = i32::from_be_bytes([0, body[2], body[3], body[4]]) - 300;
                body[2..5].copy_from_slice(&time.to_be_bytes()[1..]);
            });
        }),
        fault("no-cts", &["cts-bytes-missing"], Base::Own, GoesOn, "video frames have no composition time", |s| {
            s.sent(CLIENT, 0).filter(|message| message.type_id == 9).for_each(|message| _ = message.body.drain(2..5));
        }),
        fault("codec-12", &["hevc-codecid-12"], Base::Own, GoesOn, "the codec number is 12", |s| {
            s.sent(CLIENT, 0).filter(|message| message.type_id == 9).for_each(|message| {
                message.body[0] = message.body[0] & 0xf0 | 12;
            });
        }),
        fault("hevc-as-7", &["hevc-under-7"], Base::Own, GoesOn, "NAL units are HEVC's, the codec number is 7", |s| {
            // VPS, SPS, PPS, then slices: types 32, 33, 34, 1, in the second to seventh bit.
            let mut types = [32_u8, 33, 34].into_iter();
            for message in s.sent(CLIENT, 0).filter(|message| is_picture(message)) {
                for (at, length) in nals(&message.body) {
                    if length > 2 {
                        message.body[at + 4] = types.next().unwrap_or(1) << 1;
                        message.body[at + 5] = 1;
                    }
                }
            }
        }),
        fault(
            "metadata-640",
            &["meta-vs-stream"],
            Base::Own,
            GoesOn,
            "the metadata's width is 640, the video's is 320",
            |s| {
                let at = s.find(|message| message.type_id == 18);
                let number = |value: f64| [&b"width\0"[..], &value.to_be_bytes()].concat();
                s.replace(at, &number(320.0), &number(640.0));
            },
        ),
        fault(
            "metadata-codec",
            &["meta-vs-stream"],
            Base::Ffmpeg,
            GoesOn,
            "the metadata's video codec is 2, the stream's is 7",
            |s| {
                let at = s.find(|message| message.type_id == 18);
                let number = |value: f64| [&b"videocodecid\0"[..], &value.to_be_bytes()].concat();
                s.replace(at, &number(7.0), &number(2.0));
            },
        ),
    ]
}

fn audio() -> Vec<Fault> {
    use Then::GoesOn;
    vec![
        fault("no-aac-config", &["aac-seqhdr-missing"], Base::Own, GoesOn, "there is no AAC sequence header", |s| {
            s.drop_all(CLIENT, is_audio_config);
        }),
        fault(
            "aac-config-empty",
            &["aac-seqhdr-empty"],
            Base::Own,
            GoesOn,
            "an empty AAC sequence header comes first",
            |s| {
                let at = s.find(is_audio_config);
                let config = s.message(at).clone();
                s.insert(at, Message { body: config.body[..2].to_vec(), ..config });
            },
        ),
        fault("adts", &["aac-adts"], Base::Own, GoesOn, "audio has ADTS headers", |s| {
            s.sent(CLIENT, 0).filter(|message| is_sound(message)).for_each(|message| {
                // MPEG-4 AAC-LC, 44.1 kHz, two channels, no CRC; thirteen bits of length with the header's seven.
                let length = message.body.len() - 2 + 7;
                let bytes = [(length >> 11) as u8 | 0x80, (length >> 3) as u8, (length << 5) as u8 | 0x1f];
                message.body.splice(2..2, [&[0xff, 0xf1, 0x50][..], &bytes, &[0xfc]].concat());
            });
        }),
        fault(
            "flv-tag",
            &["flv-tag-left", "px-prefix-known"],
            Base::Own,
            GoesOn,
            "media have their FLV tag headers",
            |s| tagged(s, false),
        ),
        fault("flv-tag-in-data", &["flv-tag-left"], Base::Own, GoesOn, "metadata have their FLV tag header", |s| {
            let at = s.find(|message| message.type_id == 18);
            let body = &mut s.message(at).body;
            let length = (body.len() as u32).to_be_bytes();
            body.splice(0..0, [&[18][..], &length[1..], &[0; 7]].concat());
        }),
        fault(
            "flv-tag-and-size",
            &["flv-tag-left", "px-prefix-known"],
            Base::Ffmpeg,
            GoesOn,
            "media have FLV tag headers and the size after",
            |s| {
                tagged(s, true);
            },
        ),
        fault("aggregate", &["aggregate"], Base::Own, GoesOn, "two messages come in an aggregate", |s| {
            let at = s.nth(3, is_sound);
            let second = (at + 1..).find(|&at| s.steps[at].message().is_some_and(is_media)).expect("more media");
            let second = s.remove(second);
            let second = second.message().expect("media").clone();
            let first = s.message(at);
            let body = [tag(first), size(&first.body), tag(&second), size(&second.body)].concat();
            *first = Message { type_id: 22, body, ..first.clone() };
        }),
    ]
}

fn is_video_config(message: &Message) -> bool {
    message.type_id == 9 && message.body.get(1) == Some(&0)
}

fn is_audio_config(message: &Message) -> bool {
    message.type_id == 8 && message.body.get(1) == Some(&0)
}

/// Changes the AVC sequence header; the server closes.
fn config(session: &mut Recording, change: fn(&mut Vec<u8>)) {
    let at = session.find(is_video_config);
    change(&mut session.message(at).body);
    session.closed(at);
}

/// Changes all video frames.
pub fn pictures(session: &mut Recording, change: fn(&mut Vec<u8>)) {
    session.sent(CLIENT, 0).filter(|message| is_picture(message)).for_each(|message| change(&mut message.body));
}

/// Where a video frame's NAL lengths are, and the lengths.
fn nals(body: &[u8]) -> Vec<(usize, usize)> {
    let (mut found, mut at) = (Vec::new(), HEAD);
    while let Some(length) = body.get(at..).and_then(<[u8]>::first_chunk) {
        let length = u32::from_be_bytes(*length) as usize;
        found.push((at, length));
        at += 4 + length;
    }
    assert_eq!(at, body.len(), "NAL units tile a video frame");
    found
}

/// Media bodies are whole FLV tags.
fn tagged(session: &mut Recording, with_size: bool) {
    session.sent(CLIENT, 0).filter(|message| is_media(message)).for_each(|message| {
        let mut body = tag(message);
        if with_size {
            body.extend(size(&message.body));
        }
        message.body = body;
    });
}

/// An FLV tag (FLV 10.1 E.4.1).
fn tag(message: &Message) -> Vec<u8> {
    let length = u32::try_from(message.body.len()).expect("short").to_be_bytes();
    let [high, time @ ..] = message.timestamp.to_be_bytes();
    [&[message.type_id], &length[1..], &time, &[high, 0, 0, 0], &message.body].concat()
}

/// What comes after an FLV tag: its size.
fn size(body: &[u8]) -> Vec<u8> {
    u32::try_from(body.len() + 11).expect("short").to_be_bytes().to_vec()
}
