//! Where Meta is, and how long we wait for it.

use std::time::Duration;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use rustls::pki_types::CertificateDer;

/// How Meta is reached.
#[derive(Clone, Debug)]
pub struct GraphConfig {
    /// Where accounts talk to: `https://graph.facebook.com`, or a proxy. A path is kept as a prefix.
    pub live_base_url: String,
    /// Where sandbox accounts talk to: the simulator.
    pub sandbox_base_url: String,
    /// The version of the Graph API, such as `v24.0`.
    pub version: String,
    /// How long name look-up, TCP and TLS may take together.
    pub connect_timeout: Duration,
    /// How long a call may take, from the first thought of connecting to the last byte of the answer.
    pub timeout: Duration,
    /// How long a file may take, up or down. Between two pieces of it, `timeout` holds.
    pub file_timeout: Duration,
    /// How long an unused connection is kept. It must stay below the other side's patience, else a send meets a
    /// connection that is being closed and ends as unknown. Meta's edge is said to close after 60 s.
    pub idle_timeout: Duration,
    /// What we call ourselves.
    pub user_agent: String,
    /// Which versions of HTTP are spoken.
    pub versions: Versions,
    /// The certificate authorities that are trusted; empty means the public ones. For a proxy or a test server.
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

/// Which versions of HTTP are spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// HTTP/2 where TLS agrees on it, else HTTP/1.1.
    #[default]
    Negotiated,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only, without asking: also in the clear.
    Http2,
}

/// Why a [`GraphConfig`] cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GraphConfigError {
    /// A base URL is not one.
    #[error("`{url}` cannot be a base URL of the Graph API: {reason}")]
    BaseUrl {
        /// The text.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The version is not one.
    #[error("`{0}` is not a version of the Graph API, such as v24.0")]
    Version(String),
    /// The user agent holds characters that no header takes.
    #[error("the user agent `{0}` holds characters that no header takes")]
    UserAgent(String),
    /// TLS cannot be set up.
    #[error("setting up TLS")]
    Tls(#[source] rustls::Error),
}

/// A base URL with the version, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    scheme: Scheme,
    authority: Authority,
    /// Ends without a slash.
    prefix: String,
}

impl Base {
    pub(crate) fn parse(url: &str, version: &str) -> Result<Self, GraphConfigError> {
        let refused = |reason| GraphConfigError::BaseUrl { url: without_credentials(url), reason };
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
        let parts = url.parse::<Uri>().map_err(|_| refused("it is not a URL"))?.into_parts();
        let scheme = parts.scheme.filter(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
        let scheme = scheme.ok_or_else(|| refused("it must begin with https:// or http://"))?;
        let authority = parts.authority.ok_or_else(|| refused("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(refused("it holds credentials"));
        }
        if parts.path_and_query.as_ref().is_some_and(|path| path.query().is_some()) {
            return Err(refused("it holds a query"));
        }
        let path = parts.path_and_query.as_ref().map_or("", PathAndQuery::path).trim_end_matches('/');
        Ok(Self { scheme, authority, prefix: format!("{path}/{version}") })
    }

    /// Whether a URI is at this very place.
    pub(crate) fn is_origin_of(&self, uri: &Uri) -> bool {
        uri.scheme() == Some(&self.scheme) && uri.authority() == Some(&self.authority)
    }

    /// The URI of `path`, which begins with a slash. `None` when the path holds what a path cannot.
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

/// A URL fit for an error message.
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
        Base::parse(url, "v24.0").expect("a base").join(&["/", "33", "/messages"]).expect("a URI").to_string()
    }

    #[test]
    fn a_path_of_the_base_url_is_a_prefix() {
        assert_eq!(joined("https://graph.facebook.com"), "https://graph.facebook.com/v24.0/33/messages");
        assert_eq!(joined("http://127.0.0.1:8090/"), "http://127.0.0.1:8090/v24.0/33/messages");
        assert_eq!(joined("https://proxy.example/meta/"), "https://proxy.example/meta/v24.0/33/messages");
    }

    #[test]
    fn what_cannot_be_a_base_url_is_refused_without_telling_its_password() {
        for url in ["", "graph.facebook.com", "ftp://x", "https://", "https://x/?a=b", "/x"] {
            assert!(matches!(Base::parse(url, "v24.0"), Err(GraphConfigError::BaseUrl { .. })), "{url}");
        }
        let error = Base::parse("https://me:hunter2@x", "v24.0").expect_err("credentials");
        assert_eq!(
            error.to_string(),
            "`https://…@x` cannot be a base URL of the Graph API: it holds credentials"
        );
    }

    #[test]
    fn a_version_is_v_and_two_numbers() {
        for version in ["", "24.0", "v24", "v24.", "v24.0/x", "v24.0?a"] {
            assert!(
                matches!(Base::parse("https://x", version), Err(GraphConfigError::Version(_))),
                "{version}"
            );
        }
    }
}
