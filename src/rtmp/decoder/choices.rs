//! Where the bytes can be read in two ways: which one, and on what evidence.
//!
//! Each choice looks at a stretch of bytes whose length depends on the header alone, so that it comes
//! out the same however the bytes arrive; it waits until the stretch is there or nothing follows.

use crate::field::Reader;
use crate::rtmp::chunk::{ChunkHeader, MAX_HEADER};
use crate::rtmp::chunk_stream::ChunkStream;
use crate::rtmp::dialect::Type3Extended;
use crate::rtmp::resync::{Effort, HeaderSearch};
use crate::rtmp::search::{self, Known, Size, Start, Verdict, Walk, Walker, basic_len, is_suspicious, oddities};
use crate::rtmp::{ChunkStreamId, Defect};

use super::{Decoder, Guess, State, Step};

/// The outcome of a choice, if there are bytes enough to make it.
pub(super) enum Choice<T> {
    Made(T),
    Wait,
}

/// A header as it was read.
pub(super) struct Reading {
    pub header: ChunkHeader,
    /// Whether it continues the open message of its chunk stream.
    pub continues: bool,
    pub defect: Option<Defect>,
}

/// How far a choice looks after the chunk that it is about, in bytes: a header and the start of a body.
const BEYOND: usize = MAX_HEADER + BODY_START;
/// No choice looks further than this.
const FARTHEST: usize = 1 << 20;
/// The evidence, in bits, that ends a look ahead.
const CONVINCING: u32 = 24;
/// The evidence, in bits, for a header inside a message that makes its own header wrong.
const SOLID: u32 = 45;
/// So many odd fields make a header nonsense.
const ODD_ALL_OVER: usize = 4;
/// So many bytes of a body say whether it can be what its header says.
const BODY_START: usize = 16;

impl Decoder {
    /// Reads the header at the start of `data`. None: there are not bytes enough.
    pub(super) fn read_header(&self, data: &[u8], at_end: bool) -> Option<Reading> {
        let bare = ChunkHeader::read(&mut Reader::new(data, &mut ()), |_| false).ok()?;
        let bare = match self.options.dialect.reads_headers_plainly() {
            true => bare,
            false => self.as_meant(bare, data, at_end)?,
        };
        let stream = self.streams.get(&bare.csid.0);
        let is_open = stream.is_some_and(|stream| stream.is_open);
        let reading = Reading { header: bare, continues: bare.fmt == 3 && is_open, defect: None };
        match stream.and_then(|stream| stream.extended) {
            Some(extended) if bare.fmt == 3 => self.read_type3_extended(reading, extended, data, at_end),
            _ if bare.fmt < 3 && is_open => self.read_in_mid_message(reading, data, at_end),
            _ => Some(reading),
        }
    }

    /// A type-3 header of a message whose header has an extended timestamp. The specification repeats
    /// it (RTMP 1.0 5.3.1.3), older senders do not; if the bytes repeat it, it is there.
    fn read_type3_extended(&self, reading: Reading, extended: u32, data: &[u8], at_end: bool) -> Option<Reading> {
        let basic = basic_len(data[0]);
        let present = ChunkHeader { len: reading.header.len + 4, extended: Some(extended), ..reading.header };
        match data.get(basic..basic + 4) {
            _ if self.type3_extended() == Type3Extended::Never => return Some(reading),
            Some(bytes) if self.type3_extended() == Type3Extended::Always => {
                let extended = bytes.first_chunk().map(|&bytes| u32::from_be_bytes(bytes));
                return Some(Reading { header: ChunkHeader { extended, ..present }, ..reading });
            }
            Some(bytes) if bytes == extended.to_be_bytes() => return Some(Reading { header: present, ..reading }),
            None if !at_end => return None,
            _ => {}
        }
        // The bytes are something else: other bytes of payload, or another timestamp.
        let known = self.known(reading.header.csid).unwrap_or_default();
        let left = if reading.continues { known.open } else { known.length.unwrap_or_default() };
        let payload = self.payload_of(left);
        let window = self.window(data, basic + 4 + payload, at_end)?;
        let after = Known { open: left - payload as u32, ..known };
        let walk = |at| self.walk_from(window, at, (payload, reading.header.csid, after), false).verdict;
        if walk(basic) == Verdict::Refuted && walk(basic + 4) != Verdict::Refuted {
            let read = ChunkHeader::read(&mut Reader::new(data, &mut ()), |_| true).ok();
            return Some(Reading { header: read.unwrap_or(reading.header), ..reading });
        }
        let defect = Defect {
            code: "type3-ext-missing",
            offset: self.at,
            message: format!(
                "this type-3 chunk does not repeat the extended timestamp {extended} of its message's header, as RTMP \
                 1.0 5.3.1.3 requires"
            ),
        };
        Some(Reading { defect: Some(defect), ..reading })
    }

    /// A header with fields while a message is open on its chunk stream: it gives the message up and
    /// begins another, unless only reading it as the message's next chunk leads on to the next header.
    fn read_in_mid_message(&self, reading: Reading, data: &[u8], at_end: bool) -> Option<Reading> {
        let header = &reading.header;
        let known = self.known(header.csid).unwrap_or_default();
        let (length, type_id) = (header.length.or(known.length)?, header.type_id.or(known.type_id)?);
        if known.length != Some(length) || known.type_id != Some(type_id) {
            return Some(reading);
        }
        if self.continues_with_fields() {
            return Some(Reading { continues: true, ..reading });
        }
        let at = usize::from(header.len);
        let (as_new, as_next) = (self.payload_of(length), self.payload_of(known.open));
        // Both readings may continue in step for a while: only the message's end tells them apart.
        let chunks = length as usize / as_new.max(1) + 1;
        let window = self.window(data, at + length as usize + chunks * MAX_HEADER, at_end)?;
        let walk = |payload: usize, left: u32| {
            let after = Known { open: left - payload as u32, ..known };
            self.walk_from(window, at, (payload, header.csid, after), true).rank()
        };
        if walk(as_new, length) >= walk(as_next, known.open) {
            return Some(reading);
        }
        let defect = Defect {
            code: "fmt0-mid-message",
            offset: self.at,
            message: format!(
                "a fmt {} header continues a message, where RTMP 1.0 5.3.1.2.4 requires a type-3 chunk; treated as its \
                 next chunk, since only then a header follows",
                header.fmt
            ),
        };
        Some(Reading { continues: true, defect: Some(defect), ..reading })
    }

    /// Whether a message can begin with this header.
    pub(super) fn is_believable(
        &mut self,
        header: &ChunkHeader,
        data: &[u8],
        at_end: bool,
    ) -> Choice<Result<(), Defect>> {
        let refuse = |code, message| Choice::Made(Err(Defect { code, offset: self.at, message }));
        let stream = self.streams.get(&header.csid.0);
        if header.fmt >= 2 && !stream.is_some_and(ChunkStream::has_header) {
            return refuse(
                "fmt-first-on-csid",
                format!(
                    "a fmt {} header on chunk stream {}, on which no header with length and type came before",
                    header.fmt, header.csid
                ),
            );
        }
        if header.fmt == 3 && stream.is_some_and(|stream| stream.is_torn) {
            return refuse(
                "continuation-unknown",
                format!(
                    "a type-3 chunk on chunk stream {}: how much of its message was lost is not known",
                    header.csid
                ),
            );
        }
        if header.fmt >= 2 && stream.is_some_and(ChunkStream::may_inherit_anything) {
            return refuse(
                "continuation-unknown",
                format!(
                    "a fmt {} header on chunk stream {}, which carries messages of several types: the header that it builds \
                     on may be lost",
                    header.fmt, header.csid
                ),
            );
        }
        let known = self.known(header.csid).unwrap_or_default();
        let (Some(length), Some(type_id)) = (header.length.or(known.length), header.type_id.or(known.type_id)) else {
            return Choice::Made(Ok(()));
        };
        if self.trusted == Some(self.at) {
            return Choice::Made(Ok(()));
        }
        let len = usize::from(header.len);
        let start = len + BODY_START.min(length as usize);
        if data.len() < start && !at_end {
            return Choice::Wait;
        }
        let guessed = header.fmt >= 2 && stream.is_some_and(|stream| stream.is_unsure);
        let body_start = &data[len..data.len().min(start)];
        let known_before = stream.and_then(ChunkStream::known).map(|known| Known { open: 0, ..known });
        if !guessed && !is_suspicious(&self.walker(false), header, known_before, body_start) {
            return Choice::Made(Ok(()));
        }
        // Unusual, as a sender's mistake may be, or nonsense: the next header tells.
        let payload = self.payload_of(length);
        let Some(window) = self.window(data, len + payload, at_end) else { return Choice::Wait };
        let after = Known { length: Some(length), type_id: Some(type_id), open: length - payload as u32, ..known };
        let tolerated = (!type_id.is_known()).then_some(type_id);
        let walker = Walker { tolerated: tolerated.or(self.tolerated), ..self.walker(false) };
        let start = Start { at: len, payload: Some((payload, header.csid, after)) };
        let walk = walker.walk(window, start, CONVINCING);
        drop(walker);
        self.count(walk.headers);
        let refuted = walk.verdict == Verdict::Refuted;
        // What follows is walked as the specification has it, which another dialect's headers may contradict.
        let refuted = refuted
            && (self.options.dialect.is_default() || oddities(header, stream.is_none(), self.clock) >= ODD_ALL_OVER);
        // Two odd headers in a row are still no proof: another one inside the message is, or one that is odd all over.
        let nonsense = || {
            let odd_all_over = oddities(header, stream.is_none(), self.clock) >= ODD_ALL_OVER;
            guessed || odd_all_over || self.has_header_inside(&window[1..], len + payload - 1)
        };
        if refuted && nonsense() {
            return refuse(
                "desync-unknown",
                format!(
                    "not a chunk header: read as one it is fmt {}, chunk stream {}, {type_id}, {length} bytes, and no \
                     header follows it",
                    header.fmt, header.csid
                ),
            );
        }
        self.tolerated = tolerated.or(self.tolerated);
        // What it inherits may be another message's, and nothing that follows speaks for it.
        self.is_doubtful = guessed && walk.headers == 0;
        Choice::Made(Ok(()))
    }

    /// Whether chunk headers follow one another somewhere in the first `len` bytes of `data`, while there is effort left
    /// to look for them.
    fn has_header_inside(&self, data: &[u8], len: usize) -> bool {
        let mut effort = self.effort.get();
        if effort.is_spent(self.at) {
            return false;
        }
        let mut search = HeaderSearch::new(self.size, None);
        let found = search.advance(&self.searcher(), data, (self.at, true), |_| SOLID, &mut effort);
        self.effort.set(effort);
        found.is_some_and(|found| found.at < len)
    }

    fn count(&self, headers: u32) {
        let effort = self.effort.get();
        self.effort.set(Effort(effort.0 + u64::from(headers)));
    }

    /// The chunk size in force for a chunk with `left` bytes of its message to come. None: it has to be found out from
    /// where the headers are.
    pub(super) fn chunk_size_for(&self, csid: ChunkStreamId, continues: bool, left: u32) -> Option<u32> {
        match self.size {
            Size::Known(size) => Some(size),
            Size::AtLeast(longest) if left <= longest => Some(longest),
            Size::AtLeast(_) => {
                let guess = self.guess.filter(|guess| guess.csid == csid && (continues || guess.at == self.at))?;
                Some(guess.size)
            }
        }
    }

    /// Finds out the chunk size from the bytes after the header at the start of `data`.
    pub(super) fn find_size(&mut self, data: &[u8], at_end: bool) -> Step {
        let State::Sizing(csid, search) = &mut self.state else { return Step::Wait };
        let (csid, mut search) = (*csid, std::mem::replace(search, HeaderSearch::new(self.size, None)));
        let is_last = at_end || data.len() >= FARTHEST;
        let seen = &data[..data.len().min(FARTHEST)];
        let mut effort = self.effort.get();
        let found = search.advance(&self.walker(false), seen, (self.at, is_last), |_| CONVINCING, &mut effort);
        self.effort.set(effort);
        match found {
            Some(found) => {
                self.take_found_size(found.size);
                self.assume_size(found.matches);
                // It is not sized again, whatever was found.
                self.guess = None;
            }
            None if !is_last && search.is_open() => {
                self.state = State::Sizing(csid, search);
                return Step::Wait;
            }
            // A header that a search found is not doubted again: it would be found again.
            None if !search.is_open() && self.trusted != Some(self.at) => {
                let message = format!("no chunk size leads from this header on chunk stream {csid} to another one");
                self.lose(Defect { code: "desync-unknown", offset: self.at, message }, self.at, None);
                return Step::Used(0);
            }
            None => {
                let size = search.guess().unwrap_or(search::LARGEST);
                self.guess = Some(Guess { csid, at: self.at, size });
            }
        }
        self.state = State::Chunks;
        Step::Used(0)
    }

    /// A walker for a place that is not known to follow what is open: open messages do not count.
    pub(super) fn searcher(&self) -> Walker<impl Fn(ChunkStreamId) -> Option<Known> + '_> {
        let known = |csid: ChunkStreamId| {
            let stream = self.streams.get(&csid.0)?;
            // What was open before the loss is no more, and what is inherited may be lost too.
            let known = stream.known().map(|known| Known { open: 0, torn: known.torn || known.open > 0, ..known });
            match stream.is_of_many_types() {
                true => known.map(|known| Known { type_id: None, length: None, ..known }),
                false => known,
            }
        };
        Walker { known, size: self.size, clock: self.clock, tolerated: self.tolerated, loose: false }
    }

    /// A walker with what is known now.
    pub(super) fn walker(&self, loose: bool) -> Walker<impl Fn(ChunkStreamId) -> Option<Known> + '_> {
        Walker { known: |csid| self.known(csid), size: self.size, clock: self.clock, tolerated: self.tolerated, loose }
    }

    fn walk_from(&self, window: &[u8], at: usize, payload: (usize, ChunkStreamId, Known), loose: bool) -> Walk {
        let walk = self.walker(loose).walk(window, Start { at, payload: Some(payload) }, CONVINCING);
        self.count(walk.headers);
        walk
    }

    fn known(&self, csid: ChunkStreamId) -> Option<Known> {
        self.streams.get(&csid.0).and_then(ChunkStream::known)
    }

    /// How many of `left` bytes the next chunk carries.
    fn payload_of(&self, left: u32) -> usize {
        match self.size {
            Size::Known(size) => left.min(size) as usize,
            Size::AtLeast(_) => left as usize,
        }
    }

    /// The stretch of `data` that a choice about a chunk of `chunk` bytes looks at. None: wait for it.
    fn window<'d>(&self, data: &'d [u8], chunk: usize, at_end: bool) -> Option<&'d [u8]> {
        let window = (chunk + BEYOND).min(FARTHEST);
        match data.get(..window) {
            None if at_end => Some(data),
            window => window,
        }
    }
}
