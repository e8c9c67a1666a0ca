//! What the program prints is plain English in the words of RTMP, FLV and Wireshark. Words that once had to be read
//! twice do not come back: in strings of the sources, help, pages, schemas, and what transcripts show.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// A pattern, in whose place another word says it.
const NOT: [(&str, &str); 18] = [
    (r"\bbehind\b", "after; behind is for places in space"),
    (r"\bin front of\b", "before"),
    (r"\b(stand|stands|stood) (at|in|on|before|behind|after|there|where|here|between|apart|first)\b", "is, are"),
    (r"\b(goes|go|went|going) on\b", "continues"),
    (r"\b(sound|sounds)\b", "audio"),
    (r"\b(picture|pictures)\b", "video, video frame"),
    (
        r"\b(taken|took|take|takes) .{1,40} for (a|an|the|RTMP|payload|one|it|that)\b",
        "mistaken for, treated as, read as",
    ),
    (r"\bsomething else than\b", "something other than"),
    (r"\banother .{1,30} than\b", "other than"),
    (r"\broom\b", "space; module"),
    (r"\b(mend|undo)\b", "fix, revert"),
    (r"\banew\b", "again; differently in every recording"),
    (r"\ball the same\b", "nevertheless"),
    (r"\bwhoever\b", "callers, implementations"),
    (r"\bwithout a word\b", "silently, without an error message"),
    (r"\ball there is to say\b", "everything about"),
    (r"\b(says|said) (nothing|so)\b", "does not answer; announces it"),
    (r"\b(was|were) put in\b", "inserted"),
];

/// `X is no Y` and `X is none`, but not `there is no Y`.
const IS_NO: &str = r"(\w+),? (is|are) (none|no (\w+))";

/// Where a word is right, and why.
const ALLOWED: [(&str, &str); 14] = [
    ("group of pictures", "the name of a GOP"),
    ("picture parameter set", "H.264 7.4.2.2"),
    ("picture header", "H.266 7.4.2.7"),
    ("Main Still Picture", "a profile of H.265"),
    ("Main 10 Still Picture", "a profile of H.266"),
    ("Maximum picture", "ISO/IEC 14496-15 11.2.4.2"),
    ("Picture parameter sets", "ISO/IEC 14496-15 5.3.3.1"),
    ("sound but no picture", "what users type, and what they are told to type"),
    ("picture, video, frame, image", "words that users search for"),
    ("no picture, no video", "words that users search for"),
    ("no sound, no audio", "words that users search for"),
    ("sound late, audio late", "words that users search for"),
    ("picture stands", "words that users search for"),
    ("a Python player behind nginx-rtmp", "a place in the network"),
];

/// Sources of these are others' words: tables of log lines, and tests.
const NOT_OURS: [&str; 3] = ["rules/search/words.rs", "rules/search/known.rs", "tests.rs"];

#[test]
fn what_is_printed_has_none_of_the_words_that_were_replaced() {
    let (patterns, is_no) = patterns();
    let mut found = Vec::new();
    let mut texts = 0;
    for (place, text) in printed() {
        texts += 1;
        if ALLOWED.iter().any(|(allowed, _)| text.contains(allowed)) {
            continue;
        }
        for (pattern, but) in &patterns {
            if let Some(word) = pattern.find(&text) {
                found.push(format!("{place}: `{}`: {but}\n    {text}", word.as_str()));
            }
        }
        for words in is_no.captures_iter(&text) {
            let is_fine = words[1].eq_ignore_ascii_case("there") || ["no longer", "no more"].contains(&&words[3]);
            if !is_fine {
                found.push(format!("{place}: `{}`: is not a, is not one\n    {text}", &words[0]));
            }
        }
    }
    assert!(texts > 3000, "only {texts} texts were read");
    assert!(found.is_empty(), "{} of {texts} texts\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_patterns_find_what_they_are_for() {
    let (patterns, is_no) = patterns();
    for text in
        ["the bytes behind the header", "one that stands there", "this key is no key", "taken payload for a header"]
    {
        assert!(is_no.is_match(text) || patterns.iter().any(|(pattern, _)| pattern.is_match(text)), "{text}");
    }
}

fn patterns() -> (Vec<(Regex, &'static str)>, Regex) {
    let pattern = |text: &str| Regex::new(text).expect("a pattern");
    (NOT.iter().map(|(not, but)| (pattern(&format!("(?i){not}")), *but)).collect(), pattern(IS_NO))
}

/// Everything that people read: where it is, and the text.
fn printed() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    for file in files(&root.join("src"), "rs") {
        let name = file.strip_prefix(root).expect("below").display().to_string();
        if NOT_OURS.iter().any(|end| name.ends_with(end)) || name.contains("/tests/") {
            continue;
        }
        let source = fs::read_to_string(&file).expect("readable");
        let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        texts.extend(literals(source).into_iter().map(|(line, text)| (format!("{name}:{line}"), text)));
    }
    let pages =
        [root.join("README.md"), root.join("ARCHITECTURE.md"), root.join("CONTRIBUTING.md"), root.join("SECURITY.md")];
    let pages = pages.into_iter().chain(files(&root.join("docs"), "md")).chain(files(&root.join("schema"), "json"));
    for file in pages {
        let name = file.strip_prefix(root).expect("below").display().to_string();
        let text = fs::read_to_string(&file).expect("readable");
        texts.extend((1..).zip(text.lines()).map(|(line, text)| (format!("{name}:{line}"), text.to_owned())));
    }
    texts
}

/// The string literals of a source, with escaped line ends joined, each with its line.
fn literals(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let bytes = source.as_bytes();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let start = line;
        match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => {
                let end = source[at..].find('\n').map_or(bytes.len(), |end| at + end);
                at = end;
            }
            b'\'' => {
                // A character, or a lifetime.
                at += match &bytes[at + 1..] {
                    [b'\\', b'u', ..] => source[at..].find('}').map_or(1, |end| end + 2),
                    [b'\\', _, b'\'', ..] => 4,
                    [_, b'\'', ..] => 3,
                    _ => 1,
                };
            }
            b'"' => {
                let mut text = String::new();
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    if bytes[at] == b'\\' && bytes.get(at + 1) == Some(&b'\n') {
                        line += 1;
                        at += 2;
                        while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
                            line += usize::from(bytes[at] == b'\n');
                            at += 1;
                        }
                        continue;
                    }
                    let len =
                        if bytes[at] == b'\\' { 2 } else { source[at..].chars().next().map_or(1, char::len_utf8) };
                    line += usize::from(bytes[at] == b'\n');
                    text.push_str(&source[at..at + len]);
                    at += len;
                }
                at += 1;
                found.push((start, text));
            }
            byte => {
                line += usize::from(byte == b'\n');
                at += 1;
            }
        }
    }
    found
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(self::files(&path, extension));
        } else if path.extension().is_some_and(|is| is == extension) {
            files.push(path);
        }
    }
    files.sort();
    files
}
