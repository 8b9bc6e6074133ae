use std::time::Duration;

use crate::ado::DecodeError;

/// What came of a request, where it was no answer. Places are paths without a query, and texts of the service are one
/// line of a limited length.
#[derive(Debug, thiserror::Error)]
pub enum AdoError {
    /// 401, 203, a redirect to the sign-in, or a page where an answer should be.
    #[error("{place}: Azure DevOps does not accept the token ({how})")]
    TokenRefused { place: String, how: String },
    /// A page or a redirect that nothing shows to be one of Azure DevOps.
    #[error("{place}: what answers there does not look like Azure DevOps ({how})")]
    Strange { place: String, how: String },
    #[error("{place}: not allowed: {says}")]
    Forbidden { place: String, says: String },
    #[error("{place}: not found: {says}")]
    NotFound { place: String, says: String },
    /// Another answer of the kind that trying again does not help.
    #[error("{place}: refused with {status}: {says}")]
    Refused { place: String, status: u16, says: String },
    #[error("{place}: Azure DevOps limits the requests: {says}")]
    Throttled { place: String, says: String },
    /// No answer, or one of trouble on the other side.
    #[error("{place}: Azure DevOps is not available: {says}")]
    Unavailable { place: String, says: String },
    #[error("{place}: the answer is not what it should be")]
    Unreadable { place: String, source: DecodeError },
    #[error("{place}: the answer is larger than {most} bytes")]
    TooLarge { place: String, most: usize },
    #[error("{place}: the list does not end: {says}")]
    Endless { place: String, says: String },
    #[error("no token for Azure DevOps: {says}")]
    NoToken { says: String },
    #[error("{place}: the request cannot be written")]
    Body { place: String, source: serde_json::Error },
    #[error("no HTTP client can be made")]
    Client(#[source] reqwest::Error),
}

/// The longest part of an answer that an error quotes, in characters.
const MOST_QUOTED: usize = 300;

impl AdoError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::TokenRefused { .. } => Some(
                "make a new token, or look at what PIPETRAIL_ADO_TOKEN or PIPETRAIL_ADO_BEARER_COMMAND give: it may have \
                 expired, or belong to another organization; also check --ado-url",
            ),
            Self::Strange { .. } => Some(
                "check --ado-url and --organization: another site may be there, or a proxy that wants a sign-in stands \
                 between",
            ),
            Self::Forbidden { .. } => Some("the token needs the right that the command's help names"),
            Self::NotFound { .. } => Some(
                "check --organization, --project and --ado-url: a project may have been renamed (`pipetrail subscriptions \
                 list --all-projects -o json` tells names and ids, and an id stays valid), and Azure DevOps also answers \
                 so to who may not see it",
            ),
            Self::Throttled { .. } => Some("try again after that time, or after some minutes where it says none"),
            Self::Unavailable { .. } => {
                Some("check the network and --ado-url, and try again: it goes on from where it was")
            }
            Self::Unreadable { .. } => Some("check --ado-url: something else than Azure DevOps may be there"),
            Self::TooLarge { .. } => Some(
                "it was asked for in the smallest part already: leave it out (--pipeline, --since), or have the service \
                 keep less of it, such as the parameters of a run",
            ),
            Self::Endless { .. } => Some("try again; if it stays so, please report it"),
            Self::NoToken { .. } => Some(
                "set PIPETRAIL_ADO_TOKEN or PIPETRAIL_ADO_BEARER_COMMAND, sign in with `az login`, or give this machine \
                 an identity that the organization knows",
            ),
            Self::Refused { .. } => Some(
                "it says itself what it does not take; an older server than Azure DevOps Server 2022.1 does not know \
                 version 7.1 of the API",
            ),
            Self::Body { .. } | Self::Client(_) => None,
        }
    }

    /// Whether the service would not have this, and may well have the next.
    #[must_use]
    pub fn is_of_one_place(&self) -> bool {
        self.reach() == Reach::OnePlace
    }

    /// Whether it may go away by itself.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.reach() == Reach::Passing
    }

    fn reach(&self) -> Reach {
        match self {
            Self::Forbidden { .. } | Self::NotFound { .. } | Self::Refused { .. } => Reach::OnePlace,
            Self::Throttled { .. } | Self::Unavailable { .. } => Reach::Passing,
            Self::TokenRefused { .. }
            | Self::Strange { .. }
            | Self::Unreadable { .. }
            | Self::TooLarge { .. }
            | Self::Endless { .. }
            | Self::NoToken { .. }
            | Self::Body { .. }
            | Self::Client(_) => Reach::Lasting,
        }
    }
}

/// How far an error goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// What was asked for there.
    OnePlace,
    /// All, until it goes away by itself.
    Passing,
    /// All, until somebody does something.
    Lasting,
}

/// One line that can be shown.
pub(super) fn quoted(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line: String = line.chars().filter(|c| !c.is_control()).take(MOST_QUOTED).collect();
    if line.is_empty() { "the service gave no reason".to_owned() } else { line }
}

/// For people.
pub(super) fn in_words(time: Duration) -> String {
    format!("{} s", time.as_secs_f64().ceil())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_says_is_one_short_line() {
        assert_eq!(quoted("\r\n  TF400733: no\u{1b}[31m \nmore"), "TF400733: no[31m");
        assert_eq!(quoted(" \n"), "the service gave no reason");
        assert_eq!(quoted(&"x".repeat(10_000)).len(), MOST_QUOTED);
    }
}
