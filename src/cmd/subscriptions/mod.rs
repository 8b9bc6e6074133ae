//! Subscriptions: what each command asks first, and which does what.

mod apply;
mod desk;
mod doctor;
mod list;
mod rotate_key;
mod test;

use super::{Context, Exit, Failure};
use crate::cli::Subscriptions;

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
