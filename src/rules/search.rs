//! Ways into the catalogue for somebody who has no code: words, a line from a log, a symptom.
//!
//! Takes any text, and gives the rules, symptoms and log lines that have to do with it, the best first. A log line is
//! found whatever its numbers and strings are, and what its numbers mean is worked out. Of other texts any of the words
//! are enough; whether something fits all of them is said ([`Found::is_certain`]). Layout is left to others.

mod known;
mod number;
mod pattern;
mod ranking;
mod words;

use super::{RULES, Rule};
use known::{LOG_LINES, SYMPTOMS};
use number::Kind;
use ranking::{Hit, Subject};

pub use pattern::Pattern;

/// What a text leads to, the best first.
#[derive(Debug, Default)]
pub struct Found {
    /// Whether a log line is there word by word, or something has all of the words; if not, these are the nearest.
    pub is_certain: bool,
    /// Log lines: those that the text has word by word, or else those most like it.
    pub log_lines: Vec<FoundLine>,
    /// The symptoms most like it.
    pub symptoms: Vec<&'static Symptom>,
    /// The rules to try, in this order: by their own pages, and by the log lines and symptoms that name them.
    pub rules: Vec<&'static Rule>,
}

/// A log line that was found.
#[derive(Debug)]
pub struct FoundLine {
    /// The line as it is known.
    pub line: &'static LogLine,
    /// Whether the text has it word by word.
    pub is_exact: bool,
    /// What it means, for the numbers in the text.
    pub meaning: String,
    /// Which rules to try, in this order.
    pub rules: Vec<&'static str>,
}

/// A line that a program writes to its log.
#[derive(Debug)]
pub struct LogLine {
    /// The line, with its numbers and strings free.
    pub line: Pattern,
    /// Who writes it.
    pub program: &'static str,
    /// In which file of its source.
    pub file: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Which rules to try, in this order.
    pub rules: Vec<&'static str>,
}

/// What somebody sees, and which rules to try in order.
#[derive(Debug)]
pub struct Symptom {
    /// In the words of a user.
    pub says: &'static str,
    /// Which rules to try, in this order; `x-*` stands for all that begin so.
    pub rules: Vec<&'static str>,
}

/// Log lines that are there word by word, or symptoms, or lines that are alike: more are no help.
const MOST: usize = 3;
const MOST_RULES: usize = 10;
/// What has a smaller part of the best score is noise.
const LEAST_SHARE: f64 = 0.3;
/// What is named counts for more than what merely has some of the words in its page.
const OWN_PAGE: f64 = 0.5;
const NAMED_AGAIN: f64 = 0.4;
/// By how much a rule that is named later counts for less.
const NAMED_LATER: f64 = 0.85;

/// Everything in the catalogue that has to do with `text`.
pub fn search(text: &str) -> Found {
    let mut words = words::read(text);
    let exact = exact_lines(text);
    let mut is_certain = !exact.is_empty();
    // A word that is nowhere may be one that is mistyped.
    for word in words.iter_mut().filter(|_| exact.is_empty()) {
        if let Some(near) = (!ranking::is_known(word)).then(|| ranking::nearest(word)).flatten() {
            word.forms.push(near.to_owned());
            word.is_mistyped = true;
        }
    }
    let hits = ranking::rank(&words);
    let best = hits.first().map_or(0.0, |hit| hit.score);
    let near = |hit: &&Hit| hit.score >= 0.5 * best;
    is_certain |= hits.iter().filter(near).any(|hit| has_all(hit, &words));
    let rules = rules_in_order(text, &exact, &hits);
    // Where something is certain, what is merely alike only distracts.
    let log_lines = match is_certain {
        true => exact,
        false => hits.iter().filter(near).filter_map(near_line).take(MOST).collect(),
    };
    let symptoms = hits.iter().filter(near).filter_map(|hit| match hit.subject {
        Subject::Symptom(at) => SYMPTOMS.get(at),
        Subject::Rule(_) | Subject::LogLine(_) => None,
    });
    Found { is_certain, log_lines, symptoms: symptoms.take(MOST).collect(), rules }
}

/// Whether a symptom, or the code or title of a rule, has every word of the text.
fn has_all(hit: &Hit, text: &[words::Word]) -> bool {
    let known = match hit.subject {
        Subject::Rule(at) => words::read(&format!("{} {}", RULES[at].code, RULES[at].title)),
        Subject::Symptom(at) => words::read(SYMPTOMS[at].says),
        Subject::LogLine(_) => return false,
    };
    let has = |word: &words::Word| known.iter().any(|known| known.forms.iter().any(|form| word.forms.contains(form)));
    text.iter().filter(|word| !word.is_common).all(|word| !word.is_mistyped && has(word))
}

/// The log lines that the text has word by word, those with the most words first.
fn exact_lines(text: &str) -> Vec<FoundLine> {
    let words = words::plain(text);
    let mut found: Vec<_> = LOG_LINES
        .iter()
        .filter_map(|line| Some((line.line.find(&words)?, line)))
        .filter(|(found, line)| {
            let others = [&words[..found.start], &words[found.end..]].map(|words| words::telling(&words.join(" ")));
            line.line.is_telling(found, others.iter().sum())
        })
        .collect();
    found.sort_by_key(|(found, _)| (std::cmp::Reverse((found.words, found.is_whole)), found.start));
    let mut covered: Vec<std::ops::Range<usize>> = Vec::new();
    found.retain(|(found, _)| {
        // Part of a longer line is not a line.
        let is_part = covered
            .iter()
            .any(|range| range.start <= found.start && found.end <= range.end && range.len() > found.end - found.start);
        covered.push(found.start..found.end);
        !is_part
    });
    found.into_iter().take(MOST).map(|(found, line)| with_numbers(line, &found.numbers)).collect()
}

fn with_numbers(line: &'static LogLine, numbers: &[(Kind, u64)]) -> FoundLine {
    let mut meaning = line.meaning.to_owned();
    let mut rules: Vec<&'static str> = Vec::new();
    for (at, (kind, value)) in numbers.iter().enumerate() {
        // The same number twice is explained once.
        if numbers[..at].contains(&(*kind, *value)) {
            continue;
        }
        if let Some(explanation) = kind.explain(*value) {
            meaning = format!("{meaning} {}", explanation.text);
            rules.extend(explanation.rules);
        }
    }
    rules.extend(&line.rules);
    let mut seen = Vec::new();
    rules.retain(|code| {
        !seen.contains(code) && {
            seen.push(*code);
            true
        }
    });
    FoundLine { line, is_exact: true, meaning, rules }
}

fn near_line(hit: &Hit) -> Option<FoundLine> {
    let Subject::LogLine(at) = hit.subject else { return None };
    let line = LOG_LINES.get(at)?;
    Some(FoundLine { line, is_exact: false, meaning: line.meaning.to_owned(), rules: line.rules.clone() })
}

/// Rules by what they say themselves, and by what names them.
fn rules_in_order(text: &str, exact: &[FoundLine], hits: &[Hit]) -> Vec<&'static Rule> {
    let mut scores = vec![0.0_f64; RULES.len()];
    let mut named = vec![[0.0_f64; 2]; RULES.len()];
    for hit in hits {
        let codes = match hit.subject {
            Subject::Rule(at) => {
                scores[at] = hit.score * (OWN_PAGE + (1.0 - OWN_PAGE) * hit.coverage * hit.coverage);
                continue;
            }
            Subject::Symptom(at) => &SYMPTOMS[at].rules,
            Subject::LogLine(at) => &LOG_LINES[at].rules,
        };
        let mut score = hit.score;
        for code in codes {
            for (at, rule) in RULES.iter().enumerate() {
                if is_named(rule.code, code) {
                    // A star names many, and none of them in particular.
                    let score = if rule.code == *code { score } else { 0.5 * score };
                    let [first, second] = named[at];
                    named[at] = [first.max(score), second.max(first.min(score))];
                }
            }
            score *= NAMED_LATER;
        }
    }
    let best = hits.first().map_or(1.0, |hit| hit.score);
    for (at, rule) in RULES.iter().enumerate() {
        let [first, second] = named[at];
        scores[at] += first + NAMED_AGAIN * second;
        if rule.code == text.trim() {
            scores[at] += 100.0 * best;
        }
    }
    for (number, line) in exact.iter().enumerate() {
        for (place, code) in line.rules.iter().enumerate() {
            if let Some(at) = RULES.iter().position(|rule| rule.code == *code) {
                scores[at] += if number == 0 { 10.0 } else { 1.0 }
                    * best
                    * NAMED_LATER.powi(i32::try_from(place).unwrap_or(i32::MAX));
            }
        }
    }
    let mut order: Vec<usize> = (0..RULES.len()).filter(|&at| scores[at] > 0.0).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    let least = order.first().map_or(0.0, |&at| scores[at].min(2.0 * best)) * LEAST_SHARE;
    order.into_iter().filter(|&at| scores[at] >= least).take(MOST_RULES).map(|at| RULES[at]).collect()
}

/// Whether a suggestion, which may end in a star, means the rule.
fn is_named(code: &str, suggestion: &str) -> bool {
    suggestion.strip_suffix('*').map_or(code == suggestion, |start| code.starts_with(start))
}

/// The codes most like `code`, the nearest first.
pub fn nearest(code: &str) -> Vec<&'static str> {
    let mut near: Vec<(f64, &'static str)> = RULES
        .iter()
        .map(|rule| {
            // `crlf` means `px-crlf`.
            let bare = rule.code.strip_prefix("px-").unwrap_or(rule.code);
            (strsim::jaro_winkler(code, rule.code).max(strsim::jaro_winkler(code, bare)), rule.code)
        })
        .filter(|(likeness, _)| *likeness > 0.75)
        .collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let best = near.first().map_or(0.0, |(likeness, _)| *likeness);
    near.into_iter().filter(|(likeness, _)| *likeness > best - 0.08).map(|(_, code)| code).take(3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of each kind that no explanation prefers a rule for.
    fn sample(kind: Kind, round: usize) -> u64 {
        match kind {
            Kind::Plain | Kind::ChunkSize | Kind::MessageLength | Kind::Timestamp => [77, 1234][round],
            Kind::ChunkStreamId => [5, 46][round],
            Kind::Fmt => [1, 3][round],
            Kind::MessageType => [20, 0xff][round],
            Kind::AmfMarker => [2, 10][round],
            // qqqq and wxyz
            Kind::FourCc => [0x7171_7171, 0x7778_797a][round],
            Kind::Version => [3, 5][round],
            Kind::AudioCodec => [10, 15][round],
            Kind::VideoCodec => [7, 4][round],
            Kind::UserControlEvent => [6, 99][round],
        }
    }

    #[test]
    fn every_log_line_is_found_first_whatever_its_numbers_and_strings_are() {
        assert!(LOG_LINES.len() >= 120, "{}", LOG_LINES.len());
        let mut wrong = Vec::new();
        for line in &*LOG_LINES {
            assert!(
                !line.meaning.is_empty() && !line.rules.is_empty() && !line.file.is_empty(),
                "{}",
                line.line.text()
            );
            for round in 0..2 {
                let logged = line.line.filled(|kind| match kind {
                    Some((kind, false)) => sample(kind, round).to_string(),
                    Some((kind, true)) => format!("{:X}", sample(kind, round)),
                    None => ["live/cam1", "qq ww ee"][round].to_owned(),
                });
                let logged = ["2024/01/02 03:04:05 [error] 77#77: *9 ", "[ERROR] "][round].to_owned()
                    + &logged
                    + ["", ", client: 192.0.2.1"][round];
                let found = search(&logged);
                let first = found.log_lines.first().filter(|first| first.is_exact && found.is_certain);
                let is_first = first
                    .is_some_and(|first| std::ptr::eq(first.line, line) || first.line.line.text() == line.line.text());
                let code = found.rules.first().map(|rule| rule.code);
                if !is_first || code != first.and_then(|first| first.rules.first().copied()) {
                    wrong.push(format!("{logged}: {:?}, {code:?}", first.map(|first| first.line.line.text())));
                } else if !first.is_some_and(|first| first.rules.contains(&line.rules[0])) {
                    wrong.push(format!("{logged}: {} is not named", line.rules[0]));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn no_line_is_twice_in_the_tables() {
        let mut lines: Vec<String> = LOG_LINES.iter().map(|line| line.line.text() + line.program).collect();
        lines.sort_unstable();
        let all = lines.len();
        lines.dedup();
        assert_eq!(lines.len(), all);
    }

    #[test]
    fn only_rules_that_exist_are_suggested() {
        assert!(SYMPTOMS.len() >= 40, "{}", SYMPTOMS.len());
        let suggested = SYMPTOMS.iter().flat_map(|symptom| &symptom.rules);
        let explained = Kind::ALL.iter().flat_map(|(_, kind)| {
            let values = (0..=256).chain([0x1000_0000, 0x0010_0000, 0xffff_fff0, 0x6865_7631, 0x7171_7171]);
            values.filter_map(|value| kind.explain(value)).flat_map(|explanation| explanation.rules)
        });
        for code in suggested.chain(LOG_LINES.iter().flat_map(|line| &line.rules)).chain(explained) {
            assert!(RULES.iter().any(|rule| is_named(rule.code, code)), "{code}");
        }
    }

    #[test]
    fn the_csid_that_nginx_refuses_is_traced_to_its_byte() {
        let found = search("RTMP in chunk stream too big: 41 >= 32");
        assert_eq!(found.log_lines[0].rules[0], "chunk-size-not-announced");
        // 0x69 = 01 101001: format 1, chunk stream 41.
        assert!(found.log_lines[0].meaning.contains("69 ('i')"), "{}", found.log_lines[0].meaning);
    }

    #[test]
    fn numbers_speak_for_rules() {
        // 00 10 00 00 is 4096 as a little-endian number, and 1048576 as a big-endian one. 4294899479 is ff fe f7 17.
        for (logged, says, rule) in [
            ("too big RTMP chunk size:1048576", "is 4096", "chunk-size-byte-order"),
            ("invalid rtmp version (22)", "TLS", "tls-on-rtmp-port"),
            ("handshake: unexpected RTMP version: 71", "letter G", "not-rtmp"),
            ("only support rtmp plain text, version=16", "TLS", "tls-on-rtmp-port"),
            ("invalid message type: 14", "0x14 is AMF0 Command", "type-id-dec-hex"),
            ("Unknown AMF0 data type: 17", "AMF 3", "amf3-not-negotiated"),
            ("invalid fourCC: 4294899479", "-67817 ms", "ts-field-ffffff-no-ext"),
            ("unsupported fourCC: 1752589105", "hvc1 (H.265)", "er-not-negotiated"),
            ("unsupported video codec: 12", "H.265", "hevc-codecid-12"),
            ("Larger timestamp than 24-bit: 0xfffffc18", "-1000 with a sign", "ts-negative-delta"),
        ] {
            let found = search(logged);
            let line = found.log_lines.first().expect(logged);
            assert!(line.is_exact && line.meaning.contains(says), "{logged}: {}", line.meaning);
            assert_eq!(found.rules.first().map(|rule| rule.code), Some(rule), "{logged}");
        }
    }

    #[test]
    fn what_is_only_near_is_not_certain() {
        for (text, is_certain) in [
            ("black screen", true),
            ("px-crlf", true),
            ("start codes", true),
            ("sound but no picture", true),
            ("zebras on a black screen", false),
            ("blakc screen", false),
        ] {
            let found = search(text);
            assert_eq!(found.is_certain, is_certain, "{text}");
            assert!(!found.rules.is_empty(), "{text}");
            // What is certain is not mixed with what is alike.
            assert!(!is_certain || found.log_lines.iter().all(|line| line.is_exact), "{text}");
        }
        let nothing = search("zebra xylophone");
        assert!(nothing.rules.is_empty() && nothing.symptoms.is_empty() && !nothing.is_certain);
        assert!(search("").rules.is_empty() && search("the of").rules.is_empty());
    }

    #[test]
    fn a_mistyped_code_is_near_the_right_one() {
        assert_eq!(nearest("px-clrf").first(), Some(&"px-crlf"));
        assert_eq!(nearest("headers-left").first(), Some(&"px-headers-left"));
        assert!(nearest("qqqq").is_empty());
    }
}
