//! Downloads from public addresses.
//!
//! **Invariant:** a download takes no more memory than the pieces that are on their way: the connection is read when
//! the next piece is asked for, and not before.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use engine::ports::{Chunks, Clock, FetchError, FetchedFile, Fetcher};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use jiff::Timestamp;

use crate::client::{HookClient, span};
use crate::dial::later;
use crate::failure::Failure;
use crate::file_name;
use crate::guard::check;
use crate::line::Line;

#[async_trait]
impl Fetcher for HookClient {
    async fn fetch(&self, url: &str, max_bytes: u64) -> Result<FetchedFile, FetchError> {
        let target = check(self.policy, url)?;
        let deadline = Deadline {
            at: later(&*self.clock, span(self.fetch_timeout)),
            span: self.fetch_timeout,
            clock: Arc::clone(&self.clock),
        };
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = target.path.clone().into();
        let headers = request.headers_mut();
        headers.insert(HOST, target.authority.clone());
        headers.insert(USER_AGENT, self.user_agent.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let asking = Box::pin(async {
            let mut line = self.dialler.dial(&target).await?;
            let answer = line.send(request).await?;
            Ok::<_, Failure>((line, answer))
        });
        let (line, answer) = deadline.hold(asking).await?.map_err(error)?;
        let (head, body) = answer.into_parts();
        if head.status != StatusCode::OK {
            return Err(FetchError::UnexpectedStatus { status: head.status.as_u16() });
        }
        if head.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(FetchError::Unreachable("the server sends it compressed, unasked".to_owned()));
        }
        if body.size_hint().lower() > max_bytes {
            return Err(FetchError::TooLarge { max_bytes });
        }
        let file_name = header(&head.headers, &CONTENT_DISPOSITION)
            .and_then(|value| file_name::of_header(&value))
            .or_else(|| file_name::of_path(target.path.path()));
        let content_type = header(&head.headers, &CONTENT_TYPE);
        let download = Download { line, body, left: max_bytes, max_bytes, deadline };
        Ok(FetchedFile { content_type, file_name, body: Box::new(download) })
    }
}

/// A header that is text.
fn header(headers: &HeaderMap, name: &http::HeaderName) -> Option<String> {
    // Names of files are often UTF-8, against the letter of the standard.
    let value = std::str::from_utf8(headers.get(name)?.as_bytes()).ok()?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// A failure as the port tells it.
#[expect(clippy::needless_pass_by_value, reason = "it is used up")]
fn error(failure: Failure) -> FetchError {
    if let Failure::Address(address) = failure {
        return address.into();
    }
    FetchError::Unreachable(failure.reason())
}

/// When a download must be over.
struct Deadline {
    at: Timestamp,
    span: Duration,
    clock: Arc<dyn Clock>,
}

impl Deadline {
    /// Waits for `future`, but not beyond.
    async fn hold<F: Future>(&self, future: F) -> Result<F::Output, FetchError> {
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = self.clock.sleep_until(self.at) => Err(error(Failure::TooLate(self.span))),
        }
    }
}

/// A body that is being downloaded.
struct Download {
    line: Line,
    body: Incoming,
    left: u64,
    max_bytes: u64,
    deadline: Deadline,
}

#[async_trait]
impl Chunks for Download {
    async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            let next = self.line.next(&mut self.body);
            let Some(frame) = self.deadline.hold(next).await? else { return Ok(None) };
            let frame = frame.map_err(|cause| error(cause.into()))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            self.left =
                self.left.checked_sub(length).ok_or(FetchError::TooLarge { max_bytes: self.max_bytes })?;
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }
}
