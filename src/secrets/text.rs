//! Secrets in text.
//!
//! Takes text and gives it with placeholders. What covers more is replaced first; of what two matches share, the
//! longer decides, and what is left of the shorter is hidden too.

use std::borrow::Cow;
use std::ops::Range;

use aho_corasick::AhoCorasick;

use super::{Secret, Secrets, automaton, words};
use crate::steps;

/// Finds secrets in text.
#[derive(Debug, Default)]
pub struct Matcher {
    patterns: Vec<Pattern>,
    automaton: Option<AhoCorasick>,
    /// Indices of the patterns that are secrets, in the order of their texts.
    sorted: Vec<usize>,
}

#[derive(Debug)]
struct Pattern {
    text: String,
    /// What takes its place.
    instead: String,
    is: Is,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    /// A secret that is found wherever it is a word.
    Secret,
    /// A secret that is a word of our sentences too.
    Common,
    /// A sentence from the wire, with secrets in it.
    Sentence,
}

/// A place to be replaced.
struct Cut {
    range: Range<usize>,
    instead: String,
}

/// The text with placeholders. `alone` says that all of the text may be a common word and yet a value.
pub fn hide<'t>(secrets: &Secrets, text: &'t str, alone: bool) -> Cow<'t, str> {
    let mut cuts = secrets.text.find(text, alone);
    cuts.extend(secrets.text.find_truncated(text));
    for range in secrets.bytes.find_in_text(text) {
        let stars: String = text[range.clone()].chars().map(|c| if c == ' ' { c } else { '\0' }).collect();
        cuts.push(Cut { range, instead: stars.replace("\0\0", "2a") });
    }
    replace(text, cuts)
}

impl Matcher {
    /// A matcher for secrets, and for what was said of them.
    pub fn new(secrets: &[Secret], said: &[String]) -> Matcher {
        let of = |secret: &Secret| Pattern {
            text: secret.text.clone(),
            instead: secret.placeholder(),
            is: if words::is_common(&secret.text) { Is::Common } else { Is::Secret },
        };
        let mut matcher = Matcher::of(secrets.iter().map(of).collect());
        // A sentence from the wire that names a stream `live` is recognised as a whole.
        let sentences: Vec<Pattern> = said.iter().filter_map(|text| matcher.sentence(text)).collect();
        if !sentences.is_empty() {
            let mut patterns = matcher.patterns;
            patterns.extend(sentences);
            matcher = Matcher::of(patterns);
        }
        matcher
    }

    fn of(patterns: Vec<Pattern>) -> Matcher {
        let texts: Vec<&str> = patterns.iter().map(|pattern| pattern.text.as_str()).collect();
        let automaton = automaton(&texts);
        let mut sorted: Vec<usize> = (0..patterns.len()).filter(|&at| patterns[at].is != Is::Sentence).collect();
        sorted.sort_by(|&a, &b| patterns[a].text.cmp(&patterns[b].text));
        Matcher { patterns, automaton, sorted }
    }

    fn sentence(&self, text: &str) -> Option<Pattern> {
        let all = self.matches(text).filter(|(_, pattern)| pattern.is == Is::Common);
        let cuts: Vec<Cut> = all.map(|(range, pattern)| Cut { range, instead: pattern.instead.clone() }).collect();
        if cuts.is_empty() {
            return None;
        }
        let others = self.matches(text).filter(|(_, pattern)| pattern.is != Is::Common);
        let others = others.map(|(range, pattern)| Cut { range, instead: pattern.instead.clone() });
        let instead = replace(text, cuts.into_iter().chain(others).collect()).into_owned();
        Some(Pattern { text: text.to_owned(), instead, is: Is::Sentence })
    }

    /// All places where a pattern stands as a word.
    fn matches<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (Range<usize>, &'a Pattern)> {
        let found = self.automaton.iter().flat_map(move |automaton| automaton.find_overlapping_iter(text));
        found
            .map(|found| (found.range(), &self.patterns[found.pattern()]))
            .filter(move |(range, _)| is_word(text, range))
    }

    fn find(&self, text: &str, alone: bool) -> Vec<Cut> {
        let found = self.counting(text, alone);
        found.map(|(range, pattern)| Cut { range, instead: pattern.instead.clone() }).collect()
    }

    /// The matches that count.
    fn counting<'a>(&'a self, text: &'a str, alone: bool) -> impl Iterator<Item = (Range<usize>, &'a Pattern)> {
        let mut quoted = None;
        self.matches(text).filter(move |(range, pattern)| match pattern.is {
            Is::Sentence => true,
            _ if is_name_of_ours(text, range) => false,
            Is::Secret => true,
            Is::Common if range.len() == text.len() => alone,
            Is::Common => {
                let quoted = quoted.get_or_insert_with(|| self::quoted(text));
                is_value(text, range) || is_inside(quoted, range)
            }
        })
    }

    /// The secrets that a text says and that are too short to be looked for in bytes.
    pub fn short_in<'a>(&'a self, text: &'a str) -> Vec<&'a [u8]> {
        let found = self.counting(text, true).map(|(_, pattern)| pattern.text.as_bytes());
        found.filter(|bytes| bytes.len() < super::hex::GRAM).collect()
    }

    /// Secrets of which only the beginning is said: `'rtmp://host/app?token=4f8a…'`.
    fn find_truncated(&self, text: &str) -> Vec<Cut> {
        let ends = text.match_indices('…').map(|(end, _)| end);
        ends.filter_map(|end| self.truncated(&text[..end]).map(|(range, instead)| Cut { range, instead })).collect()
    }

    /// The longest beginning of a secret that a text ends in.
    fn truncated(&self, text: &str) -> Option<(Range<usize>, String)> {
        let starts = text.char_indices().rev().map(|(at, _)| at).take(LONGEST_SHOWN).collect::<Vec<_>>();
        starts.into_iter().rev().find_map(|start| {
            steps::count(1);
            let (range, begun) = (start..text.len(), &text[start..]);
            if !is_word(text, &range) || (begun.len() < 4 && !is_value(text, &range)) {
                return None;
            }
            let first = self.sorted.partition_point(|&at| &*self.patterns[at].text < begun);
            let of = |at: usize| self.sorted.get(at).map(|&at| &self.patterns[at]);
            // The whole secret is found elsewhere.
            let is_begun = |pattern: &&Pattern| pattern.text.starts_with(begun) && pattern.text.len() > begun.len();
            let mut begin = (first..).map_while(of).take_while(|pattern| pattern.text.starts_with(begun));
            let found = begin.find(is_begun)?;
            // Which of two it is, nobody can tell.
            let is_other = |pattern: &Pattern| pattern.instead != found.instead;
            let instead = if begin.take(MOST_ALIKE).any(is_other) {
                without_number(&found.instead)
            } else {
                found.instead.clone()
            };
            Some((range, instead))
        })
    }
}

/// Values that are shown are cut to fewer characters than these.
const LONGEST_SHOWN: usize = 512;
/// So many secrets that begin alike are looked at: the spellings of one are fewer.
const MOST_ALIKE: usize = 16;

fn replace(text: &str, mut cuts: Vec<Cut>) -> Cow<'_, str> {
    if cuts.is_empty() {
        return Cow::Borrowed(text);
    }
    cuts.sort_by_key(|cut| (std::cmp::Reverse(cut.range.len()), cut.range.start));
    // Which cut has each byte, from 1; 0 is none.
    let mut owners = vec![0_usize; text.len()];
    for (number, cut) in (1..).zip(&cuts) {
        owners[cut.range.clone()].iter_mut().filter(|owner| **owner == 0).for_each(|owner| *owner = number);
    }
    let (mut hidden, mut at) = (String::with_capacity(text.len()), 0);
    for run in owners.chunk_by(|a, b| a == b) {
        match run[0].checked_sub(1) {
            None => hidden.push_str(&text[at..at + run.len()]),
            Some(cut) => hidden.push_str(&cuts[cut].instead),
        }
        at += run.len();
    }
    Cow::Owned(hidden)
}

/// Whether no letter or digit goes on beyond either end. An underscore does not: `KEY_720p` has the key in it.
fn is_word(text: &str, range: &Range<usize>) -> bool {
    let continues = |before: Option<char>, after: Option<char>| {
        before.is_some_and(char::is_alphanumeric) && after.is_some_and(char::is_alphanumeric)
    };
    let (before, inside, after) = (&text[..range.start], &text[range.clone()], &text[range.end..]);
    !continues(before.chars().next_back(), inside.chars().next())
        && !continues(inside.chars().next_back(), after.chars().next())
}

/// Whether what stands before or behind says that this is a value: a quote, a part of a URL.
fn is_value(text: &str, range: &Range<usize>) -> bool {
    let mut before = text[..range.start].chars().rev();
    let after = text[range.end..].chars().next();
    match (before.next(), before.next()) {
        (None, _) => after == Some('?'),
        // An apostrophe.
        (Some('\''), Some(c)) if c.is_alphanumeric() => false,
        (Some(c), _) => "'\"`/=:@".contains(c),
    }
}

/// Whether it is part of a rule's code, of a field's path, or of a status code.
fn is_name_of_ours(text: &str, range: &Range<usize>) -> bool {
    let in_code = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let in_path = |c: char| c.is_alphanumeric() || "_.@|".contains(c);
    // No name of ours is so long.
    let far = |at: usize| (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default();
    let window = far(range.start.saturating_sub(LONGEST_NAME))..far(text.len().min(range.end + LONGEST_NAME));
    let around = |in_it: fn(char) -> bool| {
        let start = window.start + text[window.start..range.start].trim_end_matches(in_it).len();
        let rest = &text[range.end..window.end];
        start..range.end + (rest.len() - rest.trim_start_matches(in_it).len())
    };
    if words::is_rule(&text[around(in_code)]) {
        return true;
    }
    let (first, rest) = text[around(in_path)].split_once('.').unwrap_or_default();
    // Not a host or a file, whose first part is no message.
    !rest.is_empty() && words::begins_path(first) && !text[..around(in_path).start].ends_with(['/', ':'])
}

/// The longest code of a rule, path of a field or code of a status has fewer bytes.
const LONGEST_NAME: usize = 128;

/// The parts in quotes. An apostrophe stands between letters; what follows an open quote is quoted.
fn quoted(text: &str) -> Vec<Range<usize>> {
    let (mut quotes, mut open, mut before) = (Vec::new(), None, None::<char>);
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\'' {
            let goes_on = chars.peek().is_some_and(|(_, next)| next.is_alphanumeric());
            match open {
                None if !before.is_some_and(char::is_alphanumeric) => open = Some(at + 1),
                Some(start) if !goes_on => {
                    quotes.push(start..at);
                    open = None;
                }
                _ => {}
            }
        }
        before = Some(c);
    }
    quotes.extend(open.map(|start| start..text.len()));
    quotes
}

/// Whether a range lies in one of these, which are in order and apart.
fn is_inside(quotes: &[Range<usize>], range: &Range<usize>) -> bool {
    let before = quotes.partition_point(|quote| quote.start <= range.start);
    before.checked_sub(1).is_some_and(|at| range.end <= quotes[at].end)
}

/// `<stream-key-1>` to `<stream-key>`.
fn without_number(placeholder: &str) -> String {
    placeholder.replace(|c: char| c.is_ascii_digit(), "").replace("->", ">")
}
