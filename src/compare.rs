//! Two sessions beside each other: which message of one is which of the other, and where they differ.
//!
//! Takes two [`Recording`](crate::recording::Recording)s, gives pairs of sessions, in each the aligned messages, and
//! [`Mismatch`]es field by field. It says *what* differs and whether that is to be expected; *why* is the business
//! of [`crate::rules`]. Nothing is aligned by position alone: messages are told by what they are.

mod align;
mod expected;
mod fields;
mod identity;
mod pairing;
mod path;
pub mod placeholder;
mod prefix;

use std::cell::OnceCell;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::amf::writer::Mistake;
use crate::field;
use crate::origin::{FrameNo, Time};
use crate::recording::{EventKind, RecordedEvent, Session};
use crate::session::Direction;
use crate::steps;
use crate::tcp::ConnectionId;

pub use fields::{FieldValue, field_values_of, header_value, units};
pub use identity::{MessageIdentity, MessageKind, identify_all};
pub use pairing::{Paired, Role, pair, role, scenario};
pub use path::{FieldPath, Step, ValuePath};
pub use prefix::{common_prefix, common_suffix};

/// One side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The first capture: the one that works.
    A,
    /// The second.
    B,
}

/// What a comparison may be told.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// Only this direction.
    pub direction: Option<Direction>,
    /// Messages that are one and the same, by their numbers in A and B.
    pub pins: Vec<(u64, u64)>,
    /// Nothing is expected to differ, but for what a snapshot does not say.
    pub strict: bool,
}

/// Two sessions, aligned and compared.
#[derive(Debug)]
pub struct Comparison<'r> {
    /// The session of A; None where B is looked at by itself.
    pub a: Option<&'r Session>,
    /// The session of B.
    pub b: &'r Session,
    /// The publishers of B's recording that vanished, if they are known, in order of their numbers.
    pub around: &'r [Beside],
    /// Those of A's.
    pub around_a: &'r [Beside],
    /// What each item of A and B is, by index.
    pub identities: [Vec<MessageIdentity>; 2],
    /// The items beside each other, in the order of B, what only A has where A has it.
    pub rows: Vec<Aligned>,
    /// Where they differ, in the order of `rows`.
    pub mismatches: Vec<Mismatch>,
    /// Indices of the mismatches that belong to a cause: what looks for the rest skips them.
    pub accounted_for: HashSet<usize>,
    /// What a snapshot's placeholders stand for in the other session.
    pub bindings: placeholder::Bindings,
    /// The mistakes of a writer that explain bodies of A and B, by index of the item: found when a rule asks for them.
    pub written: OnceCell<[Written; 2]>,
}

/// What a session beside another one was for, when, and how it ended.
#[derive(Clone, Debug)]
pub struct Beside {
    /// Its number.
    pub tcp_stream: ConnectionId,
    /// The client.
    pub client: IpAddr,
    /// The server.
    pub server: SocketAddr,
    /// The application.
    pub app: Option<String>,
    /// What it published and played: `publish` or `play`, and the name.
    pub activities: Vec<(&'static str, String)>,
    /// When it began and ended.
    pub times: [Time; 2],
    /// Whether it has audio or video, by [`Direction::index`].
    pub has_media: [bool; 2],
    /// If it published and vanished, so that the server may hold the name still: when the client sent something last, and the
    /// frame.
    pub left: Option<Option<(Time, FrameNo)>>,
}

/// The mistakes that explain bodies, each by itself, by index of the item.
pub type Written = Vec<(usize, Vec<Vec<Mistake>>)>;

/// Items that are the same message, or one that the other side has not.
#[derive(Clone, Copy, Debug)]
pub struct Aligned {
    /// Index of the item in A.
    pub a: Option<usize>,
    /// Index of the item in B.
    pub b: Option<usize>,
}

/// One difference.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// Index of the row.
    pub row: usize,
    /// Which field, or the message as a whole.
    pub path: FieldPath,
    /// What is there on both sides; None if nothing does.
    pub sides: [Option<Value>; 2],
    /// Why the difference is no finding, if it is none.
    pub expected: Option<&'static str>,
}

/// What is at a place of one side.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The value in words.
    pub text: String,
    /// The value itself, if it is a number, a boolean or a string.
    pub value: field::Value,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Offset of its first byte in the message's body, if it is there.
    pub in_body: Option<Range<usize>>,
    /// Offset in the direction's stream, and frame.
    pub place: Option<(u64, FrameNo)>,
}

impl<'r> Comparison<'r> {
    /// Compares two sessions.
    pub fn new(a: &'r Session, b: &'r Session, options: &Options) -> Comparison<'r> {
        let identities = [identity::identify_all(&a.items), identity::identify_all(&b.items)];
        let rows = align::align(a, b, &identities, options);
        let mut comparison = Comparison {
            a: Some(a),
            b,
            around: &[],
            around_a: &[],
            identities,
            rows,
            mismatches: Vec::new(),
            accounted_for: HashSet::new(),
            bindings: Default::default(),
            written: OnceCell::new(),
        };
        for row in 0..comparison.rows.len() {
            let found = fields::compare(&comparison, row);
            comparison.mismatches.extend(found);
        }
        expected::mark(&mut comparison, options.strict);
        comparison
    }

    /// Compares two sessions, whatever surrounds them, with what is to be expected.
    pub fn plain(a: &'r Session, b: &'r Session) -> Comparison<'r> {
        Comparison::new(a, b, &Options::default())
    }

    /// A session by itself: each row is B's, and nothing differs.
    pub fn alone(b: &'r Session, around: &'r [Beside]) -> Comparison<'r> {
        let rows = (0..b.items.len()).map(|index| Aligned { a: None, b: Some(index) }).collect();
        let identities = [Vec::new(), identity::identify_all(&b.items)];
        Comparison {
            a: None,
            b,
            around,
            around_a: &[],
            identities,
            rows,
            mismatches: Vec::new(),
            accounted_for: HashSet::new(),
            bindings: Default::default(),
            written: OnceCell::new(),
        }
    }

    /// Indices of the mismatches that are not to be expected, and belong to no cause.
    pub fn open(&self) -> impl Iterator<Item = usize> + '_ {
        let is_open = |index: usize| {
            steps::count(1);
            self.mismatches[index].expected.is_none() && !self.accounted_for.contains(&index)
        };
        (0..self.mismatches.len()).filter(move |&index| is_open(index))
    }

    /// The session of a side.
    pub fn session(&self, side: Side) -> Option<&'r Session> {
        match side {
            Side::A => self.a,
            Side::B => Some(self.b),
        }
    }

    /// Whether a side was read from a snapshot.
    pub fn has_snapshot(&self) -> bool {
        self.a.is_some_and(|a| a.is_snapshot) || self.b.is_snapshot
    }

    /// The item of a row on a side.
    pub fn item(&self, row: usize, side: Side) -> Option<&'r RecordedEvent> {
        let index = self.index(row, side)?;
        Some(&self.session(side)?.items[index])
    }

    /// What the item of a row on a side is.
    pub fn name(&self, row: usize, side: Side) -> Option<&MessageIdentity> {
        self.index(row, side).map(|index| &self.identities[side as usize][index])
    }

    /// What a row is, by the side that has it.
    pub fn either(&self, row: usize) -> &MessageIdentity {
        self.name(row, Side::B).or_else(|| self.name(row, Side::A)).expect("a row has a side")
    }

    /// The item of a row, by the side that has it, B first.
    pub fn either_item(&self, row: usize) -> &'r RecordedEvent {
        self.item(row, Side::B).or_else(|| self.item(row, Side::A)).expect("a row has a side")
    }

    /// The rows of one direction.
    pub fn rows_of(&self, direction: Direction) -> impl Iterator<Item = usize> + '_ {
        (0..self.rows.len()).filter(move |&row| self.either_item(row).direction == direction)
    }

    fn index(&self, row: usize, side: Side) -> Option<usize> {
        steps::count(1);
        match side {
            Side::A => self.rows[row].a,
            Side::B => self.rows[row].b,
        }
    }
}

impl Value {
    /// Something that is only words.
    pub fn words(text: impl Into<String>) -> Value {
        Value { text: text.into(), value: field::Value::None, bytes: Vec::new(), in_body: None, place: None }
    }

    /// Whether it is a string of AMF.
    pub fn is_string(&self) -> bool {
        self.in_body.is_some() && matches!(self.value, field::Value::Text(_))
    }
}

impl Mismatch {
    /// Whether the message is on one side only.
    pub fn is_whole_message(&self) -> bool {
        self.path == FieldPath::Message
    }

    /// What is there on a side.
    pub fn side(&self, side: Side) -> Option<&Value> {
        self.sides[side as usize].as_ref()
    }
}

/// Whether an item is a message, or stands for one.
pub fn is_gap(item: &RecordedEvent) -> bool {
    matches!(item.content, EventKind::Gap(_) | EventKind::Undecoded)
}
