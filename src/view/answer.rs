//! What the tools of `ask` found, as tables: their columns are known only when they answer.

use std::borrow::Cow;

use serde_json::Value;

use super::csv;
use super::table::{UNKNOWN, table};

/// Cells as people read them.
#[must_use]
pub fn cells_table(columns: &[&str], rows: &[Vec<Value>]) -> String {
    let header: Vec<_> = columns.iter().map(|column| heading(column)).collect();
    let header: Vec<_> = header.iter().map(String::as_str).collect();
    table(&header, rows.iter().map(|row| row.iter().map(|cell| shown(cell).into_owned()).collect()))
}

/// Cells as data: RFC 4180, unknown is empty.
///
/// # Errors
/// Never for rows of equal length.
pub fn cells_csv(columns: &[&str], rows: &[Vec<Value>]) -> Result<String, ::csv::Error> {
    let cell = |cell: &Value| if cell.is_null() { String::new() } else { text(cell).into_owned() };
    csv::write(columns, rows.iter().map(|row| row.iter().map(cell).collect()))
}

/// `lastRunId` as `LAST RUN ID`.
fn heading(column: &str) -> String {
    let mut heading = String::new();
    for character in column.chars() {
        if character.is_ascii_uppercase() {
            heading.push(' ');
        }
        heading.push(character.to_ascii_uppercase());
    }
    heading
}

fn shown(cell: &Value) -> Cow<'_, str> {
    match cell {
        Value::Null => Cow::Borrowed(UNKNOWN),
        Value::Bool(true) => Cow::Borrowed("yes"),
        Value::Bool(false) => Cow::Borrowed("no"),
        Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => text(cell),
    }
}

fn text(cell: &Value) -> Cow<'_, str> {
    cell.as_str().map_or_else(|| Cow::Owned(cell.to_string()), Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_shown_as_what_they_are() {
        let rows = [vec![json!("a\u{1b}b"), json!(3), json!(0.25)], vec![json!(null), json!(true), json!("x,y")]];
        let columns = ["name", "lastRunId", "rate"];
        assert_eq!(
            cells_table(&columns, &rows),
            "NAME      LAST RUN ID  RATE\na\\u{1b}b  3            0.25\n-         yes          x,y\n"
        );
        assert_eq!(cells_csv(&columns, &rows).unwrap(), "name,lastRunId,rate\na\u{1b}b,3,0.25\n,true,\"x,y\"\n");
    }
}
