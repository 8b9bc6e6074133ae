use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::headers::{HeaderName, HeaderValue, RETRY_AFTER, RETRY_AFTER_MS, X_MS_RETRY_AFTER_MS};
use azure_core::{Context, Policy, PolicyResult, Request, Response};

use super::batch::go_on;

/// The longest wait that a service may ask for before the next try.
///
/// The SDK waits as long as it is told, and looks at its own limit only before a wait: one `Retry-After: 3600` would
/// hold up for an hour whatever is behind the request. A time of day is not heeded at all, since clocks differ.
#[derive(Debug)]
pub(super) struct Patience(pub(super) Duration);

#[async_trait]
impl Policy for Patience {
    async fn send(&self, context: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let response = go_on(context, request, next).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers, body) = response.deconstruct();
        let headers = headers.into_iter().filter_map(|(name, value)| {
            let value = self.bounded(&name, value)?;
            Some((name, value))
        });
        Ok(Response::new(status, headers.collect::<HashMap<_, _>>().into(), Box::pin(body)))
    }
}

impl Patience {
    fn bounded(&self, name: &HeaderName, value: HeaderValue) -> Option<HeaderValue> {
        let most = if *name == RETRY_AFTER {
            self.0.as_secs()
        } else if [RETRY_AFTER_MS, X_MS_RETRY_AFTER_MS].contains(name) {
            u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
        } else {
            return Some(value);
        };
        let asked: u64 = value.as_str().parse().ok()?;
        Some(asked.min(most).to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_bounded_and_all_else_stays() {
        let table = [
            (RETRY_AFTER, "7", Some("7")),
            (RETRY_AFTER, "3600", Some("10")),
            (RETRY_AFTER, "18446744073709551616", None),
            (RETRY_AFTER, "Fri, 01 Jan 2100 00:00:00 GMT", None),
            (RETRY_AFTER_MS, "3600", Some("3600")),
            (RETRY_AFTER_MS, "3600000", Some("10000")),
            (X_MS_RETRY_AFTER_MS, "3600000", Some("10000")),
            (azure_core::headers::CONTENT_LENGTH, "3600", Some("3600")),
        ];
        for (name, asked, expected) in table {
            let bounded = Patience(Duration::from_secs(10)).bounded(&name, HeaderValue::from_static(asked));
            assert_eq!(bounded.as_ref().map(HeaderValue::as_str), expected, "{name:?}: {asked}");
        }
    }
}
