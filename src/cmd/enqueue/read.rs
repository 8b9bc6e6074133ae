//! Reads ahead of the queue, on a thread of its own: a pipe may keep silent for long, and a signal has to be heard
//! meanwhile.

use base64_simd::STANDARD;
use tokio::sync::mpsc;

use super::events::{EventError, Source};

/// What one put holds at the most: it is in memory at once, and durable at once.
const CHUNK_BODIES: usize = 1_000;
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// What was read.
pub(super) enum Read {
    Events(Chunk),
    /// An event that no queue takes: where it is.
    TooLarge(String),
    Failed(anyhow::Error),
    /// The end.
    All,
}

#[derive(Default)]
pub(super) struct Chunk {
    pub(super) bodies: Vec<Vec<u8>>,
    pub(super) bytes: usize,
}

/// One chunk is ready while another is put.
pub(super) fn read_ahead(sources: Vec<Source>, base64: bool) -> mpsc::Receiver<Read> {
    let (send, read) = mpsc::channel(1);
    // It ends with the process, at the latest: nobody waits for it.
    drop(tokio::task::spawn_blocking(move || Reader { send, base64, chunk: Chunk::default() }.run(&sources)));
    read
}

struct Reader {
    send: mpsc::Sender<Read>,
    base64: bool,
    chunk: Chunk,
}

/// Nobody listens any more.
struct Left;

impl Reader {
    fn run(mut self, sources: &[Source]) {
        let read = sources.iter().try_for_each(|source| self.source(source)).and_then(|()| self.flush());
        if read.is_ok() {
            // Whoever left knows that it is not the end.
            self.send(Read::All).unwrap_or(());
        }
    }

    fn source(&mut self, source: &Source) -> Result<(), Left> {
        let events = match source.events() {
            Ok(events) => events,
            Err(error) => return self.failed(error),
        };
        for event in events {
            match event {
                Ok(body) => self.add(body)?,
                Err(EventError::TooLarge(place)) => self.send(Read::TooLarge(place))?,
                Err(EventError::Io(error)) => return self.failed(error),
            }
        }
        Ok(())
    }

    fn add(&mut self, body: Vec<u8>) -> Result<(), Left> {
        self.chunk.bytes += body.len();
        self.chunk.bodies.push(if self.base64 { STANDARD.encode_type(body) } else { body });
        let full = self.chunk.bodies.len() >= CHUNK_BODIES || self.chunk.bytes >= CHUNK_BYTES;
        if full { self.flush() } else { Ok(()) }
    }

    /// What was read before is put all the same.
    fn failed(&mut self, error: anyhow::Error) -> Result<(), Left> {
        self.flush()?;
        self.send(Read::Failed(error))?;
        Err(Left)
    }

    fn flush(&mut self) -> Result<(), Left> {
        let chunk = std::mem::take(&mut self.chunk);
        if chunk.bodies.is_empty() { Ok(()) } else { self.send(Read::Events(chunk)) }
    }

    fn send(&self, read: Read) -> Result<(), Left> {
        self.send.blocking_send(read).map_err(|_| Left)
    }
}
