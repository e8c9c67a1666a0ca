//! The last bytes that were delivered, to compare retransmissions with.
//!
//! Takes delivered bytes, answers whether a later copy of them is the same. It is bounded: a copy of
//! bytes that have left the ring is not compared. Memory is taken with the first bytes.

use super::seq::Position;

/// How two copies of the same bytes differ.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// The first byte that differs.
    pub at: Position,
    /// From the first byte that differs to the last, in bytes.
    pub len: u64,
    /// The first copy from `at`, at most [`SHOWN`] bytes.
    pub kept: Vec<u8>,
    /// The second copy from `at`, as many.
    pub ignored: Vec<u8>,
}

impl Difference {
    /// Compares two copies of the bytes from `at` on.
    pub fn between(at: Position, kept: &[u8], ignored: &[u8]) -> Option<Difference> {
        // One memcmp decides the usual case.
        if kept == ignored {
            return None;
        }
        let differs = |(_, (k, i)): &(usize, (&u8, &u8))| k != i;
        let first = kept.iter().zip(ignored).enumerate().find(differs)?.0;
        let last = kept.iter().zip(ignored).enumerate().rev().find(differs)?.0;
        Some(Difference {
            at: at + first as u64,
            len: (last - first + 1) as u64,
            kept: kept[first..].iter().take(SHOWN).copied().collect(),
            ignored: ignored[first..].iter().take(SHOWN).copied().collect(),
        })
    }
}

/// A ring of the most recently delivered bytes of one direction. Its memory grows with what is delivered: most
/// directions of a short connection never fill it, and a whole one for each took a twentieth of the time of `streams`
/// on many connections.
#[derive(Debug)]
pub(super) struct History {
    ring: Vec<u8>,
    /// How long the ring may become.
    capacity: usize,
    /// How many bytes of the ring are filled.
    len: usize,
    /// Where the next byte goes in the ring.
    head: usize,
    /// The position after the last byte.
    end: Position,
}

impl History {
    /// A ring of `capacity` bytes for what is delivered from `at` on.
    pub fn new(capacity: usize, at: Position) -> History {
        History { ring: Vec::new(), capacity, len: 0, head: 0, end: at }
    }

    /// The memory that it may take, in bytes.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Appends bytes delivered at `at`; what is held is forgotten when they do not follow on.
    pub fn push(&mut self, at: Position, bytes: &[u8]) {
        if at != self.end {
            self.len = 0;
        }
        self.end = at + bytes.len() as u64;
        if self.capacity == 0 {
            return;
        }
        // Until it is as long as it may be it has not wrapped: its end is where the next byte goes.
        if self.ring.len() < self.capacity {
            let room = self.capacity - self.ring.len();
            let (first, rest) = bytes.split_at(bytes.len().min(room));
            let needed = self.ring.len() + first.len();
            if needed > self.ring.capacity() {
                self.ring.reserve_exact((2 * needed).min(self.capacity) - self.ring.len());
            }
            self.ring.extend_from_slice(first);
            self.len = (self.len + first.len()).min(self.ring.len());
            self.head = self.ring.len() % self.capacity;
            return self.wrap(rest);
        }
        self.wrap(bytes);
    }

    /// Writes over the oldest bytes of a ring that is as long as it may be.
    fn wrap(&mut self, bytes: &[u8]) {
        let capacity = self.capacity;
        let bytes = &bytes[bytes.len().saturating_sub(capacity)..];
        let before_edge = bytes.len().min(capacity - self.head);
        let (tail, wrapped) = bytes.split_at(before_edge);
        self.ring[self.head..self.head + tail.len()].copy_from_slice(tail);
        self.ring[..wrapped.len()].copy_from_slice(wrapped);
        self.head = (self.head + bytes.len()) % capacity;
        self.len = (self.len + bytes.len()).min(capacity);
    }

    /// Compares `bytes`, another copy of what was delivered from `at` on, with what is still held.
    pub fn compare(&self, at: Position, bytes: &[u8]) -> Option<Difference> {
        let until = self.end.min(at + bytes.len() as u64);
        // Held are the `len` bytes before `end`: skip what is older, stop at what is newer.
        let skip = ((self.end - at).saturating_sub(self.len as u64) as usize).min(bytes.len());
        let from = at + skip as u64;
        let wanted = (until - from) as usize;
        if wanted == 0 {
            return None;
        }
        let copy = &bytes[skip..skip + wanted];
        let back = (self.end - from) as usize;
        let capacity = self.capacity;
        let index = (self.head + capacity - back) % capacity;
        let before_edge = wanted.min(capacity - index);
        let (tail, wrapped) = (&self.ring[index..index + before_edge], &self.ring[..wanted - before_edge]);
        if tail == &copy[..before_edge] && wrapped == &copy[before_edge..] {
            return None;
        }
        Difference::between(from, &[tail, wrapped].concat(), copy)
    }
}

/// How many differing bytes are shown of each copy: a line of a hex dump.
const SHOWN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_left_the_ring_is_not_compared() {
        let start = Position::first(0);
        let mut history = History::new(8, start);
        history.push(start, b"abcdef");
        history.push(start + 6, b"ghij");
        assert_eq!(history.compare(start, b"ABcdefghij"), None, "a and b are gone");
        let difference = history.compare(start, b"abcDefGhij").expect("D and G differ");
        assert_eq!((difference.at - start, difference.len), (3, 4));
        assert_eq!((&difference.kept[..], &difference.ignored[..]), (&b"defghij"[..], &b"DefGhij"[..]));
    }

    #[test]
    fn bytes_beyond_the_end_are_no_retransmission() {
        let start = Position::first(0);
        let mut history = History::new(8, start);
        history.push(start, b"abc");
        assert_eq!(history.compare(start + 2, b"cXYZ"), None);
        assert_eq!(history.compare(start + 9, b"XYZ"), None);
    }

    #[test]
    fn a_gap_forgets_what_was_before_it() {
        let start = Position::first(0);
        let mut history = History::new(8, start);
        history.push(start, b"abc");
        history.push(start + 5, b"fg");
        assert_eq!(history.compare(start, b"ABCdefg"), None);
        assert!(history.compare(start + 5, b"FG").is_some());
    }

    #[test]
    fn more_than_the_ring_keeps_the_last_bytes() {
        let start = Position::first(0);
        let mut history = History::new(4, start);
        history.push(start, b"abcdefghijk");
        assert_eq!(history.compare(start, b"XXXXXXXhijk"), None);
        assert!(history.compare(start + 7, b"hiXk").is_some());
        let mut none = History::new(0, start);
        none.push(start, b"abc");
        assert_eq!(none.compare(start, b"XXX"), None);
    }
}
