//! A line of a log with its numbers and strings free, and where a text has it.
//!
//! `{s}` stands for any text, every other word in braces for a number of that [`Kind`]; the rest is compared word by
//! word, without regard to case and punctuation. A line that is cut at its end is found as well.

use super::number::Kind;
use super::words;

/// A line with free places.
#[derive(Debug)]
pub struct Pattern {
    /// The line as it is in the table.
    source: &'static str,
    pieces: Vec<Piece>,
    /// How many of its words tell something.
    telling: usize,
}

#[derive(Debug)]
enum Piece {
    Word(String),
    Number {
        kind: Kind,
        is_hex: bool,
        /// What follows the digits in the same word: the unit in `20ms`.
        unit: String,
    },
    Text,
}

/// Where a text has the line.
#[derive(Debug)]
pub(super) struct Match {
    /// The numbers in the free places.
    pub numbers: Vec<(Kind, u64)>,
    /// How many of the line's own words the text has.
    pub words: usize,
    /// Whether the text has all of the line.
    pub is_whole: bool,
    /// The words of the text that it covers.
    pub start: usize,
    pub end: usize,
}

/// A text of more words between two known ones is another line.
const LONGEST_TEXT: usize = 40;
/// Fewer words of a line that is cut are any text.
const LEAST_WORDS: usize = 4;
const LEAST_TELLING: usize = 3;

impl Pattern {
    pub(super) fn parse(source: &'static str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = source;
        let mut literal = String::new();
        while let Some(c) = rest.chars().next() {
            let free = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let Some((piece, after)) = free.and_then(|(name, after)| Some((Piece::free(name)?, after))) else {
                literal.push(c);
                rest = &rest[c.len_utf8()..];
                continue;
            };
            pieces.extend(words::plain(&literal).into_iter().map(Piece::Word));
            literal.clear();
            rest = after;
            pieces.push(match piece {
                Piece::Number { kind, is_hex, .. } => {
                    let unit: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
                    rest = &rest[unit.len()..];
                    Piece::Number { kind, is_hex, unit: unit.to_lowercase() }
                }
                other => other,
            });
        }
        pieces.extend(words::plain(&literal).into_iter().map(Piece::Word));
        let mut pattern = Pattern { source, pieces, telling: 0 };
        pattern.telling = words::telling(&pattern.filled(|_| String::new()));
        pattern
    }

    /// Whether a match is more than words that any text may have: three of them, or most of the text's. `others` is how
    /// many the text has outside of the match.
    pub(super) fn is_telling(&self, found: &Match, others: usize) -> bool {
        let telling = if found.is_whole { self.telling.max(found.words) } else { found.words };
        telling >= LEAST_TELLING || telling > others
    }

    /// The line, `N` for any number and `..` for any text.
    pub fn text(&self) -> String {
        self.filled(|kind| if kind.is_some() { "N".to_owned() } else { "..".to_owned() })
    }

    /// The line with its free places filled; `None` asks for a text.
    pub(super) fn filled(&self, fill: impl Fn(Option<(Kind, bool)>) -> String) -> String {
        let mut text = String::new();
        let mut rest = self.source;
        while let Some(c) = rest.chars().next() {
            let free = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            match free.and_then(|(name, after)| Some((Piece::free(name)?, after))) {
                Some((piece, after)) => {
                    text += &fill(match piece {
                        Piece::Number { kind, is_hex, .. } => Some((kind, is_hex)),
                        Piece::Word(_) | Piece::Text => None,
                    });
                    rest = after;
                }
                None => {
                    text.push(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
        text
    }

    /// The best place of the line in a text of [`words::plain`].
    pub(super) fn find(&self, text: &[String]) -> Option<Match> {
        let found = (0..text.len()).filter_map(|start| self.find_at(text, start));
        found.max_by_key(|found| (found.words, found.is_whole, usize::MAX - found.start))
    }

    fn find_at(&self, text: &[String], start: usize) -> Option<Match> {
        // A line does not begin with a free place, which would fit everywhere.
        let mut found = Match { numbers: Vec::new(), words: 0, is_whole: true, start, end: start };
        let mut pieces = self.pieces.iter().peekable();
        while let Some(piece) = pieces.next() {
            let word = text.get(found.end);
            match (piece, word) {
                (Piece::Text, _) => {
                    let Some(next) = pieces.peek() else {
                        found.end = text.len();
                        break;
                    };
                    let ahead = text[found.end.min(text.len())..].iter().take(LONGEST_TEXT);
                    match ahead.into_iter().position(|word| next.fits(word)) {
                        Some(skipped) => found.end += skipped,
                        None => return self.cut(found),
                    }
                }
                (_, None) => return self.cut(found),
                (Piece::Word(wanted), Some(word)) if wanted == word => {
                    found.words += 1;
                    found.end += 1;
                }
                (Piece::Number { kind, is_hex, unit }, Some(word)) => {
                    found.numbers.push((*kind, number(word, unit, *is_hex)?));
                    found.end += 1;
                }
                (Piece::Word(_), Some(_)) => return None,
            }
        }
        (found.words > 0).then_some(found)
    }

    fn cut(&self, found: Match) -> Option<Match> {
        let all = self.pieces.iter().filter(|piece| matches!(piece, Piece::Word(_))).count();
        (found.words >= LEAST_WORDS || found.words == all).then_some(Match { is_whole: false, ..found })
    }
}

impl Piece {
    fn free(name: &str) -> Option<Piece> {
        if name == "s" {
            return Some(Piece::Text);
        }
        let plain = Kind::by_name(name).map(|kind| (kind, false));
        let hex = || name.strip_suffix('x').and_then(Kind::by_name).map(|kind| (kind, true));
        let (kind, is_hex) = plain.or_else(hex)?;
        Some(Piece::Number { kind, is_hex, unit: String::new() })
    }

    fn fits(&self, word: &str) -> bool {
        match self {
            Piece::Word(wanted) => wanted == word,
            Piece::Number { unit, is_hex, .. } => number(word, unit, *is_hex).is_some(),
            Piece::Text => true,
        }
    }
}

fn number(word: &str, unit: &str, is_hex: bool) -> Option<u64> {
    let digits = word.strip_suffix(unit)?;
    match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if is_hex => u64::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    }
}
