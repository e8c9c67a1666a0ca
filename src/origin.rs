//! Where bytes came from.
//!
//! Takes the runs that each layer copied, gives the way back. Reassembly records *stream offset →
//! [`Source`]* (frame and place in the file), de-chunking records *body offset → stream offset*, and
//! [`SourceMap::through`] composes the two. A byte without a run was never captured.
//! This is the only module that translates offsets; it knows nothing of packets or of RTMP.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;

use serde::{Serialize, Serializer};

use crate::digits::Digits;

/// A frame's number in its capture file, from 1 over all frames: Wireshark's `frame.number`. Where several files are one
/// capture it names the file too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameNo(pub u64);

impl FrameNo {
    /// No frame: the bytes were given without packets.
    pub const NONE: FrameNo = FrameNo(0);
    /// The file is in the bits above these.
    const FILE: u32 = 40;

    /// Frame `number` of the file with this number, from 1; file 0 is the only one.
    pub fn in_file(file: u32, number: u64) -> FrameNo {
        FrameNo(u64::from(file & 0x00ff_ffff) << FrameNo::FILE | number & ((1 << FrameNo::FILE) - 1))
    }

    /// Itself, unless there is no frame.
    pub fn known(self) -> Option<FrameNo> {
        (self != FrameNo::NONE).then_some(self)
    }

    /// Whether it is known to come before another frame: of another file it is not.
    pub fn precedes(self, other: FrameNo) -> bool {
        self.known().is_some() && self.file() == other.file() && self < other
    }

    /// For serialization: the number alone, where the file has a field of its own.
    pub fn serialize_number<S: Serializer>(frame: &FrameNo, serializer: S) -> Result<S::Ok, S::Error> {
        frame.known().map(FrameNo::number).serialize(serializer)
    }

    /// Whether it does not come before another frame, each with its time: frames of one file are in the order of their
    /// numbers, those of several in that of their times.
    pub fn is_after(self, time: Time, (other, then): (FrameNo, Time)) -> bool {
        if self.file() == other.file() { self >= other } else { time >= then }
    }

    /// The number in its file.
    pub fn number(self) -> u64 {
        self.0 & ((1 << FrameNo::FILE) - 1)
    }

    /// The file's number, from 1, where several are one capture.
    pub fn file(self) -> Option<u32> {
        Some((self.0 >> FrameNo::FILE) as u32).filter(|&file| file > 0)
    }
}

/// `17`, or in the second of several files `file2:17`.
impl fmt::Display for FrameNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.file(), self.known()) {
            (Some(file), _) => f.pad(&format!("file{file}:{}", self.number())),
            (None, Some(_)) => self.0.fmt(f),
            (None, None) => f.pad("?"),
        }
    }
}

/// The number, as text if it names a file; null if there is no frame.
impl Serialize for FrameNo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.file(), self.known()) {
            (Some(_), _) => serializer.collect_str(self),
            (None, Some(_)) => serializer.serialize_u64(self.0),
            (None, None) => serializer.serialize_none(),
        }
    }
}

/// A moment, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

impl Time {
    /// No time: the bytes were given without one.
    pub const NONE: Time = Time(i64::MIN);

    /// Itself, unless there is no time.
    pub fn known(self) -> Option<Time> {
        (self != Time::NONE).then_some(self)
    }

    /// Nanoseconds from `earlier` to `self`; negative when the capture's clock went back, 0 without times.
    pub fn since(self, earlier: Time) -> i64 {
        match (self.known(), earlier.known()) {
            (Some(Time(late)), Some(Time(early))) => late.saturating_sub(early),
            _ => 0,
        }
    }

    /// Seconds with nine decimals.
    fn digits(self) -> Digits {
        let ns = self.0.unsigned_abs();
        let text = Digits::new().number(ns % 1_000_000_000, 9).character(b'.').number(ns / 1_000_000_000, 1);
        if self.0 < 0 { text.character(b'-') } else { text }
    }

    /// For serialization: seconds in decimals as text, or null.
    pub fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        match time.known() {
            Some(time) => serializer.serialize_str(time.digits().as_str()),
            None => serializer.serialize_none(),
        }
    }
}

/// The address of a side that was given without packets: there is none.
pub const NO_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// An address, unless there is none.
pub fn known_address(address: SocketAddr) -> Option<SocketAddr> {
    (address != NO_ADDRESS).then_some(address)
}

/// For serialization: `ADDRESS:PORT`, or null.
pub fn serialize_address<S: Serializer>(address: &SocketAddr, serializer: S) -> Result<S::Ok, S::Error> {
    match known_address(*address) {
        Some(SocketAddr::V4(address)) => {
            let [a, b, c, d] = address.ip().octets().map(u64::from);
            let text = Digits::of(address.port().into()).character(b':');
            let text = text.number(d, 1).character(b'.').number(c, 1).character(b'.');
            serializer.serialize_str(text.number(b, 1).character(b'.').number(a, 1).as_str())
        }
        Some(address) => serializer.collect_str(&address),
        None => serializer.serialize_none(),
    }
}

/// Seconds with nine decimals, as Wireshark's `frame.time_epoch`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.known().is_none() {
            return f.write_str("?");
        }
        f.write_str(self.digits().as_str())
    }
}

/// Where captured bytes are in the capture.
///
/// `frame` is the frame that holds the bytes. `packet` is the frame at which they could be read: all of
/// the TCP segment around them had come, and all bytes of the stream before them. It is another one
/// only for IP fragments, and after a segment that came late; there Wireshark shows what they complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The frame that holds the first byte.
    pub frame: FrameNo,
    /// The frame at which they could be read: where Wireshark shows what they complete.
    pub packet: FrameNo,
    /// The capture time of `packet`.
    pub time: Time,
    /// Offset of the first byte in the capture file, after decompression, in bytes.
    pub file_offset: u64,
    /// What the bytes there are to these.
    pub form: Form,
}

/// How bytes of the capture became those that a layer gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// They are the same.
    #[default]
    Verbatim,
    /// They were decrypted: in the file is the ciphertext of each.
    Decrypted {
        /// Offset in the file of the TLS record's header.
        record: u64,
    },
}

/// A place that runs can point to: it can be moved forward by a number of bytes.
pub trait Place: Copy + PartialEq {
    /// The place `by` bytes further on.
    fn advance(self, by: u64) -> Self;
}

impl Place for u64 {
    fn advance(self, by: u64) -> Self {
        self + by
    }
}

impl Place for Source {
    fn advance(self, by: u64) -> Self {
        Source { file_offset: self.file_offset + by, ..self }
    }
}

/// `len` bytes at offset `start` of a buffer, copied verbatim from `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<P> {
    /// Offset in the buffer.
    pub start: u64,
    /// Length in bytes, never 0.
    pub len: u64,
    /// Where the first byte came from.
    pub from: P,
}

impl<P: Place> Run<P> {
    /// One past the run's last offset in the buffer.
    pub fn end(&self) -> u64 {
        self.start + self.len
    }

    /// The part of this run inside `range`, if any.
    fn clip(&self, range: &Range<u64>) -> Option<Run<P>> {
        let start = self.start.max(range.start);
        let end = self.end().min(range.end);
        (start < end).then(|| Run { start, len: end - start, from: self.from.advance(start - self.start) })
    }
}

/// The runs a buffer was copied from, ascending and without overlap. Offsets without a run are holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceMap<P> {
    runs: std::collections::VecDeque<Run<P>>,
}

impl<P> Default for SourceMap<P> {
    fn default() -> Self {
        SourceMap { runs: std::collections::VecDeque::new() }
    }
}

impl<P: Place> SourceMap<P> {
    /// Appends `len` bytes at `start`, which must not lie before the end of the last run. A run that
    /// continues the last one in both buffers is merged into it.
    pub fn push(&mut self, start: u64, len: u64, from: P) {
        if len == 0 {
            return;
        }
        if let Some(last) = self.runs.back_mut() {
            debug_assert!(start >= last.end(), "runs are pushed in ascending order");
            if last.end() == start && last.from.advance(last.len) == from {
                last.len += len;
                return;
            }
        }
        self.runs.push_back(Run { start, len, from });
    }

    /// Becomes what `of` says of `range`, in its own memory.
    pub fn copy_part(&mut self, of: &SourceMap<P>, range: Range<u64>) {
        self.runs.clear();
        self.runs.extend(of.resolve(range));
    }

    /// Forgets all that lies wholly before `offset`.
    pub fn forget_before(&mut self, offset: u64) {
        while self.runs.front().is_some_and(|run| run.end() <= offset) {
            self.runs.pop_front();
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.runs.clear();
    }

    /// The parts of `range` that have an origin, in ascending order.
    pub fn resolve(&self, range: Range<u64>) -> impl Iterator<Item = Run<P>> + '_ {
        let first = self.runs.partition_point(|run| run.end() <= range.start);
        self.runs.range(first..).map_while(move |run| run.clip(&range))
    }

    /// Where the byte at `offset` came from.
    pub fn at(&self, offset: u64) -> Option<P> {
        self.resolve(offset..offset + 1).next().map(|run| run.from)
    }

    /// All runs, ascending.
    pub fn runs(&self) -> impl Iterator<Item = &Run<P>> {
        self.runs.iter()
    }

    /// How many runs are held.
    pub fn len(&self) -> usize {
        self.runs.len()
    }

    /// Whether no offset has an origin.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

impl SourceMap<u64> {
    /// The composition: this buffer's offsets, with the origins that `parent` gives to the offsets
    /// they came from.
    pub fn through<P: Place>(&self, parent: &SourceMap<P>) -> SourceMap<P> {
        let mut composed = SourceMap::default();
        for run in &self.runs {
            for piece in parent.resolve(run.from..run.from + run.len) {
                composed.push(run.start + (piece.start - run.from), piece.len, piece.from);
            }
        }
        composed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(frame: u64, file_offset: u64) -> Source {
        Source { frame: FrameNo(frame), packet: FrameNo(frame), time: Time(0), file_offset, form: Form::Verbatim }
    }

    #[test]
    fn runs_that_continue_each_other_are_one() {
        let mut map = SourceMap::default();
        map.push(0, 10, 100u64);
        map.push(10, 5, 110);
        map.push(15, 5, 200);
        assert_eq!(map.len(), 2);
        assert_eq!(map.at(12), Some(112));
        assert_eq!(map.at(16), Some(201));
        assert_eq!(map.at(20), None);
    }

    #[test]
    fn composition_leaves_holes_where_the_parent_has_none() {
        // The stream: offsets 0..10 from frame 1, 10..14 never captured, 14..20 from frame 3.
        let mut stream = SourceMap::default();
        stream.push(0, 10, source(1, 1000));
        stream.push(14, 6, source(3, 3000));
        // The body: 8 bytes from stream offset 2, then (a chunk header between) 8 from offset 11.
        let mut body = SourceMap::default();
        body.push(0, 8, 2u64);
        body.push(8, 8, 11);
        let traced: Vec<_> = body.through(&stream).runs().map(|r| (r.start, r.len, r.from.file_offset)).collect();
        assert_eq!(traced, [(0, 8, 1002), (11, 5, 3000)]);
    }

    #[test]
    fn forgetting_keeps_the_run_that_reaches_past_the_offset() {
        let mut map = SourceMap::default();
        map.push(0, 10, 0u64);
        map.push(20, 10, 50);
        map.forget_before(5);
        assert_eq!(map.at(3), Some(3));
        map.forget_before(10);
        assert_eq!((map.at(3), map.at(25)), (None, Some(55)));
    }

    #[test]
    fn frames_name_their_file_where_there_are_several() {
        let frame = FrameNo::in_file(2, 17);
        assert_eq!((frame.file(), frame.number(), frame.to_string()), (Some(2), 17, "file2:17".to_owned()));
        assert_eq!(format!("{:>10}", frame), "  file2:17");
        let json = |frame: FrameNo| serde_json::to_string(&frame).expect("serializable");
        assert_eq!([json(FrameNo(17)), json(frame), json(FrameNo::NONE)], ["17", "\"file2:17\"", "null"]);
        assert!(FrameNo::in_file(1, 9) < FrameNo::in_file(2, 1));
    }

    #[test]
    fn without_times_nothing_takes_time() {
        assert_eq!((Time::NONE.since(Time(5)), Time(5).since(Time::NONE), Time(5).since(Time(2))), (0, 0, 3));
    }

    #[test]
    fn times_print_as_wireshark_prints_them() {
        assert_eq!(Time(1_700_000_000_123_456_000).to_string(), "1700000000.123456000");
        assert_eq!(Time(-1).to_string(), "-0.000000001");
    }
}
