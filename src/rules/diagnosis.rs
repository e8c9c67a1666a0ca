//! What was found, as every report has it.
//!
//! `lint`, `diff`, `payload` and `relay` find different evidence, and say the rest alike; `check` has what `lint` and
//! `diff` found. Text, JSON and the reports for machines are renderings of it.

use serde::{Serialize, Serializer};

use crate::compare::FieldPath;
use crate::origin::FrameNo;
use crate::session::Direction;
use crate::tcp::ConnectionId;

use super::{Certainty, Effect, Rule, Severity};

/// Something that was found, and the evidence of a report for it: the places, and the bytes there.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Diagnosis<E> {
    /// The rule's code.
    #[serde(serialize_with = "code")]
    pub rule: &'static Rule,
    /// How sure it is that this is why. A fact, or a difference, is no explanation and has none.
    pub certainty: Option<Certainty>,
    /// What comes of it, where that is judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// How bad it is.
    pub severity: Severity,
    /// What happened, with the numbers of this case.
    pub title: String,
    /// Where it shows, and the bytes there.
    #[serde(flatten)]
    pub evidence: E,
    /// Why that is so, and what it means.
    pub why: String,
    /// What to change.
    pub fix: String,
    /// How many differences are this very thing, where differences are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differences: Option<usize>,
    /// How many others exist only because of it, where that is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consequences: Option<usize>,
}

#[doc(hidden)]
impl<E> Diagnosis<E> {
    /// The same with other evidence, if there is some.
    pub fn try_map<F>(self, map: impl FnOnce(E) -> Option<F>) -> Option<Diagnosis<F>> {
        let Diagnosis { rule, certainty, effect, severity, title, evidence, why, fix, differences, consequences } =
            self;
        let evidence = map(evidence)?;
        Some(Diagnosis { rule, certainty, effect, severity, title, evidence, why, fix, differences, consequences })
    }

    /// `certain`; of a fact or a difference, `effect: none known`.
    pub fn sureness(&self) -> String {
        match (self.certainty, self.effect) {
            (Some(certainty), _) => certainty.to_string(),
            (None, Some(effect)) => format!("effect: {effect}"),
            (None, None) => String::new(),
        }
    }

    /// Whether it says why something breaks.
    pub fn breaks(&self) -> bool {
        self.effect == Some(Effect::Breaks)
    }

    /// Whether healthy software does it, and nothing is known to come of it.
    pub fn is_habit(&self) -> bool {
        self.effect == Some(Effect::NoneKnown)
    }

    /// Its sentences.
    pub fn sentences(&mut self) -> [&mut String; 3] {
        [&mut self.title, &mut self.why, &mut self.fix]
    }
}

/// A place in a recorded session.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Location {
    /// The connection.
    pub tcp_stream: ConnectionId,
    /// Which way the message went.
    pub direction: Direction,
    /// The message: `connect`, `video keyframe`.
    pub message: String,
    /// The field: `connect.tcUrl`, `header.typeid`.
    pub path: FieldPath,
    /// The row's number; in a snapshot the line's.
    pub number: u64,
    /// The frame; a snapshot has none.
    pub frame: Option<FrameNo>,
    /// Offset in the direction's stream; a snapshot does not say.
    pub stream_offset: Option<u64>,
    /// The value in words.
    pub value: Option<String>,
}

impl Location {
    /// `connect row 4, connection 0, client → server, frame 11, stream offset 3080`
    pub fn in_words(&self) -> String {
        let Location { tcp_stream, direction, message, number, .. } = self;
        let mut words = format!("{message} row {number}, connection {}, {}", tcp_stream.0, direction.in_words());
        if let Some(frame) = self.frame {
            words.push_str(&format!(", frame {frame}"));
        }
        if let Some(offset) = self.stream_offset {
            words.push_str(&format!(", stream offset {offset}"));
        }
        words
    }
}

fn code<S: Serializer>(rule: &&'static Rule, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(rule.code)
}
