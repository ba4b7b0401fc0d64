//! Reasons why a call got no response, as short texts.

use std::io;
use std::time::Duration;

use engine::ports::UrlError;
use rustls::CertificateError;

/// Maximum number of characters of a reason. Errors about certificates can be long.
const MAX_REASON_CHARS: usize = 500;

/// Reason why a call got no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EgressError {
    #[error("the address is not allowed: {0}")]
    Address(#[from] UrlError),
    #[error("the host name {0} does not exist in DNS, or has no address")]
    NameNotFound(String),
    #[error("the host name {name} could not be resolved: no DNS server answered ({error})")]
    Resolver { name: String, error: io::Error },
    #[error("{}", connect_reason(.0))]
    Connect(io::Error),
    #[error("{}", tls_reason(.host, .error))]
    Tls { host: String, error: io::Error },
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
    /// Creates the error of a name resolution.
    pub(crate) fn of_resolver(name: &str, error: io::Error) -> Self {
        let name = name.to_owned();
        if error.kind() == io::ErrorKind::NotFound {
            Self::NameNotFound(name)
        } else {
            Self::Resolver { name, error }
        }
    }

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

fn tls_reason(host: &str, error: &io::Error) -> String {
    let Some(cause) = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) else {
        return format!("TLS with {host} failed: the connection was closed during the handshake");
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "the list of rustls is open")]
    match cause {
        rustls::Error::InvalidCertificate(cause) => {
            format!("TLS with {host} failed: {}", certificate_reason(host, cause))
        }
        rustls::Error::InvalidMessage(_) => {
            format!("TLS with {host} failed: the server does not speak TLS at this port")
        }
        cause => format!("TLS with {host} failed: {cause}"),
    }
}

/// Returns the reason why a certificate is rejected.
fn certificate_reason(host: &str, error: &CertificateError) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the list of rustls is open")]
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet".to_owned()
        }
        CertificateError::UnknownIssuer => "the issuer of the certificate is not trusted: the certificate is self-signed \
                                            or of a private authority, or the server does not send the intermediate \
                                            certificates"
            .to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the certificate is not valid for the name {host}")
        }
        CertificateError::Revoked => "the certificate was revoked".to_owned(),
        cause => format!("the certificate is invalid: {cause}"),
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
