//! JSON from a pipe: one event a line, and one that is written over several lines is one event, too.
//!
//! Nothing is validated by that. Lines that only look like the beginning of a value stay what they are, an event each:
//! a line that was cut off costs no other. A line that holds all of a value, or none, is not looked into at all.

use std::collections::VecDeque;
use std::io::BufRead;

use serde::de::IgnoredAny;

use super::events::{EventError, Events};
use super::lines::{Line, failed, line, too_large};
use crate::http::MAX_BODY;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn values(name: String, reader: impl BufRead + 'static) -> Events {
    let mut values = Values { name, reader, number: 0, again: VecDeque::new() };
    Box::new(std::iter::from_fn(move || values.next().transpose()))
}

struct Values<R> {
    name: String,
    reader: R,
    /// Of the line that was read last.
    number: u64,
    /// Lines that were read, and are to be looked at again.
    again: VecDeque<Line>,
}

impl<R: BufRead> Values<R> {
    fn next(&mut self) -> Result<Option<Vec<u8>>, EventError> {
        loop {
            match self.line()? {
                Line::End => return Ok(None),
                Line::TooLarge => return Err(too_large(&self.name, self.number)),
                Line::Text { text, .. } if text.trim_ascii().is_empty() => {}
                Line::Text { text, end } => return self.beginning_with(text, end).map(Some),
            }
        }
    }

    fn line(&mut self) -> Result<Line, EventError> {
        if let Some(line) = self.again.pop_front() {
            return Ok(line);
        }
        self.number += 1;
        line(&mut self.reader).map_err(|error| failed(&self.name, self.number, error))
    }

    /// The value that this line begins, or else the line.
    fn beginning_with(&mut self, first: Vec<u8>, end: &'static [u8]) -> Result<Vec<u8>, EventError> {
        let mut shape = Shape::default();
        let mut reached = shape.after(&first);
        let mut value = [first.as_slice(), end].concat();
        let mut further = Vec::new();
        // Looked at again whenever the lines have doubled: a line that was cut off is found out soon.
        while reached == Reached::Open && (!(further.len() + 1).is_power_of_two() || may_go_on(&value)) {
            let next = self.line()?;
            let Line::Text { text, end } = next else {
                further.push(next);
                break;
            };
            reached = shape.after(&text);
            if value.len() + text.len() > MAX_BODY {
                reached = Reached::Nothing;
            }
            if let Reached::Closed(at) = reached {
                let (last, rest) = text.split_at(at);
                value.extend_from_slice(last);
                if is_json(&value) {
                    self.again.push_front(Line::Text { text: rest.to_vec(), end });
                    return Ok(value);
                }
            }
            value.extend_from_slice(&text);
            value.extend_from_slice(end);
            further.push(Line::Text { text, end });
        }
        for line in further.into_iter().rev() {
            self.again.push_front(line);
        }
        Ok(first)
    }
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(without_mark(text)).is_ok()
}

/// Whether it is the beginning of a value, as far as it goes.
fn may_go_on(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(without_mark(text)).is_err_and(|error| error.is_eof())
}

fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// How many brackets are open, without looking at what is between them.
#[derive(Default)]
struct Shape {
    depth: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Reached {
    /// The value goes on in the next line.
    Open,
    /// It ends here in the line.
    Closed(usize),
    /// There is no bracket, or a text that does not end: JSON has none that goes over a line.
    Nothing,
}

impl Shape {
    fn after(&mut self, line: &[u8]) -> Reached {
        let (mut in_text, mut escaped) = (false, false);
        for (at, byte) in (1..).zip(line) {
            match (in_text, byte) {
                (true, _) if escaped => escaped = false,
                (true, b'\\') => escaped = true,
                (_, b'"') => in_text = !in_text,
                (false, b'{' | b'[') => self.depth += 1,
                (false, b'}' | b']') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Reached::Closed(at);
                    }
                }
                (true | false, _) => {}
            }
        }
        if in_text || self.depth == 0 { Reached::Nothing } else { Reached::Open }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let events = values("x".to_owned(), std::io::Cursor::new(text.as_bytes().to_vec()));
        let text = |event: Result<Vec<u8>, EventError>| match event {
            Ok(body) => String::from_utf8(body).unwrap(),
            Err(EventError::TooLarge(place)) => place,
            Err(EventError::Io(error)) => format!("{error:#}"),
        };
        events.map(text).collect()
    }

    #[test]
    fn a_value_over_several_lines_is_one_event_byte_for_byte() {
        let table: &[(&str, &[&str])] = &[
            ("{\"a\":1}\r\n\n  \t\n {} \nlast", &["{\"a\":1}", " {} ", "last"]),
            ("{\r\n \"a\": \"}\\\"{\"\r\n}\r\n\n[\n1\n]", &["{\r\n \"a\": \"}\\\"{\"\r\n}", "[\n1\n]"]),
            ("{\n}{\n\"b\":2\n} {}\n", &["{\n}", "{\n\"b\":2\n}", " {}"]),
            ("\u{feff}{\n}\n", &["\u{feff}{\n}"]),
            // One line is one event, whatever it holds.
            ("{} {}\n1 2\n\"a\"\n", &["{} {}", "1 2", "\"a\""]),
            // A line that was cut off costs no other.
            ("{\"a\":\n{\"b\":1}\n{\"c\":2}\n", &["{\"a\":", "{\"b\":1}", "{\"c\":2}"]),
            ("{\"a\": \"b\n{}\n", &["{\"a\": \"b", "{}"]),
            ("{\"a\": [\n", &["{\"a\": ["]),
            ("rubbish {\n}\n{\nx\n}\n", &["rubbish {", "}", "{", "x", "}"]),
            ("[\n}\n{}\n", &["[", "}", "{}"]),
        ];
        for (text, events) in table {
            assert_eq!(read(text), *events, "{text:?}");
        }
    }

    #[test]
    fn what_is_too_large_for_an_event_is_read_by_lines() {
        let line = "1,".repeat(MAX_BODY / 4);
        let events = read(&format!("[\n{line}\n{line}\n1]\n{{\n}}\n{}\n2", "x".repeat(MAX_BODY + 1)));
        let ends: Vec<_> =
            events.iter().map(|event| event.get(event.len().saturating_sub(8)..).unwrap_or(event)).collect();
        assert_eq!(ends, ["[", "1,1,1,1,", "1,1,1,1,", "1]", "{\n}", "x line 7", "2"]);
    }
}
