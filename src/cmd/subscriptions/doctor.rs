use super::apply::carry_out_all;
use super::desk::Desk;
use crate::cli::{ListFormat, SubscriptionsDoctor};
use crate::cmd::backfill::canonical;
use crate::cmd::parts::Parts;
use crate::cmd::{Context, Exit, Failure};
use crate::subscriptions::{Finding, Step, doctor, keep_by_hand, remedies};
use crate::view;

pub(super) async fn run(context: &Context, args: &SubscriptionsDoctor) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &args.desired).await?;
    let (mut findings, steps) = look(context, &desk).await?;
    if args.fix {
        context.output.say(view::plan_table(&steps).trim_end());
        if !steps.is_empty() {
            desk.needs_secret()?;
        }
        carry_out_all(context, &desk, &steps, args.yes).await?;
        (findings, _) = look(context, &desk).await?;
    }
    keep(context, &desk, &findings).await;
    match args.output {
        ListFormat::Json => context.output.text(&view::json(&view::listed_findings(&findings, &desk.options))?)?,
        ListFormat::Table if !findings.is_empty() => {
            context.output.text(&view::findings_text(&findings, &desk.options))?;
        }
        ListFormat::Table => context.output.say(&well(&desk, args.fix && steps.iter().any(|step| step.new.is_some()))),
    }
    if findings.is_empty() { Ok(Exit::Done) } else { Ok(Exit::Failed) }
}

/// For those who read. The person asked for something else, so that it cannot be kept is no failure.
async fn keep(context: &Context, desk: &Desk, findings: &[Finding]) {
    let kept = async {
        let parts = Parts::open_to_look(context).await?;
        let (organization, looked) = (canonical(context, &desk.organization), (&*desk.projects, &*desk.wanted));
        Ok::<(), Failure>(
            keep_by_hand(parts.store.as_ref(), &organization, looked, findings, context.clock().now()).await?,
        )
    };
    if let Err(failure) = kept.await {
        tracing::info!(why = failure.in_words().0, "readers are not told what was found");
    }
}

/// Of what was just made anew nobody knows yet.
fn well(desk: &Desk, fixed: bool) -> String {
    let count = desk.wanted.len();
    if fixed {
        return format!(
            "made anew; whether events arrive shows with the next run, so look again after it: {count} subscriptions"
        );
    }
    format!("all is well: {count} subscriptions")
}

/// What is wrong, and what `--fix` does about it.
async fn look(context: &Context, desk: &Desk) -> Result<(Vec<Finding>, Vec<Step>), Failure> {
    let inquiry = desk.inquiry(context).await?;
    let look = inquiry.look(&desk.wanted, &desk.target);
    let findings = doctor(&look);
    let steps = remedies(&look, &findings);
    Ok((findings, steps))
}
