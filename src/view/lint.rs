//! What a lint found, in the manner of a compiler's messages. Notes are a line each, unless more is asked for.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use crate::lint::{Evidence, Finding, Report};
use crate::rules::Severity;

use super::{Layout, diagnosis, paint, severity, wrap};
use crate::escape::escape;

/// Bytes of a value that are shown.
const LINE: usize = 16;

/// The findings of one capture, with its name in front.
pub fn lint(report: &Report, name: &str, verbose: bool, layout: Layout, colour: bool) -> String {
    let worst = report.findings.iter().map(|finding| finding.severity).max();
    let style = worst.map_or(AnsiColor::Green.on_default(), severity).bold();
    let messages: usize = report.connections.iter().map(|connection| connection.messages).sum();
    let looked_at = format!("{}, {}", count(report.connections.len(), "connection"), count(messages, "message"));
    let summary = paint(&report.summary, style, colour);
    let mut text = format!("{}: {}; {summary} ({looked_at})\n", escape(name), report.answer());
    text.push_str(&report.place().map(|place| wrap(&escape(&place), "  ", layout)).unwrap_or_default());
    let is_habit = |finding: &&Finding| finding.is_habit() && !verbose;
    let is_note = |finding: &&Finding| finding.severity == Severity::Info && !verbose && !finding.is_habit();
    for found in report.findings.iter().filter(|finding| !is_note(finding) && !is_habit(finding)) {
        text.push('\n');
        text.push_str(&finding(found, layout, colour));
    }
    let (notes, habits): (Vec<_>, Vec<_>) =
        (report.findings.iter().filter(is_note).collect(), report.findings.iter().filter(is_habit).collect());
    if !notes.is_empty() || !habits.is_empty() {
        text.push('\n');
    }
    for note in notes {
        let kind = diagnosis::kind(note);
        let at = &note.evidence.r#where;
        let frame = at.frame.map(|frame| format!(", frame {frame}")).unwrap_or_default();
        let at = format!("connection {}{frame}", at.tcp_stream.0);
        let line = wrap(&format!("{kind}: {} ({at})", escape(&note.title)), "", layout);
        text.push_str(&line.replacen(&kind, &paint(&kind, severity(note.severity), colour), 1));
    }
    text + &diagnosis::habits(&habits, layout)
}

/// One finding with its place, bytes, reason and remedy.
pub fn finding(finding: &Finding, layout: Layout, colour: bool) -> String {
    let mut text = diagnosis::head(finding, layout, colour);
    let Evidence { r#where: at, bytes } = &finding.evidence;
    let place = [
        Some(format!("{} row {}", escape(&at.message), at.number)),
        at.frame.map(|frame| format!("frame {frame}")),
        Some(format!("connection {}, {}", at.tcp_stream.0, at.direction.in_words())),
        at.stream_offset.map(|offset| format!("stream offset {offset} ({offset:#x})")),
    ];
    let place = place.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let line = wrap(&place, "  --> ", layout);
    text.push_str(&line.replacen("-->", &diagnosis::arrow(colour), 1));
    let shown: Vec<_> = bytes.iter().take(LINE).map(|byte| format!("{byte:02x}")).collect();
    let more = if bytes.len() > LINE { " …" } else { "" };
    let value = at.value.as_deref().map(escape).unwrap_or_default();
    if !shown.is_empty() || !value.is_empty() {
        let hex = format!("{}{more}", shown.join(" "));
        let words = [hex.as_str(), &value].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ");
        let _ = writeln!(
            text,
            "\n    {words}\n    {}",
            paint(&escape(&at.path.to_string()), Style::new().dimmed(), colour)
        );
    }
    text + &diagnosis::reasons(finding, layout) + &diagnosis::rest(finding, "finding")
}

/// `1 message`, `2 messages`.
fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
