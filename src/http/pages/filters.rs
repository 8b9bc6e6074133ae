//! The form that a list is filtered by. What it asks for stands in the address.

use askama::Template;

#[derive(Template)]
#[template(path = "filters.html")]
pub(super) struct Filters {
    /// Where it is asked for.
    pub(super) action: &'static str,
    pub(super) button: &'static str,
    pub(super) fields: Vec<Field>,
    /// Something is asked for that can be cleared.
    pub(super) is_any: bool,
}

/// Something to filter by.
pub(super) struct Field {
    name: &'static str,
    label: &'static str,
    kind: Kind,
}

enum Kind {
    Text(String),
    Number(usize),
    Choice(Vec<Choice>),
}

struct Choice {
    value: String,
    word: String,
    chosen: bool,
}

impl Field {
    pub(super) fn text(name: &'static str, label: &'static str, value: Option<&str>) -> Self {
        Self { name, label, kind: Kind::Text(value.unwrap_or_default().to_owned()) }
    }

    pub(super) fn number(name: &'static str, label: &'static str, value: usize) -> Self {
        Self { name, label, kind: Kind::Number(value) }
    }

    /// Among values, each with its word.
    pub(super) fn choice<V: Into<String>, W: Into<String>>(
        name: &'static str,
        label: &'static str,
        options: impl IntoIterator<Item = (V, W)>,
        is_chosen: impl Fn(&str) -> bool,
    ) -> Self {
        let choice = |(value, word): (V, W)| {
            let value = value.into();
            Choice { chosen: is_chosen(&value), value, word: word.into() }
        };
        Self { name, label, kind: Kind::Choice(options.into_iter().map(choice).collect()) }
    }

    /// Among words, which are the values, too.
    pub(super) fn words<'w>(
        name: &'static str,
        label: &'static str,
        words: impl IntoIterator<Item = &'w str>,
        is_chosen: impl Fn(&str) -> bool,
    ) -> Self {
        Self::choice(name, label, words.into_iter().map(|word| (word, word)), is_chosen)
    }

    /// Among words, or none of them.
    pub(super) fn any_of<'w>(
        name: &'static str,
        label: &'static str,
        words: impl IntoIterator<Item = &'w str>,
        is_chosen: impl Fn(&str) -> bool,
    ) -> Self {
        let words = words.into_iter().map(|word| (word, word));
        Self::choice(name, label, [("", "any")].into_iter().chain(words), is_chosen)
    }
}
