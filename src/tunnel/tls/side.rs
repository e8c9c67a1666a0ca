//! One direction of a connection whose keys are known: from the stream's bytes to the contents of its records.
//!
//! Takes bytes and holes, gives one [`Step`] at a time. A record is believed when it is authentic, and only then. Which
//! keys are in use is found by trying: those of the record before, else those that follow them in the handshake or after
//! a key update. After a hole of an unknown number of records, sequence numbers are tried, as many as may have been lost.

use std::collections::VecDeque;

use crate::origin::{Form, FrameNo, Source, SourceMap, Time};
use crate::tcp::{Gap, GapReason, Piece};

use super::cipher::{APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, Opened, Opener, Record, Suite};
use super::keylog::Secret;

/// Since when keys are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Epoch {
    /// For data that the client sends with its first flight.
    Early,
    /// For the handshake of TLS 1.3.
    Handshake,
    /// For all that follows.
    Application,
}

/// What comes next in the direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// More bytes are needed.
    Wait,
    /// Content of this type, in [`Side::content`]; encrypted under keys of this epoch, or not at all.
    Content(u8, Option<Epoch>),
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// The bytes that wait, from `start` on.
    buffer: Vec<u8>,
    start: usize,
    /// Offset of the first byte that waits.
    at: u64,
    map: SourceMap<Source>,
    /// Bytes to pass over: the rest of a record that a hole is in.
    skip: u64,
    keys: Option<(Epoch, Opener)>,
    next_keys: VecDeque<(Epoch, Opener)>,
    /// The suite, for TLS 1.3.
    tls13: Option<Suite>,
    /// The newest traffic secret, from which a key update makes the next one.
    newest: Option<Secret>,
    /// Whether the keys of the handshake are not known.
    pub lacks_handshake_keys: bool,
    seq: u64,
    /// The number of the last record that was opened, and the part of the nonce that it had.
    explicit: Option<(u64, u64)>,
    /// Records that could not be opened since the last one that could.
    misses: u64,
    /// How long the content of the last of them was.
    last_miss: u64,
    has_opened: bool,
    lost: Option<Lost>,
    search: Option<Search>,
    /// Whether the records' numbers could not be found again: nothing more can be decrypted.
    is_dead: bool,
    /// Offset of the next byte of content.
    pub out: u64,
    plain: Vec<u8>,
    sources: Vec<(u32, Source)>,
    /// Records that were opened, and those that are lost or could not be.
    pub records: [u64; 2],
}

/// Content that could not be decrypted, between what was given last and what is given next.
#[derive(Clone, Copy, Debug)]
struct Lost {
    len: u64,
    exact: bool,
    reason: GapReason,
    frame: FrameNo,
    time: Time,
}

/// The search for a record after a hole.
#[derive(Clone, Copy, Debug)]
struct Search {
    /// Where the first of the lost records begins.
    from: u64,
    reason: GapReason,
    frame: FrameNo,
    time: Time,
    /// How many bytes may still be decrypted to find out a number.
    effort: u64,
    /// How many bytes of the buffer hold no record's beginning.
    looked: usize,
}

const HEADER: usize = 5;
/// The longest body of a record (RFC 5246 6.2.3).
const LONGEST: usize = (1 << 14) + 2048;
/// How many bytes are decrypted at most to find where the numbers continue after one hole.
const EFFORT: u64 = 32 << 20;
/// How many key updates a hole may hold.
const UPDATES: usize = 3;
/// How many of the first numbers are tried with new keys.
const FIRST_NUMBERS: u64 = 16;

impl Side {
    /// Keys that will be used after those that are known so far.
    pub fn add_keys(&mut self, epoch: Epoch, opener: Opener) {
        self.next_keys.push_back((epoch, opener));
    }

    /// TLS 1.3, and the secret of the last keys, for key updates.
    pub fn set_tls13(&mut self, suite: Suite, newest: Option<Secret>) {
        self.tls13 = Some(suite);
        self.newest = newest;
    }

    /// TLS 1.2: from here on the next keys are used.
    pub fn change_cipher(&mut self) {
        if let Some(keys) = self.next_keys.pop_front() {
            self.keys = Some(keys);
            self.seq = 0;
            self.explicit = None;
        }
    }

    /// TLS 1.3: the sender said that the next keys follow.
    pub fn update_keys(&mut self) {
        if self.next_keys.is_empty() {
            self.extend_keys();
        }
        self.change_cipher();
    }

    /// Lets go of what could not be opened before anything could.
    pub fn forget_unopened(&mut self) {
        if !self.has_opened {
            self.lost = None;
            self.records[1] = 0;
        }
    }

    /// The content of the last step, and where its bytes are.
    pub fn content(&self) -> (&[u8], &[(u32, Source)]) {
        (&self.plain, &self.sources)
    }

    /// Takes bytes.
    pub fn push(&mut self, piece: Piece<'_>) {
        for (i, &(start, source)) in piece.sources.iter().enumerate() {
            let end = piece.sources.get(i + 1).map_or(piece.bytes.len() as u64, |next| next.0.into());
            self.map.push(piece.offset + u64::from(start), end - u64::from(start), source);
        }
        let skipped = self.skip.min(piece.bytes.len() as u64);
        self.skip -= skipped;
        if self.buffer.is_empty() {
            self.at = piece.offset + skipped;
        }
        self.buffer.extend_from_slice(&piece.bytes[skipped as usize..]);
    }

    /// Takes note of a hole.
    pub fn hole(&mut self, gap: Gap) {
        let had = (self.buffer.len() - self.start) as u64;
        let record = self.header().map(|header| (HEADER + body_len(header)) as u64);
        let from = match (&self.search, record) {
            (Some(search), _) => Some(search.from),
            _ if self.skip > 0 => (gap.len > self.skip).then_some(self.at + self.skip),
            (None, Some(record)) if had + gap.len <= record => {
                self.skip = record - had;
                self.miss(record as usize - HEADER, gap.reason, (gap.frame, gap.time));
                None
            }
            _ => Some(self.at),
        };
        self.buffer.clear();
        self.start = 0;
        self.at = gap.offset + gap.len;
        self.map.forget_before(self.at);
        match from {
            None => self.skip -= gap.len.min(self.skip),
            Some(from) => {
                self.skip = 0;
                self.search_from(from, gap.reason, (gap.frame, gap.time));
            }
        }
    }

    /// The next content, as far as there are bytes.
    pub fn step(&mut self) -> Step {
        loop {
            if self.is_dead {
                let len = self.buffer.len() - self.start;
                self.lose(len as u64, false, GapReason::TlsRecordsUncounted, None);
                self.consume(len);
                return self.wait();
            }
            if let Some(search) = self.search {
                match self.look(search) {
                    Some(step) => return step,
                    None if self.is_dead => continue,
                    None => return self.wait(),
                }
            }
            let Some(header) = self.header() else { return self.wait() };
            let is_record = matches!(header[0], 20..=24) && header[1] == 3 && body_len(header) <= LONGEST;
            if !is_record {
                let moment = self.moment(self.at..self.at + 1);
                self.search_from(self.at, GapReason::TlsRecordBad, moment);
                continue;
            }
            let len = HEADER + body_len(header);
            if self.buffer.len() - self.start < len {
                return self.wait();
            }
            let step = self.record(header);
            self.consume(len);
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// What was lost before the content of the last step.
    pub fn take_lost(&mut self) -> Option<Gap> {
        let lost = self.lost.take()?;
        let gap = Gap {
            offset: self.out,
            len: lost.len.max(1),
            exact: lost.exact,
            reason: lost.reason,
            frame: lost.frame,
            time: lost.time,
        };
        self.out += gap.len;
        Some(gap)
    }

    /// Takes note that nothing more comes.
    pub fn finish(&mut self) {
        if let Some(search) = self.search.take() {
            let end = self.at + (self.buffer.len() - self.start) as u64;
            let reason = if end > self.at { GapReason::TlsRecordsUncounted } else { search.reason };
            self.lose(end - search.from, false, reason, Some((search.frame, search.time)));
        }
    }

    fn header(&self) -> Option<[u8; HEADER]> {
        self.buffer[self.start..].first_chunk().copied()
    }

    fn consume(&mut self, len: usize) {
        self.start += len;
        self.at += len as u64;
    }

    /// Lets go of what is done with.
    fn wait(&mut self) -> Step {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.map.forget_before(self.at);
        Step::Wait
    }

    /// The frame and time at which all of these bytes were there.
    fn moment(&self, range: std::ops::Range<u64>) -> (FrameNo, Time) {
        let last = self.map.resolve(range).max_by_key(|run| run.from.packet);
        last.map(|run| (run.from.packet, run.from.time)).unwrap_or_default()
    }

    /// Opens the record at the start of the buffer, all of which is there; `None` if it has no content.
    fn record(&mut self, header: [u8; HEADER]) -> Option<Step> {
        let kind = header[0];
        let len = body_len(header);
        let is_tls13 = self.tls13.is_some();
        if kind == CHANGE_CIPHER_SPEC {
            // TLS 1.3 sends one that means nothing (RFC 8446 5).
            return (!is_tls13).then_some(Step::Content(kind, None));
        }
        let is_plain = match is_tls13 {
            true => kind != APPLICATION_DATA,
            false => self.keys.is_none() && kind != APPLICATION_DATA,
        };
        if is_plain {
            self.plain.clear();
            self.plain.extend_from_slice(&self.buffer[self.start + HEADER..][..len]);
            self.sources.clear();
            return Some(Step::Content(kind, None));
        }
        if !is_tls13 && self.keys.is_none() {
            self.change_cipher();
        }
        let mut plain = std::mem::take(&mut self.plain);
        let record = Record { header, body: &self.buffer[self.start + HEADER..][..len] };
        let mut new_keys = false;
        let opened = self.keys.as_ref().and_then(|(_, keys)| keys.open(self.seq, record, &mut plain)).or_else(|| {
            // Records of the keys before that could not be opened may have been the first of the next ones.
            let numbers = 0..=self.misses.min(FIRST_NUMBERS);
            let (place, seq, opened) = open_with_next(&self.next_keys, numbers, record, &mut plain)?;
            self.keys = self.next_keys.drain(..=place).next_back();
            self.seq = seq;
            new_keys = true;
            Some(opened)
        });
        self.plain = plain;
        let opened = match opened {
            None if self.next_keys.is_empty() && self.extend_keys() => return self.record(header),
            None => {
                let reason = match (self.has_opened, self.keys.is_some() || !self.next_keys.is_empty()) {
                    // Those that could be opened were the handshake's.
                    (true, _) if is_tls13 && self.newest.is_none() => GapReason::TlsKeyMissing,
                    (true, _) => GapReason::TlsRecordBad,
                    (false, true) => GapReason::TlsKeyWrong,
                    (false, false) => GapReason::TlsKeyMissing,
                };
                let moment = self.moment(self.at..self.at + (HEADER + len) as u64);
                // In TLS 1.2 the header tells what is data.
                let content = if is_tls13 || kind == APPLICATION_DATA { len } else { 0 };
                self.miss(content, reason, moment);
                return None;
            }
            Some(opened) => opened,
        };
        if new_keys {
            self.forget_key_update();
        }
        Some(self.opened(opened, 0, len))
    }

    /// After a failure with all keys that were ready: those that a key update would bring, if there is one to come.
    fn extend_keys(&mut self) -> bool {
        if !matches!(self.keys, Some((Epoch::Application, _))) {
            return false;
        }
        let (Some(suite), Some(secret)) = (self.tls13, &mut self.newest) else { return false };
        let Some(next) = suite.next_secret(secret) else { return false };
        let Some(opener) = suite.open_with(&next) else { return false };
        *secret = next;
        self.next_keys.push_back((Epoch::Application, opener));
        true
    }

    /// With new keys: what was lost right before them was the message that announced them, not data.
    fn forget_key_update(&mut self) {
        const KEY_UPDATE: u64 = 5;
        let Some(lost) = self.lost.as_mut().filter(|_| self.misses > 0) else { return };
        if self.last_miss == KEY_UPDATE {
            lost.len -= KEY_UPDATE;
            self.lost.take_if(|lost| lost.len == 0);
        } else {
            lost.exact = false;
        }
    }

    /// A record was opened with the keys and the number in force: `skipped` bytes into what waits.
    fn opened(&mut self, opened: Opened, skipped: usize, len: usize) -> Step {
        if !self.has_opened && self.lacks_handshake_keys {
            // What could not be opened until now was the handshake.
            self.lost = None;
            self.records[1] = 0;
        }
        self.has_opened = true;
        self.misses = 0;
        self.records[0] += 1;
        self.seq += 1;
        let record = self.at + skipped as u64;
        let body = record + HEADER as u64;
        let body_now = &self.buffer[self.start + skipped + HEADER..];
        self.explicit = self.keys.as_ref().and_then(|(_, keys)| Some((self.seq - 1, keys.explicit(body_now)?)));
        let (packet, time) = self.moment(record..body + len as u64);
        let header = self.map.at(record).map_or(0, |source| source.file_offset);
        let range = body + opened.at as u64..body + (opened.at + self.plain.len()) as u64;
        self.sources.clear();
        self.sources.extend(self.map.resolve(range.clone()).map(|run| {
            let source = Source { packet, time, form: Form::Decrypted { record: header }, ..run.from };
            ((run.start - range.start) as u32, source)
        }));
        Step::Content(opened.kind, self.keys.as_ref().map(|(epoch, _)| *epoch))
    }

    /// A record with a body of `len` bytes is lost.
    fn miss(&mut self, len: usize, reason: GapReason, moment: (FrameNo, Time)) {
        let overhead = self.keys.as_ref().or(self.next_keys.front()).map(|(_, keys)| keys);
        let (less, exact) = match overhead {
            Some(keys) => (keys.overhead().unwrap_or(keys.least_overhead()), keys.overhead().is_some()),
            None => (0, false),
        };
        self.last_miss = len.saturating_sub(less) as u64;
        self.lose(self.last_miss, exact && self.has_opened, reason, Some(moment));
        self.records[1] += 1;
        self.misses += 1;
        self.seq += 1;
    }

    fn lose(&mut self, len: u64, exact: bool, reason: GapReason, moment: Option<(FrameNo, Time)>) {
        if len == 0 {
            return;
        }
        match &mut self.lost {
            Some(lost) => {
                lost.len += len;
                lost.exact &= exact;
            }
            None => {
                let (frame, time) = moment.unwrap_or_default();
                self.lost = Some(Lost { len, exact, reason, frame, time });
            }
        }
    }

    fn search_from(&mut self, from: u64, reason: GapReason, (frame, time): (FrameNo, Time)) {
        match &mut self.search {
            Some(search) => search.looked = 0,
            None => self.search = Some(Search { from, reason, frame, time, effort: EFFORT, looked: 0 }),
        }
    }

    /// Looks for a record that can be opened with one of the numbers that may come next.
    fn look(&mut self, mut search: Search) -> Option<Step> {
        loop {
            let rest = &self.buffer[self.start + search.looked..];
            let Some(&header) = rest.first_chunk::<HEADER>() else { break };
            let len = body_len(header);
            let least = self.keys.as_ref().or(self.next_keys.front()).map_or(0, |(_, keys)| keys.least_overhead());
            let may_be = matches!(header[0], 21..=23) && header[1..3] == [3, 3] && (least..=LONGEST).contains(&len);
            if !may_be {
                search.looked += 1;
                continue;
            }
            if rest.len() < HEADER + len {
                break;
            }
            let at = self.at + search.looked as u64;
            // Taken out, as the keys in force change with what is found.
            let (mut plain, buffer) = (std::mem::take(&mut self.plain), std::mem::take(&mut self.buffer));
            let body = &buffer[self.start + search.looked + HEADER..][..len];
            let found = self.find_number(Record { header, body }, at - search.from, &mut search.effort, &mut plain);
            (self.plain, self.buffer) = (plain, buffer);
            let Some((lost, exact, opened)) = found else {
                search.looked += 1;
                if search.effort == 0 {
                    self.search = None;
                    self.is_dead = true;
                    let end = self.at + (self.buffer.len() - self.start) as u64;
                    let moment = Some((search.frame, search.time));
                    self.lose(end - search.from, false, GapReason::TlsRecordsUncounted, moment);
                    self.consume(self.buffer.len() - self.start);
                    return None;
                }
                continue;
            };
            if lost > 0 {
                self.lose(lost, exact, search.reason, Some((search.frame, search.time)));
            }
            self.search = None;
            let step = self.opened(opened, search.looked, len);
            self.consume(search.looked + HEADER + len);
            return Some(step);
        }
        self.consume(search.looked);
        search.looked = 0;
        self.search = Some(search);
        None
    }

    /// The number of a record after `distance` bytes of records that were lost, found by opening it. Gives how many bytes
    /// of content were lost, and whether that is exact.
    fn find_number(
        &mut self,
        record: Record<'_>,
        distance: u64,
        effort: &mut u64,
        plain: &mut Vec<u8>,
    ) -> Option<(u64, bool, Opened)> {
        while self.next_keys.len() < UPDATES && self.extend_keys() {}
        let all = self.keys.iter().chain(&self.next_keys);
        for (place, (_, keys)) in all.enumerate() {
            let is_current = self.keys.is_some() && place == 0;
            let overhead = HEADER + keys.least_overhead();
            let [least, most] = [HEADER + LONGEST, overhead].map(|record| distance / record as u64);
            let first = if is_current { self.seq } else { 0 };
            let least = if is_current { first + least } else { 0 };
            // The number that the nonce has is the likely one, else the lowest that is possible.
            let by_nonce = keys.explicit(record.body).zip(self.explicit).filter(|_| is_current);
            let by_nonce = by_nonce.and_then(|(now, (seq, then))| seq.checked_add(now.checked_sub(then)?));
            for seq in by_nonce.into_iter().filter(|seq| *seq >= first).chain(least..=first + most) {
                let cost = record.body.len() as u64 + 64;
                if *effort < cost {
                    *effort = 0;
                    return None;
                }
                *effort -= cost;
                let Some(opened) = keys.open(seq, record, plain) else { continue };
                let count = seq - first;
                let lost = match keys.overhead() {
                    Some(overhead) => distance.checked_sub(count * (HEADER + overhead) as u64),
                    None => Some(distance.saturating_sub(count * overhead as u64)),
                };
                // Lost records of the keys before, if there were any, were of another number.
                let exact = is_current && lost.is_some() && keys.overhead().is_some();
                self.records[1] += count;
                self.seq = seq;
                if !is_current {
                    let place = place - usize::from(self.keys.is_some());
                    self.keys = self.next_keys.drain(..=place).next_back();
                }
                return Some((lost.unwrap_or(u64::from(distance > 0)), exact, opened));
            }
        }
        None
    }
}

/// Tries the keys that follow, with the first numbers. Gives which they are, and the number.
fn open_with_next(
    keys: &VecDeque<(Epoch, Opener)>,
    numbers: std::ops::RangeInclusive<u64>,
    record: Record<'_>,
    plain: &mut Vec<u8>,
) -> Option<(usize, u64, Opened)> {
    for (place, (_, opener)) in keys.iter().enumerate() {
        for seq in numbers.clone() {
            if let Some(opened) = opener.open(seq, record, plain) {
                return Some((place, seq, opened));
            }
        }
    }
    None
}

fn body_len(header: [u8; HEADER]) -> usize {
    usize::from(u16::from_be_bytes([header[3], header[4]]))
}

/// Whether a stream may begin with a record of the handshake (RFC 8446 5.1).
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    let fits = [|byte| byte == HANDSHAKE, |byte| byte == 3, |byte| byte <= 4];
    bytes.iter().zip(fits).all(|(&byte, fits)| fits(byte))
}
