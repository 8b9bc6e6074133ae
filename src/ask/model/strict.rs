//! The schemas of the tools as models take them, and the arguments as tools take them.
//!
//! A strict schema names every property as required and none beside them; what may be left out may be null instead. Some
//! words of JSON Schema are refused there. <https://platform.openai.com/docs/guides/structured-outputs#supported-schemas>

use schemars::Schema;
use serde_json::{Map, Value, json};

/// Arguments that name people.
const OF_PEOPLE: &str = "requestedFor";

/// Words that are refused, or say nothing to a model.
const LEFT_OUT: [&str; 4] = ["$schema", "title", "default", "format"];

/// The strict form of a tool's schema. Where names of people are not for the model, it is not told that it can ask by
/// them.
pub(super) fn strict(schema: &Schema, people: bool) -> Value {
    let mut schema = schema.clone().to_value();
    mend(&mut schema, people);
    if let Some(root) = schema.as_object_mut() {
        root.entry("properties").or_insert_with(|| json!({}));
        root.entry("required").or_insert_with(|| json!([]));
    }
    schema
}

fn mend(schema: &mut Value, people: bool) {
    match schema {
        Value::Object(words) => {
            LEFT_OUT.iter().for_each(|word| drop(words.remove(*word)));
            if let Some(any) = words.remove("oneOf") {
                words.insert("anyOf".to_owned(), any);
            }
            require_all(words, people);
            words.values_mut().for_each(|value| mend(value, people));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| mend(value, people)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn require_all(words: &mut Map<String, Value>, people: bool) {
    let required: Vec<String> = words
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    let Some(properties) = words.get_mut("properties").and_then(Value::as_object_mut) else { return };
    if !people {
        properties.remove(OF_PEOPLE);
    }
    for (name, property) in properties.iter_mut() {
        if !required.contains(name) {
            *property = nullable(property);
        }
    }
    let all: Vec<_> = properties.keys().cloned().collect();
    words.insert("required".to_owned(), json!(all));
    words.insert("additionalProperties".to_owned(), Value::Bool(false));
}

fn nullable(property: &Value) -> Value {
    let is_null = |kind: &Value| kind == "null" || kind["type"] == "null";
    let takes = |word: &str| property[word].as_array().is_some_and(|kinds| kinds.iter().any(is_null));
    if takes("type") || takes("anyOf") {
        return property.clone();
    }
    json!({"anyOf": [property, {"type": "null"}]})
}

/// Null means left out.
pub(super) fn without_nulls(arguments: Value) -> Value {
    match arguments {
        Value::Object(map) => {
            let map = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(map.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => arguments,
    }
}

/// Whether these arguments ask by a person's name.
pub(super) fn names_people(arguments: &Value) -> bool {
    match arguments {
        Value::Object(map) => map.iter().any(|(name, value)| name == OF_PEOPLE || names_people(value)),
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tools::Tool;
    use super::*;

    /// What the documentation asks of every schema within one.
    fn check(schema: &Value, place: &str) {
        let Some(words) = schema.as_object() else { return };
        for word in LEFT_OUT.iter().chain(&["oneOf", "allOf", "not", "patternProperties"]) {
            assert!(!words.contains_key(*word) || place.ends_with("properties"), "{place} has {word}");
        }
        if let Some(properties) = words.get("properties").and_then(Value::as_object) {
            let required: Vec<_> =
                words["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            assert_eq!(required, properties.keys().collect::<Vec<_>>(), "{place}");
            assert_eq!(words["additionalProperties"], false, "{place}");
        }
        for (name, value) in words {
            let within = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
            within.iter().for_each(|value| check(value, &format!("{place}/{name}")));
        }
    }

    #[test]
    fn every_schema_is_strict() {
        for tool in Tool::ALL {
            let schema = strict(&tool.schema(), true);
            assert_eq!(schema["type"], "object", "{}", tool.name());
            check(&schema, tool.name());
        }
    }

    #[test]
    fn who_may_not_hear_of_people_cannot_ask_by_them() {
        let told = |people| strict(&Tool::QueryRuns.schema(), people).to_string().contains(OF_PEOPLE);
        assert!(told(true) && !told(false));
        assert!(names_people(&json!({"filters": {"requestedFor": "Ada"}})) && !names_people(&json!({"filters": {}})));
    }

    #[test]
    fn null_is_left_out() {
        let arguments = json!({"window": null, "filters": {"branch": null, "state": "completed"}, "groupBy": []});
        assert_eq!(without_nulls(arguments), json!({"filters": {"state": "completed"}, "groupBy": []}));
    }
}
