//! What a thing is about and where it went, as a table.

use super::html::{Badge, named, short};
use super::out::{AdoSite, Out};
use super::paths;
use crate::catalog::{Deployment, Link, LinkKind};

/// A linked thing.
pub(super) struct LinkRow {
    pub(super) kind: &'static str,
    pub(super) id: String,
    /// Where it is shown here.
    pub(super) href: Option<String>,
    pub(super) name: String,
    pub(super) badge: Option<Badge>,
    pub(super) rule: &'static str,
    pub(super) certain: bool,
    pub(super) via: String,
    pub(super) out: Out,
}

impl LinkRow {
    /// Links do not lead out of an organization.
    pub(super) fn of(ado: &AdoSite, organization: &str, link: &Link) -> Self {
        let via = link.via.as_ref().map(|via| format!("{} {}", word(via.kind), shown(via.kind, &via.id)));
        Self {
            kind: word(link.kind),
            id: shown(link.kind, &link.id),
            href: href(organization, link.kind, &link.id),
            name: link.name.clone().unwrap_or_default(),
            badge: link.state.as_deref().map(|state| Badge::of(Some(state), None)),
            rule: link.rule,
            certain: link.certainty == "certain",
            via: via.unwrap_or_default(),
            out: Out::to(ado.link(organization, link), format!("{} {}", word(link.kind), shown(link.kind, &link.id))),
        }
    }
}

/// What leads to it, and what it leads to.
pub(super) fn split(ado: &AdoSite, organization: &str, links: &[Link]) -> (Vec<LinkRow>, Vec<LinkRow>) {
    let of = |direction: LinkKind| {
        let wanted = links.iter().filter(move |link| link.direction == direction);
        wanted.map(|link| LinkRow::of(ado, organization, link)).collect()
    };
    (of(LinkKind::Before), of(LinkKind::After))
}

fn href(organization: &str, kind: &str, id: &str) -> Option<String> {
    let page = match kind {
        "run" => "runs",
        "commit" => "commits",
        "pullRequest" => "pull-requests",
        "workItem" => "work-items",
        _ => return None,
    };
    Some(paths::thing(page, organization, id))
}

fn word(kind: &'static str) -> &'static str {
    match kind {
        "pullRequest" | "foreignPullRequest" => "pull request",
        "workItem" => "work item",
        other => other,
    }
}

fn shown(kind: &str, id: &str) -> String {
    if kind == "commit" { short(id) } else { id.to_owned() }
}

/// `web 20240101.3`, or the release's name.
pub(super) fn version(deployment: &Deployment) -> String {
    let (name, id) = match deployment.release_id {
        Some(release) => (deployment.release_name.as_deref(), Some(release)),
        None => (deployment.run_name.as_deref(), deployment.run_id),
    };
    id.map_or_else(|| name.unwrap_or("?").to_owned(), |id| named(name, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_lead_to_their_pages() {
        assert_eq!(href("o", "run", "7").as_deref(), Some("/runs/7?organization=o"));
        assert_eq!(href("o", "commit", "a/b").as_deref(), Some("/commits/a%2Fb?organization=o"));
        assert_eq!(href("o", "release", "p/7"), None);
    }
}
