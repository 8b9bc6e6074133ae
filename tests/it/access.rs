//! Who is let in, by which way, and to what.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use insta::assert_snapshot;
use pipetrail::clock::ManualClock;
use pipetrail::config::{Environment, Flags, resolve};
use pipetrail::domain::Time;
use pipetrail::http::access::Admin;
use pipetrail::http::{self, Access, Limits, Readers, Server};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::dashboard::{HOSTILE, assert_only_text};
use crate::fake_idp::{FakeIdp, Trouble};
use crate::shell::{Running, Shell, address};
use crate::support::{Local, bodies, folder};

const READ: &str = "read-token-0123456789";
const ADMIN: &str = "admin-token-0123456789";
const EVENTS: &str = "events-token-0123456789";
const OF_SHOP: &str = "shop-token-0123456789";
/// The projects of a made-up history.
const PROJECTS: [&str; 2] = ["Platform", "Spartan"];
const TOKENS: &str = "
    read_token = 'read-token-0123456789'
    admin_token = 'admin-token-0123456789'
    events_token = 'events-token-0123456789'
    [[tokens]]
    name = 'shop'
    token = 'shop-token-0123456789'
    rights = 'admin'
    projects = ['Spartan']
";

/// A server with the runs of two projects.
struct Bench {
    address: SocketAddr,
    client: Client,
    clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
    _stop: DropGuard,
}

impl Bench {
    async fn start(configuration: &str) -> Self {
        Self::behind(http::behind_gate, configuration).await
    }

    async fn behind(gate: fn(Router, &Access) -> Router, configuration: &str) -> Self {
        let (folder, path) = folder();
        let local = Local::open(&path).await;
        local.queue.put(bodies(400)).await.unwrap();
        local.drain().await;
        let clock = Arc::new(ManualClock::at(Time::parse("2026-03-02T10:00:00Z").unwrap().unwrap()));
        let path = Path::new("pipetrail.toml");
        let environment = Environment::from([("CLIENT_SECRET".to_owned(), OsString::from("client-secret"))]);
        let config = resolve(Flags::default(), &environment, Some((path, configuration)), Time::UNKNOWN).unwrap();
        let access = Access::new(&config.http, clock.clone()).unwrap();
        let readers = Readers {
            catalog: local.catalog,
            store: local.store.clone(),
            queue: local.queue.clone(),
            clock: clock.clone(),
            owners: config.owners,
            branches: config.work_item_branches,
            chains: config.chains,
        };
        let admin = get(|_: Admin| async { "for administrators" }).post(|_: Admin| async { "done" });
        let router = http::router(local.queue, local.store, access.clone(), Limits::default())
            .merge(http::metrics(String::new))
            .merge(http::readers(readers))
            .route("/api/v1/for-admins", admin);
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let (address, stop) = (server.address(), CancellationToken::new());
        let serving = server.serve(gate(router, &access), Limits::default(), stop.clone());
        #[expect(clippy::disallowed_methods, reason = "ends with the test")]
        tokio::spawn(serving);
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { address, client, clock, _folder: folder, _stop: stop.drop_guard() }
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.ask(Method::GET, path).headers(pairs(headers)).send().await.unwrap()
    }

    async fn status(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> u16 {
        self.ask(method, path).headers(pairs(headers)).send().await.unwrap().status().as_u16()
    }

    /// The projects of the runs that these headers show; `None` where nobody is let in.
    async fn projects(&self, headers: &[(&str, &str)]) -> Option<Vec<String>> {
        let response = self.get("/api/v1/runs", headers).await;
        if response.status() != 200 {
            return None;
        }
        let page: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        let runs = page["items"].as_array().unwrap();
        let projects: BTreeSet<_> = runs.iter().map(|run| run["project"].as_str().unwrap().to_owned()).collect();
        Some(projects.into_iter().collect())
    }

    async fn log_in(&self, token: &str, next: &str) -> Response {
        self.ask(Method::POST, "/login").form(&[("token", token), ("next", next)]).send().await.unwrap()
    }

    /// The session that this token gives.
    async fn session(&self, token: &str) -> String {
        pair(&self.log_in(token, "/runs").await, "pipetrail-session")
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Goes to the provider and comes back with its answer, and with the cookie that was set for it.
    async fn to_provider_and_back(&self, next: &str) -> (String, String) {
        let away = self.get(&format!("/login/oidc?next={next}"), &[]).await;
        assert_eq!(away.status(), 303);
        let cookie = pair(&away, "__Host-pipetrail-sign-in");
        let at_provider = self.client.get(location(&away)).send().await.unwrap();
        let back = location(&at_provider);
        (back.strip_prefix("https://pipetrail.example").unwrap().to_owned(), cookie)
    }

    async fn sign_in(&self) -> Response {
        let (back, cookie) = self.to_provider_and_back("/runs").await;
        self.get(&back, &[("host", "pipetrail.example"), ("cookie", &cookie)]).await
    }
}

fn pairs(headers: &[(&str, &str)]) -> HeaderMap {
    let pair =
        |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    headers.iter().map(pair).collect()
}

fn location(response: &Response) -> String {
    response.headers()["location"].to_str().unwrap().to_owned()
}

fn cookies(response: &Response) -> Vec<String> {
    response.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap().to_owned()).collect()
}

/// Name and value of a cookie that is set.
fn pair(response: &Response, name: &str) -> String {
    let all = cookies(response);
    let cookie = all.iter().find(|cookie| cookie.starts_with(&format!("{name}="))).unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

fn both() -> Option<Vec<String>> {
    Some(PROJECTS.map(str::to_owned).to_vec())
}

fn shop() -> Option<Vec<String>> {
    Some(vec!["Spartan".to_owned()])
}

#[tokio::test]
async fn a_token_opens_what_it_is_for() {
    let bench = Bench::start(TOKENS).await;
    let projects = async |token: &str| bench.projects(&[("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!(projects(READ).await, both());
    assert_eq!(projects(ADMIN).await, both());
    assert_eq!(projects(OF_SHOP).await, shop());
    for wrong in ["", "read-token-012345678", "read-token-01234567890", EVENTS, "*"] {
        assert_eq!(projects(wrong).await, None, "{wrong}");
    }
    for (token, expected) in [(READ, 403), (ADMIN, 200), (OF_SHOP, 403), (EVENTS, 401)] {
        let (name, value) = bearer(token);
        assert_eq!(bench.status(Method::GET, "/api/v1/for-admins", &[(name, &value)]).await, expected, "{token}");
        // A program has no page that could be tricked.
        assert_eq!(bench.status(Method::POST, "/api/v1/for-admins", &[(name, &value)]).await, expected, "{token}");
    }
}

#[tokio::test]
async fn numbers_of_all_projects_are_for_who_may_see_all() {
    let bench = Bench::start(TOKENS).await;
    for (token, expected) in [(READ, 200), (ADMIN, 200), (OF_SHOP, 403)] {
        let (name, value) = bearer(token);
        assert_eq!(bench.status(Method::GET, "/metrics", &[(name, &value)]).await, expected, "{token}");
    }
}

/// A page of another site may send a request; it is not let read the answer.
#[tokio::test]
async fn no_other_site_reads_an_answer() {
    let bench = Bench::start(TOKENS).await;
    let headers = [("authorization", "Bearer read-token-0123456789"), ("origin", "https://evil.example")];
    for path in ["/api/v1/runs", "/", "/openapi.json"] {
        let asked = bench.get(path, &headers).await;
        let names: Vec<_> = asked.headers().keys().map(|name| name.as_str().to_owned()).collect();
        assert!(
            asked.status().is_success() && !names.iter().any(|name| name.starts_with("access-control")),
            "{names:?}"
        );
    }
    let before = [("origin", "https://evil.example"), ("access-control-request-method", "GET")];
    assert!(bench.status(Method::OPTIONS, "/api/v1/runs", &before).await >= 400);
}

#[tokio::test]
async fn programs_are_told_to_show_a_token_and_browsers_to_sign_in() {
    let bench = Bench::start(TOKENS).await;
    for path in ["/api/v1/runs", "/api/v1/nothing", "/metrics", "/mcp"] {
        let refused = bench.get(path, &[]).await;
        assert_eq!(refused.status(), 401, "{path}");
        assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"pipetrail\"");
        assert_eq!(refused.headers()["content-type"], "application/problem+json");
    }
    let wrong = bench.get("/runs", &[("authorization", "Bearer wrong-token-0123456789")]).await;
    assert_eq!(wrong.status(), 401);
    assert!(wrong.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    // Also where there is nothing, and where an address looks like an open one.
    for path in ["/runs?state=failed", "/", "/nothing", "/hooks", "/hooks/other", "/assets", "/healthz/", "//healthz"] {
        let refused = bench.get(path, &[]).await;
        assert_eq!(refused.status(), 303, "{path}");
        assert!(location(&refused).starts_with("/login?next=%2F"), "{path}");
    }
    assert_eq!(location(&bench.get("/runs?state=failed", &[]).await), "/login?next=%2Fruns%3Fstate%3Dfailed");
    assert_eq!(location(&bench.get("//evil.example/", &[]).await), "/login?next=%2F");
    for path in ["/healthz", "/readyz", "/assets/style.css", "/login"] {
        assert_eq!(bench.get(path, &[]).await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn events_come_in_with_their_token_and_nothing_else() {
    let bench = Bench::start(TOKENS).await;
    let post = async |headers: &[(&str, &str)]| bench.status(Method::POST, "/hooks/azure-devops", headers).await;
    assert_eq!(post(&[("authorization", &bearer(EVENTS).1)]).await, 202);
    for token in [READ, ADMIN, "events-token-012345678"] {
        assert_eq!(post(&[("authorization", &bearer(token).1)]).await, 401, "{token}");
    }
    assert_eq!(post(&[]).await, 401);
    let beside = "hook_user = 'u'\nhook_password = 'p'\nevents_token = 'events-token-0123456789'";
    let bench = Bench::start(beside).await;
    let post = async |headers: &[(&str, &str)]| bench.status(Method::POST, "/hooks/azure-devops", headers).await;
    assert_eq!(post(&[("authorization", "Basic dTpw")]).await, 202);
    assert_eq!(post(&[("authorization", &bearer(EVENTS).1)]).await, 202);
    assert_eq!(post(&[]).await, 401);
}

#[tokio::test]
async fn a_token_is_exchanged_for_a_session_that_ends() {
    let bench = Bench::start(TOKENS).await;
    let logged_in = bench.log_in(OF_SHOP, "/runs?state=failed").await;
    assert_eq!((logged_in.status().as_u16(), location(&logged_in)), (303, "/runs?state=failed".to_owned()));
    let all = cookies(&logged_in);
    assert_eq!(all.len(), 1);
    assert!(all[0].ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200"), "{all:?}");
    assert!(!all[0].contains(OF_SHOP));
    let cookie = pair(&logged_in, "pipetrail-session");
    assert_eq!(bench.projects(&[("cookie", &format!("a=b; {cookie}; c"))]).await, shop());
    assert_eq!(bench.status(Method::GET, "/runs", &[("cookie", &cookie)]).await, 200);
    assert_eq!(bench.status(Method::GET, "/login", &[("cookie", &cookie)]).await, 303);
    let changed = cookie.replacen('e', "f", 3);
    assert_eq!(bench.projects(&[("cookie", &changed)]).await, None);
    bench.clock.advance(Duration::from_secs(12 * 3_600 - 1));
    assert_eq!(bench.projects(&[("cookie", &cookie)]).await, shop());
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.projects(&[("cookie", &cookie)]).await, None);
}

#[tokio::test]
async fn signing_out_takes_the_cookie_away() {
    let bench = Bench::start(TOKENS).await;
    let cookie = bench.session(READ).await;
    assert_eq!(bench.status(Method::GET, "/logout", &[("cookie", &cookie)]).await, 405);
    assert_eq!(bench.status(Method::POST, "/logout", &[("cookie", &cookie)]).await, 403, "from no page of ours");
    let headers = [("cookie", cookie.as_str()), ("origin", &bench.origin())];
    let out = bench.ask(Method::POST, "/logout").headers(pairs(&headers)).send().await.unwrap();
    assert_eq!((out.status().as_u16(), location(&out)), (303, "/login".to_owned()));
    assert!(cookies(&out)[0].starts_with("pipetrail-session=; ") && cookies(&out)[0].contains("Max-Age=0"));
}

/// Reads a stream until it ends.
async fn ends(mut stream: Response) {
    let rest = async { while stream.chunk().await.unwrap().is_some() {} };
    tokio::time::timeout(Duration::from_secs(10), rest).await.expect("the stream goes on");
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let bench = Bench::start(TOKENS).await;
    let (mine, other) = (bench.session(READ).await, bench.session(OF_SHOP).await);
    let listen = async |header: (&'static str, &str)| {
        let mut stream = bench.get("/api/v1/stream", &[header]).await;
        assert_eq!(stream.status(), 200);
        assert!(stream.chunk().await.unwrap().is_some());
        stream
    };
    let (first, second) = (listen(("cookie", &mine)).await, listen(("cookie", &other)).await);
    let mut of_token = listen(("authorization", &bearer(READ).1)).await;
    let headers = [("cookie", mine.as_str()), ("origin", &bench.origin())];
    assert_eq!(bench.status(Method::POST, "/logout", &headers).await, 303);
    ends(first).await;
    assert_eq!(bench.projects(&[("cookie", &mine)]).await, None, "a copy of the cookie is not good any more");
    assert_eq!(bench.projects(&[("cookie", &other)]).await, shop());
    bench.clock.advance(Duration::from_secs(12 * 3_600));
    ends(second).await;
    // A token has no end.
    let silence = tokio::time::timeout(Duration::from_millis(1_500), of_token.chunk()).await;
    assert!(silence.is_err(), "{silence:?}");
}

#[tokio::test]
async fn a_session_is_good_at_another_process_with_the_key_and_ends_with_its_token() {
    let key = "session_key = '0123456789abcdef0123456789abcdef'\n";
    let with_key = format!("{key}{TOKENS}");
    let bench = Bench::start(&with_key).await;
    let cookie = bench.session(OF_SHOP).await;
    let other = Bench::start(&with_key).await;
    assert_eq!(other.projects(&[("cookie", &cookie)]).await, shop());
    let without = Bench::start(TOKENS).await;
    assert_eq!(without.projects(&[("cookie", &cookie)]).await, None);
    for changed in [
        with_key.replace("token = 'shop-", "token = 'shop2-"),
        with_key.replace("name = 'shop'", "name = 'other'"),
        with_key.replace("rights = 'admin'\n    projects = ['Spartan']", "rights = 'events'"),
    ] {
        let bench = Bench::start(&changed).await;
        assert_eq!(bench.projects(&[("cookie", &cookie)]).await, None, "{changed}");
    }
}

#[tokio::test]
async fn a_wrong_token_is_not_tried_for_ever_and_locks_nobody_out() {
    let bench = Bench::start(TOKENS).await;
    for _ in 0..10 {
        let refused = bench.log_in("wrong-token-0123456789", "/").await;
        assert_eq!(refused.status(), 403);
        assert!(refused.text().await.unwrap().contains("No reader has this token."));
    }
    let turned_away = bench.log_in("wrong-token-0123456789", "/").await;
    assert_eq!((turned_away.status().as_u16(), cookies(&turned_away).len()), (429, 0));
    assert_eq!(turned_away.headers()["retry-after"], "60");
    // All of them may come by one address, such as a proxy's that nobody named.
    assert_eq!(bench.log_in(READ, "/").await.status(), 303);
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(bench.log_in(EVENTS, "/").await.status(), 403, "it is for posting events");
}

#[tokio::test]
async fn wrong_tokens_count_for_whom_a_named_proxy_names() {
    let behind = |proxy: &str| format!("{TOKENS}[proxy]\nheader = 'X-User'\nfrom = ['{proxy}']\nrights = 'read'");
    let tries = async |bench: &Bench, client: &str| {
        let form = [("token", "wrong-token-0123456789"), ("next", "/")];
        let ask = bench.ask(Method::POST, "/login").form(&form).header("x-forwarded-for", client);
        ask.send().await.unwrap().status().as_u16()
    };
    for (proxy, of_another) in [("127.0.0.1", 403), ("10.0.0.5", 429)] {
        let bench = Bench::start(&behind(proxy)).await;
        for _ in 0..10 {
            assert_eq!(tries(&bench, "192.0.2.1").await, 403);
        }
        assert_eq!(tries(&bench, "192.0.2.1").await, 429);
        assert_eq!(tries(&bench, "192.0.2.2").await, of_another, "{proxy}");
    }
}

#[tokio::test]
async fn signing_in_leads_to_no_other_site() {
    let bench = Bench::start(TOKENS).await;
    for next in
        ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/\t/evil.example", ""]
    {
        assert_eq!(location(&bench.log_in(READ, next).await), "/", "{next}");
    }
    let page = bench.get("/login?next=/runs%22%3E%3Cscript%3E", &[]).await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(
        (&page.headers()["cache-control"], &page.headers()["referrer-policy"]),
        (&"no-store".parse().unwrap(), &"same-origin".parse().unwrap())
    );
    let html = page.text().await.unwrap();
    assert!(html.contains("/runs&#34;&#62;&#60;script&#62;"), "{html}");
    assert_snapshot!("login", bench.get("/login?next=/runs", &[]).await.text().await.unwrap());
}

/// The cookie was kept back, as another site's link led here: the browser is to come again from our own page.
#[tokio::test]
async fn a_link_from_another_site_does_not_ask_to_sign_in_anew() {
    let bench = Bench::start(TOKENS).await;
    let again = bench.get("/runs?a=%22b", &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(again.status(), 200);
    assert!(again.text().await.unwrap().contains("content=\"0;url=/runs?a=%22b\""));
    let elsewhere = bench.get("//evil.example/", &[("sec-fetch-site", "cross-site")]).await;
    assert!(elsewhere.text().await.unwrap().contains("content=\"0;url=/\""));
    let refused = bench.get("/runs", &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(refused.status(), 303);
}

#[tokio::test]
async fn no_page_of_another_site_can_change_anything() {
    let bench = Bench::start(TOKENS).await;
    let (cookie, own) = (bench.session(ADMIN).await, bench.origin());
    let post = async |headers: &[(&str, &str)]| bench.status(Method::POST, "/api/v1/for-admins", headers).await;
    assert_eq!(post(&[("cookie", &cookie), ("origin", &own)]).await, 200);
    for origin in ["https://evil.example", "null", "http://127.0.0.1", "http://localhost.evil.example"] {
        assert_eq!(post(&[("cookie", &cookie), ("origin", origin)]).await, 403, "{origin}");
        let login = bench.ask(Method::POST, "/login").headers(pairs(&[("origin", origin)])).form(&[("token", READ)]);
        assert_eq!(login.send().await.unwrap().status(), 403, "a session of somebody else is a trap, too");
    }
    assert_eq!(post(&[("cookie", &cookie)]).await, 403);
    // Of the dashboard's forms more is asked: that they say where they come from, whoever posts them.
    let form = async |headers: &[(&str, &str)]| bench.status(Method::POST, "/dead-letters/requeue", headers).await;
    assert_eq!(form(&[("authorization", &bearer(ADMIN).1)]).await, 403);
    assert_eq!(form(&[("authorization", &bearer(ADMIN).1), ("sec-fetch-site", "same-origin")]).await, 415);
    assert_eq!(form(&[("cookie", &cookie), ("origin", &own)]).await, 415, "let in, it has no body");
    assert_eq!(form(&[]).await, 303, "to sign in first");
    assert_eq!(post(&[("cookie", &cookie), ("sec-fetch-site", "cross-site")]).await, 403);
}

#[tokio::test]
async fn without_anything_configured_this_machine_and_its_own_pages_may_all() {
    let bench = Bench::start("").await;
    assert_eq!(bench.projects(&[]).await, both());
    assert_eq!(bench.status(Method::GET, "/metrics", &[]).await, 200);
    let post = async |headers: &[(&str, &str)]| bench.status(Method::POST, "/api/v1/for-admins", headers).await;
    assert_eq!(post(&[]).await, 200);
    assert_eq!(post(&[("origin", &bench.origin())]).await, 200);
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        assert_eq!(post(&[("origin", origin)]).await, 403, "{origin}");
        // Whatever stands there is checked by nobody here.
        assert_eq!(post(&[("origin", origin), ("authorization", &bearer(ADMIN).1)]).await, 403, "{origin}");
    }
    assert_eq!(post(&[("sec-fetch-site", "cross-site")]).await, 403);
}

/// DNS rebinding: a name of the attacker leads to 127.0.0.1.
#[tokio::test]
async fn on_this_machine_only_its_own_names_are_answered_to() {
    for configuration in ["", TOKENS, "public_url = 'https://pipetrail.example'\nread_token = 'read-token-0123456789'"]
    {
        let bench = Bench::start(configuration).await;
        let authorization = bearer(READ).1;
        let by = async |host: &str| {
            bench.status(Method::GET, "/api/v1/runs", &[("host", host), ("authorization", &authorization)]).await
        };
        for host in ["evil.example", "127.0.0.1.evil.example:8080", "10.0.0.1"] {
            assert_eq!(by(host).await, 403, "{host}");
            assert_eq!(bench.status(Method::GET, "/login", &[("host", host)]).await, 403, "{host}");
            assert_eq!(bench.status(Method::GET, "/healthz", &[("host", host)]).await, 200, "probes say any name");
        }
        for host in ["localhost:8080", "127.0.0.1", "[::1]:1"] {
            assert_eq!(by(host).await, 200, "{host}");
        }
        assert_eq!(by("pipetrail.example").await == 200, configuration.contains("public_url"));
    }
}

/// The trap: a proxy on this machine makes the whole web look like this machine.
#[tokio::test]
async fn with_a_public_address_this_machine_is_not_open() {
    let bench = Bench::start("public_url = 'https://pipetrail.example'").await;
    for host in ["pipetrail.example", "127.0.0.1"] {
        for path in ["/hooks/azure-devops", "/hooks/flux?organization=x"] {
            assert_eq!(bench.status(Method::POST, path, &[("host", host)]).await, 401, "{host}");
        }
        assert_eq!(bench.projects(&[("host", host)]).await, None, "{host}");
        assert_eq!(bench.status(Method::POST, "/api/v1/for-admins", &[("host", host)]).await, 401, "{host}");
    }
    assert!(bench.get("/login", &[]).await.text().await.unwrap().contains("PIPETRAIL_READ_TOKEN"));
}

#[tokio::test]
async fn a_proxy_says_who_asks_but_only_from_its_address() {
    let proxy = |from: &str| {
        format!(
            "[proxy]\nheader = 'X-Forwarded-User'\nfrom = ['{from}']\n\
             users = [{{user = 'ana@fabrikam.example', rights = 'admin'}}, \
             {{user = 'ben@fabrikam.example', rights = 'read', projects = ['Spartan']}}]"
        )
    };
    let bench = Bench::start(&proxy("127.0.0.1")).await;
    let (ana, ben) = (("x-forwarded-user", "Ana@fabrikam.example"), ("x-forwarded-user", "ben@fabrikam.example"));
    assert_eq!(bench.projects(&[ana]).await, both());
    assert_eq!(bench.projects(&[ben]).await, shop());
    assert_eq!(bench.projects(&[ana, ben]).await, None, "one of the two is not the proxy's");
    assert_eq!(bench.projects(&[]).await, None);
    let post = async |headers: &[(&str, &str)]| bench.status(Method::POST, "/api/v1/for-admins", headers).await;
    assert_eq!(post(&[ana]).await, 403, "the proxy adds its header to whatever a browser is made to send");
    assert_eq!(post(&[ana, ("origin", &bench.origin())]).await, 200);
    let unknown = bench.get("/runs", &[("x-forwarded-user", "eve@fabrikam.example")]).await;
    assert_eq!(unknown.status(), 403);
    let bench = Bench::start(&proxy("10.0.0.5")).await;
    assert_eq!(bench.projects(&[ana]).await, None);
    assert_eq!(bench.status(Method::GET, "/runs", &[ana]).await, 303);
}

fn with_provider(idp: &FakeIdp) -> String {
    format!(
        "public_url = 'https://pipetrail.example'\n[oidc]\nissuer = '{}'\nclient_id = 'pipetrail'\n\
         client_secret_env = 'CLIENT_SECRET'\n\
         groups = [{{group = 'g-admins', rights = 'admin'}}, \
         {{group = 'g-shop', rights = 'read', projects = ['Spartan']}}]",
        idp.issuer()
    )
}

#[tokio::test]
async fn browsers_sign_in_at_a_provider() {
    let idp = FakeIdp::start().await;
    let bench = Bench::start(&with_provider(&idp)).await;
    assert_eq!(idp.discoveries(), 0, "it is asked when somebody signs in");
    let page = bench.get("/login?next=/runs", &[]).await.text().await.unwrap();
    assert!(page.contains("href=\"/login/oidc?next=%2Fruns\"") && !page.contains("type=\"password\""), "{page}");
    assert_snapshot!("login_at_a_provider", page);
    idp.says(json!({"name": "Ben", "groups": ["g-shop", "g-other"]}));
    let away = bench.get("/login/oidc?next=/runs", &[]).await;
    assert!(
        cookies(&away)[0].ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=600; Secure"),
        "{:?}",
        cookies(&away)
    );
    let signed_in = bench.sign_in().await;
    assert_eq!(signed_in.status(), 200);
    let cookie = cookies(&signed_in).into_iter().find(|cookie| cookie.contains("-session=")).unwrap();
    assert!(cookie.starts_with("__Host-pipetrail-session="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure"), "{cookie}");
    let session = pair(&signed_in, "__Host-pipetrail-session");
    assert!(signed_in.text().await.unwrap().contains("content=\"0;url=/runs\""));
    assert_eq!(bench.projects(&[("cookie", &session)]).await, shop());
    assert_eq!(bench.status(Method::GET, "/api/v1/for-admins", &[("cookie", &session)]).await, 403);
    idp.says(json!({"groups": ["g-shop", "g-admins"]}));
    let session = pair(&bench.sign_in().await, "__Host-pipetrail-session");
    assert_eq!(bench.projects(&[("cookie", &session)]).await, both());
    assert_eq!(bench.status(Method::GET, "/api/v1/for-admins", &[("cookie", &session)]).await, 200);
    assert_eq!(idp.discoveries(), 1);
}

#[tokio::test]
async fn the_name_that_a_provider_tells_stays_text() {
    let idp = FakeIdp::start().await;
    let bench = Bench::start(&with_provider(&idp)).await;
    idp.says(json!({"name": format!("Ben{HOSTILE}"), "groups": ["g-shop"]}));
    let session = pair(&bench.sign_in().await, "__Host-pipetrail-session");
    for path in ["/", "/runs", "/no/such/page"] {
        let headers = [("cookie", session.as_str()), ("accept", "text/html"), ("host", "pipetrail.example")];
        let page = bench.get(path, &headers).await.text().await.unwrap();
        assert_only_text(path, &page);
        assert!(page.contains("<span class=\"who\">Ben&#60;img src=x"), "{path}: {page}");
    }
}

#[tokio::test]
async fn who_is_in_no_configured_group_is_told_so() {
    let idp = FakeIdp::start().await;
    let bench = Bench::start(&with_provider(&idp)).await;
    for (claims, expected) in [
        (json!({"groups": ["g-other"]}), "none of your groups may read here"),
        (json!({}), "none of your groups may read here"),
        (json!({"_claim_names": {"groups": "src1"}}), "more groups than fit into the claim"),
    ] {
        idp.says(claims.clone());
        let refused = bench.sign_in().await;
        assert_eq!(refused.status(), 403, "{claims}");
        assert!(!cookies(&refused).iter().any(|cookie| cookie.contains("-session=")), "{claims}");
        assert!(refused.text().await.unwrap().contains(expected), "{claims}");
    }
}

#[tokio::test]
async fn a_token_of_the_provider_has_to_be_good_in_every_respect() {
    let idp = FakeIdp::start().await;
    let bench = Bench::start(&with_provider(&idp)).await;
    idp.says(json!({"groups": ["g-admins"]}));
    assert_eq!(bench.sign_in().await.status(), 200);
    for trouble in [
        Trouble::Audience,
        Trouble::Issuer,
        Trouble::Nonce,
        Trouble::Expired,
        Trouble::Unsigned,
        Trouble::SharedSecret,
        Trouble::Forged,
        Trouble::UnknownKey,
    ] {
        idp.trouble(trouble);
        let refused = bench.sign_in().await;
        assert_eq!(refused.status(), 403, "{trouble:?}");
        assert!(!cookies(&refused).iter().any(|cookie| cookie.contains("-session=")), "{trouble:?}");
    }
    idp.trouble(Trouble::None);
    assert_eq!(bench.sign_in().await.status(), 200);
}

#[tokio::test]
async fn who_comes_back_has_to_be_who_was_sent_away() {
    let idp = FakeIdp::start().await;
    let bench = Bench::start(&with_provider(&idp)).await;
    idp.says(json!({"groups": ["g-admins"]}));
    let (back, cookie) = bench.to_provider_and_back("/runs").await;
    let (_, of_another) = bench.to_provider_and_back("/runs").await;
    let come = async |path: &str, cookie: &str| {
        bench.status(Method::GET, path, &[("host", "pipetrail.example"), ("cookie", cookie)]).await
    };
    assert_eq!(come(&back, "").await, 400);
    assert_eq!(come(&back, &of_another).await, 400);
    assert_eq!(come(&format!("{back}x"), &cookie).await, 400);
    assert_eq!(come(&back.replace("code=code-0", "error=access_denied"), &cookie).await, 403);
    assert_eq!(come(&back, &cookie).await, 200);
    assert_eq!(come(&back, &cookie).await, 403, "a code is good once");
    let (back, cookie) = bench.to_provider_and_back("/runs").await;
    bench.clock.advance(Duration::from_secs(600));
    assert_eq!(come(&back, &cookie).await, 400);
}

#[tokio::test]
async fn a_provider_that_is_away_stops_nobody_who_is_in() {
    let idp = FakeIdp::start().await;
    let bench = Bench::start(&with_provider(&idp)).await;
    idp.says(json!({"groups": ["g-admins"]}));
    idp.trouble(Trouble::Down);
    for _ in 0..3 {
        assert_eq!(bench.status(Method::GET, "/login/oidc", &[]).await, 503);
    }
    assert_eq!(idp.discoveries(), 1, "it is not asked again at once");
    idp.trouble(Trouble::None);
    bench.clock.advance(Duration::from_secs(10));
    let session = pair(&bench.sign_in().await, "__Host-pipetrail-session");
    idp.trouble(Trouble::Down);
    bench.clock.advance(Duration::from_secs(3_600));
    assert_eq!(bench.projects(&[("cookie", &session)]).await, both());
    assert_eq!(bench.status(Method::GET, "/login/oidc", &[]).await, 303, "its addresses are known");
}

#[tokio::test]
async fn a_provider_may_change_its_keys() {
    let idp = FakeIdp::start().await;
    let bench = Bench::start(&with_provider(&idp)).await;
    idp.says(json!({"groups": ["g-admins"]}));
    assert_eq!(bench.sign_in().await.status(), 200);
    idp.changes_its_key();
    bench.clock.advance(Duration::from_secs(10));
    assert_eq!(bench.sign_in().await.status(), 200);
    assert_eq!(idp.discoveries(), 2);
}

/// A route that is put elsewhere by mistake is closed, not open.
#[tokio::test]
async fn without_the_gate_nobody_reads() {
    let bench = Bench::behind(|router, _| router, "").await;
    for path in ["/runs", "/api/v1/runs", "/api/v1/for-admins"] {
        assert_eq!(bench.status(Method::GET, path, &[]).await, 401, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_itself_is_behind_the_gate() {
    let shell = Shell::local().with("PIPETRAIL_READ_TOKEN", READ);
    let up = Running::start(shell.command("up --listen 127.0.0.1:0"));
    let address = address(&up.line("listening on "));
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    for (path, refused) in [("/metrics", 401), ("/api/v1/runs", 401), ("/runs", 303)] {
        let ask = || client.get(format!("http://{address}{path}"));
        assert_eq!(ask().send().await.unwrap().status(), refused, "{path}");
        assert_eq!(ask().bearer_auth(READ).send().await.unwrap().status(), 200, "{path}");
    }
    let shell = Shell::local().with("PIPETRAIL_EVENTS_TOKEN", EVENTS);
    Running::start(shell.command("up --listen 127.0.0.1:0")).line("nobody can read here: set PIPETRAIL_READ_TOKEN");
}

/// Who did it can be found in the log, whether by a page or by the API.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_dead_letters_is_in_the_log_with_who_did_it() {
    let shell = Shell::local().with("PIPETRAIL_ADMIN_TOKEN", ADMIN);
    let up = Running::start(shell.command("up --listen 127.0.0.1:0"));
    let base = format!("http://{}", up.address());
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    let (name, admin) = bearer(ADMIN);
    for body in ["rubbish", "more rubbish"] {
        client.post(format!("{base}/hooks/azure-devops")).body(body).send().await.unwrap();
    }
    let letters = shell.wait_for("dead-letter list", |letters| letters.as_array().is_some_and(|all| all.len() == 2));
    let ids: Vec<_> = [0, 1].map(|at: usize| letters[at]["id"].as_str().unwrap()).to_vec();
    let discard = client.post(format!("{base}/api/v1/dead-letters/{}/discard", ids[0])).header(name, &admin);
    assert_eq!(discard.send().await.unwrap().status(), 200);
    let said = up.line("dead letter: discarded");
    assert!(said.contains("by=\"admin\"") && said.contains(ids[0]), "{said}");
    let again = client.post(format!("{base}/api/v1/dead-letters/{}/requeue", ids[0])).header(name, &admin);
    assert_eq!(again.send().await.unwrap().status(), 404);
    let form = client.post(format!("{base}/dead-letters/requeue")).header(name, &admin).header("origin", &base);
    assert_eq!(form.form(&[("id", ids[1])]).send().await.unwrap().status(), 303);
    let said = up.line("dead letter: requeued");
    assert!(said.contains("by=\"admin\"") && said.contains(ids[1]), "{said}");
}

#[test]
fn beyond_this_machine_nothing_starts_without_a_way_in() {
    let shell = Shell::local().with("PIPETRAIL_HOOK_USER", "u").with("PIPETRAIL_HOOK_PASSWORD", "s3cret");
    let (code, said) = shell.said("up --listen 0.0.0.0:0");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--listen: 0.0.0.0:0 can be reached from other machines"), "{said}");
    assert!(said.contains("PIPETRAIL_READ_TOKEN") && said.contains("[oidc]"), "{said}");
    let (code, said) = shell.with("PIPETRAIL_READ_TOKEN", "s3cret").said("up --listen 0.0.0.0:0");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("PIPETRAIL_READ_TOKEN: is shorter than 16 characters") && !said.contains("s3cret"), "{said}");
}
