//! The contract of [`Queue`]. Each check gets an empty queue.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use pipetrail::queue::{After, Dead, DeadLetterFilter, Delivery, Outcome, Queue, Reason, Settlement};

use super::Pass;

/// For what is to stay leased to the end of a check, however slow the machine is.
const LONG: Duration = Duration::from_secs(600);

/// Runs `$check(queue, pass)` as a test of its own for each check, on what `$make` opens.
macro_rules! queue_contract {
    ($make:path) => {
        $crate::contract::queue::queue_contract!($make:
            delivers_every_body_byte_for_byte,
            hides_what_is_leased_until_the_lease_runs_out,
            forgets_what_is_done,
            shows_again_what_is_given_back,
            hands_back_what_is_dropped,
            takes_a_stale_lease_for_no_error,
            leases_to_one_receiver_at_a_time,
            counts_trials_until_an_outcome,
            sets_aside_byte_for_byte,
            sets_aside_once,
            requeues_with_no_tries,
            discards_for_good,
            filters_and_pages_dead_letters,
            knows_how_it_is,
        );
    };
    ($make:path: $($check:ident,)+) => {$(
        #[tokio::test]
        async fn $check() {
            let (_guard, queue, pass) = $make().await;
            $crate::contract::queue::$check(queue.as_ref(), pass.as_ref()).await;
        }
    )+};
}
pub(crate) use queue_contract;

fn texts(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("{{\"number\":{number}}}").into_bytes()).collect()
}

/// Receives until nothing is visible.
async fn take_all(queue: &dyn Queue, lease: Duration) -> Vec<Delivery> {
    let mut all = Vec::new();
    loop {
        let some = queue.receive(lease).await.unwrap();
        if some.is_empty() {
            return all;
        }
        assert!(some.len() <= queue.batch());
        all.extend(some);
    }
}

async fn take_one(queue: &dyn Queue, lease: Duration) -> Delivery {
    let mut all = take_all(queue, lease).await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

async fn settle(queue: &dyn Queue, delivery: Delivery, outcome: Outcome) {
    queue.settle(vec![Settlement { delivery, outcome }]).await.unwrap();
}

fn dead(code: &str) -> Outcome {
    Outcome::Dead { reason: Reason::new(code, "it is no good"), tries: 2 }
}

pub(crate) async fn delivers_every_body_byte_for_byte(queue: &dyn Queue, _: &dyn Pass) {
    let mut bodies = texts(100);
    bodies.push("{\"text\":\"ä & < > \\\" ' ]]> 🚀\"}".as_bytes().to_vec());
    bodies.push(format!("{{\"text\":\"{}\"}}", "x".repeat(40_000)).into_bytes());
    queue.put(bodies.clone()).await.unwrap();
    let found: BTreeSet<_> = take_all(queue, LONG).await.into_iter().map(|delivery| delivery.body).collect();
    assert_eq!(found, bodies.into_iter().map(Bytes::from).collect());
}

pub(crate) async fn hides_what_is_leased_until_the_lease_runs_out(queue: &dyn Queue, pass: &dyn Pass) {
    queue.put(texts(1)).await.unwrap();
    let first = take_one(queue, pass.lease()).await;
    assert_eq!(first.receives, 1);
    pass.pass(pass.lease() / 2).await;
    assert!(take_all(queue, LONG).await.is_empty());
    let depth = queue.depth().await.unwrap();
    assert_eq!((depth.visible, depth.leased), (0, 1));
    pass.pass(pass.lease()).await;
    let second = take_one(queue, LONG).await;
    assert_eq!((second.id, second.receives, second.body), (first.id, 2, first.body));
}

pub(crate) async fn forgets_what_is_done(queue: &dyn Queue, pass: &dyn Pass) {
    queue.put(texts(3)).await.unwrap();
    let all = take_all(queue, pass.lease()).await;
    let done = all.into_iter().map(|delivery| Settlement { delivery, outcome: Outcome::Done }).collect();
    queue.settle(done).await.unwrap();
    assert!(queue.depth().await.unwrap().is_empty());
    pass.pass(pass.lease() * 3 / 2).await;
    assert!(take_all(queue, LONG).await.is_empty());
}

pub(crate) async fn shows_again_what_is_given_back(queue: &dyn Queue, pass: &dyn Pass) {
    queue.put(texts(1)).await.unwrap();
    let delivery = take_one(queue, LONG).await;
    settle(queue, delivery, Outcome::Back { after: Duration::ZERO }).await;
    let again = take_one(queue, LONG).await;
    settle(queue, again, Outcome::Back { after: pass.lease() }).await;
    assert!(take_all(queue, LONG).await.is_empty());
    pass.pass(pass.lease() * 3 / 2).await;
    assert_eq!(take_one(queue, LONG).await.receives, 3);
}

pub(crate) async fn hands_back_what_is_dropped(queue: &dyn Queue, pass: &dyn Pass) {
    queue.put(texts(2)).await.unwrap();
    drop(take_all(queue, pass.lease()).await);
    pass.pass(pass.lease() * 3 / 2).await;
    assert_eq!(take_all(queue, LONG).await.len(), 2);
}

pub(crate) async fn takes_a_stale_lease_for_no_error(queue: &dyn Queue, pass: &dyn Pass) {
    queue.put(texts(1)).await.unwrap();
    let stale = take_one(queue, pass.lease()).await;
    pass.pass(pass.lease() * 3 / 2).await;
    let held = take_one(queue, LONG).await;
    settle(queue, stale, Outcome::Done).await;
    assert_eq!(queue.depth().await.unwrap().leased, 1, "who holds the lease decides");
    settle(queue, held, Outcome::Done).await;
    assert!(queue.depth().await.unwrap().is_empty());
}

pub(crate) async fn leases_to_one_receiver_at_a_time(queue: &dyn Queue, _: &dyn Pass) {
    queue.put(texts(200)).await.unwrap();
    let (a, b, c) = tokio::join!(take_all(queue, LONG), take_all(queue, LONG), take_all(queue, LONG));
    let ids: Vec<_> = [a, b, c].into_iter().flatten().map(|delivery| delivery.id).collect();
    assert_eq!(ids.len(), 200);
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>().len(), 200);
}

pub(crate) async fn counts_trials_until_an_outcome(queue: &dyn Queue, pass: &dyn Pass) {
    queue.put(texts(1)).await.unwrap();
    let delivery = take_one(queue, pass.lease()).await;
    assert_eq!(queue.trials(&delivery).await.unwrap(), 0);
    assert_eq!(queue.begin_trial(&delivery).await.unwrap(), 1);
    pass.pass(pass.lease() * 3 / 2).await;
    let again = take_one(queue, LONG).await;
    assert_eq!(queue.begin_trial(&again).await.unwrap(), 2);
    queue.end_trial(&again).await.unwrap();
    assert_eq!(queue.trials(&again).await.unwrap(), 1);
    queue.end_trial(&again).await.unwrap();
    queue.end_trial(&again).await.unwrap();
    assert_eq!(queue.trials(&again).await.unwrap(), 0, "never below none");
}

pub(crate) async fn sets_aside_byte_for_byte(queue: &dyn Queue, pass: &dyn Pass) {
    let body = b" {\"broken\": \r\n ".to_vec();
    queue.put(vec![body.clone()]).await.unwrap();
    let delivery = take_one(queue, pass.lease()).await;
    let inserted = delivery.inserted;
    let body = delivery.body.clone();
    let reason = Reason { path: Some("resource.run.id".to_owned()), ..Reason::new("no_run_id", "no id of the run") };
    settle(queue, delivery, Outcome::Dead { reason: reason.clone(), tries: 4 }).await;
    pass.pass(pass.lease() * 3 / 2).await;
    assert!(take_all(queue, LONG).await.is_empty());
    assert!(queue.depth().await.unwrap().is_empty());
    let letters = queue.dead_letters(&DeadLetterFilter::default(), None, 10).await.unwrap();
    let [letter] = letters.as_slice() else { panic!("one dead letter: {letters:?}") };
    assert_eq!((&letter.reason, letter.tries, letter.body.as_slice()), (&reason, 4, &*body));
    assert_eq!(letter.first_seen, inserted);
    assert!(letter.dead >= inserted);
}

pub(crate) async fn sets_aside_once(queue: &dyn Queue, pass: &dyn Pass) {
    queue.put(texts(1)).await.unwrap();
    let stale = take_one(queue, pass.lease()).await;
    pass.pass(pass.lease() * 3 / 2).await;
    let held = take_one(queue, LONG).await;
    settle(queue, stale, dead("stale")).await;
    settle(queue, held, dead("held")).await;
    let letters = queue.dead_letters(&DeadLetterFilter::default(), None, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert!(queue.depth().await.unwrap().is_empty());
}

pub(crate) async fn requeues_with_no_tries(queue: &dyn Queue, _: &dyn Pass) {
    queue.put(texts(1)).await.unwrap();
    let delivery = take_one(queue, LONG).await;
    let body = delivery.body.clone();
    assert_eq!(queue.begin_trial(&delivery).await.unwrap(), 1);
    settle(queue, delivery, dead("bad")).await;
    let letters = queue.dead_letters(&DeadLetterFilter::default(), None, 10).await.unwrap();
    let ids = vec![letters[0].id.clone(), "0".to_owned(), "no such id".to_owned()];
    assert_eq!(queue.requeue(&ids).await.unwrap(), 1);
    assert_eq!(queue.requeue(&ids).await.unwrap(), 0);
    let again = take_one(queue, LONG).await;
    assert_eq!((&again.body, again.receives), (&body, 1));
    assert_eq!(queue.trials(&again).await.unwrap(), 0);
    assert!(queue.dead_letters(&DeadLetterFilter::default(), None, 10).await.unwrap().is_empty());
}

pub(crate) async fn discards_for_good(queue: &dyn Queue, _: &dyn Pass) {
    queue.put(texts(2)).await.unwrap();
    for delivery in take_all(queue, LONG).await {
        settle(queue, delivery, dead("bad")).await;
    }
    let letters = queue.dead_letters(&DeadLetterFilter::default(), None, 10).await.unwrap();
    assert_eq!(queue.discard(&[letters[0].id.clone()]).await.unwrap(), 1);
    let rest = queue.dead_letters(&DeadLetterFilter::default(), None, 10).await.unwrap();
    assert_eq!(rest, letters[1..]);
}

pub(crate) async fn filters_and_pages_dead_letters(queue: &dyn Queue, pass: &dyn Pass) {
    for code in ["odd", "even", "odd", "even", "odd"] {
        queue.put(texts(1)).await.unwrap();
        settle(queue, take_one(queue, LONG).await, dead(code)).await;
        pass.pass(Duration::from_secs(1)).await;
    }
    let filter = |filter: DeadLetterFilter| async move { queue.dead_letters(&filter, None, 10).await.unwrap() };
    let all = filter(DeadLetterFilter::default()).await;
    assert!(all.is_sorted_by(|a, b| a.dead >= b.dead), "the latest first");
    assert_eq!(filter(DeadLetterFilter { code: Some("odd".to_owned()), ..Default::default() }).await.len(), 3);
    let ids = Some(vec![all[1].id.clone(), all[3].id.clone(), "nobody".to_owned()]);
    assert_eq!(filter(DeadLetterFilter { ids, ..Default::default() }).await.len(), 2);
    assert_eq!(filter(DeadLetterFilter { dead_before: Some(all[1].dead), ..Default::default() }).await, all[2..]);
    let mut paged = queue.dead_letters(&DeadLetterFilter::default(), None, 2).await.unwrap();
    while let Some(last) = paged.last().map(After::from) {
        // Where a page ends is known even if that one is gone.
        assert_eq!(queue.discard(std::slice::from_ref(&last.id)).await.unwrap(), 1);
        let page = queue.dead_letters(&DeadLetterFilter::default(), Some(&last), 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all);
}

pub(crate) async fn knows_how_it_is(queue: &dyn Queue, pass: &dyn Pass) {
    let survey = queue.survey().await.unwrap();
    assert!(survey.depth.is_empty());
    assert_eq!((survey.oldest, survey.dead_letters.count()), (None, 0));
    queue.put(texts(3)).await.unwrap();
    for (delivery, code) in take_all(queue, LONG).await.into_iter().zip(["bad", "odd", "bad"]) {
        settle(queue, delivery, dead(code)).await;
    }
    queue.put(texts(1)).await.unwrap();
    pass.pass(Duration::from_secs(1)).await;
    queue.put(texts(1)).await.unwrap();
    let survey = queue.survey().await.unwrap();
    assert_eq!((survey.depth.visible > 0, survey.depth.leased), (true, 0));
    assert_eq!(survey.dead_letters, Dead(BTreeMap::from([("bad".to_owned(), 2), ("odd".to_owned(), 1)])));
    let first = take_all(queue, LONG).await.iter().map(|delivery| delivery.inserted).min();
    assert_eq!(survey.oldest, first);
}
