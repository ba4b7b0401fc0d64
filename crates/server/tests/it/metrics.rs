//! `/metrics`: values, the format of Prometheus, and no personal data.
#![expect(clippy::panic, clippy::expect_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use engine::access::api_key::DEV_KEY;
use engine::metrics::list::{ALL, MetricKind};
use engine::ports::{FaultInjector, StoreError, StoreErrorKind};
use engine::{AuditContext, accounts, background};
use serde_json::json;
use server::http_options::HttpOptions;
use server::http_options::MetricsAccess;
use sim::{Fault, FaultAction, FaultAnswer};

use crate::fault_ports::with_faults;
use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp};

/// Name and labels of a sample, as printed.
type Series = String;

/// A page that was parsed strictly.
struct Page {
    samples: BTreeMap<Series, f64>,
    /// Names of labels by metric.
    labels: BTreeMap<String, BTreeSet<String>>,
}

impl Page {
    /// Parses the text format, version 0.0.4. Panics if Prometheus would reject the page, or a series is not expected.
    fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'));
        let mut page = Self { samples: BTreeMap::new(), labels: BTreeMap::new() };
        let mut lines = text.lines().peekable();
        let mut metrics = BTreeSet::new();
        while let Some(line) = lines.next() {
            let help = line.strip_prefix("# HELP ").unwrap_or_else(|| panic!("a HELP, not {line}"));
            let (name, _) = help.split_once(' ').unwrap();
            let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).unwrap().to_owned();
            let known = ALL.iter().find(|metric| metric.name == name).expect(name);
            assert_eq!(known.kind.as_str(), kind);
            assert!(metrics.insert(name.to_owned()), "{name} stands there twice");
            let mut n_samples = 0;
            while lines.peek().is_some_and(|line| !line.starts_with('#')) {
                page.sample(lines.next().unwrap(), name, known.kind, known.labels);
                n_samples += 1;
            }
            assert!(n_samples > 0, "{name} has no samples");
            if known.kind == MetricKind::Histogram {
                page.check_histogram(name);
            }
        }
        page
    }

    fn sample(&mut self, line: &str, metric: &str, kind: MetricKind, known: &[&str]) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap();
        assert!(value >= 0.0, "{line}");
        let (name, labels) = match series.split_once('{') {
            Some((name, rest)) => (name, labels(rest.strip_suffix('}').unwrap())),
            None => (series, Vec::new()),
        };
        let suffix = name.strip_prefix(metric).unwrap_or_else(|| panic!("{name} among {metric}"));
        let suffixes: &[&str] =
            if kind == MetricKind::Histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(suffixes.contains(&suffix), "{line}");
        let mut names: Vec<_> = labels.iter().map(|(name, _)| name.as_str()).collect();
        if suffix == "_bucket" {
            assert_eq!(names.pop(), Some("le"));
        }
        assert_eq!(names, known, "{line}");
        self.labels
            .entry(metric.to_owned())
            .or_default()
            .extend(labels.into_iter().filter(|(name, _)| name != "le").map(|(_, value)| value));
        assert!(self.samples.insert(series.to_owned(), value).is_none(), "{series} stands there twice");
    }

    /// Checks that the buckets increase and that the last one contains all observations.
    fn check_histogram(&self, name: &str) {
        let all = |suffix: &str| {
            let start = format!("{name}{suffix}");
            self.samples.iter().filter(move |(series, _)| {
                series.strip_prefix(&start).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
            })
        };
        for (series, n_all) in all("_count") {
            let labels = series.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
            let mut buckets: Vec<(f64, f64)> = all("_bucket")
                .filter(|(bucket, _)| bucket.contains(&format!("{{{labels}")))
                .map(|(bucket, n)| {
                    let bound = bucket.split_once("le=\"").unwrap().1.split_once('"').unwrap().0;
                    (if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() }, *n)
                })
                .collect();
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(buckets.is_sorted_by(|one, other| one.1 <= other.1), "{series}");
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, *n_all)), "{series}");
        }
    }

    /// Returns the value of a series.
    #[track_caller]
    fn at(&self, series: &str) -> f64 {
        *self.samples.get(series).unwrap_or_else(|| panic!("{series} is not there: {:#?}", self.samples))
    }

    /// Returns the value of a metric of the first account.
    #[track_caller]
    fn of_account(&self, name: &str) -> f64 {
        self.at(&format!("{name}{{workspace=\"default\",account=\"sandbox\"}}"))
    }
}

/// Parses `a="1",b="2"`.
fn labels(mut text: &str) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").unwrap();
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        let (mut value, mut end, mut is_escaped) = (String::new(), None, false);
        for (i, one) in rest.char_indices() {
            match (is_escaped, one) {
                (true, '\\' | '"') => value.push(one),
                (true, 'n') => value.push('\n'),
                (true, other) => panic!("\\{other} in {rest}"),
                (false, '\\') => {}
                (false, '"') => {
                    end = Some(i);
                    break;
                }
                (false, other) => value.push(other),
            }
            is_escaped = !is_escaped && one == '\\';
        }
        labels.push((name.to_owned(), value));
        text = &rest[end.expect("a closing quote") + 1..];
        text = text.strip_prefix(',').unwrap_or(text);
    }
    labels
}

pub(crate) async fn text(app: &TestApp) -> String {
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let response = app.call(request).await.expect(200);
    assert_eq!(response.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    response.body.as_str().unwrap().to_owned()
}

async fn scrape(app: &TestApp) -> Page {
    Page::read(&text(app).await)
}

fn template(to: &str) -> serde_json::Value {
    json!({"to": to, "type": "template", "template": {"name": "hello_world", "language": "en_US"}})
}

#[tokio::test]
async fn the_page_counts_sent_received_and_rejected_messages() {
    let app = TestApp::new().await;
    let before = scrape(&app).await;
    // A counter must exist with 0 before its first increment: otherwise Prometheus misses the increment.
    assert_eq!(before.of_account("waypost_messages_sent_total"), 0.0);
    assert_eq!(before.of_account("waypost_messages_received_total"), 1.0);
    for _ in 0..3 {
        app.send_text(CUSTOMER).await.expect(200);
    }
    app.send_text(NEW_RECIPIENT).await.expect(400);
    app.send(template(NEW_RECIPIENT)).await.expect(200);
    app.send(json!({"to": CUSTOMER, "type": "text", "text": "later", "mode": "queue"})).await.expect(202);
    app.tick_queue().await;
    app.send(template("+15550100505")).await.expect(202);
    let error = json!({"error": {"message": "(#131026) Message undeliverable", "code": 131_026}});
    let response = FaultAnswer { status: Some(400), body: Some(error), ..FaultAnswer::default() };
    app.sim.fail(Fault::on("/messages", FaultAction::Status(response)));
    app.send(template(NEW_RECIPIENT)).await.expect(400);
    app.step().await;

    let page = scrape(&app).await;
    let accepted = |mode: &str| {
        page.at(&format!(
            "waypost_messages_accepted_total{{workspace=\"default\",account=\"sandbox\",mode=\"{mode}\"}}"
        ))
    };
    assert_eq!((accepted("sync"), accepted("queue")), (6.0, 1.0));
    for (name, n) in [
        ("waypost_messages_sent_total", 5.0),
        ("waypost_messages_delivered_total", 5.0),
        ("waypost_messages_read_total", 5.0),
        ("waypost_messages_unknown_total", 1.0),
        ("waypost_messages_expired_total", 0.0),
        ("waypost_window_refusals_total", 1.0),
    ] {
        assert_eq!(page.of_account(name), n, "{name}");
    }
    let failed = "waypost_messages_failed_total{workspace=\"default\",account=\"sandbox\",code=\"meta_error\",meta_code=\"131026\"}";
    assert_eq!(page.at(failed), 1.0);
    for (outcome, n) in [("accepted", 5.0), ("refused", 1.0), ("unknown", 1.0)] {
        assert_eq!(page.at(&format!("waypost_meta_calls_total{{call=\"send\",outcome=\"{outcome}\"}}")), n);
    }
    assert_eq!(page.at("waypost_meta_call_duration_seconds_count{call=\"send\"}"), 7.0);
    let route = |status: &str| {
        page.at(&format!(
            "waypost_http_requests_total{{method=\"POST\",route=\"/api/messages/send\",status=\"{status}\"}}"
        ))
    };
    assert_eq!((route("2xx"), route("4xx")), (6.0, 2.0));
    assert_eq!(
        page.at("waypost_http_errors_total{code=\"outside_window\",route=\"/api/messages/send\"}"),
        1.0
    );
    assert_eq!(page.at("waypost_webhook_payloads_total{outcome=\"accepted\"}"), 16.0);
    assert_eq!(page.at("waypost_webhook_changes_total{outcome=\"applied\"}"), 16.0);
    assert_eq!(page.at("waypost_webhook_lag_seconds_count"), 16.0);
    assert!(page.at("waypost_store_commit_duration_seconds_count") > 20.0);
    assert_eq!(
        page.at("waypost_store_commit_duration_seconds_count"),
        page.at("waypost_store_commit_writes_count"),
    );
    assert_eq!((page.at("waypost_store_up"), page.at("waypost_store_waiting_writes")), (1.0, 0.0));
}

#[tokio::test]
async fn the_page_shows_queue_depths_that_are_read_from_the_store_periodically() {
    let app = TestApp::new().await;
    background::tick_phone_numbers(&app.deps).await.unwrap();
    for to in [CUSTOMER, CUSTOMER, NEW_RECIPIENT] {
        let mut body = template(to);
        body["mode"] = json!("queue");
        app.send(body).await.expect(202);
    }
    app.send(template("+15550100505")).await.expect(202);
    app.advance(20);
    let page = scrape(&app).await;
    assert_eq!(page.of_account("waypost_queue_messages"), 3.0);
    assert_eq!(page.of_account("waypost_queue_overdue_seconds"), 20.0);
    assert_eq!(page.of_account("waypost_queue_deferred_messages"), 0.0);
    assert_eq!(page.of_account("waypost_messages_unknown"), 1.0);
    assert_eq!(page.of_account("waypost_account_held"), 0.0);
    let limit = |page: &Page, name: &str| {
        page.at(&format!("{name}{{workspace=\"default\",waba_id=\"{}\"}}", app.seeded.waba_id))
    };
    assert_eq!(limit(&page, "waypost_messaging_limit_recipients"), 100_000.0);
    assert_eq!(limit(&page, "waypost_messaging_limit_used_recipients"), 1.0);
    assert!(page.at("waypost_store_size_bytes{file=\"main\"}") > 4096.0);

    app.tick_queue().await;
    // Values in memory change immediately; values from the store change within five seconds.
    let error = serde_json::from_value(json!({"code": 190})).unwrap();
    let record = app.deps.directory.current().account(app.workspace, "sandbox").cloned().unwrap();
    accounts::suspend_account(&app.deps, &record.account, &error).await.unwrap();
    let page = scrape(&app).await;
    assert_eq!(page.of_account("waypost_account_held"), 1.0);
    assert_eq!(page.of_account("waypost_queue_messages"), 3.0);
    app.advance(5);
    let page = scrape(&app).await;
    assert_eq!(page.of_account("waypost_queue_messages"), 0.0);
    assert_eq!(page.of_account("waypost_queue_overdue_seconds"), 0.0);
    assert_eq!(limit(&page, "waypost_messaging_limit_used_recipients"), 2.0);
}

#[tokio::test]
async fn callers_cannot_create_labels() {
    let app = TestApp::new().await;
    let strange = |n: usize| async move { (n, format!("/api/nothing/{n}"), format!("M{n}")) };
    let stray = |path: String, method: String| {
        let request = Request::builder().method(method.as_str()).uri(path).body(Body::empty()).unwrap();
        app.call(request)
    };
    let mut n_series = Vec::new();
    for round in 0..3 {
        for i in 0..20 {
            let (n, path, method) = strange(round * 20 + i).await;
            stray(path.clone(), "GET".to_owned()).await.expect(401);
            app.get(&path).await.expect(404);
            stray("/api/messages".to_owned(), method).await.expect(401);
            app.get(&format!("/api/messages/{n}")).await.expect(404);
            app.get(&format!("/api/contacts/{n}?x=1")).await;
        }
        n_series.push(scrape(&app).await.samples.len());
    }
    assert_eq!(n_series[1], n_series[2]);
    let page = scrape(&app).await;
    let routes = &page.labels["waypost_http_requests_total"];
    for route in ["/api/messages/{id}", "/api/contacts/{id}", "other"] {
        assert!(routes.contains(route), "{routes:?}");
    }
    assert!(!routes.iter().any(|route| route.contains("nothing")), "{routes:?}");
    assert_eq!(page.at("waypost_auth_failures_total"), 120.0);
}

#[tokio::test]
async fn rate_limit_rejections_are_counted_by_kind() {
    let app = TestApp::with(|settings| settings.limits.burst = 2).await;
    for status in [200, 200, 429] {
        app.send_text(CUSTOMER).await.expect(status);
    }
    let page = scrape(&app).await;
    assert_eq!(page.at("waypost_rate_limit_refusals_total{kind=\"send\"}"), 1.0);
}

#[tokio::test]
async fn an_unsigned_webhook_is_counted_as_unsigned() {
    let app = TestApp::new().await;
    app.post_signed("not the secret", "{}").await.expect(401);
    let secret = app.seeded.app_secret.clone();
    app.post_signed(&secret, "no JSON").await.expect(400);
    let foreign = json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [
        {"field": "messages", "value": {"metadata": {"phone_number_id": "1"}, "statuses": [{"id": "wamid.x"}]}}]}]});
    for _ in 0..2 {
        app.post_signed(&secret, foreign.to_string()).await.expect(200);
    }
    let page = scrape(&app).await;
    for (outcome, n) in [("unsigned", 1.0), ("not_json", 1.0), ("accepted", 3.0)] {
        assert_eq!(page.at(&format!("waypost_webhook_payloads_total{{outcome=\"{outcome}\"}}")), n);
    }
    assert_eq!(page.at("waypost_webhook_changes_total{outcome=\"unrouted\"}"), 1.0);
    assert_eq!(page.at("waypost_webhook_changes_total{outcome=\"duplicate\"}"), 1.0);
}

#[tokio::test]
async fn no_personal_data_is_on_the_page() {
    let app = TestApp::new().await;
    let sent = app
        .send(json!({"to": CUSTOMER, "type": "text", "text": "marked words", "client_reference": "marked-7"}))
        .await
        .expect(200);
    app.send(template(NEW_RECIPIENT)).await.expect(200);
    app.customer_writes(NEW_RECIPIENT, "marked words").await;
    app.step().await;
    let text = text(&app).await;
    let wamid = sent.data()["message_id"].as_str().unwrap();
    for secret in [
        CUSTOMER.trim_start_matches('+'),
        NEW_RECIPIENT.trim_start_matches('+'),
        "marked",
        DEV_KEY,
        wamid,
        sent.data()["id"].as_str().unwrap(),
        &app.seeded.access_token,
        &app.seeded.app_secret,
        &app.seeded.verify_token,
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn the_page_can_need_a_token_or_be_off() {
    let mut app = TestApp::new().await;
    let request = |app: &TestApp, authorization: Option<&str>| {
        let mut request = Request::get("/metrics");
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        let call = app.router.clone();
        async move {
            use tower::ServiceExt;
            call.oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status().as_u16()
        }
    };
    let token = "0123456789abcdef0123";
    app.router = server::run::router(
        &app.deps,
        HttpOptions { metrics: MetricsAccess::Token(token.into()), ..HttpOptions::default() },
    );
    assert_eq!(request(&app, Some(&format!("Bearer {token}"))).await, 200);
    assert_eq!(request(&app, Some(&format!("bearer  {token}"))).await, 200);
    for wrong in
        [None, Some("Bearer"), Some("Bearer 0123456789abcdef"), Some("Basic MDEyMzQ1Njc4OWFiY2RlZjAxMjM=")]
    {
        assert_eq!(request(&app, wrong).await, 401, "{wrong:?}");
    }
    assert_eq!(request(&app, Some(&format!("Bearer {DEV_KEY}"))).await, 401);
    app.router =
        server::run::router(&app.deps, HttpOptions { metrics: MetricsAccess::Off, ..HttpOptions::default() });
    assert_eq!(request(&app, None).await, 404);
}

/// Makes the queries of the store statistics fail.
struct FailingStats;

#[async_trait]
impl FaultInjector for FailingStats {
    async fn before(&self, call: &'static str) -> Result<usize, StoreError> {
        if call == "get_stats" {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "reading the figures", "no disk"));
        }
        Ok(0)
    }

    async fn after(&self, _: &'static str, _: usize) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_store_failure_does_not_affect_the_other_metrics() {
    let mut app = TestApp::new().await;
    app.restart_with(|ports| with_faults(ports, Arc::new(FailingStats))).await;
    app.send_text(CUSTOMER).await.expect(200);
    let page = scrape(&app).await;
    assert_eq!(page.of_account("waypost_messages_sent_total"), 1.0);
    assert_eq!(page.at("waypost_store_up"), 0.0);
    assert!(!page.samples.keys().any(|series| series.starts_with("waypost_queue_")));
}

#[tokio::test]
async fn a_removed_account_disappears_and_a_restart_resets_counters() {
    let mut app = TestApp::new().await;
    let clinic = app.add_second_account().await;
    let removed_series = "waypost_messages_sent_total{workspace=\"default\",account=\"clinic\"}";
    assert_eq!(scrape(&app).await.at(removed_series), 0.0);
    let clinic = app.deps.directory.current().account(app.workspace, &clinic.to_string()).cloned().unwrap();
    accounts::delete_account(&app.deps, &AuditContext::gateway(), &clinic.account, true).await.unwrap();
    assert!(!scrape(&app).await.samples.contains_key(removed_series));
    app.send_text(CUSTOMER).await.expect(200);
    assert_eq!(scrape(&app).await.of_account("waypost_messages_sent_total"), 1.0);
    app.restart().await;
    assert_eq!(scrape(&app).await.of_account("waypost_messages_sent_total"), 0.0);
}
