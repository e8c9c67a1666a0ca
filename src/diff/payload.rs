//! Bodies that were changed on their way into the message: the payload rules, for messages of A and B beside each other.
//!
//! Takes what other rules left over of the media's differences, gives one claim a direction and rule. Only bodies
//! that the recording has whole are looked at.

use std::collections::HashSet;

use crate::compare::{Comparison, FieldPath, Side, Value};
use crate::recording::RecordedMessage;
use crate::rtmp::body::Body;
use crate::rtmp::class::MessageClass;
use crate::rtmp::media::audio::AudioTag;
use crate::rtmp::media::enhanced::ExHeader;
use crate::rtmp::media::video::VideoTag;
use crate::rtmp::media::{Audio, FourCc, Video, av1};
use crate::rtmp::message::Ending;
use crate::rtmp::{MessageTypeId, body};
use crate::rules::{Case, Certainty, Claim, Impact, PayloadClaim, Rule, avc_slices, explain_payload, is_avc_config};
use crate::session::Direction;

/// So many messages are explained one by one; what the first say must hold for the others.
const MOST: usize = 4096;
/// So many bytes of bodies are looked at.
const MOST_BYTES: usize = 32 << 20;

/// Fewer bytes of audio tell nothing.
const TELLING: usize = 8;

/// Rules that prove their mistake: a whole body is what a known change makes of the other. What others say, bytes that
/// are missing, added or changed, can also be how the message was made.
const MEANT: &[&str] = &[
    "px-crlf",
    "px-utf8-lossy",
    "px-latin1-utf8",
    "px-utf8-latin1",
    "px-7bit",
    "px-swap16",
    "px-swap32",
    "px-swap64",
    "px-xor",
    "px-xor-key",
    "px-add",
    "px-substituted",
    "px-widened",
    "px-base64",
    "px-hex",
    "px-compressed",
    "px-avcc-annexb",
    "px-annexb-avcc",
    "px-epb",
    "px-adts",
    "px-prefix-known",
    "px-headers-left",
];

/// A message whose payload differs, and why.
struct Explained {
    /// The row of A and that of B.
    rows: [usize; 2],
    mismatches: Vec<usize>,
    rule: &'static Rule,
    finding: PayloadClaim,
    /// Where the compared bytes begin in both bodies.
    starts: [usize; 2],
}

/// The claims of the payload rules, where nobody claims the bodies' differences who is sure.
pub fn claims(comparison: &Comparison<'_>, others: &[(&'static Rule, Claim)]) -> Vec<(&'static Rule, Claim)> {
    let taken: HashSet<usize> = others
        .iter()
        .filter(|(_, claim)| claim.certainty >= Certainty::Likely)
        .flat_map(|(_, claim)| claim.explains.iter().copied())
        .collect();
    let of_body = taken.iter().map(|&index| &comparison.mismatches[index]).filter(|one| !one.path.is_of_header());
    let rows: HashSet<usize> = of_body.map(|mismatch| mismatch.row).collect();
    // Where chunks cannot be told apart, a body ends early or late just before.
    let breaks = |direction: Direction| {
        let of = others.iter().filter(|(_, claim)| claim.impact == Impact::Framing);
        let of = of.filter(|(_, claim)| comparison.either_item(claim.row).direction == direction);
        of.map(|(_, claim)| claim.row).min()
    };
    let mut all = Vec::new();
    for direction in [Direction::ClientToServer, Direction::ServerToClient] {
        let (mut explained, differing) = explain(comparison, direction, &taken);
        let before = breaks(direction).and_then(|row| comparison.rows_of(direction).take_while(|&of| of < row).last());
        explained.retain(|one| {
            let row = one.rows[Side::B as usize];
            MEANT.contains(&one.rule.code) || !rows.contains(&row) && before.is_none_or(|before| row < before)
        });
        // Two captures of other material differ everywhere, and no rule of this kind is the reason.
        while let Some(first) = explained.first() {
            let code = first.rule.code;
            let (same, rest): (Vec<_>, Vec<_>) = explained.into_iter().partition(|one| one.rule.code == code);
            explained = rest;
            if same.len() * 10 >= differing * 9 {
                all.push((same[0].rule, claim(comparison, &same, differing)));
            }
        }
    }
    all
}

/// The messages whose bodies differ and a rule that explains it, and how many differ at all.
fn explain(comparison: &Comparison<'_>, direction: Direction, taken: &HashSet<usize>) -> (Vec<Explained>, usize) {
    let mut explained: Vec<Explained> = Vec::new();
    let (mut differing, mut bytes) = (0, 0);
    for (rows, mismatches) in differences(comparison, direction, taken) {
        let of = |side: Side| comparison.item(rows[side as usize], side)?.message();
        let (Some(a), Some(b)) = (of(Side::A), of(Side::B)) else { continue };
        let is_here = |kept: &RecordedMessage| kept.is_whole() && kept.ending == Ending::Complete;
        if differing >= MOST || bytes >= MOST_BYTES || !is_here(a) || !is_here(b) {
            continue;
        }
        let payloads = [a, b].map(|kept| payload_start(kept.header.type_id, &kept.body));
        if is_same_content([a, b], payloads) {
            continue;
        }
        // So little of it says nothing of what became of it, as a frame of silence.
        let lengths = [(a, payloads[0]), (b, payloads[1])].map(|(kept, start)| kept.body.len() - start);
        if lengths[0].min(lengths[1]) < TELLING && lengths[0] != lengths[1] && a.class == MessageClass::Audio {
            continue;
        }
        differing += 1;
        bytes += a.body.len() + b.body.len();
        // The payload first: what happened to it may have spared the header, or gone over both.
        for starts in [payloads, [0, 0]] {
            let case = Case::new(&a.body[starts[0]..], &b.body[starts[1]..]);
            let explains = |rule: &Rule| {
                rule.code != "px-unrelated" && (MEANT.contains(&rule.code) || !is_remuxed([a, b], payloads))
            };
            if let Some((rule, finding)) = explain_payload(&case).filter(|(rule, _)| explains(rule)) {
                explained.push(Explained { rows, mismatches, rule, finding, starts });
                break;
            }
        }
    }
    (explained, differing)
}

/// The open differences of media bodies: rows in A and B, and mismatches. A changed first byte can make another kind
/// of message; so messages that only one side has are put beside each other in order, if they are equally many.
fn differences(
    comparison: &Comparison<'_>,
    direction: Direction,
    taken: &HashSet<usize>,
) -> Vec<([usize; 2], Vec<usize>)> {
    let mut found: Vec<([usize; 2], Vec<usize>)> = Vec::new();
    let mut alone: [Vec<(usize, usize)>; 2] = Default::default();
    for index in comparison.open().filter(|index| !taken.contains(index)) {
        let mismatch = &comparison.mismatches[index];
        let row = mismatch.row;
        if mismatch.path.is_of_header()
            || !comparison.either(row).kind.is_media()
            || comparison.either_item(row).direction != direction
        {
            continue;
        }
        if mismatch.is_whole_message() {
            alone[usize::from(comparison.item(row, Side::A).is_none())].push((row, index));
            continue;
        }
        match found.last_mut() {
            Some((rows, mismatches)) if rows[1] == row => mismatches.push(index),
            _ => found.push(([row, row], vec![index])),
        }
    }
    let type_id = |row: usize| comparison.either_item(row).message().map(|kept| kept.header.type_id);
    for medium in [MessageTypeId::AUDIO, MessageTypeId::VIDEO] {
        let [of_a, of_b] = alone
            .each_ref()
            .map(|side| side.iter().copied().filter(|(row, _)| type_id(*row) == Some(medium)).collect::<Vec<_>>());
        if of_a.len() == of_b.len() {
            found.extend(of_a.iter().zip(&of_b).map(|(a, b)| ([a.0, b.0], vec![a.1, b.1])));
        }
    }
    found.sort_by_key(|(rows, _)| rows[1]);
    found
}

/// Whether the same audio or video was only written in another way, which nothing on the way does: with other fields
/// before it, as another composition time, or with other NAL units around the slices (H.264 7.4.1.2.3).
fn is_same_content([a, b]: [&RecordedMessage; 2], starts: [usize; 2]) -> bool {
    // What extends a header is before the same media (enhanced RTMP: ModEx, Multitrack).
    if is_extended(a) != is_extended(b) {
        let (plain, start, other) = if is_extended(b) { (a, starts[0], b) } else { (b, starts[1], a) };
        return other.body.ends_with(&plain.body[start..]);
    }
    if [a, b].iter().any(|kept| kept.header.type_id != MessageTypeId::VIDEO) {
        return false;
    }
    if let [Some(of_a), Some(of_b)] = [(a, starts[0]), (b, starts[1])]
        .map(|(kept, start)| av1::picture(&kept.body[start..]).filter(|units| is_av1(kept) && !units.is_empty()))
    {
        return of_a == of_b;
    }
    let (Some(of_a), Some(of_b)) = (avc_slices(&a.body), avc_slices(&b.body)) else { return false };
    a.body[starts[0]..] == b.body[starts[1]..] || of_a == of_b
}

/// Whether the header of enhanced RTMP has more in it than packet type and codec.
fn is_extended(kept: &RecordedMessage) -> bool {
    let is_more = |header: &ExHeader| !header.mod_ex.is_empty() || header.multitrack_type.is_some();
    match body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut ()).body {
        Body::Video(Video { tag: VideoTag::Enhanced { header, .. }, .. }) => is_more(&header),
        Body::Audio(Audio { tag: AudioTag::Enhanced { header, .. }, .. }) => is_more(&header),
        _ => false,
    }
}

fn is_av1(kept: &RecordedMessage) -> bool {
    match body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut ()).body {
        Body::Video(Video { tag: VideoTag::Enhanced { header, .. }, .. }) => header.four_cc == Some(FourCc(*b"av01")),
        _ => false,
    }
}

/// Whether bodies that share bytes were made by two muxers: configurations, of which one may have fields that the other
/// leaves out (ISO/IEC 14496-15 5.3.3.1.2, ISO/IEC 14496-3 1.6.5), or messages of which one has nothing to carry, as at
/// the end of a sequence.
fn is_remuxed(both: [&RecordedMessage; 2], payloads: [usize; 2]) -> bool {
    let is_config = |kept: &&RecordedMessage| match kept.header.type_id {
        MessageTypeId::VIDEO => is_avc_config(&kept.body),
        _ => matches!(kept.body[..], [format, 0, ..] if format >> 4 == 10),
    };
    both.iter().all(is_config) || both.iter().zip(payloads).any(|(kept, start)| kept.body.len() <= start)
}

/// Where the audio or video begins in a body.
fn payload_start(type_id: MessageTypeId, bytes: &[u8]) -> usize {
    let payload = match body::decode(type_id, bytes, bytes.len() as u32, &mut ()).body {
        Body::Audio(Audio { payload, .. }) | Body::Video(Video { payload, .. }) => payload.len(),
        _ => bytes.len(),
    };
    bytes.len() - payload
}

fn claim(comparison: &Comparison<'_>, same: &[Explained], differing: usize) -> Claim {
    let Explained { rows, finding, starts, .. } = &same[0];
    let value = |side: Side, range: &std::ops::Range<usize>| {
        const SHOWN: usize = 16;
        let kept = comparison.item(rows[side as usize], side)?.message()?;
        let start = starts[side as usize] + range.start;
        let bytes = kept.body.get(start..kept.body.len().min(start + SHOWN))?.to_vec();
        let text = format!("at {start} of {} bytes", kept.body.len());
        let in_body = Some(start..start + range.len());
        Some(Value { bytes, in_body, place: kept.places.of(start), ..Value::words(text) })
    };
    let is_audio =
        comparison.either_item(rows[1]).message().is_some_and(|kept| kept.header.type_id == MessageTypeId::AUDIO);
    let (title, more) = match same.len() {
        1 => (format!("a body was changed on its way: {}", finding.title), String::new()),
        number => {
            let of = if number == differing { format!("all {number}") } else { format!("{number} of {differing}") };
            let all = format!(" The same change explains {of} messages that differ.");
            (format!("the bodies of {number} messages were changed on their way: {}", finding.title), all)
        }
    };
    Claim {
        certainty: if MEANT.contains(&same[0].rule.code) {
            finding.certainty
        } else {
            finding.certainty.min(Certainty::Likely)
        },
        title,
        row: rows[1],
        path: FieldPath::payload(is_audio),
        sides: [value(Side::A, &finding.sent), value(Side::B, &finding.received)],
        why: format!("{}{more}", finding.why),
        fix: finding.fix.clone(),
        explains: same.iter().flat_map(|one| one.mismatches.iter().copied()).collect(),
        impact: Impact::Nothing,
        severity: None,
        effect: None,
    }
}
