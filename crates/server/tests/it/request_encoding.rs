//! Media types and content encodings of request bodies, and the byte order mark.

use std::io::Write;

use axum::body::Body;
use axum::http::Request;
use engine::access::api_key::DEV_KEY;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::support::{CUSTOMER, TestApp, TestResponse};

fn text() -> Vec<u8> {
    json!({"to": CUSTOMER, "type": "text", "text": "Hi"}).to_string().into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn post(app: &TestApp, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> TestResponse {
    let mut request = Request::post(path).header("X-API-Key", DEV_KEY);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.run_with_clock(app.call(request.body(body.into()).unwrap())).await
}

const JSON: (&str, &str) = ("Content-Type", "application/json; charset=utf-8");
const GZIP: (&str, &str) = ("Content-Encoding", "gzip");
const SEND: &str = "/api/messages/send";

#[tokio::test]
async fn a_byte_order_mark_is_skipped() {
    let app = TestApp::new().await;
    let body = [b"\xef\xbb\xbf".as_slice(), &text()].concat();
    post(&app, SEND, &[JSON], body.clone()).await.expect(200);
    post(&app, SEND, &[JSON, GZIP], gzip(&body)).await.expect(200);
    post(&app, "/v1/messages", &[JSON], body.clone()).await.expect(200);
    let contact = "\u{feff}{\"phone_number\":\"+447700900124\"}";
    post(&app, "/api/contacts", &[JSON], contact).await.expect(201);
    // Only one mark, and only at the beginning.
    let twice = [b"\xef\xbb\xbf".as_slice(), &body].concat();
    assert!(post(&app, SEND, &[JSON], twice).await.expect(400).reasons().contains("not JSON"));
}

#[tokio::test]
async fn a_gzip_body_is_decoded() {
    let app = TestApp::new().await;
    for encoding in ["gzip", "x-gzip", "GZIP", "identity, gzip"] {
        app.advance(1);
        post(&app, SEND, &[JSON, ("Content-Encoding", encoding)], gzip(&text())).await.expect(200);
    }
    for encoding in ["identity", ""] {
        app.advance(1);
        post(&app, SEND, &[JSON, ("Content-Encoding", encoding)], text()).await.expect(200);
    }
    let length = gzip(&text()).len().to_string();
    post(&app, SEND, &[JSON, GZIP, ("Content-Length", &length)], gzip(&text())).await.expect(200);
    let members = [gzip(b"{\"phone_number\":"), gzip(b"\"+447700900125\"}")].concat();
    post(&app, "/api/contacts", &[JSON, GZIP], members).await.expect(201);
    assert_eq!(app.n_accepted(), 7);
    // Bodies that are read as streams.
    let table = gzip(b"phone_number,name\n+447700900126,Maya\n");
    let imported = post(&app, "/api/contacts/import", &[("Content-Type", "text/csv"), GZIP], table).await;
    assert_eq!(imported.expect(200).data()["created"], 1);
    let form = gzip(
        b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\
          Content-Type: application/pdf\r\n\r\n%PDF-1.4\n%%EOF\n\r\n--x--\r\n",
    );
    let form_type = ("Content-Type", "multipart/form-data; boundary=x");
    post(&app, "/api/media", &[form_type, GZIP], form).await.expect(201);
}

#[tokio::test]
async fn the_size_limit_counts_decoded_bytes() {
    let app = TestApp::new().await;
    let fits = format!("{{\"a\":\"{}\"}}", "x".repeat(5_000_000 - 8));
    post(&app, SEND, &[JSON, GZIP], gzip(fits.as_bytes())).await.expect(400);
    let response = post(&app, SEND, &[JSON, GZIP], gzip(format!("{fits} ").as_bytes())).await.expect(413);
    assert_eq!(response.code(), "payload_too_large");
    assert_eq!(response.body["details"]["limit_bytes"], 5_000_000);
    // 200 MB in 200 kB.
    let bomb = gzip(&vec![b' '; 200_000_000]);
    assert!(bomb.len() < 250_000);
    post(&app, SEND, &[JSON, GZIP], bomb).await.expect(413);
}

#[tokio::test]
async fn an_invalid_gzip_body_is_rejected() {
    let app = TestApp::new().await;
    let whole = gzip(&text());
    let mut wrong_sum = whole.clone();
    let at = wrong_sum.len() - 8;
    wrong_sum[at] ^= 1;
    for body in [text(), whole[..whole.len() - 9].to_vec(), wrong_sum] {
        let response = post(&app, SEND, &[JSON, GZIP], body.clone()).await.expect(400);
        assert!(response.reasons().contains("not valid gzip"), "{:#}", response.body);
        let table = post(&app, "/api/contacts/import", &[("Content-Type", "text/csv"), GZIP], body).await;
        assert!(table.expect(400).reasons().contains("not valid gzip"));
    }
    let form = [("Content-Type", "multipart/form-data; boundary=x"), GZIP];
    let response = post(&app, "/api/media", &form, text()).await.expect(400);
    assert!(response.reasons().contains("not valid gzip"), "{:#}", response.body);
    assert_eq!(app.n_accepted(), 0);
}

#[tokio::test]
async fn another_encoding_is_415() {
    let app = TestApp::new().await;
    for encoding in ["br", "deflate", "zstd", "gzip, gzip", "utf-8"] {
        let headers = [JSON, ("Content-Encoding", encoding)];
        let response = post(&app, SEND, &headers, text()).await.expect(415);
        assert_eq!(response.code(), "unsupported_media_type");
        let message = response.body["message"].as_str().unwrap();
        assert!(message.contains(encoding) && message.contains("`Content-Encoding: gzip`"), "{message}");
    }
    let table = [("Content-Type", "text/csv"), ("Content-Encoding", "br")];
    post(&app, "/api/contacts/import", &table, "phone_number\n").await.expect(415);
    let form = [("Content-Type", "multipart/form-data; boundary=x"), ("Content-Encoding", "br")];
    post(&app, "/api/media", &form, "--x--").await.expect(415);
    // The caller is authenticated before the body is read.
    let request = Request::post(SEND).header("Content-Encoding", "br").body(Body::from(text())).unwrap();
    app.call(request).await.expect(401);
}

#[tokio::test]
async fn a_body_that_is_not_json_is_415_by_its_media_type() {
    let app = TestApp::new().await;
    for (kind, body) in [
        ("application/x-www-form-urlencoded", "to=%2B447700900123&type=text&text=x"),
        ("text/xml", "<message/>"),
        ("application/xml; charset=utf-8", "<message/>"),
        ("multipart/form-data; boundary=x", "--x--"),
        ("text/plain", "Hi"),
    ] {
        for path in [SEND, "/api/messages/batch", "/api/contacts", "/api/webhooks", "/v1/messages"] {
            app.advance(1);
            let response = post(&app, path, &[("Content-Type", kind)], body).await.expect(415);
            let error = if path.starts_with("/v1") { &response.body["error"] } else { &response.body };
            assert_eq!(error["code"], "unsupported_media_type");
            let message = error["message"].as_str().unwrap();
            let sentence = "Send JSON, with the header `Content-Type: application/json`.";
            assert!(
                message.contains(kind.split(';').next().unwrap()) && message.ends_with(sentence),
                "{message}"
            );
        }
    }
    // `curl -d` names a form if no type is given, whatever the body is.
    for kind in [
        "application/json",
        "Application/JSON;charset=utf-8",
        "application/vnd.api+json",
        "text/json",
        "application/x-www-form-urlencoded",
        "text/plain",
    ] {
        app.advance(1);
        post(&app, SEND, &[("Content-Type", kind)], text()).await.expect(200);
    }
    // Without a media type, and without a body.
    post(&app, SEND, &[], text()).await.expect(200);
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    post(&app, "/api/templates/sync", &[form], "").await.expect(200);
    // Operations that read files.
    let form = post(&app, "/api/media", &[JSON], "{}").await.expect(415);
    assert!(form.body["message"].as_str().unwrap().contains("`multipart/form-data`"));
    let table = post(&app, "/api/contacts/import", &[JSON], "{}").await.expect(415);
    assert!(table.body["message"].as_str().unwrap().contains("`text/csv`"));
}
