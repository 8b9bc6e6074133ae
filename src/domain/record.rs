use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::changes::{ChangesFact, ChangesRecord};
use super::cluster::{ClusterFact, ClusterRecord};
use super::deployment::{DeploymentFact, DeploymentRecord};
use super::gap::{GapFact, GapRecord};
use super::incident::{IncidentFact, IncidentRecord};
use super::pull_request::{PullRequestFact, PullRequestRecord};
use super::push::{PushFact, PushRecord};
use super::release::{ReleaseFact, ReleaseRecord};
use super::report::{ReportFact, ReportRecord};
use super::run::{RunFact, RunRecord};
use super::work_item::{WorkItemFact, WorkItemRecord};
use super::{Change, Columns, Join, Key, Names, Time};

/// Declares every kind once: a variant of [`Fact`] and of [`Record`], each with the types of its module.
///
/// What a kind's types have to offer is what is called here; nothing outside of this module and [`Key`] has a list of
/// the kinds to hand things on by.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident($fact:ident, $record:ident),)+) => {
        /// One statement in short form, of any kind.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Fact {
            $($(#[$doc])* $kind($fact),)+
        }

        impl Fact {
            /// The record that it is about.
            #[must_use]
            pub fn key(&self) -> Key {
                match self {
                    $(Self::$kind(fact) => Key::$kind(fact.key.clone()),)+
                }
            }

            /// When it was said, by the service's clock; of a gap, by that of who saw it.
            #[must_use]
            pub fn said(&self) -> Time {
                match self {
                    $(Self::$kind(fact) => fact.said,)+
                }
            }

            /// Gives the people that it names the names by which they are kept.
            pub(super) fn name_people(&mut self, names: &Names) {
                match self {
                    $(Self::$kind(fact) => fact.name_people(names),)+
                }
            }

            /// Reads the text that [`Fact::encode`] gave for a fact about `key`.
            ///
            /// # Errors
            /// When it is damaged, or of a form that only a newer program knows.
            pub fn decode(key: &Key, text: &str) -> Result<Self, serde_json::Error> {
                match key {
                    $(Key::$kind(key) => Ok(Self::$kind($fact { key: key.clone(), ..serde_json::from_str(text)? })),)+
                }
            }
        }

        /// Without its key, which is stored beside it.
        impl Serialize for Fact {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$kind(fact) => fact.serialize(serializer),)+
                }
            }
        }

        /// All that was said about one subject, joined.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Record {
            $($(#[$doc])* $kind($record),)+
        }

        impl Record {
            #[must_use]
            pub fn key(&self) -> Key {
                match self {
                    $(Self::$kind(record) => Key::$kind(record.key().clone()),)+
                }
            }

            /// The record of nothing but `fact`.
            #[must_use]
            pub fn of(fact: &Fact) -> Self {
                match fact {
                    $(Fact::$kind(fact) => Self::$kind($record::of(fact)),)+
                }
            }

            /// Takes over the parts of `other` that only a newer program understands: no fact known here makes them.
            pub fn keep_unknown(&mut self, other: &Self) {
                match (self, other) {
                    $((Self::$kind(record), Self::$kind(other)) => record.keep_unknown(other),)+
                    // Different kinds have different keys.
                    (_, _) => {}
                }
            }

            /// Joins what `fact` says, which is about the same subject.
            pub fn add(&mut self, fact: &Fact) {
                debug_assert_eq!(self.key(), fact.key(), "a fact about something else");
                match (self, fact) {
                    $((Self::$kind(record), Fact::$kind(fact)) => record.add(fact),)+
                    (_, _) => {}
                }
            }

            /// Whether the two look the same to who asks how it went, whoever said it.
            #[must_use]
            pub fn is_shown_like(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$kind(record), Self::$kind(other)) => record.is_shown_like(other),)+
                    (_, _) => false,
                }
            }

            /// When the last was said of the subject, if it is over: what retention counts from. Not the finish alone:
            /// the word on it comes later, and must not bring back what was purged.
            #[must_use]
            pub fn ended(&self) -> Option<Time> {
                match self {
                    $(Self::$kind(record) => record.ended(),)+
                }
            }

            /// What other tools can read of it in a table, beside the stored form.
            #[must_use]
            pub fn columns(&self) -> Columns {
                match self {
                    $(Self::$kind(record) => record.columns(),)+
                }
            }

            /// Reads what [`Record::encode`] gave.
            ///
            /// # Errors
            /// When a newer program wrote it, or it is damaged.
            pub fn decode(key: &Key, text: &str) -> Result<Self, DecodeRecordError> {
                let Versioned { v } = serde_json::from_str(text).map_err(DecodeRecordError::Damaged)?;
                let known = match key {
                    $(Key::$kind(_) => $record::VERSION,)+
                };
                if v > known {
                    return Err(DecodeRecordError::Newer { found: v, known });
                }
                let record = match key {
                    $(Key::$kind(key) => $record::decode(key, text).map(Self::$kind),)+
                };
                record.map_err(DecodeRecordError::Damaged)
            }
        }

        /// Without its key, which is stored beside it.
        impl Serialize for Record {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$kind(record) => record.serialize(serializer),)+
                }
            }
        }

        impl Join for Record {
            fn join(&mut self, other: Self) -> Change {
                debug_assert_eq!(self.key(), other.key(), "records of different subjects");
                match (self, other) {
                    $((Self::$kind(this), Self::$kind(other)) => this.join(other),)+
                    (_, _) => Change::Unchanged,
                }
            }
        }
    };
}

kinds! {
    /// The commits of a run.
    Changes(ChangesFact, ChangesRecord),
    /// What clusters say of a commit.
    Cluster(ClusterFact, ClusterRecord),
    Deployment(DeploymentFact, DeploymentRecord),
    Gap(GapFact, GapRecord),
    Incident(IncidentFact, IncidentRecord),
    PullRequest(PullRequestFact, PullRequestRecord),
    Push(PushFact, PushRecord),
    Release(ReleaseFact, ReleaseRecord),
    /// What somebody told of.
    Report(ReportFact, ReportRecord),
    Run(RunFact, RunRecord),
    WorkItem(WorkItemFact, WorkItemRecord),
}

impl Fact {
    /// The form in which it is stored, beside the key of its record.
    #[must_use]
    pub fn encode(&self) -> EncodedFact {
        EncodedFact::new(self.said(), json(self))
    }

    /// The people whom it tells apart by an id: the id, and what they are called.
    pub fn identities(&self) -> impl Iterator<Item = (&str, &str)> {
        let votes = if let Self::PullRequest(fact) = self { fact.votes.as_slice() } else { &[] };
        votes.iter().filter_map(|said| Some((said.id.as_str(), said.vote.name.as_deref()?)))
    }

    /// What it says, if it is about a run.
    #[must_use]
    pub fn of_run(&self) -> Option<&RunFact> {
        if let Self::Run(fact) = self { Some(fact) } else { None }
    }
}

/// A fact as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EncodedFact {
    pub said: Time,
    /// Names it beside `said`: the first 16 bytes of the SHA-256 of the text. Not the event's id, which
    /// test events share.
    pub name: [u8; 16],
    /// JSON.
    pub text: String,
}

impl EncodedFact {
    /// A fact that was said then, as JSON.
    #[must_use]
    pub fn new(said: Time, text: String) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        let mut name = [0; 16];
        name.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self { said, name, text }
    }
}

impl Record {
    /// The stored form: JSON.
    #[must_use]
    pub fn encode(&self) -> String {
        json(self)
    }

    /// Whether nothing more is to be asked about why it failed: it did not, or the record tells.
    #[must_use]
    pub fn is_explained(&self) -> bool {
        if let Self::Run(record) = self { record.is_explained() } else { true }
    }
}

/// A stored record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeRecordError {
    #[error("the record is of version {found}, this program knows {known}: update it")]
    Newer { found: u32, known: u32 },
    #[error("the stored record is damaged")]
    Damaged(#[source] serde_json::Error),
}

#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

/// JSON of types that always have one: maps with text keys, numbers that are integers.
#[expect(clippy::expect_used, reason = "serializing these types into memory cannot fail")]
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("facts and records are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::{StageSaid, Statement};
    use crate::domain::{ApprovalStatus, FactKind, Label, RunKey, State};

    fn fact() -> Fact {
        let key = RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run: 479 };
        let said = Time::from_ticks(1_000);
        let mut fact = RunFact::new(key, FactKind::RunStateChanged, said);
        fact.labels.push((Label::Branch, "refs/heads/main".to_owned()));
        fact.run = Some((State::InProgress, Statement { queued: Some(said), ..Statement::at(said) }));
        for attempt in [None, Some(1)] {
            let name = "build".to_owned();
            fact.stages.push(StageSaid { name, attempt, state: State::Running, says: Statement::at(said) });
        }
        Fact::Run(fact)
    }

    fn edited(edit: impl FnOnce(&mut serde_json::Value)) -> String {
        let mut value = serde_json::from_str(&Record::of(&fact()).encode()).unwrap();
        edit(&mut value);
        value.to_string()
    }

    #[test]
    fn facts_and_records_come_back_equal() {
        let (fact, record) = (fact(), Record::of(&fact()));
        assert_eq!(Fact::decode(&fact.key(), &fact.encode().text).unwrap(), fact);
        assert_eq!(Record::decode(&fact.key(), &record.encode()).unwrap(), record);
    }

    #[test]
    fn what_a_later_version_added_is_preserved() {
        let text = edited(|record| {
            record["tests"] = serde_json::json!({"passed": 3});
            record["labels"].as_array_mut().unwrap().push(serde_json::json!([5, {"mood": "sunny"}]));
            let oracle = serde_json::json!([["oracle", "dreaming"], [7, null, null, null, null]]);
            record["run"].as_array_mut().unwrap().push(oracle);
            record["approvals"] = serde_json::json!({"a": {"deferred": {"said": 7}}});
        });
        let key = fact().key();
        let mut record = Record::decode(&key, &text).unwrap();
        assert_eq!(record.join(Record::of(&fact())), Change::Unchanged);
        assert_eq!(record, Record::decode(&key, &record.encode()).unwrap());
        for kept in ["\"passed\":3", "[5,{\"mood\":\"sunny\"}]", "[[\"oracle\",\"dreaming\"],[7,"] {
            assert!(record.encode().contains(kept), "{kept}");
        }
        let mut other = Record::of(&fact());
        assert_eq!(other.join(record.clone()), Change::Changed);
        assert_eq!(other, record);
        let Record::Run(run) = record else { panic!("another kind") };
        assert_eq!(run.shown().approvals[0].status, ApprovalStatus::from("deferred"));
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let text = edited(|record| {
            record["v"] = 2.into();
            record["run"] = "of another form".into();
        });
        let error = Record::decode(&fact().key(), &text).unwrap_err();
        assert_eq!(error.to_string(), "the record is of version 2, this program knows 1: update it");
    }

    #[test]
    fn an_older_version_becomes_this_one_when_something_is_added() {
        let key = fact().key();
        let old = Record::decode(&key, &edited(|record| record["v"] = 0.into())).unwrap();
        let (mut one, mut other) = (old.clone(), Record::of(&fact()));
        assert_eq!(one.join(other.clone()), Change::Changed);
        assert_eq!(other.join(old), Change::Unchanged);
        assert_eq!(one, other);
    }

    #[test]
    fn a_damaged_record_is_an_error() {
        for text in ["", "{}", "[]", "{\"v\":1,\"run\":7}"] {
            assert!(matches!(Record::decode(&fact().key(), text), Err(DecodeRecordError::Damaged(_))), "{text}");
        }
    }
}
