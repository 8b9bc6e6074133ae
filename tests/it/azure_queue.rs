//! The queue of Azure Storage behind its contract, and what only it promises. On Azurite.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use pipetrail::azure::{Account, Credential, Services};
use pipetrail::clock::{Clock, ManualClock, SystemClock};
use pipetrail::queue::{
    After, AzureQueue, AzureQueueOptions, DeadLetter, DeadLetterFilter, Delivery, Outcome, Queue, QueueError, Reason,
    Settlement,
};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::azurite::{Azurite, KEY, unique};
use crate::contract::Pass;
use crate::contract::queue::queue_contract;
use crate::proxy::{Fault, Proxy};
use crate::support::{
    Local, assert_same, bodies, dead_letters, disordered, drain, folded, folder, stored, time, worker,
};

/// Azurite's clock cannot be moved.
#[derive(Debug)]
struct Waited;

#[async_trait]
impl Pass for Waited {
    async fn pass(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(2)
    }
}

/// The service under a queue and a table of one test.
struct Place {
    services: Services,
    queue: String,
    table: String,
}

impl Place {
    async fn new() -> Self {
        let services = Services::new(&account(Azurite::start().await, KEY)).unwrap();
        Self { services, queue: unique("events"), table: unique("pipetrail") }
    }

    async fn open(&self, clock: Arc<dyn Clock>, options: AzureQueueOptions) -> AzureQueue {
        let queue = AzureQueue::new(&self.services, &self.queue, &self.table, clock, options);
        queue.create().await.unwrap();
        queue
    }

    async fn queue(&self) -> AzureQueue {
        self.open(Arc::new(SystemClock), OPTIONS).await
    }

    /// Puts the text on the queue as others do.
    async fn put(&self, text: &str) {
        self.services.queue(&self.queue).put_message(text).await.unwrap();
    }

    /// The texts on a queue, as others see them.
    async fn texts(&self, queue: &str) -> Vec<String> {
        let peeked = self.services.queue(queue).peek_messages().number_of_messages(32).await.unwrap();
        peeked.messages.into_iter().map(|message| message.message_text).collect()
    }

    /// The rows of all partitions.
    async fn rows(&self) -> Vec<Value> {
        use futures_util::TryStreamExt as _;
        let pages = self.services.table(&self.table).query().into_stream::<Value>();
        let pages: Vec<_> = pages.try_collect().await.unwrap();
        pages.into_iter().flat_map(|page| page.entities).collect()
    }
}

fn account(azurite: &Azurite, key: &str) -> Account {
    Account { credential: Credential::Key(SecretString::from(key)), ..azurite.account() }
}

async fn queue() -> (Place, Arc<dyn Queue>, Box<dyn Pass>) {
    let place = Place::new().await;
    let queue = place.queue().await;
    (place, Arc::new(queue), Box::new(Waited))
}

mod the_queue {
    super::queue_contract!(super::queue);
}

const OPTIONS: AzureQueueOptions = AzureQueueOptions { poison_copy: false, copy_age: None, make_anew: false };
const LEASE: Duration = Duration::from_secs(600);

async fn take_one(queue: &AzureQueue) -> Delivery {
    take_one_for(queue, LEASE).await
}

async fn take_one_for(queue: &AzureQueue, lease: Duration) -> Delivery {
    let mut all = queue.receive(lease).await.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

async fn settle(queue: &AzureQueue, delivery: Delivery, outcome: Outcome) {
    queue.settle(vec![Settlement { delivery, outcome }]).await.unwrap();
}

fn dead(code: &str) -> Outcome {
    Outcome::Dead { reason: Reason::new(code, "it is no good"), tries: 1 }
}

#[tokio::test]
async fn any_bytes_are_a_body() {
    let place = Place::new().await;
    let queue = place.queue().await;
    for body in [&b""[..], &[0, 255, 254, 10, 32], b" padded\r\n ", b"   ", b"1234", b"eyJhIjoxfQ=="] {
        queue.put(vec![body.to_vec()]).await.unwrap();
        let delivery = take_one(&queue).await;
        assert_eq!(delivery.body, body);
        settle(&queue, delivery, Outcome::Back { after: Duration::ZERO }).await;
        let again = take_one(&queue).await;
        assert_eq!(again.body, body, "given back");
        settle(&queue, again, dead("bad")).await;
        let letters = dead_letters(&queue).await;
        assert_eq!(letters[0].body, body, "set aside");
        assert_eq!(queue.requeue(&[letters[0].id.clone()]).await.unwrap(), 1);
        let again = take_one(&queue).await;
        assert_eq!(again.body, body, "requeued");
        settle(&queue, again, Outcome::Done).await;
    }
    assert_eq!(place.rows().await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_others_put_comes_as_it_is_and_base64_decoded() {
    let place = Place::new().await;
    let queue = place.queue().await;
    let event = "{\"a\":\"ä & < >\"}";
    let gone = "{\"pipetrailBody\":{\"id\":\"0f8fad5b-d9cb-469f-a165-70867728950e\",\"size\":5}}";
    for (text, expected) in [
        (event, event),
        (&STANDARD.encode(event), event),
        ("neither json nor base64", "neither json nor base64"),
        (gone, gone),
    ] {
        place.put(text).await;
        let delivery = take_one(&queue).await;
        assert_eq!(delivery.body, expected);
        settle(&queue, delivery, Outcome::Back { after: Duration::ZERO }).await;
        assert_eq!(place.texts(&place.queue).await, [text], "giving back changes nothing");
        let again = take_one(&queue).await;
        settle(&queue, again, Outcome::Done).await;
    }
}

#[tokio::test]
async fn a_large_event_loses_first_what_nobody_reads() {
    let place = Place::new().await;
    let queue = place.queue().await;
    let mut event = json!({"eventType": "build.complete", "resource": {"id": 7}});
    event["detailedMessage"] = json!({"text": "x".repeat(100_000)});
    let kept = json!({"eventType": "build.complete", "resource": {"id": 7, "_links": {"web": {"href": "y"}}}});
    event["resource"]["_links"] = json!({"web": {"href": "y"}, "badge": {"href": "z".repeat(100_000)}});
    queue.put(vec![event.to_string().into_bytes()]).await.unwrap();
    let delivery = take_one(&queue).await;
    assert_eq!(serde_json::from_slice::<Value>(&delivery.body).unwrap(), kept);
    assert_eq!(place.rows().await, Vec::<Value>::new());
}

/// All examples, with what is said in other words or linked to in large.
fn large_events() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("example-json");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|extension| extension == "json"));
    let events = files.map(|file| std::fs::read_to_string(file).unwrap());
    let events = events.filter(|event| event.trim_start_matches('\u{feff}').starts_with('{'));
    let (words, badge) = (format!("{{\"message\":\"{0}\",", "x".repeat(60_000)), "\"_links\":{\"badge\":\"");
    let large = |event: String| {
        let more_links = event.replace("\"_links\": {", &format!("{badge}{}\",", "x".repeat(60_000)));
        [event.replacen('{', &words, 1), more_links]
    };
    let is_sound = |event: &String| serde_json::from_str::<Value>(event).is_ok();
    events.flat_map(large).filter(|event| event.len() > 48 * 1024 && is_sound(event)).collect()
}

#[tokio::test]
async fn what_is_left_of_a_large_event_means_what_it_meant() {
    let place = Place::new().await;
    let queue = place.queue().await;
    let started = include_str!("../../example-json/started_build.json");
    let without_id = |event: &str| {
        let mut event: Value = serde_json::from_str(event).unwrap();
        let run = event["resource"]["run"].as_object_mut().unwrap();
        run.retain(|name, _| name == "_links");
        event["resource"].as_object_mut().unwrap().retain(|name, _| name == "run");
        event["message"] = "x".repeat(60_000).into();
        event.to_string()
    };
    let mut events = large_events();
    assert!(events.len() > 10);
    events.push(without_id(started));
    let words = "x".repeat(60_000);
    for doubled in ["\"eventType\":\"x\",", "\"resource\":{},", "\"createdDate\":null,"] {
        events.push(started.replacen('{', &format!("{{{doubled}\"message\":\"{words}\","), 1));
    }
    let decode = crate::support::decode();
    let mut facts = 0;
    for event in events {
        queue.put(vec![event.clone().into_bytes()]).await.unwrap();
        let delivery = take_one(&queue).await;
        assert!(delivery.body.len() < event.len());
        let (found, expected) = (decode(&delivery.body), decode(event.as_bytes()));
        facts += usize::from(matches!(expected, Ok(pipetrail::ado::Decoded::Facts(_))));
        assert_eq!(format!("{found:?}"), format!("{expected:?}"));
        settle(&queue, delivery, Outcome::Done).await;
    }
    assert!(facts > 10, "{facts}");
    assert_eq!(place.rows().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_body_that_is_too_large_goes_through_the_table() {
    let place = Place::new().await;
    let queue = place.queue().await;
    let body: Vec<u8> = (0..=255).cycle().take(2 << 20).collect();
    for outcome in [Outcome::Done, dead("bad")] {
        queue.put(vec![body.clone()]).await.unwrap();
        let delivery = take_one(&queue).await;
        assert!(delivery.body == body);
        settle(&queue, delivery, Outcome::Back { after: Duration::ZERO }).await;
        let again = take_one(&queue).await;
        assert!(again.body == body, "given back");
        settle(&queue, again, outcome).await;
    }
    let letters = dead_letters(&queue).await;
    assert!(letters.len() == 1 && letters[0].body == body);
    queue.requeue(&[letters[0].id.clone()]).await.unwrap();
    let again = take_one(&queue).await;
    assert!(again.body == body, "requeued");
    settle(&queue, again, Outcome::Done).await;
    assert_eq!(place.rows().await, Vec::<Value>::new(), "nothing is left behind");
}

#[tokio::test]
async fn a_stale_lease_does_not_remove_the_body_of_a_message_in_hand() {
    let place = Place::new().await;
    let queue = place.queue().await;
    let body = vec![b'x'; 70_000];
    queue.put(vec![body.clone()]).await.unwrap();
    let stale = take_one_for(&queue, Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let held = take_one(&queue).await;
    settle(&queue, stale, Outcome::Done).await;
    settle(&queue, held, Outcome::Back { after: Duration::ZERO }).await;
    assert_eq!(take_one(&queue).await.body, body);
}

#[tokio::test]
async fn a_dead_letter_keeps_its_body_while_an_older_one_is_being_discarded() {
    let place = Place::new().await;
    let proxy = Proxy::start(Azurite::start().await).await;
    let services = Services::new(&proxy.account()).unwrap();
    let queue = place.queue().await;
    let slow = AzureQueue::new(&services, &place.queue, &place.table, Arc::new(SystemClock), OPTIONS);
    let body = vec![b'x'; 70_000];
    queue.put(vec![body.clone()]).await.unwrap();
    let stale = take_one_for(&queue, Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let held = take_one(&queue).await;
    settle(&queue, stale, dead("first")).await;
    let ids = [held.id.clone()];
    let removal = proxy.hold("table DELETE");
    let again = async {
        removal.came().await;
        settle(&queue, held, dead("second")).await;
        removal.release();
    };
    let (discarded, ()) = tokio::join!(slow.discard(&ids), again);
    assert_eq!(discarded.unwrap(), 1);
    let letters = dead_letters(&queue).await;
    assert!(letters.len() == 1 && letters[0].body == body, "{} letters", letters.len());
    assert_eq!(queue.discard(&ids).await.unwrap(), 1);
    assert_eq!(place.rows().await, Vec::<Value>::new(), "nothing is left behind");
}

#[tokio::test]
async fn a_message_whose_body_is_not_available_comes_again_with_it() {
    let place = Place::new().await;
    let queue = place.queue().await;
    let body = vec![b'x'; 70_000];
    queue.put(vec![body.clone(), b"{}".to_vec()]).await.unwrap();
    let no_table = AzureQueue::new(&place.services, &place.queue, &unique("none"), Arc::new(SystemClock), OPTIONS);
    let found = no_table.receive(Duration::from_secs(1)).await.unwrap();
    assert_eq!(found.iter().map(|delivery| &delivery.body).collect::<Vec<_>>(), ["{}"], "the others are not held up");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let found: BTreeSet<_> = queue.receive(LEASE).await.unwrap().into_iter().map(|delivery| delivery.body).collect();
    assert!(found == BTreeSet::from([body.into(), Bytes::from("{}")]));
}

#[tokio::test]
async fn a_dead_letter_whose_message_was_not_deleted_stays_one() {
    let place = Place::new().await;
    let clock = Arc::new(ManualClock::at(time("2026-03-02T09:00:00.1234567Z")));
    let queue = place.open(clock.clone(), OPTIONS).await;
    queue.put(vec![b"{}".to_vec()]).await.unwrap();
    let stale = take_one_for(&queue, Duration::from_secs(1)).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    // Leaves what a crash after the row leaves: the delete is refused.
    let held = take_one_for(&queue, Duration::from_secs(1)).await;
    settle(&queue, stale, dead("first")).await;
    let first = dead_letters(&queue).await;
    assert_eq!(queue.depth().await.unwrap().leased, 1);
    drop(held);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    clock.advance(Duration::from_secs(60));
    let again = take_one(&queue).await;
    settle(&queue, again, dead("second")).await;
    assert_eq!(dead_letters(&queue).await, first, "why and when stay");
    assert_eq!((first[0].reason.code.as_str(), first[0].dead), ("first", time("2026-03-02T09:00:00.1234567Z")));
    assert!(queue.depth().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_poison_queue_gets_one_copy_as_it_came() {
    let place = Place::new().await;
    let queue = place.open(Arc::new(SystemClock), AzureQueueOptions { poison_copy: true, ..OPTIONS }).await;
    place.put("no json").await;
    let delivery = take_one(&queue).await;
    settle(&queue, delivery, dead("bad")).await;
    assert_eq!(place.texts(&format!("{}-poison", place.queue)).await, ["no json"]);
}

#[tokio::test]
async fn a_poison_queue_that_is_gone_holds_up_nothing() {
    let place = Place::new().await;
    let queue = place.open(Arc::new(SystemClock), AzureQueueOptions { poison_copy: true, ..OPTIONS }).await;
    place.services.queue(&format!("{}-poison", place.queue)).delete().await.unwrap();
    place.put("no json").await;
    let delivery = take_one(&queue).await;
    settle(&queue, delivery, dead("bad")).await;
    assert_eq!(dead_letters(&queue).await.len(), 1);
    assert!(queue.depth().await.unwrap().is_empty());
}

#[tokio::test]
async fn other_tools_can_read_the_columns_of_a_dead_letter() {
    let place = Place::new().await;
    let clock = Arc::new(ManualClock::at(time("2026-03-02T09:00:00.1234567Z")));
    let queue = place.open(clock, OPTIONS).await;
    place.put("no json").await;
    let delivery = take_one(&queue).await;
    let id = delivery.id.clone();
    settle(&queue, delivery, dead("not_json")).await;
    let rows = place.rows().await;
    let letter = rows.iter().find(|row| row["PartitionKey"] == format!("dead|{}", place.queue) && row["id"] == id);
    let letter = letter.unwrap();
    let columns = ["id", "code", "sentence", "tries", "size", "deadAt", "deadAt@odata.type"];
    let expected = json!([id, "not_json", "it is no good", 1, 7, "2026-03-02T09:00:00.1234567Z", "Edm.DateTime"]);
    assert_eq!(columns.map(|name| letter[name].clone()).as_slice(), expected.as_array().unwrap());
    let body = (&letter["body"], &letter["body@odata.type"]);
    assert_eq!(body, (&json!(STANDARD.encode("no json")), &json!("Edm.Binary")));
}

/// A page of `dead-letter list`.
const PAGE: usize = 32;

/// Rows as the test above finds them: to set thousands aside one by one takes Azurite long.
async fn many_dead_letters(place: &Place, count: u64) {
    let partition = format!("dead|{}", place.queue);
    let numbers: Vec<u64> = (0..count).collect();
    for some in numbers.chunks(50) {
        let mut rows = place.services.table(&place.table).partition_key_client(&partition).transaction();
        for number in some {
            // Some died at the same time.
            let dead = time("2026-03-02T09:00:00Z").plus(Duration::from_secs(number * 7 % 1_200));
            let (id, died) = (format!("letter-{number:04}"), dead.to_string());
            rows = rows
                .insert(json!({
                    "PartitionKey": partition, "RowKey": format!("i|{id}"),
                    "deadAt": died, "deadAt@odata.type": "Edm.DateTime", "size": 4,
                }))
                .unwrap();
            rows = rows
                .insert(json!({
                    "PartitionKey": partition, "RowKey": format!("t|{:019}|{id}", i64::MAX - dead.ticks()), "id": id,
                    "code": if number % 5 == 0 { "rare" } else { "usual" }, "sentence": "it is no good", "tries": 1,
                    "firstSeenAt": "2026-03-02T08:00:00Z", "firstSeenAt@odata.type": "Edm.DateTime",
                    "deadAt": died, "deadAt@odata.type": "Edm.DateTime", "size": 4,
                    "body": STANDARD.encode(format!("{number:04}")), "body@odata.type": "Edm.Binary",
                }))
                .unwrap();
        }
        rows.await.unwrap();
    }
}

/// All that pass, page by page.
async fn paged(queue: &AzureQueue, filter: &DeadLetterFilter) -> Vec<DeadLetter> {
    let mut paged: Vec<DeadLetter> = Vec::new();
    loop {
        let last = paged.last().map(After::from);
        let page = queue.dead_letters(filter, last.as_ref(), PAGE).await.unwrap();
        if page.is_empty() {
            return paged;
        }
        paged.extend(page);
    }
}

#[tokio::test]
async fn thousands_of_dead_letters_are_paged_at_the_cost_of_their_pages() {
    const COUNT: usize = 2_500;
    let place = Place::new().await;
    let proxy = Proxy::start(Azurite::start().await).await;
    let services = Services::new(&proxy.account()).unwrap();
    let queue = AzureQueue::new(&services, &place.queue, &place.table, Arc::new(SystemClock), OPTIONS);
    queue.create().await.unwrap();
    many_dead_letters(&place, u64::try_from(COUNT).unwrap()).await;
    let started = proxy.requests();
    let requests = || usize::try_from(proxy.requests() - started).unwrap();

    let all = paged(&queue, &DeadLetterFilter::default()).await;
    // Each page asks for its rows, and so does the empty one at the end.
    let mut most = COUNT.div_ceil(PAGE) + 1;
    assert!(requests() <= most, "{} requests for all", requests());
    assert_eq!(all.len(), COUNT);
    assert!(all.is_sorted_by_key(|letter| std::cmp::Reverse(letter.dead)));
    assert!(all.iter().all(|letter| letter.id.as_bytes().ends_with(&letter.body)));

    let rare = DeadLetterFilter { code: Some("rare".to_owned()), ..DeadLetterFilter::default() };
    let rare = paged(&queue, &rare).await;
    // A page of an answer ends after a thousand rows that were looked at, too.
    most += (COUNT / 5).div_ceil(PAGE) + 1 + COUNT / 1_000 + 1;
    assert!(requests() <= most, "{} requests with those for a reason", requests());
    assert_eq!((rare.len(), rare.iter().all(|letter| letter.reason.code == "rare")), (COUNT / 5, true));
    let before = DeadLetterFilter { dead_before: Some(all[1_000].dead), ..DeadLetterFilter::default() };
    assert_eq!(
        paged(&queue, &before).await,
        all.iter().filter(|l| l.dead < all[1_000].dead).cloned().collect::<Vec<_>>()
    );

    let started = proxy.requests();
    let ids = |letters: &[DeadLetter]| letters.iter().map(|letter| letter.id.clone()).collect::<Vec<_>>();
    assert_eq!(queue.requeue(&ids(&rare)).await.unwrap(), rare.len());
    let depth = queue.depth().await.unwrap();
    assert_eq!(usize::try_from(depth.visible).unwrap(), rare.len());
    let left = paged(&queue, &DeadLetterFilter::default()).await;
    assert_eq!(queue.discard(&ids(&left)).await.unwrap(), COUNT - rare.len());
    let survey = queue.survey().await.unwrap();
    assert_eq!(survey.dead_letters.count(), 0);
    let requests = usize::try_from(proxy.requests() - started).unwrap();
    let most = 5 * rare.len() + 2 * left.len() + left.len().div_ceil(PAGE) + 1 + 10;
    assert!(requests <= most, "{requests} requests, at most {most}");
    let dead = place.rows().await.into_iter().filter(|row| row["PartitionKey"] != "meta").count();
    assert_eq!(dead, 0, "nothing is left behind");
}

#[tokio::test]
async fn a_page_of_letters_that_are_being_discarded_is_not_the_end() {
    let place = Place::new().await;
    let clock = Arc::new(ManualClock::at(time("2026-03-02T09:00:00Z")));
    let queue = place.open(clock.clone(), OPTIONS).await;
    for body in [b"{}".to_vec(), vec![b'x'; 70_000], vec![b'y'; 70_000]] {
        queue.put(vec![body]).await.unwrap();
        settle(&queue, take_one(&queue).await, dead("bad")).await;
        clock.advance(Duration::from_secs(1));
    }
    let table = place.services.table(&place.table);
    for row in place.rows().await {
        if let Some(partition) = row["PartitionKey"].as_str().filter(|partition| partition.starts_with("dead-body|")) {
            table.partition_key_client(partition).entity_client("0").delete().await.unwrap();
        }
    }
    let page = queue.dead_letters(&DeadLetterFilter::default(), None, 2).await.unwrap();
    assert_eq!(page.iter().map(|letter| letter.body.as_slice()).collect::<Vec<_>>(), [b"{}"]);
}

#[tokio::test]
async fn whatever_a_reason_says_it_can_be_set_aside() {
    let place = Place::new().await;
    let queue = place.queue().await;
    for said in ["\u{0}\u{1}\u{1b}[31m\u{7f}\u{fffe}\u{ffff}".to_owned(), "🚀".repeat(100_000), "'\"<&\\".to_owned()]
    {
        queue.put(vec![said.clone().into_bytes()]).await.unwrap();
        let delivery = take_one(&queue).await;
        let reason = Reason { code: said.clone(), sentence: said.clone(), path: Some(said.clone()) };
        settle(&queue, delivery, Outcome::Dead { reason, tries: u32::MAX }).await;
        let letters = dead_letters(&queue).await;
        assert!(letters.len() == 1 && letters[0].body == said.as_bytes());
        let code = DeadLetterFilter { code: Some(said.chars().take(100).collect()), ..DeadLetterFilter::default() };
        let found = queue.dead_letters(&code, None, 10).await.unwrap();
        assert_eq!(found.len(), usize::from(said.chars().count() <= 100), "by its reason");
        assert_eq!(queue.discard(&[letters[0].id.clone()]).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_reason_that_is_refused_all_the_same_is_left_out() {
    let place = Place::new().await;
    let proxy = Proxy::start(Azurite::start().await).await;
    let services = Services::new(&proxy.account()).unwrap();
    let queue = AzureQueue::new(&services, &place.queue, &place.table, Arc::new(SystemClock), OPTIONS);
    queue.create().await.unwrap();
    queue.put(vec![b"{}".to_vec()]).await.unwrap();
    let delivery = take_one(&queue).await;
    proxy.answer("table POST $batch", 400, "InvalidInput", 2);
    let settlement = Settlement { delivery, outcome: dead("bad") };
    let failed = queue.settle(vec![settlement]).await.unwrap_err();
    assert!(unavailable(&failed.source).contains("400 InvalidInput"), "no message ends the worker: {failed:?}");
    proxy.answer("table POST $batch", 400, "InvalidInput", 1);
    queue.settle(failed.unsettled).await.unwrap();
    let letters = dead_letters(&queue).await;
    assert_eq!((letters[0].reason.code.as_str(), letters[0].body.as_slice()), ("reason_refused", &b"{}"[..]));
    assert!(queue.depth().await.unwrap().is_empty());
}

#[tokio::test]
async fn no_receive_takes_more_large_bodies_than_memory_is_meant_to_hold() {
    const LARGE: usize = 2 << 20;
    let place = Place::new().await;
    let queue = place.queue().await;
    let mut sent: Vec<Vec<u8>> = (0..10).map(|number| vec![number; LARGE]).collect();
    sent.extend((10..20).map(|number| vec![number; 100]));
    for body in &sent {
        queue.put(vec![body.clone()]).await.unwrap();
    }
    let (mut found, mut receives) = (Vec::new(), 0);
    while found.len() < sent.len() {
        let some = queue.receive(LEASE).await.unwrap();
        assert!(!some.is_empty(), "what is not taken is visible at once");
        let bytes: usize = some.iter().map(|delivery| delivery.body.len()).sum();
        assert!(bytes <= 2 * LARGE + 1_000, "{bytes} bytes at once");
        receives += 1;
        // None was given back so often that it would have to be handled alone.
        assert!(some.iter().all(|delivery| delivery.receives < 4), "in receive {receives}");
        found.extend(some.into_iter().map(|delivery| delivery.body));
    }
    found.sort_unstable();
    assert!(found == sent, "each comes once");
}

#[tokio::test]
async fn what_is_deleted_while_in_use_is_made_anew() {
    let place = Place::new().await;
    let queue =
        place.open(Arc::new(SystemClock), AzureQueueOptions { poison_copy: true, make_anew: true, ..OPTIONS }).await;
    let poison = format!("{}-poison", place.queue);
    queue.put(vec![b"lost".to_vec()]).await.unwrap();
    let lost = take_one(&queue).await;
    place.services.queue(&place.queue).delete().await.unwrap();
    settle(&queue, lost, Outcome::Done).await;
    assert!(queue.receive(LEASE).await.unwrap().is_empty());
    place.services.queue(&place.queue).delete().await.unwrap();
    queue.put(vec![b"bad".to_vec()]).await.unwrap();
    let bad = take_one(&queue).await;
    place.services.queue(&poison).delete().await.unwrap();
    place.services.table(&place.table).delete().await.unwrap();
    settle(&queue, bad, dead("bad")).await;
    assert_eq!(place.texts(&poison).await, [STANDARD.encode("bad")]);
    assert_eq!(dead_letters(&queue).await.len(), 1);
    place.services.table(&place.table).delete().await.unwrap();
    queue.put(vec![vec![b'x'; 70_000]]).await.unwrap();
    let large = take_one(&queue).await;
    place.services.table(&place.table).delete().await.unwrap();
    assert_eq!(queue.begin_trial(&large).await.unwrap(), 1);
}

/// For about half a minute after somebody deleted it. Azurite has no such time.
#[tokio::test]
async fn a_queue_that_is_still_being_deleted_is_waited_for() {
    let place = Place::new().await;
    let proxy = Proxy::start(Azurite::start().await).await;
    let services = Services::new(&proxy.account()).unwrap();
    let options = AzureQueueOptions { make_anew: true, ..OPTIONS };
    let queue = AzureQueue::new(&services, &place.queue, &place.table, Arc::new(SystemClock), options);
    proxy.answer("queue PUT", 409, "QueueBeingDeleted", 2);
    for _ in 0..2 {
        let error = queue.receive(LEASE).await.unwrap_err();
        let says = format!("queue `{}`, which is gone, cannot be made anew: 409 QueueBeingDeleted", place.queue);
        assert!(unavailable(&error).starts_with(&says), "{error:?}");
    }
    assert!(queue.receive(LEASE).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_count_of_trials_is_gone_with_the_message() {
    let place = Place::new().await;
    let queue = place.queue().await;
    queue.put(vec![b"{}".to_vec()]).await.unwrap();
    for receives in 1..4 {
        let delivery = take_one(&queue).await;
        assert_eq!(delivery.receives, receives);
        settle(&queue, delivery, Outcome::Back { after: Duration::ZERO }).await;
    }
    let delivery = take_one(&queue).await;
    let (a, b, c) =
        tokio::join!(queue.begin_trial(&delivery), queue.begin_trial(&delivery), queue.begin_trial(&delivery));
    let mut counts = [a, b, c].map(Result::unwrap);
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 3], "none is lost where several count");
    settle(&queue, delivery, Outcome::Done).await;
    assert_eq!(place.rows().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_trial_counts_once_however_often_its_answer_is_lost() {
    let place = Place::new().await;
    let proxy = Proxy::start(Azurite::start().await).await;
    let services = Services::new(&proxy.account()).unwrap();
    let queue = AzureQueue::new(&services, &place.queue, &place.table, Arc::new(SystemClock), OPTIONS);
    queue.create().await.unwrap();
    queue.put(vec![b"{}".to_vec()]).await.unwrap();
    let delivery = take_one(&queue).await;
    proxy.meet("table POST $batch", Fault::CutAfter, 2);
    assert_eq!(queue.begin_trial(&delivery).await.unwrap(), 1);
    for expected in 2..5 {
        proxy.meet("table POST $batch", Fault::CutAfter, 2);
        assert_eq!(queue.begin_trial(&delivery).await.unwrap(), expected);
    }
    proxy.meet("table POST $batch", Fault::CutAfter, 2);
    queue.end_trial(&delivery).await.unwrap();
    assert_eq!(queue.trials(&delivery).await.unwrap(), 3);
}

#[tokio::test]
async fn settling_hands_back_what_is_not_settled() {
    let place = Place::new().await;
    let queue = place.queue().await;
    queue.put(vec![b"good".to_vec(), b"bad".to_vec()]).await.unwrap();
    let taken = queue.receive(LEASE).await.unwrap();
    place.services.table(&place.table).delete().await.unwrap();
    let outcome = |delivery: &Delivery| if delivery.body == "bad" { dead("bad") } else { Outcome::Done };
    let settlements = taken.into_iter().map(|delivery| Settlement { outcome: outcome(&delivery), delivery });
    let error = queue.settle(settlements.collect()).await.unwrap_err();
    assert_eq!(error.unsettled.iter().map(|settlement| &settlement.delivery.body).collect::<Vec<_>>(), ["bad"]);
    assert!(unavailable(&error.source).contains("TableNotFound"), "{:?}", error.source);
    place.queue().await;
    queue.settle(error.unsettled).await.unwrap();
    assert_eq!(dead_letters(&queue).await.len(), 1);
    assert!(queue.depth().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_message_that_the_service_refuses_to_settle_comes_again_and_holds_up_nobody() {
    let place = Place::new().await;
    let proxy = Proxy::start(Azurite::start().await).await;
    let services = Services::new(&proxy.account()).unwrap();
    let queue = AzureQueue::new(&services, &place.queue, &place.table, Arc::new(SystemClock), OPTIONS);
    queue.create().await.unwrap();
    let large = vec![b'x'; 70_000];
    queue.put(vec![large.clone(), large.clone()]).await.unwrap();
    let taken = queue.receive(Duration::from_secs(1)).await.unwrap();
    // As for a message that would be hidden for longer than it has to live.
    proxy.answer("queue PUT", 400, "OutOfRangeQueryParameterValue", 1);
    proxy.answer("queue DELETE", 400, "InvalidQueryParameterValue", 1);
    let outcomes = [Outcome::Back { after: Duration::from_secs(60) }, Outcome::Done];
    let settlements = taken.into_iter().zip(outcomes).map(|(delivery, outcome)| Settlement { delivery, outcome });
    queue.settle(settlements.collect()).await.unwrap();
    assert_eq!(queue.depth().await.unwrap().leased, 2);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let again = queue.receive(LEASE).await.unwrap();
    assert!(again.len() == 2 && again.iter().all(|delivery| delivery.body == large), "with all that is theirs");
}

/// What an outage says for itself.
fn unavailable(error: &QueueError) -> String {
    let QueueError::Unavailable(cause) = error else { panic!("{error:?} is no outage") };
    cause.to_string()
}

#[tokio::test]
async fn a_wrong_key_and_a_missing_queue_are_outages_that_name_what_is_wrong() {
    let azurite = Azurite::start().await;
    let wrong = STANDARD.encode("a wrong key");
    let services = Services::new(&account(azurite, &wrong)).unwrap();
    let open = |services: &Services, name: &str| AzureQueue::new(services, name, name, Arc::new(SystemClock), OPTIONS);
    let error = open(&services, "events").receive(LEASE).await.unwrap_err();
    let text = unavailable(&error);
    assert!(text.starts_with("queue `events`: 403 AuthenticationFailed"), "{text}");
    assert!(!format!("{error:?}{text}").contains(&wrong));
    let services = Services::new(&account(azurite, KEY)).unwrap();
    let error = open(&services, &unique("nothere")).probe().await.unwrap_err();
    assert!(unavailable(&error).contains("404 QueueNotFound"), "{error:?}");
}

#[tokio::test]
async fn creating_again_keeps_what_is_there() {
    let place = Place::new().await;
    let queue = place.queue().await;
    queue.put(vec![b"{}".to_vec()]).await.unwrap();
    queue.create().await.unwrap();
    take_one(&queue).await;
}

#[tokio::test]
async fn a_worker_empties_it() {
    let place = Place::new().await;
    let (_folder, path) = folder();
    let local = Local::open(&path).await;
    let queue: Arc<dyn Queue> = Arc::new(place.queue().await);
    let events = bodies(150);
    queue.put(disordered(&events, 5)).await.unwrap();
    place.put("no event").await;
    let tally = drain(&worker(queue.clone(), local.store.clone())).await;
    assert_same(&stored(local.store.as_ref()).await, &folded(&events));
    assert!(queue.depth().await.unwrap().is_empty(), "{tally:?}");
    assert_eq!(dead_letters(queue.as_ref()).await.len(), 1);
}
