use std::future::ready;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::{Caller, Rights};
use crate::domain::Scope;
use crate::http::Problem;

/// An administrator of everything, for what belongs to no project: dead letters, whose bodies may be anybody's.
#[derive(Debug, Clone)]
pub struct Admin(pub Caller);

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = Problem;

    fn from_request_parts(parts: &mut Parts, _: &S) -> impl Future<Output = Result<Self, Problem>> + Send {
        ready(match parts.extensions.get::<Caller>() {
            Some(caller) => caller.as_admin_of_all().map(|()| Self(caller.clone())),
            None => Err(Problem::sign_in()),
        })
    }
}

/// Somebody who may see all projects, for numbers that are of all of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReaderOfAll;

impl<S: Sync> FromRequestParts<S> for ReaderOfAll {
    type Rejection = Problem;

    fn from_request_parts(parts: &mut Parts, _: &S) -> impl Future<Output = Result<Self, Problem>> + Send {
        ready(match parts.extensions.get::<Caller>() {
            Some(caller) if caller.scope == Scope::All => Ok(Self),
            Some(_) => Err(Problem::forbidden("These numbers are of all projects, for who may see all of them.")),
            None => Err(Problem::sign_in()),
        })
    }
}

impl Caller {
    /// Whether they may see and change what belongs to no project.
    #[must_use]
    pub fn is_admin_of_all(&self) -> bool {
        self.rights == Rights::Admin && self.scope == Scope::All
    }

    /// Lets only those go on.
    pub(crate) fn as_admin_of_all(&self) -> Result<(), Problem> {
        let refused = || Problem::forbidden("Dead letters are for administrators of all projects.");
        if self.is_admin_of_all() { Ok(()) } else { Err(refused()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_administrator_of_some_projects_is_none_of_all() {
        let web = Scope::Only(vec!["web".parse().unwrap()]);
        for (rights, scope, expected) in [
            (Rights::Admin, Scope::All, true),
            (Rights::Admin, web.clone(), false),
            (Rights::Read, Scope::All, false),
            (Rights::Read, web, false),
        ] {
            let caller = Caller { rights, scope, name: None };
            assert_eq!(caller.is_admin_of_all(), expected, "{caller:?}");
        }
    }
}
