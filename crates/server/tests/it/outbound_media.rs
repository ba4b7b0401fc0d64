//! Files for customers: upload, deduplication, and upload to Meta.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use engine::access::api_key::DEV_KEY;
use engine::background;
use engine::deps::Ports;
use engine::media::{self, MediaPorts};
use engine::ports::{
    BlobError, BlobKey, BlobWriteError, Blobs, ByteStream, Chunks, FaultInjector, FetchError, FetchedFile,
    Fetcher, StoreError,
};
use http_body::Frame;
use jiff::SignedDuration;
use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer};

use crate::fault_ports::with_faults;
use crate::inbound_media::CrashAt;
use crate::support::{CUSTOMER, TestApp, TestResponse};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
const PDF: &[u8] = b"%PDF-1.7\n%%EOF";
const BOUNDARY: &str = "b0undary";

/// Returns a part of a form.
fn part(name: &str, more: &str, value: &[u8]) -> Vec<u8> {
    let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n");
    [head.as_bytes(), value, b"\r\n"].concat()
}

fn file(file_name: &str, mime_type: &str, content: &[u8]) -> Vec<u8> {
    part("file", &format!("; filename=\"{file_name}\"\r\nContent-Type: {mime_type}"), content)
}

impl TestApp {
    /// Calls `POST /api/media` with these parts.
    async fn upload_as(&self, key: &str, parts: &[Vec<u8>]) -> TestResponse {
        let body = [parts.concat(), format!("--{BOUNDARY}--\r\n").into_bytes()].concat();
        let request = Request::post("/api/media")
            .header("X-API-Key", key)
            .header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"))
            .body(Body::from(body))
            .unwrap();
        self.call(request).await
    }

    async fn upload(&self, parts: &[Vec<u8>]) -> TestResponse {
        self.upload_as(DEV_KEY, parts).await
    }

    async fn uploaded(&self, file_name: &str, mime_type: &str, content: &[u8]) -> String {
        let response = self.upload(&[file(file_name, mime_type, content)]).await.expect(201);
        response.data()["id"].as_str().unwrap().to_owned()
    }

    async fn send_image(&self, id: &str) -> TestResponse {
        self.send(json!({"to": CUSTOMER, "type": "image", "image": {"id": id}})).await
    }

    async fn count(&mut self) -> Arc<Counts> {
        let counts = Arc::new(Counts::default());
        let guard = counts.clone();
        self.restart_with(|ports| with_faults(ports, guard)).await;
        background::tick_recovery(&self.deps).await.unwrap();
        counts
    }

    fn fail_upload(&self, response: FaultAnswer, times: u32) {
        self.sim.fail(Fault { times, ..Fault::on("/media", FaultAction::Status(response)) });
    }
}

/// Counts calls of ports.
#[derive(Default)]
struct Counts(Mutex<BTreeMap<&'static str, usize>>);

impl Counts {
    fn of(&self, call: &str) -> usize {
        self.0.lock().unwrap().get(call).copied().unwrap_or(0)
    }
}

#[async_trait]
impl FaultInjector for Counts {
    async fn before(&self, call: &'static str) -> Result<usize, StoreError> {
        *self.0.lock().unwrap().entry(call).or_default() += 1;
        Ok(0)
    }

    async fn after(&self, _: &'static str, _: usize) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_file_is_uploaded_and_downloaded() {
    let app = TestApp::new().await;
    let response = app.upload(&[file("Angebot März.pdf", "application/pdf", PDF)]).await.expect(201);
    let data = response.data();
    assert_eq!(data["mime_type"], "application/pdf");
    assert_eq!(data["size"], PDF.len());
    assert_eq!(data["file_name"], "Angebot März.pdf");
    assert_eq!(data["created_at"], "2026-01-01T00:00:00Z");
    assert_eq!(data["expires_at"], "2026-01-31T00:00:00Z");
    assert_eq!(data["sha256"].as_str().unwrap().len(), 64);
    let received = app.get_raw("GET", &format!("/api/media/{}", data["id"].as_str().unwrap()), &[]).await;
    assert_eq!((received.status.as_u16(), &received.bytes[..]), (200, PDF));
    let disposition = received.header("content-disposition");
    assert_eq!(
        disposition,
        "attachment; filename=\"Angebot M_rz.pdf\"; filename*=UTF-8''Angebot%20M%C3%A4rz.pdf"
    );
}

#[tokio::test]
async fn the_same_content_again_is_the_same_file() {
    let app = TestApp::new().await;
    let first = app.uploaded("a.png", "image/png", PNG).await;
    app.advance(3600);
    let again = app.upload(&[file("b.png", "image/png", PNG)]).await.expect(200);
    assert_eq!(again.data()["id"], first);
    assert_eq!(again.data()["expires_at"], "2026-01-31T01:00:00Z", "kept on");
    assert_eq!(media::delete_expired(&app.deps).await.unwrap(), 1, "the second content is deleted");
    let received = app.get_raw("GET", &format!("/api/media/{first}"), &[]).await;
    assert_eq!(&received.bytes[..], PNG);
}

#[tokio::test]
async fn uploading_identical_content_restores_a_missing_blob() {
    let app = TestApp::new().await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    std::fs::remove_dir_all(app.folder.path().join("media")).unwrap();
    app.get(&format!("/api/media/{id}")).await.expect(410);
    let again = app.upload(&[file("a.png", "image/png", PNG)]).await.expect(200);
    assert_eq!(again.data()["id"], id);
    media::delete_expired(&app.deps).await.unwrap();
    assert_eq!(&app.get_raw("GET", &format!("/api/media/{id}"), &[]).await.bytes[..], PNG);
    app.send_image(&id).await.expect(200);
}

#[tokio::test]
async fn content_of_a_wrong_or_unsupported_type_is_rejected() {
    let app = TestApp::new().await;
    for (parts, reason) in [
        (
            file("a.pdf", "application/pdf", PNG),
            "is said to be application/pdf, but its content is a PNG image",
        ),
        (file("a.gif", "image/gif", b"GIF89a"), "is image/gif, which Meta does not take; it takes audio/aac"),
        (
            file("a.bin", "application/octet-stream", &[0; 9]),
            "is of a type that is not known here, which Meta",
        ),
        (file("a.png", "image/png", b""), "is empty"),
    ] {
        let response = app.upload(&[parts]).await.expect(400);
        assert_eq!((response.code(), response.pointers()), ("invalid_request", vec!["/file"]));
        assert!(response.reasons().starts_with(reason), "{}", response.reasons());
    }
    let guessed = app.upload(&[file("a", "application/octet-stream", PNG)]).await.expect(201);
    assert_eq!(guessed.data()["mime_type"], "image/png");
}

#[tokio::test]
async fn a_form_is_parsed_strictly_in_any_order_of_its_parts() {
    let app = TestApp::new().await;
    let png = || file("a.png", "image/png", PNG);
    for (parts, pointer, reason) in [
        (vec![part("caption", "", b"x"), png()], "/caption", "unknown part `caption`; known are"),
        (vec![png(), part("ttl", "", b"1")], "/ttl", "unknown part `ttl`"),
        (vec![png(), png()], "/file", "appears twice"),
        (vec![part("type", "", b"image")], "/file", "is required"),
        (vec![png(), part("type", "", b"film")], "/type", "must be a MIME type, or one of"),
        (vec![part("type", "", b"document/pdf"), png()], "/file", "is document/pdf, which Meta"),
        (vec![png(), part("type", "", b"application/pdf")], "/file", "is said to be application/pdf"),
        (vec![png(), part("type", "", b"video")], "/file", "is image/png, but must be one of video/mp4"),
        (vec![part("type", "", &[b'x'; 600]), png()], "/type", "must be at most 512 bytes"),
        (vec![png(), part("account", "", b"")], "/account", "must not be empty"),
    ] {
        let response = app.upload(&parts).await.expect(400);
        assert_eq!(response.pointers(), [pointer]);
        assert!(response.reasons().starts_with(reason), "{pointer}: {}", response.reasons());
    }
    let unknown = app.upload(&[png(), part("account", "", b"nobody")]).await.expect(404);
    assert_eq!(unknown.code(), "account_not_found");
    let json = app.post("/api/media", &json!({"file": "x"})).await.expect(400);
    assert!(json.reasons().contains("multipart/form-data"), "{}", json.reasons());
    let whole = [part("type", "", b"image/png"), part("account", "", b"sandbox"), png()];
    app.upload(&whole).await.expect(201);
    // No content of the rejected uploads remains.
    media::delete_expired(&app.deps).await.unwrap();
    assert_eq!(n_files(&app), 1);
}

fn n_files(app: &TestApp) -> usize {
    let (mut n_files, mut folders) = (0, vec![app.folder.path().join("media")]);
    while let Some(folder) = folders.pop() {
        // The folder does not exist before the first file.
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                n_files += 1;
            }
        }
    }
    n_files
}

#[tokio::test]
async fn a_file_above_metas_limit_is_413_and_stores_nothing() {
    let app = TestApp::new().await;
    let large = [PNG, &vec![0; 5 << 20]].concat();
    let response = app.upload(&[file("a.png", "image/png", &large)]).await.expect(413);
    assert_eq!(response.code(), "payload_too_large");
    assert_eq!(response.body["details"]["limit_bytes"], 5 << 20);
    let as_document = [PDF, &vec![b' '; 5 << 20]].concat();
    app.upload(&[file("a.pdf", "application/pdf", &as_document)]).await.expect(201);
    let announced = Request::post("/api/media")
        .header("X-API-Key", DEV_KEY)
        .header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .header("Content-Length", "200000000")
        .body(Body::empty())
        .unwrap();
    app.call(announced).await.expect(413);
    media::delete_expired(&app.deps).await.unwrap();
    assert_eq!(n_files(&app), 1);
}

/// A body that counts its chunks in memory.
struct Counted {
    parts: VecDeque<Bytes>,
    n_left: usize,
    alive: Arc<(AtomicUsize, AtomicUsize)>,
}

struct Piece(Vec<u8>, Arc<(AtomicUsize, AtomicUsize)>);

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.1.0.fetch_sub(self.0.len(), Ordering::SeqCst);
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        const PIECE: usize = 64 << 10;
        if self.n_left > 0 && self.parts.len() == 1 {
            self.n_left -= PIECE;
            let now = self.alive.0.fetch_add(PIECE, Ordering::SeqCst) + PIECE;
            self.alive.1.fetch_max(now, Ordering::SeqCst);
            let piece = Bytes::from_owner(Piece(vec![b' '; PIECE], self.alive.clone()));
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        Poll::Ready(self.parts.pop_front().map(|part| Ok(Frame::data(part))))
    }
}

#[tokio::test]
async fn a_hundred_megabytes_are_uploaded_with_little_memory() {
    let app = TestApp::new().await;
    let mut head = file("a.pdf", "application/pdf", PDF);
    head.truncate(head.len() - 2);
    let tail = format!("\r\n--{BOUNDARY}--\r\n");
    let alive = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let n_left = (100 << 20) - (64 << 10);
    let body = Counted {
        parts: VecDeque::from([Bytes::from(head), Bytes::from(tail)]),
        n_left,
        alive: alive.clone(),
    };
    let request = Request::post("/api/media")
        .header("X-API-Key", DEV_KEY)
        .header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .body(Body::new(body))
        .unwrap();
    let response = app.call(request).await.expect(201);
    assert_eq!(response.data()["size"], n_left + PDF.len());
    let most = alive.1.load(Ordering::SeqCst);
    assert!(most <= 1 << 20, "{most} bytes were held at once");
}

#[tokio::test]
async fn an_incomplete_upload_stores_nothing() {
    let app = TestApp::new().await;
    let half = file("a.pdf", "application/pdf", PDF);
    let request = Request::post("/api/media")
        .header("X-API-Key", DEV_KEY)
        .header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .body(Body::from(half))
        .unwrap();
    let response = app.call(request).await.expect(400);
    assert!(response.reasons().contains("is incomplete"), "{}", response.reasons());
    struct Stalled(Option<Bytes>);
    impl http_body::Body for Stalled {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            self.0.take().map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(Frame::data(piece)))))
        }
    }
    let mut half = file("a.pdf", "application/pdf", PDF);
    half.truncate(half.len() - 2);
    let request = Request::post("/api/media")
        .header("X-API-Key", DEV_KEY)
        .header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .body(Body::new(Stalled(Some(half.into()))))
        .unwrap();
    let response = app.run_with_clock(app.call(request)).await.expect(408);
    assert_eq!(response.code(), "request_timeout");
    media::delete_expired(&app.deps).await.unwrap();
    assert_eq!(n_files(&app), 0);
}

#[tokio::test]
async fn a_file_of_an_account_is_visible_to_its_keys_only() {
    let app = TestApp::new().await;
    let second = app.add_second_account().await;
    let account = part("account", "", second.to_string().as_bytes());
    let response = app.upload(&[file("a.png", "image/png", PNG), account.clone()]).await.expect(201);
    let id = response.data()["id"].as_str().unwrap().to_owned();
    let other = app.key(|new| new.accounts = vec![app.account]).await;
    let path = format!("/api/media/{id}");
    assert_eq!(app.request_as(&other, "GET", &path, "").await.expect(404).code(), "media_not_found");
    let body = json!({"to": CUSTOMER, "type": "image", "image": {"id": id}}).to_string();
    let sent = app.request_as(&other, "POST", "/api/messages/send", body).await.expect(400);
    assert_eq!(sent.pointers(), ["/image/id"]);
    let foreign = app.upload_as(&other, &[file("a.png", "image/png", PNG), account]).await.expect(403);
    assert_eq!(foreign.code(), "forbidden");
    let reader = app.key(|new| new.scopes = vec![domain::access::api_key::KeyScope::Read]).await;
    app.upload_as(&reader, &[file("a.png", "image/png", PNG)]).await.expect(403);
}

#[tokio::test]
async fn two_sends_with_a_media_id_are_one_upload_to_meta() {
    let mut app = TestApp::new().await;
    let counts = app.count().await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    let first = app.send_image(&id).await.expect(200);
    app.send_image(&id).await.expect(200);
    assert_eq!(counts.of("upload_media"), 1);
    assert_eq!(app.n_accepted(), 2);
    let meta_id = app.accepted_message(0)["image"]["id"].clone();
    assert!(meta_id.as_str().unwrap().parse::<u64>().is_ok(), "{meta_id}");
    assert_eq!(app.accepted_message(1)["image"]["id"], meta_id);
    let shown = app.message(first.data()["id"].as_str().unwrap()).await;
    assert_eq!(shown["image"]["id"], id, "the message says what its caller said");
    app.restart().await;
    app.send_image(&id).await.expect(200);
    assert_eq!(app.accepted_message(2)["image"]["id"], meta_id, "also after a restart");
}

#[tokio::test]
async fn sends_at_the_same_time_share_one_upload() {
    let mut app = TestApp::new().await;
    let counts = app.count().await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    let sends = (app.send_image(&id), app.send_image(&id), app.send_image(&id));
    let (a, b, c) = tokio::join!(sends.0, sends.1, sends.2);
    for response in [a, b, c] {
        response.expect(200);
    }
    assert_eq!((counts.of("upload_media"), app.n_accepted()), (1, 3));
}

#[tokio::test]
async fn an_upload_is_repeated_before_it_expires_and_for_each_account() {
    let mut app = TestApp::with(|settings| settings.media.keep_uploads_for *= 10).await;
    let counts = app.count().await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    let template = |account: &str| json!({"to": CUSTOMER, "type": "image", "image": {"id": id}, "whatsapp_account": account});
    app.send(template("sandbox")).await.expect(200);
    app.advance(29 * 86_400);
    app.customer_writes(CUSTOMER, "Still there?").await;
    app.send(template("sandbox")).await.expect(200);
    assert_eq!(counts.of("upload_media"), 2);
    assert_ne!(app.accepted_message(0)["image"]["id"], app.accepted_message(1)["image"]["id"]);
    let second = app.add_second_account().await.to_string();
    let writes = sim::InboundMessage {
        account: Some(app.sim.accounts()[1].phone_number_id.clone()),
        ..sim::InboundMessage::text(CUSTOMER, "Hi")
    };
    app.inbound(&writes).await;
    app.send(template(&second)).await.expect(200);
    assert_eq!(counts.of("upload_media"), 3, "Meta's ids hold for one number");
}

#[tokio::test]
async fn a_media_id_is_checked_before_anything_is_stored() {
    let app = TestApp::new().await;
    let pdf = app.uploaded("a.pdf", "application/pdf", PDF).await;
    let png = app.uploaded("a.png", "image/png", PNG).await;
    let unknown = "0197b3a0-0000-7000-8000-000000000000";
    for (body, pointer, reason) in [
        (json!({"type": "image", "image": {"id": unknown}}), "/image/id", "is not the id of a file here"),
        (
            json!({"type": "image", "image": {"id": pdf}}),
            "/image/id",
            "is application/pdf, but must be one of image/jpeg, image/png here",
        ),
        (
            json!({"type": "sticker", "sticker": {"id": png}}),
            "/sticker/id",
            "is image/png, but must be one of image/webp",
        ),
        (
            json!({"type": "interactive", "interactive": {
                "type": "button", "header": {"type": "image", "image": {"id": unknown}}, "body": {"text": "?"},
                "action": {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "Yes"}}]}}}),
            "/interactive/header/image/id",
            "is not the id of a file here",
        ),
    ] {
        let mut body = body;
        body["to"] = json!(CUSTOMER);
        let response = app.send(body.clone()).await.expect(400);
        assert_eq!((response.code(), response.pointers()), ("invalid_request", vec![pointer]));
        assert!(response.reasons().starts_with(reason), "{}", response.reasons());
        body["dry_run"] = json!(true);
        let rehearsed = app.send(body).await.expect(200);
        assert_eq!(rehearsed.data()["would_send"], false);
        let checks = rehearsed.data()["checks"].as_array().unwrap();
        assert!(checks.iter().any(|check| check["name"] == "media" && check["ok"] == false));
    }
    assert_eq!(app.n_accepted(), 0);
    assert_eq!(app.get("/api/messages?direction=outbound").await.data()["total"], 0);
    let as_document =
        json!({"to": CUSTOMER, "type": "document", "document": {"id": pdf, "filename": "x.pdf"}});
    app.send(as_document).await.expect(200);
    assert_eq!(app.accepted_message(0)["document"]["filename"], "x.pdf");
}

#[tokio::test]
async fn media_ids_of_meta_are_passed_through() {
    let app = TestApp::new().await;
    let response = app.send_image("1402233445566778").await.expect(400);
    assert_eq!(response.code(), "meta_error", "it is Meta that does not know it");
}

#[tokio::test]
async fn the_file_of_a_queued_message_is_uploaded_when_it_is_sent() {
    let mut app = TestApp::new().await;
    let counts = app.count().await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    let body = json!({"to": CUSTOMER, "type": "image", "image": {"id": id}, "mode": "queue"});
    app.send(body).await.expect(202);
    assert_eq!(counts.of("upload_media"), 0, "not before its turn");
    app.tick_queue().await;
    assert_eq!((counts.of("upload_media"), app.n_accepted()), (1, 1));
}

#[tokio::test]
async fn a_file_of_a_queued_message_is_retained_until_it_is_sent() {
    let app = TestApp::new().await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    let image = json!({"type": "image", "image": {"id": id}});
    let components = json!([{"type": "header", "parameters": [image]}]);
    let poster = json!({"name": "poster", "language": "en", "category": "UTILITY", "components": [
        {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4:x"]}},
        {"type": "BODY", "text": "Look."}]});
    app.sim.add_template(None, poster.as_object().unwrap(), "APPROVED").unwrap();
    let body = json!({
        "to": CUSTOMER, "type": "template", "send_at": "2026-01-30T23:00:00Z",
        "template": {"name": "poster", "language": "en", "components": components},
    });
    app.send(body).await.expect(202);
    app.advance(30 * 86_400);
    assert_eq!(media::delete_expired(&app.deps).await.unwrap(), 0);
    background::tick_recovery(&app.deps).await.unwrap();
    app.tick_queue().await;
    let header = app.accepted_message(0)["template"]["components"][0]["parameters"][0]["image"]["id"].clone();
    assert!(header.as_str().unwrap().parse::<u64>().is_ok(), "{header}");
    app.advance(2 * 86_400);
    assert_eq!(media::delete_expired(&app.deps).await.unwrap(), 1);
}

#[tokio::test]
async fn a_failed_upload_means_that_the_message_was_not_sent() {
    let app = TestApp::new().await;
    let code = |code| FaultAnswer { code: Some(code), ..FaultAnswer::default() };
    let status =
        |status| FaultAnswer { status: Some(status), body: Some(json!({})), ..FaultAnswer::default() };
    for (n, (fault, expected)) in [
        (code(131_000), (503, "meta_unavailable")),
        (status(500), (503, "meta_unavailable")),
        (code(1), (503, "meta_unavailable")),
        (code(131_056), (429, "meta_rate_limited")),
        (status(429), (429, "meta_rate_limited")),
        (code(100), (400, "meta_error")),
        (code(190), (503, "account_disconnected")),
    ]
    .into_iter()
    .enumerate()
    {
        let content = [PNG, n.to_string().as_bytes()].concat();
        let id = app.uploaded("a.png", "image/png", &content).await;
        app.fail_upload(fault.clone(), 1000);
        let response = app.send_image(&id).await;
        assert_eq!((response.status.as_u16(), response.code()), expected, "{fault:?}: {:#}", response.body);
        assert_eq!(app.n_accepted(), n, "{fault:?}");
        app.clear_faults().await;
        app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
        app.advance(3600);
        app.send_image(&id).await.expect(200);
    }
}

#[tokio::test]
async fn a_failed_upload_is_retried_and_the_message_is_sent_once() {
    let app = TestApp::new().await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    app.fail_upload(FaultAnswer { code: Some(131_000), ..FaultAnswer::default() }, 2);
    app.send_image(&id).await.expect(200);
    app.sim.fail(Fault::on("/media", FaultAction::CutAfter));
    let other = app.uploaded("b.png", "image/png", &[PNG, b"2"].concat()).await;
    app.send_image(&other).await.expect(200);
    assert_eq!(app.n_accepted(), 2);
}

#[tokio::test]
async fn a_message_whose_file_is_missing_fails_with_the_reason() {
    let app = TestApp::new().await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    let body = json!({"to": CUSTOMER, "type": "image", "image": {"id": id}, "mode": "queue"});
    let queued = app.send(body).await.expect(202);
    std::fs::remove_dir_all(app.folder.path().join("media")).unwrap();
    app.tick_queue().await;
    let shown = app.message(queued.data()["id"].as_str().unwrap()).await;
    assert_eq!(shown["status"], "failed");
    assert_eq!(shown["error"]["code"], 131_053);
    assert_eq!(shown["error"]["details"], "/image/id is the id of a file whose content is gone");
    let response = app.send_image(&id).await.expect(400);
    assert_eq!((response.code(), response.pointers()), ("invalid_request", vec!["/image/id"]));
    assert_eq!(app.get(&format!("/api/media/{id}")).await.expect(410).code(), "media_failed");
    assert_eq!(app.n_accepted(), 0);
}

#[tokio::test]
async fn a_crash_during_an_upload_duplicates_nothing() {
    let mut app = TestApp::new().await;
    for call in ["insert_media", "write_blob"] {
        let crash = CrashAt::after(call);
        let guard = crash.clone();
        app.restart_with(|ports| with_faults(ports, guard)).await;
        let parts = [file("a.png", "image/png", PNG)];
        tokio::select! {
            _ = app.upload(&parts) => unreachable!("{call}"),
            () = crash.wait_until_reached() => {}
        }
        app.restart().await;
        app.advance(6 * 3600);
        assert_eq!(media::delete_expired(&app.deps).await.unwrap(), 1, "{call}");
        assert_eq!(n_files(&app), 0, "{call}");
    }
    app.customer_writes(CUSTOMER, "Hi").await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    for call in ["get_media_upload", "read_blob", "upload_media", "insert_media_upload"] {
        let n_before = app.n_accepted();
        let crash = CrashAt::after(call);
        let guard = crash.clone();
        app.restart_with(|ports| with_faults(ports, guard)).await;
        background::tick_recovery(&app.deps).await.unwrap();
        let body = json!({"to": CUSTOMER, "type": "image", "image": {"id": id}, "mode": "queue",
                          "client_reference": call});
        app.send(body).await.expect(202);
        engine::messages::queue::tick(&app.deps).await.unwrap();
        crash.wait_until_reached().await;
        app.restart().await;
        app.advance(11);
        background::tick_recovery(&app.deps).await.unwrap();
        app.tick_queue().await;
        // The message had the status `sending` during the crash. Its outcome is unknown, and the message is not sent
        // twice.
        assert_eq!(app.n_accepted(), n_before, "{call}");
        let listed = app.get(&format!("/api/messages?client_reference={call}")).await;
        assert_eq!(listed.data()["messages"][0]["status"], "unknown", "{call}");
    }
}

/// Storage without free space.
struct FullDisk;

#[async_trait]
impl Blobs for FullDisk {
    async fn write_blob(&self, _: BlobKey, _: ByteStream) -> Result<(), BlobWriteError> {
        Err(BlobWriteError::Store(BlobError::new("writing a file", "no space left on /srv/secret")))
    }

    async fn read_blob(&self, _: BlobKey, _: std::ops::Range<u64>) -> Result<Option<ByteStream>, BlobError> {
        Err(BlobError::new("opening a file", "input/output error"))
    }

    async fn delete_blob(&self, _: BlobKey) -> Result<(), BlobError> {
        Ok(())
    }

    async fn delete_partial_blobs(&self, _: jiff::Timestamp) -> Result<(), BlobError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_full_disk_is_503_without_a_path() {
    let mut app = TestApp::new().await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    app.restart_with(|ports| Ports {
        media: MediaPorts { blobs: Arc::new(FullDisk), ..ports.media },
        ..ports
    })
    .await;
    let response = app.upload(&[file("b.png", "image/png", &[PNG, b"2"].concat())]).await.expect(503);
    assert_eq!(response.code(), "store_unavailable");
    assert!(response.number("retry-after") >= 1 && !response.body.to_string().contains("secret"));
    app.get(&format!("/api/media/{id}")).await.expect(503);
    let sent = app.send_image(&id).await.expect(503);
    assert_eq!((sent.code(), app.n_accepted()), ("meta_unavailable", 0));
}

/// Web server with a few files, and the number of requests for each of them.
#[derive(Default)]
struct Web {
    requests: Mutex<Vec<String>>,
}

struct Given(VecDeque<Result<Bytes, FetchError>>);

#[async_trait]
impl Chunks for Given {
    async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        self.0.pop_front().transpose()
    }
}

#[async_trait]
impl Fetcher for Web {
    async fn fetch(&self, url: &str, max_bytes: u64) -> Result<FetchedFile, FetchError> {
        assert_eq!(max_bytes, 100 << 20);
        self.requests.lock().unwrap().push(url.to_owned());
        let n_requests = self.requests.lock().unwrap().iter().filter(|requests| *requests == url).count();
        let found = |mime_type: &str, body: Vec<Result<Bytes, FetchError>>| {
            Ok(FetchedFile {
                content_type: Some(mime_type.to_owned()),
                file_name: Some("a.png".to_owned()),
                body: Box::new(Given(body.into())),
            })
        };
        let png = || vec![Ok(Bytes::from_static(PNG))];
        match url.rsplit('/').next().unwrap_or_default() {
            "a.png" | "same.png" => found("image/png", png()),
            "page.png" => found("image/png", vec![Ok(Bytes::from_static(b"<html></html>"))]),
            "film.gif" => found("image/gif", vec![Ok(Bytes::from_static(b"GIF89a"))]),
            "cut.png" if n_requests == 1 => {
                let cut = FetchError::Unreachable("the connection was cut".to_owned());
                found("image/png", vec![Ok(Bytes::from_static(PNG)), Err(cut)])
            }
            "cut.png" => found("image/png", png()),
            "slow.png" => Err(FetchError::Unreachable("no answer".to_owned())),
            "busy.png" if n_requests == 1 => Err(FetchError::UnexpectedStatus { status: 503 }),
            "busy.png" => found("image/png", png()),
            "large.png" => Err(FetchError::TooLarge { max_bytes }),
            _ => Err(FetchError::UnexpectedStatus { status: 404 }),
        }
    }
}

async fn fetching() -> (TestApp, Arc<Web>, Arc<Counts>) {
    let mut app = TestApp::with(|settings| settings.media.fetches_links = true).await;
    let (web, counts) = (Arc::new(Web::default()), Arc::new(Counts::default()));
    let (fetcher, guard) = (web.clone(), counts.clone());
    app.restart_with(|ports| {
        let media = MediaPorts { fetcher: Some(fetcher), ..ports.media };
        with_faults(Ports { media, ..ports }, guard)
    })
    .await;
    background::tick_recovery(&app.deps).await.unwrap();
    (app, web, counts)
}

fn link(name: &str) -> Value {
    json!({"to": CUSTOMER, "type": "image", "image": {"url": format!("https://files.example/{name}")}})
}

#[tokio::test]
async fn a_link_is_downloaded_stored_and_uploaded_once() {
    let (app, web, counts) = fetching().await;
    app.send(link("a.png")).await.expect(200);
    app.send(link("a.png")).await.expect(200);
    assert!(app.accepted_message(0)["image"]["link"].is_null());
    assert_eq!(app.accepted_message(0)["image"]["id"], app.accepted_message(1)["image"]["id"]);
    assert_eq!(web.requests.lock().unwrap().len(), 1, "asked a moment ago");
    app.send(link("same.png")).await.expect(200);
    assert_eq!(counts.of("upload_media"), 1, "the same content");
    app.advance(601);
    app.send(link("a.png")).await.expect(200);
    assert_eq!((web.requests.lock().unwrap().len(), counts.of("upload_media")), (3, 1));
}

#[tokio::test]
async fn without_the_setting_meta_downloads_a_link() {
    let app = TestApp::new().await;
    app.send(link("a.png")).await.expect(200);
    assert_eq!(app.accepted_message(0)["image"]["link"], "https://files.example/a.png");
}

#[tokio::test]
async fn an_account_overrides_the_setting_for_links() {
    let (app, web, _) = fetching().await;
    let n_requests = || web.requests.lock().unwrap().len();
    let says = async |choice: Value| {
        let body = json!({"fetch_media": choice}).to_string();
        app.request("PUT", "/api/accounts/sandbox", body).await.expect(200)
    };
    assert_eq!(says(json!(false)).await.data()["fetch_media"], json!(false));
    app.send(link("a.png")).await.expect(200);
    assert_eq!(
        (n_requests(), &app.accepted_message(0)["image"]["link"]),
        (0, &json!("https://files.example/a.png"))
    );
    // The configuration applies again.
    assert_eq!(says(Value::Null).await.data()["fetch_media"], Value::Null);
    app.send(link("a.png")).await.expect(200);
    assert_eq!((n_requests(), &app.accepted_message(1)["image"]["link"]), (1, &Value::Null));
}

#[tokio::test]
async fn an_account_can_download_links_while_others_do_not() {
    let mut app = TestApp::new().await;
    let web = Arc::new(Web::default());
    let fetcher = web.clone();
    app.restart_with(|ports| Ports { media: MediaPorts { fetcher: Some(fetcher), ..ports.media }, ..ports })
        .await;
    background::tick_recovery(&app.deps).await.unwrap();
    app.send(link("a.png")).await.expect(200);
    assert!(web.requests.lock().unwrap().is_empty());
    let body = json!({"fetch_media": true}).to_string();
    app.request("PUT", "/api/accounts/sandbox", body).await.expect(200);
    app.send(link("a.png")).await.expect(200);
    assert_eq!(web.requests.lock().unwrap().len(), 1);
    assert!(app.accepted_message(1)["image"]["id"].is_string());
}

#[tokio::test]
async fn a_link_with_invalid_content_fails_the_message_with_the_reason() {
    let (app, _, counts) = fetching().await;
    for (name, reason) in [
        ("missing.png", "cannot be fetched: the server answered 404"),
        ("large.png", "cannot be fetched: it is larger than 104857600 bytes"),
        ("page.png", "is said to be image/png, but its content is text"),
        ("film.gif", "is image/gif, which Meta does not take"),
    ] {
        let mut body = link(name);
        body["client_reference"] = json!(name);
        let response = app.send(body).await.expect(400);
        assert_eq!((response.code(), response.pointers()), ("invalid_request", vec!["/image/link"]));
        assert!(response.reasons().starts_with(reason), "{}", response.reasons());
        let listed = app.get(&format!("/api/messages?client_reference={name}")).await;
        let row = &listed.data()["messages"][0];
        assert_eq!((&row["status"], &row["error"]["code"]), (&json!("failed"), &json!(131_053)));
        assert!(row["error"]["details"].as_str().unwrap().contains(reason), "{row:#}");
    }
    assert_eq!((app.n_accepted(), counts.of("upload_media")), (0, 0));
}

#[tokio::test]
async fn a_failed_download_of_a_link_is_retried() {
    let (app, web, _) = fetching().await;
    app.send(link("cut.png")).await.expect(200);
    assert_eq!((web.requests.lock().unwrap().len(), app.n_accepted()), (2, 1));
    app.send(link("busy.png")).await.expect(200);
    assert_eq!((web.requests.lock().unwrap().len(), app.n_accepted()), (4, 2));
    let response = app.send(link("slow.png")).await.expect(503);
    assert_eq!((response.code(), app.n_accepted()), ("meta_unavailable", 2));
}

#[tokio::test]
async fn a_file_from_a_customer_can_be_forwarded() {
    let app = TestApp::new().await;
    let message = sim::InboundMessage {
        from: Some(CUSTOMER.to_owned()),
        message: json!({"type": "image", "image": {"mime_type": "image/jpeg"}}),
        ..sim::InboundMessage::default()
    };
    let wamid = app.inbound(&message).await;
    let id = app.message(&wamid).await["media"]["id"].as_str().unwrap().to_owned();
    let early = app.send_image(&id).await.expect(400);
    assert!(early.reasons().contains("still being fetched"), "{}", early.reasons());
    app.fetch_media().await;
    app.send_image(&id).await.expect(200);
    assert_eq!(app.n_accepted(), 1);
}

#[tokio::test]
async fn a_dry_run_does_not_extend_the_retention_of_a_file() {
    let app = TestApp::with(|settings| settings.media.keep_uploads_for = SignedDuration::from_hours(1)).await;
    let id = app.uploaded("a.png", "image/png", PNG).await;
    let media = id.parse().unwrap();
    let kept_until =
        async || app.deps.media.records.get_media(app.workspace, media).await.unwrap().unwrap().expires_at;
    let before = kept_until().await;
    let mut body =
        json!({"to": CUSTOMER, "type": "image", "image": {"id": id}, "mode": "queue", "dry_run": true});
    assert_eq!(app.send(body.clone()).await.expect(200).data()["would_send"], true);
    assert_eq!(kept_until().await, before);
    body["dry_run"] = json!(false);
    app.send(body).await.expect(202);
    assert!(kept_until().await > before);
}
