//! The fields of bytes that no row of a capture has, as a tree: offset, bytes, and each field in words.

use std::fmt::Write as _;

use anstyle::Style;

use crate::field::{Node, Tree, Value};

use super::palette::Palette;
use super::tree::words::{repeats, words};
use super::{Layout, list::cut};

/// Bytes beside a field.
const BYTES: usize = 8;

/// The fields of `bytes`, of which the first is at offset `base`. A group that only repeats its parent has no line.
pub fn tree(tree: &Tree, bytes: &[u8], base: u64, layout: Layout, colour: bool) -> String {
    let palette = Palette::new(tree, colour);
    let mut text = String::new();
    let mut parents: Vec<(&Node, usize)> = Vec::new();
    for node in tree.nodes() {
        parents.truncate(parents.iter().take_while(|(parent, _)| parent.depth < node.depth).count());
        let (parent, depth) = parents.last().map_or((None, 0), |(parent, depth)| (Some(*parent), *depth));
        let is_repeated = parent.is_some_and(|parent| repeats(node, parent));
        let shown = if is_repeated { depth } else { depth + usize::from(parent.is_some()) };
        let has_bytes = node.value != Value::None && !node.derived && node.bits.is_none();
        parents.push((node, shown));
        if is_repeated {
            continue;
        }
        let own = if has_bytes { bytes.get(node.range.clone()).unwrap_or_default() } else { &[] };
        let style = if own.is_empty() { Style::new() } else { palette.at(node.range.start).unwrap_or_default() };
        let indent = "  ".repeat(shown);
        let mut said = words(node, false);
        let first = 8 + 2 + 3 * BYTES + 1;
        if let Some(width) = layout.width {
            cut(&mut said, width.saturating_sub(first + indent.len()));
        }
        for (line, part) in own.chunks(BYTES).enumerate().take(1.max(own.len().div_ceil(BYTES))) {
            let hex = part.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
            let padding = " ".repeat(3 * BYTES + 1 - hex.len());
            let at = base + (node.range.start + line * BYTES) as u64;
            let hex = palette.paint(style, &hex);
            let said =
                if line == 0 { format!("{padding}{indent}{}", palette.paint(style, &said)) } else { String::new() };
            let _ = writeln!(text, "{at:08x}  {hex}{said}");
        }
        if own.is_empty() {
            let _ =
                writeln!(text, "{:08x}  {}{indent}{said}", base + node.range.start as u64, " ".repeat(3 * BYTES + 1));
        }
    }
    text
}
