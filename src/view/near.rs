use super::escaped;
use crate::catalog::Named;
use crate::domain::{ApprovalStatus, Outcome, State};

/// So many values are offered.
const MOST_OFFERED: usize = 3;
/// How alike two words are that are taken for each other, from 0 to 1.
const ALIKE: f64 = 0.84;
/// Shorter parts stand in any name.
const SHORTEST_PART: usize = 3;

/// That nothing has the value that was asked for, and which ones are near it; nothing where something has it, or where it
/// is a word of the service: then nothing is in that state, and that is an answer.
#[must_use]
pub fn unknown_note(named: Named, asked: &str, known: &[String]) -> Option<String> {
    if is_word(named, asked) { None } else { unknown_name(named.as_str(), asked, known) }
}

/// The same of any kind of name.
#[must_use]
pub fn unknown_name(what: &str, asked: &str, known: &[String]) -> Option<String> {
    if known.iter().any(|value| value.eq_ignore_ascii_case(asked)) {
        return None;
    }
    let near: Vec<_> = near(asked, known).into_iter().map(|value| format!("`{}`", escaped(value))).collect();
    let what = format!("no {what} `{}` is known here", escaped(asked));
    Some(if near.is_empty() { what } else { format!("{what}: did you mean {}?", near.join(" or ")) })
}

fn is_word(named: Named, asked: &str) -> bool {
    match named {
        Named::State => State::is_known(asked),
        Named::Result => Outcome::is_known(asked),
        Named::Status => ApprovalStatus::is_known(asked),
        Named::Organization
        | Named::Project
        | Named::Pipeline
        | Named::Branch
        | Named::Environment
        | Named::Pool
        | Named::Person => false,
    }
}

/// The nearest first. Numbers are no words: one that is near is another thing.
pub(crate) fn near<'k>(asked: &str, known: &'k [String]) -> Vec<&'k str> {
    let asked = asked.to_lowercase();
    let words = known.iter().filter(|value| value.contains(char::is_alphabetic));
    let mut near: Vec<(f64, &str)> =
        words.map(|value| (likeness(&asked, &value.to_lowercase()), value.as_str())).collect();
    near.retain(|(likeness, _)| *likeness >= ALIKE);
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    near.into_iter().map(|(_, value)| value).take(MOST_OFFERED).collect()
}

fn likeness(asked: &str, known: &str) -> f64 {
    let is_part = |part: &str, whole: &str| part.chars().count() >= SHORTEST_PART && whole.contains(part);
    if is_part(asked, known) || is_part(known, asked) { 1.0 } else { strsim::jaro_winkler(asked, known) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_the_service_is_no_typo() {
        let known = ["approved".to_owned(), "completed".to_owned()];
        for (named, asked, is_noted) in [
            (Named::Status, "pending", false),
            (Named::Status, "Pending", false),
            (Named::Status, "pendig", true),
            (Named::State, "inProgress", false),
            (Named::State, "failed", true),
            (Named::Result, "failed", false),
            (Named::Pipeline, "failed", true),
        ] {
            assert_eq!(unknown_note(named, asked, &known).is_some(), is_noted, "{named:?} {asked}");
        }
    }

    #[test]
    fn near_values_are_offered() {
        let known: Vec<_> = ["12", "checkout-deploy", "checkout-service", "web\u{1b}[2J"].map(str::to_owned).into();
        let note = |asked| unknown_note(Named::Pipeline, asked, &known);
        let table = [
            ("chekout-service", Some("no pipeline `chekout-service` is known here: did you mean `checkout-service`?")),
            (
                "CHECKOUT",
                Some("no pipeline `CHECKOUT` is known here: did you mean `checkout-deploy` or `checkout-service`?"),
            ),
            ("web", Some("no pipeline `web` is known here: did you mean `web\\u{1b}[2J`?")),
            ("13", Some("no pipeline `13` is known here")),
            ("payments", Some("no pipeline `payments` is known here")),
            ("12", None),
            ("Checkout-Deploy", None),
        ];
        for (asked, expected) in table {
            assert_eq!(note(asked).as_deref(), expected, "{asked}");
        }
    }
}
