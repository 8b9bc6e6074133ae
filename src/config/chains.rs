//! `[[chains]]` in the configuration file: which repositories make one deployment chain, and how the rest of it is named.

use toml::{Table, Value};

use super::owners::{patterns, text};
use crate::domain::Pattern;
use crate::domain::chain::{Chain, Chains, NamedCluster, Ring, Service, TagTemplate};

/// What the key is called.
pub(super) const CHAINS: &str = "chains";

/// What is wrong: where, and how.
type Wrong = Vec<(String, String)>;

/// The chains, in their order.
pub(super) fn chains(value: &Value) -> (Chains, Wrong) {
    let mut faults = Vec::new();
    let all = tables(value, CHAINS, &mut faults, chain);
    for (at, one) in all.iter().enumerate() {
        if all.iter().take(at).any(|before| before.name == one.name && !one.name.is_empty()) {
            faults.push((format!("{CHAINS}[{at}].name"), format!("`{}` is the name of another chain", one.name)));
        }
    }
    (Chains { all, are_configured: true }, faults)
}

/// Each of a list of tables.
fn tables<T>(value: &Value, place: &str, faults: &mut Wrong, read: fn(&Table, &str, &mut Wrong) -> T) -> Vec<T> {
    let Some(all) = value.as_array() else {
        faults.push((place.to_owned(), format!("must be tables: [[{place}]]")));
        return Vec::new();
    };
    let mut found = Vec::new();
    for (at, table) in all.iter().enumerate() {
        let place = format!("{place}[{at}]");
        match table.as_table() {
            Some(table) => found.push(read(table, &place, faults)),
            None => faults.push((place, "must be a table".to_owned())),
        }
    }
    found
}

fn chain(table: &Table, place: &str, faults: &mut Wrong) -> Chain {
    let mut chain = Chain::named("");
    for (key, value) in table {
        let place = format!("{place}.{key}");
        match key.as_str() {
            "name" => chain.name = name(value, &place, faults),
            "organization" => chain.organization = text(value, &place, faults).map(|name| name.to_lowercase()),
            "hld" => chain.hld = patterns(value, &place, faults),
            "manifest" => chain.manifest = patterns(value, &place, faults),
            "image_tag" => chain.tag = template(value, &place, faults),
            "services" => chain.services = tables(value, &place, faults, service),
            "rings" => chain.rings = tables(value, &place, faults, ring),
            "clusters" => chain.clusters = tables(value, &place, faults, cluster),
            _ => {
                let known = "name, organization, hld, manifest, image_tag, services, rings, clusters";
                faults.push((place, format!("is not a known key; known are {known}")));
            }
        }
    }
    if chain.hld.is_empty() && !table.contains_key("hld") {
        faults.push((place.to_owned(), "wants the repositories with the high-level definition: hld".to_owned()));
    }
    if !table.contains_key("name") {
        match chain.hld.first().map(ToString::to_string) {
            Some(only) if !only.contains('*') && is_key(&only) => chain.name = only,
            Some(_) => faults.push((place.to_owned(), "wants a name, since hld is a pattern or a path".to_owned())),
            None => {}
        }
    }
    chain
}

/// It is the key of a table's partition.
fn name(value: &Value, place: &str, faults: &mut Wrong) -> String {
    let Some(name) = text(value, place, faults) else { return String::new() };
    if !is_key(&name) {
        let says = "must be a name of at most 200 bytes, without / \\ # ? ' and control characters";
        faults.push((place.to_owned(), says.to_owned()));
    }
    name
}

fn is_key(name: &str) -> bool {
    name.len() <= 200 && !name.contains(|c: char| c.is_control() || "/\\#?'".contains(c))
}

fn template(value: &Value, place: &str, faults: &mut Wrong) -> TagTemplate {
    let read = text(value, place, faults).map(|text| TagTemplate::parse(&text));
    match read {
        Some(Ok(template)) => template,
        Some(Err(says)) => {
            faults.push((place.to_owned(), says));
            TagTemplate::default()
        }
        None => TagTemplate::default(),
    }
}

fn service(table: &Table, place: &str, faults: &mut Wrong) -> Service {
    let (name, [pipelines, images]) = named(table, place, faults, ["pipelines", "images"]);
    Service { name, pipelines, images }
}

fn ring(table: &Table, place: &str, faults: &mut Wrong) -> Ring {
    let (name, [branches]) = named(table, place, faults, ["branches"]);
    Ring { name, branches }
}

fn cluster(table: &Table, place: &str, faults: &mut Wrong) -> NamedCluster {
    let (name, [names]) = named(table, place, faults, ["names"]);
    NamedCluster { name, names }
}

/// What has a name, and patterns below each of these keys.
fn named<const N: usize>(
    table: &Table,
    place: &str,
    faults: &mut Wrong,
    keys: [&str; N],
) -> (String, [Vec<Pattern>; N]) {
    let name = required(table, place, faults);
    let mut found = [const { Vec::new() }; N];
    for (key, value) in table {
        let place = format!("{place}.{key}");
        match keys.iter().zip(&mut found).find(|(known, _)| *known == key) {
            Some((_, found)) => *found = patterns(value, &place, faults),
            None if key == "name" => {}
            None => faults.push((place, format!("is not a known key; known are name, {}", keys.join(", ")))),
        }
    }
    (name, found)
}

fn required(table: &Table, place: &str, faults: &mut Wrong) -> String {
    match table.get("name") {
        Some(value) => text(value, &format!("{place}.name"), faults).unwrap_or_default(),
        None => {
            faults.push((place.to_owned(), "wants a name".to_owned()));
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Chains, Vec<String>) {
        let table: Table = text.parse().unwrap();
        let (chains, faults) = chains(&table[CHAINS]);
        (chains, faults.into_iter().map(|(place, says)| format!("{place}: {says}")).collect())
    }

    #[test]
    fn the_repositories_are_enough() {
        let (chains, faults) = read("[[chains]]\nhld = [\"shop-hld\"]\nmanifest = [\"shop-k8s\"]");
        assert_eq!(faults, [] as [String; 0]);
        let chain = &chains.all[0];
        assert_eq!((chain.name.as_str(), chain.tag.to_string()), ("shop-hld", "{branch}-{number}".to_owned()));
        assert!(chain.is_hld("Shop-HLD") && chain.is_manifest("shop-k8s") && chains.are_configured);
    }

    #[test]
    fn the_rest_may_be_said() {
        let (chains, faults) = read(
            "[[chains]]\nname = \"shop\"\norganization = \"Fabrikam\"\nhld = [\"*-hld\"]\n\
             image_tag = \"{service}-{branch}-{id}\"\n\
             [[chains.services]]\nname = \"web\"\npipelines = [\"web-*\"]\nimages = [\"shop-web\"]\n\
             [[chains.rings]]\nname = \"prod\"\nbranches = [\"main\"]\n\
             [[chains.clusters]]\nname = \"east\"\nnames = [\"SYNC\", \"apps/*\"]",
        );
        assert_eq!(faults, [] as [String; 0]);
        let chain = &chains.all[0];
        assert_eq!((chain.name.as_str(), chain.organization.as_deref()), ("shop", Some("fabrikam")));
        assert_eq!(chain.service_of(7, Some("web-ci")), Some("web"));
        assert_eq!((chain.rings[0].name.as_str(), chain.clusters[0].name.as_str()), ("prod", "east"));
        assert!(chain.clusters[0].names.iter().any(|name| name.matches("apps/0c9a1b2f")));
    }

    #[test]
    fn every_fault_is_said() {
        assert_eq!(read("chains = 1").1, ["chains: must be tables: [[chains]]"]);
        let faults = read(
            "chains = [7, {name = \"a/b\", hlds = 1}, {hld = [\"*-hld\"], image_tag = \"{build}\", rings = 1, \
             services = [{pipelines = \"x\"}], clusters = [{name = \"x\", tag = 1}]}, {hld = [\"x\"]}, {hld = [\"x\"]}]",
        )
        .1;
        let expected = [
            "chains[0]: must be a table",
            "chains[1].hlds: is not a known key; known are name, organization, hld, manifest, image_tag, services, rings, \
             clusters",
            "chains[1].name: must be a name of at most 200 bytes, without / \\ # ? ' and control characters",
            "chains[1]: wants the repositories with the high-level definition: hld",
            "chains[2].clusters[0].tag: is not a known key; known are name, names",
            "chains[2].image_tag: `{build}` is none of {branch}, {service}, {number}, {id}",
            "chains[2].rings: must be tables: [[chains[2].rings]]",
            "chains[2].services[0]: wants a name",
            "chains[2].services[0].pipelines: must be a list of patterns: [\"checkout-*\"]",
            "chains[2]: wants a name, since hld is a pattern or a path",
            "chains[3].name: `x` is the name of another chain",
        ];
        assert_eq!(faults, expected);
    }
}
