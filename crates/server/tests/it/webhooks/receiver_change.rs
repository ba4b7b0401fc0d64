//! The headers of an endpoint, which may be secrets of its receiver, when the URL changes.

use serde_json::{Value, json};

use super::{URL, add, id};
use crate::support::{CUSTOMER, TestApp};

/// Changes an endpoint and returns the names of its headers after the change.
async fn change(app: &TestApp, path: &str, body: Value) -> Vec<String> {
    let changed = app.request("PUT", path, body.to_string()).await.expect(200);
    changed.data()["headers"].as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn another_path_keeps_the_headers_and_another_scheme_host_or_port_removes_them() {
    let app = TestApp::new().await;
    let secret = json!({"headers": {"Authorization": "Bearer secret-of-the-shop"}});
    for other in ["https://shop.example.com/other?a=1", "HTTPS://SHOP.example.com:443/"] {
        let path = format!("/api/webhooks/{}", id(&add(&app, URL, secret.clone()).await));
        assert_eq!(change(&app, &path, json!({"url": other})).await, ["Authorization"], "{other}");
        app.request("DELETE", &path, "").await.expect(204);
    }
    for other in
        ["https://evil.example.com/hook", "https://shop.example.com:8443/hook", "https://example.com/hook"]
    {
        let path = format!("/api/webhooks/{}", id(&add(&app, URL, secret.clone()).await));
        // The present value cannot be taken along.
        let hidden = json!({"url": other, "headers": {"Authorization": "***"}});
        let refused = app.request("PUT", &path, hidden.to_string()).await.expect(400);
        assert_eq!(refused.pointers(), ["/headers/Authorization"]);
        assert_eq!(change(&app, &path, json!({"url": other})).await, [""; 0], "{other}");
        app.receiver.clear();
        app.post(&format!("{path}/test"), &json!({})).await.expect(200);
        let received = app.receiver.received();
        assert_eq!((received[0].url.as_str(), received[0].headers.len()), (other, 0));
        // A change back does not bring the headers back.
        assert_eq!(change(&app, &path, json!({"url": URL})).await, [""; 0]);
        app.request("DELETE", &path, "").await.expect(204);
    }
    let path = format!("/api/webhooks/{}", id(&add(&app, URL, secret).await));
    let given =
        json!({"url": "https://new.example.com/hook", "headers": {"Authorization": "Bearer new-secret"}});
    assert_eq!(change(&app, &path, given).await, ["Authorization"]);
    app.receiver.clear();
    app.send_text(CUSTOMER).await.expect(200);
    app.deliver_events().await;
    let received = app.receiver.received();
    assert!(received[0].headers.contains(&("Authorization".to_owned(), "Bearer new-secret".to_owned())));
}

#[tokio::test]
async fn the_audit_entry_has_the_url_before_and_after_without_secrets() {
    let app = TestApp::new().await;
    let url = "https://shop.example.com/hook?token=s3cret";
    let path =
        format!("/api/webhooks/{}", id(&add(&app, url, json!({"headers": {"X-Proxy": "s3cret"}})).await));
    change(&app, &path, json!({"url": "https://new.example.com/?key=s3cret&s3cret"})).await;
    change(&app, &path, json!({"name": "till"})).await;
    let listed = app.get("/api/audit?subject=till").await.expect(200);
    let details: Vec<_> =
        listed.data()["audit"].as_array().unwrap().iter().map(|entry| entry["details"].clone()).collect();
    let after = "https://new.example.com/?key=***&***";
    assert_eq!(details, [json!({"url_before": after, "url": after})]);
    let listed = app.get("/api/audit?subject=shop").await.expect(200);
    let details: Vec<_> =
        listed.data()["audit"].as_array().unwrap().iter().map(|entry| entry["details"].clone()).collect();
    let before = "https://shop.example.com/hook?token=***";
    assert_eq!(
        details,
        [json!({"url_before": before, "url": after, "headers_removed": ["X-Proxy"]}), json!({"url": before}),]
    );
}
