//! What a receiver's Acknowledgements count, where that is not the bytes it has received.
//!
//! Takes the sequence numbers of a direction and what had come before each, returns the one mistake with which all of them
//! come out: a constant factor, a constant more, fewer bits, or the bodies of messages only. How late a receiver is against
//! the capture is not known, and some leave out the handshake: what that could explain is no mistake.

use crate::recording::Session;
use crate::rtmp::MessageTypeId;
use crate::session::Direction;

use super::number;

/// An Acknowledgement, and what there was to acknowledge.
#[derive(Clone, Copy)]
pub struct Ack {
    /// Index of its item.
    pub item: usize,
    /// Its sequence number.
    pub value: u32,
    /// The bytes of the other direction in the messages that came before it in the capture.
    pub sent: u64,
    /// Those with the message that was on its way.
    most: u64,
    /// The bytes of the bodies of those messages, and with the one on its way.
    bodies: [u64; 2],
}

/// What the numbers are in place of the bytes received.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Count {
    /// The bytes times this.
    Times(f64),
    /// Something that grows as the bytes do, by a factor that nobody uses: messages, perhaps, or milliseconds.
    Other,
    /// As much more than the bytes.
    More(u64),
    /// The lowest bits of the number only.
    Bits(u32),
    /// The bodies of the messages, without handshake and chunk headers.
    Bodies,
}

/// C0, C1 and C2 are not counted by all.
const HANDSHAKE: u64 = 3073;
/// Fewer bytes than these are no rate.
const ENOUGH: u64 = 2 * HANDSHAKE;

/// The Acknowledgements of what goes in a direction.
pub fn acks(session: &Session, direction: Direction) -> Vec<Ack> {
    let (mut sent, mut bodies) = (0, 0);
    let mut acks: Vec<Ack> = Vec::new();
    let mut open = 0;
    for (item, row) in session.items.iter().enumerate() {
        if row.direction == direction {
            sent = sent.max(row.at.end);
            let body = row.message().map_or(0, |kept| u64::from(kept.header.length));
            for ack in &mut acks[open..] {
                (ack.most, ack.bodies[1]) = (sent, bodies + body);
            }
            open = acks.len();
            bodies += body;
            continue;
        }
        let Some(kept) = row.message().filter(|kept| kept.header.type_id == MessageTypeId::ACKNOWLEDGEMENT) else {
            continue;
        };
        let ack = |value| Ack { item, value, sent, most: sent, bodies: [bodies, bodies] };
        acks.extend(number(kept).map(ack));
    }
    // Of what came after the last of them the capture may have nothing.
    let side = match direction {
        Direction::ClientToServer => &session.stream.client_to_server,
        Direction::ServerToClient => &session.stream.server_to_client,
    };
    for ack in &mut acks[open..] {
        ack.most = ack.most.max(side.bytes);
        ack.bodies[1] += ack.most - ack.sent;
    }
    acks
}

/// The mistake with which all of the numbers come out. Nothing if the bytes fit them.
pub fn counted_as(acks: &[Ack]) -> Option<Count> {
    let (first, last) = (acks.first()?, acks.last()?);
    // Beyond 2^32 numbers begin again, and nothing is known of a single one.
    if last.most > u64::from(u32::MAX) {
        return None;
    }
    let value = |ack: &Ack| u64::from(ack.value);
    let grows = acks.len() > 1 && last.sent >= first.sent + ENOUGH / 2 && last.sent > ENOUGH;
    let times = || {
        let least = acks.iter().map(|ack| value(ack) as f64 / ack.most as f64).fold(0.0, f64::max);
        let most = |ack: &Ack| (value(ack) + 1) as f64 / ack.sent.saturating_sub(HANDSHAKE).max(1) as f64;
        let most = acks.iter().map(most).fold(f64::INFINITY, f64::min);
        // A receiver that is late says less, and catches up.
        let is_other = most < 0.8 || least > 1.05;
        let is_narrow = most < least * 1.5 && (acks.len() > 2 || most < least * 1.1 || most < 1.0 / 16.0);
        (grows && is_other && least > 0.0 && least <= most && is_narrow)
            .then(|| named(least, most).map_or(Count::Other, Count::Times))
    };
    let more = || {
        let least = acks.iter().map(|ack| value(ack).saturating_sub(ack.most)).max()?;
        let most = acks.iter().map(|ack| value(ack).saturating_sub(ack.sent.saturating_sub(HANDSHAKE))).min()?;
        let is_more = acks.iter().all(|ack| value(ack) > ack.most + HANDSHAKE);
        (is_more && least <= most).then_some(Count::More(least))
    };
    let bits = |bits: u32| {
        let size = 1_u64 << bits;
        let is_cut = acks.iter().all(|ack| value(ack) < size) && last.sent >= size + HANDSHAKE;
        let slack = size / 8;
        let fits = |ack: &Ack| {
            let lag = (ack.most + size - value(ack)) % size;
            lag <= ack.most - ack.sent + HANDSHAKE + slack
        };
        (is_cut && acks.len() > 1 && acks.iter().all(fits)).then_some(Count::Bits(bits))
    };
    let bodies = || {
        let is_body = |ack: &Ack| (ack.bodies[0]..=ack.bodies[1]).contains(&value(ack));
        // The headers make a difference that the handshake is not.
        let lacks = |ack: &Ack| ack.sent.saturating_sub(value(ack));
        let is_less = lacks(last) > HANDSHAKE && lacks(last) > lacks(first) && lacks(first) >= HANDSHAKE;
        let apart = last.sent.saturating_sub(HANDSHAKE).saturating_sub(last.bodies[1]);
        (acks.len() > 2 && grows && is_less && apart > 0 && acks.iter().all(is_body)).then_some(Count::Bodies)
    };
    bits(16).or_else(|| bits(24)).or_else(times).or_else(more).or_else(bodies)
}

/// The factor between two that somebody would use, if there is one.
fn named(least: f64, most: f64) -> Option<f64> {
    const USUAL: [f64; 13] = [
        1.0 / 1024.0,
        1.0 / 1000.0,
        1.0 / 1_048_576.0,
        1.0 / 1_000_000.0,
        1.0 / 8.0,
        1.0 / 4.0,
        1.0 / 2.0,
        2.0,
        4.0,
        8.0,
        1000.0,
        1024.0,
        1.0 / 16.0,
    ];
    let is_in = |factor: &&f64| (least..=most).contains(*factor);
    USUAL.iter().find(is_in).copied()
}

/// Bytes of a direction that its receiver owes an Acknowledgement of: a window of them or more is not acknowledged, by the
/// numbers that the sender was sent. The bytes, and the window.
pub fn owed(session: &Session, direction: Direction) -> Option<(u64, u64)> {
    let (mut window, mut acknowledged, mut sent) = (None, 0, 0);
    for item in &session.items {
        let message = item.message();
        let is = |type_id| message.is_some_and(|kept| kept.header.type_id == type_id);
        if item.direction == direction {
            sent = sent.max(item.at.end);
            if is(MessageTypeId::WINDOW_ACKNOWLEDGEMENT_SIZE) {
                window = message.and_then(number).filter(|&window| window > 0).map(u64::from);
                acknowledged = acknowledged.max(item.at.end);
            }
        } else if is(MessageTypeId::ACKNOWLEDGEMENT) {
            acknowledged = message.and_then(number).map_or(acknowledged, u64::from);
        }
    }
    let (open, window) = (sent.checked_sub(acknowledged)?, window?);
    // Without the handshake, which not all count.
    (sent <= u64::from(u32::MAX) && open >= window + HANDSHAKE).then_some((open, window))
}

#[cfg(test)]
mod tests {
    use super::{Ack, Count, counted_as};

    /// An Acknowledgement of each place in a stream, with a message of 700 bytes on its way; bodies have 19 of 20 bytes.
    fn of(places: &[u64], count: impl Fn(u64) -> u64) -> Option<Count> {
        let bodies = |bytes: u64| (bytes - 3073) * 19 / 20;
        let ack = |&sent: &u64| Ack {
            item: 0,
            value: count(sent + 200) as u32,
            sent,
            most: sent + 700,
            bodies: [bodies(sent), bodies(sent + 700)],
        };
        counted_as(&places.iter().map(ack).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_counted_is_told_and_lag_is_not() {
        const PLACES: [u64; 4] = [23_000, 43_000, 63_000, 143_000];
        for shift in [0, 3073, 5000] {
            assert_eq!(of(&PLACES, |bytes| bytes - shift), None, "{shift}");
        }
        // One that lags more and more: it is slow.
        assert_eq!(of(&PLACES, |bytes| bytes - bytes / 10), None);
        for (factor, meant) in [(1024, 1024.0), (1000, 1000.0), (2, 2.0), (8, 8.0)] {
            let told = of(&PLACES, |bytes| bytes / factor);
            assert!(
                matches!(told, Some(Count::Times(times)) if (times * meant - 1.0).abs() < 0.03),
                "{factor}: {told:?}"
            );
        }
        assert!(matches!(of(&PLACES, |bytes| bytes * 8), Some(Count::Times(times)) if (times - 8.0).abs() < 0.2));
        assert_eq!(of(&PLACES, |bytes| bytes / 491), Some(Count::Other));
        assert!(matches!(of(&PLACES, |bytes| bytes + 250_000), Some(Count::More(_))));
        assert_eq!(of(&PLACES, |bytes| bytes % 65_536), Some(Count::Bits(16)));
        assert_eq!(of(&PLACES, |bytes| (bytes - 3073) * 19 / 20), Some(Count::Bodies));
        // A single number may be anything that is less.
        assert_eq!(of(&PLACES[..1], |bytes| bytes / 2), None);
        assert!(matches!(of(&PLACES[..1], |bytes| bytes * 2), Some(Count::More(_))));
    }
}
