//! Capture files: from a byte source to frames.
use crate::origin::{FrameNo, Time};

/// One frame of the capture.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its number, from 1.
    pub number: FrameNo,
    /// When it was captured.
    pub time: Time,
    /// The link type of its interface (LINKTYPE_*).
    pub link_type: u32,
    /// The captured bytes.
    pub bytes: &'a [u8],
    /// Its length on the wire, in bytes; larger than `bytes` when the snap length cut it.
    pub original_len: u32,
    /// Offset of `bytes` in the capture file (after decompression).
    pub file_offset: u64,
}
