//! Which commits a deployment brought.
//!
//! Told by the pushes, which make a chain. Where a link of it is missing, what the runs since then
//! say that they built stands for it, and is told apart: one of those runs may not have been asked. Where nobody asked,
//! nobody knows, and nothing is guessed from times: a push that got lost would look like none.

use std::ops::Range;

use super::Commit;

/// What came with a deployment: which commits, [`Judgement::changes`](super::Judgement::changes) says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// Nothing is known to have been there before.
    First,
    /// Pushes are missing, or the commit, and nobody asked what was built.
    Unknown,
    /// Pushes are missing; these were built since the deployment before.
    Likely(Range<usize>),
    Known(Range<usize>),
}

/// One commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub commit: Commit,
    /// Index into [`Material::requests`](super::Material::requests).
    pub request: Option<usize>,
}
