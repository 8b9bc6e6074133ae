//! Questions about the data, answered by typed tools over the catalog.
//!
//! Every number comes from code: a tool is a named question with typed arguments, and whoever words an answer (a model,
//! the built-in planner, a person) only chooses tools and reads what they found. The same set stands behind the command
//! line, the API, the dashboard and other people's assistants ([`mcp`]), and works with no model at all.
//!
//! Scope comes with the catalog, which is already cut to what the caller may see; no argument of a tool can widen it.
//! Time words such as `last week` are resolved here, in the caller's time zone, and told back.

mod answer;
mod finding;
pub mod mcp;
mod model;
mod planner;
mod tools;
mod when;

pub use answer::{Answer, AnswerQuery, AnswerStatus, AnswerTable, Question, Speaker, Turn, Usage};
pub use model::{Endpoint, Limits, Model, NoClient, Progress};
pub use tools::{Citation, Desk, Found, Tool, ToolError};
pub use when::{Window, WindowError};
