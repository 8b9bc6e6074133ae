use std::process::ExitCode;

use crate::ado::rest::AdoError;
use crate::azure::{AccountError, AzureError};
use crate::backfill::BackfillError;
use crate::catalog::CatalogError;
use crate::config::Faults;
use crate::queue::QueueError;
use crate::sqlite::LocalError;
use crate::store::StoreError;

use super::Output;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; a stop that was asked for and drained, too.
    Done,
    /// Failed, or not found.
    Failed,
    /// Wrong usage or configuration.
    Usage,
    /// Forced to end.
    Forced,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::Forced => Self::from(130),
        }
    }
}

/// What went wrong, for the user, and how the program ends for it.
#[derive(Debug)]
pub enum Failure {
    /// Told with its causes and what to do about it.
    Told { exit: Exit, error: anyhow::Error, hint: Option<String> },
    /// The configuration; each fault is told.
    Configuration(Faults),
    /// Whoever reads our output has seen enough: no failure at all.
    BrokenPipe,
}

impl Failure {
    /// Exit 1.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Told { exit: Exit::Failed, error: anyhow::Error::msg(message.into()), hint: None }
    }

    /// Exit 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Told { exit: Exit::Usage, error: anyhow::Error::msg(message.into()), hint: None }
    }

    /// Says what to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Told { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// Says what it means for the command.
    #[must_use]
    pub(crate) fn context(self, text: &'static str) -> Self {
        match self {
            Self::Told { exit, error, hint } => {
                let hint = hint.or_else(|| known_hint(&error));
                Self::Told { exit, error: error.context(text), hint }
            }
            Self::Configuration(_) | Self::BrokenPipe => self,
        }
    }

    /// Whether Azure DevOps refused this place, and may well take the next.
    pub(crate) fn is_of_one_place(&self) -> bool {
        self.ado().is_some_and(AdoError::is_of_one_place)
    }

    /// The right that the command needs, where it is missing and nobody said more.
    #[must_use]
    pub(crate) fn or_right(self, text: &str) -> Self {
        match (self.ado(), &self) {
            (Some(AdoError::Forbidden { .. }), Self::Told { hint: None, .. }) => {
                self.hint(format!("the token needs {text}"))
            }
            _ => self,
        }
    }

    fn ado(&self) -> Option<&AdoError> {
        match self {
            Self::Told { error, .. } => error.chain().find_map(|cause| cause.downcast_ref()),
            Self::Configuration(_) | Self::BrokenPipe => None,
        }
    }

    /// Whether a file is damaged.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Told { error, .. } => {
                error.chain().any(|cause| cause.downcast_ref::<LocalError>().is_some_and(LocalError::is_damage))
            }
            Self::Configuration(_) | Self::BrokenPipe => false,
        }
    }

    /// Whether it may go away by itself.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Told { error, .. } => passes(error),
            Self::Configuration(_) | Self::BrokenPipe => false,
        }
    }

    /// Its text and what to do about it, for a line of a report.
    pub(crate) fn in_words(&self) -> (String, Option<String>) {
        match self {
            Self::Told { error, hint, .. } => (format!("{error:#}"), hint.clone().or_else(|| known_hint(error))),
            Self::Configuration(faults) => (faults.to_string(), None),
            Self::BrokenPipe => (String::new(), None),
        }
    }

    /// Tells the user, and says how the program ends.
    #[must_use]
    pub fn tell(&self, output: &Output) -> Exit {
        match self {
            Self::BrokenPipe => Exit::Done,
            Self::Configuration(Faults(faults)) => {
                for fault in faults {
                    output.say(&format!("error: {fault}"));
                }
                output.say("hint: `pipetrail --help` lists the options, the README all settings");
                Exit::Usage
            }
            Self::Told { exit, error, hint } => {
                output.say(&format!("error: {error:#}"));
                if let Some(hint) = hint.clone().or_else(|| known_hint(error)) {
                    output.say(&format!("hint: {hint}"));
                }
                *exit
            }
        }
    }
}

/// What those parts know to do about it that know best.
fn known_hint(error: &anyhow::Error) -> Option<String> {
    let known = error.chain().find_map(|cause| cause.downcast_ref::<LocalError>().and_then(LocalError::hint));
    let answer = error.chain().find_map(|cause| cause.downcast_ref::<AzureError>());
    let azure = answer.and_then(AzureError::hint);
    let may_pass = passes(error) && answer.is_none_or(AzureError::may_pass);
    let again = may_pass.then_some("try again: nothing that was acknowledged is lost");
    let ado = error.chain().find_map(|cause| cause.downcast_ref::<AdoError>().and_then(AdoError::hint));
    known.or(azure).or(ado).or(again).map(str::to_owned)
}

fn passes(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref(), Some(QueueError::Unavailable(_)))
            || matches!(cause.downcast_ref(), Some(StoreError::Unavailable(_)))
    })
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Told { exit: Exit::Failed, error, hint: None }
    }
}

/// Either side says enough by itself.
impl From<BackfillError> for Failure {
    fn from(error: BackfillError) -> Self {
        match error {
            BackfillError::Ado(error) => Self::from(error),
            BackfillError::Store(error) => Self::from(error),
        }
    }
}

/// Errors that say enough by themselves.
macro_rules! fails {
    ($($error:ty),+) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::from(anyhow::Error::from(error))
            }
        })+
    };
}

fails!(
    AccountError,
    AdoError,
    AzureError,
    LocalError,
    QueueError,
    StoreError,
    CatalogError,
    serde_json::Error,
    csv::Error
);
