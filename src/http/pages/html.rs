//! The small parts of pages: what a state looks like, when something was, where a link may lead.
//!
//! Every text goes through [`Hostile`], which askama puts around all that a template inserts. What is marked `|safe` in a
//! template is one of the parts here, which are templates themselves.

use std::fmt;
use std::time::Duration;

use askama::Template;
use askama::filters::{Escaper, Html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::domain::Time;
use crate::view::{duration, escaped_lines, moment};

/// Writes markup as text, and what turns lines around or hides itself as an escape.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hostile;

impl Escaper for Hostile {
    fn write_escaped_str<W: fmt::Write>(&self, dest: W, string: &str) -> fmt::Result {
        Html.write_escaped_str(dest, &escaped_lines(string))
    }
}

/// A state as an icon and a word: neither is needed to understand the other.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = r#"<span class="state {{ kind }}"><span class="icon" aria-hidden="true">{{ icon }}</span> {{ word }}</span>"#
)]
pub(super) struct Badge {
    pub(super) kind: &'static str,
    pub(super) icon: &'static str,
    pub(super) word: String,
}

/// Only the icon is seen, the word is read out: for places that have no room.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = r#"<span class="state {{ badge.kind }}" title="{{ badge.word }}"><span class="icon" aria-hidden="true">{{ badge.icon }}</span><span class="sr">{{ badge.word }}</span></span>"#
)]
pub(super) struct Dot {
    pub(super) badge: Badge,
}

impl Badge {
    /// Of a run, a stage, a job or a deployment. What is over is named by its result.
    pub(super) fn of(state: Option<&str>, result: Option<&str>) -> Self {
        let said = match (state, result) {
            (Some("completed") | None, Some(result)) => result,
            (Some(state), _) => state,
            (None, None) => return Self { kind: "unknown", icon: "?", word: "not known".to_owned() },
        };
        let (kind, icon, word) = look(said);
        Self { kind, icon, word: word.map_or_else(|| said.to_owned(), str::to_owned) }
    }

    /// Of a service hook. One that should have been looked at again may be otherwise by now.
    pub(super) fn of_hook(finding: Option<&str>, is_late: bool) -> Self {
        let (kind, icon) = match (finding, is_late) {
            (_, true) => ("unknown", "?"),
            (None, false) => ("good", "✓"),
            (Some(_), false) => ("bad", "✕"),
        };
        let word = finding.unwrap_or("healthy");
        Self { kind, icon, word: if is_late { format!("was {word}") } else { word.to_owned() } }
    }

    pub(super) fn is_bad(&self) -> bool {
        self.kind == "bad"
    }

    pub(super) fn dot(self) -> Dot {
        Dot { badge: self }
    }
}

/// How a word of the service looks, and the word for people where it is not plain. A word that is not known stays.
fn look(said: &str) -> (&'static str, &'static str, Option<&'static str>) {
    match said {
        "succeeded" | "approved" => ("good", "✓", None),
        "partiallySucceeded" => ("fair", "◐", Some("partly succeeded")),
        "failed" | "rejected" | "abandoned" => ("bad", "✕", None),
        "canceled" | "skipped" => ("idle", "⊘", None),
        "inProgress" | "running" => ("live", "▶", Some("running")),
        "canceling" => ("live", "⊘", None),
        "notStarted" | "queued" => ("idle", "○", Some("not started")),
        "waiting" | "pending" | "postponed" => ("wait", "‖", Some("waiting")),
        // A pull request that nobody merged yet.
        "active" => ("wait", "‖", None),
        "completed" => ("idle", "●", None),
        _ => ("unknown", "•", None),
    }
}

/// A time as how long ago it was, with the time itself for whoever wants it.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(ext = "html", source = r#"<time datetime="{{ at }}" title="{{ full }}">{{ ago }}</time>"#)]
pub(super) struct When {
    at: Time,
    full: String,
    ago: String,
}

impl When {
    pub(super) fn of(at: Time, now: Time) -> Self {
        let ago =
            if at > now { format!("in {}", rough(at.since(now))) } else { format!("{} ago", rough(now.since(at))) };
        Self { at, full: moment(at), ago }
    }

    /// The time itself.
    pub(super) fn exact(at: Time) -> Self {
        Self { at, full: moment(at), ago: moment(at) }
    }
}

/// The greatest unit: what changes at every look is no help.
pub(super) fn rough(taken: Duration) -> String {
    let seconds = taken.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// From the start to the end, until now for what is live, nothing where it is not known.
pub(super) fn taken(state: Option<&str>, started: Option<Time>, finished: Option<Time>, now: Time) -> String {
    let live = state.is_some_and(|state| state != "completed");
    let end = finished.or_else(|| live.then_some(now));
    started.zip(end).map(|(started, end)| duration(end.since(started))).unwrap_or_default()
}

/// The address, if it is one of the web that nobody on the way can change: events may name others, such as `javascript:`.
pub(super) fn web(address: Option<&str>) -> Option<&str> {
    let address = address?;
    let scheme = address.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase())?;
    (scheme == "https").then_some(address)
}

/// A part of an address.
pub(super) fn part(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// An address with what is asked for, without what is not.
pub(super) fn query(path: &str, asked: &[(&str, Option<&str>)]) -> String {
    let said: Vec<_> =
        asked.iter().filter_map(|(key, value)| value.map(|value| format!("{key}={}", part(value)))).collect();
    if said.is_empty() { path.to_owned() } else { format!("{path}?{}", said.join("&")) }
}

/// A ref as people say it.
pub(super) fn branch(full: Option<&str>) -> String {
    let Some(full) = full else { return String::new() };
    let pull = full.strip_prefix("refs/pull/").and_then(|rest| rest.split('/').next());
    match pull {
        Some(number) => format!("PR {number}"),
        None => full.strip_prefix("refs/heads/").unwrap_or(full).to_owned(),
    }
}

/// The first 8 characters: enough to find it.
pub(super) fn short(commit: &str) -> String {
    commit.chars().take(8).collect()
}

/// The name, else the number as `#7`.
pub(super) fn named(name: Option<&str>, id: u64) -> String {
    name.map_or_else(|| format!("#{id}"), str::to_owned)
}

/// What a person typed, unless it is nothing.
pub(super) fn said(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_an_icon_and_a_word() {
        let table = [
            ((Some("completed"), Some("failed")), ("bad", "failed")),
            ((Some("completed"), None), ("idle", "completed")),
            ((Some("inProgress"), Some("failed")), ("live", "running")),
            ((None, Some("succeeded")), ("good", "succeeded")),
            ((Some("frozen"), None), ("unknown", "frozen")),
            ((Some("active"), None), ("wait", "active")),
            ((None, None), ("unknown", "not known")),
        ];
        for ((state, result), (kind, word)) in table {
            let badge = Badge::of(state, result);
            assert_eq!((badge.kind, badge.word.as_str()), (kind, word));
        }
        let hostile = Badge::of(Some("<b>\u{202e}"), None).render().unwrap();
        assert!(hostile.contains("&#60;b&#62;\\u{202e}"), "{hostile}");
    }

    #[test]
    fn only_the_web_is_linked() {
        for good in ["https://dev.azure.com/x", "HTTPS://x"] {
            assert_eq!(web(Some(good)), Some(good));
        }
        for bad in [
            "javascript:alert(1)",
            "javascript://x%0aalert(1)",
            "data:text/html,x",
            "http://x",
            "//x",
            "/x",
            "",
            " https://x",
        ] {
            assert_eq!(web(Some(bad)), None, "{bad}");
        }
    }

    #[test]
    fn addresses_hold_what_is_asked_for() {
        assert_eq!(query("/runs", &[("a", None)]), "/runs");
        assert_eq!(
            query("/runs", &[("a", Some("x&y=\"z")), ("b", None), ("c", Some("1"))]),
            "/runs?a=x%26y%3D%22z&c=1"
        );
    }

    #[test]
    fn names_for_people() {
        let table = [
            (Some("refs/heads/a/b"), "a/b"),
            (Some("refs/pull/88/merge"), "PR 88"),
            (Some("refs/tags/v1"), "refs/tags/v1"),
            (None, ""),
        ];
        for (full, shown) in table {
            assert_eq!(branch(full), shown);
        }
        let now = Time::from_ticks(100 * 86_400 * 10_000_000);
        let ago = |seconds| When::of(now.minus(Duration::from_secs(seconds)), now).ago;
        assert_eq!([0, 61, 7_300, 200_000].map(ago), ["0s ago", "1 min ago", "2 h ago", "2 d ago"]);
        assert_eq!(When::of(now.plus(Duration::from_secs(90)), now).ago, "in 1 min");
    }
}
