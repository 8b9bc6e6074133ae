use std::collections::BTreeMap;

use super::{Label, Said, Time};

/// Texts that describe a subject: of each the one that was said last.
pub(crate) type Labels = BTreeMap<Label, Said<String>>;

/// What one fact says.
pub(crate) fn said(at: Time, labels: &[(Label, String)]) -> Labels {
    labels.iter().map(|(label, text)| (label.clone(), Said(at, text.clone()))).collect()
}

pub(crate) fn text(labels: &Labels, label: &Label) -> Option<String> {
    labels.get(label).map(|Said(_, text)| text.clone())
}
