//! The tools over HTTP: what they answer, to whom, and what they say to who asks wrongly.

use pipetrail::http::access::Caller;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::seed::{AMBER, Side, VIOLET};
use super::{Bench, only, problem};

/// Every tool, with arguments to which this side has an answer.
pub(super) fn asks(of: Side) -> Vec<(&'static str, Value)> {
    let lately = json!({"project": of.project()});
    vec![
        ("describe_data", json!({})),
        ("data_health", json!({})),
        ("list_pipelines", lately.clone()),
        ("query_runs", json!({"filters": lately})),
        ("get_run", json!({"runId": of.run()})),
        ("get_failure", json!({"runId": of.run() + 10})),
        ("broken_now", json!({"branch": "*"})),
        ("query_approvals", json!({"project": of.project(), "status": "approved"})),
        ("current_deployments", json!({})),
        ("query_deployments", lately.clone()),
        ("diff_environments", json!({"inEnvironment": "dev", "notIn": "nowhere"})),
        ("trace", json!({"workItem": of.work_item()})),
        ("aggregate", json!({"measure": "count", "groupBy": ["pipeline", "result"], "filters": lately})),
        ("compare_periods", json!({"measure": "failureRate", "groupBy": ["project"], "window": "today"})),
        ("dora", lately),
    ]
}

impl Bench {
    async fn ask(&self, address: &str, tool: &str, arguments: &Value) -> (StatusCode, Value) {
        let asked = self.client.post(format!("{address}/api/v1/query/{tool}")).body(arguments.to_string());
        let response = asked.send().await.unwrap();
        (response.status(), serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
    }

    /// What the tool finds, as objects.
    async fn rows(&self, tool: &str, arguments: Value) -> Vec<Value> {
        let (status, found) = self.ask(&self.all, tool, &arguments).await;
        assert_eq!(status, 200, "{tool}: {found}");
        let columns: Vec<_> = found["columns"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        let row = |row: &Value| {
            columns.iter().zip(row.as_array().unwrap()).map(|(name, cell)| (*name, cell.clone())).collect()
        };
        found["rows"].as_array().unwrap().iter().map(row).collect()
    }
}

#[tokio::test]
async fn every_tool_answers_and_says_what_it_takes() {
    let bench = Bench::seeded().await;
    let tools = bench.json("/api/v1/query").await;
    let named: Vec<_> = tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(named, asks(AMBER).iter().map(|(tool, _)| *tool).collect::<Vec<_>>());
    for (tool, arguments) in asks(AMBER) {
        let (status, found) = bench.ask(&bench.all, tool, &arguments).await;
        assert_eq!(status, 200, "{tool}: {found}");
        let width = found["columns"].as_array().unwrap().len();
        let rows = found["rows"].as_array().unwrap();
        assert!(!rows.is_empty(), "{tool}: {found}");
        assert!(rows.iter().all(|row| row.as_array().unwrap().len() == width), "{tool}");
        assert_eq!(found["tool"], tool);
        let told = tools.as_array().unwrap().iter().find(|told| told["name"] == tool).unwrap();
        let schema = &told["inputSchema"];
        assert_eq!(schema["additionalProperties"], false, "{tool} takes anything");
        let known = |name: &String| schema["properties"].get(name).is_some();
        assert!(arguments.as_object().unwrap().keys().all(known), "{tool} takes more than it says");
    }
}

/// But for what is about no run.
#[tokio::test]
async fn the_runs_behind_every_answer_can_be_opened() {
    let bench = Bench::seeded().await;
    let mut silent = Vec::new();
    for (tool, arguments) in asks(AMBER) {
        let (_, found) = bench.ask(&bench.all, tool, &arguments).await;
        let cited = found["citations"].as_array().unwrap();
        assert!(cited.iter().all(|run| run["url"].is_string()), "{tool}: {found}");
        silent.extend(cited.is_empty().then_some(tool));
    }
    assert_eq!(silent, ["describe_data", "data_health"]);
}

#[tokio::test]
async fn numbers_are_those_of_the_runs() {
    let bench = Bench::seeded().await;
    let of =
        |measure: &str| json!({"measure": measure, "groupBy": ["project"], "filters": {"project": "amber project"}});
    let amber = bench.rows("aggregate", of("failureRate")).await;
    assert_eq!(amber, [json!({"project": "amber project", "failureRate": 0.5, "samples": 2})]);
    let amber = bench.rows("aggregate", of("medianDurationSeconds")).await;
    assert_eq!(amber[0]["medianDurationSeconds"], 60);
    let amber = bench.rows("aggregate", of("flakyCommits")).await;
    assert_eq!(amber[0]["flakyCommits"], 1, "one commit, on which one run succeeded and one failed");
    let days = json!({"measure": "count", "bucket": "day", "from": "2026-02-28", "to": "2026-03-02"});
    let days = bench.rows("aggregate", days).await;
    let told: Vec<_> = days.iter().map(|day| (day["day"].as_str().unwrap(), day["count"].as_u64().unwrap())).collect();
    assert_eq!(told, [("2026-02-28", 0), ("2026-03-01", 0), ("2026-03-02", 4)], "a day without a run is a day");
    let stages = bench.rows("aggregate", json!({"measure": "count", "groupBy": ["stage"]})).await;
    let count: u64 = stages.iter().map(|stage| stage["count"].as_u64().unwrap()).sum();
    let runs = bench.json("/api/v1/runs").await;
    let known =
        runs["items"].as_array().unwrap().iter().map(|run| run["stages"].as_array().unwrap().len()).sum::<usize>();
    assert_eq!(count, known as u64);
    let newest = json!({"measure": "count", "bucket": "day", "from": "2026-02-01", "to": "2026-03-02", "top": 2});
    let (_, found) = bench.ask(&bench.all, "aggregate", &newest).await;
    assert_eq!(found["rows"], json!([["2026-03-01", 0, 0], ["2026-03-02", 4, 4]]), "the newest, in the order of time");
    assert_eq!((&found["total"], &found["truncated"]), (&json!(30), &json!(true)));
    let changed = bench.rows("compare_periods", json!({"measure": "count", "window": "today"})).await;
    assert_eq!(changed, [json!({"count": 4, "before": 0, "change": 4, "samples": 4, "samplesBefore": 0})]);
}

/// Days and weeks begin where the caller lives: all runs of the seed are of 10 o'clock UTC.
#[tokio::test]
async fn days_are_those_of_the_callers_zone() {
    let bench = Bench::seeded().await;
    for (zone, day) in
        [("UTC", "2026-03-02"), ("Pacific/Kiritimati", "2026-03-03"), ("Pacific/Pago_Pago", "2026-03-01")]
    {
        let address = format!("{}/api/v1/query/aggregate?timeZone={zone}", bench.all);
        let arguments = json!({"measure": "count", "groupBy": ["day"]}).to_string();
        let found = bench.client.post(address).body(arguments).send().await.unwrap();
        let found: Value = serde_json::from_slice(&found.bytes().await.unwrap()).unwrap();
        assert_eq!(found["rows"], json!([[day, 4, 4]]), "{zone}");
        assert!(found["interpretation"].as_str().unwrap().contains(zone), "{found}");
    }
}

#[tokio::test]
async fn a_failure_has_its_error_and_who_else_has_it() {
    let bench = Bench::seeded().await;
    let rows = bench.rows("get_failure", json!({"runId": AMBER.run() + 10})).await;
    assert_eq!((&rows[0]["error"], &rows[0]["isThisRun"]), (&json!("amber broke"), &json!(true)));
    assert_eq!(rows.len(), 1, "the other side broke in other words");
    let (_, found) = bench.ask(&bench.all, "get_failure", &json!({"runId": AMBER.run()})).await;
    assert_eq!(found["notes"], json!(["This run has not failed"]));
}

#[tokio::test]
async fn who_sees_one_project_is_told_nothing_of_another() {
    let bench = Bench::seeded().await;
    for (own, other) in [(AMBER, VIOLET), (VIOLET, AMBER)] {
        let address = bench.serve(only(&[&own.project()])).await;
        for (tool, arguments) in asks(own) {
            let (status, found) = bench.ask(&address, tool, &arguments).await;
            let text = found.to_string();
            assert_eq!(status, 200, "{tool}: {text}");
            assert!(!tells(&text, other), "{tool}: {text}");
            assert!(tells(&text, own), "{tool}: {text}");
        }
        for (tool, arguments) in asks(other) {
            let (_, found) = bench.ask(&address, tool, &arguments).await;
            let asked = [other.run(), other.run() + 10, other.work_item()].map(|id| id.to_string());
            // What was asked for is told back.
            let asked = asked.into_iter().chain([other.project()]);
            let told = asked.fold(found.to_string(), |text, asked| text.replace(&asked, ""));
            assert!(!tells(&told, other), "{tool}: {told}");
        }
        // Only names of these projects are offered.
        for (word, offers) in [(other.word, false), (own.word, true)] {
            let typo = json!({"filters": {"pipeline": format!("{word} pipelin")}});
            let (_, found) = bench.ask(&address, "query_runs", &typo).await;
            let note = found["notes"][0].as_str().unwrap();
            assert!(!note.contains(&format!("`{} pipeline`", other.word)), "{note}");
            assert!(!offers || note.contains(&format!("did you mean `{} pipeline`", own.word)), "{note}");
        }
    }
}

fn tells(text: &str, of: Side) -> bool {
    let numbers = (0..20).map(|nth| (of.base + nth).to_string());
    numbers.chain([of.word.to_owned(), of.commit.to_owned()]).any(|word| text.contains(&word))
}

#[tokio::test]
async fn owners_narrow_runs_and_numbers() {
    let bench = Bench::seeded().await;
    let address = bench.serve_named(Caller::on_loopback()).await;
    for filters in [json!({"team": "amber team"}), json!({"service": "Amber Service"})] {
        let (_, runs) = bench.ask(&address, "query_runs", &json!({"filters": filters})).await;
        assert_eq!(runs["total"], 2, "{runs}");
        assert!(runs["rows"].as_array().unwrap().iter().all(|row| row[1] == "amber project"), "{runs}");
        let count = json!({"measure": "count", "groupBy": ["project"], "filters": filters});
        let (_, counted) = bench.ask(&address, "aggregate", &count).await;
        assert_eq!(counted["rows"], json!([["amber project", 2, 2]]));
    }
    let (_, found) = bench.ask(&address, "query_runs", &json!({"filters": {"team": "ambre team"}})).await;
    assert_eq!(found["notes"], json!(["no team `ambre team` is known here: did you mean `amber team`?"]));
    let told = answer(&bench, &address, "how many runs did the team amber team have").await;
    assert_eq!((&told["status"], &told["tables"][0]["rows"]), (&json!("ok"), &json!([[2, 2]])), "{told}");
}

/// What each tells apart of one side's runs, and of how many of them or of their stages.
#[tokio::test]
async fn numbers_are_told_apart_by_every_dimension() {
    let bench = Bench::seeded().await;
    let address = bench.serve_named(Caller::on_loopback()).await;
    for (dimension, groups) in [
        ("organization", json!([["fabrikam", 2, 2]])),
        ("project", json!([["amber project", 2, 2]])),
        ("pipeline", json!([["amber pipeline", 2, 2]])),
        ("repository", json!([["amber-repository", 2, 2]])),
        ("branch", json!([["refs/heads/amber", 2, 2]])),
        ("service", json!([["amber service", 2, 2]])),
        ("team", json!([["amber team", 2, 2]])),
        ("stage", json!([["amber stage", 1, 1]])),
        // No stage of that name deploys.
        ("environment", json!([[null, 1, 1]])),
        ("state", json!([["completed", 2, 2]])),
        ("result", json!([["failed", 1, 1], ["succeeded", 1, 1]])),
        ("reason", json!([["manual", 2, 2]])),
        ("pool", json!([[null, 2, 2]])),
        ("errorSignature", json!([[null, 1, 1], ["amber broke", 1, 1]])),
        ("day", json!([["2026-03-02", 2, 2]])),
        ("hour", json!([["10", 2, 2]])),
    ] {
        let asked = json!({
            "measure": "count", "groupBy": [dimension], "filters": {"project": AMBER.project()}, "window": "last 30 days",
        });
        let (_, found) = bench.ask(&address, "aggregate", &asked).await;
        assert_eq!(found["rows"], groups, "{dimension}: {found}");
        for group in groups.as_array().unwrap().iter().filter(|group| !group[0].is_null()) {
            let value = group[0].as_str().unwrap();
            let value = value.parse::<u8>().map_or_else(|_| json!(value), |hour| json!(hour));
            let filters = json!({"project": AMBER.project(), dimension: value});
            let asked = json!({"measure": "count", "groupBy": [dimension], "filters": filters});
            let (_, found) = bench.ask(&address, "aggregate", &asked).await;
            assert_eq!(found["rows"], json!([group]), "only {value}: {found}");
            let (_, found) = bench.ask(&address, "query_runs", &json!({"filters": filters})).await;
            assert_eq!(found["total"], group[1], "runs of {value}: {found}");
        }
    }
}

/// Asked by somebody whom the configuration names.
#[tokio::test]
async fn my_team_is_the_one_that_names_who_asks() {
    let bench = Bench::seeded().await;
    let ask = "my team's lead time today, and why it moved";
    let of = |name: Option<&str>| Caller { name: name.map(str::to_owned), ..Caller::on_loopback() };
    let address = bench.serve_named(of(Some("Amber Member"))).await;
    let told = answer(&bench, &address, ask).await;
    assert!(told["status"] == "ok" && told["interpretation"].to_string().contains("my team is amber team"), "{told}");
    let lines: Vec<_> = told["answer"].as_str().unwrap().lines().collect();
    assert_eq!(lines.iter().collect::<std::collections::BTreeSet<_>>().len(), lines.len(), "none twice: {lines:?}");
    let calls: Vec<_> = told["queries"].as_array().unwrap().iter().map(|query| &query["arguments"]).collect();
    let whole = json!({"team": "amber team", "metric": "changeLeadTime", "window": "today"});
    let mut parts = whole.clone();
    parts["groupBy"] = json!("pipeline");
    assert_eq!(calls, [&whole, &parts]);
    for (table, arguments) in told["tables"].as_array().unwrap().iter().zip(calls) {
        let (_, found) = bench.ask(&address, "dora", arguments).await;
        assert_eq!((&table["rows"], &table["columns"]), (&found["rows"], &found["columns"]));
        assert!(found["rows"].as_array().unwrap().len() == 3, "{found}");
    }
    let (_, data) = bench.ask(&address, "describe_data", &json!({})).await;
    assert_eq!(data["notes"], json!(["who asks is of the team amber team"]));
    for (name, says) in [(None, "nobody signed in"), (Some("Cid"), "name `Cid`, who asks")] {
        let address = bench.serve_named(of(name)).await;
        let told = answer(&bench, &address, ask).await;
        let why = told["answer"].as_str().unwrap();
        assert!(told["status"] == "refused" && why.contains(says) && why.contains("`amber team`"), "{told}");
    }
}

#[tokio::test]
async fn what_is_not_over_is_said_where_it_is_compared() {
    let bench = Bench::seeded().await;
    for (window, is_said) in [("this month", true), ("yesterday", false)] {
        for (tool, arguments) in
            [("compare_periods", json!({"measure": "count", "window": window})), ("dora", json!({"window": window}))]
        {
            let (_, found) = bench.ask(&bench.all, tool, &arguments).await;
            assert_eq!(found["notes"].to_string().contains("not over"), is_said, "{tool} {window}: {found}");
        }
    }
}

#[tokio::test]
async fn delivery_tells_the_parts_of_the_lead_time_and_what_it_was_before() {
    let bench = Bench::seeded().await;
    let rows = bench.rows("dora", json!({"window": "today"})).await;
    let metrics: Vec<_> = rows.iter().map(|row| row["metric"].as_str().unwrap()).collect();
    assert_eq!(metrics[..3], ["change lead time, median", "of it review, median", "of it deployment, median"]);
    assert!(rows.iter().all(|row| row.as_object().unwrap().contains_key("before")), "{rows:?}");
}

#[tokio::test]
async fn every_total_is_told() {
    let bench = Bench::seeded().await;
    for (tool, arguments) in asks(AMBER) {
        let (_, found) = bench.ask(&bench.all, tool, &arguments).await;
        assert!(found["total"].is_u64(), "{tool}: {found}");
    }
    let (_, found) = bench.ask(&bench.all, "query_deployments", &json!({"top": 1})).await;
    assert!(found["total"].as_u64() > Some(1) && found["truncated"] == true, "{found}");
}

/// However many there are; of links, of which not all are looked for, it is said that there are more.
#[tokio::test]
async fn totals_of_many_are_told_or_said_not_to_be_known() {
    let bench = Bench::seeded().await;
    bench.import(AMBER.crowd(1_100)).await;
    let amber = json!({"project": AMBER.project()});
    for (tool, arguments, total) in [
        ("query_approvals", json!({"project": AMBER.project(), "status": "approved"}), 1_101),
        ("query_deployments", json!({"environment": "dev", "project": AMBER.project()}), 1_101),
        ("query_runs", json!({"filters": amber}), 1_102),
        ("query_runs", json!({"filters": {"repository": "amber-repository"}}), 1_102),
    ] {
        let (_, found) = bench.ask(&bench.all, tool, &arguments).await;
        assert_eq!((&found["total"], &found["truncated"]), (&json!(total), &json!(true)), "{tool}: {found}");
        assert_eq!(found["rows"].as_array().unwrap().len(), 20);
        // Who sees nothing of it is told no number.
        let address = bench.serve(only(&[&VIOLET.project()])).await;
        let (_, found) = bench.ask(&address, tool, &arguments).await;
        assert_eq!((&found["total"], &found["truncated"]), (&json!(0), &json!(false)), "{tool}: {found}");
    }
    let (_, found) = bench.ask(&bench.all, "trace", &json!({"pullRequest": AMBER.pull_request()})).await;
    assert_eq!((&found["total"], &found["truncated"]), (&Value::Null, &json!(true)), "{found}");
    let note = found["notes"][0].as_str().unwrap();
    assert!(note.starts_with("there are more than 3") && note.contains("not all"), "{note}");
}

/// The form of the page, and the file that it leads to.
#[tokio::test]
async fn a_table_as_a_file_keeps_to_the_project_of_its_question() {
    let bench = Bench::seeded().await;
    let post = async |path: &str, body: &str| {
        let post = bench.client.post(format!("{}{path}", bench.all)).body(body.to_owned());
        let post = post.header("content-type", "application/x-www-form-urlencoded").header("origin", bench.all.clone());
        post.send().await.unwrap().text().await.unwrap()
    };
    let page = post("/ask", "q=how+many+runs+per+project&project=amber+project").await;
    assert!(page.contains(r#"name="project" value="amber project"><input type="hidden" name="zone""#), "{page}");
    let arguments = "%7B%22measure%22%3A%22count%22%2C%22groupBy%22%3A%5B%22project%22%5D%7D";
    let file = post("/ask/csv", &format!("tool=aggregate&arguments={arguments}&project=amber+project&zone=")).await;
    assert_eq!(file, "project,count,samples\namber project,2,2\n");
}

#[tokio::test]
async fn names_that_nearly_match_are_offered() {
    let bench = Bench::seeded().await;
    for (tool, arguments, offers) in [
        ("dora", json!({"team": "x", "pipeline": "violet pipelin"}), "`violet pipeline`"),
        ("broken_now", json!({"project": "amber projekt"}), "`amber project`"),
        ("get_failure", json!({"pipeline": "amber pipelin"}), "`amber pipeline`"),
        ("query_runs", json!({"filters": {"requestedFor": "amber persn"}}), "`amber person`"),
        ("query_runs", json!({"filters": {"repository": "amber-repo"}}), "`amber-repository`"),
        ("query_runs", json!({"filters": {"reason": "manuel"}}), "`manual`"),
        ("aggregate", json!({"measure": "count", "filters": {"stage": "amber stge"}}), "`amber stage`"),
        ("aggregate", json!({"measure": "count", "filters": {"errorSignature": "amber brok"}}), "`amber broke`"),
        ("compare_periods", json!({"measure": "count", "filters": {"branch": "ambre"}}), "`amber`"),
        ("dora", json!({"repository": "amber-repo"}), "`amber-repository`"),
        ("dora", json!({"environment": "devv"}), "`dev`"),
        ("dora", json!({"organization": "fabrikan"}), "`fabrikam`"),
        ("current_deployments", json!({"environment": "devv"}), "`dev`"),
        ("query_deployments", json!({"project": "amber projekt"}), "`amber project`"),
        ("diff_environments", json!({"inEnvironment": "devv", "notIn": "dev"}), "`dev`"),
        (
            "diff_environments",
            json!({"inEnvironment": "dev", "notIn": "x", "project": "amber projekt"}),
            "`amber project`",
        ),
        ("query_approvals", json!({"organization": "fabrikan"}), "`fabrikam`"),
        ("list_pipelines", json!({"organization": "fabrikan"}), "`fabrikam`"),
        ("get_run", json!({"runId": AMBER.run(), "organization": "fabrikan"}), "`fabrikam`"),
        ("get_failure", json!({"runId": AMBER.run(), "organization": "fabrikan"}), "`fabrikam`"),
        ("get_failure", json!({"pipeline": "amber pipeline", "organization": "fabrikan"}), "`fabrikam`"),
        ("trace", json!({"workItem": AMBER.work_item(), "organization": "fabrikan"}), "`fabrikam`"),
    ] {
        let (_, found) = bench.ask(&bench.all, tool, &arguments).await;
        assert!(found.to_string().contains(&format!("did you mean {offers}")), "{tool}: {found}");
    }
    let (_, found) = bench.ask(&bench.all, "query_runs", &json!({"filters": {"pipeline": "amber pipelin"}})).await;
    assert_eq!(found["notes"], json!(["no pipeline `amber pipelin` is known here: did you mean `amber pipeline`?"]));
}

/// What there is elsewhere nobody learns by guessing.
#[tokio::test]
async fn a_reader_of_a_project_is_offered_its_names_alone() {
    let bench = Bench::seeded().await;
    let only = bench.serve(only(&["amber project"])).await;
    for (filter, offered, hidden) in [
        ("branch", "amber", "violet"),
        ("requestedFor", "amber person", "violet person"),
        ("pipeline", "amber pipeline", "violet pipeline"),
    ] {
        for (name, is_offered) in [(offered, true), (hidden, false)] {
            let arguments = json!({"filters": {filter: format!("{name}s")}});
            let (_, found) = bench.ask(&only, "query_runs", &arguments).await;
            assert_eq!(found.to_string().contains(&format!("did you mean `{name}`")), is_offered, "{found}");
        }
        let (_, found) = bench.ask(&only, "query_runs", &json!({"filters": {filter: offered}})).await;
        assert_eq!((found["total"].as_u64() > Some(0), &found["notes"]), (true, &json!([])), "{found}");
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_is_said() {
    let bench = Bench::seeded().await;
    for (tool, body, status, says) in [
        ("nope", "{}", 404, "there is no tool `nope`"),
        ("query_runs", "{", 400, "not JSON"),
        ("query_runs", "[]", 400, "arguments of query_runs"),
        ("query_runs", r#"{"pipeline": "x"}"#, 400, "unknown field `pipeline`"),
        ("query_runs", r#"{"top": -1}"#, 400, "top"),
        ("query_runs", r#"{"window": "soon"}"#, 400, "`soon` is no time"),
        ("query_runs", r#"{"from": "2020-01-01"}"#, 400, "days are too many"),
        ("aggregate", r#"{}"#, 400, "missing field `measure`"),
        ("aggregate", r#"{"measure": "happiness"}"#, 400, "unknown variant `happiness`"),
        ("aggregate", r#"{"measure": "count", "groupBy": ["day", "hour", "team"]}"#, 400, "at most two"),
        ("get_run", r#"{"runId": 5}"#, 404, "run 5 is not known"),
        ("trace", r#"{"workItem": 1, "commit": "abcd"}"#, 400, "say one of"),
    ] {
        let asked = bench.client.post(format!("{}/api/v1/query/{tool}", bench.all)).body(body);
        let (found, detail) = problem(asked.send().await.unwrap()).await;
        assert!(found == status && detail.contains(says), "{tool} {body}: {found} {detail}");
    }
    let zone = bench.client.post(format!("{}/api/v1/query/query_runs?timeZone=Mars", bench.all));
    assert!(problem(zone.send().await.unwrap()).await.1.contains("no time zone"));
}

#[tokio::test]
async fn an_answer_has_its_limit_and_says_how_much_there_is() {
    let bench = Bench::seeded().await;
    let (_, found) = bench.ask(&bench.all, "query_runs", &json!({"top": 1})).await;
    assert_eq!(
        (found["rows"].as_array().unwrap().len(), &found["total"], &found["truncated"]),
        (1, &json!(4), &json!(true))
    );
    assert_eq!(found["citations"].as_array().unwrap().len(), 1);
}

async fn answer(bench: &Bench, address: &str, question: &str) -> Value {
    let body = json!({"question": question}).to_string();
    let response = bench.client.post(format!("{address}/api/v1/ask")).body(body).send().await.unwrap();
    assert_eq!(response.status(), 200, "{question}");
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn words_are_answered_without_a_model() {
    let bench = Bench::seeded().await;
    let told = answer(&bench, &bench.all, "Which pipelines failed most today?").await;
    assert_eq!((&told["status"], &told["model"]), (&json!("ok"), &Value::Null));
    assert_eq!(
        told["answer"].as_str().unwrap().lines().next(),
        Some("amber pipeline has the most: failed 1. 2 pipelines in all.")
    );
    assert_eq!(told["tables"][0]["rows"], json!([["amber pipeline", 1, 2], ["violet pipeline", 1, 2]]));
    assert_eq!(told["queries"][0]["tool"], "aggregate");
    assert!(
        told["interpretation"]
            .as_str()
            .unwrap()
            .ends_with("2026-03-02 00:00 to 2026-03-03 00:00 (UTC); no model took part")
    );
    let told = answer(&bench, &bench.all, "why did violet pipeline fail").await;
    let first = format!("The first error of run {}: violet broke. 1 run with it.", VIOLET.run() + 10);
    assert!(told["answer"].as_str().unwrap().starts_with(&first), "{told}");
}

#[tokio::test]
async fn an_answer_says_the_main_finding() {
    let bench = Bench::seeded().await;
    for (question, says) in [
        ("what data is there", "2 projects: 4 runs of 2 pipelines, from 2026-03-02T"),
        ("can the data be trusted", "2 times with lost events, "),
        ("list the pipelines", "2 pipelines; the last run of 2 of them failed, and 0 have live runs."),
        ("which runs failed today", "2 runs; the newest is 770780 of violet pipeline: failed."),
        ("what waits for approval", "Nothing waits for approval."),
        ("what was approved", "2 approvals; the longest waited 60 seconds: "),
        ("what is in dev", "2 deployments; the latest is "),
        ("what was deployed to dev", "2 deployments, 0 of them failed; the latest is "),
        ("what is in dev but not in prod", "Nothing is there that is not in the other, too."),
        (
            "how many runs per day since 2026-03-01",
            "count: most 4 (2026-03-02), least 0 (2026-03-01), last 4 (2026-03-02); 2 rows in all.",
        ),
        ("what got flakier since monday", "rose most: amber pipeline: flakyCommits 1, before 0."),
        ("where is work item 110116", "It led to "),
        ("dora metrics", "change lead time, median: "),
    ] {
        let told = answer(&bench, &bench.all, question).await;
        assert!(told["status"] == "ok" && told["answer"].as_str().unwrap().contains(says), "{question}: {told}");
    }
}

#[tokio::test]
async fn a_question_may_follow_on_earlier_ones() {
    let bench = Bench::seeded().await;
    let ask = async |history: Value| {
        let body = json!({"question": "and in the amber project?", "history": history}).to_string();
        let response = bench.client.post(format!("{}/api/v1/ask", bench.all)).body(body).send().await.unwrap();
        serde_json::from_slice::<Value>(&response.bytes().await.unwrap()).unwrap()
    };
    let before = json!([
        {"role": "user", "content": "Which pipelines failed most today?"},
        {"role": "assistant", "content": "what was said does not matter"},
    ]);
    let told = ask(before).await;
    assert_eq!(told["tables"][0]["rows"], json!([["amber pipeline", 1, 2]]), "{told}");
    assert_eq!(ask(json!([])).await["status"], "refused");
}

#[tokio::test]
async fn what_is_not_understood_is_refused_with_what_is_near() {
    let bench = Bench::seeded().await;
    let told = answer(&bench, &bench.all, "which pipelines failed most in the windows pool").await;
    assert_eq!((&told["status"], &told["tables"]), (&json!("refused"), &json!([])));
    assert_eq!(told["answer"], "not understood: `windows`, `pool`");
    assert_eq!(told["examples"].as_array().unwrap().len(), 3);
    let told = answer(&bench, &bench.all, "where is work item 5").await;
    assert_eq!((&told["status"], &told["answer"]), (&json!("refused"), &json!("work item 5 is not known here")));
    for body in ["", "{}", r#"{"question": "x", "scope": "all"}"#, r#"{"question": 5}"#] {
        let asked = bench.client.post(format!("{}/api/v1/ask", bench.all)).body(body).send().await.unwrap();
        assert_eq!(problem(asked).await.0, 400, "{body}");
    }
}

#[tokio::test]
async fn names_of_another_project_are_words_like_any_other() {
    let bench = Bench::seeded().await;
    let address = bench.serve(only(&["amber project"])).await;
    let told = answer(&bench, &address, "why did violet pipeline fail").await;
    let says = told["answer"].as_str().unwrap();
    assert!(told["status"] == "refused" && says.contains("`violet`"), "{told}");
    let told = answer(&bench, &address, "which pipelines failed most today").await;
    assert!(!tells(&told.to_string(), VIOLET), "{told}");
}
