use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::test;
use crate::ado::rest::AdoError;
use crate::cli::{ListFormat, SubscriptionsApply, SubscriptionsPlan, SubscriptionsRemove};
use crate::cmd::{Context, Exit, Failure};
use crate::subscriptions::{Action, Step, Target, carry_out, plan as compare};
use crate::view;

pub(super) async fn plan(context: &Context, args: &SubscriptionsPlan) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &args.desired).await?;
    let steps = steps(&desk, args.prune).await?;
    show(context, &steps, args.output)?;
    context.output.say(&counts(&steps));
    if let (true, Err(failure)) = (steps.iter().any(|step| step.new.is_some()), desk.needs_secret()) {
        let (what, hint) = failure.in_words();
        context.output.say(&format!("warning: `apply` cannot do this yet: {what}"));
        context.output.say(&format!("hint: {}", hint.unwrap_or_default()));
    }
    Ok(Exit::Done)
}

pub(super) async fn apply(context: &Context, args: &SubscriptionsApply) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &args.plan.desired).await?;
    let steps = steps(&desk, args.plan.prune).await?;
    show(context, &steps, args.plan.output)?;
    if steps.iter().any(|step| step.new.is_some()) {
        desk.needs_secret()?;
    }
    carry_out_all(context, &desk, &steps, args.yes).await
}

/// All of ours that send here, of these projects, whatever their events.
pub(super) async fn remove(context: &Context, args: &SubscriptionsRemove) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &args.desired()).await?;
    let found = desk.client.subscriptions(&desk.organization).await?;
    let steps = compare(&[], &found, &desk.projects, &desk.target, true);
    let ours = steps.into_iter().filter(|step| step.action == Action::Remove);
    let ours: Vec<Step> = ours.map(|step| Step { reason: "ours".to_owned(), ..step }).collect();
    show(context, &ours, args.output)?;
    carry_out_all(context, &desk, &ours, args.yes).await
}

async fn steps(desk: &Desk, prune: bool) -> Result<Vec<Step>, Failure> {
    let found = desk.client.subscriptions(&desk.organization).await?;
    Ok(compare(&desk.wanted, &found, &desk.projects, &desk.target, prune))
}

fn show(context: &Context, steps: &[Step], format: ListFormat) -> Result<(), Failure> {
    match format {
        ListFormat::Table => context.output.text(&view::plan_table(steps)),
        ListFormat::Json => context.output.text(&view::json(&steps)?),
    }
}

/// A queue's key is tried before any subscription gets it.
pub(super) async fn carry_out_all(context: &Context, desk: &Desk, steps: &[Step], yes: bool) -> Result<Exit, Failure> {
    let changes: Vec<_> = steps.iter().filter(|step| step.action.is_change()).collect();
    if changes.is_empty() {
        context.output.say("nothing to do");
        return Ok(Exit::Done);
    }
    if !yes {
        let failure = Failure::usage(format!("nothing was changed yet: {}", counts(steps)));
        return Err(failure.hint("add --yes to do it"));
    }
    let shutdown = context.shutdown()?;
    if let Target::Queue(_) = desk.target {
        try_key(context, desk, &changes, &shutdown.stop).await?;
    }
    let all = carry_out_each(context, desk, steps, &changes);
    let stopped = || Failure::failed("stopped in the middle").hint("the same command does what is left");
    shutdown.stop.run_until_cancelled(all).await.unwrap_or_else(|| Err(stopped()))
}

/// A key that does not work would put all on probation. Where one project refuses the test event, another may take it.
async fn try_key(context: &Context, desk: &Desk, changes: &[&Step], stop: &CancellationToken) -> Result<(), Failure> {
    let (mut projects, mut refused) = (BTreeSet::new(), None);
    for step in changes {
        let Some(new) = step.new.as_ref().filter(|_| projects.insert(&step.project)) else { continue };
        match test::sends(context, desk, new, test::WAIT, stop).await {
            Ok(()) => return Ok(()),
            Err(failure) if failure.is_of_one_place() => refused = Some(failure),
            Err(failure) => return Err(failure.context("no subscription was changed")),
        }
    }
    refused.map_or(Ok(()), Err)
}

/// What the service would not have is told, and the rest is done: one project that may not be changed is no reason to
/// leave the others. Any other failure ends it; what was done stays, and the next time only the rest is left to do.
async fn carry_out_each(context: &Context, desk: &Desk, steps: &[Step], changes: &[&Step]) -> Result<Exit, Failure> {
    let (mut done, mut refused) = (0, Vec::new());
    for step in changes {
        match carry_out(&desk.client, &desk.organization, step).await {
            Ok(()) => done += 1,
            Err(error) if error.is_of_one_place() => refused.push((step, error)),
            Err(error) => {
                context.output.say(&format!("done: {done} of {}", changes.len()));
                return Err(Failure::from(anyhow::Error::from(error).context(failed(step))));
            }
        }
    }
    match end(context, refused) {
        Some(failure) => {
            context.output.say(&format!("done: {done} of {}", changes.len()));
            Err(failure)
        }
        None => {
            context.output.say(&format!("done: {}", counts(steps)));
            Ok(Exit::Done)
        }
    }
}

fn failed(step: &Step) -> String {
    format!("{} {} of {} failed", step.action, step.event_type, step.project)
}

/// A line each; the last of them is the failure, whose hint is for all.
fn end(context: &Context, mut refused: Vec<(&&Step, AdoError)>) -> Option<Failure> {
    let (last, error) = refused.pop()?;
    for (step, error) in refused {
        context.output.say(&format!("{}: {error}", failed(step)));
    }
    Some(Failure::from(anyhow::Error::from(error).context(failed(last))))
}

/// `5 create, 1 unchanged`.
fn counts(steps: &[Step]) -> String {
    let all = [Action::Create, Action::Update, Action::Recreate, Action::Remove, Action::Unchanged, Action::Foreign];
    let of = |action: Action| steps.iter().filter(|step| step.action == action).count();
    let parts: Vec<_> =
        all.into_iter().filter(|action| of(*action) > 0).map(|action| format!("{} {action}", of(action))).collect();
    if parts.is_empty() { "nothing is there, and nothing is wanted".to_owned() } else { parts.join(", ") }
}
