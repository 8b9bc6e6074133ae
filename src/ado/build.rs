//! Builds: the resource of `build.complete`, and the answers of Builds - Get and Builds - List.

use serde_json::value::RawValue;

use super::error::{DecodeError, parse};
use super::labels::{Labels, put_repository, repository, short};
use super::organization::{Place, number_after};
use super::wire::{
    AgentQueue, Build, Builds, Envelope, Project, Text, TriggerInfo, TriggeredBy, href, id, name, text, time,
};
use super::{Beside, Scope, words};
use crate::domain::run::{RunFact, Statement};
use crate::domain::text::{MOST_TEXT, cut};
use crate::domain::{Fact, FactKind, Label, RunKey, State, Time, commit_id};

/// What `build.complete` says.
pub(super) fn completed_fact(
    scope: &Scope<'_>,
    envelope: &Envelope<'_>,
    build: &Build<'_>,
) -> Result<RunFact, DecodeError> {
    let path = "resource.";
    let run = run_id(build, path)?;
    let pipeline = pipeline_id(build, path)?;
    let place = place(scope, build)?;
    let labels = labels(build, &place);
    let key = RunKey { organization: place.organization, pipeline, run };
    let mut fact = RunFact::new(key, FactKind::BuildCompleted, scope.said);
    fact.labels = labels.into_vec();
    let version = text(envelope.resource_version.as_ref()).unwrap_or_default();
    fact.run = Some(said(build, scope.said, version).ok_or_else(|| no_status(path))?);
    Ok(fact)
}

/// Whose build it is, and which.
pub(super) fn named(scope: &Scope<'_>, build: &Build<'_>) -> Option<(Place, u64)> {
    Some((place(scope, build).ok()?, id_of_build(build)?))
}

/// What a build that came without an envelope says.
pub(super) fn bare_fact(scope: &Scope<'_>, build: &Build<'_>) -> Result<RunFact, DecodeError> {
    let run = run_id(build, "")?;
    let pipeline = pipeline_id(build, "")?;
    rest_fact(build, place(scope, build)?, (pipeline, run), "")
}

/// The facts in an answer of Builds - Get or Builds - List.
///
/// A build without any time says what it says at [`Time::UNKNOWN`].
///
/// # Errors
/// When the answer is not JSON of that shape, or a build in it has no id or no status.
pub fn build_facts(beside: &Beside, answer: &[u8]) -> Result<Vec<Fact>, DecodeError> {
    build_list(beside, answer)?.into_iter().collect()
}

/// The same, each build by itself: one that cannot be read costs no other.
///
/// # Errors
/// When the whole answer is not JSON of that shape.
pub fn build_list(beside: &Beside, answer: &[u8]) -> Result<Vec<Result<Fact, DecodeError>>, DecodeError> {
    let body = super::body::text(answer)?;
    let one = |text: &str, at: &str, path: &str| {
        parse(text, at).and_then(|build| beside_fact(beside, &build, path)).map(Fact::Run)
    };
    Ok(match parse::<Builds<'_>>(&body, "")?.value {
        Some(builds) => {
            let each = builds.iter().enumerate();
            each.map(|(at, build)| one(build.get(), &format!("value[{at}]"), &format!("value[{at}]."))).collect()
        }
        None => vec![one(&body, "", "")],
    })
}

fn beside_fact(beside: &Beside, build: &Build<'_>, path: &str) -> Result<RunFact, DecodeError> {
    let mut place = Place { organization: beside.organization()?, ..Place::default() };
    fill_project(&mut place, build);
    place.fill_project_id(beside.project_id.as_deref());
    place.project_name = place.project_name.take().or_else(|| beside.project_name.clone());
    let pipeline = id_of_definition(build).map_or_else(|| beside.pipeline(), Ok)?;
    let mut fact = rest_fact(build, place, (pipeline, run_id(build, path)?), path)?;
    if !fact.labels.iter().any(|(label, _)| *label == Label::PipelineName) {
        fact.labels.extend(
            beside.pipeline_name.as_deref().map(|name| (Label::PipelineName, cut(name, MOST_TEXT).into_owned())),
        );
    }
    Ok(fact)
}

fn rest_fact(build: &Build<'_>, place: Place, (pipeline, run): (u64, u64), path: &str) -> Result<RunFact, DecodeError> {
    let labels = labels(build, &place);
    let key = RunKey { organization: place.organization, pipeline, run };
    let spoken = [&build.last_changed_date, &build.finish_time, &build.start_time, &build.queue_time];
    let at = spoken.into_iter().find_map(|when| time(when.as_ref())).unwrap_or(Time::UNKNOWN);
    let mut fact = RunFact::new(key, FactKind::Build, at);
    fact.labels = labels.into_vec();
    fact.run = Some(said(build, at, "2.0").ok_or_else(|| no_status(path))?);
    Ok(fact)
}

fn run_id(build: &Build<'_>, path: &str) -> Result<u64, DecodeError> {
    let missing = || DecodeError::no_id("no_run_id", "id of the build", &format!("{path}id"));
    id_of_build(build).ok_or_else(missing)
}

fn pipeline_id(build: &Build<'_>, path: &str) -> Result<u64, DecodeError> {
    let missing = || DecodeError::no_id("no_pipeline_id", "id of the pipeline", &format!("{path}definition.id"));
    id_of_definition(build).ok_or_else(missing)
}

fn no_status(path: &str) -> DecodeError {
    DecodeError::no_state("status of the build", format!("{path}status"))
}

fn id_of_build(build: &Build<'_>) -> Option<u64> {
    let links = build.links.as_ref();
    id(build.id.as_ref())
        .or_else(|| number_after(text(build.url.as_ref())?, "/builds/"))
        .or_else(|| number_after(href(links?.web.as_ref())?, "buildId="))
}

fn id_of_definition(build: &Build<'_>) -> Option<u64> {
    let definition = build.definition.as_ref();
    definition
        .and_then(|definition| id(definition.id.as_ref()))
        .or_else(|| number_after(text(definition?.url.as_ref())?, "/definitions/"))
        .or_else(|| number_after(href(build.links.as_ref()?.pipeline_web.as_ref())?, "definitionId="))
}

fn place(scope: &Scope<'_>, build: &Build<'_>) -> Result<Place, DecodeError> {
    let mut place = scope.place(addresses(build))?;
    fill_project(&mut place, build);
    Ok(place)
}

fn fill_project(place: &mut Place, build: &Build<'_>) {
    let defined = build.definition.as_ref().and_then(|definition| definition.project.as_ref());
    let projects = || [build.project.as_ref(), defined].into_iter().flatten();
    let text_of = |which: fn(&'_ Project<'_>) -> Option<String>| projects().find_map(which);
    place.fill_project_id(text_of(|project| text(project.id.as_ref()).map(str::to_owned)).as_deref());
    place.project_name = text_of(|project| text(project.name.as_ref()).map(str::to_owned));
    place.fill_project(addresses(build));
}

fn addresses<'e>(build: &'e Build<'_>) -> impl Iterator<Item = &'e str> {
    let links = build.links.iter().flat_map(|links| [&links.own, &links.web, &links.pipeline_web]);
    let definition = build.definition.as_ref().and_then(|definition| text(definition.url.as_ref()));
    text(build.url.as_ref()).into_iter().chain(links.filter_map(|link| href(link.as_ref()))).chain(definition)
}

fn labels(build: &Build<'_>, place: &Place) -> Labels {
    let mut labels = Labels::of(place);
    let got = text(build.source_get_version.as_ref()).and_then(source);
    let requests = build.requests.as_ref().and_then(|requests| requests.first());
    let person = name(build.requested_for.as_ref()).or_else(|| name(requests?.requested_for.as_ref()));
    labels.put(Label::RunName, text(build.build_number.as_ref()));
    labels.put(Label::PipelineName, build.definition.as_ref().and_then(|definition| text(definition.name.as_ref())));
    labels.put(Label::Branch, text(build.source_branch.as_ref()).or_else(|| got.map(|(branch, _)| branch)));
    labels.put(Label::Commit, text(build.source_version.as_ref()).or_else(|| got.map(|(_, commit)| commit)));
    labels.put(Label::Repository, repository(build.repository.as_ref()));
    labels.put(Label::RequestedFor, person);
    labels.put(Label::Reason, text(build.reason.as_ref()));
    labels.put_url(build.links.as_ref().and_then(|links| href(links.web.as_ref())));
    labels.put(Label::Folder, build.definition.as_ref().and_then(|definition| text(definition.path.as_ref())));
    put_repository(&mut labels, build.repository.as_ref());
    put_trigger(&mut labels, build);
    put_pool(&mut labels, build);
    labels
}

/// Of an old queue of agents only its own name is told.
fn put_pool(labels: &mut Labels, build: &Build<'_>) {
    let queue = build.queue.and_then(|queue| serde_json::from_str::<AgentQueue<'_>>(queue.get()).ok());
    let queue = queue.unwrap_or_default();
    let pool = queue.pool.as_ref().and_then(|pool| text(pool.name.as_ref()));
    labels.put(Label::Pool, pool.or_else(|| text(queue.name.as_ref())).map(short).as_deref());
}

/// What started it. A body of another shape there says nothing; it costs no more than the link.
fn put_trigger(labels: &mut Labels, build: &Build<'_>) {
    let info = build.trigger_info.and_then(|info| serde_json::from_str::<TriggerInfo<'_>>(info.get()).ok());
    let info = info.unwrap_or_default();
    let is_pipeline = text(info.artifact_type.as_ref()).is_none_or(|kind| kind.eq_ignore_ascii_case("Pipeline"));
    let named =
        |told: &Option<Text<'_>>| text(told.as_ref()).filter(|_| is_pipeline).map(|told| short(told).into_owned());
    let number = |id: Option<u64>| id.map(|id| id.to_string());
    let by = build.triggered_by_build.and_then(|by| serde_json::from_str::<TriggeredBy>(by.get()).ok());
    labels.put(Label::TriggerRun, number(id(info.pipeline_id.as_ref()).filter(|_| is_pipeline)).as_deref());
    labels.put(Label::TriggerPipeline, named(&info.source).as_deref());
    labels.put(Label::TriggerVersion, named(&info.version).as_deref());
    labels.put(Label::TriggeredBy, number(by.and_then(|by| id(by.id.as_ref()))).as_deref());
    labels.put(Label::PushedCommit, text(info.pushed.as_ref()).and_then(commit_id).as_deref());
    labels.put(Label::PullRequest, number(id(info.pull_request.as_ref())).as_deref());
    let of = info.pull_request_repository.and_then(|told| serde_json::from_str::<Text<'_>>(told.get()).ok());
    labels.put(Label::PullRequestRepository, text(of.as_ref()).map(short).as_deref());
    let is_true = |told: &RawValue| told.get().trim_matches('"').eq_ignore_ascii_case("true");
    let is_of_fork = info.is_of_fork.is_some_and(is_true);
    labels.put(Label::PullRequestFork, is_of_fork.then_some("true"));
}

/// Branch and commit of version 1.0: `LG:refs/heads/master:0ffb2ba5…`.
fn source(version: &str) -> Option<(&str, &str)> {
    let (_, rest) = version.split_once(':')?;
    let (branch, commit) = rest.rsplit_once(':')?;
    (!branch.is_empty() && !commit.is_empty()).then_some((branch, commit))
}

/// In version 1.0 there is no `result`, and `status` is the outcome. The number alone does not tell: it may
/// be `1.0-preview.1`, `2.0-preview.2` or null.
fn said(build: &Build<'_>, said: Time, version: &str) -> Option<(State, Statement)> {
    let status = text(build.status.as_ref())?;
    let result = text(build.result.as_ref());
    let is_outcome = result.is_none() && !words::is_build_state(status) && !version.starts_with('2');
    let (state, outcome) = if is_outcome { (State::Completed, Some(status)) } else { (words::state(status), result) };
    let says = Statement {
        said,
        result: outcome.and_then(words::outcome),
        queued: time(build.queue_time.as_ref()),
        started: time(build.start_time.as_ref()),
        finished: time(build.finish_time.as_ref()),
    };
    Some((state, says))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Outcome;

    fn verdict(json: &str, version: &str) -> (State, Option<Outcome>) {
        let build: Build<'_> = serde_json::from_str(json).unwrap();
        let (state, says) = said(&build, Time::UNKNOWN, version).unwrap();
        (state, says.result)
    }

    #[test]
    fn versions_are_told_apart_by_shape() {
        let v1 = |word: &str, version| verdict(&format!(r#"{{"status":"{word}"}}"#), version);
        for version in ["1.0", "1.0-preview.1", ""] {
            assert_eq!(v1("succeeded", version), (State::Completed, Some(Outcome::Succeeded)), "{version}");
            assert_eq!(v1("stopped", version), (State::Completed, Some(Outcome::Canceled)), "{version}");
            assert_eq!(v1("completed", version), (State::Completed, None), "{version}");
        }
        let v2 = r#"{"status":"completed","result":"partiallySucceeded"}"#;
        for version in ["2.0", "2.0-preview.2", ""] {
            assert_eq!(verdict(v2, version), (State::Completed, Some(Outcome::PartiallySucceeded)), "{version}");
        }
        assert_eq!(verdict(r#"{"status":"completed","result":"none"}"#, ""), (State::Completed, None));
        assert_eq!(v1("cancelling", "2.0"), (State::Canceling, None));
        assert_eq!(v1("levitating", "2.0"), (State::Other("levitating".to_owned()), None));
    }

    /// How servers write what a trigger says of a pull request is not known for all of them.
    #[test]
    fn the_repository_of_a_pull_request_costs_no_more_than_itself() {
        let told = |repository: &str, fork: &str| {
            let info = format!(
                r#"{{"triggerInfo":{{"pr.number":"88","pr.triggerRepository":{repository},"pr.isFork":{fork}}}}}"#
            );
            let mut labels = Labels::of(&Place::default());
            put_trigger(&mut labels, &serde_json::from_str(&info).unwrap());
            labels.into_vec().into_iter().map(|(label, text)| format!("{label}={text}")).collect::<Vec<_>>()
        };
        let table: [(&str, &str, &[&str]); 6] = [
            (r#""9a0d""#, r#""True""#, &["pullRequestRepository=9a0d", "pullRequestFork=true"]),
            (r#""9a0d""#, r#""False""#, &["pullRequestRepository=9a0d"]),
            ("null", "true", &["pullRequestFork=true"]),
            (r#"{"id":"9a0d"}"#, "false", &[]),
            (r#"" ""#, "null", &[]),
            ("7", "{}", &[]),
        ];
        for (repository, fork, expected) in table {
            let told = told(repository, fork);
            let expected: Vec<_> = ["pullRequest=88"].iter().chain(expected).copied().collect();
            assert_eq!(told, expected, "{repository} {fork}");
        }
    }

    #[test]
    fn source_of_version_one() {
        assert_eq!(source("LG:refs/heads/master:0ffb"), Some(("refs/heads/master", "0ffb")));
        assert_eq!(source("LG:refs/heads/a:b:0ffb"), Some(("refs/heads/a:b", "0ffb")));
        for none in ["", "C1234", "LG:x", "LG::", "::"] {
            assert_eq!(source(none), None, "{none}");
        }
    }
}
