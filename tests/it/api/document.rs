use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Bench;
use super::questions::asks;
use super::seed::AMBER;

/// Every address with something to answer: the schemas must not be true of empty lists alone.
const ASKS: [(&str, &str); 18] = [
    ("/api/v1/runs", ""),
    ("/api/v1/runs/{id}", "110110"),
    ("/api/v1/runs/{id}", "110120"),
    ("/api/v1/pipelines", ""),
    ("/api/v1/pipelines/{id}", "110111"),
    ("/api/v1/environments", ""),
    ("/api/v1/environments/compare", "?from=dev&to=prod"),
    ("/api/v1/deployments", ""),
    ("/api/v1/approvals", ""),
    ("/api/v1/metrics", "?work=true&by=month&group=pipeline&since=2026-03-01T00:00:00Z&until=2026-04-01T00:00:00Z"),
    ("/api/v1/metrics/flow", "?group=pipeline&since=2026-03-01T00:00:00Z&until=2026-04-01T00:00:00Z"),
    ("/api/v1/commits/{sha}", "cccc"),
    ("/api/v1/pull-requests/{id}", "110114"),
    ("/api/v1/work-items/{id}", "110116"),
    ("/api/v1/incidents", ""),
    ("/api/v1/gaps", ""),
    ("/api/v1/hooks", ""),
    ("/api/v1/dead-letters", ""),
];

fn filled(path: &str, with: &str) -> String {
    match path.split_once('{') {
        Some((before, _)) => format!("{before}{with}"),
        None => format!("{path}{with}"),
    }
}

/// The schema of an answer.
fn schema<'d>(document: &'d Value, path: &str, status: &str, kind: &str) -> &'d Value {
    let schema = &document["paths"][path]["get"]["responses"][status]["content"][kind]["schema"];
    assert!(schema.is_object(), "{path} {status}");
    schema
}

/// What is wrong with the answer, by the words of JSON Schema that the document uses. A crate that knows all of them
/// would make the whole program larger in tests: it turns on features of crates that both use.
fn faults(document: &Value, schema: &Value, json: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (word, says) in schema.as_object().unwrap() {
        let alternatives = || says.as_array().unwrap().iter().map(|one| faults(document, one, json, at));
        match word.as_str() {
            "$ref" => {
                let target = document.pointer(says.as_str().unwrap().trim_start_matches('#')).unwrap();
                found.extend(faults(document, target, json, at));
            }
            "allOf" => found.extend(alternatives().flatten()),
            "oneOf" if alternatives().filter(Vec::is_empty).count() != 1 => {
                found.push(format!("{at}: not one of {says}: {:?}", alternatives().collect::<Vec<_>>()));
            }
            "type" if !is_of(says, json) => found.push(format!("{at}: {json} is no {says}")),
            "required" => {
                let missing = says.as_array().unwrap().iter().filter(|name| json.get(name.as_str().unwrap()).is_none());
                found.extend(missing.map(|name| format!("{at}: {name} is missing")));
            }
            "properties" => {
                for (name, schema) in says.as_object().unwrap() {
                    let value = json.get(name);
                    found.extend(
                        value.into_iter().flat_map(|json| faults(document, schema, json, &format!("{at}/{name}"))),
                    );
                }
            }
            "items" => {
                let items = json.as_array().into_iter().flatten().enumerate();
                found.extend(items.flat_map(|(nth, json)| faults(document, says, json, &format!("{at}/{nth}"))));
            }
            "enum" if !says.as_array().unwrap().contains(json) => found.push(format!("{at}: {json} is none of {says}")),
            "minimum" if json.is_number() && json.as_i64() < says.as_i64() => {
                found.push(format!("{at}: {json} is too small"))
            }
            "format" if says == "date-time" && json.is_string() => drop(crate::support::time(json.as_str().unwrap())),
            "anyOf" if alternatives().all(|faults| !faults.is_empty()) => found.push(format!("{at}: none of {says}")),
            "const" if says != json => found.push(format!("{at}: {json} is not {says}")),
            "additionalProperties" => assert_eq!(says, true, "{at}"),
            "anyOf" | "const" | "oneOf" | "type" | "enum" | "minimum" | "format" | "description" | "title" => {}
            unknown => panic!("{at}: nobody checks `{unknown}`"),
        }
    }
    found
}

/// `type` is a name, or several.
fn is_of(types: &Value, json: &Value) -> bool {
    let is = |name: &Value| match name.as_str().unwrap() {
        "string" => json.is_string(),
        "integer" => json.is_i64() || json.is_u64(),
        "number" => json.is_number(),
        "boolean" => json.is_boolean(),
        "array" => json.is_array(),
        "object" => json.is_object(),
        "null" => json.is_null(),
        other => panic!("no type: {other}"),
    };
    types.as_array().map_or_else(|| is(types), |types| types.iter().any(is))
}

fn assert_fits(document: &Value, schema: &Value, json: &Value, what: &str) {
    let faults = faults(document, schema, json, what);
    assert!(faults.is_empty(), "{faults:#?} in {json:#}");
}

#[tokio::test]
async fn answers_fit_their_schemas() {
    let bench = Bench::seeded().await;
    bench.local.queue.put(vec![b"rubbish".to_vec(), vec![0xff]]).await.unwrap();
    bench.local.drain().await;
    let document = bench.json("/openapi.json").await;
    for (path, with) in ASKS {
        let json = bench.json(&filled(path, with)).await;
        let items = json.get("items").map(|items| items.as_array().unwrap().len());
        assert!(items.is_none_or(|items| items > 0), "{path} answers nothing");
        assert_fits(&document, schema(&document, path, "200", "application/json"), &json, path);
    }
    let letter = bench.json("/api/v1/dead-letters").await["items"][0].clone();
    let path = "/api/v1/dead-letters/{id}";
    assert_fits(&document, schema(&document, path, "200", "application/json"), &letter, path);
    let problem = bench.get("/api/v1/runs?x=1").await.text().await.unwrap();
    let of_problem = schema(&document, "/api/v1/runs", "400", "application/problem+json");
    assert_fits(&document, of_problem, &serde_json::from_str(&problem).unwrap(), "a problem");
    let wrong = faults(&document, of_problem, &json!({"title": 1, "type": "", "status": -1}), "");
    assert_eq!(wrong.len(), 3, "a title that is a number, a status below 0, no detail: {wrong:?}");
}

/// As the action of a GPT would ask: each once, in a time zone.
#[tokio::test]
async fn every_action_answers_by_its_schema() {
    let bench = Bench::seeded().await;
    let document = bench.json("/openapi-actions.json").await;
    let mut asks: Vec<_> =
        asks(AMBER).into_iter().map(|(tool, asked)| (format!("/api/v1/query/{tool}"), asked)).collect();
    let question = json!({"question": "how many runs per day last week", "timeZone": "Pacific/Kiritimati"});
    asks.push(("/api/v1/ask".to_owned(), question));
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.keys().collect::<BTreeSet<_>>() == asks.iter().map(|(path, _)| path).collect(), "{:?}", paths.keys());
    for (path, asked) in asks {
        let operation = &paths[&path]["post"];
        let zone = operation["parameters"].as_array().unwrap().first().map(|zone| zone["name"].as_str().unwrap());
        let query = zone.map(|name| format!("?{name}=Pacific/Kiritimati"));
        let address = format!("{}{path}{}", document["servers"][0]["url"].as_str().unwrap(), query.unwrap_or_default());
        let response = bench.client.post(address).body(asked.to_string()).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let found: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        assert_fits(&document, schema, &found, &path);
        assert!(faults(&document, schema, &json!({"tool": 1, "status": "fine"}), "").len() > 5, "{path} fits anything");
        let time = found["interpretation"].as_str().unwrap();
        assert!(!time.contains(" to 20") || time.contains("Pacific/Kiritimati"), "{path}: {time}");
    }
}

/// A field that an answer has and the document does not know would be a secret.
#[tokio::test]
async fn fields_are_those_of_the_document() {
    let bench = Bench::seeded().await;
    let document = bench.json("/openapi.json").await;
    let named = names(&document["components"]["schemas"]);
    for (path, with) in ASKS {
        let json = bench.json(&filled(path, with)).await;
        let unknown: Vec<String> = keys(&json).difference(&named).cloned().collect();
        assert!(unknown.is_empty(), "{path}: {unknown:?}");
    }
}

fn keys(json: &Value) -> BTreeSet<String> {
    match json {
        Value::Array(items) => items.iter().flat_map(keys).collect(),
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, value)| keys(value).into_iter().chain([name.clone()])).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => BTreeSet::new(),
    }
}

/// The names of all properties.
fn names(schema: &Value) -> BTreeSet<String> {
    let own = schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.clone());
    let below: Vec<&Value> = match schema {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(items) => items.iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    own.chain(below.into_iter().flat_map(names)).collect()
}

/// What `OpenAPI` 3.1 asks for beyond JSON: <https://spec.openapis.org/oas/v3.1.0>.
#[tokio::test]
async fn the_document_holds_together() {
    let bench = Bench::empty().await;
    let document = bench.json("/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let what = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{what}: its id is another's");
            assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{what}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(["200", "400", "401", "503"].iter().all(|status| responses.contains_key(*status)), "{what}");
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path");
            let in_path: Vec<String> =
                in_path.map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap())).collect();
            let wanted: Vec<String> = path.split('/').filter(|part| part.starts_with('{')).map(str::to_owned).collect();
            assert_eq!(in_path, wanted, "{what}");
            assert!(parameters.iter().all(|parameter| parameter["schema"].is_object()), "{what}");
        }
    }
    for reference in references(&document) {
        let found = document.pointer(reference.trim_start_matches('#'));
        assert!(found.is_some(), "{reference} leads nowhere");
    }
}

fn references(json: &Value) -> BTreeSet<String> {
    match json {
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).map(str::to_owned);
            fields.values().flat_map(references).chain(own).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => BTreeSet::new(),
    }
}

/// Each parameter that is documented is taken, and each that is not is refused by a list of those that are.
#[tokio::test]
async fn parameters_are_those_of_the_document() {
    let bench = Bench::seeded().await;
    let document = bench.json("/openapi.json").await;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(operation) = item.get("get") else { continue };
        let address = path.replace("{id}", "1111").replace("{sha}", "1111");
        let (_, says) = bench.problem(&format!("{address}?nonsense=1")).await;
        for parameter in operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "query") {
            assert!(says.contains(&format!("`{}`", parameter["name"].as_str().unwrap())), "{path}: {says}");
        }
        assert!(says.contains("`nonsense`"), "{path}: {says}");
    }
}

#[tokio::test]
async fn the_routes_of_the_document_are_these() {
    let bench = Bench::empty().await;
    let document = bench.json("/openapi.json").await;
    let routes: Vec<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| format!("{method} {path}")))
        .collect();
    insta::assert_snapshot!("routes", routes.join("\n"));
}
