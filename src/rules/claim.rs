//! What a rule says of two sessions.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

use crate::compare::{Comparison, FieldPath, Mismatch, Side, Value, header_value};
use crate::field;
use crate::session::Direction;

use super::Severity;

/// What a rule found in two sessions: a cause, and the differences that it explains.
#[derive(Clone, Debug)]
pub struct Claim {
    /// How sure it is.
    pub certainty: Certainty,
    /// What happened, with the numbers of this case.
    pub title: String,
    /// The row of the comparison where it shows first.
    pub row: usize,
    /// The field where it shows.
    pub path: FieldPath,
    /// What is there in A and in B.
    pub sides: [Option<Value>; 2],
    /// Why that is so: the evidence, and what it means.
    pub why: String,
    /// What to change.
    pub fix: String,
    /// Indices of the mismatches that are this very thing.
    pub explains: Vec<usize>,
    /// Whether the session cannot continue after it as it should: what differs later in time is its consequence.
    pub impact: Impact,
    /// How bad this case is, if not as bad as the rule has it.
    pub severity: Option<Severity>,
    /// What comes of it, if that is not what its severity says.
    pub effect: Option<Effect>,
}

/// What a rule says of a case, in sentences.
#[derive(Default)]
pub struct DiagnosisText {
    /// What happened, with the numbers of the case.
    pub title: String,
    /// What it means for the receiver; the evidence is put after it.
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

/// What comes of a difference, or of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Effect {
    /// Healthy software does it, and nothing is known to come of it.
    #[serde(rename = "none known")]
    NoneKnown,
    /// Some peers mind, or what is carried is not the same.
    #[serde(rename = "may matter")]
    MayMatter,
    /// The session, or what it carries, is broken by it.
    #[serde(rename = "breaks")]
    Breaks,
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Effect::NoneKnown => "none known",
            Effect::MayMatter => "may matter",
            Effect::Breaks => "breaks",
        })
    }
}

/// What a cause does to the rest of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impact {
    /// Nothing.
    Nothing,
    /// The sender's direction cannot be read after it, and the receiver may give up.
    Framing,
    /// The receiver does not understand the message, and so does not answer as it should.
    Response,
    /// Nothing in the session: the capture lost bytes.
    Capture {
        /// Of this direction, or of both.
        direction: Option<Direction>,
        /// The first row that may have to do with it. Messages after a hole are read late, so that this may be
        /// before the row where the hole shows.
        from: usize,
    },
    /// A side does not do what is due: it counts only where no other cause explains that.
    Owed,
    /// The session ended here, and nobody said why: it counts only where no other cause explains that.
    End,
}

impl Claim {
    /// A claim about one mismatch; it explains that one.
    pub fn at(comparison: &Comparison<'_>, mismatch: usize, certainty: Certainty, title: impl Into<String>) -> Claim {
        let Mismatch { row, path, sides, .. } = comparison.mismatches[mismatch].clone();
        Claim { explains: vec![mismatch], ..Claim::on(row, path, sides, certainty, title) }
    }

    /// A claim about a field of the header of a row's message in B, as `text` has it; `range` as in [`header_value`].
    /// It explains the mismatch there, if A has the message too.
    pub fn at_header(
        comparison: &Comparison<'_>,
        row: usize,
        path: FieldPath,
        (range, text): (Range<usize>, String),
        certainty: Certainty,
        title: impl Into<String>,
    ) -> Claim {
        let of_row = comparison.mismatches.iter().position(|mismatch| mismatch.row == row && mismatch.path == path);
        if let Some(index) = of_row {
            return Claim::at(comparison, index, certainty, title);
        }
        let item = comparison.item(row, Side::B);
        let value = item.and_then(|item| Some(header_value(item, item.message()?, range, (text, field::Value::None))));
        Claim::on(row, path, [None, value], certainty, title)
    }

    /// A claim about a row; it explains nothing yet.
    pub fn on(
        row: usize,
        path: impl Into<FieldPath>,
        sides: [Option<Value>; 2],
        certainty: Certainty,
        title: impl Into<String>,
    ) -> Claim {
        Claim {
            certainty,
            title: title.into(),
            row,
            path: path.into(),
            sides,
            why: String::new(),
            fix: String::new(),
            explains: Vec::new(),
            impact: Impact::Nothing,
            severity: None,
            effect: None,
        }
    }

    /// A claim about the message of a row; it explains nothing yet.
    pub fn of_message(
        comparison: &Comparison<'_>,
        row: usize,
        path: impl Into<FieldPath>,
        certainty: Certainty,
        title: impl Into<String>,
    ) -> Claim {
        let side = |side| {
            let item = comparison.item(row, side)?;
            let bytes = item.message().map(|kept| kept.first_header.to_vec()).unwrap_or_default();
            Some(Value { bytes, place: Some((item.at.start, item.frames[1])), ..Value::words(item.info.clone()) })
        };
        Claim::on(row, path, [side(Side::A), side(Side::B)], certainty, title)
    }

    /// With the evidence.
    pub fn why(self, why: impl Into<String>) -> Claim {
        Claim { why: why.into(), ..self }
    }

    /// With what to change.
    pub fn fix(self, fix: impl Into<String>) -> Claim {
        Claim { fix: fix.into(), ..self }
    }

    /// With more mismatches that are the same thing.
    pub fn explaining(mut self, more: impl IntoIterator<Item = usize>) -> Claim {
        self.explains.extend(more);
        self.explains.sort_unstable();
        self.explains.dedup();
        self
    }

    /// With what it does to the rest of the session.
    pub fn breaking(self, impact: Impact) -> Claim {
        Claim { impact, ..self }
    }

    /// With what comes of it, where its severity does not say that.
    pub fn with_effect(self, effect: Effect) -> Claim {
        Claim { effect: Some(effect), ..self }
    }

    /// Better or worse than the rule has it.
    pub fn weighing(self, severity: Severity) -> Claim {
        Claim { severity: Some(severity), ..self }
    }
}
