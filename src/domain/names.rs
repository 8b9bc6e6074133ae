//! What becomes of the names of people: kept, replaced by pseudonyms, or not kept at all.
//!
//! Decided before anything is stored, so that nobody finds what nobody wrote. A name is what a decoder takes for that of
//! a person: who asked for a run, who approved, pushed, wrote a commit, opened or reviewed a pull request, whom a work
//! item is assigned to. A title that names somebody, or a branch such as `users/ana/fix`, is none; who wants that gone, too,
//! [erases](super::erase) it.

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::run::{ApprovalSaid, MOST_APPROVERS};
use super::text::weight;
use super::{Commit, Fact, Label};

/// What to do with names.
#[derive(Clone, Debug, Default)]
pub enum Names {
    #[default]
    Keep,
    /// The same name always becomes the same pseudonym, which only who has the key can make.
    Pseudonyms(SecretString),
    None,
}

/// Labels that name somebody.
const PEOPLE: [Label; 5] = [Label::RequestedFor, Label::PushedBy, Label::CreatedBy, Label::ClosedBy, Label::AssignedTo];

/// So many bytes of the hash make a pseudonym.
const HASHED: usize = 8;

impl Names {
    /// The same fact with the names as they are to be kept.
    #[must_use]
    pub fn applied(&self, mut fact: Fact) -> Fact {
        match self {
            Self::Keep => {}
            Self::Pseudonyms(_) | Self::None => fact.name_people(self),
        }
        fact
    }

    /// What is kept of a name.
    #[must_use]
    pub fn kept(&self, name: &str) -> Option<String> {
        match self {
            Self::Keep => Some(name.to_owned()),
            Self::Pseudonyms(key) => Some(pseudonym(key, name)),
            Self::None => None,
        }
    }

    pub(crate) fn in_labels(&self, labels: &mut Vec<(Label, String)>) {
        labels.retain_mut(|(label, text)| {
            if !PEOPLE.contains(label) {
                return true;
            }
            let kept = self.kept(text);
            let stays = kept.is_some();
            kept.into_iter().for_each(|kept| *text = kept);
            stays
        });
    }

    /// What is kept of an id that tells one person from another: something that still does.
    #[must_use]
    pub fn identity(&self, id: &str) -> String {
        match self {
            Self::Keep => id.to_owned(),
            Self::Pseudonyms(key) => pseudonym(key, id),
            Self::None => hashed("reviewer", &Sha256::digest(id.trim().to_lowercase().as_bytes())),
        }
    }

    pub(crate) fn in_commits(&self, commits: &mut [(String, Commit)]) {
        for (_, commit) in commits {
            commit.author = commit.author.as_deref().and_then(|name| self.kept(name));
        }
    }

    /// A pseudonym may be longer than the name, and there is only so much room.
    pub(crate) fn in_approvals(&self, approvals: &mut [ApprovalSaid]) {
        for approval in approvals {
            let mut room = MOST_APPROVERS;
            let kept = approval.says.approvers.iter().filter_map(|name| self.kept(name));
            approval.says.approvers = kept
                .map_while(|name| {
                    room = room.checked_sub(3 + weight(&name))?;
                    Some(name)
                })
                .collect();
        }
    }
}

/// Whether a pseudonym stands in the text. Whose it is, only who has the key can say.
#[must_use]
pub fn has_pseudonym(text: &str) -> bool {
    let is_one = |rest: &str| {
        let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        digits == 2 * HASHED
    };
    text.split("person-").skip(1).any(is_one)
}

/// Upper and lower case are one person.
fn pseudonym(key: &SecretString, name: &str) -> String {
    // A key of any length is one.
    let Ok(mut hash) = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()) else {
        return "person".to_owned();
    };
    hash.update(name.trim().to_lowercase().as_bytes());
    hashed("person", &hash.finalize().into_bytes())
}

fn hashed(what: &str, hash: &[u8]) -> String {
    hash.iter().take(HASHED).fold(format!("{what}-"), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::{ApprovalStatement, RunFact};
    use crate::domain::{ApprovalStatus, FactKind, RunKey, Time};

    fn key(text: &str) -> Names {
        Names::Pseudonyms(text.into())
    }

    fn fact() -> Fact {
        let mut fact = RunFact::new(RunKey::default(), FactKind::ApprovalPending, Time::UNKNOWN);
        fact.labels = vec![(Label::RequestedFor, "Ana".to_owned()), (Label::Branch, "users/Ana".to_owned())];
        let says = ApprovalStatement {
            said: Time::UNKNOWN,
            phase: None,
            stage: None,
            attempt: None,
            requested: None,
            changed: None,
            approvers: vec!["Ana".to_owned(), "Jon".to_owned()],
        };
        fact.approvals = vec![ApprovalSaid { id: "a".to_owned(), status: ApprovalStatus::Pending, says }];
        Fact::Run(fact)
    }

    fn people(names: &Names) -> (Option<String>, Vec<String>) {
        let Fact::Run(fact) = names.applied(fact()) else { panic!("another kind") };
        let label = fact.labels.iter().find(|(label, _)| *label == Label::RequestedFor);
        assert!(fact.labels.contains(&(Label::Branch, "users/Ana".to_owned())));
        (label.map(|(_, text)| text.clone()), fact.approvals[0].says.approvers.clone())
    }

    #[test]
    fn names_are_kept_replaced_or_gone() {
        let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
        assert_eq!(people(&Names::Keep), (Some("Ana".to_owned()), names(["Ana", "Jon"])));
        assert_eq!(people(&Names::None), (None, Vec::new()));
        let (requested, approvers) = people(&key("k"));
        assert_eq!(requested.as_deref(), Some("person-9f5856f8ed63364f"));
        assert_eq!(approvers[0], requested.unwrap(), "the same person, the same pseudonym");
        assert_ne!(approvers[0], approvers[1]);
    }

    #[test]
    fn a_pseudonym_is_known_by_its_form() {
        let made = key("k").kept("Ana").unwrap();
        for text in [made.as_str(), &format!("by {made}, not person-x"), &format!(r#"["person-x","{made}"]"#)] {
            assert!(has_pseudonym(text), "{text}");
        }
        let hash = Names::None.identity("Ana");
        for text in ["", "person-", "in-person-meeting", "person-9f58", &format!("{made}0"), &hash] {
            assert!(!has_pseudonym(text), "{text}");
        }
    }

    #[test]
    fn only_the_key_leads_from_a_name_to_its_pseudonym() {
        assert_eq!(key("k").kept(" ana"), key("k").kept("Ana"));
        assert_ne!(key("k").kept("Ana"), key("other").kept("Ana"));
        assert!(!format!("{:?}", key("s3cret")).contains("s3cret"));
    }

    #[test]
    fn pseudonyms_of_many_approvers_stay_within_their_room() {
        let Fact::Run(mut fact) = fact() else { panic!("another kind") };
        fact.approvals[0].says.approvers = (0..90).map(|number| format!("p{number}")).collect();
        key("k").in_approvals(&mut fact.approvals);
        let kept = &fact.approvals[0].says.approvers;
        assert_eq!(kept.len(), MOST_APPROVERS / 26);
    }
}
