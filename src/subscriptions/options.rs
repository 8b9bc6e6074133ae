use std::fmt;

/// The options by which a command means what was looked at, so that what a person is told to type can be typed.
///
/// Names come from the service and may be anything: what a shell would take apart stands between quotes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options(String);

impl Options {
    /// What was not said.
    #[must_use]
    pub fn unsaid() -> Self {
        Self(" …".to_owned())
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push_str(&format!(" {name} {}", quoted(value)));
        self
    }

    /// One without a value.
    #[must_use]
    pub fn switch(mut self, name: &str) -> Self {
        self.0.push_str(&format!(" {name}"));
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
        f.write_str(&self.0)
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
        for (value, expected) in [("My Shop", "'My Shop'"), ("a'; rm -rf x", r"'a'\''; rm -rf x'"), ("", "''")] {
            assert_eq!(Options::default().with("--project", value).to_string(), format!(" --project {expected}"));
        }
    }
}
