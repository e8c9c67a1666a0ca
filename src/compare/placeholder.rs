//! Placeholders: what a snapshot has in the place of a value that is another in every recording, or a secret.
//!
//! Takes the words for a value of both sides, says whether one is a pattern that the other fits. A placeholder is a
//! name in angle brackets in a string, `<client-id>` or `rtmp://<host>/live`. It stands for text; one for a value of
//! another type says which, `<client-id:number>`, and is all of its string. What is numbered, and the host, stands for
//! the same text everywhere in a session.

use std::collections::HashMap;

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

/// Messages that hold the time of day: Flash Media Live Encoder sends them with every picture.
const CLOCKS: &[&str] = &["onFI.sd", "onFI.st", "onFI.tc"];

/// The placeholder's name for the value at a path, and why the value varies, if it does.
pub fn volatile(path: &str) -> Option<(&'static str, &'static str)> {
    if CLOCKS.contains(&path) {
        return Some(("date", "the time of the recording"));
    }
    let last = path.rsplit('.').next().unwrap_or_default();
    VOLATILE.iter().find(|(names, ..)| names.contains(&last)).map(|&(_, name, why)| (name, why))
}

/// What the placeholders of a session stand for.
#[derive(Debug, Default)]
pub struct Bindings(HashMap<String, String>);

impl Bindings {
    /// Whether `value` fits `pattern`, both in the words of [`crate::amf::Value::label`]. None if the pattern has no
    /// placeholder. What a placeholder stands for is remembered if it does.
    pub fn fits(&mut self, pattern: &str, value: &str) -> Option<bool> {
        let (kind, text) = string(pattern)?;
        let parts = parts(text);
        if let [Part::Placeholder { kind: Some(kind), .. }] = parts[..] {
            let is = value.split(' ').next().unwrap_or_default().to_ascii_lowercase();
            // A snapshot beside another has the same string.
            return Some(is == kind || value == pattern);
        }
        if parts.iter().all(|part| matches!(part, Part::Text(_))) {
            return None;
        }
        let Some((_, value)) = string(value).filter(|(other, _)| *other == kind) else { return Some(false) };
        let mut bound = Vec::new();
        let fits = self.part(&parts, value, &mut bound);
        if fits {
            self.0.extend(bound);
        }
        Some(fits)
    }

    /// A text with what its placeholders stand for, where that is known.
    pub fn meant(&self, text: &str) -> String {
        let part = |part: &Part<'_>| match part {
            Part::Text(text) => (*text).to_owned(),
            Part::Placeholder { name, .. } => self.0.get(*name).cloned().unwrap_or_else(|| format!("<{name}>")),
        };
        parts(text).iter().map(part).collect()
    }

    /// Whether a text is what the parts say, one behind the other.
    fn part(&self, parts: &[Part<'_>], text: &str, bound: &mut Vec<(String, String)>) -> bool {
        let Some((first, rest)) = parts.split_first() else { return text.is_empty() };
        match first {
            Part::Text(part) => text.strip_prefix(part).is_some_and(|text| self.part(rest, text, bound)),
            Part::Placeholder { name, .. } if !is_bound(name) => {
                if rest.is_empty() {
                    return true;
                }
                ends(text).any(|end| self.part(rest, &text[end..], bound))
            }
            Part::Placeholder { name, .. } => {
                let known = self.0.get(*name).or_else(|| bound.iter().find(|(of, _)| of == name).map(|(_, text)| text));
                if let Some(known) = known.cloned() {
                    return text.strip_prefix(&known[..]).is_some_and(|text| self.part(rest, text, bound));
                }
                ends(text).skip(1).any(|end| {
                    let (meant, behind) = text.split_at(end);
                    // A host has no path, and two names do not stand for one text.
                    if *name == HOST && meant.contains('/') || self.is_taken(name, meant) {
                        return false;
                    }
                    bound.push(((*name).to_owned(), meant.to_owned()));
                    let fits = self.part(rest, behind, bound);
                    if !fits {
                        bound.pop();
                    }
                    fits
                })
            }
        }
    }

    /// Whether another of the same family stands for this text.
    fn is_taken(&self, name: &str, text: &str) -> bool {
        let family = |name: &str| name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
        self.0.iter().any(|(other, of)| of == text && other != name && family(other) == family(name))
    }
}

/// Where a text may end, from its beginning on.
fn ends(text: &str) -> impl Iterator<Item = usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()])
}

/// Whether a placeholder stands for the same text everywhere.
fn is_bound(name: &str) -> bool {
    name == HOST || name.ends_with(|c: char| c.is_ascii_digit())
}

/// The kind of a string and its text: `String 'live'`, `Long string '...'`, `AMF3 String 'live'`.
fn string(words: &str) -> Option<(&str, &str)> {
    let (kind, text) = words.split_once('\'')?;
    Some((kind, text.strip_suffix('\'')?))
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

    fn fits(pattern: &str, value: &str) -> Option<bool> {
        Bindings::default().fits(pattern, value)
    }

    #[test]
    fn a_placeholder_stands_for_any_text() {
        assert_eq!(fits("String '<banner>'", "String 'FMS/3,0,1,123'"), Some(true));
        assert_eq!(fits("String 'rtmp://<host>/live'", "String 'rtmp://10.0.0.1:1935/live'"), Some(true));
        assert_eq!(fits("String 'rtmp://<host>/live'", "String 'rtmp://10.0.0.1:1935/other'"), Some(false));
        assert_eq!(fits("String 'rtmp://<host>/live'", "String 'rtmp://a/b/live'"), Some(false));
        assert_eq!(fits("String '<stream-key-1> is published'", "String 'one is published'"), Some(true));
        assert_eq!(fits("String '<stream-key-1> is published'", "String ' is published'"), Some(false));
        assert_eq!(fits("String 'live'", "String 'other'"), None);
        assert_eq!(fits("String '<b>'", "String 'other'"), None);
        assert_eq!(fits("String 'a < b <banner>'", "String 'a < b c'"), Some(true));
        assert_eq!(fits("Number 1", "Number 2"), None);
    }

    #[test]
    fn the_type_must_be_right() {
        assert_eq!(fits("String '<client-id>'", "Number 1"), Some(false));
        assert_eq!(fits("String '<client-id:number>'", "Number 1"), Some(true));
        assert_eq!(fits("String '<client-id:number>'", "String '1'"), Some(false));
        assert_eq!(fits("String '<client-id:number>'", "String '<client-id:number>'"), Some(true));
    }

    #[test]
    fn a_numbered_one_stands_for_the_same_text_everywhere() {
        let mut bindings = Bindings::default();
        assert_eq!(bindings.fits("String '<stream-key-1>'", "String 'one'"), Some(true));
        assert_eq!(bindings.fits("String '<stream-key-1>'", "String 'two'"), Some(false));
        assert_eq!(bindings.fits("String '<stream-key-1>?<credential-1>'", "String 'one?a'"), Some(true));
        assert_eq!(bindings.fits("String '<stream-key-2>'", "String 'one'"), Some(false), "two names, one text");
        assert_eq!(bindings.fits("String '<stream-key-2>'", "String 'two'"), Some(true));
        assert_eq!(bindings.fits("String '<client-id>'", "String 'a'"), Some(true));
        assert_eq!(bindings.fits("String '<client-id>'", "String 'b'"), Some(true), "an id may change");
    }
}
