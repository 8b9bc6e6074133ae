//! Every number in a model's words was found by a tool in this very conversation, or is not said.
//!
//! What may differ is how it is written: `1,234` for 1234, 12.5 % for 0.125, 1 h 30 min for 5400 seconds, fewer decimals.
//! A time has to be one that a tool told, in whatever part of it. Numbers of the question may be said again next to the
//! word that they stand beside there. A number inside a name is part of that name, which a tool told.
//!
//! The trap: every small number occurs somewhere in a timestamp, so that times are no source of counts; and a count of one
//! is no 100 %, so that percentages come from shares only, and `twice` only from a ratio that was reckoned.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Timelike};
use serde_json::Value;

use super::numerals::{self, Said, read};
use crate::ask::tools::Found;

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
    /// Those that may be said in percent, or as a part of something.
    shares: Vec<f64>,
    /// Those that may be said as a multiple.
    ratios: Vec<f64>,
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
            // A row may name the unit of its numbers; else the columns do, and of numbers beside them they do, too.
            let unit = found
                .columns
                .iter()
                .zip(row)
                .find(|(column, _)| **column == "unit")
                .and_then(|(_, cell)| cell.as_str());
            let any = |ends: &str| found.columns.iter().any(|column| column.ends_with(ends));
            for (column, cell) in found.columns.iter().zip(row) {
                let is_beside = ["before", "change", "value", "firstHalf", "secondHalf"].contains(column);
                let is_second =
                    column.ends_with("Seconds") || (is_beside && (unit == Some("seconds") || any("Seconds")));
                let is_share = column.ends_with("Rate") || (is_beside && (unit == Some("share") || any("Rate")));
                self.hear_cell(cell, (is_second, is_share));
            }
        }
    }

    pub(super) fn hear_number(&mut self, number: f64) {
        self.numbers.push(number);
    }

    /// One number divided by another.
    pub(super) fn hear_ratio(&mut self, ratio: f64) {
        self.numbers.push(ratio);
        self.shares.push(ratio);
        self.ratios.push(ratio);
    }

    fn hear_cell(&mut self, cell: &Value, (is_second, is_share): (bool, bool)) {
        match cell {
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or_default();
                self.numbers.push(number);
                self.seconds.extend(is_second.then_some(number));
                self.shares.extend(is_share.then_some(number));
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
        let (mut invented, mut item) = (Vec::new(), 1);
        for line in prose.lines() {
            let words = words(line);
            let mut at = 0;
            // A list counts its items, and these follow on each other.
            if words.len() > 1 && line.trim_start().starts_with(&format!("{item}. ")) {
                (item, at) = (item + 1, 1);
            }
            while let Some(word) = words.get(at) {
                let rest = words.get(at..).unwrap_or_default();
                let before = at.checked_sub(1).and_then(|before| words.get(before)).map_or("", String::as_str);
                // `1 in 4` is a quarter; the four was found by nobody.
                let part = numerals::part(before, rest).or_else(|| numerals::one_in(rest).map(|share| (share, 3)));
                let (is_known, long) = match part {
                    Some((part, long)) => (self.has_part(part), long),
                    None => match numerals::spelled(rest) {
                        Some((value, long)) if long > 1 => (self.counts(Said::whole(value), ""), long),
                        _ => (!is_number(word) || self.allows(&words, at), 1),
                    },
                };
                if !is_known {
                    invented.push(rest.get(..long).unwrap_or_default().join(" "));
                }
                at += long;
            }
        }
        invented
    }

    /// A half, a third, or twice as much.
    fn has_part(&self, part: f64) -> bool {
        let known = if part > 1.0 { &self.ratios } else { &self.shares };
        known.iter().any(|known| (known.abs() - part).abs() <= part / 100.0)
    }

    fn allows(&self, words: &[String], at: usize) -> bool {
        let Some(word) = words.get(at) else { return true };
        let next = words.get(at + 1).map_or("", String::as_str);
        let before = at.checked_sub(1).and_then(|before| words.get(before)).map_or("", String::as_str);
        if self.repeats_question(before, word, next) || self.tells_time(before, word, next) {
            return true;
        }
        let behind = words.get(at + 2).map_or("", String::as_str);
        match read(word) {
            Some((said, "x")) => self.is_multiple(said),
            Some((said, "")) if next == "times" && numerals::compares(behind) => self.is_multiple(said),
            Some((said, "")) => self.counts(said, next) || self.lasts(words, at),
            Some((said, unit)) => self.counts(said, unit) || self.lasts(words, at) || self.names(word),
            None => self.names(word),
        }
    }

    fn counts(&self, said: Said, unit: &str) -> bool {
        let is_share = unit.starts_with('%') || unit.starts_with("percent");
        if is_share {
            // All and nothing are not rounded.
            let is_whole = said.value == 0.0 || said.value == 100.0;
            let fits = |known: f64| if is_whole { known == said.value } else { said.rounds(known) };
            return self.shares.iter().any(|known| fits(known.abs() * 100.0));
        }
        self.numbers.iter().any(|known| said.rounds(known.abs()))
    }

    fn is_multiple(&self, said: Said) -> bool {
        self.ratios.iter().any(|known| said.rounds(*known))
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
    word.chars().any(char::is_numeric) || numerals::is_word(word)
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
            ("The number of failures is 42.", "42"),
            ("Failures:\n42.", "42"),
            ("42. That is how many failed.", "42"),
            ("3. web-2", "3"),
            ("It failed in 13.5 % of the runs.", "13.5"),
            ("30 runs failed.", "30"),
            ("10 runs failed.", "10"),
            ("12 of them on a Monday.", "12"),
            ("It takes 3 h.", "3"),
            ("On 2026-03-03 it broke.", "2026-03-03"),
            ("It broke at 11:30.", "11:30"),
            ("web-3 is the worst.", "web-3"),
            ("It broke on March 5.", "5"),
            ("480 runs", "480"),
            ("1,235 runs", "1,235"),
            // As words.
            ("nine runs of it", "nine"),
            ("Forty-two runs failed.", "forty-two"),
            ("Forty two runs failed.", "forty two"),
            ("one hundred and five runs", "one hundred and five"),
            ("about a dozen of them", "dozen"),
            ("two dozen of them", "two dozen"),
            ("dozens of runs", "dozens"),
            ("thousands of runs", "thousands"),
            ("ninety-nine percent", "ninety-nine"),
            // Shares and multiples that nobody reckoned.
            ("It failed in 100 % of the runs.", "100"),
            ("It failed in 0 % of the runs.", "0"),
            ("7 % of the runs of api failed.", "7"),
            ("It failed in half of the runs.", "half"),
            ("A third of them failed.", "third"),
            ("two-thirds of them failed", "two-thirds"),
            ("three quarters of them failed", "three quarters"),
            ("web-2 failed twice as often.", "twice"),
            ("It doubled.", "doubled"),
            ("7 times more than api", "7"),
            ("7x slower", "7x"),
            ("2 times as many", "2"),
            ("1 in 7 runs fails.", "1 in 7"),
            ("½ of them", "½"),
        ] {
            let found = guard().invented(prose);
            assert!(found.iter().any(|word| word.trim_end_matches('%') == invented), "{prose}: {found:?}");
        }
    }

    #[test]
    fn shares_and_multiples_that_were_reckoned_may_be_said() {
        let mut guard = guard();
        guard.hear(&Found {
            columns: vec!["metric", "value", "unit", "before"],
            rows: vec![
                vec![json!("lead time"), json!(10800), json!("seconds"), json!(7200)],
                vec![json!("fail rate"), json!(0.25), json!("share"), json!(0.5)],
            ],
            ..Found::default()
        });
        for ratio in [2.0, 1.0, 2.0 / 3.0] {
            guard.hear_ratio(ratio);
        }
        for prose in [
            "The lead time is 3 h, before it was 2 hours.",
            "A quarter of them failed, before it was half, that is 25 % and 50 %.",
            "1 in 4 deployments failed.",
            "It is twice as long, 2 times longer, 2x.",
            "100 % and two thirds of them.",
            "In the first half of it, last quarter and the second half.",
            "One run and the third stage of it.",
        ] {
            assert_eq!(guard.invented(prose), [] as [String; 0], "{prose}");
        }
    }
}
