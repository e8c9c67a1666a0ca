//! What became of a payload, in the manner of a compiler's message: verdict, cause, bytes, why, what to change.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use crate::payload::{Bytes, Cause, Evidence, Excerpt, InCapture, Leg, Proof, Report, Verdict};
use crate::session::Direction;

use super::{Layout, diagnosis, paint, wrap};
use crate::escape::escape;

/// What the two files are called.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// What was sent.
    pub sent: &'a str,
    /// What was received.
    pub received: &'a str,
}

impl<'a> Names<'a> {
    /// The other way round.
    pub fn exchanged(self) -> Names<'a> {
        Names { sent: self.received, received: self.sent }
    }
}

/// The report as text; the names are in the report's order.
pub fn payload(report: &Report, names: Names<'_>, layout: Layout, colour: bool) -> String {
    let (verdict, style) = match report.verdict {
        Verdict::Identical => ("identical", AnsiColor::Green.on_default().bold()),
        Verdict::Different => ("different", AnsiColor::Red.on_default().bold()),
    };
    let first = wrap(&format!("{verdict}: {}", escape(&report.summary)), "", layout);
    let mut text = first.replacen(verdict, &paint(verdict, style, colour), 1);
    if report.swapped {
        let order = format!(
            "SENT and RECEIVED are exchanged: {} was on the wire to the server, and {} was read from the server's stream. This \
             is the report in the right order: rtmp-inspect payload {} {}",
            names.sent, names.received, names.sent, names.received
        );
        text.push_str(&wrap(&escape(&order), "note: ", layout));
    }
    if let Some(other) = &report.other_order {
        let order = format!(
            "SENT and RECEIVED may be exchanged: in the other order all is explained: {other} (rtmp-inspect payload {} {})",
            names.received, names.sent
        );
        text.push_str(&wrap(&escape(&order), "note: ", layout));
    }
    for cause in &report.causes {
        text.push('\n');
        text.push_str(&one(cause, names, layout, colour));
    }
    if report.unexplained > 0 {
        let places = if report.unexplained == 1 {
            "1 difference is"
        } else {
            &format!("{} differences are", report.unexplained)
        };
        text.push('\n');
        text.push_str(&wrap(&format!("{places} not explained."), "", layout));
    }
    if let Some(proof) = &report.capture {
        text.push_str(&on_the_wire(proof, report.sent_length, layout, colour));
    }
    text
}

fn one(cause: &Cause, names: Names<'_>, layout: Layout, colour: bool) -> String {
    let Evidence { r#where: at, bytes } = &cause.evidence;
    let mut text = diagnosis::head(cause, layout, colour);
    let _ = writeln!(text, "  {} {} offset {}", diagnosis::arrow(colour), escape(names.sent), offset(at.sent_offset));
    let _ = writeln!(text, "      {} offset {}", escape(names.received), offset(at.received_offset));
    if let Some(place) = &at.capture {
        let _ = writeln!(text, "      {}", in_capture(place));
    }
    text.push('\n');
    text.push_str(&hex_lines(bytes, layout, colour));
    text.push('\n');
    text + &diagnosis::reasons(cause, layout) + &diagnosis::rest(cause, "difference")
}

fn offset(offset: u64) -> String {
    format!("{offset} (0x{offset:x})")
}

fn in_capture(place: &InCapture) -> String {
    let way = way(place.direction);
    format!(
        "connection {}, {way}, stream offset {}, frame {}",
        place.tcp_stream.0,
        offset(place.stream_offset),
        place.frame
    )
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::ClientToServer => "client → server",
        Direction::ServerToClient => "server → client",
    }
}

/// Both sides' bytes, the same place below the same place, with what differs marked below.
fn hex_lines(bytes: &Bytes, layout: Layout, colour: bool) -> String {
    /// What comes before the first byte: `  received  00000ff7  `.
    const MARGIN: usize = 22;
    /// More bytes than these that one side lacks say no more.
    const WIDEST: usize = 12;
    let width = layout.width.unwrap_or(100);
    let with_text = width >= 96;
    let cells = ((width.saturating_sub(MARGIN + 4)) / if with_text { 4 } else { 3 }).clamp(8, 32);
    let before = bytes.sent.marked.start.max(bytes.received.marked.start);
    let marked = bytes.sent.marked.len().max(bytes.received.marked.len()).min(WIDEST);
    let mut text = String::new();
    for (label, excerpt) in [("sent", &bytes.sent), ("received", &bytes.received)] {
        let (mut columns, mut letters, mut marks) = (Vec::new(), String::new(), Vec::new());
        for (byte, is_marked) in line(excerpt, before, marked).into_iter().take(cells) {
            let shown = match byte {
                Cell::Byte(byte) => format!("{byte:02x}"),
                Cell::Missing => "··".to_owned(),
                Cell::Blank => "  ".to_owned(),
            };
            letters.push(match byte {
                Cell::Byte(byte @ b' '..=b'~') => byte as char,
                Cell::Byte(_) => '.',
                Cell::Missing => '·',
                Cell::Blank => ' ',
            });
            marks.push(if is_marked { "^^" } else { "  " });
            columns.push(paint(
                &shown,
                if is_marked { AnsiColor::Red.on_default().bold() } else { Style::new() },
                colour,
            ));
        }
        let hex = columns.join(" ");
        let gap = 3 * cells.min(32) - (3 * columns.len()).min(3 * cells);
        let letters = if with_text { format!("{:gap$}  |{letters}|", "") } else { String::new() };
        let line = format!("  {label:<8}  {:08x}  {hex}{letters}", excerpt.offset);
        let _ = writeln!(text, "{}", line.trim_end());
        let marks = marks.join(" ");
        if !marks.trim().is_empty() {
            let marks = paint(marks.trim_end(), AnsiColor::Red.on_default().bold(), colour);
            let _ = writeln!(text, "  {:8}  {:8}  {marks}", "", "");
        }
    }
    text
}

#[derive(Clone, Copy)]
enum Cell {
    Byte(u8),
    /// The other side has a byte here.
    Missing,
    Blank,
}

/// An excerpt with its marked bytes in the columns from `before`, `marked` wide.
fn line(excerpt: &Excerpt, before: usize, marked: usize) -> Vec<(Cell, bool)> {
    let at = &excerpt.marked;
    let blanks = std::iter::repeat_n((Cell::Blank, false), before - at.start);
    let plain = |bytes: &[u8]| bytes.iter().map(|&byte| (Cell::Byte(byte), false)).collect::<Vec<_>>();
    let differs = excerpt.hex[at.clone()].iter().map(|&byte| (Cell::Byte(byte), true));
    let missing = std::iter::repeat_n((Cell::Missing, false), marked.saturating_sub(at.len()));
    blanks
        .chain(plain(&excerpt.hex[..at.start]))
        .chain(differs)
        .chain(missing)
        .chain(plain(&excerpt.hex[at.end..]))
        .collect()
}

fn on_the_wire(proof: &Proof, sent: u64, layout: Layout, colour: bool) -> String {
    let heading = |text: &str| paint(text, Style::new().bold(), colour);
    let mut text = format!("\n{}\n", heading("On the wire"));
    for (label, leg) in [("to the server    ", &proof.to_server), ("from the server  ", &proof.from_server)] {
        let said = match (leg, &proof.player) {
            (Some(leg), _) => leg_text(leg, sent),
            (None, Some(player)) if label.starts_with("from") => format!(
                "nothing of it: the player on connection {}, {} → {}, asked in frame {}{}",
                player.tcp_stream.0,
                player.src,
                player.dst,
                player.frame,
                if player.was_there { "" } else { ", and was not there when it passed" }
            ),
            (None, _) => "not in the capture".to_owned(),
        };
        text.push_str(&wrap(&said, &format!("  {label}"), layout));
    }
    let Some(took) = &proof.took else { return text };
    let _ = writeln!(text, "\n{}", heading("What was read from the stream"));
    let runs = if took.runs == 1 { "run" } else { "runs" };
    let mut said = format!("{} bytes in {} {runs}", took.found, took.runs);
    for (count, what) in [
        (took.headers, "chunk headers among them"),
        (took.lost, "payload bytes skipped"),
        (took.foreign, "bytes that are not payload"),
    ] {
        if count > 0 {
            let _ = write!(said, ", {count} {what}");
        }
    }
    text.push_str(&wrap(&said, "  ", layout));
    for step in &took.steps {
        let stream = step.stream_offset.map_or_else(|| "-".to_owned(), |offset| offset.to_string());
        let first = format!("  {:>9} {stream:>9}  ", step.received_offset);
        text.push_str(&wrap(&escape(&step.text), &first, layout));
    }
    let more = took.all_steps - took.steps.len() as u64;
    if more > 0 {
        let _ = writeln!(text, "  … and {more} more");
    }
    if !took.steps.is_empty() {
        text.push_str("  (offset in what was received, offset in the stream)\n");
    }
    text
}

fn leg_text(leg: &Leg, sent: u64) -> String {
    let right = match leg.carried {
        _ if leg.right => "right".to_owned(),
        carried if carried == sent => "changed, with other bytes inserted".to_owned(),
        carried => format!("{carried} of {sent} bytes"),
    };
    let (first, last) = leg.frames;
    let frames = if first == last { format!("frame {first}") } else { format!("frames {first} to {last}") };
    let messages = if leg.messages == 1 { "message" } else { "messages" };
    let header = match leg.tag_header {
        Some(0) => String::new(),
        Some(1) => ", each after 1 byte that is not in the file".to_owned(),
        Some(more) => format!(", each after {more} bytes that are not in the file"),
        None => ", after different numbers of other bytes".to_owned(),
    };
    format!(
        "{right}: {} {} {messages} on chunk stream {}{header}; connection {}, {} → {}, {frames}, from stream offset {}",
        leg.messages,
        leg.message_type.name(),
        leg.csid,
        leg.tcp_stream.0,
        leg.src,
        leg.dst,
        leg.stream_offset,
    )
}
