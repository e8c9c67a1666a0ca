//! The table of fields.

use comfy_table::{ContentArrangement, Table, presets};

use super::Layout;

/// Name, type and meaning of each field.
pub fn table(rows: impl Iterator<Item = [&'static str; 3]>, layout: Layout) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = layout.width {
        table.set_width(width.try_into().unwrap_or(u16::MAX));
    }
    table.set_header(["Field", "Type", "Meaning"]);
    for row in rows {
        table.add_row(row);
    }
    table.trim_fmt() + "\n"
}

/// Words broken into lines that fit.
pub fn paragraph(words: &str, layout: Layout) -> String {
    let width = layout.width.unwrap_or(usize::MAX);
    let mut text = String::new();
    let mut column = 0;
    for word in words.split(' ') {
        if column > 0 && column + 1 + word.len() > width {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.len();
    }
    text + "\n"
}
