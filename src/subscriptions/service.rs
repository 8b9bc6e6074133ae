//! Asking the service, and carrying out what was decided.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;

use super::doctor::LATE;
use super::{Action, Look, Step, Target, Wanted};
use crate::ado::hooks::{Notification, Subscription};
use crate::ado::rest::{AdoError, Client, Project, Scope};
use crate::domain::{SubscriptionStatus, Time};

/// Whom to ask, about what, and as of when.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    pub client: &'q Client,
    pub organization: &'q str,
    pub target: &'q Target,
    /// From before anything is asked: what happens meanwhile is for the next look.
    pub now: Time,
}

/// What the service says of the subscriptions of an organization.
#[derive(Debug, Clone)]
pub struct Inquiry {
    pub found: Vec<Subscription>,
    /// Projects whose builds may not be read, by name, with the reason: there nobody can hear silence.
    pub deaf: BTreeMap<String, String>,
    history: BTreeMap<String, Vec<Notification>>,
    last_runs: BTreeMap<String, Time>,
    now: Time,
}

impl Inquiry {
    /// Asks for all subscriptions, what ours delivered, and when the last run of each project finished.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn of(question: &Question<'_>, wanted: &[Wanted]) -> Result<Self, AdoError> {
        let found = question.client.subscriptions(question.organization).await?;
        Self::around(question, found, wanted).await
    }

    /// The same where the subscriptions are known.
    ///
    /// # Errors
    /// [`AdoError`].
    pub async fn around(
        question: &Question<'_>,
        found: Vec<Subscription>,
        wanted: &[Wanted],
    ) -> Result<Self, AdoError> {
        let Question { client, organization, target, now } = *question;
        let ours: Vec<String> = found.iter().filter(|found| target.owns(found)).map(|found| found.id.clone()).collect();
        // Each has a history, be it an empty one.
        let mut history: BTreeMap<_, Vec<_>> = ours.iter().map(|id| (id.clone(), Vec::new())).collect();
        for said in client.notifications(organization, &ours).await? {
            if let Some(known) = history.get_mut(&said.subscription) {
                known.push(said);
            }
        }
        let (last_runs, deaf) = (BTreeMap::new(), BTreeMap::new());
        let mut inquiry = Self { found, deaf, history, last_runs, now };
        for project in wanted.iter().map(|wanted| &wanted.project).collect::<BTreeSet<_>>() {
            inquiry.ask_for_last_run(question, project).await?;
        }
        Ok(inquiry)
    }

    /// A project that may not be read must not hide what is wrong in the others.
    async fn ask_for_last_run(&mut self, question: &Question<'_>, project: &Project) -> Result<(), AdoError> {
        let scope = Scope { organization: question.organization, project: &project.id, pipelines: &[] };
        match question.client.last_finish(&scope, self.now.minus(LATE)).await {
            Ok(finished) => self.last_runs.extend(finished.map(|finished| (project.id.to_lowercase(), finished))),
            Err(error) if error.is_of_one_place() => drop(self.deaf.insert(project.name.clone(), error.to_string())),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// For the doctor.
    #[must_use]
    pub fn look<'l>(&'l self, wanted: &'l [Wanted], target: &'l Target) -> Look<'l> {
        let Self { found, history, last_runs, now, .. } = self;
        Look { wanted, found, history, last_runs, target, now: *now }
    }

    /// What a subscription delivered, the latest first.
    #[must_use]
    pub fn delivered(&self, id: &str) -> Vec<&Notification> {
        let mut said: Vec<_> = self.history.get(id).into_iter().flatten().collect();
        said.sort_by_key(|said| std::cmp::Reverse(said.created));
        said
    }
}

/// Does what a step of a plan says. A new one is there before the old one goes, so that no event falls between them.
///
/// # Errors
/// [`AdoError`].
pub async fn carry_out(client: &Client, organization: &str, step: &Step) -> Result<(), AdoError> {
    match (step.action, &step.new, &step.subscription_id) {
        (Action::Create, Some(new), _) => client.make_subscription(organization, new).await,
        (Action::Update, Some(new), Some(id)) => {
            client.change_subscription(organization, id, new, &SubscriptionStatus::Enabled).await
        }
        (Action::Recreate, Some(new), Some(id)) => {
            client.make_subscription(organization, new).await?;
            client.remove_subscription(organization, id).await
        }
        (Action::Remove, _, Some(id)) => client.remove_subscription(organization, id).await,
        (
            Action::Create | Action::Update | Action::Recreate | Action::Remove | Action::Unchanged | Action::Foreign,
            _,
            _,
        ) => Ok(()),
    }
}

/// Gives a subscription another key, everything else as it is: the next event comes by it.
///
/// Also the status is said: what an update means that leaves it out nobody knows, and what a person switched off has to
/// stay so.
///
/// # Errors
/// [`AdoError`].
pub async fn change_key(
    client: &Client,
    organization: &str,
    found: &Subscription,
    key: &SecretString,
) -> Result<(), AdoError> {
    let new = found.as_new(Some(("accountKey", key.clone())));
    client.change_subscription(organization, &found.id, &new, &found.status).await
}
