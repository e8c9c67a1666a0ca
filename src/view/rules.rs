//! The catalogue: as a table, a rule's page, and what a search found.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use crate::rules::{self, Found, Page, Rule};

use super::list::cut;
use super::{Layout, paint, wrap};

/// A line for each rule.
pub fn table(rules: &[&Rule], layout: Layout, colour: bool) -> String {
    let modes = |rule: &Rule| rule.modes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let widest = |column: &dyn Fn(&Rule) -> usize| rules.iter().map(|rule| column(rule)).max().unwrap_or(0);
    let code = widest(&|rule| rule.code.width());
    let mode = widest(&|rule| modes(rule).width());
    let layer = widest(&|rule| rule.layer.to_string().width());
    let head = format!("{:code$}  {:layer$}  {:8}  {:mode$}  Title", "Code", "Layer", "Severity", "Modes");
    let mut text = paint(&head, Style::new().bold(), colour) + "\n";
    for rule in rules {
        let mut line = format!(
            "{:code$}  {:layer$}  {:8}  {:mode$}  {}",
            rule.code,
            rule.layer,
            rule.severity,
            modes(rule),
            rule.title
        );
        if let Some(width) = layout.width {
            cut(&mut line, width);
        }
        let _ = writeln!(text, "{line}");
    }
    text
}

/// A rule's page.
pub fn page(rule: &Rule, layout: Layout, colour: bool) -> String {
    let mut text = wrap(&format!("{}: {}", rule.code, rule.title), "", layout).replacen(
        rule.code,
        &paint(rule.code, AnsiColor::Cyan.on_default().bold(), colour),
        1,
    );
    let modes: Vec<String> = rule.modes.iter().map(ToString::to_string).collect();
    let _ = writeln!(text, "layer {}, severity {}, modes {}", rule.layer, rule.severity, modes.join(", "));
    for (heading, section) in rule.page.sections() {
        let _ = writeln!(text, "\n{}", paint(heading, Style::new().bold(), colour));
        for line in section.lines() {
            // Lines with bytes in columns stay as they are.
            let is_set = Page::is_set(line);
            text.push_str(&if is_set || line.is_empty() {
                format!("  {line}").trim_end().to_owned() + "\n"
            } else {
                wrap(line, "  ", layout)
            });
        }
    }
    text
}

/// What a search found: log lines that are there word by word, the rules to try, and what leads to them.
pub fn found(found: &Found, layout: Layout, colour: bool) -> String {
    let mut text = String::new();
    let heading = |text: &str| paint(text, Style::new().bold(), colour);
    let (exact, near): (Vec<_>, Vec<_>) = found.log_lines.iter().partition(|line| line.is_exact);
    for found in &exact {
        let _ = writeln!(text, "{} ({})", heading(&format!("log line of {}", found.line.program)), found.line.file);
        text.push_str(&wrap(&format!("\"{}\"", found.line.line.text()), "  ", layout));
        text.push_str(&wrap(&found.meaning, "  ", layout));
        text.push_str(&in_order(&found.rules, layout));
    }
    // A line that is known says what to try.
    if exact.is_empty() {
        if !found.rules.is_empty() {
            text.push_str(&table(&found.rules, layout, colour));
        }
        for symptom in &found.symptoms {
            let _ = writeln!(text, "\n{}", heading("symptom"));
            text.push_str(&wrap(symptom.says, "  ", layout));
            text.push_str(&wrap(&symptom.rules.join(", "), "  try in this order: ", layout));
        }
    }
    for found in &near {
        let _ = writeln!(
            text,
            "\n{} ({})",
            heading(&format!("like a log line of {}", found.line.program)),
            found.line.file
        );
        text.push_str(&wrap(&format!("\"{}\"", found.line.line.text()), "  ", layout));
        text.push_str(&wrap(&found.meaning, "  ", layout));
        text.push_str(&wrap(&found.rules.join(", "), "  try in this order: ", layout));
    }
    let used = text.trim_end().len();
    text.truncate(used);
    if used > 0 {
        text.push('\n');
    }
    text
}

fn in_order(codes: &[&str], layout: Layout) -> String {
    let titled: Vec<String> = codes
        .iter()
        .map(|code| rules::find(code).map_or_else(|| (*code).to_owned(), |rule| format!("{code} ({})", rule.title)))
        .collect();
    wrap(&titled.join(", "), "  try in this order: ", layout) + "\n"
}
