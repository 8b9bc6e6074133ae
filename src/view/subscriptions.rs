use std::collections::BTreeSet;

use serde::Serialize;

use super::runs::time;
use super::table::{UNKNOWN, or_unknown, table};
use crate::domain::Time;
use crate::subscriptions::{Ailment, Finding, Options, Step};

/// What a plan says, a line a subscription.
#[must_use]
pub fn plan_table(steps: &[Step]) -> String {
    let rows = steps.iter().map(|step| {
        vec![
            step.action.to_string(),
            step.event_type.clone(),
            or_unknown(Some(&step.project)),
            or_unknown(step.subscription_id.as_deref()),
            step.reason.clone(),
        ]
    });
    table(&["ACTION", "EVENTS", "PROJECT", "SUBSCRIPTION", "REASON"], rows)
}

/// A subscription of ours, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedSubscription {
    pub subscription_id: String,
    pub status: String,
    pub event_type: String,
    pub project: String,
    /// Stays the same when the project is renamed.
    pub project_id: String,
    /// The id or the name that it is cut down to.
    pub pipeline: Option<String>,
    pub resource_version: Option<String>,
    /// The queue or the address.
    pub to: String,
    pub last_delivery_at: Option<String>,
    pub last_result: Option<String>,
    /// Of the deliveries that the service still tells of.
    pub deliveries: usize,
    pub failures: usize,
    pub last_error: Option<String>,
}

#[must_use]
pub fn subscriptions_table(listed: &[ListedSubscription]) -> String {
    let rows = listed.iter().map(|listed| {
        vec![
            listed.status.clone(),
            listed.event_type.clone(),
            or_unknown(Some(&listed.project)),
            or_unknown(listed.pipeline.as_deref()),
            since(listed.last_delivery_at.as_deref().and_then(|at| Time::parse(at).ok().flatten())),
            or_unknown(listed.last_result.as_deref()),
            format!("{} of {}", listed.failures, listed.deliveries),
            listed.to.clone(),
            listed.subscription_id.clone(),
        ]
    });
    table(&["STATUS", "EVENTS", "PROJECT", "PIPELINE", "LAST DELIVERY", "RESULT", "FAILED", "TO", "SUBSCRIPTION"], rows)
}

/// A finding with what it means and what mends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedFinding<'f> {
    #[serde(flatten)]
    finding: &'f Finding,
    means: &'static str,
    mend: String,
}

/// `options` are those of the look.
#[must_use]
pub fn listed_findings<'f>(findings: &'f [Finding], options: &Options) -> Vec<ListedFinding<'f>> {
    let listed = |finding: &'f Finding| {
        let what = finding.finding;
        ListedFinding { finding, means: what.means(), mend: what.mend(options) }
    };
    findings.iter().map(listed).collect()
}

/// What the doctor found, the worst first, and below it in the same order what each kind of trouble means and what mends
/// it.
#[must_use]
pub fn findings_text(findings: &[Finding], options: &Options) -> String {
    let mut worst_first: Vec<_> = findings.iter().collect();
    worst_first.sort_by_key(|finding| finding.finding);
    let rows = worst_first.into_iter().map(|finding| {
        vec![
            finding.finding.to_string(),
            finding.event_type.clone(),
            finding.project.clone(),
            since(finding.since),
            or_unknown(finding.says.as_deref()),
            or_unknown(finding.subscription_id.as_deref()),
        ]
    });
    let kinds: BTreeSet<Ailment> = findings.iter().map(|finding| finding.finding).collect();
    let meanings: String =
        kinds.iter().map(|kind| format!("\n{kind}: {}\n  mend: {}\n", kind.means(), kind.mend(options))).collect();
    table(&["FINDING", "EVENTS", "PROJECT", "SINCE", "SAYS", "SUBSCRIPTION"], rows) + &meanings
}

fn since(since: Option<Time>) -> String {
    since.map_or_else(|| UNKNOWN.to_owned(), |since| time(Some(since)))
}

/// All that the doctor can say, as a table of Markdown.
#[must_use]
pub fn ailments_markdown() -> String {
    let line = |ailment: &Ailment| {
        let mend = ailment.mend(&Options::unsaid());
        let mend = if mend.starts_with("pipetrail ") { format!("`{mend}`") } else { mend };
        format!("| `{ailment}` | {} | {mend} |\n", ailment.means())
    };
    let rows: String = Ailment::ALL.iter().map(line).collect();
    format!("| finding | what it means | what mends it |\n|---|---|---|\n{rows}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_stands_first_above_and_below() {
        let finding = |finding| Finding {
            finding,
            event_type: "build.complete".to_owned(),
            project: "Fiber".to_owned(),
            project_id: "p".to_owned(),
            subscription_id: None,
            says: None,
            since: None,
        };
        let found = [Ailment::Doubled, Ailment::DisabledBySystem, Ailment::Missing, Ailment::Doubled].map(finding);
        let text = findings_text(&found, &Options::default());
        let first = |line: &str| line.split([' ', ':']).next().unwrap_or_default().to_owned();
        let words = ["disabledBySystem", "missing", "doubled"];
        let order: Vec<_> = text.lines().map(first).filter(|word| words.contains(&word.as_str())).collect();
        assert_eq!(
            order,
            ["disabledBySystem", "missing", "doubled", "doubled", "disabledBySystem", "missing", "doubled"]
        );
    }
}
