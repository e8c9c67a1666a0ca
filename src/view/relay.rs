//! What became of a publisher's messages: verdict, a table for each player, findings as a compiler has them.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use crate::relay::change::Excerpt;
use crate::relay::findings::{Bytes, Place, Where};
use crate::relay::legs::Role;
use crate::relay::{Finding, Leg, Report, Row, Verdict, Who};

use super::{Layout, diagnosis, paint, wrap};
use crate::escape::escape;

/// The report as text; `captures` are the names of the files.
pub fn relay(report: &Report, captures: &[String], layout: Layout, colour: bool) -> String {
    let view = View { captures, width: layout.width.unwrap_or(80).clamp(60, 100), colour };
    let (verdict, style) = match report.verdict {
        Verdict::Intact => ("intact", AnsiColor::Green.on_default().bold()),
        Verdict::Damaged => ("damaged", AnsiColor::Red.on_default().bold()),
        Verdict::NothingForwarded => ("nothing forwarded", AnsiColor::Red.on_default().bold()),
        Verdict::Nothing => ("nothing to follow", AnsiColor::Yellow.on_default().bold()),
    };
    let first = view.wrap(&format!("{verdict}: {}", escape(&report.summary)), "");
    let mut text = first.replacen(verdict, &view.paint(verdict, style), 1);
    for (number, leg) in report.legs.iter().enumerate() {
        text.push('\n');
        text.push_str(&view.leg(leg, number));
    }
    for finding in &report.findings {
        text.push('\n');
        text.push_str(&view.finding(finding));
    }
    for who in &report.alone {
        let what = match who.role {
            Role::Publish => "publishes, and no player was captured",
            Role::Play => "plays, and no publisher was captured",
        };
        text.push('\n');
        text.push_str(&view.wrap(&format!("{} {what}: {}", view.connection(who), escape(&who.path)), "note: "));
    }
    text
}

struct View<'a> {
    captures: &'a [String],
    width: usize,
    colour: bool,
}

impl View<'_> {
    fn leg(&self, leg: &Leg, number: usize) -> String {
        let to = match leg.player.role {
            Role::Play => "player",
            Role::Publish => "next server",
        };
        let heading = format!("Leg {}: {}", number + 1, escape(&leg.publisher.path));
        let mut text = format!("{}\n", self.paint(&heading, Style::new().bold()));
        for (label, who) in [("publisher", &leg.publisher), (to, &leg.player)] {
            text.push_str(&self.wrap(&self.connection(who), &format!("  {label:<12}")));
        }
        let server = match &leg.server_software {
            Some(software) => format!("{} (by {})", escape(&software.title()), software.from),
            None => "unknown (it does not say its name)".to_owned(),
        };
        let _ = writeln!(text, "  {:<12}{server}\n", "server");
        text.push_str(&self.table(leg));
        text.push('\n');
        text.push_str(&self.notes(leg));
        if !leg.messages.is_empty() {
            text.push('\n');
            leg.messages.iter().for_each(|row| text.push_str(&row_text(row)));
        }
        text
    }

    fn table(&self, leg: &Leg) -> String {
        let heading = format!(
            "  {:<13}{:>7}{:>11}{:>9}{:>9}{:>14}  why",
            "kind", "sent", "forwarded", "changed", "dropped", "not eligible"
        );
        let mut text = format!("{}\n", self.paint(&heading, Style::new().underline()));
        let rows = leg.kinds.iter().map(|of| (of.kind.name(), of.counts, &of.why[..]));
        for (name, counts, why) in rows.chain([("all", leg.total, &[][..])]) {
            let mut reasons = why.iter().map(|why| match why.count {
                count if count == counts.not_eligible => why.reason.text().to_owned(),
                count => format!("{count} {}", why.reason.text()),
            });
            let line = format!(
                "  {name:<13}{:>7}{:>11}{:>9}{:>9}{:>14}",
                counts.sent, counts.forwarded, counts.changed, counts.dropped, counts.not_eligible
            );
            // The reasons have what is left of the line, and if that is little a line of their own.
            let _ = match (reasons.next(), reasons.next()) {
                (Some(only), None) if line.len() + 2 + only.len() <= self.width => writeln!(text, "{line}  {only}"),
                (None, _) => writeln!(text, "{line}"),
                (first, second) => {
                    let all: Vec<_> = first.into_iter().chain(second).chain(reasons).collect();
                    write!(text, "{line}\n{}", self.wrap(&all.join(", "), &" ".repeat(17)))
                }
            };
        }
        text
    }

    fn notes(&self, leg: &Leg) -> String {
        let mut text = String::new();
        let mut note = |label: &str, said: String| text.push_str(&self.wrap(&said, &format!("  {label:<12}")));
        if let Some(delay) = &leg.delay {
            let messages = if delay.messages == 1 { "message" } else { "messages" };
            note(
                "delay",
                format!(
                    "{:.3} ms to {:.3} ms, median {:.3} ms ({} {messages})",
                    delay.min, delay.max, delay.median, delay.messages
                ),
            );
        }
        if leg.from_cache > 0 {
            note("cache", format!("{} sent before the player joined came from the server's cache", leg.from_cache));
        }
        if let Some(times) = &leg.timestamps {
            let said = match (times.least, times.most) {
                (0, 0) => "kept".to_owned(),
                (least, most) if least == most => format!("all {least:+} ms"),
                (least, most) => format!("mostly {:+} ms, {least:+} to {most:+} ms", times.mostly),
            };
            note("timestamps", said);
        }
        let rewritten = [(leg.csid_rewritten, "chunk stream"), (leg.message_stream_rewritten, "message stream")];
        let said: Vec<_> = rewritten
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} on another {what}"))
            .collect();
        if !said.is_empty() {
            note("renumbered", format!("{}, as is usual", said.join(", ")));
        }
        if !leg.added.is_empty() {
            let added: Vec<_> =
                leg.added.iter().map(|added| format!("{} {}", added.count, escape(&added.what))).collect();
            note("added", added.join(", "));
        }
        text
    }

    fn finding(&self, finding: &Finding) -> String {
        let evidence = &finding.evidence;
        let mut text = diagnosis::head(finding, self.layout(), self.colour);
        text.push_str(&self.places(&evidence.r#where));
        if let Some(bytes) = &evidence.bytes {
            text.push_str(&self.bytes(bytes));
        }
        for difference in &evidence.properties {
            text.push_str(&self.wrap(&escape(&difference.text()), "    - "));
        }
        if evidence.count > 1 {
            let _ = writeln!(text, "  and {} more", evidence.count - 1);
        }
        text + &diagnosis::reasons(finding, self.layout())
    }

    fn places(&self, places: &Where) -> String {
        let mut text = String::new();
        let sides = [
            ("publisher", &places.publisher, ""),
            ("player", &places.player, if places.missing { "after " } else { "" }),
        ];
        for (side, place, after) in sides {
            let Some(place) = place else { continue };
            let arrow = if text.is_empty() { diagnosis::arrow(self.colour) } else { "   ".to_owned() };
            let _ = writeln!(text, "  {arrow} {side:<9} {}", self.place(place, after));
        }
        text
    }

    fn place(&self, place: &Place, after: &str) -> String {
        let capture = if self.captures.len() > 1 { format!("capture {}, ", place.capture + 1) } else { String::new() };
        format!(
            "{capture}connection {}, {after}frame {}, stream offset {}, message {}",
            place.tcp_stream, place.frame, place.stream_offset, place.message
        )
    }

    /// Both legs' bytes, the same offset below the same offset, with what differs marked below.
    fn bytes(&self, bytes: &Bytes) -> String {
        let mut text = "\n".to_owned();
        for (label, excerpt) in [("publisher", &bytes.publisher), ("player", &bytes.player)] {
            let hex: Vec<_> = excerpt.hex.iter().map(|byte| format!("{byte:02x}")).collect();
            let _ = writeln!(text, "    {label:<9} {:08x}  {}", excerpt.offset, hex.join(" "));
        }
        let marks = |excerpt: &Excerpt| {
            let marked = &excerpt.marked;
            format!("{}{}", "   ".repeat(marked.start), "^^ ".repeat(marked.len()))
        };
        let (a, b) = (marks(&bytes.publisher), marks(&bytes.player));
        let marks = if a.len() >= b.len() { a } else { b };
        if !marks.trim().is_empty() {
            let _ = writeln!(
                text,
                "    {:9} {:8}  {}",
                "",
                "",
                self.paint(marks.trim_end(), AnsiColor::Red.on_default().bold())
            );
        }
        text + "\n"
    }

    fn connection(&self, who: &Who) -> String {
        let capture = match self.captures.get(who.capture) {
            Some(name) if self.captures.len() > 1 => format!("{}, ", escape(name)),
            _ => String::new(),
        };
        format!("{capture}connection {}, {} → {}", who.tcp_stream, who.src, who.dst)
    }

    fn wrap(&self, text: &str, first: &str) -> String {
        wrap(text, first, self.layout())
    }

    fn layout(&self) -> Layout {
        Layout { width: Some(self.width) }
    }

    fn paint(&self, text: &str, style: Style) -> String {
        paint(text, style, self.colour)
    }
}

/// `   35    60         0  keyframe 3207 B              → frame 68, 0.162 ms`.
fn row_text(row: &Row) -> String {
    let timestamp = row.timestamp.map_or_else(|| "?".to_owned(), |timestamp| timestamp.to_string());
    let fate = match (row.fate, row.received_frame, row.delay, row.reason) {
        (_, _, _, Some(reason)) => format!("- {}", reason.text()),
        (fate, Some(frame), delay, _) => {
            let changed = if fate == "changed" { " changed" } else { "" };
            let delay = delay.map_or_else(String::new, |delay| format!(", {delay:.3} ms"));
            format!("→ frame {frame}{delay}{changed}")
        }
        (fate, ..) => format!("! {fate}"),
    };
    let what = format!("{} {} B", escape(&row.what), row.length);
    format!("  {:>5} {:>6} {timestamp:>9}  {what:<24} {fate}\n", row.message, row.frame)
}
