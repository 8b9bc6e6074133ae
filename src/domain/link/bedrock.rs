//! What Bedrock's pipelines write into the pull requests that they open, so that its chain is found with no
//! configuration.
//!
//! <https://github.com/microsoft/bedrock/blob/master/docs/hld-to-manifest.md> and its templates of pipelines.

/// A run's number begins with `yyyyMMdd` where nobody chose another form.
const USUAL_DATE: usize = 8;

/// What a description says of the run that opened the pull request.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::domain) struct OpenedBy<'t> {
    pub(in crate::domain) pipeline: &'t str,
    pub(in crate::domain) id: u64,
    pub(in crate::domain) number: &'t str,
}

/// Of `PR created by: {pipeline} with buildId: {id} and buildNumber: {number}`. Anybody can write that.
pub(in crate::domain) fn opened_by(description: &str) -> Option<OpenedBy<'_>> {
    let (_, rest) = description.split_once("PR created by: ")?;
    let line = rest.lines().next()?;
    let (pipeline, rest) = line.rsplit_once(" with buildId: ")?;
    let (id, number) = rest.split_once(" and buildNumber: ")?;
    let number = number.trim().trim_end_matches('.');
    let id = id.trim().parse().ok().filter(|id| *id > 0)?;
    (!number.is_empty()).then_some(OpenedBy { pipeline: pipeline.trim(), id, number })
}

/// Whether its title or its source branch is one that Bedrock's pipelines give.
pub(in crate::domain) fn is_deployment(source: Option<&str>, title: Option<&str>) -> bool {
    branch(source).is_some_and(|branch| branch.starts_with("DEPLOY/")) || title.and_then(image_tag).is_some()
}

fn branch(source: Option<&str>) -> Option<&str> {
    source.map(|source| source.strip_prefix("refs/heads/").unwrap_or(source))
}

/// The image tag in a title: `Updating {service} image tag to {tag}.`
pub(in crate::domain) fn image_tag(title: &str) -> Option<&str> {
    let (_, rest) = title.strip_prefix("Updating ")?.split_once(" image tag to ")?;
    let tag = rest.trim().trim_end_matches('.');
    (!tag.is_empty() && !tag.contains(char::is_whitespace)).then_some(tag)
}

/// The service in such a title. It is written in small letters.
pub(in crate::domain) fn service(title: &str) -> Option<&str> {
    let (service, _) = title.strip_prefix("Updating ")?.split_once(" image tag to ")?;
    (!service.is_empty() && !service.contains(char::is_whitespace)).then_some(service)
}

/// The image in the branch of a pull request that brings `tag`: `DEPLOY/{image}-{tag}`.
pub(in crate::domain) fn image<'s>(source: &'s str, tag: &str) -> Option<&'s str> {
    let image = branch(Some(source))?.strip_prefix("DEPLOY/")?.strip_suffix(tag)?.strip_suffix('-')?;
    (!image.is_empty()).then_some(image)
}

/// The message of the commit of the high-level definition, in that of the commit of its manifests.
pub(in crate::domain) fn post_commit(message: &str) -> Option<&str> {
    message.strip_prefix("Updated k8s manifest files post commit: ").map(str::trim)
}

/// Who writes the manifests, whoever's token pushes them.
pub(in crate::domain) const AUTHOR: &str = "Automated Account";

/// The number of a run in `{branch}-{number}`: a number has no dash.
pub(in crate::domain) fn number_of_tag(tag: &str) -> Option<&str> {
    let (branch, number) = tag.rsplit_once('-')?;
    (!branch.is_empty() && !number.is_empty()).then_some(number)
}

/// The number of the run that built an image, `registry/name:{branch}-{number}` or `registry/name:{number}`. Images of others
/// have versions as tags, so only what has the shape of a usual run's number counts: digits, a dot, digits.
pub(in crate::domain) fn number_of_image(image: &str) -> Option<&str> {
    let (name, _) = image.split_once('@').unwrap_or((image, ""));
    let (_, tag) = name.rsplit('/').next()?.split_once(':')?;
    let number = number_of_tag(tag).unwrap_or(tag);
    let (date, revision) = number.split_once('.')?;
    let is_number = |text: &str| text.parse::<u64>().is_ok();
    (date.len() >= USUAL_DATE && is_number(date) && is_number(revision)).then_some(number)
}

/// Whether it only brings the high-level definition in step with a repository: no deployment.
pub(in crate::domain) fn is_reconcile(source: Option<&str>, title: Option<&str>) -> bool {
    branch(source).is_some_and(|branch| branch.starts_with("RECONCILE/"))
        || title.is_some_and(|title| title.starts_with("Reconciling HLD with "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opened_it() {
        let text =
            "Updating web to main-20250612.4.\nPR created by: web with buildId: 1203 and buildNumber: 20250612.4";
        assert_eq!(opened_by(text), Some(OpenedBy { pipeline: "web", id: 1203, number: "20250612.4" }));
        for none in ["", "PR created by: web", "PR created by: web with buildId: x and buildNumber: 1"] {
            assert_eq!(opened_by(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_deployed() {
        let title = "Updating web image tag to release-2-4-20250612.4.";
        assert_eq!(service(title), Some("web"));
        assert_eq!(service("Updating the docs image tag to x"), None);
        let branch = "refs/heads/DEPLOY/shop-web-release-2-4-20250612.4";
        assert_eq!(image(branch, "release-2-4-20250612.4"), Some("shop-web"));
        for none in ["refs/heads/DEPLOY/shop-web-main-1", "refs/heads/topic", "DEPLOY/-release-2-4-20250612.4"] {
            assert_eq!(image(none, "release-2-4-20250612.4"), None, "{none}");
        }
    }

    #[test]
    fn tags() {
        assert_eq!(image_tag("Updating web image tag to release-2-4-20250612.4."), Some("release-2-4-20250612.4"));
        assert_eq!(image_tag("Updating the image tag to do later"), None);
        assert_eq!(number_of_tag("release-2-4-20250612.4"), Some("20250612.4"));
        assert_eq!(number_of_tag("latest"), None);
    }

    #[test]
    fn tags_of_images() {
        for (image, expected) in [
            ("fabrikam.azurecr.io/web:main-20250612.4", Some("20250612.4")),
            ("fabrikam.azurecr.io:443/shop/web:20250612.4", Some("20250612.4")),
            ("web:release-2-4-20250612.4@sha256:0ffb", Some("20250612.4")),
            ("fabrikam.azurecr.io:443/web", None),
            ("node:20.11", None),
            ("debian:bookworm-20250610", None),
            ("python:3.12-slim", None),
            ("web:main-20250612.x", None),
            ("web", None),
            ("", None),
        ] {
            assert_eq!(number_of_image(image), expected, "{image}");
        }
    }
}
