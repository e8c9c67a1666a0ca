//! The keys of the file: what each means, and how its value is read.
//!
//! The reader, `rtmp-inspect config --keys` and the table in docs/check.md go through [`KEYS`]; nothing else knows a name.

use globset::GlobBuilder;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, de::DeArray};

use crate::lint::Level;
use crate::rules::{self, Mode, Severity};

use super::parse::Reader;
use super::{Glob, Value};

/// A key of the file.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub says: &'static str,
    /// Its value if nobody sets it, as it would be written.
    pub default: &'static str,
    /// An example.
    pub example: &'static str,
    /// Where it may be.
    pub place: Place,
    pub(super) read: Read,
}

/// Where a key may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the top of the file, and in an override.
    Both,
    /// At the top only.
    Top,
    /// In an override only.
    Override,
}

/// How a key's value is read. Mistakes go to the reader.
#[derive(Clone, Copy, Debug)]
pub(super) enum Read {
    Values(fn(&mut Reader<'_>, &Spanned<DeValue<'_>>) -> Vec<Value>),
    /// A list of globs.
    Globs,
    /// More tables with keys.
    Overrides,
}

/// Every key, in the order in which they are listed.
pub static KEYS: &[Key] = &[
    Key {
        name: "ignore",
        says: "paths whose differences do not count, for diff and check; * stands for anything. \
               Those of overrides and of --ignore are added",
        default: "[]",
        example: r#"ignore = ["onMetaData.encoder", "connect.flashVer"]"#,
        place: Place::Both,
        read: Read::Values(|reader, value| one(strings(reader, value).map(Value::Ignore))),
    },
    Key {
        name: "ports",
        says: "only connections on these ports, treated as RTMP whatever they contain; as --port",
        default: "[]",
        example: "ports = [1936]",
        place: Place::Both,
        read: Read::Values(|reader, value| one(ports(reader, value).map(Value::Ports))),
    },
    Key {
        name: "decode-as",
        says: "connections on these ports are also treated as RTMP, whatever they contain; as --decode-as",
        default: "[]",
        example: r#"decode-as = ["tcp:19350"]"#,
        place: Place::Both,
        read: Read::Values(|reader, value| one(ports(reader, value).map(Value::DecodeAs))),
    },
    Key {
        name: "strict",
        says: "count every difference, for diff and check; as --strict",
        default: "false",
        example: "strict = true",
        place: Place::Both,
        read: Read::Values(|reader, value| one(boolean(reader, value).map(Value::Strict))),
    },
    Key {
        name: "lint",
        says: "whether check also lints; false is --no-lint",
        default: "true",
        example: "lint = false",
        place: Place::Both,
        read: Read::Values(|reader, value| one(boolean(reader, value).map(Value::Lint))),
    },
    Key {
        name: "fail-on",
        says: "the lowest severity that is a failure, for lint and check: info, warning, error, fatal or never",
        default: r#""error""#,
        example: r#"fail-on = "warning""#,
        place: Place::Both,
        read: Read::Values(|reader, value| {
            const WORDS: [(&str, Option<Severity>); 5] = [
                ("info", Some(Severity::Info)),
                ("warning", Some(Severity::Warning)),
                ("error", Some(Severity::Error)),
                ("fatal", Some(Severity::Fatal)),
                ("never", None),
            ];
            one(word(reader, value, &WORDS).map(Value::FailOn))
        }),
    },
    Key {
        name: "payload",
        says: "what snapshots contain of audio and video: sha256 (length and digest) or full; as --payload of snapshot",
        default: r#""sha256""#,
        example: r#"payload = "full""#,
        place: Place::Both,
        read: Read::Values(|reader, value| {
            one(word(reader, value, &[("sha256", false), ("full", true)]).map(Value::FullPayload))
        }),
    },
    Key {
        name: "rules",
        says: "a table of rule codes: off, or the severity that a rule's findings have in lint and check",
        default: "{}",
        example: "[rules]\nkeyframe-interval = \"off\"",
        place: Place::Both,
        read: Read::Values(levels),
    },
    Key {
        name: "exclude",
        says: "captures that check does not look for; captures named on the command line are checked nevertheless",
        default: "[]",
        example: r#"exclude = ["broken/**"]"#,
        place: Place::Top,
        read: Read::Globs,
    },
    Key {
        name: "override",
        says: "a list of tables, each with the key files and any of the others: they apply to the captures that match. \
               Of two that match, the later counts",
        default: "[]",
        example: "[[override]]\nfiles = [\"obs-*.pcap\"]\nfail-on = \"never\"",
        place: Place::Top,
        read: Read::Overrides,
    },
    Key {
        name: "files",
        says: "which captures an override applies to: a glob without a slash is a file's name, with one a path from \
               the configuration file's directory on, where ** stands for any directories",
        default: "",
        example: r#"files = ["obs-*.pcap", "nightly/**"]"#,
        place: Place::Override,
        read: Read::Globs,
    },
];

/// Reads a list of globs.
pub(super) fn globs(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Vec<Glob> {
    let mut globs = Vec::new();
    for item in list(reader, value).into_iter().flatten() {
        let Some(text) = string(reader, item) else { continue };
        match GlobBuilder::new(&text).literal_separator(true).build() {
            Ok(glob) => globs.push(Glob { matcher: glob.compile_matcher(), text }),
            Err(error) => reader.complain(item.span(), format!("not a glob: {}", error.kind()), None),
        }
    }
    globs
}

fn levels(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Vec<Value> {
    const WORDS: [(&str, Level); 5] = [
        ("off", Level::Off),
        ("info", Level::As(Severity::Info)),
        ("warning", Level::As(Severity::Warning)),
        ("error", Level::As(Severity::Error)),
        ("fatal", Level::As(Severity::Fatal)),
    ];
    let Some(table) = table(reader, value) else { return Vec::new() };
    let mut levels = Vec::new();
    for (code, level) in table.iter() {
        match rules::find(code.get_ref()) {
            None => {
                let near = rules::nearest(code.get_ref());
                let help = if near.is_empty() {
                    "rtmp-inspect rules lists them".to_owned()
                } else {
                    format!("did you mean {}?", or(&near))
                };
                reader.complain(code.span(), format!("unknown rule `{}`", code.get_ref()), Some(help));
            }
            Some(rule) if !rule.modes.contains(&Mode::Lint) => {
                let modes: Vec<_> = rule.modes.iter().map(ToString::to_string).collect();
                let message = format!("`{}` is a rule of {}, which has no levels", rule.code, modes.join(" and "));
                let help = Some("levels are for the rules that lint applies to one capture".to_owned());
                reader.complain(code.span(), message, help);
            }
            Some(rule) => {
                levels.extend(word(reader, level, &WORDS).map(|level| Value::Rule(rule.code.to_owned(), level)));
            }
        }
    }
    levels
}

fn one(value: Option<Value>) -> Vec<Value> {
    value.into_iter().collect()
}

fn word<T: Copy>(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>, words: &[(&'static str, T)]) -> Option<T> {
    let text = string(reader, value)?;
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
    if found.is_none() {
        let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        reader.complain(value.span(), format!("unknown value `{text}`"), Some(format!("it may be {}", or(&all))));
    }
    found
}

fn strings(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Option<Vec<String>> {
    list(reader, value)?.iter().map(|item| string(reader, item)).collect()
}

/// Ports as numbers, or as Wireshark writes them: `tcp:1935`.
fn ports(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Option<Vec<u16>> {
    let port = |reader: &mut Reader<'_>, item: &Spanned<DeValue<'_>>| {
        let port = match item.get_ref() {
            DeValue::Integer(number) => u16::from_str_radix(number.as_str(), number.radix()).ok(),
            DeValue::String(text) => text.strip_prefix("tcp:").and_then(|port| port.parse().ok()),
            _ => None,
        };
        if port.is_none() {
            let help = "a number from 0 to 65535, or \"tcp:PORT\"".to_owned();
            reader.complain(item.span(), "not a port".to_owned(), Some(help));
        }
        port
    };
    list(reader, value)?.iter().map(|item| port(reader, item)).collect()
}

fn string(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.clone().into_owned()),
        _ => reader.expected("a string", value),
    }
}

fn boolean(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>) -> Option<bool> {
    match value.get_ref() {
        DeValue::Boolean(value) => Some(*value),
        _ => reader.expected("true or false", value),
    }
}

pub(super) fn list<'v, 'i>(reader: &mut Reader<'_>, value: &'v Spanned<DeValue<'i>>) -> Option<&'v DeArray<'i>> {
    match value.get_ref() {
        DeValue::Array(items) => Some(items),
        _ => reader.expected("a list in brackets", value),
    }
}

pub(super) fn table<'v, 'i>(reader: &mut Reader<'_>, value: &'v Spanned<DeValue<'i>>) -> Option<&'v DeTable<'i>> {
    match value.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => reader.expected("a table", value),
    }
}

/// `a`, `a` or `b`, each in backticks.
pub(super) fn or(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}
