//! Tables: one look for all of them.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

/// The width for readers that are no terminal: lines are not broken for them.
const WIDE: u16 = 400;

/// A table without lines, in upper-case heads, as wide as the terminal.
pub fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if !table.is_tty() {
        table.set_width(WIDE);
    }
    if !heads.is_empty() {
        table.set_header(heads.iter().copied());
    }
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Names and values in two columns.
pub fn facts(rows: Vec<(&str, String)>) -> String {
    table(&[], rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]))
}
