//! What people and scripts told of, from records to rows and from rows to what metrics are counted from.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params};

use super::{PUSHED_BEFORE, Reading, project_of, time};
use crate::catalog::references::Source as RecordSource;
use crate::domain::incident::ShownIncident;
use crate::domain::metrics::{
    Brought, Commit, CommitId, Deployed, Ending, Few, Incident, Known, Line, Material, MergedRequest, Name, Origin,
    Source, Title,
};
use crate::domain::report::ReportRecord;
use crate::domain::{Label, Outcome, ReportKind, Time};

/// Where somebody deployed who did not say where.
const UNSAID: &str = "production";
/// So many earlier deployments of a subject are looked at for the last to an environment.
const MOST_BEFORE: u32 = 50;

pub(in crate::catalog) fn write_incident(
    c: &Connection,
    source: &RecordSource,
    shown: &ShownIncident,
) -> rusqlite::Result<()> {
    let insert = "INSERT OR REPLACE INTO incidents (source, organization, id, project_name, title, url, environment, \
                    pipeline, run, commit_id, opened, resolved) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    c.prepare_cached(insert)?.execute(params![
        source.key,
        source.organization,
        shown.key.id,
        shown.project,
        shown.title,
        shown.url,
        shown.environment,
        shown.pipeline,
        shown.run,
        shown.commit,
        shown.opened.map(Time::ticks),
        shown.resolved.map(Time::ticks),
    ])?;
    Ok(())
}

pub(in crate::catalog) fn write_reports(
    c: &Connection,
    source: &RecordSource,
    record: &ReportRecord,
) -> rusqlite::Result<()> {
    remove_reports(c, source)?;
    let insert = "INSERT INTO reports (source, at, organization, kind, project_name, subject, repository, environment, \
                    branch, pull_request, commit_id, commits, result, is_fix) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    let mut insert = c.prepare_cached(insert)?;
    let says = record.says();
    let commits = serde_json::json!(says.commits).to_string();
    for at in record.happened() {
        insert.execute(params![
            source.key,
            at.ticks(),
            source.organization,
            says.kind.as_str(),
            says.label(&Label::ProjectName),
            says.label(&Label::PipelineName).unwrap_or_default(),
            says.label(&Label::Repository),
            says.label(&Label::Environment),
            says.label(&Label::Branch),
            says.label(&Label::PullRequest),
            says.label(&Label::Commit),
            commits,
            says.result.as_ref().map(Outcome::as_str),
            says.is_fix,
        ])?;
    }
    Ok(())
}

pub(in crate::catalog) fn remove_incident(c: &Connection, source: &RecordSource) -> rusqlite::Result<()> {
    c.prepare_cached("DELETE FROM incidents WHERE source = ?1")?.execute([&source.key]).map(drop)
}

pub(in crate::catalog) fn remove_reports(c: &Connection, source: &RecordSource) -> rusqlite::Result<()> {
    c.prepare_cached("DELETE FROM reports WHERE source = ?1")?.execute([&source.key]).map(drop)
}

/// As `row_of_told` takes its columns.
const TOLD: &str = "SELECT r.organization, coalesce(project.name, r.project_name), r.subject, r.repository, \
                      r.environment, r.branch, r.pull_request, r.commit_id, r.commits, r.result, r.is_fix, r.at \
                    FROM reports r";

pub(super) struct Told {
    pub(super) organization: Name,
    pub(super) project: Option<Name>,
    pub(super) subject: Name,
    pub(super) repository: Option<Name>,
    environment: Option<Name>,
    branch: Option<Name>,
    pull_request: Option<Name>,
    commit: Option<Commit>,
    commits: Vec<Commit>,
    pub(super) result: Option<String>,
    is_fix: bool,
    pub(super) at: Time,
}

impl Reading<'_> {
    pub(super) fn reported(&mut self) -> rusqlite::Result<()> {
        let deployed = self.told(&ReportKind::Deploy, self.since)?;
        let mut of: BTreeSet<(Name, Name)> = BTreeSet::new();
        for told in deployed {
            of.insert((told.organization.clone(), told.subject.clone()));
            self.take_told(told);
        }
        for (organization, subject) in of {
            self.told_before(&organization, &subject)?;
        }
        Ok(())
    }

    pub(super) fn told(&mut self, kind: &ReportKind, since: Time) -> rusqlite::Result<Vec<Told>> {
        let mut wanted = self.wanted("r");
        let times = [since, self.span.until].map(|time| Value::Integer(time.ticks()));
        wanted.add("r.kind = ?", [Value::Text(kind.as_str().to_owned())]);
        wanted.add("r.at >= ? AND r.at < ?", times);
        let ask = format!("{TOLD} {}{} ORDER BY r.at, r.source", project_of("r"), wanted.text());
        let mut all = Vec::new();
        self.each(&ask, wanted.values, |this, row| {
            all.push(this.row_of_told(row)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// What was there before the time; which of these is the last is told later.
    fn told_before(&mut self, organization: &Name, subject: &Name) -> rusqlite::Result<()> {
        let mut wanted = self.wanted("r");
        let text = |name: &Name| Value::Text(name.to_string());
        wanted.add("r.organization = ? AND r.subject = ? AND r.kind = 'deploy'", [text(organization), text(subject)]);
        wanted.add("r.at < ? AND r.result IS NOT 'failed'", [Value::Integer(self.since.ticks())]);
        let ask = format!("{TOLD} {}{} ORDER BY r.at DESC LIMIT {MOST_BEFORE}", project_of("r"), wanted.text());
        let known = self.lines.len();
        let mut before = Vec::new();
        self.each(&ask, wanted.values, |this, row| {
            before.push(this.row_of_told(row)?);
            Ok(())
        })?;
        before.into_iter().for_each(|told| self.take_told(told));
        // Of environments to which nothing came in the time nothing is asked.
        self.found.deployments.retain(|of| of.line < known);
        self.found.lines.truncate(known);
        self.lines.retain(|_, line| *line < known);
        Ok(())
    }

    fn row_of_told(&mut self, row: &Row<'_>) -> rusqlite::Result<Told> {
        let commits: Vec<String> = serde_json::from_str(row.get_ref(8)?.as_str()?).unwrap_or_default();
        Ok(Told {
            organization: self.text(row, 0)?,
            project: self.maybe(row, 1)?,
            subject: self.text(row, 2)?,
            repository: self.maybe(row, 3)?,
            environment: self.maybe(row, 4)?,
            branch: self.maybe(row, 5)?,
            pull_request: self.maybe(row, 6)?,
            commit: row.get_ref(7)?.as_str_or_null()?.map(|id| self.commit_called(id)),
            commits: commits.iter().map(|id| self.commit_called(id)).collect(),
            result: row.get(9)?,
            is_fix: row.get(10)?,
            at: Time::from_ticks(row.get(11)?),
        })
    }

    /// Who does not say how it ended says that it was deployed.
    fn take_told(&mut self, told: Told) {
        let Some(place) = self.terms.environment(told.environment.as_deref().unwrap_or(UNSAID)) else { return };
        let ending = if told.result.as_deref() == Some("failed") { Ending::Failed } else { Ending::Succeeded };
        if !place.is_wanted(self.beside) {
            return;
        }
        let environment = place.environment.to_lowercase();
        let key = (told.organization.clone(), Source::Reported, 0, format!("{}\n{environment}", told.subject));
        let line = *self.lines.entry(key).or_insert(self.found.lines.len());
        if line == self.found.lines.len() {
            self.found.lines.push(Line {
                organization: told.organization,
                project: told.project,
                project_id: None,
                source: Source::Reported,
                pipeline: 0,
                pipeline_name: Some(told.subject),
                folder: None,
                environment: place.environment.as_str().into(),
                production: place.production,
            });
        }
        let (stage, requested_for) = (self.name(""), None);
        let Told { branch, repository, commits, .. } = told;
        let origin = self.found.origins.insert_full(Origin { stage, branch, repository, requested_for }).0;
        self.found.deployments.push(Deployed {
            line,
            // In the order in which they were told of.
            run: u64::try_from(told.at.ticks()).unwrap_or_default(),
            origin,
            attempt: 1,
            known: Known::Record,
            ending,
            finished: told.at,
            commit: told.commit.or_else(|| commits.first().copied().filter(|_| commits.len() == 1)),
            is_fix: told.is_fix,
            brought: (!commits.is_empty()).then(|| Box::new(Brought { told: commits, ..Brought::default() })),
        });
    }

    /// When commits were made or pushed, and which were reviewed. What the service tells of a commit comes first.
    pub(super) fn reported_code(&mut self, first: Time) -> rusqlite::Result<()> {
        let since = first.minus(PUSHED_BEFORE);
        for kind in [ReportKind::Commit, ReportKind::Push] {
            for told in self.told(&kind, since)? {
                for commit in told.commits {
                    self.found.commits.may_be_made(commit, told.at);
                }
            }
        }
        let submitted = self.told(&ReportKind::Submit, since)?;
        let approved = self.told(&ReportKind::Approve, since)?;
        let mut reviews = Reviews { found: &mut self.found, requests: BTreeMap::new() };
        submitted.into_iter().for_each(|told| reviews.submitted(told));
        approved.into_iter().for_each(|told| reviews.approved(told));
        reviews.close();
        Ok(())
    }

    /// Those that were told of by themselves; of work items elsewhere.
    pub(super) fn told_incidents(&mut self) -> rusqlite::Result<()> {
        let columns = "SELECT i.organization, coalesce(project.name, i.project_name), i.id, i.opened, i.resolved, i.run, \
                         i.pipeline, i.environment, i.commit_id FROM incidents i";
        let some = self.wanted("i");
        let sources = "SELECT DISTINCT i.organization, coalesce(project.name, i.project_name) FROM incidents i";
        let ask = format!("{sources} {}{}", project_of("i"), some.text());
        self.each(&ask, some.values, |this, row| this.incident_source(row))?;
        let mut wanted = self.wanted("i");
        wanted.add("i.opened >= ? AND i.opened < ?", self.times());
        let ask = format!("{columns} {}{}", project_of("i"), wanted.text());
        let until = self.span.until;
        self.each(&ask, wanted.values, |this, row| {
            let incident = Incident {
                organization: this.text(row, 0)?,
                project: this.maybe(row, 1)?,
                id: format!("incident {}", row.get_ref(2)?.as_str()?).into(),
                opened: Time::from_ticks(row.get(3)?),
                resolved: time(row, 4)?.filter(|resolved| *resolved < until),
                run: row.get(5)?,
                pipeline: this.maybe(row, 6)?,
                environment: this.maybe(row, 7)?,
                commit: row.get_ref(8)?.as_str_or_null()?.map(|id| this.commit_called(id)),
            };
            this.found.incidents.push(incident);
            Ok(())
        })
    }
}

/// Submissions with their approvals: by the pull request, or else by the commit.
struct Reviews<'c> {
    found: &'c mut Material,
    requests: BTreeMap<(Name, Name, Name), MergedRequest>,
}

impl Reviews<'_> {
    fn of(&mut self, told: &Told) -> Option<&mut MergedRequest> {
        let commit = || Some(self.found.commits.id(told.commit?)?.to_string().into());
        let by = told.pull_request.clone().or_else(commit)?;
        let number = told.pull_request.as_deref().and_then(|number| number.parse().ok()).unwrap_or_default();
        let new = || MergedRequest {
            organization: told.organization.clone(),
            number,
            title: Title::default(),
            source: self.found.titles.add(told.branch.as_deref().unwrap_or_default()),
            created: None,
            approved: None,
            merge: told.commit.unwrap_or_else(|| self.found.commits.called(CommitId::from(&*by))),
            commits: Few::new(),
        };
        Some(self.requests.entry((told.organization.clone(), told.subject.clone(), by.clone())).or_insert_with(new))
    }

    fn submitted(&mut self, told: Told) {
        let Some(request) = self.of(&told) else { return };
        request.created.get_or_insert(told.at);
        request.commits.extend(told.commits);
    }

    /// The commit that was approved may be the merge, and another than the one that was submitted.
    fn approved(&mut self, told: Told) {
        let Some(request) = self.of(&told) else { return };
        request.approved.get_or_insert(told.at);
        request.merge = told.commit.unwrap_or(request.merge);
    }

    /// Where the commit stayed the same, it stands for itself.
    fn close(self) {
        self.found.requests.extend(self.requests.into_values().map(|mut request| {
            if request.commits.contains(&request.merge) {
                request.commits.clear();
            }
            request
        }));
    }
}
