//! Acknowledgements: whether they come, and what they count.

use crate::compare::{Comparison, Lane};
use crate::recording::Session;
use crate::rtmp::MessageTypeId;
use crate::session::Direction;

use super::super::oddity::{self, Oddity};
use super::super::{Breaks, Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};
use super::number;

pub static ACK_MISSING: Rule = Rule {
    code: "ack-missing",
    layer: Layer::Control,
    severity: Severity::Error,
    modes: &[Mode::Diff],
    title: "the receiver never acknowledges, and the sender stops",
    page: Page {
        what: "A sender announced an acknowledgement window, sent more than it, got no Acknowledgement, and stopped.",
        looks: "02 00 00 00 00 00 04 03 00 00 00 00   00 26 25 a0\n\
                \n\
                This message, 2500000 bytes received so far, does not come.",
        who: "Receivers that skip type 5; senders such as Wirecast and Flash Media Server enforce the window.",
        fix: "As the receiver, send the number of bytes received so far each time the window is full.",
        source: "RTMP 1.0 sections 5.4.3 and 5.4.4.",
    },
    check: Check::Diff(|comparison| DIRECTIONS.into_iter().filter_map(|sender| missing(comparison, sender)).collect()),
};

pub static ACK_INCREMENTAL: Rule = Rule {
    code: "ack-incremental",
    layer: Layer::Control,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "Acknowledgements do not count all bytes so far",
    page: Page {
        what: "An Acknowledgement holds the bytes received since the beginning. Here it holds those since the last one.",
        looks: "02 00 00 00 00 00 04 03 00 00 00 00   00 02 00 fd\n\
                \n\
                131325 each time, while the bytes grow.",
        who: "livego, rml_rtmp, and YouTube.",
        fix: "Send the total of bytes received, modulo 2^32.",
        source: "RTMP 1.0 section 5.4.3.",
    },
    check: Check::Diff(|comparison| values(comparison, false)),
};

pub static ACK_WRAP: Rule = Rule {
    code: "ack-wrap",
    layer: Layer::Control,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "Acknowledgements begin again before 2^32",
    page: Page {
        what: "The number in an Acknowledgement is to run on to 2^32 and then from 0. Here it falls back before.",
        looks: "02 00 00 00 00 00 04 03 00 00 00 00   f0 00 00 00   then 00 00 4e 68",
        who: "nginx-rtmp, Node-Media-Server and SRS, which reset their counters at 0xf0000000.",
        fix: "Count modulo 2^32.",
        source: "RTMP 1.0 section 5.4.3.",
    },
    check: Check::Diff(|comparison| values(comparison, true)),
};

const DIRECTIONS: [Direction; 2] = [Direction::ClientToServer, Direction::ServerToClient];

fn missing(comparison: &Comparison<'_>, sender: Direction) -> Option<Claim> {
    let is_ack = |session: &Session| acks(session).iter().any(|ack| session.items[ack.index].direction != sender);
    if !is_ack(comparison.a) || is_ack(comparison.b) {
        return None;
    }
    let items = || comparison.b.items.iter().enumerate().filter(|(_, item)| item.direction == sender);
    let asked = |item: &crate::recording::Item| number(item.message()?, MessageTypeId::WINDOW_ACKNOWLEDGEMENT_SIZE);
    let (from, window) = items().find_map(|(_, item)| Some((item.at.end, asked(item)?)))?;
    let (last, item) = items().last()?;
    let sent = item.at.end.saturating_sub(from);
    let row = comparison.rows.iter().position(|row| row.b == Some(last))?;
    let goes_on = comparison.rows_of(sender).filter(|&later| later > row).count() > 0;
    let in_the_middle = matches!(comparison.either(row).lane, Lane::Audio | Lane::Video);
    if sent * 2 <= u64::from(window) * 3 || !goes_on || !in_the_middle {
        return None;
    }
    let oddity = Oddity {
        certainty: Certainty::Likely,
        ..Oddity::certain(
            format!("{sent} bytes were never acknowledged, and the sender stopped"),
            format!("an Acknowledgement was due every {window} bytes, and comes in the other capture"),
            "as the receiver, acknowledge all bytes received so far each time the window is full",
        )
    };
    Some(oddity::claim(comparison, row, &[], oddity, |_| false).breaking(Breaks::Answer))
}

/// An Acknowledgement.
struct Ack {
    index: usize,
    value: u32,
    /// How many bytes the other side had sent.
    received: u64,
}

fn acks(session: &Session) -> Vec<Ack> {
    let mut ends = [0u64; 2];
    let mut acks = Vec::new();
    for (index, item) in session.items.iter().enumerate() {
        let own = item.direction.index();
        ends[own] = ends[own].max(item.at.end);
        if let Some(value) = item.message().and_then(|kept| number(kept, MessageTypeId::ACKNOWLEDGEMENT)) {
            acks.push(Ack { index, value, received: ends[1 - own] });
        }
    }
    acks
}

/// The first pair of Acknowledgements of one direction that does not fit: they wrap too early, or do not grow.
fn misfit(session: &Session, wraps: bool) -> Option<(Ack, u32, u64)> {
    const NEAR_THE_END: u32 = 0xe000_0000;
    let mut last: [Option<(u32, u64)>; 2] = [None; 2];
    for ack in acks(session) {
        let before = last[session.items[ack.index].direction.index()].replace((ack.value, ack.received));
        let Some((value, received)) = before else { continue };
        let came = ack.received.saturating_sub(received);
        let step = u64::from(ack.value.wrapping_sub(value));
        let early = ack.value < value && value >= NEAR_THE_END && step > came.saturating_mul(16).max(1 << 20);
        // The same twice in a row happens to be sent when little has come since.
        let stands = ack.value <= value && value < NEAR_THE_END && came * 2 >= u64::from(ack.value) && came > 0;
        if if wraps { early } else { stands } {
            return Some((ack, value, came));
        }
    }
    None
}

fn values(comparison: &Comparison<'_>, wraps: bool) -> Vec<Claim> {
    if misfit(comparison.a, wraps).is_some() {
        return Vec::new();
    }
    let Some((ack, before, came)) = misfit(comparison.b, wraps) else { return Vec::new() };
    let Some(row) = comparison.rows.iter().position(|row| row.b == Some(ack.index)) else { return Vec::new() };
    let why = format!("{came} bytes came between the two, and the number is to be the total so far, modulo 2^32");
    let title = if wraps {
        format!("Acknowledgements fall from {before:#x} to {} before 2^32", ack.value)
    } else {
        format!("Acknowledgements do not grow: {} behind {before}", ack.value)
    };
    let oddity = Oddity::certain(title, why, "send the total of bytes received, modulo 2^32");
    vec![oddity::claim(comparison, row, &[], oddity, |_| false)]
}
