//! Reasons why a call got no response, as short texts.

use std::io;
use std::time::Duration;

use engine::ports::UrlError;

/// Maximum number of characters of a reason. Errors about certificates can be long.
const MAX_REASON_CHARS: usize = 200;

/// Reason why a call got no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EgressError {
    #[error("the address is not allowed: {0}")]
    Address(#[from] UrlError),
    #[error("the host name could not be resolved")]
    NameNotFound,
    #[error("{}", connect_reason(.0))]
    Connect(io::Error),
    #[error("{}", tls_reason(.0))]
    Tls(io::Error),
    #[error("{}", http_reason(.0))]
    Http(#[from] hyper::Error),
    #[error("no response within {}", format_duration(*.0))]
    Timeout(Duration),
    #[error("the endpoint has no secret with the format `whsec_` followed by base64")]
    Secret,
    #[error("a header of the endpoint cannot be sent")]
    Header,
}

impl EgressError {
    /// Returns the reason, short enough for a log entry.
    pub(crate) fn reason(&self) -> String {
        self.to_string().chars().take(MAX_REASON_CHARS).collect()
    }
}

fn connect_reason(error: &io::Error) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the standard library's list is open")]
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "the connection was refused".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "the address cannot be reached".to_owned()
        }
        kind => format!("no connection: {kind}"),
    }
}

fn tls_reason(error: &io::Error) -> String {
    match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(error) => format!("no secure connection: {error}"),
        None => "no secure connection: the connection was closed".to_owned(),
    }
}

fn http_reason(error: &hyper::Error) -> &'static str {
    if error.is_parse_too_large() {
        "the head of the response is too large"
    } else if error.is_parse() {
        "the response is not HTTP"
    } else {
        "the connection was closed before the response was complete"
    }
}

fn format_duration(span: Duration) -> String {
    if span.subsec_millis() == 0 {
        format!("{} s", span.as_secs())
    } else {
        format!("{} ms", span.as_millis())
    }
}
