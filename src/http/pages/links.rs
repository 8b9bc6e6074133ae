//! What a thing is about and where it went, as a table.

use super::html::{Badge, named, part, short, web};
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
    pub(super) url: Option<String>,
}

impl LinkRow {
    pub(super) fn of(link: &Link) -> Self {
        let via = link.via.as_ref().map(|via| format!("{} {}", word(via.kind), shown(via.kind, &via.id)));
        Self {
            kind: word(link.kind),
            id: shown(link.kind, &link.id),
            href: href(link.kind, &link.id),
            name: link.name.clone().unwrap_or_default(),
            badge: link.state.as_deref().map(|state| Badge::of(Some(state), None)),
            rule: link.rule,
            certain: link.certainty == "certain",
            via: via.unwrap_or_default(),
            url: web(link.url.as_deref()).map(str::to_owned),
        }
    }
}

/// What leads to it, and what it leads to.
pub(super) fn split(links: &[Link]) -> (Vec<LinkRow>, Vec<LinkRow>) {
    let of = |direction: LinkKind| links.iter().filter(move |link| link.direction == direction).map(LinkRow::of);
    (of(LinkKind::Before).collect(), of(LinkKind::After).collect())
}

fn href(kind: &str, id: &str) -> Option<String> {
    let place = match kind {
        "run" => "runs",
        "commit" => "commits",
        "pullRequest" => "pull-requests",
        "workItem" => "work-items",
        _ => return None,
    };
    Some(format!("/{place}/{}", part(id)))
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
        assert_eq!(href("run", "7").as_deref(), Some("/runs/7"));
        assert_eq!(href("commit", "a/b").as_deref(), Some("/commits/a%2Fb"));
        assert_eq!(href("release", "p/7"), None);
    }
}
