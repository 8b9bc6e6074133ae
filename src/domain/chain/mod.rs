//! The deployment chain: from a source commit by image, high-level definition (HLD) and manifest to the clusters.
//!
//! One row a change. Pure: the catalog gathers the [`Parts`], a [`Chain`] says which repositories are which, [`rows()`]
//! joins them.
//!
//! Nothing of it is stored, so the order in which things arrive does not matter. Each step says by which rule it is known
//! and whether that is certain ([`ChainLink`]). What Bedrock's pipelines write is at
//! <https://github.com/microsoft/bedrock/blob/master/docs/hld-to-manifest.md>.
//!
//! The traps:
//! - No event of a run carries the commit of the manifests. It is found by what it says and when it was made, since it is
//!   pushed with the token of somebody who had nothing to do with it.
//! - A run that finds no difference makes no commit: then the one before stays, and is shown.
//! - A pull request that reconciles the high-level definition with a repository deploys nothing; nor does a run that only
//!   verifies a pull request.
//! - Numbers of runs are used again in every pipeline: a tag alone is never certain, and where two runs fit it is none.
//! - A rollback brings an image that was there before: the same run has two rows then.

mod change;
mod cluster;
mod manifest;
mod parts;
mod row;
mod rows;
mod rules;
mod tag;
#[cfg(test)]
mod tests;

pub use change::open_tags;
pub use parts::{Arrival, Commit, Opened, Parts, PullRequest, ReleaseStage, Run, Sync};
pub use row::{ChainLink, Cluster, Kind, Row, Second, Status, Step};
pub use rows::rows;
pub use rules::{Chain, Chains, NamedCluster, Ring, Service};
pub use tag::{ReadTag, TagTemplate};
