//! A payload that was sent against what was received: what changed it, where, and who.
//!
//! Takes the two byte strings, and if there is a capture, what [`Wire`] saw of both in it; gives a [`Report`].
//! The rules of [`crate::rules`] name the causes. It reads no files and lays out no text.

mod files;
mod proof;
mod receiver_trace;
mod wire;

use std::ops::Range;

use serde::Serialize;

use crate::origin::FrameNo;
use crate::rules::{Diagnosis, PayloadClaim, Rule};
use crate::session::Direction;
use crate::tcp::ConnectionId;

pub use proof::{Hop, Leg, Player, Proof};
pub use receiver_trace::{ReceiverTrace, Step};
pub use wire::Wire;

/// The version of the report's format.
pub const FORMAT_VERSION: u32 = 1;

/// What became of a payload.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of this format.
    pub format_version: u32,
    /// Whether both are equal.
    pub verdict: Verdict,
    /// The answer in one sentence.
    pub summary: String,
    /// Length of what was sent, in bytes.
    pub sent_length: u64,
    /// Length of what was received, in bytes.
    pub received_length: u64,
    /// Why they differ, in order of first occurrence.
    pub causes: Vec<Cause>,
    /// In how many places they differ for a reason that is not known.
    pub unexplained: u64,
    /// What the capture proves, if there is one.
    pub capture: Option<Proof>,
    /// Whether what was given as sent was received, and the other way round, as the capture proves: all of this report is
    /// then about the right order.
    pub swapped: bool,
    /// What explains it if the two are exchanged, where this order is not explained and there is no proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_order: Option<String>,
}

/// Whether two payloads are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// They are.
    Identical,
    /// They are not.
    Different,
}

/// A cause of the difference.
pub type Cause = Diagnosis<Evidence>;

/// Where a cause shows, and the bytes there.
#[derive(Clone, Debug, Serialize)]
pub struct Evidence {
    /// Where it shows first.
    pub r#where: Where,
    /// The bytes there.
    pub bytes: Bytes,
}

/// Where a difference shows.
#[derive(Clone, Debug, Serialize)]
pub struct Where {
    /// Offset in what was sent.
    pub sent_offset: u64,
    /// Offset in what was received.
    pub received_offset: u64,
    /// The place in the capture, if it is known.
    pub capture: Option<InCapture>,
}

/// A place in a capture.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct InCapture {
    /// The connection.
    pub tcp_stream: ConnectionId,
    /// The direction.
    pub direction: Direction,
    /// Offset in the direction's stream.
    pub stream_offset: u64,
    /// The frame.
    pub frame: FrameNo,
}

/// The bytes around a difference, on both sides.
#[derive(Clone, Debug, Serialize)]
pub struct Bytes {
    /// In what was sent.
    pub sent: Excerpt,
    /// In what was received.
    pub received: Excerpt,
}

/// Some bytes of a longer string.
#[derive(Clone, Debug, Serialize)]
pub struct Excerpt {
    /// Offset of the first of them.
    pub offset: u64,
    /// The bytes.
    #[serde(serialize_with = "hex::serde::serialize")]
    pub hex: Vec<u8>,
    /// Which of them differ, counted from the first; empty where the other side has more.
    pub marked: Range<usize>,
}

impl Report {
    /// Compares two byte strings of which nothing else is known.
    pub fn of_files(sent: &[u8], received: &[u8]) -> Report {
        let (causes, unexplained) = files::causes(sent, received, &Default::default());
        let other_order = files::other_order(sent, received, &causes, unexplained);
        let summary = match causes.first() {
            None => format!("all {} bytes are equal", sent.len()),
            Some(cause) => {
                let offset = cause.evidence.r#where.received_offset;
                let and = match causes.len() {
                    2 => format!(", and {}", causes[1].title),
                    _ => String::new(),
                };
                format!("{}{and}; first difference at offset {offset}", cause.title)
            }
        };
        Report { other_order, ..Report::new(sent, received, summary, causes, unexplained, None) }
    }

    /// Compares two byte strings with the help of a capture in which they, or one of them, travelled: as they were given,
    /// and exchanged.
    pub fn with_capture(given: Wire<'_>, exchanged: Wire<'_>) -> Report {
        match proof::report(exchanged) {
            right if right.proves_its_order() => Report { swapped: true, ..right },
            _ => proof::report(given),
        }
    }

    /// Whether what is called sent was on the wire to the server, whole, and what is called received was read from the
    /// stream to the receiver with what only that stream has, its chunk headers: nobody sends those.
    fn proves_its_order(&self) -> bool {
        let Some(proof) = self.capture.as_ref().filter(|_| self.verdict == Verdict::Different) else { return false };
        let is_sent = proof.to_server.as_ref().is_some_and(|leg| leg.right);
        let is_read = proof.took.as_ref().is_some_and(|took| took.headers > 0 && took.found == self.received_length);
        is_sent && is_read && proof.guilty == Some(Hop::Receiver)
    }

    fn new(
        sent: &[u8],
        received: &[u8],
        summary: String,
        causes: Vec<Cause>,
        unexplained: u64,
        capture: Option<Proof>,
    ) -> Report {
        let verdict = if sent == received { Verdict::Identical } else { Verdict::Different };
        Report {
            format_version: FORMAT_VERSION,
            verdict,
            summary,
            sent_length: sent.len() as u64,
            received_length: received.len() as u64,
            causes,
            unexplained,
            capture,
            swapped: false,
            other_order: None,
        }
    }
}

impl Cause {
    fn new(rule: &'static Rule, finding: PayloadClaim, sent: &[u8], received: &[u8]) -> Cause {
        let r#where = Where {
            sent_offset: finding.sent.start as u64,
            received_offset: finding.received.start as u64,
            capture: None,
        };
        let bytes =
            Bytes { sent: Excerpt::of(sent, &finding.sent), received: Excerpt::of(received, &finding.received) };
        Cause {
            rule,
            certainty: Some(finding.certainty),
            effect: None,
            severity: rule.severity,
            title: finding.title,
            evidence: Evidence { r#where, bytes },
            why: finding.why,
            fix: finding.fix,
            differences: None,
            consequences: Some(finding.places.saturating_sub(1) as usize),
        }
    }
}

impl Excerpt {
    /// How many bytes before the difference are shown, and how many there are at most.
    const BEFORE: usize = 8;
    const LEN: usize = 32;

    fn of(bytes: &[u8], at: &Range<usize>) -> Excerpt {
        let start = at.start.saturating_sub(Self::BEFORE).min(bytes.len());
        let end = (start + Self::LEN).min(bytes.len());
        let marked = (at.start - start).min(end - start)..(at.end.max(at.start) - start).min(end - start);
        Excerpt { offset: start as u64, hex: bytes[start..end].to_vec(), marked }
    }
}
