//! Configuration: addresses of the Graph API, and timeouts.

use std::time::Duration;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use rustls::pki_types::CertificateDer;

/// Configuration of the client.
#[derive(Clone, Debug)]
pub struct GraphConfig {
    /// Base URL for accounts: `https://graph.facebook.com`, or a proxy. A path in it becomes a prefix.
    pub live_base_url: String,
    /// Base URL for sandbox accounts: the simulator.
    pub sandbox_base_url: String,
    /// Version of the Graph API, such as `v24.0`.
    pub version: String,
    /// Maximum time for name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Maximum duration of a call, including the connect.
    pub timeout: Duration,
    /// Maximum duration of an upload or download. Between two chunks, `timeout` applies.
    pub file_timeout: Duration,
    /// Time for which an idle connection is kept. It must be shorter than the server's idle timeout; else a send can
    /// use a connection that is being closed, and ends as unknown. Meta's servers close idle connections after about
    /// 60 s.
    pub idle_timeout: Duration,
    /// Value of the `User-Agent` header.
    pub user_agent: String,
    /// HTTP versions that are used.
    pub versions: Versions,
    /// Trusted certificate authorities; empty means the public ones. For a proxy or a test server.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl Default for GraphConfig {
    fn default() -> Self {
        Self {
            live_base_url: "https://graph.facebook.com".to_owned(),
            sandbox_base_url: "http://127.0.0.1:8090".to_owned(),
            version: "v24.0".to_owned(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            file_timeout: Duration::from_secs(600),
            idle_timeout: Duration::from_secs(45),
            user_agent: concat!("waypost/", env!("CARGO_PKG_VERSION")).to_owned(),
            versions: Versions::Negotiated,
            authorities: Vec::new(),
        }
    }
}

/// HTTP versions that are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// HTTP/2 if TLS negotiates it, else HTTP/1.1.
    #[default]
    Negotiated,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only, without negotiation, also without TLS.
    Http2,
}

/// Reason why a [`GraphConfig`] cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GraphConfigError {
    /// A base URL is malformed.
    #[error("`{url}` cannot be a base URL of the Graph API: {reason}")]
    BaseUrl {
        /// The URL.
        url: String,
        /// The fault in the URL.
        reason: &'static str,
    },
    /// The version is malformed.
    #[error("`{0}` is not a version of the Graph API, such as v24.0")]
    Version(String),
    /// The user agent contains characters that a header cannot contain.
    #[error("the user agent `{0}` contains characters that are not allowed in a header")]
    UserAgent(String),
    /// TLS cannot be set up.
    #[error("setting up TLS")]
    Tls(#[source] rustls::Error),
}

/// Parsed base URL with the version.
#[derive(Clone, Debug)]
pub(crate) struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    /// Path without a final slash.
    prefix: String,
}

impl BaseUrl {
    pub(crate) fn parse(url: &str, version: &str) -> Result<Self, GraphConfigError> {
        let invalid = |reason| GraphConfigError::BaseUrl { url: without_credentials(url), reason };
        let is_version = |version: &str| {
            version.strip_prefix('v').and_then(|rest| rest.split_once('.')).is_some_and(|(major, minor)| {
                [major, minor]
                    .iter()
                    .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
            })
        };
        if !is_version(version) {
            return Err(GraphConfigError::Version(version.to_owned()));
        }
        let parts = url.parse::<Uri>().map_err(|_| invalid("the value is not a URL"))?.into_parts();
        let scheme = parts.scheme.filter(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
        let scheme = scheme.ok_or_else(|| invalid("a base URL must begin with https:// or http://"))?;
        let authority = parts.authority.ok_or_else(|| invalid("a base URL must contain a host"))?;
        if authority.as_str().contains('@') {
            return Err(invalid("a base URL must not contain credentials"));
        }
        if parts.path_and_query.as_ref().is_some_and(|path| path.query().is_some()) {
            return Err(invalid("a base URL must not contain a query"));
        }
        let path = parts.path_and_query.as_ref().map_or("", PathAndQuery::path).trim_end_matches('/');
        Ok(Self { scheme, authority, prefix: format!("{path}/{version}") })
    }

    /// `true` if a URI has this scheme and authority.
    pub(crate) fn is_origin_of(&self, uri: &Uri) -> bool {
        uri.scheme() == Some(&self.scheme) && uri.authority() == Some(&self.authority)
    }

    /// Returns the URI of `path`, which begins with a slash; `None` if the path contains characters that a URI cannot
    /// contain.
    pub(crate) fn join(&self, path: &[&str]) -> Option<Uri> {
        let mut whole =
            String::with_capacity(self.prefix.len() + path.iter().map(|part| part.len()).sum::<usize>());
        whole.push_str(&self.prefix);
        whole.extend(path.iter().copied());
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(bytes::Bytes::from(whole)).ok()?);
        Uri::from_parts(parts).ok()
    }
}

/// Returns a URL in a form that is safe in an error message.
fn without_credentials(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            let (start, _) = url.split_at(scheme + 3);
            let (_, end) = url.split_at(at);
            format!("{start}…{end}")
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(url: &str) -> String {
        BaseUrl::parse(url, "v24.0")
            .expect("a base")
            .join(&["/", "33", "/messages"])
            .expect("a URI")
            .to_string()
    }

    #[test]
    fn a_path_of_the_base_url_is_a_prefix() {
        assert_eq!(joined("https://graph.facebook.com"), "https://graph.facebook.com/v24.0/33/messages");
        assert_eq!(joined("http://127.0.0.1:8090/"), "http://127.0.0.1:8090/v24.0/33/messages");
        assert_eq!(joined("https://proxy.example/meta/"), "https://proxy.example/meta/v24.0/33/messages");
    }

    #[test]
    fn an_invalid_base_url_is_rejected_without_showing_its_password() {
        for url in ["", "graph.facebook.com", "ftp://x", "https://", "https://x/?a=b", "/x"] {
            assert!(matches!(BaseUrl::parse(url, "v24.0"), Err(GraphConfigError::BaseUrl { .. })), "{url}");
        }
        let error = BaseUrl::parse("https://me:hunter2@x", "v24.0").expect_err("credentials");
        assert_eq!(
            error.to_string(),
            "`https://…@x` cannot be a base URL of the Graph API: a base URL must not contain credentials"
        );
    }

    #[test]
    fn a_version_is_v_and_two_numbers() {
        for version in ["", "24.0", "v24", "v24.", "v24.0/x", "v24.0?a"] {
            assert!(
                matches!(BaseUrl::parse("https://x", version), Err(GraphConfigError::Version(_))),
                "{version}"
            );
        }
    }
}
