//! A question in words, answered: by a model, or by the built-in planner where none is configured.

use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::model::{Model, Progress};
use super::planner::{Plan, Refusal, Vocabulary};
use super::tools::{Citation, Desk, Found, MOST_CHARACTERS, ToolError, less};
use super::when::{Said, WindowError};
use crate::catalog::{CatalogError, Gap, Named, PipelineFilter, rfc3339};
use crate::domain::{ProjectName, Scope, Time};

/// So many questions before this one are looked at.
const MOST_EARLIER: usize = 20;
/// So many names of a kind are looked for in a question.
const MOST_NAMES: u32 = 10_000;
/// Runs that one answer names, at most.
const MOST_CITED: usize = 200;

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum AnswerStatus {
    Ok,
    /// The tables are right; the words of the model were not, or it came to no end, and are left out.
    Partial,
    /// It was not understood as a whole, or is about what is not known; `answer` says what is missing.
    Refused,
    /// The model does not answer.
    Unavailable,
}

/// A question in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    pub text: String,
    /// What was said before, the oldest first.
    pub history: Vec<Turn>,
    /// The name or id of a project: no other is looked at.
    pub project: Option<String>,
    /// Where the time begins and ends that is meant where the question names none.
    pub from: Option<String>,
    pub to: Option<String>,
}

impl From<&str> for Question {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }
}

/// One message before the question.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Turn {
    pub role: Speaker,
    pub content: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Speaker {
    User,
    Assistant,
}

/// What a model took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Requests to the model.
    pub rounds: u32,
    /// Calls of tools.
    pub calls: usize,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    /// How often its words held a number that no tool found.
    pub guard_hits: u32,
}

/// An answer with all that it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    pub status: AnswerStatus,
    /// For people.
    pub answer: String,
    pub tables: Vec<AnswerTable>,
    /// The runs behind it.
    pub citations: Vec<Citation>,
    pub queries: Vec<AnswerQuery>,
    /// What was understood.
    pub interpretation: String,
    /// The latest time that anything is known of.
    #[serde(serialize_with = "rfc3339")]
    #[schemars(with = "Option<String>")]
    pub data_through: Option<Time>,
    /// The times of it in which events were lost.
    #[schemars(with = "Vec<serde_json::Map<String, Value>>")]
    pub gaps: Vec<Gap>,
    /// Which model took part; null is none.
    pub model: Option<String>,
    pub usage: Option<Usage>,
    /// Questions near it that can be answered, where this one was not understood.
    pub examples: Vec<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, ToSchema)]
pub struct AnswerTable {
    pub columns: Vec<&'static str>,
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rows: Vec<Vec<Value>>,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema, ToSchema)]
pub struct AnswerQuery {
    pub tool: &'static str,
    #[schema(value_type = Object)]
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub arguments: Value,
    pub rows: usize,
    pub total: Option<u64>,
}

impl Desk {
    /// Answers a question in words, by the model where there is one, or says what of it was not understood.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn answer(
        &self,
        question: &Question,
        model: Option<&Model>,
        progress: &Progress,
    ) -> Result<Answer, CatalogError> {
        let started = std::time::Instant::now();
        let mut answer = self.found(question, model, progress).await.inspect_err(|_| {
            tracing::info!(
                question_chars = question.text.chars().count(),
                model = model.map(Model::name),
                duration_ms = started.elapsed().as_millis(),
                "ask: not answered, as the catalog failed"
            );
        })?;
        answer.cut();
        if let Some(project) = question.project.as_ref().filter(|_| !answer.queries.is_empty()) {
            answer.interpretation = format!("only the project {project}; {}", answer.interpretation);
        }
        let calls: Vec<_> = answer.queries.iter().map(|query| query.tool).collect();
        tracing::info!(
            question_chars = question.text.chars().count(),
            ?calls,
            status = ?answer.status,
            model = answer.model.as_deref(),
            duration_ms = started.elapsed().as_millis(),
            "ask: answered"
        );
        Ok(answer)
    }

    async fn found(
        &self,
        question: &Question,
        model: Option<&Model>,
        progress: &Progress,
    ) -> Result<Answer, CatalogError> {
        let narrowed = tokio::time::timeout(self.patience, self.narrowed(question));
        let Ok(narrowed) = narrowed.await else { return Ok(Answer::late(&ToolError::TooLong(self.patience))) };
        match (narrowed?, model) {
            (Err(why), _) => Ok(Answer::refused(why, Vec::new())),
            (Ok(desk), Some(model)) => Box::pin(model.answer(&desk, question, progress)).await,
            (Ok(desk), None) => desk.planned(question, progress).await,
        }
    }

    /// Cut to the project and the time of a question; or why it cannot be.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub async fn narrowed(&self, question: &Question) -> Result<Result<Self, String>, CatalogError> {
        let mut desk = self.clone();
        match desk.usual_window(question) {
            Ok(window) => desk.window = window,
            Err(wrong) => return Ok(Err(wrong.to_string())),
        }
        if let Some(project) = &question.project {
            // Of what the caller sees, so that it becomes less and never more.
            let filter = PipelineFilter { project: Some(project.clone()), ..PipelineFilter::default() };
            let pipelines = self.catalog.pipelines_of(&filter).await?.into_iter();
            let mut seen: Vec<_> = pipelines
                .filter_map(|one| Some(ProjectName { organization: Some(one.organization), project: one.project? }))
                .collect();
            seen.sort_unstable();
            seen.dedup();
            if seen.is_empty() {
                let near = desk.near(&[(Named::Project, Some(project))]).await?;
                let why = near.into_iter().next().unwrap_or_else(|| "That project is not known here".to_owned());
                return Ok(Err(format!("{why}.").replace("?.", "?")));
            }
            desk.catalog = desk.catalog.seen_by(Scope::Only(seen));
        }
        Ok(Ok(desk))
    }

    fn usual_window(&self, Question { from, to, .. }: &Question) -> Result<Option<super::Window>, WindowError> {
        if from.is_none() && to.is_none() {
            return Ok(None);
        }
        self.window(Said { window: None, from: from.as_deref(), to: to.as_deref() }).map(Some)
    }

    async fn planned(&self, question: &Question, progress: &Progress) -> Result<Answer, CatalogError> {
        let late = || Answer::late(&ToolError::TooLong(self.patience));
        tokio::time::timeout(self.patience, self.plan(question, progress)).await.unwrap_or_else(|_| Ok(late()))
    }

    /// By the grammar, with no model.
    async fn plan(&self, question: &Question, progress: &Progress) -> Result<Answer, CatalogError> {
        let earlier = question.history.iter().filter(|turn| turn.role == Speaker::User);
        let latest = earlier.rev().take(MOST_EARLIER).map(|turn| turn.content.as_str()).collect::<Vec<_>>();
        let known = self.vocabulary().await?;
        let plans = match Plan::all(&question.text, latest.into_iter().rev(), &known) {
            Ok(plans) => plans,
            Err(Refusal { why, examples }) => return Ok(Answer::refused(why, examples)),
        };
        let (mut answer, mut sentences) = (Answer::empty(AnswerStatus::Ok, None), Vec::new());
        for plan in plans {
            progress.reading(plan.tool);
            match self.call(plan.tool.name(), plan.arguments.clone()).await {
                Ok(found) => {
                    progress.read(&found);
                    sentences.push(found.sentence(plan.tool, &plan.arguments));
                    for note in &found.notes {
                        // Two tables of one time have the same to say.
                        if !sentences.contains(note) {
                            sentences.push(note.clone());
                        }
                    }
                    answer.add(plan.arguments, found);
                }
                Err(ToolError::Catalog(error)) => return Err(error),
                Err(late @ ToolError::TooLong(_)) => return Ok(Answer::late(&late)),
                Err(wrong) => return Ok(Answer::refused(wrong.to_string(), Vec::new())),
            }
        }
        answer.answer = sentences.join("\n");
        answer.interpretation.push_str("; no model took part");
        if let Some(team) = Plan::own_team(&question.text, &known) {
            answer.interpretation = format!("my team is {team}; {}", answer.interpretation);
        }
        Ok(answer)
    }

    /// The names that the caller may see.
    async fn vocabulary(&self) -> Result<Vocabulary, CatalogError> {
        let some = PipelineFilter { top: Some(MOST_NAMES), ..PipelineFilter::default() };
        let own_teams = self.own_teams();
        let mut known = Vocabulary { asker: self.asker.clone(), own_teams, ..Vocabulary::default() };
        for pipeline in self.catalog.pipelines_of(&some).await? {
            if let Some(owner) = self.owner_of(&pipeline) {
                known.services.push(owner.service);
                known.teams.extend(owner.team);
            }
            known.pipelines.extend(pipeline.name);
            known.projects.extend(pipeline.project);
        }
        known.environments.extend(self.catalog.environment_names().await?);
        let lately = async |named| self.catalog.known_lately(named).await.map(Option::unwrap_or_default);
        known.branches.extend(lately(Named::Branch).await?);
        known.pools.extend(lately(Named::Pool).await?);
        let Vocabulary { pipelines, projects, environments, services, teams, .. } = &mut known;
        for names in [pipelines, projects, environments, services, teams] {
            names.sort_unstable();
            names.dedup();
        }
        Ok(known)
    }
}

impl Answer {
    /// The JSON Schema (2020-12) of it.
    #[must_use]
    pub fn schema() -> Schema {
        schema_for!(Self)
    }

    /// With nothing in it yet.
    pub(super) fn empty(status: AnswerStatus, model: Option<String>) -> Self {
        Self {
            status,
            answer: String::new(),
            tables: Vec::new(),
            citations: Vec::new(),
            queries: Vec::new(),
            interpretation: String::new(),
            data_through: None,
            gaps: Vec::new(),
            model,
            usage: None,
            examples: Vec::new(),
        }
    }

    /// To what an answer may be long, which several tables together may not be.
    fn cut(&mut self) {
        let is_long =
            |answer: &Self| serde_json::to_string(answer).is_ok_and(|text| text.chars().count() > MOST_CHARACTERS);
        if !is_long(self) {
            return;
        }
        while is_long(self) {
            self.tables.iter_mut().for_each(|table| less(&mut table.rows));
            less(&mut self.citations);
            less(&mut self.gaps);
        }
        self.answer.push_str("\nThe tables are cut, as an answer has at most 100,000 characters.");
    }

    /// What a tool found: the words about it are another matter.
    pub(super) fn add(&mut self, arguments: Value, found: Found) {
        if !self.interpretation.is_empty() {
            self.interpretation.push_str("; ");
        }
        let when = if found.interpretation.is_empty() { String::new() } else { format!(", {}", found.interpretation) };
        self.interpretation.push_str(&format!("{} {arguments}{when}", found.tool));
        self.queries.push(AnswerQuery { tool: found.tool, arguments, rows: found.rows.len(), total: found.total });
        for cited in found.citations {
            if !self.citations.contains(&cited) && self.citations.len() < MOST_CITED {
                self.citations.push(cited);
            }
        }
        for gap in found.gaps {
            if !self.gaps.contains(&gap) {
                self.gaps.push(gap);
            }
        }
        self.data_through = self.data_through.max(found.data_through);
        self.tables.push(AnswerTable { columns: found.columns, rows: found.rows });
    }

    fn late(why: &ToolError) -> Self {
        Self { answer: format!("{why}."), ..Self::empty(AnswerStatus::Unavailable, None) }
    }

    fn refused(why: String, examples: Vec<&'static str>) -> Self {
        Self { answer: why, examples, ..Self::empty(AnswerStatus::Refused, None) }
    }
}
