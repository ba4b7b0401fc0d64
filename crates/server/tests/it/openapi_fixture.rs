//! A gateway with all objects that the examples of the OpenAPI document name.

use axum::body::Body;
use axum::http::Request;
use domain::access::permission::Role;
use serde_json::json;

use crate::support::{CUSTOMER, TestApp, TestResponse};

/// Returns an id of the examples.
fn example_id(end: &str) -> String {
    format!("01a2b3c4-0000-7000-8000-0000000000{end}")
}

/// Meta's id of a customer's message in the examples.
pub(crate) const WAMID: &str = "wamid.HBgLMTU1NTAxMDAwMDEVAgASGBQzQTYwOTU1MkZCMTlDMkQzMDlCQQA=";

/// A gateway with all objects that the examples name.
pub(crate) struct ExampleGateway {
    pub(crate) app: TestApp,
    /// Ids of the examples, and the ids of the existing objects.
    ids: Vec<(String, String)>,
}

impl ExampleGateway {
    pub(crate) async fn of(operation: &str) -> Self {
        let app = TestApp::new().await;
        let wamid = app.customer_writes(CUSTOMER, "Hello").await;
        app.post("/api/templates/sync", &json!({})).await.expect(200);
        let first = async |path: &str, name: &str| {
            let response = app.get(path).await.expect(200);
            response.data()[name][0]["id"].as_str().unwrap().to_owned()
        };
        let created = |response: TestResponse| response.data()["id"].as_str().unwrap().to_owned();
        let message = match operation {
            "cancel_message" | "update_message" => {
                let body = json!({"to": CUSTOMER, "type": "text", "text": "Hi", "mode": "queue"});
                created(app.send(body).await.expect(202))
            }
            "resolve_message" => {
                app.customer_writes("+15550100505", "Hello").await;
                created(app.send_text("+15550100505").await.expect(202))
            }
            "mark_message_read" => wamid.clone(),
            _ => created(app.send_text(CUSTOMER).await.expect(200)),
        };
        app.add_user("owner@example.com", Role::Owner).await;
        let user = match operation {
            "create_user" => String::new(),
            _ => {
                let body =
                    json!({"email": "ada@example.com", "role": "agent", "password": "a long sentence"});
                created(app.post("/api/users", &body).await.expect(201))
            }
        };
        let key = json!({"name": "reader", "scopes": ["read"]});
        let webhook = json!({"name": "shop", "url": "https://shop.example/hooks", "events": ["*"]});
        let webhook = created(app.post("/api/webhooks", &webhook).await.expect(201));
        let tested = app.request("POST", &format!("/api/webhooks/{webhook}/test"), "").await.expect(200);
        let delivery = match operation {
            "skip_delivery" => {
                let path = format!("/api/deliveries/{}/redeliver", created(tested));
                app.request("POST", &path, "").await.expect(202)
            }
            _ => tested,
        };
        let ids = [
            ("01", message),
            ("02", app.account.to_string()),
            ("03", first("/api/contacts", "contacts").await),
            ("04", first("/api/templates?name=order_confirmation", "templates").await),
            ("05", created(app.post("/api/api-keys", &key).await.expect(201))),
            ("06", user),
            ("07", webhook),
            ("08", created(delivery)),
            ("0a", created(app.call(upload()).await.expect(201))),
        ];
        let mut ids: Vec<_> = ids.into_iter().map(|(end, id)| (example_id(end), id)).collect();
        ids.push((WAMID.to_owned(), wamid));
        // Restores the rate limit that the preparation used.
        app.advance(60);
        Self { app, ids }
    }

    /// Returns the text with the ids of the existing objects.
    pub(crate) fn fill(&self, text: &str) -> String {
        self.ids.iter().fold(text.to_owned(), |text, (shown, real)| text.replace(shown, real))
    }
}

/// Returns the upload of a small file in a form.
pub(crate) fn upload() -> Request<Body> {
    let form = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\
                Content-Type: application/pdf\r\n\r\n%PDF-1.4\n%%EOF\n\r\n--x--\r\n";
    Request::post("/api/media")
        .header("X-API-Key", engine::access::api_key::DEV_KEY)
        .header("Content-Type", "multipart/form-data; boundary=x")
        .body(Body::from(form))
        .unwrap()
}
