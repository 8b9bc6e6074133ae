//! Events of the service's test button, which are made of constant data.
//!
//! They look like real ones: without this, run 2 of an organization that nobody has would stand among the runs. All of
//! them have the same containers. That alone is not enough to drop an event, as somebody may have filled in those ids
//! where none were; so the resource has to be of one of the made-up organizations too, or of none.
//!
//! The data: <https://learn.microsoft.com/azure/devops/service-hooks/events>.

use super::wire::{Container, Containers, text};
use super::{DecodeError, Decoded};
use crate::domain::{Fact, Key};

const COLLECTION: &str = "c12d0eb8-e382-443b-9f9c-c52cba5014c2";
const ACCOUNT: &str = "f844ec47-a9db-4511-8281-8b63f4eaf94e";
const PROJECT: &str = "be9b3917-87e6-42a4-a549-2bc06a7a878f";

/// `org` is that of `codedev.ms`, where the vendor develops.
const ORGANIZATIONS: [&str; 4] = ["fabrikam-fiber-inc", "fabrikamfiber", "fabfiber", "org"];

/// That of the pull requests, which are of `fabrikam`.
const REPOSITORY: &str = "4bc14d40-c903-45e2-872e-0462c7748079";

/// Whether these are the containers of all test events.
pub(super) fn has_its_containers(containers: Option<&Containers<'_>>) -> bool {
    let Some(containers) = containers else { return false };
    let is = |container: &Option<Container<'_>>, constant: &str| {
        let id = container.as_ref().and_then(|container| text(container.id.as_ref()));
        id.is_some_and(|id| id.eq_ignore_ascii_case(constant))
    };
    is(&containers.collection, COLLECTION)
        && is(&containers.account, ACCOUNT)
        && (containers.project.is_none() || is(&containers.project, PROJECT))
}

/// Whether what was read, or could not be read, is nobody's.
pub(super) fn is_nobodys(read: &Result<Decoded, DecodeError>) -> bool {
    match read {
        Ok(Decoded::Facts(facts)) => facts.iter().map(Fact::key).all(|key| is_made_up(&key)),
        Ok(Decoded::Named(named)) => ORGANIZATIONS.contains(&named.organization.as_str()),
        Ok(Decoded::Ignored { .. }) | Err(_) => true,
    }
}

fn is_made_up(key: &Key) -> bool {
    let of_sample = matches!(key, Key::PullRequest(key) if key.repository == REPOSITORY);
    of_sample || ORGANIZATIONS.contains(&key.organization())
}
