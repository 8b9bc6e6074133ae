use std::collections::BTreeSet;

use super::apply::carry_out_all;
use super::desk::Desk;
use crate::cli::{ListFormat, SubscriptionsDoctor};
use crate::cmd::{Context, Exit, Failure};
use crate::subscriptions::{Action, Finding, Step, Survey, doctor, plan};
use crate::view;

pub(super) async fn run(context: &Context, args: &SubscriptionsDoctor) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &args.desired).await?;
    let (survey, mut findings) = look(context, &desk).await?;
    if args.fix {
        let steps = fixes(&desk, &survey, &findings);
        context.output.say(view::plan_table(&steps).trim_end());
        if !steps.is_empty() {
            desk.needs_secret()?;
        }
        carry_out_all(context, &desk, &steps, args.yes).await?;
        findings = look(context, &desk).await?.1;
    }
    match args.output {
        ListFormat::Json => context.output.text(&view::json(&findings)?)?,
        ListFormat::Table if !findings.is_empty() => context.output.text(&view::findings_text(&findings))?,
        ListFormat::Table => context.output.say(&format!("all is well: {} subscriptions", desk.wanted.len())),
    }
    if findings.is_empty() { Ok(Exit::Done) } else { Ok(Exit::Failed) }
}

async fn look(context: &Context, desk: &Desk) -> Result<(Survey, Vec<Finding>), Failure> {
    let survey = Survey::of(&desk.client, &desk.organization, &desk.wanted, &desk.target).await?;
    let findings = doctor(&survey.look(&desk.wanted, &desk.target, context.clock().now()));
    Ok((survey, findings))
}

/// Those that want a new one get it, whatever a plan would do.
fn fixes(desk: &Desk, survey: &Survey, findings: &[Finding]) -> Vec<Step> {
    let sick = findings.iter().filter(|finding| finding.finding.wants_a_new_one());
    let sick: BTreeSet<_> = sick.filter_map(|finding| finding.subscription_id.clone()).collect();
    let found: Vec<_> = survey.found.iter().filter(|found| sick.contains(&found.id)).cloned().collect();
    let again = |found: &crate::ado::hooks::Subscription| Step {
        action: Action::Recreate,
        event_type: found.event_type.clone(),
        project: found.project(),
        subscription_id: Some(found.id.clone()),
        reason: found.status.to_string(),
        new: Some(found.as_new(desk.target.secret())),
    };
    // As the plan would have it where it differs.
    let planned = plan(&desk.wanted, &found, &desk.projects, &desk.target, false);
    let wanted = planned.into_iter().filter(|step| step.action == Action::Recreate);
    let wanted: Vec<Step> = wanted.collect();
    let covered: BTreeSet<_> = wanted.iter().filter_map(|step| step.subscription_id.clone()).collect();
    let rest = found.iter().filter(|found| !covered.contains(&found.id)).map(again);
    wanted.iter().cloned().chain(rest).collect()
}
