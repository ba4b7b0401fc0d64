//! Downloads from public URLs.
//!
//! **Invariant:** a download holds no more than one frame in memory: the connection is read only when the next frame
//! is requested.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::media::{file_name_of_header, file_name_of_path};
use engine::ports::{Chunks, Clock, FetchError, FetchedFile, Fetcher};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use jiff::Timestamp;

use crate::client::{EgressClient, span};
use crate::connection::HttpConnection;
use crate::dial::later;
use crate::error::EgressError;
use crate::url_guard::check;

#[async_trait]
impl Fetcher for EgressClient {
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
        let connecting = Box::pin(async {
            let mut connection = self.dialer.dial(&target).await?;
            let response = connection.send(request).await?;
            Ok::<_, EgressError>((connection, response))
        });
        let (connection, response) = deadline.limit(connecting).await?.map_err(error)?;
        let (head, body) = response.into_parts();
        if head.status != StatusCode::OK {
            return Err(FetchError::UnexpectedStatus { status: head.status.as_u16() });
        }
        if head.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(FetchError::Unreachable(
                "the response is compressed, although the request does not accept compression".to_owned(),
            ));
        }
        if body.size_hint().lower() > max_bytes {
            return Err(FetchError::TooLarge { max_bytes });
        }
        let file_name = head
            .headers
            .get(CONTENT_DISPOSITION)
            .and_then(|value| file_name_of_header(value.as_bytes()))
            .or_else(|| file_name_of_path(target.path.path()));
        let content_type = header(&head.headers, &CONTENT_TYPE);
        let download = Download { connection, body, remaining: max_bytes, max_bytes, deadline };
        Ok(FetchedFile { content_type, file_name, body: Box::new(download) })
    }
}

/// Returns a header that is text.
fn header(headers: &HeaderMap, name: &http::HeaderName) -> Option<String> {
    // File names are often UTF-8, although the standard forbids it.
    let value = std::str::from_utf8(headers.get(name)?.as_bytes()).ok()?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// Converts an error to the port's error.
#[expect(clippy::needless_pass_by_value, reason = "it is used up")]
fn error(failure: EgressError) -> FetchError {
    if let EgressError::Address(address) = failure {
        return address.into();
    }
    FetchError::Unreachable(failure.reason())
}

/// Deadline of a download.
struct Deadline {
    at: Timestamp,
    span: Duration,
    clock: Arc<dyn Clock>,
}

impl Deadline {
    /// Waits for `future`, at most until the deadline.
    async fn limit<F: Future>(&self, future: F) -> Result<F::Output, FetchError> {
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = self.clock.sleep_until(self.at) => Err(error(EgressError::Timeout(self.span))),
        }
    }
}

/// Body of a running download.
struct Download {
    connection: HttpConnection,
    body: Incoming,
    remaining: u64,
    max_bytes: u64,
    deadline: Deadline,
}

#[async_trait]
impl Chunks for Download {
    async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            let next = self.connection.next(&mut self.body);
            let Some(frame) = self.deadline.limit(next).await? else { return Ok(None) };
            let frame = frame.map_err(|cause| error(cause.into()))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            self.remaining = self
                .remaining
                .checked_sub(length)
                .ok_or(FetchError::TooLarge { max_bytes: self.max_bytes })?;
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }
}
