//! What leads to a thing and what it leads to: references, followed step by step.
//!
//! Certain ones first, to their end, then the likely ones: so a thing that can be reached by certain links alone is never
//! shown as likely. A likely link makes all that is behind it likely.
//!
//! The nearest first also among the likely ones, which go on from certain ones that are near and far: who went through
//! these in any order would show a thing behind a detour, and leave out near ones where there are too many.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row};

use super::deployments;
use super::references::{from, to};
use super::rows::{Link, LinkEnd, LinkKind};
use super::seen::Seen;
use crate::domain::link::{Certainty, Node, Reference, Rule, When};
use crate::domain::{BranchPattern, Scope};

/// So many things are found in each direction, and so many steps away.
const MOST_FOUND: usize = 300;
const MOST_STEPS: usize = 12;

/// Whose links, and how branches name work items.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk<'c> {
    pub(super) connection: &'c Connection,
    pub(super) organization: &'c str,
    pub(super) patterns: &'c [BranchPattern],
    /// Neither shown nor passed through is what is not of these projects.
    pub(super) scope: &'c Scope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Before,
    After,
}

/// How a thing was reached.
#[derive(Debug, Clone)]
struct Step {
    rule: Rule,
    certainty: Certainty,
    via: Option<Node>,
    steps: usize,
    /// In the order in which things were found.
    position: usize,
}

#[derive(Debug, Default)]
struct Found {
    things: BTreeMap<Node, Step>,
    /// There is more.
    is_cut: bool,
}

impl Found {
    fn is_full(&self) -> bool {
        self.things.len() >= MOST_FOUND
    }
}

/// What is linked to a thing.
#[derive(Debug)]
pub(super) struct Linked {
    pub(super) links: Vec<Link>,
    /// There is more.
    pub(super) truncated: bool,
}

impl Walk<'_> {
    /// All that leads to `start`, then all that it leads to, the nearest first.
    pub(super) fn links(&self, start: &Node) -> rusqlite::Result<Linked> {
        if !self.seen().shows(self.organization, start)? {
            return Ok(Linked { links: Vec::new(), truncated: false });
        }
        let before = self.follow(start, Direction::Before)?;
        let after = self.follow(start, Direction::After)?;
        let truncated = before.is_cut || after.is_cut;
        let before = nearest(before).map(|found| (LinkKind::Before, found));
        let after = nearest(after).map(|found| (LinkKind::After, found));
        let links = before.chain(after).map(|(direction, (node, step))| self.link(direction, &node, &step));
        Ok(Linked { links: links.collect::<rusqlite::Result<_>>()?, truncated })
    }

    fn seen(&self) -> Seen<'_> {
        Seen { connection: self.connection, scope: self.scope }
    }

    fn follow(&self, start: &Node, direction: Direction) -> rusqlite::Result<Found> {
        let mut found = Found::default();
        for least in [Certainty::Certain, Certainty::Likely] {
            self.spread(start, direction, least, &mut found)?;
        }
        Ok(found)
    }

    /// From the start and all that is found on to what can be reached by links that are at least so sure.
    fn spread(&self, start: &Node, direction: Direction, least: Certainty, found: &mut Found) -> rusqlite::Result<()> {
        let mut open = BTreeSet::from([(0, 0, start.clone())]);
        open.extend(found.things.iter().map(|(node, step)| (step.steps, step.position, node.clone())));
        while let Some((steps, _, node)) = open.pop_first() {
            if found.is_cut && found.is_full() {
                return Ok(());
            }
            let so_far = found.things.get(&node).map_or(Certainty::Certain, |step| step.certainty);
            for (next, rule, certainty) in self.neighbours(&node, direction, &mut found.is_cut)? {
                let certainty = certainty.min(so_far);
                if certainty < least || next == *start || found.things.contains_key(&next) {
                    continue;
                }
                if !self.seen().shows(self.organization, &next)? {
                    continue;
                }
                if steps >= MOST_STEPS || found.is_full() {
                    found.is_cut = true;
                    break;
                }
                let via = (node != *start).then(|| node.clone());
                let position = found.things.len();
                found.things.insert(next.clone(), Step { rule, certainty, via, steps: steps + 1, position });
                open.insert((steps + 1, position, next));
            }
        }
        Ok(())
    }

    /// One step on, the certain ones first. Notes where there are more.
    fn neighbours(
        &self,
        node: &Node,
        direction: Direction,
        is_cut: &mut bool,
    ) -> rusqlite::Result<Vec<(Node, Rule, Certainty)>> {
        let mut references = Vec::new();
        for name in self.names(node, direction)? {
            let known = match direction {
                Direction::Before => to(self.connection, self.organization, &name)?,
                Direction::After => from(self.connection, self.organization, &name)?,
            };
            *is_cut |= known.is_cut;
            references.extend(known.all);
        }
        let mut steps = Vec::new();
        for reference in references {
            let Some(certainty) = self.certainty(&reference)? else { continue };
            let next = match direction {
                Direction::Before => self.resolved(reference.cause)?,
                Direction::After => Some(reference.effect),
            };
            let Some(next) = next else { continue };
            let certainty = if self.may_be(&next)? { certainty } else { Certainty::Likely };
            steps.push((next, reference.rule, certainty));
        }
        if let (Node::Run(run), Direction::After) = (node, direction) {
            steps.extend(self.stages(*run)?);
        }
        steps.sort_by_key(|(_, rule, certainty)| (std::cmp::Reverse(*certainty), *rule));
        Ok(steps)
    }

    /// The environments that stages of a run came to, where no record says so.
    fn stages(&self, run: u64) -> rusqlite::Result<Vec<(Node, Rule, Certainty)>> {
        let found = deployments::by_stages(self.connection, self.organization, run)?;
        let step = |(project, name, rule): (String, String, String)| {
            Some((Node::environment(&project, &name), Rule::of(&rule)?, Certainty::Likely))
        };
        Ok(found.into_iter().filter_map(step).collect())
    }

    /// By what names references lead from it: a run also by its number, unless that number was used again.
    fn names(&self, node: &Node, direction: Direction) -> rusqlite::Result<Vec<Node>> {
        let mut names = vec![node.clone()];
        if let (Node::Run(id), Direction::After) = (node, direction)
            && let Some((number, pipeline)) = self.called(*id)?
        {
            let full = pipeline.map(|pipeline| Node::run_named(Some(&pipeline), &number));
            for name in full.into_iter().chain([Node::run_named(None, &number)]) {
                if self.resolved(name.clone())?.as_ref() == Some(node) {
                    names.push(name);
                }
            }
        }
        Ok(names)
    }

    /// A run that is not held may be none at all: what is said to be its id was seen to be a pipeline's.
    fn may_be(&self, node: &Node) -> rusqlite::Result<bool> {
        let Node::Run(run) = node else { return Ok(true) };
        let ask = "SELECT EXISTS (SELECT 1 FROM runs WHERE run = ?1 AND organization = ?2)";
        self.connection.prepare_cached(ask)?.query_row((run, self.organization), |row| row.get(0))
    }

    /// A run's number and its pipeline's name.
    fn called(&self, run: u64) -> rusqlite::Result<Option<(String, Option<String>)>> {
        let ask = "SELECT r.name, pipeline.name FROM runs r \
                   LEFT JOIN names pipeline ON pipeline.kind = 'pipeline' AND pipeline.organization = r.organization AND pipeline.id = CAST(r.pipeline AS TEXT) \
                   WHERE r.run = ?1 AND r.organization = ?2 AND r.name IS NOT NULL";
        let mut ask = self.connection.prepare_cached(ask)?;
        ask.query_row((run, self.organization), |row| Ok((row.get(0)?, row.get(1)?))).optional()
    }

    /// A run that is named by its number, if there is exactly one; everything else is what it is.
    fn resolved(&self, node: Node) -> rusqlite::Result<Option<Node>> {
        let Node::RunNamed { pipeline, number } = node else { return Ok(Some(node)) };
        let ask = "SELECT r.run FROM runs r \
                   LEFT JOIN names pipeline ON pipeline.kind = 'pipeline' AND pipeline.organization = r.organization AND pipeline.id = CAST(r.pipeline AS TEXT) \
                   WHERE r.name = ?1 AND r.organization = ?2 AND (?3 IS NULL OR pipeline.name = ?3 COLLATE NOCASE) LIMIT 2";
        let mut ask = self.connection.prepare_cached(ask)?;
        let found: Vec<u64> =
            ask.query_map((number, self.organization, pipeline), |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(match found.as_slice() {
            [run] => Some(Node::Run(*run)),
            _ => None,
        })
    }

    /// How sure it is, as far as both ends are known; `None` where its condition does not hold.
    fn certainty(&self, reference: &Reference) -> rusqlite::Result<Option<Certainty>> {
        let likely = Some(Certainty::Likely);
        Ok(match (&reference.when, &reference.cause) {
            (When::Always, _) => Some(reference.certainty),
            (When::Called { number, pipeline }, Node::Run(run)) => match self.called(*run)? {
                Some((called, _)) if number.as_ref().is_some_and(|number| *number != called) => None,
                Some((_, Some(called))) if pipeline.as_ref().is_some_and(|name| !is_same(name, &called)) => likely,
                Some(_) => Some(reference.certainty),
                None => likely,
            },
            (When::Repository(repository), Node::PullRequest(id)) => match self.is_of(*id, repository)? {
                // The service's own number, in the repository that it is about.
                Some(true) if is_by_number(reference.rule) => Some(Certainty::Certain),
                Some(true) | None => likely,
                Some(false) => None,
            },
            (When::Branch(branch), Node::WorkItem(id)) => {
                likely.filter(|_| self.patterns.iter().any(|pattern| pattern.finds(branch, *id)))
            }
            (When::Called { .. } | When::Repository(_) | When::Branch(_), _) => None,
        })
    }

    /// Whether the pull request is of this repository; `None` where it is not known.
    fn is_of(&self, pull_request: u64, repository: &str) -> rusqlite::Result<Option<bool>> {
        let ask = "SELECT max(CASE WHEN repository_id = ?3 COLLATE NOCASE OR repository = ?3 COLLATE NOCASE THEN 1 \
                   WHEN repository_id = '' OR repository IS NULL AND NOT ?4 THEN NULL ELSE 0 END) \
                   FROM pull_requests WHERE id = ?1 AND organization = ?2";
        let mut ask = self.connection.prepare_cached(ask)?;
        ask.query_row((pull_request, self.organization, repository, is_guid(repository)), |row| row.get(0))
    }

    fn link(&self, direction: LinkKind, node: &Node, step: &Step) -> rusqlite::Result<Link> {
        let described = self.described(node)?;
        // An environment is a name and no more.
        let held = described.is_some() || matches!(node, Node::Environment(_));
        let Described { name, state, url, project, repository } = described.unwrap_or_default();
        Ok(Link {
            direction,
            kind: node.kind(),
            id: node.value(),
            name,
            state,
            rule: step.rule.as_str(),
            certainty: step.certainty.as_str(),
            steps: step.steps,
            via: step.via.as_ref().map(|via| LinkEnd { kind: via.kind(), id: via.value() }),
            held,
            url,
            project,
            repository,
        })
    }

    /// What a person wants to know of it; `None` where only others tell of it.
    fn described(&self, node: &Node) -> rusqlite::Result<Option<Described>> {
        // Name, state, address, repository; whose, by what.
        let (told, of, id) = match node {
            Node::Commit(id) => return self.described_commit(id),
            Node::PullRequest(id) => {
                ("x.title, x.status, x.url, x.repository", "pull_requests x WHERE x.id", id.to_string())
            }
            Node::Run(id) => (
                "coalesce(pipeline.name, '#' || x.pipeline) || coalesce(' ' || x.name, ''), coalesce(x.result, x.state), \
                 x.url, NULL",
                "runs x LEFT JOIN names pipeline ON pipeline.kind = 'pipeline' AND pipeline.organization = x.organization \
                   AND pipeline.id = CAST(x.pipeline AS TEXT) WHERE x.run",
                id.to_string(),
            ),
            Node::WorkItem(id) => (
                "coalesce(x.type || ' ', '') || coalesce(x.title, ''), x.state, x.url, NULL",
                "work_items x WHERE x.id",
                id.to_string(),
            ),
            Node::Release(place) => (
                "coalesce(x.definition_name || ' ', '') || coalesce(x.name, ''), x.status, x.url, NULL",
                "releases x WHERE x.project_id || '/' || x.release",
                place.clone(),
            ),
            Node::Environment(_) | Node::ForeignPullRequest(_) | Node::RunNamed { .. } => return Ok(None),
        };
        let project = if matches!(node, Node::WorkItem(_)) { "x.project" } else { PROJECT };
        self.first(&format!("SELECT {told}, {project} FROM {of} = ?1 AND x.organization = ?2"), &id, self.organization)
    }

    /// With the words of a record that may be seen.
    fn described_commit(&self, id: &str) -> rusqlite::Result<Option<Described>> {
        let Some(source) = self.seen().commit_source(self.organization, id)? else { return Ok(None) };
        let ask = format!(
            "SELECT c.message, NULL, NULL, coalesce(x.repository, c.repository), {PROJECT} \
             FROM commits c LEFT JOIN pushes x ON x.source = c.source WHERE c.id = ?1 AND c.source = ?2"
        );
        self.first(&ask, id, &source)
    }

    fn first(&self, ask: &str, one: &str, other: &str) -> rusqlite::Result<Option<Described>> {
        let described = |row: &Row<'_>| {
            Ok(Described {
                name: row.get(0)?,
                state: row.get(1)?,
                url: row.get(2)?,
                repository: row.get(3)?,
                project: row.get(4)?,
            })
        };
        self.connection.prepare_cached(ask)?.query_row([one, other], described).optional()
    }
}

/// The name of the project, where it is known.
const PROJECT: &str = "coalesce((SELECT n.name FROM names n WHERE n.kind = 'project' AND n.organization = x.organization \
                         AND n.id = x.project_id), x.project_name, nullif(x.project_id, ''))";

#[derive(Debug, Default)]
struct Described {
    name: Option<String>,
    state: Option<String>,
    url: Option<String>,
    repository: Option<String>,
    project: Option<String>,
}

fn nearest(found: Found) -> impl Iterator<Item = (Node, Step)> {
    let mut things: Vec<_> = found.things.into_iter().collect();
    things.sort_by_key(|(_, step)| (step.steps, step.position));
    things.into_iter()
}

/// Names of pipelines are the same in any case of their letters.
fn is_same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// Ids of repositories are so, and names are not: 32 digits in five groups.
fn is_guid(text: &str) -> bool {
    let groups = text.split('-').map(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(group.len()));
    groups.eq([8, 4, 4, 4, 12].map(Some))
}

fn is_by_number(rule: Rule) -> bool {
    matches!(rule, Rule::PullRequestTrigger | Rule::PullRequestBranch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::references::{self, Source};

    fn reference(cause: Node, effect: Node, certainty: Certainty) -> Reference {
        Reference { cause, effect, rule: Rule::CompletionTrigger, certainty, when: When::Always }
    }

    /// A catalog that knows nothing but these, each group told by a record of its own.
    fn catalog(groups: &[Vec<Reference>]) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema.sql")).unwrap();
        for (at, group) in groups.iter().enumerate() {
            let source = Source { key: format!("{at}"), organization: "fabrikam".to_owned() };
            references::write(&connection, &source, group).unwrap();
        }
        let runs = "INSERT INTO runs (run, organization, pipeline) \
                    SELECT cause, organization, 1 FROM refs UNION SELECT effect, organization, 1 FROM refs";
        connection.execute_batch(runs).unwrap();
        connection
    }

    fn walk(connection: &Connection) -> Walk<'_> {
        Walk { connection, organization: "fabrikam", patterns: &[], scope: &Scope::All }
    }

    #[test]
    fn a_likely_thing_is_shown_by_its_nearest_way() {
        let certain = |cause, effect| reference(Node::Run(cause), Node::Run(effect), Certainty::Certain);
        let likely = |cause, effect| reference(Node::Run(cause), Node::Run(effect), Certainty::Likely);
        // 9 is four steps away behind certain ones, and two behind a likely one.
        let known = vec![certain(1, 2), certain(2, 3), certain(3, 4), likely(4, 9), likely(1, 5), likely(5, 9)];
        let connection = catalog(&[known]);
        let Linked { links, truncated } = walk(&connection).links(&Node::Run(1)).unwrap();
        assert!(!truncated);
        let told: Vec<_> = links.iter().map(|link| (link.id.as_str(), link.certainty, link.steps)).collect();
        let expected =
            [("2", "certain", 1), ("5", "likely", 1), ("3", "certain", 2), ("9", "likely", 2), ("4", "certain", 3)];
        assert_eq!(told, expected);
    }

    /// A number is used again in every pipeline, and an id may be that of a pipeline.
    #[test]
    fn a_run_is_certain_only_where_it_is_called_as_it_is_said() {
        let table = [
            (Some("2025.1"), Some("ci"), Some("certain")),
            (Some("2025.1"), Some("CI"), Some("certain")),
            (Some("2025.1"), None, Some("certain")),
            (None, Some("ci"), Some("certain")),
            // Or it got another name since.
            (Some("2025.1"), Some("nightly"), Some("likely")),
            (None, Some("nightly"), Some("likely")),
            (Some("2025.2"), Some("ci"), None),
            (Some("2025.2"), None, None),
        ];
        for (number, pipeline, expected) in table {
            let [number, pipeline] = [number, pipeline].map(|text| text.map(str::to_owned));
            let when = When::Called { number, pipeline };
            let known = Reference { when: when.clone(), ..reference(Node::Run(1), Node::Run(2), Certainty::Certain) };
            let connection = catalog(&[vec![known]]);
            connection.execute("DELETE FROM runs", []).unwrap();
            let told = || {
                let Linked { links, .. } = walk(&connection).links(&Node::Run(2)).unwrap();
                links.first().map(|link| link.certainty)
            };
            assert_eq!(told(), Some("likely"), "{when:?}: nothing is known of it but its id");
            let rows = "INSERT INTO runs (run, organization, pipeline, name) VALUES (1, 'fabrikam', 7, '2025.1'); \
                        INSERT INTO names (kind, organization, id, said, name) VALUES ('pipeline', 'fabrikam', '7', 1, 'ci')";
            connection.execute_batch(rows).unwrap();
            assert_eq!(told(), expected, "{when:?}");
            connection.execute("DELETE FROM names", []).unwrap();
            let unnamed = expected.map(|_| "certain");
            assert_eq!(told(), unnamed, "{when:?}: the name of its pipeline is not known");
        }
    }

    /// The service's number of a pull request means one in one repository.
    #[test]
    fn a_pull_request_is_certain_only_in_the_repository_of_the_run() {
        const ID: &str = "9a0d5c1e-2b7f-4f63-a9d8-0e1f2a3b4c5d";
        const OTHER: &str = "3f1e2d4c-5b6a-4789-8abc-0d1e2f3a4b5c";
        let table = [
            (ID, Some((ID, Some("app"))), Some("certain")),
            ("9A0D5C1E-2B7F-4F63-A9D8-0E1F2A3B4C5D", Some((ID, None)), Some("certain")),
            ("App", Some((ID, Some("app"))), Some("certain")),
            (OTHER, Some((ID, Some("app"))), None),
            (OTHER, Some((ID, None)), None),
            ("hld", Some((ID, Some("app"))), None),
            ("hld", Some((ID, None)), Some("likely")),
            (OTHER, Some(("", None)), Some("likely")),
            (ID, None, Some("likely")),
        ];
        for (repository, held, expected) in table {
            let said = reference(Node::PullRequest(88), Node::Run(2), Certainty::Likely);
            let when = When::Repository(repository.to_owned());
            let connection = catalog(&[vec![Reference { rule: Rule::PullRequestTrigger, when, ..said }]]);
            let insert = "INSERT INTO pull_requests (source, organization, id, repository_id, repository, votes) \
                          VALUES ('x', 'fabrikam', 88, ?1, ?2, '[]')";
            held.map(|held| connection.execute(insert, held).unwrap());
            let Linked { links, .. } = walk(&connection).links(&Node::Run(2)).unwrap();
            assert_eq!(links.first().map(|link| link.certainty), expected, "{repository} {held:?}");
        }
    }

    #[test]
    fn a_number_that_was_used_again_names_no_run() {
        let by_number = |pipeline| Reference {
            rule: Rule::Consumed,
            ..reference(Node::run_named(pipeline, "2025.1"), Node::Run(9), Certainty::Likely)
        };
        for (pipeline, of_two_pipelines) in [(Some("ci"), vec!["1"]), (None, vec![])] {
            let connection = catalog(&[vec![by_number(pipeline)]]);
            connection.execute("DELETE FROM runs", []).unwrap();
            let run = |run: u64, of: u64| {
                let insert =
                    "INSERT INTO runs (run, organization, pipeline, name) VALUES (?1, 'fabrikam', ?2, '2025.1')";
                connection.execute(insert, [run, of]).unwrap();
            };
            let told = || -> Vec<String> {
                let links = walk(&connection).links(&Node::Run(9)).unwrap().links;
                links.into_iter().map(|link| link.id).collect()
            };
            let name =
                "INSERT INTO names (kind, organization, id, said, name) VALUES ('pipeline', 'fabrikam', '7', 1, 'ci')";
            connection.execute_batch(name).unwrap();
            assert_eq!(told(), [] as [&str; 0], "no run has it");
            run(1, 7);
            assert_eq!(told(), ["1"], "one has it");
            run(2, 8);
            assert_eq!(told(), of_two_pipelines, "runs of two pipelines have it: {pipeline:?}");
            run(3, 7);
            assert_eq!(told(), [] as [&str; 0], "two of the same pipeline have it");
        }
    }

    /// What is said to be a run's id was seen to be a pipeline's.
    #[test]
    fn a_run_that_is_not_held_is_never_certain() {
        let certain = |cause, effect| reference(Node::Run(cause), Node::Run(effect), Certainty::Certain);
        let connection = catalog(&[vec![certain(8, 20), certain(20, 21)]]);
        let told = || {
            let links = walk(&connection).links(&Node::Run(20)).unwrap().links;
            links.iter().map(|link| (link.id.clone(), link.certainty, link.held)).collect::<Vec<_>>()
        };
        assert_eq!(told(), [("8".to_owned(), "certain", true), ("21".to_owned(), "certain", true)]);
        connection.execute("DELETE FROM runs WHERE run = 8", []).unwrap();
        assert_eq!(told(), [("8".to_owned(), "likely", false), ("21".to_owned(), "certain", true)]);
    }

    #[test]
    fn what_is_left_out_is_said() {
        let chain = |length: u64| -> Vec<Vec<Reference>> {
            let step = |at| reference(Node::Run(at), Node::Run(at + 1), Certainty::Certain);
            vec![(1..=length).map(step).collect()]
        };
        let star = |width: u64| -> Vec<Vec<Reference>> {
            let step = |at| reference(Node::Run(1), Node::Run(1 + at), Certainty::Certain);
            vec![(1..=width).map(step).collect()]
        };
        let table = [
            ("as many as are found", star(300), 300, false),
            ("one more", star(301), 300, true),
            ("as far as is gone", chain(12), 12, false),
            ("one step further", chain(13), 12, true),
        ];
        for (name, known, shown, expected) in table {
            let connection = catalog(&known);
            let Linked { links, truncated } = walk(&connection).links(&Node::Run(1)).unwrap();
            assert_eq!((links.len(), truncated), (shown, expected), "{name}");
        }
    }

    #[test]
    fn of_too_many_references_the_certain_ones_stay() {
        let same = || reference(Node::Run(1), Node::Run(2), Certainty::Likely);
        let sure = |cause| reference(Node::Run(cause), Node::Run(3), Certainty::Certain);
        for (likely, expected) in [(999, false), (1_000, true)] {
            let connection = catalog(&[(0..likely).map(|_| same()).collect(), vec![sure(1)]]);
            let Linked { links, truncated } = walk(&connection).links(&Node::Run(1)).unwrap();
            let told: Vec<_> = links.iter().map(|link| (link.id.as_str(), link.certainty)).collect();
            assert_eq!((told, truncated), (vec![("3", "certain"), ("2", "likely")], expected), "{likely}");
        }
    }
}
