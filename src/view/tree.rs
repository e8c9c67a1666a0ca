//! The tree: every field of a row on a line of its own, as in Wireshark's details, with its place in the stream.
//!
//! In front of a field is the offset of its first byte in the direction's stream; after it, in a message of
//! several frames, the frame it came from where that changes, and the name that filters know it by. A group
//! that only repeats what the line above it says has no line.

mod ledger;
pub(super) mod words;

use std::fmt::{self, Write};

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use crate::decode::Row;
use crate::dissect::vocabulary::Place;
use crate::dissect::{Dissection, Section};
use crate::escape::escape;
use crate::field::{Node, Value};
use crate::origin::{FrameNo, known_address};
use crate::session::{self, Outcome};

use super::Layout;
use super::list::cut;
use super::palette::Palette;

/// What a tree is to show besides names and values.
#[derive(Clone, Copy, Debug)]
pub struct TreeStyle {
    /// Where it is printed.
    pub layout: Layout,
    /// With each field's bytes before it.
    pub bytes: bool,
    /// With each chunk on a line of its own.
    pub chunks: bool,
}

/// Below this width there is no room for the fields' filter names.
const WIDE: usize = 110;
/// Bytes before a field on one line.
const LINE: usize = 8;
/// Lines of bytes before one field; the hex dump has them all.
const LINES: usize = 4;

/// Adds the fields of a row to a text. `palette` colours the content by its outermost fields.
pub fn tree(row: &Dissection<'_>, style: TreeStyle, palette: &Palette, text: &mut String) {
    let frame = row.row().first_frame;
    let frames = (frame == row.row().frame).then_some([frame, frame]);
    let mut page = Page { row, style, palette, frames, text, said: String::new(), extra: String::new() };
    for place in Place::ALL {
        match place {
            Place::Frame => page.place(row.row()),
            Place::Header => page.section(row.section(place), 1, Some(palette.header())),
            Place::Chunks => {
                if row.message().is_some_and(|message| message.chunks.len() > 1) {
                    page.text.push_str(&ledger::ledger(row, style.chunks, palette));
                }
            }
            Place::Content => {
                let section = row.section(place);
                page.body_line(section.bytes.len());
                page.section(section, 2, None);
            }
        }
    }
}

/// The tree as far as it is written.
struct Page<'p, 'a> {
    row: &'p Dissection<'a>,
    style: TreeStyle,
    palette: &'p Palette,
    /// The first and the last of the frames that were named last.
    frames: Option<[FrameNo; 2]>,
    text: &'p mut String,
    /// A field's words, and what follows them. Texts of their own for each field were five of six
    /// allocations of `decode -V`.
    said: String,
    extra: String,
}

impl Page<'_, '_> {
    /// Where the row is in the capture and in its connection.
    fn place(&mut self, row: &Row<'_>) {
        let from =
            if row.first_frame == row.frame { String::new() } else { format!(" (from frame {})", row.first_frame) };
        let (stream, at) = (row.tcp_stream.0, row.offset);
        let way = match (known_address(row.src), known_address(row.dst)) {
            (Some(src), Some(dst)) => format!("{src} → {dst}"),
            _ => row.direction.in_words().to_owned(),
        };
        let place = match row.frame.known() {
            Some(frame) => format!("Frame {frame}{from}, connection {stream}"),
            None => format!("Connection {stream}"),
        };
        self.line(format!("{place}, {way}, stream offset {at} ({at:#x})"));
        for comment in &row.comments {
            self.line(format!("Comment on frame {}: {}", comment.frame, escape(&comment.text)));
        }
        match row.outcome {
            Some(Outcome::Answered(reply)) => {
                let later = format!(", {} later", session::milliseconds(reply.time.since(row.time)));
                let later = if reply.time.known().is_some() { later } else { String::new() };
                match reply.frame.known() {
                    Some(frame) => self.line(format!("Answered in frame {frame}{later}")),
                    None => self.line(format!("Answered{later}")),
                }
            }
            Some(Outcome::Unanswered) => self.line("No answer to this call is in the capture".to_owned()),
            None => {}
        }
    }

    fn body_line(&mut self, here: usize) {
        match self.row.message() {
            Some(message) if !message.is_complete() => {
                self.line(format!("RTMP Body ({here} of {} bytes)", message.header.length));
            }
            Some(_) if here > 0 => self.line(format!("RTMP Body ({here} bytes)")),
            _ => {}
        }
    }

    fn line(&mut self, mut line: String) {
        cut(&mut line, self.room(4));
        let _ = writeln!(self.text, "    {line}");
    }

    /// How many columns are left in a line after so many.
    fn room(&self, taken: usize) -> usize {
        self.style.layout.width.map_or(usize::MAX, |width| width.saturating_sub(taken))
    }

    /// The fields of a section, those of depth 0 indented by so much; in one colour, or in the palette's.
    fn section(&mut self, section: &Section<'_>, indent: usize, colour: Option<Style>) {
        // The groups that are open, and whether each has a line.
        let mut open: Vec<(&Node, bool)> = Vec::new();
        for node in section.tree.nodes() {
            open.truncate(node.depth);
            let has_line = !open.last().is_some_and(|(parent, _)| words::repeats(node, parent));
            if has_line {
                let depth = open.iter().filter(|(_, has_line)| *has_line).count();
                let colour = colour.or_else(|| self.palette.at(node.range.start)).unwrap_or_default();
                self.field(section, node, 2 * (depth + indent - 1), colour);
            }
            // Bits are one level below the field they are in.
            open.resize(node.depth, (node, true));
            open.push((node, has_line));
        }
    }

    fn field(&mut self, section: &Section<'_>, node: &Node, indent: usize, colour: Style) {
        let has_place = !node.derived && node.bits.is_none();
        let origin = if has_place { self.row.place(section, &node.range) } else { None };
        let has_bytes = self.style.bytes && has_place && node.value != Value::None && !node.range.is_empty();
        let mut bytes = if has_bytes { self.bytes_beside(section, node, colour) } else { Vec::new() }.into_iter();
        let beside = if self.style.bytes { 3 * LINE + 1 } else { 0 };

        let room = self.room(4 + 8 + 2 + beside + indent);
        let (mut said, mut extra) = (std::mem::take(&mut self.said), std::mem::take(&mut self.extra));
        said.clear();
        extra.clear();
        words::write_words(&mut said, node, has_bytes);
        cut(&mut said, room);
        // In part it would say nothing.
        let fits = |extra: &str| room == usize::MAX || said.width() + extra.width() <= room;
        let mut add = |more: fmt::Arguments<'_>| {
            let before = extra.len();
            let _ = extra.write_fmt(more);
            if !fits(&extra) {
                extra.truncate(before);
            }
        };
        if let (false, Some((_, Some(frames)))) = (node.value == Value::None, origin)
            && self.frames.replace(frames) != Some(frames)
        {
            match frames {
                [first, last] if first == last => add(format_args!("  frame {first}")),
                [first, last] => add(format_args!("  frames {first}–{last}")),
            }
        }
        if self.style.layout.width.is_none_or(|width| width >= WIDE) {
            add(format_args!("  [{}]", node.def.name));
        }
        let _ = match origin {
            Some((at, _)) => write!(self.text, "    {at:08x}  "),
            None => write!(self.text, "    {:8}  ", ""),
        };
        match bytes.next() {
            Some((_, first)) => self.text.push_str(&first),
            None => _ = write!(self.text, "{:beside$}", ""),
        }
        let _ = write!(self.text, "{:indent$}", "");
        self.palette.write(self.text, colour, &said);
        self.palette.write(self.text, Style::new().dimmed(), &extra);
        self.text.push('\n');
        for (at, more) in bytes {
            let _ = writeln!(self.text, "    {at:<8}  {}", more.trim_end());
        }
        (self.said, self.extra) = (said, extra);
    }

    /// A field's bytes in lines of equal width, each with the offset of its first byte.
    fn bytes_beside(&self, section: &Section<'_>, node: &Node, style: Style) -> Vec<(String, String)> {
        let bytes = section.bytes_of(node);
        let mut lines = Vec::new();
        for (index, part) in bytes.chunks(LINE).enumerate() {
            let first = node.range.start + index * LINE;
            let place = |i: usize| section.map.at((first + i) as u64);
            let at = place(0).map(|at| format!("{at:08x}")).unwrap_or_default();
            if index == LINES {
                lines.push((at, format!("… {} more", bytes.len() - LINE * LINES)));
                break;
            }
            let captured = |i: usize| place(i).is_none_or(|at| self.row.is_captured(at));
            let word = |(i, byte)| if captured(i) { format!("{byte:02x}") } else { "--".to_owned() };
            let hex = part.iter().enumerate().map(word).collect::<Vec<_>>().join(" ");
            let padding = " ".repeat(3 * LINE + 1 - hex.len());
            lines.push((at, self.palette.paint(style, &hex) + &padding));
        }
        lines
    }
}
