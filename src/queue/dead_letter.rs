use std::fmt;

use crate::domain::Time;

/// A message that was set aside: nothing of it expires by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Names it in `dead-letter show`; made from the original message's id.
    pub id: String,
    pub reason: Reason,
    /// Attempts that ended with this, at least 1.
    pub tries: u32,
    /// When the message was put on the queue.
    pub first_seen: Time,
    pub dead: Time,
    /// Byte for byte as it came.
    pub body: Vec<u8>,
}

/// Why a message was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// One word for programs, such as `no_run_id`.
    pub code: String,
    /// One sentence for people, with what to do where something can be done.
    pub sentence: String,
    /// The field that is wrong, such as `resource.run.id`.
    pub path: Option<String>,
}

impl Reason {
    #[must_use]
    pub fn new(code: &str, sentence: impl Into<String>) -> Self {
        Self { code: code.to_owned(), sentence: sentence.into(), path: None }
    }
}

/// `code: sentence`.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.sentence)
    }
}

/// Where a page of dead letters begins: behind this one in their order. It need not be there any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    pub dead: Time,
    pub id: String,
}

impl From<&DeadLetter> for After {
    fn from(letter: &DeadLetter) -> Self {
        Self { dead: letter.dead, id: letter.id.clone() }
    }
}

/// Which dead letters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Only these.
    pub ids: Option<Vec<String>>,
    /// Only those whose reason has this code.
    pub code: Option<String>,
    /// Only those that died before.
    pub dead_before: Option<Time>,
}
