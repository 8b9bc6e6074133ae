//! Those who are told what changes, as it changes.
//!
//! The change log is read once in a process, by whoever keeps the catalog current, and not once more for those who
//! listen: [`Catalog::follow`] tells what it read, after the catalog has it. Only who comes back with a cursor of its own
//! catches up by itself ([`Catalog::changes`]).
//!
//! The trap: the file of a replica says how far *it* is, and another process may have brought it there. What that one
//! read was told to nobody here. So those who listen have a place of their own in the log, and the log is read from there
//! on where the file is ahead.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, broadcast};

use super::{Catalog, CatalogError, Kept, News, apply};
use crate::domain::{Key, Scope};
use crate::store::{Changes, Cursor, Store};

/// So many portions of changes a slow listener may be behind: each is kept with what it shows.
const MOST_BEHIND: usize = 16;
/// Keys that one portion has at the most, about.
pub(super) const PORTION: usize = 500;

/// A portion of the change log, which the catalog has.
#[derive(Debug)]
pub struct Told {
    /// Each once, in their order.
    pub keys: Vec<Key>,
    /// How far it goes.
    pub reached: Cursor,
    /// What changed before is not told: read all anew.
    pub reset: bool,
    /// What it shows to whom: made once for all who may see the same, since many listen.
    shown: tokio::sync::Mutex<Vec<(Scope, Arc<[News]>)>>,
}

impl Told {
    fn of(changes: Changes) -> Self {
        let Changes { mut keys, cursor, reset, .. } = changes;
        keys.sort_unstable();
        keys.dedup();
        Self { keys, reached: cursor, reset, shown: tokio::sync::Mutex::default() }
    }
}

/// What is told from now on. One who does not keep up is told of it by an error.
pub type Live = broadcast::Receiver<Arc<Told>>;

/// Those who listen in this process.
#[derive(Debug, Clone)]
pub(super) struct Listeners(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    told: broadcast::Sender<Arc<Told>>,
    /// How far they were told; `None` while nobody listens.
    reached: Mutex<Option<Cursor>>,
    joined: Notify,
}

impl Default for Listeners {
    fn default() -> Self {
        let (told, _) = broadcast::channel(MOST_BEHIND);
        Self(Arc::new(Inner { told, reached: Mutex::default(), joined: Notify::new() }))
    }
}

impl Listeners {
    /// What is told behind the cursor that this answers: `start`, where nobody listened before.
    fn join(&self, start: Cursor) -> (Live, Cursor) {
        let mut reached = self.0.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.0.told.subscribe();
        let reached = reached.get_or_insert(start).clone();
        self.0.joined.notify_one();
        (live, reached)
    }

    /// Waits until somebody joins, or has joined since the last time.
    pub(super) async fn joined(&self) {
        self.0.joined.notified().await;
    }

    /// From where on they are to be told; `None` while nobody listens.
    pub(super) fn reached(&self) -> Option<Cursor> {
        let mut reached = self.0.reached.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.told.receiver_count() == 0 {
            *reached = None;
        }
        reached.clone()
    }

    /// Tells what was read behind `from`. Where they are elsewhere, somebody has joined meanwhile: the next time it is
    /// read from there.
    pub(super) fn tell(&self, from: &Cursor, changes: Changes) {
        let mut reached = self.0.reached.lock().unwrap_or_else(PoisonError::into_inner);
        if reached.as_ref() == Some(from) {
            *reached = Some(changes.cursor.clone());
            self.send(Told::of(changes));
        }
    }

    /// Tells them that what changed up to here cannot be told.
    pub(super) fn reset(&self, to: &Cursor) {
        let mut reached = self.0.reached.lock().unwrap_or_else(PoisonError::into_inner);
        if reached.is_some() {
            *reached = Some(to.clone());
            self.send(Told::of(Changes { keys: Vec::new(), cursor: to.clone(), more: false, reset: true }));
        }
    }

    fn send(&self, told: Told) {
        if told.reset || !told.keys.is_empty() {
            // Whoever left meanwhile misses nothing.
            drop(self.0.told.send(Arc::new(told)));
        }
    }
}

impl Catalog {
    /// What is told from now on, and behind which place in the log.
    ///
    /// # Errors
    /// When the store or the catalog's file fails.
    pub async fn listen(&self, store: &dyn Store) -> Result<(Live, Cursor), CatalogError> {
        let start = match self.listeners.reached() {
            Some(reached) => reached,
            None => self.place(store).await?,
        };
        Ok(self.listeners.join(start))
    }

    /// How far the catalog has followed the log.
    async fn place(&self, store: &dyn Store) -> Result<Cursor, CatalogError> {
        match self.kept {
            // Whoever has no cursor is told where the log ends.
            Kept::ByStore => Ok(store.changes(&Cursor::default(), 1).await?.cursor),
            Kept::ByFollowing => Ok(self.file.read(apply::cursor).await?),
        }
    }

    /// What of it is there and may be shown.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn shown(&self, told: &Told) -> Result<Arc<[News]>, CatalogError> {
        let mut shown = told.shown.lock().await;
        if let Some((_, news)) = shown.iter().find(|(scope, _)| *scope == self.scope) {
            return Ok(news.clone());
        }
        let news: Arc<[News]> = self.news(told.keys.clone()).await?.into();
        shown.push((self.scope.clone(), news.clone()));
        Ok(news)
    }

    /// What changed after `from`, a portion of it. The catalog has it once this answers.
    ///
    /// # Errors
    /// When the store or the catalog's file fails.
    pub async fn changes(&self, store: &dyn Store, from: &Cursor) -> Result<Told, CatalogError> {
        let changes = store.changes(from, PORTION).await?;
        if self.kept == Kept::ByFollowing && !changes.cursor.is_within(&self.place(store).await?) {
            self.refresh(store).await?;
        }
        Ok(Told::of(changes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RunKey;

    fn cursor(reached: u64) -> Cursor {
        Cursor { log: None, reached: vec![reached] }
    }

    fn changes(run: u64, to: u64) -> Changes {
        let key = Key::Run(RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run });
        Changes { keys: vec![key.clone(), key], cursor: cursor(to), more: false, reset: false }
    }

    #[test]
    fn all_are_told_all_that_is_behind_the_place_where_they_joined() {
        let listeners = Listeners::default();
        assert_eq!(listeners.reached(), None);
        let (mut first, from) = listeners.join(cursor(1));
        assert_eq!(from, cursor(1));
        listeners.tell(&cursor(1), changes(479, 2));
        let (mut second, from) = listeners.join(cursor(9));
        assert_eq!(from, cursor(2), "where the others are");
        listeners.tell(&cursor(2), changes(480, 3));
        let told = |live: &mut Live| live.try_recv().map(|told| (told.keys.len(), told.reached.clone()));
        assert_eq!(told(&mut first), Ok((1, cursor(2))));
        assert_eq!((told(&mut first), told(&mut second)), (Ok((1, cursor(3))), Ok((1, cursor(3)))));
        assert!(told(&mut second).is_err());
        drop((first, second));
        assert_eq!(listeners.reached(), None, "nobody listens");
    }

    #[test]
    fn what_was_read_from_elsewhere_is_not_told_and_moves_nobody() {
        let listeners = Listeners::default();
        let (mut live, _) = listeners.join(cursor(2));
        // Read before somebody joined further back.
        listeners.tell(&cursor(3), changes(479, 4));
        assert!(live.try_recv().is_err());
        assert_eq!(listeners.reached(), Some(cursor(2)));
        listeners.reset(&cursor(5));
        assert!(live.try_recv().unwrap().reset);
        assert_eq!(listeners.reached(), Some(cursor(5)));
    }
}
