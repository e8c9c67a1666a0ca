//! Display filters: Wireshark's language for choosing messages.
//!
//! Takes a filter's text and a vocabulary of names, gives a [`Filter`] that is checked and says of the
//! fields of one message whether it matches. It knows nothing of RTMP; syntax and meaning are those of
//! Wireshark 4.0. Where Wireshark is stricter or looser, see the end.
//!
//! | | |
//! |---|---|
//! | `amf.string` | the field is there |
//! | `== != > >= < <=`, `eq ne gt ge lt le` | comparisons; `!=` is true if all occurrences differ |
//! | `===` `!==`, `all_eq` `any_ne` | all occurrences are equal; any of them differs |
//! | `any amf.number > 3`, `all amf.number > 3` | one occurrence is enough; all must satisfy it |
//! | `1 < amf.number < 5` | each with the next |
//! | `amf.string contains "live"` | a part of a text, of bytes, or of a whole layer |
//! | `amf.string matches "^net"`, `~` | a regular expression, without regard to case; `(?-i)` regards it |
//! | `tcp.port in {80, 1000..2000}`, `not in` | a set of values and of ranges with both ends |
//! | `not` `!`, `and` `&&`, `xor` `^^`, `or` <code>&#124;&#124;</code> | from the tightest to the loosest; `( )` groups conditions |
//! | `x[0:4]` `x[0-3]` `x[2]` `x[:4]` `x[-4:]` `x[0,2-3]` | slices: offset and length, first and last; from the end if negative |
//! | `+ - * / %`, `&` | calculations and bits, grouped with `{ }`; alone, true unless zero |
//! | `len count lower upper string max min abs` | functions |
//!
//! A comparison with a field that is not there is false, whatever the operator; `not` and `not in`
//! then make it true. `tcp.port != 80` is false of a message without a port, `not tcp.port == 80` is true.
//!
//! A literal is read as the type of the field it meets: numbers as `10`, `0x0a`, `0b1010`, `012` (octal,
//! for integers), `1.5`, `'\n'`; the names of values as `"AMF0 Command"`; bytes as `01:02:ff` or as a
//! text; addresses as `10.0.0.1` or `10.0.0.0/8`; times as seconds; `True`, `False`, `1`, `0`. Texts stand
//! in double quotes, with `\"`, `\\`, `\n`, `\x41`, `\101`, `\u00e9`, or raw as `r"\d+"`; a single word needs none.
//!
//! What differs from Wireshark 4.0: numbers compare as numbers, so `frame.number > -1` is true and no
//! number is too big; a literal may be on the left; functions take slices and functions; `xor` is of
//! Wireshark 4.2. `contains` takes no field on its right. Macros, references (`${…}`), the layer operator
//! (`#`), dates and host names are not known. Regular expressions have neither look-around nor
//! back-references, and so never take more time than the text is long.

mod check;
mod datum;
mod error;
mod eval;
mod lex;
mod literal;
mod number;
mod parse;
mod suggest;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use suggest::nearest;

use crate::field::{Def, Value};

/// What is known of a field before any message is seen.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// A declared field.
    Of(&'static Def),
    /// A field whose type only the data knows. A literal is compared with the values that are of its
    /// own type; the others are as good as absent.
    Any,
}

/// The vocabulary: which fields there are.
pub trait Names {
    /// The type of a field, if there is such a field.
    ///
    /// It is asked for every word, values included: in `amf.string == live` also for `live`. So
    /// [`Type::Any`] must not be the answer to every word.
    fn field(&self, name: &str) -> Option<Type>;
    /// What to say of a word that is no field, if anything.
    fn hint(&self, _word: &str) -> Option<String> {
        None
    }
    /// All names that are known beforehand, for suggestions.
    fn names(&self) -> Box<dyn Iterator<Item = &'static str> + '_>;
}

/// The values of one message.
pub trait Fields {
    /// Calls `each` with every occurrence of a field: its value, and the bytes it was read from, empty
    /// if it was derived. A group has [`Value::None`] and the bytes it spans.
    fn each(&self, name: &str, each: &mut dyn FnMut(&Value, &[u8]));
}

/// A display filter, parsed and checked.
pub struct Filter {
    test: eval::Test,
    fields: Vec<String>,
}

impl Filter {
    /// Reads a filter, or says where it goes wrong.
    pub fn parse(text: &str, names: &dyn Names) -> Result<Filter, Error> {
        let condition = parse::parse(text)?;
        let mut checker = check::Checker { text, names, fields: Vec::new() };
        let test = checker.condition(&condition)?;
        Ok(Filter { test, fields: checker.fields })
    }

    /// Whether a message matches.
    pub fn matches(&self, fields: &dyn Fields) -> bool {
        self.test.matches(fields)
    }

    /// The fields that the filter asks for, each once.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(String::as_str)
    }
}
