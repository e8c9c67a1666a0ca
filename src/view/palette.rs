//! One colour for each outermost field of a body, the same in its tree and in its bytes.

use std::ops::Range;

use anstyle::{AnsiColor, Style};

use crate::field::{Tree, Value};

use super::list::paint;

/// Which offsets of a body have which colour.
#[derive(Debug, Default)]
pub struct Palette {
    colour: bool,
    spans: Vec<(Range<usize>, Style)>,
}

const COLOURS: [AnsiColor; 5] =
    [AnsiColor::Cyan, AnsiColor::Green, AnsiColor::Yellow, AnsiColor::Blue, AnsiColor::BrightRed];

impl Palette {
    /// The colours of a body's fields; nothing is painted without `colour`.
    pub fn new(body: &Tree, colour: bool) -> Palette {
        if !colour {
            return Palette::default();
        }
        let spans_at = |depth: usize| {
            let is_span = move |depth_of: usize, is_leaf: bool| depth_of == depth || (is_leaf && depth_of < depth);
            body.nodes()
                .iter()
                .filter(move |node| is_span(node.depth, node.value != Value::None))
                .filter(|node| node.bits.is_none() && !node.derived && !node.range.is_empty())
                .map(|node| node.range.clone())
        };
        // A body that is one group is told apart by what is in it.
        let deepest = body.nodes().iter().map(|node| node.depth).max().unwrap_or(0);
        let depth = (0..=deepest).find(|&depth| spans_at(depth).nth(1).is_some()).unwrap_or(deepest);
        let colours = COLOURS.into_iter().cycle().map(|colour| colour.on_default());
        Palette { colour, spans: spans_at(depth).zip(colours).collect() }
    }

    /// The colour of the byte at an offset of the body.
    pub fn at(&self, offset: usize) -> Option<Style> {
        let index = self.spans.partition_point(|(range, _)| range.end <= offset);
        self.spans.get(index).filter(|(range, _)| range.contains(&offset)).map(|(_, style)| *style)
    }

    /// The colour of chunk headers.
    pub fn header(&self) -> Style {
        AnsiColor::Magenta.on_default()
    }

    /// Adds a text in a style, if there are to be colours.
    pub fn write(&self, line: &mut String, style: Style, text: &str) {
        paint(line, self.colour, style, text);
    }

    /// The text in a style, if there are to be colours.
    pub fn paint(&self, style: Style, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}
