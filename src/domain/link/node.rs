use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use crate::domain::erase::WORD_AND_TEXT;
use crate::domain::text::{MOST_NAME, cut};

/// What a reference leads from or to, inside one organization.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Node {
    /// By its full hash in small letters.
    Commit(String),
    /// An environment, in a form for people: `{project}/{name}`.
    Environment(String),
    /// A pull request of GitHub or the like, which has another sequence: `{repository}#{number}`.
    ForeignPullRequest(String),
    /// Ids of pull requests are a sequence of the organization.
    PullRequest(u64),
    /// A classic release: `{project}/{number}`, as their ids are sequences of the project.
    Release(String),
    Run(u64),
    /// A run by the number that people see, of the pipeline with this name where one is said. Numbers are used again.
    RunNamed {
        pipeline: Option<String>,
        number: String,
    },
    WorkItem(u64),
}

/// A text that is not a node's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not what a link leads to")]
pub struct ParseNodeError;

impl Node {
    /// A run by its number, bounded.
    #[must_use]
    pub fn run_named(pipeline: Option<&str>, number: &str) -> Self {
        // What stands between the two in the text form.
        let plain = |text: &str| cut(&text.replace('\n', " "), MOST_NAME).into_owned();
        Self::RunNamed { pipeline: pipeline.map(plain), number: plain(number) }
    }

    #[must_use]
    pub fn environment(project: &str, name: &str) -> Self {
        Self::Environment(format!("{project}/{}", cut(name, MOST_NAME)))
    }

    #[must_use]
    pub fn release(project: &str, number: u64) -> Self {
        Self::Release(format!("{project}/{number}"))
    }

    #[must_use]
    pub fn foreign_pull_request(repository: &str, number: u64) -> Self {
        Self::ForeignPullRequest(format!("{}#{number}", cut(repository, MOST_NAME)))
    }

    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Commit(_) => "commit",
            Self::Environment(_) => "environment",
            Self::ForeignPullRequest(_) => "foreignPullRequest",
            Self::PullRequest(_) => "pullRequest",
            Self::Release(_) => "release",
            Self::Run(_) => "run",
            Self::RunNamed { .. } => "runNamed",
            Self::WorkItem(_) => "workItem",
        }
    }

    /// Which one of its kind.
    #[must_use]
    pub fn value(&self) -> String {
        match self {
            Self::Commit(text) | Self::Environment(text) | Self::ForeignPullRequest(text) | Self::Release(text) => {
                text.clone()
            }
            Self::PullRequest(id) | Self::Run(id) | Self::WorkItem(id) => id.to_string(),
            Self::RunNamed { pipeline, number } => format!("{number}\n{}", pipeline.as_deref().unwrap_or_default()),
        }
    }

    /// What [`Node::kind`] and [`Node::value`] gave.
    #[must_use]
    pub fn of(kind: &str, value: &str) -> Option<Self> {
        match kind {
            "commit" => Some(Self::Commit(value.to_owned())),
            "environment" => Some(Self::Environment(value.to_owned())),
            "foreignPullRequest" => Some(Self::ForeignPullRequest(value.to_owned())),
            "pullRequest" => value.parse().ok().map(Self::PullRequest),
            "release" => Some(Self::Release(value.to_owned())),
            "run" => value.parse().ok().map(Self::Run),
            "runNamed" => {
                let (number, pipeline) = value.split_once('\n')?;
                let pipeline = Some(pipeline.to_owned()).filter(|name| !name.is_empty());
                Some(Self::RunNamed { pipeline, number: number.to_owned() })
            }
            "workItem" => value.parse().ok().map(Self::WorkItem),
            _ => None,
        }
    }
}

/// `{kind}:{value}`; read back by [`FromStr`].
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.value())
    }
}

impl FromStr for Node {
    type Err = ParseNodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once(':').and_then(|(kind, value)| Self::of(kind, value)).ok_or(ParseNodeError)
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(WORD_AND_TEXT, &self.to_string())
    }
}

impl TryFrom<String> for Node {
    type Error = ParseNodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let nodes = [
            Node::Commit("b71f".to_owned()),
            Node::foreign_pull_request("fabrikam/app", 7),
            Node::environment("p", "prod"),
            Node::release("p", 31),
            Node::PullRequest(88),
            Node::Run(479),
            Node::run_named(Some("a:b\nc"), "2025.1"),
            Node::run_named(None, "x"),
            Node::WorkItem(5),
        ];
        for node in nodes {
            assert_eq!(node.to_string().parse::<Node>(), Ok(node));
        }
        for none in ["", "run", "run:x", "new:1", "runNamed:x"] {
            assert_eq!(none.parse::<Node>(), Err(ParseNodeError), "{none}");
        }
    }
}
