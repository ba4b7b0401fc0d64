//! Downloads from public URLs.
//!
//! **Invariant:** a download holds no more than one frame in memory: the connection is read only when the next frame
//! is requested.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::check::request_url;
use domain::media::{file_name_of_header, file_name_of_path, media_type_of_name};
use engine::ports::{Chunks, Clock, FetchError, FetchedFile, Fetcher, MAX_REDIRECTS};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, HOST, LOCATION, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, response};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use jiff::Timestamp;

use crate::client::{EgressClient, span};
use crate::config::Policy;
use crate::connection::HttpConnection;
use crate::dial::later;
use crate::error::EgressError;
use crate::url_guard::{UrlTarget, check};

#[async_trait]
impl Fetcher for EgressClient {
    async fn fetch(&self, url: &str, max_bytes: u64) -> Result<FetchedFile, FetchError> {
        let mut target = check(self.policy, &request_url(url))?;
        // A server on the internet cannot redirect to this machine or a private network, not even in development.
        let policy = Policy {
            allow_local_hosts: self.policy.allow_local_hosts && target.allowed.is_local_only(),
            ..self.policy
        };
        let first_name = file_name_of_path(target.path.path());
        let deadline = Deadline {
            at: later(&*self.clock, span(self.fetch_timeout)),
            span: self.fetch_timeout,
            clock: Arc::clone(&self.clock),
        };
        let mut n_redirects = 0;
        let (connection, head, body) = loop {
            let sent = deadline.limit(Box::pin(self.get(&target))).await?;
            let (connection, response) = sent.map_err(|failure| {
                if n_redirects > 0
                    && let EgressError::Address(address) = failure
                {
                    return FetchError::RedirectAddress(address);
                }
                error(failure)
            })?;
            let (head, body) = response.into_parts();
            if !is_redirect(head.status) {
                break (connection, head, body);
            }
            if n_redirects == MAX_REDIRECTS {
                return Err(FetchError::TooManyRedirects);
            }
            n_redirects += 1;
            target = check(policy, &redirect_url(&target, &head)?).map_err(FetchError::RedirectAddress)?;
        };
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
            .or_else(|| file_name_of_paths(first_name, file_name_of_path(target.path.path())));
        let content_type = header(&head.headers, &CONTENT_TYPE);
        let download = Download { connection, body, remaining: max_bytes, max_bytes, deadline };
        Ok(FetchedFile { content_type, file_name, body: Box::new(download) })
    }
}

impl EgressClient {
    /// Sends a request for a file and waits for the head of the response.
    async fn get(&self, target: &UrlTarget) -> Result<(HttpConnection, Response<Incoming>), EgressError> {
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = target.path.clone().into();
        let headers = request.headers_mut();
        headers.insert(HOST, target.authority.clone());
        headers.insert(USER_AGENT, self.user_agent.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut connection = self.dialer.dial(target).await?;
        let response = connection.send(request).await?;
        Ok((connection, response))
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Returns the URL of a redirect. It may be relative to the URL that was requested.
fn redirect_url(target: &UrlTarget, head: &response::Parts) -> Result<String, FetchError> {
    let location = head.headers.get(LOCATION).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let url = location.and_then(|location| target.url.join(location).ok());
    url.map(|url| request_url(url.as_str()))
        .ok_or(FetchError::RedirectWithoutLocation { status: head.status.as_u16() })
}

/// Returns the name of a file from the paths of the first and the last URL: the first name with the extension of a media
/// type, or else the last name.
fn file_name_of_paths(first: Option<String>, last: Option<String>) -> Option<String> {
    let is_media = |name: &String| media_type_of_name(name).is_some();
    first.clone().filter(is_media).or(last).or(first)
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
