//! Invalid requests: a 4xx that names the field; nothing is stored, and no task panics.

use axum::body::Body;
use axum::http::Request;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{CUSTOMER, TestApp};

fn text() -> Value {
    json!({"to": CUSTOMER, "type": "text", "text": "Hi"})
}

fn with(name: &str, value: Value) -> Value {
    let mut body = text();
    body[name] = value;
    body
}

#[tokio::test]
async fn each_error_has_its_pointer() {
    let app = TestApp::new().await;
    for (body, pointer, reason) in [
        (json!({"type": "text", "text": "Hi"}), "/to", "is required"),
        (json!({"to": CUSTOMER, "text": "Hi"}), "/type", "is required"),
        (json!({"to": CUSTOMER, "type": "text"}), "/text", "is required"),
        (json!({"to": CUSTOMER, "type": "txt", "text": "Hi"}), "/type", "text"),
        (with("to", json!(15550100001u64)), "/to", "must be a string"),
        (with("to", json!("call me")), "/to", ""),
        (with("to", json!("+999 123456")), "/to", ""),
        (with("to", json!("+1 555")), "/to", ""),
        (with("text", json!("")), "/text", "1 to 4096"),
        (with("text", json!({"body": "x".repeat(4097)})), "/text/body", "4096"),
        (with("text", json!({"bdy": "Hi"})), "/text/bdy", "did you mean `body`"),
        (with("txet", json!("Hi")), "/txet", "did you mean `text`"),
        (with("contact", json!("01900000-0000-7000-8000-000000000000")), "/contact", "exactly one"),
        (with("recipient_type", json!("group")), "/recipient_type", "individual"),
        (with("messaging_product", json!("sms")), "/messaging_product", "whatsapp"),
        (with("context", json!({})), "/context/message_id", "is required"),
        (with("client_reference", json!("x".repeat(513))), "/client_reference", "512"),
        (with("image", json!({"link": "https://example.com/a.jpg"})), "/image", "does not belong"),
        (with("dry_run", json!("yes")), "/dry_run", "must be"),
        (with("mode", json!("later")), "/mode", ""),
    ] {
        app.advance(1);
        let response = app.send(body.clone()).await.expect(400);
        assert_eq!(response.code(), "invalid_request");
        assert!(response.pointers().contains(&pointer), "{body} gave {:#}", response.body);
        assert!(response.reasons().contains(reason), "{body} gave {:#}", response.body);
    }
    assert_eq!(app.n_accepted(), 0);
    assert_eq!(app.get("/api/messages?direction=outbound").await.data()["total"], 0);
}

#[tokio::test]
async fn a_word_of_another_api_gets_the_value_with_its_meaning() {
    let app = TestApp::new().await;
    for (name, word, value) in [
        ("mode", "async", "queue"),
        ("mode", "background", "queue"),
        ("mode", "snyc", "sync"),
        ("type", "photo", "image"),
        ("type", "voice", "audio"),
        ("type", "buttons", "interactive"),
        ("type", "tempalte", "template"),
    ] {
        app.advance(1);
        let response = app.send(with(name, json!(word))).await.expect(400);
        let suggestion = format!("is `{word}`; did you mean `{value}`?");
        assert!(response.reasons().contains(&suggestion), "{:#}", response.body);
    }
    for (word, kind) in [
        ("message.received", "message.incoming"),
        ("message.inbound", "message.incoming"),
        ("message.undelivered", "message.failed"),
        ("message.cancelled", "message.canceled"),
        ("message.seen", "message.read"),
    ] {
        let suggestion = format!("unknown event `{word}`; did you mean `{kind}`?");
        let body = json!({"name": "shop", "url": "https://shop.example/hooks", "events": [word]});
        assert_eq!(app.post("/api/webhooks", &body).await.expect(400).reasons(), suggestion);
        assert_eq!(app.get(&format!("/api/events?events={word}")).await.expect(400).reasons(), suggestion);
    }
}

#[tokio::test]
async fn a_request_without_a_key_is_told_both_headers() {
    let app = TestApp::new().await;
    let headers =
        "Send a valid key in the header `X-API-Key: <key>` or `Authorization: Bearer <key>`, or log in.";
    let missing = format!("The request has no API key. {headers}");
    let invalid = format!("Invalid API key or session: unknown, expired or revoked. {headers}");
    for (name, value, message) in [
        ("Accept", "*/*", &missing),
        ("X-API-Key", "", &missing),
        ("Authorization", "wp_live_abc", &missing),
        ("Authorization", "Basic d3A6d3A=", &missing),
        ("X-API-Key", "wp_live_abc", &invalid),
        ("Authorization", "Bearer wp_live_abc", &invalid),
        ("Cookie", "waypost_session=abc", &invalid),
    ] {
        for path in ["/api/me", "/api/messages/send", "/api/nothing", "/v1/messages"] {
            let method = if path.ends_with('s') || path.ends_with("send") { "POST" } else { "GET" };
            let request = Request::builder().method(method).uri(path).header(name, value);
            let response = app.call(request.body(Body::empty()).unwrap()).await.expect(401);
            let error = if path.starts_with("/v1") { &response.body["error"] } else { &response.body };
            assert_eq!((&error["code"], &error["message"]), (&json!("invalid_api_key"), &json!(message)));
        }
    }
}

#[tokio::test]
async fn a_slash_at_the_end_of_a_path_changes_nothing() {
    let app = TestApp::new().await;
    app.send(text()).await.expect(200);
    let contact = json!({"phone_number": "+447700900124"});
    let created = app.post("/api/contacts/", &contact).await.expect(201);
    let id = created.data()["id"].as_str().unwrap();
    assert_eq!(app.get("/api/contacts/?per_page=1").await.expect(200).data()["total"], 2);
    for path in ["/api/me/", &format!("/api/contacts/{id}/window/"), "/api/messages//", "/healthz/", "/docs/"]
    {
        app.get(path).await.expect(200);
    }
    for (path, body) in [("/api/messages/send/", text()), ("/v1/messages/", text())] {
        let response = app.run_with_clock(app.post(path, &body)).await.expect(200);
        // The minute window of sends, not the window of other calls.
        assert_eq!(response.number("X-RateLimit-Limit"), 100);
    }
    app.request("DELETE", &format!("/api/contacts/{id}/"), "").await.expect(204);
    app.get("/api/nothing/").await.expect(404);
    app.get("/").await.expect(404);
    app.request("PUT", "/api/me/", "").await.expect(405);
}

#[tokio::test]
async fn all_errors_are_reported_at_once() {
    let app = TestApp::new().await;
    let body = json!({"to": "x", "type": "image", "image": {"caption": "y".repeat(1025)}, "wat": 1});
    let response = app.send(body).await.expect(400);
    assert!(response.pointers().len() >= 4, "{:#}", response.body);
}

#[tokio::test]
async fn a_syntax_error_has_its_position() {
    let app = TestApp::new().await;
    for (body, reason) in [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("{'to': 1}", "not JSON"),
        ("[]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ("\"hi\"", "must be a JSON object"),
        ("{\"to\": \"+15550100001\", \"to\": \"+15550100002\"}", "duplicate key"),
        (&"[".repeat(100_000), "not JSON"),
    ] {
        let response = app.request("POST", "/api/messages/send", body.to_owned()).await.expect(400);
        assert!(response.reasons().contains(reason), "{:#}", response.body);
    }
    let response =
        app.request("POST", "/api/messages/send", Body::from(&b"{\"to\":\"\xff\"}"[..])).await.expect(400);
    assert!(response.reasons().contains("UTF-8"));
}

#[tokio::test]
async fn the_character_u_0000_is_rejected_with_its_pointer() {
    let app = TestApp::new().await;
    let response = app.send(json!({"to": CUSTOMER, "type": "text", "text": "a\u{0}b"})).await.expect(400);
    assert_eq!(response.pointers(), ["/text"]);
    let body = r#"{"to":"+15550100001","type":"text","text":"a\u0000b"}"#;
    app.request("POST", "/api/messages/send", body).await.expect(400);
}

#[tokio::test]
async fn five_megabytes_and_one_byte_are_413() {
    let app = TestApp::new().await;
    let fits = format!("{{\"a\":\"{}\"}}", "x".repeat(5_000_000 - 8));
    assert_eq!(fits.len(), 5_000_000);
    app.request("POST", "/api/messages/send", fits.clone()).await.expect(400);
    let response = app.request("POST", "/api/messages/send", format!("{fits} ")).await.expect(413);
    assert_eq!(response.code(), "payload_too_large");
    // The same without a `Content-Length` header.
    let chunks = chunked_body(format!("{fits} "));
    app.request("POST", "/api/messages/send", chunks).await.expect(413);
}

/// A body without a known length.
fn chunked_body(text: String) -> Body {
    Body::new(http_body_util::StreamBody::new(Once(Some(text))))
}

struct Once(Option<String>);

impl futures_core::Stream for Once {
    type Item = Result<http_body::Frame<bytes::Bytes>, std::convert::Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.take().map(|text| Ok(http_body::Frame::data(text.into()))))
    }
}

#[tokio::test]
async fn unknown_query_parameters_are_reported() {
    let app = TestApp::new().await;
    let response = app.get("/api/messages?stauts=sent").await.expect(400);
    assert_eq!(response.pointers(), ["/stauts"]);
    assert!(response.reasons().contains("did you mean `status`"));
    for query in ["per_page=0", "per_page=201", "page=x", "page=1&cursor=x", "status=gone", "from=yesterday"]
    {
        app.get(&format!("/api/messages?{query}")).await.expect(400);
    }
    app.get("/api/messages?page=1&page=2").await.expect(400);
}

#[tokio::test]
async fn unexpected_query_parameters_are_rejected_before_any_change() {
    let app = TestApp::new().await;
    let response = app.post("/api/messages/send?dry_run=true", &text()).await.expect(400);
    assert_eq!(response.pointers(), ["/dry_run"]);
    app.post("/api/templates/sync?account=nope", &json!({})).await.expect(400);
    app.post("/api/accounts/sandbox/resume", &json!({"foo": 1})).await.expect(400);
    assert_eq!(app.n_accepted(), 0);
}

#[tokio::test]
async fn a_cursor_is_valid_for_its_own_list_only() {
    let app = TestApp::new().await;
    app.send(text()).await.expect(200);
    let page = app.get("/api/messages?per_page=1").await;
    let cursor = page.data()["next_cursor"].as_str().unwrap();
    app.get(&format!("/api/messages?cursor={cursor}")).await.expect(200);
    app.get(&format!("/api/contacts?cursor={cursor}")).await.expect(400);
    app.get("/api/messages?since=2026-01-01T00:00:00.000Z&until=9999-12-31T23:59:59.000Z").await.expect(200);
}

#[tokio::test]
async fn a_context_is_a_message_with_an_id_at_meta() {
    let app = TestApp::new().await;
    let first = app.send(text()).await.expect(200);
    let reply = |id: &str| with("context", json!({"message_id": id}));
    app.send(reply(first.data()["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(app.accepted_message(1)["context"]["message_id"], first.data()["message_id"]);
    for id in ["nonsense", "01900000-0000-7000-8000-000000000000"] {
        assert_eq!(app.send(reply(id)).await.expect(400).pointers(), ["/context/message_id"]);
    }
}

#[tokio::test]
async fn an_account_of_another_workspace_is_not_found() {
    let app = TestApp::new().await;
    let foreign = "01900000-0000-7000-8000-00000000abcd";
    let response = app.send(with("whatsapp_account", json!(foreign))).await.expect(404);
    assert_eq!(response.code(), "account_not_found");
}

/// Generates JSON of any shape that often contains the fields of a send.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "to",
        "type",
        "text",
        "body",
        "template",
        "name",
        "language",
        "code",
        "components",
        "parameters",
        "image",
        "link",
        "id",
        "interactive",
        "action",
        "buttons",
        "sections",
        "rows",
        "context",
        "message_id",
        "location",
        "contacts",
        "reaction",
        "x",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["text", "template", "button", "list", "+15550100001", "en", "image"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6).prop_map(|members| {
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn no_body_is_ever_a_5xx(bodies in prop::collection::vec((any_json(), prop::collection::vec(any::<u8>(), 0..60)), 10)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let app = TestApp::new().await;
            let key = app.key(|new| (new.rate_per_minute, new.rate_burst) = (Some(1_000_000), Some(1_000_000))).await;
            for (json, bytes) in bodies {
                for body in [Body::from(json.to_string()), Body::from(bytes)] {
                    let response = app.request_as(&key, "POST", "/api/messages/send", body).await;
                    assert!(!response.status.is_server_error(), "{json} gave {:#}", response.body);
                }
            }
        });
    }
}
