use std::collections::{BTreeMap, BTreeSet};

use super::events::{BUILD_COMPLETE, Event, Filter};
use super::{Group, Target};
use crate::ado::hooks::{Inputs, NewSubscription, Subscription};
use crate::ado::rest::Project;

/// A pipeline of a project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pipeline {
    pub id: u64,
    pub name: String,
}

/// A subscription that should be there.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub project: Project,
    pub(super) event: Event,
    /// What events it is for.
    pub(super) slot: Slot,
    pub new: NewSubscription,
}

/// Which events: at most one subscription should be there for each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    event_type: String,
    project: String,
    /// The pipeline's id or name; empty for all.
    filter: String,
}

impl Slot {
    pub(super) fn of(found: &Subscription) -> Self {
        let filters = [Filter::PipelineId, Filter::DefinitionName];
        let filter = filters.into_iter().filter_map(|filter| found.publishes(filter.input()?)).next();
        Self {
            event_type: found.event_type.clone(),
            project: found.project(),
            filter: filter.unwrap_or_default().to_owned(),
        }
    }
}

impl Wanted {
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        self.event.name
    }

    /// The id of the only pipeline whose events it is for; `None` also where it is told by name.
    pub(super) fn pipeline(&self) -> Option<&str> {
        let by_id = self.event.filter == Filter::PipelineId && !self.slot.filter.is_empty();
        by_id.then_some(self.slot.filter.as_str())
    }

    /// The id or the name of the only pipeline that it is for.
    pub(super) fn cut_to(&self) -> Option<&str> {
        Some(self.slot.filter.as_str()).filter(|filter| !filter.is_empty())
    }

    /// Whether each build of the project ends in an event of this.
    pub(super) fn is_for_every_build(&self) -> bool {
        self.event == BUILD_COMPLETE && self.slot.filter.is_empty()
    }
}

/// What should be there: each event of the groups in each project; where pipelines are named, once for each of them
/// where the event can be told by pipeline.
///
/// Once, however often it is named: pipelines in two folders may have the same name, and a second subscription of the
/// same kind would be a double that every plan makes anew.
#[must_use]
pub fn wanted(groups: &BTreeSet<Group>, projects: &[Project], pipelines: &[Pipeline], target: &Target) -> Vec<Wanted> {
    let events = || groups.iter().flat_map(|group| group.events());
    let of_project = |project: &Project| {
        let each = events().flat_map(|event| {
            let filters = filters(*event, pipelines);
            filters.into_iter().map(|filter| one(project, *event, filter, target)).collect::<Vec<_>>()
        });
        each.collect::<Vec<_>>()
    };
    let mut known = BTreeSet::new();
    projects.iter().flat_map(of_project).filter(|wanted| known.insert(wanted.slot.clone())).collect()
}

/// What whoever watches wants: of each project the events of runs, and what else somebody subscribed to, so that it comes
/// here. What goes elsewhere, or comes of another project, says nothing about that.
///
/// Where there is nothing for all pipelines of a project but something for some of them, those are wanted and no others.
#[must_use]
pub(super) fn chosen(projects: &[Project], found: &[Subscription], target: &Target) -> Vec<Wanted> {
    let here = found.iter().filter(|found| target.owns(found) && target.elsewhere(found).is_none());
    let mut filters: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for Slot { event_type, project, filter } in here.map(Slot::of) {
        filters.entry((project, event_type)).or_default().insert(filter);
    }
    let of_event = |project: &Project, group: Group, event: Event| -> Vec<Wanted> {
        let all = || BTreeSet::from([String::new()]);
        let filters = match filters.get(&(project.id.to_lowercase(), event.name.to_owned())) {
            Some(filters) if filters.contains("") => all(),
            Some(filters) => filters.clone(),
            None if group == Group::Runs => all(),
            None => BTreeSet::new(),
        };
        filters.into_iter().map(|filter| one(project, event, filter, target)).collect()
    };
    let of_project = |project: &Project| {
        let of_group = |group: Group| group.events().iter().flat_map(move |event| of_event(project, group, *event));
        Group::ALL.into_iter().flat_map(of_group).collect::<Vec<_>>()
    };
    projects.iter().flat_map(of_project).collect()
}

/// The values of the event's filter; an empty one lets all events pass.
fn filters(event: Event, pipelines: &[Pipeline]) -> Vec<String> {
    let all = vec![String::new()];
    if pipelines.is_empty() {
        return all;
    }
    match event.filter {
        Filter::PipelineId => pipelines.iter().map(|pipeline| pipeline.id.to_string()).collect(),
        Filter::DefinitionName => pipelines.iter().map(|pipeline| pipeline.name.clone()).collect(),
        Filter::None => all,
    }
}

fn one(project: &Project, event: Event, filter: String, target: &Target) -> Wanted {
    let mut publisher_inputs = Inputs::from([("projectId".to_owned(), project.id.clone())]);
    publisher_inputs.extend(event.filter.input().map(|input| (input.to_owned(), filter.clone())));
    let slot = Slot { event_type: event.name.to_owned(), project: project.id.to_lowercase(), filter };
    let new = NewSubscription {
        publisher: event.publisher.to_owned(),
        event_type: event.name.to_owned(),
        resource_version: Some(event.version.to_owned()),
        consumer: target.consumer().to_owned(),
        action: target.action().to_owned(),
        publisher_inputs,
        consumer_inputs: target.inputs(),
        secret: target.secret(),
    };
    Wanted { project: project.clone(), event, slot, new }
}

#[cfg(test)]
mod tests {
    use super::super::events::RUNS;
    use super::super::samples::{PROJECT, queue, subscription, web_hook};
    use super::*;

    fn told(groups: &[Group], pipelines: &[u64], target: &Target) -> Vec<String> {
        let project = Project { id: PROJECT.to_owned(), name: "Fiber".to_owned() };
        let pipeline = |id: &u64| Pipeline { id: *id, name: format!("p{id}") };
        let pipelines: Vec<_> = pipelines.iter().map(pipeline).collect();
        let wanted = wanted(&groups.iter().copied().collect(), &[project], &pipelines, target);
        let line = |wanted: &Wanted| {
            let new = &wanted.new;
            let inputs = new.publisher_inputs.iter().filter(|(name, value)| *name != "projectId" && !value.is_empty());
            let inputs = inputs.map(|(name, value)| format!(" {name}={value}")).collect::<String>();
            format!("{} {} {}{inputs}", new.publisher, new.event_type, new.resource_version.as_deref().unwrap())
        };
        wanted.iter().map(line).collect()
    }

    #[test]
    fn runs_are_five_events_of_a_project() {
        assert_eq!(
            told(&[Group::Runs], &[], &queue()),
            [
                "pipelines ms.vss-pipelines.run-state-changed-event 5.1-preview.1",
                "pipelines ms.vss-pipelines.stage-state-changed-event 5.1-preview.1",
                "pipelines ms.vss-pipelinechecks-events.approval-pending 5.1-preview.1",
                "pipelines ms.vss-pipelinechecks-events.approval-completed 5.1-preview.1",
                "tfs build.complete 2.0",
            ]
        );
        let all: Vec<_> = Group::ALL.into_iter().collect();
        assert_eq!(told(&all, &[], &queue()).len(), 18);
    }

    #[test]
    fn pipelines_cut_down_what_can_be_told_by_pipeline() {
        let told = told(&[Group::Jobs, Group::Runs, Group::Code], &[7, 8], &queue());
        assert_eq!(told.len(), 2 * 6 + 4);
        for line in ["tfs build.complete 2.0 definitionName=p8", "tfs git.push 1.0"] {
            assert!(told.contains(&line.to_owned()), "{told:?}");
        }
        assert!(told.contains(&"pipelines ms.vss-pipelines.job-state-changed-event 5.1-preview.1 pipelineId=7".into()));
    }

    #[test]
    fn what_is_named_twice_is_wanted_once() {
        let project = |id: &str| Project { id: id.to_owned(), name: "Fiber".to_owned() };
        let pipeline = |id: u64| Pipeline { id, name: "release".to_owned() };
        let runs = BTreeSet::from([Group::Runs]);
        let projects = [project(PROJECT), project(&PROJECT.to_uppercase())];
        let count = |projects: &[Project], pipelines: &[Pipeline]| wanted(&runs, projects, pipelines, &queue()).len();
        assert_eq!(count(&projects, &[]), 5);
        assert_eq!(count(&projects[..1], &[pipeline(7), pipeline(7)]), 5);
        assert_eq!(count(&projects[..1], &[pipeline(7), pipeline(8)]), 4 * 2 + 1, "the same name in two folders");
    }

    #[test]
    fn whoever_watches_wants_runs_and_what_comes_here() {
        let projects = [PROJECT, "p-2"].map(|id| Project { id: id.to_owned(), name: "Fiber".to_owned() });
        let job = |change: fn(&mut Subscription)| {
            let mut found = subscription("s-1");
            change(&mut found);
            found
        };
        let chosen = |found: &[Subscription], target: &Target| {
            let wanted = chosen(&projects, found, target);
            let runs = |wanted: &&Wanted| RUNS.contains(&wanted.event);
            assert_eq!(wanted.iter().filter(runs).count(), 2 * RUNS.len());
            let rest = wanted.iter().filter(|wanted| !runs(wanted));
            rest.map(|wanted| format!("{} {}", wanted.project.id, wanted.slot.filter)).collect::<Vec<_>>()
        };
        let filtered = |pipeline: &str| {
            let mut found = subscription(pipeline);
            found.publisher_inputs.insert("pipelineId".to_owned(), pipeline.to_owned());
            found
        };
        assert_eq!(chosen(&[], &queue()), [""; 0]);
        assert_eq!(chosen(&[job(|_| {})], &queue()), [format!("{PROJECT} ")], "of one project, and no other jobs");
        let elsewhere = job(|found| drop(found.consumer_inputs.insert("queueName".to_owned(), "other".to_owned())));
        assert_eq!(chosen(&[elsewhere], &queue()), [""; 0], "another queue");
        assert_eq!(chosen(&[job(|_| {})], &web_hook()), [""; 0], "not ours");
        let some = [format!("{PROJECT} 7"), format!("{PROJECT} 8")];
        assert_eq!(chosen(&[filtered("7"), filtered("8")], &queue()), some, "who chose pipelines wants no others");
        assert_eq!(chosen(&[filtered("7"), filtered("")], &queue()), [format!("{PROJECT} ")]);
    }

    #[test]
    fn what_is_sent_leaves_out_texts_and_sends_all_of_the_resource() {
        let project = Project { id: PROJECT.to_owned(), name: "Fiber".to_owned() };
        let sent = |target: &Target| {
            serde_json::json!(
                &wanted(&BTreeSet::from([Group::Code]), std::slice::from_ref(&project), &[], target)[0].new
            )
        };
        let expected = serde_json::json!({
            "publisherId": "tfs", "eventType": "git.push", "resourceVersion": "1.0",
            "consumerId": "azureStorageQueue", "consumerActionId": "enqueue",
            "publisherInputs": {"projectId": PROJECT},
            "consumerInputs": {
                "accountName": "fabrikam", "accountKey": "a2V5", "queueName": "ado-events", "ttl": "604800",
                "visiTimeout": "0", "resourceDetailsToSend": "", "messagesToSend": "none",
                "detailedMessagesToSend": "none",
            },
        });
        assert_eq!(sent(&queue()), expected);
        let hook = sent(&web_hook());
        let expected = serde_json::json!({
            "url": "https://hooks.fabrikam.example/hooks/azure-devops", "basicAuthUsername": "ado",
            "basicAuthPassword": "s3cret", "resourceDetailsToSend": "", "messagesToSend": "none",
            "detailedMessagesToSend": "none",
        });
        assert_eq!((&hook["consumerId"], &hook["consumerInputs"]), (&"webHooks".into(), &expected));
    }
}
