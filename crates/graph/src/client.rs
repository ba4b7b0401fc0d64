//! The client of the Graph API.
//!
//! **Invariant:** a send ends as `NotSent` only if it is proven that Meta did not receive the whole request: the body
//! never passed the gate, or HTTP/2 reported that the server did not process the request (REFUSED_STREAM, or a GOAWAY
//! below the stream). Every other outcome follows from Meta's response, or is `Unknown`.
//!
//! **Invariant:** a future of this client can be dropped at any point. The connection or the stream is closed, and
//! the outcome is then `Unknown` to the caller.

mod calls;
mod file_body;
mod gate;
mod management;
mod media;
mod transport;

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use domain::messages::outcome::SendOutcome;
use engine::metrics::{Metrics, send_outcome_label};
use engine::ports::{
    AccountCredentials, OutgoingMessage, PhoneNumberInfo, TemplatePage, TemplateQuery, TokenInfo, Upstream,
    UpstreamError,
};
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use secrecy::ExposeSecret as _;
use tracing::Instrument as _;
use url::form_urlencoded::byte_serialize;

use self::file_body::FileBody;
use self::gate::{Gate, GatedBody};
use self::transport::{Pool, PoolOf, within};
use crate::config::{BaseUrl, GraphConfig, GraphConfigError};
use crate::escapes;
use crate::json_reader::Json;
use crate::wire::{node, request_body, response, template};

/// Maximum number of bytes of a response to a send or another small request.
const SMALL: usize = 1 << 20;

/// Maximum number of bytes of a list.
const LARGE: usize = 8 << 20;

/// Maximum number of pages of the phone numbers of a WhatsApp Business Account, each with 100 numbers.
const MAX_NUMBER_PAGES: usize = 20;

/// Client of the Graph API. Cloning is cheap: all clones share their connections.
#[derive(Clone, Debug)]
pub struct GraphClient {
    pool: Pool,
    /// Files have connections of their own, so that a large file does not delay a message.
    file_pool: PoolOf<FileBody>,
    live: BaseUrl,
    sandbox: BaseUrl,
    user_agent: HeaderValue,
    timeout: Duration,
    file_timeout: Duration,
    metrics: Option<Arc<Metrics>>,
}

impl GraphClient {
    /// Creates a client that has not connected yet. It must be used within a Tokio runtime.
    ///
    /// # Errors
    /// The part of the configuration that cannot be used.
    pub fn new(config: &GraphConfig) -> Result<Self, GraphConfigError> {
        Ok(Self {
            pool: transport::pool(config)?,
            file_pool: transport::pool(config)?,
            live: BaseUrl::parse(&config.live_base_url, &config.version)?,
            sandbox: BaseUrl::parse(&config.sandbox_base_url, &config.version)?,
            user_agent: HeaderValue::from_str(&config.user_agent)
                .map_err(|_| GraphConfigError::UserAgent(config.user_agent.clone()))?,
            timeout: config.timeout,
            file_timeout: config.file_timeout,
            metrics: None,
        })
    }

    /// Returns the same client with metrics of its calls.
    #[must_use]
    pub fn counting(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    fn uri(&self, credentials: &AccountCredentials, path: &[&str]) -> Result<Uri, InvalidRequestValue> {
        let base = if credentials.account.is_sandbox { &self.sandbox } else { &self.live };
        base.join(path).ok_or(InvalidRequestValue("the path"))
    }

    fn request<B>(
        &self,
        method: Method,
        uri: Uri,
        credentials: &AccountCredentials,
        body: B,
    ) -> Result<Request<B>, InvalidRequestValue> {
        let token = credentials.access_token.expose_secret();
        let mut bearer = BytesMut::with_capacity(token.len() + 7);
        bearer.extend_from_slice(b"Bearer ");
        bearer.extend_from_slice(token.as_bytes());
        let mut bearer = HeaderValue::from_maybe_shared(bearer.freeze())
            .map_err(|_| InvalidRequestValue("the access token"))?;
        bearer.set_sensitive(true);
        let mut request = Request::new(body);
        if method == Method::POST {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        request.headers_mut().insert(AUTHORIZATION, bearer);
        request.headers_mut().insert(USER_AGENT, self.user_agent.clone());
        Ok(request)
    }

    /// Sends one request and reads its response, within the deadline.
    async fn exchange(&self, request: Request<GatedBody>, max_bytes: usize) -> Exchange {
        let mut head = None;
        let response = within(self.timeout, async {
            let response = self.pool.request(request).await.map_err(ResponseError::Request)?;
            let (parts, body) = response.into_parts();
            head = Some((parts.status, parts.headers));
            read(body, max_bytes).await
        });
        let body = response.await.unwrap_or_else(|timed_out| Err(ResponseError::TimedOut(timed_out)));
        match (head, body) {
            (Some((status, headers)), Ok(body)) => Exchange::Complete { status, headers, body },
            (Some((status, headers)), Err(error)) => Exchange::HeadOnly { status, headers, error },
            (None, Err(error)) => Exchange::NoResponse(error),
            // A body cannot exist without a head.
            (None, Ok(_)) => Exchange::NoResponse(ResponseError::TooLarge),
        }
    }

    /// Sends a message.
    async fn send_uncounted(&self, credentials: &AccountCredentials, body: Bytes) -> SendOutcome {
        let gate = Arc::new(Gate::default());
        let body = GatedBody::new(body, Arc::clone(&gate));
        let request = id(&credentials.account.phone_number_id)
            .and_then(|number| self.uri(credentials, &["/", number, "/messages"]))
            .and_then(|uri| self.request(Method::POST, uri, credentials, body));
        let request = match request {
            Ok(request) => request,
            Err(invalid) => return SendOutcome::NotSent { reason: invalid.to_string() },
        };
        match self.exchange(request, SMALL).await {
            Exchange::Complete { status, headers, body } => response::outcome(status, &headers, &body),
            // A status that rejects the request determines the outcome; the rest of the response does not matter.
            Exchange::HeadOnly { status, headers, error } => response::rejected_by_status(status, &headers)
                .unwrap_or_else(|| SendOutcome::Unknown {
                    reason: format!("HTTP {}, then: {}", status.as_u16(), chain(&error)),
                }),
            Exchange::NoResponse(error) => {
                let reason = chain(&error);
                if gate.shut() || error.is_unprocessed() {
                    SendOutcome::NotSent { reason }
                } else {
                    SendOutcome::Unknown { reason }
                }
            }
        }
    }

    /// Makes a call that can be repeated safely; `decode` reads the JSON of the response.
    async fn call<T>(
        &self,
        call: ApiCall<'_>,
        decode: fn(Json<'_>) -> Option<T>,
    ) -> Result<T, UpstreamError> {
        let name = calls::call(call.uri.as_ref().map_or("", Uri::path));
        let counting = self.metrics.as_ref().map(|metrics| (metrics, metrics.now()));
        let span = calls::span(name, call.credentials);
        let end = self.call_uncounted(call, decode).instrument(span.clone()).await;
        span.record("meta.outcome", calls::end(&end).as_str());
        if let Err(UpstreamError::Refused(error)) = &end {
            span.record("meta.code", error.code);
        }
        if let Some((metrics, start)) = counting {
            metrics.count_upstream_call(name, calls::end(&end), start);
        }
        end
    }

    async fn call_uncounted<T>(
        &self,
        call: ApiCall<'_>,
        decode: fn(Json<'_>) -> Option<T>,
    ) -> Result<T, UpstreamError> {
        let ApiCall { method, credentials, uri, body, max_bytes } = call;
        let body = GatedBody::new(body, Arc::default());
        let request = uri.and_then(|uri| self.request(method, uri, credentials, body));
        let request = request.map_err(|invalid| UpstreamError::Unreachable(invalid.to_string()))?;
        match self.exchange(request, max_bytes).await {
            Exchange::Complete { status, headers, body } => {
                let json = escapes::replace_invalid_escapes(&body);
                let response = Json::parse(&json).ok();
                if let Some(error) = response.and_then(|response| response::error(status, &headers, response))
                {
                    return Err(UpstreamError::Refused(error));
                }
                if status == StatusCode::TOO_MANY_REQUESTS {
                    return Err(UpstreamError::Throttled { retry_after: response::retry_after(&headers) });
                }
                response.filter(|_| status.is_success()).and_then(decode).ok_or_else(|| {
                    UpstreamError::Unreachable(format!("HTTP {} with an unexpected body", status.as_u16()))
                })
            }
            Exchange::HeadOnly { status, error, .. } => {
                Err(UpstreamError::Unreachable(format!("HTTP {}, then: {}", status.as_u16(), chain(&error))))
            }
            Exchange::NoResponse(error) => Err(UpstreamError::Unreachable(chain(&error))),
        }
    }
}

#[async_trait]
impl Upstream for GraphClient {
    async fn send_message(&self, credentials: &AccountCredentials, body: Bytes) -> SendOutcome {
        let counting = self.metrics.as_ref().map(|metrics| (metrics, metrics.now()));
        let span = calls::span("send", credentials);
        let outcome = self.send_uncounted(credentials, body).instrument(span.clone()).await;
        span.record("meta.outcome", send_outcome_label(&outcome));
        if let SendOutcome::Refused(error) = &outcome {
            span.record("meta.code", error.code);
        }
        if let Some((metrics, start)) = counting {
            metrics.count_send(&outcome, start);
        }
        outcome
    }

    fn message_body(&self, message: &OutgoingMessage<'_>) -> Bytes {
        request_body::message(message)
    }

    async fn mark_message_read(
        &self,
        credentials: &AccountCredentials,
        wamid: &str,
        is_typing: bool,
    ) -> Result<(), UpstreamError> {
        let uri = id(&credentials.account.phone_number_id)
            .and_then(|number| self.uri(credentials, &["/", number, "/messages"]));
        let body = request_body::read_mark(wamid, is_typing);
        self.call(ApiCall::post(credentials, uri, body), node::success).await
    }

    async fn fetch_templates(
        &self,
        credentials: &AccountCredentials,
        query: &TemplateQuery,
    ) -> Result<TemplatePage, UpstreamError> {
        let mut parameters =
            format!("/message_templates?fields={}&limit={}", template::FIELDS, template::PER_PAGE);
        for (name, value) in [("name", &query.name), ("after", &query.after)] {
            if let Some(value) = value {
                parameters.push('&');
                parameters.push_str(name);
                parameters.push('=');
                parameters.extend(byte_serialize(value.as_bytes()));
            }
        }
        let uri = id(&credentials.account.waba_id)
            .and_then(|waba| self.uri(credentials, &["/", waba, &parameters]));
        self.call(ApiCall::get(credentials, uri).with_large_response(), template::page).await
    }

    async fn get_phone_number(
        &self,
        credentials: &AccountCredentials,
    ) -> Result<PhoneNumberInfo, UpstreamError> {
        let uri = id(&credentials.account.phone_number_id)
            .and_then(|number| self.uri(credentials, &["/", number, "?fields=", node::NUMBER_FIELDS]));
        self.call(ApiCall::get(credentials, uri), node::number).await
    }

    async fn has_phone_number(&self, credentials: &AccountCredentials) -> Result<bool, UpstreamError> {
        let mut after = None::<String>;
        for _ in 0..MAX_NUMBER_PAGES {
            let cursor = after.as_deref().map_or_else(String::new, |after| {
                let after: String = byte_serialize(after.as_bytes()).collect();
                format!("&after={after}")
            });
            let uri = id(&credentials.account.waba_id).and_then(|waba| {
                self.uri(credentials, &["/", waba, "/phone_numbers?fields=id&limit=100", &cursor])
            });
            let call = ApiCall::get(credentials, uri).with_large_response();
            let page = self.call(call, node::number_ids).await?;
            if page.ids.contains(&credentials.account.phone_number_id) {
                return Ok(true);
            }
            let Some(next) = page.after else { break };
            after = Some(next);
        }
        Ok(false)
    }

    async fn get_token_info(&self, credentials: &AccountCredentials) -> Result<TokenInfo, UpstreamError> {
        let token: String = byte_serialize(credentials.access_token.expose_secret().as_bytes()).collect();
        let uri = self.uri(credentials, &["/debug_token?input_token=", &token]);
        self.call(ApiCall::get(credentials, uri), node::token).await
    }

    async fn list_subscribed_apps(
        &self,
        credentials: &AccountCredentials,
    ) -> Result<Vec<String>, UpstreamError> {
        let uri = id(&credentials.account.waba_id)
            .and_then(|waba| self.uri(credentials, &["/", waba, "/subscribed_apps"]));
        self.call(ApiCall::get(credentials, uri).with_large_response(), node::apps).await
    }
}

/// A call that can be repeated safely.
struct ApiCall<'a> {
    method: Method,
    credentials: &'a AccountCredentials,
    uri: Result<Uri, InvalidRequestValue>,
    body: Bytes,
    /// Maximum number of bytes of the response.
    max_bytes: usize,
}

impl<'a> ApiCall<'a> {
    fn get(credentials: &'a AccountCredentials, uri: Result<Uri, InvalidRequestValue>) -> Self {
        Self { method: Method::GET, credentials, uri, body: Bytes::new(), max_bytes: SMALL }
    }

    fn post(credentials: &'a AccountCredentials, uri: Result<Uri, InvalidRequestValue>, body: Bytes) -> Self {
        Self { method: Method::POST, body, ..Self::get(credentials, uri) }
    }

    fn delete(credentials: &'a AccountCredentials, uri: Result<Uri, InvalidRequestValue>) -> Self {
        Self { method: Method::DELETE, ..Self::get(credentials, uri) }
    }

    /// Returns the same call for a response that is a list.
    fn with_large_response(self) -> Self {
        Self { max_bytes: LARGE, ..self }
    }
}

/// Progress of an exchange.
enum Exchange {
    /// The response was read completely.
    Complete { status: StatusCode, headers: HeaderMap, body: Bytes },
    /// Only the head of the response was read.
    HeadOnly { status: StatusCode, headers: HeaderMap, error: ResponseError },
    /// No response.
    NoResponse(ResponseError),
}

/// Reason why there is no complete response.
#[derive(Debug, thiserror::Error)]
enum ResponseError {
    #[error("calling Meta")]
    Request(#[source] hyper_util::client::legacy::Error),
    #[error("reading Meta's response")]
    Body(#[source] hyper::Error),
    #[error("waiting for Meta")]
    TimedOut(#[source] transport::TimedOut),
    #[error("Meta's response is too large")]
    TooLarge,
}

impl ResponseError {
    /// `true` if the server reported that it did not process the request: HTTP/2's REFUSED_STREAM, or a GOAWAY whose
    /// last stream is below this one (h2 reports that error for no other stream). RFC 9113, section 8.7: the request
    /// can be sent again.
    fn is_unprocessed(&self) -> bool {
        let mut cause: Option<&(dyn Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<h2::Error>() {
                let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
                return error.is_remote() && (is_refused || error.is_go_away());
            }
            cause = error.source();
        }
        false
    }
}

/// A value of the account that cannot be part of a request.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0} contains characters that are not allowed in a request")]
struct InvalidRequestValue(&'static str);

/// Returns one of Meta's ids, if it can be part of a path.
fn id(text: &str) -> Result<&str, InvalidRequestValue> {
    let is_valid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_valid { Ok(text) } else { Err(InvalidRequestValue("the account's id at Meta")) }
}

/// Reads the whole body, unless it is longer than `max_bytes`.
async fn read(mut body: Incoming, max_bytes: usize) -> Result<Bytes, ResponseError> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(ResponseError::Body)?.into_data() else { continue };
        if first.len() + rest.len() + data.len() > max_bytes {
            return Err(ResponseError::TooLarge);
        }
        if first.is_empty() && rest.is_empty() {
            // Most bodies are a single frame.
            first = data;
            continue;
        }
        if rest.is_empty() {
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// Formats an error and its causes for a log entry.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string cannot fail.
        let _infallible = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
