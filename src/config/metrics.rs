//! `[metrics]` and `[[environments]]` in the configuration file: what counts as what in delivery metrics.

use std::time::Duration;

use toml::{Table, Value};

use super::owners::{patterns, text};
use crate::domain::metrics::{EnvironmentRule, PartialSuccess, Terms, Zone};

/// What the keys are called.
pub(super) const METRICS: &str = "metrics";
pub(super) const ENVIRONMENTS: &str = "environments";

const KEYS: &str =
    "partial_success, rework_within, fixes, incident_types, incident_tags, resolved_states, people, time_zone";
const RULE_KEYS: &str = "name, production, ignore, stages, pipelines, environments";

type Faults = Vec<(String, String)>;

/// Reads `[metrics]` into the terms and the time zone.
pub(super) fn metrics(value: &Value, terms: &mut Terms, zone: &mut Zone) -> Faults {
    let mut faults = Vec::new();
    let Some(table) = value.as_table() else {
        return vec![(METRICS.to_owned(), "must be a table: [metrics]".to_owned())];
    };
    for (key, value) in table {
        let place = format!("{METRICS}.{key}");
        match key.as_str() {
            "partial_success" => set(&mut terms.partial, read(value, &place, &mut faults, partial)),
            "rework_within" => set(&mut terms.rework_within, read(value, &place, &mut faults, duration)),
            "time_zone" => set(zone, read(value, &place, &mut faults, time_zone)),
            "fixes" => terms.fixes = patterns(value, &place, &mut faults),
            "incident_types" => terms.incidents = patterns(value, &place, &mut faults),
            "incident_tags" => terms.incident_tags = patterns(value, &place, &mut faults),
            "resolved_states" => terms.resolved = patterns(value, &place, &mut faults),
            "people" => set(&mut terms.people, truth(value, &place, &mut faults)),
            _ => faults.push((place, format!("is not a known key; known are {KEYS}"))),
        }
    }
    faults
}

fn set<T>(to: &mut T, read: Option<T>) {
    if let Some(read) = read {
        *to = read;
    }
}

fn read<T>(value: &Value, place: &str, faults: &mut Faults, parse: fn(&str) -> Result<T, String>) -> Option<T> {
    let text = text(value, place, faults)?;
    parse(&text).map_err(|says| faults.push((place.to_owned(), says))).ok()
}

fn partial(text: &str) -> Result<PartialSuccess, String> {
    match text {
        "counts" => Ok(PartialSuccess::Counts),
        "fails" => Ok(PartialSuccess::Fails),
        "ignored" => Ok(PartialSuccess::IsNone),
        other => Err(format!("`{other}` is none of counts, fails, ignored")),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| format!("`{text}` is not a duration such as 2d"))
}

fn time_zone(text: &str) -> Result<Zone, String> {
    text.parse::<Zone>().map_err(|error| error.to_string())
}

fn truth(value: &Value, place: &str, faults: &mut Faults) -> Option<bool> {
    let truth = value.as_bool();
    if truth.is_none() {
        faults.push((place.to_owned(), "must be true or false, without quotes".to_owned()));
    }
    truth
}

/// The rules, in their order.
pub(super) fn environments(value: &Value) -> (Vec<EnvironmentRule>, Faults) {
    let mut faults = Vec::new();
    let Some(all) = value.as_array() else {
        return (Vec::new(), vec![(ENVIRONMENTS.to_owned(), "must be tables: [[environments]]".to_owned())]);
    };
    let mut rules = Vec::new();
    for (at, table) in all.iter().enumerate() {
        let place = format!("{ENVIRONMENTS}[{at}]");
        match table.as_table() {
            Some(table) => rules.push(rule(table, &place, &mut faults)),
            None => faults.push((place, "must be a table: [[environments]]".to_owned())),
        }
    }
    (rules, faults)
}

fn rule(table: &Table, place: &str, faults: &mut Faults) -> EnvironmentRule {
    let mut rule = EnvironmentRule::default();
    let before = faults.len();
    for (key, value) in table {
        let place = format!("{place}.{key}");
        match key.as_str() {
            "name" => rule.name = text(value, &place, faults).unwrap_or_default(),
            "production" => rule.production = truth(value, &place, faults),
            "ignore" => rule.ignore = truth(value, &place, faults).unwrap_or_default(),
            "stages" => rule.stages = patterns(value, &place, faults),
            "pipelines" => rule.pipelines = patterns(value, &place, faults),
            "environments" => rule.environments = patterns(value, &place, faults),
            _ => faults.push((place, format!("is not a known key; known are {RULE_KEYS}"))),
        }
    }
    if rule.name.is_empty() && !rule.ignore && !table.contains_key("name") {
        faults.push((place.to_owned(), "wants a name".to_owned()));
    }
    let has_patterns = !rule.stages.is_empty() || !rule.pipelines.is_empty() || !rule.environments.is_empty();
    if !has_patterns && rule.production.is_none() && faults.len() == before {
        faults
            .push((place.to_owned(), "wants patterns of stages, pipelines or environments, or production".to_owned()));
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str) -> (Terms, Zone, Vec<String>) {
        let table: Table = file.parse().unwrap();
        let (mut terms, mut zone, mut faults) = (Terms::default(), Zone::default(), Vec::new());
        if let Some(value) = table.get(METRICS) {
            faults = metrics(value, &mut terms, &mut zone);
        }
        if let Some(value) = table.get(ENVIRONMENTS) {
            let (rules, wrong) = environments(value);
            terms.environments = rules;
            faults.extend(wrong);
        }
        (terms, zone, faults.into_iter().map(|(place, says)| format!("{place}: {says}")).collect())
    }

    #[test]
    fn what_is_said_is_taken() {
        let (terms, zone, faults) = read(
            "[metrics]\npartial_success = \"fails\"\nrework_within = \"3d\"\nfixes = [\"emergency/*\"]\n\
             incident_types = [\"Bug*\"]\nincident_tags = [\"outage*\"]\nresolved_states = [\"Fixed\"]\npeople = true\ntime_zone = \"Europe/Berlin\"\n\
             [[environments]]\nname = \"eu\"\nproduction = true\nstages = [\"ship*\"]\npipelines = [\"shop-*\"]\n\
             [[environments]]\nignore = true\nstages = [\"prod-dry-run\"]\n",
        );
        assert_eq!(faults, [] as [String; 0]);
        assert_eq!(
            (terms.partial, terms.rework_within.as_secs(), terms.people),
            (PartialSuccess::Fails, 259_200, true)
        );
        assert!(terms.names_fix("refs/heads/emergency/1") && !terms.names_fix("hotfix/1"));
        assert!(terms.is_tagged_incident("web; Outage-2") && !terms.is_tagged_incident("incident"));
        assert!(terms.is_incident("bug report") && terms.is_resolved("fixed"));
        assert_eq!(zone.to_string(), "Europe/Berlin");
        assert_eq!(terms.stage(Some("shop-web"), "ship-it").map(|place| place.environment).as_deref(), Some("eu"));
        assert_eq!(terms.stage(None, "prod-dry-run"), None);
    }

    #[test]
    fn every_fault_is_said() {
        let (_, _, faults) = read(
            "environments = [7, {production = \"yes\"}, {name = \"x\"}, {name = \"y\", stages = 3, color = 1}]\n\
             [metrics]\npartial_success = \"x\"\nrework_within = \"soon\"\npeople = \"no\"\ntime_zone = \"Mars\"\nlevel = 1\n",
        );
        let expected = [
            format!("metrics.level: is not a known key; known are {KEYS}"),
            "metrics.partial_success: `x` is none of counts, fails, ignored".to_owned(),
            "metrics.people: must be true or false, without quotes".to_owned(),
            "metrics.rework_within: `soon` is not a duration such as 2d".to_owned(),
            "metrics.time_zone: `Mars` is not a time zone such as Europe/Berlin".to_owned(),
            "environments[0]: must be a table: [[environments]]".to_owned(),
            "environments[1].production: must be true or false, without quotes".to_owned(),
            "environments[1]: wants a name".to_owned(),
            "environments[2]: wants patterns of stages, pipelines or environments, or production".to_owned(),
            format!("environments[3].color: is not a known key; known are {RULE_KEYS}"),
            "environments[3].stages: must be a list of patterns: [\"checkout-*\"]".to_owned(),
        ];
        assert_eq!(faults, expected);
    }
}
