//! Where events come from: files, directories, stdin.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::lines::lines;
use super::values::values;
use crate::cmd::Failure;
use crate::http::MAX_BODY;

/// Where events come from.
#[derive(Debug)]
pub(super) enum Source {
    /// A file that is one event.
    Single(PathBuf),
    /// An event a line.
    Lines(PathBuf),
    /// An event a line, or over several.
    Stdin,
}

pub(super) enum EventError {
    /// Where the event is.
    TooLarge(String),
    Io(anyhow::Error),
}

pub(super) type Events = Box<dyn Iterator<Item = Result<Vec<u8>, EventError>>>;

pub(super) fn sources(paths: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            sources.push(Source::Stdin);
            continue;
        }
        let metadata = fs::metadata(path).with_context(|| path.display().to_string()).map_err(|error| {
            Failure::from(error).hint("name a file, a directory, or - for stdin; nothing was queued")
        })?;
        if metadata.is_dir() {
            sources.extend(in_directory(path)?);
        } else {
            sources.push(Source::of_file(path.clone()));
        }
    }
    Ok(sources)
}

/// Its `*.json` and `*.ndjson`, sorted by name, not those further down.
fn in_directory(path: &Path) -> Result<Vec<Source>, Failure> {
    let read = || -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(path)? {
            let file = entry?.path();
            let wanted = matches!(file.extension().and_then(OsStr::to_str), Some("json" | "ndjson"));
            if wanted && file.is_file() {
                files.push(file);
            }
        }
        files.sort();
        Ok(files)
    };
    let files = read().with_context(|| path.display().to_string())?;
    if files.is_empty() {
        let failure = Failure::failed(format!("{}: no *.json or *.ndjson in this directory", path.display()));
        return Err(failure.hint("name another directory, or the files themselves"));
    }
    Ok(files.into_iter().map(Source::of_file).collect())
}

impl Source {
    fn of_file(path: PathBuf) -> Self {
        let lines = path.extension().is_some_and(|extension| extension == "ndjson");
        if lines { Self::Lines(path) } else { Self::Single(path) }
    }

    /// Bytes, where that is known beforehand.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Single(path) | Self::Lines(path) => fs::metadata(path).map_or(0, |metadata| metadata.len()),
            Self::Stdin => 0,
        }
    }

    /// Reads as it goes, never a whole file of lines.
    pub(super) fn events(&self) -> anyhow::Result<Events> {
        match self {
            Self::Single(path) => Ok(Box::new(std::iter::once(single(path)))),
            Self::Lines(path) => {
                let file = File::open(path).with_context(|| path.display().to_string())?;
                Ok(lines(path.display().to_string(), BufReader::new(file)))
            }
            Self::Stdin => Ok(values("stdin".to_owned(), io::stdin().lock())),
        }
    }
}

fn single(path: &Path) -> Result<Vec<u8>, EventError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        File::open(path)?.take(limit()).read_to_end(&mut body)?;
        Ok(body)
    };
    let body = read().with_context(|| path.display().to_string()).map_err(EventError::Io)?;
    if body.len() > MAX_BODY { Err(EventError::TooLarge(path.display().to_string())) } else { Ok(body) }
}

/// One byte more than an event may have, to see that it has more.
pub(super) fn limit() -> u64 {
    u64::try_from(MAX_BODY).unwrap_or(u64::MAX).saturating_add(1)
}
