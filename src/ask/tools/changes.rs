use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Citation, Desk, Found, Tool, ToolError};
use crate::catalog::{Link, LinkKind};

/// What is looked for: exactly one of the three.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Trace {
    /// The beginning of a commit's id.
    commit: Option<String>,
    /// The number of a pull request.
    pull_request: Option<u64>,
    /// The number of a work item, as in AB#123.
    work_item: Option<u64>,
    organization: Option<String>,
}

const LINKS: [&str; 9] = ["direction", "kind", "id", "name", "state", "rule", "certainty", "steps", "url"];

/// Fewer digits are no commit's.
const SHORTEST: usize = 4;

pub(super) async fn trace(desk: &Desk, asked: Trace) -> Result<Found, ToolError> {
    let Trace { commit, pull_request, work_item, organization } = asked;
    let asked = organization.as_ref();
    let organization = organization.as_deref();
    let (catalog, branches) = (&desk.catalog, desk.branches.as_slice());
    let (organization, links, truncated) = match (commit, pull_request, work_item) {
        (Some(commit), None, None) if commit.len() >= SHORTEST => {
            let found = catalog.commits(&commit, organization, branches).await?;
            let one = desk.only(found, (format!("commit {commit}"), asked), |one| &one.organization).await?;
            (one.organization, once(one.about.into_iter().chain(one.links)), one.links_truncated)
        }
        (None, Some(id), None) => {
            let found = catalog.pull_requests(id, organization, branches).await?;
            let one = desk.only(found, (format!("pull request {id}"), asked), |one| &one.organization).await?;
            (one.organization, one.links, one.links_truncated)
        }
        (None, None, Some(id)) => {
            let found = catalog.work_items(id, organization, branches).await?;
            let one = desk.only(found, (format!("work item {id}"), asked), |one| &one.organization).await?;
            (one.organization, one.links, one.links_truncated)
        }
        (_, _, _) => return Err(one_of_three()),
    };
    let cited = links.iter().filter_map(|link| cited(&organization, link)).collect();
    let found = Found::whole(&LINKS, links.iter().map(row).collect(), super::MOST_ROWS);
    let found = if truncated { found.uncounted() } else { found };
    Ok(found.behind(cited))
}

/// What it is about leads to it, too.
fn once(links: impl Iterator<Item = Link>) -> Vec<Link> {
    let mut known = BTreeSet::new();
    let mut is_new = |link: &Link| {
        let is_before = matches!(link.direction, LinkKind::Before);
        known.insert((is_before, link.kind, link.id.clone()))
    };
    links.filter(|link| is_new(link)).collect()
}

fn one_of_three() -> ToolError {
    let why = format!("say one of commit ({SHORTEST} digits or more), pullRequest and workItem");
    ToolError::Arguments { tool: Tool::Trace, why }
}

fn row(link: &Link) -> Vec<Value> {
    let direction = match link.direction {
        LinkKind::Before => "before",
        LinkKind::After => "after",
    };
    vec![
        json!(direction),
        json!(link.kind),
        json!(link.id),
        json!(link.name),
        json!(link.state),
        json!(link.rule),
        json!(link.certainty),
        json!(link.steps),
        json!(link.url),
    ]
}

fn cited(organization: &str, link: &Link) -> Option<Citation> {
    let run_id = (link.kind == "run").then(|| link.id.parse().ok())??;
    Some(Citation { organization: organization.to_owned(), run_id, url: link.url.clone() })
}
