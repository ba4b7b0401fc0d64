//! HTTP client that reports the progress of a request: not connected, interrupted, or answered.
//!
//! **Invariant:** each request has its own connection, so that an interruption always concerns that request.

use anyhow::{Context as _, Result};
use serde_json::Value;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Maximum time to wait for a response: longer than the maximum time of a send.
const DEADLINE: Duration = Duration::from_secs(45);

/// Result of a request.
#[derive(Debug)]
pub(crate) enum CallOutcome {
    /// The connection failed: the request was not received.
    NotConnected,
    /// The connection was interrupted before the complete response was received.
    Interrupted(String),
    /// A complete response was received.
    Answered(Response),
}

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    /// Status code.
    pub(crate) status: u16,
    /// Seconds to wait before a retry.
    pub(crate) retry_after: Option<u64>,
    /// Body; null if it is not JSON.
    pub(crate) body: Value,
}

impl Response {
    /// Returns a text of `data`, or of the body itself.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let data = self.body.get("data").unwrap_or(&self.body);
        data.get(name).and_then(Value::as_str)
    }
}

/// Client of one server.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Address of the server.
    pub(crate) address: SocketAddr,
    /// API key, if the server needs one.
    pub(crate) key: Option<String>,
}

/// Parts of a request.
struct RequestParts<'a> {
    method: &'a str,
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: Option<&'a Value>,
}

impl Client {
    /// Creates a client without a key.
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self { address, key: None }
    }

    /// Sends a request and waits for its response.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> CallOutcome {
        let mut stream = match self.connect() {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return CallOutcome::NotConnected,
            Err(error) => return CallOutcome::Interrupted(format!("connecting: {error}")),
        };
        match self.write(&mut stream, &RequestParts { method, path, headers, body }).and_then(|()| {
            let mut response = Vec::new();
            stream.read_to_end(&mut response)?;
            Ok(response)
        }) {
            Ok(response) => parse(&response).map_or_else(
                || CallOutcome::Interrupted("the response is not complete".to_owned()),
                CallOutcome::Answered,
            ),
            Err(error) => CallOutcome::Interrupted(error.to_string()),
        }
    }

    /// Sends a request, waits for a condition, and disconnects without reading the response.
    pub(crate) fn call_and_disconnect(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
        before_disconnect: impl FnOnce(),
    ) -> CallOutcome {
        let started_at = self.connect().and_then(|mut stream| {
            self.write(&mut stream, &RequestParts { method: "POST", path, headers, body: Some(body) })?;
            Ok(stream)
        });
        match started_at {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => CallOutcome::NotConnected,
            Err(error) => CallOutcome::Interrupted(error.to_string()),
            Ok(stream) => {
                before_disconnect();
                drop(stream);
                CallOutcome::Interrupted("disconnected".to_owned())
            }
        }
    }

    /// Sends a request whose response must have the status 200 or 202. The request is repeated while the server does
    /// not respond, so it must be safe to repeat.
    ///
    /// # Errors
    /// If the response has another status.
    pub(crate) fn call_with_retries(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let action = || format!("{method} http://{}{path}", self.address);
        let response = super::wait_for("a response", Duration::from_secs(15), || {
            Ok(match self.call(method, path, &[], body) {
                CallOutcome::NotConnected | CallOutcome::Interrupted(_) => None,
                CallOutcome::Answered(response) => Some(response),
            })
        });
        let response = response.with_context(action)?;
        if !matches!(response.status, 200..=299) {
            anyhow::bail!("{}: {response:?}", action());
        }
        Ok(response.body)
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn write(&self, stream: &mut TcpStream, request: &RequestParts<'_>) -> std::io::Result<()> {
        let RequestParts { method, path, headers, body } = *request;
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.address,
            body.len()
        );
        let key = self.key.iter().map(|key| ("X-API-Key", key.as_str()));
        let kind = Some(("Content-Type", "application/json")).filter(|_| !body.is_empty());
        for (name, value) in key.chain(kind).chain(headers.iter().copied()) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(&body);
        stream.write_all(request.as_bytes())
    }
}

/// Parses a response; returns `None` if it is not complete.
fn parse(bytes: &[u8]) -> Option<Response> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = bytes.split_at_checked(end.checked_add(4)?)?;
    let head = std::str::from_utf8(head).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let header = |name: &str| {
        head.lines().filter_map(|line| line.split_once(':')).find_map(|(given, value)| {
            given.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let length: usize = header("content-length")?.parse().ok()?;
    if body.len() < length {
        return None;
    }
    Some(Response {
        status,
        retry_after: header("retry-after").and_then(|seconds| seconds.parse().ok()),
        body: serde_json::from_slice(body).unwrap_or_default(),
    })
}
