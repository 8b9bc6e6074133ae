//! Entity group transactions as the [REST rules][rules] want them, and failures of theirs as failures.
//!
//! A transaction that failed answers 202 with the failure inside a multipart body. The SDK takes that for a success:
//! whoever believes it deletes messages whose records were never written. [`FailedPart`] turns such an answer into
//! what any other failed request looks like, so that retries and error handling see it.
//!
//! [rules]: https://learn.microsoft.com/en-us/rest/api/storageservices/performing-entity-group-transactions

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind};
use azure_core::headers::{CONTENT_LENGTH, CONTENT_TYPE, ERROR_CODE};
use azure_core::{Body, BytesStream, Context, Policy, PolicyResult, Request, Response, StatusCode};
use serde::Deserialize;

use super::address::escaped;

/// Rewrites a transaction's body, which the SDK gives bare line feeds and no closing mark: CRLF and `--` at its end.
/// Addresses in it are [`escaped`], and [inserts][insert] do not ask for their entity back, which the SDK does.
///
/// [insert]: https://learn.microsoft.com/en-us/rest/api/storageservices/insert-entity
#[derive(Debug)]
pub(super) struct WellFormed;

/// Makes an answer with a failed part the failure that it is.
#[derive(Debug)]
pub(super) struct FailedPart;

#[async_trait]
impl Policy for WellFormed {
    async fn send(&self, context: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        if is_transaction(request)
            && let Body::Bytes(body) = request.body()
        {
            let body = well_formed(std::str::from_utf8(body)?);
            request.insert_header(CONTENT_LENGTH, body.len().to_string());
            request.set_body(body);
        }
        go_on(context, request, next).await
    }
}

#[async_trait]
impl Policy for FailedPart {
    async fn send(&self, context: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let response = go_on(context, request, next).await?;
        if !is_transaction(request) || response.status() != StatusCode::Accepted {
            return Ok(response);
        }
        let (status, mut headers, body) = response.deconstruct();
        let body = body.collect().await?;
        let Some(failure) = failure(std::str::from_utf8(&body)?)? else {
            return Ok(Response::new(status, headers, Box::pin(BytesStream::new(body))));
        };
        headers.insert(ERROR_CODE, failure.code);
        headers.insert(CONTENT_TYPE, "application/json");
        let body = serde_json::json!({"message": failure.message}).to_string();
        Ok(Response::new(failure.status, headers, Box::pin(BytesStream::new(body))))
    }
}

pub(super) async fn go_on(context: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
    match next.split_first() {
        Some((policy, rest)) => policy.send(context, request, rest).await,
        None => Err(Error::message(ErrorKind::Other, "a policy of ours stands last")),
    }
}

fn is_transaction(request: &Request) -> bool {
    request.url().path().ends_with("/$batch")
}

/// No line of what is inside holds a bare line feed: it is JSON, which escapes them.
fn well_formed(body: &str) -> String {
    let mut text = String::with_capacity(body.len() + body.len() / 8);
    for line in body.trim_end().lines() {
        if line.ends_with(" HTTP/1.1") {
            text.push_str(&escaped(line));
        } else {
            text.push_str(line);
        }
        text.push_str("\r\n");
        if line.starts_with("POST ") && line.ends_with(" HTTP/1.1") {
            text.push_str("Prefer: return-no-content\r\n");
        }
    }
    if !text.ends_with("--\r\n") {
        text.truncate(text.trim_end().len());
        text.push_str("--\r\n");
    }
    text
}

#[derive(Debug, PartialEq)]
struct Failure {
    status: StatusCode,
    code: String,
    /// Begins with the number of the operation and a colon.
    message: String,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "odata.error")]
    error: Option<OdataError>,
}

#[derive(Deserialize)]
struct OdataError {
    code: String,
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    value: String,
}

/// The failed part, if there is one: then it is the only one.
fn failure(body: &str) -> azure_core::Result<Option<Failure>> {
    let mut lines = body.lines();
    while let Some(line) = lines.next() {
        let Some(status) = line.strip_prefix("HTTP/1.1 ") else { continue };
        let status = status.split(' ').next().and_then(|number| number.parse::<u16>().ok());
        let status = status.and_then(|number| StatusCode::try_from(number).ok());
        let Some(status) = status else {
            return Err(Error::message(ErrorKind::DataConversion, "a transaction's answer has no status"));
        };
        if status.is_success() {
            continue;
        }
        let rest = lines.find(|line| line.starts_with('{')).unwrap_or_default();
        let error = serde_json::from_str::<Answer>(rest).ok().and_then(|answer| answer.error);
        let (code, message) = error.map(|error| (error.code, error.message.value)).unwrap_or_default();
        return Ok(Some(Failure { status, code, message }));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_gets_the_line_ends_and_the_closing_mark_of_the_rules() {
        let body = "--batch_1\nContent-Type: multipart/mixed\n\n--changeset_2\n\nPUT http://x/t(PartitionKey='a|b') HTTP/1.1\n\n{\"a\":\"b|\\nc\"}\n--changeset_2--\n--batch_1\n";
        let expected = "--batch_1\r\nContent-Type: multipart/mixed\r\n\r\n--changeset_2\r\n\r\nPUT http://x/t(PartitionKey='a%7Cb') HTTP/1.1\r\n\r\n{\"a\":\"b|\\nc\"}\r\n--changeset_2--\r\n--batch_1--\r\n";
        assert_eq!(well_formed(body), expected);
        assert_eq!(well_formed(expected), expected, "once is enough");
    }

    #[test]
    fn an_insert_does_not_ask_for_its_entity_back() {
        let sent = well_formed("POST http://x/t HTTP/1.1\nAccept: x\n\n{}\n--batch_1\n");
        assert!(
            sent.starts_with("POST http://x/t HTTP/1.1\r\nPrefer: return-no-content\r\nAccept: x\r\n\r\n{}"),
            "{sent}"
        );
    }

    #[test]
    fn a_failed_part_is_found_with_its_code_and_number() {
        let body = "--batchresponse_1\r\nContent-Type: multipart/mixed\r\n\r\n--changesetresponse_2\r\n\r\n\
                    HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\n\r\n\
                    {\"odata.error\":{\"code\":\"EntityAlreadyExists\",\"message\":{\"lang\":\"en-us\",\"value\":\"1:The entity exists.\\nTime:\"}}}\r\n\
                    --changesetresponse_2--\r\n";
        let found = failure(body).unwrap().unwrap();
        assert_eq!((found.status, found.code.as_str()), (StatusCode::Conflict, "EntityAlreadyExists"));
        assert!(found.message.starts_with("1:"));
    }

    #[test]
    fn a_success_is_none() {
        let body =
            "--changesetresponse_2\r\n\r\nHTTP/1.1 204 No Content\r\nETag: W/\"x\"\r\n\r\n--changesetresponse_2--\r\n";
        assert_eq!(failure(body).unwrap(), None);
    }

    #[test]
    fn a_failure_without_words_is_one_all_the_same() {
        let found = failure("HTTP/1.1 503 Busy\r\n\r\n<html>").unwrap().unwrap();
        assert_eq!((found.status, found.code.as_str()), (StatusCode::ServiceUnavailable, ""));
        assert!(failure("HTTP/1.1 nonsense\r\n").is_err());
    }
}
