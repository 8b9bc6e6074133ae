//! Subscriptions of service hooks, and what they delivered.
//!
//! Two traps. An update does not bring back what the system disabled. And secrets are not given back, so that every
//! update has to send them again.
//!
//! <https://learn.microsoft.com/rest/api/azure/devops/hooks>

use serde::Serialize;

use super::{AdoError, Client, Place};
use crate::ado::hooks::{
    Changed, Listed, NewSubscription, Notification, Subscription, TestNotification, WireNotification, WireSubscription,
};
use crate::domain::SubscriptionStatus;

/// So many subscriptions are asked for in one question.
const AT_ONCE: usize = 50;
/// So much of what each delivered.
const NOTIFICATIONS: usize = 25;

/// The subscription of a test notification, which belongs to none.
const NO_SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NotificationsQuery<'q> {
    subscription_ids: &'q [String],
    max_results_per_subscription: usize,
    include_details: bool,
}

fn place(organization: &str, path: &str) -> Place {
    Place::new(organization, format!("hooks/{path}"))
}

fn of(organization: &str, id: &str) -> Place {
    place(organization, &format!("subscriptions/{}", Place::escaped(id)))
}

impl Client {
    /// Every subscription that the token may see.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn subscriptions(&self, organization: &str) -> Result<Vec<Subscription>, AdoError> {
        let mut pages = self.pages(place(organization, "subscriptions"));
        let mut found = Vec::new();
        while let Some(page) = pages.next().await? {
            let listed = page.json::<Listed<WireSubscription>>()?.value;
            found.extend(listed.into_iter().filter_map(WireSubscription::read));
        }
        Ok(found)
    }

    /// One of them; `None` where it is gone.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn subscription(&self, organization: &str, id: &str) -> Result<Option<Subscription>, AdoError> {
        match self.get(&of(organization, id)).await {
            Ok(answer) => Ok(answer.json::<WireSubscription>()?.read()),
            Err(AdoError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes one.
    ///
    /// # Errors
    /// [`AdoError`]; where the answer was cut off, it may have been made all the same.
    pub async fn make_subscription(&self, organization: &str, new: &NewSubscription) -> Result<(), AdoError> {
        self.post(&place(organization, "subscriptions"), new).await?.json::<WireSubscription>().map(drop)
    }

    /// Changes one; `status` as it is to be.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn change_subscription(
        &self,
        organization: &str,
        id: &str,
        to: &NewSubscription,
        status: &SubscriptionStatus,
    ) -> Result<(), AdoError> {
        self.put(&of(organization, id), &Changed { id, to, status }).await?.json::<WireSubscription>().map(drop)
    }

    /// Removes one; it may be gone already.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn remove_subscription(&self, organization: &str, id: &str) -> Result<(), AdoError> {
        match self.delete(&of(organization, id)).await {
            Ok(_) | Err(AdoError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What these subscriptions delivered lately, in one question for many of them.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn notifications(&self, organization: &str, ids: &[String]) -> Result<Vec<Notification>, AdoError> {
        let mut found = Vec::new();
        let mut waiting: Vec<&[String]> = ids.chunks(AT_ONCE).rev().collect();
        while let Some(ids) = waiting.pop() {
            let (first, second) = ids.split_at(ids.len() / 2);
            match self.notifications_of(organization, ids).await {
                Err(AdoError::TooLarge { .. }) if !first.is_empty() => waiting.extend([second, first]),
                answered => found.extend(answered?),
            }
        }
        Ok(found)
    }

    async fn notifications_of(
        &self,
        organization: &str,
        subscription_ids: &[String],
    ) -> Result<Vec<Notification>, AdoError> {
        let query =
            NotificationsQuery { subscription_ids, max_results_per_subscription: NOTIFICATIONS, include_details: true };
        let answer = self.ask(&place(organization, "notificationsquery"), &query).await?;
        Ok(answer.json::<Listed<WireNotification>>()?.value.into_iter().map(Notification::from).collect())
    }

    /// Has the service send a test event, as such a subscription would send it.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn send_test(&self, organization: &str, new: &NewSubscription) -> Result<Notification, AdoError> {
        let place = place(organization, "testnotifications").with("useRealData", "false");
        let answer = self.post(&place, &TestNotification(new)).await?;
        Ok(answer.json::<WireNotification>()?.into())
    }

    /// What became of a test event; `None` where the service does not tell.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn test_result(&self, organization: &str, id: u64) -> Result<Option<Notification>, AdoError> {
        let place = place(organization, &format!("subscriptions/{NO_SUBSCRIPTION}/notifications/{id}"));
        match self.get(&place).await {
            Ok(answer) => Ok(Some(answer.json::<WireNotification>()?.into())),
            Err(AdoError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
