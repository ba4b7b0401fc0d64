//! Patterns that select events, of endpoints and of readers of the event log.

use serde_json::{Value, json};

use super::{URL, add, id, webhook};
use crate::support::{CUSTOMER, TestApp};

#[tokio::test]
async fn an_endpoint_receives_the_events_that_its_patterns_include_and_do_not_exclude() {
    let app = TestApp::new().await;
    let patterns = [
        (json!(["*", "-message.*"]), vec!["contact.created"]),
        (
            json!(["message.*", "-message.read"]),
            vec!["message.delivered", "message.incoming", "message.sent"],
        ),
        (json!(["-message.sent", "message.sent", "message.read"]), vec!["message.read"]),
        (json!(["contact.*", "message.incoming"]), vec!["contact.created", "message.incoming"]),
    ];
    for (n, (patterns, _)) in patterns.iter().enumerate() {
        let created = add(&app, &format!("{URL}/{n}"), json!({"events": patterns})).await;
        assert_eq!(created["events"], *patterns);
        assert_eq!(webhook(&app, id(&created)).await["events"], *patterns);
    }
    app.customer_writes("+447700900124", "Hi").await;
    app.send_text(CUSTOMER).await.expect(200);
    app.step().await;
    app.deliver_events().await;
    for (n, (patterns, kinds)) in patterns.iter().enumerate() {
        // The events of two contacts arrive in any order.
        let mut received = app.receiver.kinds(&format!("{URL}/{n}"));
        received.sort();
        assert_eq!(received, *kinds, "{patterns}");
    }
}

#[tokio::test]
async fn patterns_that_match_nothing_are_refused_with_the_nearest_name() {
    let app = TestApp::new().await;
    let path = format!("/api/webhooks/{}", id(&add(&app, URL, json!({})).await));
    for (patterns, pointer, reason) in [
        (json!(["message.received"]), "/events/0", "did you mean `message.incoming`?"),
        (json!(["mesage.*"]), "/events/0", "did you mean `message.*`?"),
        (json!(["*", "-message.raed"]), "/events/1", "did you mean `-message.read`?"),
        (json!(["*", "campaign.completed"]), "/events/1", "no event of this version has this name"),
        (json!(["transfer.*"]), "/events/0", "no event of this version has this name"),
        (json!(["*", "-*"]), "/events/1", "excludes every event"),
        (json!(["-message.read"]), "/events", "only excludes events"),
        (json!(["message.read", "-message.*"]), "/events", "excludes every event that it includes"),
        (json!([]), "/events", "must have"),
    ] {
        let body = json!({"name": "x", "url": URL, "events": patterns});
        for refused in [
            app.post("/api/webhooks", &body).await.expect(400),
            app.request("PUT", &path, json!({"events": patterns}).to_string()).await.expect(400),
        ] {
            assert_eq!(refused.pointers(), [pointer], "{patterns}");
            assert!(refused.reasons().contains(reason), "{patterns}: {}", refused.reasons());
        }
    }
    assert_eq!(app.get("/api/webhooks").await.expect(200).data()["total"], 1);
}

#[tokio::test]
async fn a_reader_of_the_event_log_selects_events_by_patterns() {
    let app = TestApp::new().await;
    app.send_text(CUSTOMER).await.expect(200);
    app.step().await;
    let kinds = async |patterns: &str| {
        let page = app.get(&format!("/api/events?events={patterns}")).await.expect(200);
        let events = page.data()["events"].as_array().unwrap().clone();
        events.iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = kinds("*").await;
    assert_eq!(
        all,
        ["contact.created", "message.incoming", "message.sent", "message.delivered", "message.read"]
    );
    assert_eq!(kinds("*,-message.*").await, all[..1]);
    assert_eq!(kinds("message.*,-message.incoming,-message.read").await, all[2..4]);
    for patterns in ["-message.read", "message.received", "campaign.completed"] {
        for path in ["/api/events", "/api/events/stream"] {
            let refused = app.get(&format!("{path}?events={patterns}")).await.expect(400);
            assert_eq!(refused.pointers(), ["/events"], "{patterns}");
        }
    }
}

#[tokio::test]
async fn a_change_of_the_receiver_drops_the_headers_that_are_not_given_again() {
    let app = TestApp::new().await;
    let created = add(&app, URL, json!({"headers": {"Authorization": "Bearer secret-of-the-shop"}})).await;
    let path = format!("/api/webhooks/{}", id(&created));
    let put = async |body: Value| app.request("PUT", &path, body.to_string()).await;
    let headers = async |body: Value| put(body).await.expect(200).data()["headers"].clone();
    let kept = json!({"Authorization": "***"});
    // Another path, the default port and another case of the host are the same receiver.
    for url in [
        "https://shop.example.com/other?a=1",
        "https://shop.example.com:443/hook",
        "https://SHOP.example.com/hook",
    ] {
        assert_eq!(headers(json!({"url": url})).await, kept, "{url}");
    }
    for url in ["https://other.example.com/hook", "https://shop.example.com:8443/hook"] {
        // The answers hide the value, so nobody can pass it on to another receiver.
        let refused = put(json!({"url": url, "headers": {"Authorization": "***"}})).await.expect(400);
        assert_eq!(refused.pointers(), ["/headers/Authorization"]);
        assert!(refused.reasons().contains("give the value"), "{}", refused.reasons());
    }
    assert_eq!(headers(json!({"name": "till"})).await, kept);
    let other = "https://other.example.com/hook";
    assert_eq!(headers(json!({"url": other})).await, json!({}));
    let given = json!({"url": URL, "headers": {"X-Shop": "blue"}});
    assert_eq!(headers(given).await, json!({"X-Shop": "***"}));
    app.send_text(CUSTOMER).await.expect(200);
    app.deliver_events().await;
    assert_eq!(app.receiver.received()[0].headers, [("X-Shop".to_owned(), "blue".to_owned())]);
}

#[tokio::test]
async fn a_hidden_header_value_without_a_present_value_is_refused() {
    let app = TestApp::new().await;
    let body = json!({"name": "x", "url": URL, "events": ["*"], "headers": {"X-Shop": "***"}});
    let refused = app.post("/api/webhooks", &body).await.expect(400);
    assert_eq!(refused.pointers(), ["/headers/X-Shop"]);
}
