//! A stream as a dump: offset, hexadecimal digits and characters, in the colour of each layer.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::escape::escape;
use crate::field::counted;
use crate::follow::{Bytes, Layer, Stretch};
use crate::session::Direction;

use super::{Layout, paint};

/// Bytes in a line, and where the terminal is too narrow for that.
const LINE: usize = 16;
const SHORT: usize = 8;
/// Columns that a line of [`LINE`] bytes takes.
const WIDE: usize = 80;

/// Lays out stretches one after the other.
#[derive(Debug)]
pub struct Dump {
    layout: Layout,
    colour: bool,
}

fn style(layer: Layer) -> Style {
    match layer {
        Layer::Payload => Style::new().dimmed(),
        Layer::Handshake => AnsiColor::Yellow.on_default(),
        Layer::ChunkHeader => AnsiColor::Magenta.on_default(),
        Layer::Body => AnsiColor::Cyan.on_default(),
        Layer::Amf => AnsiColor::Green.on_default(),
    }
}

impl Dump {
    /// A dump laid out for `layout`, with colour or without.
    pub fn new(layout: Layout, colour: bool) -> Dump {
        Dump { layout, colour }
    }

    /// What the marks mean, and the colours where there are some.
    pub fn legend(&self) -> String {
        let mut text = String::from("> client to server, < server to client");
        if self.colour {
            let layers = [
                (Layer::Handshake, "handshake"),
                (Layer::ChunkHeader, "[chunk header]"),
                (Layer::Body, "body"),
                (Layer::Amf, "AMF"),
                (Layer::Payload, "not decoded"),
            ];
            for (layer, name) in layers {
                let _ = write!(text, "  {}", paint(name, style(layer), true));
            }
        }
        text + "\n"
    }

    /// The lines of a stretch.
    pub fn stretch(&self, stretch: &Stretch<'_>) -> String {
        let mark = match stretch.direction {
            Direction::ClientToServer => '>',
            Direction::ServerToClient => '<',
        };
        let title = stretch.title.map(|title| escape(title).into_owned());
        match stretch.bytes {
            Bytes::Missing(count) => {
                let title = title.map(|title| format!("; {title}")).unwrap_or_default();
                format!("{mark} {:08x}  {} not captured{title}\n", stretch.offset, counted(count, "byte"))
            }
            Bytes::Captured(bytes, Layer::ChunkHeader) => {
                let hex = words(bytes);
                let head =
                    format!("{mark} {:08x} [{}]", stretch.offset, paint(&hex, style(Layer::ChunkHeader), self.colour));
                let title = title.unwrap_or_default();
                let columns = 13 + hex.len() + 2 + title.len();
                let gap = if self.layout.width.is_some_and(|width| columns > width) { "\n            " } else { "  " };
                format!("{head}{gap}{title}\n")
            }
            Bytes::Captured(bytes, layer) => {
                let mut text = match title {
                    Some(title) => format!("{mark} {:08x}  {title}\n", stretch.offset),
                    None => String::new(),
                };
                self.lines(bytes, stretch.offset, mark, style(layer), &mut text);
                text
            }
        }
    }

    /// The lines of bytes that are no stream's.
    pub fn plain(&self, bytes: &[u8], offset: u64) -> String {
        let mut text = String::new();
        self.lines(bytes, offset, ' ', Style::new(), &mut text);
        text
    }

    fn lines(&self, bytes: &[u8], offset: u64, mark: char, style: Style, text: &mut String) {
        let count = if self.layout.width.is_some_and(|width| width < WIDE) { SHORT } else { LINE };
        for (number, line) in bytes.chunks(count).enumerate() {
            let (left, right) = line.split_at(line.len().min(SHORT));
            let hex = match count {
                SHORT => words(left),
                _ => format!("{:23}  {}", words(left), words(right)),
            };
            let padding = " ".repeat((if count == SHORT { 23 } else { 48 }) - hex.len());
            let characters: String = line.iter().map(|&byte| character(byte)).collect();
            let at = offset + (number * count) as u64;
            let hex = paint(&hex, style, self.colour);
            let _ = writeln!(text, "{mark} {at:08x}  {hex}{padding}  |{}|", paint(&characters, style, self.colour));
        }
    }
}

fn words(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn character(byte: u8) -> char {
    if matches!(byte, b' '..=b'~') { byte.into() } else { '.' }
}
