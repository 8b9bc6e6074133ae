//! Records and facts from one storage to another.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use pipetrail::domain::{EncodedFact, Key};
use pipetrail::store::Store;
use pipetrail::transfer::{Arrived, ImportError, export, import};

use crate::shell::Shell;
use crate::support::{Local, assert_same, assert_told, bodies, folder, stored, time};

async fn filled(path: &Path, count: usize) -> Local {
    let local = Local::open(path).await;
    local.queue.put(bodies(count)).await.unwrap();
    local.drain().await;
    local
}

async fn exported(store: &dyn Store) -> Vec<u8> {
    let mut text = Vec::new();
    let exported = export(store, &mut text, &|_| ()).await.unwrap();
    assert!(exported.records > 0 && exported.left_out.is_empty(), "{exported:?}");
    text
}

async fn imported(store: &Arc<dyn Store>, text: &[u8]) -> Result<Arrived, ImportError> {
    import(store.clone(), text, &|_| ()).await
}

async fn facts(store: &dyn Store) -> BTreeMap<Key, Vec<EncodedFact>> {
    let mut facts = BTreeMap::new();
    for key in stored(store).await.into_keys() {
        facts.insert(key.clone(), store.stored_facts(&key).await.unwrap());
    }
    facts
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_exported_comes_in_equal_and_twice_is_once() {
    let (_from, path) = folder();
    let from = filled(&path, 600).await;
    let text = exported(from.store.as_ref()).await;
    let (_to, path) = folder();
    let to = Local::open(&path).await;
    let arrived = imported(&to.store, &text).await.unwrap();
    let records = stored(from.store.as_ref()).await;
    assert_eq!(arrived.records, records.len() as u64);
    assert_same(&stored(to.store.as_ref()).await, &records);
    assert_eq!(facts(to.store.as_ref()).await, facts(from.store.as_ref()).await);
    assert_told(to.store.as_ref(), &records).await;
    let again = imported(&to.store, &text).await.unwrap();
    assert_eq!((again.imported.applied, again.behind.len()), (0, 0));
    assert_same(&stored(to.store.as_ref()).await, &records);
    assert_eq!(exported(to.store.as_ref()).await, text);
}

/// By the commands, over Azure and back: `refold --check` finds nothing on the way.
#[tokio::test(flavor = "multi_thread")]
async fn over_azure_and_back_all_is_what_it_was() {
    let here = Shell::local();
    let mut events = bodies(300).join(&b'\n');
    events.push(b'\n');
    fs::write(here.path().join("events.ndjson"), events).unwrap();
    here.run("enqueue events.ndjson");
    here.run("work --until-empty");
    let file = here.path().join("all.jsonl");
    here.run(&format!("export {}", file.display()));
    let azure = Shell::azure().await;
    let said = String::from_utf8(azure.run(&format!("import {}", file.display())).stderr).unwrap();
    assert!(said.contains("imported ") && said.contains("refold --check"), "{said}");
    azure.run("refold --check");
    assert_eq!(azure.json("get runs --top 0"), here.json("get runs --top 0"));
    let back = Shell::local();
    let mut importing = back.command("import -");
    let mut importing = importing.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    importing.stdin.take().unwrap().write_all(&azure.run("export -").stdout).unwrap();
    assert!(importing.wait().unwrap().success());
    back.run("refold --check");
    let [before, after] = [&here, &back].map(|shell| shell.path().join("pipetrail.db"));
    let (before, after) = (Local::open(&before).await, Local::open(&after).await);
    assert_same(&stored(after.store.as_ref()).await, &stored(before.store.as_ref()).await);
    assert_eq!(facts(after.store.as_ref()).await, facts(before.store.as_ref()).await);
}

#[tokio::test]
async fn what_was_purged_does_not_come_back_where_it_came_to() {
    let (_from, path) = folder();
    let from = filled(&path, 60).await;
    let floor = time("2026-03-02T12:00:00Z");
    from.store.raise_floor(floor).await.unwrap();
    let text = exported(from.store.as_ref()).await;
    let (_to, path) = folder();
    let to = Local::open(&path).await;
    let arrived = imported(&to.store, &text).await.unwrap();
    assert_eq!(arrived.imported.below_floor, 0, "the floor comes last");
    assert_eq!(to.store.survey().await.unwrap().floor, Some(floor));
    assert_same(&stored(to.store.as_ref()).await, &stored(from.store.as_ref()).await);
}

#[tokio::test]
async fn what_is_no_whole_export_is_told_with_its_line() {
    let (_from, path) = folder();
    let text = String::from_utf8(exported(filled(&path, 40).await.store.as_ref()).await).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let but = |from: usize, to: usize| lines[from..to].join("\n");
    let (_to, path) = folder();
    let to = Local::open(&path).await;
    for (text, says) in [
        (String::new(), "line 1: the export was cut off"),
        (but(1, lines.len()), "line 1: it is no beginning"),
        (but(0, lines.len() - 1), "the export was cut off"),
        (format!("{text}{text}"), "something follows the end"),
        (format!("{}\n{}", but(0, 1), but(2, 3)), "line 2: a record is missing"),
        (format!("{}\n{}\n{}", but(0, 1), lines[1], lines[1]), "line 3: a fact is missing"),
        (format!("{}\n{}", but(0, 1), lines[lines.len() - 1]), "line 2: it ends an export of another length"),
        (but(0, 1).replace("\"form\":1", "\"form\":9"), "line 1: the export is of form 9"),
        (
            format!("{}\n{{\"record\":{{\"key\":\"x\",\"facts\":1,\"body\":1}}}}", but(0, 1)),
            "line 2: it names no record",
        ),
        ("rubbish".to_owned(), "line 1: it is no line of an export"),
    ] {
        let error = imported(&to.store, text.as_bytes()).await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}, not {says}");
    }
}

/// Nothing of a newer program is dropped in silence.
#[tokio::test]
async fn what_only_a_newer_program_understands_is_told() {
    let (_from, path) = folder();
    let text = String::from_utf8(exported(filled(&path, 40).await.store.as_ref()).await).unwrap();
    let newer = text.replacen("\"body\":{\"v\":1", "\"body\":{\"v\":1,\"tests\":{\"passed\":3}", 1);
    assert_ne!(newer, text);
    let (_to, path) = folder();
    let to = Local::open(&path).await;
    let arrived = imported(&to.store, newer.as_bytes()).await.unwrap();
    assert_eq!(arrived.behind.len(), 1, "{:?}", arrived.behind);
    let later = text.replacen("\"body\":{\"v\":1", "\"body\":{\"v\":99", 1);
    let arrived = imported(&to.store, later.as_bytes()).await.unwrap();
    assert!(arrived.behind[0].1.contains("version 99"), "{:?}", arrived.behind);
}

/// An export that is taken while a worker works is whole, each record with its facts.
#[tokio::test(flavor = "multi_thread")]
async fn beside_a_worker_every_record_is_exported_with_the_facts_that_amount_to_it() {
    let (_from, path) = folder();
    let from = filled(&path, 200).await;
    from.queue.put(bodies(2_000)).await.unwrap();
    let (worked, text) = tokio::join!(from.drain(), exported(from.store.as_ref()));
    assert_eq!(worked.received, 2_000);
    let (_to, path) = folder();
    let to = Local::open(&path).await;
    let arrived = tokio::time::timeout(Duration::from_secs(120), imported(&to.store, &text)).await.unwrap().unwrap();
    assert!(arrived.behind.is_empty(), "{:?}", arrived.behind);
}

#[test]
fn a_file_that_is_there_is_left_alone() {
    let shell = Shell::local();
    fs::write(shell.path().join("there"), "mine").unwrap();
    shell.run(&format!("enqueue {}/example-json", env!("CARGO_MANIFEST_DIR")));
    let (code, said) = shell.said("export there");
    assert!(code == Some(1) && said.contains("there: cannot be made"), "{said}");
    assert_eq!(fs::read(shell.path().join("there")).unwrap(), b"mine");
    let (code, said) = shell.said("--data other.db import nowhere");
    assert!(code == Some(1) && said.contains("nowhere: cannot be read"), "{said}");
    assert!(!shell.path().join("other.db").exists());
}
