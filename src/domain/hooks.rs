//! How the service hooks of a project were when somebody looked at them last.
//!
//! That is no record, as nothing about it joins: each look says all, and the latest is the one. It is kept as a note of
//! the store, since who looks is another process than who reads. What events were lost meanwhile is a record: [`super::gap`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Time;
use super::text::{MOST_NAME, cut};

/// A look that is so old says nothing any more.
const FORGOTTEN: Duration = Duration::from_secs(14 * 24 * 3600);
/// The longest name that a note may have.
const LONGEST_NAME: usize = 200;

/// What a look at the subscriptions of one project found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HookLook {
    /// As records name it.
    pub organization: String,
    pub project: String,
    pub project_id: String,
    pub at: Time,
    /// Between two looks, in seconds.
    pub every: u64,
    pub hooks: Vec<SeenHook>,
}

/// A subscription that should be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenHook {
    pub event_type: String,
    /// The only pipeline that it is for, by id or name.
    pub pipeline: Option<String>,
    pub subscription_id: Option<String>,
    /// The worst that is wrong, in the doctor's word.
    pub finding: Option<String>,
    pub says: Option<String>,
    pub since: Option<Time>,
}

impl HookLook {
    /// How the notes of looks begin.
    pub const NOTES: &str = "hooks|";

    /// The note's name; `None` where it would be too long for one.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let name = format!("{}{}", Self::notes_of(&self.organization), self.project_id.to_lowercase());
        (name.len() <= LONGEST_NAME).then_some(name)
    }

    /// How the names of an organization's notes begin.
    #[must_use]
    pub fn notes_of(organization: &str) -> String {
        format!("{}{organization}|", Self::NOTES)
    }

    /// `None` for what only a newer program understands.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    #[must_use]
    pub fn encode(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// Whether two looks should have come since: it may be otherwise by now.
    #[must_use]
    pub fn is_late(&self, now: Time) -> bool {
        now.since(self.at) > Duration::from_secs(self.every.saturating_mul(2))
    }

    /// Whether it says nothing any more.
    #[must_use]
    pub fn is_forgotten(&self, now: Time) -> bool {
        now.since(self.at) > FORGOTTEN
    }

    #[must_use]
    pub fn healthy(&self) -> usize {
        self.hooks.iter().filter(|hook| hook.finding.is_none()).count()
    }

    /// This look, which was not at all that is looked after, put into a whole one.
    #[must_use]
    pub fn put_into(self, whole: Self) -> Self {
        let mut hooks = whole.hooks;
        for hook in &mut hooks {
            let is_it = |seen: &&SeenHook| seen.event_type == hook.event_type && seen.pipeline == hook.pipeline;
            if let Some(seen) = self.hooks.iter().find(is_it) {
                *hook = seen.clone();
            }
        }
        // Of the others nothing new is known.
        Self { hooks, ..whole }
    }
}

impl SeenHook {
    /// With texts of the service cut, so that no look is too large for a note.
    #[must_use]
    pub fn cut(self) -> Self {
        let fit = |text: String| cut(&text, MOST_NAME).into_owned();
        Self {
            pipeline: self.pipeline.map(fit),
            subscription_id: self.subscription_id.map(fit),
            says: self.says.map(fit),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(event: &str, finding: Option<&str>) -> SeenHook {
        SeenHook {
            event_type: event.to_owned(),
            pipeline: None,
            subscription_id: Some("s-1".to_owned()),
            finding: finding.map(str::to_owned),
            says: None,
            since: None,
        }
    }

    fn look(hooks: Vec<SeenHook>) -> HookLook {
        let (organization, project) = ("fabrikam".to_owned(), "Fiber".to_owned());
        HookLook { organization, project, project_id: "P-1".to_owned(), at: at(1_000), every: 600, hooks }
    }

    fn at(second: i64) -> Time {
        Time::from_ticks(second * 10_000_000)
    }

    #[test]
    fn two_looks_that_did_not_come_make_it_late() {
        let look = look(Vec::new());
        assert!(!look.is_late(at(1_000)) && !look.is_late(at(2_200)) && look.is_late(at(2_201)));
        assert!(!look.is_forgotten(at(1_000 + 14 * 86_400)) && look.is_forgotten(at(1_001 + 14 * 86_400)));
    }

    #[test]
    fn a_look_at_a_part_changes_that_part_alone() {
        let whole = look(vec![hook("a", None), hook("b", Some("silent"))]);
        let part = HookLook { at: at(9_000), every: 1, ..look(vec![hook("b", None), hook("c", Some("missing"))]) };
        let both = part.put_into(whole.clone());
        assert_eq!(both, HookLook { hooks: vec![hook("a", None), hook("b", None)], ..whole });
        assert_eq!(both.healthy(), 2);
    }

    #[test]
    fn a_look_is_read_as_it_was_written_and_has_a_name_that_a_store_takes() {
        let look = look(vec![hook("a", Some("onProbation"))]);
        assert_eq!(HookLook::decode(&look.encode()), Some(look.clone()));
        assert_eq!(HookLook::decode("{}"), None);
        assert_eq!(look.note().as_deref(), Some("hooks|fabrikam|p-1"));
        let long = HookLook { organization: "x".repeat(200), ..look };
        assert_eq!(long.note(), None);
        let hook = SeenHook { says: Some("s".repeat(10_000)), ..hook("a", None) }.cut();
        assert!(hook.says.unwrap().len() <= MOST_NAME);
    }
}
