//! Acknowledgements (RTMP 1.0 5.4.3): missing, or with sequence numbers that do not count the bytes.
//!
//! How many bytes count is not agreed on: some leave out the 3073 bytes of the handshake. How often is neither: at
//! each window, at half of one, at a tenth. Only what no reading allows is reported.

use crate::compare::Comparison;
use crate::recording::Session;
use crate::rtmp::MessageTypeId;
use crate::rules::messages::{self, BodyPlace, DirectionMessages};
use crate::rules::opening::is_over;
use crate::rules::{Certainty, Check, Claim, Impact, Layer, Mode, Page, Rule, Severity};
use crate::session::Direction;

use super::counting::{self, Ack, Count, acks};
use super::{BOTH, back, number, sender};

/// Sequence numbers that fall from here on were meant to begin again.
const HIGH: u32 = 0x7000_0000;
/// So long without a word, in nanoseconds, and a sender has stopped.
const STOPS: f64 = 1e9;

pub static MISSING: Rule = Rule {
    code: "ack-missing",
    layer: Layer::Control,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "the receiver does not acknowledge, and the sender stops",
    page: Page {
        what: "With Window Acknowledgement Size a sender asks for an Acknowledgement each time that many bytes have \
               arrived. Some encoders stop sending when it does not arrive: the stream freezes after one or two \
               windows.",
        looks: "02 00 00 00 00 00 04 05 00 00 00 00 00 26 25 a0   window: 2500000\n\
                02 00 00 00 00 00 04 03 00 00 00 00 00 26 25 a4   the answer, as it should",
        who: "Small servers; Wirecast, and clients made with gortmplib, insist on it.",
        fix: "Count the bytes received, and send type 3 with their number at least once per window.",
        source: "RTMP 1.0 sections 5.4.3 and 5.4.4. ossrs/srs issues 598 and 795; gortmplib: `no acknowledge received within \
                 window`.",
    },
    check: Check::Diff(missing),
};

pub static FLOOD: Rule = Rule {
    code: "ack-flood",
    layer: Layer::Control,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "far more Acknowledgements come than were asked for",
    page: Page {
        what: "An Acknowledgement is due each time a window of bytes has come. This receiver sends them many times as often, after \
               each message or each read. They cost bandwidth and time on both sides, and some servers count so many control \
               messages as an attack.",
        looks: "02 00 00 00 00 00 04 05 00 00 00 00 00 26 25 a0   window: 2500000\n\
                02 00 00 00 00 00 04 03 00 00 00 00 00 00 0c 22   3106\n\
                02 00 00 00 00 00 04 03 00 00 00 00 00 00 0c 32   3122, 16 bytes later",
        who: "Receivers that acknowledge whatever one read brought, and those that compare with the window in the wrong unit.",
        fix: "Count the bytes, and send an Acknowledgement when a window of them, or half of one, has come since the last.",
        source: "RTMP 1.0 sections 5.4.3 and 5.4.4. Healthy receivers send one for each window, half of one or a tenth.",
    },
    check: Check::Diff(flood),
};

pub static INCREMENTAL: Rule = Rule {
    code: "ack-incremental",
    layer: Layer::Control,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "Acknowledgements do not count the bytes received",
    page: Page {
        what: "The sequence number of an Acknowledgement is the number of all bytes so far, modulo 2^32. Here it stays \
               or falls while bytes arrive, as one that counts the bytes since the previous Acknowledgement, or it counts \
               something else: kilobytes, bodies without their headers, 16 bits. A sender that watches it concludes that the \
               receiver is stuck.",
        looks: "02 .. 03 .. 00 00 4e 20   20000 bytes\n\
                02 .. 03 .. 00 00 4e 20   again 20000, after 40000 bytes\n\
                02 .. 03 .. 00 00 9c 40   as it should be",
        who: "livego, old rml_rtmp, YouTube's ingest (131325 each time).",
        fix: "Do not reset the count when an Acknowledgement is sent.",
        source: "RTMP 1.0 section 5.4.3; huiping192/HPRTMP issue 28.",
    },
    check: Check::Diff(|comparison| {
        let claims = BOTH.into_iter().filter_map(|direction| other_things(comparison, direction));
        let claims: Vec<Claim> = claims.collect();
        if claims.is_empty() { counted(comparison, Fault::Stays) } else { claims }
    }),
};

pub static WRAP: Rule = Rule {
    code: "ack-wrap",
    layer: Layer::Control,
    severity: Severity::Warning,
    modes: &[Mode::Lint, Mode::Diff],
    title: "Acknowledgements restart before 2^32",
    page: Page {
        what: "Sequence numbers count modulo 2^32. Here they restart earlier: the receiver resets its count at a limit \
               of its own. A sender that counts modulo 2^32 sees hundreds of megabytes acknowledged at once, or the \
               number fall.",
        looks: "02 .. 03 .. f0 00 00 00   4026531840\n\
                02 .. 03 .. 00 00 4e 68   20072: reset at 0xf0000000",
        who: "nginx-rtmp, Node-Media-Server and SRS reset the count at 0xf0000000, at 3.75 GiB.",
        fix: "Let a 32 bit number overflow by itself.",
        source: "RTMP 1.0 section 5.4.3. illuspas/Node-Media-Server issue 629, ossrs/srs issue 730.",
    },
    check: Check::Diff(|comparison| counted(comparison, Fault::Reset)),
};

pub static BYTE_ORDER: Rule = Rule {
    code: "ack-byte-order",
    layer: Layer::Control,
    severity: Severity::Error,
    modes: &[Mode::Lint, Mode::Diff],
    title: "Acknowledgements are little-endian",
    page: Page {
        what: "The sequence number is written low byte first. Read high byte first it acknowledges more bytes than were sent, \
               and jumps up and down.",
        looks: "02 .. 03 .. c4 09 00 00   sent, for 2500\n\
                02 .. 03 .. 00 00 09 c4   expected",
        who: "Receivers that copy integers from memory.",
        fix: "Write the four bytes high byte first.",
        source: "RTMP 1.0 section 5.4.3; integers are big-endian, section 4.",
    },
    check: Check::Diff(|comparison| {
        let claim = |direction| {
            let acks = low_first(comparison.b, direction)?;
            if comparison.a.is_some_and(|a| low_first(a, direction).is_some()) {
                return None;
            }
            let (first, receiver) = (acks.first()?, sender(back(direction)));
            let meant = first.value.swap_bytes();
            let title =
                format!("the {receiver}'s Acknowledgements are written low byte first: {} for {meant}", first.value);
            let spots = [BodyPlace::new(first.item, 0..4, first.value.to_string())];
            let mut claim = messages::claim(comparison, &spots, "control.sequence_number", Certainty::Certain, title);
            claim.explains.clear();
            let why = format!(
                "{} bytes had arrived by then. Read low byte first, each of the {} numbers is within the bytes that \
                 had arrived, and they grow",
                first.sent,
                acks.len()
            );
            Some(claim.why(why).fix("write the sequence number high byte first"))
        };
        BOTH.into_iter().filter_map(claim).collect()
    }),
};

/// The Acknowledgements of a direction, if they make sense only low byte first: then each is of bytes that had come, and
/// they grow; as they are written, one is of bytes that had not.
fn low_first(session: &Session, direction: Direction) -> Option<Vec<Ack>> {
    let acks = acks(session, direction);
    let grow = acks.windows(2).all(|pair| pair[0].value.swap_bytes() <= pair[1].value.swap_bytes());
    let fit = acks.iter().all(|ack| u64::from(ack.value.swap_bytes()) <= ack.sent);
    let is_too_much = acks.iter().any(|ack| u64::from(ack.value) > ack.sent);
    (acks.len() > 1 && grow && fit && is_too_much).then_some(acks)
}

/// What is wrong with a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It does not grow.
    Stays,
    /// It begins again before 2^32.
    Reset,
}

/// The Acknowledgements of a direction, if they grow and yet count something other than bytes: all of them are far less than
/// what had come, and that by no constant.
fn of_other_things(session: &Session, direction: Direction) -> Option<Vec<Ack>> {
    const FEWER: u64 = 16;
    const ENOUGH: u64 = 16 << 10;
    if !DirectionMessages::of(session, direction).is_complete {
        return None;
    }
    let acks = acks(session, direction);
    let (first, last) = (acks.first()?, acks.last()?);
    let grow = acks.windows(2).all(|pair| pair[0].value <= pair[1].value);
    let is_less = |said: u64, came: u64| said.saturating_mul(FEWER) < came;
    let is_little = is_less(last.value.into(), last.sent)
        && is_less((last.value - first.value.min(last.value)).into(), last.sent - first.sent);
    (acks.len() > 1 && grow && is_little && last.sent - first.sent > ENOUGH).then_some(acks)
}

/// Judges a sequence number by the one before it, and the bytes that came between them.
fn judge(before: u32, after: u32, grown: u64) -> Option<Fault> {
    let said = u64::from(after.wrapping_sub(before));
    // A count that overflows by itself says in the end what has come, or a little more or less.
    let overflows = after < before && said <= 2 * grown + (1 << 20);
    if grown == 0 || after > before || overflows {
        return None;
    }
    Some(if before >= HIGH && after < before { Fault::Reset } else { Fault::Stays })
}

/// Pairs of Acknowledgements of which the second says less than it must.
fn wrong(session: &Session, direction: Direction, fault: Fault) -> Vec<(Ack, Ack)> {
    if low_first(session, direction).is_some() {
        return Vec::new();
    }
    let acks = acks(session, direction);
    let pairs = acks.windows(2).map(|pair| (pair[0], pair[1]));
    let is_wrong =
        |(before, after): &(Ack, Ack)| judge(before.value, after.value, after.sent - before.sent) == Some(fault);
    pairs.filter(is_wrong).collect()
}

/// What the numbers of a direction count in place of bytes, and whether its sender has to take it that a window of them never
/// arrived.
fn other_things(comparison: &Comparison<'_>, direction: Direction) -> Option<Claim> {
    let of = |session: &Session| {
        let is_known = DirectionMessages::of(session, direction).is_complete && low_first(session, direction).is_none();
        let acks = acks(session, direction);
        counting::counted_as(&acks).filter(|_| is_known).map(|count| (acks, count))
    };
    let Some((acks, count)) = of(comparison.b) else { return far_too_few(comparison, direction) };
    if comparison.a.is_some_and(|a| of(a).is_some()) {
        return None;
    }
    let (last, receiver) = (acks.last()?, sender(back(direction)));
    let what = match count {
        Count::Times(factor) if factor < 1.0 => {
            format!("count the bytes divided by {}", crate::amf::number_text((10.0 / factor).round() / 10.0))
        }
        Count::Times(factor) => {
            format!("count the bytes times {}", crate::amf::number_text((10.0 * factor).round() / 10.0))
        }
        Count::Other => "do not count the bytes, but something that grows with them".to_owned(),
        Count::More(more) => format!("are {more} or more ahead of the bytes"),
        Count::Bits(bits) => format!("have the lowest {bits} bits only"),
        Count::Bodies => "count the bodies of messages, without chunk headers".to_owned(),
    };
    let title = format!("the {receiver}'s Acknowledgements {what}: {} after {} bytes", last.value, last.sent);
    let spots = [BodyPlace::new(last.item, 0..4, last.value.to_string())];
    let certainty = if matches!(count, Count::Bodies | Count::Other) { Certainty::Likely } else { Certainty::Certain };
    let mut claim = messages::claim(comparison, &spots, "control.sequence_number", certainty, title);
    claim.explains.clear();
    let why = format!(
        "{} come out so; the sequence number is that of all bytes received so far, chunk headers included",
        messages::count(acks.len(), "number")
    );
    let claim = claim.why(why).fix("send the number of all bytes received so far, modulo 2^32");
    Some(stopping(comparison, direction, claim))
}

/// Where the sender ends or stops with more unacknowledged than it may have, by the numbers it was sent, they are why.
fn stopping(comparison: &Comparison<'_>, direction: Direction, claim: Claim) -> Claim {
    let Some((bytes, window)) = counting::owed(comparison.b, direction) else { return claim };
    let is_ended = comparison.b.stream.end.is_some_and(|end| end.by == sender(direction)) && !is_over(comparison.b);
    if !is_ended {
        return claim;
    }
    let who = sender(direction);
    let why = format!("{}; by them {bytes} bytes are outstanding, and the {who} allows {window}", claim.why);
    claim.why(why).weighing(Severity::Error).breaking(Impact::Response)
}

/// Numbers that are far less than the bytes, by no constant.
fn far_too_few(comparison: &Comparison<'_>, direction: Direction) -> Option<Claim> {
    let acks = of_other_things(comparison.b, direction)?;
    if comparison.a.is_some_and(|a| of_other_things(a, direction).is_some()) {
        return None;
    }
    let (last, receiver) = (acks.last()?, sender(back(direction)));
    let title =
        format!("the {receiver}'s Acknowledgements do not count bytes: {} after {} bytes", last.value, last.sent);
    let spots = [BodyPlace::new(last.item, 0..4, last.value.to_string())];
    let mut claim = messages::claim(comparison, &spots, "control.sequence_number", Certainty::Likely, title);
    claim.explains.clear();
    let why = format!(
        "all {} are far less than the bytes that had come, and grow far slower; a sender that waits for a window of bytes \
         to be acknowledged stops",
        acks.len()
    );
    Some(stopping(comparison, direction, claim.why(why).fix("send the number of all bytes received so far")))
}

fn counted(comparison: &Comparison<'_>, fault: Fault) -> Vec<Claim> {
    let claim = |direction| {
        let pairs = wrong(comparison.b, direction, fault);
        let &(before, after) =
            pairs.first().filter(|_| comparison.a.is_none_or(|a| wrong(a, direction, fault).is_empty()))?;
        let receiver = sender(back(direction));
        let grown = after.sent - before.sent;
        let (title, why, fix) = if fault == Fault::Reset {
            (
                format!("the {receiver}'s Acknowledgements begin again after {}: {}", before.value, after.value),
                format!(
                    "{grown} bytes arrived between them; modulo 2^32 the number grows by {}",
                    after.value.wrapping_sub(before.value)
                ),
                "count modulo 2^32, without resetting the count",
            )
        } else {
            let title = if after.value == before.value {
                format!("the {receiver} acknowledges {} bytes again, although {grown} more have arrived", after.value)
            } else {
                format!("the {receiver} acknowledges {} bytes after {}", after.value, before.value)
            };
            let why = format!(
                "{} bytes have arrived so far, {grown} of them since the last Acknowledgement; the sequence number is \
                 that of all bytes, not of those since the last. It does not grow {}",
                after.sent,
                messages::count(pairs.len(), "time")
            );
            (title, why, "send the number of all bytes so far")
        };
        let spots = [BodyPlace::new(after.item, 0..4, after.value.to_string())];
        let mut claim = messages::claim(comparison, &spots, "control.sequence_number", Certainty::Certain, title);
        claim.explains.clear();
        Some(claim.why(why).fix(fix))
    };
    BOTH.into_iter().filter_map(claim).collect()
}

/// So many Acknowledgements at least are a flood.
const MANY: usize = 10;
/// Once or twice in a window is usual; so often is more than anybody asked for.
const PER_WINDOW: u64 = 5;

/// The Acknowledgements of what goes in a direction, and the window that its sender asked for, where they come far more
/// often than that, and than most messages are long.
fn flooding(session: &Session, direction: Direction) -> Option<(Vec<Ack>, u64)> {
    let window = |kept: &crate::recording::RecordedMessage| {
        let is = kept.header.type_id == MessageTypeId::WINDOW_ACKNOWLEDGEMENT_SIZE;
        number(kept).filter(|&window| is && window > 0).map(u64::from)
    };
    // The window may be among what was not captured.
    if !DirectionMessages::of(session, direction).is_complete {
        return None;
    }
    let own = session.items.iter().filter(|item| item.direction == direction);
    // Without a word of how often, every receiver has a window of its own; 250000 bytes is the least that is usual.
    let window = own.filter_map(|item| window(item.message()?)).next_back().unwrap_or(250_000);
    let acks = acks(session, direction);
    let (first, last) = (acks.first()?, acks.last()?);
    let between = &session.items[first.item..last.item];
    let messages = between.iter().filter(|item| item.direction == direction && item.message().is_some()).count();
    let step = (last.sent - first.sent) / (acks.len() as u64 - 1).max(1);
    (acks.len() >= MANY && acks.len() * 2 >= messages && step * PER_WINDOW < window).then_some((acks, window))
}

fn flood(comparison: &Comparison<'_>) -> Vec<Claim> {
    let claim = |direction| {
        let (acks, window) = flooding(comparison.b, direction)?;
        if comparison.a.is_some_and(|a| flooding(a, direction).is_some()) {
            return None;
        }
        let (first, last) = (acks.first()?, acks.last()?);
        let bytes = last.sent - first.sent;
        let receiver = sender(back(direction));
        let title = format!(
            "the {receiver} sends {} Acknowledgements for {bytes} bytes; one is due every {window}",
            acks.len()
        );
        let spots = [BodyPlace::new(first.item, 0..4, first.value.to_string())];
        let mut claim = messages::claim(comparison, &spots, "control.sequence_number", Certainty::Likely, title);
        claim.explains.clear();
        let why = format!(
            "one comes every {} bytes, which is about every message; healthy receivers send one for each window, or for a tenth \
             of one",
            bytes / (acks.len() as u64 - 1).max(1)
        );
        Some(claim.why(why).fix("acknowledge when a window of bytes has come since the last Acknowledgement"))
    };
    BOTH.into_iter().filter_map(claim).collect()
}

/// Where a sender has more bytes unacknowledged than it may.
struct Over {
    /// The item with which it had.
    item: usize,
    /// The last item of the sender.
    last: usize,
    /// Bytes since the last Acknowledgement.
    bytes: u64,
    window: u64,
    /// Whether no Acknowledgement came at all.
    never: bool,
    /// Whether the sender stops there.
    stops: bool,
}

/// Whether what goes in a direction is acknowledged too late, or not at all, by the window that its sender asked for.
fn over(session: &Session, direction: Direction) -> Option<Over> {
    // An Acknowledgement may be among what was not captured.
    if !DirectionMessages::of(session, back(direction)).is_complete {
        return None;
    }
    let (mut window, mut acked, mut never) = (None, 0, true);
    let (mut first, mut due) = (None, None);
    let mut last: Option<(usize, u64)> = None;
    for (item, row) in session.items.iter().enumerate() {
        let message = row.message();
        let is = |type_id| message.is_some_and(|kept| kept.header.type_id == type_id);
        if row.direction != direction {
            if is(MessageTypeId::ACKNOWLEDGEMENT) {
                acked = last.map_or(0, |(_, sent)| sent);
                (never, first, due) = (false, None, None);
            }
            continue;
        }
        last = Some((item, last.map_or(0, |(_, sent)| sent).max(row.at.end)));
        if is(MessageTypeId::WINDOW_ACKNOWLEDGEMENT_SIZE) {
            window = message.and_then(number).filter(|&window| window > 0).map(u64::from);
            // Before it nobody was asked.
            acked = acked.max(row.at.end);
        }
        let unacknowledged = row.at.end - acked.min(row.at.end);
        if first.is_none() && window.is_some_and(|window| unacknowledged * 2 > window * 3) {
            first = Some(item);
        }
        if due.is_none() && window.is_some_and(|window| unacknowledged >= window) {
            due = Some(item);
        }
    }
    let (last, sent) = last?;
    let idle = (session.stream.start.0 - session.items[last].time.0) as f64 + session.stream.duration * 1e9;
    let stops = idle >= STOPS;
    // Who stops when the first Acknowledgement is due waits for it; who is done has no reason to.
    let item = if stops && !is_over(session) { first.or(due) } else { first };
    Some(Over { item: item?, last, bytes: sent - acked, window: window?, never, stops })
}

fn missing(comparison: &Comparison<'_>) -> Vec<Claim> {
    let claim = |direction| {
        let over_b =
            over(comparison.b, direction).filter(|_| comparison.a.and_then(|a| over(a, direction)).is_none())?;
        let (sends, receives) = (sender(direction), sender(back(direction)));
        let at = if over_b.stops { over_b.last } else { over_b.item };
        let title = format!(
            "the {receives} {} acknowledges{}",
            if over_b.never { "never" } else { "no longer" },
            if over_b.stops { format!(", and the {sends} stops") } else { String::new() }
        );
        let spots = [BodyPlace::new(at, 0..0, format!("{} bytes not acknowledged", over_b.bytes))];
        let mut claim = messages::claim(comparison, &spots, "control.sequence_number", Certainty::Likely, title);
        claim.explains.clear();
        let claim = claim
            .why(format!(
                "the {sends} asked for an Acknowledgement every {} bytes, and has sent {} since it {}{}",
                over_b.window,
                over_b.bytes,
                if over_b.never { "asked" } else { "received the last" },
                if over_b.stops { "; then it sends nothing more" } else { "" }
            ))
            .fix("as the receiver, send type 3 with the number of bytes so far, at least once for each window");
        Some(if over_b.stops { claim.breaking(Impact::Response) } else { claim.weighing(Severity::Warning) })
    };
    BOTH.into_iter().filter_map(claim).collect()
}

#[cfg(test)]
mod tests {
    use super::{Fault, judge};

    #[test]
    fn only_what_no_reading_allows_is_wrong() {
        let cases = [
            // (before, after, bytes between them)
            (20_000, 40_000, 20_000, None),
            // With the handshake from here on, or without: 3073 bytes.
            (20_000, 43_073, 20_000, None),
            // Twice for the same bytes.
            (20_000, 20_000, 0, None),
            (20_000, 20_000, 20_000, Some(Fault::Stays)),
            (131_325, 131_320, 131_320, Some(Fault::Stays)),
            // 2^32 - 1000 and 4000 bytes more: an overflow as it should be.
            (0xffff_fc18, 3000, 4000, None),
            // Set back at 0xf0000000.
            (0xf000_0000, 20_072, 20_072, Some(Fault::Reset)),
            (0x7fff_ff00, 20_072, 20_072, Some(Fault::Reset)),
        ];
        for (before, after, grown, fault) in cases {
            assert_eq!(judge(before, after, grown), fault, "{before} {after}");
        }
    }
}
