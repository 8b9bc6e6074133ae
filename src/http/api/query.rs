use std::convert::Infallible;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

use super::answers::{OfList, OfOne};
use super::asked::{Asked, Id, short};
use crate::ask::{Answer, AnswerStatus, Desk, Found, Model, Progress, Question, Tool, ToolError, Turn};
use crate::http::Problem;
use crate::http::reader::Reader;
use crate::view::{cells_csv, cells_table, escaped, escaped_lines};

/// Where the caller lives.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Lives {
    /// The time zone of days and weeks, such as `Europe/Berlin`; UTC by default.
    pub(in crate::http) time_zone: Option<String>,
}

/// A question that can be asked.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolJson {
    name: &'static str,
    description: &'static str,
    /// The JSON Schema of its arguments.
    #[schema(value_type = Object)]
    input_schema: Value,
}

/// No parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// The questions that can be asked, with what they take.
#[utoipa::path(
    get,
    path = "/api/v1/query",
    operation_id = "listTools",
    tag = "questions",
    responses((status = 200, body = Vec<ToolJson>), OfList)
)]
pub(super) async fn list(_: Reader, Asked(Nothing {}): Asked<Nothing>) -> Json<Vec<ToolJson>> {
    let tools = Tool::ALL.iter().map(|tool| ToolJson {
        name: tool.name(),
        description: tool.says(),
        input_schema: tool.schema().to_value(),
    });
    Json(tools.collect())
}

/// Asks one of them. The body is a JSON object with its arguments; an empty body is none.
#[utoipa::path(
    post,
    path = "/api/v1/query/{tool}",
    operation_id = "askTool",
    tag = "questions",
    params(("tool" = String, Path, description = "Its name, from the list"), Lives),
    request_body(content = Option<Object>, description = "The arguments, as the list has their schema"),
    responses((status = 200, body = Found), OfOne)
)]
pub(super) async fn ask(
    reader: Reader,
    Id(tool): Id,
    Asked(Lives { time_zone }): Asked<Lives>,
    body: Bytes,
) -> Result<Json<Found>, Problem> {
    let arguments = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body) };
    let arguments = arguments.map_err(|error| Problem::bad_request(format!("The body is not JSON: {error}.")))?;
    Ok(Json(desk(reader, time_zone.as_deref())?.call(&tool, arguments).await?))
}

/// A question in words.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Words {
    /// Such as `which pipelines failed most last week`, at most 500 characters; 2,000 where a model answers.
    question: String,
    /// The name or id of a project: no other is looked at.
    #[serde(default)]
    project: Option<String>,
    /// Where the time begins that is meant where the question names none: a day, a time or a duration.
    #[serde(default)]
    from: Option<String>,
    /// Where it ends.
    #[serde(default)]
    to: Option<String>,
    /// The time zone of days and weeks, such as `Europe/Berlin`; UTC by default.
    #[serde(default)]
    time_zone: Option<String>,
    /// What was said before, the oldest first. Without a model, a question that says only another time, name or group is
    /// the one before with these.
    #[serde(default)]
    history: Vec<Turn>,
    #[serde(default)]
    format: Form,
    /// Server-sent events: `progress` with what is being done, then `answer`, or `error`. Always JSON.
    #[serde(default)]
    stream: bool,
}

/// In which form an answer comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Form {
    #[default]
    Json,
    /// The words.
    Text,
    /// The tables, drawn with characters, and the words.
    Table,
    /// The last table.
    Csv,
}

/// Answers a question in words, or says what of it was not understood: then `status` is `refused`. With `partial` only the
/// tables are to be read. 503 with an answer whose `status` is `unavailable` means that the model does not answer.
#[utoipa::path(
    post,
    path = "/api/v1/ask",
    operation_id = "ask",
    tag = "questions",
    request_body(content = Words),
    responses((status = 200, body = Answer), OfList)
)]
pub(super) async fn words(
    reader: Reader,
    answering: Option<Extension<Answering>>,
    Asked(Nothing {}): Asked<Nothing>,
    body: Bytes,
) -> Result<Response, Problem> {
    let model = model(answering);
    let asked: Words = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("The body is not understood: {}.", short(&error.to_string()))))?;
    let desk = desk(reader, asked.time_zone.as_deref())?;
    let Words { question: text, project, from, to, history, format, stream, .. } = asked;
    let question = Question { text, history, project, from, to };
    if stream {
        return match format {
            Form::Json => Ok(streamed(desk, question, model).into_response()),
            Form::Text | Form::Table | Form::Csv => Err(Problem::bad_request("A stream is always JSON.")),
        };
    }
    let answer = desk.answer(&question, model.as_ref(), &Progress::default()).await?;
    shown(&answer, format)
}

/// The model that answers questions. To be put around the readers as an extension; without it the grammar does.
#[derive(Debug, Clone, Default)]
pub struct Answering {
    pub model: Option<Model>,
    /// The address that other programs reach this one by.
    pub public_url: Option<String>,
}

/// What `DOMoS`'s users post.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetricQuery {
    message: String,
    #[serde(default)]
    from_date_time: Option<String>,
}

/// `POST /api/MetricQueryApi`: the call of `DOMoS`, for its users: a question in words, answered with words.
pub(super) async fn metric_query(
    reader: Reader,
    answering: Option<Extension<Answering>>,
    body: Bytes,
) -> Result<Response, Problem> {
    let asked: MetricQuery = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("The body is not understood: {}.", short(&error.to_string()))))?;
    let from = asked.from_date_time.filter(|from| !from.trim().is_empty());
    let question = Question { text: asked.message, from, ..Question::default() };
    let answer = desk(reader, None)?.answer(&question, model(answering).as_ref(), &Progress::default()).await?;
    shown(&answer, Form::Text)
}

fn model(answering: Option<Extension<Answering>>) -> Option<Model> {
    answering.and_then(|Extension(answering)| answering.model)
}

fn shown(answer: &Answer, format: Form) -> Result<Response, Problem> {
    let status = match answer.status {
        AnswerStatus::Ok | AnswerStatus::Partial | AnswerStatus::Refused => StatusCode::OK,
        AnswerStatus::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let text = |text: String| (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response();
    Ok(match format {
        Form::Json => (status, Json(answer)).into_response(),
        Form::Text => text(said(answer)),
        Form::Table => {
            let tables = answer.tables.iter().map(|table| cells_table(&table.columns, &table.rows));
            text(tables.chain([said(answer)]).collect::<Vec<_>>().join("\n"))
        }
        Form::Csv => {
            let table = answer.tables.last().map(|table| cells_csv(&table.columns, &table.rows)).transpose();
            let csv = table.map_err(|_| Problem::unavailable("The table cannot be written."))?.unwrap_or_default();
            (status, [(CONTENT_TYPE, "text/csv; charset=utf-8")], csv).into_response()
        }
    })
}

/// The words, what was understood, and what can be asked instead.
fn said(answer: &Answer) -> String {
    let mut said = vec![escaped_lines(&answer.answer).into_owned()];
    if !answer.interpretation.is_empty() {
        said.push(format!("understood as {}", escaped(&answer.interpretation)));
    }
    if !answer.examples.is_empty() {
        said.push("What can be answered:".to_owned());
        said.extend(answer.examples.iter().map(|example| format!("- {example}")));
    }
    said.push(String::new());
    said.join("\n")
}

/// Who goes away ends the conversation: nobody would read its answer.
fn streamed(
    desk: Desk,
    question: Question,
    model: Option<Model>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (told, heard) = mpsc::channel(PROGRESS);
    let answer = async move {
        let answer = desk.answer(&question, model.as_ref(), &Progress::to(told)).await;
        match answer.map_err(Problem::from) {
            Ok(answer) => Event::default().event("answer").json_data(&answer).unwrap_or_else(|_| failed("no answer")),
            Err(problem) => failed(problem.detail()),
        }
    };
    let told = stream::unfold(Some((heard, Box::pin(answer))), |under_way| async move {
        let (mut heard, mut answer) = under_way?;
        tokio::select! {
            biased;
            Some(what) = heard.recv() => Some((vec![progress(what)], Some((heard, answer)))),
            event = &mut answer => {
                // What was said just before it.
                let rest = std::iter::from_fn(|| heard.try_recv().ok()).map(progress);
                Some((rest.chain([event]).collect(), None))
            }
        }
    });
    Sse::new(told.flat_map(stream::iter).map(Ok)).keep_alive(KeepAlive::default())
}

fn progress(what: String) -> Event {
    Event::default().event("progress").data(serde_json::json!({"text": what}).to_string())
}

/// What was not heard yet is left out.
const PROGRESS: usize = 64;

fn failed(why: &str) -> Event {
    Event::default().event("error").data(serde_json::json!({"detail": why}).to_string())
}

pub(in crate::http) fn desk(reader: Reader, time_zone: Option<&str>) -> Result<Desk, Problem> {
    let zone = time_zone.unwrap_or("UTC");
    let wrong = |_| Problem::bad_request(format!("`{}` is no time zone such as Europe/Berlin.", short(zone)));
    let zone = zone.parse().map_err(wrong)?;
    let now = reader.clock.now();
    let Reader { caller, catalog, owners, branches, measures, .. } = reader;
    let (asker, terms) = (caller.name, measures.terms);
    Ok(Desk { catalog, asker, owners, branches, terms, now, zone, window: None, patience: Desk::PATIENCE })
}

impl From<ToolError> for Problem {
    fn from(error: ToolError) -> Self {
        let says = format!("{error}.");
        match error {
            ToolError::NoSuchTool { .. } | ToolError::NotFound { .. } => Self::missing(says),
            ToolError::Arguments { .. } | ToolError::Window(_) => Self::bad_request(says),
            ToolError::TooLong(_) => {
                Self::unavailable("It took too long: ask for a shorter time or for less, or try again later.")
            }
            ToolError::Ambiguous { organizations, .. } => Self::ambiguous(says, organizations),
            ToolError::Catalog(error) => Self::from(error),
        }
    }
}
