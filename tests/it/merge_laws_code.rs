//! The merge of what is said of pushes, pull requests, work items and a run's commits is a join, too.

use pipetrail::domain::changes::ChangesFact;
use pipetrail::domain::link::Node;
use pipetrail::domain::pull_request::{CommitRole, PullRequestFact, StatusSaid, Vote, VoteSaid};
use pipetrail::domain::push::{PushFact, RefUpdate};
use pipetrail::domain::work_item::{Relation, WorkItemFact};
use pipetrail::domain::{
    Change, Commit, Fact, Join, Label, PullRequestKey, PullRequestStatus, PushKey, Record, RunKey, Time, WorkItemKey,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Few enough that they collide.
fn time() -> impl Strategy<Value = Time> {
    (100_i64..112).prop_map(Time::from_ticks)
}

fn word() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c"]).prop_map(str::to_owned)
}

fn labels() -> impl Strategy<Value = Vec<(Label, String)>> {
    let label = select(vec![Label::Title, Label::Repository, Label::from("aLaterLabel")]);
    vec((label, word()), 0..3)
}

fn id() -> impl Strategy<Value = String> {
    (0_u8..4).prop_map(|number| format!("{number:040}"))
}

fn commits() -> impl Strategy<Value = Vec<(String, Commit)>> {
    let commit = (option::of(time()), option::of(word()), option::of(select(vec!["x AB#1", "y"])));
    vec((id(), commit.prop_map(|(at, author, message)| Commit::new(at, author.as_deref(), message))), 0..3)
}

fn push() -> impl Strategy<Value = Fact> {
    let refs = vec((word(), option::of(id()), option::of(id())), 0..3);
    let commits = (commits(), any::<bool>());
    (time(), option::of(time()), labels(), refs, commits).prop_map(|(said, pushed, labels, refs, (commits, whole))| {
        let refs = refs.into_iter().map(|(name, old, new)| RefUpdate { name, old, new }).collect();
        let fact = PushFact::new(PushKey::new("fabrikam", "9a0d", 314), said);
        Fact::Push(PushFact { pushed, labels, refs, commits, whole, ..fact })
    })
}

fn changes() -> impl Strategy<Value = Fact> {
    (time(), option::of(470_u64..476), labels(), commits()).prop_map(|(said, since, labels, commits)| {
        let key = RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run: 479 };
        Fact::Changes(ChangesFact { key, said, since, labels, commits })
    })
}

fn pull_request() -> impl Strategy<Value = Fact> {
    let status = select(vec!["active", "abandoned", "completed", "aLaterStatus"]).prop_map(PullRequestStatus::from);
    let status = option::of((status, time(), option::of(time()), option::of(time())));
    let commits = vec((select(vec![CommitRole::Source, CommitRole::Merge, CommitRole::Head]), id()), 0..3);
    let votes = vec((word(), -10_i64..11, option::of(word()), any::<bool>()), 0..3);
    let items = option::of(vec(1_u64..4, 0..2));
    (time(), labels(), status, commits, votes, (option::of(time()), items)).prop_map(
        |(said, labels, status, commits, votes, (approved, work_items))| {
            let vote = |(id, vote, name, is_team)| VoteSaid { id, vote: Vote { vote, name, is_team } };
            let fact = PullRequestFact::new(PullRequestKey::new("fabrikam", "9a0d", 88), said);
            Fact::PullRequest(PullRequestFact {
                labels,
                status: status.map(|(status, said, created, closed)| (status, StatusSaid { said, created, closed })),
                commits,
                votes: votes.into_iter().map(vote).collect(),
                approved,
                work_items,
                ..fact
            })
        },
    )
}

fn work_item() -> impl Strategy<Value = Fact> {
    let to = select(vec![Node::PullRequest(88), Node::Commit("b71f".to_owned()), Node::Run(479)]);
    let relations = (vec((to, any::<bool>()), 0..3), any::<bool>());
    let times = (option::of(time()), option::of(time()));
    (time(), 1_u64..6, times, option::of(word()), labels(), relations).prop_map(
        |(said, revision, (changed, created), state, labels, (relations, has_all_relations))| {
            let relations = relations.into_iter().map(|(to, is_there)| Relation { to, is_there }).collect();
            let key = WorkItemKey { organization: "fabrikam".to_owned(), id: 5 };
            let fact = WorkItemFact::new(key, said, revision);
            Fact::WorkItem(WorkItemFact { changed, created, state, labels, relations, has_all_relations, ..fact })
        },
    )
}

/// Several facts about one thing of any kind.
fn facts(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Fact>> {
    prop_oneof![
        vec(push(), count.clone()),
        vec(changes(), count.clone()),
        vec(pull_request(), count.clone()),
        vec(work_item(), count),
    ]
}

/// More than one record keeps, each part as long as it may be. A fact says as much as one can: it has to fit a row, too.
fn crowd() -> impl Strategy<Value = Vec<Fact>> {
    type Make = fn(Time, u64) -> Fact;
    let several = |make: Make, most: u64, facts: std::ops::Range<usize>| {
        vec((time(), 0..2 * most), facts).prop_map(move |all| {
            // Beside what is drawn enough to reach the limit for certain.
            let whole = (0..most).step_by(100).map(|from| make(Time::from_ticks(105), from));
            all.into_iter().map(|(said, from)| make(said, from)).chain(whole).collect()
        })
    };
    prop_oneof![
        several(crowded_push, 300, 3..7),
        several(crowded_changes, 700, 3..7),
        several(crowded_pull_request, 1_200, 3..7),
        several(crowded_work_item, 700, 3..7),
    ]
}

fn long(number: u64) -> String {
    format!("{number:0>256}")
}

fn crowded_commits(from: u64) -> Vec<(String, Commit)> {
    let items: Vec<String> = (1..=20).map(|item| format!("AB#{}", u64::MAX / 2 - item)).collect();
    let message = format!("{}\n{}", long(from), items.join(" "));
    let commit = Commit::new(Some(Time::from_ticks(i64::MAX)), Some(&long(from)), Some(&message));
    (from..from + 200).map(|number| (format!("{number:064}"), commit.clone())).collect()
}

fn crowded_push(said: Time, from: u64) -> Fact {
    let id = || Some("f".repeat(64));
    let refs = (from..from + 200).map(|number| RefUpdate { name: long(number), old: id(), new: id() }).collect();
    let fact = PushFact::new(PushKey::new("fabrikam", "9a0d", 314), said);
    Fact::Push(PushFact { refs, commits: crowded_commits(from), ..fact })
}

fn crowded_changes(said: Time, from: u64) -> Fact {
    let key = RunKey { organization: "fabrikam".to_owned(), pipeline: 7, run: 479 };
    Fact::Changes(ChangesFact { key, said, since: None, labels: Vec::new(), commits: crowded_commits(from) })
}

fn crowded_pull_request(said: Time, from: u64) -> Fact {
    let roles = [CommitRole::Source, CommitRole::Merge, CommitRole::Head];
    let role = |number: u64| roles[usize::try_from(number % 3).unwrap()];
    let vote = |number| VoteSaid { id: long(number), vote: Vote { vote: -10, name: Some(long(0)), is_team: false } };
    let says = StatusSaid { said, created: Some(said), closed: Some(said) };
    Fact::PullRequest(PullRequestFact {
        status: Some((PullRequestStatus::from(format!("status {from}").as_str()), says)),
        commits: (from..from + 200).map(|number| (role(number), format!("{number:064}"))).collect(),
        votes: (from..from + 200).map(vote).collect(),
        labels: vec![(Label::Title, "x".repeat(1_024)), (Label::Description, "x".repeat(1_024))],
        ..PullRequestFact::new(key_of_a_pull_request(), said)
    })
}

fn crowded_work_item(said: Time, from: u64) -> Fact {
    let to = |number: u64| Node::foreign_pull_request(&long(0), number);
    let key = WorkItemKey { organization: "fabrikam".to_owned(), id: 5 };
    let relations = (from..from + 200).map(|number| Relation { to: to(number), is_there: true }).collect();
    let fact = WorkItemFact::new(key, said, from + 1);
    Fact::WorkItem(WorkItemFact { relations, changed: Some(said), state: Some(long(0)), ..fact })
}

/// What is kept of the parts of which there may be too many.
fn kept(record: &Record) -> Vec<usize> {
    match record {
        Record::Push(push) => vec![push.shown().refs.len(), push.shown().commits.len()],
        Record::Changes(changes) => vec![changes.shown().commits.len()],
        Record::PullRequest(pull_request) => vec![pull_request.shown().votes.len()],
        Record::WorkItem(item) => vec![item.shown().relations.len()],
        Record::Cluster(_)
        | Record::Deployment(_)
        | Record::Gap(_)
        | Record::Incident(_)
        | Record::Release(_)
        | Record::Report(_)
        | Record::Run(_) => Vec::new(),
    }
}

fn most(record: &Record) -> Vec<usize> {
    match record {
        Record::Push(_) => vec![200, 200],
        Record::PullRequest(_) => vec![200],
        Record::Changes(_) | Record::WorkItem(_) => vec![500],
        Record::Cluster(_)
        | Record::Deployment(_)
        | Record::Gap(_)
        | Record::Incident(_)
        | Record::Release(_)
        | Record::Report(_)
        | Record::Run(_) => Vec::new(),
    }
}

/// Every revision in which the state was said is one.
#[test]
fn of_many_revisions_and_statuses_the_greatest_stay_in_any_order() {
    let item = |revision: u64| {
        let key = WorkItemKey { organization: "fabrikam".to_owned(), id: 5 };
        let fact = WorkItemFact::new(key, Time::UNKNOWN, revision);
        Fact::WorkItem(WorkItemFact { state: Some(format!("{revision}")), ..fact })
    };
    let request = |number: u64| {
        let status = PullRequestStatus::from(format!("s{number:03}").as_str());
        said(i64::try_from(number).unwrap(), status, None)
    };
    let commit = |number: u64| {
        let commits = vec![(CommitRole::Source, format!("{number:040}"))];
        Fact::PullRequest(PullRequestFact { commits, ..PullRequestFact::new(key_of_a_pull_request(), Time::UNKNOWN) })
    };
    let of = |make: &dyn Fn(u64) -> Fact, count: u64| (1..=count).map(make).collect::<Vec<_>>();
    let table =
        [(of(&item, 260), "states", 200), (of(&request, 60), "statuses", 20), (of(&commit, 1_100), "commits", 1_000)];
    for (facts, part, expected) in table {
        let (forth, back) = (fold(&facts), fold(facts.iter().rev()));
        assert_eq!(forth, back);
        let (one, two) = facts.split_at(facts.len() / 2);
        let mut halves = fold(two);
        halves.absorb(fold(one));
        assert_eq!(forth, halves);
        let all: serde_json::Value = serde_json::from_str(&forth.encode()).unwrap();
        let counted = all[part].as_array().map(Vec::len).or_else(|| all[part].as_object().map(serde_json::Map::len));
        assert_eq!(counted, Some(expected), "{part}");
    }
}

/// What a row of a table takes of a stored form in binary: 1 MiB, where base64 is counted, and room for columns.
const MOST_STORED: usize = 750_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_finds_no_room_breaks_no_law(
        (facts, shuffled) in crowd().prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
        again in vec(any::<Index>(), 0..4),
        at in any::<Index>(),
    ) {
        let whole = fold(&facts);
        prop_assert_eq!(kept(&whole), most(&whole));
        prop_assert!(whole == fold(shuffled.iter().chain(again.iter().map(|index| index.get(&facts)))));
        let (one, two) = shuffled.split_at(1 + at.index(shuffled.len() - 1));
        let (mut left, right) = (fold(one), fold(two));
        let before = left.clone();
        let change = left.join(right);
        prop_assert_eq!(change == Change::Unchanged, left == before);
        prop_assert!(left == whole);
        prop_assert_eq!(left.join(whole.clone()), Change::Unchanged);
        let stored = whole.encode();
        prop_assert!(stored.len() > 100_000 && stored.len() < MOST_STORED, "{}", stored.len());
        for fact in facts {
            prop_assert!(fact.encode().text.len() < MOST_STORED);
        }
    }
}

fn fold<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Record {
    let joined = facts.into_iter().map(Record::of).reduce(|mut record, part| {
        record.absorb(part);
        record
    });
    joined.expect("there are facts")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_duplication_and_grouping_give_the_same_record(
        (facts, shuffled) in facts(2..12).prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
        again in vec(any::<Index>(), 0..6),
        at in any::<Index>(),
    ) {
        let whole = fold(&facts);
        prop_assert_eq!(&whole, &fold(shuffled.iter().chain(again.iter().map(|index| index.get(&facts)))));
        let (one, two) = shuffled.split_at(1 + at.index(shuffled.len() - 1));
        let (mut left, right) = (fold(one), fold(two));
        left.absorb(right);
        prop_assert_eq!(&whole, &left);
        prop_assert!(whole.is_shown_like(&left));
        prop_assert_eq!((whole.encode(), whole.columns(), whole.ended()), (left.encode(), left.columns(), left.ended()));
    }

    #[test]
    fn unchanged_exactly_when_equal(facts in facts(1..10)) {
        let mut record = fold(&facts[..1]);
        for fact in &facts {
            let before = record.clone();
            let change = record.join(Record::of(fact));
            prop_assert_eq!(change == Change::Unchanged, record == before);
        }
        prop_assert_eq!(record.clone().join(record), Change::Unchanged);
    }

    #[test]
    fn facts_and_records_come_back(facts in facts(1..10)) {
        let record = fold(&facts);
        prop_assert_eq!(&Record::decode(&record.key(), &record.encode()).unwrap(), &record);
        for fact in facts {
            prop_assert_eq!(Fact::decode(&fact.key(), &fact.encode().text).unwrap(), fact);
        }
    }
}

fn key_of_a_pull_request() -> PullRequestKey {
    PullRequestKey::new("fabrikam", "9a0d", 88)
}

fn said(at: i64, status: PullRequestStatus, closed: Option<i64>) -> Fact {
    let at = Time::from_ticks(at);
    let says = StatusSaid { said: at, created: Some(Time::from_ticks(1)), closed: closed.map(Time::from_ticks) };
    let fact = PullRequestFact::new(key_of_a_pull_request(), at);
    Fact::PullRequest(PullRequestFact { status: Some((status, says)), ..fact })
}

#[test]
fn nothing_follows_completed_and_an_abandoned_one_may_come_back() {
    use PullRequestStatus::{Abandoned, Active, Completed};
    let shown = |facts: &[Fact]| {
        let Record::PullRequest(record) = fold(facts) else { panic!("another kind") };
        let shown = record.shown();
        (shown.status.unwrap(), shown.closed.map(Time::ticks), Record::PullRequest(record).ended().map(Time::ticks))
    };
    let late = [said(10, Completed, Some(9)), said(12, Active, None)];
    assert_eq!(shown(&late), (Completed, Some(9), Some(12)), "a payload made later than the event");
    assert_eq!(shown(&[said(10, Abandoned, Some(9)), said(12, Active, None)]), (Active, None, None));
    assert_eq!(shown(&[said(10, Abandoned, Some(9)), said(8, Active, None)]), (Abandoned, Some(9), Some(10)));
}

#[test]
fn of_a_work_item_the_revision_decides_and_not_the_clock() {
    let say = |said: i64, revision, state: &str, there: bool| {
        let key = WorkItemKey { organization: "fabrikam".to_owned(), id: 5 };
        let fact = WorkItemFact::new(key, Time::from_ticks(said), revision);
        let changed = Some(Time::from_ticks(i64::try_from(revision).unwrap() * 10));
        let relations = vec![Relation { to: Node::Run(7), is_there: there }];
        Fact::WorkItem(WorkItemFact { changed, state: Some(state.to_owned()), relations, ..fact })
    };
    let facts =
        [say(50, 2, "Active", true), say(40, 3, "Closed", false), say(99, 1, "New", true), say(1, 4, "Closed", true)];
    let Record::WorkItem(record) = fold(&facts) else { panic!("another kind") };
    let shown = record.shown();
    let states: Vec<_> =
        shown.states.iter().map(|state| (state.state.as_str(), state.since.unwrap().ticks())).collect();
    assert_eq!(states, [("New", 10), ("Active", 20), ("Closed", 30)]);
    assert_eq!((shown.state.as_deref(), shown.relations), (Some("Closed"), vec![Node::Run(7)]));
}

/// The event that told of its removal may be lost.
#[test]
fn a_link_that_a_whole_list_does_not_hold_is_gone() {
    let said = |revision, to: &[Node], has_all_relations| {
        let relations = to.iter().map(|to| Relation { to: to.clone(), is_there: true }).collect();
        let key = WorkItemKey { organization: "fabrikam".to_owned(), id: 5 };
        let fact = WorkItemFact::new(key, Time::UNKNOWN, revision);
        Fact::WorkItem(WorkItemFact { relations, has_all_relations, ..fact })
    };
    let (run, other) = (Node::Run(7), Node::Run(8));
    let table: [(&str, Fact, &[Node]); 5] = [
        ("a later list without it", said(4, std::slice::from_ref(&other), true), &[Node::Run(8)]),
        ("a later list of nothing", said(4, &[], true), &[]),
        ("a later list that holds it", said(4, &[run.clone(), other], true), &[Node::Run(7), Node::Run(8)]),
        ("an earlier list", said(2, &[], true), &[Node::Run(7)]),
        ("a part of a list", said(4, &[], false), &[Node::Run(7)]),
    ];
    let linked = said(3, &[run], false);
    for (name, other, expected) in table {
        for facts in [[&linked, &other], [&other, &linked]] {
            let Record::WorkItem(record) = fold(facts) else { panic!("another kind") };
            assert_eq!(record.shown().relations, expected, "{name}");
        }
    }
}

#[test]
fn what_a_later_version_added_is_preserved() {
    let facts = [
        said(10, PullRequestStatus::Active, None),
        Fact::Push(PushFact::new(PushKey::new("f", "r", 1), Time::UNKNOWN)),
    ];
    for record in facts.iter().map(Record::of) {
        let text = record.encode().replacen('{', "{\"mood\":\"sunny\",", 1);
        let kept = Record::decode(&record.key(), &text).unwrap();
        let mut other = record.clone();
        assert_eq!(other.join(kept.clone()), Change::Changed);
        assert_eq!(other, kept);
        let mut anew = record.clone();
        anew.keep_unknown(&kept);
        assert_eq!(anew, kept);
        let newer = record.encode().replace("\"v\":1", "\"v\":2");
        assert!(Record::decode(&record.key(), &newer).is_err());
    }
}
