//! What every finding says, in the manner of a compiler's messages: its first line, and after the places the reason, the
//! remedy and what follows from it.

use std::fmt::Write;

use crate::escape::escape;
use crate::rules::Diagnosis;

use super::{Layout, paint, severity, wrap};

/// `error[type3-missing]: …  (certain)`
pub fn head<E>(found: &Diagnosis<E>, layout: Layout, colour: bool) -> String {
    let kind = kind(found);
    let title = wrap(&format!("{kind}: {} ({})", escape(&found.title), found.sureness()), "", layout);
    title.replacen(&kind, &paint(&kind, severity(found.severity).bold(), colour), 1)
}

/// `error[type3-missing]`
pub fn kind<E>(found: &Diagnosis<E>) -> String {
    format!("{}[{}]", found.severity, found.rule.code)
}

/// One line for what healthy software does and nothing is known to come of; nothing if there is nothing.
pub fn habits<E>(all: &[&Diagnosis<E>], layout: Layout) -> String {
    let mut codes: Vec<&str> = Vec::new();
    for found in all {
        if !codes.contains(&found.rule.code) {
            codes.push(found.rule.code);
        }
    }
    match codes.is_empty() {
        true => String::new(),
        false => wrap(&format!("Nothing known to come of: {} (-v shows them)", codes.join(", ")), "", layout),
    }
}

/// The arrow before the first place.
pub fn arrow(colour: bool) -> String {
    paint("-->", anstyle::AnsiColor::Blue.on_default().bold(), colour)
}

/// Why, and what to change.
pub fn reasons<E>(found: &Diagnosis<E>, layout: Layout) -> String {
    let said = [("  why: ", &found.why), ("  fix: ", &found.fix)].into_iter().filter(|(_, words)| !words.is_empty());
    said.map(|(caption, words)| wrap(&escape(words), caption, layout)).collect()
}

/// What it accounts for, how many others follow from it (`difference`s or `finding`s), and where to read on.
pub fn rest<E>(found: &Diagnosis<E>, others: &str) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    if let Some(more @ 2..) = found.differences {
        let _ = writeln!(text, "  It accounts for {more} differences.");
    }
    match found.consequences.unwrap_or_default() {
        0 => {}
        1 => _ = writeln!(text, "  One more {others} follows from it."),
        more => _ = writeln!(text, "  {more} more {others}s follow from it."),
    }
    let _ = writeln!(text, "  More: rtmp-inspect rules {}", found.rule.code);
    text
}
