use crate::catalog::{CommitDetail, Link, LinkKind, Owner, PullRequestDetail, Vote, WorkItemDetail};

use super::escaped;
use super::runs::{branch, time};
use super::table::{Columns, or_unknown, table};

/// Said of what was not told of itself.
const ONLY_NAMED: &str = "Known by       what refers to it: nothing told of the thing itself yet\n";

/// A commit for people: what is known of it, what it is about, where it went.
#[must_use]
pub fn commit_text(commit: &CommitDetail, columns: Columns) -> String {
    let push = commit.pushes.first();
    let refs: Vec<_> = commit.pushes.iter().flat_map(|push| &push.refs).map(|name| branch(Some(name))).collect();
    let mut rows = vec![
        ("Commit", commit.commit.clone()),
        ("Organization", commit.organization.clone()),
        ("Repository", or_unknown(commit.repository.as_deref())),
        ("Message", or_unknown(commit.message.as_deref())),
        ("Author", or_unknown(commit.author.as_deref())),
        ("Committed", time(commit.committed_at)),
        ("Pushed", time(push.and_then(|push| push.pushed_at))),
        ("Pushed by", or_unknown(push.and_then(|push| push.pushed_by.as_deref()))),
        ("Pushed to", or_unknown(Some(&refs.join(", ")))),
    ];
    if columns == Columns::All {
        let pushes: Vec<_> = commit.pushes.iter().map(|push| push.push_id.to_string()).collect();
        rows.push(("Pushes", or_unknown(Some(&pushes.join(", ")))));
    }
    let went = commit.links.iter().filter(|link| link.direction == LinkKind::After);
    head(&rows) + &links_text(commit.about.iter().chain(went), commit.links_truncated, columns)
}

/// A pull request for people.
#[must_use]
pub fn pull_request_text(shown: &PullRequestDetail, columns: Columns) -> String {
    if !shown.held {
        let rows = [("Pull request", shown.pull_request_id.to_string()), ("Organization", shown.organization.clone())];
        return head(&rows) + ONLY_NAMED + &links_text(&shown.links, shown.links_truncated, columns);
    }
    let votes: Vec<_> = shown.votes.iter().filter(|vote| vote.vote != 0).map(vote).collect();
    let mut rows = vec![
        ("Pull request", format!("{} {}", shown.pull_request_id, shown.title.as_deref().unwrap_or_default())),
        ("Status", or_unknown(shown.status.as_deref())),
        ("Project", format!("{}/{}", shown.organization, or_unknown(shown.project.as_deref()))),
        ("Repository", or_unknown(shown.repository.as_deref())),
        ("Source", branch(shown.source.as_deref())),
        ("Target", branch(shown.target.as_deref())),
        ("Created by", or_unknown(shown.created_by.as_deref())),
        ("Created", time(shown.created_at)),
        ("Approved", time(shown.first_approved_at)),
        ("Closed", time(shown.closed_at)),
        ("Merge commit", or_unknown(shown.merge_commit.as_deref())),
        ("Votes", or_unknown(Some(&votes.join(", ")))),
        ("URL", or_unknown(shown.url.as_deref())),
    ];
    if columns == Columns::All {
        rows.push(("Merge status", or_unknown(shown.merge_status.as_deref())));
    }
    head(&rows) + &links_text(&shown.links, shown.links_truncated, columns)
}

fn vote(vote: &Vote) -> String {
    let word = match vote.vote {
        10.. => "approved",
        1..=9 => "approved with suggestions",
        0 => "no vote",
        -9..=-1 => "waits for the author",
        _ => "rejected",
    };
    format!("{}: {word}", or_unknown(vote.name.as_deref()))
}

/// A work item for people.
#[must_use]
pub fn work_item_text(item: &WorkItemDetail, columns: Columns) -> String {
    if !item.held {
        let rows = [("Work item", item.work_item_id.to_string()), ("Organization", item.organization.clone())];
        return head(&rows) + ONLY_NAMED + &links_text(&item.links, item.links_truncated, columns);
    }
    let kind = item.kind.as_deref().map(|kind| format!(" {kind}")).unwrap_or_default();
    let title = item.title.as_deref().map(|title| format!(": {title}")).unwrap_or_default();
    let states: Vec<_> = item.states.iter().map(|state| format!("{} {}", state.state, time(state.since))).collect();
    let rows = [
        ("Work item", format!("{}{kind}{title}", item.work_item_id)),
        ("State", or_unknown(item.state.as_deref())),
        ("Reason", or_unknown(item.reason.as_deref())),
        ("Project", format!("{}/{}", item.organization, or_unknown(item.project.as_deref()))),
        ("Assigned to", or_unknown(item.assigned_to.as_deref())),
        ("Area", or_unknown(item.area.as_deref())),
        ("Iteration", or_unknown(item.iteration.as_deref())),
        ("Parent", or_unknown(item.parent.map(|parent| parent.to_string()).as_deref())),
        ("Created", time(item.created_at)),
        ("States", or_unknown(Some(&states.join(", ")))),
        ("URL", or_unknown(item.url.as_deref())),
    ];
    head(&rows) + &links_text(&item.links, item.links_truncated, columns)
}

fn head(rows: &[(&str, String)]) -> String {
    rows.iter().map(|(label, value)| format!("{label:<14} {}\n", escaped(value.trim_end()))).collect()
}

/// What a thing is about, then where it went; nothing where nothing is known.
pub(super) fn links_text<'l>(links: impl IntoIterator<Item = &'l Link>, truncated: bool, columns: Columns) -> String {
    let links: Vec<&Link> = links.into_iter().collect();
    let section = |title: &str, direction: LinkKind| {
        let of: Vec<&Link> = links.iter().copied().filter(|link| link.direction == direction).collect();
        if of.is_empty() { String::new() } else { format!("\n{title}\n{}", links_table(of, columns)) }
    };
    let note = if truncated { "\nMore is linked to it than is shown here.\n" } else { "" };
    section("What it is about", LinkKind::Before) + &section("Where it went", LinkKind::After) + note
}

/// All columns hold whole ids, to be taken elsewhere.
pub(super) fn links_table<'l>(links: impl IntoIterator<Item = &'l Link>, columns: Columns) -> String {
    let few = ["KIND", "ID", "NAME", "STATE", "RULE", "CERTAINTY", "VIA"];
    let header: Vec<_> = match columns {
        Columns::Few => few.to_vec(),
        Columns::All => few.into_iter().chain(["STEPS", "URL"]).collect(),
    };
    let id = |kind: &str, id: &str| match columns {
        Columns::Few => short(kind, id).to_owned(),
        Columns::All => id.to_owned(),
    };
    let rows = links.into_iter().map(|link| {
        let via = link.via.as_ref().map(|via| format!("{} {}", words(via.kind), id(via.kind, &via.id)));
        let mut cells = vec![
            words(link.kind).to_owned(),
            id(link.kind, &link.id),
            name(link),
            or_unknown(link.state.as_deref()),
            link.rule.to_owned(),
            link.certainty.to_owned(),
            or_unknown(via.as_deref()),
        ];
        if columns == Columns::All {
            cells.extend([link.steps.to_string(), or_unknown(link.url.as_deref())]);
        }
        cells
    });
    table(&header, rows)
}

/// Of a commit its repository knows what is not known here.
fn name(link: &Link) -> String {
    if link.held || link.kind == "commit" { or_unknown(link.name.as_deref()) } else { "(not held here)".to_owned() }
}

fn words(kind: &'static str) -> &'static str {
    match kind {
        "pullRequest" | "foreignPullRequest" => "pull request",
        "workItem" => "work item",
        other => other,
    }
}

/// Of a commit the first 8 characters: enough to find it.
fn short<'i>(kind: &str, id: &'i str) -> &'i str {
    if kind == "commit" { id.get(..8).unwrap_or(id) } else { id }
}

/// Service and team, or that nobody said whose it is.
pub(super) fn owner(owner: Option<&Owner>) -> String {
    match owner {
        None => "unmapped".to_owned(),
        Some(Owner { service, team: Some(team), .. }) => format!("{service} ({team})"),
        Some(Owner { service, team: None, .. }) => service.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_item_without_fields_has_a_head() {
        let head = |kind: Option<&str>, title: Option<&str>| {
            let [kind, title] = [kind, title].map(|text| text.map(str::to_owned));
            let item = WorkItemDetail { work_item_id: 5, kind, title, held: true, ..WorkItemDetail::default() };
            work_item_text(&item, Columns::Few).lines().next().unwrap().to_owned()
        };
        assert_eq!(head(Some("Bug"), Some("Totals")), "Work item      5 Bug: Totals");
        assert_eq!(head(None, Some("Totals")), "Work item      5: Totals");
        assert_eq!(head(Some("Bug"), None), "Work item      5 Bug");
        assert_eq!(head(None, None), "Work item      5");
    }

    #[test]
    fn what_is_left_out_is_said() {
        assert_eq!(links_text(&[], false, Columns::Few), "");
        assert_eq!(links_text(&[], true, Columns::Few), "\nMore is linked to it than is shown here.\n");
    }
}
