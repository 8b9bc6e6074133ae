//! Deployment chains as the rows of Spektate's table.
//!
//! Its schema is that of `bedrock deployment create` (<https://github.com/microsoft/bedrock-cli>): all columns are texts.
//! Its filters compare with the small letters of what is asked for, so what is not written in small letters is never
//! found. It leaves out, and its version 1.0.6 deletes, a row for which Azure DevOps knows no build; so no row is made
//! without one.

use std::collections::BTreeMap;

use super::chain::{hld_repository, manifest_repository, short, source_repository};
use crate::domain::chain::{Kind, Row, Second};

/// Marks the rows that are ours: nothing else is ever changed or deleted.
pub const WRITER: &str = "pipetrail";

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpektateRow {
    /// The chain.
    pub partition: String,
    /// 12 characters.
    pub row: String,
    /// Keys that it had while less of it was known: it stays where it is.
    pub former: Vec<String>,
    pub columns: BTreeMap<&'static str, String>,
}

/// The rows of the table, in the order of those of the chains. What is empty has no column.
#[must_use]
pub fn spektate_rows(rows: &[Row]) -> Vec<SpektateRow> {
    rows.iter().filter_map(spektate_row).collect()
}

fn spektate_row(row: &Row) -> Option<SpektateRow> {
    let first = row.source.as_ref().map(|run| run.id.to_string());
    let second = match &row.second {
        Some(Second::Stage(run)) => Some(run.id.to_string()),
        Some(Second::Release(stage)) => Some(stage.release.to_string()),
        None => None,
    };
    let third = row.manifest_run.as_ref().map(|run| run.id.to_string());
    if first.is_none() && second.is_none() && third.is_none() {
        return None;
    }
    let text = |text: Option<&str>| text.map(str::to_owned);
    let commit = row.source.as_ref().and_then(|run| run.commit.as_deref());
    let columns = [
        ("p1", first),
        ("p2", second),
        ("p3", third),
        ("commitId", text(short(commit))),
        ("imageTag", row.image_tag.clone()),
        ("service", row.service.clone()),
        ("env", row.ring.clone()),
        ("hldCommitId", text(short(row.hld_commit.as_deref()))),
        ("manifestCommitId", text(short(row.manifest_commit.as_deref()))),
        ("pr", row.pull_request.as_ref().map(|one| one.id.to_string())),
        ("sourceRepo", source_repository(row)),
        ("hldRepo", hld_repository(row)),
        ("manifestRepo", manifest_repository(row)),
    ];
    let known = columns.into_iter().filter_map(|(name, value)| Some((name, value?.to_lowercase())));
    let ours = [("kind", kind(row.kind).to_owned()), ("writtenBy", WRITER.to_owned())];
    let columns = known.filter(|(_, value)| !value.is_empty()).chain(ours).collect();
    Some(SpektateRow { partition: row.chain.clone(), row: row.id.clone(), former: row.former.clone(), columns })
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Deployment => "deployment",
        Kind::ManualEdit => "manualedit",
        Kind::Environment => "environment",
    }
}
