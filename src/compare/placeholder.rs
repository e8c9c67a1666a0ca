//! Placeholders: what a snapshot has in the place of a value that is another in every recording, or a secret.
//!
//! Takes a value of both sides, says whether one is a pattern that the other fits. A placeholder is a
//! name in angle brackets in a string, `<client-id>` or `rtmp://<host>/live`. It stands for text; one for a value of
//! another type says which, `<client-id:number>`, and is all of its string. What is numbered, and the host, stands for
//! the same text everywhere in a session.

use std::collections::HashMap;

use crate::field;
use crate::steps;

use super::{FieldPath, Value};

/// The host and port in URLs.
pub const HOST: &str = "host";

/// Properties whose values are another in every recording, with the placeholder's name and why that is no finding.
const VOLATILE: &[(&[&str], &str, &str)] = &[
    (&["fmsVer", "Server"], "banner", "the server's banner"),
    (&["clientid", "clientId"], "client-id", "the client's id is the server's own"),
    (&["creationdate", "creationDate"], "date", "the time of the recording"),
    // What SRS says of itself in the answer to connect.
    (&["srs_server_ip", "srs_pid", "srs_id"], "server-id", "the server's address and process"),
];

/// Messages that hold the time of day: Flash Media Live Encoder sends them with every video frame.
const CLOCKS: (&str, [&str; 3]) = ("onFI", ["sd", "st", "tc"]);

/// The placeholder's name for the value at a path, and why the value varies, if it does.
pub fn volatile(path: &FieldPath) -> Option<(&'static str, &'static str)> {
    if path.named().is_some_and(|(message, name)| message == CLOCKS.0 && CLOCKS.1.contains(&name)) {
        return Some(("date", "the time of the recording"));
    }
    let last = path.last()?;
    VOLATILE.iter().find(|(names, ..)| names.contains(&last)).map(|&(_, name, why)| (name, why))
}

/// What the placeholders of a session stand for.
#[derive(Debug, Default)]
pub struct Bindings {
    /// By the placeholder's name.
    meant: HashMap<String, String>,
    /// The placeholders' names by what they stand for; those of one family stand for different texts.
    names: HashMap<String, HashMap<String, String>>,
}

/// A pattern is tried on a text for so many steps at most. One placeholder after the other could stand for its parts
/// in more ways than can be tried; patterns of snapshots that were written need a few steps for each byte.
const MOST_STEPS: usize = 1 << 20;

impl Bindings {
    /// Whether `value` fits `pattern`. None if the pattern has no placeholder. What a placeholder stands for is
    /// remembered if it does.
    pub fn fits(&mut self, pattern: &Value, value: &Value) -> Option<bool> {
        let field::Value::Text(text) = &pattern.value else { return None };
        let parts = parts(text);
        if let [Part::Placeholder { kind: Some(kind), .. }] = parts[..] {
            // A snapshot beside another has the same string.
            return Some(kind_of(value) == Some(kind) || value.value == pattern.value);
        }
        if parts.iter().all(|part| matches!(part, Part::Text(_))) {
            return None;
        }
        let field::Value::Text(value) = &value.value else { return Some(false) };
        let mut attempt = Attempt { known: self, bound: Vec::new(), left: MOST_STEPS };
        let fits = attempt.fits(&parts, value);
        let bound = attempt.bound;
        if fits {
            for (name, text) in bound {
                let of_family = self.names.entry(family(&name).to_owned()).or_default();
                of_family.insert(text.clone(), name.clone());
                self.meant.insert(name, text);
            }
        }
        Some(fits)
    }

    /// A text with what its placeholders stand for, where that is known.
    pub fn meant(&self, text: &str) -> String {
        let part = |part: &Part<'_>| match part {
            Part::Text(text) => (*text).to_owned(),
            Part::Placeholder { name, .. } => self.meant.get(*name).cloned().unwrap_or_else(|| format!("<{name}>")),
        };
        parts(text).iter().map(part).collect()
    }

    /// Whether another of the same family stands for this text.
    fn is_taken(&self, name: &str, text: &str) -> bool {
        let other = self.names.get(family(name)).and_then(|names| names.get(text));
        other.is_some_and(|other| other != name)
    }
}

/// A pattern that is tried on a text.
struct Attempt<'b> {
    known: &'b Bindings,
    /// What its placeholders would stand for.
    bound: Vec<(String, String)>,
    /// Steps that are left.
    left: usize,
}

impl Attempt<'_> {
    /// Whether a text is what the parts say, one after the other.
    fn fits(&mut self, parts: &[Part<'_>], text: &str) -> bool {
        let Some((first, rest)) = parts.split_first() else { return text.is_empty() };
        match first {
            Part::Text(part) => text.strip_prefix(part).is_some_and(|text| self.fits(rest, text)),
            Part::Placeholder { name, .. } if !is_bound(name) => {
                rest.is_empty() || ends(text, rest).any(|end| self.spend(1) && self.fits(rest, &text[end..]))
            }
            Part::Placeholder { name, .. } => {
                let bound = self.bound.iter().find(|(of, _)| of == name).map(|(_, text)| text);
                if let Some(known) = self.known.meant.get(*name).or(bound).cloned() {
                    return text.strip_prefix(&known[..]).is_some_and(|text| self.fits(rest, text));
                }
                // A host has no path.
                let most = if *name == HOST { text.find('/').unwrap_or(text.len()) } else { text.len() };
                ends(text, rest).skip_while(|&end| end == 0).take_while(|&end| end <= most).any(|end| {
                    let (meant, behind) = text.split_at(end);
                    // Two names do not stand for one text.
                    if !self.spend(1 + end / 64) || self.known.is_taken(name, meant) {
                        return false;
                    }
                    self.bound.push(((*name).to_owned(), meant.to_owned()));
                    let fits = self.fits(rest, behind);
                    if !fits {
                        self.bound.pop();
                    }
                    fits
                })
            }
        }
    }

    /// Whether so many steps are left; they are taken.
    fn spend(&mut self, steps: usize) -> bool {
        steps::count(steps);
        self.left = self.left.saturating_sub(steps);
        self.left > 0
    }
}

/// Where a text may end so that the parts can follow, from its beginning on.
fn ends<'t>(text: &'t str, rest: &[Part<'t>]) -> Box<dyn Iterator<Item = usize> + 't> {
    match rest.first() {
        None => Box::new(std::iter::once(text.len())),
        Some(Part::Text(part)) => Box::new(overlapping(text, part)),
        Some(Part::Placeholder { .. }) => Box::new(text.char_indices().map(|(at, _)| at).chain([text.len()])),
    }
}

/// Where a part is in a text.
fn overlapping<'t>(text: &'t str, part: &'t str) -> impl Iterator<Item = usize> + 't {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + text.get(from..)?.find(part)?;
        from = at + text[at..].chars().next().map_or(1, char::len_utf8);
        Some(at)
    })
}

/// What a placeholder is called without its number.
fn family(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// Whether a placeholder stands for the same text everywhere.
fn is_bound(name: &str) -> bool {
    name == HOST || name.ends_with(|c: char| c.is_ascii_digit())
}

/// What a placeholder calls the type of a value, by its marker (AMF0 2.1).
fn kind_of(value: &Value) -> Option<&'static str> {
    match value.bytes.first()? {
        0 => Some("number"),
        1 => Some("boolean"),
        0x0b => Some("date"),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Part<'t> {
    Text(&'t str),
    Placeholder { name: &'t str, kind: Option<&'t str> },
}

/// More placeholders in one string are not looked for.
const MOST: usize = 16;

/// A string as text and placeholders.
fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut from, mut at, mut count) = (Vec::new(), 0, 0, 0);
    while let Some(open) = text[at..].find('<').map(|found| at + found).filter(|_| count < MOST) {
        at = open + 1;
        let Some(len) = text[at..].find(['<', '>']).filter(|len| text[at + len..].starts_with('>')) else { continue };
        let inner = &text[at..at + len];
        let (name, kind) = inner.split_once(':').map_or((inner, None), |(name, kind)| (name, Some(kind)));
        if !is_name(name) {
            continue;
        }
        if open > from {
            parts.push(Part::Text(&text[from..open]));
        }
        parts.push(Part::Placeholder { name, kind });
        count += 1;
        (from, at) = (at + len + 1, at + len + 1);
    }
    if from < text.len() {
        parts.push(Part::Text(&text[from..]));
    }
    parts
}

/// Whether a name is that of a placeholder.
fn is_name(name: &str) -> bool {
    let numbered = ["stream-key-", "credential-"].iter().filter_map(|family| name.strip_prefix(family));
    name == HOST
        || VOLATILE.iter().any(|(_, known, _)| *known == name)
        || numbered.into_iter().any(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(marker: u8, value: field::Value) -> Value {
        Value { value, bytes: vec![marker], ..Value::words("") }
    }

    fn string(text: &str) -> Value {
        value(2, field::Value::Text(text.to_owned()))
    }

    fn number(number: f64) -> Value {
        value(0, field::Value::Double(number))
    }

    fn fits(pattern: &str, text: &str) -> Option<bool> {
        Bindings::default().fits(&string(pattern), &string(text))
    }

    #[test]
    fn a_placeholder_stands_for_any_text() {
        assert_eq!(fits("<banner>", "FMS/3,0,1,123"), Some(true));
        assert_eq!(fits("rtmp://<host>/live", "rtmp://10.0.0.1:1935/live"), Some(true));
        assert_eq!(fits("rtmp://<host>/live", "rtmp://10.0.0.1:1935/other"), Some(false));
        assert_eq!(fits("rtmp://<host>/live", "rtmp://a/b/live"), Some(false));
        assert_eq!(fits("<stream-key-1> is published", "one is published"), Some(true));
        assert_eq!(fits("<stream-key-1> is published", " is published"), Some(false));
        assert_eq!(fits("live", "other"), None);
        assert_eq!(fits("<b>", "other"), None);
        assert_eq!(fits("a < b <banner>", "a < b c"), Some(true));
        assert_eq!(Bindings::default().fits(&number(1.0), &number(2.0)), None);
    }

    #[test]
    fn the_type_must_be_right() {
        let mut bindings = Bindings::default();
        assert_eq!(bindings.fits(&string("<client-id>"), &number(1.0)), Some(false));
        assert_eq!(bindings.fits(&string("<client-id:number>"), &number(1.0)), Some(true));
        assert_eq!(fits("<client-id:number>", "1"), Some(false));
        assert_eq!(fits("<client-id:number>", "<client-id:number>"), Some(true));
    }

    #[test]
    fn a_numbered_one_stands_for_the_same_text_everywhere() {
        let mut bindings = Bindings::default();
        assert_eq!(bindings.fits(&string("<stream-key-1>"), &string("one")), Some(true));
        assert_eq!(bindings.fits(&string("<stream-key-1>"), &string("two")), Some(false));
        assert_eq!(bindings.fits(&string("<stream-key-1>?<credential-1>"), &string("one?a")), Some(true));
        assert_eq!(bindings.fits(&string("<stream-key-2>"), &string("one")), Some(false), "two names, one text");
        assert_eq!(bindings.fits(&string("<stream-key-2>"), &string("two")), Some(true));
        assert_eq!(bindings.fits(&string("<client-id>"), &string("a")), Some(true));
        assert_eq!(bindings.fits(&string("<client-id>"), &string("b")), Some(true), "an id may change");
    }
}
