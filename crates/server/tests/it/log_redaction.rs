//! The log contains no message texts, phone numbers or secrets, at any level.

use std::io;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::Request;
use engine::access::api_key::DEV_KEY;
use serde_json::json;
use server::http_options::HttpOptions;
use server::observability::traces;
use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use crate::support::{CUSTOMER, TestApp};
use crate::traces::Collector;

/// Captured log lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn listen() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    (log.clone(), tracing::subscriber::set_default(subscriber(log)))
}

/// Captures all log lines, at any level.
fn subscriber(log: Log) -> impl Subscriber + for<'span> LookupSpan<'span> + Send + Sync {
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || log.clone());
    tracing_subscriber::registry().with(lines)
}

/// Returns the upload of a PNG file with marked content.
fn upload() -> (String, Vec<u8>) {
    let mut body = Vec::new();
    body.extend_from_slice(
        b"--marked\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
          Content-Type: image/png\r\n\r\n",
    );
    body.extend_from_slice(b"\x89PNG\r\n\x1a\nmarked-file-content");
    body.extend_from_slice(b"\r\n--marked--\r\n");
    ("multipart/form-data; boundary=marked".to_owned(), body)
}

#[tokio::test]
async fn no_text_number_file_or_secret_is_in_the_log() {
    let (log, collector) = (Log::default(), Collector::new().await);
    let (spans, mut exporter) = traces::layer(&collector.endpoint).unwrap();
    let _guard = tracing::subscriber::set_default(subscriber(log.clone()).with(spans));
    let mut app = TestApp::new().await;
    app.router = server::run::router(&app.deps, HttpOptions { is_traced: true, ..HttpOptions::default() });
    let webhook = json!({
        "name": "shop", "url": "https://shop.example.com/hook", "events": ["*"],
        "headers": {"Authorization": "Bearer marked-header-secret"},
    });
    let created = app.post("/api/webhooks", &webhook).await.expect(201);
    let webhook_secret = created.data()["secret"].as_str().unwrap().to_owned();
    let path = format!("/api/webhooks/{}", created.data()["id"].as_str().unwrap());
    let rotated = app.post(&format!("{path}/rotate-secret"), &json!({})).await.expect(200);
    let second_secret = rotated.data()["secret"].as_str().unwrap().to_owned();

    app.send(json!({"to": CUSTOMER, "type": "text", "text": "marked-words-out"})).await.expect(200);
    app.send(json!({"to": "+15550100190", "type": "template",
        "template": {"name": "order_confirmation", "language": "en", "components": [{"type": "body", "parameters":
            [{"type": "text", "text": "marked-parameter"}, {"type": "text", "text": "1"}]}]}}))
        .await;
    app.send(json!({"to": CUSTOMER, "type": "text", "text": {"body": "marked-refused", "nothing": 1}}))
        .await
        .expect(400);
    app.customer_writes(CUSTOMER, "marked-words-in").await;
    app.post_signed("another secret", r#"{"object":"marked-forged"}"#).await.expect(401);
    let (kind, body) = upload();
    let request = Request::builder()
        .method("POST")
        .uri("/api/media")
        .header("x-api-key", DEV_KEY)
        .header("content-type", kind)
        .body(Body::from(body))
        .unwrap();
    app.call(request).await.expect(201);
    app.get("/api/contacts?search=15550100001").await.expect(200);
    app.step().await;
    app.deliver_events().await;
    assert!(!app.receiver.received().is_empty());

    let logged = log.text();
    assert!(logged.contains("request completed") && logged.contains("request.id"), "{logged}");
    exporter.flush(&app.deps).await;
    let exported = String::from_utf8_lossy(&collector.bytes()).into_owned();
    for part in ["POST /api/messages/send", "delivery", "meta.outcome"] {
        assert!(exported.contains(part), "{part} is no span");
    }
    let number = CUSTOMER.trim_start_matches('+');
    for secret in [
        "marked-",
        number,
        "15550100190",
        webhook_secret.as_str(),
        second_secret.as_str(),
        app.seeded.access_token.as_str(),
        app.seeded.app_secret.as_str(),
        DEV_KEY,
    ] {
        let line = logged.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
        assert!(!exported.contains(secret), "{secret} is in a span");
    }
    // Encrypted values and headers in the database, and later reads of the endpoint, contain no marked value.
    let mut files = Vec::new();
    for entry in std::fs::read_dir(app.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            files.extend(std::fs::read(path).unwrap());
        }
    }
    let response = app.get(&path).await.expect(200).body.to_string();
    for secret in ["marked-header-secret", &webhook_secret, &second_secret, &app.seeded.access_token] {
        assert!(memchr::memmem::find(&files, secret.as_bytes()).is_none(), "{secret}");
        assert!(!response.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_server_error_is_one_log_line_with_its_request_id() {
    let (log, _guard) = listen();
    let app = TestApp::new().await;
    let response = app
        .send(json!({"to": "+15550100190", "type": "template",
            "template": {"name": "hello_world", "language": "en_US"}}))
        .await
        .expect(503);
    let id = response.body["request_id"].as_str().unwrap().to_owned();
    let logged = log.text();
    let lines: Vec<_> = logged.lines().filter(|line| line.contains(&id) && line.contains("WARN")).collect();
    assert_eq!(lines.len(), 1, "{logged}");
    assert!(lines[0].contains("account_disconnected"), "{}", lines[0]);
}

#[tokio::test]
async fn the_access_log_has_a_line_for_each_request_without_numbers_and_secrets() {
    let (log, _guard) = listen();
    let mut app = TestApp::new().await;
    app.router =
        server::run::router(&app.deps, HttpOptions { has_access_log: true, ..HttpOptions::default() });
    let sent = app.send_text(CUSTOMER).await.expect(200);
    app.get("/api/contacts?search=15550100001").await.expect(200);
    app.call(Request::get("/healthz").body(Body::empty()).unwrap()).await.expect(200);
    let text = log.text();
    let line = |part: &str| {
        let found = text.lines().rfind(|line| line.contains("request completed") && line.contains(part));
        found.unwrap_or_else(|| panic!("{part}: {text}")).to_owned()
    };
    let request_id = sent.headers["x-request-id"].to_str().unwrap();
    let send = line("/api/messages/send");
    for part in [
        " INFO ",
        "method=\"POST\"",
        "status=200",
        "duration_ms=",
        "bytes=",
        "caller=\"wp_test_sand\"",
        request_id,
    ] {
        assert!(send.contains(part), "{part}: {send}");
    }
    line("route=\"/api/contacts\"");
    line("route=\"/healthz\"");
    assert!(!text.contains("15550100001") && !text.contains(DEV_KEY));
    let quiet = server::run::router(&app.deps, HttpOptions::default());
    app.router = quiet;
    app.get("/api/contacts").await.expect(200);
    assert!(log.text().lines().rfind(|line| line.contains("request completed")).unwrap().contains("DEBUG"));
}

#[tokio::test]
async fn refused_requests_are_logged_ten_times_a_minute_and_all_are_counted() {
    let (log, _guard) = listen();
    let app = TestApp::new().await;
    for _ in 0..15 {
        app.post("/api/contacts", &json!({"phone_number": "15550100001-marked"})).await.expect(400);
    }
    let refused = |level: &str| {
        let is_refusal = |line: &&str| line.contains("request refused") && line.contains(level);
        log.text().lines().filter(is_refusal).count()
    };
    assert_eq!((refused(" INFO "), refused("DEBUG")), (10, 5));
    app.advance(60);
    app.post("/api/contacts", &json!({"phone_number": "x"})).await.expect(400);
    let text = log.text();
    let last = text.lines().rfind(|line| line.contains("request refused")).unwrap();
    for part in
        ["n_skipped=5", "reason=\"/phone_number\"", "route=\"/api/contacts\"", "code=\"invalid_request\""]
    {
        assert!(last.contains(part), "{part}: {last}");
    }
    assert!(!text.contains("marked") && !text.contains("15550100001"), "{text}");
    let page = app.call(Request::get("/metrics").body(Body::empty()).unwrap()).await;
    let series = "waypost_http_errors_total{code=\"invalid_request\",route=\"/api/contacts\"} 16";
    assert!(page.body.as_str().unwrap().contains(series), "{}", page.body);
}

#[tokio::test]
async fn unsigned_webhooks_are_logged_ten_times_a_minute_and_all_are_counted() {
    let (log, _guard) = listen();
    let app = TestApp::new().await;
    let post = async || {
        let request = Request::post("/webhooks/meta").header("X-Hub-Signature-256", "sha256=00");
        app.call(request.body(Body::from("{}")).unwrap()).await.expect(401)
    };
    for _ in 0..30 {
        post().await;
    }
    let lines = || {
        let text = log.text();
        text.lines()
            .filter(|line| line.contains("without a valid signature"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(lines().len(), 10);
    app.advance(60);
    post().await;
    assert_eq!(lines().len(), 11);
    assert!(lines().last().unwrap().contains("n_skipped=20"));
    let page = app.call(Request::get("/metrics").body(Body::empty()).unwrap()).await;
    let series = "waypost_webhook_payloads_total{outcome=\"unsigned\"} 31";
    assert!(page.body.as_str().unwrap().contains(series), "{}", page.body);
}
