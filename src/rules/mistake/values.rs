//! Mistakes in single values that both sessions have: a type that is another, numbers in the other byte order, values in
//! each other's place, a configuration that is not that of the frames.
//!
//! Takes the open differences, gives those of which one small edit makes what B has of what A has. What a body says
//! under another type, or a decoder with another configuration, is not judged by itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::compare::{Comparison, FieldPath, MessageKind, Side};
use crate::field::Value;
use crate::recording::RecordedMessage;
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::rtmp::media::Audio;
use crate::rtmp::media::audio::AudioTag;
use crate::rules::messages::count;
use crate::rules::{Certainty, Claim, Impact, Rule, Severity, find};
use crate::session::Direction;

use super::generated_rule;

/// The codes of these mistakes that no operator on a chunk's field has.
pub(super) fn codes() -> impl Iterator<Item = String> {
    let numbers = crate::rtmp::control::FIELDS.iter().map(|def| def.name.strip_prefix("rtmpt.").unwrap_or(def.name));
    let operators = ["byte-order", "times", "divided"];
    let numbers = numbers.flat_map(move |name| operators.map(|operator| format!("mistake:{operator}:{name}")));
    numbers.chain(
        [
            "mistake:exchanged:value",
            "mistake:cut:value",
            "mistake:replaced:audio.config",
            "mistake:replaced:video.config",
        ]
        .map(str::to_owned),
    )
}

/// Adds the mistakes that nothing else explains. What is said of a body that has a wrong type is taken out.
pub fn join(comparison: &Comparison<'_>, others: &mut Vec<(&'static Rule, Claim)>) {
    if comparison.a.is_none() {
        return;
    }
    let found = types(comparison).into_iter().chain(numbers(comparison)).chain(units(comparison));
    let found = found.chain(exchanged(comparison)).chain(super::texts::cut(comparison));
    for (rule, claim, rows) in found.chain(configurations(comparison)).collect::<Vec<_>>() {
        let is_same = |other: &Claim| other.explains.iter().any(|index| claim.explains.contains(index));
        let is_known = |(rule, other): &(&'static Rule, Claim)| {
            other.certainty >= claim.certainty
                && other.severity.unwrap_or(rule.severity) >= Severity::Warning
                && is_same(other)
        };
        if claim.explains.is_empty() || others.iter().any(is_known) {
            continue;
        }
        let is_of_type = claim.path == FieldPath::TYPE_ID;
        others.retain(|(_, other)| !(is_same(other) || is_of_type && rows.contains(&other.row)));
        others.push((rule, claim));
    }
}

type Said = (&'static Rule, Claim, Vec<usize>);

fn rows_of(comparison: &Comparison<'_>, all: &[usize]) -> Vec<usize> {
    let rows: BTreeSet<usize> = all.iter().map(|&index| comparison.mismatches[index].row).collect();
    rows.into_iter().collect()
}

fn both<'r>(comparison: &Comparison<'r>, row: usize) -> Option<[&'r RecordedMessage; 2]> {
    let of = |side| comparison.item(row, side)?.message();
    Some([of(Side::A)?, of(Side::B)?])
}

/// Bodies of A under another type.
fn types(comparison: &Comparison<'_>) -> Vec<Said> {
    let mut groups: BTreeMap<(Direction, MessageTypeId, MessageTypeId), Vec<usize>> = BTreeMap::new();
    for index in comparison.open().filter(|&index| comparison.mismatches[index].path == FieldPath::TYPE_ID) {
        let row = comparison.mismatches[index].row;
        let is_read = comparison.name(row, Side::B).is_some_and(|name| name.read_as.is_none());
        let Some([a, b]) = both(comparison, row).filter(|[a, b]| a.hash == b.hash && is_read) else { continue };
        let direction = comparison.either_item(row).direction;
        groups.entry((direction, a.header.type_id, b.header.type_id)).or_default().push(index);
    }
    let claims = groups.into_iter().filter_map(|((_, meant, sent), indices)| {
        let rows = rows_of(comparison, &indices);
        let row = *rows.first()?;
        let name = &comparison.name(row, Side::A)?.name;
        let whose = match rows.len() {
            1 => name.clone(),
            many => format!("{many} messages, first {name},"),
        };
        let title = format!("{whose} was sent with message type {} where A has {}", sent.numbers(), meant.numbers());
        let explains: Vec<usize> =
            comparison.open().filter(|&index| rows.contains(&comparison.mismatches[index].row)).collect();
        let sides = comparison.mismatches[indices[0]].sides.clone();
        let claim = Claim::on(row, FieldPath::TYPE_ID, sides, Certainty::Certain, title)
            .why(format!("the bodies are A's to the byte, and A sends them as {meant}"))
            .fix(format!("send type {}: receivers read the body as what the type says", meant.numbers()))
            .weighing(Severity::Error)
            .explaining(explains)
            .breaking(Impact::Response);
        Some((generated_rule("mistake:constant:header.typeid"), claim, rows))
    });
    claims.collect()
}

/// Numbers of control messages in the other byte order.
fn numbers(comparison: &Comparison<'_>) -> Vec<Said> {
    let of = |index: usize| {
        let mismatch = &comparison.mismatches[index];
        let FieldPath::Field(name, _) = mismatch.path else { return None };
        let number = |side| match mismatch.side(side)?.value {
            Value::Uint(number) => u32::try_from(number).ok(),
            _ => None,
        };
        let kind = comparison.either(mismatch.row).kind;
        let is_control = matches!(kind, MessageKind::Control | MessageKind::Volatile);
        let (a, b) = (number(Side::A)?, number(Side::B)?);
        (is_control && a != b && a.swap_bytes() == b).then_some((name, a, b))
    };
    let claims = comparison.open().filter_map(|index| {
        let (name, a, b) = of(index)?;
        let mismatch = &comparison.mismatches[index];
        let message = &comparison.either(mismatch.row).name;
        let title = format!("the number of {message} has its bytes in the other order: {b} in place of {a}");
        let claim = Claim::at(comparison, index, Certainty::Certain, title)
            .why("with its four bytes in the other order it is that of A")
            .fix("write the most significant byte first: only the message stream id of a chunk header is the other way round")
            .weighing(Severity::Error)
            .explaining(vec![index]);
        // What the catalogue knows by name.
        let rule = match name {
            "scm.chunksize" => find("chunk-size-byte-order")?,
            "scm.seq" => find("ack-byte-order")?,
            _ => generated_rule(&format!("mistake:byte-order:{name}")),
        };
        Some((rule, claim, vec![mismatch.row]))
    });
    claims.collect()
}

/// Times of control messages in seconds where A has milliseconds, and the other way round.
fn units(comparison: &Comparison<'_>) -> Vec<Said> {
    const UNIT: u64 = 1000;
    let claims = comparison.open().filter_map(|index| {
        let mismatch = &comparison.mismatches[index];
        let FieldPath::Field(name @ "ucm.buffer_length", _) = mismatch.path else { return None };
        let number = |side| match mismatch.side(side)?.value {
            Value::Uint(number) => Some(number),
            _ => None,
        };
        let (a, b) = (number(Side::A)?, number(Side::B)?);
        let (operator, unit) = match () {
            () if a > 0 && b == a * UNIT => ("times", "microseconds"),
            () if b > 0 && a == b * UNIT => ("divided", "seconds"),
            () => return None,
        };
        let message = &comparison.either(mismatch.row).name;
        let title = format!("{message} says {b} where A says {a}, as if it were in {unit}: it is in milliseconds");
        let claim = Claim::at(comparison, index, Certainty::Likely, title)
            .why("it is A's number in another unit; the server buffers for another time")
            .fix("send milliseconds (RTMP 1.0 7.1.7)")
            .weighing(Severity::Warning)
            .explaining(vec![index]);
        Some((generated_rule(&format!("mistake:{operator}:{name}")), claim, vec![mismatch.row]))
    });
    claims.collect()
}

/// Two values of a message in each other's place.
fn exchanged(comparison: &Comparison<'_>) -> Vec<Said> {
    let mut of_row: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for index in comparison.open() {
        let mismatch = &comparison.mismatches[index];
        let is_told = |side| match mismatch.side(side).map(|value| &value.value) {
            Some(Value::Text(text)) => text.len() > 1,
            _ => false,
        };
        if matches!(mismatch.path, FieldPath::Value(_)) && is_told(Side::A) && is_told(Side::B) {
            of_row.entry(mismatch.row).or_default().push(index);
        }
    }
    let value = |index: usize, side: Side| comparison.mismatches[index].side(side).map(|value| value.value.clone());
    let mut found = Vec::new();
    for (row, indices) in of_row.into_iter().filter(|(_, indices)| indices.len() < 64) {
        let pairs =
            indices.iter().enumerate().flat_map(|(at, &one)| indices[at + 1..].iter().map(move |&two| [one, two]));
        let is_crossed = |[one, two]: &[usize; 2]| {
            value(*one, Side::A) == value(*two, Side::B) && value(*two, Side::A) == value(*one, Side::B)
        };
        for [one, two] in pairs.filter(is_crossed) {
            let [first, second] = [one, two].map(|index| comparison.mismatches[index].path.below());
            let message = &comparison.either(row).name;
            let title = format!("{first} and {second} of {message} are in each other's place");
            let claim = Claim::at(comparison, one, Certainty::Certain, title)
                .why("each has the value that the other has in A")
                .fix(format!("write the value of {first} under {first}, and that of {second} under {second}"))
                .weighing(Severity::Error)
                .explaining(vec![one, two]);
            // Nothing answers data.
            let is_command = comparison.either(row).kind == MessageKind::Command;
            let claim = if is_command { claim.breaking(Impact::Response) } else { claim };
            found.push((generated_rule("mistake:exchanged:value"), claim, vec![row]));
        }
    }
    found
}

/// Configurations other than A's of frames that are A's.
fn configurations(comparison: &Comparison<'_>) -> Vec<Said> {
    const LEAST: usize = 4;
    let mut found = Vec::new();
    for direction in [Direction::ClientToServer, Direction::ServerToClient] {
        for (config, frames, title) in [
            (MessageKind::AudioConfig, MessageKind::Audio, "audio"),
            (MessageKind::VideoConfig, MessageKind::Video, "video"),
        ] {
            let of_kind = |kind: MessageKind| {
                let is_of = move |row: &usize| comparison.either(*row).kind == kind;
                comparison.rows_of(direction).filter(is_of).filter_map(|row| Some((row, both(comparison, row)?)))
            };
            let same = of_kind(frames).filter(|(_, [a, b])| a.hash == b.hash).count();
            let all = of_kind(frames).count();
            if same < LEAST || same * 10 < all * 9 {
                continue;
            }
            let Some((row, [a, b])) = of_kind(config).find(|(_, [a, b])| a.hash != b.hash) else { continue };
            // What SBR adds a decoder finds out from the frames (ISO/IEC 14496-3 1.6.6): the core is what they are.
            if sound_core(a).is_some_and(|core| sound_core(b) == Some(core)) {
                continue;
            }
            let of_row = comparison.open().filter(|&index| {
                let mismatch = &comparison.mismatches[index];
                mismatch.row == row && !mismatch.path.is_of_header()
            });
            let indices: Vec<usize> = of_row.collect();
            // What only one has at the end is an extension (ISO/IEC 14496-15 5.3.3.1.2, ISO/IEC 14496-3 1.6.5).
            let shorter = a.body.len().min(b.body.len());
            let (Some(&first), false) = (indices.first(), a.body[..shorter] == b.body[..shorter]) else { continue };
            const SHOWN: usize = 3;
            let words: Vec<String> = indices.iter().take(SHOWN).map(|&index| words(comparison, index)).collect();
            let more = if indices.len() > SHOWN { ", …" } else { "" };
            let text = format!(
                "the {title} configuration is not that of the frames, which are A's: {}{more}",
                words.join(", ")
            );
            let claim = Claim::at(comparison, first, Certainty::Likely, text)
                .why(format!(
                    "{} are A's to the byte, and A announces another configuration for them",
                    count(same, "frame")
                ))
                .fix("send the configuration that the encoder gave with these frames, as it is")
                .weighing(Severity::Error)
                .explaining(indices);
            found.push((generated_rule(&format!("mistake:replaced:{title}.config")), claim, vec![row]));
        }
    }
    found
}

/// How the core of AAC is coded, by its configuration: object type, sampling rate and channels.
fn sound_core(kept: &RecordedMessage) -> Option<(u8, u32, u8)> {
    match body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut ()).body {
        Body::Audio(Audio { tag: AudioTag::Legacy { config: Some(config), .. }, .. }) => {
            Some((config.object_type, config.sampling_frequency, config.channel_configuration))
        }
        _ => None,
    }
}

/// A difference in a few words.
fn words(comparison: &Comparison<'_>, index: usize) -> String {
    const LONGEST: usize = 40;
    let mismatch = &comparison.mismatches[index];
    let name = mismatch.path.below();
    let text = |side| mismatch.side(side).map(|value| value.text.chars().take(LONGEST).collect::<String>());
    match (text(Side::A), text(Side::B)) {
        (Some(a), Some(b)) => format!("{name} {b} in place of {a}"),
        (Some(_), None) => format!("no {name}"),
        (None, Some(b)) => format!("{name} {b} in addition"),
        (None, None) => name,
    }
}
