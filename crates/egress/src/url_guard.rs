//! The URLs that may be called.
//!
//! A URL is parsed once, as browsers parse it, and the parsed host is the one that is dialed, so that a host which
//! another parser reads differently gains nothing. Numbers in unusual bases, percent-encoding and full-width digits
//! are converted to an address before the check.

use std::fmt;
use std::net::IpAddr;

use engine::ports::{MAX_URL_CHARS, UrlError};
use http::HeaderValue;
use http::uri::PathAndQuery;
use rustls::pki_types::ServerName;
use url::{Host, Url};

use crate::address::{AddressScope, scope_of};
use crate::config::Policy;

/// Domains of local networks, with all of their subdomains. `test` is reserved for tests (RFC 6761).
const LOCAL: [&str; 6] = ["internal", "local", "localdomain", "localhost", "home.arpa", "test"];

/// Parsed URL that may be called.
#[derive(Clone, Debug)]
pub(crate) struct UrlTarget {
    pub(crate) url: Url,
    pub(crate) host_port: HostPort,
    /// Value of the `Host` header.
    pub(crate) authority: HeaderValue,
    pub(crate) path: PathAndQuery,
    /// Scopes that the addresses of the host may have.
    pub(crate) allowed: AllowedScopes,
}

/// Destination of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostPort {
    pub(crate) is_tls: bool,
    pub(crate) host: HostName,
    pub(crate) port: u16,
}

/// Host of a URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HostName {
    /// IP address.
    Address(IpAddr),
    /// Domain name in lower case, without a final dot.
    Domain(String),
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Domain(name) => name.fmt(f),
        }
    }
}

impl HostName {
    /// Returns the name that the server's certificate must be valid for.
    pub(crate) fn for_tls(&self) -> Option<ServerName<'static>> {
        match self {
            Self::Address(address) => Some(ServerName::IpAddress((*address).into())),
            Self::Domain(name) => ServerName::try_from(name.clone()).ok(),
        }
    }
}

/// Scopes of the addresses that a call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AllowedScopes {
    public: bool,
    private: bool,
    loopback: bool,
}

impl AllowedScopes {
    /// `true` if no public address may be called.
    pub(crate) fn is_local_only(self) -> bool {
        !self.public
    }

    /// Checks that an address may be called.
    ///
    /// # Errors
    /// The reason why it must not be called.
    pub(crate) fn check(self, address: IpAddr) -> Result<(), UrlError> {
        let is_allowed = match scope_of(address) {
            AddressScope::Public => self.public,
            AddressScope::Private => self.private,
            AddressScope::Loopback => self.loopback,
            AddressScope::Forbidden => return Err(UrlError::Forbidden),
        };
        if is_allowed { Ok(()) } else { Err(UrlError::NotPublic) }
    }
}

/// Parses a URL, or says why it must not be called.
pub(crate) fn check(policy: Policy, text: &str) -> Result<UrlTarget, UrlError> {
    let is_tls = spelling(text)?;
    let url = Url::parse(text).map_err(|_| UrlError::NotAUrl)?;
    let port = url.port_or_known_default().ok_or(UrlError::NotAUrl)?;
    if port == 0 {
        return Err(UrlError::Port);
    }
    let host = match url.host().ok_or(UrlError::NotAUrl)? {
        Host::Ipv4(address) => HostName::Address(address.into()),
        Host::Ipv6(address) => HostName::Address(address.into()),
        Host::Domain(name) => HostName::Domain(domain(name)?),
    };
    let allowed = allowed_scopes(policy, is_tls, &host)?;
    match &host {
        HostName::Address(address) => allowed.check(*address)?,
        HostName::Domain(name) if allowed.public && !allowed.private && is_local(name) => {
            return Err(UrlError::LocalName);
        }
        HostName::Domain(_) => {}
    }
    let authority = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    Ok(UrlTarget {
        url,
        host_port: HostPort { is_tls, host, port },
        authority: HeaderValue::try_from(authority).map_err(|_| UrlError::NotAUrl)?,
        path: PathAndQuery::try_from(path).map_err(|_| UrlError::NotAUrl)?,
        allowed,
    })
}

/// Refuses spellings that lenient parsers correct; returns `true` if the scheme is `https`.
fn spelling(text: &str) -> Result<bool, UrlError> {
    if text.chars().count() > MAX_URL_CHARS {
        return Err(UrlError::TooLong);
    }
    if text.contains(|letter: char| letter == '\\' || letter.is_control() || letter.is_whitespace()) {
        return Err(UrlError::NotAUrl);
    }
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::NotAUrl)?;
    let is_tls = scheme.eq_ignore_ascii_case("https");
    if !is_tls && !scheme.eq_ignore_ascii_case("http") {
        return Err(UrlError::NotHttps);
    }
    if rest.contains('#') {
        return Err(UrlError::Fragment);
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(UrlError::Credentials);
    }
    if authority.is_empty() {
        return Err(UrlError::NotAUrl);
    }
    Ok(is_tls)
}

/// Returns a domain name in the form in which it is resolved.
fn domain(name: &str) -> Result<String, UrlError> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if name.len() <= 253 && name.split('.').all(is_label) { Ok(name) } else { Err(UrlError::NotAUrl) }
}

/// Returns the scopes that a call to this host may use.
fn allowed_scopes(policy: Policy, is_tls: bool, host: &HostName) -> Result<AllowedScopes, UrlError> {
    let (is_this_machine, is_local) = match host {
        HostName::Address(address) => match scope_of(*address) {
            AddressScope::Public => (false, false),
            AddressScope::Private => (false, true),
            AddressScope::Loopback => (true, true),
            AddressScope::Forbidden => return Err(UrlError::Forbidden),
        },
        HostName::Domain(name) => (name == "localhost" || name.ends_with(".localhost"), is_local(name)),
    };
    let is_local_allowed = policy.allow_local_hosts && is_local;
    if !is_tls && !policy.allow_http && !is_local_allowed {
        let needs_both = is_local && !policy.allow_private_networks;
        return Err(if needs_both { UrlError::PlainHttpInPrivateNetwork } else { UrlError::PlainHttp });
    }
    Ok(if policy.allow_private_networks && (is_tls || policy.allow_http) {
        AllowedScopes { public: true, private: true, loopback: true }
    } else if is_local_allowed {
        // A name such as `host.docker.internal` has a private or a loopback address. `localhost` is always this machine.
        AllowedScopes { public: false, private: !is_this_machine, loopback: true }
    } else {
        AllowedScopes { public: true, private: false, loopback: false }
    })
}

/// `true` if the name only exists in a local network.
fn is_local(name: &str) -> bool {
    let is_below =
        |end: &str| name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !name.contains('.') || LOCAL.iter().any(|end| is_below(end))
}
