use serde::{Deserialize, Serialize};

use super::signature::signature;
use crate::domain::Time;

/// Why a run failed, as its timeline tells. The latest wins, then the greater content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Failure {
    /// When the run ended that failed: a later end, good or bad, makes it void.
    pub said: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The first line of the first error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where the log is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// Why a run failed, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownFailure {
    pub stage: Option<String>,
    pub job: Option<String>,
    pub task: Option<String>,
    pub message: Option<String>,
    /// The same for the same error in other runs.
    pub signature: Option<String>,
    pub log: Option<String>,
}

impl From<&Failure> for ShownFailure {
    fn from(failure: &Failure) -> Self {
        let Failure { said: _, stage, job, task, message, log } = failure.clone();
        let signature = message.as_deref().map(signature);
        Self { stage, job, task, message, signature, log }
    }
}
