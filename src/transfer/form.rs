//! The form of an export: a line that says what it is, for each record a line with the facts behind it, a line at the end.

use std::io::{self, BufRead, Read as _, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What is written, and the latest that is read.
pub(super) const FORM: u32 = 1;
/// A record may be as large as a row of a table, 1 MiB, and somewhat more in a local file.
const MOST_BYTES: u64 = 16 << 20;

/// A line, as `{"record": {…}}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    /// The first one. What was said before the floor was purged.
    Pipetrail {
        form: u32,
        floor: Option<String>,
    },
    /// A record in its stored form; so many facts follow.
    Record {
        key: String,
        facts: u64,
        body: Box<RawValue>,
    },
    Fact(Box<RawValue>),
    /// The last one: without it the export was cut off.
    End {
        records: u64,
        facts: u64,
    },
}

impl Line {
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")
    }
}

/// The lines of an export with their numbers.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: R,
    pub(super) number: u64,
    pub(super) bytes: u64,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("it cannot be read")]
    Io(#[source] io::Error),
    #[error("it is longer than {MOST_BYTES} bytes")]
    TooLong,
    #[error("it is no line of an export of this form")]
    Json(#[source] serde_json::Error),
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, number: 0, bytes: 0 }
    }

    /// The next line that is not blank; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Line>, LineError> {
        loop {
            self.number += 1;
            let mut text = Vec::new();
            let read = self.reader.by_ref().take(MOST_BYTES).read_until(b'\n', &mut text).map_err(LineError::Io)?;
            if read == 0 {
                return Ok(None);
            }
            let read = u64::try_from(read).unwrap_or(MOST_BYTES);
            self.bytes += read;
            if read == MOST_BYTES && !text.ends_with(b"\n") {
                return Err(LineError::TooLong);
            }
            if !text.trim_ascii().is_empty() {
                return serde_json::from_slice(&text).map(Some).map_err(LineError::Json);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn lines_come_back_to_the_letter() {
        let mut text = Vec::new();
        let body = "{\"v\":1, \"n\":12345678901234567890123}";
        for line in [
            Line::Pipetrail { form: FORM, floor: None },
            Line::Record { key: "run|a|7|1".to_owned(), facts: 1, body: raw(body) },
            Line::Fact(raw("{\"said\":7}")),
            Line::End { records: 1, facts: 1 },
        ] {
            line.write(&mut text).unwrap();
        }
        text.splice(0..0, *b"\n");
        let mut lines = Lines::new(text.as_slice());
        assert!(matches!(lines.next(), Ok(Some(Line::Pipetrail { form: FORM, floor: None }))));
        let Ok(Some(Line::Record { facts: 1, body: read, .. })) = lines.next() else { panic!("no record") };
        assert_eq!(read.get(), body);
        assert!(matches!(lines.next(), Ok(Some(Line::Fact(fact))) if fact.get() == "{\"said\":7}"));
        assert!(matches!(lines.next(), Ok(Some(Line::End { records: 1, facts: 1 }))));
        assert!(matches!(lines.next(), Ok(None)));
        assert_eq!(lines.bytes, text.len() as u64);
    }

    #[test]
    fn what_is_no_line_is_told_with_its_number() {
        let long = [b'x'; 1 << 20].repeat(17);
        for (text, expected) in [(&b"\n{\"other\":1}\n"[..], "no line of an export"), (&long, "longer than")] {
            let mut lines = Lines::new(text);
            let error = lines.next().unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
