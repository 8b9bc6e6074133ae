use std::io::{self, Read};
use std::sync::Arc;

use chrono_tz::Tz;
use serde_json::{Map, Value};

use super::parts::Parts;
use super::{Context, Exit, Failure};
use crate::ask::{Desk, Found, Limits, Model, Tool, ToolError};
use crate::catalog::Catalog;
use crate::cli::{self, QueryFormat};
use crate::config::ModelConfig;
use crate::view;

/// More than any question has.
const MOST_BYTES: u64 = 64 * 1024;

pub(super) async fn run(context: &Context, args: &cli::Query) -> Result<Exit, Failure> {
    let Some(tool) = &args.tool else {
        context.output.text(&tools(args.output)?)?;
        return Ok(Exit::Done);
    };
    let arguments = arguments(args)?;
    let asked = || async { desk(context, args.time_zone).await?.call(tool, arguments.clone()).await.map_err(failure) };
    let found = again_where_damaged(context, asked).await?;
    context.output.text(&shown(&found, args.output)?)?;
    if args.output == QueryFormat::Table {
        notes(context, &found);
    }
    Ok(Exit::Done)
}

/// Whoever asks here sees all.
pub(super) async fn desk(context: &Context, zone: Tz) -> Result<Desk, Failure> {
    let parts = Parts::open_to_look(context).await?;
    let catalog = parts.catalog(context)?;
    catalog.refresh_for_metrics(parts.store.as_ref()).await?;
    Ok(desk_over(context, catalog, zone))
}

/// Asks once more where a replica turns out to be damaged: it is made anew.
pub(super) async fn again_where_damaged<T, F>(context: &Context, ask: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let failure = match ask().await {
        Err(failure) if failure.is_damage() => failure,
        asked => return asked,
    };
    Parts::open_to_look(context).await?.catalog_anew(context)?.ok_or(failure)?;
    ask().await
}

pub(super) fn desk_over(context: &Context, catalog: Catalog, zone: Tz) -> Desk {
    Desk {
        catalog,
        asker: None,
        owners: context.config.owners.clone(),
        branches: context.config.work_item_branches.clone(),
        terms: Arc::new(context.config.terms.clone()),
        now: context.clock().now(),
        zone,
        window: None,
        patience: Desk::PATIENCE,
    }
}

fn arguments(args: &cli::Query) -> Result<Value, Failure> {
    let text = match args.arguments.as_deref() {
        None => return Ok(Value::Object(Map::new())),
        Some("-") => {
            let mut text = String::new();
            io::stdin().take(MOST_BYTES).read_to_string(&mut text).map_err(anyhow::Error::from)?;
            text
        }
        Some(text) => text.to_owned(),
    };
    let wrong = |error| Failure::usage(format!("the arguments are not JSON: {error}"));
    serde_json::from_str(&text).map_err(wrong).map_err(|failure| failure.hint(r#"such as '{"window":"last week"}'"#))
}

fn failure(error: ToolError) -> Failure {
    match error {
        ToolError::Catalog(error) => error.into(),
        ToolError::NotFound { .. } | ToolError::TooLong(_) => Failure::failed(error.to_string()),
        ToolError::NoSuchTool { .. }
        | ToolError::Arguments { .. }
        | ToolError::Window(_)
        | ToolError::Ambiguous { .. } => {
            Failure::usage(error.to_string()).hint("`pipetrail query` lists the tools with their arguments")
        }
    }
}

fn shown(found: &Found, format: QueryFormat) -> Result<String, Failure> {
    match format {
        QueryFormat::Table => Ok(view::cells_table(&found.columns, &found.rows)),
        QueryFormat::Csv => Ok(view::cells_csv(&found.columns, &found.rows).map_err(anyhow::Error::from)?),
        QueryFormat::Json => Ok(view::json(found).map_err(anyhow::Error::from)?),
    }
}

/// What has to be known beside the table.
fn notes(context: &Context, found: &Found) {
    let say = |text: &str| context.output.say(text);
    if found.rows.is_empty() {
        say("nothing matches");
    }
    if found.truncated {
        let of = found.total.map_or_else(|| "more".to_owned(), |total| total.to_string());
        say(&format!("{} rows of {of}: `top` asks for up to 100", found.rows.len()));
    }
    if !found.interpretation.is_empty() {
        say(&format!("time: {}", found.interpretation));
    }
    found.notes.iter().for_each(|note| say(note));
    view::gaps_note(&found.gaps).into_iter().for_each(|note| say(&note));
}

fn tools(format: QueryFormat) -> Result<String, Failure> {
    let columns = ["tool", "answers", "arguments"];
    let rows: Vec<Vec<Value>> = Tool::ALL
        .iter()
        .map(|tool| vec![tool.name().into(), tool.says().into(), tool.arguments().join(", ").into()])
        .collect();
    match format {
        QueryFormat::Table => Ok(view::cells_table(&columns, &rows)),
        QueryFormat::Csv => Ok(view::cells_csv(&columns, &rows).map_err(anyhow::Error::from)?),
        QueryFormat::Json => {
            let schemas: Map<_, _> =
                Tool::ALL.iter().map(|tool| (tool.name().to_owned(), tool.schema().to_value())).collect();
            Ok(view::json(&schemas).map_err(anyhow::Error::from)?)
        }
    }
}

/// The model that is configured.
pub(super) fn model(context: &Context) -> Result<Option<Model>, Failure> {
    let make = |model: &ModelConfig| Model::new(model.endpoint.clone(), model.people, Limits::default());
    Ok(context.config.model.as_ref().map(make).transpose().map_err(anyhow::Error::from)?)
}
