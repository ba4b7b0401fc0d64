//! An HTTP client that knows how far a request got: never connected, cut, or answered.
//!
//! **Invariant:** one request has one connection, so that a cut is always about that request.

use anyhow::{Context as _, Result};
use serde_json::Value;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The longest wait for an answer: longer than a gateway may take for a send.
const DEADLINE: Duration = Duration::from_secs(45);

/// Result of a request.
#[derive(Debug)]
pub(crate) enum CallOutcome {
    /// Nobody listened: it was certainly not received.
    NotConnected,
    /// The connection broke before the whole answer was here.
    Interrupted(String),
    /// The answer.
    Answered(Response),
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// Seconds to wait before asking again.
    pub(crate) retry_after: Option<u64>,
    /// The body; null if it is not JSON.
    pub(crate) body: Value,
}

impl Response {
    /// A text of `data`, or of the body itself.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let data = self.body.get("data").unwrap_or(&self.body);
        data.get(name).and_then(Value::as_str)
    }
}

/// Somebody who calls one server.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// The server.
    pub(crate) address: SocketAddr,
    /// The key of the API, if it wants one.
    pub(crate) key: Option<String>,
}

impl Client {
    /// Calls without a key.
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self { address, key: None }
    }

    /// Makes a request and waits for its answer.
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
        match self.write(&mut stream, (method, path), headers, body).and_then(|()| {
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok(answer)
        }) {
            Ok(answer) => parse(&answer).map_or_else(
                || CallOutcome::Interrupted("no whole answer".to_owned()),
                CallOutcome::Answered,
            ),
            Err(error) => CallOutcome::Interrupted(error.to_string()),
        }
    }

    /// Makes a request, stays for a while, and goes away without its answer.
    pub(crate) fn call_and_leave(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
        stay: impl FnOnce(),
    ) -> CallOutcome {
        let begun = self.connect().and_then(|mut stream| {
            self.write(&mut stream, ("POST", path), headers, Some(body))?;
            Ok(stream)
        });
        match begun {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => CallOutcome::NotConnected,
            Err(error) => CallOutcome::Interrupted(error.to_string()),
            Ok(stream) => {
                stay();
                drop(stream);
                CallOutcome::Interrupted("left".to_owned())
            }
        }
    }

    /// A request that must be answered with 200 or 202; it is repeated while nobody answers, and so must be one that
    /// may be made twice.
    ///
    /// # Errors
    /// When it is not.
    pub(crate) fn call_until_answered(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let doing = || format!("{method} http://{}{path}", self.address);
        let answer = super::wait_for("an answer", Duration::from_secs(15), || {
            Ok(match self.call(method, path, &[], body) {
                CallOutcome::NotConnected | CallOutcome::Interrupted(_) => None,
                CallOutcome::Answered(answer) => Some(answer),
            })
        });
        let answer = answer.with_context(doing)?;
        if !matches!(answer.status, 200..=299) {
            anyhow::bail!("{}: {answer:?}", doing());
        }
        Ok(answer.body)
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn write(
        &self,
        stream: &mut TcpStream,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> std::io::Result<()> {
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

/// Reads an answer; nothing if it is not whole.
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
