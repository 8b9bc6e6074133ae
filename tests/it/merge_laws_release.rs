//! The merge of what is said of a release, and of a deployment to an environment, is a join as that of a run is.

use pipetrail::domain::deployment::{DeploymentFact, DeploymentJobSaid};
use pipetrail::domain::release::{ArtifactSaid, EnvironmentSaid, ReleaseFact};
use pipetrail::domain::run::{ApprovalSaid, ApprovalStatement, Statement};
use pipetrail::domain::{
    ApprovalPhase, ApprovalStatus, ArtifactPart, Change, DeploymentKey, Fact, Join, Label, Outcome, Record,
    ReleaseFactKind, ReleaseKey, ReleaseStatus, State, Time,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const KINDS: [&str; 6] =
    ["releaseCreated", "deploymentStarted", "deploymentCompleted", "deployment", "release", "aLaterKind"];
const STATES: [&str; 5] = ["notStarted", "inProgress", "completed", "queued", "aLaterState"];
const RESULTS: [&str; 4] = ["succeeded", "failed", "rejected", "aLaterResult"];

/// Few enough that they collide.
fn time() -> impl Strategy<Value = Time> {
    (100_i64..120).prop_map(|seconds| Time::from_ticks(seconds * 10_000_000))
}

fn name() -> impl Strategy<Value = String> {
    select(vec!["Dev", "Prod", "dev"]).prop_map(str::to_owned)
}

fn state() -> impl Strategy<Value = State> {
    select(&STATES[..]).prop_map(State::from)
}

fn statement() -> impl Strategy<Value = Statement> {
    let result = option::of(select(&RESULTS[..]).prop_map(Outcome::from));
    (time(), result, option::of(time()), option::of(time()), option::of(time()))
        .prop_map(|(said, result, queued, started, finished)| Statement { said, result, queued, started, finished })
}

fn labels() -> impl Strategy<Value = Vec<(Label, String)>> {
    let label = select(vec!["runName", "definitionId", "aLaterLabel"]).prop_map(Label::from);
    vec((label, select(vec!["1", "2"]).prop_map(str::to_owned)), 0..3)
}

fn environment() -> impl Strategy<Value = EnvironmentSaid> {
    (name(), option::of(1_u32..3), state(), statement()).prop_map(|(name, attempt, state, says)| EnvironmentSaid {
        name,
        attempt,
        state,
        says,
    })
}

fn approval() -> impl Strategy<Value = ApprovalSaid> {
    let status = select(vec!["pending", "approved", "aLaterStatus"]).prop_map(ApprovalStatus::from);
    let phase = option::of(select(vec!["preDeploy", "postDeploy"]).prop_map(ApprovalPhase::from));
    let approvers = vec(select(vec!["Ana", "Jon"]).prop_map(str::to_owned), 0..2);
    (status, time(), phase, option::of(name()), option::of(time()), approvers).prop_map(
        |(status, said, phase, stage, requested, approvers)| ApprovalSaid {
            id: "7".to_owned(),
            status,
            says: ApprovalStatement { said, phase, stage, attempt: None, requested, changed: None, approvers },
        },
    )
}

/// More of them than a record keeps.
fn artifact() -> impl Strategy<Value = ArtifactSaid> {
    let part = select(vec!["type", "versionId", "aLaterPart"]).prop_map(ArtifactPart::from);
    let parts = vec((part, select(vec!["Build", "479"]).prop_map(str::to_owned)), 0..3);
    (0_u32..60, parts).prop_map(|(alias, parts)| ArtifactSaid { alias: format!("a{alias:02}"), parts })
}

fn release() -> impl Strategy<Value = Fact> {
    let status = option::of(select(vec!["active", "abandoned", "aLaterStatus"]).prop_map(ReleaseStatus::from));
    let parts = (vec(environment(), 0..4), vec(approval(), 0..3), vec(artifact(), 0..20));
    (select(&KINDS[..]), time(), labels(), status, option::of(time()), parts).prop_map(
        |(kind, said, labels, status, created, (environments, approvals, artifacts))| {
            Fact::Release(ReleaseFact {
                key: ReleaseKey::new("fabrikam", "p-1", 4),
                kind: ReleaseFactKind::from(kind),
                said,
                labels,
                status,
                created,
                environments,
                approvals,
                artifacts,
            })
        },
    )
}

fn deployment() -> impl Strategy<Value = Fact> {
    let job = (name(), option::of(1_u32..3), name(), option::of(1_u32..3), state(), statement()).prop_map(
        |(stage, stage_attempt, name, attempt, state, says)| DeploymentJobSaid {
            stage,
            stage_attempt,
            name,
            attempt,
            state,
            says,
        },
    );
    (time(), labels(), job).prop_map(|(said, labels, job)| {
        Fact::Deployment(DeploymentFact { key: DeploymentKey::new("fabrikam", "p-1", 3, 479), said, labels, job })
    })
}

/// All about the same.
fn facts() -> impl Strategy<Value = Vec<Fact>> {
    prop_oneof![vec(release(), 2..12), vec(deployment(), 2..12)]
}

fn fold<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Record {
    let joined = facts.into_iter().map(Record::of).reduce(|mut record, part| {
        record.absorb(part);
        record
    });
    joined.expect("there are facts")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_duplication_and_grouping_give_the_same_record(
        (facts, shuffled) in facts().prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
        again in vec(any::<Index>(), 0..8),
        at in any::<Index>(),
    ) {
        let whole = fold(&facts);
        prop_assert_eq!(&whole, &fold(shuffled.iter().chain(again.iter().map(|index| index.get(&facts)))));
        let (one, two) = shuffled.split_at(1 + at.index(shuffled.len() - 1));
        let (mut left, right) = (fold(one), fold(two));
        left.absorb(right);
        prop_assert_eq!(&whole, &left);
        prop_assert!(whole.is_shown_like(&left));
        prop_assert_eq!(whole.encode(), left.encode());
    }

    #[test]
    fn unchanged_exactly_when_equal(facts in facts()) {
        let mut record = fold(&facts[..1]);
        for fact in &facts {
            let before = record.clone();
            let change = record.join(Record::of(fact));
            prop_assert_eq!(change == Change::Unchanged, record == before);
        }
        prop_assert_eq!(record.clone().join(record), Change::Unchanged);
    }

    #[test]
    fn facts_and_records_come_back(facts in facts()) {
        let record = fold(&facts);
        prop_assert_eq!(&Record::decode(&record.key(), &record.encode()).unwrap(), &record);
        for fact in facts {
            prop_assert_eq!(Fact::decode(&fact.key(), &fact.encode().text).unwrap(), fact);
        }
    }

    #[test]
    fn what_a_later_version_added_is_preserved(fact in prop_oneof![release(), deployment()]) {
        let record = Record::of(&fact);
        let text = record.encode().replacen('{', "{\"mood\":\"sunny\",", 1);
        let kept = Record::decode(&record.key(), &text).unwrap();
        let mut other = record.clone();
        prop_assert_eq!(other.join(kept.clone()), Change::Changed);
        prop_assert_eq!(&other, &kept);
        prop_assert!(other.encode().contains("\"mood\":\"sunny\""));
        let newer = record.encode().replace("\"v\":1", "\"v\":2");
        let error = Record::decode(&record.key(), &newer).unwrap_err();
        prop_assert_eq!(error.to_string(), "the record is of version 2, this program knows 1: update it");
    }
}

/// Whatever anybody sends: it has to fit a row of a table.
#[test]
fn a_release_stays_small_enough_to_be_stored() {
    let long = |number: u32| format!("{number:04}{}", "\u{1}".repeat(42));
    let mut whole: Option<Record> = None;
    for round in 0..8_u32 {
        let said = Time::from_ticks(i64::from(round));
        let mut fact = ReleaseFact::new(ReleaseKey::new("fabrikam", "p-1", 4), ReleaseFactKind::Deployment, said);
        for number in (0..100).map(|number| round * 100 + number) {
            let says = Statement::at(said);
            let state = State::from(format!("{number:032}").as_str());
            fact.environments.push(EnvironmentSaid { name: long(number), attempt: Some(number + 1), state, says });
            let approvers = vec![long(number), "x".repeat(300)];
            let says = ApprovalStatement {
                said,
                phase: Some(ApprovalPhase::from("x".repeat(32).as_str())),
                stage: Some(long(number)),
                attempt: Some(u32::MAX),
                requested: Some(said),
                changed: Some(said),
                approvers,
            };
            fact.approvals.push(ApprovalSaid { id: long(number), status: ApprovalStatus::Pending, says });
            let parts = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|part| (ArtifactPart::from(part), long(number)));
            fact.artifacts.push(ArtifactSaid { alias: long(number), parts: parts.into() });
        }
        let record = Record::of(&Fact::Release(fact));
        match &mut whole {
            Some(whole) => whole.absorb(record),
            None => whole = Some(record),
        }
    }
    let bytes = whole.unwrap().encode().len();
    assert!((100_000..720_000).contains(&bytes), "{bytes}");
}
