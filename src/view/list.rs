//! The list: a line for each row, as in Wireshark's packet list.

use std::collections::HashMap;
use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::decode::{MessageRow, Row, What};
use crate::digits::Digits;
use crate::origin::Time;
use crate::rtmp::MessageTypeId;
use crate::session::Direction;
use crate::tcp::ConnectionId;

use super::Layout;
use crate::escape::escape;

/// Prints rows as lines. It remembers what it said of a direction, so as not to say it again on every row.
#[derive(Debug)]
pub struct List {
    layout: Layout,
    colour: bool,
    said: HashMap<(ConnectionId, Direction, &'static str), String>,
    /// The line, and the texts of its columns: a new one for each row took a sixth of the time of a list.
    line: String,
    texts: String,
}

/// What is in a column.
#[derive(Clone, Copy)]
enum Cell<'t> {
    Text(&'t str),
    Number(u64),
}

impl Cell<'_> {
    /// Adds it to a line, in so many columns, with its end at the last.
    fn right(self, width: usize, line: &mut String) {
        let number;
        let text = match self {
            Cell::Text(text) => text,
            Cell::Number(value) => {
                number = Digits::of(value);
                number.as_str()
            }
        };
        space(width.saturating_sub(text.chars().count()), line);
        line.push_str(text);
    }

    /// The same with its beginning at the first.
    fn left(self, width: usize, line: &mut String) {
        let before = line.len();
        self.right(0, line);
        space(width.saturating_sub(line[before..].chars().count()), line);
    }
}

fn space(mut width: usize, line: &mut String) {
    const SPACES: &str = "                                        ";
    while width > 0 {
        let some = width.min(SPACES.len());
        line.push_str(&SPACES[..some]);
        width -= some;
    }
}

/// So many statements are remembered.
const MOST_SAID: usize = 4096;

/// Below this width the type is shown by its number alone: the summary names it anyway.
const WIDE: usize = 130;
/// Below this width the chunk stream and the timestamp give way to the summary; -V shows them.
const MIDDLE: usize = 100;
/// The longest name of a type with its number, `Window Acknowledgement Size 5 (0x05)`.
const TYPE_WIDTH: usize = 36;

impl List {
    /// A list laid out for `layout`, with colour or without.
    pub fn new(layout: Layout, colour: bool) -> List {
        List { layout, colour, said: HashMap::new(), line: String::new(), texts: String::new() }
    }

    /// The line over the columns.
    pub fn header(&self) -> String {
        let wide = ["Msg", "No.", "Time", "Conn", "Dir", "CSID", "Type", "Length", "Timestamp"];
        let narrow = ["Msg", "No.", "Time", "#", "Dir", "CS", "Type", "Length", "TS"];
        let mut line = String::new();
        self.columns(&mut line, if self.is_wide() { wide } else { narrow }.map(Cell::Text));
        self.paint(&format!("{line}  Info"), Style::new().bold()) + "\n"
    }

    /// Adds a row's line to a text, and below it what is wrong. Times count from `start`, the capture's first frame.
    pub fn row(&mut self, row: &Row<'_>, start: Time, text: &mut String) {
        let (mut line, mut texts) = (std::mem::take(&mut self.line), std::mem::take(&mut self.texts));
        line.clear();
        texts.clear();
        match row.time.known() {
            Some(time) => {
                let since = time.since(start);
                let sign = if since < 0 { "-" } else { "" };
                let since = since.unsigned_abs();
                let micros = Digits::new().number(since % 1_000_000_000 / 1000, 6).character(b'.');
                texts.push_str(sign);
                texts.push_str(micros.number(since / 1_000_000_000, 1).as_str());
            }
            None => texts.push('-'),
        }
        let time_len = texts.len();
        // A frame of one of several files is not a number alone.
        if let Some(frame) = row.frame.known() {
            match frame.file() {
                Some(_) => _ = write!(texts, "{frame}"),
                None => texts.push_str(Digits::of(frame.number()).as_str()),
            }
        } else {
            texts.push('-');
        }
        let frame_len = texts.len();
        let (csid, timestamp) = match &row.what {
            What::Message(message) => {
                self.write_type(message.type_id, &mut texts);
                let timestamp = message.timestamp.map_or(Cell::Text("?"), |timestamp| Cell::Number(timestamp.into()));
                let csid = message.csid.map_or(Cell::Text(""), |csid| Cell::Number(csid.0.into()));
                (csid, timestamp)
            }
            What::Handshake(_) => {
                texts.push_str("Handshake");
                (Cell::Text(""), Cell::Text(""))
            }
            What::Gap { .. } | What::Undecoded { .. } => {
                texts.push_str(row.kind);
                (Cell::Text(""), Cell::Text(""))
            }
        };
        let (time, rest) = texts.split_at(time_len);
        let (frame, kind) = rest.split_at(frame_len - time_len);
        let cells = [
            Cell::Number(row.number),
            Cell::Text(frame),
            Cell::Text(time),
            Cell::Number(row.tcp_stream.0.into()),
            Cell::Text(row.direction.arrow()),
            csid,
            Cell::Text(kind),
            Cell::Number(row.length()),
            timestamp,
        ];
        self.columns(&mut line, cells);
        line.push_str("  ");
        line.push_str(&escape(&row.info));
        let dim_from = line.len();
        if !row.detail.is_empty() {
            line.push_str("  ");
            line.push_str(&escape(&row.detail));
        }
        let mut below = String::new();
        for defect in &row.defects {
            let key = (row.tcp_stream, row.direction, defect.code);
            let _ = write!(line, "  [{}]", defect.code);
            if self.said.get(&key) != Some(&defect.message) {
                let text = format!("        ! {}: {} (stream offset {})", defect.code, defect.message, defect.offset);
                let text = self.paint(&escape(&text), AnsiColor::Yellow.on_default());
                let _ = writeln!(below, "{text}");
                // Connections come and go: rather say something again than remember it for ever.
                if self.said.len() >= MOST_SAID {
                    self.said.clear();
                }
                self.said.insert(key, defect.message.clone());
            }
        }
        let (said, extra) = cut_in_two(&mut line, dim_from, self.layout.width);
        paint(text, self.colour, style(row), said);
        paint(text, self.colour, Style::new().dimmed(), extra);
        text.push('\n');
        text.push_str(&below);
        (self.line, self.texts) = (line, texts);
    }

    fn columns(&self, line: &mut String, [msg, no, time, conn, dir, csid, kind, length, ts]: [Cell<'_>; 9]) {
        let is_wide = self.is_wide();
        let is_narrow = self.layout.width.is_some_and(|width| width < MIDDLE);
        let time = match time {
            // Microseconds give way first.
            Cell::Text(time) if !is_wide => {
                let short = time.get(..time.len().saturating_sub(3)).filter(|short| short.contains('.'));
                Cell::Text(short.unwrap_or(time))
            }
            time => time,
        };
        let narrow = [(msg, 4), (no, 5), (time, if is_narrow { 7 } else { 8 }), (conn, 2)];
        let wide = [(msg, 6), (no, 6), (time, 11), (conn, 4)];
        for (cell, width) in if is_wide { wide } else { narrow } {
            cell.right(width, line);
            line.push(' ');
        }
        dir.left(3, line);
        line.push(' ');
        if is_wide {
            csid.right(5, line);
            line.push_str("  ");
        } else if !is_narrow {
            csid.right(2, line);
            line.push(' ');
        }
        kind.left(if is_wide { TYPE_WIDTH } else { 9 }, line);
        line.push(' ');
        length.right(if is_wide { 8 } else { 6 }, line);
        if !is_narrow {
            line.push(' ');
            ts.right(if is_wide { 10 } else { 7 }, line);
        }
    }

    fn write_type(&self, type_id: MessageTypeId, text: &mut String) {
        let _ = if self.is_wide() { write!(text, "{type_id}") } else { write!(text, "{}", type_id.numbers()) };
    }

    fn is_wide(&self) -> bool {
        self.layout.width.is_none_or(|width| width >= WIDE)
    }

    fn paint(&self, text: &str, style: Style) -> String {
        if self.colour && !text.is_empty() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// Adds a text in a style, if there are to be colours.
pub(super) fn paint(line: &mut String, colour: bool, style: Style, text: &str) {
    if colour && !text.is_empty() {
        let _ = write!(line, "{style}{text}{style:#}");
    } else {
        line.push_str(text);
    }
}

fn style(row: &Row<'_>) -> Style {
    match &row.what {
        What::Gap { .. } => AnsiColor::Red.on_default(),
        What::Undecoded { .. } => AnsiColor::Yellow.on_default(),
        What::Message(message) => message_style(message),
        What::Handshake(_) => AnsiColor::Magenta.on_default(),
    }
}

fn message_style(message: &MessageRow<'_>) -> Style {
    match message.type_id {
        _ if !message.complete => AnsiColor::Red.on_default(),
        MessageTypeId::AMF0_COMMAND | MessageTypeId::AMF3_COMMAND => AnsiColor::Cyan.on_default(),
        MessageTypeId::AMF0_DATA | MessageTypeId::AMF3_DATA => AnsiColor::Green.on_default(),
        type_id if type_id.is_protocol_control() => AnsiColor::Blue.on_default(),
        type_id if type_id.is_known() => Style::new(),
        _ => AnsiColor::Yellow.on_default(),
    }
}

/// Cuts a line to `width` columns and gives what comes before byte `at` of it, and the rest.
fn cut_in_two(line: &mut String, at: usize, width: Option<usize>) -> (&str, &str) {
    if let Some(width) = width {
        cut(line, width);
    }
    let mut at = at.min(line.len());
    while !line.is_char_boundary(at) {
        at -= 1;
    }
    line.split_at(at)
}

/// Cuts a line to `width` columns, with an ellipsis for what is gone.
pub(super) fn cut(line: &mut String, width: usize) {
    // Where nothing is cut, nothing is measured: that took a tenth of the time of `decode -V`.
    if width == usize::MAX || line.width() <= width {
        return;
    }
    let mut columns = 0;
    let end = line.char_indices().find(|(_, c)| {
        columns += c.width().unwrap_or(0);
        columns + 1 > width
    });
    if let Some((end, _)) = end {
        line.truncate(end);
        line.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_be_cut_anywhere_around_the_place_where_its_colour_changes() {
        for width in 1..12 {
            for at in 0..=6 {
                let mut line = "12345678".to_owned();
                let (said, extra) = cut_in_two(&mut line, at, Some(width));
                assert!(said.len() <= at && (said.to_owned() + extra).width() <= width.max(1));
            }
        }
    }

    #[test]
    fn a_cut_line_fits_with_its_ellipsis_also_in_wide_characters() {
        for (text, width, expected) in
            [("abcdef", 6, "abcdef"), ("abcdef", 5, "abcd…"), ("日本語", 5, "日本…"), ("日本語", 4, "日…")]
        {
            let mut line = text.to_owned();
            cut(&mut line, width);
            assert_eq!(line, expected);
            assert!(line.width() <= width);
        }
    }
}
