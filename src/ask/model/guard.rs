//! Every number in a model's words was found by a tool in this very conversation, or is not said.
//!
//! What may differ is how it is written: `1,234` for 1234, 12.5 % for 0.125, 1 h 30 min for 5400 seconds, fewer decimals.
//! A time has to be one that a tool told, in whatever part of it. Numbers of the question may be said again next to the
//! word that they stand beside there. A number inside a name is part of that name, which a tool told.
//!
//! The trap: every small number occurs somewhere in a timestamp, so that times are no source of counts.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Timelike};
use serde_json::Value;

use crate::ask::tools::Found;

/// Numbers as words; a one is mostly no number.
const WORDS: [(&str, f64); 21] = [
    ("zero", 0.0),
    ("two", 2.0),
    ("three", 3.0),
    ("four", 4.0),
    ("five", 5.0),
    ("six", 6.0),
    ("seven", 7.0),
    ("eight", 8.0),
    ("nine", 9.0),
    ("ten", 10.0),
    ("eleven", 11.0),
    ("twelve", 12.0),
    ("thirteen", 13.0),
    ("fourteen", 14.0),
    ("fifteen", 15.0),
    ("twenty", 20.0),
    ("thirty", 30.0),
    ("fifty", 50.0),
    ("hundred", 100.0),
    ("thousand", 1_000.0),
    ("million", 1_000_000.0),
];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// What may be said.
#[derive(Debug, Clone, Default)]
pub(super) struct Guard {
    numbers: Vec<f64>,
    /// Those that may be said in other units of time.
    seconds: Vec<f64>,
    times: BTreeSet<Moment>,
    /// Everything that was told, in lower case: names are looked for in it.
    told: String,
    /// Words of the question next to each other.
    asked: Vec<String>,
}

/// Year, month, day, hour and minute.
type Moment = (i32, u32, u32, u32, u32);

/// A number as it is written: how much, and with how many decimals.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Said {
    value: f64,
    decimals: u32,
}

impl Guard {
    pub(super) fn new(question: &str) -> Self {
        Self { asked: words(question), ..Self::default() }
    }

    /// From now on, what was found may be said.
    pub(super) fn hear(&mut self, found: &Found) {
        self.hear_number(found.rows.len() as f64);
        self.numbers.extend(found.total.map(|total| total as f64));
        self.hear_text(&found.interpretation);
        found.notes.iter().for_each(|note| self.hear_text(note));
        self.hear_text(&found.data_through.map(|time| time.to_string()).unwrap_or_default());
        for row in &found.rows {
            for (column, cell) in found.columns.iter().zip(row) {
                self.hear_cell(column, cell);
            }
        }
    }

    pub(super) fn hear_number(&mut self, number: f64) {
        self.numbers.push(number);
    }

    fn hear_cell(&mut self, column: &str, cell: &Value) {
        match cell {
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or_default();
                self.numbers.push(number);
                if column.to_lowercase().contains("seconds") || ["before", "change"].contains(&column) {
                    self.seconds.push(number);
                }
            }
            Value::String(text) => self.hear_text(text),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
        }
    }

    fn hear_text(&mut self, text: &str) {
        self.told.push(' ');
        self.told.push_str(&text.to_lowercase());
        for word in text.split([' ', ',', '(', ')']) {
            if let Some(time) = moment(word) {
                self.times.insert(time);
            }
        }
    }

    /// Whether a number like this one was found, for who declares how it was made.
    pub(super) fn knows(&self, number: f64) -> bool {
        self.numbers.iter().any(|known| (known - number).abs() < 1e-9)
    }

    /// What of these words nobody found.
    pub(super) fn invented(&self, prose: &str) -> Vec<String> {
        let mut invented = Vec::new();
        for line in prose.lines() {
            let words = words(line);
            for (at, word) in words.iter().enumerate() {
                let is_marker = at == 0 && line.trim_start().starts_with(&format!("{word}."));
                if !is_marker && is_number(word) && !self.allows(&words, at) {
                    invented.push(word.clone());
                }
            }
        }
        invented
    }

    fn allows(&self, words: &[String], at: usize) -> bool {
        let Some(word) = words.get(at) else { return true };
        let next = words.get(at + 1).map_or("", String::as_str);
        let before = at.checked_sub(1).and_then(|before| words.get(before)).map_or("", String::as_str);
        if self.repeats_question(before, word, next) || self.tells_time(before, word, next) {
            return true;
        }
        match read(word) {
            Some((said, "")) => self.counts(said, next) || self.lasts(words, at),
            Some((said, unit)) => self.counts(said, unit) || self.lasts(words, at) || self.names(word),
            None => self.names(word),
        }
    }

    fn counts(&self, said: Said, unit: &str) -> bool {
        let is_share = unit.starts_with('%') || unit.starts_with("percent");
        let fits = |known: f64| rounds_to(known, said) || (is_share && rounds_to(known * 100.0, said));
        self.numbers.iter().any(|known| fits(*known) || fits(-known))
    }

    /// `1 h 30 min`, `90s`, `2.5 hours`.
    fn lasts(&self, words: &[String], at: usize) -> bool {
        // It may have begun before.
        (at.saturating_sub(4)..=at).any(|from| {
            durations(words.get(from..).unwrap_or_default()).iter().any(|(total, unit, length)| {
                from + length > at && self.seconds.iter().any(|known| (known.abs() - total).abs() <= unit / 2.0)
            })
        })
    }

    fn tells_time(&self, before: &str, word: &str, next: &str) -> bool {
        let any = |fits: &dyn Fn(&Moment) -> bool| self.times.iter().any(fits);
        if let Some((hour, minute)) = clock(word) {
            return any(&|time| (time.3, time.4) == (hour, minute));
        }
        if let Some(day) = day(word) {
            return any(&|time| (time.0, time.1, time.2) == day);
        }
        let number = word.trim_end_matches(char::is_alphabetic).parse::<u32>().ok();
        let named = [before, next].into_iter().find_map(month);
        match (number, named) {
            (Some(number), Some(month)) => {
                any(&|time| time.1 == month && (time.2 == number || u32::try_from(time.0) == Ok(number)))
            }
            // A year says little by itself.
            (Some(number @ 1990..=2100), None) => any(&|time| u32::try_from(time.0) == Ok(number)),
            (_, _) => self.told.contains(word) && moment(word).is_some(),
        }
    }

    fn repeats_question(&self, before: &str, word: &str, next: &str) -> bool {
        let beside = |pair: [&str; 2]| {
            pair.iter().all(|word| !word.is_empty())
                && self.asked.windows(2).any(|asked| asked.iter().map(String::as_str).eq(pair))
        };
        let has_letters = word.chars().any(char::is_alphabetic) && self.asked.iter().any(|asked| asked == word);
        has_letters || beside([before, word]) || beside([word, next])
    }

    /// It holds more than digits, and was told.
    fn names(&self, word: &str) -> bool {
        word.chars().any(|c| !c.is_ascii_digit()) && word.len() > 2 && self.told.contains(word)
    }
}

/// In lower case, without what stands around words.
fn words(text: &str) -> Vec<String> {
    let around = |c: char| !c.is_alphanumeric() && !matches!(c, '%' | '#' | '-' | '+');
    let words = text.split(|c: char| c.is_whitespace() || "()[]{}\"`*|=→–—…".contains(c));
    let words = words.map(|word| word.trim_matches(around).trim_end_matches(['-', '#', '+']).to_lowercase());
    words.filter(|word| !word.is_empty()).collect()
}

fn is_number(word: &str) -> bool {
    word.chars().any(char::is_numeric) || WORDS.iter().any(|(name, _)| *name == word)
}

/// A number and what is written straight behind it.
fn read(word: &str) -> Option<(Said, &str)> {
    if let Some((_, value)) = WORDS.iter().find(|(name, _)| *name == word) {
        return Some((Said { value: *value, decimals: 0 }, ""));
    }
    let unsigned = word.trim_start_matches(['+', '-', '#']);
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(unsigned.len());
    let (digits, unit) = unsigned.split_at_checked(end)?;
    let digits = digits.replace(',', "");
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let value = digits.parse().ok()?;
    let is_unit = unit.chars().all(|c| c.is_alphabetic() || c == '%');
    is_unit.then_some((Said { value, decimals: u32::try_from(decimals).ok()? }, unit))
}

fn rounds_to(known: f64, said: Said) -> bool {
    let step = said.step();
    // Whole numbers of a number without decimals are themselves; of others they may be rounded.
    (known - said.value).abs() <= step / 2.0 + 1e-9
        && (said.decimals > 0 || known.fract() != 0.0 || known == said.value)
}

/// The durations that begin here, one unit long and longer: seconds, the length of the least unit, and how many words.
fn durations(words: &[String]) -> Vec<(f64, f64, usize)> {
    let (mut total, mut at, mut all) = (0.0, 0, Vec::new());
    while let Some((said, rest)) = words.get(at).and_then(|word| read(word)) {
        let behind = words.get(at + 1).map_or("", String::as_str);
        let (unit, taken) = if rest.is_empty() { (behind, 2) } else { (rest, 1) };
        let Some(unit) = seconds(unit) else { break };
        total += said.value * unit;
        at += taken;
        all.push((total, unit * said.step(), at));
        at += usize::from(words.get(at).is_some_and(|word| word == "and"));
    }
    all
}

impl Said {
    /// What its last digit counts.
    fn step(self) -> f64 {
        10_f64.powi(-i32::try_from(self.decimals).unwrap_or_default())
    }
}

fn seconds(unit: &str) -> Option<f64> {
    match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => Some(1.0),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(60.0),
        "h" | "hr" | "hrs" | "hour" | "hours" => Some(3_600.0),
        "d" | "day" | "days" => Some(86_400.0),
        _ => None,
    }
}

fn month(word: &str) -> Option<u32> {
    let at = MONTHS.iter().position(|name| word.len() >= 3 && name.starts_with(word))?;
    u32::try_from(at + 1).ok()
}

/// `10:30`, also with seconds and a zone.
fn clock(word: &str) -> Option<(u32, u32)> {
    let (hour, rest) = word.split_once(':')?;
    let minute = rest.get(..2)?;
    (hour.len() <= 2).then_some((hour.parse().ok()?, minute.parse().ok()?))
}

/// `2026-03-02`, also with a time behind it.
fn day(word: &str) -> Option<(i32, u32, u32)> {
    let date = chrono::NaiveDate::parse_from_str(word.get(..10)?, "%Y-%m-%d").ok()?;
    let is_day = word.len() == 10 || moment(word).is_some();
    is_day.then(|| (date.year(), date.month(), date.day()))
}

fn moment(word: &str) -> Option<Moment> {
    let time = DateTime::parse_from_rfc3339(&word.to_uppercase()).ok().map(|time| time.naive_utc());
    let day = || chrono::NaiveDate::parse_from_str(word, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    let time = time.or_else(day)?;
    Some((time.year(), time.month(), time.day(), time.hour(), time.minute()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn guard() -> Guard {
        let mut guard = Guard::new("which pipelines failed most in the last 30 days, and why did run 480 fail?");
        guard.hear(&Found {
            columns: vec!["pipeline", "failureRate", "count", "medianDurationSeconds", "lastAt"],
            rows: vec![
                vec![json!("web-2"), json!(0.125), json!(1234), json!(5400), json!("2026-03-02T10:30:12Z")],
                vec![json!("api"), json!(0.0333), json!(7), json!(61.5), json!("2026-02-27T23:05:00Z")],
            ],
            total: Some(19),
            ..Found::default()
        });
        guard
    }

    #[test]
    fn what_was_found_may_be_said_in_many_ways() {
        for prose in [
            "web-2 failed in 12.5 % of 1,234 runs; 19 pipelines in all.",
            "12.5% and 12.5 percent and 0.125 and 3.3 %",
            "It takes 1 h 30 min, that is 1.5 hours, 90 minutes or 5400 s; api takes 1 min 2 s.",
            "62 seconds for api.",
            "Last on 2026-03-02 at 10:30, that is 2 March 2026; before on Feb 27.",
            "In the last 30 days run 480 was among them.",
            "1. web-2\n2. api",
            "Seven runs of api, two pipelines.",
            "**1234** runs (7 of api).",
        ] {
            assert_eq!(guard().invented(prose), [] as [String; 0], "{prose}");
        }
    }

    #[test]
    fn what_was_not_found_is_noticed() {
        for (prose, invented) in [
            ("42 runs failed.", "42"),
            ("It failed in 13.5 % of the runs.", "13.5"),
            ("30 runs failed.", "30"),
            ("10 runs failed.", "10"),
            ("12 of them on a Monday.", "12"),
            ("It takes 3 h.", "3"),
            ("On 2026-03-03 it broke.", "2026-03-03"),
            ("It broke at 11:30.", "11:30"),
            ("web-3 is the worst.", "web-3"),
            ("nine runs of it", "nine"),
            ("It broke on March 5.", "5"),
            ("480 runs", "480"),
            ("1,235 runs", "1,235"),
        ] {
            let found = guard().invented(prose);
            assert!(found.iter().any(|word| word.trim_end_matches('%') == invented), "{prose}: {found:?}");
        }
    }
}
