//! One HTTP call for setup. It is never part of a measurement.

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Maximum duration of a call.
const DEADLINE: Duration = Duration::from_secs(30);

/// HTTP response.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Status code.
    pub(crate) status: u16,
    /// Body as text.
    pub(crate) body: String,
}

/// Makes one call over a new connection.
///
/// The call uses HTTP/1.0, so that the body ends with the connection.
pub(crate) fn call(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[String],
    body: &[u8],
) -> Result<Answer> {
    let action = || format!("calling {method} http://{address}{path}");
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE).with_context(action)?;
    stream.set_read_timeout(Some(DEADLINE)).with_context(action)?;
    stream.set_write_timeout(Some(DEADLINE)).with_context(action)?;
    let mut request =
        format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n", body.len());
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).with_context(action)?;
    stream.write_all(body).with_context(action)?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).with_context(action)?;
    let response = String::from_utf8_lossy(&response);
    let Some((head, body)) = response.split_once("\r\n\r\n") else { bail!("{}: no answer", action()) };
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).with_context(action)?;
    Ok(Answer { status, body: body.to_owned() })
}
