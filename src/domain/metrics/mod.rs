//! How well is delivered: DORA's five numbers and those beside them, each with the runs behind it.
//!
//! [`Material`] is what is known of deployments, commits and incidents; [`Judgement`] says of each deployment how it ended,
//! what it brought and what became of it; [`Selection`] sums up those that somebody asks about. What cannot be had is no
//! number but a word for why ([`Unknown`]): a zero would say that all is well.
//!
//! The definitions are those of <https://dora.dev/guides/dora-metrics/>, the levels those of the report of 2023. The
//! traps, each with its test: a skipped stage is no deployment, a failed one inside of a failed run is one, each attempt
//! of a stage counts by itself, and what an older commit brings back is a rollback and no progress.

mod chains;
mod changes;
mod commit;
mod environment;
mod figure;
mod flow;
mod group;
mod judged;
mod lines;
mod material;
mod report;
mod selection;
mod terms;
#[cfg(test)]
mod tests;
mod threads;
mod wanted;
mod window;

pub use changes::{Change, Changes};
pub use commit::{Commit, CommitId, Commits};
pub use environment::{Beside, EnvironmentRule, Place, is_production, words};
pub use figure::{Figure, Level, Spread, Unknown, nearest_rank};
pub use flow::{Flow, FlowReport, GroupFlow, HourQueue, PoolQueue, Ran, Tests};
pub use group::{Group, Grouped};
pub use judged::{Failure, Judged, Judgement, Recovered};
pub use material::{
    Branch, Brought, Deployed, Ending, Few, Incident, Known, Line, Lost, Material, MergedRequest, Name, Origin, Part,
    Source, Title, Titles, Update,
};
pub use report::{
    Bucket, CommitWork, Coverage, FailRate, Frequency, LeadTime, Recovery, Report, ReworkRate, Trend, Work,
};
pub use selection::Selection;
pub use terms::{PartialSuccess, Terms};
pub use wanted::{Wanted, Whose};
pub use window::{ParseZoneError, Period, Window, Zone};

/// Commits and names are short, and there are hundreds of thousands of them.
pub type Map<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
pub type Set<T> = std::collections::HashSet<T, foldhash::fast::RandomState>;
