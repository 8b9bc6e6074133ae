//! What a person or a script tells of: checked here, then put on the queue as any event.

use serde_json::{Value, json};

use super::{Context, Exit, Failure};
use crate::ado;
use crate::cli::{Incident, OpenIncident, Report, ResolveIncident};
use crate::sqlite::Missing;

pub(super) async fn report(context: &Context, args: Report) -> Result<Exit, Failure> {
    let Report { repository, event, metadata, organization } = args;
    let body = json!({"Repo": repository, "Event": event, "Metadata": metadata});
    tell(context, ado::REPORT, organization, &body).await?;
    context.report(&format!("queued: {event} of {repository}"));
    Ok(Exit::Done)
}

pub(super) async fn incident(context: &Context, args: Incident) -> Result<Exit, Failure> {
    let (body, organization, says) = match args {
        Incident::Open(args) => opened(args),
        Incident::Resolve(args) => resolved(args),
    };
    tell(context, ado::INCIDENT, organization, &body).await?;
    context.report(&says);
    Ok(Exit::Done)
}

fn opened(args: OpenIncident) -> (Value, Option<String>, String) {
    let says = format!("queued: incident {} is open", args.id);
    let body = json!({
        "id": args.id, "status": "open", "openedAt": args.at, "title": args.title, "url": args.url,
        "project": args.project, "environment": args.environment, "pipeline": args.pipeline, "runId": args.run,
        "commit": args.commit,
    });
    (body, args.organization, says)
}

fn resolved(args: ResolveIncident) -> (Value, Option<String>, String) {
    let says = format!("queued: incident {} is resolved", args.id);
    (json!({"id": args.id, "status": "resolved", "resolvedAt": args.at}), args.organization, says)
}

/// What is wrong is said before anything is opened.
async fn tell(context: &Context, kind: &str, organization: Option<String>, body: &Value) -> Result<(), Failure> {
    let organization = organization.or_else(|| context.config.ado.organization.clone()).ok_or_else(|| {
        let failure = Failure::usage("nobody says whose it is");
        failure.hint("name the organization with --organization, or set PIPETRAIL_ORGANIZATION")
    })?;
    let event = ado::enveloped(kind, &organization, context.clock().now(), body.to_string().as_bytes());
    let event = event.map_err(|error| Failure::usage(error.sentence))?;
    let parts = context.open(Missing::Create).await?;
    Ok(parts.queue.put(vec![event]).await?)
}
