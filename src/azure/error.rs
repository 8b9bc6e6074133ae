use std::fmt;

use azure_core::error::{Error, ErrorKind};
use reqwest::Url;

/// What a service answered, or why it did not: without addresses, which may hold a signature, but for the scheme, host
/// and port that do not answer; and without bodies.
#[derive(Debug)]
pub struct AzureError {
    /// Such as ``queue `ado-events` ``.
    place: Option<String>,
    /// Of the HTTP answer; `None` where there was none.
    status: Option<u16>,
    /// As in Microsoft's lists of [error codes](https://learn.microsoft.com/en-us/rest/api/storageservices/status-and-error-codes2).
    code: Option<String>,
    says: String,
    /// The operation of a transaction that failed.
    index: Option<usize>,
    /// Whether no request was made, for want of a token.
    no_token: bool,
    /// Whether it is this machine that does not answer.
    here: bool,
}

/// What answers is not what was asked for: the services tell every fault by a code, but for some of Azurite's.
const OTHER_SERVICE: &str = "what answers there is no such service of Azure Storage: check the endpoints of queue and table, \
                             and whether they are swapped";

impl AzureError {
    /// Says where it was, unless that is said already.
    #[must_use]
    pub fn at(mut self, place: &str) -> Self {
        self.place.get_or_insert_with(|| place.to_owned());
        self
    }

    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    #[must_use]
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Which operation of a transaction failed, counted from 0.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        self.index
    }

    /// Whether the service will never take this request: it is wrong (400) or too large (413).
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self.status, Some(400 | 413))
    }

    /// Whether the account knows who asks, and does not let them.
    #[must_use]
    pub fn is_missing_right(&self) -> bool {
        self.status == Some(403) && !self.is("AuthenticationFailed")
    }

    /// Whether the queue or the table is not there.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.is("QueueNotFound") || self.is("TableNotFound")
    }

    /// What the user can do about it, where something can be done.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self.status {
            None if self.no_token => Some(
                "sign in with `az login`, give this machine an identity, or set AZURE_STORAGE_KEY or \
                 AZURE_STORAGE_CONNECTION_STRING",
            ),
            None if self.here => Some("is Azurite running? `scripts/azurite` starts it, and says its endpoints"),
            None => Some("check the account's name, its endpoints and the network"),
            // Azurite's tables call a wrong key by the second name, and Azure a firewall.
            Some(401 | 403) if self.is("AuthenticationFailed") || self.is("AuthorizationFailure") => Some(
                "check the key or the signature, with its rights and its end, and this machine's clock; a firewall of \
                 the account answers so, too",
            ),
            Some(401 | 403) => Some(
                "check the key or the signature; an identity needs the roles Storage Queue Data Contributor and Storage \
                 Table Data Contributor on the account; a firewall of the account answers so, too",
            ),
            Some(404) if self.is_gone() => {
                Some("`pipetrail work` makes queue and table; PIPETRAIL_QUEUE and PIPETRAIL_TABLE name them")
            }
            Some(409) if self.is("QueueBeingDeleted") || self.is("TableBeingDeleted") => {
                Some("somebody deleted it, and the service takes about a minute for that: try again then")
            }
            Some(400 | 404 | 405 | 501) if self.code.is_none() || self.is("InvalidResourceName") => Some(OTHER_SERVICE),
            Some(_) => None,
        }
    }

    /// Whether it may go away by itself: no answer, too much load, trouble of the service.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self.status {
            None | Some(408 | 429) => true,
            Some(status) => status >= 500 && status != 501,
        }
    }

    /// Whether somebody else was there first: the entity exists, is another one by now, or is gone.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self.status {
            Some(409) => self.is("EntityAlreadyExists"),
            Some(412) => true,
            Some(404) => self.is("ResourceNotFound"),
            _ => false,
        }
    }
}

impl fmt::Display for AzureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if let Some(status) = self.status {
            write!(f, "{status} ")?;
        }
        if let Some(code) = &self.code {
            write!(f, "{code}: ")?;
        }
        f.write_str(&self.says)
    }
}

impl std::error::Error for AzureError {}

impl From<Error> for AzureError {
    fn from(error: Error) -> Self {
        let ErrorKind::HttpResponse { status, error_code } = error.kind() else {
            let no_token = matches!(error.kind(), ErrorKind::Credential);
            let (says, here) = unanswered(&error);
            return Self { place: None, status: None, code: None, says, index: None, no_token, here };
        };
        let message = error.as_http_error().and_then(|answer| answer.error_message()).unwrap_or_default();
        let (index, message) = numbered(message);
        // The rest is an id of the request and a time.
        let says = message.lines().next().filter(|line| !line.is_empty()).unwrap_or("the service gave no reason");
        let code = error_code.clone().filter(|code| !code.is_empty());
        let (status, says) = (Some(u16::from(*status)), says.to_owned());
        Self { place: None, status, code, says, index, no_token: false, here: false }
    }
}

/// What is at the bottom of it, in one line, behind the host that was asked; and whether that is this machine. What is
/// between repeats the whole address.
fn unanswered(error: &Error) -> (String, bool) {
    let (mut cause, mut asked): (&dyn std::error::Error, _) = (error, None);
    while let Some(deeper) = cause.source() {
        cause = deeper;
        asked = asked.or_else(|| cause.downcast_ref::<reqwest::Error>().and_then(reqwest::Error::url));
    }
    let root = cause.to_string().replace('\n', "; ");
    match asked {
        Some(url) => (format!("{}: {root}", url.origin().ascii_serialization()), is_loopback(url)),
        None => (root, false),
    }
}

/// Whether it is an address of this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// `3:The entity exists` is about the operation 3 of a transaction.
fn numbered(message: &str) -> (Option<usize>, &str) {
    let split = message.split_once(':').and_then(|(number, rest)| Some((number.parse().ok()?, rest)));
    split.map_or((None, message), |(number, rest)| (Some(number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, code: &str) -> AzureError {
        AzureError {
            place: Some("queue `q`".to_owned()),
            status: Some(status),
            code: Some(code.to_owned()),
            says: "no".to_owned(),
            index: None,
            no_token: false,
            here: false,
        }
    }

    #[test]
    fn says_where_it_was() {
        assert_eq!(answered(404, "QueueNotFound").at("table `t`").to_string(), "queue `q`: 404 QueueNotFound: no");
    }

    #[test]
    fn hints_tell_a_wrong_key_from_a_missing_right() {
        let hint = |status, code| answered(status, code).hint().unwrap_or_default();
        assert!(hint(403, "AuthenticationFailed").contains("clock"));
        assert!(hint(403, "AuthorizationPermissionMismatch").contains("Storage Table Data Contributor"));
        assert!(hint(404, "TableNotFound").contains("`pipetrail work`"));
        assert!(hint(409, "QueueBeingDeleted").contains("try again then"));
        assert_eq!(hint(403, "AuthenticationFailed"), hint(403, "AuthorizationFailure"));
        assert!(hint(400, "InvalidResourceName").contains("swapped"));
        assert_eq!(answered(500, "InternalError").hint(), None);
        let uncoded = |status| AzureError { code: None, ..answered(status, "") };
        assert_eq!([400, 404, 405, 501].map(|status| uncoded(status).hint()), [Some(OTHER_SERVICE); 4]);
        assert_eq!(uncoded(503).hint(), None);
        let unanswered = AzureError { status: None, here: true, ..uncoded(0) };
        assert!(unanswered.hint().unwrap().contains("scripts/azurite"));
        assert!(answered(403, "AuthorizationPermissionMismatch").is_missing_right());
        assert!(!answered(403, "AuthenticationFailed").is_missing_right());
    }

    #[test]
    fn only_an_outage_may_pass() {
        let passing: Vec<u16> = [400, 403, 404, 408, 409, 429, 500, 501, 502, 503]
            .into_iter()
            .filter(|status| answered(*status, "x").may_pass())
            .collect();
        assert_eq!(passing, [408, 429, 500, 502, 503]);
    }

    #[test]
    fn an_operations_number_is_split_off() {
        assert_eq!(numbered("3:The entity exists."), (Some(3), "The entity exists."));
        assert_eq!(numbered("The value: 3"), (None, "The value: 3"));
    }
}
