//! When it is not known where the next header is: after a hole, after nonsense, or at a start
//! in mid-stream.

use std::ops::Range;

use crate::rtmp::message::{Chunk, Ending};
use crate::rtmp::resync::{Found, HeaderSearch};
use crate::rtmp::search::{Known, Size, Start, Verdict};
use crate::rtmp::{ChunkStreamId, Defect};

use super::{DEFAULT_CHUNK_SIZE, Decoder, Event, Out, State, Step, Undecoded};

/// The search for the next header.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    /// First offset that is not decoded.
    pub from: u64,
    /// What went wrong there.
    pub why: Defect,
    /// The message that a hole cut, if that is what happened.
    torn: Option<Torn>,
    search: Option<HeaderSearch>,
    /// How many bytes there must be for the next look at what may be torn. Looking only at fixed lengths makes the
    /// outcome independent of how the bytes arrive.
    look_at: usize,
}

/// A chunk that a hole begins in and does not end in.
#[derive(Clone, Debug)]
pub(super) struct Torn {
    pub csid: ChunkStreamId,
    /// Where its payload would end, as an offset in the stream.
    pub chunk_end: u64,
    pub hole: Range<u64>,
}

/// The first look at what may be torn, in bytes; each further one is at twice the length.
const FIRST_LOOK: usize = 512;
/// At most so many bytes are searched through at once; then the first half is given up.
const LONGEST_LOOK: usize = 1 << 20;
/// The evidence, in bits, for the one place where the next header is if a hole held nothing but the
/// rest of one message.
const SINGLE_PLACE: u32 = 22;

/// The evidence, in bits, that is asked for at an offset: by chance it comes once in a million such searches.
fn evidence_among(offset: usize) -> u32 {
    20 + (offset.max(FIRST_LOOK) as u32).ilog2()
}

impl Lost {
    pub fn new(from: u64, why: Defect, torn: Option<Torn>) -> Lost {
        Lost { from, why, torn, search: None, look_at: FIRST_LOOK }
    }
}

impl Decoder {
    /// Begins the search for a header at offset `from`.
    pub(super) fn lose(&mut self, why: Defect, from: u64, torn: Option<Torn>) {
        self.state = State::Lost(Lost::new(from, why, torn));
    }

    /// Looks for a header in all the bytes since the search began or the last hole.
    pub(super) fn look(&mut self, data: &[u8], at_end: bool, out: &mut Out<'_>) -> Step {
        let State::Lost(lost) = &mut self.state else { return Step::Wait };
        // The message that a hole cut is looked for first, and at fixed lengths also at the end.
        let is_torn = lost.torn.is_some();
        let look_at = if is_torn { lost.look_at } else { LONGEST_LOOK };
        if data.is_empty() || is_torn && data.len() < look_at && !at_end {
            return Step::Wait;
        }
        let is_last = at_end && data.len() < look_at;
        let seen = &data[..data.len().min(look_at)];
        let search = lost.search.take();
        if is_torn && let Some(used) = self.mend(seen, is_last) {
            return Step::Used(used);
        }
        let (size, prior) = self.size_after_loss();
        let mut search = search.unwrap_or_else(|| HeaderSearch::new(size, prior));
        let mut effort = self.effort.get();
        let found = search.advance(&self.searcher(), seen, (self.at, is_last), evidence_among, &mut effort);
        self.effort.set(effort);
        if let Some(found) = found {
            let State::Lost(lost) = std::mem::replace(&mut self.state, State::Chunks) else { return Step::Wait };
            self.at += found.at as u64;
            self.trusted = Some(self.at);
            self.prior = prior;
            self.take_found_size(found.size);
            self.give_up(lost, Some(found), out);
            return Step::Used(found.at);
        }
        let half = LONGEST_LOOK / 2;
        let drop_half = data.len() >= LONGEST_LOOK && look_at == LONGEST_LOOK;
        if drop_half {
            search.forget(half);
        }
        let State::Lost(lost) = &mut self.state else { return Step::Wait };
        lost.search = Some(search);
        if is_last {
            return Step::Wait;
        }
        if drop_half {
            lost.torn = None;
            self.at += half as u64;
            return Step::Used(half);
        }
        if !is_torn {
            return Step::Wait;
        }
        lost.look_at = 2 * look_at;
        if data.len() >= lost.look_at || at_end { Step::Used(0) } else { Step::Wait }
    }

    /// What is known of the chunk size where the next header is found: a hole may hold a Set Chunk Size, so the size
    /// before it has to be proven again.
    fn size_after_loss(&self) -> (Size, Option<u32>) {
        let is_hole = matches!(&self.state, State::Lost(lost) if lost.why.code == "capture-gap");
        match self.size {
            Size::Known(size) if is_hole && self.options.dialect.is_default() => {
                (Size::AtLeast(size.min(DEFAULT_CHUNK_SIZE)), Some(size))
            }
            Size::AtLeast(longest) if is_hole => (Size::AtLeast(longest.min(DEFAULT_CHUNK_SIZE)), self.prior),
            size => (size, self.prior),
        }
    }

    /// If the hole held nothing but the rest of one message, the next header is at a place that can
    /// be told, and evidence there joins the message again. Gives how many bytes of `data` are dealt with.
    fn mend(&mut self, data: &[u8], at_end: bool) -> Option<usize> {
        let State::Lost(Lost { torn: Some(torn), .. }) = &self.state else { return None };
        let Size::Known(size) = self.size else { return None };
        let (csid, hole) = (torn.csid, torn.hole.clone());
        let stream = self.streams.get(&csid.0).filter(|stream| stream.is_open)?;
        let header_len = super::search::basic_len_of(csid) + if stream.extended.is_some() { 4 } else { 0 };
        let known = stream.known()?;

        // Lay out the chunks that the hole swallowed.
        let mut at = torn.chunk_end;
        let mut left = known.open - (torn.chunk_end - hole.start) as u32;
        let mut chunks = Vec::new();
        while at < hole.end && left > 0 {
            let payload = left.min(size);
            chunks.push(Chunk { at, header_len, fmt: 3, payload, chunk_size: size });
            at += u64::from(header_len) + u64::from(payload);
            left -= payload;
        }
        if at < hole.end || chunks.last().is_some_and(|chunk| chunk.at + u64::from(header_len) > hole.end) {
            return None;
        }
        let next = (at - hole.end) as usize;
        let start = Start { at: next, payload: Some((0, csid, Known { open: left, ..known })) };
        let walk = self.walker(false).walk(data, start, SINGLE_PLACE);
        match walk.verdict {
            Verdict::Accepted => {}
            Verdict::Open if at_end && walk.bits >= SINGLE_PLACE => {}
            Verdict::Open if !at_end => return None,
            _ => {
                if let State::Lost(lost) = &mut self.state {
                    lost.torn = None;
                }
                return None;
            }
        }

        let stream = self.streams.get_mut(&csid.0)?;
        stream.message.ending = Ending::Missing;
        stream.add_hole((torn_end(&self.state)? - hole.start) as u32);
        let mut captured = 0;
        for chunk in chunks {
            // The header was not captured: zeros stand for it, and no source.
            stream.add_chunk(chunk.at, 3, &vec![0; usize::from(header_len)], size);
            let payload_at = chunk.at + u64::from(header_len);
            let lost = hole.end.saturating_sub(payload_at).min(chunk.payload.into()) as u32;
            stream.add_hole(lost);
            captured = chunk.payload - lost;
        }
        self.account(csid);
        self.state = State::Payload { csid, left: captured };
        // With nothing of the last chunk to come, its end is dealt with by an empty payload.
        Some(0)
    }

    /// Tells of the bytes that were not decoded, gives what was open as it is, and notes what can no
    /// longer be relied on.
    pub(super) fn give_up(&mut self, lost: Lost, found: Option<Found>, out: &mut Out<'_>) {
        // A hole may have swallowed what continues them; nonsense took its place.
        self.end_open_messages(if lost.why.code == "capture-gap" { Ending::Missing } else { Ending::Lost }, out);
        for stream in self.streams.values_mut() {
            stream.is_stale = true;
            stream.is_unsure = true;
            stream.is_torn |= stream.left() > 0;
        }
        let midstream = lost.why.code == "capture-midstream";
        let mut why = lost.why;
        if let Some(found) = found {
            if midstream {
                self.assumed = Some(why.clone());
                self.assume_size(found.matches);
            } else {
                self.pending = Some(Defect {
                    code: "resynchronised",
                    offset: self.at,
                    message: format!(
                        "decoding continues here by evidence: {} bits in {}",
                        found.bits,
                        match found.headers {
                            1 => "1 chunk header".to_owned(),
                            headers => format!("{headers} chunk headers in a row"),
                        }
                    ),
                });
            }
            why.message = format!("{}; decoding continues at offset {}", why.message, self.at);
        }
        if lost.from < self.at {
            out(Event::Undecoded(Undecoded { range: lost.from..self.at, why }), &self.sources);
        }
    }

    /// Notes on what assumption the chunks of a capture that begins in mid-stream are read. `matches` is how many headers
    /// prove the chunk size.
    pub(super) fn assume_size(&mut self, matches: u32) {
        if self.assumed.is_none() {
            return;
        }
        let size = match self.size {
            Size::Known(size) if matches > 0 => {
                let headers = if matches == 1 { "header" } else { "headers" };
                format!("chunk size {size}, inferred from {matches} chunk {headers} at exactly that distance")
            }
            Size::Known(size) if self.is_size_announced => format!("chunk size {size}, as announced since"),
            Size::Known(size) => format!("chunk size {size}"),
            Size::AtLeast(_) => "chunk size not known yet, as no message was sent in two chunks".to_owned(),
        };
        self.assumed = Some(Defect {
            code: "capture-midstream",
            offset: self.at,
            message: format!("the start of this direction was not captured; {size}"),
        });
    }
}

fn torn_end(state: &State) -> Option<u64> {
    match state {
        State::Lost(Lost { torn: Some(torn), .. }) => Some(torn.chunk_end),
        _ => None,
    }
}
