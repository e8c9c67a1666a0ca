//! What Multitrack and ModEx put before a packet (E-RTMP v2), read only as far as the rules need.

use crate::rules::messages::count;

/// VideoPacketType of several tracks.
pub const MULTITRACK_TYPE: u8 = 6;
/// VideoPacketType of data before another packet type.
pub const MOD_EX_TYPE: u8 = 7;

/// Where the data of a track begins that is longer than what is left, and its size.
pub fn track_beyond(body: &[u8]) -> Option<(usize, usize)> {
    const ONE_TRACK: u8 = 0;
    const MANY_CODECS: u8 = 2;
    let [first, kinds, ..] = *body else { return None };
    if first & 0x8f != 0x80 | MULTITRACK_TYPE || kinds >> 4 == ONE_TRACK || kinds >> 4 > MANY_CODECS {
        return None;
    }
    let own_codec = kinds >> 4 == MANY_CODECS;
    let mut at = if own_codec { 2 } else { 6 };
    while at < body.len() {
        at += if own_codec { 5 } else { 1 };
        let size = body.get(at..at + 3)?.iter().fold(0, |size, &byte| size << 8 | usize::from(byte));
        at += 3;
        if at + size > body.len() {
            return Some((at, size));
        }
        at += size;
    }
    None
}

/// A TimestampOffsetNano that is too short or too large.
pub fn wrong_nano(body: &[u8]) -> Option<(std::ops::Range<usize>, String)> {
    const NANO: u8 = 0;
    let first = *body.first()?;
    if first & 0x8f != 0x80 | MOD_EX_TYPE {
        return None;
    }
    let mut at = 1;
    loop {
        let mut size = usize::from(*body.get(at)?) + 1;
        at += 1;
        if size == 256 {
            size = usize::from(u16::from_be_bytes(*body.get(at..)?.first_chunk()?)) + 1;
            at += 2;
        }
        let data = body.get(at..at + size)?;
        let kinds = *body.get(at + size)?;
        if kinds >> 4 == NANO {
            let nano = data.iter().take(3).fold(0_u32, |nano, &byte| nano << 8 | u32::from(byte));
            if size < 3 {
                return Some((at..at + size, format!("{} of nanoseconds", count(size, "byte"))));
            }
            if nano > 999_999 {
                return Some((at..at + size, format!("{nano} nanoseconds")));
            }
        }
        if kinds & 15 != MOD_EX_TYPE {
            return None;
        }
        at += size + 1;
    }
}
