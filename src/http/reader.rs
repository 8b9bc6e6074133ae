//! Whoever reads gets the catalog through here, already cut to the caller's projects: no handler has another one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use tokio::sync::Mutex;

use super::access::{Caller, Stay};
use super::{AdoSite, Problem};
use crate::catalog::{Catalog, CatalogError, Pipeline, Run};
use crate::clock::Clock;
use crate::domain::chain::{Chain, Chains};
use crate::domain::metrics::{Terms, Zone};
use crate::domain::owner::Owners;
use crate::domain::{BranchPattern, Fact, HookLag, HookLags, HookLook, Key, RunKey, Scope, Time};
use crate::queue::{Dead, Queue};
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
    /// Which repositories make a deployment chain.
    pub chains: Chains,
}

/// What counts as what in delivery metrics, by configuration. To be put around the readers as an extension; without it
/// what is usual counts.
#[derive(Debug, Clone, Default)]
pub struct Measures {
    pub terms: Arc<Terms>,
    pub zone: Zone,
}

/// An answer is given again for so long: on Azure each costs requests.
const GOOD_FOR: Duration = Duration::from_secs(5);
/// And for so many times the time that it took: a thousand dead letters are a request.
const TIMES_TAKEN: u32 = 10;
/// An outage must not take the pages with it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Projects whose hooks are told of.
const MOST_LOOKS: usize = 2_000;

/// Something that is asked for once for all who want it at the same time, and again after a while.
#[derive(Debug)]
pub(crate) struct Lately<T>(Arc<Mutex<Option<Answer<T>>>>);

#[derive(Debug)]
struct Answer<T> {
    at: Time,
    good_for: Duration,
    is: T,
}

/// How many dead letters there are of each reason; `None` where the queue did not tell.
pub(crate) type LetterCount = Lately<Option<Arc<Dead>>>;
/// How the service hooks were; `None` where the store did not tell.
pub(crate) type HookLooks = Lately<Option<Arc<[HookLook]>>>;

impl<T> Clone for Lately<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Lately<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Lately<T> {
    pub(crate) async fn get(&self, now: Time, ask: impl Future<Output = T>) -> T {
        let mut known = self.0.lock().await;
        match known.as_ref() {
            Some(answer) if now.since(answer.at) < answer.good_for => answer.is.clone(),
            Some(_) | None => {
                let began = Instant::now();
                let is = ask.await;
                *known = Some(Answer { at: now, good_for: good_for(began.elapsed()), is: is.clone() });
                is
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
    chains: Chains,
    pub(crate) measures: Measures,
    pub(crate) looks: HookLooks,
    pub(crate) letters: LetterCount,
    pub(crate) ado: AdoSite,
    /// Of a browser's session.
    pub(crate) stay: Option<Stay>,
}

impl<S> FromRequestParts<S> for Reader
where
    S: Send + Sync,
    Readers: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Readers { catalog, store, queue, clock, owners, branches, chains } = Readers::from_ref(state);
        let caller = parts.extensions.get::<Caller>().cloned().ok_or_else(Problem::sign_in)?;
        if !catalog.is_whole().await? {
            return Err(Problem::unavailable("The catalog is being built from the store; try again."));
        }
        let catalog = catalog.seen_by(caller.scope.clone());
        let looks = parts.extensions.get().cloned().unwrap_or_default();
        let letters = parts.extensions.get().cloned().unwrap_or_default();
        let measures = parts.extensions.get().cloned().unwrap_or_default();
        let ado = parts.extensions.get().cloned().unwrap_or_default();
        let stay = parts.extensions.get().cloned();
        Ok(Self { caller, catalog, store, queue, clock, owners, branches, chains, measures, looks, letters, ado, stay })
    }
}

impl Reader {
    /// How the service hooks were when somebody looked last, of the projects that the caller may see; `None` where that
    /// cannot be told now.
    pub(crate) async fn hooks(&self) -> Option<Vec<HookLook>> {
        let now = self.clock.now();
        let all = self.looks.get(now, looks(self.store.as_ref())).await?;
        let seen = |look: &&HookLook| {
            !look.is_forgotten(now) && self.caller.scope.holds(&look.organization, &look.project, &look.project_id)
        };
        Some(all.iter().filter(seen).cloned().collect())
    }

    /// The chains. Who may not see all is told of those alone that a pipeline which they see is a part of: also a name that
    /// only the configuration has may be a secret. What belongs to none stands with the first, so there always is one.
    pub(crate) async fn seen_chains(&self) -> Result<Vec<Chain>, CatalogError> {
        if self.caller.scope == Scope::All {
            return Ok(self.chains.all.clone());
        }
        let pipelines = self.catalog.pipelines(None, None).await?;
        let is_seen = |chain: &&Chain| pipelines.iter().any(|pipeline| is_part(pipeline, chain));
        let seen: Vec<_> = self.chains.all.iter().filter(is_seen).cloned().collect();
        Ok(if seen.is_empty() { vec![Chain::usual()] } else { seen })
    }

    /// Names of the teams, in their order; for who may not see all those of the pipelines that they see.
    pub(crate) async fn teams(&self) -> Result<BTreeSet<String>, CatalogError> {
        let Owners(rules) = &self.owners;
        if self.caller.scope == Scope::All || rules.is_empty() {
            return Ok(rules.iter().filter_map(|rule| rule.team.clone()).collect());
        }
        let pipelines = self.catalog.pipelines(None, None).await?;
        let team = |pipeline: &Pipeline| self.owners.of(&pipeline.into())?.team;
        Ok(pipelines.iter().filter_map(team).collect())
    }

    /// How long events took to come here; `None` where none came lately, or the store does not tell. It is a number of all
    /// projects: who may not see these is not told.
    pub(crate) async fn hook_lags(&self) -> Option<HookLags> {
        if self.caller.scope != Scope::All {
            return None;
        }
        let note = tokio::time::timeout(PATIENCE, self.store.note(HookLag::NOTE)).await.ok()?.ok()??;
        HookLags::read(&note, self.clock.now())
    }

    /// What was said about a run, which the catalog has shown to this caller: the store would show it to everybody. `None`
    /// where the store does not answer.
    pub(crate) async fn facts(&self, run: &Run) -> Option<Vec<Fact>> {
        let key = RunKey { organization: run.organization.clone(), pipeline: run.pipeline.id, run: run.run_id };
        match tokio::time::timeout(PATIENCE, self.store.facts(&Key::Run(key))).await {
            Ok(Ok(facts)) => Some(facts),
            Ok(Err(error)) => {
                tracing::warn!(run = run.run_id, error = error.cause(), "run {}: its facts cannot be read", run.run_id);
                None
            }
            Err(_) => None,
        }
    }

    /// `None` where the queue does not answer.
    pub(crate) async fn letters(&self) -> Option<Arc<Dead>> {
        let count = async {
            let survey = tokio::time::timeout(PATIENCE, self.queue.survey()).await.ok()?;
            survey.ok().map(|survey| Arc::new(survey.dead_letters))
        };
        self.letters.get(self.clock.now(), count).await
    }
}

fn good_for(taken: Duration) -> Duration {
    GOOD_FOR.max(taken.saturating_mul(TIMES_TAKEN))
}

fn is_part(pipeline: &Pipeline, chain: &Chain) -> bool {
    let is_here = chain.organization.as_ref().is_none_or(|only| *only == pipeline.organization);
    let builds = pipeline.repository.as_deref().is_some_and(|one| chain.is_hld(one) || chain.is_manifest(one));
    is_here && (builds || chain.service_of(pipeline.id, pipeline.name.as_deref()).is_some())
}

async fn looks(store: &dyn Store) -> Option<Arc<[HookLook]>> {
    let notes = tokio::time::timeout(PATIENCE, store.notes(HookLook::NOTES, MOST_LOOKS)).await.ok()?.ok()?;
    Some(notes.iter().filter_map(|(_, text)| HookLook::decode(text)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn letters_are_counted_once_in_a_while() {
        let (count, at) = (Lately::default(), |seconds| Time::from_ticks(0).plus(Duration::from_secs(seconds)));
        assert_eq!(count.get(at(0), async { Some(3) }).await, Some(3));
        assert_eq!(count.get(at(4), async { Some(4) }).await, Some(3));
        assert_eq!(count.get(at(5), async { None }).await, None);
        count.forget().await;
        assert_eq!(count.get(at(5), async { Some(5) }).await, Some(5));
    }

    #[test]
    fn what_takes_long_is_asked_for_less_often() {
        assert_eq!(good_for(Duration::from_millis(20)), GOOD_FOR);
        assert_eq!(good_for(Duration::from_secs(2)), Duration::from_secs(20));
    }
}
