//! The one thread that writes.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{Durability, LocalError};

/// Writes that share one transaction at the most.
const MOST_IN_A_GROUP: usize = 64;

#[derive(Debug)]
pub(super) struct Writer {
    /// Closed to end the thread.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
}

struct Job {
    durability: Durability,
    /// Runs inside a transaction, or is told why there is none.
    act: Act,
}

type Act = Box<dyn FnOnce(Result<&Connection, LocalError>) -> Ran + Send>;

/// A write that was made but not yet committed.
struct Ran {
    failed: bool,
    /// Answers the caller, with the error of the commit if there was one.
    answer: Box<dyn FnOnce(Option<LocalError>) + Send>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("durability", &self.durability).finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) fn start(path: &Path, connection: Connection) -> Result<Self, LocalError> {
        let (jobs, queue) = channel();
        let name = path.to_owned();
        let thread = std::thread::Builder::new()
            .name("pipetrail-writer".to_owned())
            .spawn(move || serve(&queue, &connection, &name))
            .map_err(|error| LocalError::io(path, error))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), path: path.to_owned() })
    }

    pub(super) async fn run<T, F>(&self, durability: Durability, act: F) -> Result<T, LocalError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let path = self.path.clone();
        let act = Box::new(move |connection: Result<&Connection, LocalError>| {
            let result =
                connection.and_then(|connection| act(connection).map_err(|error| LocalError::new(&path, error)));
            let failed = result.is_err();
            let answer = Box::new(move |commit: Option<LocalError>| {
                // Its own error says more than that of the commit.
                let answer = result.and_then(|value| commit.map_or(Ok(value), Err));
                // Nobody waits any more: the write stands all the same.
                drop(sender.send(answer));
            });
            Ran { failed, answer }
        });
        let stopped = || LocalError::stopped(&self.path);
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(Job { durability, act }).map_err(|_| stopped())?;
        receiver.await.map_err(|_| stopped())?
    }
}

/// Waits for the thread, so that the last connection is closed and leaves one whole file behind.
impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        // Its panic was printed by itself.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn serve(queue: &Receiver<Job>, connection: &Connection, path: &Path) {
    let mut set = None;
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(MOST_IN_A_GROUP - 1));
        let durability = group.iter().map(|job| job.durability).max().unwrap_or(Durability::Full);
        // One connection for both: with two, each would have to forget what it knows when the other writes.
        let set_now = if set == Some(durability) { Ok(()) } else { set_to(connection, durability) };
        set = set_now.is_ok().then_some(durability);
        commit(connection, group, set_now, path);
    }
}

fn set_to(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", durability.synchronous())
}

/// Runs the group in one transaction and answers all of them after the commit. One that fails takes the
/// others with it: what fails here (disk full, damaged file) is nobody's alone, and savepoints cost a fifth.
fn commit(connection: &Connection, group: Vec<Job>, ready: rusqlite::Result<()>, path: &Path) {
    let begun = ready.and_then(|()| connection.execute_batch("BEGIN IMMEDIATE"));
    let mut begun = begun.map_err(|error| LocalError::new(path, error));
    let mut answers = Vec::with_capacity(group.len());
    for job in group {
        let ran = (job.act)(begun.clone().map(|()| connection));
        if ran.failed && begun.is_ok() {
            begun = Err(LocalError::undone(path));
        }
        answers.push(ran.answer);
    }
    let committed =
        begun.and_then(|()| connection.execute_batch("COMMIT").map_err(|error| LocalError::new(path, error)));
    if committed.is_err() && !connection.is_autocommit() {
        // Nothing to be done about a failing rollback: the next BEGIN says so.
        drop(connection.execute_batch("ROLLBACK"));
    }
    for answer in answers {
        answer(committed.as_ref().err().cloned());
    }
}
