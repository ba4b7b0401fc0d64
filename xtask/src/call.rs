//! One HTTP call, for setting things up. Never part of a measurement.

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Maximum duration of a call.
const DEADLINE: Duration = Duration::from_secs(30);

/// HTTP response.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The body as text.
    pub(crate) body: String,
}

/// Makes one call over a connection of its own.
///
/// It speaks HTTP/1.0, so that the body ends where the connection does.
pub(crate) fn call(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[String],
    body: &[u8],
) -> Result<Answer> {
    let doing = || format!("calling {method} http://{address}{path}");
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE).with_context(doing)?;
    stream.set_read_timeout(Some(DEADLINE)).with_context(doing)?;
    stream.set_write_timeout(Some(DEADLINE)).with_context(doing)?;
    let mut request =
        format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n", body.len());
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).with_context(doing)?;
    stream.write_all(body).with_context(doing)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).with_context(doing)?;
    let answer = String::from_utf8_lossy(&answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("{}: no answer", doing()) };
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).with_context(doing)?;
    Ok(Answer { status, body: body.to_owned() })
}
