//! Who asks, and what they may.

use crate::domain::Scope;

/// Somebody who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub rights: Rights,
    pub scope: Scope,
    /// As their sign-in names them; `None` where nobody signs in.
    pub name: Option<String>,
}

/// What a caller may do; each may what the one before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rights {
    Read,
    Admin,
}

impl Caller {
    /// Everybody on this machine, where nothing else is configured.
    #[must_use]
    pub fn on_loopback() -> Self {
        Self { rights: Rights::Admin, scope: Scope::All, name: None }
    }
}
