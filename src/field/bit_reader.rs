//! Numbers that do not keep to bytes: the bit strings of video headers.
//!
//! Takes bytes that a [`Reader`](super::Reader) gave, gives numbers of any width and the variable-length
//! codes of H.26x and AV1. It names nothing; what is found goes into a tree as derived fields.

use std::borrow::Cow;

/// How much of a parameter set is looked at. Real ones have some dozens of bytes.
const ENOUGH: usize = 4096;

/// A cursor over bits, from the left end of each byte. Every reading gives `None` past the end.
#[derive(Debug)]
pub struct BitReader<'a> {
    bytes: Cow<'a, [u8]>,
    at: usize,
}

impl<'a> BitReader<'a> {
    /// A reader over bytes as they are.
    pub fn new(bytes: &'a [u8]) -> Self {
        BitReader { bytes: Cow::Borrowed(bytes), at: 0 }
    }

    /// A reader over the payload of a NAL unit, without the bytes 03 that keep `00 00 0x` from looking
    /// like a start code (H.264 7.3.1, H.265 7.3.1.1).
    pub fn unescaped(bytes: &[u8]) -> Self {
        let bytes = &bytes[..bytes.len().min(ENOUGH)];
        let mut plain = Vec::with_capacity(bytes.len());
        let mut zeros = 0;
        for &byte in bytes {
            if zeros >= 2 && byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            plain.push(byte);
        }
        BitReader { bytes: Cow::Owned(plain), at: 0 }
    }

    /// One bit.
    pub fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// `width` (0 to 32) bits.
    pub fn bits(&mut self, width: u32) -> Option<u32> {
        let mut value = 0u32;
        for _ in 0..width {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    /// Goes over `width` bits.
    pub fn skip(&mut self, width: usize) -> Option<()> {
        self.at = self.at.checked_add(width)?;
        (self.at <= self.bytes.len() * 8).then_some(())
    }

    /// An unsigned Exp-Golomb code: `ue(v)` of H.26x, `uvlc()` of AV1.
    pub fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros == 32 {
                return None;
            }
        }
        let rest = self.bits(zeros)?;
        Some(((1u64 << zeros) - 1 + u64::from(rest)) as u32)
    }

    /// Goes over `count` unsigned Exp-Golomb codes.
    pub fn ues(&mut self, count: usize) -> Option<()> {
        (0..count).try_for_each(|_| self.ue().map(drop))
    }

    /// A signed Exp-Golomb code: `se(v)` of H.26x.
    pub fn se(&mut self) -> Option<i32> {
        let code = i64::from(self.ue()?);
        Some(if code % 2 == 0 { -(code / 2) } else { (code + 1) / 2 } as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_codes() {
        // 1 | 010 | 011 | 00100 | 0 0101 ...: ue 0, 1, 2, 3, then 4 as a signed code, -2
        let mut bits = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!((bits.ue(), bits.ue(), bits.ue(), bits.ue()), (Some(0), Some(1), Some(2), Some(3)));
        assert_eq!(bits.se(), Some(-2));
        assert_eq!(bits.bits(7), Some(0));
        assert_eq!(bits.flag(), None);
        assert_eq!(BitReader::new(&[0; 8]).ue(), None);
    }

    #[test]
    fn emulation_prevention_is_taken_out() {
        let mut bits = BitReader::unescaped(&[0, 0, 3, 1, 0, 0, 3]);
        assert_eq!(bits.bits(32), Some(0x0000_0100));
        assert_eq!(bits.bits(8), Some(0));
        assert_eq!(bits.flag(), None);
    }
}
