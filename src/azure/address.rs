use std::sync::Arc;

use async_trait::async_trait;
use azure_core::{Context, Policy, PolicyResult, Request};

use super::batch::go_on;

/// Writes the `|` of our keys as `%7C` in addresses, as the vendor's own clients do. [RFC 3986][rfc] allows no other
/// form, and whoever brings an address to that form before it checks a signature finds another one than ours.
///
/// [rfc]: https://www.rfc-editor.org/rfc/rfc3986#appendix-A
#[derive(Debug)]
pub(super) struct Escaped;

#[async_trait]
impl Policy for Escaped {
    async fn send(&self, context: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let path = escaped(request.url().path());
        request.url_mut().set_path(&path);
        go_on(context, request, next).await
    }
}

pub(super) fn escaped(path: &str) -> String {
    path.replace('|', "%7C")
}
