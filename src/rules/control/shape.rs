//! How control messages are written: their message stream, their length, and events that nobody knows.

use std::collections::HashSet;

use crate::compare::{Comparison, FieldPath};
use crate::recording::RecordedMessage;
use crate::rtmp::MessageTypeId;
use crate::rules::messages::{self, BodyPlace, DirectionMessages};
use crate::rules::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};

pub static MSID: Rule = Rule {
    code: "ctl-msid-nonzero",
    layer: Layer::Control,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a control message is not on message stream 0",
    page: Page {
        what: "Messages of types 1 to 6 belong to the connection: they are sent on message stream 0, chunk stream 2. \
               On another message stream some receivers ignore them, and continue with the old chunk size or window.",
        looks: "02 00 00 00 00 00 04 01 01 00 00 00 00 00 10 00   on message stream 1\n\
                02 00 00 00 00 00 04 01 00 00 00 00 00 00 10 00   as it should be",
        who: "livego for user control messages; senders that put the stream of their last message into every header.",
        fix: "Write 00 00 00 00 as the message stream id of types 1 to 6.",
        source: "RTMP 1.0 sections 5.4 and 7.1.7. Read in livego's source.",
    },
    check: Check::Diff(msid),
};

pub static LENGTH: Rule = Rule {
    code: "ctl-length",
    layer: Layer::Control,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a control message has an incorrect length",
    page: Page {
        what: "Control messages have fixed lengths: 4 bytes for types 1, 2, 3 and 5, 5 bytes for type 6; user control messages \
               2 bytes for the event and 4 for its data, Set Buffer Length 8. A receiver ignores what is shorter, or closes.",
        looks: "02 00 00 00 00 00 02 05 00 00 00 00 4c 4b         a window of two bytes\n\
                02 00 00 00 00 00 04 05 00 00 00 00 00 4c 4b 40   a window of 5000000",
        who: "Writers that send Set Peer Bandwidth without its limit type, or a value in 16 bits.",
        fix: "Write the whole value, and its length in the header.",
        source: "RTMP 1.0 sections 5.4.1 to 5.4.5 and 7.1.7. nginx-rtmp: `too small buffer for user message`.",
    },
    check: Check::Diff(length),
};

pub static UNKNOWN: Rule = Rule {
    code: "ucm-unknown",
    layer: Layer::Control,
    severity: Severity::Info,
    modes: &[Mode::Lint, Mode::Diff],
    title: "an unknown user control event",
    page: Page {
        what: "The first two bytes of a user control message are the number of the event. This one is not in the \
               specification and not among those that Adobe's servers send. Receivers should ignore it; strict ones \
               close.",
        looks: "00 32 00 00 00 01   event 50\n\
                00 00 00 00 00 01   event 0, Stream Begin, on stream 1",
        who: "Servers with events of their own.",
        fix: "In the sender, leave it out; in the receiver, ignore unknown events.",
        source: "RTMP 1.0 section 7.1.7; 26, 27, 31 and 32 are known from Flash. gortmplib's reader fails on others.",
    },
    check: Check::Diff(unknown),
};

fn msid(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        let spot = |&(item, kept): &(usize, &RecordedMessage)| {
            let stream = kept.header.message_stream_id.filter(|stream| stream.0 != 0)?;
            (1..=6).contains(&kept.header.type_id.0).then(|| BodyPlace::new(item, 0..0, stream.to_string()))
        };
        flow.messages.iter().filter_map(spot).collect()
    };
    let Some(spots) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let name = &comparison.identities[1][spots[0].item].name;
    let title = format!("{name} is on message stream {}, not 0{}", spots[0].text, more(spots.len()));
    let rows: HashSet<usize> = {
        let of_b = messages::rows_of_b(comparison);
        spots.iter().filter_map(|spot| of_b.get(&spot.item).copied()).collect()
    };
    let is_of = |index: &usize| {
        let mismatch = &comparison.mismatches[*index];
        rows.contains(&mismatch.row) && mismatch.path == FieldPath::STREAM_ID
    };
    let explains: Vec<usize> = (0..comparison.mismatches.len()).filter(is_of).collect();
    let claim = match explains.first() {
        Some(&first) => Claim::at(comparison, first, Certainty::Certain, title).explaining(explains),
        None => messages::claim(comparison, &spots, "header.streamid", Certainty::Certain, title),
    };
    vec![
        claim
            .why("control messages belong to the connection, that is to message stream 0; on another some receivers ignore them")
            .fix("write 0 as the message stream id of types 1 to 6"),
    ]
}

/// How long a control message has to be, where that is known.
fn wanted(type_id: MessageTypeId, body: &[u8]) -> Option<u32> {
    match (type_id, body) {
        (
            MessageTypeId::SET_CHUNK_SIZE
            | MessageTypeId::ABORT
            | MessageTypeId::ACKNOWLEDGEMENT
            | MessageTypeId::WINDOW_ACKNOWLEDGEMENT_SIZE,
            _,
        ) => Some(4),
        (MessageTypeId::SET_PEER_BANDWIDTH, _) => Some(5),
        (MessageTypeId::USER_CONTROL, [0, 3, ..]) => Some(10),
        // Events 26 and 27, of Flash, have lengths of their own.
        (MessageTypeId::USER_CONTROL, [0, 0..=7 | 31 | 32, ..]) => Some(6),
        (MessageTypeId::USER_CONTROL, [] | [_]) => Some(6),
        _ => None,
    }
}

fn length(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        let spot = |&(item, kept): &(usize, &RecordedMessage)| {
            let wanted = wanted(kept.header.type_id, &kept.body)?;
            let length = kept.header.length;
            (length != wanted)
                .then(|| BodyPlace::new(item, 0..kept.body.len(), format!("{length} bytes, not {wanted}")))
        };
        flow.messages.iter().filter_map(spot).collect()
    };
    let Some(spots) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let name = &comparison.identities[1][spots[0].item].name;
    let title = format!("{name} has {}{}", spots[0].text, more(spots.len()));
    let claim = messages::claim(comparison, &spots, "header.bodysize", Certainty::Certain, title);
    vec![claim.why("a receiver cannot read its value: it ignores the message, or closes").fix("write the whole value")]
}

fn unknown(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        let spot = |(item, body): (usize, &[u8])| {
            let kind = u16::from_be_bytes(*body.first_chunk()?);
            let is_known = matches!(kind, 0..=4 | 6 | 7 | 26 | 27 | 31 | 32);
            (!is_known).then(|| BodyPlace::new(item, 0..body.len(), kind.to_string()))
        };
        flow.of_type(MessageTypeId::USER_CONTROL).filter_map(spot).collect()
    };
    let Some(spots) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let body = comparison.b.items[spots[0].item].message().map(|kept| &kept.body[..]).unwrap_or_default();
    // Its first byte is a known event, and the body is one byte shorter than that event's.
    if let [kind, rest @ ..] = body
        && wanted(MessageTypeId::USER_CONTROL, &[0, *kind]) == Some(rest.len() as u32 + 2)
    {
        let title = format!("the type of user control event {kind} is written in one byte{}", more(spots.len()));
        let claim = messages::claim(comparison, &spots, "usercontrol.event", Certainty::Likely, title);
        return vec![
            claim
                .why(format!(
                    "read in two bytes it is event {}; with two bytes for {kind} the length is right",
                    spots[0].text
                ))
                .fix(format!("write the event's type in two bytes: 00 {kind:02x}"))
                .weighing(Severity::Error),
        ];
    }
    let title = format!("unknown user control event {}{}", spots[0].text, more(spots.len()));
    let claim = messages::claim(comparison, &spots, "usercontrol.event", Certainty::Certain, title);
    vec![
        claim
            .why(
                "the specification has events 0 to 4, 6 and 7; Flash also has 26, 27, 31 and 32; strict receivers \
                  close on others",
            )
            .fix("leave it out, or make sure that the receiver ignores it"),
    ]
}

/// How many there are besides the first.
fn more(all: usize) -> String {
    if all > 1 { format!("; this happens {all} times") } else { String::new() }
}
