//! Requests whose body is read as a stream: uploads and imports.

use super::{is_replayed, post};
use crate::support::{TestApp, TestResponse};
use axum::body::Body;
use axum::http::Request;
use engine::access::api_key::DEV_KEY;
use serde_json::json;
use tower::ServiceExt as _;

const CSV: &str = "phone_number,name\n+447700900124,Maya\n+447700900125,Ada\n";

async fn send(app: &TestApp, path: &str, key: &str, media_type: &str, body: &str) -> TestResponse {
    let request = Request::post(path)
        .header("X-API-Key", DEV_KEY)
        .header("Idempotency-Key", key)
        .header("Content-Type", media_type)
        .body(Body::from(body.to_owned()))
        .unwrap();
    app.call(request).await
}

fn form(boundary: &str, content: &str) -> String {
    format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\
         Content-Type: text/csv\r\n\r\n{content}\r\n--{boundary}--\r\n"
    )
}

#[tokio::test]
async fn a_repeated_upload_with_another_boundary_has_the_first_response() {
    let app = TestApp::new().await;
    let upload = async |key: &str, boundary: &str, content: &str| {
        let media_type = format!("multipart/form-data; boundary={boundary}");
        send(&app, "/api/media", key, &media_type, &form(boundary, content)).await
    };
    let first = upload("u", "one", CSV).await.expect(201);
    let again = upload("u", "another-boundary", CSV).await.expect(201);
    assert!(is_replayed(&again));
    assert_eq!(first.body, again.body);
    // Without the key, the same content has the status 200.
    upload("v", "one", CSV).await.expect(200);
    assert_eq!(upload("u", "one", "a,b\n").await.expect(409).code(), "idempotency_mismatch");
    // A refused upload leaves the key free.
    let empty = "--x\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\nimage\r\n--x--\r\n";
    send(&app, "/api/media", "w", "multipart/form-data; boundary=x", empty).await.expect(400);
    upload("w", "one", "x,y\n").await.expect(201);
}

#[tokio::test]
async fn a_repeated_import_has_the_first_response() {
    let app = TestApp::new().await;
    let import = async |key: &str, csv: &str| send(&app, "/api/contacts/import", key, "text/csv", csv).await;
    let first = import("i", CSV).await.expect(200);
    assert_eq!(first.data()["created"], 2);
    let again = import("i", CSV).await.expect(200);
    assert!(is_replayed(&again));
    assert_eq!(first.body, again.body);
    assert_eq!(import("i", "phone_number\n+447700900126\n").await.expect(409).code(), "idempotency_mismatch");
    let dry = send(&app, "/api/contacts/import?dry_run=true", "i", "text/csv", CSV).await.expect(409);
    assert_eq!(dry.code(), "idempotency_mismatch");
    assert_eq!(
        post(&app, "/api/contacts", "i", &json!({"phone_number": "+447700900127"})).await.expect(409).code(),
        "idempotency_mismatch"
    );
    // The first row is wrong: nothing was stored, and the key is free.
    import("j", "color\nred\n").await.expect(400);
    import("j", CSV).await.expect(200);
}

#[tokio::test]
async fn an_import_that_fails_after_some_rows_is_not_repeated() {
    let app = TestApp::new().await;
    let mut csv = CSV.to_owned();
    csv.push('"');
    csv.push_str(&"x".repeat(300_000));
    let first = send(&app, "/api/contacts/import", "i", "text/csv", &csv).await.expect(400);
    assert_eq!(first.body["details"]["imported"]["created"], 2);
    let again = send(&app, "/api/contacts/import", "i", "text/csv", &csv).await.expect(400);
    assert!(is_replayed(&again));
    assert_eq!(first.body, again.body);
}

#[tokio::test]
async fn an_import_whose_body_breaks_off_leaves_the_key_free() {
    let app = TestApp::new().await;
    let broken = [Ok(bytes::Bytes::from(CSV)), Err(std::io::Error::other("reset"))];
    let request = Request::post("/api/contacts/import")
        .header("X-API-Key", DEV_KEY)
        .header("Idempotency-Key", "i")
        .header("Content-Type", "text/csv")
        .body(Body::from_stream(futures_util::stream::iter(broken)))
        .unwrap();
    let first = app.router.clone().oneshot(request).await.unwrap();
    assert_eq!(first.status(), 400);
    let csv = format!("{CSV}+447700900126,Zoe\n");
    let again = send(&app, "/api/contacts/import", "i", "text/csv", &csv).await.expect(200);
    assert!(!is_replayed(&again));
    let contacts = app.get("/api/contacts?search=447700900126").await.expect(200);
    assert_eq!(contacts.data()["total"], 1);
}
