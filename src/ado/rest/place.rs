use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The version of the API that the answers here are read by.
const API_VERSION: &str = "7.1";

/// The cloud, and where it answers for classic releases. A server does so at its one address.
const CLOUD: &str = "https://dev.azure.com";
const CLOUD_OF_RELEASES: &str = "https://vsrm.dev.azure.com";

/// What stays as it is in an address.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Where to ask: `{organization}[/{project}]/_apis/{path}`, with a query.
///
/// Shown without the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    organization: String,
    project: Option<String>,
    path: String,
    version: &'static str,
    of_releases: bool,
    query: Vec<(&'static str, String)>,
}

impl Place {
    /// `path` is what stands behind `_apis/`; names in it have to be [`escaped`](Place::escaped).
    #[must_use]
    pub fn new(organization: &str, path: impl Into<String>) -> Self {
        Self {
            organization: organization.to_owned(),
            project: None,
            path: path.into(),
            version: API_VERSION,
            of_releases: false,
            query: Vec::new(),
        }
    }

    /// By name or id.
    #[must_use]
    pub fn project(self, project: &str) -> Self {
        Self { project: Some(project.to_owned()), ..self }
    }

    /// Another version of the API than 7.1, such as a preview.
    #[must_use]
    pub fn version(self, version: &'static str) -> Self {
        Self { version, ..self }
    }

    /// A place of the API for classic releases.
    #[must_use]
    pub fn of_releases(self) -> Self {
        Self { of_releases: true, ..self }
    }

    /// Adds to the query.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Asks for half as many. Whether that is possible: the number is there, and more than one.
    pub(super) fn halve(&mut self, name: &str) -> bool {
        let found = self.query.iter_mut().find(|(known, _)| *known == name);
        let half = found.as_ref().and_then(|(_, value)| value.parse::<u32>().ok()).map_or(0, |number| number / 2);
        match found.filter(|_| half > 0) {
            Some((_, value)) => {
                *value = half.to_string();
                true
            }
            None => false,
        }
    }

    /// A name as a part of a path.
    #[must_use]
    pub fn escaped(name: &str) -> String {
        utf8_percent_encode(name, ESCAPED).to_string()
    }

    /// The address, where the service is at `base`.
    pub(super) fn url(&self, base: &str) -> String {
        let base = if self.of_releases && base == CLOUD { CLOUD_OF_RELEASES } else { base };
        let mut url = format!("{base}/{}", Self::escaped(&self.organization));
        if let Some(project) = &self.project {
            url.push_str(&format!("/{}", Self::escaped(project)));
        }
        url.push_str(&format!("/_apis/{}?api-version={}", self.path, self.version));
        for (name, value) in &self.query {
            url.push_str(&format!("&{}={}", Self::escaped(name), Self::escaped(value)));
        }
        url
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let project = self.project.as_ref().map(|project| format!("/{project}")).unwrap_or_default();
        write!(f, "{}{project}/_apis/{}", self.organization, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_as_many_as_long_as_there_are_more_than_one() {
        let mut place = Place::new("fabrikam", "x").with("$top", "5");
        assert!(place.halve("$top") && place.halve("$top"));
        assert!(place.url("").ends_with("&%24top=1"), "{}", place.url(""));
        assert!(!place.halve("$top") && !place.halve("minTime"));
    }

    #[test]
    fn releases_have_a_host_of_their_own_in_the_cloud() {
        let place = Place::new("fabrikam", "release/deployments").of_releases().project("p");
        let path = "fabrikam/p/_apis/release/deployments?api-version=7.1";
        assert_eq!(place.url("https://dev.azure.com"), format!("https://vsrm.dev.azure.com/{path}"));
        assert_eq!(place.url("https://tfs.example/tfs"), format!("https://tfs.example/tfs/{path}"));
    }

    #[test]
    fn names_cannot_leave_their_place() {
        let place =
            Place::new("fabrikam", "build/builds").project("My Shop/../x?y#z").with("minTime", "2026-01-01T:&+");
        assert_eq!(
            place.url("https://dev.azure.com"),
            "https://dev.azure.com/fabrikam/My%20Shop%2F..%2Fx%3Fy%23z/_apis/build/builds?api-version=7.1\
             &minTime=2026-01-01T%3A%26%2B"
        );
        assert_eq!(place.to_string(), "fabrikam/My Shop/../x?y#z/_apis/build/builds");
    }
}
