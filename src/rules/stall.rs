//! The rule for receivers that stop reading: TCP says so, and RTMP on top of it just stands still.

use crate::compare::{Comparison, Side, Value};
use crate::session::Direction;
use crate::streams::WindowClosed;

use super::opening::{CLIENT, Opening, SERVER};
use super::{Certainty, Check, Claim, Layer, Mode, Page, Rule, Severity};

pub static TCP_STALL: Rule = Rule {
    code: "tcp-stall",
    layer: Layer::Capture,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the receiver accepts no more bytes",
    page: Page {
        what: "A receiver's TCP window announces how many bytes it still accepts. Here it is zero for seconds, or to \
               the end: the receiving program does not read its socket. The sender is stuck, its queue and its memory \
               grow, and what it queues becomes outdated.",
        looks: "50 10 00 00 ..   the TCP header of an ACK with window 0\n\
                50 10 02 00 ..   the same with space for 512 units",
        who: "Players that are paused, or decode slower than the stream runs; servers whose disk, transcoder or next hop is \
              too slow; two programs that wait for each other.",
        fix: "Look at what the receiver does while it does not read. A sender should drop frames before its socket \
              buffer is full.",
        source: "RFC 9293 sections 3.8.6 and 3.8.6.1: the window, and probes of a closed one.",
    },
    check: Check::Diff(stalled),
};

/// Shorter than this, in seconds, and the receiver was only busy.
const LONG: f64 = 3.0;

fn stalled(comparison: &Comparison<'_>) -> Vec<Claim> {
    [CLIENT, SERVER].into_iter().filter_map(|receiver| of_receiver(comparison, receiver)).collect()
}

fn of_receiver(comparison: &Comparison<'_>, receiver: Direction) -> Option<Claim> {
    let stands_still = |side| {
        let closed = Opening::of(comparison.session(side)?).count(receiver).window_closed;
        closed.filter(|closed| closed.seconds >= if closed.reopened { LONG } else { super::opening::WAITS })
    };
    let (closed, None) = (stands_still(Side::B)?, stands_still(Side::A)) else { return None };
    // The last message that came before it.
    let sender = receiver.back();
    let before = |&row: &usize| comparison.item(row, Side::B).is_some_and(|item| item.frames[0] <= closed.frame);
    let row = comparison.rows_of(sender).filter(before).last()?;
    let (who, whom) = if receiver == CLIENT { ("client", "server") } else { ("server", "client") };
    let WindowClosed { frame, seconds, reopened } = closed;
    let until = if reopened { "and then continues to read" } else { "up to the end" };
    let title = format!("the {who} accepts no bytes for {seconds:.1} s, {until}: its TCP window is closed");
    let why =
        format!("frame {frame} announces a window of 0; the {whom} cannot send, and its messages wait or are dropped");
    let value = Value::words("window 0");
    let fix = format!("find out why the {who} does not read: paused, too slow, or waiting for something itself");
    let claim = Claim::on(row, "tcp.window", [None, Some(value)], Certainty::Likely, title).why(why).fix(fix);
    // Who reads on has only lost time.
    Some(if reopened { claim.weighing(Severity::Warning) } else { claim })
}
