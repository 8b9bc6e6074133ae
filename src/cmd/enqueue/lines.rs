use std::io::{self, BufRead, Read as _};

use super::events::{EventError, Events, limit};
use crate::http::MAX_BODY;

/// An event a line, byte for byte; blank ones are none. Never a whole file at once.
pub(super) fn lines(name: String, mut reader: impl BufRead + 'static) -> Events {
    let mut number = 0_u64;
    Box::new(std::iter::from_fn(move || {
        loop {
            number += 1;
            match line(&mut reader) {
                Ok(Line::End) => return None,
                Ok(Line::Text { text, .. }) if text.trim_ascii().is_empty() => {}
                Ok(Line::Text { text, .. }) => return Some(Ok(text)),
                Ok(Line::TooLarge) => return Some(Err(too_large(&name, number))),
                Err(error) => return Some(Err(failed(&name, number, error))),
            }
        }
    }))
}

pub(super) fn too_large(name: &str, number: u64) -> EventError {
    EventError::TooLarge(format!("{name} line {number}"))
}

pub(super) fn failed(name: &str, number: u64, error: io::Error) -> EventError {
    EventError::Io(anyhow::Error::new(error).context(format!("{name} line {number}")))
}

#[derive(Debug)]
pub(super) enum Line {
    /// Without its end, which stands beside it.
    Text {
        text: Vec<u8>,
        end: &'static [u8],
    },
    TooLarge,
    End,
}

/// One line. Of one that is too large only the place is kept.
pub(super) fn line(reader: &mut impl BufRead) -> io::Result<Line> {
    let mut text = Vec::new();
    // Room for the line end, `\r\n`.
    let read = reader.by_ref().take(limit().saturating_add(1)).read_until(b'\n', &mut text)?;
    if read == 0 {
        return Ok(Line::End);
    }
    let end: &[u8] = if text.ends_with(b"\r\n") {
        b"\r\n"
    } else if text.ends_with(b"\n") {
        b"\n"
    } else {
        b""
    };
    text.truncate(text.len() - end.len());
    if text.len() <= MAX_BODY {
        return Ok(Line::Text { text, end });
    }
    if end.is_empty() {
        reader.skip_until(b'\n')?;
    }
    Ok(Line::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: Vec<u8>) -> Vec<Result<Vec<u8>, String>> {
        let events = lines("x".to_owned(), io::Cursor::new(text));
        events
            .map(|event| {
                event.map_err(|error| match error {
                    EventError::TooLarge(place) => place,
                    EventError::Io(error) => format!("{error:#}"),
                })
            })
            .collect()
    }

    #[test]
    fn a_line_is_an_event_byte_for_byte_and_blank_lines_are_skipped() {
        let events = read(b"{\"a\":1}\r\n\n  \t\n {\xff}\r \n\nlast".to_vec());
        assert_eq!(events, [Ok(b"{\"a\":1}".to_vec()), Ok(b" {\xff}\r ".to_vec()), Ok(b"last".to_vec())]);
    }

    #[test]
    fn a_line_that_is_too_large_is_refused_alone() {
        let mut text = b"1\n".to_vec();
        for length in [MAX_BODY, MAX_BODY + 1, 3 * MAX_BODY] {
            text.extend(vec![b'x'; length]);
            text.extend(b"\r\n");
        }
        text.extend(b"2");
        let events = read(text);
        assert_eq!(events.len(), 5);
        assert_eq!(events[1].as_ref().map(Vec::len), Ok(MAX_BODY));
        assert_eq!((&events[2], &events[3]), (&Err("x line 3".to_owned()), &Err("x line 4".to_owned())));
        assert_eq!(events[4], Ok(b"2".to_vec()));
    }
}
