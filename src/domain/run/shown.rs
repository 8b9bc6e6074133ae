//! What people see of a run: a pure function of its record.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::attempts::ShownAttempt;
use super::claims::{Claims, LATE, SAME_COMPLETION, Statement, earliest};
use super::failure::ShownFailure;
use super::origin::ShownOrigin;
use super::record::{Approval, RunRecord};
use crate::domain::columns::{Cell, Columns, texts, times};
use crate::domain::{ApprovalPhase, ApprovalStatus, Label, Outcome, RunKey, Said, Speaker, State, Time};

/// A run as it is shown. What is not known is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownRun {
    pub key: RunKey,
    pub name: Option<String>,
    pub project_id: Option<String>,
    /// With the time it was said, as the pipeline's: both are grouped by id and get renamed.
    pub project_name: Option<Said<String>>,
    pub pipeline_name: Option<Said<String>>,
    pub state: Option<State>,
    pub result: Option<Outcome>,
    pub reason: Option<String>,
    pub branch: Option<String>,
    pub commit: Option<String>,
    pub repository: Option<String>,
    pub requested_for: Option<String>,
    pub url: Option<String>,
    pub queued: Option<Time>,
    pub started: Option<Time>,
    pub finished: Option<Time>,
    /// In the order in which they started; those that did not, last.
    pub stages: Vec<ShownStage>,
    pub jobs: Vec<ShownJob>,
    pub approvals: Vec<ShownApproval>,
    /// Only of a run that failed, and only where somebody asked for its timeline.
    pub failure: Option<ShownFailure>,
    /// Where its pipeline stands.
    pub folder: Option<String>,
    /// Of agents.
    pub pool: Option<String>,
    pub origin: ShownOrigin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownStage {
    pub name: String,
    pub attempt: u32,
    pub state: Option<State>,
    pub result: Option<Outcome>,
    pub started: Option<Time>,
    pub finished: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownJob {
    pub stage: String,
    /// `None` where no event said it.
    pub stage_attempt: Option<u32>,
    pub name: String,
    pub attempt: u32,
    pub state: Option<State>,
    pub result: Option<Outcome>,
    pub started: Option<Time>,
    pub finished: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownApproval {
    pub id: String,
    pub status: ApprovalStatus,
    pub stage: Option<String>,
    pub stage_attempt: Option<u32>,
    /// Only of releases.
    pub phase: Option<ApprovalPhase>,
    pub requested: Option<Time>,
    /// When it left `pending`; `None` while it has not.
    pub decided: Option<Time>,
    pub approvers: Vec<String>,
    /// The one that it guards, where that was told. Never of releases: there it is the stage.
    pub environment: Option<String>,
}

impl RunRecord {
    /// When the last was said of the run, if it is completed.
    pub(crate) fn ended(&self) -> Option<Time> {
        let state = self.verdict(&self.shown_stages()).state;
        let completed = state.is_some_and(|state| state.is_terminal());
        let said = self.run.statements().map(|says| says.said.max(says.finish())).max();
        completed.then_some(said).flatten()
    }

    /// Weighs the statements of the record.
    #[must_use]
    pub fn shown(&self) -> ShownRun {
        let stages = self.shown_stages();
        let verdict = self.verdict(&stages);
        let failure = self.shown_failure(&verdict);
        let is_over = verdict.state.as_ref().is_some_and(State::is_terminal);
        let approvals = self.shown_approvals(is_over);
        let label = |label: Label| self.labels.get(&label).map(|Said(_, text)| text.clone());
        ShownRun {
            key: self.key().clone(),
            name: label(Label::RunName),
            project_id: label(Label::ProjectId),
            project_name: self.labels.get(&Label::ProjectName).cloned(),
            pipeline_name: self.labels.get(&Label::PipelineName).cloned(),
            state: verdict.state,
            result: verdict.result,
            reason: label(Label::Reason),
            branch: label(Label::Branch),
            commit: label(Label::Commit),
            repository: label(Label::Repository),
            requested_for: label(Label::RequestedFor),
            url: label(Label::Url),
            queued: earliest(self.run.statements(), |says| says.queued),
            started: earliest(self.run.statements(), |says| says.started),
            finished: verdict.finished,
            stages,
            jobs: self.shown_jobs(),
            approvals,
            failure,
            folder: label(Label::Folder),
            pool: label(Label::Pool),
            origin: self.shown_origin(),
        }
    }

    fn shown_approvals(&self, is_over: bool) -> Vec<ShownApproval> {
        let mut approvals = shown_approvals(&self.approvals, is_over);
        for approval in &mut approvals {
            let guarded = self.guarded.as_deref().and_then(|guarded| guarded.named(&approval.id));
            approval.environment = guarded.map(|guarded| guarded.environment.clone());
        }
        approvals
    }

    pub(crate) fn columns(&self) -> Columns {
        let run = self.shown();
        let name = |said: &Option<Said<String>>| said.as_ref().map(|Said(_, name)| name.clone());
        let numbers = [("pipelineId", run.key.pipeline), ("runId", run.key.run)];
        let texts = texts([
            ("organization", Some(run.key.organization.clone())),
            ("project", name(&run.project_name)),
            ("pipeline", name(&run.pipeline_name)),
            ("name", run.name),
            ("state", run.state.map(|state| state.as_str().to_owned())),
            ("result", run.result.map(|result| result.as_str().to_owned())),
            ("branch", run.branch),
            ("commit", run.commit),
            ("repository", run.repository),
            ("requestedFor", run.requested_for),
        ]);
        let times = times([("queuedAt", run.queued), ("startedAt", run.started), ("finishedAt", run.finished)]);
        numbers.into_iter().map(|(column, id)| (column, Cell::Number(id))).chain(texts).chain(times).collect()
    }

    /// Whether the two look the same to who asks how a run went: its state, result and stages.
    pub(crate) fn is_shown_like(&self, other: &Self) -> bool {
        let stages = |record: &Self| {
            let stages = record.shown_stages();
            let verdict = record.verdict(&stages);
            let stages = stages.into_iter().map(|stage| (stage.name, stage.attempt, stage.state, stage.result));
            (verdict.state, verdict.result, stages.collect::<BTreeSet<_>>())
        };
        stages(self) == stages(other)
    }

    /// Whether it did not fail, or tells why.
    pub(crate) fn is_explained(&self) -> bool {
        let verdict = self.verdict(&self.shown_stages());
        verdict.result != Some(Outcome::Failed) || self.shown_failure(&verdict).is_some()
    }

    /// That of an earlier end is void.
    fn shown_failure(&self, verdict: &Verdict) -> Option<ShownFailure> {
        let failed = verdict.result == Some(Outcome::Failed);
        let of_this_end = |said: Time| verdict.finished.is_none_or(|finished| finished.since(said) <= SAME_COMPLETION);
        self.failure.as_deref().filter(|failure| failed && of_this_end(failure.said)).map(ShownFailure::from)
    }

    fn verdict(&self, stages: &[ShownStage]) -> Verdict {
        let retried = stages.iter().filter(|stage| stage.attempt >= 2).filter_map(|stage| stage.started).max();
        Verdict::of(&self.run, retried)
    }

    fn shown_stages(&self) -> Vec<ShownStage> {
        let mut stages: Vec<_> = self
            .stages
            .iter()
            .flat_map(|(name, attempts)| attempts.shown().into_iter().map(|attempt| stage(name, attempt)))
            .collect();
        stages.sort_by_cached_key(|stage| (stage.started.is_none(), stage.started, stage.name.clone(), stage.attempt));
        stages
    }

    /// Jobs whose stage attempt nobody said count only where nobody said one.
    fn shown_jobs(&self) -> Vec<ShownJob> {
        let mut placed: BTreeMap<(&str, &str), bool> = BTreeMap::new();
        for key in self.jobs.keys() {
            *placed.entry((&key.stage, &key.name)).or_default() |= key.stage_attempt.is_some();
        }
        let counts = |stage: &str, name: &str, attempt: Option<u32>| {
            attempt.is_some() || placed.get(&(stage, name)) != Some(&true)
        };
        self.jobs
            .iter()
            .filter(|(key, _)| counts(&key.stage, &key.name, key.stage_attempt))
            .flat_map(|(key, attempts)| attempts.shown().into_iter().map(move |attempt| (key, attempt)))
            .map(|(key, shown)| ShownJob {
                stage: key.stage.clone(),
                stage_attempt: key.stage_attempt,
                name: key.name.clone(),
                attempt: shown.number,
                state: shown.state,
                result: shown.result,
                started: shown.started,
                finished: shown.finished,
            })
            .collect()
    }
}

/// In the order in which they were asked for. Where what they were asked for is over, nobody waits for an answer any
/// more: its event was lost, or never sent.
pub(crate) fn shown_approvals(said: &BTreeMap<String, Approval>, is_over: bool) -> Vec<ShownApproval> {
    let mut approvals: Vec<_> = said.iter().filter_map(|(id, said)| approval(id, said)).collect();
    let open = approvals.iter_mut().filter(|approval| is_over && approval.status == ApprovalStatus::Pending);
    open.for_each(|approval| approval.status = ApprovalStatus::Unknown);
    approvals.sort_by(|a, b| (a.requested, &a.id).cmp(&(b.requested, &b.id)));
    approvals
}

/// The latest status other than `pending`. What the latest statement does not say, an earlier one does:
/// the completed event may come without stage and run.
fn approval(id: &str, said: &Approval) -> Option<ShownApproval> {
    let mut weighed: Vec<_> = said.iter().collect();
    weighed.sort_by_key(|(status, says)| Reverse((**status != ApprovalStatus::Pending, *says)));
    let (status, latest) = weighed.first()?;
    let all = || weighed.iter().map(|(_, says)| *says);
    Some(ShownApproval {
        id: id.to_owned(),
        status: (*status).clone(),
        stage: all().find_map(|says| says.stage.clone()),
        stage_attempt: all().find_map(|says| says.attempt),
        phase: all().find_map(|says| says.phase.clone()),
        requested: all().filter_map(|says| says.requested).min(),
        decided: latest.changed.filter(|_| **status != ApprovalStatus::Pending),
        approvers: all().map(|says| &says.approvers).find(|names| !names.is_empty()).cloned().unwrap_or_default(),
        environment: None,
    })
}

pub(crate) fn stage(name: &str, shown: ShownAttempt) -> ShownStage {
    ShownStage {
        name: name.to_owned(),
        attempt: shown.number,
        state: shown.state,
        result: shown.result,
        started: shown.started,
        finished: shown.finished,
    }
}

/// What the statements about the run itself amount to.
struct Verdict {
    state: Option<State>,
    result: Option<Outcome>,
    finished: Option<Time>,
}

impl Verdict {
    /// `retried` is when the latest stage attempt after the first one started.
    fn of(claims: &Claims, retried: Option<Time>) -> Self {
        let completion = Completion::latest(claims);
        let reopened = completion.as_ref().and_then(|completion| completion.reopened(claims, retried));
        match completion {
            Some(completion) if reopened.is_none() => {
                Self { state: Some(State::Completed), result: completion.result, finished: completion.finished }
            }
            Some(_) | None => Self { state: open_state(claims, reopened), result: None, finished: None },
        }
    }
}

/// The latest finish that anybody spoke of.
struct Completion {
    finish: Time,
    /// The last time that anybody spoke of this completion.
    last_word: Time,
    finished: Option<Time>,
    result: Option<Outcome>,
}

impl Completion {
    fn latest(claims: &Claims) -> Option<Self> {
        let all =
            || claims.voices().filter(|(_, state, _)| state.is_terminal()).map(|(speaker, _, says)| (speaker, says));
        let finish = all().map(|(_, says)| says.finish()).max()?;
        let same = || all().filter(|(_, says)| finish.since(says.finish()) <= SAME_COMPLETION);
        let told = same().filter(|(_, says)| says.result.is_some());
        Some(Self {
            finish,
            last_word: same().map(|(_, says)| says.said).max().unwrap_or(finish),
            finished: earliest(same().map(|(_, says)| says), |says| says.finished),
            result: told
                .max_by_key(|(speaker, says)| (authority(speaker), says.finish(), says.said, *says))
                .and_then(|(_, says)| says.result.clone()),
        })
    }

    /// The latest sign that the run went on after this completion.
    ///
    /// The speakers' clocks differ, so what lies within [`SAME_COMPLETION`] of the finish is not after it: the
    /// last stage of a retry, skipped as the run ends, may by its own clock start a moment later.
    fn reopened(&self, claims: &Claims, retried: Option<Time>) -> Option<Time> {
        let over = self.finish.plus(SAME_COMPLETION);
        let said_again = claims.voices().filter(|(speaker, state, says)| match state {
            State::InProgress if says.said > self.last_word.plus(LATE) => true,
            State::InProgress | State::NotStarted | State::Postponed => **speaker == Speaker::Rest && says.said > over,
            State::Waiting | State::Running | State::Canceling | State::Completed | State::Other(_) => false,
        });
        said_again.map(|(_, _, says)| says.said).chain(retried.filter(|start| *start > over)).max()
    }
}

/// Whose result counts for one completion: `partiallySucceeded` exists only in builds.
fn authority(speaker: &Speaker) -> u8 {
    match speaker {
        Speaker::BuildComplete | Speaker::Rest => 2,
        Speaker::RunEvent | Speaker::StageEvent | Speaker::JobEvent | Speaker::Other(_) => 1,
        Speaker::Stub => 0,
    }
}

/// The state of a run that is not over, or was `reopened`.
fn open_state(claims: &Claims, reopened: Option<Time>) -> Option<State> {
    let open = || claims.voices().filter(|(_, state, _)| !state.is_terminal());
    let latest = |wanted: &State| open().filter(|(_, state, _)| *state == wanted).map(|(_, _, says)| says.said).max();
    let went_on = latest(&State::InProgress);
    let canceling = latest(&State::Canceling).filter(|said| {
        let void = reopened.is_some_and(|reopened| reopened > *said)
            || went_on.is_some_and(|went_on| went_on > said.plus(LATE));
        !void
    });
    if canceling.is_some() {
        return Some(State::Canceling);
    }
    let since = |says: &Statement| reopened.is_none_or(|reopened| says.said >= reopened);
    open()
        .filter(|(_, state, says)| **state != State::Canceling && since(says))
        .max_by_key(|(_, state, says)| (says.said, **state == State::InProgress, (*state).clone()))
        .map(|(_, state, _)| state.clone())
        .or_else(|| reopened.map(|_| State::InProgress))
        .or_else(|| latest(&State::Canceling).map(|_| State::InProgress))
}
