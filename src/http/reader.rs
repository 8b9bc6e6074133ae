//! Whoever reads gets the catalog through here, already cut to the caller's projects: no handler has another one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use tokio::sync::Mutex;

use super::Problem;
use super::access::Caller;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::domain::metrics::{Terms, Zone};
use crate::domain::owner::Owners;
use crate::domain::{BranchPattern, Time};
use crate::queue::Queue;
use crate::store::Store;

/// What answers are made from.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "a store has none")]
pub struct Readers {
    pub catalog: Catalog,
    pub store: Arc<dyn Store>,
    pub queue: Arc<dyn Queue>,
    pub clock: Arc<dyn Clock>,
    pub owners: Owners,
    /// How branches name work items.
    pub branches: Vec<BranchPattern>,
}

/// What counts as what in delivery metrics, by configuration. To be put around the readers as an extension; without it
/// what is usual counts.
#[derive(Debug, Clone, Default)]
pub struct Measures {
    pub terms: Arc<Terms>,
    pub zone: Zone,
}

/// Asks whoever watches the service hooks in this process how they are: how many are healthy, and of how many; `None`
/// where nobody watches them. To be put around the readers as an extension.
#[derive(Clone)]
pub struct HookHealth(Arc<dyn Fn() -> Option<(u64, u64)> + Send + Sync>);

impl HookHealth {
    pub fn new(ask: impl Fn() -> Option<(u64, u64)> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    pub(crate) fn ask(&self) -> Option<(u64, u64)> {
        (self.0)()
    }
}

impl fmt::Debug for HookHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HookHealth").field(&self.ask()).finish()
    }
}

/// A count is told for so long: on Azure it costs requests.
const COUNTED_FOR: Duration = Duration::from_secs(5);

/// How many dead letters there are, counted once for all who ask at the same time.
#[derive(Debug, Clone, Default)]
pub(crate) struct LetterCount(Arc<Mutex<Option<Counted>>>);

/// When it was counted, and how many there were.
type Counted = (Time, Option<u64>);

impl LetterCount {
    /// `None` where the queue did not tell.
    pub(crate) async fn get(&self, now: Time, count: impl Future<Output = Option<u64>>) -> Option<u64> {
        let mut known = self.0.lock().await;
        match *known {
            Some((at, letters)) if now.since(at) < COUNTED_FOR => letters,
            Some(_) | None => {
                let letters = count.await;
                *known = Some((now, letters));
                letters
            }
        }
    }

    pub(crate) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

/// One request's view of it all.
pub(crate) struct Reader {
    pub(crate) caller: Caller,
    /// Cut to the caller's projects.
    pub(crate) catalog: Catalog,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) owners: Owners,
    pub(crate) branches: Vec<BranchPattern>,
    pub(crate) hooks: Option<HookHealth>,
    pub(crate) letters: LetterCount,
}

impl<S> FromRequestParts<S> for Reader
where
    S: Send + Sync,
    Readers: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Readers { catalog, store, queue, clock, owners, branches } = Readers::from_ref(state);
        let caller = parts.extensions.get::<Caller>().cloned().ok_or_else(Problem::sign_in)?;
        if !catalog.is_whole().await? {
            return Err(Problem::unavailable("The catalog is being built from the store; try again."));
        }
        let catalog = catalog.seen_by(caller.scope.clone());
        let hooks = parts.extensions.get().cloned();
        let letters = parts.extensions.get().cloned().unwrap_or_default();
        Ok(Self { caller, catalog, store, queue, clock, owners, branches, hooks, letters })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn letters_are_counted_once_in_a_while() {
        let (count, at) = (LetterCount::default(), |seconds| Time::from_ticks(0).plus(Duration::from_secs(seconds)));
        assert_eq!(count.get(at(0), async { Some(3) }).await, Some(3));
        assert_eq!(count.get(at(4), async { Some(4) }).await, Some(3));
        assert_eq!(count.get(at(5), async { None }).await, None);
        count.forget().await;
        assert_eq!(count.get(at(5), async { Some(5) }).await, Some(5));
    }
}
