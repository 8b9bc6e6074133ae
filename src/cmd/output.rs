use std::fmt;
use std::io::{self, IsTerminal, Write};

use crate::view::escaped_lines;

use super::Failure;

/// Where a command writes: data on stdout, talk on stderr. The one place that does.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
}

impl Output {
    #[must_use]
    pub fn new() -> Self {
        Self { stdout_is_terminal: io::stdout().is_terminal(), stderr_is_terminal: io::stderr().is_terminal() }
    }

    /// Writes data as it is.
    pub(crate) fn data(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                return Failure::BrokenPipe;
            }
            Failure::from(anyhow::Error::new(error).context("stdout: cannot be written"))
        })
    }

    /// For data that is too long to be in memory.
    pub(crate) fn stream(&self) -> io::Stdout {
        io::stdout()
    }

    /// Writes text that may hold hostile characters: on a terminal they are written out.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        if self.stdout_is_terminal { self.data(escaped_lines(text).as_bytes()) } else { self.data(text.as_bytes()) }
    }

    /// Replaces what stands on the terminal.
    pub(crate) fn redraw(&self, text: &str) -> Result<(), Failure> {
        self.data(format!("\x1b[H\x1b[2J{}", escaped_lines(text)).as_bytes())
    }

    /// Says a line, or more, to the person. Nobody may be listening.
    pub fn say(&self, text: &str) {
        // A closed stderr must not end the work.
        writeln!(io::stderr().lock(), "{}", escaped_lines(text)).unwrap_or_default();
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.stdout_is_terminal
    }

    pub(crate) fn person_is_watching(&self) -> bool {
        self.stderr_is_terminal
    }
}

/// `1 record`, `2 records`.
pub(super) fn counted<N: Copy + fmt::Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    if count == N::from(1) { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

impl Default for Output {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!([0_u64, 1, 2].map(|count| counted(count, "record")), ["0 records", "1 record", "2 records"]);
    }
}
