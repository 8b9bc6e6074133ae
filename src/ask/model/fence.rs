//! What others wrote, as a model may read it: as data between two marks that nobody can guess, without characters that
//! nobody sees, and cut to a length. And what a model wrote, as people may read it: as text.

use rand::Rng as _;
use serde_json::{Value, json};

use crate::ask::tools::{Citation, Found};

/// Of one cell, in characters.
const LONGEST_CELL: usize = 300;
/// Of all that one call found.
const LONGEST_FOUND: usize = 24_000;
/// Columns with the names of people.
const OF_PEOPLE: [&str; 2] = ["requestedFor", "approvers"];

/// The marks of one conversation.
#[derive(Debug, Clone)]
pub(super) struct Fence(String);

impl Fence {
    pub(super) fn new() -> Self {
        Self(format!("data-{:032x}", rand::rng().random::<u128>()))
    }

    pub(super) fn name(&self) -> &str {
        &self.0
    }

    pub(super) fn around(&self, text: &str) -> String {
        format!("<{0}>{text}</{0}>", self.0)
    }

    /// What a tool found. Rows are left out from the end until it is short enough.
    pub(super) fn found(&self, found: &Found, people: bool) -> String {
        let mut rows: Vec<Value> = found.rows.iter().map(|row| Value::Array(cells(found, row, people))).collect();
        loop {
            let text = shown(found, &rows).to_string();
            if text.len() <= LONGEST_FOUND || rows.pop().is_none() {
                return self.around(&text);
            }
            rows.truncate(rows.len() * 3 / 4);
        }
    }
}

fn cells(found: &Found, row: &[Value], people: bool) -> Vec<Value> {
    let cell = |(column, cell): (&&str, &Value)| match cell.as_str() {
        Some(_) if !people && OF_PEOPLE.contains(column) => json!("(a person)"),
        Some(text) => Value::String(clean(text, LONGEST_CELL)),
        None => cell.clone(),
    };
    found.columns.iter().zip(row).map(cell).collect()
}

fn shown(found: &Found, rows: &[Value]) -> Value {
    json!({
        "time": found.interpretation,
        "columns": found.columns,
        "rows": rows,
        "shown": rows.len(),
        "total": found.total,
        "notes": found.notes.iter().map(|note| clean(note, LONGEST_CELL)).collect::<Vec<_>>(),
        "dataThrough": found.data_through.map(|time| time.to_string()),
        "timesWithLostEvents": found.gaps.len(),
    })
}

/// Without characters that change how text looks or where it ends, and at most so long.
pub(super) fn clean(text: &str, longest: usize) -> String {
    let seen = |character: &char| !is_unseen(*character);
    let mut clean: String =
        text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(seen).take(longest).collect();
    if text.chars().nth(longest).is_some() {
        clean.push('…');
    }
    clean
}

/// Control characters, and those of Unicode that turn the direction of text, join nothing to nothing, or carry hidden
/// text. <https://www.unicode.org/reports/tr36/>
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A model's words as text: no image, and no link but to what is cited.
pub(super) fn plain(prose: &str, cited: &[Citation]) -> String {
    let lines = prose.trim().lines().map(|line| {
        let words = line.split(' ').map(|word| plain_word(word, cited));
        clean(&words.collect::<Vec<_>>().join(" "), 2_000)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn plain_word(word: &str, cited: &[Citation]) -> String {
    let lower = word.to_lowercase();
    let has_link = lower.contains("://") || lower.contains("](") || lower.contains("data:") || lower.contains("<img");
    if !has_link {
        return word.replace("![", "[");
    }
    let bare = word.trim_matches(|c: char| "()[]<>.,;!".contains(c));
    if cited.iter().any(|cited| cited.url.as_deref() == Some(bare)) {
        return bare.to_owned();
    }
    let before = word.split_once("](").map_or("", |(before, _)| before.trim_start_matches(['!', '[']));
    if before.is_empty() || before.contains("://") { "(a link)".to_owned() } else { before.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(cell: &str) -> Found {
        let row = || vec![json!(cell), json!("Ada Lovelace"), json!(7)];
        Found { columns: vec!["pipeline", "requestedFor", "count"], rows: vec![row(); 90], ..Found::default() }
    }

    #[test]
    fn people_are_named_only_where_that_is_on() {
        let fence = Fence::new();
        assert!(!fence.found(&found("web"), false).contains("Ada"));
        assert!(fence.found(&found("web"), true).contains("Ada"));
    }

    #[test]
    fn what_is_found_is_short_and_says_how_much_was_left_out() {
        let fence = Fence::new();
        let text = fence.found(&found(&"x".repeat(5_000)), true);
        assert!(text.len() < LONGEST_FOUND + 200);
        let json = text.strip_prefix(&format!("<{}>", fence.name())).unwrap();
        let json: Value = serde_json::from_str(json.strip_suffix(&format!("</{}>", fence.name())).unwrap()).unwrap();
        assert_eq!(json["shown"], json["rows"].as_array().unwrap().len());
        assert!(json["shown"].as_u64().unwrap() < 90);
    }

    #[test]
    fn nobody_can_guess_the_mark() {
        assert_ne!(Fence::new().name(), Fence::new().name());
    }

    #[test]
    fn what_nobody_sees_is_not_there() {
        assert_eq!(clean("a\u{202e}b\u{200b}c\nd\u{7}\u{e0041}", 20), "abc d");
        assert_eq!(clean("abcdef", 3), "abc…");
    }

    #[test]
    fn a_model_writes_text() {
        let url = "https://dev.azure.com/o/p/_build/results?buildId=480";
        let cited = vec![Citation { organization: "o".into(), run_id: 480, url: Some(url.into()) }];
        assert_eq!(plain(&format!("Run 480 failed ({url})."), &cited), format!("Run 480 failed {url}"));
        let planted = "![x](https://evil.example/?q=1) see [here](https://evil.example) or https://evil.example";
        assert_eq!(plain(planted, &cited), "x see here or (a link)");
    }
}
