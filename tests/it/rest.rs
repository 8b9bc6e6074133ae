//! The REST client against a service that makes trouble.

use std::time::{Duration, Instant};

use pipetrail::ado::rest::{AdoError, Client, Credential, Finished, Limits, Place, Scope};
use serde_json::{Value, json};

use crate::fake_ado::{FakeAdo, PROJECTS, TOKEN, Trouble, hint, quick, tell};
use crate::support::{bodies, time};

const PROJECTS_OF: &str = "projects";

async fn names(client: &Client) -> Result<Vec<String>, AdoError> {
    Ok(client.projects("fabrikam").await?.into_iter().map(|project| project.name).collect())
}

async fn failure(ado: &FakeAdo) -> AdoError {
    names(&ado.client()).await.unwrap_err()
}

#[tokio::test]
async fn lists_are_followed_to_their_end() {
    let ado = FakeAdo::start().await;
    tell(&mut ado.state(), &bodies(600));
    ado.state().page = 7;
    let client = ado.client();
    let scope = Scope { organization: "Fabrikam", project: "Spartan", pipelines: &[] };
    let mut pages = client.finished_builds(&scope, Finished { from: time("2020-01-01T00:00:00Z"), until: None });
    let mut ids = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        let page: Value = page.json().unwrap();
        ids.extend(page["value"].as_array().unwrap().iter().map(|build| build["id"].as_u64().unwrap()));
    }
    ids.sort_unstable();
    let state = ado.state();
    let spartan = &state.projects.iter().find(|project| project.name == "Spartan").unwrap().id;
    let over = |build: &&u64| state.builds[build].project == *spartan && state.builds[build].status == "completed";
    let expected: Vec<_> = state.builds.keys().filter(over).copied().collect();
    assert!(expected.len() > 20);
    assert_eq!(ids, expected);
    assert_eq!(state.count("build/builds"), expected.len().div_ceil(7));
}

#[tokio::test]
async fn names_are_escaped_and_projects_paged() {
    let ado = FakeAdo::start().await;
    ado.state().page = 1;
    ado.state().projects[0].name = "My Shop/ü?".to_owned();
    let client = ado.client();
    assert_eq!(names(&client).await.unwrap(), ["My Shop/ü?", PROJECTS[1]]);
    assert_eq!(client.project("fabrikam", "my shop/ü?").await.unwrap().name, "My Shop/ü?");
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let ado = FakeAdo::start().await;
    for status in [408, 429, 500, 502, 503, 504] {
        ado.trouble([Trouble::Status(status, None), Trouble::Status(status, None)]);
        assert_eq!(names(&ado.client()).await.unwrap().len(), 2, "{status}");
    }
    assert_eq!(ado.state().count(PROJECTS_OF), 18);
}

#[tokio::test]
async fn trouble_that_stays_is_an_error_in_time() {
    let ado = FakeAdo::start().await;
    let limits = Limits { patience: Duration::from_millis(100), ..quick() };
    let client = Client::new(&ado.access(), limits).unwrap();
    ado.state().trouble = Some(Trouble::Status(503, None));
    let error = names(&client).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "fabrikam/_apis/projects: Azure DevOps is not available: 503: VS403: trouble of the service"
    );
    assert!(error.is_passing());
    ado.state().trouble = Some(Trouble::Status(429, Some(60)));
    let error = names(&client).await.unwrap_err();
    assert!(matches!(error, AdoError::Throttled { .. }), "{error}");
    assert!(error.to_string().contains("TF400733") && error.to_string().contains("Web site; to wait: 60 s"), "{error}");
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_kept_also_after_a_good_answer() {
    let ado = FakeAdo::start().await;
    let client = ado.client();
    for trouble in [Trouble::Slow(1), Trouble::Status(429, Some(1)), Trouble::Status(503, Some(1))] {
        ado.trouble([trouble.clone()]);
        let started = Instant::now();
        names(&client).await.unwrap();
        let first = started.elapsed();
        names(&client).await.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(990), "{trouble:?}");
        let slow = matches!(trouble, Trouble::Slow(_));
        assert_eq!(first < Duration::from_millis(900), slow, "a good answer itself is not held back: {trouble:?}");
    }
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_kept_by_who_has_no_patience_for_it() {
    let ado = FakeAdo::start().await;
    let limits = Limits { patience: Duration::from_millis(300), ..quick() };
    let client = Client::new(&ado.access(), limits).unwrap();
    let post = Place::new("fabrikam", "hooks/subscriptions");
    for again in [true, false] {
        let started = Instant::now();
        // The second one is of the next request, which has not used up its time by waiting.
        let status = if again { 429 } else { 503 };
        ado.trouble([Trouble::Status(status, Some(1)), Trouble::Status(503, None)]);
        let error =
            if again { names(&client).await.unwrap_err() } else { client.post(&post, &json!({})).await.unwrap_err() };
        assert!(error.is_passing() && started.elapsed() < Duration::from_millis(900), "{error}");
        names(&client).await.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(990), "{again}");
    }
}

#[tokio::test]
async fn no_more_requests_are_in_flight_than_allowed() {
    let ado = FakeAdo::start().await;
    ado.state().trouble = Some(Trouble::Late(Duration::from_millis(20)));
    let client = Client::new(&ado.access(), Limits { in_flight: 3, ..quick() }).unwrap();
    futures_util::future::join_all((0..12).map(|_| names(&client))).await;
    let state = ado.state();
    assert_eq!((state.most_at_once, state.count(PROJECTS_OF)), (3, 12));
}

#[tokio::test]
async fn a_server_that_hangs_is_an_error() {
    let ado = FakeAdo::start().await;
    ado.state().trouble = Some(Trouble::Late(Duration::from_secs(60)));
    let limits = Limits { request: Duration::from_millis(50), patience: Duration::from_millis(100), ..quick() };
    let error = names(&Client::new(&ado.access(), limits).unwrap()).await.unwrap_err();
    assert!(matches!(error, AdoError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_sign_in_in_place_of_an_answer_is_a_token_that_is_not_valid() {
    let ado = FakeAdo::start().await;
    for trouble in [Trouble::SignInPage, Trouble::SignInRedirect, Trouble::Status(401, None)] {
        ado.trouble([trouble.clone()]);
        let error = failure(&ado).await;
        assert!(error.to_string().contains("does not accept the token"), "{trouble:?}: {error}");
        assert!(hint(&error).contains("PIPETRAIL_ADO_TOKEN"));
    }
    ado.state().accepted.clear();
    let error = failure(&ado).await;
    assert_eq!(
        error.to_string(),
        "fabrikam/_apis/projects: Azure DevOps does not accept the token (203 and a sign-in page)"
    );
    assert_eq!(ado.state().count(PROJECTS_OF), 4, "another try would not help");
}

/// A wrong address is not called a wrong token, and a page that is not the service's no missing build.
#[tokio::test]
async fn a_page_of_somebody_else_is_told_from_a_sign_in() {
    let ado = FakeAdo::start().await;
    let client = ado.client();
    for (status, how) in [
        (200, "200 and a page"),
        (302, "302 and a redirect to another address"),
        (403, "403 and a page"),
        (404, "404 and a page"),
    ] {
        ado.trouble([Trouble::StrangePage(status)]);
        let error = client.timeline("fabrikam", PROJECTS[0], 479).await.unwrap_err();
        assert!(matches!(error, AdoError::Strange { .. }) && error.to_string().contains(how), "{status}: {error}");
        assert!(hint(&error).starts_with("check --ado-url"), "{status}");
    }
    assert_eq!(ado.state().requests.len(), 4, "another try would not help");
}

#[tokio::test]
async fn each_refusal_is_said_in_words() {
    let ado = FakeAdo::start().await;
    let client = ado.client();
    let error = client.projects("nobody").await.unwrap_err();
    assert_eq!(error.to_string(), "nobody/_apis/projects: not found: the service gave no reason");
    assert!(hint(&error).contains("--organization"));
    let error = client.project("fabrikam", "Old name").await.unwrap_err();
    assert!(error.to_string().contains("TF200016: The following project does not exist: Old name."), "{error}");
    assert!(hint(&error).contains("renamed"));
    ado.trouble([Trouble::NotJson]);
    let error = failure(&ado).await;
    assert_eq!(error.to_string(), "fabrikam/_apis/projects: the answer is not what it should be");
    ado.state().forbids = true;
    let error = failure(&ado).await;
    assert!(error.to_string().contains("not allowed: TF400813"), "{error}");
    let limits = Limits { answer_bytes: 100, ..quick() };
    ado.state().forbids = false;
    let error = names(&Client::new(&ado.access(), limits).unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "fabrikam/_apis/projects: the answer is larger than 100 bytes");
}

#[tokio::test]
async fn what_is_too_large_is_asked_for_in_parts() {
    let ado = FakeAdo::start().await;
    tell(&mut ado.state(), &bodies(600));
    ado.state().page = 500;
    let limits = Limits { answer_bytes: 50_000, ..quick() };
    let client = Client::new(&ado.access(), limits).unwrap();
    let scope = Scope { organization: "fabrikam", project: PROJECTS[0], pipelines: &[] };
    let mut pages = client.finished_builds(&scope, Finished { from: time("2020-01-01T00:00:00Z"), until: None });
    let (mut builds, mut sizes) = (0, Vec::new());
    while let Some(page) = pages.next().await.unwrap() {
        sizes.push(page.json::<Value>().unwrap()["value"].as_array().unwrap().len());
        builds += sizes.last().unwrap();
    }
    let spartan = ado.state().projects[0].id.clone();
    let over = |build: &&crate::fake_ado::Build| build.project == spartan && build.status == "completed";
    assert_eq!(builds, ado.state().builds.values().filter(over).count());
    assert!(sizes.len() > 2 && sizes[0] > 1, "{sizes:?}");
    let ids: Vec<_> = (0..60).map(|id| format!("subscription-{id}")).collect();
    for id in &ids {
        let said = json!({"subscriptionId": id, "status": "completed", "result": "succeeded", "details": {"x": "y".repeat(3_000)}});
        ado.state().hooks.notifications.push(said);
    }
    assert_eq!(client.notifications("fabrikam", &ids).await.unwrap().len(), 60);
    // One by itself cannot be asked for in parts.
    let tiny = Client::new(&ado.access(), Limits { answer_bytes: 1_000, ..quick() }).unwrap();
    let error = tiny.notifications("fabrikam", &ids).await.unwrap_err();
    assert!(matches!(error, AdoError::TooLarge { .. }) && !hint(&error).is_empty(), "{error}");
    ado.state().trouble = Some(Trouble::Status(400, None));
    let error = failure(&ado).await;
    assert!(matches!(error, AdoError::Refused { .. }) && hint(&error).contains("7.1"), "{error}");
}

#[tokio::test]
async fn a_list_without_an_end_is_an_error() {
    let ado = FakeAdo::start().await;
    ado.state().circular = Some("again".to_owned());
    let error = failure(&ado).await;
    assert!(error.to_string().ends_with("the list does not end: a continuation token came twice"), "{error}");
    ado.state().circular = None;
    ado.state().endless = true;
    let before = ado.state().count(PROJECTS_OF);
    assert!(matches!(failure(&ado).await, AdoError::Endless { .. }));
    assert!(ado.state().count(PROJECTS_OF) - before < 30);
}

#[tokio::test]
async fn a_post_is_not_made_twice_unless_it_surely_was_not_done() {
    let ado = FakeAdo::start().await;
    let client = ado.client();
    let place = || Place::new("fabrikam", "hooks/subscriptions");
    ado.trouble([Trouble::Status(503, None)]);
    let error = client.post(&place(), &json!({})).await.unwrap_err();
    assert!(matches!(error, AdoError::Unavailable { .. }), "{error}");
    assert_eq!(ado.state().requests.len(), 1);
    ado.trouble([Trouble::Status(429, None)]);
    client.post(&place(), &json!({})).await.unwrap_err();
    assert_eq!(ado.state().requests.len(), 3);
    ado.trouble([Trouble::Status(503, None)]);
    client.put(&place(), &json!({})).await.unwrap_err();
    assert_eq!(ado.state().requests.len(), 5);
    ado.trouble([Trouble::Status(503, None)]);
    client.delete(&place()).await.unwrap_err();
    assert_eq!(ado.state().bodies.iter().filter(|body| *body == b"{}").count(), 5);
}

#[tokio::test]
async fn a_post_that_only_reads_is_tried_again() {
    let ado = FakeAdo::start().await;
    ado.trouble([Trouble::Status(503, None), Trouble::Status(500, None)]);
    let found = ado.client().notifications("fabrikam", &["some".to_owned()]).await.unwrap();
    assert!(found.is_empty());
    assert_eq!(ado.state().count("POST /fabrikam/_apis/hooks/notificationsquery"), 3);
}

#[tokio::test]
async fn what_retention_deleted_and_what_never_started_is_nothing() {
    let ado = FakeAdo::start().await;
    tell(&mut ado.state(), &bodies(60));
    let [deleted, unstarted, kept] = [10_000, 10_001, 10_002];
    ado.state().delete(deleted);
    ado.state().timelines.remove(&unstarted);
    let client = ado.client();
    let project = |id| ado.state().builds[&id].project.clone();
    assert!(client.build("fabrikam", None, deleted).await.unwrap().is_none());
    assert!(client.build("fabrikam", Some(&project(kept)), kept).await.unwrap().is_some());
    assert!(client.timeline("fabrikam", &project(unstarted), unstarted).await.unwrap().is_none());
    assert!(client.timeline("fabrikam", &project(kept), kept).await.unwrap().is_some());
    assert!(client.timeline_of_attempt("fabrikam", &project(kept), kept, "none").await.unwrap().is_none());
}

#[cfg(unix)]
#[tokio::test]
async fn a_token_that_a_command_prints_is_kept_and_asked_for_again_when_it_is_refused() {
    let ado = FakeAdo::start().await;
    let folder = tempfile::tempdir().unwrap();
    let count = folder.path().join("count");
    let command =
        format!("echo x >> {0}; echo \"  token-$(wc -l < {0} | tr -d ' ')  \"; echo noise >&2", count.display());
    let access = pipetrail::ado::rest::Access { url: ado.url(), credential: Credential::Command(command.into()) };
    let client = Client::new(&access, quick()).unwrap();
    ado.state().accepted = ["Bearer token-1".to_owned()].into();
    names(&client).await.unwrap();
    names(&client).await.unwrap();
    ado.state().accepted = ["Bearer token-2".to_owned()].into();
    names(&client).await.unwrap();
    assert_eq!(std::fs::read_to_string(&count).unwrap().lines().count(), 2);
    // Asked for once more, not again and again.
    ado.state().accepted.clear();
    let error = names(&client).await.unwrap_err();
    assert!(matches!(error, AdoError::TokenRefused { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&count).unwrap().lines().count(), 3);
}

#[cfg(unix)]
#[tokio::test]
async fn a_command_that_gives_no_token_is_an_error_without_its_text() {
    let ado = FakeAdo::start().await;
    for (command, says) in [
        ("exit 3 # s3cret", "failed: exit status: 3"),
        ("echo s3cret >&2", "prints nothing"),
        ("printf 's3c\\nret'", "characters that none has"),
        ("yes s3cret", "prints more than 65536 bytes"),
    ] {
        let credential = Credential::Command(command.into());
        let access = pipetrail::ado::rest::Access { url: ado.url(), credential };
        let client = Client::new(&access, quick()).unwrap();
        let error = names(&client).await.unwrap_err();
        assert!(error.to_string().contains(says) && !error.to_string().contains("s3c"), "{error}");
    }
}

#[tokio::test]
async fn no_token_is_ever_printed() {
    let ado = FakeAdo::start().await;
    let client = ado.client();
    ado.state().accepted.clear();
    let error = names(&client).await.unwrap_err();
    let texts = [format!("{client:?} {:?}", ado.access()), format!("{error:?} {error}")];
    assert!(texts.iter().all(|text| !text.contains(TOKEN)), "{texts:?}");
}
