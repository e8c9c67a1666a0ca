//! The tree: every field of a row on a line of its own, as in Wireshark's details, with its place in the stream.

use std::fmt::Write;
use std::ops::Range;

use anstyle::Style;

use crate::decode::Row;
use crate::dissect::vocabulary::Place;
use crate::dissect::{Dissection, Section};
use crate::field::{Bits, Kind, Node, Value};
use crate::origin::Time;
use crate::session::Outcome;

use super::Layout;
use super::escape::escape;
use super::palette::Palette;

/// What a tree is to show besides names and values.
#[derive(Clone, Copy, Debug)]
pub struct TreeStyle {
    /// Where it is printed.
    pub layout: Layout,
    /// With each field's bytes in front of it.
    pub bytes: bool,
}

/// Below this width there is no room for the fields' filter names.
const WIDE: usize = 110;
/// Bytes in front of a field on one line.
const LINE: usize = 8;
/// Lines of bytes in front of one field; the hex dump has them all.
const LINES: usize = 4;
/// Bytes of a value that are written out.
const SHOWN: usize = 32;

/// The fields of a row. `palette` colours the content by its outermost fields.
pub fn tree(row: &Dissection<'_>, style: TreeStyle, palette: &Palette) -> String {
    let mut text = String::new();
    for (place, section) in row.sections() {
        match place {
            Place::Frame => text.push_str(&self::place(row.row())),
            Place::Header => lines(row, section, 1, style, palette, Some(palette.header()), &mut text),
            Place::Chunks if row.message().is_some_and(|message| message.chunks.len() > 1) => {
                text.push_str(&ledger(row, palette));
            }
            Place::Chunks => {}
            Place::Content => {
                if row.message().is_some() && !section.bytes.is_empty() {
                    let _ = writeln!(text, "    RTMP Body ({} bytes)", section.bytes.len());
                }
                lines(row, section, 2, style, palette, None, &mut text);
            }
        }
    }
    text
}

/// The chunks of a message, one a line.
pub fn ledger(row: &Dissection<'_>, palette: &Palette) -> String {
    let mut text = format!("    Chunks: {}\n", row.ledger().count());
    let widest = row.ledger().map(|entry| entry.header.len()).max().unwrap_or(0).max(2) * 3;
    let columns = ["#", "Offset", "Header", "fmt", "Payload", "Size in force", "Frames"];
    let line = |[number, offset, header, fmt, payload, size, frames]: [&str; 7], header_width: usize| {
        format!("    {number:>6}  {offset:>8}  {header:<header_width$} {fmt:>3} {payload:>8} {size:>13}  {frames}\n")
    };
    text.push_str(&line(columns, widest));
    for entry in row.ledger() {
        let chunk = entry.chunk;
        let header: Vec<_> = entry.header.iter().map(|byte| format!("{byte:02x}")).collect();
        let header = header.join(" ");
        let frames = match entry.frames {
            [Some(first), Some(last)] if first == last => first.to_string(),
            ends => {
                let [first, last] = ends.map(|frame| frame.map_or_else(|| "?".to_owned(), |frame| frame.to_string()));
                format!("{first}–{last}")
            }
        };
        let painted = palette.paint(palette.header(), &header);
        let width = widest + painted.len() - header.len();
        let cells = [
            &entry.number.to_string(),
            &format!("{:08x}", chunk.at),
            &painted,
            &chunk.fmt.to_string(),
            &chunk.payload.to_string(),
            &chunk.chunk_size.to_string(),
            &frames,
        ];
        text.push_str(&line(cells.map(String::as_str), width));
    }
    text
}

/// Where the row stands in the capture and in its connection.
fn place(row: &Row<'_>) -> String {
    let first = if row.first_frame == row.frame { String::new() } else { format!(" (from frame {})", row.first_frame) };
    let (from, to) = (row.src, row.dst);
    let (connection, at) = (row.tcp_stream.0, row.offset);
    let answer = match row.outcome {
        Some(Outcome::Answered(reply)) => {
            format!("    Answered in frame {}, {} s later\n", reply.frame, Time(reply.time.since(row.time)))
        }
        Some(Outcome::Unanswered) => "    No answer to this call is in the capture\n".to_owned(),
        None => String::new(),
    };
    format!(
        "    Frame {}{first}, connection {connection}, {from} → {to}, stream offset {at} ({at:#x})\n{answer}",
        row.frame
    )
}

fn lines(
    row: &Dissection<'_>,
    section: &Section<'_>,
    indent: usize,
    style: TreeStyle,
    palette: &Palette,
    colour: Option<Style>,
    text: &mut String,
) {
    let with_names = style.layout.width.is_none_or(|width| width >= WIDE);
    for node in section.tree.nodes() {
        let has_place = !node.derived && node.bits.is_none();
        let at = row.origin(section, &node.range).map(|(at, _)| at).filter(|_| has_place);
        let place = |by: usize| at.map(|at| format!("{:08x}", at + by as u64)).unwrap_or_default();
        let colour = colour.or_else(|| palette.at(node.range.start)).unwrap_or_default();
        let mut bytes = Vec::new();
        if style.bytes && has_place && node.value != Value::None {
            bytes = bytes_beside(section.bytes_of(node), at, row, palette, colour);
        }
        let mut bytes = bytes.into_iter();
        let no_bytes = || " ".repeat(if style.bytes { 3 * LINE + 1 } else { 0 });
        let first = bytes.next().unwrap_or_else(no_bytes);
        let words = "  ".repeat(node.depth + indent - 1) + &palette.paint(colour, &words(node));
        let name = if with_names { format!("  [{}]", node.def.name) } else { String::new() };
        let name = palette.paint(Style::new().dimmed(), &name);
        let _ = writeln!(text, "    {:<8}  {first}{words}{name}", place(0));
        for (index, more) in bytes.enumerate() {
            let _ = writeln!(text, "    {:<8}  {}", place((index + 1) * LINE), more.trim_end());
        }
    }
}

/// A field's bytes, in lines of equal width.
fn bytes_beside(bytes: &[u8], at: Option<u64>, row: &Dissection<'_>, palette: &Palette, style: Style) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (index, part) in bytes.chunks(LINE).enumerate() {
        if index == LINES {
            lines.push(format!("… {} more", bytes.len() - LINE * LINES));
            break;
        }
        let mut hex: String = part.iter().map(|byte| format!("{byte:02x} ")).collect();
        // A stretch that crosses chunks is looked at by its first byte: the dump has every byte's own place.
        if at.is_some_and(|at| !row.is_captured(at + (index * LINE) as u64)) {
            hex = "-- ".repeat(part.len());
        }
        let hex = hex.trim_end();
        lines.push(palette.paint(style, hex) + &" ".repeat(3 * LINE + 1 - hex.len()));
    }
    lines
}

/// A node in words: `Timestamp: 40`, `00.. .... = Format: 0`, `String 'live'`.
fn words(node: &Node) -> String {
    let text = node.text.as_deref().unwrap_or_default();
    match (&node.value, node.derived) {
        _ if node.def.kind == Kind::Mark => node.def.title.to_owned(),
        (Value::None, _) if text.is_empty() => node.def.title.to_owned(),
        (Value::None, _) => escape(text).into_owned(),
        (_, true) if text.is_empty() => format!("[{}: {}]", node.def.title, value(node)),
        (_, true) => format!("[{}: {}] ({text})", node.def.title, value(node)),
        (_, false) => match node.bits {
            Some(bits) => format!("{} = {}: {}", pattern(bits, &node.range, &node.value), node.def.title, value(node)),
            None => format!("{}: {}", node.def.title, value(node)),
        },
    }
}

fn value(node: &Node) -> String {
    let plain = node.value.plain(node.def.kind, node.range.len());
    let meaning = node.def.meaning_of(&node.value);
    match (&node.value, meaning) {
        (Value::Uint(number), Some(meaning)) if node.def.kind == Kind::Hex => format!("{meaning} {number} ({plain})"),
        (Value::Uint(number), None) if node.def.kind == Kind::Hex => format!("{number} ({plain})"),
        (_, Some(meaning)) => format!("{meaning} ({plain})"),
        (Value::Text(text), None) => format!("'{}'", escape(text)),
        (Value::Boolean(truth), None) => truth.to_string(),
        (Value::Bytes(bytes), None) if bytes.len() > SHOWN => {
            format!("{}… ({} bytes)", hex::encode(&bytes[..SHOWN]), bytes.len())
        }
        _ => plain.into_owned(),
    }
}

/// The bits of a field among those of its bytes: `..00 0011`. Nothing for fields of more than four bytes.
fn pattern(bits: Bits, range: &Range<usize>, value: &Value) -> String {
    let (width, Value::Uint(number)) = (range.len() * 8, value) else { return String::new() };
    if width > 32 {
        return format!("{} bits", bits.width);
    }
    let mut text = String::new();
    for bit in (0..width as u32).rev() {
        let inside = (bits.shift..bits.shift + bits.width).contains(&bit);
        text.push(match inside {
            true if number >> (bit - bits.shift) & 1 == 1 => '1',
            true => '0',
            false => '.',
        });
        if bit % 4 == 0 && bit > 0 {
            text.push(' ');
        }
    }
    text
}
