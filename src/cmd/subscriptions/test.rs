//! A test event, seen to arrive.
//!
//! On a queue of its own: a worker may be at the real one, and would take the event off unseen. Account, key and
//! encoding are the same.

use std::time::Duration;

use azure_storage_queues::QueueClient;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::desk::Desk;
use crate::ado::hooks::{NewSubscription, Notification};
use crate::ado::{Decoded, Decoder};
use crate::azure::{AzureError, Services, TimeOuts};
use crate::cli::SubscriptionsTest;
use crate::cmd::{Context, Exit, Failure};
use crate::config::AzureConfig;
use crate::domain::DeliveryResult;
use crate::subscriptions::Target;

/// Where nobody says how long.
pub(super) const WAIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) async fn run(context: &Context, args: &SubscriptionsTest) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &args.desired()).await?;
    desk.needs_secret()?;
    let shutdown = context.shutdown()?;
    arrives(context, &desk, args.wait, &shutdown.stop).await?;
    Ok(Exit::Done)
}

/// Sends a test event and sees it arrive. A stop ends the wait, and leaves nothing behind.
pub(super) async fn arrives(
    context: &Context,
    desk: &Desk,
    wait: Duration,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let Some(wanted) = desk.wanted.first() else {
        return Err(Failure::usage("no project is there to test with"));
    };
    sends(context, desk, &wanted.new, wait, stop).await
}

/// A test event of this subscription, which need not be there yet.
pub(super) async fn sends(
    context: &Context,
    desk: &Desk,
    new: &NewSubscription,
    wait: Duration,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let until = Instant::now() + wait;
    let said = match (&desk.target, &context.config.queue_for_hooks) {
        (Target::Queue(_), Some(azure)) => {
            let queue = TestQueue::make(azure).await?;
            let arrived = stop.run_until_cancelled(on_a_queue(desk, &queue, new.clone(), until)).await;
            queue.remove().await;
            arrived.unwrap_or_else(|| Err(stopped()))?
        }
        (Target::Queue(_) | Target::WebHook(_), _) => {
            let sent = async {
                let sent = desk.client.send_test(&desk.organization, new).await?;
                settled(desk, sent, until).await
            };
            stop.run_until_cancelled(sent).await.unwrap_or_else(|| Err(stopped()))?;
            "the web hook took it".to_owned()
        }
    };
    context.output.say(&format!("a test event arrived: {said}"));
    Ok(())
}

fn stopped() -> Failure {
    Failure::failed("stopped before the test event arrived")
}

/// A queue for one test event.
struct TestQueue {
    name: String,
    client: QueueClient,
}

impl TestQueue {
    async fn make(azure: &AzureConfig) -> Result<Self, Failure> {
        let name = format!("pipetrail-test-{}", Uuid::new_v4().simple());
        // An address that is wrong shows at once; a service that is slow is no reason to call the key wrong.
        let time_outs = TimeOuts { request: TimeOuts::default().request, ..TimeOuts::at_start() };
        let client = Services::with_time_outs(&azure.account, time_outs)?.queue(&name);
        client.create().await.map_err(|error| AzureError::from(error).at(&format!("queue `{name}`")))?;
        Ok(Self { name, client })
    }

    /// Whatever came of it; a queue that is left behind is empty and costs nothing.
    async fn remove(&self) {
        if let Err(error) = self.client.delete().await {
            tracing::warn!(queue = self.name, error = error.to_string(), "the queue of the test could not be removed");
        }
    }
}

async fn on_a_queue(
    desk: &Desk,
    queue: &TestQueue,
    mut new: NewSubscription,
    until: Instant,
) -> Result<String, Failure> {
    // What hides an event for a while, or lets it go soon, says nothing of the key.
    for (input, value) in [("queueName", queue.name.as_str()), ("visiTimeout", "0"), ("ttl", "604800")] {
        new.consumer_inputs.insert(input.to_owned(), value.to_owned());
    }
    let sent = desk.client.send_test(&desk.organization, &new).await?;
    received(desk, &queue.client, sent, until).await
}

async fn received(desk: &Desk, queue: &QueueClient, sent: Notification, until: Instant) -> Result<String, Failure> {
    loop {
        let got = queue.get_messages().number_of_messages(1).await.map_err(AzureError::from)?;
        if let Some(message) = got.messages.first() {
            return read(message.message_text.as_bytes());
        }
        let failed = |said: &Notification| said.result == DeliveryResult::Failed;
        if let Some(said) = desk.client.test_result(&desk.organization, sent.id).await?.filter(failed) {
            return Err(not_delivered(&said));
        }
        if Instant::now() > until {
            return Err(Failure::failed("no test event arrived in time").hint("wait longer with --wait"));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// What came has to be an event, and one that changes nothing.
fn read(body: &[u8]) -> Result<String, Failure> {
    match Decoder::default().decode(body) {
        Ok(Decoded::Ignored { event_type }) => Ok(format!("{event_type}, {} bytes", body.len())),
        Ok(Decoded::Facts(_) | Decoded::Named(_)) => Ok(format!("{} bytes", body.len())),
        Err(error) => Err(Failure::failed(format!("what arrived is not an event: {error}"))),
    }
}

async fn settled(desk: &Desk, sent: Notification, until: Instant) -> Result<(), Failure> {
    let mut said = Some(sent);
    loop {
        match said {
            Some(said) if said.result == DeliveryResult::Succeeded => return Ok(()),
            Some(said) if said.result == DeliveryResult::Failed => return Err(not_delivered(&said)),
            Some(waiting) if Instant::now() < until => {
                sleep(LOOK_EVERY).await;
                said = desk.client.test_result(&desk.organization, waiting.id).await?;
            }
            Some(_) | None => {
                let failure = Failure::failed("Azure DevOps does not say whether the test event was taken");
                return Err(failure.hint("look into the log of `pipetrail up`, or wait longer with --wait"));
            }
        }
    }
}

fn not_delivered(said: &Notification) -> Failure {
    let why = said.error.as_deref().unwrap_or("it gives no reason");
    let failure = Failure::failed(format!("Azure DevOps could not deliver the test event: {why}"));
    failure.hint("check the account's key and its network rules, or the web hook's address, user and password")
}
