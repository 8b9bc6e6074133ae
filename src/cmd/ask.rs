use super::query::desk;
use super::{Context, Exit, Failure};
use crate::ask::{Answer, AnswerStatus};
use crate::cli::{self, QueryFormat};
use crate::view;

pub(super) async fn run(context: &Context, args: &cli::Ask) -> Result<Exit, Failure> {
    let question = args.question.join(" ");
    let answer = desk(context, args.time_zone).await?.answer(&question).await?;
    if args.output == QueryFormat::Json {
        context.output.text(&view::json(&answer).map_err(anyhow::Error::from)?)?;
        return Ok(exit(&answer));
    }
    if answer.status == AnswerStatus::Refused {
        return Err(refused(&answer));
    }
    for table in &answer.tables {
        let shown = match args.output {
            QueryFormat::Csv => view::cells_csv(&table.columns, &table.rows).map_err(anyhow::Error::from)?,
            QueryFormat::Table | QueryFormat::Json => view::cells_table(&table.columns, &table.rows),
        };
        context.output.text(&shown)?;
    }
    context.output.say(&view::escaped_lines(&answer.answer));
    context.output.say(&format!("understood as {}", view::escaped(&answer.interpretation)));
    view::gaps_note(&answer.gaps).into_iter().for_each(|note| context.output.say(&note));
    Ok(Exit::Done)
}

fn exit(answer: &Answer) -> Exit {
    match answer.status {
        AnswerStatus::Ok => Exit::Done,
        AnswerStatus::Refused => Exit::Failed,
    }
}

fn refused(answer: &Answer) -> Failure {
    let failure = Failure::failed(answer.answer.clone());
    if answer.examples.is_empty() {
        return failure;
    }
    let examples: Vec<_> = answer.examples.iter().map(|example| format!("`{example}`")).collect();
    failure.hint(format!("what can be answered without a model: {}", examples.join(", ")))
}
