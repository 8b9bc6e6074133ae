//! Pushes, pull requests, and the commits of runs.
//!
//! Costs a request for 100 pushes of a repository or 100 pull requests of a project, one for each push that nobody asked
//! for yet, since an event tells of its latest commits only, one for each finished run of which nobody asked for the
//! commits yet, and one for each deployment of which nothing else tells for certain what it brought.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::watermark::{self, Covered};
use super::{Backfill, BackfillError, Order, Progress, Tally, next};
use crate::ado::rest::{AdoError, Answer, Client, Finished, MOST_BETWEEN, PullRequests, Repository};
use crate::ado::{ChangesPage, DecodeError, changes_fact, pull_request_list, push_list};
use crate::domain::changes::{Between, ChangesFact};
use crate::domain::run::RunFact;
use crate::domain::{Fact, Key, Label, Record, Time};
use crate::store::Stored;

/// Asked for at once; the client has a limit of its own.
const AT_ONCE: usize = 4;
/// Answers that are brought in together.
const CHUNK: usize = 50;
/// Of one run no more commits are asked for: a record keeps no more of them.
const MOST_CHANGES: usize = 500;

impl Backfill {
    pub(super) async fn code(
        &mut self,
        order: &Order,
        tally: &mut Tally,
        progress: &(dyn Fn(Progress) + Sync),
        stop: &CancellationToken,
    ) -> Result<(), BackfillError> {
        let client = self.client.clone();
        for repository in client.repositories(&order.organization, &order.project).await? {
            self.pushes(order, &repository, tally, stop).await?;
        }
        self.pull_requests(order, tally, stop).await?;
        self.changes(order, tally, progress, stop).await
    }

    /// The same of the repositories of deployment chains alone: no event of a run tells of a commit of the manifests. The
    /// commits of runs cost a request each and are left out.
    pub(super) async fn code_of_chains(
        &mut self,
        order: &Order,
        tally: &mut Tally,
        stop: &CancellationToken,
    ) -> Result<(), BackfillError> {
        let client = self.client.clone();
        let mut all = client.repositories(&order.organization, &order.project).await?;
        let is_of = |name: &str| self.chains.all.iter().any(|chain| chain.is_hld(name) || chain.is_manifest(name));
        all.retain(|repository| is_of(&repository.name));
        for repository in &all {
            self.pushes(order, repository, tally, stop).await?;
        }
        if all.is_empty() { Ok(()) } else { self.pull_requests(order, tally, stop).await }
    }

    /// The latest come first, so the watermark is noted at the end. A repository that is switched off has none.
    async fn pushes(
        &mut self,
        order: &Order,
        repository: &Repository,
        tally: &mut Tally,
        stop: &CancellationToken,
    ) -> Result<(), BackfillError> {
        let note = watermark::note_name_of(order, &format!("pushes {}", repository.id));
        let (mut covered, from) = self.start(order, &note).await?;
        let client = self.client.clone();
        let pushed = Finished { from, until: order.until };
        let mut steps = client.pushes(&order.organization, &order.project, &repository.id, pushed);
        loop {
            let page = match next(steps.next(), stop).await {
                Ok(Some(page)) => page,
                Ok(None) if stop.is_cancelled() => return Ok(()),
                Ok(None) => return self.note(order, &note, covered, tally).await,
                Err(AdoError::NotFound { .. }) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let facts = sound(push_list(&order.beside(), &page.body), &page, tally)?;
            covered.to = facts.iter().map(Fact::said).fold(covered.to, Time::max);
            let facts = self.with_commits(order, repository, facts, tally).await?;
            tally.pushes += u64::try_from(facts.len()).unwrap_or_default();
            tally.imported += self.importer.import(facts).await?;
        }
    }

    /// The list tells of no commits, and an event of the latest ones: each push is asked for by itself, once.
    async fn with_commits(
        &self,
        order: &Order,
        repository: &Repository,
        listed: Vec<Fact>,
        tally: &mut Tally,
    ) -> Result<Vec<Fact>, BackfillError> {
        let keys: Vec<Key> = listed.iter().map(Fact::key).collect();
        let stored = self.store.load(&keys).await?;
        let unknown = keys.iter().zip(&stored).filter(|(_, stored)| !is_told_whole(stored.as_ref()));
        let numbers: Vec<u64> =
            unknown.filter_map(|(key, _)| if let Key::Push(key) = key { Some(key.push) } else { None }).collect();
        let client = &self.client;
        let ask = |push| client.push(&order.organization, &order.project, &repository.id, push);
        let mut answers = stream::iter(numbers.into_iter().map(ask)).buffer_unordered(AT_ONCE);
        let mut facts = listed;
        while let Some(answer) = answers.next().await {
            let Some(answer) = answer? else { continue };
            facts.extend(sound(push_list(&order.beside(), &answer.body), &answer, tally)?);
        }
        Ok(facts)
    }

    /// Those that are open, then those that were closed since the watermark: in this order none is missed that is closed
    /// meanwhile.
    async fn pull_requests(
        &mut self,
        order: &Order,
        tally: &mut Tally,
        stop: &CancellationToken,
    ) -> Result<(), BackfillError> {
        let note = watermark::note_name_of(order, "pull requests");
        let (mut covered, from) = self.start(order, &note).await?;
        let client = self.client.clone();
        let closed = PullRequests::Closed(Finished { from, until: order.until });
        for which in [PullRequests::Active, closed] {
            let mut steps = client.pull_requests(&order.organization, &order.project, which);
            while let Some(page) = next(steps.next(), stop).await? {
                let facts = sound(pull_request_list(&order.beside(), &page.body), &page, tally)?;
                if which == closed {
                    covered.to = facts.iter().map(Fact::said).fold(covered.to, Time::max);
                }
                tally.pull_requests += u64::try_from(facts.len()).unwrap_or_default();
                tally.imported += self.importer.import(facts).await?;
            }
        }
        if stop.is_cancelled() { Ok(()) } else { self.note(order, &note, covered, tally).await }
    }

    /// The commits of runs that finished since the watermark.
    async fn changes(
        &mut self,
        order: &Order,
        tally: &mut Tally,
        progress: &(dyn Fn(Progress) + Sync),
        stop: &CancellationToken,
    ) -> Result<(), BackfillError> {
        let note = watermark::note_name_of(order, "changes");
        let (mut covered, from) = self.start(order, &note).await?;
        let client = self.client.clone();
        let mut pages = client.finished_builds(&order.scope(), Finished { from, until: order.until });
        while let Some(page) = next(pages.next(), stop).await? {
            let builds = super::read(order, &page, tally)?;
            let reached = builds.iter().filter_map(super::finish).max();
            let Some(brought) = stop.run_until_cancelled(self.changes_of(order, builds, tally)).await else { break };
            brought?;
            if let Some(reached) = reached {
                covered.to = covered.to.max(reached);
                self.note(order, &note, covered, tally).await?;
            }
            progress(Progress { reached: covered.to, builds: tally.builds });
        }
        Ok(())
    }

    /// Once told, the commits of a run stay the same: nobody asks again.
    async fn changes_of(
        &mut self,
        order: &Order,
        builds: Vec<RunFact>,
        tally: &mut Tally,
    ) -> Result<(), BackfillError> {
        let keys: Vec<Key> = builds.iter().map(|build| Key::Changes(build.key.clone())).collect();
        let stored = self.store.load(&keys).await?;
        let unknown = builds.into_iter().zip(stored).filter(|(_, stored)| stored.is_none()).map(|(build, _)| build);
        let client = self.client.clone();
        let asked = unknown.map(|build| changes(&client, order, build));
        let mut answers = stream::iter(asked).buffer_unordered(AT_ONCE).chunks(CHUNK);
        while let Some(chunk) = answers.next().await {
            let mut facts = Vec::new();
            for told in chunk {
                match told? {
                    Ok(pages) => {
                        tally.changes += u64::from(!pages.is_empty());
                        pages.iter().flat_map(|page| &page.unreadable).for_each(|error| unreadable(error, tally));
                        let told = pages.into_iter().flat_map(|page| page.fact.in_pieces());
                        facts.extend(told.map(Fact::Changes));
                    }
                    Err(error) => unreadable(&error, tally),
                }
            }
            tally.imported += self.importer.import(facts).await?;
        }
        Ok(())
    }
}

impl Backfill {
    /// What came between runs. Whatever the answer, nobody asks again: what retention deleted does not come back.
    ///
    /// # Errors
    /// When the service or the store fails; the next time the rest is asked for.
    pub async fn compare(
        &mut self,
        organization: &str,
        wanted: Vec<Between>,
        tally: &mut Tally,
        stop: &CancellationToken,
    ) -> Result<(), BackfillError> {
        let client = self.client.clone();
        let asked = wanted.into_iter().map(|between| compared(&client, organization, between));
        let mut answers = stream::iter(asked).buffer_unordered(AT_ONCE).chunks(CHUNK);
        while let Some(Some(chunk)) = stop.run_until_cancelled(answers.next()).await {
            let mut facts = Vec::new();
            for told in chunk {
                match told? {
                    Ok(page) => {
                        tally.compared += 1;
                        page.unreadable.iter().for_each(|error| unreadable(error, tally));
                        facts.push(Fact::Changes(page.fact));
                    }
                    Err(error) => unreadable(&error, tally),
                }
            }
            tally.imported += self.importer.import(facts).await?;
        }
        Ok(())
    }
}

/// Without commits where nothing is known for certain: one of the builds is gone, or more came than one answer holds.
async fn compared(
    client: &Client,
    organization: &str,
    between: Between,
) -> Result<Result<ChangesPage, DecodeError>, AdoError> {
    let Between { since, run, project, repository, said } = between;
    let answer = client.changes_between(organization, &project, since, run.run).await?;
    let body = answer.as_ref().map_or(&b"{}"[..], |answer| &answer.body);
    Ok(changes_fact(run, said, repository.as_deref(), body).map(|page| {
        let is_whole = page.listed < MOST_BETWEEN && page.unreadable.is_empty();
        let commits = if is_whole { page.fact.commits } else { Vec::new() };
        ChangesPage { fact: ChangesFact { since: Some(since), commits, ..page.fact }, ..page }
    }))
}

/// One that cannot be read is not ours to change, so nobody asks for it again.
fn is_told_whole(stored: Option<&Stored>) -> bool {
    let Some(Stored { record: Ok(Record::Push(push)), .. }) = stored else { return stored.is_some() };
    push.is_whole()
}

/// The pages of a build's commits, until there are enough; none where the build is gone.
async fn changes(
    client: &Client,
    order: &Order,
    build: RunFact,
) -> Result<Result<Vec<ChangesPage>, DecodeError>, AdoError> {
    let labels: BTreeMap<_, _> = build.labels.iter().map(|(label, text)| (label, text.as_str())).collect();
    let project = labels.get(&Label::ProjectId).copied().unwrap_or(&order.project);
    let repository = labels.get(&Label::Repository).copied();
    let mut pages = client.build_changes(&order.organization, project, build.key.run);
    let mut told: Vec<ChangesPage> = Vec::new();
    while told.iter().map(|page| page.listed).sum::<usize>() < MOST_CHANGES {
        let page = match pages.next().await {
            Ok(Some(page)) => page,
            Ok(None) | Err(AdoError::NotFound { .. }) => return Ok(Ok(told)),
            Err(error) => return Err(error),
        };
        match changes_fact(build.key.clone(), build.said, repository, &page.body) {
            Ok(page) => told.push(page),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(told))
}

/// Those that can be read; the others are in the log.
pub(super) fn sound(
    read: Result<Vec<Result<Fact, DecodeError>>, DecodeError>,
    answer: &Answer,
    tally: &mut Tally,
) -> Result<Vec<Fact>, AdoError> {
    let list = read.map_err(|error| answer.unreadable(error))?;
    let mut facts = Vec::with_capacity(list.len());
    for fact in list {
        match fact {
            Ok(fact) => facts.push(fact),
            Err(error) => unreadable(&error, tally),
        }
    }
    Ok(facts)
}

fn unreadable(error: &DecodeError, tally: &mut Tally) {
    tracing::warn!(error = error.to_string(), path = error.path, "a part of an answer cannot be read");
    tally.unreadable += 1;
}

impl Backfill {
    /// What is covered, and since when to ask.
    pub(super) async fn start(&self, order: &Order, note: &str) -> Result<(Covered, Time), BackfillError> {
        let known = self.store.note(note).await?.and_then(|text| Covered::read(&text));
        Ok(watermark::start(order, known))
    }

    /// Never later than it was asked: what says so of itself is wrong, and would hide what comes until then. And not
    /// where something was left alone, which has to come again for a program that may write it.
    pub(super) async fn note(
        &self,
        order: &Order,
        note: &str,
        covered: Covered,
        tally: &Tally,
    ) -> Result<(), BackfillError> {
        if tally.imported.left_alone > 0 {
            return Ok(());
        }
        let covered = Covered { to: covered.to.min(order.asked), ..covered };
        Ok(self.store.put_note(note, &covered.write()).await?)
    }
}
