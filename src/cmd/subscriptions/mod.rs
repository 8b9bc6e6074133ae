//! Subscriptions: what each command asks first, and which does what.

mod apply;
mod desk;
mod doctor;
mod list;
mod rotate_key;
mod test;

use std::sync::Arc;

use super::parts::Parts;
use super::{Context, Exit, Failure, backfill};
use crate::ado::rest::{Client, Limits};
use crate::cli::Subscriptions;
use crate::config::{Consumer, Fault, Faults};
use crate::subscriptions::{HookWatch, Watched};

pub(super) async fn run(context: &Context, args: &Subscriptions) -> Result<Exit, Failure> {
    let done = match args {
        Subscriptions::Plan(args) => apply::plan(context, args).await,
        Subscriptions::Apply(args) => apply::apply(context, args).await,
        Subscriptions::List(args) => list::run(context, args).await,
        Subscriptions::Doctor(args) => doctor::run(context, args).await,
        Subscriptions::Test(args) => test::run(context, args).await,
        Subscriptions::RotateKey(args) => rotate_key::run(context, args).await,
        Subscriptions::Remove(args) => apply::remove(context, args).await,
    };
    done.map_err(|failure| failure.or_right(right(args)))
}

/// Of the namespace `ServiceHooks`, but for what every command reads.
fn right(args: &Subscriptions) -> &'static str {
    match args {
        Subscriptions::Plan(_) | Subscriptions::List(_) => LOOKS,
        Subscriptions::Doctor(args) if !args.fix => LOOKS,
        Subscriptions::Apply(args) if !args.plan.prune => {
            "the right \"Edit subscriptions\" (project administrators have it), and to read projects and builds"
        }
        Subscriptions::Test(_) | Subscriptions::RotateKey(_) => {
            "the right \"Edit subscriptions\" (project administrators have it), and to read projects"
        }
        Subscriptions::Apply(_) | Subscriptions::Doctor(_) => {
            "the rights \"Edit subscriptions\" and \"Delete subscriptions\" (project administrators have them)"
        }
        Subscriptions::Remove(_) => "the right \"Delete subscriptions\" (project administrators have it)",
    }
}

const LOOKS: &str =
    "the right \"View subscriptions\" (project administrators have it), and to read projects and builds";

/// What `--watch-hooks` cannot do without; said before anything is opened, and all at once.
pub(super) fn can_watch(context: &Context) -> Result<(), Failure> {
    let config = &context.config;
    if config.work.watch_hooks.is_none() {
        return match config.work.enrol {
            true => Err(Failure::usage("--enrol is a part of --watch-hooks").hint("add --watch-hooks 10m")),
            false => Ok(()),
        };
    }
    let missing = [
        match backfill::organization(context, None) {
            Ok(_) => None,
            Err(_) if config.ado.organization.is_none() => {
                Some("whose subscriptions? set PIPETRAIL_ORGANIZATION".to_owned())
            }
            Err(failure) => Some(format!("PIPETRAIL_ORGANIZATION: {}", failure.in_words().0)),
        },
        match config.work.hooks_to {
            Consumer::WebHook if config.http.public_url.is_none() => Some(
                "which address do web hooks go to? set PIPETRAIL_PUBLIC_URL, such as https://pipetrail.example"
                    .to_owned(),
            ),
            Consumer::WebHook | Consumer::Queue => None,
        },
        Client::new(&config.ado.access, Limits::default())
            .err()
            .map(|error| format!("{error}: set PIPETRAIL_ADO_TOKEN")),
    ];
    let fault = |says| Fault { source_name: "--watch-hooks".to_owned(), says };
    let faults: Vec<Fault> = missing.into_iter().flatten().map(fault).collect();
    if faults.is_empty() { Ok(()) } else { Err(Failure::Configuration(Faults(faults))) }
}

/// Who looks after the subscriptions, where the configuration wants somebody to, and somebody can ask.
pub(super) fn watch(
    context: &Context,
    parts: &Parts,
    client: Option<Arc<Client>>,
) -> Result<Option<HookWatch>, Failure> {
    let config = &context.config;
    let (Some(every), Some(client)) = (config.work.watch_hooks, client) else { return Ok(None) };
    let target = match config.work.hooks_to {
        Consumer::WebHook => desk::web_hook(context),
        Consumer::Queue => desk::queue(context, desk::LONGEST, 0),
    }?;
    if config.work.enrol {
        desk::needs_secret(&target)?;
    }
    let organization = backfill::organization(context, None)?;
    let watched = Watched {
        canonical: backfill::canonical(context, &organization),
        organization,
        projects: config.ado.projects.clone(),
        target,
        enrol: config.work.enrol,
    };
    Ok(Some(HookWatch::new(client, parts.store.clone(), context.clock(), watched, every)))
}
