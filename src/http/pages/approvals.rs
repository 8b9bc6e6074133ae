//! `/approvals`: what waits, on whom and since when; who waits longest comes first.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;

use super::filters::{Field, Filters};
use super::frame::Frame;
use super::html::{When, named, query, said};
use super::out::{AdoSite, Out};
use super::{page, paths};
use crate::catalog::GivenApproval;
use crate::domain::Time;
use crate::domain::owner::Owners;
use crate::http::Problem;
use crate::http::reader::Reader;
use crate::view::overview::{Whose, is_production};

const PATH: &str = "/approvals";
/// On a page.
const TOP: usize = 50;
/// So many are looked at of those that are asked for.
const MOST: usize = 2_000;

/// A filter that is not known would be no filter, and nobody would see it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    organization: Option<String>,
    project: Option<String>,
    /// A part of the name.
    pipeline: Option<String>,
    who: Option<String>,
    team: Option<String>,
    page: Option<usize>,
}

impl Asked {
    pub(super) fn of(whose: &Whose) -> Self {
        let (who, team) = match whose {
            Whose::All => (None, None),
            Whose::Mine(name) => (Some(name.clone()), None),
            Whose::Team(team) => (None, Some(team.clone())),
        };
        Self { who, team, ..Self::default() }
    }

    fn trimmed(self) -> Self {
        let Self { organization, project, pipeline, who, team, page } = self;
        Self {
            organization: said(organization),
            project: said(project),
            pipeline: said(pipeline),
            who: said(who),
            team: said(team),
            page,
        }
    }

    pub(super) fn address(&self, page: Option<usize>) -> String {
        let page = page.map(|page| page.to_string());
        let asked = [
            ("organization", self.organization.as_deref()),
            ("project", self.project.as_deref()),
            ("pipeline", self.pipeline.as_deref()),
            ("who", self.who.as_deref()),
            ("team", self.team.as_deref()),
            ("page", page.as_deref()),
        ];
        query(PATH, &asked)
    }

    fn fits(&self, approval: &GivenApproval, owners: &Owners) -> bool {
        let is = |name: &String, other: &String| name.to_lowercase() == other.to_lowercase();
        let on = self.who.as_ref().is_none_or(|who| approval.approvers.iter().any(|one| is(one, who)));
        let of = |team: &String| owners.of(&approval.into()).is_some_and(|owner| owner.team.as_ref() == Some(team));
        let part = |part: &String| pipeline(approval).to_lowercase().contains(&part.to_lowercase());
        on && self.team.as_ref().is_none_or(of) && self.pipeline.as_ref().is_none_or(part)
    }
}

fn pipeline(approval: &GivenApproval) -> String {
    approval.pipeline.as_ref().map(|name| named(name.name.as_deref(), name.id)).unwrap_or_default()
}

/// Those that are asked for, who waits longest first; no more than [`MOST`].
pub(super) async fn waiting(reader: &Reader, asked: &Asked) -> Result<Vec<GivenApproval>, Problem> {
    let (asked, owners) = (asked.clone(), reader.owners.clone());
    let (organization, project) = (asked.organization.clone(), asked.project.clone());
    let place = (organization.as_deref(), project.as_deref());
    Ok(reader.catalog.waiting(place, MOST, move |approval| asked.fits(approval, &owners)).await?)
}

/// An approval as pages show it.
pub(super) struct Row {
    pub(super) href: Option<String>,
    pub(super) what: String,
    pub(super) place: String,
    pub(super) stage: String,
    pub(super) production: bool,
    pub(super) approvers: String,
    pub(super) since: Option<When>,
    pub(super) out: Out,
}

impl Row {
    pub(super) fn of(ado: &AdoSite, approval: &GivenApproval, now: Time) -> Self {
        let name = approval.release_name.as_deref().or(approval.run_name.as_deref()).unwrap_or_default();
        let what = format!("{} {name}", pipeline(approval));
        Self {
            href: approval.run_id.map(|id| paths::run(&approval.organization, id)),
            out: Out::to(ado.approval(approval), what.clone()),
            what,
            place: format!("{}/{}", approval.organization, approval.project.as_deref().unwrap_or("?")),
            production: approval.stage.as_deref().is_some_and(is_production),
            stage: approval.stage.clone().unwrap_or_default(),
            approvers: approval.approvers.join(", "),
            since: approval.requested_at.map(|at| When::of(at, now)),
        }
    }
}

#[derive(Template)]
#[template(path = "approvals.html")]
struct Page {
    frame: Frame,
    filters: Filters,
    rows: Vec<Row>,
    /// Such as `3`, or `2000 or more`.
    total: String,
    filtered: bool,
    first: Option<String>,
    next: Option<String>,
}

/// `GET /approvals`
pub(super) async fn list(reader: Reader, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let (asked, now) = (asked.trimmed(), reader.clock.now());
    let found = waiting(&reader, &asked).await?;
    let number = asked.page.unwrap_or(1).max(1);
    let shown = found.iter().skip((number - 1).saturating_mul(TOP)).take(TOP);
    let filters = filters(&asked, &reader.teams().await?);
    page(&Page {
        frame: Frame::of(&reader, PATH).await?,
        filtered: filters.is_any,
        filters,
        rows: shown.map(|approval| Row::of(&reader.ado, approval, now)).collect(),
        total: format!("{}{}", found.len(), if found.len() == MOST { " or more" } else { "" }),
        first: (number > 1).then(|| asked.address(None)),
        next: (number.saturating_mul(TOP) < found.len()).then(|| asked.address(Some(number + 1))),
    })
}

fn filters(asked: &Asked, teams: &BTreeSet<String>) -> Filters {
    let mut fields = vec![
        Field::text("who", "Waits on", asked.who.as_deref()),
        Field::text("project", "Project", asked.project.as_deref()),
        Field::text("pipeline", "Pipeline", asked.pipeline.as_deref()),
    ];
    if !teams.is_empty() {
        let is_chosen = |team: &str| asked.team.as_deref() == Some(team);
        fields.push(Field::any_of("team", "Team", teams.iter().map(String::as_str), is_chosen));
    }
    Filters { action: PATH, button: "Filter", fields, is_any: asked.address(None) != PATH }
}
