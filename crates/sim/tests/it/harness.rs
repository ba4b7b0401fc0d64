//! A simulator on a fixed clock, called as a service.

use axum::body::Body;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sim::{Cut, Delay, InboundMessage, Options, Settings, Sim, SimAccount, Webhook};
use tower::ServiceExt;

/// A number that nothing special happens to.
pub(crate) const MAYA: &str = "+44 7700 900123";

pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) account: SimAccount,
}

/// Response of a call.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) bytes: Vec<u8>,
    pub(crate) headers: http::HeaderMap,
    pub(crate) cut: Option<Cut>,
    pub(crate) delay: Option<Delay>,
}

impl Answer {
    pub(crate) fn code(&self) -> i64 {
        self.body["error"]["code"].as_i64().unwrap_or(0)
    }

    pub(crate) fn details(&self) -> &str {
        self.body["error"]["error_data"]["details"].as_str().unwrap_or_default()
    }

    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    /// The id of the accepted message.
    pub(crate) fn wamid(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body["messages"][0]["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn id(&self) -> String {
        assert!(self.status < 300, "{}", self.body);
        self.body["id"].as_str().unwrap().to_owned()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let sim = Sim::new(options).unwrap();
        let account = sim.accounts()[0].clone();
        Self { sim, account }
    }

    /// Changes the settings.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.sim.settings();
        change(&mut settings);
        self.sim.set_settings(settings);
    }

    pub(crate) async fn request(&self, request: Request<Body>) -> Answer {
        let response = self.sim.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        Answer {
            status: parts.status.as_u16(),
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
            bytes,
            cut: parts.extensions.get().copied(),
            delay: parts.extensions.get().copied(),
            headers: parts.headers,
        }
    }

    /// A Graph call with the account's token.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.call_as(&self.account.access_token, method, path, body).await
    }

    pub(crate) async fn call_as(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let path = path
            .replace("{number}", &self.account.phone_number_id)
            .replace("{waba}", &self.account.waba_id)
            .replace("{app}", &self.account.app_id);
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.request(request.header("content-type", "application/json").body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// Sends a message; `messaging_product` is added.
    pub(crate) async fn send(&self, mut body: Value) -> Answer {
        body["messaging_product"] = json!("whatsapp");
        self.post("/v24.0/{number}/messages", body).await
    }

    pub(crate) async fn text(&self, to: &str) -> Answer {
        self.send(json!({"to": to, "type": "text", "text": {"body": "Hello"}})).await
    }

    /// Sends an object of a type to Maya.
    pub(crate) async fn typed(&self, kind: &str, object: Value) -> Answer {
        self.send(json!({"to": MAYA, "type": kind, kind: object})).await
    }

    pub(crate) async fn template(&self, template: Value) -> Answer {
        self.typed("template", template).await
    }

    /// A customer writes, so that the window is open; the webhook is thrown away.
    pub(crate) fn writes(&self, from: &str) -> String {
        let id = self.sim.inbound(&InboundMessage::text(from, "hi")).unwrap();
        self.sim.take_webhooks();
        id
    }

    /// Everything due is reported; gives back the webhooks.
    pub(crate) async fn step(&self) -> Vec<Webhook> {
        self.sim.step().await;
        self.sim.take_webhooks()
    }

    /// The status objects of everything that is due.
    pub(crate) async fn statuses(&self) -> Vec<Value> {
        let mut statuses = Vec::new();
        for value in values(&self.step().await) {
            statuses.extend(value["statuses"].as_array().cloned().unwrap_or_default());
        }
        statuses
    }

    /// The words of the statuses of everything that is due; a failure with its code.
    pub(crate) async fn words(&self) -> Vec<String> {
        let word = |status: &Value| {
            let word = status["status"].as_str().unwrap();
            match status["errors"][0]["code"].as_i64() {
                Some(code) => format!("{word} {code}"),
                None => word.to_owned(),
            }
        };
        self.statuses().await.iter().map(word).collect()
    }

    /// A control call.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = Request::builder().method(method).uri(format!("/_sim{path}"));
        let request = request.header("host", "127.0.0.1:8090");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.request(request.body(body).unwrap()).await
    }

    /// Uploads some content.
    pub(crate) async fn upload(&self, mime: &str, content: &[u8]) -> Answer {
        let path = format!("/v24.0/{}/media", self.account.phone_number_id);
        self.upload_to(&path, mime, content).await
    }

    pub(crate) async fn upload_to(&self, path: &str, mime: &str, content: &[u8]) -> Answer {
        let mut body = format!(
            "--B\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n--B\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\nContent-Type: {mime}\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n--B--\r\n");
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.account.access_token))
            .header("content-type", "multipart/form-data; boundary=B");
        self.request(request.body(Body::from(body)).unwrap()).await
    }
}

/// The `value` of every change in some webhooks.
pub(crate) fn values(webhooks: &[Webhook]) -> Vec<Value> {
    let mut values = Vec::new();
    for webhook in webhooks {
        for entry in webhook.json()["entry"].as_array().unwrap() {
            values.extend(entry["changes"].as_array().unwrap().iter().map(|change| change["value"].clone()));
        }
    }
    values
}

/// The fields of every change in some webhooks.
pub(crate) fn fields(webhooks: &[Webhook]) -> Vec<String> {
    let mut fields = Vec::new();
    for webhook in webhooks {
        for entry in webhook.json()["entry"].as_array().unwrap() {
            let changes = entry["changes"].as_array().unwrap();
            fields.extend(changes.iter().map(|change| change["field"].as_str().unwrap().to_owned()));
        }
    }
    fields
}

/// A request that must succeed.
pub(crate) fn ok(answer: Answer) -> Value {
    assert!(StatusCode::from_u16(answer.status).unwrap().is_success(), "{} {}", answer.status, answer.body);
    answer.body
}
