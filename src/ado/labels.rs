use std::borrow::Cow;
use std::collections::BTreeMap;

use super::organization::{Place, is_guid};
use super::wire::{Changed, Checkout, Repository, text};
use crate::domain::Label;
use crate::domain::text::{MOST_NAME, MOST_TEXT, cut};

/// The name of a part or a person, or an id, no longer than it may be.
pub(super) fn short(name: &str) -> Cow<'_, str> {
    cut(name, MOST_NAME)
}

/// The texts of a fact, without those that are absent.
pub(super) struct Labels(Vec<(Label, String)>);

impl Labels {
    pub(super) fn of(place: &Place) -> Self {
        let mut labels = Self(Vec::with_capacity(10));
        labels.put(Label::ProjectId, place.project_id.as_deref());
        labels.put(Label::ProjectName, place.project_name.as_deref());
        labels
    }

    pub(super) fn empty() -> Self {
        Self(Vec::new())
    }

    pub(super) fn put(&mut self, label: Label, text: Option<&str>) {
        if let Some(text) = text {
            self.0.push((label, cut(text, MOST_TEXT).into_owned()));
        }
    }

    /// Only an address that a browser may be sent to.
    pub(super) fn put_url(&mut self, url: Option<&str>) {
        self.put(Label::Url, url.filter(|url| url.starts_with("https://") || url.starts_with("http://")));
    }

    /// Of each label what was put last.
    pub(super) fn into_latest(self) -> Vec<(Label, String)> {
        self.0.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect()
    }

    pub(super) fn into_vec(self) -> Vec<(Label, String)> {
        self.0
    }
}

/// What people call a repository. Its id is that name on GitHub, and a GUID elsewhere.
pub(super) fn repository<'t>(repository: Option<&'t Repository<'_>>) -> Option<&'t str> {
    let repository = repository?;
    text(repository.full_name.as_ref())
        .or_else(|| text(repository.name.as_ref()))
        .or_else(|| text(repository.id.as_ref()).filter(|id| !is_guid(id)))
}

/// What tells which repository it is, and where.
pub(super) fn put_repository(labels: &mut Labels, repository: Option<&Repository<'_>>) {
    let Some(repository) = repository else { return };
    labels.put(Label::RepositoryId, text(repository.id.as_ref()).map(short).as_deref());
    labels.put(Label::RepositoryType, text(repository.kind.as_ref()).map(short).as_deref());
}

/// Branch, commit and repository: of the checkout of the run, else of what changed.
pub(super) fn put_source(labels: &mut Labels, own: Option<&Checkout<'_>>, changed: Option<&Changed<'_>>) {
    let change = changed.and_then(|changed| changed.change.as_ref());
    let commit = own.and_then(|own| text(own.version.as_ref())).or_else(|| text(change?.version.as_ref()));
    let name = own.and_then(|own| repository(own.repository.as_ref()));
    labels.put(Label::Branch, own.and_then(|own| text(own.ref_name.as_ref())));
    labels.put(Label::Commit, commit);
    put_repository(labels, own.and_then(|own| own.repository.as_ref()));
    match name {
        Some(name) => labels.put(Label::Repository, Some(name)),
        None => labels
            .put(Label::Repository, changed.and_then(|changed| last_segment(text(changed.url.as_ref())?)).as_deref()),
    }
}

/// The name at the end of a repository's address.
fn last_segment(url: &str) -> Option<Cow<'_, str>> {
    let (_, path) = url.split(['?', '#']).next()?.split_once("://")?;
    let last = path.trim_end_matches('/').rsplit_once('/')?.1;
    let last = last.strip_suffix(".git").unwrap_or(last);
    let name = percent_encoding::percent_decode_str(last).decode_utf8().ok()?;
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_repositories() {
        let name = |url| last_segment(url).map(Cow::into_owned);
        assert_eq!(name("https://o@dev.azure.com/o/p/_git/My%20App").as_deref(), Some("My App"));
        assert_eq!(name("https://github.com/fabrikam/app.git/").as_deref(), Some("app"));
        assert_eq!(name("https://github.com"), None);
        assert_eq!(name("nonsense"), None);
    }
}
