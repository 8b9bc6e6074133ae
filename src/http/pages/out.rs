//! The way out: pages of Azure DevOps itself.
//!
//! Where an event or an answer told an address, that is it; else it is made of names and ids, as the service's own pages
//! are called. Only `https` is linked: an address is text of others.

use std::sync::Arc;

use askama::Template;

use super::html::{part, web};
use crate::catalog::{CommitDetail, Deployment, GivenApproval, Link, PullRequestDetail, Push, Run, WorkItemDetail};
use crate::domain::chain;

/// Where Azure DevOps is. To be put around the readers as an extension; without it, it is the cloud's.
#[derive(Debug, Clone)]
pub struct AdoSite(Arc<str>);

impl Default for AdoSite {
    fn default() -> Self {
        Self::new("https://dev.azure.com")
    }
}

impl AdoSite {
    /// The address that organizations or collections stand below.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self(address.trim_end_matches('/').into())
    }

    /// `None` where the project is not known: no page of a project can be found without it.
    fn page(&self, organization: &str, project: Option<&str>, rest: &str) -> Option<String> {
        Some(format!("{}/{}/{}/{rest}", self.0, part(organization), part(project?)))
    }

    pub(super) fn run(&self, organization: &str, project: Option<&str>, id: u64) -> Option<String> {
        self.page(organization, project, &format!("_build/results?buildId={id}"))
    }

    /// As it was told, else as it is made; the same for what follows.
    pub(super) fn known_run(&self, run: &Run) -> Option<String> {
        told(run.url.as_deref()).or_else(|| self.run(&run.organization, run.project.as_deref(), run.run_id))
    }

    pub(super) fn run_of_chain(&self, organization: &str, run: &chain::Run) -> Option<String> {
        told(run.url.as_deref()).or_else(|| self.run(organization, run.project.as_deref(), run.id))
    }

    pub(super) fn pull_request_of_chain(&self, organization: &str, of: &chain::PullRequest) -> Option<String> {
        told(of.url.as_deref())
            .or_else(|| self.pull_request(organization, of.project.as_deref(), of.repository.as_deref(), of.id))
    }

    pub(super) fn release_of_chain(&self, organization: &str, of: &chain::ReleaseStage) -> Option<String> {
        told(of.url.as_deref()).or_else(|| self.release(organization, Some(&of.project), of.release))
    }

    fn pull_request(
        &self,
        organization: &str,
        project: Option<&str>,
        repository: Option<&str>,
        id: u64,
    ) -> Option<String> {
        self.in_repository(organization, (project, repository), "pullrequest", &id.to_string())
    }

    /// Where it was pushed to.
    pub(super) fn commit(&self, of: &CommitDetail) -> Option<String> {
        let at = |push: &Push| {
            self.in_repository(
                &of.organization,
                (push.project.as_deref(), push.repository.as_deref()),
                "commit",
                &of.commit,
            )
        };
        of.pushes.iter().find_map(at)
    }

    pub(super) fn known_pull_request(&self, of: &PullRequestDetail) -> Option<String> {
        let made =
            || self.pull_request(&of.organization, of.project.as_deref(), of.repository.as_deref(), of.pull_request_id);
        told(of.url.as_deref()).or_else(made)
    }

    pub(super) fn known_work_item(&self, of: &WorkItemDetail) -> Option<String> {
        told(of.url.as_deref())
            .or_else(|| self.work_item(&of.organization, of.project.as_deref(), &of.work_item_id.to_string()))
    }

    /// Things of others, such as pull requests at GitHub, are nowhere here.
    pub(super) fn link(&self, organization: &str, of: &Link) -> Option<String> {
        let (project, repository, id) = (of.project.as_deref(), of.repository.as_deref(), of.id.as_str());
        let made = || match of.kind {
            "run" => self.run(organization, project, id.parse().ok()?),
            "commit" => self.in_repository(organization, (project, repository), "commit", id),
            "pullRequest" => self.in_repository(organization, (project, repository), "pullrequest", id),
            "workItem" => self.work_item(organization, project, id),
            "release" => self.release(organization, project, id.rsplit('/').next()?.parse().ok()?),
            _ => None,
        };
        told(of.url.as_deref()).or_else(made)
    }

    fn in_repository(
        &self,
        organization: &str,
        (project, repository): (Option<&str>, Option<&str>),
        kind: &str,
        id: &str,
    ) -> Option<String> {
        self.page(organization, project, &format!("_git/{}/{kind}/{}", part(repository?), part(id)))
    }

    fn work_item(&self, organization: &str, project: Option<&str>, id: &str) -> Option<String> {
        self.page(organization, project, &format!("_workitems/edit/{}", part(id)))
    }

    pub(super) fn pipeline(&self, organization: &str, project: Option<&str>, id: u64) -> Option<String> {
        self.page(organization, project, &format!("_build?definitionId={id}"))
    }

    pub(super) fn release(&self, organization: &str, project: Option<&str>, id: u64) -> Option<String> {
        self.page(organization, project, &format!("_releaseProgress?_a=release-pipeline-progress&releaseId={id}"))
    }

    /// The definition of classic releases.
    pub(super) fn definition(&self, organization: &str, project: Option<&str>, id: u64) -> Option<String> {
        self.page(organization, project, &format!("_release?definitionId={id}"))
    }

    pub(super) fn environment(&self, organization: &str, project: Option<&str>, id: u64) -> Option<String> {
        self.page(organization, project, &format!("_environments/{id}"))
    }

    /// Where the subscriptions of a project are.
    pub(super) fn hooks(&self, organization: &str, project: Option<&str>) -> Option<String> {
        self.page(organization, project, "_settings/serviceHooks")
    }

    /// The run or the release that brought it.
    pub(super) fn deployment(&self, of: &Deployment) -> Option<String> {
        self.either(&of.organization, of.project.as_deref(), of.release_id, of.run_id)
    }

    /// The run or the release that waits.
    pub(super) fn approval(&self, of: &GivenApproval) -> Option<String> {
        self.either(&of.organization, of.project.as_deref(), of.release_id, of.run_id)
    }

    fn either(
        &self,
        organization: &str,
        project: Option<&str>,
        release: Option<u64>,
        run: Option<u64>,
    ) -> Option<String> {
        match (release, run) {
            (Some(release), _) => self.release(organization, project, release),
            (None, Some(run)) => self.run(organization, project, run),
            (None, None) => None,
        }
    }

    /// Whether an address that anybody may have written is one of the service.
    pub(super) fn holds(&self, address: &str) -> bool {
        let ours = |base: &str| address.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'));
        ours(&self.0) || ours("https://dev.azure.com")
    }
}

fn told(address: Option<&str>) -> Option<String> {
    web(address).map(str::to_owned)
}

/// A link to a page of the service; nothing where none is known.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = r#"{% if let Some(href) = href %}<a class="out" href="{{ href }}" rel="noopener noreferrer">{% if is_short %}<span class="sr">Azure DevOps</span>{% else %}Azure DevOps{% endif %}<span aria-hidden="true"> ↗</span><span class="sr"> {{ what }}</span></a>{% endif %}"#
)]
pub(super) struct Out {
    href: Option<String>,
    what: String,
    is_short: bool,
}

impl Out {
    /// `what` is read out, so that links can be told apart.
    pub(super) fn to(address: Option<String>, what: impl Into<String>) -> Self {
        let href = address.filter(|address| web(Some(address)).is_some());
        Self { href, what: what.into(), is_short: false }
    }

    /// Only an arrow is seen: where there is no room, or the row says where it leads.
    pub(super) fn short(self) -> Self {
        Self { is_short: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_the_service() {
        let site = AdoSite::new("https://tfs.example/tfs/");
        let page = |rest: &str| Some(format!("https://tfs.example/tfs/a%2Fb/My%20Shop/{rest}"));
        let (organization, project) = ("a/b", Some("My Shop"));
        assert_eq!(site.run(organization, project, 7), page("_build/results?buildId=7"));
        assert_eq!(site.pipeline(organization, project, 7), page("_build?definitionId=7"));
        assert_eq!(site.definition(organization, project, 7), page("_release?definitionId=7"));
        assert_eq!(site.environment(organization, project, 7), page("_environments/7"));
        assert_eq!(site.hooks(organization, project), page("_settings/serviceHooks"));
        assert_eq!(site.run(organization, None, 7), None);
        let push = |project: Option<&str>| Push {
            push_id: 1,
            project: project.map(str::to_owned),
            repository: Some("my shop".to_owned()),
            refs: Vec::new(),
            pushed_by: None,
            pushed_at: None,
        };
        let commit = |pushes| CommitDetail {
            organization: organization.to_owned(),
            commit: "b71f".to_owned(),
            pushes,
            ..CommitDetail::default()
        };
        assert_eq!(site.commit(&commit(vec![push(None), push(project)])), page("_git/my%20shop/commit/b71f"));
        assert_eq!(site.commit(&commit(Vec::new())), None, "nobody says where");
    }

    #[test]
    fn an_address_in_a_body_may_be_anybodys() {
        let site = AdoSite::new("https://tfs.example/tfs");
        for good in ["https://tfs.example/tfs/x", "https://dev.azure.com/x"] {
            assert!(site.holds(good), "{good}");
        }
        let foreign = [
            "https://tfs.example/",
            "https://tfs.example/tfsx/",
            "https://dev.azure.com.evil.example/",
            "javascript:x",
        ];
        for bad in foreign {
            assert!(!site.holds(bad), "{bad}");
        }
    }

    #[test]
    fn only_https_is_linked() {
        let link = |address: &str| Out::to(Some(address.to_owned()), "run 7").render().unwrap();
        let expected = "<a class=\"out\" href=\"https://x/?a=1&#38;b=&#34;\" rel=\"noopener noreferrer\">Azure DevOps\
                        <span aria-hidden=\"true\"> ↗</span><span class=\"sr\"> run 7</span></a>";
        assert_eq!(link("https://x/?a=1&b=\""), expected);
        for bad in ["javascript:alert(1)", "http://x", "//x"] {
            assert_eq!(link(bad), "");
        }
        assert_eq!(Out::to(None, "run 7").render().unwrap(), "");
    }
}
