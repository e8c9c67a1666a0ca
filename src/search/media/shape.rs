//! Coded media that is whole when it is read in another way: what was put before it, or how it was cut up.
//!
//! Takes the audio or video messages of one side, gives the edit without which the payloads are what their codec says, where
//! as they are none is. What a codec says of its payload: NAL units lead from length to length, OBUs too, an MP3 frame
//! has the length of its header, the frame of a file the length that the file gives it.

use crate::field::{Tree, Value};
use crate::recording::RecordedMessage;
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::rtmp::class::MediaKind;
use crate::rtmp::media::audio::AudioTag;
use crate::rtmp::media::video::VideoTag;
use crate::rtmp::media::{Audio, Video, av1, mp3};

use super::bodies::BodyEdit;
use super::order::OrderEdit;
use super::{Edit, Meant, MediaScope};

/// A message and its row.
pub(super) type One<'r> = (usize, &'r RecordedMessage);

/// So many messages are looked at.
const LOOKED_AT: usize = 256;
/// So many that are wrong are no accident.
const LEAST: usize = 4;
/// No header before a frame is longer.
const LONGEST: usize = 64;

/// How a payload is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    /// NAL units; whether of H.264.
    Nal(bool),
    /// OBUs.
    Av1,
    /// Frames of MPEG audio.
    Mp3,
    /// Packets of Opus, or AAC: nothing in them says how long they are.
    Sound,
}

/// The coded media in a message: how, and where it begins.
fn coded(kept: &RecordedMessage) -> Option<(Coding, usize)> {
    const MP3: [u8; 2] = [2, 14];
    let decoded = body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut ());
    let (coding, payload) = match decoded.body {
        Body::Video(Video { tag, payload, .. }) => match tag {
            VideoTag::Legacy { avc_packet_type: Some(1), codec_id, .. } => (Coding::Nal(codec_id == 7), payload),
            VideoTag::Enhanced { header, .. } if matches!(header.packet_type, 1 | 3) => match &header.four_cc?.0 {
                b"avc1" => (Coding::Nal(true), payload),
                b"hvc1" => (Coding::Nal(false), payload),
                b"av01" => (Coding::Av1, payload),
                _ => return None,
            },
            _ => return None,
        },
        Body::Audio(Audio { tag, payload, .. }) => match tag {
            AudioTag::Legacy { format, .. } if MP3.contains(&format) => (Coding::Mp3, payload),
            AudioTag::Legacy { aac_packet_type: Some(1), .. } => (Coding::Sound, payload),
            AudioTag::Enhanced { header, .. } if header.packet_type == 1 && header.mod_ex.is_empty() => {
                match &header.four_cc?.0 {
                    b".mp3" => (Coding::Mp3, &kept.body[5.min(kept.body.len())..]),
                    _ => (Coding::Sound, &kept.body[5.min(kept.body.len())..]),
                }
            }
            _ => return None,
        },
        _ => return None,
    };
    (!payload.is_empty()).then_some((coding, kept.body.len() - payload.len()))
}

/// Whether a payload is what its coding says, to its last byte; None where nothing says.
fn is_whole(coding: Coding, payload: &[u8]) -> Option<bool> {
    match coding {
        Coding::Nal(_) => Some(units(payload).is_some()),
        Coding::Av1 => Some(av1::picture(payload).is_some_and(|units| !units.is_empty())),
        Coding::Mp3 => Some(mp3::are_frames(payload)),
        Coding::Sound => None,
    }
}

/// The NAL units after lengths of four bytes that tile a payload; their first bytes have the forbidden bit 0.
fn units(payload: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut rest, mut units) = (payload, Vec::new());
    while let Some((length, after)) = rest.split_first_chunk() {
        let (unit, next) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        (unit.first()? & 0x80 == 0).then(|| units.push(unit))?;
        rest = next;
    }
    (rest.is_empty() && !units.is_empty()).then_some(units)
}

/// Whether a NAL unit has a part of a picture (H.264 table 7-1, H.265 table 7-1).
fn is_slice(is_avc: bool, unit: &[u8]) -> bool {
    let first = unit.first().copied().unwrap_or(0);
    if is_avc { (1..=5).contains(&(first & 0x1f)) } else { first >> 1 & 0x3f < 32 }
}

/// The edits that one side's messages of a kind show.
pub(super) fn edits(all: &[One<'_>], kind: MediaKind) -> Vec<Meant> {
    let frames: Vec<(One<'_>, Coding, usize)> = all
        .iter()
        .take(LOOKED_AT)
        .filter_map(|&one| coded(one.1).map(|(coding, start)| (one, coding, start)))
        .collect();
    let rows = || frames.iter().map(|((row, _), ..)| *row).collect::<Vec<_>>();
    let meant = |edit, rows| Meant { edit: Edit::Body(edit), scope: MediaScope::Frames(kind), rows, is_sole: true };
    let mut found = Vec::new();
    if let Some((one, edit)) = all.iter().find_map(|one| Some((one, bare_configuration(one.1)?))) {
        let scope = MediaScope::Class(one.1.class);
        found.push(Meant { edit: Edit::Body(edit), scope, rows: vec![one.0], is_sole: true });
    }
    if let Some((one, missing)) = all.iter().find_map(|one| Some((one, missing_set(one.1, &frames)?))) {
        let edit = Edit::Body(BodyEdit::NoParameterSet(missing));
        found.push(Meant { edit, scope: MediaScope::Class(one.1.class), rows: vec![one.0], is_sole: true });
    }
    if let Some(edit) = exchanged_halves(all) {
        let rows = all.iter().map(|(row, _)| *row).collect();
        found.push(Meant { edit: Edit::Body(edit), scope: MediaScope::Kind(kind), rows, is_sole: true });
    }
    if frames.len() < LEAST {
        return found;
    }
    found.extend(prefix(all, &frames).map(|edit| meant(edit, rows())));
    if found.is_empty() && is_length_delimited(&frames) {
        found.push(meant(BodyEdit::LengthDelimited, rows()));
    }
    found.extend(without_pictures(&frames, kind));
    found
}

/// What comes before the media in every message, and does not belong there.
fn prefix(all: &[One<'_>], frames: &[(One<'_>, Coding, usize)]) -> Option<BodyEdit> {
    let (first, coding, start) = frames[0];
    let payloads = || frames.iter().map(|((_, kept), _, start)| &kept.body[*start..]);
    let put_in =
        |length: usize| BodyEdit::PutIn { at: start, bytes: first.1.body[start..start + length].to_vec(), fits: None };
    // The header that a file gives each frame says how long the frame is.
    for header in [ogg, ivf] {
        if payloads().all(|payload| header(payload).is_some()) {
            return header(payloads().next()?).map(put_in);
        }
    }
    let is_other = frames.iter().any(|(_, other, at)| (*other, *at) != (coding, start));
    if is_other {
        return None;
    }
    if coding == Coding::Sound {
        // The AudioSpecificConfig again before each frame.
        const SHORTEST: usize = 2;
        let config = all.iter().find_map(|(_, kept)| config_of(kept))?;
        let same = |payload: &[u8]| payload.iter().zip(config).take_while(|(one, other)| one == other).count();
        let length = payloads().map(same).min()?;
        return (length >= SHORTEST && frames.len() >= 2 * LEAST).then(|| put_in(length));
    }
    if payloads().any(|payload| is_whole(coding, payload) != Some(false)) {
        return None;
    }
    let fits = |length: &usize| {
        payloads().all(|payload| payload.get(*length..).is_some_and(|rest| is_whole(coding, rest) == Some(true)))
    };
    (1..=LONGEST).find(fits).map(put_in)
}

/// The AudioSpecificConfig in a message.
fn config_of(kept: &RecordedMessage) -> Option<&[u8]> {
    match kept.body[..] {
        [tag, 0, ref config @ ..] if tag >> 4 == 10 => Some(config),
        _ => None,
    }
}

/// The length of an Ogg page header whose segments are the rest (RFC 3533 section 6).
fn ogg(payload: &[u8]) -> Option<usize> {
    const SEGMENTS: usize = 26;
    let count = usize::from(*payload.get(SEGMENTS).filter(|_| payload.starts_with(b"OggS\0"))?);
    let header = SEGMENTS + 1 + count;
    let length: usize = payload.get(SEGMENTS + 1..header)?.iter().map(|&segment| usize::from(segment)).sum();
    (header + length == payload.len()).then_some(header)
}

/// The length of an IVF frame header: the frame's length in four bytes, low byte first, and a time in eight.
fn ivf(payload: &[u8]) -> Option<usize> {
    const HEADER: usize = 12;
    let length = u32::from_le_bytes(*payload.first_chunk()?) as usize;
    (payload.len() > HEADER && length + HEADER == payload.len()).then_some(HEADER)
}

/// A configuration of AV1 that is the sequence header alone, without the four bytes of its record before it (AV1 in ISOBMFF
/// 2.3.3).
fn bare_configuration(kept: &RecordedMessage) -> Option<BodyEdit> {
    const RECORD: usize = 4;
    const SEQUENCE_HEADER: u8 = 1;
    let [first, b'a', b'v', b'0', b'1', rest @ ..] = &kept.body[..] else { return None };
    let is_bare = first & 0x8f == 0x80
        && av1::tiled(rest).is_some_and(|units| units.first().is_some_and(|(kind, _)| *kind == SEQUENCE_HEADER));
    is_bare.then_some(BodyEdit::LeftOut { at: 5, length: RECORD, field: Some(&av1::VERSION_BYTE) })
}

/// The parameter sets of H.265 that a configuration lacks, if the first frames do not bring them (ISO/IEC 14496-15 8.3.3.1).
fn missing_set(kept: &RecordedMessage, frames: &[(One<'_>, Coding, usize)]) -> Option<&'static str> {
    const SETS: [(u8, &str); 3] =
        [(32, "video parameter set"), (33, "sequence parameter set"), (34, "picture parameter set")];
    const FIRST: usize = 4;
    if kept.header.type_id != MessageTypeId::VIDEO || !kept.class.is_config() {
        return None;
    }
    let mut tree = Tree::default();
    let decoded = body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut tree);
    let types = tree.nodes().iter().filter(|node| node.def.name == "rtmpt.video.hevc.config.array.type");
    let types: Vec<u8> = types
        .filter_map(|node| match node.value {
            Value::Uint(value) => Some(value as u8 & 0x3f),
            _ => None,
        })
        .collect();
    // A record with no set at all is for sets in the frames alone (hev1).
    if types.is_empty() || !decoded.defects.is_empty() {
        return None;
    }
    let brings = |wanted: u8| {
        frames.iter().take(FIRST).any(|((_, kept), _, start)| {
            let units = units(&kept.body[*start..]).unwrap_or_default();
            units.iter().any(|unit| unit.first().is_some_and(|first| first >> 1 & 0x3f == wanted))
        })
    };
    SETS.into_iter().find(|(wanted, _)| !types.contains(wanted) && !brings(*wanted)).map(|(_, name)| name)
}

/// Frames of AV1 in the form of its annex B: a length before each temporal unit, frame and OBU.
fn is_length_delimited(frames: &[(One<'_>, Coding, usize)]) -> bool {
    frames.iter().all(|((_, kept), coding, start)| {
        let payload = &kept.body[*start..];
        *coding == Coding::Av1 && is_whole(*coding, payload) == Some(false) && av1::is_length_delimited(payload)
    })
}

/// Video frames with nothing of a picture in them: the picture is in the next message, or is not sent.
fn without_pictures(frames: &[(One<'_>, Coding, usize)], kind: MediaKind) -> Option<Meant> {
    let has_none = |(one, coding, start): &(One<'_>, Coding, usize)| match coding {
        // A message may hold parameter sets alone, as some encoders send them.
        Coding::Nal(is_avc) => units(&one.1.body[*start..])
            .is_some_and(|units| units.iter().all(|unit| !is_slice(*is_avc, unit) && !is_set(*is_avc, unit))),
        _ => false,
    };
    let empty: Vec<usize> = (0..frames.len()).filter(|&at| has_none(&frames[at])).collect();
    let time = |at: usize| frames.get(at).map(|(one, ..)| one.1.header.timestamp);
    let is_key = |at: usize| frames[at].0.1.body.first().is_some_and(|first| first >> 4 & 7 == 1);
    // What is cut up has the same time, and the same frame type, in all its parts.
    let is_split = |&at: &usize| time(at) == time(at + 1) && is_key(at) == is_key(at + 1);
    let (split, left): (Vec<usize>, Vec<usize>) = empty.into_iter().partition(is_split);
    let rows = |all: &[usize]| all.iter().map(|&at| frames[at].0.0).collect::<Vec<_>>();
    let meant = |edit, rows| Meant { edit, scope: MediaScope::Some(kind), rows, is_sole: true };
    if split.iter().any(|&at| is_key(at)) && left.is_empty() {
        let both: Vec<usize> = split.iter().flat_map(|&at| [at, at + 1]).collect();
        return Some(meant(Edit::Order(OrderEdit::Split), rows(&both)));
    }
    let is_left = split.is_empty() && left.iter().any(|&at| is_key(at));
    is_left.then(|| meant(Edit::Body(BodyEdit::NoPicture), rows(&left)))
}

/// Whether a NAL unit is a parameter set.
fn is_set(is_avc: bool, unit: &[u8]) -> bool {
    let first = unit.first().copied().unwrap_or(0);
    if is_avc { matches!(first & 0x1f, 7 | 8 | 13 | 15) } else { (32..=34).contains(&(first >> 1 & 0x3f)) }
}

/// The first byte of an extended header with its two halves exchanged: a FourCC follows, and is read as coded media
/// (enhanced RTMP, ExAudioTagHeader, ExVideoTagHeader).
fn exchanged_halves(all: &[One<'_>]) -> Option<BodyEdit> {
    let known = |four: &[u8]| {
        matches!(four, b"Opus" | b"fLaC" | b"ac-3" | b"ec-3" | b".mp3" | b"mp4a")
            || matches!(four, b"av01" | b"hvc1" | b"avc1" | b"vp08" | b"vp09" | b"vvc1")
    };
    let is_extended = |kept: &RecordedMessage, first: u8| match kept.header.type_id {
        MessageTypeId::AUDIO => first >> 4 == 9,
        _ => first & 0x80 != 0 && first >> 4 & 7 != 0,
    };
    let is_wrong = |(_, kept): &One<'_>| {
        let Some((&first, rest)) = kept.body.split_first() else { return false };
        let has_name = rest.get(..4).is_some_and(known);
        has_name && !is_extended(kept, first) && is_extended(kept, first.rotate_left(4))
    };
    (all.len() >= LEAST && all.iter().all(is_wrong)).then_some(BodyEdit::HalvesExchanged)
}
