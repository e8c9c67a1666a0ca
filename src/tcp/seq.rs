//! Sequence numbers that do not wrap.
//!
//! Takes the 32 bits of the wire, gives 64-bit positions that can be compared and subtracted, so that
//! nothing above has to think of 2^32. The low 32 bits of a position are the sequence number.

use std::ops::{Add, Sub};

/// A place in one direction's sequence space, counted on beyond 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(u64);

impl Position {
    /// The position of the first sequence number seen in a direction.
    pub fn first(seq: u32) -> Position {
        Position(FLOOR + u64::from(seq))
    }

    /// The position of `seq` that is nearest to this one: at most 2^31 away.
    pub fn near(self, seq: u32) -> Position {
        let distance = seq.wrapping_sub(self.0 as u32) as i32;
        // A peer that walks backwards by 2^31 at a time could otherwise leave the sequence space.
        Position(self.0.saturating_add_signed(i64::from(distance)))
    }

    /// How far apart the two are, in bytes.
    pub fn distance(self, other: Position) -> u64 {
        self.0.abs_diff(other.0)
    }
}

impl Add<u64> for Position {
    type Output = Position;

    fn add(self, by: u64) -> Position {
        Position(self.0 + by)
    }
}

/// Bytes from the earlier position to the later one; 0 when they are the other way round.
impl Sub for Position {
    type Output = u64;

    fn sub(self, earlier: Position) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Room below the first sequence number for segments captured after later ones.
const FLOOR: u64 = 1 << 33;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_go_on_over_the_wrap() {
        let before = Position::first(0xffff_fff0);
        let after = before.near(0x0000_0010);
        assert_eq!(after - before, 0x20);
        assert_eq!(after.near(0xffff_fff0), before);
    }

    #[test]
    fn a_long_stream_passes_four_gigabytes() {
        let start = Position::first(7);
        let mut at = start;
        for step in 1..=12u64 {
            at = at.near((7 + step * (1 << 30)) as u32);
        }
        assert_eq!(at - start, 12 << 30);
    }

    #[test]
    fn subtraction_stops_at_zero() {
        let at = Position::first(100);
        assert_eq!(at - (at + 5), 0);
        assert_eq!(at.distance(at + 5), 5);
    }
}
