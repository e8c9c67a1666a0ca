//! Secrets in a report, hidden before anybody prints it.

use crate::compare::{FieldPath, ValuePath};
use crate::rules::Location;
use crate::secrets::Secrets;

use super::report::{Bytes, Connection, Report, Where};

#[doc(hidden)]
impl Report {
    /// Puts placeholders in the place of stream keys and credentials.
    pub fn hide(&mut self, secrets: &Secrets) {
        secrets.hide_in(&mut self.summary);
        self.breaks_at.iter_mut().for_each(|at| location(&mut at.at, secrets));
        for pair in &mut self.pairs {
            connection(&mut pair.a, secrets);
            connection(&mut pair.b, secrets);
            pair.lines.iter_mut().for_each(|line| secrets.hide_in(&mut line.message));
        }
        self.only_a.iter_mut().chain(&mut self.only_b).for_each(|only| connection(only, secrets));
        for cause in &mut self.causes {
            cause.sentences().into_iter().for_each(|text| secrets.hide_in(text));
            place(&mut cause.evidence.r#where, &mut cause.evidence.bytes, secrets);
        }
        for difference in &mut self.unexplained {
            place(&mut difference.r#where, &mut difference.bytes, secrets);
        }
    }
}

fn connection(connection: &mut Connection, secrets: &Secrets) {
    secrets.hide_in(&mut connection.role);
}

/// Names of messages and properties come from the wire.
pub fn path(path: &mut FieldPath, secrets: &Secrets) {
    let shown = path.to_string();
    let mut hidden = shown.clone();
    secrets.hide_in(&mut hidden);
    if hidden != shown {
        *path = ValuePath::of(&hidden).into();
    }
}

/// A place names a message, and has its value.
pub fn location(at: &mut Location, secrets: &Secrets) {
    path(&mut at.path, secrets);
    at.value.iter_mut().chain([&mut at.message]).for_each(|text| secrets.hide_in(text));
}

fn place(at: &mut Where, bytes: &mut Bytes, secrets: &Secrets) {
    secrets.hide_in(&mut at.message);
    path(&mut at.path, secrets);
    for (place, bytes) in [(&mut at.a, &mut bytes.a), (&mut at.b, &mut bytes.b)] {
        let mut value = place.as_mut().and_then(|place| place.value.as_mut());
        if let Some(bytes) = bytes {
            secrets.hide_bytes(bytes, value.as_deref().map_or("", String::as_str));
        }
        if let Some(value) = &mut value {
            secrets.hide_in(value);
        }
    }
}
