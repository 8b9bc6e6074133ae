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
use crate::ado::rest::Client;
use crate::cli::Subscriptions;
use crate::config::Storage;
use crate::subscriptions::{HookWatch, Watched};

pub(super) async fn run(context: &Context, args: &Subscriptions) -> Result<Exit, Failure> {
    match args {
        Subscriptions::Plan(args) => apply::plan(context, args).await,
        Subscriptions::Apply(args) => apply::apply(context, args).await,
        Subscriptions::List(args) => list::run(context, args).await,
        Subscriptions::Doctor(args) => doctor::run(context, args).await,
        Subscriptions::Test(args) => test::run(context, args).await,
        Subscriptions::RotateKey(args) => rotate_key::run(context, args).await,
        Subscriptions::Remove(args) => apply::remove(context, args).await,
    }
}

/// Who looks after the subscriptions, where the configuration wants somebody to, and somebody can ask.
pub(super) fn watch(
    context: &Context,
    parts: &Parts,
    client: Option<Arc<Client>>,
) -> Result<Option<HookWatch>, Failure> {
    let config = &context.config;
    let (Some(every), Some(client)) = (config.work.watch_hooks, client) else { return Ok(None) };
    let target = match &config.storage {
        Storage::Local => desk::web_hook(context),
        Storage::Azure(_) => desk::queue(context, desk::LONGEST, 0),
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
