//! Addresses of our own pages. Numbers of runs, pipelines, pull requests and work items are an organization's own: an
//! address without it may lead to two things, or to the wrong one.

use super::html::{part, query};

pub(super) fn run(organization: &str, id: u64) -> String {
    thing("runs", organization, &id.to_string())
}

pub(super) fn commit(organization: &str, id: &str) -> String {
    thing("commits", organization, id)
}

/// Something that has a page below this one.
pub(super) fn thing(page: &str, organization: &str, id: &str) -> String {
    query(&format!("/{page}/{}", part(id)), &[("organization", Some(organization))])
}

/// The runs of a pipeline.
pub(super) fn pipeline(organization: &str, id: u64) -> String {
    query("/runs", &[("organization", Some(organization)), ("pipeline", Some(&id.to_string()))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_organization() {
        let table = [
            (run("a&b", 7), "/runs/7?organization=a%26b"),
            (commit("a", "x/y"), "/commits/x%2Fy?organization=a"),
            (thing("work-items", "a", "7"), "/work-items/7?organization=a"),
            (pipeline("a", 7), "/runs?organization=a&pipeline=7"),
        ];
        for (path, expected) in table {
            assert_eq!(path, expected);
        }
    }
}
