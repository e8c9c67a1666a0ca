//! What a recording has for each of its messages, in few bytes.
//!
//! A message of a busy server's capture is 60 bytes long, and a recording keeps all of them: each byte kept for one is
//! kept a million times.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::origin::FrameNo;

/// A text that many events share.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Text(Arc<str>);

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text(text.into())
    }
}

impl From<Text> for String {
    fn from(text: Text) -> String {
        text.0.as_ref().to_owned()
    }
}

/// Texts that were seen: one that comes again is not kept again. Most messages are audio and video, and have one of a
/// few texts.
#[derive(Debug, Default)]
pub(super) struct Texts(FxHashSet<Arc<str>>);

impl Texts {
    /// So many are remembered: no capture can make more of them.
    const MOST: usize = 4096;

    pub(super) fn keep(&mut self, text: String) -> Text {
        if let Some(known) = self.0.get(text.as_str()) {
            return Text(Arc::clone(known));
        }
        let text: Arc<str> = text.into();
        if self.0.len() < Self::MOST {
            self.0.insert(Arc::clone(&text));
        }
        Text(text)
    }
}

/// The bytes of a chunk's header: at most 3 of the basic header, 11 of the message header, and 4 of the extended
/// timestamp (RTMP 1.0 5.3.1).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct HeaderBytes {
    len: u8,
    bytes: [u8; 18],
}

impl From<&[u8]> for HeaderBytes {
    fn from(header: &[u8]) -> HeaderBytes {
        let len = header.len().min(18);
        let mut bytes = [0; 18];
        bytes[..len].copy_from_slice(&header[..len]);
        HeaderBytes { len: len as u8, bytes }
    }
}

impl Deref for HeaderBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len.into()]
    }
}

impl fmt::Debug for HeaderBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Where bytes are: runs of offset, stream offset, frame.
#[derive(Clone, Debug, Default)]
pub struct Places(Option<Box<Runs>>);

/// A run is 12 bytes in place of 24: a video frame has one for each segment and each chunk.
#[derive(Clone, Debug)]
struct Runs {
    at: u64,
    frame: FrameNo,
    /// Offset, and how much further the stream offset and the frame are than the first.
    near: Box<[(u32, u32, u32)]>,
    /// From where that does not fit into 32 bits: offset, stream offset, frame.
    far: Box<[(u32, u64, FrameNo)]>,
}

impl Places {
    /// `near` is a buffer that serves all messages: one of their own, grown and then cut to its length, took a tenth of
    /// the time of a recording.
    pub(super) fn new(runs: impl Iterator<Item = (u32, u64, FrameNo)>, near: &mut Vec<(u32, u32, u32)>) -> Places {
        near.clear();
        let (mut first, mut far) = (None, Vec::new());
        for (start, at, frame) in runs {
            let (base, from) = *first.get_or_insert((at, frame));
            let further = |value: u64, than: u64| u32::try_from(value.checked_sub(than)?).ok();
            match (further(at, base), further(frame.0, from.0)) {
                (Some(at), Some(frame)) if far.is_empty() => near.push((start, at, frame)),
                _ => far.push((start, at, frame)),
            }
        }
        let runs = first.map(|(at, frame)| Box::new(Runs { at, frame, near: near.as_slice().into(), far: far.into() }));
        Places(runs)
    }

    /// Those of the bytes from the one at `skip` on.
    pub(super) fn after(&self, skip: u32) -> Places {
        let Some(runs) = self.0.as_deref() else { return Places::default() };
        let near = runs
            .near
            .iter()
            .map(|&(start, at, frame)| (start, runs.at + u64::from(at), FrameNo(runs.frame.0 + u64::from(frame))));
        let all: Vec<_> = near.chain(runs.far.iter().copied()).collect();
        let first = all.partition_point(|run| run.0 <= skip).saturating_sub(1);
        let of = |&(start, at, frame): &(u32, u64, FrameNo)| {
            (start.saturating_sub(skip), at + u64::from(skip.saturating_sub(start)), frame)
        };
        Places::new(all[first..].iter().map(of), &mut Vec::new())
    }

    /// Offset in the direction's stream and frame of the byte at `offset`; of the nearest one before it that was
    /// captured, if it was not.
    pub fn of(&self, offset: usize) -> Option<(u64, FrameNo)> {
        let runs = self.0.as_deref()?;
        let before = |start: u32| start as usize <= offset;
        let (start, at, frame) = match runs.far.partition_point(|run| before(run.0)).checked_sub(1) {
            Some(index) => runs.far[index],
            None => {
                let index = runs.near.partition_point(|run| before(run.0)).checked_sub(1)?;
                let (start, at, frame) = runs.near[index];
                (start, runs.at + u64::from(at), FrameNo(runs.frame.0 + u64::from(frame)))
            }
        };
        Some((at + (offset - start as usize) as u64, frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_on_both_sides_of_32_bits() {
        // A frame that arrived early, one of the next chunk, and one after 4 GiB of other messages.
        let runs =
            [(0, 1000, FrameNo(7)), (100, 1101, FrameNo(8)), (200, 1201, FrameNo(3)), (300, 1 << 33, FrameNo(9))];
        let mut near = Vec::new();
        let places = Places::new(runs.into_iter(), &mut near);
        assert_eq!(places.of(0), Some((1000, FrameNo(7))));
        assert_eq!(places.of(99), Some((1099, FrameNo(7))));
        assert_eq!(places.of(150), Some((1151, FrameNo(8))));
        assert_eq!(places.of(299), Some((1300, FrameNo(3))));
        assert_eq!(places.of(301), Some(((1 << 33) + 1, FrameNo(9))));
        let rest = places.after(150);
        assert_eq!((rest.of(0), rest.of(50)), (Some((1151, FrameNo(8))), Some((1201, FrameNo(3)))));
        assert_eq!(
            (rest.of(151), places.after(0).of(99)),
            (Some(((1 << 33) + 1, FrameNo(9))), Some((1099, FrameNo(7))))
        );
        assert_eq!(Places::new([(5, 10, FrameNo(1))].into_iter(), &mut near).of(4), None);
        assert_eq!(Places::default().of(0), None);
    }

    #[test]
    fn a_text_that_comes_again_is_kept_once() {
        let mut texts = Texts::default();
        let [first, again] = ["Audio Data", "Audio Data"].map(|text| texts.keep(text.to_owned()));
        assert!(Arc::ptr_eq(&first.0, &again.0));
    }

    #[test]
    fn a_chunk_header_fits() {
        let header: Vec<u8> = (0..18).collect();
        assert_eq!(HeaderBytes::from(&header[..])[..], header[..]);
        assert!(HeaderBytes::default().is_empty());
        assert!(size_of::<super::super::RecordedEvent>() <= 192 && size_of::<super::super::RecordedMessage>() <= 176);
    }
}
