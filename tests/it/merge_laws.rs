//! The merge is a join: any order, any duplication and any grouping of the facts give the same record.

use pipetrail::domain::run::{
    ApprovalSaid, ApprovalStatement, Consumed, Failure, Guarded, JobSaid, RunFact, RunRecord, StageSaid, Statement,
    UsedImage,
};
use pipetrail::domain::{
    ApprovalStatus, Change, Fact, FactKind, Join, Label, Outcome, Record, RunKey, Speaker, State, Time,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const KINDS: [&str; 9] = [
    "runStateChanged",
    "stageStateChanged",
    "jobStateChanged",
    "buildCompleted",
    "approvalPending",
    "approvalCompleted",
    "build",
    "timeline",
    "aLaterKind",
];
const STATES: [&str; 8] =
    ["notStarted", "waiting", "running", "inProgress", "canceling", "postponed", "completed", "aLaterState"];
const OUTCOMES: [&str; 5] = ["succeeded", "partiallySucceeded", "failed", "canceled", "aLaterResult"];
const STAGES: [&str; 3] = ["build", "test", "__default"];

fn key() -> RunKey {
    RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run: 479 }
}

/// Half seconds within three quarters of a minute: they collide, and they are late on both sides of every limit.
fn time() -> impl Strategy<Value = Time> {
    (0_i64..90).prop_map(|halves| Time::from_ticks(1_000_000_000 + halves * 5_000_000))
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![1 => Just(State::Completed), 2 => select(&STATES[..]).prop_map(State::from)]
}

fn statement() -> impl Strategy<Value = Statement> {
    let result = option::of(select(&OUTCOMES[..]).prop_map(Outcome::from));
    (time(), result, option::of(time()), option::of(time()), option::of(time()))
        .prop_map(|(said, result, queued, started, finished)| Statement { said, result, queued, started, finished })
}

fn attempt() -> impl Strategy<Value = Option<u32>> {
    option::of(1_u32..4)
}

fn stage() -> impl Strategy<Value = StageSaid> {
    (select(&STAGES[..]), attempt(), state(), statement()).prop_map(|(name, attempt, state, says)| StageSaid {
        name: name.to_owned(),
        attempt,
        state,
        says,
    })
}

fn job() -> impl Strategy<Value = JobSaid> {
    (select(&STAGES[..]), attempt(), select(vec!["compile", "__default"]), attempt(), state(), statement()).prop_map(
        |(stage, stage_attempt, name, attempt, state, says)| JobSaid {
            stage: stage.to_owned(),
            stage_attempt,
            name: name.to_owned(),
            attempt,
            state,
            says,
        },
    )
}

fn approval() -> impl Strategy<Value = ApprovalSaid> {
    let status = select(vec!["pending", "approved", "rejected", "aLaterStatus"]).prop_map(ApprovalStatus::from);
    let names = vec(select(vec!["Ada", "Grace"]).prop_map(str::to_owned), 0..2);
    (select(vec!["a", "b"]), status, time(), option::of(time()), option::of(time()), attempt(), names).prop_map(
        |(id, status, said, requested, changed, attempt, approvers)| ApprovalSaid {
            id: id.to_owned(),
            status,
            says: ApprovalStatement {
                said,
                phase: None,
                stage: attempt.map(|_| "test".to_owned()),
                attempt,
                requested,
                changed,
                approvers,
            },
        },
    )
}

fn label() -> impl Strategy<Value = (Label, String)> {
    (select(vec!["branch", "pipelineName", "aLaterLabel"]), select(vec!["one", "two", "three"]))
        .prop_map(|(label, text)| (Label::from(label), text.to_owned()))
}

fn failure() -> impl Strategy<Value = Failure> {
    (time(), option::of(select(&STAGES[..])), option::of(select(vec!["one", "two"]))).prop_map(|(said, stage, text)| {
        let (stage, message) = (stage.map(str::to_owned), text.map(str::to_owned));
        Failure { said, stage, job: None, task: None, message, log: None }
    })
}

fn image() -> impl Strategy<Value = UsedImage> {
    let words = || select(vec!["a", "b"]).prop_map(str::to_owned);
    (words(), words()).prop_map(|(alias, image)| UsedImage { alias, image })
}

fn guarded() -> impl Strategy<Value = Guarded> {
    let words = || select(vec!["a", "b"]).prop_map(str::to_owned);
    (words(), words()).prop_map(|(approval, environment)| Guarded { approval, environment })
}

fn consumed() -> impl Strategy<Value = Consumed> {
    (select(vec!["a", "b"]), option::of(1_u64..3), option::of(select(vec!["one", "two"]))).prop_map(
        |(alias, id, version)| Consumed {
            alias: alias.to_owned(),
            id,
            pipeline: None,
            version: version.map(str::to_owned),
        },
    )
}

fn fact() -> impl Strategy<Value = RunFact> {
    (
        select(&KINDS[..]),
        time(),
        vec(label(), 0..3),
        option::of((state(), statement())),
        vec(stage(), 0..4),
        vec(job(), 0..3),
        vec(approval(), 0..2),
        option::of(failure()),
        (vec(consumed(), 0..2), vec(image(), 0..2), option::of(guarded())),
    )
        .prop_map(|(kind, said, labels, run, stages, jobs, approvals, failure, (consumed, images, guarded))| {
            RunFact {
                key: key(),
                kind: FactKind::from(kind),
                said,
                labels,
                run,
                stages,
                jobs,
                approvals,
                failure,
                consumed,
                images,
                guarded: guarded.map(Box::new),
            }
        })
}

/// Stage events without attempts, more than a record keeps.
fn crowd() -> impl Strategy<Value = Vec<RunFact>> {
    let stage = (state(), statement()).prop_map(|(state, says)| StageSaid {
        name: "build".to_owned(),
        attempt: None,
        state,
        says,
    });
    let kind = select(vec![FactKind::StageStateChanged, FactKind::JobStateChanged]);
    let fact = (kind, time(), vec(stage, 1..3)).prop_map(|(kind, said, stages)| {
        let fact = RunFact::new(key(), kind, said);
        RunFact { stages, ..fact }
    });
    vec(fact, 10..24)
}

/// One of many names of any length that a name may have, some of which take six bytes a character in JSON.
fn long_name() -> impl Strategy<Value = String> {
    (0_usize..400).prop_map(|number| {
        let padding = if number % 2 == 0 { "x".repeat(number % 7 * 30) } else { "\u{1}".repeat(number % 7 * 6) };
        format!("{number}{padding}")
    })
}

fn any_state() -> impl Strategy<Value = State> {
    prop_oneof![state(), "[a-z]{32}".prop_map(|word| State::from(word.as_str()))]
}

/// So much about one run that it does not find room.
fn heap() -> impl Strategy<Value = RunFact> {
    let stage = (long_name(), stage(), any_state()).prop_map(|(name, stage, state)| StageSaid { name, state, ..stage });
    let job = (long_name(), long_name(), job(), any_state());
    let job = job.prop_map(|(stage, name, job, state)| JobSaid { stage, name, state, ..job });
    let approval = (long_name(), approval()).prop_map(|(id, approval)| ApprovalSaid { id, ..approval });
    (fact(), vec(stage, 100..200), vec(job, 150..300), vec(approval, 20..60))
        .prop_map(|(fact, stages, jobs, approvals)| RunFact { stages, jobs, approvals, ..fact })
}

fn facts() -> impl Strategy<Value = Vec<RunFact>> {
    prop_oneof![3 => vec(fact(), 1..24), 1 => crowd()]
}

fn fold<'a>(facts: impl IntoIterator<Item = &'a RunFact>) -> RunRecord {
    let mut record = RunRecord::new(key());
    for fact in facts {
        record.absorb(RunRecord::of(fact));
    }
    record
}

/// Every fact once, in the given order, and then some of them again, anywhere.
fn delivered<'a>(facts: &'a [RunFact], again: &[(Index, Index)]) -> Vec<&'a RunFact> {
    let mut order: Vec<&RunFact> = facts.iter().collect();
    for (which, place) in again {
        let place = place.index(order.len() + 1);
        order.insert(place, which.get(facts));
    }
    order
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_any_duplication_give_the_same_record(
        (facts, shuffled) in facts().prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
        again in vec(any::<(Index, Index)>(), 0..12),
    ) {
        let (one, other) = (fold(&facts), fold(delivered(&shuffled, &again)));
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(Record::Run(one).encode(), Record::Run(other).encode());
    }

    #[test]
    fn any_grouping_gives_the_same_record(facts in facts(), parts in vec(0_usize..4, 24)) {
        let whole = fold(&facts);
        let part = |wanted: usize| fold(facts.iter().zip(&parts).filter(|(_, part)| **part == wanted).map(|(fact, _)| fact));
        let (mut flat, mut left, mut right) = (RunRecord::new(key()), part(0), part(2));
        (0..4).for_each(|wanted| flat.absorb(part(wanted)));
        left.absorb(part(1));
        right.absorb(part(3));
        right.absorb(left);
        prop_assert_eq!(&whole, &flat);
        prop_assert_eq!(&whole, &right);
    }

    #[test]
    fn unchanged_exactly_when_equal(facts in facts(), other in prop_oneof![facts(), vec(fact(), 1..2)]) {
        let mut record = RunRecord::new(key());
        for part in facts.iter().map(RunRecord::of).chain([fold(&other), fold(&facts)]) {
            let before = record.clone();
            let change = record.join(part);
            prop_assert_eq!(change == Change::Unchanged, record == before);
        }
        prop_assert_eq!(record.clone().join(record), Change::Unchanged);
    }

    #[test]
    fn what_is_shown_depends_on_the_record_alone(
        (facts, shuffled) in facts().prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
    ) {
        let (one, other) = (fold(&facts), fold(&shuffled));
        let stored = Record::decode(&Record::Run(one.clone()).key(), &Record::Run(one.clone()).encode()).unwrap();
        let Record::Run(stored) = stored else { panic!("another kind") };
        prop_assert_eq!(one.shown(), other.shown());
        prop_assert_eq!(one.shown(), stored.shown());
    }

    #[test]
    fn encoding_preserves_facts_and_records(facts in facts()) {
        let record = Record::Run(fold(&facts));
        let decoded = Record::decode(&record.key(), &record.encode()).unwrap();
        prop_assert_eq!(&decoded, &record);
        prop_assert_eq!(decoded.encode(), record.encode());
        for fact in facts.into_iter().map(Fact::Run) {
            prop_assert_eq!(Fact::decode(&fact.key(), &fact.encode().text).unwrap(), fact);
        }
    }

    #[test]
    fn the_shown_result_is_null_while_open(facts in facts()) {
        let run = fold(&facts).shown();
        if run.state != Some(State::Completed) {
            prop_assert_eq!((run.result, run.finished), (None, None));
        }
    }
}

#[test]
fn the_kinds_make_every_speaker_speak() {
    let speakers =
        KINDS.map(FactKind::from).map(|kind| [kind.speaker_on_run(), kind.speaker_on_stage(), kind.speaker_on_job()]);
    let all = [
        Speaker::RunEvent,
        Speaker::StageEvent,
        Speaker::JobEvent,
        Speaker::BuildComplete,
        Speaker::Rest,
        Speaker::Stub,
    ];
    assert!(all.iter().all(|speaker| speakers.iter().flatten().any(|spoken| spoken == speaker)));
}

/// What a row of a table takes of a stored form in binary: 1 MiB, where base64 is counted, and room for columns.
const MOST_STORED: usize = 750_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_finds_no_room_breaks_no_law(
        (facts, shuffled) in vec(heap(), 4..9).prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
        again in vec(any::<(Index, Index)>(), 0..6),
        parts in vec(0_usize..2, 9),
    ) {
        let whole = fold(&facts);
        prop_assert!(whole == fold(delivered(&shuffled, &again)));
        let part = |wanted: usize| facts.iter().zip(&parts).filter(move |(_, part)| **part == wanted).map(|(fact, _)| fact);
        let (mut one, other) = (fold(part(0)), fold(part(1)));
        let before = one.clone();
        let change = one.join(other);
        prop_assert_eq!(change == Change::Unchanged, one == before);
        prop_assert!(one == whole);
        prop_assert_eq!(one.join(fold(part(0))), Change::Unchanged);
        prop_assert_eq!(one.join(whole.clone()), Change::Unchanged);
        let mut added = RunRecord::new(key());
        facts.iter().for_each(|fact| added.add(fact));
        prop_assert!(added == whole);
        let pieces: Vec<RunFact> = facts.into_iter().flat_map(RunFact::in_pieces).collect();
        prop_assert!(fold(&pieces) == whole);
        let stored = Record::Run(whole).encode();
        prop_assert!(stored.len() > 200_000 && stored.len() < MOST_STORED, "{}", stored.len());
    }
}
