//! Questions in words, by a language model: any that speaks chat completions with tools (Azure OpenAI, OpenAI, and
//! compatible servers such as Ollama, vLLM and llama.cpp).
//! <https://platform.openai.com/docs/api-reference/chat>
//!
//! What it may do, and what it is not trusted with, is in `talk`; how its words are checked in `guard`.

mod client;
mod endpoint;
mod fence;
mod guard;
mod numerals;
mod own;
mod strict;
mod talk;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::answer::{Answer, AnswerStatus, Question};
use super::tools::{Desk, Found, Tool};
use crate::catalog::CatalogError;

use client::Asker;
pub use endpoint::Endpoint;
use talk::Talk;

/// What one question may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests to the model.
    pub rounds: usize,
    /// Calls of tools.
    pub calls: usize,
    /// From the first word to the answer.
    pub time: Duration,
    /// Of all rounds together, as far as the server tells.
    pub tokens: u64,
    /// Of one answer of the model.
    pub tokens_a_round: u32,
    /// Characters of a question.
    pub question: usize,
    /// Characters of an earlier message, and how many of them there may be.
    pub history: usize,
    pub turns: usize,
    /// Characters of an answer.
    pub answer: usize,
    /// Questions at once; others wait, within their time.
    pub at_once: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rounds: 12,
            calls: 8,
            time: Duration::from_secs(40),
            tokens: 200_000,
            tokens_a_round: 2_000,
            question: 2_000,
            history: 4_000,
            turns: 20,
            answer: 4_000,
            at_once: 16,
        }
    }
}

/// A model that can be asked.
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    asker: Asker,
    limits: Limits,
    /// Whether it may hear the names of people.
    people: bool,
    room: Semaphore,
}

impl fmt::Debug for Model {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Model").field(self.0.asker.endpoint()).finish()
    }
}

/// No client can be made.
#[derive(Debug, thiserror::Error)]
#[error("no client for the model can be made")]
pub struct NoClient(#[source] reqwest::Error);

impl Model {
    /// # Errors
    /// When the system gives no client.
    pub fn new(endpoint: Endpoint, people: bool, limits: Limits) -> Result<Self, NoClient> {
        let asker = Asker::new(endpoint).map_err(NoClient)?;
        Ok(Self(Arc::new(Inner { asker, limits, people, room: Semaphore::new(limits.at_once) })))
    }

    #[must_use]
    pub fn limits(&self) -> Limits {
        self.0.limits
    }

    /// The model's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.asker.endpoint().model
    }

    pub(super) async fn answer(
        &self,
        desk: &Desk,
        question: &Question,
        progress: &Progress,
    ) -> Result<Answer, CatalogError> {
        let Inner { asker, limits, people, room } = self.0.as_ref();
        if question.text.chars().count() > limits.question || question.history.len() > limits.turns {
            let why = format!(
                "A question has at most {} characters, and a conversation {} messages before it.",
                limits.question, limits.turns
            );
            return Ok(Answer { answer: why, ..self.nothing(AnswerStatus::Refused) });
        }
        let until = Instant::now() + limits.time;
        let Ok(Ok(_room)) = tokio::time::timeout_at(until, room.acquire()).await else {
            let why = "Too many questions at once; try again later.".to_owned();
            return Ok(Answer { answer: why, ..self.nothing(AnswerStatus::Unavailable) });
        };
        Talk::new(asker, desk, question, (*limits, *people), (progress, until)).run().await
    }

    fn nothing(&self, status: AnswerStatus) -> Answer {
        Answer::empty(status, Some(self.name().to_owned()))
    }
}

/// What is being done, for who waits. Nobody has to listen.
#[derive(Debug, Clone, Default)]
pub struct Progress(Option<mpsc::Sender<String>>);

impl Progress {
    #[must_use]
    pub fn to(listener: mpsc::Sender<String>) -> Self {
        Self(Some(listener))
    }

    pub(super) fn reading(&self, tool: Tool) {
        self.tell(&format!("reading: {}", tool.name()));
    }

    /// Of a table that was cut, how many rows there are in all, where that is known.
    pub(super) fn read(&self, found: &Found) {
        let rows = found.total.unwrap_or_else(|| found.rows.len().try_into().unwrap_or(u64::MAX));
        self.tell(&format!("read {rows} row{}", if rows == 1 { "" } else { "s" }));
    }

    /// Who does not keep up misses some of it.
    pub(super) fn tell(&self, what: &str) {
        if let Some(listener) = &self.0 {
            drop(listener.try_send(what.to_owned()));
        }
    }
}
