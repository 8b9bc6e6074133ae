use rusqlite::Connection;

use super::query::run_of;
use super::rows::Run;
use super::seen::Seen;
use super::{Catalog, CatalogError};
use crate::domain::Key;

/// A record that changed and may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    pub key: Key,
    /// What the key names, where that is a run.
    pub run: Option<Run>,
}

impl Catalog {
    /// Of the records with these keys those that are there and may be shown.
    ///
    /// # Errors
    /// When the catalog's file fails.
    pub(super) async fn news(&self, keys: Vec<Key>) -> Result<Vec<News>, CatalogError> {
        let scope = self.scope.clone();
        let act = move |connection: &Connection| {
            let seen = Seen { connection, scope: &scope };
            let mut news = Vec::new();
            for key in keys {
                let run = match &key {
                    Key::Run(key) => run_of(connection, &scope, key)?,
                    Key::Changes(_)
                    | Key::Cluster(_)
                    | Key::Deployment(_)
                    | Key::Gap(_)
                    | Key::Incident(_)
                    | Key::PullRequest(_)
                    | Key::Push(_)
                    | Key::Release(_)
                    | Key::Report(_)
                    | Key::WorkItem(_) => None,
                };
                if run.is_some() || seen.holds(&key)? {
                    news.push(News { key, run });
                }
            }
            Ok(news)
        };
        Ok(self.file.read(act).await?)
    }
}
