//! Posts a few events to a local server and prints the received requests as JSON: an array of objects with `headers`,
//! `body` and the endpoint's `secrets`.
//!
//! `cargo xtask interop` passes the output to libraries of third parties, which must be able to verify each delivery.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use bytes::Bytes;
use egress::{EgressClient, EgressConfig, Policy};
use engine::ports::{Clock, WebhookRequest, WebhookSender as _};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Recorded deliveries: the secrets, newest first, the id and the body.
const DELIVERIES: [(&[&str], &str, &str); 4] = [
    (&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "evt_plain", r#"{"id":"evt_plain"}"#),
    (
        &["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="],
        "evt_unicode",
        r#"{"id":"evt_unicode","data":{"text":"Grüße 👋, \"two\\lines\"\n\u0000"}}"#,
    ),
    (
        &[
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "whsec_//////////////////////////////////////////8=",
        ],
        "evt_rotation",
        r#"{"id":"evt_rotation","event":"webhook.test"}"#,
    ),
    (&["whsec_+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8="], "evt_spaces", "{ \"id\" : \"evt_spaces\" }\n"),
];

/// The system time: the libraries reject deliveries that are older than five minutes.
struct RealClock;

#[async_trait]
impl Clock for RealClock {
    #[expect(clippy::disallowed_methods, reason = "this is a program of its own")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep_until(&self, _: Timestamp) {
        // The server below responds immediately.
        std::future::pending().await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("binding a port")?;
    let url = format!("http://{}/hook", listener.local_addr()?);
    let policy = Policy { allow_local_hosts: true, ..Policy::default() };
    let config = EgressConfig { policy, ..EgressConfig::default() };
    let client = EgressClient::new(&config, Arc::new(RealClock)).context("making the client")?;
    let mut recorded = Vec::new();
    let mut reusable = None;
    for (secrets, event_id, body) in DELIVERIES {
        let call = WebhookRequest {
            url: url.clone(),
            headers: Vec::new(),
            secrets: secrets.iter().map(|secret| SecretString::from(*secret)).collect(),
            event_id: event_id.to_owned(),
            at: RealClock.now(),
            body: Bytes::from_static(body.as_bytes()),
            is_redelivery: false,
        };
        let (posted, received) = tokio::join!(client.send_event(call), receive(&listener, &mut reusable));
        if !posted.outcome.is_success() {
            bail!("posting {event_id}: {:?}", posted.outcome);
        }
        let (headers, body) = received?;
        recorded.push(json!({ "headers": headers, "body": body, "secrets": secrets }));
    }
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{:#}", Value::Array(recorded)).context("printing what arrived")
}

/// Accepts one request, over the idle connection or a new one, and responds to it.
async fn receive(
    listener: &TcpListener,
    reusable: &mut Option<TcpStream>,
) -> Result<(Map<String, Value>, String)> {
    let mut stream = match reusable.take() {
        Some(stream) => stream,
        None => listener.accept().await?.0,
    };
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let headers: Map<_, _> = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_owned(), Value::from(value)))
                .collect();
            let length = headers.get("content-length").and_then(Value::as_str).unwrap_or("0");
            if body.len() >= length.parse()? {
                let received = (headers, body.to_owned());
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
                *reusable = Some(stream);
                return Ok(received);
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            bail!("the client closed within a request");
        }
    }
}
