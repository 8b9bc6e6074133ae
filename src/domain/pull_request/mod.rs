//! A pull request: what becomes of it, who voted, which commits it is about.
//!
//! The trap: a payload is made when it is delivered, not when the event happened. So an event that is late, or was tried
//! again, may tell a later state at an earlier time; and `completed`, which nothing follows, counts whenever it was said.
//!
//! The other trap: commits are pushed away by force, and only the statements that list them tell. Answers of the REST API
//! name the last one alone.

mod fact;
mod record;

pub use fact::{CommitRole, PullRequestFact, StatusSaid, Vote, VoteSaid};
pub use record::{PullRequestRecord, ShownPullRequest, ShownSource};
