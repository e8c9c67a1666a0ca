//! Bodies as commented hex, with what they are expected to say.
//!
//! A file in `testdata/bodies` holds cases, separated by empty lines. `testdata/bodies/README.md` says how a
//! case is written.

use std::fs;
use std::path::Path;

/// A body and what is expected of it.
#[derive(Debug, Default)]
pub struct Case {
    /// `file.hex:12`, where it begins.
    pub place: String,
    /// The message type's number, or `amf0` or `amf3` for bare values.
    pub kind: String,
    /// The body, or its first bytes.
    pub bytes: Vec<u8>,
    /// How long the body is, if longer than `bytes`.
    pub length: Option<u32>,
    /// The aggregate's timestamp.
    pub timestamp: Option<u32>,
    /// What is expected, by keyword: `info`, `detail`, `json`, `subset`, `defects`, `rebased`.
    pub expected: Vec<(String, String)>,
    /// Lines of the tree.
    pub tree: Vec<String>,
}

impl Case {
    /// What is expected under a keyword.
    pub fn expect(&self, keyword: &str) -> Option<&str> {
        self.expected.iter().find(|(name, _)| name == keyword).map(|(_, text)| text.as_str())
    }
}

/// All cases of a folder's `.hex` files, in order of their names.
pub fn cases(folder: &Path) -> Vec<Case> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder of fixtures")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hex"))
        .collect();
    files.sort();
    files.iter().flat_map(|path| parse(path)).collect()
}

fn parse(path: &Path) -> Vec<Case> {
    let name = path.file_name().expect("a file").to_string_lossy();
    let text = fs::read_to_string(path).expect("UTF-8");
    let mut cases = Vec::new();
    let mut case = Case::default();
    let mut in_tree = false;
    for (number, line) in text.lines().enumerate().chain([(0, "")]) {
        if line.trim().is_empty() {
            if !case.kind.is_empty() {
                cases.push(std::mem::take(&mut case));
            }
            in_tree = false;
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        let place = format!("{name}:{}", number + 1);
        if in_tree && line.starts_with(' ') {
            case.tree.push(line.trim().to_owned());
        } else if let (true, Some((_, text))) = (line.starts_with(' '), case.expected.last_mut()) {
            text.push(' ');
            text.push_str(line.trim());
        } else if let Some((keyword, value)) = directive(line) {
            in_tree = keyword == "tree";
            let number = || value.parse().unwrap_or_else(|_| panic!("{place}: no number"));
            match keyword {
                "type" => (case.place, case.kind) = (place, value.to_owned()),
                "length" => case.length = Some(number()),
                "timestamp" => case.timestamp = Some(number()),
                "tree" => {}
                "info" | "detail" | "json" | "subset" | "defects" | "rebased" => {
                    case.expected.push((keyword.to_owned(), value.to_owned()));
                }
                _ => panic!("{place}: unknown keyword {keyword}"),
            }
        } else {
            bytes(line, &place, &mut case.bytes);
        }
    }
    cases
}

/// `keyword: value`; hex and quoted text have no colon after a first lower-case word of letters.
fn directive(line: &str) -> Option<(&str, &str)> {
    let (keyword, value) = line.split_once(':')?;
    keyword.bytes().all(|byte| byte.is_ascii_lowercase()).then(|| (keyword, value.trim()))
}

/// Hex digits in pairs, text in quotes, `xx*12` for twelve times the same, a comment after `#`.
fn bytes(line: &str, place: &str, out: &mut Vec<u8>) {
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() || rest.starts_with('#') {
            return;
        }
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, behind) = quoted.split_once('"').unwrap_or_else(|| panic!("{place}: a quote is open"));
            out.extend(text.as_bytes());
            rest = behind;
            continue;
        }
        let end = rest.find([' ', '"']).unwrap_or(rest.len());
        let (digits, times) = match rest[..end].split_once('*') {
            Some((digits, times)) => (digits, times.parse().expect("a count")),
            None => (&rest[..end], 1),
        };
        let pairs = hex::decode(digits).unwrap_or_else(|_| panic!("{place}: no hex: {digits}"));
        (0..times).for_each(|_| out.extend(&pairs));
        rest = &rest[end..];
    }
}
