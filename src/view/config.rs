//! What is in force for a capture, and where each value comes from.

use std::fmt::Write;

use anstyle::Style;

use crate::config::{Origin, Settings, fail_on_in_words, level_in_words, payload_in_words};

use super::paint;
use crate::escape::escape;

/// A line for each value: its key, the value, its origin.
pub fn config(settings: &Settings, colour: bool) -> String {
    let mut lines: Vec<(String, String, &Origin)> = Vec::new();
    let default = &Origin::Default;
    if settings.ignore.is_empty() {
        lines.push(("ignore".to_owned(), "(nothing)".to_owned(), default));
    }
    for path in &settings.ignore {
        lines.push(("ignore".to_owned(), path.value.clone(), &path.origin));
    }
    let ports = |ports: &[u16], none: &str| {
        let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
        if ports.is_empty() { none.to_owned() } else { ports.join(", ") }
    };
    let (only, also) = (&settings.ports, &settings.decode_as);
    lines.push(("ports".to_owned(), ports(&only.value, "(any, by content)"), &only.origin));
    lines.push(("decode-as".to_owned(), ports(&also.value, "(none)"), &also.origin));
    for (key, set) in [("strict", &settings.strict), ("lint", &settings.lint)] {
        lines.push((key.to_owned(), set.value.to_string(), &set.origin));
    }
    lines.push(("fail-on".to_owned(), fail_on_in_words(settings.fail_on.value), &settings.fail_on.origin));
    let payload = &settings.full_payload;
    lines.push(("payload".to_owned(), payload_in_words(payload.value).to_owned(), &payload.origin));
    for rule in &settings.rules {
        lines.push((format!("rules.{}", rule.rule), level_in_words(rule.level), &rule.origin));
    }
    let key_width = lines.iter().map(|(key, ..)| key.len()).max().unwrap_or(0);
    let values: Vec<_> = lines.iter().map(|(_, value, _)| escape(value).into_owned()).collect();
    let width = |text: &str| unicode_width::UnicodeWidthStr::width(text);
    let value_width = values.iter().map(|value| width(value)).max().unwrap_or(0).min(40);
    let mut text = String::new();
    for ((key, _, origin), value) in lines.iter().zip(&values) {
        let gap = " ".repeat(value_width.saturating_sub(width(value)));
        let style = if **origin == Origin::Default { Style::new().dimmed() } else { Style::new() };
        let origin = paint(&escape(&origin.to_string()), style, colour);
        let _ = writeln!(text, "  {key:key_width$}  {value}{gap}  {origin}");
    }
    text
}
