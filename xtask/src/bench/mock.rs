//! Mock of Meta's API for benchmarks: it accepts every message and responds immediately.
//!
//! It is not a simulator: it checks and stores nothing except counters. It uses one thread, so that the other cores
//! are available for the measured target. It also responds to webhooks, as the baseline of their cost.

use super::load::{RECIPIENTS, TEMPLATE, wamid};
use super::targets::{PHONE_NUMBER_ID, WABA_ID};
use crate::terminal::now;
use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Path of the number of received messages.
pub(super) const COUNT_PATH: &str = "/count";
/// Path of the times of arrival of the messages, in microseconds since the mock started.
pub(super) const TIMES_PATH: &str = "/times";
/// Path of Meta's webhooks.
pub(super) const WEBHOOK_PATH: &str = "/webhooks/meta";

/// Accepted messages.
struct Counters {
    start: Instant,
    /// Times of arrival, in microseconds since the start.
    times: Mutex<Vec<u64>>,
    /// By the last three digits of the recipient.
    by_recipient: Vec<AtomicU64>,
}

impl Default for Counters {
    fn default() -> Self {
        let by_recipient = (0..RECIPIENTS).map(|_| AtomicU64::new(0)).collect();
        Self { start: now(), times: Mutex::default(), by_recipient }
    }
}

impl Counters {
    fn times(&self) -> MutexGuard<'_, Vec<u64>> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a message. Returns its number: if all recipients receive equally many messages in turn, the n-th message
    /// has the number n, whatever the order in which the messages arrive.
    fn count(&self, to: &str) -> u64 {
        let time = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.times().push(time);
        let digits = to.len().checked_sub(3).and_then(|start| to.get(start..)).unwrap_or_default();
        let index: usize = digits.parse().unwrap_or(0);
        let earlier = self.by_recipient.get(index).map_or(0, |count| count.fetch_add(1, Ordering::Relaxed));
        earlier * u64::from(RECIPIENTS) + u64::try_from(index).unwrap_or(0)
    }
}

/// Serves until the process ends; prints the address first.
pub(super) fn serve(listen: SocketAddr) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
        crate::terminal::print_line(listener.local_addr().context("asking for the address")?);
        let accepted = Arc::new(Counters::default());
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.context("accepting a connection")?;
            stream.set_nodelay(true).context("setting up a connection")?;
            while connections.try_join_next().is_some() {}
            let accepted = Arc::clone(&accepted);
            // An error of a connection means that the client disconnected.
            connections.spawn(http1::Builder::new().serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| response(Arc::clone(&accepted), request)),
            ));
        }
    })
}

/// Responds to one request as the Graph API does.
async fn response(
    accepted: Arc<Counters>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let path = head.uri.path();
    let (status, text) = if head.method == Method::POST && path.ends_with("/messages") {
        let to = recipient(&body);
        (StatusCode::OK, accepted_response(to, accepted.count(to)))
    } else if head.method == Method::POST && path == WEBHOOK_PATH {
        (StatusCode::OK, String::new())
    } else if path == COUNT_PATH {
        (StatusCode::OK, accepted.times().len().to_string())
    } else if path == TIMES_PATH {
        (StatusCode::OK, json!(*accepted.times()).to_string())
    } else if let Some(object) = object(path) {
        (StatusCode::OK, object.to_string())
    } else {
        (
            StatusCode::NOT_FOUND,
            r#"{"error":{"message":"Unknown path","type":"OAuthException","code":2500}}"#.to_owned(),
        )
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    Ok(response)
}

/// Returns an object that the gateway reads: the phone number, the numbers of the WABA, or its templates.
fn object(path: &str) -> Option<Value> {
    let number = || {
        json!({ "id": PHONE_NUMBER_ID, "display_phone_number": "+44 20 7946 0018", "verified_name": "Bench",
                "quality_rating": "GREEN" })
    };
    if path.ends_with(&format!("/{PHONE_NUMBER_ID}")) {
        Some(number())
    } else if path.ends_with(&format!("/{WABA_ID}/phone_numbers")) {
        Some(json!({ "data": [number()] }))
    } else if path.ends_with(&format!("/{WABA_ID}/message_templates")) {
        let body = "Hello {{1}}, your order {{2}} is confirmed.";
        Some(json!({ "data": [{ "id": "1", "name": TEMPLATE, "language": "en", "status": "APPROVED",
            "category": "UTILITY", "components": [{ "type": "BODY", "text": body,
            "example": { "body_text": [["Maya", "8471"]] } }] }] }))
    } else {
        None
    }
}

/// Response of Meta to an accepted message, about 250 bytes, with a unique id.
fn accepted_response(to: &str, number: u64) -> String {
    let wa_id = to.trim_start_matches('+');
    format!(
        "{{\"messaging_product\":\"whatsapp\",\"contacts\":[{{\"input\":\"{to}\",\"wa_id\":\"{wa_id}\"}}],\
         \"messages\":[{{\"id\":\"{}\"}}]}}",
        wamid(number)
    )
}

/// Returns the recipient of a message. It is found without parsing, because the mock is the baseline of the benchmark.
fn recipient(body: &[u8]) -> &str {
    let text = std::str::from_utf8(body).unwrap_or_default();
    text.split_once("\"to\":\"").and_then(|(_, rest)| rest.split_once('"')).map_or("", |(to, _)| to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_has_the_format_of_meta() {
        let body = br#"{"messaging_product":"whatsapp","to":"+447700900123","type":"text"}"#;
        let response: serde_json::Value =
            serde_json::from_str(&accepted_response(recipient(body), 7)).unwrap();
        assert_eq!(response["contacts"][0]["wa_id"], "447700900123");
    }

    #[test]
    fn messages_are_numbered_by_their_recipients() {
        let counters = Counters::default();
        let numbers = ["+447700900001", "+447700900000", "+447700900001"].map(|to| counters.count(to));
        assert_eq!(numbers, [1, 0, 1_001]);
        assert_eq!(counters.times().len(), 3);
    }
}
