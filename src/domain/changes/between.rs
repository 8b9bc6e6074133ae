use crate::domain::{RunKey, Time};

/// Two runs of a pipeline of which nobody told what came between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Between {
    /// The earlier one.
    pub since: u64,
    pub run: RunKey,
    /// By name or id.
    pub project: String,
    pub repository: Option<String>,
    /// When the later one was said to be over.
    pub said: Time,
}
