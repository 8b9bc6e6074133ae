//! What scripts, people and other programs tell of: deployments, pushes, reviews, tests, incidents. The endpoints and the
//! command line put it into an envelope of ours, since it names no organization and often no time.
//!
//! `pipetrail.report` has the body of DevOps Toolkit (`Repo`, `Event`, `Metadata`;
//! <https://github.com/thisisarchimedes/devops>) or that of `DevOpstic` (`type`, `pipeline_id`, …;
//! <https://github.com/splisson/devopstic>); `pipetrail.incident` one of our own.

mod body;
mod incident;
mod report;

use serde_json::json;
use serde_json::value::RawValue;

use super::error::{DecodeError, is_json};
use super::{Decoder, is_organization};
use crate::domain::Time;

pub(super) use incident::fact as incident;
pub(super) use report::fact as report;

/// The event types of the envelopes.
pub const REPORT: &str = "pipetrail.report";
pub const INCIDENT: &str = "pipetrail.incident";

/// A body in the envelope that the decoder takes, of one of these types. `received` is when it happened, where the body
/// does not say.
///
/// # Errors
/// When nothing can be made of the body: somebody is still there who can be told.
pub fn enveloped(kind: &str, organization: &str, received: Time, body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    if !is_organization(organization) {
        let says = "nobody says whose it is: name the organization in the address (?organization=), or configure one";
        return Err(DecodeError::new("no_organization", says));
    }
    let text = std::str::from_utf8(body).ok().filter(|text| is_json(text));
    let resource: Option<&RawValue> = text.and_then(|text| serde_json::from_str(text).ok());
    let resource = resource.ok_or_else(|| DecodeError::new("not_json", "the body is not JSON"))?;
    let event = json!({
        "eventType": kind,
        "createdDate": received.to_string(),
        "resourceContainers": {"collection": {"baseUrl": format!("https://dev.azure.com/{organization}/")}},
        "resource": resource,
    });
    let event = event.to_string().into_bytes();
    Decoder::default().decode(&event).map(|_| event)
}
