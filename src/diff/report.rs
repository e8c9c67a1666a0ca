//! The report: verdict, pairs, causes, and what is unexplained.

use serde::{Serialize, Serializer};

use crate::compare::{Comparison, FieldPath, Paired, Side, Value, role};
use crate::origin::FrameNo;
use crate::owed::Progress;
use crate::recording::{RecordedEvent, Recording, Session};
use crate::rules::{Break, Claim, Diagnosis, Location, is_symptom};
use crate::session::Direction;
use crate::tcp::ConnectionId;

use super::FORMAT_VERSION;
use super::fold::{FoldedCause, Outcome, Rank};

/// What became of the comparison.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The version of this format.
    pub format_version: u32,
    /// Whether the two are the same.
    pub verdict: Verdict,
    /// Whether B works, as far as that can be told; None if it cannot.
    pub works: Option<bool>,
    /// Where B breaks, if it does.
    pub breaks_at: Option<Break>,
    /// Whether it is A that breaks, and B that works: then they were given in the wrong order.
    pub swapped: bool,
    /// The answer in one sentence.
    pub summary: String,
    /// The connections that were compared.
    pub pairs: Vec<Pair>,
    /// Connections that only A has.
    pub only_a: Vec<Connection>,
    /// Connections that only B has.
    pub only_b: Vec<Connection>,
    /// Why the sessions differ: what breaks something first, then in the order of first occurrence.
    pub causes: Vec<Cause>,
    /// Differences that no rule explains.
    pub unexplained: Vec<Unexplained>,
    /// Differences that are to be expected, by reason, with their numbers.
    pub expected: Vec<Expected>,
    /// Whether each pair's sessions did what they are for, A's and B's.
    #[serde(skip)]
    serve: Vec<[bool; 2]>,
}

/// Whether two recordings are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing differs.
    Identical,
    /// Only what is to be expected differs.
    Equivalent,
    /// More than that differs.
    Different,
}

/// A connection in words.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Connection {
    /// Its number.
    pub tcp_stream: ConnectionId,
    /// What it is for: `publish live/one`.
    pub role: String,
}

/// Two connections that were compared.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Pair {
    /// The connection of A.
    pub a: Connection,
    /// The connection of B.
    pub b: Connection,
    /// What became of the messages.
    pub messages: Counts,
    /// A line for each message.
    #[doc(hidden)]
    #[serde(skip)]
    pub lines: Vec<StatLine>,
}

/// What became of one message.
#[derive(Clone, Debug)]
pub struct StatLine {
    /// The row's number in A.
    pub a: Option<u64>,
    /// The row's number in B.
    pub b: Option<u64>,
    /// Which way it went.
    pub direction: Direction,
    /// What it is.
    pub message: String,
    /// The paths that differ and should not.
    pub paths: Vec<FieldPath>,
    /// How many differ as is to be expected.
    pub expected: usize,
}

impl StatLine {
    /// Whether nothing differs, or only what is to be expected.
    pub fn is_alike(&self) -> bool {
        self.paths.is_empty()
    }
}

/// How many messages are alike.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Equal in all that counts.
    pub equal: u64,
    /// With differences that are to be expected.
    pub expected: u64,
    /// With others.
    pub different: u64,
    /// Only in A.
    pub only_a: u64,
    /// Only in B.
    pub only_b: u64,
}

/// Why sessions differ.
pub type Cause = Diagnosis<Evidence>;

/// Where a cause shows, and the bytes there.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Evidence {
    /// Index of the pair of connections.
    pub pair: usize,
    /// Where it shows first.
    pub r#where: Where,
    /// The bytes there.
    pub bytes: Bytes,
    /// Its place among the causes.
    #[serde(skip)]
    pub(super) rank: Rank,
}

/// A place in both captures.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Where {
    /// The field: `connect.tcUrl`, `header.typeid`.
    pub path: FieldPath,
    /// Which way the message went.
    pub direction: Direction,
    /// The message: `connect`, `video keyframe`.
    pub message: String,
    /// In A.
    pub a: Option<Place>,
    /// In B.
    pub b: Option<Place>,
}

impl Where {
    /// The place in B, or in A for what is only there, in the words of one session.
    pub fn location(&self, pair: &Pair) -> Option<Location> {
        let (place, connection) = match (&self.a, &self.b) {
            (_, Some(place)) => (place, &pair.b),
            (Some(place), None) => (place, &pair.a),
            (None, None) => return None,
        };
        Some(Location {
            tcp_stream: connection.tcp_stream,
            direction: self.direction,
            message: self.message.clone(),
            path: self.path.clone(),
            number: place.number,
            frame: place.frame,
            stream_offset: place.stream_offset,
            value: place.value.clone(),
        })
    }
}

/// A place in a capture.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Place {
    /// The row's number; in a snapshot the line's.
    pub number: u64,
    /// The frame; a snapshot has none.
    pub frame: Option<FrameNo>,
    /// Offset in the direction's stream; a snapshot does not say.
    pub stream_offset: Option<u64>,
    /// The value in words.
    pub value: Option<String>,
}

/// The bytes of both sides, in hex; the first of them, if they are many.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Bytes {
    /// In A.
    #[serde(serialize_with = "hex_or_null")]
    pub a: Option<Vec<u8>>,
    /// In B.
    #[serde(serialize_with = "hex_or_null")]
    pub b: Option<Vec<u8>>,
}

/// A difference without a known cause.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Unexplained {
    /// Index of the pair of connections.
    pub pair: usize,
    /// Where it is.
    pub r#where: Where,
    /// The bytes there.
    pub bytes: Bytes,
    /// How many others of the same path there are.
    pub more: u64,
}

/// Differences that are to be expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Expected {
    /// Why, or the pattern that ignores them.
    pub reason: String,
    /// How many.
    pub count: u64,
}

impl Report {
    /// A report without a pair so far.
    pub(super) fn new(a: &Recording, b: &Recording, paired: &Paired) -> Report {
        let of = |recording: &Recording, indices: &[usize]| {
            indices.iter().map(|&index| connection(&recording.sessions[index])).collect()
        };
        Report {
            format_version: FORMAT_VERSION,
            verdict: Verdict::Identical,
            works: None,
            breaks_at: None,
            swapped: false,
            summary: String::new(),
            pairs: Vec::new(),
            only_a: of(a, &paired.only_a),
            only_b: of(b, &paired.only_b),
            causes: Vec::new(),
            unexplained: Vec::new(),
            expected: Vec::new(),
            serve: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, comparison: &Comparison<'_>, outcome: Outcome, ignored: Vec<(String, u64)>) {
        let Some(a) = comparison.a else { return };
        let pair = self.pairs.len();
        let serves = |session, side: Side| Progress::of(session, &comparison.identities[side as usize]).serves();
        self.serve.push([serves(a, Side::A), serves(comparison.b, Side::B)]);
        self.pairs.push(Pair {
            a: connection(a),
            b: connection(comparison.b),
            messages: counts(comparison),
            lines: lines(comparison),
        });
        let (of_a, of_b) = (&a.stream, &comparison.b.stream);
        if !comparison.has_snapshot()
            && (of_a.client, of_a.server, &of_a.start) != (of_b.client, of_b.server, &of_b.start)
        {
            self.count_expected("addresses, ports and times of the recordings".to_owned(), 1);
        }
        for mismatch in &comparison.mismatches {
            if let Some(reason) = mismatch.expected.filter(|reason| *reason != "ignored as asked for") {
                self.count_expected(reason.to_owned(), 1);
            }
        }
        for (pattern, count) in ignored {
            self.count_expected(format!("ignored: {pattern}"), count);
        }
        let works = outcome.works;
        self.causes.extend(outcome.causes.into_iter().map(|cause| Cause::new(comparison, cause, pair, works)));
        for index in outcome.unexplained {
            let mismatch = &comparison.mismatches[index];
            let r#where = place(comparison, mismatch.row, &mismatch.path, &mismatch.sides);
            // One line for a path, however often it differs.
            let same = |other: &&mut Unexplained| {
                other.pair == pair
                    && other.r#where.path == r#where.path
                    && other.r#where.direction == r#where.direction
                    && other.r#where.message == r#where.message
            };
            match self.unexplained.iter_mut().find(same) {
                Some(other) => other.more += 1,
                None => {
                    self.unexplained.push(Unexplained { pair, r#where, bytes: bytes(&mismatch.sides), more: 0 });
                }
            }
        }
    }

    fn count_expected(&mut self, reason: String, count: u64) {
        match self.expected.iter_mut().find(|expected| expected.reason == reason) {
            Some(expected) => expected.count += count,
            None => self.expected.push(Expected { reason, count }),
        }
    }

    pub(super) fn finish(mut self) -> Report {
        let leftover = !self.only_a.is_empty() || !self.only_b.is_empty();
        let different = !self.causes.is_empty() || !self.unexplained.is_empty() || leftover;
        self.verdict = match (different, self.expected.is_empty()) {
            (true, _) => Verdict::Different,
            (false, false) => Verdict::Equivalent,
            (false, true) => Verdict::Identical,
        };
        self.causes.sort_by_key(|cause| cause.evidence.rank);
        (self.works, self.breaks_at) = self.judge();
        self.summary = self.sentence();
        self
    }

    /// Whether B works, and where it breaks: at the first cause that breaks something; without one, where A did what it
    /// is for and B did not, at the first divergence. What may matter leaves it open.
    fn judge(&self) -> (Option<bool>, Option<Break>) {
        let located = |evidence: &Evidence| evidence.r#where.location(self.pairs.get(evidence.pair)?);
        if let Some(cause) = self.cause() {
            return (Some(false), located(&cause.evidence).map(|at| Break { rule: Some(cause.rule), at }));
        }
        let symptom = self.symptom();
        if symptom.is_some() || self.serve.iter().any(|&[a, b]| a && !b) {
            let differs = |with_habits: bool| {
                let is_one = move |cause: &&Cause| !is_symptom(cause.rule) && (with_habits || !cause.is_habit());
                self.causes.iter().filter(is_one).filter_map(|cause| located(&cause.evidence))
            };
            let of_b = |at: &Location| at.number;
            let open = self.unexplained.iter().filter_map(|one| one.r#where.location(self.pairs.get(one.pair)?));
            // What is a habit elsewhere is all there is to tell where nothing else differs.
            let first = differs(false).chain(open).min_by_key(of_b).or_else(|| differs(true).min_by_key(of_b));
            let end = || located(&symptom?.evidence);
            return (Some(false), first.or_else(end).map(|at| Break { rule: None, at }));
        }
        let is_known = !self.pairs.is_empty() && self.only_b.is_empty() && self.only_a.is_empty();
        let is_open = !is_known || !self.unexplained.is_empty() || self.causes.iter().any(|cause| !cause.is_habit());
        let serves = self.serve.iter().any(|&[_, b]| b) && self.serve.iter().all(|&[a, b]| b || !a);
        ((serves && !is_open).then_some(true), None)
    }

    /// The first that says why something breaks.
    fn cause(&self) -> Option<&Cause> {
        self.causes.iter().find(|cause| cause.breaks() && !is_symptom(cause.rule))
    }

    /// How the session ended, where nothing says why.
    fn symptom(&self) -> Option<&Cause> {
        self.causes.iter().find(|cause| cause.breaks() && is_symptom(cause.rule))
    }

    /// How many statements there are about what differs.
    fn differences(&self) -> usize {
        self.causes.len() + self.unexplained.len()
    }

    /// The answer in one sentence.
    fn sentence(&self) -> String {
        let count =
            |number: usize| if number == 1 { "1 difference".to_owned() } else { format!("{number} differences") };
        let symptom = self.symptom().map(|cause| format!("{}; ", cause.title)).unwrap_or_default();
        match (self.verdict, self.works, &self.breaks_at) {
            (Verdict::Identical, ..) => "identical: nothing differs".to_owned(),
            (Verdict::Equivalent, ..) => "equivalent: only differences expected between two recordings".to_owned(),
            _ if self.pairs.is_empty() => "different: the captures have no session in common".to_owned(),
            (_, Some(false), Some(at)) => match self.cause() {
                Some(cause) => format!("breaks at {}, because {}", at.in_words(), cause.title),
                None => format!(
                    "breaks, cause not found: {symptom}the first divergence is {} of {}",
                    at.at.path,
                    at.in_words()
                ),
            },
            (_, Some(false), None) => "breaks, cause not found".to_owned(),
            (_, Some(true), _) => {
                format!("works, with {}, none known to break anything", count(self.differences()))
            }
            (_, None, _) => {
                let open = self.causes.iter().filter(|cause| !cause.is_habit()).count() + self.unexplained.len();
                let first = self.causes.first().filter(|cause| !cause.is_habit()).map(|cause| cause.title.clone());
                let first = first.or(self.unexplained.first().map(|one| format!("{} differs", one.r#where.path)));
                match (open, first) {
                    (1, Some(first)) => format!("different: {first}"),
                    (_, Some(first)) => format!("different: {open} differences may matter, the first: {first}"),
                    _ if !self.only_a.is_empty() || !self.only_b.is_empty() => {
                        "different: there are connections that only one capture has".to_owned()
                    }
                    _ => format!("different: {}, none known to break anything", count(self.differences())),
                }
            }
        }
    }

    /// It is A that breaks, and B that does not: says so, and why.
    pub(super) fn swap(&mut self, why: &str) {
        self.swapped = true;
        self.summary = format!(
            "A breaks, because {why}; B does not: the captures are given in the wrong order, the one that works comes first"
        );
    }
}

impl Cause {
    /// A cause with its places; `pair` is the index of the pair of connections.
    pub(super) fn new(comparison: &Comparison<'_>, cause: FoldedCause, pair: usize, works: bool) -> Cause {
        let (rank, severity) = (cause.rank(), cause.severity());
        let (certainty, effect) = (cause.certainty(works), Some(cause.effect()));
        let FoldedCause { rule, claim, consequences, folded, .. } = cause;
        let (row, sides) = values(comparison, &claim, &consequences);
        let evidence =
            Evidence { pair, r#where: place(comparison, row, &claim.path, &sides), bytes: bytes(&sides), rank };
        let (differences, consequences) = match comparison.a {
            Some(_) => (Some(claim.explains.len()), consequences.len()),
            None => (None, folded),
        };
        Cause {
            rule,
            certainty,
            effect,
            severity,
            title: claim.title,
            evidence,
            why: claim.why,
            fix: claim.fix,
            differences,
            consequences: Some(consequences),
        }
    }
}

/// The values that a claim shows, and the row they are in. Where it has none, those that differ there; where nothing
/// does, as a time goes back only after the one that is wrong, the first of that field that have to do with it. A
/// payload that is kept as a digest only is said as that, on both sides.
fn values(comparison: &Comparison<'_>, claim: &Claim, consequences: &[usize]) -> (usize, [Option<Value>; 2]) {
    let (mut row, mut sides) = (claim.row, claim.sides.clone());
    if sides.iter().all(Option::is_none) {
        let of_claim = claim.explains.iter().chain(consequences).map(|&index| &comparison.mismatches[index]);
        let here = comparison.mismatches.iter().filter(|mismatch| mismatch.row == row);
        let mut differs = here.chain(of_claim);
        if let Some(mismatch) = differs.find(|mismatch| mismatch.path == claim.path) {
            (row, sides) = (mismatch.row, mismatch.sides.clone());
        }
    }
    let kept = [Side::A, Side::B].map(|side| comparison.item(row, side).and_then(RecordedEvent::message));
    if let [Some(a), Some(b)] = kept
        && claim.path.is_payload()
        && !(a.is_whole() && b.is_whole())
        && a.hash != b.hash
    {
        for (side, kept) in sides.iter_mut().zip([a, b]) {
            let digest = format!("message of {} bytes, SHA-256 {:016x}…", kept.header.length, kept.hash >> 64);
            match side {
                Some(value) => value.text = format!("{}; {digest}", value.text),
                None => *side = Some(Value::words(digest)),
            }
        }
    }
    (row, sides)
}

fn connection(session: &Session) -> Connection {
    Connection { tcp_stream: session.stream.tcp_stream, role: role(session).to_string() }
}

fn counts(comparison: &Comparison<'_>) -> Counts {
    let mut counts = Counts::default();
    let mut mismatches = comparison.mismatches.iter().peekable();
    for row in 0..comparison.rows.len() {
        let (mut expected, mut other) = (false, false);
        while let Some(mismatch) = mismatches.next_if(|mismatch| mismatch.row == row) {
            expected |= mismatch.expected.is_some();
            other |= mismatch.expected.is_none();
        }
        let only = [Side::A, Side::B].map(|side| comparison.item(row, side).is_none());
        match (only, other, expected) {
            ([false, true], ..) => counts.only_a += 1,
            ([true, false], ..) => counts.only_b += 1,
            (_, true, _) => counts.different += 1,
            (_, false, true) => counts.expected += 1,
            (_, false, false) => counts.equal += 1,
        }
    }
    counts
}

fn lines(comparison: &Comparison<'_>) -> Vec<StatLine> {
    let mut mismatches = comparison.mismatches.iter().peekable();
    let mut lines = Vec::with_capacity(comparison.rows.len());
    for row in 0..comparison.rows.len() {
        let number = |side| comparison.item(row, side).map(|item| item.number);
        let mut line = StatLine {
            a: number(Side::A),
            b: number(Side::B),
            direction: comparison.either_item(row).direction,
            message: comparison.either(row).name.clone(),
            paths: Vec::new(),
            expected: 0,
        };
        while let Some(mismatch) = mismatches.next_if(|mismatch| mismatch.row == row) {
            match mismatch.expected {
                Some(_) => line.expected += 1,
                None => line.paths.push(mismatch.path.clone()),
            }
        }
        lines.push(line);
    }
    lines
}

fn place(comparison: &Comparison<'_>, row: usize, path: &FieldPath, sides: &[Option<Value>; 2]) -> Where {
    let of = |side: Side| {
        let item = comparison.item(row, side)?;
        let value = sides[side as usize].as_ref();
        let (offset, frame) = value.and_then(|value| value.place).unwrap_or((item.at.start, item.frames[1]));
        let is_known = !comparison.session(side)?.is_snapshot;
        Some(Place {
            number: item.number,
            frame: frame.known().filter(|_| is_known),
            stream_offset: is_known.then_some(offset),
            value: value.map(|value| value.text.clone()),
        })
    };
    Where {
        path: path.clone(),
        direction: comparison.either_item(row).direction,
        message: comparison.either(row).name.clone(),
        a: of(Side::A),
        b: of(Side::B),
    }
}

fn bytes(sides: &[Option<Value>; 2]) -> Bytes {
    let [a, b] = sides.each_ref().map(|side| side.as_ref().map(|value| value.bytes.clone()));
    Bytes { a, b }
}

fn hex_or_null<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    match bytes {
        Some(bytes) => serializer.serialize_str(&hex::encode(bytes)),
        None => serializer.serialize_none(),
    }
}
