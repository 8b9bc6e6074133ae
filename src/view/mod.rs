//! From catalog rows to what people and programs read. Pure: no input, no output, no clock.
//!
//! All text that came with events is hostile: a branch may hold an escape sequence that rewrites the
//! terminal's window, or a bidirectional override that turns a line around. Tables escape such
//! characters; JSON writes them as `\u` escapes, which mean the same to a program.

mod answer;
mod beside;
mod chain;
mod csv;
mod dead_letter;
mod delivery;
mod deployments;
mod escape;
mod flow;
mod gaps;
mod incidents;
mod json;
mod links;
mod near;
pub mod overview;
mod run;
mod runs;
mod spektate;
mod subscriptions;
mod table;
mod time;
mod timeline;

pub use answer::{cells_csv, cells_table};
pub use beside::{Beside, Line, line, side_by_side};
pub use chain::{
    ClusterSyncJson, DeploymentJson, chain_table, cluster_sync_json, commit_url, deployments_json, short, status,
    synced,
};
pub use csv::{
    approvals_csv, chain_csv, deployments_csv, environments_csv, gaps_csv, incidents_csv, links_csv, pipelines_csv,
    run_csv, runs_csv, stages_csv,
};
pub use dead_letter::{DeadLetterJson, LetterBody, dead_letter_text, dead_letters_table};
pub use delivery::{
    Number, delivery_csv, delivery_notes, delivery_table, figure_text, five, percent_text, seconds_text,
};
pub use deployments::{approvals_table, deployments_table, environments_table};
pub use escape::{escaped, escaped_lines};
pub use flow::{FLOW_COLUMNS, FlowNumber, flow_cells, flow_csv, flow_numbers, flow_table};
pub use gaps::{gaps_note, gaps_table};
pub use incidents::incidents_table;
pub use json::json;
pub use links::{commit_text, pull_request_text, work_item_text};
pub(crate) use near::near;
pub use near::{unknown_name, unknown_note};
pub use run::{RunJson, run_text};
pub use runs::{PipelineJson, pipelines_table, runs_table, stages_table};
pub use spektate::{SpektateRow, WRITER, spektate_rows};
pub use subscriptions::{
    ListedFinding, ListedSubscription, ailments_markdown, findings_text, listed_findings, plan_table,
    subscriptions_table,
};
pub use table::Columns;
pub use time::{duration, moment};
pub use timeline::{TimelineEntry, timeline};
