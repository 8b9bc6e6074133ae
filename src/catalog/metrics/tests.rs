use super::*;
use crate::catalog::packed::{self, Kind};
use crate::domain::Pattern;
use crate::domain::metrics::{Deployed, Ending, EnvironmentRule, Known, Part, PartialSuccess};

const SECOND: i64 = 10_000_000;

fn question() -> DeliveryQuestion {
    let at = |second: i64| Time::from_ticks(second * SECOND);
    DeliveryQuestion {
        wanted: Wanted::default(),
        window: Window { from: at(10_000_000), until: at(20_000_000) },
        zone: Zone::default(),
        period: None,
        group: None,
        work: false,
        terms: Terms::default(),
        owners: Owners::default(),
        now: at(20_000_000),
    }
}

/// Runs of one pipeline; stages as `(run, stage, end in seconds)`, approvals as `(run, stage, environment)`.
fn catalog(stages: &[(i64, &str, i64)], approvals: &[(i64, &str, Option<&str>)]) -> Connection {
    let c = Connection::open_in_memory().unwrap();
    c.execute_batch(include_str!("../schema.sql")).unwrap();
    c.execute("INSERT INTO names VALUES ('environment', 'fabrikam', 'p-1/5', 1, 'live')", []).unwrap();
    for run in 1..=9 {
        let insert = "INSERT INTO runs (id, run, organization, pipeline, project_id, state, result, finished) \
                      VALUES (?1, ?1, 'fabrikam', 7, 'p-1', 'completed', 'succeeded', ?2)";
        c.execute(insert, (run, 11_000_000 * SECOND)).unwrap();
    }
    packed::loosen_run(&c, 1).unwrap();
    for (run, stage, end) in stages {
        let insert = "INSERT INTO stages VALUES (?1, ?2, 1, 'completed', 'succeeded', ?3, ?3)";
        c.execute(insert, (run, stage, end * SECOND)).unwrap();
    }
    for (nth, (run, stage, environment)) in approvals.iter().enumerate() {
        let insert = "INSERT INTO approvals (run, id, status, stage, approvers, environment) \
                      VALUES (?1, ?2, 'approved', ?3, '[]', ?4)";
        c.execute(insert, (run, nth.to_string(), stage, environment)).unwrap();
    }
    c
}

fn pack(c: &Connection) {
    // The newest block stays loose.
    packed::loosen_run(c, 1_000).unwrap();
    while packed::go_on(c).unwrap() {}
}

fn material(c: &Connection, question: &DeliveryQuestion) -> Material {
    let mut reading = Reading::new(c, &Scope::All, question, question.span());
    reading.read().unwrap();
    reading.found
}

/// What came where, and how that is known.
fn found(c: &Connection) -> Vec<(String, String, Known)> {
    let material = material(c, &question());
    let place = |of: &Deployed| material.lines[of.line].environment.to_string();
    let stage = |of: &Deployed| material.origins[of.origin].stage.to_string();
    let mut found: Vec<_> = material.deployments.iter().map(|of| (stage(of), place(of), of.known)).collect();
    found.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    found
}

#[test]
fn an_approval_tells_more_than_a_name_and_less_than_a_record() {
    let now = 12_000_000;
    let stages = [
        (1, "ship", now),
        (2, "ship", now),
        (3, "production", now),
        (4, "go", now),
        (5, "prod", now),
        (6, "hold", now),
    ];
    let approvals = [
        (1, "ship", Some("live")),
        (1, "ship", Some("prod-eu")),
        (3, "production", Some("staging")),
        (4, "go", Some("prod-eu")),
        (9, "prod", Some("live")),
        (6, "hold", None),
    ];
    let c = catalog(&stages, &approvals);
    let insert = "INSERT INTO deployments (organization, project_id, environment, run, stage, attempt, pipeline, result, \
                    finished) VALUES ('fabrikam', 'p-1', 5, 4, 'go', 1, 7, 'succeeded', ?1)";
    c.execute(insert, [now * SECOND]).unwrap();
    let expected = [
        ("go", "live", Known::Record),
        ("prod", "prod", Known::Pattern),
        ("ship", "live", Known::Approval),
        ("ship", "prod-eu", Known::Approval),
    ];
    assert_eq!(found(&c), expected.map(|(stage, place, known)| (stage.to_owned(), place.to_owned(), known)));
}

/// Its stage succeeded, and yet the record says that what it brought there failed, or came there later.
#[test]
fn a_stage_of_which_a_record_tells_is_no_guess() {
    let c = catalog(&[(6, "go", 6_500_000), (8, "go", 6_000_000)], &[]);
    for (run, result, end) in [
        (6, "succeeded", 25_000_000),
        (7, "succeeded", 5_000_000),
        (8, "failed", 6_000_000),
        (9, "succeeded", 12_000_000),
    ] {
        let insert = "INSERT INTO deployments (organization, project_id, environment, run, stage, attempt, pipeline, \
                        result, finished) VALUES ('fabrikam', 'p-1', 5, ?1, 'go', 1, 7, ?2, ?3)";
        c.execute(insert, (run, result, end * SECOND)).unwrap();
    }
    let mut found: Vec<_> = material(&c, &question()).deployments.iter().map(|of| (of.run, of.known)).collect();
    found.sort_unstable();
    assert_eq!(found, [(7, Known::Record), (9, Known::Record)]);
}

/// Of which pipeline they are, and of which stage nobody knows to have records, the run tells.
#[test]
fn records_that_name_no_pipeline_are_read_whatever_their_stage_is_called() {
    let c = catalog(&[(4, "go", 12_000_000)], &[]);
    let insert = "INSERT INTO deployments (organization, project_id, environment, run, stage, attempt, result, finished) \
                  VALUES ('fabrikam', 'p-1', 5, 4, 'go', 1, 'succeeded', ?1)";
    c.execute(insert, [12_000_000 * SECOND]).unwrap();
    for is_loose in [true, false] {
        assert_eq!(found(&c), [("go".to_owned(), "live".to_owned(), Known::Record)], "loose: {is_loose}");
        pack(&c);
    }
}

/// Which is found first tells how its environment is written, and where its pipeline stands.
#[test]
fn packed_blocks_are_read_in_the_order_of_loose_ones() {
    let c = catalog(&[(1, "prod", 12_000_000), (2, "PROD", 12_000_000)], &[]);
    c.execute("UPDATE runs SET folder = 'of run ' || run, commit_id = 'C1' || run", []).unwrap();
    let read = || {
        let Material { lines, deployments, commits, .. } = material(&c, &question());
        let commit = |of: &Deployed| commits.id(of.commit.unwrap()).unwrap().to_string();
        (lines, deployments.iter().map(|of| (of.run, commit(of))).collect::<Vec<_>>())
    };
    let (lines, deployments) = read();
    assert_eq!((lines.len(), lines[0].folder.as_deref()), (1, Some("of run 2")));
    assert_eq!(deployments, [(2, "C12".to_owned()), (1, "C11".to_owned())]);
    pack(&c);
    assert_eq!(read(), (lines, deployments));
}

#[test]
fn a_stage_that_is_gone_is_in_no_cell() {
    let c = catalog(&[(4, "prod", 12_000_000)], &[]);
    pack(&c);
    assert_eq!(found(&c).len(), 1);
    c.execute("DELETE FROM stages", []).unwrap();
    packed::loosen_run(&c, 4).unwrap();
    assert_eq!(found(&c), []);
    pack(&c);
    assert_eq!(found(&c), []);
}

#[test]
fn incidents_are_told_of_in_each_project_that_the_reader_may_see() {
    let c = catalog(&[], &[]);
    for (id, organization, project) in [
        (1, "contoso", Some("bank")),
        (2, "fabrikam", None),
        (3, "fabrikam", Some("bank")),
        (4, "fabrikam", Some("shop")),
        (5, "fabrikam", Some("shop")),
    ] {
        let insert = "INSERT INTO work_items (source, organization, id, project, type, created, states) \
                      VALUES (?1, ?2, ?1, ?3, 'Incident', 1, '[]')";
        c.execute(insert, (id, organization, project)).unwrap();
    }
    let sources = |scope: &Scope| -> Vec<(String, Option<String>)> {
        let question = question();
        let mut reading = Reading::new(&c, scope, &question, question.span());
        reading.read().unwrap();
        let text = |part: Part| (part.organization.to_string(), part.project.map(|name| name.to_string()));
        reading.found.incident_sources.into_iter().map(text).collect()
    };
    let of = |organization: &str, project: Option<&str>| (organization.to_owned(), project.map(str::to_owned));
    let [none, bank, shop] = [None, Some("bank"), Some("shop")].map(|project| of("fabrikam", project));
    assert_eq!(sources(&Scope::All), [of("contoso", Some("bank")), none, bank, shop.clone()]);
    assert_eq!(sources(&Scope::Only(vec!["shop".parse().unwrap()])), [shop]);
}

/// Releases and whole runs, too; and what the configuration says is no success is none.
#[test]
fn what_was_there_before_is_looked_for_wherever_it_came_from() {
    let c = catalog(&[], &[]);
    let month = |nth: i64| nth * 3_000_000 * SECOND;
    for (run, end, result) in [(1, 1, "succeeded"), (2, 2, "partiallySucceeded"), (3, 4, "succeeded")] {
        let change = "UPDATE runs SET finished = ?2, result = ?3 WHERE run = ?1";
        c.execute(change, (run, month(end), result)).unwrap();
        let insert = "INSERT INTO releases (id, organization, project_id, release, definition) \
                      VALUES (?1, 'fabrikam', 'p-1', ?1, 30)";
        c.execute(insert, [run]).unwrap();
        let insert = "INSERT INTO release_stages VALUES (?1, 'prod', 1, 'completed', ?2, ?3, ?3)";
        c.execute(insert, (run, result, month(end))).unwrap();
    }
    c.execute("UPDATE runs SET finished = NULL WHERE run > 3", []).unwrap();
    c.execute("INSERT INTO names VALUES ('pipeline', 'fabrikam', '7', 1, 'ship')", []).unwrap();
    c.execute("INSERT INTO stages VALUES (3, 'production', 1, 'completed', 'succeeded', ?1, ?1)", [month(4)]).unwrap();
    let whole = EnvironmentRule {
        name: "production".to_owned(),
        pipelines: vec![Pattern::new("ship")],
        ..EnvironmentRule::default()
    };
    for (partial, before) in [(PartialSuccess::Counts, 2), (PartialSuccess::Fails, 1)] {
        let terms = Terms { partial, environments: vec![whole.clone()], ..Terms::default() };
        let material = material(&c, &DeliveryQuestion { terms, ..question() });
        let mut found: Vec<_> =
            material.deployments.iter().map(|of| (material.lines[of.line].source, of.run)).collect();
        found.sort_unstable();
        let (run, release) = (Source::Pipeline, Source::Release);
        assert_eq!(
            found,
            [(run, before), (run, 3), (release, before), (release, 3)],
            "a run counts once, its stage not"
        );
    }
}

#[test]
fn what_was_there_before_is_looked_for_beyond_what_went_elsewhere() {
    let before = |nth: i64| 1_000_000 + nth;
    let stages = [(1, "ship", before(1)), (2, "ship", before(2)), (3, "ship", before(3)), (4, "ship", 12_000_000)];
    let live = [(1, "ship", Some("live")), (2, "ship", Some("prod-eu")), (4, "ship", Some("live"))];
    let expected = vec![("ship".to_owned(), "live".to_owned(), Known::Approval); 2];
    assert_eq!(found(&catalog(&stages, &live)), expected, "the one before, though another was later");
}

/// Where a ring lags by months, its commits were counted when they came to the first one.
#[test]
fn a_commit_counts_with_its_first_deployment_however_long_ago_that_was() {
    let stages =
        [(1, "prod-eu", 4_000_000), (1, "prod-us", 4_000_000), (2, "prod-eu", 6_000_000), (2, "prod-us", 11_000_000)];
    let c = catalog(&stages, &[]);
    let commit = |digit: &str| digit.repeat(40);
    c.execute("UPDATE runs SET branch = 'main', commit_id = iif(run = 1, ?1, ?2)", [commit("a"), commit("b")]).unwrap();
    let insert = "INSERT INTO ref_updates (name, pushed, source, organization, old, new, commits) \
                  VALUES ('main', ?1, 'push', 'fabrikam', ?2, ?3, ?4)";
    let pushed = 5_000_000 * SECOND;
    let commits = serde_json::json!([(commit("b"), pushed)]).to_string();
    c.execute(insert, (pushed, commit("a"), commit("b"), commits)).unwrap();
    packed::loosen_day(&c, Kind::Pushes, Some(pushed)).unwrap();
    let counted = |environment: Option<&str>| {
        let wanted = Wanted { environment: environment.map(str::to_owned), ..Wanted::default() };
        let delivery = DeliveryQuestion { wanted, ..question() }.asked(&c, &Scope::All).unwrap();
        let numbers = delivery.report.numbers;
        (numbers.deployment_frequency.deployments.value, numbers.change_lead_time.total.count)
    };
    assert_eq!(counted(None), (Some(1), 0));
    assert_eq!(counted(Some("prod-us")), (Some(1), 1));
}

#[test]
fn a_stage_that_failed_is_one_in_a_run_that_failed_and_a_skipped_one_is_none_in_a_green_run() {
    let c = catalog(&[(1, "prod", 12_000_000), (2, "prod", 12_000_000)], &[]);
    c.execute_batch(
        "UPDATE runs SET result = 'failed' WHERE run = 1; UPDATE stages SET result = 'failed' WHERE run = 1; \
         UPDATE stages SET result = 'skipped' WHERE run = 2",
    )
    .unwrap();
    let endings: Vec<_> = material(&c, &question()).deployments.iter().map(|of| (of.run, of.ending)).collect();
    assert_eq!(endings, [(1, Ending::Failed)]);
}

#[test]
fn a_definition_of_releases_and_a_pipeline_of_the_same_number_have_nothing_in_common() {
    let c = catalog(&[], &[]);
    c.execute_batch(
        "INSERT INTO releases (id, organization, project_id, release, definition) VALUES (1, 'fabrikam', 'p-1', 1, 7); \
         INSERT INTO release_stages VALUES (1, 'prod', 1, 'completed', 'succeeded', NULL, 120000000000000)",
    )
    .unwrap();
    let known = material(&c, &question());
    assert_eq!((known.lines.len(), known.since), (1, Some(Time::from_ticks(12_000_000 * SECOND))), "runs were before");
}

#[test]
fn a_gap_is_of_its_project_or_of_all_of_them_until_it_is_covered() {
    let c = catalog(&[], &[]);
    for (project, covered) in [("", false), ("p-1", false), ("p-2", true)] {
        let insert = "INSERT INTO gaps (organization, project_id, events, start, covered) \
                      VALUES ('fabrikam', ?1, 'git.push', 0, ?2)";
        c.execute(insert, (project, covered)).unwrap();
    }
    let gaps = material(&c, &question()).gaps;
    let of: Vec<_> = gaps.iter().map(|lost| lost.of.project.as_deref()).collect();
    assert_eq!(of, [None, Some("p-1")]);
}

#[test]
fn a_run_of_which_a_stage_deployed_was_not_there_as_a_whole() {
    let c = catalog(&[(2, "go", 2_000_000)], &[(2, "go", Some("prod-eu"))]);
    c.execute("INSERT INTO names VALUES ('pipeline', 'fabrikam', '7', 1, 'ship')", []).unwrap();
    c.execute("UPDATE runs SET finished = NULL WHERE run > 3", []).unwrap();
    for (run, end) in [(1, 1_000_000), (2, 2_000_000), (3, 12_000_000)] {
        c.execute("UPDATE runs SET finished = ?2 WHERE run = ?1", (run, end * SECOND)).unwrap();
    }
    let whole = EnvironmentRule {
        name: "production".to_owned(),
        pipelines: vec![Pattern::new("ship")],
        ..EnvironmentRule::default()
    };
    let terms = Terms { environments: vec![whole], ..Terms::default() };
    let mut runs: Vec<_> =
        material(&c, &DeliveryQuestion { terms, ..question() }).deployments.iter().map(|of| of.run).collect();
    runs.sort_unstable();
    assert_eq!(runs, [1, 3]);
}

#[test]
fn a_project_that_ever_tagged_an_incident_tells_of_incidents() {
    let c = catalog(&[], &[]);
    for (id, project, tags) in [(1, "shop", "urgent; incident"), (2, "bank", "urgent"), (3, "bank", "no incident")] {
        let insert = "INSERT INTO work_items (source, organization, id, project, tags, created, states) \
                      VALUES (?1, 'fabrikam', ?1, ?2, ?3, 1, '[]')";
        c.execute(insert, (id, project, tags)).unwrap();
    }
    let known = material(&c, &question());
    let sources: Vec<_> = known.incident_sources.iter().map(|of| of.project.as_deref()).collect();
    assert_eq!((sources, known.incidents.len()), (vec![Some("shop")], 0));
}
