//! Rules of protocol control and user control messages (RTMP 1.0 5.4, 7.1.7).

mod flow;
mod ping;

use crate::compare::{Comparison, MESSAGE, Side};
use crate::recording::Kept;
use crate::rtmp::MessageTypeId;
use crate::session::Direction;

use super::oddity::{self, Oddity};
use super::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};

pub use flow::{ACK_INCREMENTAL, ACK_MISSING, ACK_WRAP};
pub use ping::{UNANSWERED, WRONG_REPLY};

pub static MSID_NONZERO: Rule = Rule {
    code: "ctl-msid-nonzero",
    layer: Layer::Control,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a control message is sent on a message stream",
    page: Page {
        what: "Messages of types 1 to 6 concern the connection and belong on message stream 0, chunk stream 2.",
        looks: "02 00 00 00 00 00 04 01 01 00 00 00   00 00 10 00\n\
                \n\
                The last four bytes of the header, little-endian, are 1 where 0 is meant.",
        who: "Writers that put one stream id into all headers; livego sends user control messages on stream 1.",
        fix: "Write message stream 0 into the headers of types 1 to 6.",
        source: "RTMP 1.0 sections 5.4 and 6.2.",
    },
    check: Check::Diff(|comparison| {
        oddity::claims(
            comparison,
            |_, kept| {
                let stream = kept.header.message_stream_id.map(|stream| stream.0).filter(|&stream| stream != 0)?;
                let name = is_control(kept).then(|| kept.header.type_id.name())?;
                Some(Oddity::certain(
                    format!("{name} is sent on message stream {stream}, not on 0"),
                    format!("types 1 to 6 belong to the connection; the header of {name} says stream {stream}"),
                    "write message stream 0 into the headers of types 1 to 6",
                ))
            },
            |path| path == "header.streamid",
        )
    }),
};

pub static LENGTH: Rule = Rule {
    code: "ctl-length",
    layer: Layer::Control,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a control message is too short or too long",
    page: Page {
        what: "Control messages have fixed lengths: 4 bytes for types 1, 2, 3 and 5, 5 for type 6; user control events have \
               6, Set Buffer Length has 10.",
        looks: "02 00 00 00 00 00 02 05 00 00 00 00   00 4c\n\
                \n\
                A window of two bytes. Receivers ignore the message, or read what lies behind it.",
        who: "Writers with integers of the wrong width, or that forget the limit type of Set Peer Bandwidth.",
        fix: "Write all fields, each in its full width.",
        source: "RTMP 1.0 sections 5.4 and 7.1.7; nginx-rtmp logs a too small buffer.",
    },
    check: Check::Diff(|comparison| {
        oddity::claims(
            comparison,
            |item, kept| {
                let codes = ["body-short", "control-trailing-bytes"];
                let defect = item.defects.iter().find(|defect| codes.contains(&defect.code))?;
                let event = kept.body.get(..2).map(|event| u16::from_be_bytes([event[0], event[1]]));
                let due = match (kept.header.type_id.0, event) {
                    (1..=3 | 5, _) => 4,
                    (6, _) => 5,
                    (4, Some(3)) => 10,
                    (4, Some(26)) => 2,
                    (4, Some(27)) => 44,
                    (4, _) => 6,
                    _ => return None,
                };
                let (name, length) = (kept.header.type_id.name(), kept.header.length);
                (length != due).then(|| {
                    Oddity::certain(
                        format!("{name} has {length} bytes, not {due}"),
                        format!("{}; a receiver ignores it, or takes what it finds", defect.message),
                        format!("write all {due} bytes of it"),
                    )
                })
            },
            |_| true,
        )
    }),
};

pub static WINDOW_TINY: Rule = Rule {
    code: "winack-tiny",
    layer: Layer::Control,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the acknowledgement window is tiny",
    page: Page {
        what: "A side asks to be sent an Acknowledgement after a handful of bytes, or after none.",
        looks: "02 00 00 00 00 00 04 05 00 00 00 00   00 00 00 00\n\
                \n\
                Usual windows are 2500000 and 5000000 bytes; below 32768 receivers spend their time acknowledging.",
        who: "Senders that leave the value uninitialised, or write a count of kilobytes.",
        fix: "Announce a window of some 2500000 bytes.",
        source: "RTMP 1.0 section 5.4.4; ZLMediaKit raises windows to 32 KiB at least.",
    },
    check: Check::Diff(|comparison| {
        oddity::claims(
            comparison,
            |_, kept| {
                let window = number(kept, MessageTypeId::WINDOW_ACKNOWLEDGEMENT_SIZE).filter(|&size| size < 1 << 15)?;
                Some(Oddity::certain(
                    format!("Window Acknowledgement Size is {window}"),
                    format!("the receiver is asked to acknowledge after {window} bytes; usual is 2500000 or more"),
                    "announce a window of some 2500000 bytes",
                ))
            },
            |path| path == "scm.was",
        )
    }),
};

pub static UCM_UNKNOWN: Rule = Rule {
    code: "ucm-unknown",
    layer: Layer::Control,
    severity: Severity::Info,
    modes: &[Mode::Lint, Mode::Diff],
    title: "a user control event that the specification does not know",
    page: Page {
        what: "A user control message has an event type that is not defined. Most receivers skip it, strict ones close.",
        looks: "02 00 00 00 00 00 06 04 00 00 00 00   00 32 00 00 00 01\n\
                \n\
                Event 0x32, 50. Known are 0 to 4, 6 and 7, and of Flash servers 26, 27, 31 and 32.",
        who: "Servers with events of their own.",
        fix: "Send only defined events; as a receiver, skip unknown ones.",
        source: "RTMP 1.0 section 7.1.7; gortmplib gives up on unknown events.",
    },
    check: Check::Diff(|comparison| {
        oddity::claims(
            comparison,
            |_, kept| {
                let (event, _) = event(kept)?;
                (!matches!(event, 0..=4 | 6 | 7 | 26 | 27 | 31 | 32)).then(|| {
                    Oddity::certain(
                        format!("user control event {event} is not defined"),
                        format!("event {event:#06x} is none of 0 to 4, 6, 7, 26, 27, 31 and 32; strict peers close"),
                        "send only events that are defined",
                    )
                })
            },
            |_| true,
        )
    }),
};

pub static ABORT: Rule = Rule {
    code: "abort-ignored",
    layer: Layer::Control,
    severity: Severity::Warning,
    modes: &[Mode::Diff],
    title: "a message is abandoned with Abort, which many receivers ignore",
    page: Page {
        what: "Abort (type 2) tells the receiver to drop the unfinished message of a chunk stream. Receivers that ignore it put \
               the dropped bytes in front of the next message. Whether they do shows only in what they pass on.",
        looks: "02 00 00 00 00 00 04 02 00 00 00 00   00 00 00 06\n\
                \n\
                The unfinished message on chunk stream 6 is dropped.",
        who: "nginx-rtmp, Node-Media-Server and GStreamer ignore Abort.",
        fix: "Finish every message that was begun.",
        source: "RTMP 1.0 section 5.4.2; RTMP errata section 6; measured with both servers.",
    },
    check: Check::Diff(|comparison| {
        oddity::claims(
            comparison,
            |_, kept| {
                let csid = number(kept, MessageTypeId::ABORT)?;
                Some(Oddity {
                    certainty: Certainty::Possible,
                    ..Oddity::certain(
                        format!("the message on chunk stream {csid} is abandoned with Abort"),
                        "a receiver that ignores Abort puts the abandoned bytes in front of the next message",
                        "finish every message that was begun",
                    )
                })
            },
            |_| true,
        )
    }),
};

pub static WINDOW_ABSENT: Rule = Rule {
    code: "winack-absent",
    layer: Layer::Control,
    severity: Severity::Info,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the client sends no Window Acknowledgement Size",
    page: Page {
        what: "The client does not say after how many bytes it wants an Acknowledgement. Some servers send none then.",
        looks: "02 00 00 00 00 00 04 05 00 00 00 00   00 4c 4b 40\n\
                \n\
                This message, 5000000 bytes, is not there.",
        who: "Many publishers; nginx-rtmp acknowledges only who asked.",
        fix: "Send Window Acknowledgement Size behind the _result of connect, if Acknowledgements are needed.",
        source: "RTMP 1.0 section 5.4.4; nginx-rtmp's handling of ack_size.",
    },
    check: Check::Diff(window_absent),
};

fn window_absent(comparison: &Comparison<'_>) -> Vec<Claim> {
    let asks = |side| {
        let mut items =
            comparison.session(side).items.iter().filter(|item| item.direction == Direction::ClientToServer);
        items.any(|item| {
            item.message().is_some_and(|kept| kept.header.type_id == MessageTypeId::WINDOW_ACKNOWLEDGEMENT_SIZE)
        })
    };
    if !asks(Side::A) || asks(Side::B) {
        return Vec::new();
    }
    let is_it = |&index: &usize| {
        let mismatch = &comparison.mismatches[index];
        mismatch.path == MESSAGE
            && comparison.item(mismatch.row, Side::A).is_some_and(|item| {
                let window = MessageTypeId::WINDOW_ACKNOWLEDGEMENT_SIZE;
                item.direction == Direction::ClientToServer
                    && item.message().is_some_and(|kept| kept.header.type_id == window)
            })
    };
    let all: Vec<usize> = comparison.open().filter(is_it).collect();
    let Some(&first) = all.first() else { return Vec::new() };
    let claim = Claim::at(comparison, first, Certainty::Certain, "the client sends no Window Acknowledgement Size");
    vec![
        claim
            .why("some servers acknowledge only what they were asked to")
            .fix("send it behind the _result of connect, if Acknowledgements are needed")
            .explaining(all),
    ]
}

fn is_control(kept: &Kept) -> bool {
    (1..=6).contains(&kept.header.type_id.0)
}

/// The number that a control message of this type begins with.
fn number(kept: &Kept, type_id: MessageTypeId) -> Option<u32> {
    let bytes = (kept.header.type_id == type_id).then(|| kept.body.first_chunk::<4>())??;
    Some(u32::from_be_bytes(*bytes))
}

/// The event of a user control message, and its first four bytes of data.
fn event(kept: &Kept) -> Option<(u16, Option<[u8; 4]>)> {
    let (event, data) = kept.body.split_first_chunk::<2>()?;
    (kept.header.type_id == MessageTypeId::USER_CONTROL)
        .then(|| (u16::from_be_bytes(*event), data.first_chunk().copied()))
}
