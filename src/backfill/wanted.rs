//! Runs that messages named without saying anything of them: the worker noted them, and here they are asked for.
//!
//! Apart from the worker, so that a token that is not valid never holds up the queue.
//!
//! The message is gone, and its note is all that is left of it. So a note goes only once the run is in its record, or the
//! service says that there is none. Whatever else comes of it, the run is asked for again, each time later, and the
//! others are asked for meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Backfill, BackfillError, Kind, Order, Tally, Timelines};
use crate::ado::rest::AdoError;
use crate::domain::Time;
use crate::ingest::WantedRun;

/// Notes that one look takes.
const MOST_NOTES: usize = 10_000;
/// Between two looks at the notes, and the first wait of what failed.
const EVERY: Duration = Duration::from_secs(15);
/// The longest wait of a run.
const MOST_OF_A_RUN: Duration = Duration::from_secs(6 * 3_600);
/// And of an organization, such as one that does not take the token: all its runs wait.
const MOST_OF_ALL: Duration = Duration::from_secs(300);

/// Asks for what is noted.
#[derive(Debug)]
pub struct Fetcher {
    backfill: Backfill,
    later: Later,
}

/// What one look came to, in notes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    pub settled: u64,
    /// Asked for without success, or not asked for yet.
    pub waiting: u64,
}

/// What came of asking for one run.
enum Fetched {
    There,
    Gone,
    /// The answer, or some of it, is not in the record.
    InPart,
}

impl Fetcher {
    #[must_use]
    pub fn new(backfill: Backfill) -> Self {
        Self { backfill, later: Later::default() }
    }

    /// Asks until the stop for what is noted. What goes wrong is told, and tried again later.
    pub async fn run(mut self, stop: CancellationToken) {
        // Cut off, it leaves nothing half done: what is noted is asked for again.
        while let Some(looked) = stop.run_until_cancelled(self.look()).await {
            match looked {
                Ok(Looked { settled: 0, .. }) => {}
                Ok(Looked { settled, waiting }) => {
                    tracing::info!(settled, waiting, "asked for runs that messages only named");
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "runs that messages only named: cannot be looked for, trying again");
                }
            }
            // Both ends are the same: the loop looks at the stop.
            drop(tokio::time::timeout(EVERY, stop.cancelled()).await);
        }
    }

    /// Asks once for every run that is noted and whose time has come.
    ///
    /// # Errors
    /// When the store fails; what was not asked for stays noted.
    pub async fn look(&mut self) -> Result<Looked, BackfillError> {
        let mut looked = Looked::default();
        let notes = self.backfill.store.notes(WantedRun::NOTES, MOST_NOTES).await?;
        for (of, noted) in self.together(notes, &mut looked) {
            let notes = u64::try_from(noted.names.len()).unwrap_or_default();
            if self.is_done(&of, noted.project).await? {
                for name in noted.names {
                    self.backfill.store.drop_note(&name).await?;
                }
                looked.settled += notes;
            } else {
                looked.waiting += notes;
            }
        }
        Ok(looked)
    }

    /// Several messages of one run are one question.
    fn together(&mut self, notes: Vec<(String, String)>, looked: &mut Looked) -> BTreeMap<Of, Noted> {
        let mut all: BTreeMap<Of, Noted> = BTreeMap::new();
        for (name, text) in notes {
            if let Some(wanted) = WantedRun::read(&text) {
                let of = Of { organization: wanted.organization, run: wanted.run };
                let noted = all.entry(of).or_default();
                noted.project = noted.project.take().or(wanted.project);
                noted.names.push(name);
            } else {
                looked.waiting += 1;
                self.later.complain_of(&name);
            }
        }
        all
    }

    /// Whether the notes of this run may go.
    async fn is_done(&mut self, of: &Of, project: Option<String>) -> Result<bool, BackfillError> {
        let (all, run) = (of.organization.clone(), of.to_string());
        if self.later.holds(&all) || self.later.holds(&run) {
            return Ok(false);
        }
        match self.fetch(of, project).await {
            Ok(Fetched::There) => {}
            Ok(Fetched::Gone) => {
                tracing::warn!(run, "run {}: a message named it, but there is no such build any more", of.run);
            }
            Ok(Fetched::InPart) => {
                self.later.put(&run, MOST_OF_A_RUN);
                return Ok(false);
            }
            Err(BackfillError::Ado(error)) => {
                let wait = if is_of_the_run(&error) {
                    self.later.put(&run, MOST_OF_A_RUN)
                } else {
                    self.later.put(&all, MOST_OF_ALL)
                };
                let (wait_s, error) = (wait.as_secs(), &error as &dyn std::error::Error);
                tracing::warn!(run, error, wait_s, "run {}: a message named it, asked for again later", of.run);
                return Ok(false);
            }
            Err(error @ BackfillError::Store(_)) => return Err(error),
        }
        self.later.forget(&all);
        self.later.forget(&run);
        Ok(true)
    }

    async fn fetch(&mut self, of: &Of, project: Option<String>) -> Result<Fetched, BackfillError> {
        let Of { organization, run } = of;
        let Some(answer) = self.backfill.client.build(organization, project.as_deref(), *run).await? else {
            return Ok(Fetched::Gone);
        };
        let order = Order {
            canonical: organization.clone(),
            organization: organization.clone(),
            project: project.unwrap_or_default(),
            pipelines: Vec::new(),
            asked: Time::UNKNOWN,
            since: Time::UNKNOWN,
            kind: Kind::Runs,
            until: None,
            timelines: Timelines::Failed,
            again: false,
        };
        let mut tally = Tally::default();
        self.backfill.page(&order, &answer, &mut tally).await?;
        let whole = tally.unreadable == 0 && tally.imported.left_alone == 0;
        Ok(if whole { Fetched::There } else { Fetched::InPart })
    }
}

/// A run that is noted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Of {
    organization: String,
    run: u64,
}

impl std::fmt::Display for Of {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.organization, self.run)
    }
}

/// What is noted of it.
#[derive(Debug, Default)]
struct Noted {
    project: Option<String>,
    names: Vec<String>,
}

/// What is not asked for before its time: runs, organizations, notes. The waits grow.
#[derive(Debug, Default)]
struct Later(BTreeMap<String, (u32, Instant)>);

impl Later {
    fn holds(&self, what: &str) -> bool {
        self.0.get(what).is_some_and(|(_, until)| *until > Instant::now())
    }

    fn put(&mut self, what: &str, most: Duration) -> Duration {
        let (tries, _) = self.0.get(what).copied().unwrap_or_else(|| (0, Instant::now()));
        let wait = EVERY.saturating_mul(2_u32.saturating_pow(tries)).min(most);
        self.0.insert(what.to_owned(), (tries.saturating_add(1), Instant::now() + wait));
        wait
    }

    fn forget(&mut self, what: &str) {
        self.0.remove(what);
    }

    /// Of a note that a newer program may have written. It stays for that one.
    fn complain_of(&mut self, note: &str) {
        if !self.holds(note) {
            tracing::warn!(note, "the note of a run that a message only named cannot be read");
            self.put(note, MOST_OF_A_RUN);
        }
    }
}

/// Whether the others of its organization may fare better.
fn is_of_the_run(error: &AdoError) -> bool {
    match error {
        AdoError::Forbidden { .. }
        | AdoError::NotFound { .. }
        | AdoError::Refused { .. }
        | AdoError::Unavailable { .. }
        | AdoError::Unreadable { .. }
        | AdoError::TooLarge { .. } => true,
        AdoError::TokenRefused { .. }
        | AdoError::Strange { .. }
        | AdoError::Throttled { .. }
        | AdoError::Endless { .. }
        | AdoError::NoToken { .. }
        | AdoError::Body { .. }
        | AdoError::Client(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_limit_and_begin_anew() {
        let mut later = Later::default();
        let mut wait = || later.put("x", MOST_OF_ALL).as_secs();
        assert_eq!([wait(), wait(), wait()], [15, 30, 60]);
        assert_eq!((0..100).map(|_| wait()).last(), Some(300));
        assert!(later.holds("x") && !later.holds("y"));
        later.forget("x");
        assert_eq!(later.put("x", MOST_OF_ALL), EVERY);
    }
}
