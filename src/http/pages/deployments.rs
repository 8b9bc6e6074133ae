//! The deployment chains: what Spektate's dashboard shows, with its columns, filters and address parameters.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::Query;
use axum::response::Response;

use super::filters::{Field, Filters};
use super::frame::Frame;
use super::html::{Badge, When, named, query};
use super::out::{AdoSite, Out};
use super::{page, paths};
use crate::catalog::ChainFilter;
use crate::domain::Time;
use crate::domain::chain::{Cluster, Kind, PullRequest, Row, Run, Second, Status, Step};
use crate::domain::link::{Certainty, Rule};
use crate::http::Problem;
use crate::http::reader::Reader;
use crate::view::{deployments_json, short, synced};

const LIMIT: usize = 50;
const MOST: usize = 500;

/// What the address asks for. Each but the keyword and the limit may be there several times.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    keyword: Option<String>,
    kinds: Vec<Kind>,
    services: Vec<String>,
    authors: Vec<String>,
    rings: Vec<String>,
    limit: usize,
}

impl Asked {
    fn of(pairs: Vec<(String, String)>) -> Self {
        let mut asked = Self { limit: LIMIT, ..Self::default() };
        for (name, value) in pairs {
            let value = value.trim().to_owned();
            match name.as_str() {
                _ if value.is_empty() => {}
                "keyword" => asked.keyword = Some(value),
                "type" => {
                    asked.kinds.extend(KINDS.into_iter().filter(|kind| kind.as_str().eq_ignore_ascii_case(&value)))
                }
                "service" => asked.services.push(value),
                "author" => asked.authors.push(value),
                "env" => asked.rings.push(value),
                "limit" => asked.limit = value.parse().ok().filter(|limit| *limit > 0).unwrap_or(LIMIT).min(MOST),
                _ => {}
            }
        }
        asked
    }

    fn filter(&self) -> ChainFilter {
        ChainFilter {
            rings: self.rings.clone(),
            services: self.services.clone(),
            authors: self.authors.clone(),
            kinds: self.kinds.clone(),
            ..ChainFilter::default()
        }
    }

    fn is_any(&self) -> bool {
        self.keyword.is_some() || self.filter() != ChainFilter::default()
    }

    /// Spektate looks through all that it knows of a row.
    fn has_keyword(&self, row: &Row, now: Time) -> bool {
        let Some(keyword) = &self.keyword else { return true };
        if row.is_called(keyword) {
            return true;
        }
        let text = serde_json::to_string(&deployments_json(std::slice::from_ref(row), now)).unwrap_or_default();
        text.to_lowercase().contains(&keyword.to_lowercase())
    }
}

const KINDS: [Kind; 3] = [Kind::Deployment, Kind::ManualEdit, Kind::Environment];

#[derive(Template)]
#[template(path = "deployments.html")]
struct Page {
    frame: Frame,
    filters: Filters,
    deployments: Vec<ChainRow>,
    filtered: bool,
    more: bool,
}

/// A row as the pages show it.
pub(super) struct ChainRow {
    pub(super) badge: Badge,
    /// The row alone.
    pub(super) href: String,
    pub(super) kind: &'static str,
    pub(super) service: Option<Link>,
    pub(super) ring: Option<Link>,
    pub(super) author: Option<Link>,
    pub(super) source: Option<Cell>,
    pub(super) second: Option<Cell>,
    pub(super) pull_request: Option<Cell>,
    pub(super) merged_by: Option<Link>,
    pub(super) manifest: Option<Cell>,
    pub(super) updated: Option<When>,
    /// To the commit that they have, and how that is known.
    pub(super) clusters: Vec<(Link, By)>,
}

/// How a step is known.
pub(super) struct By {
    pub(super) rule: &'static str,
    pub(super) is_likely: bool,
}

impl By {
    fn new(rule: Rule, certainty: Certainty) -> Self {
        Self { rule: rule.as_str(), is_likely: certainty == Certainty::Likely }
    }

    fn of(row: &Row, to: Step) -> Option<Self> {
        row.link(to).map(|link| Self::new(link.rule, link.certainty))
    }
}

/// A word that leads to the rows which share it.
pub(super) struct Link {
    pub(super) text: String,
    pub(super) href: String,
}

/// A step: what it is called, where it leads, how it went, and what it brought.
pub(super) struct Cell {
    pub(super) name: String,
    pub(super) href: Option<String>,
    /// In Azure DevOps.
    pub(super) out: Out,
    pub(super) badge: Option<Badge>,
    /// Commits with their addresses.
    pub(super) brought: Vec<(String, Option<String>, Option<By>)>,
    pub(super) by: Option<By>,
}

/// `GET /deployments`
pub(super) async fn list(reader: Reader, Query(pairs): Query<Vec<(String, String)>>) -> Result<Response, Problem> {
    let (asked, now) = (Asked::of(pairs), reader.clock.now());
    let all = reader.catalog.chain_rows(&reader.seen_chains().await?, &ChainFilter::default()).await?;
    let filter = asked.filter();
    let mut wanted: Vec<&Row> = all.iter().filter(|row| filter.wants(row) && asked.has_keyword(row, now)).collect();
    let more = wanted.len() > asked.limit;
    wanted.truncate(asked.limit);
    page(&Page {
        frame: Frame::of(&reader, "/deployments").await?,
        filters: filters(&all, &asked),
        deployments: wanted.into_iter().map(|row| chain_row(&reader.ado, row, now)).collect(),
        filtered: asked.is_any(),
        more,
    })
}

/// With the values that there are.
fn filters(rows: &[Row], asked: &Asked) -> Filters {
    let choice = |name, label, of: fn(&Row) -> Option<&str>, chosen: &[String]| {
        let values: BTreeSet<&str> = rows.iter().filter_map(of).collect();
        Field::any_of(name, label, values, |value| is_chosen(chosen, value))
    };
    let kinds: Vec<_> = asked.kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    let fields = vec![
        Field::text("keyword", "Keyword", asked.keyword.as_deref()),
        choice("type", "Type", |row| Some(row.kind.as_str()), &kinds),
        choice("service", "Service", |row| row.service.as_deref(), &asked.services),
        choice("author", "Author", |row| row.author.as_deref(), &asked.authors),
        choice("env", "Ring", |row| row.ring.as_deref(), &asked.rings),
        Field::number("limit", "At most", asked.limit),
    ];
    Filters { action: "/deployments", button: "Filter", fields, is_any: asked.is_any() }
}

fn is_chosen(chosen: &[String], value: &str) -> bool {
    chosen.iter().any(|one| one.to_lowercase() == value.to_lowercase())
}

pub(super) fn chain_row(ado: &AdoSite, row: &Row, now: Time) -> ChainRow {
    let merged_by = row.pull_request.as_ref().and_then(|one| one.merged_by.as_deref());
    ChainRow {
        badge: status(row),
        href: query("/deployments", &[("keyword", Some(&row.id))]),
        kind: row.kind.as_str(),
        service: alike("service", row.service.as_deref()),
        ring: alike("env", row.ring.as_deref()),
        author: alike("author", row.author.as_deref()),
        source: row.source.as_ref().map(|run| source(ado, row, run)),
        second: row.second.as_ref().map(|second| second_step(ado, row, second)),
        pull_request: row.pull_request.as_ref().map(|one| pull_request(ado, row, one)),
        merged_by: alike("keyword", merged_by),
        manifest: manifest(ado, row),
        updated: row.updated.map(|at| When::of(at, now)),
        clusters: synced(row).filter_map(|one| cluster(row, one)).collect(),
    }
}

fn alike(parameter: &'static str, text: Option<&str>) -> Option<Link> {
    let href = query("/deployments", &[(parameter, Some(text?))]);
    Some(Link { text: text?.to_owned(), href })
}

/// It has a commit of the manifests, or it would not be known to have the row.
fn cluster(row: &Row, cluster: &Cluster) -> Option<(Link, By)> {
    let href = paths::commit(&row.organization, row.manifest_commit.as_deref()?);
    Some((Link { text: cluster.name.clone(), href }, By::new(cluster.rule, cluster.certainty)))
}

fn status(row: &Row) -> Badge {
    let (kind, icon, word) = match row.status {
        _ if row.is_waiting() => ("wait", "‖", "Waiting"),
        Status::Complete => ("good", "✓", "Complete"),
        Status::InProgress => ("live", "▶", "In Progress"),
        Status::Failed => ("bad", "✕", "Failed"),
        Status::Canceled => ("idle", "⊘", "Canceled"),
        Status::Incomplete => ("idle", "○", "Incomplete"),
    };
    Badge { kind, icon, word: word.to_owned() }
}

fn run_cell(ado: &AdoSite, row: &Row, run: &Run) -> Cell {
    let state = run.state.as_ref().map(|state| state.as_str());
    Cell {
        name: named(run.number.as_deref(), run.id),
        href: Some(paths::run(&row.organization, run.id)),
        out: Out::to(ado.run_of_chain(&row.organization, run), named(run.number.as_deref(), run.id)).short(),
        badge: Some(Badge::of(state, run.result.as_ref().map(|result| result.as_str()))),
        brought: Vec::new(),
        by: None,
    }
}

fn commit(row: &Row, id: &str, by: Option<By>) -> (String, Option<String>, Option<By>) {
    (short(Some(id)).unwrap_or_default().to_owned(), Some(paths::commit(&row.organization, id)), by)
}

fn source(ado: &AdoSite, row: &Row, run: &Run) -> Cell {
    let made_of = run.commit.as_deref().map(|id| commit(row, id, None));
    Cell { brought: made_of.into_iter().collect(), ..run_cell(ado, row, run) }
}

fn second_step(ado: &AdoSite, row: &Row, second: &Second) -> Cell {
    let tag = row.image_tag.clone().map(|tag| (tag, None, None));
    match second {
        Second::Stage(run) => {
            let (brought, by) = (tag.into_iter().collect(), By::of(row, Step::Environment));
            Cell { brought, by, ..run_cell(ado, row, run) }
        }
        Second::Release(stage) => Cell {
            name: named(stage.name.as_deref(), stage.release),
            href: None,
            out: Out::to(stage.url.clone(), named(stage.name.as_deref(), stage.release)).short(),
            badge: Some(Badge::of(
                stage.state.as_ref().map(|state| state.as_str()),
                stage.result.as_ref().map(|result| result.as_str()),
            )),
            brought: tag.into_iter().collect(),
            by: By::of(row, Step::Release),
        },
    }
}

fn pull_request(ado: &AdoSite, row: &Row, one: &PullRequest) -> Cell {
    Cell {
        name: one.id.to_string(),
        href: Some(paths::thing("pull-requests", &row.organization, &one.id.to_string())),
        out: Out::to(ado.pull_request_of_chain(&row.organization, one), one.id.to_string()).short(),
        badge: one.status.as_deref().map(|status| Badge::of(Some(status), None)),
        brought: Vec::new(),
        by: By::of(row, Step::Hld),
    }
}

/// A change that no run made manifests of yet has its own commit.
fn manifest(ado: &AdoSite, row: &Row) -> Option<Cell> {
    let by = if row.pull_request.is_none() { By::of(row, Step::Hld) } else { None };
    let hld = row.hld_commit.as_deref().map(|id| commit(row, id, by));
    let made = row.manifest_commit.as_deref().map(|id| commit(row, id, By::of(row, Step::ManifestCommit)));
    let brought: Vec<_> = hld.into_iter().chain(made).collect();
    match &row.manifest_run {
        Some(run) => Some(Cell { brought, by: By::of(row, Step::ManifestRun), ..run_cell(ado, row, run) }),
        None if brought.is_empty() => None,
        None => {
            let out = Out::to(None, "");
            Some(Cell { name: String::new(), href: None, out, badge: None, brought, by: None })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_spektates() {
        let pairs = [
            ("keyword", " 2003 "),
            ("service", "web"),
            ("service", "api"),
            ("type", "bedrock deployments"),
            ("author", ""),
            ("env", "main"),
            ("limit", "9999"),
            ("refresh", "30"),
        ];
        let asked = Asked::of(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
        let expected = Asked {
            keyword: Some("2003".to_owned()),
            kinds: vec![Kind::Deployment],
            services: vec!["web".to_owned(), "api".to_owned()],
            authors: Vec::new(),
            rings: vec!["main".to_owned()],
            limit: MOST,
        };
        assert_eq!(asked, expected);
        let none = Asked::of(vec![("limit".to_owned(), "x".to_owned())]);
        assert_eq!((none.limit, none.is_any()), (LIMIT, false));
    }
}
