//! Numbers that are compared exactly, whatever they were written as.

use std::cmp::Ordering;

/// An integer or a double. 128 bits hold every integer of traffic, signed or not.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Integer(i128),
    Real(f64),
}

/// How a literal without a prefix is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leading0 {
    /// `012` is 10, as where integers are expected.
    Octal,
    /// `012` is 12, as where doubles may be expected.
    Decimal,
}

impl Number {
    /// `-` is not part of a literal. Integers beyond 128 bits become doubles: larger than any field.
    pub fn parse(word: &str, leading0: Leading0) -> Option<Self> {
        let (digits, radix) = match word.as_bytes() {
            [b'0', b'x' | b'X', ..] => (&word[2..], 16),
            [b'0', b'b' | b'B', ..] => (&word[2..], 2),
            [b'0', _, ..] if leading0 == Leading0::Octal && word.bytes().all(|b| b.is_ascii_digit()) => (&word[1..], 8),
            _ => (word, 10),
        };
        if digits.is_empty() || digits.starts_with(['+', '-']) {
            return None;
        }
        if digits.chars().all(|c| c.is_digit(radix)) {
            let whole = i128::from_str_radix(digits, radix).map(Number::Integer);
            let real = || {
                digits.chars().fold(0.0, |sum, c| sum * f64::from(radix) + f64::from(c.to_digit(radix).unwrap_or(0)))
            };
            return Some(whole.unwrap_or_else(|_| Number::Real(real())));
        }
        // `inf` and `nan` are words, not numbers.
        let is_real = radix == 10 && digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        if is_real { digits.parse().ok().map(Number::Real) } else { None }
    }

    pub fn real(self) -> f64 {
        match self {
            Number::Integer(whole) => whole as f64,
            Number::Real(real) => real,
        }
    }

    pub fn is_zero(self) -> bool {
        matches!(self, Number::Integer(0)) || matches!(self, Number::Real(real) if real == 0.0)
    }

    /// Exact: an integer is never rounded to meet a double. `None` where there is no number.
    pub fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Number::Integer(a), Number::Integer(b)) => Some(a.cmp(&b)),
            (Number::Real(a), Number::Real(b)) => a.partial_cmp(&b),
            (Number::Integer(a), Number::Real(b)) => order_mixed(a, b),
            (Number::Real(a), Number::Integer(b)) => order_mixed(b, a).map(Ordering::reverse),
        }
    }

    pub fn negative(self) -> Self {
        match self {
            Number::Integer(whole) => whole.checked_neg().map_or(Number::Real(-(whole as f64)), Number::Integer),
            Number::Real(real) => Number::Real(-real),
        }
    }

    pub fn absolute(self) -> Self {
        match self {
            Number::Integer(whole) if whole < 0 => self.negative(),
            Number::Real(real) => Number::Real(real.abs()),
            Number::Integer(_) => self,
        }
    }

    /// The result of `+ - * / %` or `&`: integers stay integers. `None` for a division of integers
    /// by zero, for bits of a double, and beyond 128 bits.
    pub fn calculate(self, sign: &str, other: Self) -> Option<Self> {
        if let (Number::Integer(a), Number::Integer(b)) = (self, other) {
            return match sign {
                "+" => a.checked_add(b),
                "-" => a.checked_sub(b),
                "*" => a.checked_mul(b),
                "/" => a.checked_div(b),
                "%" => a.checked_rem(b),
                _ => Some(a & b),
            }
            .map(Number::Integer);
        }
        let (a, b) = (self.real(), other.real());
        match sign {
            "+" => Some(a + b),
            "-" => Some(a - b),
            "*" => Some(a * b),
            "/" => Some(a / b),
            "%" => Some(a % b),
            _ => None,
        }
        .map(Number::Real)
    }
}

fn order_mixed(whole: i128, real: f64) -> Option<Ordering> {
    const BEYOND: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0; // 2^127
    if real.is_nan() {
        None
    } else if real >= BEYOND {
        Some(Ordering::Less)
    } else if real < -BEYOND {
        Some(Ordering::Greater)
    } else {
        // In range, so the cast only cuts the fraction, which then decides a tie.
        let cut = real.trunc();
        Some(whole.cmp(&(cut as i128)).then(0.0_f64.partial_cmp(&(real - cut))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Number::{Integer, Real};

    #[test]
    fn integers_and_doubles_compare_without_rounding() {
        // 2^53 + 1 is no double: as one, it would equal 2^53.
        let odd = (1_i128 << 53) + 1;
        assert_eq!(Integer(odd).order(Real(9_007_199_254_740_992.0)), Some(Ordering::Greater));
        assert_eq!(Integer(u64::MAX.into()).order(Real(18_446_744_073_709_551_616.0)), Some(Ordering::Less));
        assert_eq!(Integer(-1).order(Integer(u64::MAX.into())), Some(Ordering::Less));
        assert_eq!(Integer(-1).order(Real(-1.5)), Some(Ordering::Greater));
        assert_eq!(Real(-1.5).order(Integer(-2)), Some(Ordering::Greater));
        assert_eq!(Integer(3).order(Real(3.0)), Some(Ordering::Equal));
        assert_eq!(Integer(i128::MAX).order(Real(f64::INFINITY)), Some(Ordering::Less));
        assert_eq!(Integer(i128::MIN).order(Real(f64::NEG_INFINITY)), Some(Ordering::Greater));
        assert_eq!(Integer(0).order(Real(f64::NAN)), None);
    }

    #[test]
    fn literals() {
        let octal = |word| match Number::parse(word, Leading0::Octal) {
            Some(Integer(whole)) => whole.to_string(),
            Some(Real(real)) => format!("{real:?}"),
            None => "none".to_owned(),
        };
        let table = [
            ("012", "10"),
            ("0", "0"),
            ("0x1F", "31"),
            ("0b101", "5"),
            ("1.50", "1.5"),
            ("1e3", "1000.0"),
            ("09", "none"),
            ("0x", "none"),
            ("0xfg", "none"),
            ("1a", "none"),
            ("inf", "none"),
            ("0x+1", "none"),
            ("99999999999999999999", "99999999999999999999"),
        ];
        for (word, expected) in table {
            assert_eq!(octal(word), expected, "{word}");
        }
        assert!(matches!(Number::parse("012", Leading0::Decimal), Some(Integer(12))));
        assert!(matches!(Number::parse(&"9".repeat(60), Leading0::Decimal), Some(Real(real)) if real > 9e59));
    }
}
