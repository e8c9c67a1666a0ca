//! The same without A: mistakes in media messages, by what must hold in any.
//!
//! Takes the media messages of a direction of B, gives the mistakes without which they are sound: NAL lengths lead to the
//! end of a frame, a configuration can be read and says what its parameter sets say, MP3 has its sync word, AAC has none,
//! times run as the sampling rate does. What cannot be checked speaks for nothing.

use crate::compare::{Comparison, Side};
use crate::field::{Bits, Tree, Value};
use crate::recording::{RecordedEvent, RecordedMessage};
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::rtmp::class::{MediaKind, MessageClass};
use crate::rtmp::media::Audio;
use crate::rtmp::media::audio::AudioTag;
use crate::rtmp::media::nal::LENGTH as NAL_LENGTH;
use crate::rtmp::message::Ending;
use crate::sender::Operator;
use crate::session::Direction;

use crate::search::alone::{payload_at, units};

use super::bodies::{self, BodyEdit, FieldEdit};
use super::order::OrderEdit;
use super::times::{self, TimeEdit};
use super::{Edit, Meant, MediaScope, shape, written};

/// A message of B.
#[derive(Clone, Copy)]
struct One<'r> {
    row: usize,
    item: &'r RecordedEvent,
    kept: &'r RecordedMessage,
}

impl One<'_> {
    fn kind(&self) -> MediaKind {
        if self.kept.header.type_id == MessageTypeId::AUDIO { MediaKind::Audio } else { MediaKind::Video }
    }
}

/// So many messages show how a sender writes.
const LOOKED_AT: usize = 512;
/// So many that are not sound are no accident.
const LEAST: usize = 4;
/// A frame that is sent twice is longer; short ones may be the same by chance, as those of silence.
const TELLING: usize = 128;

/// The mistakes in a direction's media, by B alone.
pub fn alone(comparison: &Comparison<'_>, direction: Direction) -> Vec<Meant> {
    let rows = comparison.rows_of(direction).filter_map(|row| {
        let item = comparison.item(row, Side::B)?;
        let kept = item.message().filter(|kept| kept.ending == Ending::Complete && kept.is_whole())?;
        kept.header.type_id.is_media().then_some(One { row, item, kept })
    });
    let all: Vec<One<'_>> = rows.collect();
    let mut found = Vec::new();
    for (kind, type_id) in [(MediaKind::Audio, MessageTypeId::AUDIO), (MediaKind::Video, MessageTypeId::VIDEO)] {
        let of_kind: Vec<One<'_>> = all.iter().filter(|one| one.kept.header.type_id == type_id).copied().collect();
        found.extend(meaning(&of_kind, kind));
        if found.is_empty() {
            let of_side: Vec<_> = of_kind.iter().map(|one| (one.row, one.kept)).collect();
            found.extend(shape::edits(&of_side, kind));
        }
        if kind == MediaKind::Video {
            found.extend(filled(&of_kind));
            found.extend(lengths(&of_kind));
            found.extend(cut(&of_kind));
            found.extend(of_kind.iter().find_map(parameter_set));
            found.extend(repeated(&of_kind));
            let is_started = comparison.b.from_start[direction.index()] && direction == Direction::ServerToClient;
            found.extend(is_started.then(|| first(&of_kind)).flatten());
        }
    }
    found.extend(written::alone(comparison, direction).or_else(|| clock(&all)));
    found
}

/// Whether a body is what its header says, if that can be told.
pub fn is_sound(type_id: MessageTypeId, bytes: &[u8]) -> Option<bool> {
    let mut tree = Tree::default();
    let decoded = body::decode(type_id, bytes, bytes.len() as u32, &mut tree);
    if !decoded.defects.is_empty() {
        return Some(false);
    }
    let has = |name: &str| tree.nodes().iter().find(|node| node.def.name == name);
    match decoded.body {
        Body::Video(_) => has("rtmpt.video.nal.length").map(|_| true),
        Body::Audio(Audio { tag: AudioTag::Legacy { format, .. }, payload, .. }) => {
            let is_sync = |mask: u8| matches!(payload, [0xff, next, ..] if next & mask == mask);
            match format {
                MP3 | MP3_8K => Some(is_sync(0xe0)),
                AAC if has("rtmpt.audio.aac.config").is_some() => {
                    // What follows are extensions of some bits.
                    Some(has("rtmpt.audio.aac.config.rest").is_none_or(|rest| rest.range.len() <= 4))
                }
                AAC => Some(!is_sync(0xf0)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// SoundFormat (FLV E.4.2.1).
const MP3: u8 = 2;
const AAC: u8 = 10;
const MP3_8K: u8 = 14;

/// Frames of H.264 whose NAL unit lengths do not lead to their end, and how many do.
fn untiled<'r>(all: &[One<'r>]) -> (Vec<One<'r>>, usize) {
    let frames = all.iter().take(LOOKED_AT).filter(|one| {
        payload_at(one.kept.header.type_id, &one.kept.body).is_some_and(|start| one.kept.body.len() > start)
    });
    let (tiled, untiled): (Vec<One<'r>>, Vec<One<'r>>) =
        frames.partition(|one| units(one.kept.header.type_id, &one.kept.body).last() == Some(&one.kept.body.len()));
    (untiled, tiled.len())
}

/// The length of NAL units written in another way: low byte first, or with its own bytes counted.
fn lengths(all: &[One<'_>]) -> Option<Meant> {
    let (untiled, tiled) = untiled(all);
    let read = |operator: Operator, bytes: [u8; 4]| match operator {
        Operator::ByteOrder => Some(u32::from_le_bytes(bytes)),
        Operator::Plus(more) => u32::try_from(i64::from(u32::from_be_bytes(bytes)) - more).ok(),
        _ => None,
    };
    let tiles = |operator: Operator, body: &[u8]| {
        let Some(mut at) = payload_at(MessageTypeId::VIDEO, body) else { return false };
        while at < body.len() {
            let Some(length) = body[at..].first_chunk().and_then(|bytes| read(operator, *bytes)) else { return false };
            let header = body.get(at + 4).copied().unwrap_or_default();
            at = at.saturating_add(4).saturating_add(length as usize);
            // One length alone comes out of swapped words, too.
            if length == 0 || !is_unit_header(header) {
                return false;
            }
        }
        at == body.len()
    };
    // An empty unit tiles as it is: of a few frames, as many may.
    if untiled.len() < LEAST || tiled > untiled.len() {
        return None;
    }
    let ways = [Operator::ByteOrder, Operator::Plus(4), Operator::Plus(-4), Operator::Plus(1), Operator::Plus(-1)];
    let operator = ways.into_iter().find(|&way| untiled.iter().all(|one| tiles(way, &one.kept.body)))?;
    let start = payload_at(MessageTypeId::VIDEO, &untiled[0].kept.body)?;
    let first: [u8; 4] = *untiled[0].kept.body.get(start..)?.first_chunk()?;
    let values = [read(operator, first)?.into(), u32::from_be_bytes(first).into()];
    let edit = FieldEdit { def: &NAL_LENGTH, operator, values, range: start..start + 4 };
    let edit = Edit::Body(BodyEdit::Fields(vec![edit]));
    let rows = untiled.iter().map(|one| one.row).collect();
    Some(Meant { edit, scope: MediaScope::Frames(MediaKind::Video), rows, is_sole: true })
}

/// Whether a byte begins a NAL unit of H.264 that people send (H.264 7.4.1, table 7-1).
fn is_unit_header(byte: u8) -> bool {
    byte & 0x80 == 0 && matches!(byte & 0x1f, 1 | 5..=12)
}

/// Whether the NAL units of a frame of H.264 lead to its end, and begin as they should; None if it is no such frame.
pub fn has_units(body: &[u8]) -> Option<bool> {
    let start = payload_at(MessageTypeId::VIDEO, body)?;
    let ends = units(MessageTypeId::VIDEO, body);
    let starts = [start].into_iter().chain(ends.iter().copied()).take(ends.len());
    let are_units = starts.into_iter().all(|at| body.get(at + 4).is_some_and(|&header| is_unit_header(header)));
    Some(ends.last() == Some(&body.len()) && are_units)
}

/// Frames that end in the middle of a NAL unit, all with the same length, and none is longer.
fn cut(all: &[One<'_>]) -> Option<Meant> {
    const FEWEST: usize = 2;
    let (untiled, tiled) = untiled(all);
    let longest = all.iter().map(|one| one.kept.body.len()).max()?;
    let is_cut =
        untiled.len() >= FEWEST && tiled >= untiled.len() && untiled.iter().all(|one| one.kept.body.len() == longest);
    let edit = Edit::Body(BodyEdit::Cut { at: longest });
    let scope = MediaScope::Longer(MediaKind::Video, longest.saturating_sub(1) as u32);
    is_cut.then(|| Meant { edit, scope, rows: untiled.iter().map(|one| one.row).collect(), is_sole: true })
}

/// Zeros after the last NAL unit, up to the next multiple of a length.
fn filled(all: &[One<'_>]) -> Option<Meant> {
    let looked_at = all.iter().take(LOOKED_AT);
    let zeros = |one: &One<'_>| {
        let end = *units(one.kept.header.type_id, &one.kept.body).last()?;
        let rest = &one.kept.body[end..];
        rest.iter().all(|&byte| byte == 0).then_some(rest.len())
    };
    let frames: Vec<(&One<'_>, usize)> = looked_at.filter_map(|one| Some((one, zeros(one)?))).collect();
    let rows: Vec<usize> = frames.iter().filter(|(_, zeros)| *zeros > 0).map(|(one, _)| one.row).collect();
    let zeros = frames.iter().map(|(_, zeros)| *zeros).max()?;
    // Bodies that end where a multiple does are not filled up. It is that of the frame, or of the body.
    let common = |tag: usize| frames.iter().map(|(one, _)| (one.kept.body.len() - tag).trailing_zeros()).min();
    let tag = payload_at(MessageTypeId::VIDEO, &frames.first()?.0.kept.body)?;
    let multiple = 1usize << common(0).max(common(tag))?;
    let is_filled = rows.len() >= LEAST && zeros < multiple;
    let edit = Edit::Body(BodyEdit::Filled { with: 0, multiple });
    is_filled.then_some(Meant { edit, scope: MediaScope::Frames(MediaKind::Video), rows, is_sole: true })
}

/// A header field that says one thing where the bodies are another.
fn meaning(all: &[One<'_>], kind: MediaKind) -> Option<Meant> {
    let looked_at = &all[..all.len().min(LOOKED_AT)];
    let type_id = all.first()?.kept.header.type_id;
    let sound: Vec<Option<bool>> = looked_at.iter().map(|one| is_sound(type_id, &one.kept.body)).collect();
    let wrong: Vec<One<'_>> =
        looked_at.iter().zip(&sound).filter(|(_, sound)| **sound == Some(false)).map(|(one, _)| *one).collect();
    if wrong.len() < LEAST || wrong.len() * 2 < looked_at.len() {
        return None;
    }
    let first = &wrong[0].kept.body;
    let mut tree = Tree::default();
    body::decode(type_id, first, first.len() as u32, &mut tree);
    let start = bodies::payload_start(wrong[0].kept);
    let is_name = |node: &&crate::field::Node| {
        node.range.len() == 1 && node.range.end <= start && !node.derived && matches!(node.value, Value::Uint(_))
    };
    let mut fitting: Vec<FieldEdit> = Vec::new();
    for node in tree.nodes().iter().filter(is_name) {
        let bits = node.bits.unwrap_or(Bits { shift: 0, width: 8 });
        let (mask, at) = (bodies::mask(bits) as u8, node.range.start);
        let is = (first[at] & mask) >> bits.shift;
        for (with, _) in node.def.values().filter(|(value, _)| *value < 1 << bits.width && *value != u64::from(is)) {
            let is_right = |one: &One<'_>| {
                let mut body = one.kept.body.clone();
                if body.get(at).is_none_or(|byte| (byte & mask) >> bits.shift != is) {
                    return false;
                }
                body[at] = body[at] & !mask | (with as u8) << bits.shift;
                is_sound(type_id, &body) == Some(true)
            };
            if wrong.iter().all(is_right) {
                let values = [with, u64::from(is)];
                let operator = Operator::Constant(is.into());
                fitting.push(FieldEdit { def: node.def, operator, values, range: node.range.clone() });
            }
        }
    }
    // Of two readings that fit, neither is shown.
    let [edit] = <[FieldEdit; 1]>::try_from(fitting).ok()?;
    let is_all = wrong.len() == looked_at.len();
    let is_frames = looked_at
        .iter()
        .zip(&sound)
        .all(|(one, sound)| (*sound == Some(false)) != matches!(one.kept.class, MessageClass::Config(_)));
    let scope = match (is_all, is_frames) {
        (true, _) => MediaScope::Kind(kind),
        (_, true) => MediaScope::Frames(kind),
        _ => MediaScope::Some(kind),
    };
    let rows = wrong.iter().map(|one| one.row).collect();
    Some(Meant { edit: Edit::Body(BodyEdit::Fields(vec![edit])), scope, rows, is_sole: true })
}

/// What a configuration record of H.264 repeats of its parameter set and has otherwise (ISO/IEC 14496-15 5.3.3.1.2).
fn parameter_set(one: &One<'_>) -> Option<Meant> {
    let mut tree = Tree::default();
    body::decode(one.kept.header.type_id, &one.kept.body, one.kept.header.length, &mut tree);
    let nodes = tree.nodes();
    let is_set = |node: &&crate::field::Node| node.def.name == "rtmpt.video.nal.type" && node.value == Value::Uint(7);
    // Profile, constraints and level are its first three bytes (H.264 7.3.2.1.1), after the NAL unit's header.
    let set = nodes.iter().find(is_set)?.range.end;
    let said = one.kept.body.get(set..set + 3)?;
    let names = ["profile", "compatibility", "level"].map(|name| format!("rtmpt.video.avc.config.{name}"));
    let mut edits = Vec::new();
    for (name, &meant) in names.iter().zip(said) {
        let node = nodes.iter().find(|node| node.def.name == name && node.range.len() == 1)?;
        let is = one.kept.body[node.range.start];
        if is != meant {
            let operator = Operator::Constant(is.into());
            let values = [meant.into(), is.into()];
            edits.push(FieldEdit { def: node.def, operator, values, range: node.range.clone() });
        }
    }
    let scope = MediaScope::Class(one.kept.class);
    let edit = Edit::Body(BodyEdit::Fields(edits));
    let is_wrong = !matches!(&edit, Edit::Body(BodyEdit::Fields(edits)) if edits.is_empty());
    is_wrong.then(|| Meant { edit, scope, rows: vec![one.row], is_sole: true })
}

/// Frames that come twice, one after the other.
fn repeated(all: &[One<'_>]) -> Option<Meant> {
    let is_same = |pair: &&[One<'_>]| {
        let [a, b] = [pair[0].kept, pair[1].kept];
        a.hash == b.hash && a.body.len() > TELLING && !matches!(a.class, MessageClass::Config(_))
    };
    let rows: Vec<usize> = all.windows(2).filter(is_same).map(|pair| pair[1].row).collect();
    // A still picture may be coded so.
    let is_rare = !rows.is_empty() && rows.len() * 4 < all.len();
    let scope = if rows.len() == 1 { MediaScope::One } else { MediaScope::Some(MediaKind::Video) };
    is_rare.then_some(Meant { edit: Edit::Order(OrderEdit::Repeated), scope, rows, is_sole: true })
}

/// The first frame that a player gets needs others.
fn first(all: &[One<'_>]) -> Option<Meant> {
    let is_config = |one: &&One<'_>| matches!(one.kept.class, MessageClass::Config(MediaKind::Video));
    let first = all.iter().find(|one| !is_config(one))?;
    let has_config = all.iter().take_while(|one| one.row < first.row).any(|one| is_config(&one));
    let is_inter = first.kept.class == MessageClass::Video { keyframe: false } && first.kept.body.len() > 5;
    let edit = Edit::Order(OrderEdit::FirstLeftOut);
    (has_config && is_inter).then(|| Meant { edit, scope: MediaScope::One, rows: vec![first.row], is_sole: true })
}

/// Times that begin at the time of day, or do not run as sound does.
fn clock(all: &[One<'_>]) -> Option<Meant> {
    const NEAR: u32 = 60_000;
    let frames: Vec<One<'_>> =
        all.iter().filter(|one| !matches!(one.kept.class, MessageClass::Config(_))).copied().collect();
    let first = frames.first()?;
    let begins = first.kept.header.timestamp?;
    if let Some(found) = constant(&frames, begins) {
        return Some(found);
    }
    let captured = (first.item.time.0 / 1_000_000) as u32;
    let rows = || frames.iter().map(|one| one.row).collect();
    let meant = |edit, rows| Meant { edit: Edit::Time(edit), scope: MediaScope::All, rows, is_sole: true };
    let is_near = captured.wrapping_sub(begins).min(begins.wrapping_sub(captured)) < NEAR;
    let is_time_of_day = first.item.time.0 > 0 && is_near;
    if is_time_of_day || i64::from(begins) >= times::OTHER_BASE {
        return Some(Meant { is_sole: is_time_of_day, ..meant(TimeEdit::Plus(begins.into()), rows()) });
    }
    if let Some((kind, late)) = late(&frames) {
        let rows = frames.iter().filter(|one| one.kind() == kind).map(|one| one.row).collect();
        return Some(Meant { scope: MediaScope::Kind(kind), ..meant(TimeEdit::Plus(late), rows) });
    }
    let step = all.iter().find_map(|one| frame_duration(one.kept))?;
    if let Some(found) = slower(&frames, step) {
        return Some(found);
    }
    // Where headers have times, there is no delta that could be taken to the wrong message.
    let deltas = frames.iter().filter(|one| one.kept.fmt.is_some_and(|fmt| fmt > 0)).count();
    if deltas * 2 < frames.len() {
        return None;
    }
    let times = frames.iter().filter_map(|one| {
        let is_audio = one.kept.header.type_id == MessageTypeId::AUDIO;
        Some((is_audio, one.kept.csid, one.kept.header.timestamp?))
    });
    let edit = times::base(&times.collect::<Vec<_>>(), step)?;
    Some(meant(edit, rows()))
}

/// The track that is later than the other by more than is seen when sessions start, and by how many milliseconds: by the
/// times of frames that are sent at the same time.
fn late(frames: &[One<'_>]) -> Option<(MediaKind, i64)> {
    const LATE: i64 = 1000;
    const FRAMES: usize = 8;
    let offsets = [MediaKind::Audio, MediaKind::Video].map(|kind| {
        let of_kind = frames.iter().filter(|one| one.kind() == kind && one.item.time.0 > 0);
        let mut all: Vec<i64> = of_kind
            .filter_map(|one| Some(i64::from(one.kept.header.timestamp?) - one.item.time.0 / 1_000_000))
            .collect();
        all.sort_unstable();
        (all.len() >= FRAMES).then(|| all[all.len() / 2])
    });
    let [Some(audio), Some(video)] = offsets else { return None };
    // Both have to run alike.
    let lasts = [MediaKind::Audio, MediaKind::Video].map(|kind| {
        let mut times = frames.iter().filter(|one| one.kind() == kind).filter_map(|one| one.kept.header.timestamp);
        let first = times.next().unwrap_or(0);
        f64::from(times.next_back().unwrap_or(first).wrapping_sub(first))
    });
    if (lasts[0] / lasts[1].max(1.0) - 1.0).abs() > 0.2 {
        return None;
    }
    match audio - video {
        // What is sent first waits a little.
        late if late > LATE => Some((MediaKind::Audio, (late + 50) / 100 * 100)),
        early if early < -LATE => Some((MediaKind::Video, (50 - early) / 100 * 100)),
        _ => None,
    }
}

/// Times of all media that are the same, while the capture goes on.
fn constant(frames: &[One<'_>], begins: u32) -> Option<Meant> {
    const MANY: usize = 24;
    const LONG: i64 = 200_000_000;
    let last = frames.last()?;
    let is_same = frames.len() >= MANY && frames.iter().all(|one| one.kept.header.timestamp == Some(begins));
    let is_long = frames[0].item.time.0 > 0 && last.item.time.since(frames[0].item.time) >= LONG;
    let rows = frames.iter().map(|one| one.row).collect();
    let edit = Edit::Time(TimeEdit::Constant(begins));
    (is_same && is_long).then_some(Meant { edit, scope: MediaScope::All, rows, is_sole: true })
}

/// Times of video that run at another pace than those of audio that is sent beside it, where a step of audio is as long as
/// its samples.
fn slower(frames: &[One<'_>], audio_step: f64) -> Option<Meant> {
    const MANY: usize = 16;
    /// So far apart paces may be: a capture is short, and frames come in bursts.
    const ALIKE: std::ops::RangeInclusive<f64> = 0.7..=1.4;
    let of = |kind: MediaKind| -> Vec<(f64, f64)> {
        let of_kind = frames.iter().filter(|one| one.kind() == kind && one.item.time.0 > 0);
        let times =
            of_kind.filter_map(|one| Some((one.item.time.0 as f64 / 1e6, f64::from(one.kept.header.timestamp?))));
        times.collect()
    };
    let (audio, video) = (of(MediaKind::Audio), of(MediaKind::Video));
    if audio.len() < MANY || video.len() < MANY {
        return None;
    }
    // What a server has in memory comes first and at once.
    let pace = |all: &[(f64, f64)]| {
        let (first, last) = (all[all.len() / 3], all[all.len() - 1]);
        (last.0 - first.0 > 100.0).then(|| (last.1 - first.1) / (last.0 - first.0))
    };
    let mut steps: Vec<f64> = audio.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    steps.sort_by(f64::total_cmp);
    let is_right = (steps[steps.len() / 2] - audio_step).abs() <= 1.5;
    let factor = pace(&video)? / pace(&audio).filter(|pace| *pace > 0.0)?;
    let rows = frames.iter().filter(|one| one.kind() == MediaKind::Video).map(|one| one.row).collect();
    let edit = Edit::Time(TimeEdit::Times(factor));
    let meant = Meant { edit, scope: MediaScope::Kind(MediaKind::Video), rows, is_sole: false };
    (is_right && factor > 0.0 && !ALIKE.contains(&factor)).then_some(meant)
}

/// How long a frame of AAC is, in milliseconds, if the message says so (ISO/IEC 14496-3 4.5.1.1: 1024 samples; few have 960).
fn frame_duration(kept: &RecordedMessage) -> Option<f64> {
    match body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut ()).body {
        Body::Audio(Audio { tag: AudioTag::Legacy { config: Some(config), .. }, .. })
            if config.sampling_frequency > 0 =>
        {
            Some(1024.0 * 1000.0 / f64::from(config.sampling_frequency))
        }
        _ => None,
    }
}
