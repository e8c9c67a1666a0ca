//! Rules of the commands: what is asked, whether it is answered, and how (RTMP 1.0 7.2).
//!
//! | module | holds |
//! |---|---|
//! | [`beside`] | what sessions of one capture are to each other |
//! | [`connect`] | connect: its fields, the split of the URL, no answer |
//! | [`answers`] | answers that have another's transaction id, or say no |
//! | [`replies`] | answers that do not say what their request asks for |
//! | [`start`] | publish and play: their order, streams and first status |
//! | [`habits`] | what some peers want and others leave out |
//! | [`names`] | names, types, ids and levels that are nearly right |
//! | [`stale`] | a name held by the client's own last connection |

pub mod answers;
pub mod beside;
pub mod connect;
pub mod exchanged;
pub mod habits;
pub mod names;
pub mod replies;
pub mod stale;
pub mod start;
pub mod stream;

use crate::amf::Value;
use crate::compare::{Comparison, FieldPath, MessageIdentity, Side};
use crate::recording::{RecordedMessage, Session};
use crate::rtmp::body::{self, Body};
use crate::rtmp::command::Command;
use crate::session::Direction;

/// A command of a session.
pub(super) struct Said<'r> {
    /// Index of the item.
    pub item: usize,
    /// Who says it.
    pub direction: Direction,
    /// Its name.
    pub name: String,
    /// The message.
    pub kept: &'r RecordedMessage,
    /// Its values.
    pub command: Command<'r>,
}

impl<'r> Said<'r> {
    pub fn is(&self, direction: Direction, name: &str) -> bool {
        self.direction == direction && self.name == name
    }

    /// A text in one of its objects: `code`, `description`.
    pub fn text(&self, property: &str) -> Option<String> {
        let of = |value: &Value<'_>| Some(value.property(property.as_bytes())?.as_str()?.to_string());
        self.command.arguments().iter().find_map(of)
    }
}

/// The commands of a session, both directions, in the order of the capture.
pub(super) fn commands(session: &Session) -> Vec<Said<'_>> {
    let said = session.items.iter().enumerate().filter_map(|(index, item)| {
        let kept = item.message()?;
        match body::decode(kept.header.type_id, &kept.body, kept.header.length, &mut ()).body {
            Body::Command(command) => {
                let name = command.name()?.to_string();
                Some(Said { item: index, direction: item.direction, name, kept, command })
            }
            _ => None,
        }
    });
    said.collect()
}

/// Those of A, if there is one.
fn commands_of_a<'r>(comparison: &Comparison<'r>) -> Vec<Said<'r>> {
    comparison.a.map(commands).unwrap_or_default()
}

/// Whether the capture holds the connection's end.
fn ended_by(session: &Session, who: &str) -> bool {
    session.stream.end.as_ref().is_some_and(|end| end.by == who)
}

/// The messages that only A has, of one direction and of these names.
fn only_in_a(comparison: &Comparison<'_>, direction: Direction, is: impl Fn(&MessageIdentity) -> bool) -> Vec<usize> {
    let such = |index: &usize| {
        let mismatch = &comparison.mismatches[*index];
        mismatch.is_whole_message()
            && comparison.item(mismatch.row, Side::B).is_none()
            && comparison.either_item(mismatch.row).direction == direction
            && is(comparison.either(mismatch.row))
    };
    (0..comparison.mismatches.len()).filter(such).collect()
}

/// The open mismatches with a path that `is`.
fn with_path(comparison: &Comparison<'_>, is: impl Fn(&FieldPath) -> bool) -> Vec<usize> {
    comparison.open().filter(|&index| is(&comparison.mismatches[index].path)).collect()
}
