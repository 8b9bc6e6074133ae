use super::*;
use crate::domain::run::{ApprovalSaid, ApprovalStatement, Statement};
use crate::domain::{
    ApprovalPhase, ApprovalStatus, ArtifactPart, Outcome, ReleaseFactKind, ReleaseKey, ReleaseStatus, State, Time,
};

fn at(seconds: i64) -> Time {
    Time::from_ticks(1_000_000_000 + seconds * 10_000_000)
}

fn fact(kind: ReleaseFactKind, said: i64) -> ReleaseFact {
    ReleaseFact::new(ReleaseKey::new("fabrikam", "p-1", 4), kind, at(said))
}

fn environment(kind: ReleaseFactKind, said: i64, state: State, result: Option<Outcome>) -> ReleaseFact {
    let says = Statement { result, ..Statement::at(at(said)) };
    let environments = vec![EnvironmentSaid { name: "Dev".to_owned(), attempt: None, state, says }];
    ReleaseFact { environments, ..fact(kind, said) }
}

fn asked(said: i64, status: ApprovalStatus) -> ReleaseFact {
    let says = ApprovalStatement {
        said: at(said),
        phase: Some(ApprovalPhase::PreDeploy),
        stage: Some("Dev".to_owned()),
        attempt: None,
        requested: Some(at(10)),
        changed: Some(at(said)),
        approvers: vec!["Jane Roe".to_owned()],
    };
    let approvals = vec![ApprovalSaid { id: "17".to_owned(), status, says }];
    ReleaseFact { approvals, ..fact(ReleaseFactKind::ApprovalPending, said) }
}

fn artifact(said: i64, parts: &[(ArtifactPart, &str)]) -> ReleaseFact {
    let parts = parts.iter().map(|(part, text)| (part.clone(), (*text).to_owned())).collect();
    ReleaseFact {
        artifacts: vec![ArtifactSaid { alias: "app".to_owned(), parts }],
        ..fact(ReleaseFactKind::Created, said)
    }
}

fn record(facts: &[ReleaseFact]) -> ReleaseRecord {
    let (first, rest) = facts.split_first().unwrap();
    rest.iter().fold(ReleaseRecord::of(first), |mut record, fact| {
        record.add(fact);
        record
    })
}

#[test]
fn what_is_said_in_passing_counts_where_nobody_else_spoke() {
    let passing = || environment(ReleaseFactKind::ApprovalPending, 90, State::Completed, Some(Outcome::Succeeded));
    let state = |facts: &[ReleaseFact]| {
        let shown = record(facts).shown();
        (shown.environments[0].state.clone(), shown.environments[0].result.clone())
    };
    assert_eq!(state(&[passing()]), (Some(State::Completed), Some(Outcome::Succeeded)));
    let started = environment(ReleaseFactKind::DeploymentStarted, 50, State::InProgress, None);
    assert_eq!(state(&[passing(), started]), (Some(State::InProgress), None));
}

#[test]
fn a_version_that_is_known_is_not_lost_by_who_does_not_say_it() {
    let told = artifact(10, &[(ArtifactPart::Kind, "Build"), (ArtifactPart::VersionId, "479")]);
    let silent = artifact(99, &[(ArtifactPart::Kind, "Build"), (ArtifactPart::SourceName, "Fabrikam.CI")]);
    let artifacts = record(&[told, silent]).shown().artifacts;
    let wanted = ShownArtifact {
        alias: "app".to_owned(),
        kind: Some("Build".to_owned()),
        source_name: Some("Fabrikam.CI".to_owned()),
        version_id: Some("479".to_owned()),
        ..ShownArtifact::default()
    };
    assert_eq!(artifacts, [wanted]);
}

#[test]
fn only_the_id_of_a_build_leads_to_a_run() {
    let table = [
        ("a build", Some("Build"), Some("479"), Some("20191002.2"), Some(479)),
        ("its number alone, which may be used again", Some("Build"), None, Some("20191002.2"), None),
        ("a number in the place of the id", Some("Build"), Some("20191002.2"), None, None),
        ("no id", Some("Build"), Some("0"), None, None),
        ("more than an id can be", Some("Build"), Some("9223372036854775808"), None, None),
        ("the tag of an image", Some("AzureContainerRepository"), Some("479"), None, None),
        ("a commit", Some("Git"), Some("479"), None, None),
        ("nobody says what it is", None, Some("479"), None, None),
    ];
    for (name, kind, id, number, run) in table {
        let [kind, version_id, version_name] = [kind, id, number].map(|text| text.map(str::to_owned));
        let artifact = ShownArtifact { kind, version_id, version_name, ..ShownArtifact::default() };
        assert_eq!(artifact.run(), run, "{name}");
    }
}

#[test]
fn an_approval_is_decided_once_it_is_no_longer_pending() {
    let pending = record(&[asked(10, ApprovalStatus::Pending)]).shown().approvals;
    assert_eq!((pending[0].decided, &pending[0].status), (None, &ApprovalStatus::Pending));
    let decided = record(&[asked(70, ApprovalStatus::Approved), asked(90, ApprovalStatus::Pending)]).shown().approvals;
    assert_eq!((decided[0].requested, decided[0].decided), (Some(at(10)), Some(at(70))));
    assert_eq!(decided[0].phase, Some(ApprovalPhase::PreDeploy));
    let abandoned = ReleaseFact { status: Some(ReleaseStatus::Abandoned), ..fact(ReleaseFactKind::Abandoned, 80) };
    let left = record(&[asked(10, ApprovalStatus::Pending), abandoned]).shown().approvals;
    assert_eq!((left[0].decided, &left[0].status), (None, &ApprovalStatus::Unknown));
}

#[test]
fn it_has_ended_when_nothing_is_under_way() {
    let started = || environment(ReleaseFactKind::DeploymentStarted, 50, State::InProgress, None);
    let ended = || environment(ReleaseFactKind::DeploymentCompleted, 60, State::Completed, Some(Outcome::Succeeded));
    assert_eq!(record(&[started()]).ended(), None);
    assert_eq!(record(&[started(), ended()]).ended(), Some(at(60)));
    assert_eq!(record(&[started(), ended(), asked(70, ApprovalStatus::Pending)]).ended(), None);
    let abandoned = ReleaseFact { status: Some(ReleaseStatus::Abandoned), ..fact(ReleaseFactKind::Abandoned, 80) };
    assert_eq!(record(&[started(), abandoned]).ended(), Some(at(80)));
}

#[test]
fn the_earliest_creation_and_the_latest_status_count() {
    let say = |said, created, status| ReleaseFact {
        created: Some(at(created)),
        status: Some(status),
        ..fact(ReleaseFactKind::Release, said)
    };
    let shown = record(&[say(90, 5, ReleaseStatus::Abandoned), say(10, 7, ReleaseStatus::Active)]).shown();
    assert_eq!((shown.created, shown.status), (Some(at(5)), Some(ReleaseStatus::Abandoned)));
}
