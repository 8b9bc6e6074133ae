use super::desk::Desk;
use crate::ado::hooks::Subscription;
use crate::cli::{ListFormat, SubscriptionsList};
use crate::cmd::{Context, Exit, Failure};
use crate::domain::DeliveryResult;
use crate::subscriptions::Inquiry;
use crate::view::{self, ListedSubscription};

pub(super) async fn run(context: &Context, args: &SubscriptionsList) -> Result<Exit, Failure> {
    let desk = Desk::open(context, &args.desired()).await?;
    let inquiry = desk.inquiry(context).await?;
    let here = |found: &&Subscription| {
        let project = found.project();
        desk.target.owns(found) && desk.projects.iter().any(|known| known.id.eq_ignore_ascii_case(&project))
    };
    let listed: Vec<_> = inquiry.found.iter().filter(here).map(|found| one(&desk, &inquiry, found)).collect();
    match args.output {
        ListFormat::Table => context.output.text(&view::subscriptions_table(&listed))?,
        ListFormat::Json => context.output.text(&view::json(&listed)?)?,
    }
    if let (true, ListFormat::Table) = (listed.is_empty(), args.output) {
        context.output.say("none is ours; `pipetrail subscriptions apply` makes them");
    }
    Ok(Exit::Done)
}

fn one(desk: &Desk, inquiry: &Inquiry, found: &Subscription) -> ListedSubscription {
    let delivered = inquiry.delivered(&found.id);
    let failed = || delivered.iter().filter(|said| said.result == DeliveryResult::Failed);
    let id = found.project();
    let project = desk.projects.iter().find(|known| known.id.eq_ignore_ascii_case(&id));
    let to = found.consumes("queueName").or_else(|| found.consumes("url")).unwrap_or_default();
    let pipeline = found.publishes("pipelineId").or_else(|| found.publishes("definitionName"));
    ListedSubscription {
        subscription_id: found.id.clone(),
        status: found.status.to_string(),
        event_type: found.event_type.clone(),
        project: project.map_or_else(|| id.clone(), |project| project.name.clone()),
        project_id: id,
        pipeline: pipeline.filter(|said| !said.is_empty()).map(str::to_owned),
        resource_version: found.resource_version.clone(),
        to: to.to_owned(),
        last_delivery_at: delivered.first().map(|said| said.created.to_string()),
        last_result: delivered.first().map(|said| said.result.to_string()),
        deliveries: delivered.len(),
        failures: failed().count(),
        last_error: failed().next().and_then(|said| said.error.clone()),
    }
}
