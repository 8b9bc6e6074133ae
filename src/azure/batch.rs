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

/// Makes an answer with a failed part the failure that it is. One with fewer parts than there were operations counts as
/// one that did not come whole: nobody knows what was done, and it is tried again.
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
        let failure = match answered(std::str::from_utf8(&body)?)? {
            Answered::Failed(failure) => failure,
            Answered::Done(parts) if parts == operations(request.body())? => {
                return Ok(Response::new(status, headers, Box::pin(BytesStream::new(body))));
            }
            Answered::Done(_) => return Err(Error::message(ErrorKind::Io, "a transaction's answer is not whole")),
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

/// How many a transaction's body holds.
fn operations(body: &Body) -> azure_core::Result<usize> {
    match body {
        Body::Bytes(body) => Ok(std::str::from_utf8(body)?.lines().filter(|line| is_operation(line)).count()),
        Body::SeekableStream(_) => Err(Error::message(ErrorKind::Other, "a transaction is sent in one piece")),
    }
}

/// Whether an operation begins with this line. No other one ends so: they are headers, marks, and JSON.
fn is_operation(line: &str) -> bool {
    line.ends_with(" HTTP/1.1")
}

/// No line of what is inside holds a bare line feed: it is JSON, which escapes them.
fn well_formed(body: &str) -> String {
    let mut text = String::with_capacity(body.len() + body.len() / 8);
    for line in body.trim_end().lines() {
        if is_operation(line) {
            text.push_str(&escaped(line));
        } else {
            text.push_str(line);
        }
        text.push_str("\r\n");
        if line.starts_with("POST ") && is_operation(line) {
            text.push_str("Prefer: return-no-content\r\n");
        }
    }
    if !text.ends_with("--\r\n") {
        text.truncate(text.trim_end().len());
        text.push_str("--\r\n");
    }
    text
}

/// What a transaction's answer says.
#[derive(Debug, PartialEq)]
enum Answered {
    /// So many operations were done.
    Done(usize),
    /// None was.
    Failed(Failure),
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

/// A failed part is the only one.
fn answered(body: &str) -> azure_core::Result<Answered> {
    let (mut lines, mut done) = (body.lines(), 0);
    while let Some(line) = lines.next() {
        let Some(status) = line.strip_prefix("HTTP/1.1 ") else { continue };
        let status = status.split(' ').next().and_then(|number| number.parse::<u16>().ok());
        let status = status.and_then(|number| StatusCode::try_from(number).ok());
        let Some(status) = status else {
            return Err(Error::message(ErrorKind::DataConversion, "a transaction's answer has no status"));
        };
        if status.is_success() {
            done += 1;
            continue;
        }
        let rest = lines.find(|line| line.starts_with('{')).unwrap_or_default();
        let error = serde_json::from_str::<Answer>(rest).ok().and_then(|answer| answer.error);
        let (code, message) = error.map(|error| (error.code, error.message.value)).unwrap_or_default();
        return Ok(Answered::Failed(Failure { status, code, message }));
    }
    Ok(Answered::Done(done))
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
        let Answered::Failed(found) = answered(body).unwrap() else { panic!("a part failed") };
        assert_eq!((found.status, found.code.as_str()), (StatusCode::Conflict, "EntityAlreadyExists"));
        assert!(found.message.starts_with("1:"));
    }

    #[test]
    fn what_was_done_is_counted() {
        let part = "--changesetresponse_2\r\n\r\nHTTP/1.1 204 No Content\r\nETag: W/\"x\"\r\n\r\n";
        for parts in 0..3 {
            let body = format!("{}--changesetresponse_2--\r\n", part.repeat(parts));
            assert_eq!(answered(&body).unwrap(), Answered::Done(parts));
        }
        let sent =
            "POST http://x/t HTTP/1.1\r\n\r\n{\"a\":\"b HTTP/1.1\"}\r\nPUT http://x/t(PartitionKey='a') HTTP/1.1\r\n";
        assert_eq!(operations(&Body::from(sent)).unwrap(), 2);
    }

    #[test]
    fn a_failure_without_words_is_one_all_the_same() {
        let busy = Failure { status: StatusCode::ServiceUnavailable, code: String::new(), message: String::new() };
        assert_eq!(answered("HTTP/1.1 503 Busy\r\n\r\n<html>").unwrap(), Answered::Failed(busy));
        assert!(answered("HTTP/1.1 nonsense\r\n").is_err());
    }
}
