//! Window Acknowledgement Size (RTMP 1.0 5.4.4): absent or too small.

use crate::compare::{Comparison, Side};
use crate::recording::{RecordedMessage, Session};
use crate::rtmp::MessageTypeId;
use crate::rules::messages::{self, BodyPlace, DirectionMessages};
use crate::rules::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction;

/// Below this, Acknowledgements cost more than they are worth: ZLMediaKit takes no less.
const LEAST: u32 = 32 << 10;
/// Below this, each message is to be acknowledged.
const LOOPS: u32 = 1 << 10;

pub static ABSENT: Rule = Rule {
    code: "winack-absent",
    layer: Layer::Control,
    severity: Severity::Info,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the client sends no Window Acknowledgement Size",
    page: Page {
        what: "With Window Acknowledgement Size the client asks for an Acknowledgement after that many bytes. Servers \
               that are not asked never send one; a client that waits for one, or measures its bandwidth by them, \
               waits in vain.",
        looks: "02 00 00 00 00 00 04 05 00 00 00 00 00 4c 4b 40   a window of 5000000",
        who: "ffmpeg and OBS as publishers send none and do not need it; GStreamer and ffmpeg as a player send one.",
        fix: "If Acknowledgements are wanted, send type 5 after the answer to connect.",
        source: "RTMP 1.0 section 5.4.4. nginx-rtmp acknowledges only then: ngx_rtmp_handler.c, ack_size.",
    },
    check: Check::Diff(absent),
};

pub static TINY: Rule = Rule {
    code: "winack-tiny",
    layer: Layer::Control,
    severity: Severity::Info,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the Window Acknowledgement Size is very small",
    page: Page {
        what: "The receiver acknowledges each time that many bytes have arrived. With a window of 0, or of fewer bytes \
               than a video frame, it sends one for each message: both sides spend their time on them, and some fall \
               into a loop.",
        looks: "02 00 00 00 00 00 04 05 00 00 00 00 00 00 00 64   100 bytes\n\
                02 00 00 00 00 00 04 05 00 00 00 00 00 4c 4b 40   5000000",
        who: "Senders that write the window in kilobytes, or leave the field at 0.",
        fix: "Send 2500000 or 5000000, as most do; in the receiver, use at least 32 KiB.",
        source: "RTMP 1.0 section 5.4.4. ZLMediaKit issue 1839: a stack overflow.",
    },
    check: Check::Diff(tiny),
};

fn absent(comparison: &Comparison<'_>) -> Vec<Claim> {
    let asks = |session: &Session| {
        let flow = DirectionMessages::of(session, Direction::ClientToServer);
        let asks =
            flow.messages.iter().any(|(_, kept)| kept.header.type_id == MessageTypeId::WINDOW_ACKNOWLEDGEMENT_SIZE);
        (asks, flow.is_complete)
    };
    if asks(comparison.b) != (false, true) {
        return Vec::new();
    }
    let title = "the client sends no Window Acknowledgement Size";
    let fix = "nothing, if no Acknowledgements are wanted; otherwise send type 5 after the answer to connect";
    let Some(a) = comparison.a else {
        // By itself a missing window is worth a word only where much was sent and nothing acknowledged.
        let server = DirectionMessages::of(comparison.b, Direction::ServerToClient);
        let is_ack = |(_, kept): &(usize, &RecordedMessage)| kept.header.type_id == MessageTypeId::ACKNOWLEDGEMENT;
        let sent = comparison.b.stream.client_to_server.bytes;
        let row = comparison.rows_of(Direction::ClientToServer).next();
        let is_worth = sent >= MUCH && server.is_complete && !server.messages.iter().any(is_ack);
        let claim = |row| Claim::of_message(comparison, row, "control.window_size", Certainty::Certain, title);
        let why =
            format!("the client sent {sent} bytes, and the server acknowledged none of them: it was never asked to");
        return row.filter(|_| is_worth).map(|row| claim(row).why(why).fix(fix)).into_iter().collect();
    };
    if !asks(a).0 {
        return Vec::new();
    }
    let is_window = |index: &usize| {
        let mismatch = &comparison.mismatches[*index];
        let item = comparison.item(mismatch.row, Side::A);
        let type_id = item.and_then(|item| item.message()).map(|kept| kept.header.type_id);
        mismatch.is_whole_message()
            && type_id == Some(MessageTypeId::WINDOW_ACKNOWLEDGEMENT_SIZE)
            && comparison.either_item(mismatch.row).direction == Direction::ClientToServer
    };
    let explains: Vec<usize> = comparison.open().filter(is_window).collect();
    let Some(&first) = explains.first() else { return Vec::new() };
    vec![
        Claim::at(comparison, first, Certainty::Certain, title)
            .explaining(explains)
            .why(
                "A's client asks for an Acknowledgement after a number of bytes; a server that is not asked may never \
                  send one",
            )
            .fix(fix),
    ]
}

/// More than the windows that are usual, in bytes.
const MUCH: u64 = 5_000_000;

fn tiny(comparison: &Comparison<'_>) -> Vec<Claim> {
    let find = |flow: &DirectionMessages<'_>| -> Vec<BodyPlace> {
        let spot = |(item, body): (usize, &[u8])| {
            let window = u32::from_be_bytes(body.try_into().ok()?);
            (window < LEAST).then(|| BodyPlace::new(item, 0..4, window.to_string()))
        };
        flow.of_type(MessageTypeId::WINDOW_ACKNOWLEDGEMENT_SIZE).filter_map(spot).collect()
    };
    let Some(spots) = messages::only_in_b(comparison, find) else { return Vec::new() };
    let title = format!("the Window Acknowledgement Size is {}", spots[0].text);
    let claim = messages::claim(comparison, &spots, "control.window_size", Certainty::Certain, title);
    // Smaller than a message: then each is to be acknowledged, and an Acknowledgement is a message itself.
    let window = comparison.b.items[spots[0].item].message().and_then(super::number);
    let loops = window.is_some_and(|window| window < LOOPS);
    let claim = if loops { claim.weighing(Severity::Warning) } else { claim };
    vec![
        claim
            .why(
                "the receiver acknowledges each time that many bytes have arrived: below 32 KiB, that is nearly every \
                  message",
            )
            .fix("send a window of some megabytes, 2500000 or 5000000"),
    ]
}
