//! From a question in words to a question for a tool, with no model: a small grammar over the tools' own vocabulary.
//!
//! It would rather refuse than guess. Whatever is understood is taken out of the question, and where a word is left that
//! might matter, there is no answer: a word that was passed over is a filter that was left out. Pure.

mod asked;
mod number;
mod readings;
#[cfg(test)]
mod tests;
mod words;

use serde_json::Value;

use super::tools::Tool;
use crate::view::near;
use asked::Asked;

/// Names that a question may hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Vocabulary {
    pub(super) pipelines: Vec<String>,
    pub(super) projects: Vec<String>,
    pub(super) environments: Vec<String>,
    pub(super) branches: Vec<String>,
    /// Of agents.
    pub(super) pools: Vec<String>,
    /// Who owns pipelines, by configuration.
    pub(super) services: Vec<String>,
    pub(super) teams: Vec<String>,
    /// Who asks, as the sign-in names them, and the teams that they are of.
    pub(super) asker: Option<String>,
    pub(super) own_teams: Vec<String>,
}

/// What a question comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) tool: Tool,
    pub(super) arguments: Value,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// For people.
    pub(super) why: String,
    /// Three questions that are near it and can be answered.
    pub(super) examples: Vec<&'static str>,
}

/// Questions that can be answered, for who asked another one.
const EXAMPLES: [&str; 21] = [
    "which pipelines failed most last week",
    "what is the failure rate per pipeline this month",
    "how many runs per day last week",
    "which stages are slowest last 30 days",
    "what got slower than last month",
    "which pipelines are flaky",
    "how long do runs wait in the queue per hour",
    "how long do runs wait in the queue per pool",
    "why did run 480 fail",
    "which errors are most frequent this week",
    "what is broken on main",
    "what is in production now",
    "what is in staging but not in production",
    "what was deployed to production since monday",
    "where is commit 3f2a9c1",
    "where is AB#123",
    "what waits for approval",
    "what is the lead time last month, and why did it change",
    "how often do we deploy to production",
    "which runs failed today",
    "can the data be trusted",
];

/// Longer questions are stories.
const LONGEST: usize = 500;

impl Plan {
    /// All that a question asks for: of `slower or flakier` each, and of what moved a number that number first.
    ///
    /// # Errors
    /// As [`Plan::following`].
    pub(super) fn all<'q>(
        question: &str,
        earlier: impl Iterator<Item = &'q str> + Clone,
        known: &Vocabulary,
    ) -> Result<Vec<Self>, Refusal> {
        let plans =
            alternatives(question).into_iter().map(|question| Self::following(&question, earlier.clone(), known));
        let plans: Vec<_> = plans.collect::<Result<_, _>>()?;
        Ok(plans.into_iter().flat_map(|plan| plan.whole().into_iter().chain([plan])).collect())
    }

    /// Which team `my team` is, where the question says so.
    pub(super) fn own_team<'k>(question: &str, known: &'k Vocabulary) -> Option<&'k String> {
        let question = question.to_lowercase();
        let says = OWN_TEAM.iter().any(|words| question.contains(words));
        known.own_teams.first().filter(|_| says && known.own_teams.len() == 1)
    }

    /// The number that the groups of this plan are parts of.
    fn whole(&self) -> Option<Self> {
        let mut whole = self.clone();
        (self.tool == Tool::Dora && whole.arguments.as_object_mut()?.remove("groupBy").is_some()).then_some(whole)
    }

    /// By itself. What is told of a question that cannot be read costs far more than to read one.
    fn read(question: &str, known: &Vocabulary) -> Result<Self, Unread> {
        if question.chars().count() > LONGEST {
            return Err(Unread::TooLong);
        }
        Asked::of(question, known).plan().map_err(Unread::Rest)
    }

    /// The same for a question that may follow on earlier ones, the oldest first. One that by itself is none, or that
    /// begins as one that goes on, and that says nothing but another time, name or group, is the one before with these:
    /// `and last month?`
    ///
    /// # Errors
    /// [`Refusal`] where it is understood neither by itself nor so.
    fn following<'q>(
        question: &str,
        earlier: impl Iterator<Item = &'q str>,
        known: &Vocabulary,
    ) -> Result<Self, Refusal> {
        let itself = Self::read(question, known);
        let told = |why: Unread| why.told(question, known);
        if itself.is_ok() && !goes_on(question) {
            return itself.map_err(told);
        }
        let mut before: Option<Asked> = None;
        for question in earlier.filter(|question| question.chars().count() <= LONGEST) {
            let asked = Asked::of(question, known);
            let followed = || before.as_ref()?.followed_by(&asked).filter(|asked| asked.plan().is_ok());
            let is_new = asked.plan().is_ok() && !goes_on(question);
            let next = if is_new { Some(asked.clone()) } else { followed() };
            before = next.or(before).or_else(|| Some(asked).filter(|asked| asked.plan().is_ok()));
        }
        let followed = before.and_then(|before| before.followed_by(&Asked::of(question, known)));
        followed.and_then(|asked| asked.plan().ok()).map_or_else(|| itself.map_err(told), Ok)
    }
}

/// Why a question is none by itself.
enum Unread {
    TooLong,
    /// What of it was not understood.
    Rest(Vec<String>),
}

impl Unread {
    fn told(self, question: &str, known: &Vocabulary) -> Refusal {
        let why = match self {
            Self::TooLong => format!("a question has at most {LONGEST} characters"),
            Self::Rest(_) if OWN_TEAM.iter().any(|words| question.to_lowercase().contains(words)) => whose_team(known),
            Self::Rest(rest) => why(&rest, known),
        };
        refusal(question, why, known)
    }
}

/// What means the team of who asks.
const OWN_TEAM: [&str; 2] = ["my team", "our team"];

/// Why it is not known which team is meant, and what would tell.
fn whose_team(known: &Vocabulary) -> String {
    let quoted = |names: &[String], with: &str| {
        let names = names.iter().take(MOST_WORDS).map(|name| format!("`{}`", crate::view::escaped(name)));
        names.collect::<Vec<_>>().join(with)
    };
    let says = match (&known.asker, known.own_teams.as_slice()) {
        (None, _) => "nobody signed in, so that it is not known who asks".to_owned(),
        (Some(name), []) => format!(
            "no `members` of `[[owners]]` in the configuration file name `{}`, who asks",
            crate::view::escaped(name)
        ),
        (Some(_), [_]) => "it is known, but not all of the question is understood".to_owned(),
        (Some(_), teams) => return format!("not understood: `my team` is {}: say which", quoted(teams, " or ")),
    };
    let instead = match known.teams.as_slice() {
        [] => "no pipeline here has a team: `[[owners]]` in the configuration file give them one".to_owned(),
        teams => format!("say a team instead, such as {}", quoted(teams, ", ")),
    };
    format!("not understood: `my team`: {says}; {instead}")
}

/// What got `slower or flakier` is what got slower, and what got flakier. Slower `and` flakier is what got both.
fn alternatives(question: &str) -> Vec<String> {
    let words: Vec<&str> = question.split_whitespace().collect();
    let compares = |word: &str| ["slower", "faster", "flakier"].contains(&word.to_lowercase().as_str());
    let is_choice = |words: &[&str]| matches!(words, [one, or, other] if compares(one) && or.eq_ignore_ascii_case("or") && compares(other));
    match words.windows(3).position(is_choice) {
        Some(at) => [at, at + 2].map(|kept| without(&words, at, kept)).into(),
        None => vec![question.to_owned()],
    }
}

/// The words but for those of the choice that begins at `at`, of which one is kept.
fn without(words: &[&str], at: usize, kept: usize) -> String {
    let stays = |place: &usize| *place == kept || !(at..at + 3).contains(place);
    let words = words.iter().enumerate().filter(|(place, _)| stays(place));
    words.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
}

/// Whether it begins as one that adds to the question before it.
fn goes_on(question: &str) -> bool {
    let question = question.trim_start().to_lowercase();
    ["and ", "what about ", "how about ", "same ", "only ", "but "].iter().any(|begin| question.starts_with(begin))
}

/// What is missing.
fn why(rest: &[String], known: &Vocabulary) -> String {
    if rest.iter().any(|left| ["my", "mine", "i"].contains(&left.as_str())) {
        return "not understood: `my` means a team alone, as in `my team`; say a name instead".to_owned();
    }
    let quoted = |word: &str| format!("`{}`", crate::view::escaped(word));
    let says: Vec<_> = rest.iter().take(MOST_WORDS).map(|word| quoted(word)).collect();
    let says = if says.is_empty() { "what is asked for".to_owned() } else { says.join(", ") };
    let near: Vec<_> = known.near(rest).into_iter().map(quoted).collect();
    let offer = if near.is_empty() { String::new() } else { format!(": did you mean {}?", near.join(" or ")) };
    format!("not understood: {says}{offer}")
}

/// Words that are told of, at most.
const MOST_WORDS: usize = 5;
/// Names that are offered, at most.
const MOST_OFFERED: usize = 3;

impl Vocabulary {
    /// The names that these words may be meant for.
    fn near(&self, words: &[String]) -> Vec<&str> {
        let Self { pipelines, projects, environments, branches, pools, services, teams, asker: _, own_teams: _ } = self;
        let kinds = [pipelines, projects, environments, branches, pools, services, teams];
        let of = |word: &String| kinds.into_iter().flat_map(|names| near(word, names)).collect::<Vec<_>>();
        let mut found: Vec<&str> = Vec::new();
        for name in words.iter().take(MOST_WORDS).flat_map(of) {
            let name = name.strip_prefix("refs/heads/").unwrap_or(name);
            if !found.contains(&name) {
                found.push(name);
            }
        }
        found.truncate(MOST_OFFERED);
        found
    }
}

fn refusal(question: &str, why: String, known: &Vocabulary) -> Refusal {
    let question = question.to_lowercase();
    let question: String = question.chars().take(LONGEST).collect();
    let mut examples = EXAMPLES.to_vec();
    examples.sort_by(|one, other| {
        strsim::sorensen_dice(&question, other).total_cmp(&strsim::sorensen_dice(&question, one))
    });
    // An environment or a branch of that name need not be there.
    let answered = examples.into_iter().filter(|example| Asked::of(example, known).plan().is_ok());
    Refusal { why, examples: answered.take(3).collect() }
}
