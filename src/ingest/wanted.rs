use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::Time;

/// A run that a message names without saying anything of it. Noted in the store before the message goes, so that
/// somebody who may ask Azure DevOps finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedRun {
    pub organization: String,
    /// Its id, where the message has one.
    pub project: Option<String>,
    pub run: u64,
    /// When the message was made.
    pub said: Time,
}

impl WantedRun {
    /// How the names of such notes begin.
    pub const NOTES: &str = "wanted|";

    /// The same for the same message: to note it twice is to note it once. Another one for a later message of the same
    /// run, so that it stays noted where an answer from before it is under way.
    #[must_use]
    pub fn name(&self) -> String {
        let digest = Sha256::digest(self.organization.as_bytes());
        let organization: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{}{organization}|{:019}|{:019}", Self::NOTES, self.run, self.said.ticks())
    }

    #[must_use]
    pub fn text(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// What [`WantedRun::text`] gave; one that cannot be read is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_a_note_of_its_own() {
        let wanted = |run, said| WantedRun {
            organization: "fabrikam".to_owned(),
            project: None,
            run,
            said: Time::from_ticks(said),
        };
        assert_eq!(wanted(7, 1).name(), wanted(7, 1).name());
        assert!(wanted(7, 1).name() < wanted(7, 2).name() && wanted(7, 2).name() < wanted(8, 1).name());
        assert!(wanted(u64::MAX, i64::MAX).name().len() <= 200);
        assert_eq!(WantedRun::read(&wanted(7, 1).text()), Some(wanted(7, 1)));
    }
}
