//! The ledger: how a message was cut into chunks.

use crate::dissect::{Dissection, Entry};
use crate::origin::FrameNo;
use crate::view::palette::Palette;

/// The chunks of a message, one a line. Unless `all` are wanted, chunks that are alike share a line.
pub fn ledger(row: &Dissection<'_>, all: bool, palette: &Palette) -> String {
    let widest = row.ledger().map(|entry| entry.header.len() * 3 - 1).max().unwrap_or(0).max(6);
    let columns = ["#", "Offset", "Header", "fmt", "Payload", "Limit", "Frames"];
    let mut text = format!("    Chunks: {}\n", row.ledger().count());
    text.push_str(&line(columns, &(" ".repeat(widest - 6))));
    let mut entries = row.ledger().peekable();
    while let Some(first) = entries.next() {
        let mut run = Run { first, last: first };
        while let Some(next) = entries.next_if(|next| !all && run.goes_on_with(next)) {
            run.last = next;
        }
        let Entry { chunk, header, .. } = run.first;
        let hex: Vec<_> = header.iter().map(|byte| format!("{byte:02x}")).collect();
        let hex = hex.join(" ");
        let cells = [
            &span(run.first.number, run.last.number),
            &format!("{:08x}", chunk.at),
            &palette.paint(palette.header(), &hex),
            &chunk.fmt.to_string(),
            &chunk.payload.to_string(),
            &chunk.chunk_size.to_string(),
            &span(frame(run.first.frames[0]), frame(run.last.frames[1])),
        ];
        text.push_str(&line(cells.map(String::as_str), &" ".repeat(widest - hex.len())));
    }
    text
}

/// Chunks that are alike but for their place.
struct Run<'a> {
    first: Entry<'a>,
    last: Entry<'a>,
}

impl Run<'_> {
    fn goes_on_with(&self, next: &Entry<'_>) -> bool {
        let alike = |entry: &Entry<'_>| (entry.chunk.payload, entry.chunk.chunk_size);
        // Bytes of other messages may be between two chunks.
        let end = self.last.chunk.at + u64::from(self.last.chunk.header_len) + u64::from(self.last.chunk.payload);
        self.first.header == next.header && alike(&self.first) == alike(next) && end == next.chunk.at
    }
}

fn line([number, offset, header, fmt, payload, limit, frames]: [&str; 7], padding: &str) -> String {
    format!("    {number:>4} {offset:>8}  {header}{padding} {fmt:>3} {payload:>7} {limit:>5}  {frames}\n")
}

fn frame(frame: Option<FrameNo>) -> String {
    frame.map_or_else(|| "?".to_owned(), |frame| frame.to_string())
}

fn span<T: ToString + PartialEq>(first: T, last: T) -> String {
    if first == last { first.to_string() } else { format!("{}–{}", first.to_string(), last.to_string()) }
}
