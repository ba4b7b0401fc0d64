//! Uploads of files: forms, types, limits, and access.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use engine::access::api_key::DEV_KEY;
use engine::deps::Ports;
use engine::media::{self, MediaPorts};
use engine::ports::{BlobError, BlobKey, BlobWriteError, Blobs, ByteStream};
use http_body::Frame;
use serde_json::json;

use super::{BOUNDARY, PDF, PNG, file, n_files, part};
use crate::support::{CUSTOMER, TestApp};

#[tokio::test]
async fn a_file_is_uploaded_and_downloaded() {
    let app = TestApp::new().await;
    let response = app.upload(&[file("Angebot März.pdf", "application/pdf", PDF)]).await.expect(201);
    let data = response.data();
    assert_eq!(data["mime_type"], "application/pdf");
    assert_eq!(data["size"], PDF.len());
    assert_eq!(data["file_name"], "Angebot März.pdf");
    assert_eq!(data["created_at"], "2026-01-01T00:00:00.000Z");
    assert_eq!(data["expires_at"], "2026-01-31T00:00:00.000Z");
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
    assert_eq!(again.data()["expires_at"], "2026-01-31T01:00:00.000Z", "kept on");
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
        (vec![part("caption", "", b"x"), png()], "/caption", "unknown field `caption`; known are"),
        (vec![png(), part("ttl", "", b"1")], "/ttl", "unknown field `ttl`"),
        (vec![png(), png()], "/file", "appears twice"),
        (vec![part("type", "", b"image")], "/file", "is required"),
        (vec![png(), part("type", "", b"film")], "/type", "must be a MIME type, or one of"),
        (vec![part("type", "", b"document/pdf"), png()], "/file", "is document/pdf, which Meta"),
        (vec![png(), part("type", "", b"application/pdf")], "/file", "is said to be application/pdf"),
        (vec![png(), part("type", "", b"video")], "/file", "is image/png, but must be one of video/mp4"),
        (vec![part("type", "", &[b'x'; 600]), png()], "/type", "must be at most 512 bytes"),
        (
            vec![png(), part("whatsapp_account", "", b"")],
            "/whatsapp_account",
            "must be 1 to 512 characters, is 0",
        ),
    ] {
        let response = app.upload(&parts).await.expect(400);
        assert_eq!(response.pointers(), [pointer]);
        assert!(response.reasons().starts_with(reason), "{pointer}: {}", response.reasons());
    }
    let unknown = app.upload(&[png(), part("whatsapp_account", "", b"nobody")]).await.expect(404);
    assert_eq!(unknown.code(), "account_not_found");
    let json = app.post("/api/media", &json!({"file": "x"})).await.expect(415);
    assert!(json.body["message"].as_str().unwrap().contains("multipart/form-data"), "{:#}", json.body);
    let whole = [part("type", "", b"image/png"), part("whatsapp_account", "", b"sandbox"), png()];
    app.upload(&whole).await.expect(201);
    // No content of the rejected uploads remains.
    media::delete_expired(&app.deps).await.unwrap();
    assert_eq!(n_files(&app), 1);
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
    let account = part("whatsapp_account", "", second.to_string().as_bytes());
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
