//! Numbers as text, written from the last digit on.
//!
//! Takes numbers and the characters between them, the last first; gives ASCII text. Through `fmt`, the two addresses of
//! a row took a quarter of the time of printing it as JSON.

/// A text that grows to the left.
#[derive(Debug)]
pub struct Digits {
    bytes: [u8; Digits::MOST],
    from: usize,
}

impl Digits {
    /// More than two numbers of 64 bits, or an IPv4 address with its port.
    const MOST: usize = 48;

    /// An empty text.
    pub fn new() -> Digits {
        Digits { bytes: [b'0'; Digits::MOST], from: Digits::MOST }
    }

    /// Only this number.
    pub fn of(number: u64) -> Digits {
        Digits::new().number(number, 1)
    }

    /// Puts a number before what there is, with zeros up to so many digits.
    pub fn number(mut self, mut number: u64, digits: usize) -> Digits {
        let last = self.from;
        while number > 0 && self.from > 0 {
            self.from -= 1;
            self.bytes[self.from] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        // What is not written yet is zeros.
        self.from = self.from.min(last.saturating_sub(digits));
        self
    }

    /// Puts an ASCII character before what there is.
    pub fn character(mut self, character: u8) -> Digits {
        if self.from > 0 && character.is_ascii() {
            self.from -= 1;
            self.bytes[self.from] = character;
        }
        self
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.from..]).unwrap_or_default()
    }
}

impl Default for Digits {
    fn default() -> Digits {
        Digits::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_fmt_writes_them() {
        for number in [0, 1, 9, 10, 99, 100, 12_345, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(Digits::of(number).as_str(), number.to_string());
            let padded = Digits::new().number(number, 9).character(b'.').number(7, 1).character(b'-');
            assert_eq!(padded.as_str(), format!("-7.{number:09}"));
        }
        assert_eq!(Digits::of(u64::MAX).character(b' ').number(u64::MAX, 1).as_str().len(), 41);
    }
}
