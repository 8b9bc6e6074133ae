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
const MOST_SECONDS: usize = 3_600;

/// What the address asks for, as Spektate writes it. The filters by a choice may be there several times.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    keyword: Option<String>,
    kinds: Vec<Kind>,
    services: Vec<String>,
    authors: Vec<String>,
    rings: Vec<String>,
    limit: usize,
    /// Seconds after which the page is looked at again though nothing was told.
    refresh: Option<usize>,
}

impl Asked {
    /// A filter that is not known would be no filter, and nobody would see it. Forms send what is left empty.
    fn of(pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut asked = Self { limit: LIMIT, ..Self::default() };
        for (name, value) in pairs {
            let value = value.trim().to_owned();
            match name.as_str() {
                known if NAMES.contains(&known) && value.is_empty() => {}
                "keyword" => asked.keyword = Some(value),
                "type" => asked.kinds.push(kind(&value)?),
                "service" => asked.services.push(value),
                "author" => asked.authors.push(value),
                "env" => asked.rings.push(value),
                "limit" => asked.limit = number("limit", &value, MOST)?,
                "refresh" => asked.refresh = Some(number("refresh", &value, MOST_SECONDS)?),
                _ => {
                    let known = NAMES.map(|name| format!("`{name}`")).join(", ");
                    return Err(Problem::bad_request(format!("`{name}` is none of {known}.")));
                }
            }
        }
        Ok(asked)
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

/// From 1 on.
fn number(name: &str, value: &str, most: usize) -> Result<usize, Problem> {
    let number = value.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| Problem::bad_request(format!("`{name}` is a number from 1 to {most}.")))
}

fn kind(value: &str) -> Result<Kind, Problem> {
    let found = KINDS.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(value));
    let known = || KINDS.map(|kind| format!("`{}`", kind.as_str())).join(", ");
    found.ok_or_else(|| Problem::bad_request(format!("`type` is one of {}.", known())))
}

const NAMES: [&str; 7] = ["keyword", "type", "service", "author", "env", "limit", "refresh"];
const KINDS: [Kind; 3] = [Kind::Deployment, Kind::ManualEdit, Kind::Environment];

#[derive(Template)]
#[template(path = "deployments.html")]
struct Page {
    frame: Frame,
    filters: Filters,
    deployments: Vec<ChainRow>,
    filtered: bool,
    more: bool,
    refresh: Option<usize>,
}

/// A row as the pages show it.
pub(super) struct ChainRow {
    pub(super) badge: Badge,
    /// The row alone.
    pub(super) href: String,
    /// Where nothing says the service, what kind of change it is.
    pub(super) service: Link,
    pub(super) service_by: Option<By>,
    pub(super) ring: Option<Link>,
    pub(super) author: Option<Link>,
    pub(super) source: Option<Cell>,
    pub(super) second: Option<Cell>,
    pub(super) pull_request: Option<Cell>,
    pub(super) merged_by: Option<Link>,
    pub(super) manifest: Option<Cell>,
    /// With the page of the newest step.
    pub(super) updated: Option<(When, String)>,
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
    let (asked, now) = (Asked::of(pairs)?, reader.clock.now());
    let chains = reader.seen_chains().await?;
    let all = reader.catalog.chain_rows(&chains, &ChainFilter::default()).await?;
    let filter = asked.filter();
    // Of a ring that is asked for there may be more than its share of all.
    let of_rings = if asked.rings.is_empty() { None } else { Some(reader.catalog.chain_rows(&chains, &filter).await?) };
    let found = of_rings.as_ref().unwrap_or(&all);
    let mut wanted: Vec<&Row> = found.iter().filter(|row| filter.wants(row) && asked.has_keyword(row, now)).collect();
    let more = wanted.len() > asked.limit;
    wanted.truncate(asked.limit);
    page(&Page {
        frame: Frame::of(&reader, "/deployments").await?,
        filters: filters(&all, &asked),
        deployments: wanted.into_iter().map(|row| chain_row(&reader.ado, row, now)).collect(),
        filtered: asked.is_any(),
        more,
        refresh: asked.refresh,
    })
}

/// With the values that there are.
fn filters(rows: &[Row], asked: &Asked) -> Filters {
    let choice = |name, label, of: fn(&Row) -> Option<&str>, chosen: &[String]| {
        let values: BTreeSet<&str> = rows.iter().filter_map(of).collect();
        Field::any_of(name, label, values, |value| is_chosen(chosen, value))
    };
    let kinds: Vec<_> = asked.kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    let mut fields = vec![
        Field::text("keyword", "Keyword", asked.keyword.as_deref()),
        choice("type", "Type", |row| Some(row.kind.as_str()), &kinds),
        choice("service", "Service", |row| row.service.as_deref(), &asked.services),
        choice("author", "Author", |row| row.author.as_deref(), &asked.authors),
        choice("env", "Ring", |row| row.ring.as_deref(), &asked.rings),
        Field::number("limit", "At most", asked.limit),
    ];
    fields.extend(asked.refresh.map(|seconds| Field::number("refresh", "Refresh, in s", seconds)));
    Filters { action: "/deployments", button: "Filter", fields, is_any: asked.is_any() }
}

fn is_chosen(chosen: &[String], value: &str) -> bool {
    chosen.iter().any(|one| one.to_lowercase() == value.to_lowercase())
}

pub(super) fn chain_row(ado: &AdoSite, row: &Row, now: Time) -> ChainRow {
    let merged_by = row.pull_request.as_ref().and_then(|one| one.merged_by.as_deref());
    let of_kind = || alike("type", row.kind.as_str());
    ChainRow {
        badge: status(row),
        href: alone(row),
        service: row.service.as_deref().map_or_else(of_kind, |service| alike("service", service)),
        service_by: By::of(row, Step::Service),
        ring: row.ring.as_deref().map(|ring| alike("env", ring)),
        author: row.author.as_deref().map(|author| alike("author", author)),
        source: row.source.as_ref().map(|run| source(ado, row, run)),
        second: row.second.as_ref().map(|second| second_step(ado, row, second)),
        pull_request: row.pull_request.as_ref().map(|one| pull_request(ado, row, one)),
        merged_by: merged_by.map(|name| alike("keyword", name)),
        manifest: manifest(ado, row),
        updated: row.updated.map(|at| (When::of(at, now), newest(row))),
        clusters: synced(row).filter_map(|one| cluster(row, one)).collect(),
    }
}

fn alone(row: &Row) -> String {
    query("/deployments", &[("keyword", Some(&row.id))])
}

fn alike(parameter: &'static str, text: &str) -> Link {
    Link { text: text.to_owned(), href: query("/deployments", &[(parameter, Some(text))]) }
}

/// The page of the newest step. A release has none here: that of its run lists where it came to.
fn newest(row: &Row) -> String {
    let of = |run: &Run| paths::run(&row.organization, run.id);
    let manifests = row.manifest_run.as_ref().map(of);
    let merged = || row.pull_request.as_ref().map(|one| pull_request_page(row, one));
    let pushed = || row.hld_commit.as_ref().map(|id| paths::commit(&row.organization, id));
    let first = || row.source.as_ref().map(of);
    manifests.or_else(merged).or_else(pushed).or_else(first).unwrap_or_else(|| alone(row))
}

fn pull_request_page(row: &Row, one: &PullRequest) -> String {
    paths::thing("pull-requests", &row.organization, &one.id.to_string())
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
            out: Out::to(ado.release_of_chain(&row.organization, stage), named(stage.name.as_deref(), stage.release))
                .short(),
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
        href: Some(pull_request_page(row, one)),
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
            ("limit", "500"),
            ("refresh", "30"),
        ];
        let asked = |pairs: &[(&str, &str)]| {
            Asked::of(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        let expected = Asked {
            keyword: Some("2003".to_owned()),
            kinds: vec![Kind::Deployment],
            services: vec!["web".to_owned(), "api".to_owned()],
            authors: Vec::new(),
            rings: vec!["main".to_owned()],
            limit: MOST,
            refresh: Some(30),
        };
        assert_eq!(asked(&pairs), Ok(expected));
        let empty = NAMES.map(|name| (name, ""));
        assert_eq!(asked(&empty), Ok(Asked { limit: LIMIT, ..Asked::default() }), "a form that nobody filled in");
        assert!(!asked(&empty).unwrap().is_any());
        let table = [
            ("limit", "x", "`limit` is a number from 1 to 500."),
            ("limit", "0", "`limit` is a number from 1 to 500."),
            ("limit", "501", "`limit` is a number from 1 to 500."),
            ("refresh", "-1", "`refresh` is a number from 1 to 3600."),
            ("refresh", "often", "`refresh` is a number from 1 to 3600."),
            ("type", "x", "`type` is one of `Bedrock Deployments`, `Manual HLD Edits`, `Environments`."),
            ("ring", "", "`ring` is none of `keyword`, `type`, `service`, `author`, `env`, `limit`, `refresh`."),
        ];
        for (name, value, says) in table {
            assert_eq!(asked(&[(name, value)]).unwrap_err().detail(), says);
        }
    }
}
