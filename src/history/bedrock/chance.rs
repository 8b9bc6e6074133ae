//! Changes that chance chooses, for who wants many organizations: what is known of them stays known.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::{Change, MAIN, MINUTE, Made, ORDERS, STAGING, STOREFRONT, Service, Story, Told};
use crate::domain::Time;
use crate::history::Event;

/// Minutes between two beginnings: less than a change takes, so that most overlap with the next one.
const APART: std::ops::Range<u64> = 3..40;
/// After this many minutes a change is over, whatever becomes of it.
const LASTS: u64 = 30;
/// So much time has each change at the most: one that is to be alone waits before and after it.
const MOST_MINUTES: u32 = 100;

/// The events of so many changes up to `now`, in their order, and what is true: the same for the same seed.
#[must_use]
pub fn bedrock_by_chance(organization: &str, now: Time, seed: u64, changes: u32) -> (Vec<Event>, Vec<Told>) {
    let story = Story::new(organization, now.minus(MINUTE * MOST_MINUTES.saturating_mul(changes)));
    let mut plot = Plot { story, rng: SmallRng::seed_from_u64(seed), made: Vec::new(), last: 3_000, minute: 0 };
    (0..changes).for_each(|_| plot.goes_on());
    let mut story = plot.story;
    story.events.sort_by_key(|event| event.due);
    (story.events, story.told)
}

struct Plot {
    story: Story,
    rng: SmallRng,
    /// Images that there are, with the runs that made them.
    made: Vec<(Service, &'static str, String, u64)>,
    /// The last id of whatever it was.
    last: u64,
    /// When the next change begins.
    minute: u64,
}

impl Plot {
    fn id(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn pick<T: Copy>(&mut self, [one, other]: [T; 2]) -> T {
        if self.rng.random() { one } else { other }
    }

    /// Half of all are what Bedrock means them to be.
    fn goes_on(&mut self) {
        self.minute += self.rng.random_range(APART);
        let minute = self.minute;
        match self.rng.random_range(0..16) {
            0 => self.reconciled(minute),
            1 => {
                let id = self.id();
                self.story.verified(id, ORDERS, minute);
            }
            2 => self.pushed(minute),
            3 => self.released(),
            4 => {
                let id = self.id();
                // Two with the same words at the same time could not be told apart.
                self.story.edited(id, &format!("Scale orders to {id}"), minute);
            }
            5 => {
                let (id, service) = (self.id(), self.pick([STOREFRONT, ORDERS]));
                self.story.failed(id, service, minute);
            }
            6 | 7 => self.rolled_back(minute),
            _ => self.changed(minute),
        }
    }

    /// For what is known by its time alone: all before it is over, and nothing else comes while it lasts.
    fn alone(&mut self) -> u64 {
        let minute = self.minute + LASTS;
        self.minute = minute + LASTS;
        minute
    }

    fn changed(&mut self, minute: u64) {
        let [run, pull_request, fabrikate] = [(); 3].map(|()| self.id());
        let (service, branch) = (self.pick([STOREFRONT, ORDERS]), self.pick([MAIN, STAGING]));
        let manifest = match self.rng.random_range(0..8) {
            0 => None,
            1 => Some((fabrikate, Made::Nothing)),
            2 if self.story.head(branch).is_some() => Some((fabrikate, Made::NoDifference)),
            _ => Some((fabrikate, Made::Commit)),
        };
        let minute = if matches!(manifest, Some((_, Made::NoDifference))) { self.alone() } else { minute };
        let number = self.number(service);
        self.made.push((service, branch, number.clone(), run));
        self.story.changed(&Change { run, service, branch, number, pull_request, minute, manifest });
    }

    /// Each pipeline counts for itself: other services have runs with the same numbers.
    fn number(&self, service: Service) -> String {
        let before = self.made.iter().filter(|(other, ..)| other.pipeline == service.pipeline).count();
        format!("20250611.{}", before + 1)
    }

    fn pushed(&mut self, minute: u64) {
        let [run, fabrikate] = [(); 2].map(|()| self.id());
        let (service, branch) = (self.pick([STOREFRONT, ORDERS]), self.pick([MAIN, STAGING]));
        let number = self.number(service);
        self.story.pushed_as_it_is((service, branch, &number), [run, fabrikate], minute);
        self.made.push((service, branch, number, run));
    }

    fn released(&mut self) {
        let [run, release, fabrikate] = [(); 3].map(|()| self.id());
        let minute = self.alone();
        self.story.released(&format!("20250611.{run}"), [run, release, fabrikate], minute);
    }

    fn reconciled(&mut self, minute: u64) {
        let [pull_request, fabrikate] = [(); 2].map(|()| self.id());
        self.story.reconciled(fabrikate, pull_request, minute);
    }

    /// To any that there was.
    fn rolled_back(&mut self, minute: u64) {
        if self.made.is_empty() {
            return;
        }
        let at = self.rng.random_range(0..self.made.len());
        let Some((service, branch, number, run)) = self.made.get(at).cloned() else { return };
        let [pull_request, fabrikate] = [(); 2].map(|()| self.id());
        self.story.rolled_back(((service, branch, &number), run, fabrikate), pull_request, minute);
    }
}
