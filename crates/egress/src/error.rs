//! Reasons why a call got no response, as short texts.

use std::io;
use std::time::Duration;

use engine::ports::UrlError;

/// Maximum number of characters of a reason. Errors about certificates can be long.
const MAX_REASON_CHARS: usize = 200;

/// Reason why a call got no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EgressError {
    #[error("the address is refused: {0}")]
    Address(#[from] UrlError),
    #[error("the name could not be found")]
    NameNotFound,
    #[error("{}", connecting(.0))]
    Connect(io::Error),
    #[error("{}", securing(.0))]
    Tls(io::Error),
    #[error("{}", talking(.0))]
    Http(#[from] hyper::Error),
    #[error("no answer within {}", humane(*.0))]
    Timeout(Duration),
    #[error("the endpoint has no secret of the form `whsec_` and base64")]
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

fn connecting(error: &io::Error) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the standard library's list is open")]
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "the connection was refused".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "the address cannot be reached".to_owned()
        }
        kind => format!("no connection: {kind}"),
    }
}

fn securing(error: &io::Error) -> String {
    match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(error) => format!("no secure connection: {error}"),
        None => "no secure connection: it was cut".to_owned(),
    }
}

fn talking(error: &hyper::Error) -> &'static str {
    if error.is_parse_too_large() {
        "the head of the answer is too long"
    } else if error.is_parse() {
        "the answer is not HTTP"
    } else {
        "the connection was cut before the answer was complete"
    }
}

fn humane(span: Duration) -> String {
    if span.subsec_millis() == 0 {
        format!("{} s", span.as_secs())
    } else {
        format!("{} ms", span.as_millis())
    }
}
