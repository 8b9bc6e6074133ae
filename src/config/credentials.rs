use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::sources::Sources;

/// Which managed identity this is to be, for storage and Azure DevOps alike.
pub(super) fn identity(sources: &mut Sources<'_>) -> Option<String> {
    sources.text(None, "PIPETRAIL_IDENTITY", "identity").map(|said| said.value.trim().to_owned())
}

/// The user and password that a hook has to show. The password cannot be printed.
#[derive(Debug, Clone)]
pub struct HookCredentials {
    user: String,
    password: SecretString,
}

impl HookCredentials {
    #[must_use]
    pub fn new(user: String, password: SecretString) -> Self {
        Self { user, password }
    }

    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// For the subscriptions that are to show it.
    #[must_use]
    pub fn password(&self) -> &SecretString {
        &self.password
    }

    /// Whether these are the ones. Both are always compared, by digests of equal length and in constant
    /// time, so that the time of the answer tells neither which of them is wrong nor how long it is.
    #[must_use]
    pub fn admit(&self, user: &[u8], password: &[u8]) -> bool {
        let user = equal_digests(self.user.as_bytes(), user);
        let password = equal_digests(self.password.expose_secret().as_bytes(), password);
        (user & password).into()
    }
}

/// Compares digests of equal length in constant time: the time of the answer tells nothing of what is expected.
#[must_use]
pub fn equal_digests(expected: &[u8], shown: &[u8]) -> subtle::Choice {
    Sha256::digest(expected).as_slice().ct_eq(Sha256::digest(shown).as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> HookCredentials {
        HookCredentials::new("hook".to_owned(), "s3cret".into())
    }

    #[test]
    fn only_both_are_admitted() {
        assert!(credentials().admit(b"hook", b"s3cret"));
        for (user, password) in [("hook", "s3cre"), ("hoo", "s3cret"), ("", ""), ("hook", ""), ("s3cret", "hook")] {
            assert!(!credentials().admit(user.as_bytes(), password.as_bytes()), "{user}:{password}");
        }
    }

    #[test]
    fn the_password_is_not_in_the_debug_form() {
        assert!(!format!("{:?}", credentials()).contains("s3cret"));
    }
}
