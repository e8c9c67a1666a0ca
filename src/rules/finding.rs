//! What a rule says when it fires.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

/// What a rule found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// How sure it is.
    pub certainty: Certainty,
    /// What happened, with the numbers of this case.
    pub title: String,
    /// The bytes of the first place, as offsets in what was sent: those that are missing or changed.
    pub sent: Range<usize>,
    /// The same place in what was received: the bytes that are new or changed.
    pub received: Range<usize>,
    /// In how many places it shows, the first included.
    pub places: u64,
    /// Why that is so: the evidence, and what it means.
    pub why: String,
    /// What to change.
    pub fix: String,
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Certainty {
    /// The bytes allow it.
    Possible,
    /// The bytes speak for it, and something else could explain them too.
    Likely,
    /// The hypothesis was replayed and gives the observed bytes exactly.
    Certain,
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Certainty::Possible => "possible",
            Certainty::Likely => "likely",
            Certainty::Certain => "certain",
        })
    }
}
