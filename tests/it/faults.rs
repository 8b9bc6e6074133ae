//! Faults played over any backend: delays, refusals, lost answers, quicker writers, outages.
//!
//! It keeps the promises of what it wraps: what answers [`Fault::Unavailable`] did not act, a refused commit
//! wrote nothing, a conflict is a real one (another writer was there a moment before). Every fault that was
//! played is counted, so that a test can say that it really happened.
//!
//! One thing cannot be played: a settlement that acted and is handed back whole, since deliveries are
//! settled by value. A lost answer there settles one half and hands back the other.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use pipetrail::domain::{EncodedFact, Fact, Key, Time};
use pipetrail::queue::{
    After, BodyTest, DeadLetter, DeadLetterFilter, Delivery, Depth, Queue, QueueError, SettleError, Settlement, Survey,
};
use pipetrail::store::{self, Changes, Committed, Cursor, Rewrite, Store, StoreError, Stored, Write};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// What is asked of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    Load,
    Changes,
    Facts,
    Commit,
    Append,
    Rewrite,
    Probe,
    Receive,
    Settle,
    BeginTrial,
    Trials,
    EndTrial,
    Depth,
}

/// What goes wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// It takes its time.
    Delay,
    /// Not available, before the act.
    Unavailable,
    /// It acted, and the answer is lost.
    AnswerLost,
    /// Another writer is quicker by a moment with one of the records.
    Conflict,
    /// The store will not have it, and says which.
    Refused,
    /// The store will not have it, and does not say which.
    RefusedUnnamed,
    /// Not available, between [`Faults::away`] and [`Faults::back`].
    Away,
    /// No answer, ever.
    Silence,
}

/// What the store will never have.
type Rule = Box<dyn Fn(&Write) -> bool + Send>;

/// The faults of one backend: those to come and those that were played.
pub(crate) struct Faults(Mutex<State>);

struct State {
    rng: SmallRng,
    /// Chances of each fault at each act where it can be.
    rates: Vec<(Fault, f64)>,
    script: VecDeque<(Act, Fault)>,
    away: bool,
    broken: Option<Act>,
    refuse: Option<(Rule, Fault)>,
    most_writes: usize,
    /// What each record that is loaded seems to weigh.
    weight: Option<usize>,
    /// How many records each load brought; a commit ends with a 0.
    loaded: Vec<usize>,
    asked: BTreeMap<Act, u32>,
    played: BTreeMap<(Act, Fault), u32>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("played", &self.lock().played).finish_non_exhaustive()
    }
}

impl Faults {
    /// None, until told.
    pub(crate) fn none() -> Arc<Self> {
        Self::at_random(0, &[])
    }

    pub(crate) fn at_random(seed: u64, rates: &[(Fault, f64)]) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            rng: SmallRng::seed_from_u64(seed),
            rates: rates.to_vec(),
            script: VecDeque::new(),
            away: false,
            broken: None,
            refuse: None,
            most_writes: usize::MAX,
            weight: None,
            loaded: Vec::new(),
            asked: BTreeMap::new(),
            played: BTreeMap::new(),
        })))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Plays `fault` at the next such act that has none yet.
    pub(crate) fn next(&self, act: Act, fault: Fault) {
        self.lock().script.push_back((act, fault));
    }

    /// An outage begins.
    pub(crate) fn away(&self) {
        self.lock().away = true;
    }

    /// One kind of act is not available from now on, or none.
    pub(crate) fn broken(&self, act: Option<Act>) {
        self.lock().broken = act;
    }

    /// All outages end.
    pub(crate) fn back(&self) {
        let mut state = self.lock();
        (state.away, state.broken) = (false, None);
    }

    /// Each record that is loaded from now on seems to have so many bytes.
    pub(crate) fn weigh(&self, bytes: usize) {
        let mut state = self.lock();
        (state.weight, state.loaded) = (Some(bytes), Vec::new());
    }

    /// How many records were in memory at once since then.
    pub(crate) fn most_loaded(&self) -> usize {
        self.lock().loaded.split(|count| *count == 0).map(|counts| counts.iter().sum()).max().unwrap_or_default()
    }

    /// How many records one load brought at the most since then.
    pub(crate) fn largest_load(&self) -> usize {
        self.lock().loaded.iter().copied().max().unwrap_or_default()
    }

    fn weighed(&self, mut stored: Vec<Option<Stored>>) -> Vec<Option<Stored>> {
        let mut state = self.lock();
        let there = stored.iter_mut().flatten();
        let count = there.map(|stored| stored.bytes = state.weight.unwrap_or(stored.bytes)).count();
        state.loaded.extend(Some(count).filter(|count| *count > 0));
        stored
    }

    /// Nothing is refused any more.
    pub(crate) fn accept(&self) {
        self.lock().refuse = None;
    }

    /// Refuses commits with a write for which `rule` holds; `fault` says how.
    pub(crate) fn refuse(&self, fault: Fault, rule: impl Fn(&Write) -> bool + Send + 'static) {
        self.lock().refuse = Some((Box::new(rule), fault));
    }

    /// Refuses commits of more writes than these, as a store does where a request may only be so large.
    pub(crate) fn most_writes(&self, most: usize) {
        self.lock().most_writes = most;
    }

    /// How often it was played, at any act.
    pub(crate) fn played(&self, fault: Fault) -> u32 {
        self.lock().played.iter().filter(|((_, other), _)| *other == fault).map(|(_, count)| count).sum()
    }

    /// How many were played.
    pub(crate) fn played_in_all(&self) -> u32 {
        self.lock().played.values().sum()
    }

    pub(crate) fn played_at(&self, act: Act, fault: Fault) -> u32 {
        self.lock().played.get(&(act, fault)).copied().unwrap_or_default()
    }

    /// How often such an act was asked for.
    pub(crate) fn asked(&self, act: Act) -> u32 {
        self.lock().asked.get(&act).copied().unwrap_or_default()
    }

    fn count(&self, act: Act, fault: Fault) {
        *self.lock().played.entry((act, fault)).or_default() += 1;
    }

    fn draw(&self, act: Act) -> Option<Fault> {
        let mut state = self.lock();
        *state.asked.entry(act).or_default() += 1;
        if state.away || state.broken == Some(act) {
            return Some(Fault::Away);
        }
        if let Some(at) = state.script.iter().position(|(other, _)| *other == act) {
            return state.script.remove(at).map(|(_, fault)| fault);
        }
        let mut point: f64 = state.rng.random();
        state.rates.iter().filter(|(fault, _)| *fault != Fault::Conflict || act == Act::Commit).find_map(
            |(fault, rate)| {
                point -= rate;
                (point < 0.0).then_some(*fault)
            },
        )
    }

    /// Readers meet nothing but what a test breaks for them.
    fn for_readers(&self, act: Act) -> Option<Fault> {
        let mut state = self.lock();
        *state.asked.entry(act).or_default() += 1;
        (state.broken == Some(act)).then_some(Fault::Away)
    }

    fn pause(&self) -> Duration {
        Duration::from_millis(self.lock().rng.random_range(1..20))
    }

    /// Does `work` with the fault that is due.
    async fn play<T, E: Injected>(&self, act: Act, work: impl Future<Output = Result<T, E>> + Send) -> Result<T, E> {
        let fault = self.draw(act);
        self.play_this(act, fault, work).await
    }

    async fn play_this<T, E: Injected>(
        &self,
        act: Act,
        fault: Option<Fault>,
        work: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        match fault {
            None | Some(Fault::Conflict | Fault::Refused | Fault::RefusedUnnamed) => work.await,
            Some(Fault::Delay) => {
                self.count(act, Fault::Delay);
                tokio::time::sleep(self.pause()).await;
                work.await
            }
            Some(fault @ (Fault::Unavailable | Fault::Away)) => {
                self.count(act, fault);
                Err(E::unavailable(act, fault))
            }
            Some(fault @ Fault::AnswerLost) => {
                match work.await {
                    Ok(_) => self.count(act, fault),
                    Err(error) => {
                        // It did not act: the next one does.
                        self.next(act, fault);
                        return Err(error);
                    }
                }
                Err(E::unavailable(act, fault))
            }
            Some(fault @ Fault::Silence) => {
                self.count(act, fault);
                std::future::pending().await
            }
        }
    }

    /// The error with which the store turns these writes down, if it does.
    fn refusal(&self, writes: &[Write]) -> Option<StoreError> {
        let state = self.lock();
        let too_many = (writes.len() > state.most_writes).then_some((None, Fault::RefusedUnnamed));
        let refused = state.refuse.as_ref().and_then(|(rule, fault)| {
            let index = writes.iter().position(rule)?;
            Some(((*fault == Fault::Refused).then_some(index), *fault))
        });
        drop(state);
        let (index, fault) = too_many.or(refused)?;
        self.count(Act::Commit, fault);
        Some(StoreError::Refused { index, source: "400 of a test".into() })
    }
}

/// An error that can be made up.
trait Injected {
    fn unavailable(act: Act, fault: Fault) -> Self;
}

impl Injected for StoreError {
    fn unavailable(act: Act, fault: Fault) -> Self {
        Self::Unavailable(format!("{fault:?} at {act:?}").into())
    }
}

impl Injected for QueueError {
    fn unavailable(act: Act, fault: Fault) -> Self {
        Self::Unavailable(format!("{fault:?} at {act:?}").into())
    }
}

/// A store with faults.
#[derive(Clone)]
pub(crate) struct FaultyStore {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) faults: Arc<Faults>,
}

impl FaultyStore {
    /// Another writer, who is quicker with one of these and ends before it tells readers.
    async fn race(&self, writes: &[Write]) -> Result<(), StoreError> {
        let Some(write) = writes.iter().find(|write| matches!(write, Write::Record { .. })) else { return Ok(()) };
        let answers = self.inner.commit(Arc::new(vec![write.clone()])).await?;
        if matches!(answers.as_slice(), [Committed::Written(_)]) {
            self.faults.count(Act::Commit, Fault::Conflict);
        }
        Ok(())
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        Ok(self.faults.weighed(self.faults.play(Act::Load, self.inner.load(keys)).await?))
    }

    fn loads_first(&self) -> bool {
        self.inner.loads_first()
    }

    async fn commit(&self, writes: Arc<Vec<Write>>) -> Result<Vec<Committed>, StoreError> {
        self.faults.lock().loaded.push(0);
        let fault = self.faults.draw(Act::Commit);
        let work = async {
            if let Some(refusal) = self.faults.refusal(&writes) {
                return Err(refusal);
            }
            if fault == Some(Fault::Conflict) {
                self.race(&writes).await?;
            }
            self.inner.commit(writes.clone()).await
        };
        self.faults.play_this(Act::Commit, fault, work).await
    }

    async fn append(&self, keys: &[Key]) -> Result<(), StoreError> {
        self.faults.play(Act::Append, self.inner.append(keys)).await
    }

    async fn start_over(&self) -> Result<(), StoreError> {
        self.faults.play(Act::Append, self.inner.start_over()).await
    }

    async fn changes(&self, cursor: &Cursor, limit: usize) -> Result<Changes, StoreError> {
        let fault = self.faults.for_readers(Act::Changes);
        self.faults.play_this(Act::Changes, fault, self.inner.changes(cursor, limit)).await
    }

    async fn keys(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.inner.keys(after, limit).await
    }

    async fn facts(&self, key: &Key) -> Result<Vec<Fact>, StoreError> {
        let fault = self.faults.for_readers(Act::Facts);
        self.faults.play_this(Act::Facts, fault, self.inner.facts(key)).await
    }

    async fn stored_facts(&self, key: &Key) -> Result<Vec<EncodedFact>, StoreError> {
        self.inner.stored_facts(key).await
    }

    async fn rewrite(&self, rewrite: Rewrite) -> Result<Committed, StoreError> {
        self.faults.play(Act::Rewrite, self.inner.rewrite(rewrite)).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.faults.play(Act::Probe, self.inner.probe()).await
    }

    async fn recover(&self) -> Result<(), StoreError> {
        self.faults.play(Act::Probe, self.inner.recover()).await
    }

    async fn survey(&self) -> Result<store::Survey, StoreError> {
        self.inner.survey().await
    }

    async fn ended(&self, before: Time, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.inner.ended(before, limit).await
    }

    async fn raise_floor(&self, floor: Time) -> Result<Duration, StoreError> {
        self.inner.raise_floor(floor).await
    }

    async fn remove(&self, keys: &[Key], before: Time) -> Result<(), StoreError> {
        self.inner.remove(keys, before).await
    }

    async fn note(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.inner.note(name).await
    }

    async fn notes(&self, prefix: &str, limit: usize) -> Result<Vec<(String, String)>, StoreError> {
        self.inner.notes(prefix, limit).await
    }

    async fn put_note(&self, name: &str, text: &str) -> Result<(), StoreError> {
        self.inner.put_note(name, text).await
    }

    async fn drop_note(&self, name: &str) -> Result<(), StoreError> {
        self.inner.drop_note(name).await
    }
}

/// A queue with faults.
pub(crate) struct FaultyQueue {
    pub(crate) inner: Arc<dyn Queue>,
    pub(crate) faults: Arc<Faults>,
    most: usize,
    /// Received, not yet handed out.
    kept: tokio::sync::Mutex<VecDeque<Delivery>>,
}

impl FaultyQueue {
    /// Hands out at most `most` messages at once: many small batches meet more faults than a few large ones.
    pub(crate) fn new(inner: Arc<dyn Queue>, faults: Arc<Faults>, most: usize) -> Self {
        Self { inner, faults, most, kept: tokio::sync::Mutex::default() }
    }

    async fn take(&self, lease: Duration) -> Result<Vec<Delivery>, QueueError> {
        let mut kept = self.kept.lock().await;
        if kept.is_empty() {
            kept.extend(self.inner.receive(lease).await?);
        }
        let most = self.most.min(kept.len());
        Ok(kept.drain(..most).collect())
    }
}

#[async_trait]
impl Queue for FaultyQueue {
    fn keeps_bodies(&self) -> bool {
        self.inner.keeps_bodies()
    }

    async fn put(&self, bodies: Vec<Vec<u8>>) -> Result<(), QueueError> {
        self.inner.put(bodies).await
    }

    async fn receive(&self, lease: Duration) -> Result<Vec<Delivery>, QueueError> {
        match self.faults.draw(Act::Receive) {
            // Leased, and nobody knows: such messages come again when the lease runs out, or in a test at once.
            Some(Fault::AnswerLost) => {
                let outcome = pipetrail::queue::Outcome::Back { after: Duration::ZERO };
                let taken = self.take(lease).await?.into_iter();
                let back = taken.map(|delivery| Settlement { delivery, outcome: outcome.clone() }).collect();
                self.inner.settle(back).await.map_err(|error| error.source)?;
                self.faults.count(Act::Receive, Fault::AnswerLost);
                Err(QueueError::unavailable(Act::Receive, Fault::AnswerLost))
            }
            fault => self.faults.play_this(Act::Receive, fault, self.take(lease)).await,
        }
    }

    fn batch(&self) -> usize {
        self.inner.batch().min(self.most)
    }

    async fn settle(&self, mut settlements: Vec<Settlement>) -> Result<(), SettleError> {
        let fault = self.faults.draw(Act::Settle);
        let acts = match fault {
            None | Some(Fault::Delay | Fault::Conflict | Fault::Refused | Fault::RefusedUnnamed) => settlements.len(),
            Some(Fault::AnswerLost) => settlements.len().div_ceil(2),
            Some(Fault::Unavailable | Fault::Away | Fault::Silence) => 0,
        };
        let unsettled = settlements.split_off(acts);
        if !settlements.is_empty() {
            self.inner.settle(settlements).await?;
        }
        let nothing = async { Ok::<(), QueueError>(()) };
        self.faults.play_this(Act::Settle, fault, nothing).await.map_err(|source| SettleError { source, unsettled })
    }

    async fn begin_trial(&self, delivery: &Delivery) -> Result<u32, QueueError> {
        self.faults.play(Act::BeginTrial, self.inner.begin_trial(delivery)).await
    }

    async fn trials(&self, delivery: &Delivery) -> Result<u32, QueueError> {
        self.faults.play(Act::Trials, self.inner.trials(delivery)).await
    }

    async fn end_trial(&self, delivery: &Delivery) -> Result<(), QueueError> {
        self.faults.play(Act::EndTrial, self.inner.end_trial(delivery)).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.faults.play(Act::Depth, self.inner.depth()).await
    }

    async fn survey(&self) -> Result<Survey, QueueError> {
        self.inner.survey().await
    }

    async fn probe(&self) -> Result<(), QueueError> {
        self.faults.play(Act::Probe, self.inner.probe()).await
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<&After>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        self.inner.dead_letters(filter, after, limit).await
    }

    async fn requeue(&self, ids: &[String]) -> Result<usize, QueueError> {
        self.inner.requeue(ids).await
    }

    async fn discard_copies(&self, wanted: BodyTest<'_>) -> Result<usize, QueueError> {
        self.inner.discard_copies(wanted).await
    }

    async fn discard(&self, ids: &[String]) -> Result<usize, QueueError> {
        self.inner.discard(ids).await
    }
}
