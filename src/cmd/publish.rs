//! `publish spektate`, and the same again and again for those who serve.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::parts::Parts;
use super::{Context, Exit, Failure};
use crate::azure::Services;
use crate::catalog::{Catalog, ChainFilter};
use crate::cli;
use crate::config::SpektateConfig;
use crate::domain::chain::Kind;
use crate::publish::{Published, Publisher};
use crate::store::Store;
use crate::view;

/// Spektate's own dashboard looks as often.
const EVERY: Duration = Duration::from_secs(30);
/// In which partitions rows of ours may be: those of a chain that is not configured any more are to go.
const PARTITIONS: &str = "spektate partitions";

pub(super) async fn run(context: &Context, args: &cli::Publish) -> Result<Exit, Failure> {
    match args {
        cli::Publish::Spektate => {}
    }
    let Some(config) = &context.config.spektate else {
        let failure = Failure::usage("no account of Azure Storage is known for Spektate's table");
        return Err(failure.hint("set PIPETRAIL_SPEKTATE_CONNECTION_STRING"));
    };
    let parts = Parts::open_to_look(context).await?;
    let catalog = parts.catalog(context)?;
    catalog.refresh(parts.store.as_ref()).await?;
    let published = publish(context, &publisher(config)?, parts.store.as_ref(), &catalog).await?;
    let Published { written, deleted, unchanged, foreign } = published;
    let others = if foreign > 0 { format!(", {foreign} of somebody else left alone") } else { String::new() };
    context.output.say(&format!(
        "table {}: {written} rows written, {deleted} deleted, {unchanged} as they were{others}",
        config.table
    ));
    Ok(Exit::Done)
}

fn publisher(config: &SpektateConfig) -> Result<Publisher, Failure> {
    Ok(Publisher::new(&Services::new(&config.account)?, &config.table))
}

async fn publish(
    context: &Context,
    publisher: &Publisher,
    store: &dyn Store,
    catalog: &Catalog,
) -> Result<Published, Failure> {
    let chains = &context.config.chains.all;
    let mut rows = catalog.chain_rows(chains, &ChainFilter::default()).await?;
    // A replica that is being built holds a part only: what is missing in it is not gone.
    if !catalog.is_whole().await? {
        return Ok(Published::default());
    }
    // Where there is no room for all, those go that Spektate was not made for.
    rows.sort_by_key(|row| row.kind == Kind::Environment);
    let now: BTreeSet<String> = chains.iter().map(|chain| chain.name.clone()).collect();
    // Before the first row is written: what is not noted is never cleared.
    let note = format!("{PARTITIONS} {}", publisher.table());
    let noted = store.note(&note).await?.and_then(|text| serde_json::from_str(&text).ok());
    let noted: BTreeSet<String> = noted.unwrap_or_default();
    let all: BTreeSet<String> = noted.union(&now).cloned().collect();
    if all != noted {
        store.put_note(&note, &json!(all).to_string()).await?;
    }
    let partitions: Vec<_> = all.iter().cloned().collect();
    let published = publisher.publish(&partitions, &view::spektate_rows(&rows)).await;
    let published = published
        .map_err(|error| Failure::from(anyhow::Error::from(error)).context("Spektate's table was not written"))?;
    if all != now {
        store.put_note(&note, &json!(now).to_string()).await?;
    }
    Ok(published)
}

/// Keeps the table up to date until the stop, where somebody named it.
pub(super) async fn keep_published(
    context: &Context,
    store: &dyn Store,
    catalog: Option<&Catalog>,
    stop: CancellationToken,
) {
    let config = context.config.spektate.as_ref().filter(|config| config.is_named);
    let (Some(config), Some(catalog)) = (config, catalog) else { return };
    let publisher = match publisher(config) {
        Ok(publisher) => publisher,
        Err(failure) => return tracing::error!(why = failure.in_words().0, "spektate: no rows are published"),
    };
    while !stop.is_cancelled() {
        match stop.run_until_cancelled(publish(context, &publisher, store, catalog)).await {
            Some(Ok(Published { written, deleted, .. })) if written + deleted > 0 => {
                tracing::info!(written, deleted, table = config.table, "spektate: rows published");
            }
            // What was not written now is written the next time.
            Some(Err(failure)) => tracing::warn!(why = failure.in_words().0, "spektate: rows not published"),
            Some(Ok(_)) | None => {}
        }
        // Both ends are the same: the loop looks at the stop.
        drop(tokio::time::timeout(EVERY, stop.cancelled()).await);
    }
}
