//! The client of the Graph API.
//!
//! **Invariant:** a send ends as `NotSent` only if it is proven that Meta did not receive the whole request: the body
//! never passed the gate, or HTTP/2 reported that the server did not process the request (REFUSED_STREAM, or a GOAWAY
//! below the stream). Every other end follows from Meta's answer, or is `Unknown`.
//!
//! **Invariant:** a future of this client can be dropped at any point. The connection or the stream is closed, and
//! the outcome is then `Unknown` to the caller.

mod count;
mod file_body;
mod gate;
mod manage;
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
use crate::config::{Base, GraphConfig, GraphConfigError};
use crate::lossy;
use crate::walk::Json;
use crate::wire::{answer, envelope, node, template};

/// Maximum number of bytes of a response to a send or another small request.
const SMALL: usize = 1 << 20;

/// Maximum number of bytes of a list.
const LARGE: usize = 8 << 20;

/// Client of the Graph API. Cloning is cheap: all clones share their connections.
#[derive(Clone, Debug)]
pub struct GraphClient {
    pool: Pool,
    /// Files have connections of their own, so that a large file does not delay a message.
    file_pool: PoolOf<FileBody>,
    live: Base,
    sandbox: Base,
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
            live: Base::parse(&config.live_base_url, &config.version)?,
            sandbox: Base::parse(&config.sandbox_base_url, &config.version)?,
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

    fn uri(&self, line: &AccountCredentials, path: &[&str]) -> Result<Uri, Unfit> {
        let base = if line.account.is_sandbox { &self.sandbox } else { &self.live };
        base.join(path).ok_or(Unfit("the path"))
    }

    fn request<B>(
        &self,
        method: Method,
        uri: Uri,
        line: &AccountCredentials,
        body: B,
    ) -> Result<Request<B>, Unfit> {
        let token = line.access_token.expose_secret();
        let mut bearer = BytesMut::with_capacity(token.len() + 7);
        bearer.extend_from_slice(b"Bearer ");
        bearer.extend_from_slice(token.as_bytes());
        let mut bearer =
            HeaderValue::from_maybe_shared(bearer.freeze()).map_err(|_| Unfit("the access token"))?;
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
    async fn exchange(&self, request: Request<GatedBody>, cap: usize) -> Exchange {
        let mut head = None;
        let answered = within(self.timeout, async {
            let answer = self.pool.request(request).await.map_err(NoAnswer::Failed)?;
            let (parts, body) = answer.into_parts();
            head = Some((parts.status, parts.headers));
            read(body, cap).await
        });
        let body = answered.await.unwrap_or_else(|too_late| Err(NoAnswer::TooLate(too_late)));
        match (head, body) {
            (Some((status, headers)), Ok(body)) => Exchange::Answered { status, headers, body },
            (Some((status, headers)), Err(why)) => Exchange::Cut { status, headers, why },
            (None, Err(why)) => Exchange::Silent(why),
            // A body cannot exist without a head.
            (None, Ok(_)) => Exchange::Silent(NoAnswer::TooLong),
        }
    }

    /// Sends a message.
    async fn hand_over(&self, line: &AccountCredentials, body: Bytes) -> SendOutcome {
        let gate = Arc::new(Gate::default());
        let body = GatedBody::new(body, Arc::clone(&gate));
        let request = id(&line.account.phone_number_id)
            .and_then(|number| self.uri(line, &["/", number, "/messages"]))
            .and_then(|uri| self.request(Method::POST, uri, line, body));
        let request = match request {
            Ok(request) => request,
            Err(unfit) => return SendOutcome::NotSent { reason: unfit.to_string() },
        };
        match self.exchange(request, SMALL).await {
            Exchange::Answered { status, headers, body } => answer::outcome(status, &headers, &body),
            // A status that refuses the request decides, whatever the rest of the response would have been.
            Exchange::Cut { status, headers, why } => {
                answer::stopped(status, &headers).unwrap_or_else(|| SendOutcome::Unknown {
                    reason: format!("HTTP {}, then: {}", status.as_u16(), chain(&why)),
                })
            }
            Exchange::Silent(why) => {
                let reason = chain(&why);
                if gate.shut() || why.is_unprocessed() {
                    SendOutcome::NotSent { reason }
                } else {
                    SendOutcome::Unknown { reason }
                }
            }
        }
    }

    /// Sends a request that can be repeated safely; `read` decodes the JSON of the response.
    async fn ask<T>(
        &self,
        (method, line, uri): (Method, &AccountCredentials, Result<Uri, Unfit>),
        (body, cap): (Bytes, usize),
        read: fn(Json<'_>) -> Option<T>,
    ) -> Result<T, UpstreamError> {
        let call = count::call(uri.as_ref().map_or("", Uri::path));
        let counting = self.metrics.as_ref().map(|metrics| (metrics, metrics.now()));
        let span = count::span(call, line);
        let asking = self.ask_uncounted((method, line, uri), (body, cap), read);
        let end = asking.instrument(span.clone()).await;
        span.record("meta.outcome", count::end(&end).as_str());
        if let Err(UpstreamError::Refused(error)) = &end {
            span.record("meta.code", error.code);
        }
        if let Some((metrics, start)) = counting {
            metrics.count_upstream_call(call, count::end(&end), start);
        }
        end
    }

    async fn ask_uncounted<T>(
        &self,
        (method, line, uri): (Method, &AccountCredentials, Result<Uri, Unfit>),
        (body, cap): (Bytes, usize),
        read: fn(Json<'_>) -> Option<T>,
    ) -> Result<T, UpstreamError> {
        let body = GatedBody::new(body, Arc::default());
        let request = uri.and_then(|uri| self.request(method, uri, line, body));
        let request = request.map_err(|unfit| UpstreamError::Unreachable(unfit.to_string()))?;
        match self.exchange(request, cap).await {
            Exchange::Answered { status, headers, body } => {
                let mended = lossy::mend(&body);
                let answer = Json::parse(&mended).ok();
                if let Some(error) = answer.and_then(|answer| answer::error(status, &headers, answer)) {
                    return Err(UpstreamError::Refused(error));
                }
                answer.filter(|_| status.is_success()).and_then(read).ok_or_else(|| {
                    UpstreamError::Unreachable(format!("HTTP {} with an unexpected body", status.as_u16()))
                })
            }
            Exchange::Cut { status, why, .. } => {
                Err(UpstreamError::Unreachable(format!("HTTP {}, then: {}", status.as_u16(), chain(&why))))
            }
            Exchange::Silent(why) => Err(UpstreamError::Unreachable(chain(&why))),
        }
    }
}

#[async_trait]
impl Upstream for GraphClient {
    async fn send_message(&self, line: &AccountCredentials, body: Bytes) -> SendOutcome {
        let counting = self.metrics.as_ref().map(|metrics| (metrics, metrics.now()));
        let span = count::span("send", line);
        let outcome = self.hand_over(line, body).instrument(span.clone()).await;
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
        envelope::message(message)
    }

    async fn mark_message_read(
        &self,
        line: &AccountCredentials,
        wamid: &str,
        is_typing: bool,
    ) -> Result<(), UpstreamError> {
        let uri =
            id(&line.account.phone_number_id).and_then(|number| self.uri(line, &["/", number, "/messages"]));
        let body = envelope::read_mark(wamid, is_typing);
        self.ask((Method::POST, line, uri), (body, SMALL), node::success).await
    }

    async fn fetch_templates(
        &self,
        line: &AccountCredentials,
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
        let uri = id(&line.account.waba_id).and_then(|waba| self.uri(line, &["/", waba, &parameters]));
        self.ask((Method::GET, line, uri), (Bytes::new(), LARGE), template::page).await
    }

    async fn get_phone_number(&self, line: &AccountCredentials) -> Result<PhoneNumberInfo, UpstreamError> {
        let uri = id(&line.account.phone_number_id)
            .and_then(|number| self.uri(line, &["/", number, "?fields=", node::NUMBER_FIELDS]));
        self.ask((Method::GET, line, uri), (Bytes::new(), SMALL), node::number).await
    }

    async fn get_token_info(&self, line: &AccountCredentials) -> Result<TokenInfo, UpstreamError> {
        let token: String = byte_serialize(line.access_token.expose_secret().as_bytes()).collect();
        let uri = self.uri(line, &["/debug_token?input_token=", &token]);
        self.ask((Method::GET, line, uri), (Bytes::new(), SMALL), node::token).await
    }

    async fn list_subscribed_apps(&self, line: &AccountCredentials) -> Result<Vec<String>, UpstreamError> {
        let uri = id(&line.account.waba_id).and_then(|waba| self.uri(line, &["/", waba, "/subscribed_apps"]));
        self.ask((Method::GET, line, uri), (Bytes::new(), LARGE), node::apps).await
    }
}

/// Progress of an exchange.
enum Exchange {
    /// The response was read completely.
    Answered { status: StatusCode, headers: HeaderMap, body: Bytes },
    /// Only the head of the response was read.
    Cut { status: StatusCode, headers: HeaderMap, why: NoAnswer },
    /// No response.
    Silent(NoAnswer),
}

/// Reason why there is no complete response.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("asking meta")]
    Failed(#[source] hyper_util::client::legacy::Error),
    #[error("reading meta's answer")]
    Broken(#[source] hyper::Error),
    #[error("waiting for meta")]
    TooLate(#[source] transport::TooLate),
    #[error("meta's answer is too long")]
    TooLong,
}

impl NoAnswer {
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
#[error("{0} does not fit into a request")]
struct Unfit(&'static str);

/// Returns one of Meta's ids, if it can be part of a path.
fn id(text: &str) -> Result<&str, Unfit> {
    let is_fit = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_fit { Ok(text) } else { Err(Unfit("the account's id at meta")) }
}

/// Reads the whole body, unless it is longer than `cap`.
async fn read(mut body: Incoming, cap: usize) -> Result<Bytes, NoAnswer> {
    let mut whole = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(NoAnswer::Broken)?.into_data() else { continue };
        if whole.len() + rest.len() + data.len() > cap {
            return Err(NoAnswer::TooLong);
        }
        if whole.is_empty() && rest.is_empty() {
            // Most bodies are a single frame.
            whole = data;
            continue;
        }
        if rest.is_empty() {
            rest.extend_from_slice(&std::mem::take(&mut whole));
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { whole } else { rest.freeze() })
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
