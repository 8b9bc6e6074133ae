//! Says what is waited for, so that nobody takes silence for an end.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use super::Context;
use crate::ado::rest::Client;

/// After so long it is said.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// One line where neither Azure DevOps nor whoever gives the token has answered by then. Later on the client itself tells
/// of what it tries again.
pub(super) async fn told<T>(context: &Context, client: &Client, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Ok(done) = timeout(PATIENCE, &mut work).await {
        return done;
    }
    if let Some(who) = client.silent() {
        context.report(&format!("waiting for {who}"));
    }
    work.await
}
