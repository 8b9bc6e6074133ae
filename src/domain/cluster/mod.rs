//! Whether the clusters have a commit of the manifests: what Flux, Argo CD by the connector of Microsoft's
//! extension, or a tag that Flux moves said of it.
//!
//! One record holds what was said of one commit: of each cluster the latest word. A cluster that goes on to a later commit
//! says nothing more of an earlier one; that it has that, too, follows from the order of the commits, which is no matter of
//! this record.

mod fact;
mod record;

pub use fact::ClusterFact;
pub use record::{ClusterRecord, ShownSync};
