//! Cases by name. Each is folded in every order of its facts; all orders must show the same.

use super::*;
use crate::domain::{ApprovalStatus, Change, Fact, FactKind, Join, Label, Outcome, Record, RunKey, Said, State, Time};

fn key() -> RunKey {
    RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run: 479 }
}

/// Seconds after the run was queued.
fn at(seconds: f64) -> Time {
    let start = Time::parse("2025-03-04T10:00:00Z").unwrap().unwrap();
    start.plus(std::time::Duration::from_secs_f64(seconds))
}

fn fact(kind: FactKind, said: f64) -> RunFact {
    RunFact::new(key(), kind, at(said))
}

fn run_event(said: f64, state: State) -> RunFact {
    let mut fact = fact(FactKind::RunStateChanged, said);
    fact.run = Some((state, Statement { queued: Some(at(0.0)), ..Statement::at(at(said)) }));
    fact
}

fn ended(kind: FactKind, said: f64, finished: f64, result: Outcome) -> RunFact {
    let mut fact = fact(kind, said);
    let says = Statement { result: Some(result), finished: Some(at(finished)), ..Statement::at(at(said)) };
    fact.run = Some((State::Completed, says));
    fact
}

fn run_completed(said: f64, finished: f64, result: Outcome) -> RunFact {
    ended(FactKind::RunStateChanged, said, finished, result)
}

fn build_complete(said: f64, finished: f64, result: Outcome) -> RunFact {
    let mut fact = ended(FactKind::BuildCompleted, said, finished, result);
    if let Some((_, says)) = &mut fact.run {
        (says.queued, says.started) = (Some(at(0.0)), Some(at(1.0)));
    }
    fact
}

fn rest(said: f64, state: State) -> RunFact {
    let mut fact = fact(FactKind::Build, said);
    fact.run = Some((state, Statement::at(at(said))));
    fact
}

/// A stage event of today; the run inside it says `inProgress`, even at the run's end.
fn stage(said: f64, attempt: Option<u32>, state: State, started: f64) -> RunFact {
    let mut fact = fact(FactKind::StageStateChanged, said);
    let says = Statement { started: Some(at(started)), ..Statement::at(at(said)) };
    fact.stages.push(StageSaid { name: "build".to_owned(), attempt, state, says });
    fact.run = Some((State::InProgress, Statement::at(at(said))));
    fact
}

fn stage_ended(said: f64, attempt: Option<u32>, started: f64, result: Outcome) -> RunFact {
    let mut fact = stage(said, attempt, State::Completed, started);
    for stage in &mut fact.stages {
        stage.says.result = Some(result.clone());
        stage.says.finished = Some(at(said));
    }
    fact
}

/// A stage event of 2019: no attempt, no times.
fn old_stage(said: f64, state: State, result: Option<Outcome>) -> RunFact {
    let mut fact = stage(said, None, state, 0.0);
    for stage in &mut fact.stages {
        stage.says = Statement { result: result.clone(), ..Statement::at(at(said)) };
    }
    fact
}

fn fold<'a>(facts: impl IntoIterator<Item = &'a RunFact>) -> RunRecord {
    let mut record = RunRecord::new(key());
    for fact in facts {
        record.absorb(RunRecord::of(fact));
    }
    record
}

/// All orders, by Heap's algorithm.
fn orders<'a>(facts: &mut Vec<&'a RunFact>, size: usize, visit: &mut dyn FnMut(&[&'a RunFact])) {
    if size <= 1 {
        return visit(facts);
    }
    for index in 0..size {
        orders(facts, size - 1, visit);
        facts.swap(if size.is_multiple_of(2) { index } else { 0 }, size - 1);
    }
}

/// What is shown, whatever the order.
fn shown(facts: &[RunFact]) -> ShownRun {
    assert!(facts.len() <= 7, "{} facts have too many orders", facts.len());
    let record = fold(facts);
    orders(&mut facts.iter().collect(), facts.len(), &mut |order| {
        assert_eq!(fold(order.iter().copied()), record, "the order matters: {order:#?}");
    });
    record.shown()
}

#[track_caller]
fn is_completed(run: &ShownRun, result: &Outcome, finished: f64) {
    assert_eq!(
        (run.state.as_ref(), run.result.as_ref(), run.finished),
        (Some(&State::Completed), Some(result), Some(at(finished)))
    );
}

#[track_caller]
fn is_open(run: &ShownRun, state: &State) {
    assert_eq!((run.state.as_ref(), run.result.as_ref(), run.finished), (Some(state), None, None));
}

fn stages(run: &ShownRun) -> Vec<(u32, &str, &str)> {
    run.stages
        .iter()
        .map(|stage| {
            let state = stage.state.as_ref().map_or("", State::as_str);
            (stage.attempt, state, stage.result.as_ref().map_or("", Outcome::as_str))
        })
        .collect()
}

#[test]
fn completed_before_started() {
    let run = shown(&[
        run_completed(60.0, 59.0, Outcome::Succeeded),
        run_event(70.0, State::InProgress),
        rest(0.0, State::NotStarted),
    ]);
    is_completed(&run, &Outcome::Succeeded, 59.0);
    assert_eq!(run.queued, Some(at(0.0)));
}

#[test]
fn stage_completed_before_running() {
    let run = shown(&[
        stage_ended(30.0, Some(1), 5.0, Outcome::Failed),
        stage(33.0, Some(1), State::Running, 5.0),
        stage(900.0, Some(1), State::Waiting, 5.0),
    ]);
    assert_eq!(stages(&run), [(1, "completed", "failed")]);
    assert_eq!((run.stages[0].started, run.stages[0].finished), (Some(at(5.0)), Some(at(30.0))));
}

#[test]
fn a_late_stage_event_whose_run_says_in_progress() {
    let run = shown(&[
        run_event(1.0, State::InProgress),
        run_completed(60.0, 59.0, Outcome::Succeeded),
        stage_ended(600.0, Some(1), 5.0, Outcome::Succeeded),
    ]);
    is_completed(&run, &Outcome::Succeeded, 59.0);
}

#[test]
fn a_stub_counts_where_nobody_else_spoke() {
    is_open(&shown(&[stage(5.0, Some(1), State::Running, 5.0)]), &State::InProgress);
}

#[test]
fn a_retried_stage() {
    let first = [
        run_event(1.0, State::InProgress),
        stage_ended(30.0, Some(1), 5.0, Outcome::Failed),
        run_completed(31.0, 30.5, Outcome::Failed),
    ];
    let mut facts = first.to_vec();
    is_completed(&shown(&facts), &Outcome::Failed, 30.5);
    facts.push(stage(41.0, Some(2), State::Running, 40.0));
    is_open(&shown(&facts), &State::InProgress);
    facts.push(run_event(300.0, State::InProgress));
    is_open(&shown(&facts), &State::InProgress);
    facts.push(stage_ended(350.0, Some(2), 40.0, Outcome::Succeeded));
    is_open(&shown(&facts), &State::InProgress);
    facts.push(run_completed(352.0, 350.5, Outcome::Succeeded));
    let run = shown(&facts);
    is_completed(&run, &Outcome::Succeeded, 350.5);
    assert_eq!(stages(&run), [(1, "completed", "failed"), (2, "completed", "succeeded")]);
}

#[test]
fn an_in_progress_event_long_after_the_last_word_reopens() {
    let completed = run_completed(60.0, 59.0, Outcome::Failed);
    is_completed(&shown(&[completed.clone(), run_event(75.0, State::InProgress)]), &Outcome::Failed, 59.0);
    is_open(&shown(&[completed, run_event(75.1, State::InProgress)]), &State::InProgress);
}

#[test]
fn a_failed_build_retried_whose_second_build_complete_is_lost() {
    let run = shown(&[
        build_complete(40.0, 30.0, Outcome::Failed),
        run_completed(31.0, 30.0, Outcome::Failed),
        run_event(100.0, State::InProgress),
        run_completed(200.0, 199.0, Outcome::Succeeded),
    ]);
    is_completed(&run, &Outcome::Succeeded, 199.0);
    assert_eq!(run.started, Some(at(1.0)));
}

#[test]
fn partially_succeeded_is_told_by_the_build_alone() {
    for told in [Outcome::Succeeded, Outcome::from("unknown")] {
        let run = shown(&[
            run_completed(60.5, 59.6, told.clone()),
            build_complete(70.0, 59.0, Outcome::PartiallySucceeded),
            run_event(1.0, State::InProgress),
        ]);
        is_completed(&run, &Outcome::PartiallySucceeded, 59.0);
        let run =
            shown(&[run_completed(60.5, 59.0, told), ended(FactKind::Build, 59.2, 59.6, Outcome::PartiallySucceeded)]);
        is_completed(&run, &Outcome::PartiallySucceeded, 59.0);
    }
}

#[test]
fn only_build_complete_ever_arrives() {
    let run = shown(&[build_complete(70.0, 59.0, Outcome::Canceled)]);
    is_completed(&run, &Outcome::Canceled, 59.0);
    assert_eq!((run.queued, run.started), (Some(at(0.0)), Some(at(1.0))));
}

#[test]
fn canceling_after_completed_by_skew() {
    let run = shown(&[
        run_event(1.0, State::InProgress),
        run_completed(60.0, 59.0, Outcome::Canceled),
        run_event(60.4, State::Canceling),
    ]);
    is_completed(&run, &Outcome::Canceled, 59.0);
    let late = shown(&[run_completed(60.0, 59.0, Outcome::Canceled), run_event(900.0, State::Canceling)]);
    is_completed(&late, &Outcome::Canceled, 59.0);
}

#[test]
fn canceling_is_void_once_the_run_went_on() {
    let mut facts = vec![run_event(1.0, State::InProgress), run_event(50.0, State::Canceling)];
    is_open(&shown(&facts), &State::Canceling);
    facts.push(run_completed(60.0, 59.0, Outcome::Canceled));
    facts.push(run_event(900.0, State::InProgress));
    is_open(&shown(&facts), &State::InProgress);
    facts.push(run_event(950.0, State::Canceling));
    is_open(&shown(&facts), &State::Canceling);
}

#[test]
fn a_one_second_run_whose_completed_hook_is_lost() {
    let run = shown(&[
        run_event(12.0, State::InProgress),
        stage(12.5, Some(1), State::Running, 0.1),
        ended(FactKind::Build, 1.2, 1.0, Outcome::Succeeded),
    ]);
    is_completed(&run, &Outcome::Succeeded, 1.0);
}

#[test]
fn equal_times() {
    let run = shown(&[
        run_event(10.0, State::InProgress),
        run_event(10.0, State::Canceling),
        run_completed(10.0, 10.0, Outcome::Canceled),
        build_complete(10.0, 10.0, Outcome::Failed),
        stage(10.0, Some(2), State::Running, 10.0),
    ]);
    is_completed(&run, &Outcome::Failed, 10.0);
    let open = shown(&[rest(10.0, State::NotStarted), run_event(10.0, State::InProgress)]);
    is_open(&open, &State::InProgress);
    let stage_run = shown(&[stage(10.0, Some(1), State::Waiting, 9.0), stage(10.0, Some(1), State::Running, 9.0)]);
    assert_eq!(stages(&stage_run), [(1, "running", "")]);
}

#[test]
fn a_last_retried_stage_that_begins_at_the_finish_by_skew_does_not_reopen() {
    let run = shown(&[
        run_completed(31.0, 30.0, Outcome::Canceled),
        stage_ended(31.0, Some(2), 30.9, Outcome::Skipped),
        rest(30.4, State::InProgress),
    ]);
    is_completed(&run, &Outcome::Canceled, 30.0);
}

#[test]
fn attempts_absent_in_some_stage_events_and_present_in_others() {
    let run = shown(&[
        stage(5.0, None, State::Running, 4.0),
        stage_ended(30.0, None, 4.0, Outcome::Failed),
        stage(100.0, Some(2), State::Running, 99.0),
        stage_ended(130.0, Some(2), 99.0, Outcome::Succeeded),
    ]);
    assert_eq!(stages(&run), [(2, "completed", "succeeded")]);
}

#[test]
fn attempts_are_derived_where_no_event_has_a_number() {
    let run = shown(&[
        old_stage(5.0, State::Running, None),
        old_stage(30.0, State::Completed, Some(Outcome::Failed)),
        old_stage(32.0, State::Running, None),
        old_stage(100.0, State::Running, None),
        old_stage(130.0, State::Completed, Some(Outcome::Succeeded)),
    ]);
    assert_eq!(stages(&run), [(1, "completed", "failed"), (2, "completed", "succeeded")]);
}

#[test]
fn stubs_never_crowd_out_what_stage_events_said() {
    let mut facts = vec![old_stage(30.0, State::Completed, Some(Outcome::Failed))];
    for said in 0..40 {
        let mut job = old_stage(30.0 + f64::from(said) / 10.0, State::Running, None);
        job.kind = FactKind::JobStateChanged;
        facts.push(job);
    }
    let forward = fold(&facts);
    assert_eq!(forward, fold(facts.iter().rev()));
    assert_eq!(stages(&forward.shown()), [(1, "completed", "failed")]);
}

#[test]
fn test_events_that_share_one_id_are_two_facts() {
    let (first, second) = (run_completed(60.0, 59.0, Outcome::Succeeded), run_completed(90.0, 89.0, Outcome::Failed));
    let (a, b) = (Fact::Run(first.clone()), Fact::Run(second.clone()));
    assert_ne!(a.encode(), b.encode());
    assert_eq!(a.encode(), Fact::Run(first.clone()).encode());
    is_completed(&shown(&[first, second]), &Outcome::Failed, 89.0);
    let mut record = Record::of(&a);
    assert_eq!(record.join(Record::of(&a)), Change::Unchanged);
    assert_eq!(record.join(Record::of(&b)), Change::Changed);
    assert_eq!(record.join(Record::of(&b)), Change::Unchanged);
}

#[test]
fn facts_that_differ_in_kind_alone_are_two() {
    let event = Fact::Run(run_completed(60.0, 59.0, Outcome::Succeeded));
    let build = Fact::Run(ended(FactKind::BuildCompleted, 60.0, 59.0, Outcome::Succeeded));
    assert_ne!(event.encode().name, build.encode().name);
}

#[test]
fn a_pipeline_renamed() {
    let named = |said, name: &str| {
        let mut fact = run_event(said, State::InProgress);
        fact.labels.push((Label::PipelineName, name.to_owned()));
        fact
    };
    let run = shown(&[named(1.0, "zebra"), named(9.0, "app"), run_event(20.0, State::InProgress)]);
    assert_eq!(run.pipeline_name, Some(Said(at(9.0), "app".to_owned())));
    let tie = shown(&[named(1.0, "app"), named(1.0, "apple")]);
    assert_eq!(tie.pipeline_name, Some(Said(at(1.0), "apple".to_owned())));
}

#[test]
fn unknown_words_are_shown() {
    let run = shown(&[run_event(1.0, State::InProgress), run_event(9.0, State::from("hibernating"))]);
    is_open(&run, &State::from("hibernating"));
    let run = shown(&[run_completed(60.0, 59.0, Outcome::from("exploded")), run_event(70.0, State::from("odd"))]);
    is_completed(&run, &Outcome::from("exploded"), 59.0);
    let run = shown(&[stage(1.0, Some(1), State::Running, 1.0), stage(2.0, Some(1), State::from("napping"), 1.0)]);
    assert_eq!(stages(&run), [(1, "napping", "")]);
    let other = ended(FactKind::from("somebodyNew"), 60.0, 59.0, Outcome::Succeeded);
    is_completed(&shown(&[other]), &Outcome::Succeeded, 59.0);
}

#[test]
fn rest_open_after_the_finish_reopens() {
    let completed = run_completed(60.0, 59.0, Outcome::Failed);
    for state in [State::InProgress, State::NotStarted, State::Postponed] {
        is_completed(&shown(&[completed.clone(), rest(58.0, state.clone())]), &Outcome::Failed, 59.0);
        is_open(&shown(&[completed.clone(), rest(62.5, state.clone())]), &state);
    }
    is_completed(&shown(&[completed, rest(62.5, State::Canceling)]), &Outcome::Failed, 59.0);
}

#[test]
fn nothing_said_is_nothing_shown() {
    let run = shown(&[fact(FactKind::Timeline, 1.0)]);
    assert_eq!((run.state, run.result, run.queued, run.started, run.finished), (None, None, None, None, None));
}

#[test]
fn a_completion_without_times_or_result() {
    let run = shown(&[run_event(60.0, State::Completed), run_event(1.0, State::InProgress)]);
    assert_eq!((run.state, run.result, run.finished), (Some(State::Completed), None, None));
}

fn approval(said: f64, status: ApprovalStatus) -> RunFact {
    let pending = status == ApprovalStatus::Pending;
    let mut fact = fact(if pending { FactKind::ApprovalPending } else { FactKind::ApprovalCompleted }, said);
    fact.approvals.push(ApprovalSaid {
        id: "a".to_owned(),
        status,
        says: ApprovalStatement {
            said: at(said),
            phase: None,
            stage: pending.then(|| "production".to_owned()),
            attempt: pending.then_some(1),
            requested: pending.then(|| at(said)),
            changed: Some(at(said)),
            approvers: if pending { vec!["Ada".to_owned()] } else { Vec::new() },
        },
    });
    let environment = "live".to_owned();
    fact.guarded = pending.then(|| Box::new(Guarded { approval: "a".to_owned(), environment }));
    fact
}

#[test]
fn approvals_in_any_order() {
    let pending = shown(&[approval(5.0, ApprovalStatus::Pending)]);
    assert_eq!((&pending.approvals[0].status, pending.approvals[0].decided), (&ApprovalStatus::Pending, None));
    for decided in [4.0, 50.0] {
        let run = shown(&[approval(5.0, ApprovalStatus::Pending), approval(decided, ApprovalStatus::Approved)]);
        assert_eq!(
            run.approvals,
            [ShownApproval {
                id: "a".to_owned(),
                status: ApprovalStatus::Approved,
                stage: Some("production".to_owned()),
                stage_attempt: Some(1),
                phase: None,
                requested: Some(at(5.0)),
                decided: Some(at(decided)),
                approvers: vec!["Ada".to_owned()],
                environment: Some("live".to_owned()),
            }]
        );
    }
}

#[test]
fn jobs_of_the_same_name_in_two_stages() {
    let job = |said, stage: &str, stage_attempt, state, result| {
        let mut fact = fact(FactKind::JobStateChanged, said);
        let says = Statement { result, ..Statement::at(at(said)) };
        let (stage, name) = (stage.to_owned(), "__default".to_owned());
        fact.jobs.push(JobSaid { stage, stage_attempt, name, attempt: Some(1), state, says });
        fact
    };
    let run = shown(&[
        job(5.0, "build", Some(1), State::Completed, Some(Outcome::Failed)),
        job(6.0, "test", Some(1), State::Running, None),
        job(50.0, "build", Some(2), State::Running, None),
        job(4.0, "build", None, State::Waiting, None),
        job(7.0, "deploy", None, State::Waiting, None),
    ]);
    let jobs: Vec<_> =
        run.jobs.iter().map(|job| (job.stage.as_str(), job.stage_attempt, job.state.clone().unwrap())).collect();
    assert_eq!(
        jobs,
        [
            ("build", Some(1), State::Completed),
            ("build", Some(2), State::Running),
            ("deploy", None, State::Waiting),
            ("test", Some(1), State::Running),
        ]
    );
}

#[test]
fn a_stage_that_began_is_not_shown_as_not_started_by_a_run_event_that_comes_late() {
    let mut listed = run_event(2.0, State::InProgress);
    let says = Statement::at(at(2.0));
    listed.stages.push(StageSaid { name: "build".to_owned(), attempt: Some(1), state: State::NotStarted, says });
    assert_eq!(stages(&shown(&[listed.clone()])), [(1, "notStarted", "")]);
    assert_eq!(stages(&shown(&[listed, stage(1.0, Some(1), State::Running, 0.5)])), [(1, "running", "")]);
}

fn failed_because(said: f64, message: &str) -> RunFact {
    let mut fact = fact(FactKind::Timeline, said);
    let message = Some(message.to_owned());
    fact.failure = Some(Failure { said: at(said), stage: None, job: None, task: None, message, log: None });
    fact
}

#[test]
fn why_a_run_failed_is_that_of_its_last_end() {
    let message = |facts: &[RunFact]| shown(facts).failure.and_then(|failure| failure.message);
    let (first, second) = (failed_because(59.0, "one 1"), failed_because(459.0, "two"));
    let failed = |finished| build_complete(finished + 8.0, finished, Outcome::Failed);
    assert_eq!(message(&[failed(59.0), first.clone()]).as_deref(), Some("one 1"));
    assert_eq!(message(&[failed(59.0), first.clone(), failed(459.0)]), None, "the second end is not explained yet");
    assert!(!fold(&[failed(59.0), first.clone(), failed(459.0)]).is_explained());
    assert_eq!(message(&[failed(59.0), first.clone(), failed(459.0), second]).as_deref(), Some("two"));
    let mended = [failed(59.0), first.clone(), build_complete(467.0, 459.0, Outcome::Succeeded)];
    assert_eq!((message(&mended), fold(&mended).is_explained()), (None, true));
    let shown = shown(&[failed(59.0), first]).failure.unwrap();
    assert_eq!(shown.signature.as_deref(), Some("one <n>"));
}

#[test]
fn who_speaks_makes_no_difference_to_how_a_run_is_shown() {
    let [event, asked] = [run_completed(60.0, 59.0, Outcome::Failed), build_complete(67.0, 59.0, Outcome::Failed)];
    assert!(fold([&event]).is_shown_like(&fold([&event, &asked])));
    assert!(!fold([&event]).is_shown_like(&fold([&event, &build_complete(67.0, 59.0, Outcome::PartiallySucceeded)])));
}

/// Nobody waits for an answer any more, and nobody told what it was.
#[test]
fn what_a_run_that_is_over_waited_for_is_not_known() {
    let run = shown(&[approval(5.0, ApprovalStatus::Pending), run_completed(90.0, 80.0, Outcome::Canceled)]);
    assert_eq!((&run.approvals[0].status, run.approvals[0].decided), (&ApprovalStatus::Unknown, None));
    let said = [approval(50.0, ApprovalStatus::Approved), run_completed(90.0, 80.0, Outcome::Succeeded)];
    assert_eq!(shown(&said).approvals[0].status, ApprovalStatus::Approved);
}
