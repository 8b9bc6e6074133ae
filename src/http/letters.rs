//! What is done to dead letters, from the dashboard's pages or the API: the same for both, with a line in the log.

use super::Problem;
use super::reader::Reader;

/// What can be done to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Back on the queue, with no tries counted.
    Requeue,
    /// Gone for good.
    Discard,
}

impl Act {
    fn done(self) -> &'static str {
        match self {
            Self::Requeue => "requeued",
            Self::Discard => "discarded",
        }
    }
}

/// How many it was done to: none, where somebody else was quicker. A name of a sign-in is text of others: the log gets it
/// in quotes.
pub(super) async fn act(reader: &Reader, act: Act, id: &str) -> Result<usize, Problem> {
    reader.caller.as_admin_of_all()?;
    let ids = [id.to_owned()];
    let count = match act {
        Act::Requeue => reader.queue.requeue(&ids).await?,
        Act::Discard => reader.queue.discard(&ids).await?,
    };
    reader.letters.forget().await;
    if count > 0 {
        let by = reader.caller.name.as_deref().unwrap_or("somebody on this machine");
        tracing::info!(?by, ?id, "dead letter: {}", act.done());
    }
    Ok(count)
}
