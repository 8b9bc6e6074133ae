//! Whoever reads gets the catalog through here, already cut to the caller's projects: no handler has another one.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;

use super::access::Caller;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::domain::BranchPattern;
use crate::domain::owner::Owners;
use crate::queue::Queue;
use crate::store::Store;

/// What answers are made from.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "a store has none")]
pub struct Readers {
    pub catalog: Catalog,
    pub store: Arc<dyn Store>,
    pub queue: Arc<dyn Queue>,
    pub clock: Arc<dyn Clock>,
    pub owners: Owners,
    /// How branches name work items.
    pub branches: Vec<BranchPattern>,
}

/// One request's view of it all.
pub(crate) struct Reader {
    pub(crate) caller: Caller,
    /// Cut to the caller's projects.
    pub(crate) catalog: Catalog,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) owners: Owners,
    pub(crate) branches: Vec<BranchPattern>,
}

impl<S> FromRequestParts<S> for Reader
where
    S: Send + Sync,
    Readers: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let Readers { catalog, store, queue, clock, owners, branches } = Readers::from_ref(state);
        let caller = parts.extensions.get::<Caller>().cloned().unwrap_or_else(Caller::on_loopback);
        let catalog = catalog.seen_by(caller.scope.clone());
        Ok(Self { caller, catalog, store, queue, clock, owners, branches })
    }
}
