//! `[[owners]]` in the configuration file: a table for each service, and the patterns of what is its own.

use toml::{Table, Value};

use crate::domain::owner::{OwnerRule, Owners};
use crate::domain::{BranchPattern, Pattern};

/// What the key is called.
pub(super) const OWNERS: &str = "owners";

/// The rules, in their order, or what is wrong: where, and how.
pub(super) fn owners(value: &Value) -> (Owners, Vec<(String, String)>) {
    let mut faults = Vec::new();
    let Some(all) = value.as_array() else {
        return (Owners::default(), vec![(OWNERS.to_owned(), "must be tables: [[owners]]".to_owned())]);
    };
    let mut rules = Vec::new();
    for (at, table) in all.iter().enumerate() {
        let place = format!("{OWNERS}[{at}]");
        match table.as_table() {
            Some(table) => rules.push(rule(table, &place, &mut faults)),
            None => faults.push((place, "must be a table: [[owners]]".to_owned())),
        }
    }
    (Owners(rules), faults)
}

fn rule(table: &Table, place: &str, faults: &mut Vec<(String, String)>) -> OwnerRule {
    let mut rule = OwnerRule::default();
    for (key, value) in table {
        let place = format!("{place}.{key}");
        let mut text = || text(value, &place, faults);
        match key.as_str() {
            "service" => rule.service = text().unwrap_or_default(),
            "team" => rule.team = text(),
            "members" => rule.members = texts(value, &place, faults, "names: [\"Ada Quill\"]"),
            "pipelines" => rule.pipelines = patterns(value, &place, faults),
            "folders" => rule.folders = patterns(value, &place, faults),
            "repositories" => rule.repositories = patterns(value, &place, faults),
            _ => {
                let says = "is not a known key; known are service, team, members, pipelines, folders, repositories";
                faults.push((place, says.to_owned()));
            }
        }
    }
    if rule.service.is_empty() && !table.contains_key("service") {
        faults.push((place.to_owned(), "wants a service".to_owned()));
    }
    if rule.team.is_none() && !rule.members.is_empty() {
        faults.push((format!("{place}.members"), "are of a team: say which, as team".to_owned()));
    }
    if rule.pipelines.is_empty() && rule.folders.is_empty() && rule.repositories.is_empty() && faults.is_empty() {
        faults.push((place.to_owned(), "wants patterns of pipelines, folders or repositories".to_owned()));
    }
    rule
}

pub(super) fn text(value: &Value, place: &str, faults: &mut Vec<(String, String)>) -> Option<String> {
    let read = match value.as_str() {
        None => Err("must be text in quotes"),
        Some(text) if text.trim().is_empty() => Err("must not be empty"),
        Some(text) => Ok(text.to_owned()),
    };
    read.map_err(|says| faults.push((place.to_owned(), says.to_owned()))).ok()
}

pub(super) fn patterns(value: &Value, place: &str, faults: &mut Vec<(String, String)>) -> Vec<Pattern> {
    let texts = texts(value, place, faults, "patterns: [\"checkout-*\"]");
    texts.iter().map(|text| Pattern::new(text)).collect()
}

fn texts(value: &Value, place: &str, faults: &mut Vec<(String, String)>, what: &str) -> Vec<String> {
    let Some(all) = value.as_array() else {
        faults.push((place.to_owned(), format!("must be a list of {what}")));
        return Vec::new();
    };
    all.iter().filter_map(|value| text(value, place, faults)).collect()
}

/// Patterns between commas.
pub(super) fn branches(text: &str) -> Result<Vec<BranchPattern>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let read = |part| BranchPattern::new(part).ok_or_else(|| format!("`{part}` must have {{id}} in it, once"));
    parts.map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::owner::Owned;

    fn read(text: &str) -> (Owners, Vec<String>) {
        let table: Table = text.parse().unwrap();
        let (owners, faults) = owners(&table[OWNERS]);
        (owners, faults.into_iter().map(|(place, says)| format!("{place}: {says}")).collect())
    }

    #[test]
    fn rules_in_their_order() {
        let (owners, faults) = read(
            "[[owners]]\nservice = \"checkout\"\nteam = \"payments\"\nmembers = [\"Ada\"]\npipelines = [\"checkout-*\"]\n\
             [[owners]]\nservice = \"rest\"\nrepositories = [\"*\"]\n",
        );
        assert_eq!(faults, [] as [String; 0]);
        let of = |name, repository| {
            let owned = Owned { name, repository, ..Owned::default() };
            owners.of(&owned).map(|owner| (owner.service, owner.team))
        };
        assert_eq!(of(Some("checkout-api"), Some("x")), Some(("checkout".to_owned(), Some("payments".to_owned()))));
        assert_eq!(of(Some("web"), Some("x")), Some(("rest".to_owned(), None)));
        assert_eq!(of(Some("web"), None), None);
        assert_eq!(owners.teams_of("Ada"), ["payments"]);
    }

    #[test]
    fn every_fault_is_said() {
        assert_eq!(read("owners = 1").1, ["owners: must be tables: [[owners]]"]);
        let faults = read("owners = [7, {team = 3, pipelines = \"x\", boss = \"y\"}]").1;
        let expected = [
            "owners[0]: must be a table: [[owners]]",
            "owners[1].boss: is not a known key; known are service, team, members, pipelines, folders, repositories",
            "owners[1].pipelines: must be a list of patterns: [\"checkout-*\"]",
            "owners[1].team: must be text in quotes",
            "owners[1]: wants a service",
        ];
        assert_eq!(faults, expected);
        let empty = read("[[owners]]\nservice = \"\"\nteam = \" \"\npipelines = [\"\"]").1;
        let expected = ["pipelines", "service", "team"].map(|key| format!("owners[0].{key}: must not be empty"));
        assert_eq!(empty, expected);
        let bare = read("[[owners]]\nservice = \"x\"").1;
        assert_eq!(bare, ["owners[0]: wants patterns of pipelines, folders or repositories"]);
        let teamless = read("[[owners]]\nservice = \"x\"\nmembers = [\"Ada\"]\npipelines = [\"x\"]").1;
        assert_eq!(teamless, ["owners[0].members: are of a team: say which, as team"]);
        let one = read("[[owners]]\nservice = \"x\"\nteam = \"y\"\nmembers = \"Ada\"\npipelines = [\"x\"]").1;
        assert_eq!(one, ["owners[0].members: must be a list of names: [\"Ada Quill\"]"]);
    }

    #[test]
    fn branches_stand_between_commas() {
        assert_eq!(branches("feature/{id}-*, {id}").unwrap().len(), 2);
        assert_eq!(branches("feature/*").unwrap_err(), "`feature/*` must have {id} in it, once");
    }
}
