//! The account has two keys, so that one can be renewed while the other is in use. First the new key is seen to work,
//! then each subscription gets it: at every moment both keys are valid, and no event is lost.

use std::time::Duration;

use super::desk::Desk;
use super::test;
use crate::ado::hooks::Subscription;
use crate::cli::SubscriptionsRotateKey;
use crate::cmd::{Context, Exit, Failure};
use crate::subscriptions::{Target, change_key};

const WAIT: Duration = Duration::from_secs(60);

pub(super) async fn run(context: &Context, args: &SubscriptionsRotateKey) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &args.desired).await?;
    desk.needs_secret()?;
    let Target::Queue(queue) = &desk.target else {
        let hint = "a new password: restart `up` with it, then `subscriptions remove` and `subscriptions apply`; what is \
                    lost meanwhile a backfill reads";
        return Err(Failure::usage("a web hook has no account key").hint(hint));
    };
    let Some(key) = &queue.key else { return Ok(Exit::Usage) };
    let found = desk.client.subscriptions(&desk.organization).await?;
    // Of every project and every queue: all of them would fail when the other key is renewed.
    let ours: Vec<&Subscription> = found.iter().filter(|found| desk.target.owns(found)).collect();
    let (count, account) = (ours.len(), &queue.account);
    let plan = format!("{count} subscriptions of account {account} get the key that AZURE_STORAGE_KEY holds");
    if !args.yes {
        return Err(Failure::usage(format!("nothing was changed yet: {plan}")).hint("add --yes to do it"));
    }
    context.output.say(&format!("{plan}; first it is tried"));
    test::arrives(context, &desk, WAIT).await?;
    for (done, found) in ours.iter().enumerate() {
        if let Err(error) = change_key(&desk.client, &desk.organization, found, key).await {
            let what = format!("{done} of {count} have the new key, {} has not", found.id);
            let failure = Failure::from(anyhow::Error::from(error).context(what));
            return Err(failure.hint("run it again; until then leave the old key as it is"));
        }
    }
    check(&desk, &ours).await?;
    context.output.say(&format!("done: {count} subscriptions have the new key; the old one can be renewed now"));
    Ok(Exit::Done)
}

/// What was changed is there, and was changed since.
async fn check(desk: &Desk, ours: &[&Subscription]) -> Result<(), Failure> {
    let now = desk.client.subscriptions(&desk.organization).await?;
    for before in ours {
        let Some(after) = now.iter().find(|after| after.id == before.id) else { continue };
        if after.consumer_inputs != before.consumer_inputs || after.publisher_inputs != before.publisher_inputs {
            let failure = Failure::failed(format!("subscription {}: something else changed than its key", before.id));
            return Err(failure.hint("`pipetrail subscriptions plan` shows what differs"));
        }
    }
    Ok(())
}
