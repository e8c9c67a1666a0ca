//! The clock of a pcapng interface.
//!
//! Takes a 64-bit timestamp, gives nanoseconds since the epoch, by `if_tsresol` and `if_tsoffset`.

use crate::origin::Time;

/// Ticks per second, and where the ticks start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    ticks: Ticks,
    /// Added to every time, in seconds.
    offset: i64,
}

#[derive(Clone, Copy, Debug)]
enum Ticks {
    /// Ticks of so many nanoseconds.
    Nanoseconds(u64),
    /// So many ticks in a nanosecond.
    PerNanosecond(u128),
    /// 2^n ticks in a second.
    PowerOfTwo(u32),
}

impl Clock {
    /// `resolution` is the value of `if_tsresol`: a negative power of ten, or of two if the top bit is set;
    /// microseconds if absent.
    pub(super) fn new(resolution: Option<u8>, offset: i64) -> Clock {
        let resolution = resolution.unwrap_or(6);
        let exponent = u32::from(resolution & 0x7f);
        let ticks = if resolution & 0x80 != 0 {
            Ticks::PowerOfTwo(exponent)
        } else if exponent <= 9 {
            Ticks::Nanoseconds(10_u64.pow(9 - exponent))
        } else {
            // 10^39 and more do not fit; a 64-bit count of such ticks is 0 ns in any case.
            Ticks::PerNanosecond(10_u128.checked_pow(exponent - 9).unwrap_or(u128::MAX))
        };
        Clock { ticks, offset }
    }

    /// The moment of a timestamp; the nearest that fits where the value is absurd.
    pub(super) fn time(&self, timestamp: u64) -> Time {
        let ns = match self.ticks {
            Ticks::Nanoseconds(each) => u128::from(timestamp) * u128::from(each),
            Ticks::PerNanosecond(ticks) => u128::from(timestamp) / ticks,
            Ticks::PowerOfTwo(n) => (u128::from(timestamp) * 1_000_000_000) >> n,
        };
        // ns < 2^94 and the offset < 2^94: no overflow in i128.
        let ns = ns as i128 + i128::from(self.offset) * 1_000_000_000;
        Time(ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_and_binary_resolutions() {
        assert_eq!(Clock::new(None, 0).time(1_500_000), Time(1_500_000_000));
        assert_eq!(Clock::new(Some(9), 0).time(7), Time(7));
        assert_eq!(Clock::new(Some(12), 0).time(7_999), Time(7));
        // 0x94: 2^-20 s.
        assert_eq!(Clock::new(Some(0x94), 0).time(3 << 19), Time(1_500_000_000));
        assert_eq!(Clock::new(Some(0), 3600).time(1), Time(3_601_000_000_000));
    }

    #[test]
    fn absurd_values_saturate() {
        for resolution in 0..=255 {
            for offset in [i64::MIN, -1, 0, i64::MAX] {
                Clock::new(Some(resolution), offset).time(u64::MAX);
            }
        }
        assert_eq!(Clock::new(Some(0), 0).time(u64::MAX), Time(i64::MAX));
        assert_eq!(Clock::new(Some(0), i64::MIN).time(0), Time(i64::MIN));
    }
}
