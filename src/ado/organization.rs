//! Whose run it is: organization and project, out of the addresses that an event carries.
//!
//! The trap: identities carry links too, and `spsprod….vssps.visualstudio.com` looks like an organization.
//! So callers pass only links that are known to point into the organization, and hosts of the service's
//! own are refused here all the same.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Longer names may not fit the key of a table, which takes 512 characters, and where a byte may need three. The service
/// allows 50 characters.
const LONGEST_NAME: usize = 128;

/// What an address says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address<'u> {
    /// Lower case.
    pub(super) organization: String,
    /// A name or an id.
    pub(super) project: Option<Cow<'u, str>>,
}

/// Reads an address of the cloud (`dev.azure.com/{organization}`, `{organization}.visualstudio.com`, with
/// or without `DefaultCollection`), of a server (`/tfs/{collection}`), or of anything else, where the first
/// segment of the path is the organization.
pub(super) fn address(url: &str) -> Option<Address<'_>> {
    let (authority, path) = split(url)?;
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host_and_port.split_once(':').map_or(host_and_port, |(host, _)| host);
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let name = match strip_end(host, ".visualstudio.com") {
        Some(owner) => {
            segments = after_collection(segments);
            owner_name(owner)?
        }
        None if is_service_of_its_own(host) => return None,
        None => match segments.next()? {
            tfs if tfs.eq_ignore_ascii_case("tfs") => segments.next()?,
            first => first,
        },
    };
    let organization = usable(&percent_decode_str(name).decode_utf8().ok()?)?;
    Some(Address { organization, project: segments.next().and_then(project) })
}

/// The part between `://` and the path, and the path without query and fragment.
fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    let rest = rest.split(['?', '#']).next()?;
    rest.split_once('/').or(Some((rest, "")))
}

/// `{organization}` or, on the host of releases, `{organization}.vsrm`; further labels are services.
fn owner_name(owner: &str) -> Option<&str> {
    let name = strip_end(owner, ".vsrm").unwrap_or(owner);
    (!name.contains('.')).then_some(name)
}

/// Without a leading `DefaultCollection`, which the old addresses of the cloud may have.
fn after_collection<'u, I: Iterator<Item = &'u str> + Clone>(segments: I) -> I {
    let mut rest = segments.clone();
    match rest.next() {
        Some(first) if first.eq_ignore_ascii_case("DefaultCollection") => rest,
        Some(_) | None => segments,
    }
}

/// Hosts such as `vssps.dev.azure.com`, except that of releases.
fn is_service_of_its_own(host: &str) -> bool {
    strip_end(host, ".dev.azure.com").is_some_and(|service| !service.eq_ignore_ascii_case("vsrm"))
}

fn strip_end<'t>(text: &'t str, end: &str) -> Option<&'t str> {
    let (start, tail) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
    tail.eq_ignore_ascii_case(end).then_some(start)
}

/// The canonical form of an organization's name, if it can be one.
pub(super) fn usable(name: &str) -> Option<String> {
    let forbidden = |c: char| c.is_control() || matches!(c, '/' | '\\' | '#' | '?' | '|');
    // Lower case may be longer.
    let lower = name.to_lowercase();
    let usable =
        !name.trim().is_empty() && lower.len() <= LONGEST_NAME && !name.starts_with('_') && !name.contains(forbidden);
    usable.then_some(lower)
}

/// Whether an organization or a collection can be called so. An address is none.
#[must_use]
pub fn is_organization(name: &str) -> bool {
    usable(name).is_some() && name.trim() == name && !name.contains(['%', ':']) && !matches!(name, "." | "..")
}

/// `_apis`, `_build`, `_git` and the like stand where a project would.
fn project(segment: &str) -> Option<Cow<'_, str>> {
    if segment.starts_with('_') {
        return None;
    }
    percent_decode_str(segment).decode_utf8().ok()
}

/// Whether it has the form of an id, which is never shown as a name.
pub(super) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The service's way to say that there is none.
pub(super) fn is_zero_guid(text: &str) -> bool {
    is_guid(text) && text.bytes().all(|byte| matches!(byte, b'0' | b'-'))
}

/// The number after `marker` in an address, upper or lower case: `/runs/` in `…/Pipelines/7/runs/479`.
///
/// The last `marker` counts: a project may be called `runs`.
pub(super) fn number_after(url: &str, marker: &str) -> Option<u64> {
    let found =
        url.as_bytes().windows(marker.len()).rposition(|window| window.eq_ignore_ascii_case(marker.as_bytes()))?;
    let rest = url.get(found.checked_add(marker.len())?..)?;
    let digits = rest.get(..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()))?;
    super::usable_id(digits.parse().ok()?)
}

/// Where a run belongs.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) organization: String,
    pub(super) project_id: Option<String>,
    pub(super) project_name: Option<String>,
}

impl Place {
    /// Takes what the first address that speaks of a project says, where nothing better is known.
    pub(super) fn fill_project<'u>(&mut self, urls: impl IntoIterator<Item = &'u str>) {
        if self.project_id.is_some() && self.project_name.is_some() {
            return;
        }
        let Some(project) = urls.into_iter().find_map(|url| address(url)?.project) else { return };
        if is_guid(&project) {
            let id = Some(project.to_ascii_lowercase()).filter(|id| !is_zero_guid(id));
            self.project_id = self.project_id.take().or(id);
        } else if self.project_name.is_none() {
            self.project_name = Some(project.into_owned());
        }
    }

    pub(super) fn fill_project_id(&mut self, id: Option<&str>) {
        if self.project_id.is_none() {
            self.project_id = id.filter(|id| !is_zero_guid(id)).map(str::to_ascii_lowercase);
        }
    }
}

/// The organization that the first usable address names.
pub(super) fn organization<'u>(urls: impl IntoIterator<Item = &'u str>) -> Option<String> {
    urls.into_iter().find_map(|url| address(url).map(|found| found.organization))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Option<(String, Option<String>)> {
        address(url).map(|found| (found.organization, found.project.map(Cow::into_owned)))
    }

    #[test]
    fn names_of_organizations() {
        for name in ["fabrikam", "Fabrikam-2", "DefaultCollection", "My Collection"] {
            assert!(is_organization(name), "{name}");
        }
        for name in
            ["", " ", "fabrikam ", "https://dev.azure.com/fabrikam", "a/b", "..", "_apis", "a?b", "a%2Fb", "a\n"]
        {
            assert!(!is_organization(name), "{name}");
        }
    }

    #[test]
    fn addresses() {
        let cases = [
            ("https://dev.azure.com/Fabrikam/", Some(("fabrikam", None))),
            ("https://dev.azure.com/fabrikam/My%20Shop/_apis/build/Builds/1", Some(("fabrikam", Some("My Shop")))),
            ("https://dev.azure.com/fabrikam/_apis/projects/1", Some(("fabrikam", None))),
            ("https://user:pass@dev.azure.com/fabrikam/shop/_git/app", Some(("fabrikam", Some("shop")))),
            ("https://vsrm.dev.azure.com/fabrikam/shop/_apis", Some(("fabrikam", Some("shop")))),
            ("https://vssps.dev.azure.com/fabrikam/_apis/Identities/1", None),
            ("https://Fabrikam.visualstudio.com/DefaultCollection/shop/_apis", Some(("fabrikam", Some("shop")))),
            ("https://fabrikam.visualstudio.com/shop/_apis", Some(("fabrikam", Some("shop")))),
            ("https://fabrikam.visualstudio.com", Some(("fabrikam", None))),
            ("https://fabrikam.vsrm.visualstudio.com/shop/_apis", Some(("fabrikam", Some("shop")))),
            ("https://spsprodwus21.vssps.visualstudio.com/A66a3ab6d/_apis/Identities/1", None),
            ("http://tfs.example:8080/tfs/DefaultCollection/shop/_apis", Some(("defaultcollection", Some("shop")))),
            ("https://codedev.ms/org/863d/_apis/Pipelines/1", Some(("org", Some("863d")))),
            ("https://server.example/_apis/build", None),
            ("https://dev.azure.com/a%7Cb/x", None),
            ("https://dev.azure.com/a%2Fb/x", None),
            ("https://dev.azure.com/a%00b/x", None),
            ("https://dev.azure.com/%ff/x", None),
            ("https://dev.azure.com", None),
            ("ftp://dev.azure.com/fabrikam", None),
            ("dev.azure.com/fabrikam", None),
            ("", None),
        ];
        for (url, wanted) in cases {
            let wanted = wanted.map(|(name, project)| (name.to_owned(), project.map(str::to_owned)));
            assert_eq!(read(url), wanted, "{url}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(number_after("https://x/o/p/_apis/Pipelines/7/Runs/479?x=1", "/runs/"), Some(479));
        assert_eq!(number_after("https://x/o/p/_build/results?BuildId=480&view=logs", "buildid="), Some(480));
        assert_eq!(number_after("https://x/o/runs/_apis/pipelines/7/runs/479", "/runs/"), Some(479));
        for none in ["", "/runs/", "/runs/0", "/runs/x", "/runs/99999999999999999999", "/runs/9223372036854775808"] {
            assert_eq!(number_after(none, "/runs/"), None, "{none}");
        }
    }

    #[test]
    fn guids() {
        assert!(is_guid("efd47cfd-d35f-40ba-b424-e1ab432fdc68"));
        assert!(!is_guid("efd47cfd-d35f-40ba-b424-e1ab432fdc6x"));
        assert!(!is_guid("fabrikam/spartan-app"));
        assert!(is_zero_guid("00000000-0000-0000-0000-000000000000"));
    }
}
