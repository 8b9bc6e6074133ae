//! The JSON of classic releases, as far as it is read. Everything may be absent or null.
//!
//! Events write the keys of `definitionReference` with a capital, the REST API without: both are read.
//!
//! Shapes: <https://learn.microsoft.com/azure/devops/service-hooks/events> and
//! <https://learn.microsoft.com/rest/api/azure/devops/release/>.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::ado::wire::{Count, Definition, Id, Links, Person, Project, Text, When};

/// The resource of every event about a release.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Resource<'a> {
    #[serde(borrow)]
    pub(super) release: Option<Release<'a>>,
    #[serde(borrow)]
    pub(super) environment: Option<Environment<'a>>,
    #[serde(borrow)]
    pub(super) approval: Option<Approval<'a>>,
    #[serde(borrow)]
    pub(super) deployment: Option<Deployment<'a>>,
    #[serde(borrow)]
    pub(super) project: Option<Project<'a>>,
    pub(super) attempt_id: Option<Count>,
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
}

/// A release, whole or named in passing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Release<'a> {
    pub(super) id: Option<Id>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) reason: Option<Text<'a>>,
    pub(super) created_on: Option<When>,
    pub(super) modified_on: Option<When>,
    #[serde(borrow)]
    pub(super) created_by: Option<Person<'a>>,
    #[serde(borrow)]
    pub(super) created_for: Option<Person<'a>>,
    #[serde(borrow)]
    pub(super) environments: Option<Vec<Environment<'a>>>,
    #[serde(borrow)]
    pub(super) artifacts: Option<Vec<Artifact<'a>>>,
    #[serde(borrow)]
    pub(super) release_definition: Option<Definition<'a>>,
    #[serde(borrow)]
    pub(super) project_reference: Option<Project<'a>>,
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) web_access_uri: Option<Text<'a>>,
    #[serde(rename = "_links", borrow)]
    pub(super) links: Option<Links<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Environment<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) release: Option<Named<'a>>,
    pub(super) release_id: Option<Id>,
    #[serde(borrow)]
    pub(super) release_definition: Option<Definition<'a>>,
    pub(super) deploy_steps: Option<Vec<DeployStep>>,
}

/// Something with an id, a name and an address.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Named<'a> {
    pub(super) id: Option<Id>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
    #[serde(rename = "_links", borrow)]
    pub(super) links: Option<Links<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct DeployStep {
    pub(super) attempt: Option<Count>,
}

/// An item of Deployments - List; events may hold one too.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Deployment<'a> {
    #[serde(borrow)]
    pub(super) release: Option<Release<'a>>,
    #[serde(borrow)]
    pub(super) release_definition: Option<Definition<'a>>,
    #[serde(borrow)]
    pub(super) release_environment: Option<Named<'a>>,
    #[serde(borrow)]
    pub(super) project_reference: Option<Project<'a>>,
    pub(super) attempt: Option<Count>,
    #[serde(borrow)]
    pub(super) deployment_status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) operation_status: Option<Text<'a>>,
    pub(super) queued_on: Option<When>,
    pub(super) started_on: Option<When>,
    pub(super) completed_on: Option<When>,
    pub(super) last_modified_on: Option<When>,
    #[serde(borrow)]
    pub(super) pre_deploy_approvals: Option<Vec<Approval<'a>>>,
    #[serde(borrow)]
    pub(super) post_deploy_approvals: Option<Vec<Approval<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Approval<'a> {
    pub(super) id: Option<Id>,
    #[serde(borrow)]
    pub(super) approver: Option<Person<'a>>,
    #[serde(borrow)]
    pub(super) approved_by: Option<Person<'a>>,
    #[serde(borrow)]
    pub(super) approval_type: Option<Text<'a>>,
    pub(super) created_on: Option<When>,
    pub(super) modified_on: Option<When>,
    #[serde(borrow)]
    pub(super) status: Option<Text<'a>>,
    pub(super) is_automated: Option<bool>,
    pub(super) attempt: Option<Count>,
    pub(super) rank: Option<Count>,
    #[serde(borrow)]
    pub(super) release: Option<Named<'a>>,
    #[serde(borrow)]
    pub(super) release_definition: Option<Definition<'a>>,
    #[serde(borrow)]
    pub(super) release_environment: Option<Named<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Artifact<'a> {
    #[serde(borrow)]
    pub(super) alias: Option<Text<'a>>,
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Text<'a>>,
    pub(super) is_primary: Option<bool>,
    #[serde(borrow)]
    pub(super) definition_reference: Option<BTreeMap<String, Option<Reference<'a>>>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Reference<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
}

impl Artifact<'_> {
    /// By its key, upper or lower case.
    pub(super) fn reference(&self, key: &str) -> Option<&Reference<'_>> {
        let mut references = self.definition_reference.iter().flatten();
        references.find(|(name, _)| name.eq_ignore_ascii_case(key))?.1.as_ref()
    }
}

/// An answer that is a list.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct List<'a> {
    /// Each is read by itself, so that one that cannot be read costs no other.
    #[serde(borrow)]
    pub(super) value: Option<Vec<&'a RawValue>>,
}
