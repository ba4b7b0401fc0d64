//! Export of spans to an OpenTelemetry collector: OTLP over HTTP, in batches.
//!
//! A span that ends is put into a bounded queue. If the queue is full, the span is dropped and [`Exporter`] counts it. A
//! failed export is not retried: its spans are lost.
//!
//! **Invariant:** only spans of [`SPANS`] are exported, without log lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use engine::Deps;
use engine::metrics::{Metrics, SpanOutcome};
use engine::ports::Clock;
use engine::spans::SPANS;
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::{SignedDuration, Timestamp};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument as _, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// Maximum number of spans in the queue.
const QUEUE_SIZE: usize = 8_192;
/// Maximum number of spans in one request.
const BATCH_SIZE: usize = 512;
/// Maximum time to collect a batch.
const BATCH_INTERVAL: SignedDuration = SignedDuration::from_secs(1);
/// Maximum time of an export.
const EXPORT_TIMEOUT: SignedDuration = SignedDuration::from_secs(10);
/// Default path of OTLP over HTTP.
const PATH: &str = "/v1/traces";
/// Header of the parent span.
const TRACEPARENT: &str = "traceparent";

/// Error: spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The endpoint is not a URL.
    #[error("`{0}` is not a URL")]
    Endpoint(String),
    /// TLS cannot be set up.
    #[error("setting up TLS")]
    Tls(#[source] rustls::Error),
}

/// Creates the layer that records spans and the exporter that sends them to the endpoint.
///
/// # Errors
/// If the endpoint is not a URL.
pub fn layer<S>(endpoint: &str) -> Result<(impl Layer<S> + Send + Sync + use<S>, Exporter), TracesError>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let (sender, queue) = mpsc::channel(QUEUE_SIZE);
    let n_dropped = Arc::new(AtomicU64::new(0));
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "waypost"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .build();
    let exporter = Exporter {
        queue,
        n_dropped: n_dropped.clone(),
        resource: (&resource).into(),
        client: client()?,
        url: url(endpoint)?,
        has_failed: false,
    };
    let provider = SdkTracerProvider::builder()
        .with_span_processor(Queue { sender, n_dropped })
        .with_resource(resource)
        // If the caller does not sample a trace, its spans are not sampled here.
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("waypost"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == SPANS));
    Ok((layer, exporter))
}

fn url(endpoint: &str) -> Result<http::Uri, TracesError> {
    let invalid = || TracesError::Endpoint(endpoint.to_owned());
    let given: http::Uri = endpoint.parse().map_err(|_| invalid())?;
    if !matches!(given.path(), "" | "/") {
        return Ok(given);
    }
    format!("{}{PATH}", endpoint.trim_end_matches('/')).parse().map_err(|_| invalid())
}

type HttpsClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

fn client() -> Result<HttpsClient, TracesError> {
    // The provider is passed explicitly, so that no process-wide default must be installed.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TracesError::Tls)?
        .with_webpki_roots()
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// Queue of ended spans; it never waits.
#[derive(Debug)]
struct Queue {
    sender: mpsc::Sender<SpanData>,
    n_dropped: Arc<AtomicU64>,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.sender.try_send(span).is_err() {
            self.n_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Takes spans from the queue and sends them to the collector.
pub struct Exporter {
    queue: mpsc::Receiver<SpanData>,
    n_dropped: Arc<AtomicU64>,
    resource: ResourceAttributesWithSchema,
    client: HttpsClient,
    url: http::Uri,
    /// `true` if the last export failed; only the first failure is logged.
    has_failed: bool,
}

impl Exporter {
    /// Exports spans until `stop` is cancelled, then flushes the queue.
    pub(crate) async fn run(mut self, deps: Arc<Deps>, stop: CancellationToken) {
        loop {
            let first = tokio::select! {
                first = self.queue.recv() => first,
                () = stop.cancelled() => break,
            };
            let Some(first) = first else { return };
            let mut batch = vec![first];
            let until = after(&*deps.clock, BATCH_INTERVAL);
            let collecting = async {
                while batch.len() < BATCH_SIZE {
                    let Some(next) = self.queue.recv().await else { return };
                    batch.push(next);
                }
            };
            tokio::select! {
                () = collecting => {}
                () = deps.clock.sleep_until(until) => {}
                () = stop.cancelled() => {}
            }
            self.export(&deps, batch).await;
        }
        self.flush(&deps).await;
    }

    /// Exports all spans in the queue. Stops at the first failure.
    pub async fn flush(&mut self, deps: &Deps) {
        loop {
            let mut batch = Vec::new();
            while batch.len() < BATCH_SIZE
                && let Ok(span) = self.queue.try_recv()
            {
                batch.push(span);
            }
            let is_last = batch.len() < BATCH_SIZE;
            self.export(deps, batch).await;
            if is_last || self.has_failed {
                return;
            }
        }
    }

    async fn export(&mut self, deps: &Deps, batch: Vec<SpanData>) {
        let count = |outcome, n: u64| {
            if n > 0 {
                Metrics::count_spans(&deps.metrics, outcome, n);
            }
        };
        count(SpanOutcome::Dropped, self.n_dropped.swap(0, Ordering::Relaxed));
        if batch.is_empty() {
            return;
        }
        let n_spans = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let sent = tokio::select! {
            sent = self.send(batch) => sent,
            () = deps.clock.sleep_until(after(&*deps.clock, EXPORT_TIMEOUT)) => Err("no response".to_owned()),
        };
        match sent {
            Ok(()) => {
                count(SpanOutcome::Exported, n_spans);
                self.has_failed = false;
            }
            Err(reason) => {
                count(SpanOutcome::Lost, n_spans);
                if !std::mem::replace(&mut self.has_failed, true) {
                    tracing::warn!(
                        reason,
                        "the collector does not accept spans; spans are lost until it does"
                    );
                }
            }
        }
    }

    async fn send(&self, batch: Vec<SpanData>) -> Result<(), String> {
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let mut request = http::Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("waypost/", env!("CARGO_PKG_VERSION"))),
        );
        let response = self.client.request(request).await.map_err(|error| engine::chain(&error))?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(format!("HTTP status {}", response.status().as_u16()))
    }
}

fn after(clock: &dyn Clock, span: SignedDuration) -> Timestamp {
    clock.now().saturating_add(span).unwrap_or(Timestamp::MAX)
}

/// Traces a request. The span is a child of the caller's span, if the request names one.
pub(crate) async fn trace_request(request: Request, next: Next) -> Response {
    let method = method_name(request.method());
    let route = route_of(&request);
    let span = tracing::info_span!(
        target: SPANS,
        "request",
        otel.name = format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        request.id = Empty,
    );
    let parent = TraceContextPropagator::new().extract(&Traceparent(request.headers()));
    // Without an exporter the span has no context to set.
    let _ignored = span.set_parent(parent);
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    if let Some(id) = response.headers().get("x-request-id").and_then(|id| id.to_str().ok()) {
        span.record("request.id", id);
    }
    response
}

/// Returns the route of a request, or `none`. Spans and log lines have the route, not the path: a path may contain a phone
/// number.
pub(super) fn route_of(request: &Request) -> &str {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    route.filter(|route| !route.contains("__private")).unwrap_or("none")
}

/// Returns the name of a standard method, or `_OTHER`.
pub(super) fn method_name(method: &Method) -> &'static str {
    ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method.as_str())
        .unwrap_or("_OTHER")
}

/// Extracts the ids of the parent span only; `tracestate` and `baggage` of the caller are ignored.
struct Traceparent<'a>(&'a HeaderMap);

impl Extractor for Traceparent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(TRACEPARENT).filter(|_| key == TRACEPARENT)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_without_a_path_gets_the_default_path() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
            ("https://otel.example.com/own/way", "https://otel.example.com/own/way"),
        ] {
            assert_eq!(url(endpoint).expect("an address").to_string(), expected);
        }
        assert!(url("http://").is_err());
    }
}
