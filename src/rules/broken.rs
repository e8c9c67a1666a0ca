//! Rules for framing that is broken: each is a hypothesis that was replayed (see [`crate::rtmp::hypotheses`]).
//!
//! A rule gives the words, from what is [`FramingEvidence`] of its case; the place, the evidence and the certainty are the
//! hypothesis's own.

use crate::compare::{Comparison, FieldPath, Side, Value};
use crate::recording::{Framing, RecordedEvent, RecordedMessage};
use crate::rtmp::MessageTypeId;
use crate::rtmp::hypotheses::{Hypothesis, PROOF};
use crate::rtmp::message::Ending;

use super::{Certainty, Claim, DiagnosisText, Impact};

/// A broken direction of B, as a rule sees it.
pub struct FramingEvidence<'c, 'r> {
    /// The sessions.
    pub comparison: &'c Comparison<'r>,
    /// The direction, and what explains it.
    pub framing: &'c Framing,
    /// What explains it best.
    pub best: &'c Hypothesis,
    /// The row of the message that it shows in.
    pub row: usize,
    /// That message in B.
    pub item: &'r RecordedEvent,
}

/// The claims of the rule `code`: the directions of B that its mistake explains best. What A does too is no cause.
pub fn claims(comparison: &Comparison<'_>, code: &str) -> Vec<Claim> {
    claims_with(comparison, code, |_| Some(DiagnosisText::default()))
}

/// The same in a rule's own words. None: the case is another rule's.
pub fn claims_with(
    comparison: &Comparison<'_>,
    code: &str,
    words: fn(&FramingEvidence<'_, '_>) -> Option<DiagnosisText>,
) -> Vec<Claim> {
    let is_best =
        |framing: &&Framing| FramingEvidence::new(comparison, framing).is_some_and(|seen| seen.best.code == code);
    let also_in_a = |framing: &&Framing| {
        comparison.a.iter().flat_map(|a| &a.framing).any(|other| {
            let of_a = other.hypotheses[0].code;
            other.direction == framing.direction && [code, framing.hypotheses[0].code].contains(&of_a)
        })
    };
    let of_b = comparison.b.framing.iter().filter(is_best).filter(|framing| !also_in_a(framing));
    let of_b = of_b.filter(|framing| is_worth_a_claim(comparison, framing));
    of_b.filter_map(|framing| claim(&FramingEvidence::new(comparison, framing)?, words)).collect()
}

/// Whether the best explanation of a broken direction says anything: it leads to the end, or gives the very message
/// that A has. Where there is no A, evidence that is no accident is worth a guess.
pub fn is_worth_a_claim(comparison: &Comparison<'_>, framing: &Framing) -> bool {
    framing.hypotheses.first().is_some_and(|best| {
        best.certain
            || best.reaches_end
            || FramingEvidence::new(comparison, framing).is_some_and(|seen| seen.is_like_a())
            || comparison.a.is_none() && best.bits >= PROOF
    })
}

fn claim(
    seen: &FramingEvidence<'_, '_>,
    words: fn(&FramingEvidence<'_, '_>) -> Option<DiagnosisText>,
) -> Option<Claim> {
    let DiagnosisText { title, why, fix } = words(seen)?;
    let FramingEvidence { comparison, best, row, item, .. } = *seen;
    let first = best.evidence.first();
    let value = Value {
        bytes: first.map(|evidence| evidence.bytes.clone()).unwrap_or_default(),
        place: Some((best.first_at, item.frames[1])),
        ..Value::words(first.map(|evidence| evidence.what.clone()).unwrap_or_default())
    };
    // A body that comes out as A has it, byte for byte, is proof as well; but not of which of two mistakes it was.
    // Whether type 3 headers are missing or an announcement, A tells where it has the headers.
    let is_told = |other: &Hypothesis| {
        (best.code, other.code) == ("type3-missing", "chunk-size-not-announced") && seen.is_cut_in_a()
    };
    let is_rival = |other: &&Hypothesis| other.code != best.code && other.reaches_end && !is_told(other);
    let rivals = seen.framing.hypotheses.iter().any(|other| is_rival(&other));
    let certain = best.certain || best.reaches_end && seen.is_like_a() && !rivals;
    let certainty = match (certain, best.reaches_end || seen.is_like_a()) {
        (true, _) => Certainty::Certain,
        (false, true) => Certainty::Likely,
        (false, false) => Certainty::Possible,
    };
    // What is to be expected is not caused by it; a message may well come out as it should be.
    let explains = comparison.open().filter(|&index| comparison.mismatches[index].row == row).collect();
    let why = [why, seen.evidence()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
    let claim = Claim::on(row, FieldPath::Chunk(""), [None, Some(value)], certainty, title);
    Some(Claim { explains, impact: Impact::Framing, ..claim.why(why).fix(fix) })
}

impl<'c, 'r> FramingEvidence<'c, 'r> {
    fn new(comparison: &'c Comparison<'r>, framing: &'c Framing) -> Option<FramingEvidence<'c, 'r>> {
        let best = framing.hypotheses.first()?;
        // The first message of the direction that the mistake is in, or the last one before it.
        let rows: Vec<(usize, &RecordedEvent)> = comparison
            .rows_of(framing.direction)
            .filter_map(|row| Some((row, comparison.item(row, Side::B)?)))
            .collect();
        let holds = |(_, item): &(usize, &RecordedEvent)| item.at.end > best.first_at;
        let (row, item) = rows.iter().copied().find(holds).or(rows.last().copied())?;
        let mut seen = FramingEvidence { comparison, framing, best, row, item };
        // A message in one piece lacks its type 3 headers, or the announcement of a size that it is within: the bytes
        // are the same. What A has in its place tells.
        let other = match best.code {
            "type3-missing" if !seen.is_cut_in_a() => "chunk-size-not-announced",
            "chunk-size-not-announced" if seen.is_cut_in_a() => "type3-missing",
            _ => return Some(seen),
        };
        let is_as_good = |one: &&Hypothesis| {
            one.code == other
                && (one.first_at, one.reaches_end, one.bits) == (best.first_at, best.reaches_end, best.bits)
        };
        seen.best = framing.hypotheses.iter().find(is_as_good).unwrap_or(best);
        Some(seen)
    }

    /// Whether A has the message in chunks of the very size that is in force in B.
    fn is_cut_in_a(&self) -> bool {
        let of_a = self.comparison.item(self.row, Side::A).and_then(RecordedEvent::message);
        let chunks = of_a.and_then(|kept| kept.chunks);
        chunks.is_some_and(|chunks| chunks.count > 1 && chunks.size == self.size_in_force())
    }

    /// The message's name.
    pub fn name(&self) -> String {
        self.comparison.either(self.row).name.clone()
    }

    /// The message, if the item is one.
    pub fn kept(&self) -> Option<&'r RecordedMessage> {
        self.item.message()
    }

    /// Whether the message, read so, has the body that A has, and one of more than a chunk.
    fn is_like_a(&self) -> bool {
        let of_a = self.comparison.item(self.row, Side::A).and_then(RecordedEvent::message);
        let same = of_a.zip(self.kept()).is_some_and(|(a, b)| a.hash == b.hash && b.ending == Ending::Complete);
        same && self.length() > self.size_in_force()
    }

    /// How long the message is.
    pub fn length(&self) -> u32 {
        self.kept().map_or(0, |kept| kept.header.length)
    }

    /// The last chunk size that the sender announced before the message, with its row.
    pub fn announced(&self) -> Option<(usize, u32)> {
        let comparison = self.comparison;
        let before = comparison.rows_of(self.framing.direction).take_while(|&row| row < self.row);
        let size = |row| announced(comparison.item(row, Side::B)?.message()?);
        before.filter_map(|row| Some((row, size(row)?))).last()
    }

    /// The size that a receiver cuts the message at.
    pub fn size_in_force(&self) -> u32 {
        self.announced().map(|(_, size)| size & 0x7fff_ffff).filter(|&size| size > 0).unwrap_or(128)
    }

    /// What a receiver makes of the body at `offset` when it reads a chunk header there.
    pub fn read_as_header(&self, offset: u32) -> Option<String> {
        let byte = *self.kept()?.body.get(offset as usize)?;
        Some(format!("byte {offset} of the body, {}, as a chunk header: {}", in_words(byte), as_header(byte)))
    }

    /// The first of the header's bytes that prove the mistake, in hex.
    pub fn first_bytes(&self) -> String {
        self.best.evidence.first().map(|one| spaced(&one.bytes)).unwrap_or_default()
    }

    fn evidence(&self) -> String {
        let best = self.best;
        let evidence: Vec<_> = best
            .evidence
            .iter()
            .map(|one| format!("{} at stream offset {} ({})", one.what, one.offset, spaced(&one.bytes)))
            .collect();
        let like_a = if self.is_like_a() { ", and this one has the same body as in A" } else { "" };
        format!(
            "read as it was meant, {} messages in {} bytes decode without a defect{}{like_a}: {}",
            best.messages,
            best.clean_bytes,
            if best.reaches_end { ", to the end of the data examined" } else { "" },
            evidence.join("; ")
        )
    }
}

/// The chunk size that a message announces, as it is written.
pub fn announced(kept: &RecordedMessage) -> Option<u32> {
    (kept.header.type_id == MessageTypeId::SET_CHUNK_SIZE).then_some(())?;
    kept.body.first_chunk().map(|&size| u32::from_be_bytes(size))
}

/// Bytes in hex with blanks between.
pub fn spaced(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// A byte in hex, and as a character if it is one.
pub fn in_words(byte: u8) -> String {
    match byte {
        b' '..=b'~' => format!("{byte:#04x} '{}'", char::from(byte)),
        _ => format!("{byte:#04x}"),
    }
}

/// A byte as the first of a chunk header (RTMP 1.0 5.3.1.1), and what nginx says where it is over its limit.
pub fn as_header(byte: u8) -> String {
    let fmt = byte >> 6;
    match byte & 0x3f {
        0 => format!("fmt {fmt}, a chunk stream id in the next byte"),
        1 => format!("fmt {fmt}, a chunk stream id in the next two bytes"),
        csid @ 32.. => format!("fmt {fmt}, chunk stream {csid} (nginx: \"chunk stream too big: {csid} >= 32\")"),
        csid => format!("fmt {fmt}, chunk stream {csid}"),
    }
}
