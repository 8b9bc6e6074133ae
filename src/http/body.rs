use std::future::poll_fn;
use std::pin::Pin;

use axum::body::{Body, HttpBody};

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body broke off")]
    BrokeOff(#[source] axum::Error),
}

/// Reads the body up to `limit` bytes. What a body that is too large has beyond that is read and thrown
/// away, up to four times the limit, since many clients see an answer only after they have sent it all.
pub(crate) async fn read(mut body: Body, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    let mut excess = 0;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        // Trailers say nothing to us.
        let Ok(data) = frame.map_err(BodyError::BrokeOff)?.into_data() else { continue };
        if excess == 0 && bytes.len() + data.len() <= limit {
            bytes.extend_from_slice(&data);
            continue;
        }
        bytes = Vec::new();
        excess += data.len();
        if excess > limit.saturating_mul(4) {
            break;
        }
    }
    if excess == 0 { Ok(bytes) } else { Err(BodyError::TooLarge(limit)) }
}
