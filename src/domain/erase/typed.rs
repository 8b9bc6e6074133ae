//! Which texts of a stored form are data, and which are the program's own.
//!
//! JSON does not tell a stage that is called `jobs` from the field `jobs`, nor a title `completed` from the state. The
//! types do: what they write as a field's name or as a variant is ours and stays, what they write as text is searched.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use serde::Serialize;
use serde::ser::{
    Error as _, Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple, SerializeTupleStruct,
    Serializer,
};
use serde_json::{Error, Map, Value};

use super::Erasure;

/// Each label is a place of its own.
const LABELS: &str = "labels";
/// Where only a newer program knows what it is.
const UNKNOWN: &str = "other";

/// The name of a type whose text begins with a word of ours: `{word}:{text}`.
pub(in crate::domain) const WORD_AND_TEXT: &str = "WordAndText";

/// A stored form without the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Without {
    /// JSON.
    pub text: String,
    /// The fields and labels in which the person stood.
    pub places: BTreeSet<&'static str>,
}

impl Erasure {
    /// A fact without the person; `None` where it names nobody. `stored` is its text as it is stored, which may say more
    /// than this program understands: that is searched, too, and stays.
    #[must_use]
    pub fn fact(&self, fact: &impl Serialize, stored: &str) -> Option<Without> {
        let (erased, mut places) = self.typed(fact).ok()?;
        let plain = serde_json::to_value(fact).ok()?;
        let mut stored: Value = serde_json::from_str(stored).ok()?;
        if !self.overlay(&mut stored, &plain, &erased) {
            return None;
        }
        if places.is_empty() {
            places.insert(UNKNOWN);
        }
        Some(Without { text: stored.to_string(), places })
    }

    /// A record without the person; `None` where it names nobody.
    #[must_use]
    pub fn record(&self, record: &impl Serialize) -> Option<Without> {
        let (erased, places) = self.typed(record).ok()?;
        (!places.is_empty()).then(|| Without { text: erased.to_string(), places })
    }

    fn typed(&self, value: &impl Serialize) -> Result<(Value, BTreeSet<&'static str>), Error> {
        let (found, word) = (RefCell::default(), Cell::default());
        let typed = Typed { erasure: self, found: &found, word: &word, place: None, after_a_word: false };
        let erased = value.serialize(typed)?;
        Ok((erased, found.into_inner()))
    }

    /// Puts what was erased in the place of what the types understand, and searches the rest. Whether something changed.
    fn overlay(&self, stored: &mut Value, plain: &Value, erased: &Value) -> bool {
        if stored == plain {
            stored.clone_from(erased);
            return plain != erased;
        }
        match (stored, plain, erased) {
            (Value::Object(stored), Value::Object(plain), Value::Object(erased)) => {
                stored.iter_mut().fold(false, |found, (name, value)| match (plain.get(name), erased.get(name)) {
                    (Some(plain), Some(erased)) => self.overlay(value, plain, erased) | found,
                    (_, _) => self.value(value) | found,
                })
            }
            (Value::Array(stored), Value::Array(plain), Value::Array(erased)) if stored.len() == plain.len() => {
                let all = stored.iter_mut().zip(plain.iter().zip(erased));
                all.fold(false, |found, (value, (plain, erased))| self.overlay(value, plain, erased) | found)
            }
            (stored, _, _) => self.value(stored),
        }
    }
}

#[derive(Clone, Copy)]
struct Typed<'e> {
    erasure: &'e Erasure,
    found: &'e RefCell<BTreeSet<&'static str>>,
    /// The variant that was written last.
    word: &'e Cell<Option<&'static str>>,
    /// The outermost field, or the label; `None` at the top.
    place: Option<&'static str>,
    after_a_word: bool,
}

impl Typed<'_> {
    fn text(self, text: &str) -> String {
        match self.erasure.text(text) {
            Some(without) => {
                self.found.borrow_mut().insert(self.place.unwrap_or(UNKNOWN));
                without
            }
            None => text.to_owned(),
        }
    }

    fn inside(self, place: &'static str) -> Self {
        Self { place: self.place.or(Some(place)), ..self }
    }

    /// With what was written, the variant that it was.
    fn item<T: Serialize + ?Sized>(self, item: &T) -> Result<(Value, Option<&'static str>), Error> {
        self.word.set(None);
        Ok((item.serialize(self)?, self.word.take()))
    }
}

fn no_such_form<T>() -> Result<T, Error> {
    Err(Error::custom("nothing that is stored has such a form"))
}

impl<'e> Serializer for Typed<'e> {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Items<'e>;
    type SerializeTuple = Items<'e>;
    type SerializeTupleStruct = Items<'e>;
    type SerializeTupleVariant = Impossible<Value, Error>;
    type SerializeMap = Fields<'e>;
    type SerializeStruct = Fields<'e>;
    type SerializeStructVariant = Impossible<Value, Error>;

    fn serialize_bool(self, value: bool) -> Result<Value, Error> {
        Ok(value.into())
    }

    fn serialize_i8(self, value: i8) -> Result<Value, Error> {
        Ok(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<Value, Error> {
        Ok(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<Value, Error> {
        Ok(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<Value, Error> {
        Ok(value.into())
    }

    fn serialize_u8(self, value: u8) -> Result<Value, Error> {
        Ok(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<Value, Error> {
        Ok(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<Value, Error> {
        Ok(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<Value, Error> {
        Ok(value.into())
    }

    fn serialize_f32(self, value: f32) -> Result<Value, Error> {
        Ok(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<Value, Error> {
        Ok(value.into())
    }

    fn serialize_char(self, value: char) -> Result<Value, Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<Value, Error> {
        Ok(Value::String(match value.split_once(':').filter(|_| self.after_a_word) {
            Some((word, text)) => format!("{word}:{}", self.text(text)),
            None => self.text(value),
        }))
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Value, Error> {
        no_such_form()
    }

    fn serialize_none(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Error> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, Error> {
        self.word.set(Some(variant));
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<Value, Error> {
        value.serialize(Self { after_a_word: name == WORD_AND_TEXT, ..self })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Value, Error> {
        no_such_form()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'e>, Error> {
        Ok(Items { typed: self, items: Vec::new() })
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'e>, Error> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'e>, Error> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        no_such_form()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Fields<'e>, Error> {
        Ok(Fields { typed: self, fields: Map::new(), next: None })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'e>, Error> {
        self.serialize_map(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        no_such_form()
    }
}

/// A list, or a few values of which the first may be a label.
struct Items<'e> {
    typed: Typed<'e>,
    items: Vec<Value>,
}

impl SerializeSeq for Items<'_> {
    type Ok = Value;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let (item, word) = self.typed.item(value)?;
        if self.typed.place == Some(LABELS) {
            self.typed.place = word.or(self.typed.place);
        }
        self.items.push(item);
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        self.typed.word.set(None);
        Ok(Value::Array(self.items))
    }
}

impl SerializeTuple for Items<'_> {
    type Ok = Value;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Value, Error> {
        SerializeSeq::end(self)
    }
}

impl SerializeTupleStruct for Items<'_> {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Value, Error> {
        SerializeSeq::end(self)
    }
}

struct Fields<'e> {
    typed: Typed<'e>,
    fields: Map<String, Value>,
    /// The key of the value that comes next, and the label that it is.
    next: Option<(String, Option<&'static str>)>,
}

impl SerializeMap for Fields<'_> {
    type Ok = Value;
    type Error = Error;

    /// At the top stand the names of a record's parts: also those that only a newer program knows are no data.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let (key, word) = match self.typed.place {
            None => (serde_json::to_value(key)?, None),
            Some(_) => self.typed.item(key)?,
        };
        let key = match key {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return no_such_form(),
        };
        self.next = Some((key, word));
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let Some((key, word)) = self.next.take() else { return no_such_form() };
        let place = match self.typed.place {
            Some(LABELS) => word.or(Some(LABELS)),
            // Records, whose parts are not the fields of a type, are searched beside their facts.
            None => Some(if key == LABELS { LABELS } else { UNKNOWN }),
            place @ Some(_) => place,
        };
        let value = value.serialize(Typed { place, ..self.typed })?;
        self.fields.insert(key, value);
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        self.typed.word.set(None);
        Ok(Value::Object(self.fields))
    }
}

impl SerializeStruct for Fields<'_> {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        let value = value.serialize(self.typed.inside(name))?;
        self.fields.insert(name.to_owned(), value);
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        SerializeMap::end(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::link::Node;
    use crate::domain::push::{PushFact, RefUpdate};
    use crate::domain::run::{ApprovalSaid, ApprovalStatement, Consumed, JobSaid, RunFact, StageSaid, Statement};
    use crate::domain::work_item::{Relation, WorkItemFact};
    use crate::domain::{
        ApprovalStatus, Commit, Fact, FactKind, Label, Outcome, PushKey, Record, RunKey, State, Time, WorkItemKey,
    };

    /// Names that are words of ours, too.
    const OURS: [&str; 11] =
        ["Said", "Jobs", "Stage", "Branch", "Title", "Completed", "Succeeded", "Kind", "Name", "Commit", "Pending"];

    fn run(text: &str) -> Fact {
        let key = RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run: 479 };
        let said = Time::from_ticks(1_000);
        let statement = || Statement { result: Some(Outcome::Succeeded), ..Statement::at(said) };
        let (name, id) = (text.to_owned(), text.to_owned());
        let mut fact = RunFact::new(key, FactKind::RunStateChanged, said);
        fact.labels = vec![(Label::Branch, text.to_owned()), (Label::RequestedFor, text.to_owned())];
        fact.run = Some((State::Completed, statement()));
        fact.stages = vec![StageSaid { name, attempt: Some(1), state: State::Completed, says: statement() }];
        let (stage, name) = (text.to_owned(), text.to_owned());
        let state = State::Completed;
        fact.jobs = vec![JobSaid { stage, stage_attempt: None, name, attempt: Some(1), state, says: statement() }];
        let says = ApprovalStatement {
            said,
            phase: None,
            stage: Some(text.to_owned()),
            attempt: None,
            requested: None,
            changed: None,
            approvers: vec![text.to_owned()],
        };
        fact.approvals = vec![ApprovalSaid { id, status: ApprovalStatus::Pending, says }];
        fact.consumed = vec![Consumed { alias: text.to_owned(), id: None, pipeline: None, version: None }];
        Fact::Run(fact)
    }

    fn push(text: &str) -> Fact {
        let mut fact = PushFact::new(PushKey::new("fabrikam", "9a0d", 314), Time::from_ticks(1_000));
        fact.refs = vec![RefUpdate { name: text.to_owned(), old: None, new: None }];
        fact.commits = vec![("b71f".to_owned(), Commit::new(None, Some(text), Some(text)))];
        Fact::Push(fact)
    }

    fn item(text: &str) -> Fact {
        let key = WorkItemKey { organization: "fabrikam".to_owned(), id: 5 };
        let mut fact = WorkItemFact::new(key, Time::from_ticks(1_000), 1);
        fact.labels = vec![(Label::Title, text.to_owned()), (Label::AssignedTo, text.to_owned())];
        fact.relations = vec![Relation { to: Node::environment("web", text), is_there: true }];
        Fact::WorkItem(fact)
    }

    #[test]
    fn only_data_is_replaced_whatever_the_person_is_called() {
        for called in OURS.into_iter().chain(["Ana Lindqvist"]) {
            let erasure = Erasure::new([called]).unwrap();
            for text in [called.to_owned(), called.to_lowercase()] {
                for make in [run, push, item] {
                    let (fact, expected) = (make(&text), make("[forgotten]"));
                    let without = erasure.fact(&fact, &fact.encode().text).unwrap();
                    assert_eq!(Fact::decode(&fact.key(), &without.text).unwrap(), expected, "{called}");
                    let (record, expected) = (Record::of(&fact), Record::of(&expected));
                    let without = erasure.record(&record).unwrap();
                    assert_eq!(Record::decode(&record.key(), &without.text).unwrap(), expected, "{called}");
                }
            }
            for fact in [run("Jon"), push("Jon"), item("Jon")] {
                assert_eq!(erasure.fact(&fact, &fact.encode().text), None, "{called}");
                assert_eq!(erasure.record(&Record::of(&fact)), None, "{called}");
            }
        }
    }

    #[test]
    fn it_is_told_where_the_person_stood() {
        let erasure = Erasure::new(["Ana"]).unwrap();
        let places =
            |fact: Fact| erasure.fact(&fact, &fact.encode().text).unwrap().places.into_iter().collect::<Vec<_>>();
        assert_eq!(places(run("Ana")), ["approvals", "branch", "consumed", "jobs", "requestedFor", "stages"]);
        assert_eq!(places(push("Ana")), ["commits", "refs"]);
        assert_eq!(places(item("Ana")), ["assignedTo", "relations", "title"]);
    }

    #[test]
    fn what_only_a_newer_program_understands_is_searched_and_kept() {
        let erasure = Erasure::new(["Ana", "mood"]).unwrap();
        let mut stored: Value = serde_json::from_str(&run("Jon").encode().text).unwrap();
        stored["mood"] = serde_json::json!({"of": "Ana", "Ana": 1});
        stored["stages"][0]["pool"] = "Ana's".into();
        let without: Value =
            serde_json::from_str(&erasure.fact(&run("Jon"), &stored.to_string()).unwrap().text).unwrap();
        let expected = serde_json::json!({"of": "[forgotten]", "[forgotten]": 1});
        assert_eq!((&without["mood"], &without["stages"][0]["pool"]), (&expected, &"[forgotten]'s".into()));
        assert_eq!(without["labels"], stored["labels"]);
        let mut stored: Value = serde_json::from_str(&Record::of(&run("Jon")).encode()).unwrap();
        stored["mood"] = "of Ana".into();
        let record = Record::decode(&run("Jon").key(), &stored.to_string()).unwrap();
        stored["mood"] = "of [forgotten]".into();
        assert_eq!(serde_json::from_str::<Value>(&erasure.record(&record).unwrap().text).unwrap(), stored);
    }
}
