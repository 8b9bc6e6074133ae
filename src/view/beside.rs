//! What is in two environments, side by side. Pure.

use std::collections::BTreeMap;

use crate::catalog::Deployment;

/// What is brought by one pipeline, or by one definition of releases: organization, project, source and id.
pub type Line = (String, Option<String>, String, Option<u64>);

/// Names are used again by other projects: ids are not.
#[must_use]
pub fn line(deployment: &Deployment) -> Line {
    let Deployment { organization, project, source, pipeline, .. } = deployment;
    (organization.clone(), project.clone(), source.clone(), pipeline.as_ref().map(|pipeline| pipeline.id))
}

/// What stands for one line in the one and in the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'d> {
    pub from: Option<&'d Deployment>,
    pub to: Option<&'d Deployment>,
}

impl Beside<'_> {
    /// The same commit; where it is not known of both, the same run or release.
    #[must_use]
    pub fn is_same(&self) -> bool {
        let Some((one, other)) = self.from.zip(self.to) else { return false };
        match (&one.commit, &other.commit) {
            (Some(one), Some(other)) => one == other,
            (None, _) | (_, None) => (one.run_id, one.release_id) == (other.run_id, other.release_id),
        }
    }
}

/// Where several environments have the name, the latest of each pipeline counts: it comes first.
pub fn side_by_side<'d>(
    left: impl IntoIterator<Item = &'d Deployment>,
    right: impl IntoIterator<Item = &'d Deployment>,
) -> BTreeMap<Line, Beside<'d>> {
    let mut lines: BTreeMap<Line, Beside<'d>> = BTreeMap::new();
    for deployment in left {
        lines.entry(line(deployment)).or_default().from.get_or_insert(deployment);
    }
    for deployment in right {
        lines.entry(line(deployment)).or_default().to.get_or_insert(deployment);
    }
    lines
}
