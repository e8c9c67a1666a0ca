//! Finds where chunk headers are, and how long chunks are, where the bytes before do not tell: after bytes that
//! were not captured, at a start in mid-session, after bytes that are not a chunk header.
//!
//! Takes the bytes from there on as they arrive, and what is known of the chunk streams. Competing readings
//! ([`Candidate`]) are followed side by side until the evidence accepts one. Decoding is left to
//! [`super::decoder`].
//!
//! The work is linear: each offset is examined once, in order; a reading remembers how far it was followed; a
//! refuted one is dropped for good; at most [`MOST`] are followed at a time, and no new ones while
//! [`Effort`] is spent. The outcome does not depend on how the bytes arrive, as an offset is examined only
//! when the [`AHEAD`] bytes that may matter there have arrived, or none will follow.
//!
//! A chunk size that nobody announced is inferred from a message that is cut: each place where a header that
//! continues it may be is a competing size, and so is no cut at all. A size is proven by headers at exact
//! distances and by messages that end where another begins; an uncommon size needs more of them.

use crate::field::Reader;

use super::ChunkStreamId;
use super::MessageTypeId;
use super::chunk::{ChunkHeader, MAX_HEADER};
use super::search::{Known, LARGEST, Size, Walker, basic_len, set, type3};

/// At most so many readings are followed at a time.
const MOST: usize = 128;
/// And so many of them inside messages that may be cut anywhere.
const MOST_SPLITS: usize = 16;
/// The bytes that matter at an offset: a header and the start of a body.
const AHEAD: usize = MAX_HEADER + 16;
/// A first header with less evidence, in bits, is not followed.
const WORTH_FOLLOWING: u32 = 12;
/// A first header with less evidence, in bits, is not worth trying chunk sizes for.
const WORTH_SPLITTING: u32 = 24;
/// So many headers without enough evidence are evidence against it.
const MOST_HEADERS: u32 = 4096;
/// The evidence, in bits, in the header after a message, with which the message was not cut.
const LANDING: u32 = 16;
/// The same where the message is no longer than a chunk is by default (RTMP 1.0 5.4.1).
const SHORT_LANDING: u32 = 6;
const DEFAULT: u32 = 128;
/// The evidence, in bits, that a header needs more if no other follows it.
const ALONE: u32 = 12;
/// The evidence, in bits, in another chunk stream's header, with which a message may be cut there.
const INTERLEAVED: u32 = 30;
/// The evidence, in bits, for a chunk size: more than what the choice among all sizes explains, by this.
const PROOF: i32 = 9;
/// The evidence, in bits, by which a proven size leads its rivals.
const LEAD: i32 = 8;
/// So many headers at exact distances prove a size though the message's end was not seen.
const LONG_RUN: u32 = 64;
/// The same for the size before bytes were lost.
const SHORT_RUN: u32 = 2;
/// The evidence, in bits, in one header at exactly the right distance.
const MATCH: i32 = 8;

/// The work done, in steps: one for each reading followed at an offset.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effort(pub u64);

/// So many steps are granted for each byte of the direction; and so many in any case.
pub(super) const STEPS_PER_BYTE: u64 = 256;
pub(super) const FREE_STEPS: u64 = 1 << 22;

impl Effort {
    /// Whether no more can be begun at `offset` of the direction.
    pub fn is_spent(self, offset: u64) -> bool {
        self.0 > STEPS_PER_BYTE.saturating_mul(offset).saturating_add(FREE_STEPS)
    }
}

/// The search for a chunk header, or for the chunk size at a header that is known.
#[derive(Clone, Debug)]
pub(super) struct HeaderSearch {
    size: Size,
    /// The chunk size in force before bytes were lost.
    prior: Option<u32>,
    /// A header is at offset 0, and only the chunk size is looked for.
    anchored: bool,
    /// The first offset that is not examined.
    next: usize,
    /// The next offset at which one of `walks` has a header.
    due: usize,
    /// Readings whose next header is at a known offset.
    walks: Vec<Candidate>,
    /// Readings inside a message that may be cut anywhere.
    splits: Vec<(Candidate, Split)>,
    /// The offset at which a convincing reading had a header last: no other needs to begin there.
    landed: Option<usize>,
}

/// What a search found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Offset of the first header.
    pub at: usize,
    /// The chunk size there, as far as it is proven.
    pub size: Size,
    /// The evidence in bits.
    pub bits: u32,
    /// How many headers were read.
    pub headers: u32,
    /// How many of them were at exactly the distances of the chunk size.
    pub matches: u32,
}

/// One reading of the bytes.
#[derive(Clone, Debug)]
struct Candidate {
    /// Where its first header is.
    start: usize,
    /// Where its next header is.
    at: usize,
    /// The chunk size at `start`.
    base: Size,
    /// The chunk size at `at`.
    size: Size,
    /// Whether `base` is a size that was tried.
    tried: bool,
    bits: u32,
    headers: u32,
    /// Headers that continue a message at the distance of the size tried.
    matches: u32,
    /// How many messages in several chunks ended where another begins.
    landings: u32,
    /// The message just ended had several chunks.
    ends_cut: bool,
    /// The length of a message just ended, if it rests on its not being cut.
    uncut: Option<u32>,
    /// What it changes in what is known of the chunk streams.
    changed: Vec<(ChunkStreamId, Known)>,
}

/// A message whose chunks may end anywhere.
#[derive(Clone, Debug)]
struct Split {
    csid: ChunkStreamId,
    /// Offset of its first body byte in the chunk.
    body: usize,
    /// How many body bytes are to come.
    left: u32,
    /// What is known of its chunk stream after it.
    after: Known,
}

impl HeaderSearch {
    /// A search for a header, anywhere. `size` is the chunk size as far as it is known, `prior` the one before bytes
    /// were lost.
    pub fn new(size: Size, prior: Option<u32>) -> HeaderSearch {
        let (walks, splits) = (Vec::new(), Vec::new());
        HeaderSearch { size, prior, anchored: false, next: 0, due: usize::MAX, walks, splits, landed: None }
    }

    /// A search for the chunk size: a header is at offset 0.
    pub fn of_size(size: Size, prior: Option<u32>) -> HeaderSearch {
        let mut search = HeaderSearch { anchored: true, ..HeaderSearch::new(size, prior) };
        search.walks.push(Candidate::new(0, size));
        search.due = 0;
        search
    }

    /// Whether a reading is left that is not refuted.
    pub fn is_open(&self) -> bool {
        !(self.walks.is_empty() && self.splits.is_empty())
    }

    /// Examines what arrived. `offset` is that of the data in the direction, `at_end` says that nothing follows the data,
    /// `need` gives the evidence asked for among so many places, in bits.
    pub fn advance<K: Fn(ChunkStreamId) -> Option<Known>>(
        &mut self,
        walker: &Walker<K>,
        data: &[u8],
        (offset, at_end): (u64, bool),
        need: impl Fn(usize) -> u32,
        effort: &mut Effort,
    ) -> Option<Found> {
        while self.next < data.len() && (at_end || data.len() - self.next >= AHEAD) {
            let at = self.next;
            self.next += 1;
            effort.0 += 1 + self.splits.len() as u64;
            let here = &data[at..data.len().min(at + AHEAD)];
            let need = need(at);
            if !self.splits.is_empty() {
                self.cut(walker, here, at, effort.is_spent(offset + at as u64));
            }
            if self.due == at {
                effort.0 += self.walks.len() as u64;
                self.follow(walker, here, at.checked_sub(1).map(|before| data[before]), need);
                if let Some(found) = self.accepted(need) {
                    return Some(found);
                }
            }
            if !self.anchored && self.landed != Some(at) && !effort.is_spent(offset + at as u64) {
                self.begin(walker, here, at);
            } else if self.anchored && !self.is_open() {
                return None;
            }
        }
        if at_end { self.accepted_at_end(data.len(), need(data.len())) } else { None }
    }

    /// The size that is likeliest for the message at offset 0, if none is proven; None: it is not cut.
    pub fn guess(&self) -> Option<u32> {
        let tried = self.all().filter(|one| one.tried).max_by_key(|one| (self.score(one), one.bits));
        match tried.map(|one| (self.score(one), one.base)) {
            Some((score, Size::Known(size))) if score > 0 => Some(size),
            _ => self.prior,
        }
    }

    /// Forgets the first `len` bytes, and the readings that begin in them.
    pub fn forget(&mut self, len: usize) {
        self.walks.retain(|one| one.start >= len);
        self.splits.retain(|(one, _)| one.start >= len);
        for one in self.walks.iter_mut().chain(self.splits.iter_mut().map(|(one, _)| one)) {
            one.start -= len;
            one.at = one.at.saturating_sub(len);
        }
        self.splits.iter_mut().for_each(|(_, split)| split.body -= len);
        self.next -= len;
        self.set_due();
    }

    fn all(&self) -> impl Iterator<Item = &Candidate> {
        self.walks.iter().chain(self.splits.iter().map(|(one, _)| one))
    }

    fn set_due(&mut self) {
        let next = self.next;
        self.due = self.walks.iter().map(|one| one.at).filter(|&at| at >= next).min().unwrap_or(usize::MAX);
    }

    /// Begins a reading at `at`, if a header may be there.
    fn begin<K: Fn(ChunkStreamId) -> Option<Known>>(&mut self, walker: &Walker<K>, here: &[u8], at: usize) {
        let mut one = Candidate::new(at, self.size);
        let shorter = ChunkHeader::read(&mut Reader::new(here, &mut ()), |_| false);
        if shorter.is_ok_and(|header| (walker.known)(header.csid).is_none() && is_shifted(&header)) {
            return;
        }
        let Some(next) = one.step(walker, here, None) else { return };
        if one.bits >= WORTH_FOLLOWING {
            self.go_on(one, next);
        }
    }

    /// Tries the sizes with which a message is cut at `at`, and ends the messages that end there.
    fn cut<K: Fn(ChunkStreamId) -> Option<Known>>(
        &mut self,
        walker: &Walker<K>,
        here: &[u8],
        at: usize,
        is_spent: bool,
    ) {
        let mut ended = Vec::new();
        let mut tried = Vec::new();
        let other = ChunkHeader::read(&mut Reader::new(here, &mut ()), |_| false).ok();
        let other = other.filter(|header| {
            let payload = &here[usize::from(header.len)..];
            let known = (walker.known)(header.csid);
            header.fmt < 3 && walker.weigh(header, known, payload).is_some_and(|bits| bits >= INTERLEAVED)
        });
        self.splits.retain(|(one, split)| {
            let Some(size) = at.checked_sub(split.body).filter(|&size| size > 0).map(|size| size as u32) else {
                return true;
            };
            if size == split.left {
                let mut one = Candidate { at, uncut: Some(split.left), ..one.clone() };
                set(&mut one.changed, split.csid, Known { open: 0, ..split.after });
                ended.push(one);
                return false;
            }
            let may_be_cut = here[0] == type3(split.csid)
                || (cost(size, self.prior) < UNCOMMON && other.is_some_and(|other| other.csid != split.csid));
            if may_be_cut && !is_spent {
                let mut one = Candidate { at, tried: true, ..one.clone() };
                (one.base, one.size) = (Size::Known(size), Size::Known(size));
                set(&mut one.changed, split.csid, Known { open: split.left - size, ..split.after });
                tried.push(one);
            }
            true
        });
        ended.into_iter().chain(tried).for_each(|one| self.keep(one));
    }

    /// Reads the headers at `at`, and drops the readings in which none can be there.
    fn follow<K: Fn(ChunkStreamId) -> Option<Known>>(
        &mut self,
        walker: &Walker<K>,
        here: &[u8],
        before: Option<u8>,
        need: u32,
    ) {
        let at = self.due;
        let mut split = Vec::new();
        let mut landed = false;
        self.walks.retain_mut(|one| {
            if one.at != at {
                return true;
            }
            match one.step(walker, here, before) {
                None => false,
                Some(next) => {
                    landed |= one.bits >= need && one.headers > 1;
                    if let Some(next) = next {
                        split.push((one.clone(), next));
                        return false;
                    }
                    one.headers < MOST_HEADERS
                }
            }
        });
        self.landed = landed.then_some(at);
        self.splits.extend(split);
        self.set_due();
    }

    fn go_on(&mut self, one: Candidate, next: Option<Split>) {
        match next {
            Some(_) if one.bits < WORTH_SPLITTING => {}
            Some(split) if self.splits.len() < MOST_SPLITS => self.splits.push((one, split)),
            Some(split) => {
                let least = self.splits.iter_mut().min_by_key(|(other, _)| other.bits);
                if let Some(least) = least.filter(|(other, _)| other.bits < one.bits) {
                    *least = (one, split);
                }
            }
            None => self.keep(one),
        }
    }

    /// Follows one more reading; if there are too many, the one with the least evidence gives way.
    fn keep(&mut self, one: Candidate) {
        let worth = |one: &Candidate| match one.base {
            Size::Known(size) if one.tried => one.bits as i32 - cost(size, self.prior),
            _ => one.bits as i32,
        };
        if self.walks.len() >= MOST {
            let least = self.walks.iter().enumerate().min_by_key(|(_, other)| worth(other));
            match least.map(|(index, other)| (index, worth(other))) {
                Some((index, least)) if least < worth(&one) => drop(self.walks.swap_remove(index)),
                _ => return,
            }
        }
        self.due = self.due.min(one.at);
        self.walks.push(one);
    }

    /// The reading that the evidence accepts.
    fn accepted(&self, need: u32) -> Option<Found> {
        let enough = self.walks.iter().filter(|one| {
            let enough = one.headers >= 2 && (self.anchored || one.bits >= need);
            enough && one.uncut.is_none() && (!one.tried || self.is_proven(one))
        });
        enough.min_by_key(|one| (one.start, !one.tried)).map(Candidate::found)
    }

    /// The same where nothing follows: there is no second header to wait for.
    fn accepted_at_end(&mut self, end: usize, need: u32) -> Option<Found> {
        for one in &mut self.walks {
            one.landings += u32::from(one.ends_cut && one.at == end);
            // All of the message was captured, so every size that cuts it was tried.
            one.uncut = one.uncut.filter(|_| one.at > end);
        }
        let tried = |one: &Candidate| self.all().any(|other| other.tried && other.start == one.start);
        let proven = self.walks.iter().filter(|one| match one.tried {
            true => self.is_proven(one) && (self.anchored || one.bits >= need),
            false => self.anchored && !tried(one) && one.uncut.is_none() && one.at <= end,
        });
        if let Some(one) = proven.min_by_key(|one| one.start) {
            return Some(one.found());
        }
        if self.anchored {
            return None;
        }
        let enough = self.all().filter(|one| one.bits >= if one.headers > 1 { need } else { need + ALONE });
        let best = enough.min_by_key(|one| (one.headers == 1, one.start, one.tried))?;
        // What is tried is not proven.
        Some(if best.tried { Found { size: self.size, matches: 0, ..best.found() } } else { best.found() })
    }

    /// Whether the size tried is the sender's.
    fn is_proven(&self, one: &Candidate) -> bool {
        let run = if one.base == Size::Known(self.prior.unwrap_or_default()) { SHORT_RUN } else { LONG_RUN };
        let seen = one.landings > 0 || one.matches >= run;
        let score = self.score(one);
        let rival = |other: &Candidate| other.tried && other.base != one.base && self.score(other) + LEAD > score;
        seen && score >= PROOF && !self.all().any(rival)
    }

    fn score(&self, one: &Candidate) -> i32 {
        match one.base {
            Size::Known(size) if one.tried => one.matches as i32 * MATCH - cost(size, self.prior),
            _ => 0,
        }
    }
}

impl Candidate {
    fn new(start: usize, size: Size) -> Candidate {
        Candidate {
            start,
            at: start,
            base: size,
            size,
            tried: false,
            bits: 0,
            headers: 0,
            matches: 0,
            landings: 0,
            ends_cut: false,
            uncut: None,
            changed: Vec::new(),
        }
    }

    fn found(&self) -> Found {
        let Candidate { start: at, base: size, bits, headers, matches, .. } = *self;
        Found { at, size, bits, headers, matches }
    }

    /// Reads the header at `at`, where `here` begins, after byte `before`. None: it cannot be one here. Some(Some): its
    /// message may be cut anywhere.
    fn step<K: Fn(ChunkStreamId) -> Option<Known>>(
        &mut self,
        walker: &Walker<K>,
        here: &[u8],
        before: Option<u8>,
    ) -> Option<Option<Split>> {
        let changed = &self.changed;
        let known =
            |csid| changed.iter().find(|(id, _)| *id == csid).map(|(_, known)| *known).or_else(|| (walker.known)(csid));
        let repeats = |csid| {
            let extended = known(csid).and_then(|known| known.extended);
            let basic = basic_len(here[0]);
            extended.is_some_and(|extended| here.get(basic..basic + 4) == Some(&extended.to_be_bytes()[..]))
        };
        // Cut by the end of the data: nothing speaks against it.
        let Ok(header) = ChunkHeader::read(&mut Reader::new(here, &mut ()), repeats) else { return Some(None) };
        let known = known(header.csid);
        let payload = &here[usize::from(header.len)..];
        let bits = walker.weigh(&header, known, payload)?;
        let mut after = known.unwrap_or_default();
        let (length, type_id) = (header.length.or(after.length)?, header.type_id.or(after.type_id)?);
        let continues = after.open > 0;
        let bits = if continues { bits } else { bits.checked_sub(doubt(&header, known, payload)?)? };
        if continues {
            // In a run of equal bytes any of them may be a header.
            let is_evident = before != Some(here[0]);
            self.matches += u32::from(is_evident);
            self.bits += if is_evident { bits } else { 0 };
        } else {
            if let Some(length) = self.uncut.take() {
                if bits < if length <= DEFAULT { SHORT_LANDING } else { LANDING } {
                    return None;
                }
                if let Size::AtLeast(longest) = self.base {
                    self.base = Size::AtLeast(longest.max(length));
                    self.size = self.base;
                }
            }
            self.landings += u32::from(std::mem::take(&mut self.ends_cut));
            self.bits += bits;
        }
        self.headers += 1;
        if header.fmt < 3 {
            after.extended = header.extended;
        }
        let left = if continues { after.open } else { length };
        if !continues {
            after = Known { length: Some(length), type_id: Some(type_id), first: payload.first().copied(), ..after };
        }
        self.at += usize::from(header.len);
        let take = match self.size {
            Size::Known(size) => left.min(size),
            Size::AtLeast(longest) if left <= longest => left,
            Size::AtLeast(_) => {
                let body = self.at;
                return Some(Some(Split { csid: header.csid, body, left, after }));
            }
        };
        after.open = left - take;
        self.ends_cut = after.open == 0 && continues && self.tried;
        set(&mut self.changed, header.csid, after);
        if let (MessageTypeId::SET_CHUNK_SIZE, Some(&value)) = (type_id, payload.first_chunk()) {
            self.size = Size::Known(u32::from_be_bytes(value).clamp(1, LARGEST));
        }
        self.at += take as usize;
        Some(None)
    }
}

/// Whether the header may be a shorter one with other bytes before it: 40 44 00 00 1a … is 44 00 00 1a … after a byte
/// 40, and so is 41 b0 44 00 00 1a … after two.
fn is_shifted(header: &ChunkHeader) -> bool {
    let Some(id) = header.csid.0.checked_sub(64) else { return false };
    let last = if id <= 0xff { id } else { id >> 8 };
    last >> 6 == u32::from(header.fmt) && last & 0x3f >= 2
}

/// What speaks against a header that begins a message, in bits, where it is only looked for; None if it cannot be one.
fn doubt(header: &ChunkHeader, known: Option<Known>, payload: &[u8]) -> Option<u32> {
    let mut doubt = 0;
    if known.is_none() && is_shifted(header) {
        doubt += 24;
    }
    let type_id = header.type_id.or(known.and_then(|known| known.type_id))?;
    let is_same = known.is_some_and(|known| known.type_id == Some(type_id));
    if !is_same && matches!(type_id.0, 15..=17 | 19 | 22) {
        doubt += 8;
    }
    if header.length.is_some_and(|length| length >= 1 << 20) {
        doubt += 8;
    }
    if type_id.is_protocol_control() && header.csid.0 != 2 {
        doubt += 8;
    }
    if type_id == MessageTypeId::SET_CHUNK_SIZE {
        // Nobody announces a size by repeating the header of the last announcement.
        let value = payload.first_chunk().map(|&value| u32::from_be_bytes(value));
        let is_size = value.is_none_or(|value| (1..=LARGEST).contains(&value) || value == 0x7fff_ffff);
        (header.fmt < 2 && is_size).then_some(())?;
    }
    Some(doubt)
}

/// The evidence, in bits, that a size has for no other reason than that it was looked for.
const COMMON: i32 = 7;
const UNCOMMON: i32 = 20;

fn cost(size: u32, prior: Option<u32>) -> i32 {
    let round = size.is_power_of_two() || (size + 1).is_power_of_two();
    match size {
        // The size before, and the one until another is announced.
        _ if prior == Some(size) || size == DEFAULT => -1,
        _ if size >= 64 && (round || size.is_multiple_of(1000) || size.is_multiple_of(1024)) => COMMON,
        _ => UNCOMMON,
    }
}
