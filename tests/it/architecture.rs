//! Who may name whom: data flows one way, the domain and the views are pure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each module with the modules of ours that it may name. `cmd` may name all, and nobody names `cmd`.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("clock", &["domain"]),
    ("history", &["domain"]),
    ("entra", &["clock", "domain"]),
    // Its REST client counts its requests.
    ("ado", &["domain", "entra", "telemetry"]),
    ("sqlite", &["clock", "domain"]),
    ("azure", &["domain", "entra", "telemetry"]),
    ("queue", &["azure", "clock", "domain", "sqlite"]),
    ("store", &["azure", "clock", "domain", "sqlite"]),
    // Its tests open a local file, which wants a clock.
    ("catalog", &["clock", "domain", "sqlite", "store"]),
    ("view", &["catalog", "domain", "subscriptions"]),
    ("ask", &["catalog", "domain", "entra", "view"]),
    ("ingest", &["ado", "clock", "domain", "queue", "store", "telemetry"]),
    ("backfill", &["ado", "clock", "domain", "ingest", "store", "telemetry"]),
    // It resolves the variables of the storage account and of Azure DevOps into what the clients take: one form of a
    // credential, one place that can print it wrongly. A signature that has ended is a fault. Patterns, owners and what
    // becomes of names are the domain's. Where the model is, its client says.
    ("config", &["ado", "ask", "azure", "domain"]),
    ("publish", &["azure", "view"]),
    ("telemetry", &["config"]),
    // Who looks after them keeps a record of what was lost.
    ("subscriptions", &["ado", "clock", "domain", "ingest", "store", "telemetry"]),
    // What comes in goes through the same fold and commit as a backfill's answers.
    ("transfer", &["domain", "ingest", "store"]),
    ("shutdown", &[]),
    // What a script tells of is refused with the reason that the worker would have for it.
    ("http", &["ado", "ask", "catalog", "clock", "config", "domain", "queue", "store", "telemetry", "view"]),
    ("cli", &["config", "domain"]),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The Rust files of a module, or of everything.
fn files(path: &Path) -> Vec<PathBuf> {
    let single = path.with_extension("rs");
    if single.is_file() {
        return vec![single];
    }
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|entry| if entry.is_dir() { files(&entry) } else { vec![entry] })
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The modules of ours that a file names in its code.
fn named(file: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect())
        .collect()
}

#[test]
fn modules_name_only_what_they_may() {
    let mut faults = Vec::new();
    for (module, allowed) in MAY_NAME {
        for file in files(&source().join(module)) {
            let other = named(&file).into_iter().filter(|name| name != module && !allowed.contains(&name.as_str()));
            faults.extend(other.map(|name| format!("{} names {name}", file.display())));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_module_has_its_row() {
    let entries = std::fs::read_dir(source()).unwrap().map(|entry| entry.unwrap().path());
    let there: BTreeSet<String> = entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let rows = MAY_NAME.iter().map(|(module, _)| *module).chain(["cmd", "lib", "main"]).map(str::to_owned);
    assert_eq!(there, rows.collect());
}

/// Pure means: no input, no output, no waiting.
#[test]
fn the_domain_and_the_views_are_pure() {
    let impure =
        ["std::fs", "std::io", "std::net", "std::env", "tokio", "rusqlite", "reqwest", "async fn", "SystemTime"];
    for module in ["domain", "view", "history"] {
        for file in files(&source().join(module)) {
            let text = std::fs::read_to_string(&file).unwrap();
            let found: Vec<_> = impure.iter().filter(|word| text.contains(**word)).collect();
            assert!(found.is_empty(), "{} has {found:?}", file.display());
        }
    }
}
