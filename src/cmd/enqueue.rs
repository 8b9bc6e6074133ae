use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64_simd::STANDARD;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Context, Exit, Failure, Output};
use crate::cli;
use crate::config::Storage;
use crate::http::MAX_BODY;
use crate::queue::Queue;
use crate::sqlite::Missing;

/// What one put holds at the most: it is in memory at once, and durable at once.
const CHUNK_BODIES: usize = 1_000;
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// A progress bar before that would only flicker.
const LONG: Duration = Duration::from_millis(500);

pub(super) async fn run(context: &Context, args: &cli::Enqueue) -> Result<Exit, Failure> {
    // All sources first: a mistyped name must not leave half of the events on the queue.
    let sources = sources(&args.paths)?;
    let parts = context.open(Missing::Create).await?;
    // On Azure the queue does it for every body.
    let base64 = match context.config.storage {
        Storage::Local => args.base64,
        Storage::Azure(_) => false,
    };
    let mut intake = Intake::new(parts.queue, base64, Progress::new(context.output, &sources));
    let mut refused = 0;
    for source in &sources {
        for event in source.events()? {
            match event {
                Ok(body) => intake.add(body).await?,
                Err(EventError::TooLarge(place)) => {
                    refused += 1;
                    intake.progress.say(&format!("error: {place}: larger than 2 MiB, not queued"));
                }
                Err(EventError::Io(error)) => return Err(intake.broken_off(error)),
            }
        }
    }
    let queued = intake.finish().await?;
    context.output.say(&format!("queued {queued} {}", plural(queued)));
    match refused {
        0 => Ok(Exit::Done),
        _ => {
            let failure = Failure::failed(format!("{refused} {} not queued", plural(refused)));
            Err(failure.hint("Azure DevOps sends no event of this size: look at the file"))
        }
    }
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "event" } else { "events" }
}

/// Where events come from.
#[derive(Debug)]
enum Source {
    /// A file that is one event.
    Single(PathBuf),
    /// An event a line.
    Lines(PathBuf),
    Stdin,
}

enum EventError {
    /// Where the event is.
    TooLarge(String),
    Io(anyhow::Error),
}

type Events = Box<dyn Iterator<Item = Result<Vec<u8>, EventError>>>;

fn sources(paths: &[PathBuf]) -> Result<Vec<Source>, Failure> {
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
    fn size(&self) -> u64 {
        match self {
            Self::Single(path) | Self::Lines(path) => fs::metadata(path).map_or(0, |metadata| metadata.len()),
            Self::Stdin => 0,
        }
    }

    /// Reads as it goes, never a whole file of lines. Blocking reads: nothing else runs in this process but
    /// the file's writer, on its own thread.
    fn events(&self) -> Result<Events, Failure> {
        match self {
            Self::Single(path) => Ok(Box::new(std::iter::once(single(path)))),
            Self::Lines(path) => {
                let file = File::open(path).with_context(|| path.display().to_string())?;
                Ok(lines(path.display().to_string(), BufReader::new(file)))
            }
            Self::Stdin => Ok(lines("stdin".to_owned(), io::stdin().lock())),
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
fn limit() -> u64 {
    u64::try_from(MAX_BODY).unwrap_or(u64::MAX).saturating_add(1)
}

fn lines(name: String, mut reader: impl BufRead + 'static) -> Events {
    let mut number = 0_u64;
    Box::new(std::iter::from_fn(move || {
        loop {
            number += 1;
            match line(&mut reader) {
                Ok(Line::End) => return None,
                Ok(Line::Event(body)) if body.trim_ascii().is_empty() => {}
                Ok(Line::Event(body)) => return Some(Ok(body)),
                Ok(Line::TooLarge) => return Some(Err(EventError::TooLarge(format!("{name} line {number}")))),
                Err(error) => {
                    let error = anyhow::Error::new(error).context(format!("{name} line {number}"));
                    return Some(Err(EventError::Io(error)));
                }
            }
        }
    }))
}

enum Line {
    Event(Vec<u8>),
    TooLarge,
    End,
}

/// One line without its end. Of a line that is too large only the place is kept.
fn line(reader: &mut impl BufRead) -> io::Result<Line> {
    let mut body = Vec::new();
    // Room for the line end, `\r\n`.
    let read = reader.by_ref().take(limit().saturating_add(1)).read_until(b'\n', &mut body)?;
    if read == 0 {
        return Ok(Line::End);
    }
    let ended = body.pop_if(|byte| *byte == b'\n').is_some();
    if ended {
        body.pop_if(|byte| *byte == b'\r');
    }
    if body.len() <= MAX_BODY {
        return Ok(Line::Event(body));
    }
    if !ended {
        reader.skip_until(b'\n')?;
    }
    Ok(Line::TooLarge)
}

/// Puts events on the queue, a chunk at a time.
struct Intake {
    queue: Arc<dyn Queue>,
    base64: bool,
    chunk: Vec<Vec<u8>>,
    chunk_bytes: usize,
    queued: u64,
    progress: Progress,
}

impl Intake {
    fn new(queue: Arc<dyn Queue>, base64: bool, progress: Progress) -> Self {
        Self { queue, base64, chunk: Vec::new(), chunk_bytes: 0, queued: 0, progress }
    }

    async fn add(&mut self, body: Vec<u8>) -> Result<(), Failure> {
        self.progress.advance(body.len());
        let body = if self.base64 { STANDARD.encode_type(body) } else { body };
        self.chunk_bytes += body.len();
        self.chunk.push(body);
        if self.chunk.len() >= CHUNK_BODIES || self.chunk_bytes >= CHUNK_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        let chunk = std::mem::take(&mut self.chunk);
        self.chunk_bytes = 0;
        let count = u64::try_from(chunk.len()).unwrap_or_default();
        if count > 0 {
            self.queue.put(chunk).await.map_err(|error| self.broken_off(error.into()))?;
            self.queued += count;
        }
        Ok(())
    }

    /// Says how much is safe: queueing it again does no harm.
    fn broken_off(&self, error: anyhow::Error) -> Failure {
        let queued = self.queued;
        let hint = format!("{queued} {} queued before that; all of it may be queued again", plural(queued));
        Failure::from(error).hint(hint)
    }

    async fn finish(mut self) -> Result<u64, Failure> {
        self.flush().await?;
        self.progress.end();
        Ok(self.queued)
    }
}

/// A bar on stderr, when somebody watches and it takes long.
struct Progress {
    bar: ProgressBar,
    output: Output,
    started: Instant,
    wanted: bool,
}

impl Progress {
    fn new(output: Output, sources: &[Source]) -> Self {
        let all = sources.iter().map(Source::size).sum();
        let bar = ProgressBar::with_draw_target(Some(all), ProgressDrawTarget::hidden());
        let known = ProgressStyle::with_template("{bar:30} {binary_bytes} of {binary_total_bytes}, {eta} left");
        if let (true, Ok(style)) = (all > 0, known) {
            bar.set_style(style);
        }
        Self { bar, output, started: Instant::now(), wanted: output.person_is_watching() }
    }

    fn advance(&mut self, bytes: usize) {
        self.bar.inc(u64::try_from(bytes).unwrap_or_default());
        if self.wanted && self.started.elapsed() > LONG {
            self.wanted = false;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    fn say(&self, text: &str) {
        self.bar.suspend(|| self.output.say(text));
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
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
