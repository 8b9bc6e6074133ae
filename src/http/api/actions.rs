//! `/openapi-actions.json`: the tools for actions of GPTs, an operation a tool, within their limits: texts of 300 and 700
//! characters, 30 operations, one server. <https://platform.openai.com/docs/actions/production>

use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::{Extension, Json};
use serde_json::{Map, Value, json};

use super::query::Answering;
use crate::ask::{Answer, Found, Tool};

const LONGEST_SUMMARY: usize = 300;
const LONGEST_DESCRIPTION: usize = 700;

/// Open, as what it says is no secret.
pub(super) async fn show(answering: Option<Extension<Answering>>, headers: HeaderMap) -> Json<Value> {
    let public = answering.and_then(|Extension(answering)| answering.public_url);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    Json(document(&public.unwrap_or_else(|| format!("http://{host}"))))
}

fn document(server: &str) -> Value {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    let found = component("Found", Found::schema().to_value(), &mut schemas);
    let answer = component("Answer", Answer::schema().to_value(), &mut schemas);
    let zone = json!([{"name": "timeZone", "in": "query", "required": false, "schema": {"type": "string"},
        "description": "Of days and weeks, such as Europe/Berlin; UTC by default."}]);
    for tool in Tool::ALL {
        let mut arguments = tool.schema().to_value();
        define(&mut arguments, &mut schemas);
        let operation = operation((tool.name(), tool.says()), (&zone, arguments), &found);
        paths.insert(format!("/api/v1/query/{}", tool.name()), json!({"post": operation}));
    }
    let question = json!({
        "type": "object",
        "properties": {
            "question": {"type": "string", "description": "In words, such as: which pipelines failed most last week."},
            "project": {"type": ["string", "null"], "description": "The name or id of a project: no other is looked at."},
            "timeZone": {"type": ["string", "null"], "description": "Of days and weeks, such as Europe/Berlin."},
        },
        "required": ["question"],
        "additionalProperties": false,
    });
    let ask = operation(("ask", "Answers a question in words."), (&json!([]), question), &answer);
    paths.insert("/api/v1/ask".to_owned(), json!({"post": ask}));
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Pipetrail", "version": env!("CARGO_PKG_VERSION"),
            "description": "Read-only questions about the pipeline runs and deployments of Azure DevOps."},
        "servers": [{"url": server}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    })
}

/// Refers to a schema, which from now on stands among the components.
fn component(name: &str, mut schema: Value, schemas: &mut Map<String, Value>) -> Value {
    define(&mut schema, schemas);
    schemas.insert(name.to_owned(), schema);
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// What the schema defines stands among the components.
fn define(schema: &mut Value, schemas: &mut Map<String, Value>) {
    let defined = schema.as_object_mut().and_then(|words| words.remove("$defs"));
    for (name, mut defined) in defined.and_then(|defined| defined.as_object().cloned()).into_iter().flatten() {
        mend(&mut defined);
        schemas.insert(name, defined);
    }
    mend(schema);
}

fn operation((id, says): (&str, &str), (parameters, schema): (&Value, Value), answers: &Value) -> Value {
    json!({
        "operationId": id,
        "summary": cut(says, LONGEST_SUMMARY),
        // It only reads: nobody has to be asked before each call.
        "x-openai-isConsequential": false,
        "parameters": parameters,
        "requestBody": {"required": true, "content": {"application/json": {"schema": schema}}},
        "responses": {"200": {"description": "A table with what it rests on.",
            "content": {"application/json": {"schema": answers}}}},
    })
}

/// Definitions stand among the components there, and a schema is an object.
fn mend(schema: &mut Value) {
    match schema {
        Value::Object(words) => {
            words.remove("$schema");
            for (word, value) in words.iter_mut() {
                mend(value);
                if word == "items" && *value == Value::Bool(true) {
                    *value = json!({});
                }
                let Value::String(text) = value else { continue };
                if word == "$ref" {
                    *text = text.replace("#/$defs/", "#/components/schemas/");
                } else if word == "description" {
                    *text = cut(text, LONGEST_DESCRIPTION);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(mend),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn cut(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &Value, document: &Value) {
        match value {
            Value::Object(words) => {
                for (word, value) in words {
                    match (word.as_str(), value) {
                        ("summary", Value::String(text)) => assert!(text.chars().count() <= 300, "{text}"),
                        ("description", Value::String(text)) => assert!(text.chars().count() <= 700, "{text}"),
                        ("$ref", Value::String(text)) => {
                            assert!(document.pointer(text.trim_start_matches('#')).is_some(), "{text} leads nowhere");
                        }
                        (_, value) => check(value, document),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| check(value, document)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn it_is_within_the_limits_of_actions() {
        let document = document("https://pipetrail.example");
        check(&document, &document);
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.len() == Tool::ALL.len() + 1 && paths.len() <= 30);
        let mut ids: Vec<_> = paths.values().map(|path| path["post"]["operationId"].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), paths.len());
        assert!(document.to_string().len() < 100_000);
        assert!(!document.to_string().contains("\"in\":\"header\""), "no headers of our own");
        assert_eq!(document["servers"].as_array().unwrap().len(), 1);
    }
}
