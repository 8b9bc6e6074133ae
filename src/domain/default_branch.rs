//! Which branch of a repository counts.

/// Refs that are the default branch where nobody told which one is.
///
/// Azure DevOps' events of code tell it of repositories of Azure Repos. Where none comes, and of other repositories, the
/// usual names have to do.
pub const USUAL: [&str; 3] = ["refs/heads/main", "refs/heads/master", "refs/heads/trunk"];

/// Whether a ref is the default branch of its repository, of which `told` is the one that somebody told.
#[must_use]
pub fn is_default(branch: Option<&str>, told: Option<&str>) -> bool {
    branch.is_some_and(|branch| match told {
        Some(told) => branch == told,
        None => USUAL.contains(&branch),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_goes_before_the_usual_names() {
        let table = [
            (Some("refs/heads/main"), None, true),
            (Some("refs/heads/develop"), None, false),
            (Some("refs/heads/develop"), Some("refs/heads/develop"), true),
            (Some("refs/heads/main"), Some("refs/heads/develop"), false),
            (Some("refs/pull/7/merge"), None, false),
            (None, None, false),
        ];
        for (branch, told, expected) in table {
            assert_eq!(is_default(branch, told), expected, "{branch:?} {told:?}");
        }
    }
}
