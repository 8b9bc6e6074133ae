//! Repositories, pushes, pull requests, the commits of builds, and work items.
//!
//! Lists of code go on by `$skip`, an offset: what is new meanwhile moves the others, so that one may come twice. None is
//! missed, as new ones come first. Revisions of work items go on by a token in the body.
//!
//! <https://learn.microsoft.com/rest/api/azure/devops/git>,
//! <https://learn.microsoft.com/rest/api/azure/devops/wit/reporting-work-item-revisions>

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{AdoError, Answer, Client, Finished, Pages, Place};
use crate::domain::Time;

/// Pushes and pull requests in one page.
const PAGE: usize = 100;
/// What the service answers at most for a build, or for work items asked for by id.
const MOST_AT_ONCE: &str = "200";
/// What it answers at most for what came between two builds.
pub(crate) const MOST_BETWEEN: usize = 200;
const BETWEEN_VERSION: &str = "7.1-preview.2";
/// Commits that are told of one push.
const COMMITS: &str = "100";
/// More pages no list has.
const MOST_PAGES: usize = 10_000;

/// The fields of a revision that are read.
const FIELDS: &str = "System.Id,System.Rev,System.TeamProject,System.WorkItemType,System.Title,System.State,System.Reason,\
                      System.AssignedTo,System.AreaPath,System.IterationPath,System.CreatedDate,System.ChangedDate,\
                      System.Parent,Microsoft.VSTS.Common.StateChangeDate";

/// A repository of a project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Repository {
    pub id: String,
    pub name: String,
}

/// A list that goes on by an offset, page by page. One that repeats itself is an error, not a loop without an end.
#[derive(Debug)]
pub struct Steps<'c> {
    client: &'c Client,
    place: Place,
    skip: usize,
    pages: usize,
    last: Vec<u8>,
    ended: bool,
}

#[derive(Deserialize)]
struct Listed<'a> {
    #[serde(borrow)]
    value: Vec<&'a RawValue>,
}

impl Steps<'_> {
    /// The next page; `None` behind the last one.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn next(&mut self) -> Result<Option<Answer>, AdoError> {
        if self.ended {
            return Ok(None);
        }
        let place = self.place.clone().with("$top", PAGE.to_string()).with("$skip", self.skip.to_string());
        let answer = self.client.get(&place).await?;
        let count = serde_json::from_slice::<Listed<'_>>(&answer.body).map_or(0, |list| list.value.len());
        self.pages += 1;
        if count == 0 {
            self.ended = true;
            return Ok(None);
        }
        if answer.body == self.last || self.pages > MOST_PAGES {
            let says = "a page came twice, or there are too many".to_owned();
            return Err(AdoError::Endless { place: self.place.to_string(), says });
        }
        self.skip += count;
        self.last = answer.body.to_vec();
        Ok(Some(answer))
    }
}

/// Where the revisions of work items go on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Batch {
    pub continuation_token: Option<String>,
    pub is_last_batch: bool,
}

/// Which pull requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullRequests {
    Active,
    /// Those that were closed in this time.
    Closed(Finished),
}

impl Client {
    /// The repositories of a project.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn repositories(&self, organization: &str, project: &str) -> Result<Vec<Repository>, AdoError> {
        #[derive(Deserialize)]
        struct Page {
            value: Vec<Repository>,
        }
        let place = Place::new(organization, "git/repositories").project(project);
        Ok(self.get(&place).await?.json::<Page>()?.value)
    }

    fn steps(&self, place: Place) -> Steps<'_> {
        Steps { client: self, place, skip: 0, pages: 0, last: Vec::new(), ended: false }
    }

    /// Pushes to a repository in this time, the latest first, without their commits.
    #[must_use]
    pub fn pushes(&self, organization: &str, project: &str, repository: &str, pushed: Finished) -> Steps<'_> {
        let path = format!("git/repositories/{}/pushes", Place::escaped(repository));
        let place = Place::new(organization, path)
            .project(project)
            .with("searchCriteria.includeRefUpdates", "true")
            .with("searchCriteria.fromDate", pushed.from.to_string());
        self.steps(match pushed.until {
            Some(until) => place.with("searchCriteria.toDate", until.to_string()),
            None => place,
        })
    }

    /// One push with its commits; `None` where there is none any more.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn push(
        &self,
        organization: &str,
        project: &str,
        repository: &str,
        push: u64,
    ) -> Result<Option<Answer>, AdoError> {
        let path = format!("git/repositories/{}/pushes/{push}", Place::escaped(repository));
        let place = Place::new(organization, path)
            .project(project)
            .with("includeCommits", COMMITS)
            .with("includeRefUpdates", "true");
        if_there(self.get(&place).await)
    }

    /// Pull requests of all repositories of a project.
    #[must_use]
    pub fn pull_requests(&self, organization: &str, project: &str, which: PullRequests) -> Steps<'_> {
        let place = Place::new(organization, "git/pullrequests").project(project);
        self.steps(match which {
            PullRequests::Active => place.with("searchCriteria.status", "active"),
            PullRequests::Closed(Finished { from, until }) => {
                let place = place
                    .with("searchCriteria.status", "all")
                    .with("searchCriteria.queryTimeRangeType", "closed")
                    .with("searchCriteria.minTime", from.to_string());
                until.into_iter().fold(place, |place, until| place.with("searchCriteria.maxTime", until.to_string()))
            }
        })
    }

    /// The tags of a repository whose names begin with `flux-`, each with the commit that it points at in the end.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn flux_tags(
        &self,
        organization: &str,
        project: &str,
        repository: &str,
    ) -> Result<Option<Answer>, AdoError> {
        let place = of_repository(organization, project, repository, "refs");
        if_there(self.get(&place.with("filter", "tags/flux-").with("peelTags", "true")).await)
    }

    /// The branches of a repository.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn branches(
        &self,
        organization: &str,
        project: &str,
        repository: &str,
    ) -> Result<Option<Answer>, AdoError> {
        let place = of_repository(organization, project, repository, "refs");
        if_there(self.get(&place.with("filter", "heads/")).await)
    }

    /// The latest commits of a repository's branch, by default of the default one.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn latest_commits(
        &self,
        organization: &str,
        project: &str,
        (repository, branch): (&str, Option<&str>),
        most: usize,
    ) -> Result<Option<Answer>, AdoError> {
        let place = of_repository(organization, project, repository, "commits");
        let place = place.with("searchCriteria.$top", most.to_string());
        let of_branch = |place: Place, branch: &str| {
            let place = place.with("searchCriteria.itemVersion.versionType", "branch");
            place.with("searchCriteria.itemVersion.version", branch)
        };
        if_there(self.get(&branch.into_iter().fold(place, of_branch)).await)
    }

    /// What was said of a commit last, by each who says something of it.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn commit_statuses(
        &self,
        organization: &str,
        project: &str,
        (repository, commit): (&str, &str),
    ) -> Result<Option<Answer>, AdoError> {
        let part = format!("commits/{}/statuses", Place::escaped(commit));
        let place = of_repository(organization, project, repository, &part);
        if_there(self.get(&place.with("latestOnly", "true")).await)
    }

    /// The commits of a build, wherever its repository is.
    #[must_use]
    pub fn build_changes(&self, organization: &str, project: &str, run: u64) -> Pages<'_> {
        let place = Place::new(organization, format!("build/builds/{run}/changes"));
        self.pages(place.project(project).with("$top", MOST_AT_ONCE))
    }

    /// What came between two builds of a pipeline, wherever its repository is: at most 200 commits, and no word of more.
    /// `None` where one of them is gone.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn changes_between(
        &self,
        organization: &str,
        project: &str,
        since: u64,
        run: u64,
    ) -> Result<Option<Answer>, AdoError> {
        let place = Place::new(organization, "build/changes").project(project).version(BETWEEN_VERSION);
        let place = place.with("fromBuildId", since.to_string()).with("toBuildId", run.to_string());
        if_there(self.get(&place.with("$top", MOST_BETWEEN.to_string())).await)
    }

    /// Revisions of a project's work items since then, in the order in which they were made.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn revisions(
        &self,
        organization: &str,
        project: &str,
        since: Time,
        token: Option<&str>,
    ) -> Result<(Answer, Batch), AdoError> {
        let place = Place::new(organization, "wit/reporting/workitemrevisions").project(project).with("fields", FIELDS);
        let answer = self
            .get(&match token {
                Some(token) => place.with("continuationToken", token),
                None => place.with("startDateTime", since.to_string()),
            })
            .await?;
        let batch = answer.json()?;
        Ok((answer, batch))
    }

    /// Work items as they are now, with their relations. At most 200 at once; those that are gone are left out.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn work_items(&self, organization: &str, project: &str, ids: &[u64]) -> Result<Answer, AdoError> {
        let ids: Vec<_> = ids.iter().map(u64::to_string).collect();
        let place = Place::new(organization, "wit/workitems")
            .project(project)
            .with("ids", ids.join(","))
            .with("$expand", "relations")
            .with("errorPolicy", "omit");
        self.get(&place).await
    }
}

fn of_repository(organization: &str, project: &str, repository: &str, part: &str) -> Place {
    Place::new(organization, format!("git/repositories/{}/{part}", Place::escaped(repository))).project(project)
}

fn if_there(answer: Result<Answer, AdoError>) -> Result<Option<Answer>, AdoError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(AdoError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
