use std::fmt;

/// The options by which a command means what was looked at, so that what a person is told to type can be typed.
///
/// Names come from the service and may be anything: what a shell would take apart stands between quotes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options(Vec<Said>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    name: String,
    /// As it is typed, name and value.
    text: String,
}

/// Which events they are, and how they wait: `test` does not take these.
const OF_EVENTS: [&str; 5] = ["--groups", "--pipeline", "--queue", "--ttl", "--visibility"];

impl Options {
    /// What was not said.
    #[must_use]
    pub fn unsaid() -> Self {
        Self::default().switch("…")
    }

    #[must_use]
    pub fn with(self, name: &str, value: &str) -> Self {
        self.add(name, format!("{name} {}", quoted(value)))
    }

    /// One without a value.
    #[must_use]
    pub fn switch(self, name: &str) -> Self {
        self.add(name, name.to_owned())
    }

    /// Those that `test` takes.
    #[must_use]
    pub fn for_a_test(&self) -> Self {
        Self(self.0.iter().filter(|said| !OF_EVENTS.contains(&said.name.as_str())).cloned().collect())
    }

    fn add(mut self, name: &str, text: String) -> Self {
        self.0.push(Said { name: name.to_owned(), text });
        self
    }

    /// Where there is such a value.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

/// To stand behind a command's name: nothing, or each behind a space.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|said| write!(f, " {}", said.text))
    }
}

fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/,@".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_typed() {
        let options = Options::default().with("--to", "web-hook").switch("--all-projects").maybe("--queue", None);
        assert_eq!(options.to_string(), " --to web-hook --all-projects");
        let options = options.with("--groups", "runs,jobs").with("--ttl", "60s");
        assert_eq!(options.for_a_test().to_string(), " --to web-hook --all-projects");
        for (value, expected) in [("My Shop", "'My Shop'"), ("a'; rm -rf x", r"'a'\''; rm -rf x'"), ("", "''")] {
            assert_eq!(Options::default().with("--project", value).to_string(), format!(" --project {expected}"));
        }
    }
}
