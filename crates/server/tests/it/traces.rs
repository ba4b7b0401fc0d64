//! Spans: export to a collector, parents, and an unavailable collector.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use engine::access::api_key::DEV_KEY;
use engine::spans::SPANS;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;
use server::http_options::HttpOptions;
use server::observability::traces;
use server::observability::traces::Exporter;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::metrics;
use crate::support::{CUSTOMER, TestApp};

/// A collector on this machine.
pub(crate) struct Collector {
    pub(crate) endpoint: String,
    received: Arc<Mutex<Vec<Bytes>>>,
    _serving: JoinSet<()>,
}

impl Collector {
    pub(crate) async fn new() -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let received_bodies = received.clone();
        let take = async move |headers: HeaderMap, body: Bytes| {
            assert_eq!(headers["content-type"], "application/x-protobuf");
            received_bodies.lock().unwrap().push(body);
            StatusCode::OK
        };
        let router = Router::new().route("/v1/traces", axum::routing::post(take));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { endpoint, received, _serving: serving }
    }

    /// Returns all received bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.received.lock().unwrap().concat()
    }

    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let received = self.received.lock().unwrap();
        received.iter().map(|body| ExportTraceServiceRequest::decode(body.clone()).unwrap()).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let scopes = self.requests().into_iter().flat_map(|request| request.resource_spans);
        scopes.flat_map(|spans| spans.scope_spans).flat_map(|scope| scope.spans).collect()
    }
}

/// Exports the spans of this test to an endpoint.
fn export_to(endpoint: &str) -> (Exporter, tracing::subscriber::DefaultGuard) {
    let (layer, exporter) = traces::layer(endpoint).unwrap();
    (exporter, tracing::subscriber::set_default(tracing_subscriber::registry().with(layer)))
}

async fn traced() -> TestApp {
    let mut app = TestApp::new().await;
    app.router = server::run::router(&app.deps, HttpOptions { is_traced: true, ..HttpOptions::default() });
    app
}

/// Returns the attributes of a span as texts.
fn attributes_of(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &KeyValue| {
        let value = value.value.clone()?.value?;
        if let Value::StringValue(text) = value {
            return Some(text);
        }
        let Value::IntValue(number) = value else { return Some(format!("{value:?}")) };
        Some(number.to_string())
    };
    attributes.iter().map(|one| (one.key.clone(), text(one).unwrap_or_default())).collect()
}

fn with_parent(parent: &str, body: &serde_json::Value) -> Request<Body> {
    Request::builder()
        .method("POST")
        .uri("/api/messages/send")
        .header("x-api-key", DEV_KEY)
        .header("content-type", "application/json")
        .header("traceparent", parent)
        .header("tracestate", "marked=words")
        .body(Body::from(body.to_string()))
        .unwrap()
}

#[tokio::test]
async fn a_send_is_traced_from_the_caller_to_meta_and_to_the_endpoint() {
    let collector = Collector::new().await;
    let (mut exporter, _guard) = export_to(&collector.endpoint);
    let app = traced().await;
    let webhook = json!({"name": "shop", "url": "https://shop.example.com/hook", "events": ["message.sent"]});
    app.post("/api/webhooks", &webhook).await.expect(201);
    let text = json!({"to": CUSTOMER, "type": "text", "text": "Hello"});
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let response = app.call(with_parent(parent, &text)).await.expect(200);
    app.deliver_events().await;
    exporter.flush(&app.deps).await;

    let spans = collector.spans();
    let request = spans.iter().find(|span| span.name == "POST /api/messages/send").unwrap();
    assert_eq!(hex(&request.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(hex(&request.parent_span_id), "b7ad6b7169203331");
    assert_eq!(
        (request.kind, request.trace_state.as_str()),
        (2, ""),
        "a server's, without the caller's words"
    );
    let of_request = attributes_of(&request.attributes);
    assert_eq!(of_request["http.response.status_code"], "200");
    assert_eq!(of_request["request.id"], response.headers["x-request-id"].to_str().unwrap());
    let meta = spans.iter().find(|span| span.name == "send").unwrap();
    assert_eq!((&meta.trace_id, &meta.parent_span_id), (&request.trace_id, &request.span_id));
    assert_eq!((meta.kind, attributes_of(&meta.attributes)["meta.outcome"].as_str()), (3, "accepted"));
    assert!(meta.start_time_unix_nano >= request.start_time_unix_nano);
    assert!(meta.end_time_unix_nano <= request.end_time_unix_nano);
    let delivery = spans.iter().find(|span| span.name == "delivery").unwrap();
    let of_delivery = attributes_of(&delivery.attributes);
    assert_eq!(
        (of_delivery["event.kind"].as_str(), of_delivery["delivery.outcome"].as_str()),
        ("message.sent", "succeeded")
    );
    assert_eq!(of_delivery["http.response.status_code"], "200");
    let resource = collector.requests()[0].resource_spans[0].resource.clone().unwrap();
    assert_eq!(attributes_of(&resource.attributes)["service.name"], "waypost");
    let page = metrics::text(&app).await;
    let counted = format!("waypost_spans_total{{outcome=\"exported\"}} {}", spans.len());
    assert!(page.contains(&counted), "{page}");
}

#[tokio::test]
async fn a_trace_that_the_caller_does_not_sample_is_not_exported() {
    let collector = Collector::new().await;
    let (mut exporter, _guard) = export_to(&collector.endpoint);
    let app = traced().await;
    let text = json!({"to": CUSTOMER, "type": "text", "text": "Hello"});
    let unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    app.call(with_parent(unsampled, &text)).await.expect(200);
    let refused = json!({"to": "+15550100190", "type": "template", "template": {"name": "hello_world", "language": "en_US"}});
    app.call(with_parent("no parent at all", &refused)).await.expect(503);
    app.call(Request::builder().uri("/nowhere/15550100001").body(Body::empty()).unwrap()).await.expect(404);
    exporter.flush(&app.deps).await;
    let spans = collector.spans();
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["templates", "send", "POST /api/messages/send", "GET none"]);
    assert_eq!(attributes_of(&spans[1].attributes)["meta.code"], "190");
    assert_eq!(spans[2].status.clone().unwrap().code, 2, "an error");
    assert!(spans[2].parent_span_id.is_empty());
    assert!(spans[..2].iter().all(|span| span.parent_span_id == spans[2].span_id));
}

#[tokio::test]
async fn spans_above_the_queue_size_are_dropped_and_counted() {
    let collector = Collector::new().await;
    let (mut exporter, _guard) = export_to(&collector.endpoint);
    let app = TestApp::new().await;
    exporter.flush(&app.deps).await;
    let before = collector.spans().len();
    for _ in 0..8_200 {
        let _span = tracing::info_span!(target: SPANS, "one of many");
    }
    exporter.flush(&app.deps).await;
    assert_eq!(collector.spans().len() - before, 8_192);
    let page = metrics::text(&app).await;
    assert!(page.contains("waypost_spans_total{outcome=\"dropped\"} 8\n"), "{page}");
}

#[tokio::test]
async fn spans_for_an_unavailable_collector_are_lost_and_counted() {
    let collector_url = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let (mut exporter, _guard) = export_to(&collector_url);
    let app = TestApp::new().await;
    for _ in 0..3 {
        let _span = tracing::info_span!(target: SPANS, "one");
    }
    exporter.flush(&app.deps).await;
    let page = metrics::text(&app).await;
    let lost = page.lines().find(|line| line.starts_with("waypost_spans_total{outcome=\"lost\"}")).unwrap();
    let n_lost: u32 = lost.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(n_lost >= 3, "{lost}");
    assert!(!page.contains("waypost_spans_total{outcome=\"exported\"}"), "{page}");
}

#[tokio::test]
async fn log_lines_and_spans_of_others_are_not_exported() {
    let collector = Collector::new().await;
    let (mut exporter, _guard) = export_to(&collector.endpoint);
    let app = TestApp::new().await;
    exporter.flush(&app.deps).await;
    let before = collector.bytes().len();
    tracing::info_span!("foreign", word = "marked-word").in_scope(|| tracing::error!("marked-line"));
    exporter.flush(&app.deps).await;
    assert_eq!(collector.bytes().len(), before);
    tracing::info_span!(target: SPANS, "ours").in_scope(|| tracing::error!("marked-line"));
    exporter.flush(&app.deps).await;
    let text = String::from_utf8_lossy(&collector.bytes()).into_owned();
    assert!(text.contains("ours") && !text.contains("marked-"), "{text}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
