//! Pushes, pull requests and changes of builds, as far as they are read.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::ado::wire::{Id, Link, Person, Project, Text, When};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Push<'a> {
    pub(super) push_id: Option<Id>,
    pub(super) date: Option<When>,
    #[serde(borrow)]
    pub(super) repository: Option<Repository<'a>>,
    #[serde(borrow)]
    pub(super) pushed_by: Option<Person<'a>>,
    #[serde(borrow)]
    pub(super) ref_updates: Option<Vec<RefUpdate<'a>>>,
    #[serde(borrow)]
    pub(super) commits: Option<Vec<Commit<'a>>>,
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Repository<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) remote_url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) web_url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) default_branch: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) project: Option<Project<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct RefUpdate<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) old_object_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) new_object_id: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Commit<'a> {
    #[serde(borrow)]
    pub(super) commit_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) author: Option<Signature<'a>>,
    #[serde(borrow)]
    pub(super) comment: Option<Text<'a>>,
}

/// Who made a commit, as it says itself. The address is not read.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Signature<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    pub(super) date: Option<When>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct PullRequest<'a> {
    #[serde(rename = "_links", borrow)]
    pub(super) links: Option<Links<'a>>,
    pub(super) pull_request_id: Option<Id>,
    #[serde(borrow)]
    pub(super) repository: Option<Repository<'a>>,
    #[serde(borrow)]
    pub(super) status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) created_by: Option<Person<'a>>,
    #[serde(borrow)]
    pub(super) closed_by: Option<Person<'a>>,
    pub(super) creation_date: Option<When>,
    pub(super) closed_date: Option<When>,
    #[serde(borrow)]
    pub(super) title: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) description: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) source_ref_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) target_ref_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) merge_status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) last_merge_source_commit: Option<CommitRef<'a>>,
    #[serde(borrow)]
    pub(super) last_merge_commit: Option<CommitRef<'a>>,
    #[serde(borrow)]
    pub(super) commits: Option<Vec<CommitRef<'a>>>,
    #[serde(borrow)]
    pub(super) reviewers: Option<Vec<Reviewer<'a>>>,
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Links<'a> {
    #[serde(borrow)]
    pub(super) web: Option<Link<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct CommitRef<'a> {
    #[serde(borrow)]
    pub(super) commit_id: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub(super) struct Reviewer<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) display_name: Option<Text<'a>>,
    pub(super) vote: Option<i64>,
    pub(super) is_container: Option<bool>,
}

/// A change of a build: a commit, wherever the repository is.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Change<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) message: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) author: Option<Person<'a>>,
    pub(super) timestamp: Option<When>,
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Text<'a>>,
}

/// A list, or one of what it holds.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct List<'a> {
    /// Each is read by itself, so that one that cannot be read costs no other.
    #[serde(borrow)]
    pub(super) value: Option<Vec<&'a RawValue>>,
}
