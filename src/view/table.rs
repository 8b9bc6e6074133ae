use comfy_table::{ContentArrangement, Table, presets};

use super::escaped;

/// Which columns a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// Those that matter most.
    Few,
    All,
}

/// Shown for what is not known.
pub(super) const UNKNOWN: &str = "-";

/// A table without lines, as wide as it needs to be: one row a line, so that `grep` and `less -S` work.
pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for row in rows {
        table.add_row(row.iter().map(|cell| escaped(cell).into_owned()));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}

pub(super) fn or_unknown(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or(UNKNOWN).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_on_their_line_whatever_they_hold() {
        let text = table(&["A", "B"], [vec!["x\ny\x1b[2J".to_owned(), "\u{202e}z".to_owned()]]);
        assert_eq!(text, "A              B\nx\\ny\\u{1b}[2J  \\u{202e}z\n");
    }
}
