//! Whole secrets, in text and in bytes.
//!
//! Takes text and returns it with placeholders. What covers more is replaced first; of what two matches share, the
//! longer decides, and what is left of the shorter is hidden too. Every text is read once as it is and once in each
//! [view](forms::View) of it, so the cost grows with its length.

use std::borrow::Cow;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::forms::{self, View};
use super::{Secret, Secrets, is_common, merged};
use crate::dissect::paths;
use crate::steps;

/// Finds secrets.
#[derive(Debug, Default)]
pub struct Matcher {
    patterns: Vec<Pattern>,
    automaton: Option<AhoCorasick>,
    /// Indices of the patterns that are secrets, in the order of their texts.
    sorted: Vec<usize>,
}

#[derive(Debug)]
struct Pattern {
    bytes: Vec<u8>,
    /// What takes its place.
    instead: String,
    is: Is,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    /// A secret that is found wherever it is a word.
    Secret,
    /// A secret that is a word of our sentences too, or very short.
    Common,
    /// So unlike a word that what is around it does not matter: a long secret, or another form of one.
    Alien,
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
    let matcher = &secrets.text;
    if matcher.automaton.is_none() {
        return Cow::Borrowed(text);
    }
    let mut cuts = matcher.cuts(text.as_bytes(), alone);
    for view in forms::views(text.as_bytes()) {
        let of_view = |cut: Cut| Cut { range: view.written(&cut.range), ..cut };
        cuts.extend(matcher.cuts(&view.bytes, alone).into_iter().map(of_view));
    }
    cuts.extend(matcher.find_truncated(text));
    let views = forms::hex_runs(text.as_bytes());
    let written =
        |view: &View| secrets.find_in_bytes(&view.bytes).into_iter().map(|range| view.written(&range)).collect();
    let found: Vec<Vec<Range<usize>>> = views.iter().map(written).collect();
    for range in merged(found.concat()) {
        // As many digits as before, and what separates them.
        let mut digits = "2a".chars().cycle();
        let star = |c: char| if c.is_ascii_hexdigit() { digits.next().unwrap_or(c) } else { c };
        cuts.push(Cut { instead: text[range.clone()].chars().map(star).collect(), range });
    }
    cuts.iter_mut().for_each(|cut| cut.range = whole_characters(text, &cut.range));
    replace(text, cuts)
}

impl Matcher {
    /// A matcher for secrets, for bytes that stand for some of them, and for what was said of them.
    pub fn new(secrets: &[Secret], numbers: &[(Vec<u8>, usize)], said: &[String]) -> Matcher {
        let mut patterns = Vec::new();
        for secret in secrets {
            let is = if is_common(&secret.text) {
                Is::Common
            } else if is_alien(&secret.text) {
                Is::Alien
            } else {
                Is::Secret
            };
            patterns.push(Pattern { bytes: secret.text.clone().into_bytes(), instead: secret.placeholder(), is });
            if secret.text.as_bytes() != secret.bytes {
                patterns.push(Pattern { bytes: secret.bytes.clone(), instead: secret.placeholder(), is });
            }
            let encoded = secret.encodings().into_iter();
            patterns.extend(encoded.map(|bytes| Pattern { bytes, instead: secret.placeholder(), is: Is::Alien }));
        }
        let numbers = numbers.iter().map(|(bytes, index)| (bytes.clone(), secrets[*index].placeholder()));
        patterns.extend(numbers.map(|(bytes, instead)| Pattern { bytes, instead, is: Is::Alien }));
        let mut matcher = Matcher::of(patterns);
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
        // Of the kinds that there are, the one that is made in linear time: a state for each byte, and one successor's
        // table for each would be quadratic for a secret that repeats itself.
        let kind = Some(AhoCorasickKind::ContiguousNFA);
        let bytes = patterns.iter().map(|pattern| &pattern.bytes);
        // It fails only on more patterns than memory could hold.
        let build = || AhoCorasick::builder().kind(kind).build(bytes).ok();
        let automaton = (!patterns.is_empty()).then(build).flatten();
        let is_text = |at: &usize| matches!(patterns[*at].is, Is::Secret | Is::Common | Is::Alien);
        let mut sorted: Vec<usize> = (0..patterns.len()).filter(is_text).collect();
        sorted.sort_by(|&a, &b| patterns[a].bytes.cmp(&patterns[b].bytes));
        Matcher { patterns, automaton, sorted }
    }

    fn sentence(&self, text: &str) -> Option<Pattern> {
        let found: Vec<_> = self.matches(text.as_bytes()).collect();
        // What is nothing but a secret is found as that.
        let is_sentence = found.iter().any(|(range, pattern)| pattern.is == Is::Common && range.len() < text.len());
        let cuts = found.into_iter().map(|(range, pattern)| Cut { range, instead: pattern.instead.clone() });
        is_sentence.then(|| Pattern {
            bytes: text.as_bytes().to_vec(),
            instead: replace(text, cuts.collect()).into_owned(),
            is: Is::Sentence,
        })
    }

    /// All places where a pattern is a word, or need not be one.
    fn matches<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (Range<usize>, &'a Pattern)> {
        let found = self.automaton.iter().flat_map(move |automaton| automaton.find_overlapping_iter(text));
        found
            .map(|found| (found.range(), &self.patterns[found.pattern()]))
            .inspect(|_| steps::count(1))
            .filter(move |(range, pattern)| pattern.is == Is::Alien || is_word(text, range))
    }

    /// Whole secrets in bytes: those that cannot be there by chance, as words of their own unless they are long.
    pub fn in_bytes(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let found = self.matches(bytes).filter(|(range, _)| range.len() >= forms::SHORTEST);
        found.filter(|(_, pattern)| pattern.is != Is::Sentence).map(|(range, _)| range).collect()
    }

    /// What takes the place of a text that is a secret and nothing else.
    pub fn instead_of(&self, text: &str) -> Option<String> {
        let whole = |(range, _): &(Range<usize>, &Pattern)| range.len() == text.len();
        self.matches(text.as_bytes()).find(whole).map(|(_, pattern)| pattern.instead.clone())
    }

    fn cuts(&self, text: &[u8], alone: bool) -> Vec<Cut> {
        let found = self.counting(text, alone);
        found.map(|(range, pattern)| Cut { range, instead: pattern.instead.clone() }).collect()
    }

    /// The matches that count.
    fn counting<'a>(&'a self, text: &'a [u8], alone: bool) -> impl Iterator<Item = (Range<usize>, &'a Pattern)> {
        let mut quoted = None;
        self.matches(text).filter(move |(range, pattern)| match pattern.is {
            Is::Sentence | Is::Alien | Is::Secret => true,
            Is::Common if is_in_path(text, range) => false,
            Is::Common if range.len() == text.len() => alone,
            Is::Common => {
                let quoted = quoted.get_or_insert_with(|| self::quoted(text));
                is_value(text, range) || is_inside(quoted, range)
            }
        })
    }

    /// The secrets that a text says and that are too short to be looked for in bytes.
    pub fn short_in<'a>(&'a self, text: &'a str) -> Vec<&'a [u8]> {
        let found = self.counting(text.as_bytes(), true).map(|(_, pattern)| pattern.bytes.as_slice());
        found.filter(|bytes| bytes.len() < forms::SHORTEST).collect()
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
            let (range, begun) = (start..text.len(), &text.as_bytes()[start..]);
            let all = text.as_bytes();
            if !is_word(all, &range) || (begun.len() < 4 && !is_value(all, &range)) {
                return None;
            }
            let first = self.sorted.partition_point(|&at| &*self.patterns[at].bytes < begun);
            let of = |at: usize| self.sorted.get(at).map(|&at| &self.patterns[at]);
            // The whole secret is found elsewhere.
            let is_begun = |pattern: &&Pattern| pattern.bytes.starts_with(begun) && pattern.bytes.len() > begun.len();
            let mut begin = (first..).map_while(of).take_while(|pattern| pattern.bytes.starts_with(begun));
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
/// From this length on what mixes letters and digits is in no other word by chance.
const LONG: usize = 12;

/// Whether a secret cannot be a part of something else.
fn is_alien(text: &str) -> bool {
    let has = |is: fn(&u8) -> bool| text.as_bytes().iter().any(is);
    text.len() >= LONG && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}

fn replace(text: &str, mut cuts: Vec<Cut>) -> Cow<'_, str> {
    if cuts.is_empty() {
        return Cow::Borrowed(text);
    }
    cuts.sort_by_key(|cut| (std::cmp::Reverse(cut.range.len()), cut.range.start));
    // Which cut has each byte, from 1; 0 is no cut.
    let mut owners = vec![0_usize; text.len()];
    // From each byte on, a place before which all have an owner: no byte is given away or passed twice.
    let mut next: Vec<usize> = (0..=text.len()).collect();
    for (number, cut) in (1..).zip(&cuts) {
        let mut at = free(&mut next, cut.range.start);
        while at < cut.range.end {
            owners[at] = number;
            next[at] = at + 1;
            at = free(&mut next, at);
        }
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

/// The first place from `at` on that leads to itself; what was passed leads nearer to it.
fn free(next: &mut [usize], mut at: usize) -> usize {
    while next[at] != at {
        steps::count(1);
        next[at] = next[next[at]];
        at = next[at];
    }
    at
}

/// The range, and the rest of the characters that it begins and ends in.
fn whole_characters(text: &str, range: &Range<usize>) -> Range<usize> {
    let start = (0..=range.start).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default();
    let end = (range.end..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
    start..end
}

/// The character before a place in text; what is not UTF-8 counts as none that continues a word.
fn before(text: &[u8], at: usize) -> Option<char> {
    (1..=4.min(at)).find_map(|length| std::str::from_utf8(&text[at - length..at]).ok()?.chars().next())
}

/// The character after a place in text.
fn after(text: &[u8], at: usize) -> Option<char> {
    let most = text.len() - at;
    (1..=4.min(most)).find_map(|length| std::str::from_utf8(&text[at..at + length]).ok()?.chars().next())
}

/// Whether no letter or digit continues beyond either end. An underscore does not: `KEY_720p` has the key in it.
fn is_word(text: &[u8], range: &Range<usize>) -> bool {
    let continues = |at: usize| {
        before(text, at).is_some_and(char::is_alphanumeric) && after(text, at).is_some_and(char::is_alphanumeric)
    };
    !continues(range.start) && !continues(range.end)
}

/// Whether what is before or after says that this is a value: a quote, a part of a URL.
fn is_value(text: &[u8], range: &Range<usize>) -> bool {
    match before(text, range.start) {
        None => after(text, range.end) == Some('?'),
        // An apostrophe.
        Some('\'') if before(text, range.start - 1).is_some_and(char::is_alphanumeric) => false,
        Some(c) => "'\"`/=:@;#&?".contains(c),
    }
}

/// Whether it is part of a field's path, or of a status code.
fn is_in_path(text: &[u8], range: &Range<usize>) -> bool {
    let in_path = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.@|".contains(byte);
    // No path is longer.
    let before =
        text[range.start.saturating_sub(LONGEST_PATH)..range.start].iter().rev().take_while(|byte| in_path(byte));
    let start = range.start - before.count();
    let after = text[range.end..text.len().min(range.end + LONGEST_PATH)].iter().take_while(|byte| in_path(byte));
    let path = &text[start..range.end + after.count()];
    let Some((first, rest)) = std::str::from_utf8(path).ok().and_then(|path| path.split_once('.')) else {
        return false;
    };
    // Not a host or a file, whose first part is no message.
    let is_known = PATHS.contains(&first) || paths::messages().any(|name| name == first);
    !rest.is_empty() && is_known && !text[..start].ends_with(b"/") && !text[..start].ends_with(b":")
}

/// The longest path of a field or code of a status has fewer bytes.
const LONGEST_PATH: usize = 128;

/// First parts of paths, and of codes of statuses, besides the names of messages.
#[rustfmt::skip]
const PATHS: &[&str] = &[
    "NetConnection", "NetStream", "amf", "audio", "body", "chunk", "command", "frame", "handshake", "header", "ip",
    "message", "rtmpt", "tcp", "video",
];

/// The parts in quotes. An apostrophe is between letters; what follows an open quote is quoted.
fn quoted(text: &[u8]) -> Vec<Range<usize>> {
    let (mut quotes, mut open) = (Vec::new(), None);
    for at in memchr::memchr_iter(b'\'', text) {
        match open {
            None if !before(text, at).is_some_and(char::is_alphanumeric) => open = Some(at + 1),
            Some(start) if !after(text, at + 1).is_some_and(char::is_alphanumeric) => {
                quotes.push(start..at);
                open = None;
            }
            _ => {}
        }
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
