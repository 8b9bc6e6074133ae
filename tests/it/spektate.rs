//! Spektate's own package, as it is on npm, reads the rows that we publish.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use pipetrail::azure::{Operation, Services, Table, entity};
use pipetrail::catalog::ChainFilter;
use pipetrail::domain::chain::{Chain, Kind, Row, Second, Status};
use pipetrail::history::bedrock;
use pipetrail::ingest::Importer;
use pipetrail::publish::{Published, Publisher};
use pipetrail::view::{SpektateRow, deployments_json, short, spektate_rows};
use serde_json::{Value, json};

use crate::azurite::{Azurite, unique};
use crate::chain::besides;
use crate::shell::{Running, Shell};
use crate::support::{Local, folder, time};

/// What Spektate answers, for each filter.
fn asked(azurite: &Azurite, table: &str, question: &Value) -> Vec<Vec<Value>> {
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/spektate/read.js");
    let mut read = Command::new("node");
    read.args([reader, azurite.connection_string(), table, "bedrock"]);
    read.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = read.spawn().unwrap();
    child.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let read = child.wait_with_output().unwrap();
    assert!(read.status.success(), "install tests/spektate? {}", String::from_utf8_lossy(&read.stderr));
    serde_json::from_slice(&read.stdout).unwrap()
}

async fn rows() -> (tempfile::TempDir, Vec<Row>) {
    let (events, _) = bedrock("fabrikam", time("2025-06-13T08:00:00Z"));
    let (folder, path) = folder();
    let local = Local::open(&path).await;
    let (others, facts) = besides(&events);
    let all = events.into_iter().chain(others).map(|event| event.body);
    local.queue.put(all.collect()).await.unwrap();
    local.drain().await;
    Importer::new(local.store.clone()).import(facts).await.unwrap();
    let rows = local.catalog.chain_rows(&[Chain::usual()], &ChainFilter::default()).await.unwrap();
    assert!(rows.len() > 10);
    (folder, rows)
}

/// Builds and releases as Spektate would have read them.
fn question(rows: &[Row], filters: &[Value]) -> Value {
    let shown = json!(deployments_json(rows, time("2025-06-13T08:00:00Z")));
    let all = |names: &[&str]| -> Vec<Value> {
        let of = |row: &Value| names.iter().filter_map(|name| row.get(*name).cloned()).collect::<Vec<_>>();
        shown.as_array().unwrap().iter().flat_map(of).collect()
    };
    let builds = all(&["srcToDockerBuild", "hldToManifestBuild"]);
    json!({"builds": builds, "releases": all(&["dockerToHldRelease"]), "filters": filters})
}

fn by_id<'v>(found: &'v [Value], row: &Row) -> &'v Value {
    found.iter().find(|one| one["deploymentId"] == row.id.as_str()).unwrap_or_else(|| panic!("{} is missing", row.id))
}

#[tokio::test(flavor = "multi_thread")]
async fn spektate_reads_what_we_hold() {
    let (azurite, table) = (Azurite::start().await, unique("spektate"));
    let (_folder, rows) = rows().await;
    let publisher = Publisher::new(&Services::new(&azurite.account()).unwrap(), &table);
    let partitions = ["bedrock".to_owned()];
    let published = publisher.publish(&partitions, &spektate_rows(&rows)).await.unwrap();
    assert_eq!(published, Published { written: rows.len(), ..Published::default() });

    let found = asked(azurite, &table, &question(&rows, &[json!({})])).remove(0);
    assert_eq!(found.len(), rows.len());
    assert_eq!(rows.iter().filter(|row| row.kind == Kind::Environment).count(), 3);
    let mut places = BTreeSet::new();
    for row in &rows {
        let one = by_id(&found, row);
        let text = |text: Option<&str>| json!(text.unwrap_or_default().to_lowercase());
        // Complete is for Spektate what has manifests: what came to an environment otherwise has none.
        let is_there = row.kind == Kind::Environment && row.status == Status::Complete;
        assert_eq!(one["status"], if is_there { "Incomplete" } else { row.status.as_str() }, "{row:#?}");
        assert_eq!(one["service"], text(row.service.as_deref()));
        assert_eq!(one["environment"], text(row.ring.as_deref()));
        assert_eq!(one["imageTag"], text(row.image_tag.as_deref()));
        assert_eq!(one["commitId"], text(short(row.source.as_ref().and_then(|run| run.commit.as_deref()))));
        assert_eq!(one["hldCommitId"], text(short(row.hld_commit.as_deref())));
        assert_eq!(one["manifestCommitId"], text(short(row.manifest_commit.as_deref())));
        let place = |name: Option<&str>| Some(format!("dev.azure.com/fabrikam/shop/_git/{}", name?));
        for (column, name) in [
            ("sourceRepo", row.source.as_ref().and_then(|run| run.repository.as_deref())),
            ("hldRepo", row.hld_repository.as_deref()),
            ("manifestRepo", row.manifest_repository.as_deref()),
        ] {
            assert_eq!(one.get(column).and_then(Value::as_str), place(name).as_deref(), "{column}: {row:#?}");
            places.insert((column, name.map(str::to_owned)));
        }
        let pr = row.pull_request.as_ref().map(|pr| pr.id.to_string());
        assert_eq!(one.get("pr").and_then(Value::as_str), pr.as_deref());
        assert_eq!(one["srcToDockerBuild"]["id"].as_u64(), row.source.as_ref().map(|run| run.id));
        assert_eq!(one["hldToManifestBuild"]["id"].as_u64(), row.manifest_run.as_ref().map(|run| run.id));
        let release = match &row.second {
            Some(Second::Release(stage)) => Some(stage.release),
            Some(Second::Stage(_)) | None => None,
        };
        assert_eq!(one["dockerToHldRelease"]["id"].as_u64(), release);
    }
    assert_eq!(places.len(), 5 + 2 + 2, "{places:?}");
}

/// Its filters compare with the small letters of what is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn spektate_finds_by_each_of_its_filters() {
    let (azurite, table) = (Azurite::start().await, unique("spektate"));
    let (_folder, rows) = rows().await;
    let publisher = Publisher::new(&Services::new(&azurite.account()).unwrap(), &table);
    publisher.publish(&["bedrock".to_owned()], &spektate_rows(&rows)).await.unwrap();
    let row = rows.iter().find(|row| row.source.as_ref().is_some_and(|run| run.id == 2_001)).unwrap();
    let commit = short(row.source.as_ref().and_then(|run| run.commit.as_deref())).unwrap();
    let filters = [
        (json!({"environment": "STAGING"}), rows.iter().filter(|row| row.ring.as_deref() == Some("staging")).count()),
        (json!({"imageTag": row.image_tag.as_ref().unwrap().to_uppercase()}), 1),
        (json!({"p1Id": "2003"}), 2),
        (json!({"commitId": commit.to_uppercase()}), 1),
        (json!({"service": "Orders", "environment": "main"}), 3),
        (json!({"deploymentId": row.id}), 1),
        (json!({"service": "nobody"}), 0),
    ];
    let asks: Vec<_> = filters.iter().map(|(filter, _)| filter.clone()).collect();
    let found = asked(azurite, &table, &question(&rows, &asks));
    for ((filter, expected), found) in filters.iter().zip(found) {
        assert_eq!(found.len(), *expected, "{filter}");
    }
}

/// Version 1.0.6 deletes what Azure DevOps forgot; and others may keep rows beside ours.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_comes_again_and_what_others_wrote_stays() {
    let (azurite, table) = (Azurite::start().await, unique("spektate"));
    let (_folder, rows) = rows().await;
    let services = Services::new(&azurite.account()).unwrap();
    let (publisher, partitions, wanted) =
        (Publisher::new(&services, &table), ["bedrock".to_owned()], spektate_rows(&rows));
    let all = wanted.len();
    publisher.publish(&partitions, &wanted).await.unwrap();
    let again = publisher.publish(&partitions, &wanted).await.unwrap();
    assert_eq!(again, Published { unchanged: all, ..Published::default() }, "nothing is written twice");

    let theirs = json!({"PartitionKey": "bedrock", "RowKey": "0123456789ab", "p1": "2001", "imageTag": "x:1"});
    let insert = Operation::Insert { entity: entity(&theirs) };
    Table::new(&services, &table).transact("bedrock", [&insert]).await.unwrap();
    let fewer = publisher.publish(&partitions, &wanted[1..]).await.unwrap();
    assert_eq!((fewer.deleted, fewer.unchanged), (1, all - 1), "one row is not computed any more");

    let nothing = json!({"builds": [{"id": 2001}], "releases": [], "filters": [{}]});
    let left = asked(azurite, &table, &nothing).remove(0);
    assert!(left.len() < all);
    let until = async || publisher.publish(&partitions, &wanted).await.unwrap();
    let rebuilt = until().await;
    assert!(rebuilt.written > 5, "{rebuilt:?}");
    assert_eq!(until().await.unchanged, all);
    let found = asked(azurite, &table, &question(&rows, &[json!({"imageTag": "x:1"})])).remove(0);
    assert_eq!(found.len(), 1, "theirs is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_publishes_and_says_what_it_did() {
    let (azurite, table) = (Azurite::start().await, unique("spektate"));
    let (events, truth) = bedrock("fabrikam", time("2025-06-13T08:00:00Z"));
    let shell = Shell::local();
    let lines: Vec<_> = events.iter().map(|event| String::from_utf8(event.body.clone()).unwrap()).collect();
    std::fs::write(shell.path().join("events.ndjson"), lines.join("\n")).unwrap();
    shell.run("enqueue events.ndjson");
    shell.run("work --until-empty");
    let config =
        format!("spektate_connection_string = '{}'\nspektate_table = '{table}'\n", azurite.connection_string());
    std::fs::write(shell.path().join("pipetrail.toml"), &config).unwrap();
    let (_, said) = shell.said("publish spektate");
    let rows = truth.len();
    assert_eq!(said.trim(), format!("table {table}: {rows} rows written, 0 deleted, 0 as they were"));
    let (_, said) = shell.said("publish spektate");
    assert_eq!(said.trim(), format!("table {table}: 0 rows written, 0 deleted, {rows} as they were"));

    // The chain gets another name, and with it another partition: ours go from the one that it had.
    let services = Services::new(&azurite.account()).unwrap();
    let theirs = json!({"PartitionKey": "bedrock", "RowKey": "0123456789ab", "p1": "1"});
    Table::new(&services, &table).transact("bedrock", [&Operation::Insert { entity: entity(&theirs) }]).await.unwrap();
    let chains = "[[chains]]\nname = 'shop'\nhld = ['shop-hld']\nmanifest = ['shop-manifests']\n";
    std::fs::write(shell.path().join("pipetrail.toml"), format!("{config}{chains}")).unwrap();
    let (_, said) = shell.said("publish spektate");
    assert_eq!(said.trim(), format!("table {table}: {rows} rows written, {rows} deleted, 0 as they were"));
    let (_, said) = shell.said("publish spektate");
    assert_eq!(said.trim(), format!("table {table}: 0 rows written, 0 deleted, {rows} as they were"));
    let left: Vec<Value> =
        Table::new(&services, &table).rows("PartitionKey eq 'bedrock'".to_owned(), None, 10).await.unwrap();
    assert_eq!(left.len(), 1, "what others wrote stays");
}

/// `bedrock deployment create` replaces a row as a whole, with the columns that it knows; or makes one of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_has_one_row_though_bedrocks_command_writes_it_too() {
    let (azurite, table) = (Azurite::start().await, unique("spektate"));
    let (_folder, rows) = rows().await;
    let services = Services::new(&azurite.account()).unwrap();
    let (publisher, partitions, wanted) =
        (Publisher::new(&services, &table), ["bedrock".to_owned()], spektate_rows(&rows));
    publisher.publish(&partitions, &wanted).await.unwrap();
    let row = wanted.iter().find(|row| row.columns.get("p1").is_some_and(|id| id == "2001")).unwrap();
    let with = |key: &str, columns: &[&str]| {
        let of = |name: &&str| ((*name).to_owned(), json!(row.columns[*name]));
        let mut all: serde_json::Map<String, Value> = columns.iter().map(of).collect();
        all.extend(
            [("PartitionKey", "bedrock"), ("RowKey", key), ("p2", "")].map(|(name, of)| (name.to_owned(), json!(of))),
        );
        entity(&all)
    };
    let write = async |operation: Operation| {
        Table::new(&services, &table).transact("bedrock", [&operation]).await.unwrap();
        let published = publisher.publish(&partitions, &wanted).await.unwrap();
        (published, asked(azurite, &table, &question(&rows, &[json!({"p1Id": "2001"})])).remove(0).len())
    };
    let replaced = Operation::Put { row: row.row.clone(), entity: with(&row.row, &["p1", "imageTag", "commitId"]) };
    let all = wanted.len();
    let expected = Published { written: 1, unchanged: all - 1, ..Published::default() };
    assert_eq!(write(replaced).await, (expected, 1), "it is ours again");
    let own = Operation::Insert { entity: with("0123456789ab", &["p1", "imageTag", "commitId"]) };
    let expected = Published { deleted: 1, foreign: 1, unchanged: all - 1, ..Published::default() };
    assert_eq!(write(own).await, (expected, 1), "theirs is enough");
    let gone = Operation::Delete { row: "0123456789ab".to_owned(), etag: None };
    assert_eq!(write(gone).await.0.written, 1, "without it ours is there again");
}

/// The newest are the first: older ones make room for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_partition_holds_as_many_rows_as_spektate_reads() {
    let (azurite, table) = (Azurite::start().await, unique("spektate"));
    let (_folder, rows) = rows().await;
    let like = spektate_rows(&rows).remove(0);
    let all: Vec<SpektateRow> =
        (0..1_100).map(|at| SpektateRow { row: format!("{at:012x}"), former: Vec::new(), ..like.clone() }).collect();
    let publisher = Publisher::new(&Services::new(&azurite.account()).unwrap(), &table);
    let partitions = ["bedrock".to_owned()];
    let older = publisher.publish(&partitions, &all[100..]).await.unwrap();
    assert_eq!(older, Published { written: 1_000, ..Published::default() });
    let newer = publisher.publish(&partitions, &all).await.unwrap();
    assert_eq!(newer, Published { written: 100, deleted: 100, unchanged: 900, foreign: 0 });
}

/// Beside all else that it does, and nobody has to ask for it.
#[tokio::test(flavor = "multi_thread")]
async fn who_serves_publishes_as_soon_as_there_is_something() {
    let (azurite, table) = (Azurite::start().await, unique("spektate"));
    let shell = Shell::local()
        .with("PIPETRAIL_SPEKTATE_CONNECTION_STRING", azurite.connection_string())
        .with("PIPETRAIL_SPEKTATE_TABLE", &table);
    let (events, truth) = bedrock("fabrikam", time("2025-06-13T08:00:00Z"));
    let lines: Vec<_> = events.iter().map(|event| String::from_utf8(event.body.clone()).unwrap()).collect();
    std::fs::write(shell.path().join("events.ndjson"), lines.join("\n")).unwrap();
    shell.run("enqueue events.ndjson");
    shell.run("work --until-empty");
    for command in ["up", "serve"] {
        let mut up = Running::start(shell.command(&format!("{command} --listen 127.0.0.1:0")));
        let line = up.line("spektate: rows published");
        assert!(line.contains(&format!("written={}", truth.len())), "{line}");
        up.signal("TERM");
        assert_eq!(up.exit_code(), Some(0));
        let (_, said) = shell.said("publish spektate");
        assert_eq!(said.trim(), format!("table {table}: 0 rows written, 0 deleted, {} as they were", truth.len()));
        let services = Services::new(&azurite.account()).unwrap();
        let cleared = Publisher::new(&services, &table).publish(&["bedrock".to_owned()], &[]).await.unwrap();
        assert_eq!(cleared.deleted, truth.len());
    }
}
