//! Subscriptions of service hooks, made and kept healthy by program.
//!
//! Hooks fail in silence: while a subscription is on probation every new event is lost, after 36 h it is disabled, and
//! nobody is told (<https://learn.microsoft.com/azure/devops/service-hooks/troubleshoot>). So what should be there is
//! computed ([`wanted()`]), compared with what is there ([`plan()`]), and looked after ([`doctor()`]).
//!
//! All of that is pure; [`Inquiry`] and [`carry_out`] ask the service and tell it, and [`HookWatch`] does
//! so on a schedule. Only what is ours is ever touched: same consumer, and same storage account or address.

mod doctor;
mod enrol;
mod events;
mod gaps;
mod looks;
mod options;
mod plan;
#[cfg(test)]
mod samples;
mod service;
mod target;
mod wanted;
mod watch;

pub use doctor::{Ailment, Finding, Look, doctor, remedies};
pub use events::Group;
pub use gaps::{Stream, gaps, streams};
pub use looks::keep_by_hand;
pub use options::Options;
pub use plan::{Action, Step, plan};
pub use service::{Inquiry, Question, carry_out, change_key};
pub use target::{QueueTarget, Target, WebHookTarget};
pub use wanted::{Pipeline, Wanted, wanted};
pub use watch::{HookWatch, Watched};
