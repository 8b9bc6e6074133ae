use axum::Json;
use axum::body::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::answers::{OfList, OfOne};
use super::asked::{Asked, Id, short};
use crate::ask::{Answer, Desk, Found, Tool, ToolError};
use crate::http::Problem;
use crate::http::reader::Reader;

/// Where the caller lives.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Lives {
    /// The time zone of days and weeks, such as `Europe/Berlin`; UTC by default.
    time_zone: Option<String>,
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
pub(super) struct Question {
    /// Such as `which pipelines failed most last week`, at most 500 characters.
    question: String,
    /// The time zone of days and weeks, such as `Europe/Berlin`; UTC by default.
    time_zone: Option<String>,
}

/// Answers a question in words, or says what of it was not understood: then `status` is `refused`.
#[utoipa::path(
    post,
    path = "/api/v1/ask",
    operation_id = "ask",
    tag = "questions",
    request_body(content = Question),
    responses((status = 200, body = Answer), OfList)
)]
pub(super) async fn words(
    reader: Reader,
    Asked(Nothing {}): Asked<Nothing>,
    body: Bytes,
) -> Result<Json<Answer>, Problem> {
    let asked: Question = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request(format!("The body is not understood: {}.", short(&error.to_string()))))?;
    Ok(Json(desk(reader, asked.time_zone.as_deref())?.answer(&asked.question).await?))
}

fn desk(reader: Reader, time_zone: Option<&str>) -> Result<Desk, Problem> {
    let zone = time_zone.unwrap_or("UTC");
    let wrong = |_| Problem::bad_request(format!("`{}` is no time zone such as Europe/Berlin.", short(zone)));
    let zone = zone.parse().map_err(wrong)?;
    let now = reader.clock.now();
    let Reader { catalog, owners, branches, .. } = reader;
    Ok(Desk { catalog, owners, branches, now, zone })
}

impl From<ToolError> for Problem {
    fn from(error: ToolError) -> Self {
        let says = format!("{error}.");
        match error {
            ToolError::NoSuchTool { .. } | ToolError::NotFound { .. } => Self::missing(says),
            ToolError::Arguments { .. } | ToolError::Window(_) => Self::bad_request(says),
            ToolError::Ambiguous { organizations, .. } => Self::ambiguous(says, organizations),
            ToolError::Catalog(error) => Self::from(error),
        }
    }
}
