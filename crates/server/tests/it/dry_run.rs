//! `dry_run`: all checks of a send, without the send.

use serde_json::{Value, json};

use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp};

fn check<'a>(data: &'a Value, name: &str) -> &'a Value {
    data["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()
}

#[tokio::test]
async fn a_dry_run_shows_the_request_to_meta() {
    let app = TestApp::new().await;
    let response = app
        .send(json!({"to": "1 (555) 010-0001", "type": "text", "text": "Hi", "dry_run": true}))
        .await
        .expect(200);
    let data = response.data();
    assert_eq!(data["would_send"], true);
    assert_eq!(data["request"]["messaging_product"], "whatsapp");
    assert_eq!(data["request"]["to"], CUSTOMER);
    assert_eq!(data["request"]["text"], json!({"body": "Hi"}));
    for name in ["account", "recipient", "window"] {
        assert_eq!(check(data, name)["ok"], true);
    }
    assert_eq!(app.n_accepted(), 0);
    assert_eq!(app.get("/api/messages?direction=outbound").await.data()["total"], 0);
}

#[tokio::test]
async fn a_dry_run_of_a_valid_request_is_always_200() {
    let app = TestApp::new().await;
    let response = app
        .send(json!({"to": NEW_RECIPIENT, "type": "text", "text": "Hi", "dry_run": true}))
        .await
        .expect(200);
    assert_eq!(response.data()["would_send"], false);
    assert_eq!(check(response.data(), "window")["code"], "outside_window");
    let template = json!({"name": "nothing_like_it", "language": "en"});
    let body = json!({"to": NEW_RECIPIENT, "type": "template", "template": template, "dry_run": true});
    let response = app.send(body).await.expect(200);
    assert_eq!(check(response.data(), "template")["code"], "template_not_found");
    let body = json!({"to": NEW_RECIPIENT, "type": "text", "text": "Hi", "whatsapp_account": "gone", "dry_run": true});
    assert_eq!(check(app.send(body).await.expect(200).data(), "account")["code"], "account_not_found");
    app.send(json!({"to": "x", "type": "text", "text": "Hi", "dry_run": true})).await.expect(400);
    // No contact was created.
    assert_eq!(app.get("/api/contacts").await.data()["total"], 1);
}
