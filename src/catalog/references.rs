//! What records refer to, as rows: written with each record, read one step at a time by who follows them.

use std::hash::{DefaultHasher, Hash, Hasher};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::query::collect;
use crate::domain::Key;
use crate::domain::link::{Certainty, Node, Reference, Rule, When};

/// The record that rows come from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) key: String,
    pub(super) organization: String,
}

impl Source {
    pub(super) fn of(key: &Key) -> Self {
        Self { key: key.to_string(), organization: key.organization().to_owned() }
    }
}

/// So many references of one thing are looked at, the certain ones first.
const MOST_REFERENCES: usize = 1_000;

/// The references of one thing.
#[derive(Debug)]
pub(super) struct References {
    pub(super) all: Vec<Reference>,
    /// There are more.
    pub(super) is_cut: bool,
}

const COLUMNS: &str = "SELECT cause_kind, cause, effect_kind, effect, rule, certain, when_kind, when_text FROM refs";

/// Makes these the references of the record. Nearly always they are already, since most events say nothing new of them:
/// the first row tells that without a look at the others.
pub(super) fn write(connection: &Connection, source: &Source, references: &[Reference]) -> rusqlite::Result<()> {
    let known = "SELECT digest FROM refs WHERE source = ?1 AND position = 0";
    let known: Option<i64> = connection.prepare_cached(known)?.query_row([&source.key], |row| row.get(0)).optional()?;
    let digest = digest(references);
    if known == digest {
        return Ok(());
    }
    connection.prepare_cached("DELETE FROM refs WHERE source = ?1")?.execute([&source.key])?;
    let row = |(position, reference)| insert(connection, source, position, digest, reference);
    (0_i64..).zip(references).try_for_each(row)
}

/// `None` for no references: they leave no row. That of another build of the program may differ: then the same is
/// written again.
fn digest(references: &[Reference]) -> Option<i64> {
    let mut hasher = DefaultHasher::new();
    references.hash(&mut hasher);
    (!references.is_empty()).then(|| hasher.finish().cast_signed())
}

fn insert(
    connection: &Connection,
    source: &Source,
    position: i64,
    digest: Option<i64>,
    said: &Reference,
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO refs (source, position, organization, cause_kind, cause, effect_kind, effect, rule, certain, \
                    when_kind, when_text, digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let (when_kind, when_text) = said.when.parts();
    connection.prepare_cached(insert)?.execute(params![
        source.key,
        position,
        source.organization,
        said.cause.kind(),
        said.cause.value(),
        said.effect.kind(),
        said.effect.value(),
        said.rule.as_str(),
        said.certainty == Certainty::Certain,
        when_kind,
        when_text,
        digest,
    ])?;
    Ok(())
}

/// `None` where the row is of no kind that is known here.
fn reference(row: &Row<'_>) -> rusqlite::Result<Option<Reference>> {
    let text = |column: usize| row.get_ref(column).and_then(|value| Ok(value.as_str()?.to_owned()));
    let (cause, effect) = (Node::of(&text(0)?, &text(1)?), Node::of(&text(2)?, &text(3)?));
    let certainty = if row.get(5)? { Certainty::Certain } else { Certainty::Likely };
    let when = When::from_parts(&text(6)?, &text(7)?);
    let parts = cause.zip(effect).zip(Rule::of(&text(4)?));
    Ok(parts.map(|((cause, effect), rule)| Reference { cause, effect, rule, certainty, when }))
}

/// What it leads to.
pub(super) fn from(connection: &Connection, organization: &str, cause: &Node) -> rusqlite::Result<References> {
    ends(connection, "cause = ? AND cause_kind = ? AND organization = ?", organization, cause)
}

/// What leads to it.
pub(super) fn to(connection: &Connection, organization: &str, effect: &Node) -> rusqlite::Result<References> {
    ends(connection, "effect = ? AND effect_kind = ? AND organization = ?", organization, effect)
}

/// In an order, so that each replica leaves out the same.
fn ends(connection: &Connection, which: &str, organization: &str, node: &Node) -> rusqlite::Result<References> {
    let ask = format!("{COLUMNS} WHERE {which} ORDER BY certain DESC, source, position LIMIT {}", MOST_REFERENCES + 1);
    let values = vec![node.value().into(), node.kind().to_owned().into(), organization.to_owned().into()];
    let mut found = collect(connection, &ask, values, reference)?;
    let is_cut = found.len() > MOST_REFERENCES;
    found.truncate(MOST_REFERENCES);
    Ok(References { all: found.into_iter().flatten().collect(), is_cut })
}
