//! What leads to what: from a work item by pull request and commit to a run, and on to the runs that it triggers.
//!
//! No link is ever stored as a fact. Each record by itself says what it refers to ([`of_run`] and its like, pure), and
//! whoever asks joins these [`Reference`]s. So the order in which things arrive does not matter, and a rule that was
//! wrong is mended by a better program, without new events.
//!
//! A reference says by which [`Rule`] it was made and whether that is certain. A certain one is what the service itself
//! says, by an id; everything read out of names is only likely. Where the service's word may mean two things, the
//! reference holds a condition ([`When`]), and without it there is no link.
//!
//! The trap: `reason` decides nothing. A run with the reason `manual` may have been started by a pipeline resource.

use std::borrow::Cow;

pub(in crate::domain) mod bedrock;
mod node;
mod record;
mod rule;
#[cfg(test)]
mod tests;
mod text;

pub use node::{Node, ParseNodeError};
pub use record::{of_changes, of_deployment, of_pull_request, of_push, of_release, of_run, of_work_item};
pub use rule::{Certainty, Rule};
pub use text::{MOST_MENTIONS, mentions, merged_pull_request, numbers};

/// That one thing leads to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    pub cause: Node,
    pub effect: Node,
    pub rule: Rule,
    pub certainty: Certainty,
    /// What has to hold, or else there is no link.
    pub when: When,
}

/// A condition that only who knows both ends can look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    Always,
    /// The run that is the cause is called so, as far as it is said. Numbers are used again, and not every id that is
    /// told is a run's: where the pipeline has another name, or nothing is known of the run but its id, it is only likely.
    Called {
        number: Option<String>,
        pipeline: Option<String>,
    },
    /// The pull request is of the repository with this id or name. Where it is known to be of another one, there is no
    /// link.
    Repository(String),
    /// One of the configured patterns finds the work item in this branch.
    Branch(String),
}

impl When {
    const CALLED: &str = "called";
    const REPOSITORY: &str = "repository";
    const BRANCH: &str = "branch";

    /// No condition where nothing is said.
    fn called(number: Option<&str>, pipeline: Option<&str>) -> Self {
        let told = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        match (told(number), told(pipeline)) {
            (None, None) => Self::Always,
            (number, pipeline) => Self::Called { number, pipeline },
        }
    }

    /// As two texts: the kind, and what it is about.
    #[must_use]
    pub fn parts(&self) -> (&'static str, Cow<'_, str>) {
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().replace('\n', " ");
        match self {
            Self::Always => ("", Cow::Borrowed("")),
            Self::Called { number, pipeline } => {
                (Self::CALLED, Cow::Owned(format!("{}\n{}", text(number), text(pipeline))))
            }
            Self::Repository(text) => (Self::REPOSITORY, Cow::Borrowed(text)),
            Self::Branch(text) => (Self::BRANCH, Cow::Borrowed(text)),
        }
    }

    /// What [`When::parts`] gave; anything else is no condition.
    #[must_use]
    pub fn from_parts(kind: &str, text: &str) -> Self {
        match kind {
            Self::CALLED => {
                let (number, pipeline) = text.split_once('\n').unwrap_or((text, ""));
                Self::called(Some(number), Some(pipeline))
            }
            Self::REPOSITORY => Self::Repository(text.to_owned()),
            Self::BRANCH => Self::Branch(text.to_owned()),
            _ => Self::Always,
        }
    }
}

impl Reference {
    fn certain(cause: Node, effect: Node, rule: Rule) -> Self {
        Self { cause, effect, rule, certainty: Certainty::Certain, when: When::Always }
    }

    fn likely(cause: Node, effect: Node, rule: Rule) -> Self {
        Self { certainty: Certainty::Likely, ..Self::certain(cause, effect, rule) }
    }

    fn when(self, when: When) -> Self {
        Self { when, ..self }
    }
}
