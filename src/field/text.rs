//! Values as text: Wireshark's, so that what people compare or paste into a filter is the same.

use std::borrow::Cow;
use std::fmt::Write;

use super::{Def, Kind, Value};

impl Value {
    /// The value as `tshark -T fields` prints it. `width` is the field's length in bytes: hexadecimal numbers
    /// have all their digits. What has no value, only a place, is `1`.
    pub fn plain(&self, kind: Kind, width: usize) -> Cow<'_, str> {
        match self {
            Value::None => Cow::Borrowed("1"),
            Value::Bytes(_) if kind == Kind::Mark => Cow::Borrowed("1"),
            Value::Text(text) => Cow::Borrowed(text),
            _ => {
                let mut text = String::new();
                self.write_plain(kind, width, &mut text);
                Cow::Owned(text)
            }
        }
    }

    /// Adds [`plain`](Value::plain) to a text.
    pub(crate) fn write_plain(&self, kind: Kind, width: usize, text: &mut String) {
        // A `String` takes all that is written.
        let _ = match self {
            Value::None => text.write_str("1"),
            Value::Bytes(_) if kind == Kind::Mark => text.write_str("1"),
            Value::Text(value) => text.write_str(value),
            Value::Uint(number) if kind == Kind::Hex => {
                write!(text, "{number:#0digits$x}", digits = 2 + 2 * width.max(1))
            }
            Value::Uint(number) => write!(text, "{number}"),
            Value::Int(number) => write!(text, "{number}"),
            Value::Double(number) => text.write_str(&double(*number)),
            Value::Boolean(truth) => write!(text, "{}", u8::from(*truth)),
            Value::Bytes(bytes) => text.write_str(&hex::encode(bytes)),
            Value::Address(address) => write!(text, "{address}"),
            Value::Seconds(ns) => write!(text, "{}", crate::origin::Time(*ns)),
        };
    }
}

impl Def {
    /// What a number means, if the field has names for its values.
    pub fn meaning_of(&self, value: &Value) -> Option<&'static str> {
        match value {
            Value::Uint(number) => (self.symbol)(*number),
            Value::Int(number) => (self.symbol)(u64::try_from(*number).ok()?),
            _ => None,
        }
    }
}

/// `1 byte`, `2 bytes`: a number of things.
pub fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// C's `%.15g`: fifteen significant digits, no zeros at the end.
pub fn double(number: f64) -> String {
    const DIGITS: i32 = 15;
    if !number.is_finite() {
        return if number.is_nan() {
            "nan"
        } else if number < 0.0 {
            "-inf"
        } else {
            "inf"
        }
        .to_owned();
    }
    let scientific = format!("{number:.*e}", DIGITS as usize - 1);
    let (mantissa, exponent) = scientific.split_once('e').expect("Rust prints an exponent");
    let exponent: i32 = exponent.parse().expect("a number");
    let trimmed = |digits: &str| match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    };
    if (-4..DIGITS).contains(&exponent) {
        return trimmed(&format!("{number:.*}", (DIGITS - 1 - exponent) as usize));
    }
    let mut text = trimmed(mantissa);
    let sign = if exponent < 0 { '-' } else { '+' };
    let _ = write!(text, "e{sign}{:02}", exponent.abs());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_printed_as_c_prints_them() {
        // From `printf '%.15g\n'`.
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (29.97, "29.97"),
            (0.1 + 0.2, "0.3"),
            (1e15, "1e+15"),
            (123456789012345.0, "123456789012345"),
            (1234567890123456.0, "1.23456789012346e+15"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e300, "1e+300"),
            (-2.5e-9, "-2.5e-09"),
            (999999999999999.9, "1e+15"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(double(number), text);
        }
    }

    #[test]
    fn what_has_no_value_is_there() {
        assert_eq!(Value::None.plain(Kind::Group, 12), "1");
        assert_eq!(Value::Bytes(vec![0, 0, 9]).plain(Kind::Mark, 3), "1");
        assert_eq!(Value::Bytes(vec![0, 0, 9]).plain(Kind::Bytes, 3), "000009");
    }

    #[test]
    fn hexadecimal_numbers_have_all_digits() {
        assert_eq!(Value::Uint(0x14).plain(Kind::Hex, 1), "0x14");
        assert_eq!(Value::Uint(5).plain(Kind::Hex, 4), "0x00000005");
        assert_eq!(Value::Uint(5).plain(Kind::Hex, 0), "0x05");
        assert_eq!(Value::Uint(5).plain(Kind::Uint, 1), "5");
    }
}
