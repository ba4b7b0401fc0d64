//! Bounds of a form outside of its file.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use engine::access::api_key::DEV_KEY;
use http_body::Frame;

use crate::body_bounds::gzip;
use crate::support::{TestApp, TestResponse};

const HEAD: &str = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\
                    Content-Type: application/pdf\r\n\r\n";
const PDF: &str = "%PDF-1.4\n%%EOF\n";

/// A body that begins with a text and then repeats a piece for ever. It counts the bytes that were read.
struct Repeating {
    first: Option<Bytes>,
    piece: Bytes,
    n_read: Arc<AtomicUsize>,
}

impl http_body::Body for Repeating {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.first.take().unwrap_or_else(|| self.piece.clone());
        self.n_read.fetch_add(piece.len(), Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

async fn upload(app: &TestApp, path: &str, body: impl Into<Body>) -> TestResponse {
    let request = Request::post(path)
        .header("X-API-Key", DEV_KEY)
        .header("Content-Type", "multipart/form-data; boundary=x")
        .body(body.into())
        .unwrap();
    app.call(request).await
}

/// Uploads a form that begins with a text and does not end. Returns the response and the number of bytes that were read.
async fn endless(app: &TestApp, path: &str, first: &str, piece: &'static str) -> (TestResponse, usize) {
    let n_read = Arc::new(AtomicUsize::new(0));
    let piece = Bytes::from_static(piece.as_bytes());
    let body = Repeating { first: Some(first.to_owned().into()), piece, n_read: n_read.clone() };
    let response = upload(app, path, Body::new(body)).await;
    (response, n_read.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_form_has_at_most_64_kilobytes_outside_of_its_file() {
    let app = TestApp::new().await;
    for path in ["/api/media", "/api/contacts/import"] {
        for (first, piece) in [
            // Before the first part.
            ("", "preamble"),
            ("", "\r\n--y"),
            // Headers of a part.
            ("--x\r\n", "A: b\r\n"),
            ("--x\r\nA: ", "b"),
            // Spaces after the boundary.
            ("--x", " "),
            // A part that is not the file.
            ("--x\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\n", "\r\n"),
        ] {
            let (response, n_read) = endless(&app, path, first, piece).await;
            let code = response.code();
            assert!(["payload_too_large", "invalid_request"].contains(&code), "{first}: {:#}", response.body);
            assert!(n_read <= 68_000, "{path} {first:?}: {n_read} bytes were read");
        }
        let (response, _) = endless(&app, path, "", "preamble").await;
        assert_eq!(response.expect(413).body["details"]["limit_bytes"], 65_536);
    }
}

#[tokio::test]
async fn text_before_the_first_part_may_have_nearly_64_kilobytes() {
    let app = TestApp::new().await;
    let form = |n: usize| format!("{}\r\n{HEAD}{PDF}\r\n--x--\r\n", "p".repeat(n));
    upload(&app, "/api/media", form(64_000)).await.expect(201);
    upload(&app, "/api/media", form(65_536)).await.expect(413);
}

#[tokio::test]
async fn a_small_gzip_form_does_not_expand_in_memory() {
    let app = TestApp::new().await;
    let request = Request::post("/api/media")
        .header("X-API-Key", DEV_KEY)
        .header("Content-Type", "multipart/form-data; boundary=x")
        .header("Content-Encoding", "gzip")
        .body(Body::from(gzip(&vec![b' '; 50_000_000])))
        .unwrap();
    app.call(request).await.expect(413);
}

#[tokio::test]
async fn text_after_the_last_part_is_not_read() {
    let app = TestApp::new().await;
    let (response, n_read) =
        endless(&app, "/api/media", &format!("{HEAD}{PDF}\r\n--x--\r\n"), "epilogue").await;
    response.expect(201);
    assert!(n_read < 10_000, "{n_read} bytes were read");
}

#[tokio::test]
async fn a_form_has_at_most_16_parts() {
    let app = TestApp::new().await;
    let table = "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nphone_number\n+447700900124\n\r\n--x--\r\n";
    let form = |n: usize| {
        let parts =
            (1..n).map(|n| format!("--x\r\nContent-Disposition: form-data; name=\"p{n}\"\r\n\r\n1\r\n"));
        parts.chain([table.to_owned()]).collect::<String>()
    };
    upload(&app, "/api/contacts/import", form(16)).await.expect(200);
    let refused = upload(&app, "/api/contacts/import", form(17)).await.expect(400);
    assert_eq!(refused.reasons(), "the form has more than 16 parts");
}
