//! A message's bytes as they stood in the stream, chunk headers apart from payload.

use std::fmt::Write;

use anstyle::Style;

use crate::dissect::Dissection;

use super::Layout;
use super::palette::Palette;

/// Bytes in a line, and where the terminal is too narrow for that.
const LINE: usize = 16;
const SHORT: usize = 8;
/// Columns that a line of [`LINE`] bytes takes.
const WIDE: usize = 80;

/// The dump, a line each 16 bytes: offset in the direction's stream, hex, text. A chunk's header has a
/// line of its own, in brackets; bytes that were not captured are shown as `--`. Nothing for rows that are
/// not messages.
pub fn hexdump(row: &Dissection<'_>, layout: Layout, palette: &Palette) -> String {
    let in_line = if layout.width.is_some_and(|width| width < WIDE) { SHORT } else { LINE };
    let mut dump = String::new();
    let Some(message) = row.message() else { return dump };
    let captured = |offset| row.is_captured(offset);
    let mut body_at = 0usize;
    for (chunk, header) in message.chunk_headers() {
        let shown = bytes(header, chunk.at, &captured, |_| Some(palette.header()), palette);
        let of = match message.is_chunked() {
            true => format!("header: fmt {}, payload {}, chunk size {}", chunk.fmt, chunk.payload, chunk.chunk_size),
            false => format!("tag header: body {}", chunk.payload),
        };
        let hex = 3 * header.len() + 1;
        let gap =
            if layout.width.is_some_and(|width| 11 + hex + 2 + of.len() > width) { "\n             " } else { "  " };
        let _ = writeln!(dump, "  {:08x} [{shown}]{gap}{of}", chunk.at);
        let end = (body_at + chunk.payload as usize).min(message.body.len());
        let payload = message.body.get(body_at..end).unwrap_or_default();
        let stream = chunk.at + u64::from(chunk.header_len);
        for (i, line) in payload.chunks(in_line).enumerate() {
            let at = stream + (i * in_line) as u64;
            let in_body = body_at + i * in_line;
            let (left, right) = line.split_at(line.len().min(LINE / 2));
            let half = |half: &[u8], from: usize| {
                let shown = bytes(half, at + from as u64, &captured, |i| palette.at(in_body + from + i), palette);
                // Three columns a byte but for the last space; colours take none.
                shown + &" ".repeat(3 * (LINE / 2 - half.len()) - usize::from(half.is_empty()))
            };
            let hex = match in_line {
                SHORT => half(left, 0),
                _ => format!("{}  {}", half(left, 0), half(right, LINE / 2)),
            };
            let _ = writeln!(dump, "  {at:08x}  {hex}  |{}|", text(line, at, &captured));
        }
        body_at = end;
    }
    dump
}

/// Bytes in hex, with a space between them; bytes of one colour share one escape sequence.
fn bytes(
    bytes: &[u8],
    at: u64,
    captured: &impl Fn(u64) -> bool,
    style: impl Fn(usize) -> Option<Style>,
    palette: &Palette,
) -> String {
    let mut shown = String::new();
    let mut from = 0;
    while from < bytes.len() {
        let colour = style(from);
        let end = (from..bytes.len()).find(|&i| style(i) != colour).unwrap_or(bytes.len());
        let word = |i: usize| if captured(at + i as u64) { format!("{:02x}", bytes[i]) } else { "--".to_owned() };
        let words: Vec<_> = (from..end).map(word).collect();
        if from > 0 {
            shown.push(' ');
        }
        shown.push_str(&palette.paint(colour.unwrap_or_default(), &words.join(" ")));
        from = end;
    }
    shown
}

fn text(bytes: &[u8], at: u64, captured: &impl Fn(u64) -> bool) -> String {
    let shown = |(i, &byte): (usize, &u8)| match byte {
        _ if !captured(at + i as u64) => '-',
        b' '..=b'~' => byte as char,
        _ => '.',
    };
    bytes.iter().enumerate().map(shown).collect()
}
