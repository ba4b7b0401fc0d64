//! The client that posts events.
//!
//! A post ends as answered as soon as there is a status, whatever becomes of the answer's body: a body that stalls, is
//! cut, or has no end takes nothing from what its head said. The body is read for its beginning, and because a
//! connection whose answer was read to its end can be used again.

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

use crate::answer::Seen;
use crate::config::{HookConfig, HookConfigError, Policy};
use crate::dial::{Dialler, later};
use crate::failure::Failure;
use crate::guard::{Target, check};
use crate::line::Line;
use crate::pool::Pool;
use crate::resolve::{Resolve, SystemResolver};
use crate::sign::sign;

/// The most bytes of an answer's body that are read so that its connection can be used again.
const MAX_READ_BYTES: usize = 64 * 1_024;

/// Says that the event was asked for once more.
const REDELIVERY: HeaderName = HeaderName::from_static("waypost-redelivery");

/// Calls addresses that strangers chose.
pub struct HookClient {
    pub(crate) policy: Policy,
    pub(crate) user_agent: HeaderValue,
    pub(crate) dialler: Dialler,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fetch_timeout: Duration,
    timeout: Duration,
    pool: Pool,
}

impl HookClient {
    /// A client that has not connected yet. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// What in the configuration cannot be used.
    pub fn new(config: &HookConfig, clock: Arc<dyn Clock>) -> Result<Self, HookConfigError> {
        Self::with_resolver(config, clock, Arc::new(SystemResolver))
    }

    /// A client that looks names up in its own way.
    ///
    /// # Errors
    /// What in the configuration cannot be used.
    pub fn with_resolver(
        config: &HookConfig,
        clock: Arc<dyn Clock>,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, HookConfigError> {
        Ok(Self {
            policy: config.policy,
            user_agent: HeaderValue::from_str(&config.user_agent)
                .map_err(|_| HookConfigError::UserAgent(config.user_agent.clone()))?,
            dialler: Dialler::new(config, Arc::clone(&clock), resolver)?,
            pool: Pool::new(Arc::clone(&clock), span(config.idle_timeout)),
            clock,
            timeout: config.timeout,
            fetch_timeout: config.fetch_timeout,
        })
    }

    /// Posts, and puts what it sees of the answer into `seen` as it comes.
    async fn deliver(&self, call: &WebhookRequest, seen: &mut Option<Seen>) -> Result<(), Failure> {
        let target = check(self.policy, &call.url)?;
        let request = self.request(call, &target)?;
        let (mut line, answer) = self.send(&target, request).await?;
        let (head, body) = answer.into_parts();
        let seen = seen.insert(Seen::head(head.status, &head.headers, self.clock.now()));
        if read(&mut line, body, seen).await? {
            self.pool.put(&target.place, line).await;
        }
        Ok(())
    }

    /// Sends a request over a connection that is there, or else over a new one.
    ///
    /// A connection that was kept can have been closed by the other side just now. Then the request goes out once more,
    /// over a new one: nothing was answered, and whoever did see it sees the same event again, which it must bear anyway.
    async fn send(
        &self,
        target: &Target,
        request: Request<Full<bytes::Bytes>>,
    ) -> Result<(Line, http::Response<Incoming>), Failure> {
        if let Some(mut line) = self.pool.take(&target.place).await {
            match line.send(request.clone()).await {
                Ok(answer) => return Ok((line, answer)),
                Err(error) if line.has_heard() => return Err(error.into()),
                Err(_) => {}
            }
        }
        let mut line = self.dialler.dial(target).await?;
        let answer = line.send(request).await?;
        Ok((line, answer))
    }

    fn request(
        &self,
        call: &WebhookRequest,
        target: &Target,
    ) -> Result<Request<Full<bytes::Bytes>>, Failure> {
        let mut request = Request::new(Full::new(call.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target.path.clone().into();
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, self.user_agent.clone());
        for (name, value) in &call.headers {
            domain::webhooks_out::header::check(name, value.expose_secret()).map_err(|_| Failure::Header)?;
            let name = HeaderName::try_from(name).map_err(|_| Failure::Header)?;
            let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| Failure::Header)?;
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
impl WebhookSender for HookClient {
    fn check_url(&self, url: &str) -> Result<(), UrlError> {
        check(self.policy, url).map(|_| ())
    }

    async fn send_event(&self, call: WebhookRequest) -> WebhookAttempt {
        let began_at = self.clock.now();
        let mut seen = None;
        let ended = tokio::select! {
            biased;
            ended = Box::pin(self.deliver(&call, &mut seen)) => ended,
            () = self.clock.sleep_until(later(&*self.clock, span(self.timeout))) => {
                Err(Failure::TooLate(self.timeout))
            }
        };
        let outcome = match (seen, ended) {
            (Some(seen), _) => seen.outcome(),
            (None, Err(failure)) => WebhookOutcome::Failed { reason: failure.reason() },
            // There is no end without an answer.
            (None, Ok(())) => WebhookOutcome::Failed { reason: "no answer".to_owned() },
        };
        WebhookAttempt { outcome, latency: self.clock.now().duration_since(began_at) }
    }
}

/// Reads an answer's body; says whether it came to its end.
async fn read(line: &mut Line, mut body: Incoming, seen: &mut Seen) -> Result<bool, Failure> {
    let mut n_read: usize = 0;
    while let Some(frame) = line.next(&mut body).await {
        let Ok(data) = frame?.into_data() else { continue };
        seen.keep(&data);
        n_read = n_read.saturating_add(data.len());
        if n_read > MAX_READ_BYTES {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A span that our clock reckons with.
pub(crate) fn span(span: Duration) -> SignedDuration {
    SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}
