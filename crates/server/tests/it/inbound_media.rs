//! Files from customers: download, storage, access, and failures.

mod invalid_downloads;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use engine::access::api_key::DEV_KEY;
use engine::background;
use engine::media::{self};
use engine::ports::{FaultInjector, StoreError};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer, InboundMessage};
use tower::ServiceExt;

use crate::fault_ports::with_faults;
use crate::support::{CUSTOMER, TestApp};

/// A response body as raw bytes.
pub(crate) struct RawResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl RawResponse {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl TestApp {
    /// Requests the content of a file.
    pub(crate) async fn get_raw(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> RawResponse {
        let mut request = Request::builder().method(method).uri(path).header("X-API-Key", DEV_KEY);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        RawResponse {
            status: parts.status,
            headers: parts.headers,
            bytes: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// Downloads all files that are due.
    pub(crate) async fn fetch_media(&self) -> u32 {
        background::tick_recovery(&self.deps).await.unwrap();
        let n = media::tick(&self.deps).await.unwrap();
        let all = async {
            while !self.deps.media.downloads.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        self.run_with_clock(all).await;
        n
    }

    /// Receives a message with a file, and returns the wamid of the message.
    async fn customer_sends(&self, message: Value, content: &[u8]) -> String {
        use base64::Engine as _;
        let message = InboundMessage {
            from: Some(CUSTOMER.to_owned()),
            message,
            media_base64: Some(base64::engine::general_purpose::STANDARD.encode(content)),
            ..InboundMessage::default()
        };
        self.inbound(&message).await
    }

    async fn picture(&self) -> (String, String) {
        let wamid =
            self.customer_sends(json!({"type": "image", "image": {"caption": "Look"}}), b"\x89PNG...").await;
        let shown = self.message(&wamid).await;
        assert_eq!(shown["media"]["state"], "pending", "{shown:#}");
        (wamid, shown["media"]["id"].as_str().unwrap().to_owned())
    }

    async fn media_of(&self, wamid: &str) -> Value {
        self.message(wamid).await["media"].take()
    }

    fn refuse(&self, path: &str, status: u16, times: u32) {
        let response = FaultAnswer { status: Some(status), body: Some(json!({})), ..FaultAnswer::default() };
        self.sim.fail(Fault { times, ..Fault::on(path, FaultAction::Status(response)) });
    }
}

#[tokio::test]
async fn an_image_is_downloaded_stored_and_served() {
    let app = TestApp::new().await;
    let (wamid, id) = app.picture().await;
    let response = app.get("/api/events?events=message.incoming").await.expect(200);
    let response = response.data()["events"].as_array().unwrap().last().unwrap();
    assert_eq!((&response["data"]["message_id"], &response["data"]["media_id"]), (&json!(wamid), &json!(id)));
    assert_eq!(response["data"]["image"]["caption"], "Look");
    let listed = app.get("/api/messages?type=image").await.expect(200);
    assert_eq!(listed.data()["messages"][0]["media_id"], id);
    let text = app.get("/api/messages?type=text").await.expect(200);
    assert!(text.data()["messages"][0].get("media_id").is_none());
    let path = format!("/api/media/{id}");
    let early = app.get(&path).await.expect(409);
    assert_eq!(early.code(), "media_pending");
    assert!(early.number("retry-after") >= 1);

    assert_eq!(app.fetch_media().await, 1);
    let shown = app.media_of(&wamid).await;
    assert_eq!(shown["state"], "ready");
    assert_eq!((&shown["mime_type"], &shown["size"]), (&json!("image/png"), &json!(7)));
    assert_eq!(shown["reason"], Value::Null);
    let sha256 = shown["sha256"].as_str().unwrap().to_owned();
    assert_eq!(sha256.len(), 64);

    let received = app.get_raw("GET", &path, &[]).await;
    assert_eq!((received.status.as_u16(), &received.bytes[..]), (200, &b"\x89PNG..."[..]));
    assert_eq!(received.header("content-type"), "image/png");
    assert_eq!(received.header("content-length"), "7");
    assert_eq!(received.header("etag"), format!("\"{sha256}\""));
    assert_eq!(received.header("x-content-type-options"), "nosniff");
    assert!(received.header("content-disposition").starts_with("inline; filename="));
    assert!(!received.header("x-request-id").is_empty() && !received.header("x-ratelimit-limit").is_empty());

    let described = app.get_raw("GET", &path, &[("Accept", "application/json")]).await;
    let described: Value = serde_json::from_slice(&described.bytes).unwrap();
    assert_eq!(described["data"]["state"], "ready");
    assert_eq!(described["data"]["origin"], "inbound");
    let anything = app.get_raw("GET", &path, &[("Accept", "application/json, text/plain, */*")]).await;
    assert_eq!(anything.header("content-type"), "image/png");
    assert_eq!(app.fetch_media().await, 0, "once");
}

#[tokio::test]
async fn range_head_and_conditional_requests_follow_http() {
    let app = TestApp::new().await;
    let (_, id) = app.picture().await;
    app.fetch_media().await;
    let path = format!("/api/media/{id}");
    let part = app.get_raw("GET", &path, &[("Range", "bytes=1-3")]).await;
    assert_eq!((part.status.as_u16(), &part.bytes[..]), (206, &b"PNG"[..]));
    assert_eq!(part.header("content-range"), "bytes 1-3/7");
    assert_eq!(part.header("content-length"), "3");
    let beyond = app.get_raw("GET", &path, &[("Range", "bytes=7-")]).await;
    assert_eq!((beyond.status.as_u16(), beyond.header("content-range")), (416, "bytes */7"));
    let body: Value = serde_json::from_slice(&beyond.bytes).unwrap();
    assert_eq!(body["code"], "range_not_satisfiable");
    let head = app.get_raw("HEAD", &path, &[]).await;
    assert_eq!((head.status.as_u16(), head.bytes.len(), head.header("content-length")), (200, 0, "7"));
    let etag = head.header("etag").to_owned();
    let known = app.get_raw("GET", &path, &[("If-None-Match", &etag)]).await;
    assert_eq!((known.status.as_u16(), known.bytes.len()), (304, 0));
    app.get(&format!("{path}?meta=true")).await.expect(400);
}

#[tokio::test]
async fn a_repeated_webhook_downloads_nothing_again() {
    let app = TestApp::new().await;
    let message = InboundMessage {
        from: Some(CUSTOMER.to_owned()),
        message: json!({"type": "sticker"}),
        ..InboundMessage::default()
    };
    let wamid = app.sim.inbound(&message).unwrap();
    let webhooks = app.sim.take_webhooks();
    for _ in 0..3 {
        for webhook in &webhooks {
            let mut request = Request::post("/webhooks/meta");
            for (name, value) in &webhook.headers {
                request = request.header(name, value);
            }
            app.call(request.body(Body::from(webhook.body.clone())).unwrap()).await.expect(200);
        }
    }
    let id = app.media_of(&wamid).await["id"].clone();
    assert_eq!(app.fetch_media().await, 1);
    assert_eq!(app.fetch_media().await, 0);
    assert_eq!(app.media_of(&wamid).await["id"], id);
}

#[tokio::test]
async fn the_hint_wakes_the_loop_at_once() {
    let app = TestApp::new().await;
    let hinted = app.deps.media.hint.notified();
    let (hinted, _) = tokio::join!(hinted, app.picture());
    assert_eq!(hinted, ());
}

#[tokio::test]
async fn an_expired_download_url_is_requested_again() {
    let app = TestApp::new().await;
    for status in [401, 403, 404] {
        let (wamid, _) = app.picture().await;
        app.refuse("/whatsapp_business/attachments", status, 1);
        app.fetch_media().await;
        assert_eq!(app.media_of(&wamid).await["state"], "ready", "{status}");
    }
}

#[tokio::test]
async fn a_failed_download_is_shown_and_retried() {
    let app = TestApp::new().await;
    let (wamid, id) = app.picture().await;
    app.refuse("/whatsapp_business/attachments", 500, 1);
    app.fetch_media().await;
    let shown = app.media_of(&wamid).await;
    assert_eq!(shown["state"], "pending");
    assert!(shown["reason"].as_str().unwrap().contains("HTTP 500"), "{shown}");
    let response = app.get(&format!("/api/media/{id}")).await.expect(409);
    assert!(response.body["details"]["reason"].as_str().unwrap().contains("HTTP 500"));
    assert_eq!(app.fetch_media().await, 0, "not before its time");
    app.advance(10);
    assert_eq!(app.fetch_media().await, 1);
    assert_eq!(app.media_of(&wamid).await["state"], "ready");
}

#[tokio::test]
async fn an_error_response_and_a_broken_connection_are_retried() {
    let app = TestApp::new().await;
    let (wamid, _) = app.picture().await;
    app.sim.fail(Fault::on("/whatsapp_business/attachments", FaultAction::CutBefore));
    app.fetch_media().await;
    app.advance(10);
    let response = FaultAnswer { code: Some(190), ..FaultAnswer::default() };
    app.sim.fail(Fault {
        method: Some("GET".to_owned()),
        ..Fault::on("/v24.0/", FaultAction::Status(response))
    });
    app.fetch_media().await;
    let shown = app.media_of(&wamid).await;
    assert!(shown["reason"].as_str().unwrap().contains("code 190"), "{shown}");
    app.advance(20);
    app.fetch_media().await;
    assert_eq!(app.media_of(&wamid).await["state"], "ready");
}

#[tokio::test]
async fn after_seven_days_a_download_fails_with_the_reason() {
    let app = TestApp::new().await;
    let (wamid, id) = app.picture().await;
    app.refuse("/whatsapp_business/attachments", 500, 100_000);
    app.fetch_media().await;
    app.advance(7 * 86_400 - 1);
    app.fetch_media().await;
    let shown = app.media_of(&wamid).await;
    assert_eq!(shown["state"], "failed", "{shown}");
    assert!(
        shown["reason"].as_str().unwrap().starts_with("not downloaded within 7 days; last error: HTTP 500")
    );
    let response = app.get(&format!("/api/media/{id}")).await.expect(410);
    assert_eq!(response.code(), "media_failed");
    assert!(response.body["details"]["reason"].as_str().unwrap().contains("7 days"));
    app.clear_faults().await;
    app.advance(86_400);
    assert_eq!(app.fetch_media().await, 0);
}

#[tokio::test]
async fn a_file_is_visible_to_keys_of_its_account_only() {
    let app = TestApp::new().await;
    let (_, id) = app.picture().await;
    app.fetch_media().await;
    let second = app.add_second_account().await;
    let path = format!("/api/media/{id}");
    let other = app.key(|new| new.accounts = vec![second]).await;
    assert_eq!(app.request_as(&other, "GET", &path, "").await.expect(404).code(), "media_not_found");
    let live = app.key(|new| new.is_test = false).await;
    assert_eq!(app.request_as(&live, "GET", &path, "").await.expect(404).code(), "media_not_found");
    let sender = app.key(|new| new.scopes = vec![domain::access::api_key::KeyScope::Send]).await;
    assert_eq!(app.request_as(&sender, "GET", &path, "").await.expect(403).code(), "forbidden");
    let own = app.key(|new| new.accounts = vec![app.account]).await;
    app.request_as(&own, "GET", &path, "").await.expect(200);
    for unknown in ["00000000-0000-7000-8000-000000000000", "..%2f..%2fwaypost.db", "x"] {
        let path = format!("/api/media/{unknown}");
        assert_eq!(app.get(&path).await.expect(404).code(), "media_not_found");
    }
}

/// Simulates a crash at one call: the call never returns.
pub(crate) struct CrashAt {
    call: &'static str,
    is_after: bool,
    was_reached: AtomicBool,
}

impl CrashAt {
    /// Simulates a crash after the effect of this call.
    pub(crate) fn after(call: &'static str) -> Arc<Self> {
        Arc::new(Self { call, is_after: true, was_reached: AtomicBool::new(false) })
    }

    /// Returns after the call was made.
    pub(crate) async fn wait_until_reached(&self) {
        while !self.was_reached.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl FaultInjector for CrashAt {
    async fn before(&self, call: &'static str) -> Result<usize, StoreError> {
        if call == self.call && !self.is_after {
            self.was_reached.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        Ok(usize::from(call == self.call))
    }

    async fn after(&self, _: &'static str, n: usize) -> Result<(), StoreError> {
        if n == 1 && self.is_after {
            self.was_reached.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_download_continues_after_a_crash_at_any_step() {
    let mut app = TestApp::new().await;
    for call in ["get_media_info", "download_media", "write_blob", "finish_media_fetch"] {
        for is_after in [false, true] {
            let crash = Arc::new(CrashAt { call, is_after, was_reached: AtomicBool::new(false) });
            let guard = crash.clone();
            app.restart_with(|ports| with_faults(ports, guard)).await;
            let (wamid, _) = app.picture().await;
            background::tick_recovery(&app.deps).await.unwrap();
            assert_eq!(media::tick(&app.deps).await.unwrap(), 1);
            crash.wait_until_reached().await;
            app.restart().await;
            assert_eq!(app.fetch_media().await, 0, "{call}: another may be at it");
            app.advance(11);
            // After a crash after the last step, nothing is left to do.
            let n_left = u32::from((call, is_after) != ("finish_media_fetch", true));
            assert_eq!(app.fetch_media().await, n_left, "{call}");
            assert_eq!(app.media_of(&wamid).await["state"], "ready", "{call}");
        }
    }
}

#[tokio::test]
async fn expired_files_are_deleted() {
    let app = TestApp::new().await;
    let (wamid, id) = app.picture().await;
    app.fetch_media().await;
    app.advance(89 * 86_400);
    assert_eq!(media::delete_expired(&app.deps).await.unwrap(), 0);
    app.advance(86_400);
    assert_eq!(media::delete_expired(&app.deps).await.unwrap(), 1);
    let response = app.get(&format!("/api/media/{id}")).await.expect(410);
    assert!(
        response.body["message"].as_str().unwrap().contains("the retention period of the file has ended")
    );
    assert_eq!(app.media_of(&wamid).await["state"], "failed");
}
