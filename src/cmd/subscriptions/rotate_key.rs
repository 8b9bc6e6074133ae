//! The account has two keys, so that one can be renewed while the other is in use. First the new key is seen to work,
//! then each subscription gets it: at every moment both keys are valid, and no event is lost.
//!
//! Whoever reads "done" renews the old key. So the list is read again until there is none that has not got the new one:
//! a subscription may be made while others are changed, with the key of whoever makes it. And each is seen to have
//! changed since, and in nothing but its key, as far as the service lets anybody see.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::desk::Desk;
use super::test;
use crate::ado::hooks::Subscription;
use crate::ado::rest::AdoError;
use crate::cli::SubscriptionsRotateKey;
use crate::cmd::{Context, Exit, Failure};
use crate::domain::SubscriptionStatus;
use crate::subscriptions::{QueueTarget, Target, change_key};

/// The list is read again so often at most.
const ROUNDS: usize = 5;

const AGAIN: &str = "run it again; until then leave the old key as it is";

pub(super) async fn run(context: &Context, args: &SubscriptionsRotateKey) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &args.desired()).await?;
    desk.needs_secret()?;
    let Target::Queue(QueueTarget { account, key: Some(key), .. }) = &desk.target else {
        return Err(Failure::usage("no key of the account is set").hint("set AZURE_STORAGE_KEY"));
    };
    let count = ours(&desk).await?.len();
    let plan = format!("{count} subscriptions of account {account} get the key that AZURE_STORAGE_KEY holds");
    if !args.yes {
        return Err(Failure::usage(format!("nothing was changed yet: {plan}")).hint("add --yes to do it"));
    }
    context.output.say(&format!("{plan}; first it is tried"));
    let shutdown = context.shutdown()?;
    test::arrives(context, &desk, test::WAIT, &shutdown.stop).await?;
    let stopped = || Failure::failed("stopped: some subscriptions have the new key, and some have not").hint(AGAIN);
    let changed = shutdown.stop.run_until_cancelled(change_all(&desk, key)).await.unwrap_or_else(|| Err(stopped()))?;
    context.output.say(&format!(
        "done: {changed} subscriptions have the key that AZURE_STORAGE_KEY holds now; renew only the other one"
    ));
    Ok(Exit::Done)
}

/// Of every project and every queue: all of them would fail when the other key is renewed.
async fn ours(desk: &Desk) -> Result<Vec<Subscription>, Failure> {
    let found = desk.client.subscriptions(&desk.organization).await?;
    Ok(found.into_iter().filter(|found| desk.target.owns(found)).collect())
}

/// Until there is none left. Answers how many there are.
async fn change_all(desk: &Desk, key: &SecretString) -> Result<usize, Failure> {
    let mut changed: BTreeMap<String, Subscription> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let now = ours(desk).await?;
        for after in &now {
            changed.get(&after.id).map_or(Ok(()), |before| check(before, after))?;
        }
        let left: Vec<Subscription> = now.into_iter().filter(|found| !changed.contains_key(&found.id)).collect();
        if left.is_empty() {
            return Ok(changed.len());
        }
        for found in left {
            if let Some(before) =
                change(desk, &found.id, key).await.map_err(|error| cut_off(error, &found, &changed))?
            {
                changed.insert(found.id, before);
            }
        }
    }
    let failure =
        Failure::failed(format!("new subscriptions were made all the while; {} have the new key", changed.len()));
    Err(failure.hint("give the new key to whoever makes them, and run it again; until then leave the old key as it is"))
}

/// As it was just before; `None` where it is gone.
async fn change(desk: &Desk, id: &str, key: &SecretString) -> Result<Option<Subscription>, AdoError> {
    let Some(before) = desk.client.subscription(&desk.organization, id).await? else { return Ok(None) };
    match change_key(&desk.client, &desk.organization, &before, key).await {
        Ok(()) => Ok(Some(before)),
        Err(AdoError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn cut_off(error: AdoError, found: &Subscription, changed: &BTreeMap<String, Subscription>) -> Failure {
    let what = format!("{} have the new key, {} has not", changed.len(), found.id);
    let failure = Failure::from(anyhow::Error::from(error).context(what));
    failure.hint(AGAIN)
}

/// It was changed since, and in nothing else.
fn check(before: &Subscription, after: &Subscription) -> Result<(), Failure> {
    let id = &before.id;
    if after.modified.is_some() && after.modified == before.modified {
        let failure =
            Failure::failed(format!("subscription {id}: Azure DevOps took the new key, and did not change it"));
        return Err(failure.hint(AGAIN));
    }
    let switched_on =
        before.status == SubscriptionStatus::DisabledByUser && after.status == SubscriptionStatus::Enabled;
    let others = after.consumer_inputs != before.consumer_inputs || after.publisher_inputs != before.publisher_inputs;
    if switched_on || others {
        let failure = Failure::failed(format!("subscription {id}: something else changed than its key"));
        return Err(failure.hint("`pipetrail subscriptions list` and `plan` show how it is now"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ado::hooks::Inputs;
    use crate::domain::Time;

    fn found(status: &str, modified: i64, queue: &str) -> Subscription {
        Subscription {
            id: "s-1".to_owned(),
            status: status.into(),
            publisher: "tfs".to_owned(),
            event_type: "build.complete".to_owned(),
            resource_version: None,
            consumer: "azureStorageQueue".to_owned(),
            action: "enqueue".to_owned(),
            publisher_inputs: Inputs::new(),
            consumer_inputs: Inputs::from([("queueName".to_owned(), queue.to_owned())]),
            created: None,
            modified: (modified > 0).then_some(Time::from_ticks(modified)),
        }
    }

    #[test]
    fn what_is_checked() {
        let (on, off) = ("enabled", "disabledByUser");
        for (before, after, expected) in [
            (found(on, 1, "q"), found(on, 2, "q"), true),
            (found(on, 1, "q"), found(on, 1, "q"), false),
            (found(on, 0, "q"), found(on, 0, "q"), true),
            (found(on, 1, "q"), found(on, 2, "other"), false),
            (found(off, 1, "q"), found(on, 2, "q"), false),
            (found(on, 1, "q"), found("onProbation", 2, "q"), true),
        ] {
            assert_eq!(check(&before, &after).is_ok(), expected, "{before:?} {after:?}");
        }
    }
}
