//! Times that fall, and steps back.

use std::collections::{HashMap, HashSet};

use crate::compare::Comparison;
use crate::recording::Kept;
use crate::rtmp::MessageTypeId;
use crate::rules::look::{self, Flow, Spot, count};
use crate::rules::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};

use super::{FIELD, claim, timed, times_of};

/// A fall of more than this is the clock's overflow.
const HALF: u32 = 1 << 31;

pub static NEGATIVE: Rule = Rule {
    code: "ts-negative-delta",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a fmt 1 or 2 header goes back in time",
    page: Page {
        what: "Headers of fmt 1 and 2 have the step since the message before, a number without a sign. A negative one is \
               written as a very large one: receivers that do not count modulo 2^32 jump by weeks, with 24 bits by hours.",
        looks: "44 ff ff ff 00 00 40 08 ff ff ff d8   a step of -40 ms, as 4294967256\n\
                44 ff ff d8 00 00 40 08               the same in 24 bits: 16777176 ms\n\
                04 00 00 b3 00 00 40 08 ..            as it should be: a fmt 0 header with the time",
        who: "Publishers that put sound and pictures on one chunk stream and subtract without looking.",
        fix: "Write a fmt 0 header where the time goes back.",
        source: "RTMP 1.0 section 5.3.1.2.1; ossrs/srs issue 2808, obsproject/obs-studio issue 8764.",
    },
    check: Check::Diff(negative),
};

pub static BACKWARDS: Rule = Rule {
    code: "ts-backwards",
    layer: Layer::Media,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "timestamps go back",
    page: Page {
        what: "Timestamps of sound, and those of pictures, must not fall on a message stream: they are times of decoding. \
               Receivers drop what comes late, or refuse the stream.",
        looks: "04 00 01 17 00 00 40 08 ..   279 ms\n\
                04 00 00 b3 00 00 40 08 ..   179 ms, behind it",
        who: "Publishers that stamp pictures with the time they are shown, or whose clock was set; loops of a file.",
        fix: "Stamp messages with the time of decoding, and let it only grow; the time pictures are shown goes into the \
              composition time.",
        source: "RTMP errata section 5.2; pedroSG94/RootEncoder issue 2048.",
    },
    check: Check::Diff(backwards),
};

/// Whether a step is negative, as a number of 32 or of 24 bits.
fn is_negative(kept: &Kept) -> bool {
    let is_step = matches!(kept.fmt, 1 | 2);
    is_step
        && kept.header.timestamp_delta.is_some_and(|step| step >= HALF || (FIELD - 0x1_0000..FIELD - 1).contains(&step))
}

fn steps_back(flow: &Flow<'_>) -> Vec<Spot> {
    let such = flow.messages.iter().filter(|(_, kept)| kept.header.type_id.is_media() && is_negative(kept));
    let text = |kept: &Kept| kept.header.timestamp_delta.map(|step| format!("a step of {step}")).unwrap_or_default();
    such.map(|&(item, kept)| Spot::new(item, 0..0, text(kept))).collect()
}

pub(super) fn negative(comparison: &Comparison<'_>) -> Vec<Claim> {
    let Some(spots) = look::only_in_b(comparison, steps_back) else { return Vec::new() };
    let item = &comparison.b.items[spots[0].item];
    let Some((kept, step)) = item.message().and_then(|kept| Some((kept, kept.header.timestamp_delta?))) else {
        return Vec::new();
    };
    let back = if step >= HALF { step.wrapping_neg() } else { FIELD - step };
    let name = &comparison.named[1][spots[0].item].name;
    let title = format!("a fmt {} header of {name} has a step of {step} ms: it goes back by {back} ms", kept.fmt);
    let rows = look::rows_of_b(comparison);
    let first = rows.get(&spots[0].item).copied().unwrap_or_default();
    let explains = if step >= HALF {
        let here: HashSet<usize> = spots.iter().filter_map(|spot| rows.get(&spot.item).copied()).collect();
        times_of(comparison, item.direction, |row| here.contains(&row))
    } else {
        times_of(comparison, item.direction, |row| row >= first)
    };
    vec![
        claim(comparison, &spots, Certainty::Certain, title)
            .why(format!(
                "a step has no sign; {}; receivers that add it jump ahead",
                if step >= HALF {
                    format!("modulo 2^32 the time falls to {} ms", kept.header.timestamp.unwrap_or_default())
                } else {
                    "in the field's 24 bits it is a step of more than four hours and a half".to_owned()
                }
            ))
            .fix("write a fmt 0 header where the time goes back; better, let it only grow")
            .explaining(explains),
    ]
}

/// Messages with a time before that of the one in front of them, of the same kind and message stream.
fn falls(flow: &Flow<'_>) -> Vec<(Spot, u32)> {
    let mut found: Vec<(Spot, u32)> = Vec::new();
    for type_id in [MessageTypeId::AUDIO, MessageTypeId::VIDEO] {
        // Behind a command times may begin anew: publish again, play another, seek.
        let is_break = |type_id| matches!(type_id, MessageTypeId::AMF0_COMMAND | MessageTypeId::AMF3_COMMAND);
        let mut breaks =
            flow.messages.iter().filter(|(_, kept)| is_break(kept.header.type_id)).map(|&(item, _)| item).peekable();
        let mut last: HashMap<_, u32> = HashMap::new();
        for (item, kept, time) in timed(flow, type_id) {
            while breaks.next_if(|&at| at < item).is_some() {
                last.clear();
            }
            let before = last.insert(kept.header.message_stream_id, time);
            let Some(before) = before.filter(|&before| time < before) else { continue };
            let back = before - time;
            // The clock's overflow, and times that are cut to the field, are other matters.
            let is_cut = time < FIELD && back > FIELD / 2 && back <= FIELD;
            if back < HALF && !is_cut {
                found.push((Spot::new(item, 0..0, format!("{time} ms")), before));
            }
        }
    }
    found.sort_by_key(|(spot, _)| spot.item);
    found
}

pub(super) fn backwards(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |flow: &Flow<'_>| falls(flow).into_iter().map(|(spot, _)| spot).collect();
    let Some(spots) = look::only_in_b(comparison, find) else { return Vec::new() };
    let (first, direction) = (spots[0].item, comparison.b.items[spots[0].item].direction);
    let before = falls(&Flow::of(comparison.b, direction)).first().map_or(0, |(_, before)| *before);
    let kept = comparison.b.items[first].message();
    // A step may be misread; a whole time is what the sender wrote.
    let certainty = if kept.is_some_and(|kept| kept.fmt == 0) { Certainty::Certain } else { Certainty::Likely };
    let name = &comparison.named[1][first].name;
    let more = if spots.len() > 1 { format!("; times fall {}", count(spots.len(), "time")) } else { String::new() };
    let title = format!("{name} is at {}, behind {before} ms{more}", spots[0].text);
    let rows = look::rows_of_b(comparison);
    let here: HashSet<usize> = spots.iter().filter_map(|spot| rows.get(&spot.item).copied()).collect();
    let explains = times_of(comparison, direction, |row| here.contains(&row));
    vec![
        claim(comparison, &spots, certainty, title)
            .why("times of one kind must not fall on a message stream; receivers drop what comes late, or refuse the stream")
            .fix("stamp messages with the time of decoding, and let it only grow")
            .explaining(explains),
    ]
}
