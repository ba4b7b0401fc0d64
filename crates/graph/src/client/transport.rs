//! Connections: the pool, TLS and timeouts.
//!
//! hyper-util's client repeats a request in one case only: an idle connection was closed and returned the request
//! unsent. The request was not sent, so that repeating it is safe.
//!
//! **Invariant:** no proxy is taken from the environment, and no redirect is followed: hyper does neither.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::body::Body;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tower::Service;

use super::gate::GatedBody;
use crate::config::{GraphConfig, GraphConfigError, Versions};

/// Pool of connections, to Meta and to the simulator.
pub(crate) type PoolOf<B> = Client<TimeoutConnector<HttpsConnector<HttpConnector>>, B>;

/// Pool for requests whose body is a single chunk.
pub(crate) type Pool = PoolOf<GatedBody>;

/// Maximum number of idle connections per host. Each concurrent HTTP/1.1 send has a connection of its own, and a
/// number can send a thousand messages per second.
const MAX_IDLE: usize = 1_024;

pub(crate) fn pool<B>(config: &GraphConfig) -> Result<PoolOf<B>, GraphConfigError>
where
    B: Body + Send,
    B::Data: Send,
{
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    // A connection that was lost without notice (for example in a firewall) must not delay the next send.
    tcp.set_keepalive(Some(Duration::from_secs(15)));
    tcp.set_keepalive_interval(Some(Duration::from_secs(5)));
    tcp.set_keepalive_retries(Some(3));
    let schemes = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls(config)?).https_or_http();
    let connector = match config.versions {
        Versions::Negotiated => schemes.enable_all_versions().wrap_connector(tcp),
        Versions::Http1 => schemes.enable_http1().wrap_connector(tcp),
        Versions::Http2 => schemes.enable_http2().wrap_connector(tcp),
    };
    let pool = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(config.idle_timeout)
        .pool_max_idle_per_host(MAX_IDLE)
        .timer(TokioTimer::new())
        .http2_only(config.versions == Versions::Http2)
        // All sends share one HTTP/2 connection. If it is lost without notice, each send would wait for its full
        // deadline.
        .http2_keep_alive_interval(Duration::from_secs(10))
        .http2_keep_alive_timeout(Duration::from_secs(10))
        .http2_adaptive_window(false)
        .build(TimeoutConnector { connector, timeout: config.connect_timeout });
    Ok(pool)
}

fn tls(config: &GraphConfig) -> Result<ClientConfig, GraphConfigError> {
    // The provider is named explicitly, so that no process-wide default must be installed first.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(GraphConfigError::Tls)?;
    let builder = if config.authorities.is_empty() {
        builder.with_webpki_roots()
    } else {
        let mut roots = RootCertStore::empty();
        for authority in &config.authorities {
            roots.add(authority.clone()).map_err(GraphConfigError::Tls)?;
        }
        builder.with_root_certificates(roots)
    };
    Ok(builder.with_no_client_auth())
}

/// A timeout of the transport has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timed out after {} ms", .0.as_millis())]
pub(crate) struct TimedOut(Duration);

/// Waits for `future` no longer than `timeout`, then drops it.
#[expect(
    clippy::disallowed_methods,
    reason = "timeouts of connections use the real clock: a test that advances its clock must not close a connection"
)]
pub(crate) async fn within<F: Future>(timeout: Duration, future: F) -> Result<F::Output, TimedOut> {
    tokio::time::timeout(timeout, future).await.map_err(|_| TimedOut(timeout))
}

/// Connector with one timeout for name resolution, TCP and TLS together.
#[derive(Clone, Debug)]
pub(crate) struct TimeoutConnector<C> {
    connector: C,
    timeout: Duration,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<C> Service<Uri> for TimeoutConnector<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let connecting = within(self.timeout, self.connector.call(destination));
        Box::pin(async move {
            match connecting.await {
                Ok(connected) => connected.map_err(Into::into),
                Err(timed_out) => Err(timed_out.into()),
            }
        })
    }
}

/// Timer for a response whose chunks are streamed: it wakes the task that waits for the next chunk.
pub(crate) struct Timer {
    span: Duration,
    sleep: Pin<Box<tokio::time::Sleep>>,
}

impl Timer {
    #[expect(
        clippy::disallowed_methods,
        reason = "timeouts of connections use the real clock, as in `within`"
    )]
    pub(crate) fn new(span: Duration) -> Self {
        Self { span, sleep: Box::pin(tokio::time::sleep(span)) }
    }

    /// Completes when the duration has passed.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<TimedOut> {
        self.sleep.as_mut().poll(context).map(|()| TimedOut(self.span))
    }
}
