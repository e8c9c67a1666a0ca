//! What is to be said of a connection's calls at its end.

use serde::{Serialize, Serializer};

use super::{Call, vocabulary};
use crate::amf::Number;
use crate::origin::{FrameNo, Time};
use crate::session::Direction;

/// How many response times are kept for their median: the first ones.
const MOST_TIMES: usize = 4096;

/// The calls of a connection, counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Commands that ask for an answer: with a transaction id other than 0, or answered by a status.
    pub count: u64,
    /// How many of them were answered.
    pub answered: u64,
    /// How many of the answers say that the call failed.
    pub errors: u64,
    /// How long the answers took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_time: Option<ResponseTimes>,
    /// Those without an answer that should have one.
    pub unanswered: Vec<Unanswered>,
    /// How many have no answer, and often get none: `releaseStream`, `FCPublish`, `deleteStream` and others.
    pub unanswered_optional: u64,
    /// How many were forgotten unanswered, to keep memory bounded.
    pub forgotten: u64,
    /// Whether both directions were seen from their handshake on without a hole. If not, what is missing here
    /// may have been sent nevertheless.
    pub whole: bool,
}

/// Response times in nanoseconds; in JSON, seconds as a decimal string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ResponseTimes {
    /// The middle one, or the lower of two, of the first 4096.
    #[serde(serialize_with = "as_seconds")]
    pub median: i64,
    /// The longest.
    #[serde(serialize_with = "as_seconds")]
    pub max: i64,
}

/// A call without an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unanswered {
    /// The command's name.
    pub name: String,
    /// Its transaction id, if it has one.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_number")]
    pub transaction_id: Option<f64>,
    /// Who called.
    pub direction: Direction,
    /// The frame that completed the call.
    pub frame: FrameNo,
    /// The time of `frame`.
    #[serde(serialize_with = "Time::serialize")]
    pub time: Time,
}

/// What is counted on the way.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub count: u64,
    pub forgotten: u64,
    answered: u64,
    errors: u64,
    times: Vec<i64>,
    longest: Option<i64>,
}

impl Tally {
    /// A call got its first answer.
    pub fn answered(&mut self, response_time: Option<i64>, is_error: bool) {
        self.answered += 1;
        self.errors += u64::from(is_error);
        let Some(response_time) = response_time else { return };
        self.longest = self.longest.max(Some(response_time));
        if self.times.len() < MOST_TIMES {
            self.times.push(response_time);
        }
    }

    pub fn report<'a>(&self, unanswered: impl Iterator<Item = &'a Call>, whole: bool) -> Report {
        let (optional, required): (Vec<_>, Vec<_>) = unanswered.partition(|call| vocabulary::is_optional(&call.name));
        let mut times = self.times.clone();
        times.sort_unstable();
        let median = times.get(times.len().saturating_sub(1) / 2).copied();
        Report {
            count: self.count,
            answered: self.answered,
            errors: self.errors,
            response_time: median.zip(self.longest).map(|(median, max)| ResponseTimes { median, max }),
            unanswered: required.into_iter().map(Unanswered::from).collect(),
            unanswered_optional: optional.len() as u64,
            forgotten: self.forgotten,
            whole,
        }
    }
}

impl From<&Call> for Unanswered {
    fn from(call: &Call) -> Self {
        let Call { name, transaction_id, direction, frame, time, .. } = call.clone();
        Unanswered { name, transaction_id, direction, frame, time }
    }
}

/// A duration in seconds with nine decimals.
pub(super) fn seconds(nanoseconds: i64) -> String {
    Time(nanoseconds).to_string()
}

/// A duration for reading: `1.204 ms`.
pub fn milliseconds(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let microseconds = nanoseconds.unsigned_abs() / 1000;
    format!("{sign}{}.{:03} ms", microseconds / 1000, microseconds % 1000)
}

impl ResponseTimes {
    /// For reading: `median 1.204 ms, longest 44.029 ms`.
    pub fn text(&self) -> String {
        format!("median {}, longest {}", milliseconds(self.median), milliseconds(self.max))
    }
}

fn as_seconds<S: Serializer>(nanoseconds: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&seconds(*nanoseconds))
}

fn as_number<S: Serializer>(id: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    id.map(Number).serialize(serializer)
}
