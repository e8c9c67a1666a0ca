//! Why a direction's framing is broken: the sender's mistake, proven by decoding the bytes as it would mean them.
//!
//! Takes a stretch of one direction's bytes and a decoder in the state it had before them, gives the
//! dialects ([`Dialect`]) with which the stretch decodes further than by the specification, the best first.
//! Each is decoded again by the real decoder; nothing is inferred from symptoms alone.
//!
//! A hypothesis is *certain* if the whole stretch decodes with it, the headers and bodies after the first
//! place where it reads other than the specification prove it by [`PROOF`] bits, and no other mistake does
//! as well. The evidence is counted as a field of `n` bits with one of `2^k` plausible values: `n - k`.

mod candidates;
mod replay;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use serde::Serialize;

use super::decoder::Decoder;
use super::dialect::{ChunkSize, Dialect, Handshake};
use super::handshake::BLOCK;
use replay::Replay;
pub use replay::WRONG;

/// The evidence, in bits, that makes a hypothesis certain: by chance it comes once in 2^32 readings.
pub const PROOF: u32 = 32;

/// A stretch of a direction that is to be explained.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// A decoder in the state before the stretch, with the default dialect.
    pub before: &'a Decoder,
    /// Offset of the stretch in the direction's stream.
    pub offset: u64,
    /// Its bytes, without a hole.
    pub bytes: &'a [u8],
    /// Whether nothing more of the direction was captured after them.
    pub ends: bool,
    /// The chunk sizes that the other direction announced, and how far this one's stream had come then.
    pub peer_sizes: Vec<(u64, u32)>,
    /// The chunk sizes that the sender announced on the connections before.
    pub earlier_sizes: Vec<u32>,
}

/// A sender's mistake that explains the bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hypothesis {
    /// The mistake's name.
    pub code: &'static str,
    /// How its bytes are to be read.
    pub dialect: Dialect,
    /// Offset in the stream of the first byte that is read in another way than by the specification.
    pub first_at: u64,
    /// How many bytes from the start of the stretch decode without a defect.
    pub clean_bytes: u64,
    /// How many messages these are.
    pub messages: u64,
    /// Whether all of the stretch does.
    pub reaches_end: bool,
    /// The evidence from `first_at` on, in bits.
    pub bits: u32,
    /// How many headers from `first_at` on, and how many bodies, would not be so in a sound session.
    pub doubtful: u32,
    /// Whether it is proven.
    pub certain: bool,
    /// The first headers and lengths from `first_at` on that prove it.
    pub evidence: Vec<Evidence>,
}

/// A header, or a length in a body, that is where the hypothesis has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Its offset in the stream.
    pub offset: u64,
    /// Its bytes.
    #[serde(with = "hex::serde")]
    pub bytes: Vec<u8>,
    /// What it is.
    pub what: String,
}

/// The evidence, in bits, below which nothing is said; as much more for everything that is doubtful.
const WORTH_A_WORD: u32 = 16;
/// The evidence, in bits, that the best has to have more than the next.
const MARGIN: u32 = 16;
/// What C0 says (RTMP 1.0 5.2.2).
const VERSION: u8 = 3;
/// How much of the evidence is shown.
const SHOWN: usize = 6;

/// The mistakes that explain why the stretch does not decode, the best first; none if it does decode.
pub fn judge(case: &Case<'_>) -> Vec<Hypothesis> {
    let plain = replay::run(case, Dialect::default());
    let Some(at) = plain.trouble.or(plain.unfinished) else { return Vec::new() };
    let mut found: Vec<Hypothesis> = Vec::new();
    let work = candidates::try_all(case, &plain, at, |code, dialect, replay| {
        let hypothesis = weigh(case, code, dialect, &plain, replay);
        let is_better = match plain.trouble {
            Some(trouble) => replay.clean_end > trouble,
            // Nothing is wrong but that the last message is not whole: it has to be with the dialect, or another that
            // begins later, and the bytes between prove it.
            None => {
                let is_later = replay.unfinished.is_some_and(|at| plain.unfinished.is_some_and(|plain| at > plain));
                let whole = replay.unfinished.is_none() || is_later && hypothesis.bits >= PROOF;
                hypothesis.reaches_end && whole && hypothesis.doubtful == 0
            }
        };
        // After the trouble any bytes are read as headers, and a size that fits them explains nothing.
        let is_worth_a_word = is_better && hypothesis.bits >= WORTH_A_WORD * (1 + hypothesis.doubtful);
        if is_worth_a_word {
            found.push(hypothesis);
        }
        is_worth_a_word && replay.trouble.is_none()
    });
    found.sort_by_key(|one| Reverse(rank(one)));
    let mut best: Vec<Hypothesis> = Vec::new();
    for one in found {
        if !best.iter().any(|other| other.code == one.code) {
            best.push(one);
        }
    }
    for i in 0..best.len() {
        let one = &best[i];
        let rival = |other: &Hypothesis| {
            other.code != one.code && other.reaches_end && other.doubtful == 0 && other.bits + MARGIN > one.bits
        };
        let certain = work <= candidates::WORK
            && one.reaches_end
            && one.doubtful == 0
            && one.bits >= PROOF
            && !best.iter().any(rival);
        best[i].certain = certain;
    }
    best
}

/// Hypotheses compare by this: the greater is the better.
fn rank(one: &Hypothesis) -> (bool, Reverse<u32>, u64, u32) {
    // Of those that come to the end, one with a message open there may have the last header in another place by chance.
    let clean_bytes = if one.reaches_end { 0 } else { one.clean_bytes };
    (one.reaches_end, Reverse(one.doubtful), clean_bytes, one.bits)
}

/// What speaks for a dialect with which the stretch was decoded.
fn weigh(case: &Case<'_>, code: &'static str, dialect: Dialect, plain: &Replay, replay: &Replay) -> Hypothesis {
    let first_at = divergence(plain, replay);
    let behind = || replay.headers.iter().filter(|header| header.at >= first_at);
    let bodies = || replay.bodies.iter().filter(|proof| proof.at > first_at);
    let bits: u32 = behind().filter_map(|header| header.bits).chain(bodies().filter_map(|proof| proof.bits)).sum();
    // That a chunk ends where the stream does is one of as many possibilities as it has bytes.
    let last = replay.headers.last().filter(|last| replay.ends_whole && last.end() > first_at);
    let bits = bits + last.map_or(0, |last| last.payload.max(1).ilog2());
    let bits = bits + handshake_bits(case, &dialect, replay);
    let bits = bits.saturating_sub(candidates::price(code, &dialect));
    // A size that nothing is cut at may be any that is large enough.
    let is_cut = behind().any(|header| header.continues);
    let bits = match dialect.chunk_size {
        ChunkSize::LittleEndian if !is_cut => bits.min(PROOF - 1),
        _ => bits,
    };
    let doubtful =
        behind().filter(|header| header.bits.is_none()).count() + bodies().filter(|proof| proof.bits.is_none()).count();
    let is_last_sound = replay.headers.last().is_none_or(|last| last.bits.is_some());
    let headers = behind().filter(|header| header.bits.is_some()).take(SHOWN);
    let units = bodies().filter(|proof| proof.len > 0).take(SHOWN);
    let mut evidence: Vec<_> = headers
        .map(|header| (header.at, header.len, header.describe()))
        .chain(units.map(|unit| (unit.at, unit.len, "the length of a NAL unit, in its place".to_owned())))
        .collect();
    evidence.sort_by_key(|one| one.0);
    evidence.truncate(SHOWN);
    let bytes = |at: u64, len: u8| {
        // A header that was begun before the stretch has no bytes here.
        let at = at.checked_sub(case.offset).map_or(usize::MAX, |at| at as usize);
        case.bytes.get(at..at.saturating_add(len.into())).unwrap_or_default().to_vec()
    };
    let evidence = evidence.into_iter().map(|(offset, len, what)| Evidence { offset, bytes: bytes(offset, len), what });
    Hypothesis {
        code,
        dialect,
        first_at,
        clean_bytes: replay.clean_end.saturating_sub(case.offset),
        messages: replay.messages,
        reaches_end: replay.trouble.is_none() && is_last_sound,
        bits,
        doubtful: doubtful as u32,
        certain: false,
        evidence: evidence.collect(),
    }
}

/// The evidence in a handshake without C0: there is no version, and the block ends where the direction does.
fn handshake_bits(case: &Case<'_>, dialect: &Dialect, replay: &Replay) -> u32 {
    let has_version = case.bytes.first() == Some(&VERSION);
    let ends = replay.ends_whole && replay.headers.is_empty();
    match dialect.handshake {
        Handshake::WithoutC0 if !has_version => 8 + if ends { BLOCK.ilog2() } else { 0 },
        _ => 0,
    }
}

/// The first offset at which a header is read with one dialect and not with the other.
fn divergence(plain: &Replay, replay: &Replay) -> u64 {
    let pairs = plain.headers.iter().zip(&replay.headers);
    let same = pairs.take_while(|(a, b)| a.place() == b.place()).count();
    let next = match (plain.headers.get(same), replay.headers.get(same)) {
        // Another length is read from the header itself.
        (Some(a), Some(b)) if a.at == b.at && a.length != b.length => Some(a.at),
        // The same header, and another length of payload after it.
        (Some(a), Some(b)) if (a.at, a.len, a.continues) == (b.at, b.len, b.continues) => Some(a.end().min(b.end())),
        (a, b) => a.into_iter().chain(b).map(|header| header.at).min(),
    };
    let next = next.or(plain.unfinished).unwrap_or(u64::MAX);
    plain.trouble.map_or(next, |trouble| trouble.min(next))
}
