//! The words of our own sentences: a secret that is one of them cannot be told from the sentence around it.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::dissect::paths;
use crate::rules::RULES;

/// Whether it is such a word, or too short to be anything else.
pub fn is_common(text: &str) -> bool {
    let length = text.chars().count();
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    length < 4 || (is_digits && length < 6) || (text.is_ascii() && WORDS.contains(text.to_ascii_lowercase().as_str()))
}

/// Whether it is the code of a rule.
pub fn is_rule(text: &str) -> bool {
    CODES.contains(text)
}

/// Whether paths to fields, or codes of statuses, begin with it: `connect`, `NetStream`.
pub fn begins_path(text: &str) -> bool {
    PATHS.contains(&text) || paths::messages().any(|name| name == text)
}

/// First parts of paths besides the names of messages.
const PATHS: &[&str] = &[
    "NetConnection",
    "NetStream",
    "amf",
    "audio",
    "body",
    "chunk",
    "command",
    "frame",
    "handshake",
    "header",
    "ip",
    "message",
    "rtmpt",
    "tcp",
    "video",
];

/// Common names of streams that the rules' pages may not have.
const COMMON: &[&str] = &["default", "demo", "live", "mystream", "room", "stream", "test", "true", "false"];

/// Longer ones are not taken for words.
const LONGEST: usize = 14;

static CODES: LazyLock<HashSet<&str>> = LazyLock::new(|| RULES.iter().map(|rule| rule.code).collect());

static WORDS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let pages = RULES.iter().flat_map(|rule| [rule.title, rule.page.what, rule.page.who, rule.page.fix]);
    let names = paths::messages().chain(COMMON.iter().copied());
    let words = pages.flat_map(|page| page.split(|c: char| !c.is_ascii_alphabetic())).chain(names);
    words.filter(|word| (4..=LONGEST).contains(&word.len())).map(str::to_ascii_lowercase).collect()
});
