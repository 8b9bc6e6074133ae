//! An organization in the manner of Bedrock: services whose images go by a high-level definition and manifests to clusters.
//!
//! What happens in it is known ([`Told`]), and with it goes much that looks alike and is none: a pull request that
//! reconciles, runs that only verify, run numbers that two services share, a run without difference, an edit by hand.

mod chance;
mod wire;

use std::collections::BTreeSet;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::Event;
use super::cast::PEOPLE;
use super::wire::Guid;
use crate::domain::Time;
use crate::domain::chain::Step;
use crate::domain::link::{Certainty, Rule};

pub use self::chance::bedrock_by_chance;

const PROJECT: &str = "Shop";
const HLD: &str = "shop-hld";
const MANIFESTS: &str = "shop-manifests";
const MAIN: &str = "refs/heads/main";
const STAGING: &str = "refs/heads/staging";
const MINUTE: Duration = Duration::from_secs(60);
/// So long before its end the story begins.
const LASTS: Duration = Duration::from_secs(30 * 3_600);

/// Services with their pipelines; the last makes manifests.
const STOREFRONT: Service = Service { name: "storefront", pipeline: 31, person: 0 };
const ORDERS: Service = Service { name: "orders", pipeline: 32, person: 2 };
const LEGACY: Service = Service { name: "legacy", pipeline: 33, person: 4 };
/// What its releases are made by.
const LEGACY_RELEASE: &str = "legacy to hld";
const FABRIKATE: Service = Service { name: "shop-hld-to-manifest", pipeline: 39, person: 5 };

#[derive(Clone, Copy)]
struct Service {
    name: &'static str,
    pipeline: u64,
    person: usize,
}

/// What is true of one change: the row that is to come of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub service: Option<&'static str>,
    pub ring: Option<&'static str>,
    /// The run that made the image.
    pub source: Option<u64>,
    pub release: Option<u64>,
    pub pull_request: Option<u64>,
    pub hld_commit: Option<String>,
    pub manifest_run: Option<u64>,
    /// What the cluster gets: where nothing was different, what was there before.
    pub manifest_commit: Option<String>,
    /// In Spektate's words.
    pub status: &'static str,
    pub author: Option<&'static str>,
    pub merged_by: Option<&'static str>,
    pub image_tag: Option<String>,
    /// How each step is to be known.
    pub links: Vec<(Step, Rule, Certainty)>,
    /// Those that have it, and how that is to be known.
    pub clusters: Vec<(&'static str, Rule, Certainty)>,
}

/// What Bedrock's pipelines leave behind, and what is left where they were not used.
const DESCRIBED: (Step, Rule, Certainty) = (Step::Hld, Rule::DescribedBuild, Certainty::Certain);
const TAGGED: (Step, Rule, Certainty) = (Step::Hld, Rule::ImageTag, Certainty::Likely);
const BUILT: (Step, Rule, Certainty) = (Step::ManifestRun, Rule::Built, Certainty::Certain);
const MADE: (Step, Rule, Certainty) = (Step::ManifestCommit, Rule::ManifestMessage, Certainty::Certain);
const UNCHANGED: (Step, Rule, Certainty) = (Step::ManifestCommit, Rule::NoDifference, Certainty::Likely);

/// The events up to `now`, in their order, and what is true.
#[must_use]
pub fn bedrock(organization: &str, now: Time) -> (Vec<Event>, Vec<Told>) {
    let mut story = Story::new(organization, now.minus(LASTS));
    story.happens();
    story.tell_clusters();
    story.events.sort_by_key(|event| event.due);
    (story.events, story.told)
}

struct Story {
    base: String,
    project: Guid,
    from: Time,
    events: Vec<Event>,
    told: Vec<Told>,
    /// The commits of the manifests, with their branches and when they came.
    made: Vec<(&'static str, u64, String)>,
    pushes: u64,
    /// Clusters with the commits that they told of.
    synced: Vec<(&'static str, String)>,
}

/// A run as a build tells of it.
struct Run<'r> {
    id: u64,
    service: Service,
    repository: &'r str,
    number: &'r str,
    branch: &'r str,
    commit: &'r str,
    minute: u64,
    minutes: u64,
    reason: &'r str,
    result: &'r str,
}

/// What a run made: of which service, from which branch, and the run's number.
type Image<'i> = (Service, &'static str, &'i str);

/// A change by a pull request, as Bedrock's second step opens it.
struct Change {
    run: u64,
    service: Service,
    branch: &'static str,
    number: String,
    pull_request: u64,
    minute: u64,
    /// The run that makes manifests of it, and how it ends; `None` while nobody has merged it.
    manifest: Option<(u64, Made)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    Commit,
    NoDifference,
    Nothing,
}

/// The same for the same text.
fn sha(of: &str) -> String {
    Sha256::digest(of.as_bytes()).iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

fn person(index: usize) -> &'static str {
    PEOPLE.get(index).copied().unwrap_or_default()
}

fn ring(branch: &str) -> &'static str {
    if branch == STAGING { "staging" } else { "main" }
}

fn image_tag(service: Service, tag: &str) -> String {
    format!("shop-{name}-{name}:{tag}", name = service.name)
}

/// A change whose manifests were made for it.
fn delivered(fabrikate: u64, hld_commit: String, manifest_commit: Option<String>) -> Told {
    Told {
        hld_commit: Some(hld_commit),
        manifest_run: Some(fabrikate),
        manifest_commit,
        status: "Complete",
        links: vec![BUILT, MADE],
        ..Told::default()
    }
}

impl Story {
    fn new(organization: &str, from: Time) -> Self {
        let base = format!("https://dev.azure.com/{organization}");
        let (project, made) = (Guid::of(PROJECT), Vec::new());
        Self { base, project, from, events: Vec::new(), told: Vec::new(), made, pushes: 51_000, synced: Vec::new() }
    }

    fn happens(&mut self) {
        let change = |run, service, branch, number, pull_request, minute, manifest| Change {
            run,
            service,
            branch,
            number: str::to_owned(number),
            pull_request,
            minute,
            manifest,
        };
        let made = |run| Some((run, Made::Commit));
        self.changed(&change(2_001, STOREFRONT, STAGING, "20250611.1", 5_101, 10, made(2_002)));
        self.changed(&change(2_003, STOREFRONT, MAIN, "20250611.2", 5_102, 60, made(2_004)));
        self.reconciled(2_005, 5_103, 100);
        // Two services at once, whose runs have the same number.
        self.changed(&change(2_006, ORDERS, MAIN, "20250611.1", 5_104, 200, made(2_008)));
        self.changed(&change(2_007, STOREFRONT, MAIN, "20250611.1", 5_105, 200, made(2_009)));
        self.changed(&change(2_010, ORDERS, MAIN, "20250611.2", 5_106, 300, Some((2_011, Made::NoDifference))));
        self.verified(2_012, ORDERS, 320);
        self.pushed_as_it_is((STOREFRONT, STAGING, "20250611.5"), [2_013, 2_014], 400);
        self.released("20250611.1", [2_015, 61, 2_016], 500);
        self.edited(2_017, "Scale orders to five", 600);
        self.rolled_back(((STOREFRONT, MAIN, "20250611.2"), 2_003, 2_018), 5_107, 700);
        self.changed(&change(2_019, ORDERS, STAGING, "20250611.3", 5_108, 800, Some((2_020, Made::Nothing))));
        self.changed(&change(2_021, ORDERS, MAIN, "20250612.1", 5_109, 900, made(2_022)));
        self.changed(&change(2_023, STOREFRONT, MAIN, "20250612.1", 5_110, 1_700, None));
        self.failed(2_024, STOREFRONT, 1_760);
        for (cluster, minute) in [("west", 760), ("east", 960), ("west", 965)] {
            let head = self.head(MAIN).unwrap_or_default();
            let commit = if minute == 760 { sha("manifest 2018") } else { head };
            self.synced(cluster, &commit, minute);
            self.synced.push((cluster, commit));
        }
    }

    /// Who has a commit has those before it on its branch. What was made in the same minute may have come after it.
    fn tell_clusters(&mut self) {
        let place = |commit: &str| self.made.iter().find(|(.., made)| made == commit);
        let has = |told: &Told, synced: &str| {
            let ((branch, before, commit), (other, at, _)) =
                told.manifest_commit.as_deref().and_then(place).zip(place(synced))?;
            let is_sure = (commit == synced || before < at) && told.links.contains(&MADE);
            let rule = if commit == synced { Rule::ClusterTold } else { Rule::LaterCommit };
            let certainty = if is_sure { Certainty::Certain } else { Certainty::Likely };
            (branch == other && before <= at).then_some((rule, certainty))
        };
        let names: BTreeSet<&str> = self.synced.iter().map(|(cluster, _)| *cluster).collect();
        let first = |told: &Told, name: &'static str| {
            let of_name = self.synced.iter().filter(|(cluster, _)| *cluster == name);
            of_name.filter_map(|(_, commit)| has(told, commit)).map(|(rule, how)| (name, rule, how)).next()
        };
        let of = |told: &Told| names.iter().filter_map(|name| first(told, name)).collect();
        let all: Vec<Vec<_>> = self.told.iter().map(of).collect();
        for (told, clusters) in self.told.iter_mut().zip(all) {
            told.clusters = clusters;
        }
    }

    fn at(&self, minute: u64) -> Time {
        self.from.plus(MINUTE * u32::try_from(minute).unwrap_or(u32::MAX))
    }

    fn head(&self, branch: &str) -> Option<String> {
        let of_branch = self.made.iter().filter(|(of, ..)| *of == branch);
        of_branch.max_by_key(|(_, minute, _)| minute).map(|(.., commit)| commit.clone())
    }

    /// The image, the pull request, and what comes of its merge.
    fn changed(&mut self, change: &Change) {
        let Change { run, service, branch, number, pull_request, minute, manifest } = change;
        let tag = format!("{}-{number}", ring(branch));
        self.image(*run, *service, (branch, number), *minute);
        let title = format!("Updating {} image tag to {tag}.", service.name);
        let description = format!(
            "Updating {name} to {tag}.\nPR created by: {name} with buildId: {run} and buildNumber: {number}",
            name = service.name
        );
        let source = format!("refs/heads/DEPLOY/shop-{name}-{name}-{tag}", name = service.name);
        let merge = manifest.map(|_| sha(&format!("hld {pull_request}")));
        self.push(HLD, &source, (&sha(&source), person(5), &title), minute + 6);
        self.pull_request(*pull_request, [&title, &description, &source, branch], minute + 6, merge.as_deref());
        let mut told = Told {
            service: Some(service.name),
            ring: Some(ring(branch)),
            source: Some(*run),
            pull_request: Some(*pull_request),
            hld_commit: merge.clone(),
            status: "Incomplete",
            author: Some(person(service.person)),
            merged_by: merge.as_ref().map(|_| person(6)),
            image_tag: Some(image_tag(*service, &tag)),
            links: vec![DESCRIBED],
            ..Told::default()
        };
        if let (Some((fabrikate, made)), Some(merge)) = (manifest, &merge) {
            let message = format!("Merged PR {pull_request}: {title}");
            self.push(HLD, branch, (merge, person(6), &message), minute + 10);
            told.manifest_commit = self.manifests(*fabrikate, (branch, merge), (*made, &message), minute + 11);
            told.manifest_run = Some(*fabrikate);
            told.links.extend(match made {
                Made::Commit => vec![BUILT, MADE],
                Made::NoDifference => vec![BUILT, UNCHANGED],
                Made::Nothing => vec![BUILT],
            });
            told.status = if *made == Made::Nothing { "failed" } else { "Complete" };
        }
        self.told.push(told);
    }

    /// The run that makes an image.
    fn image(&mut self, id: u64, service: Service, (branch, number): (&str, &str), minute: u64) {
        let (repository, commit) = (format!("shop-{}", service.name), sha(&format!("source {id}")));
        self.push(&repository, branch, (&commit, person(service.person), "Work on it"), minute.saturating_sub(1));
        let (reason, result) = ("individualCI", "succeeded");
        let repository = repository.as_str();
        let commit = commit.as_str();
        self.build(&Run { id, service, repository, number, branch, commit, minute, minutes: 7, reason, result });
    }

    /// The run that makes manifests, which overlap where two are merged at once. Answers the commit that the branch has
    /// then, as far as this run is known to have to do with it.
    fn manifests(
        &mut self,
        id: u64,
        (branch, commit): (&'static str, &str),
        (made, message): (Made, &str),
        minute: u64,
    ) -> Option<String> {
        let result = if made == Made::Nothing { "failed" } else { "succeeded" };
        let number = format!("2025061{}.{}", 1 + id / 2_020, id);
        let (service, reason, number) = (FABRIKATE, "individualCI", number.as_str());
        self.build(&Run { id, service, repository: HLD, number, branch, commit, minute, minutes: 6, reason, result });
        match made {
            Made::Nothing => None,
            Made::NoDifference => self.head(branch),
            Made::Commit => {
                let manifest = sha(&format!("manifest {id}"));
                let message = format!("Updated k8s manifest files post commit: {message}");
                self.push(MANIFESTS, branch, (&manifest, "Automated Account", &message), minute + 4);
                self.made.push((branch, minute + 4, manifest.clone()));
                Some(manifest)
            }
        }
    }

    /// It brings the definition in step with a repository, and no image anywhere.
    fn reconciled(&mut self, run: u64, pull_request: u64, minute: u64) {
        let title = "Reconciling HLD with shop-orders-20250611.7.";
        let merge = sha(&format!("reconciled {pull_request}"));
        let source = "refs/heads/RECONCILE/shop-orders-20250611.7";
        self.pull_request(pull_request, [title, "", source, MAIN], minute, Some(&merge));
        let message = format!("Merged PR {pull_request}: {title}");
        self.push(HLD, MAIN, (&merge, person(6), &message), minute + 4);
        self.manifests(run, (MAIN, &merge), (Made::Commit, &message), minute + 5);
    }

    fn verified(&mut self, id: u64, service: Service, minute: u64) {
        let commit = sha(&format!("verified {id}"));
        let (repository, number, branch, reason) = ("shop-orders", "20250611.9", "refs/pull/4/merge", "pullRequest");
        let commit = commit.as_str();
        let result = "succeeded";
        self.build(&Run { id, service, repository, number, branch, commit, minute, minutes: 3, reason, result });
    }

    /// Nobody reviews it: the second step pushes to the branch.
    fn pushed_as_it_is(&mut self, (service, branch, number): Image<'_>, [run, fabrikate]: [u64; 2], minute: u64) {
        self.image(run, service, (branch, number), minute);
        let commit = sha(&format!("pushed {fabrikate}"));
        let message = format!("Updating {} image tag to {}-{number}.", service.name, ring(branch));
        self.push(HLD, branch, (&commit, person(5), &message), minute + 6);
        let manifest_commit = self.manifests(fabrikate, (branch, &commit), (Made::Commit, &message), minute + 7);
        self.told.push(Told {
            service: Some(service.name),
            ring: Some(ring(branch)),
            source: Some(run),
            author: Some(person(service.person)),
            image_tag: Some(image_tag(service, &format!("{}-{number}", ring(branch)))),
            links: vec![TAGGED, BUILT, MADE],
            ..delivered(fabrikate, commit, manifest_commit)
        });
    }

    /// A classic release as the second step, whose script says what it likes.
    fn released(&mut self, number: &str, [run, release, fabrikate]: [u64; 3], minute: u64) {
        self.image(run, LEGACY, (MAIN, number), minute);
        let commit = sha(&format!("released {release}"));
        self.release(release, (run, number), [minute + 8, minute + 12]);
        self.push(HLD, MAIN, (&commit, person(7), "Update legacy by the release"), minute + 10);
        let manifest_commit =
            self.manifests(fabrikate, (MAIN, &commit), (Made::Commit, "Update legacy by the release"), minute + 13);
        self.told.push(Told {
            service: Some(LEGACY_RELEASE),
            ring: Some("production"),
            source: Some(run),
            release: Some(release),
            author: Some(person(LEGACY.person)),
            // Nobody says the service, and so nobody knows the image's name.
            image_tag: Some(format!("main-{number}")),
            links: vec![
                (Step::Hld, Rule::PushWindow, Certainty::Likely),
                (Step::Release, Rule::ReleaseArtifact, Certainty::Certain),
                BUILT,
                MADE,
                (Step::Service, Rule::CalledLike, Certainty::Likely),
            ],
            ..delivered(fabrikate, commit, manifest_commit)
        });
    }

    fn edited(&mut self, fabrikate: u64, message: &str, minute: u64) {
        let commit = sha(&format!("edited {fabrikate}"));
        self.push(HLD, MAIN, (&commit, person(3), message), minute);
        let manifest_commit = self.manifests(fabrikate, (MAIN, &commit), (Made::Commit, message), minute + 1);
        self.told.push(Told { author: Some(person(3)), ..delivered(fabrikate, commit, manifest_commit) });
    }

    /// Somebody brings back an image that was there before.
    fn rolled_back(
        &mut self,
        ((service, branch, number), run, fabrikate): (Image<'_>, u64, u64),
        pull_request: u64,
        minute: u64,
    ) {
        let title = format!("Updating {} image tag to {}-{number}.", service.name, ring(branch));
        let merge = sha(&format!("rolled back {pull_request}"));
        let source = format!("refs/heads/back-{pull_request}");
        self.pull_request(pull_request, [&title, "Back to yesterday", &source, branch], minute, Some(&merge));
        let message = format!("Merged PR {pull_request}: {title}");
        self.push(HLD, branch, (&merge, person(6), &message), minute + 4);
        let manifest_commit = self.manifests(fabrikate, (branch, &merge), (Made::Commit, &message), minute + 5);
        self.told.push(Told {
            service: Some(service.name),
            ring: Some(ring(branch)),
            source: Some(run),
            pull_request: Some(pull_request),
            author: Some(person(service.person)),
            merged_by: Some(person(6)),
            image_tag: Some(image_tag(service, &format!("{}-{number}", ring(branch)))),
            links: vec![TAGGED, BUILT, MADE],
            ..delivered(fabrikate, merge, manifest_commit)
        });
    }

    /// No image, and so nothing else: what it was to be an image of only the other runs tell.
    fn failed(&mut self, id: u64, service: Service, minute: u64) {
        let commit = sha(&format!("failed {id}"));
        let (repository, number) = (format!("shop-{}", service.name), format!("20250612.{id}"));
        let (repository, number, branch, reason) = (repository.as_str(), number.as_str(), MAIN, "individualCI");
        let commit = commit.as_str();
        let result = "failed";
        self.build(&Run { id, service, repository, number, branch, commit, minute, minutes: 2, reason, result });
        let author = Some(person(service.person));
        self.told.push(Told {
            service: Some(service.name),
            ring: Some("main"),
            source: Some(id),
            status: "failed",
            author,
            links: vec![(Step::Service, Rule::SamePipeline, Certainty::Likely)],
            ..Told::default()
        });
    }
}
