//! What clusters say of the manifests where nothing posts it: tags that Flux 1 moves, and commit statuses of Flux 2.
//!
//! Asked for of the repositories with manifests alone: a request for the tags, one for the branches, and of each branch that
//! a ring deploys from one for the latest commits, and one for each of these, the latest first, up to the first that all of
//! these clusters have: who has it has those before. What is known already says nothing new.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::{Backfill, BackfillError, Order, Tally};
use crate::ado::rest::{Answer, Repository};
use crate::ado::{DecodeError, branch_names, cluster_statuses, cluster_tags, commit_ids};
use crate::domain::chain::Chain;
use crate::domain::cluster::{ClusterFact, ShownSync};
use crate::domain::{ClusterKey, Fact, Key, Record};

/// So many of the latest commits of a branch are asked for.
const LATEST: usize = 20;
/// Of no more branches: without rings each of them may be one.
const MOST_BRANCHES: usize = 20;

impl Backfill {
    pub(super) async fn clusters(
        &mut self,
        order: &Order,
        tally: &mut Tally,
        stop: &CancellationToken,
    ) -> Result<(), BackfillError> {
        let all = self.client.repositories(&order.organization, &order.project).await?;
        for repository in &all {
            let its = |chain: &&Chain| chain.is_manifest(&repository.name);
            let chains: Vec<Chain> = self.chains.all.iter().filter(its).cloned().collect();
            if chains.is_empty() || stop.is_cancelled() {
                continue;
            }
            self.tags(order, repository, tally).await?;
            for branch in self.branches(order, repository, &chains, tally).await? {
                self.statuses(order, repository, branch.as_deref(), tally).await?;
            }
        }
        Ok(())
    }

    /// Those that rings deploy from, else the default one, whatever it is called.
    async fn branches(
        &self,
        order: &Order,
        repository: &Repository,
        chains: &[Chain],
        tally: &mut Tally,
    ) -> Result<Vec<Option<String>>, BackfillError> {
        let answer = self.client.branches(&order.organization, &order.project, &repository.id).await?;
        let all = answer.map(|answer| read(&answer, tally, branch_names)).unwrap_or_default();
        let of_rings = all.into_iter().filter(|branch| chains.iter().any(|chain| chain.has_ring_of(branch)));
        let of_rings: Vec<_> = of_rings.take(MOST_BRANCHES).map(Some).collect();
        Ok(if of_rings.is_empty() { vec![None] } else { of_rings })
    }

    async fn tags(&mut self, order: &Order, repository: &Repository, tally: &mut Tally) -> Result<(), BackfillError> {
        let answer = self.client.flux_tags(&order.organization, &order.project, &repository.id).await?;
        let Some(answer) = answer else { return Ok(()) };
        let told = read(&answer, tally, |body| cluster_tags(&order.beside(), order.asked, body));
        let mut news = Vec::new();
        for fact in told {
            if !self.synced(&fact.key).await?.contains(&fact.cluster) {
                news.push(fact);
            }
        }
        self.bring(news, tally).await
    }

    async fn statuses(
        &mut self,
        order: &Order,
        repository: &Repository,
        branch: Option<&str>,
        tally: &mut Tally,
    ) -> Result<(), BackfillError> {
        let (organization, project) = (&order.organization, &order.project);
        let answer = self.client.latest_commits(organization, project, (&repository.id, branch), LATEST).await?;
        let Some(answer) = answer else { return Ok(()) };
        let commits: Vec<String> = read(&answer, tally, commit_ids).into_iter().take(LATEST).collect();
        let mut told = Vec::new();
        for commit in &commits {
            told.push(self.known(&ClusterKey::new(&order.canonical, commit)).await?);
        }
        let having = |told: &[ShownSync]| -> BTreeSet<String> {
            told.iter().filter(|sync| sync.succeeded).map(|sync| sync.cluster.to_lowercase()).collect()
        };
        let clusters: BTreeSet<String> = told.iter().flat_map(|told| having(told)).collect();
        for (commit, told) in commits.into_iter().zip(told) {
            if !clusters.is_empty() && having(&told) == clusters {
                break;
            }
            let answer = self.client.commit_statuses(organization, project, (&repository.id, &commit)).await?;
            let Some(answer) = answer else { continue };
            let statuses = read(&answer, tally, |body| cluster_statuses(&order.beside(), &commit, body));
            let news = statuses.into_iter().filter(|fact| !told.iter().any(|sync| has_told(sync, fact)));
            self.bring(news.collect(), tally).await?;
        }
        Ok(())
    }

    async fn bring(&mut self, facts: Vec<ClusterFact>, tally: &mut Tally) -> Result<(), BackfillError> {
        tally.syncs += u64::try_from(facts.len()).unwrap_or_default();
        tally.imported += self.importer.import(facts.into_iter().map(Fact::Cluster).collect()).await?;
        Ok(())
    }

    /// The clusters that are known to have a commit.
    async fn synced(&self, key: &ClusterKey) -> Result<BTreeSet<String>, BackfillError> {
        let known = self.known(key).await?;
        Ok(known.into_iter().filter(|sync| sync.succeeded).map(|sync| sync.cluster).collect())
    }

    /// What the clusters are known to have said of a commit.
    async fn known(&self, key: &ClusterKey) -> Result<Vec<ShownSync>, BackfillError> {
        let stored = self.store.load(&[Key::Cluster(key.clone())]).await?;
        let records = stored.into_iter().flatten().filter_map(|stored| stored.record.ok());
        let shown = records.filter_map(|record| match record {
            Record::Cluster(record) => Some(record.shown().collect::<Vec<_>>()),
            Record::Changes(_)
            | Record::Deployment(_)
            | Record::Gap(_)
            | Record::Incident(_)
            | Record::PullRequest(_)
            | Record::Push(_)
            | Record::Release(_)
            | Record::Report(_)
            | Record::Run(_)
            | Record::WorkItem(_) => None,
        });
        Ok(shown.flatten().collect())
    }
}

/// Whether a status says nothing new: its cluster has the commit, or said something else since.
fn has_told(known: &ShownSync, fact: &ClusterFact) -> bool {
    known.cluster == fact.cluster && (known.succeeded || known.at >= fact.said)
}

/// Nothing of an answer that cannot be read, which is counted.
fn read<T>(answer: &Answer, tally: &mut Tally, read: impl FnOnce(&[u8]) -> Result<Vec<T>, DecodeError>) -> Vec<T> {
    read(&answer.body).unwrap_or_else(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "what clusters have: an answer cannot be read");
        tally.unreadable += 1;
        Vec::new()
    })
}
