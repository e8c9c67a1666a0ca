//! Whether a session works, and where it breaks: the answer that every report begins with.
//!
//! Takes what was found and how far the session got, in the order of the report. It words the answer, too, so that text
//! and JSON say the same.

use serde::{Serialize, Serializer};

use super::{Location, Rule};

/// Where a session breaks.
#[derive(Clone, Debug, Serialize)]
pub struct Break {
    /// The rule that names the cause; none if no cause was found, and this is the first divergence.
    #[serde(serialize_with = "code")]
    pub rule: Option<&'static Rule>,
    /// The place.
    #[serde(flatten)]
    pub at: Location,
}

impl Break {
    /// `connect (row 4, frame 12)`.
    pub fn in_words(&self) -> String {
        let Location { message, number, frame, .. } = &self.at;
        match frame {
            Some(frame) => format!("{message} (row {number}, frame {frame})"),
            None => format!("{message} (line {number})"),
        }
    }
}

fn code<S: Serializer>(rule: &Option<&'static Rule>, serializer: S) -> Result<S::Ok, S::Error> {
    rule.map(|rule| rule.code).serialize(serializer)
}
