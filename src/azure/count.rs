use std::sync::Arc;

use async_trait::async_trait;
use azure_core::{Context, Policy, PolicyResult, Request};
use metrics::counter;

use super::batch::go_on;
use crate::telemetry::prometheus;

/// Counts requests by service and status, each try for itself.
#[derive(Debug)]
pub(super) struct Requests(pub(super) &'static str);

#[async_trait]
impl Policy for Requests {
    async fn send(&self, context: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let result = go_on(context, request, next).await;
        let status = result.as_ref().map(|response| u16::from(response.status()));
        let status = status.map_or_else(|_| "error".to_owned(), |status| status.to_string());
        counter!(prometheus::REQUESTS, "service" => self.0, "status" => status).increment(1);
        result
    }
}
