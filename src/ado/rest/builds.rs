//! Projects, builds and timelines.
//!
//! Two traps. `minTime` and `maxTime` mean the time of the order that is asked for. And builds that are open have no
//! finish, so that no list by finish ever shows them.
//!
//! <https://learn.microsoft.com/rest/api/azure/devops/build/builds/list>

use serde::Deserialize;

use super::{AdoError, Answer, Client, Pages, Place};
use crate::ado::hooks::Listed;
use crate::ado::wire::{When, time};
use crate::domain::Time;

/// Builds in one page: a build is 4 KB and more.
const PAGE: &str = "500";
const PROJECTS_PAGE: &str = "500";

/// The states of builds that may go on.
const OPEN: &str = "inProgress,notStarted,cancelling,postponed";

/// A project of an organization.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Project {
    /// Stays when the project is renamed.
    pub id: String,
    pub name: String,
}

/// Whose builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    pub organization: &'a str,
    /// By name or id.
    pub project: &'a str,
    /// Empty means all.
    pub pipelines: &'a [u64],
}

impl Scope<'_> {
    /// The one that finished last until then.
    fn last_build(&self, until: Time) -> Place {
        Place::new(self.organization, "build/builds")
            .project(self.project)
            .with("statusFilter", "completed")
            .with("queryOrder", "finishTimeDescending")
            .with("maxTime", until.to_string())
            .with("$top", "1")
    }

    fn builds(&self, status: &'static str, order: &'static str) -> Place {
        let place = Place::new(self.organization, "build/builds")
            .project(self.project)
            .with("statusFilter", status)
            .with("queryOrder", order)
            .with("$top", PAGE);
        if self.pipelines.is_empty() {
            return place;
        }
        let ids: Vec<_> = self.pipelines.iter().map(u64::to_string).collect();
        place.with("definitions", ids.join(","))
    }
}

/// Builds that finished in this time, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    pub from: Time,
    pub until: Option<Time>,
}

impl Client {
    /// Every project that the token may see.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn projects(&self, organization: &str) -> Result<Vec<Project>, AdoError> {
        #[derive(Deserialize)]
        struct Page {
            value: Vec<Project>,
        }
        let place = Place::new(organization, "projects").with("stateFilter", "wellFormed").with("$top", PROJECTS_PAGE);
        let mut pages = self.pages(place);
        let mut projects = Vec::new();
        while let Some(page) = pages.next().await? {
            projects.extend(page.json::<Page>()?.value);
        }
        Ok(projects)
    }

    /// A project by its name or id.
    ///
    /// # Errors
    /// [`AdoError`]; one that is not there, or was renamed, is [`AdoError::NotFound`].
    pub async fn project(&self, organization: &str, project: &str) -> Result<Project, AdoError> {
        self.get(&Place::new(organization, format!("projects/{}", Place::escaped(project)))).await?.json()
    }

    /// Builds that are over, by finish.
    #[must_use]
    pub fn finished_builds(&self, scope: &Scope<'_>, finished: Finished) -> Pages<'_> {
        let place = scope.builds("completed", "finishTimeAscending").with("minTime", finished.from.to_string());
        self.pages(match finished.until {
            Some(until) => place.with("maxTime", until.to_string()),
            None => place,
        })
    }

    /// Builds that are not over.
    #[must_use]
    pub fn open_builds(&self, scope: &Scope<'_>) -> Pages<'_> {
        self.pages(scope.builds(OPEN, "queueTimeAscending"))
    }

    /// One build; `None` where there is none any more.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn build(&self, organization: &str, project: Option<&str>, run: u64) -> Result<Option<Answer>, AdoError> {
        self.if_there(organization, project, format!("build/builds/{run}")).await
    }

    /// The timeline of a build; `None` where the build never started, or was deleted.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn timeline(&self, organization: &str, project: &str, run: u64) -> Result<Option<Answer>, AdoError> {
        self.if_there(organization, Some(project), format!("build/builds/{run}/timeline")).await
    }

    /// The timeline of what was tried before, by its id in the build's timeline.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn timeline_of_attempt(
        &self,
        organization: &str,
        project: &str,
        run: u64,
        timeline: &str,
    ) -> Result<Option<Answer>, AdoError> {
        let path = format!("build/builds/{run}/timeline/{}", Place::escaped(timeline));
        self.if_there(organization, Some(project), path).await
    }

    /// When the last build of a project finished that was over by `until`; `None` where none was.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn last_finish(&self, scope: &Scope<'_>, until: Time) -> Result<Option<Time>, AdoError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Build {
            finish_time: Option<When>,
        }
        let answer = self.get(&scope.last_build(until)).await?;
        let builds = answer.json::<Listed<Build>>()?.value;
        Ok(builds.iter().find_map(|build| time(build.finish_time.as_ref())))
    }

    /// The name of a pipeline, by which `build.complete` is filtered.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn pipeline_name(&self, organization: &str, project: &str, id: u64) -> Result<String, AdoError> {
        #[derive(Deserialize)]
        struct Definition {
            name: String,
        }
        let place = Place::new(organization, format!("build/definitions/{id}")).project(project);
        Ok(self.get(&place).await?.json::<Definition>()?.name)
    }

    async fn if_there(
        &self,
        organization: &str,
        project: Option<&str>,
        path: String,
    ) -> Result<Option<Answer>, AdoError> {
        let place = Place::new(organization, path);
        let place = match project {
            Some(project) => place.project(project),
            None => place,
        };
        match self.get(&place).await {
            Ok(answer) if answer.status == 204 => Ok(None),
            Ok(answer) => Ok(Some(answer)),
            Err(AdoError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
