//! Work items.
//!
//! The trap: in an update, `fields` are changes and `revision.fields` may be those from before. The change counts.
//!
//! Shapes: <https://learn.microsoft.com/azure/devops/service-hooks/events> and
//! <https://learn.microsoft.com/rest/api/azure/devops/wit>.

mod wire;

use percent_encoding::percent_decode_str;

use super::error::{DecodeError, parse};
use super::labels::{Labels, short};
use super::organization::{Place, number_after};
use super::wire::{Text, href, id, text};
use super::{Beside, Scope, usable_id};
use crate::domain::link::Node;
use crate::domain::work_item::{Relation, WorkItemFact};
use crate::domain::{Fact, Label, Time, WorkItemKey, commit_id};
use wire::{Changed, Fields, Item, List, Update, Value};

/// So many relations of one body are taken.
const MOST_RELATIONS: usize = 500;
const PARENT: &str = "System.LinkTypes.Hierarchy-Reverse";
const ARTIFACT: &str = "ArtifactLink";
/// The build in which a bug was seen has the address of one that holds the mend.
const FOUND_IN_BUILD: &str = "Found in build";

pub(super) fn created(scope: &Scope<'_>, resource: &str) -> Result<Fact, DecodeError> {
    let item: Item<'_> = parse(resource, "resource")?;
    let place = place(scope, [item.url.as_ref(), None])?;
    item_fact(&item, place, scope.said, "resource.").map(Fact::WorkItem)
}

pub(super) fn updated(scope: &Scope<'_>, resource: &str) -> Result<Fact, DecodeError> {
    let update: Update<'_> = parse(resource, "resource")?;
    let revision = update.revision.as_ref();
    let place = place(scope, [update.url.as_ref(), revision.and_then(|revision| revision.url.as_ref())])?;
    let above = update.links.as_ref().and_then(|links| href(links.parent.as_ref()));
    let number = id(update.work_item_id.as_ref())
        .or_else(|| id(revision?.id.as_ref()))
        .or_else(|| number_after(above?, "/workItems/"))
        .or_else(|| number_after(text(update.url.as_ref())?, "/workItems/"));
    let missing = || DecodeError::no_id("no_work_item_id", "id of the work item", "resource.workItemId");
    let number = number.and_then(usable_id).ok_or_else(missing)?;
    let rev = id(update.rev.as_ref()).or_else(|| id(revision?.rev.as_ref()));
    let rev = rev.ok_or_else(|| DecodeError::no_state("revision of the work item", "resource.rev"))?;
    let mut fact =
        WorkItemFact::new(WorkItemKey { organization: place.organization.clone(), id: number }, scope.said, rev);
    let mut labels = Labels::of(&place);
    if let Some(revision) = revision {
        say_fields(&mut fact, &mut labels, revision.fields.as_ref());
        say_relations(&mut fact, &mut labels, revision.relations.iter().flatten(), true);
    }
    say_changes(&mut fact, &mut labels, update.fields.as_ref());
    if let Some(relations) = &update.relations {
        say_relations(&mut fact, &mut labels, relations.removed.iter().flatten(), false);
        say_relations(&mut fact, &mut labels, relations.added.iter().flatten(), true);
    }
    fact.labels = labels.into_latest();
    fact.relations = latest(fact.relations);
    Ok(Fact::WorkItem(fact))
}

/// The work items in an answer of Work Items - List that was asked to expand relations, each by itself. One without any
/// relation says so.
///
/// # Errors
/// When the whole answer is not JSON of that shape.
pub fn work_item_list(beside: &Beside, answer: &[u8]) -> Result<Vec<Result<Fact, DecodeError>>, DecodeError> {
    list(beside, answer, |item, fact| {
        fact.has_all_relations = item.relations.as_ref().is_none_or(|all| all.len() <= MOST_RELATIONS);
    })
}

/// The revisions in an answer of Reporting Work Item Revisions, each by itself. They say nothing of relations.
///
/// # Errors
/// When the whole answer is not JSON of that shape.
pub fn work_item_revisions(beside: &Beside, answer: &[u8]) -> Result<Vec<Result<Fact, DecodeError>>, DecodeError> {
    list(beside, answer, |_, _| {})
}

fn list(
    beside: &Beside,
    answer: &[u8],
    say: impl Fn(&Item<'_>, &mut WorkItemFact),
) -> Result<Vec<Result<Fact, DecodeError>>, DecodeError> {
    let body = super::body::text(answer)?;
    let list: List<'_> = parse(&body, "")?;
    // One that was deleted meanwhile is null.
    let there = list.value.iter().flatten().enumerate().filter(|(_, item)| item.get() != "null");
    let read = |(at, item): (usize, &&serde_json::value::RawValue)| {
        let path = format!("value[{at}]");
        let item: Item<'_> = parse(item.get(), &path)?;
        let changed = item.fields.as_ref().and_then(|fields| moment(fields.changed.as_ref()));
        let place = Place { organization: beside.organization()?, ..Place::default() };
        let mut fact = item_fact(&item, place, changed.unwrap_or(Time::UNKNOWN), &format!("{path}."))?;
        say(&item, &mut fact);
        Ok(Fact::WorkItem(fact))
    };
    Ok(there.map(read).collect())
}

fn place<'e>(scope: &Scope<'_>, urls: [Option<&'e Text<'e>>; 2]) -> Result<Place, DecodeError> {
    let urls = || urls.into_iter().filter_map(text);
    let mut place = scope.place(urls())?;
    place.fill_project(urls());
    // Addresses of work items hold the project's id or none; its name stands in the fields.
    place.project_name = None;
    Ok(place)
}

fn item_fact(item: &Item<'_>, place: Place, said: Time, path: &str) -> Result<WorkItemFact, DecodeError> {
    let missing = || DecodeError::no_id("no_work_item_id", "id of the work item", &format!("{path}id"));
    let number = id(item.id.as_ref()).or_else(|| number_after(text(item.url.as_ref())?, "/workItems/"));
    let number = number.and_then(usable_id).ok_or_else(missing)?;
    let rev = id(item.rev.as_ref());
    let rev = rev.ok_or_else(|| DecodeError::no_state("revision of the work item", format!("{path}rev")))?;
    let mut labels = Labels::of(&place);
    let mut fact = WorkItemFact::new(WorkItemKey { organization: place.organization, id: number }, said, rev);
    say_fields(&mut fact, &mut labels, item.fields.as_ref());
    say_relations(&mut fact, &mut labels, item.relations.iter().flatten(), true);
    labels.put_url(item.links.as_ref().and_then(|links| href(links.html.as_ref())));
    fact.labels = labels.into_latest();
    fact.relations = latest(fact.relations);
    Ok(fact)
}

fn moment(value: Option<&Value<'_>>) -> Option<Time> {
    Time::parse(value?.text()?).ok().flatten()
}

fn say_fields(fact: &mut WorkItemFact, labels: &mut Labels, fields: Option<&Fields<Value<'_>>>) {
    let Some(fields) = fields else { return };
    let texts = [
        (Label::ProjectName, &fields.project),
        (Label::WorkItemType, &fields.kind),
        (Label::Title, &fields.title),
        (Label::Reason, &fields.reason),
        (Label::Area, &fields.area),
        (Label::Iteration, &fields.iteration),
        (Label::Parent, &fields.parent),
        (Label::Tags, &fields.tags),
    ];
    for (label, value) in texts {
        labels.put(label, value.as_ref().and_then(Value::text));
    }
    labels.put(Label::AssignedTo, fields.assigned_to.as_ref().and_then(Value::text).map(person).as_deref());
    fact.state = fields.state.as_ref().and_then(Value::text).map(|state| short(state).into_owned());
    fact.created = moment(fields.created.as_ref());
    fact.changed = moment(fields.state_changed.as_ref()).or_else(|| moment(fields.changed.as_ref()));
}

fn say_changes(fact: &mut WorkItemFact, labels: &mut Labels, fields: Option<&Fields<Changed<'_>>>) {
    let Some(fields) = fields else { return };
    let new = |changed: &Option<Changed<'_>>| -> Option<String> {
        let changed = changed.as_ref()?;
        // What was cleared is said to be empty.
        Some(changed.new_value.as_ref().and_then(Value::text).unwrap_or_default().to_owned())
    };
    let texts = [
        (Label::ProjectName, &fields.project),
        (Label::WorkItemType, &fields.kind),
        (Label::Title, &fields.title),
        (Label::Reason, &fields.reason),
        (Label::Area, &fields.area),
        (Label::Iteration, &fields.iteration),
        (Label::Parent, &fields.parent),
        (Label::Tags, &fields.tags),
    ];
    for (label, changed) in texts {
        labels.put(label, new(changed).as_deref());
    }
    labels.put(Label::AssignedTo, new(&fields.assigned_to).as_deref().map(person).as_deref());
    let state = new(&fields.state).filter(|state| !state.is_empty());
    let at = |changed: &Option<Changed<'_>>| moment(changed.as_ref().and_then(|changed| changed.new_value.as_ref()));
    let changed = at(&fields.state_changed).or_else(|| at(&fields.changed));
    if let Some(state) = state {
        fact.state = Some(short(&state).into_owned());
        fact.changed = changed.or(fact.changed);
    }
}

/// Older shapes write `Ana Lindqvist <ana@fabrikam.example>`.
fn person(text: &str) -> String {
    let name = text.split_once(" <").map_or(text, |(name, _)| name);
    short(name.trim()).into_owned()
}

fn say_relations<'e>(
    fact: &mut WorkItemFact,
    labels: &mut Labels,
    relations: impl Iterator<Item = &'e wire::Relation<'e>>,
    is_there: bool,
) {
    for relation in relations.take(MOST_RELATIONS) {
        let (Some(rel), Some(url)) = (text(relation.rel.as_ref()), text(relation.url.as_ref())) else { continue };
        if rel == PARENT {
            let parent = number_after(url, "/workItems/").filter(|_| is_there);
            labels.put(Label::Parent, Some(&parent.map(|id| id.to_string()).unwrap_or_default()));
        }
        let name = relation.attributes.as_ref().and_then(|attributes| text(attributes.name.as_ref()));
        let is_cause = name.is_none_or(|name| !name.eq_ignore_ascii_case(FOUND_IN_BUILD));
        let to = Some(url).filter(|_| rel == ARTIFACT && is_cause).and_then(artifact);
        fact.relations.extend(to.map(|to| Relation { to, is_there }));
    }
}

/// Of each thing what was said last: what was removed and added again is there.
fn latest(relations: Vec<Relation>) -> Vec<Relation> {
    let last: std::collections::BTreeMap<Node, bool> =
        relations.into_iter().map(|relation| (relation.to, relation.is_there)).collect();
    last.into_iter().map(|(to, is_there)| Relation { to, is_there }).collect()
}

/// What an artifact's address names: `vstfs:///Git/PullRequestId/{project}%2F{repository}%2F{id}`.
fn artifact(url: &str) -> Option<Node> {
    let rest = url.strip_prefix("vstfs:///")?;
    let (kind, rest) = rest.split_at_checked(rest.match_indices('/').nth(1)?.0)?;
    let path = percent_decode_str(rest.strip_prefix('/')?).decode_utf8().ok()?;
    let last = path.rsplit('/').next()?;
    let number = || last.parse().ok().and_then(usable_id);
    match kind {
        "Git/Commit" | "GitHub/Commit" => commit_id(last).map(Node::Commit),
        "Git/PullRequestId" => number().map(Node::PullRequest),
        "Build/Build" => number().map(Node::Run),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts() {
        let sha = "b71f0c3e9a5d48c2817e6f4d3b2a19087c6d5e4f";
        for (url, expected) in [
            (format!("vstfs:///Git/Commit/p%2fr%2f{sha}"), Some(Node::Commit(sha.to_owned()))),
            (format!("vstfs:///GitHub/Commit/c%2F{sha}"), Some(Node::Commit(sha.to_owned()))),
            ("vstfs:///Git/PullRequestId/p%2Fr%2F88".to_owned(), Some(Node::PullRequest(88))),
            ("vstfs:///Build/Build/479".to_owned(), Some(Node::Run(479))),
            // Numbers of GitHub are another sequence, and which repository it is nobody says.
            ("vstfs:///GitHub/PullRequest/c%2F88".to_owned(), None),
            ("vstfs:///Git/Ref/p%2Fr%2FGBmain".to_owned(), None),
            ("vstfs:///Build".to_owned(), None),
            ("https://x/Build/Build/479".to_owned(), None),
        ] {
            assert_eq!(artifact(&url), expected, "{url}");
        }
    }

    #[test]
    fn the_build_in_which_a_bug_was_found_does_not_follow_from_it() {
        let runs = |attributes: &str| {
            let relation = format!(r#"{{"rel": "ArtifactLink", "url": "vstfs:///Build/Build/479"{attributes}}}"#);
            let answer = format!(r#"{{"value": [{{"id": 4711, "rev": 3, "relations": [{relation}]}}]}}"#);
            let beside = Beside { organization: "fabrikam".to_owned(), ..Beside::default() };
            let mut facts = work_item_list(&beside, answer.as_bytes()).unwrap();
            let Ok(Fact::WorkItem(fact)) = facts.remove(0) else { panic!("no work item") };
            fact.relations.into_iter().map(|relation| relation.to).collect::<Vec<_>>()
        };
        for named in ["", r#", "attributes": {"name": "Build"}"#, r#", "attributes": {"name": "Integrated in build"}"#]
        {
            assert_eq!(runs(named), [Node::Run(479)], "{named}");
        }
        assert_eq!(runs(r#", "attributes": {"name": "Found in build"}"#), []);
    }

    #[test]
    fn only_a_list_with_relations_holds_all_of_them() {
        let beside = Beside { organization: "fabrikam".to_owned(), ..Beside::default() };
        let all = |relations: usize, read: fn(&Beside, &[u8]) -> _| {
            let relations = vec![r#"{"rel": "Hyperlink", "url": "https://x"}"#; relations].join(",");
            let answer = format!(r#"{{"value": [{{"id": 4711, "rev": 3, "relations": [{relations}]}}]}}"#);
            let facts: Result<Vec<Result<Fact, DecodeError>>, DecodeError> = read(&beside, answer.as_bytes());
            let Ok(Fact::WorkItem(fact)) = facts.unwrap().remove(0) else { panic!("no work item") };
            fact.has_all_relations
        };
        assert!(all(0, work_item_list) && all(MOST_RELATIONS, work_item_list));
        assert!(!all(MOST_RELATIONS + 1, work_item_list), "the others are not read");
        assert!(!all(0, work_item_revisions));
    }

    #[test]
    fn of_a_person_the_name() {
        assert_eq!(person("Ana Lindqvist <ana@fabrikam.example>"), "Ana Lindqvist");
        assert_eq!(person("Ana Lindqvist"), "Ana Lindqvist");
    }
}
