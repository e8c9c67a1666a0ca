//! Ways into the catalogue for somebody who has no code: words, a line from a log, a symptom.
//!
//! Log lines are matched with their numbers free, so that `RTMP in chunk stream too big: 41 >= 32` is found
//! whatever the numbers are; what they mean is worked out. Codes that are suggested may be of rules that the
//! catalogue has no page for yet.

mod known;

use super::{RULES, Rule};
use known::{LOG_LINES, SYMPTOMS};

/// What a text leads to.
#[derive(Debug, Default)]
pub struct Found {
    /// The log lines it matches, with what they say and which rules to try.
    pub log_lines: Vec<(&'static LogLine, String)>,
    /// The symptoms it names.
    pub symptoms: Vec<&'static Symptom>,
    /// The rules whose pages have all of its words, those with the words in code or title first.
    pub rules: Vec<&'static Rule>,
}

/// A line that a program writes to its log.
#[derive(Debug)]
pub struct LogLine {
    /// The line; `N` stands for any number.
    pub line: &'static str,
    /// Who writes it.
    pub program: &'static str,
    /// What it means, for the numbers in it.
    pub meaning: fn(&[u64]) -> String,
    /// Which rules to try, in this order.
    pub rules: &'static [&'static str],
}

/// What somebody sees, and which rules to try in order.
#[derive(Debug)]
pub struct Symptom {
    /// In the words of whoever sees it.
    pub says: &'static str,
    /// Which rules to try, in this order; `x-*` stands for all that begin so.
    pub rules: &'static [&'static str],
}

/// Everything in the catalogue that has to do with `text`.
pub fn search(text: &str) -> Found {
    let words = words(text);
    if words.is_empty() {
        return Found::default();
    }
    let log_lines = LOG_LINES.iter().filter_map(|line| Some((line, (line.meaning)(&numbers_if_match(line, &words)?))));
    let has_all = |text: &str| {
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word.as_str()))
    };
    // A symptom is told in one's own words: most of them are enough.
    let sounds_like = |symptom: &&Symptom| {
        let known = self::words(symptom.says);
        let telling: Vec<_> =
            words.iter().filter(|word| word.len() > 2 && !COMMON_WORDS.contains(&word.as_str())).collect();
        let hits = telling.iter().filter(|word| known.contains(word)).count();
        hits > 0 && (hits == telling.len() || (hits >= 2 && 2 * hits >= telling.len()))
    };
    let mut rules: Vec<(u8, &'static Rule)> = RULES
        .iter()
        .filter(|rule| {
            let sections = rule.page.sections().map(|(_, text)| text).join("\n");
            has_all(&format!("{} {} {} {sections}", rule.code, rule.title, rule.layer))
        })
        .map(|rule| match rule.code {
            code if code == text => (0, *rule),
            code if has_all(&format!("{code} {}", rule.title)) => (1, *rule),
            _ => (2, *rule),
        })
        .collect();
    rules.sort_by_key(|&(distance, _)| distance);
    Found {
        log_lines: log_lines.collect(),
        symptoms: SYMPTOMS.iter().filter(sounds_like).collect(),
        rules: rules.into_iter().map(|(_, rule)| rule).collect(),
    }
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

/// Words that tell one symptom from no other.
const COMMON_WORDS: &[&str] = &["the", "and", "with", "but", "not", "from", "are", "after", "has", "does"];

/// Lower-case words; numbers are words.
fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The numbers that stand for the `N`s of a log line, if the text holds the line; a line cut at its end counts too.
fn numbers_if_match(line: &LogLine, text: &[String]) -> Option<Vec<u64>> {
    let pattern = words(line.line);
    // Half of a short line is any text.
    let least = if pattern.len() <= 4 { pattern.len() } else { 4 };
    (0..text.len()).find_map(|start| {
        let mut numbers = Vec::new();
        let mut matched = 0;
        for (wanted, word) in pattern.iter().zip(&text[start..]) {
            match (wanted.as_str(), word.parse()) {
                ("n", Ok(number)) => numbers.push(number),
                _ if wanted == word => {}
                _ => return None,
            }
            matched += 1;
        }
        (matched >= least).then_some(numbers)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_log_line_finds_itself_whatever_its_numbers_are() {
        for line in LOG_LINES {
            let logged = format!(
                "2024/01/02 03:04:05 [error] 77#77: *9 {}, client: 192.0.2.1",
                line.line.replace(" N", " 77").replace("=N", "=77").replace(":N", ":77")
            );
            let found = search(&logged);
            assert!(found.log_lines.iter().any(|(found, _)| found.line == line.line), "{}", line.line);
            assert!(!(line.meaning)(&[]).is_empty() && !line.rules.is_empty(), "{}", line.line);
        }
    }

    #[test]
    fn the_csid_that_nginx_refuses_is_traced_to_its_byte() {
        let found = search("RTMP in chunk stream too big: 41 >= 32");
        let (line, meaning) = &found.log_lines[0];
        assert_eq!(line.rules[0], "chunk-size-not-announced");
        // 0x69 = 01 101001: format 1, chunk stream 41.
        assert!(meaning.contains("69 ('i')"), "{meaning}");
    }

    #[test]
    fn a_chunk_size_in_the_wrong_byte_order_is_read_in_the_right_one() {
        // 00 10 00 00 is 4096 as a little-endian number, and 1048576 as a big-endian one.
        assert!(search("too big RTMP chunk size:1048576").log_lines[0].1.contains("it is 4096"));
    }

    #[test]
    fn symptoms_are_found_in_other_words() {
        for (text, rule) in [
            ("black video", "avc-seqhdr-missing"),
            ("no sound", "aac-seqhdr-missing"),
            ("reconnect", "stale-publisher"),
            ("received bytes differ", "px-*"),
        ] {
            let found = search(text);
            assert!(found.symptoms.iter().any(|symptom| symptom.rules.contains(&rule)), "{text}");
        }
        assert!(search("zebra crossing").symptoms.is_empty());
    }

    #[test]
    fn a_mistyped_code_is_near_the_right_one() {
        assert_eq!(nearest("px-clrf").first(), Some(&"px-crlf"));
        assert_eq!(nearest("headers-left").first(), Some(&"px-headers-left"));
        assert!(nearest("qqqq").is_empty());
    }
}
