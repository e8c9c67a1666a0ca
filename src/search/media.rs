//! Mistakes in what a sender says with audio and video, found from the same media in two sessions.
//!
//! Takes the aligned media messages of a direction, gives [`Meant`]: one edit of a field, of bytes, of times or of the
//! order that turns A's messages into B's, with its scope. Each is a function from A to B that was tried on every
//! message; where it holds for all of its scope and for nothing outside, the scope counts. What it is called is for
//! [`crate::rules`]. Sessions that do not carry the same media explain nothing of each other.

mod alone;
mod bodies;
mod order;
mod shape;
mod times;
mod written;

use crate::compare::{Comparison, Side, common_suffix};
use crate::recording::{RecordedEvent, RecordedMessage, Session};
use crate::rtmp::MessageTypeId;
use crate::rtmp::body::{self, Body};
use crate::rtmp::class::{CommandName, MediaKind, MessageClass, StatusCode};
use crate::rtmp::message::Ending;
use crate::session::Direction;

pub use alone::{alone, has_units, is_sound};
pub use bodies::{BodyEdit, FieldEdit};
pub use order::OrderEdit;
pub use times::TimeEdit;
pub use written::{Change, Headers, WrittenTime};

/// A mistake in media messages, and where it shows.
#[derive(Clone, Debug)]
pub struct Meant {
    /// What was done.
    pub edit: Edit,
    /// To which messages.
    pub scope: MediaScope,
    /// The rows whose difference it is, in order.
    pub rows: Vec<usize>,
    /// Whether nothing else that was tried makes the same, and it holds to the byte.
    pub is_sole: bool,
}

/// What was done to messages.
#[derive(Clone, Debug)]
pub enum Edit {
    /// To their bodies.
    Body(BodyEdit),
    /// To their timestamps.
    Time(TimeEdit),
    /// To their order and number.
    Order(OrderEdit),
}

/// The media messages that a mistake is made in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaScope {
    /// Every message.
    All,
    /// Every message of a type.
    Kind(MediaKind),
    /// Every message of a type that is no configuration.
    Frames(MediaKind),
    /// Every message of a class.
    Class(MessageClass),
    /// Those of a type that are longer than this.
    Longer(MediaKind, u32),
    /// One message only.
    One,
    /// Some, of which nothing else is known.
    Some(MediaKind),
}

/// A message of media in A, in B, or in both.
#[derive(Clone, Copy)]
struct Both<'r> {
    row: usize,
    kind: MediaKind,
    /// In A and B.
    sides: [Option<&'r RecordedMessage>; 2],
    /// When they were captured, in ns, where that is known.
    captured: [Option<i64>; 2],
}

impl<'r> Both<'r> {
    /// Whether it says how media are coded, on a side that has it.
    fn is_config(&self) -> bool {
        self.sides.iter().flatten().any(|kept| matches!(kept.class, MessageClass::Config(_)))
    }

    /// The message in A and in B, if both have it.
    fn pair(&self) -> Option<[&'r RecordedMessage; 2]> {
        Some([self.sides[0]?, self.sides[1]?])
    }
}

/// The mistakes in a direction's media.
pub fn media(comparison: &Comparison<'_>, direction: Direction) -> Vec<Meant> {
    let all = aligned(comparison, direction);
    let shapes = |kind: MediaKind| {
        let [of_a, of_b] =
            [Side::A, Side::B].map(|side| shape::edits(&of_kind(comparison, direction, kind, side), kind));
        // What A has, too, is no mistake of B's.
        of_b.into_iter().filter(move |one| !of_a.iter().any(|other| other.is_like(one)))
    };
    let mut found = Vec::new();
    let mut same: Vec<MediaKind> = Vec::new();
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let of_kind: Vec<Both<'_>> = all.iter().filter(|both| both.kind == kind).copied().collect();
        if let Some(joined) = order::joined(&of_kind) {
            found.push(joined);
        } else if is_same_media(&of_kind) {
            same.push(kind);
            found.extend(bodies::edits(&of_kind, kind));
            if found.is_empty() {
                found.extend(shapes(kind));
            }
            if !has_aggregates(comparison, direction) {
                found.extend(order::edits(&of_kind));
            }
        } else {
            found.extend(shapes(kind));
        }
    }
    let of_same: Vec<Both<'_>> = all.into_iter().filter(|both| same.contains(&both.kind)).collect();
    // What a header holds says more than what a receiver makes of it.
    let of_headers = (!same.is_empty()).then(|| written::edit(comparison, direction)).flatten();
    found.extend(of_headers.or_else(|| times::edit(&of_same)));
    found
}

impl Meant {
    /// Whether two are of one sort, whatever their values.
    fn is_like(&self, other: &Meant) -> bool {
        use std::mem::discriminant;
        match (&self.edit, &other.edit) {
            (Edit::Body(one), Edit::Body(other)) => discriminant(one) == discriminant(other),
            (Edit::Order(one), Edit::Order(other)) => one == other,
            _ => false,
        }
    }
}

/// The whole messages of a kind on one side, with their rows.
fn of_kind<'r>(
    comparison: &Comparison<'r>,
    direction: Direction,
    kind: MediaKind,
    side: Side,
) -> Vec<(usize, &'r RecordedMessage)> {
    let type_id = if kind == MediaKind::Audio { MessageTypeId::AUDIO } else { MessageTypeId::VIDEO };
    let rows = comparison.rows_of(direction).filter_map(|row| {
        let kept = comparison.item(row, side)?.message()?;
        let is_whole = kept.ending == Ending::Complete && kept.is_whole();
        (is_whole && kept.header.type_id == type_id).then_some((row, kept))
    });
    rows.collect()
}

/// Whether media is sent in aggregate messages (RTMP 1.0 7.1.6): then it is not missing that has no message of its own.
fn has_aggregates(comparison: &Comparison<'_>, direction: Direction) -> bool {
    let messages = comparison.rows_of(direction).filter_map(|row| comparison.either_item(row).message());
    messages.into_iter().any(|kept| kept.class == MessageClass::Aggregate)
}

/// The media messages of a direction that are whole, in the order of the rows: up to where one side begins anew, after a
/// seek or when another stream starts, and the other does not. What need not be sent is not among them.
fn aligned<'r>(comparison: &Comparison<'r>, direction: Direction) -> Vec<Both<'r>> {
    let of = |row, side| {
        let kept = comparison.item(row, side)?.message()?;
        (kept.ending == Ending::Complete).then_some(kept)
    };
    let sessions = [comparison.a, Some(comparison.b)];
    let restarts = sessions.map(|session| session.map(restarts).unwrap_or_default());
    let mut begun = [0; 2];
    let mut apart = None;
    let rows = comparison.rows_of(direction).filter(|&row| comparison.either(row).kind.is_media());
    let rows = rows.take_while(|&row| {
        let items = [comparison.rows[row].a, comparison.rows[row].b];
        for (side, item) in items.into_iter().enumerate() {
            begun[side] = item.map_or(begun[side], |item| restarts[side].partition_point(|&at| at < item));
        }
        // Before the first message that both have, one may have begun alone.
        let is_pair = items.iter().all(Option::is_some);
        let now = begun[1] as i64 - begun[0] as i64;
        if is_pair && apart.is_none() {
            apart = Some(now);
        }
        apart.is_none_or(|apart| apart == now)
    });
    let both = rows.filter_map(|row| {
        let sides = [of(row, Side::A), of(row, Side::B)];
        let kept = sides[1].or(sides[0])?;
        let kind = if kept.header.type_id == MessageTypeId::AUDIO { MediaKind::Audio } else { MediaKind::Video };
        let captured = [Side::A, Side::B].map(|side| {
            let session = if side == Side::A { comparison.a } else { Some(comparison.b) };
            session.filter(|session| session.has_times())?;
            comparison.item(row, side).map(|item| item.time.0)
        });
        let is_needed = sides.into_iter().flatten().any(|kept| !is_optional(kept));
        is_needed.then_some(Both { row, kind, sides, captured })
    });
    both.collect()
}

/// The items of a session at which media begin anew.
fn restarts(session: &Session) -> Vec<usize> {
    let restarts = |item: &RecordedEvent| {
        item.message().is_some_and(|kept| match kept.class {
            MessageClass::Command(CommandName::Play | CommandName::Play2 | CommandName::Seek | CommandName::Pause) => {
                true
            }
            MessageClass::Command(CommandName::Publish) => true,
            class => class == MessageClass::Status(StatusCode::SeekNotify),
        })
    };
    let items = session.items.iter().enumerate().filter(|(_, item)| restarts(item));
    items.map(|(index, _)| index).collect()
}

/// Whether a message has neither audio nor video in it and no configuration: senders may leave it out. Of one that is
/// kept as a digest that is not known.
fn is_optional(kept: &RecordedMessage) -> bool {
    if !kept.is_whole() {
        return false;
    }
    match body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut ()).body {
        Body::Audio(audio) => audio.is_optional(),
        Body::Video(video) => video.is_optional(),
        _ => false,
    }
}

/// Whether messages are the same coded media: most of those that both have are equal, or end alike.
fn is_same_media(all: &[Both<'_>]) -> bool {
    const ALIKE: usize = 16;
    let is_alike = |[a, b]: [&RecordedMessage; 2]| {
        let shorter = a.body.len().min(b.body.len());
        a.hash == b.hash
            || shorter < ALIKE
            || a.is_whole() && b.is_whole() && {
                let middle = |kept: &RecordedMessage| kept.body.get(ALIKE..2 * ALIKE).map(<[u8]>::to_vec);
                common_suffix(&a.body, &b.body) >= ALIKE || middle(a).is_some() && middle(a) == middle(b)
            }
    };
    let pairs: Vec<_> = all.iter().filter_map(Both::pair).collect();
    let alike = pairs.iter().filter(|pair| is_alike(**pair)).count();
    let of_b = all.iter().filter(|both| both.sides[1].is_some()).count();
    alike > 0 && alike * 10 >= pairs.len() * 9 && pairs.len() * 4 >= of_b * 3
}
