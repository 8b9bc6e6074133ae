//! Classic releases, and the environments of YAML pipelines.
//!
//! Two traps. Releases are answered by a host of their own in the cloud ([`Place::of_releases`]). And the records of an
//! environment know no filter by time: who asks goes down from the newest.
//!
//! <https://learn.microsoft.com/rest/api/azure/devops/release/deployments/list>,
//! <https://learn.microsoft.com/rest/api/azure/devops/environments/environmentdeploymentrecords/list>

use serde::Deserialize;

use super::{AdoError, Client, Pages, Place};
use crate::domain::Time;

/// The most that the service gives.
const PAGE: &str = "100";
const ENVIRONMENTS_VERSION: &str = "7.2-preview.1";

/// An environment of YAML pipelines.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Environment {
    pub id: u64,
    pub name: String,
}

impl Client {
    /// Deployments of classic releases that changed in this time, each with what its release was made from.
    #[must_use]
    pub fn release_deployments(&self, organization: &str, project: &str, from: Time, until: Option<Time>) -> Pages<'_> {
        let place = Place::new(organization, "release/deployments").of_releases().project(project);
        let place = place.with("minModifiedTime", from.to_string()).with("queryOrder", "ascending").with("$top", PAGE);
        self.pages(match until {
            Some(until) => place.with("maxModifiedTime", until.to_string()),
            None => place,
        })
    }

    /// Classic releases that were made in this time.
    #[must_use]
    pub fn releases(&self, organization: &str, project: &str, from: Time, until: Option<Time>) -> Pages<'_> {
        let place = Place::new(organization, "release/releases").of_releases().project(project);
        let place = place.with("minCreatedTime", from.to_string()).with("queryOrder", "ascending").with("$top", PAGE);
        let place = place.with("$expand", "artifacts");
        self.pages(match until {
            Some(until) => place.with("maxCreatedTime", until.to_string()),
            None => place,
        })
    }

    /// The environments of a project.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn environments(&self, organization: &str, project: &str) -> Result<Vec<Environment>, AdoError> {
        #[derive(Deserialize)]
        struct Page {
            value: Vec<Environment>,
        }
        let place = Place::new(organization, "pipelines/environments").project(project).version(ENVIRONMENTS_VERSION);
        let mut pages = self.pages(place.with("$top", PAGE));
        let mut environments = Vec::new();
        while let Some(page) = pages.next().await? {
            environments.extend(page.json::<Page>()?.value);
        }
        Ok(environments)
    }

    /// What an environment got, the newest first.
    #[must_use]
    pub fn deployment_records(&self, organization: &str, project: &str, environment: u64) -> Pages<'_> {
        let path = format!("pipelines/environments/{environment}/environmentdeploymentrecords");
        let place = Place::new(organization, path).project(project).version(ENVIRONMENTS_VERSION);
        self.pages(place.with("top", PAGE))
    }
}
