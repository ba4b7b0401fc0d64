//! The client that posts events to webhook endpoints.
//!
//! A call counts as answered as soon as the status is received, whatever happens to the response body afterwards: a
//! body that stalls, is cut or never ends does not change the result. The body is read to keep its beginning, and
//! because a connection whose response was read to its end can be used again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use engine::ports::{Clock, UrlError, WebhookAttempt, WebhookOutcome, WebhookRequest, WebhookSender};
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use hyper::body::Incoming;
use jiff::SignedDuration;
use secrecy::ExposeSecret as _;

use crate::config::{EgressConfig, EgressConfigError, Policy};
use crate::connection::HttpConnection;
use crate::dial::{Dialer, later};
use crate::error::EgressError;
use crate::pool::IdleConnections;
use crate::resolve::{NameResolver, SystemResolver};
use crate::response_head::PartialResponse;
use crate::sign::sign;
use crate::url_guard::{UrlTarget, check};

/// Maximum number of response body bytes that are read so that the connection can be used again.
const MAX_READ_BYTES: usize = 64 * 1_024;

/// Marks a redelivery.
const REDELIVERY: HeaderName = HeaderName::from_static("waypost-redelivery");

/// Client for calls to addresses that users configured.
pub struct EgressClient {
    pub(crate) policy: Policy,
    pub(crate) user_agent: HeaderValue,
    pub(crate) dialer: Dialer,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fetch_timeout: Duration,
    timeout: Duration,
    pool: IdleConnections,
}

impl EgressClient {
    /// Creates a client. It must be called within a Tokio runtime; it opens no connection yet.
    ///
    /// # Errors
    /// The part of the configuration that cannot be used.
    pub fn new(config: &EgressConfig, clock: Arc<dyn Clock>) -> Result<Self, EgressConfigError> {
        Self::with_resolver(config, clock, Arc::new(SystemResolver))
    }

    /// Creates a client with its own name resolution.
    ///
    /// # Errors
    /// The part of the configuration that cannot be used.
    pub fn with_resolver(
        config: &EgressConfig,
        clock: Arc<dyn Clock>,
        resolver: Arc<dyn NameResolver>,
    ) -> Result<Self, EgressConfigError> {
        Ok(Self {
            policy: config.policy,
            user_agent: HeaderValue::from_str(&config.user_agent)
                .map_err(|_| EgressConfigError::UserAgent(config.user_agent.clone()))?,
            dialer: Dialer::new(config, Arc::clone(&clock), resolver)?,
            pool: IdleConnections::new(Arc::clone(&clock), span(config.idle_timeout)),
            clock,
            timeout: config.timeout,
            fetch_timeout: config.fetch_timeout,
        })
    }

    /// Posts an event, and stores in `response` as much of the response as has been received.
    async fn deliver(
        &self,
        call: &WebhookRequest,
        response: &mut Option<PartialResponse>,
    ) -> Result<(), EgressError> {
        let target = check(self.policy, &call.url)?;
        let request = self.request(call, &target)?;
        let (mut connection, received) = self.send(&target, request).await?;
        let (head, body) = received.into_parts();
        let response =
            response.insert(PartialResponse::head(head.status, &head.headers, &target.url, self.clock.now()));
        if read(&mut connection, body, response).await? {
            self.pool.put(&target.host_port, connection).await;
        }
        Ok(())
    }

    /// Sends a request over an idle connection, or else over a new one.
    ///
    /// The other side can close an idle connection at any moment. The request is then sent once more over a new
    /// connection: no byte of a response was received, and a receiver that did process the request gets the same
    /// event again, which receivers of webhooks must expect.
    async fn send(
        &self,
        target: &UrlTarget,
        request: Request<Full<bytes::Bytes>>,
    ) -> Result<(HttpConnection, http::Response<Incoming>), EgressError> {
        if let Some(mut connection) = self.pool.take(&target.host_port).await {
            match connection.send(request.clone()).await {
                Ok(response) => return Ok((connection, response)),
                Err(error) if connection.has_received() => return Err(error.into()),
                Err(_) => {}
            }
        }
        let mut connection = self.dialer.dial(target).await?;
        let response = connection.send(request).await?;
        Ok((connection, response))
    }

    fn request(
        &self,
        call: &WebhookRequest,
        target: &UrlTarget,
    ) -> Result<Request<Full<bytes::Bytes>>, EgressError> {
        let mut request = Request::new(Full::new(call.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target.path.clone().into();
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, self.user_agent.clone());
        for (name, value) in &call.headers {
            domain::webhooks_out::header::validate(name, value.expose_secret())
                .map_err(|_| EgressError::Header)?;
            let name = HeaderName::try_from(name).map_err(|_| EgressError::Header)?;
            let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| EgressError::Header)?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        headers.insert(HOST, target.authority.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        sign(call, headers)?;
        if call.is_redelivery {
            headers.insert(REDELIVERY, HeaderValue::from_static("true"));
        }
        Ok(request)
    }
}

#[async_trait]
impl WebhookSender for EgressClient {
    fn check_url(&self, url: &str) -> Result<(), UrlError> {
        check(self.policy, url).map(|_| ())
    }

    async fn send_event(&self, call: WebhookRequest) -> WebhookAttempt {
        let began_at = self.clock.now();
        let mut response = None;
        let ended = tokio::select! {
            biased;
            ended = Box::pin(self.deliver(&call, &mut response)) => ended,
            () = self.clock.sleep_until(later(&*self.clock, span(self.timeout))) => {
                Err(EgressError::Timeout(self.timeout))
            }
        };
        let outcome = match (response, ended) {
            (Some(response), _) => response.outcome(),
            (None, Err(failure)) => WebhookOutcome::Failed { reason: failure.reason() },
            // A call cannot end without a response.
            (None, Ok(())) => WebhookOutcome::Failed { reason: "no answer".to_owned() },
        };
        WebhookAttempt { outcome, latency: self.clock.now().duration_since(began_at) }
    }
}

/// Reads a response body; returns `true` if the body was read to its end.
async fn read(
    connection: &mut HttpConnection,
    mut body: Incoming,
    response: &mut PartialResponse,
) -> Result<bool, EgressError> {
    let mut n_read: usize = 0;
    while let Some(frame) = connection.next(&mut body).await {
        let Ok(data) = frame?.into_data() else { continue };
        response.store_body(&data);
        n_read = n_read.saturating_add(data.len());
        if n_read > MAX_READ_BYTES {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Converts a standard duration to the type that the clock port uses.
pub(crate) fn span(span: Duration) -> SignedDuration {
    SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}
