use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A run that a message names without saying anything of it. Noted in the store before the message goes, so that
/// somebody who may ask Azure DevOps finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    pub organization: String,
    /// Its id, where the message has one.
    pub project: Option<String>,
    pub run: u64,
}

impl Wanted {
    /// How the names of such notes begin.
    pub const NOTES: &str = "wanted|";

    /// The same for the same run: to note it twice is to note it once.
    #[must_use]
    pub fn name(&self) -> String {
        let digest = Sha256::digest(self.organization.as_bytes());
        let organization: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{}{organization}|{:019}", Self::NOTES, self.run)
    }

    #[must_use]
    pub fn text(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// What [`Wanted::text`] gave; one that cannot be read is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
