use tokio::sync::mpsc;

use super::query::{again_where_damaged, desk, model};
use super::{Context, Exit, Failure};
use crate::ask::{Answer, AnswerStatus, Progress, Question};
use crate::cli::{self, QueryFormat};
use crate::view;

pub(super) async fn run(context: &Context, args: &cli::Ask) -> Result<Exit, Failure> {
    let answer = again_where_damaged(context, || answer(context, args)).await?;
    if args.output == QueryFormat::Json {
        context.output.text(&view::json(&answer).map_err(anyhow::Error::from)?)?;
        return Ok(exit(&answer));
    }
    match answer.status {
        AnswerStatus::Ok | AnswerStatus::Partial => {}
        AnswerStatus::Refused => return Err(refused(&answer)),
        AnswerStatus::Unavailable => return Err(Failure::failed(answer.answer)),
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

/// Says meanwhile what is being done, on a terminal.
async fn answer(context: &Context, args: &cli::Ask) -> Result<Answer, Failure> {
    let question = Question {
        text: args.question.join(" "),
        project: args.project.clone(),
        from: args.from.clone(),
        to: args.to.clone(),
        history: Vec::new(),
    };
    let (desk, model) = (desk(context, args.time_zone).await?, model(context)?);
    let (told, mut heard) = mpsc::channel(64);
    let asking = async {
        let progress = Progress::to(told);
        desk.answer(&question, model.as_ref(), &progress).await
    };
    let telling = async {
        while let Some(what) = heard.recv().await {
            if context.output.is_terminal() {
                context.output.say(&what);
            }
        }
    };
    let (answer, ()) = tokio::join!(asking, telling);
    Ok(answer?)
}

fn exit(answer: &Answer) -> Exit {
    match answer.status {
        AnswerStatus::Ok | AnswerStatus::Partial => Exit::Done,
        AnswerStatus::Refused | AnswerStatus::Unavailable => Exit::Failed,
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
