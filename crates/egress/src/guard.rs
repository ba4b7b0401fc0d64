//! Which URLs may be called.
//!
//! A URL is read once, as browsers read it, and what was read is what is dialled: a spelling that another reader takes
//! for another host gains nothing. Numbers in odd bases, percent signs and full-width digits have become an address
//! before it is judged.

use std::net::IpAddr;

use engine::ports::{MAX_URL_CHARS, UrlError};
use http::HeaderValue;
use http::uri::PathAndQuery;
use rustls::pki_types::ServerName;
use url::{Host, Url};

use crate::address::{Reach, reach};
use crate::config::Policy;

/// Names that lead into a local network, whatever is before them.
const LOCAL: [&str; 5] = ["internal", "local", "localdomain", "localhost", "home.arpa"];

/// A URL that may be called, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) place: Place,
    /// The value of `Host`.
    pub(crate) authority: HeaderValue,
    pub(crate) path: PathAndQuery,
    /// What its name may lead to.
    pub(crate) may: May,
}

/// What a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) is_tls: bool,
    pub(crate) host: Name,
    pub(crate) port: u16,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// An address.
    Address(IpAddr),
    /// A name, in lower case, without a dot at its end.
    Domain(String),
}

impl Name {
    /// The name as a certificate must vouch for it.
    pub(crate) fn for_tls(&self) -> Option<ServerName<'static>> {
        match self {
            Self::Address(address) => Some(ServerName::IpAddress((*address).into())),
            Self::Domain(name) => ServerName::try_from(name.clone()).ok(),
        }
    }
}

/// How far the addresses of a call may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct May {
    public: bool,
    private: bool,
    loopback: bool,
}

impl May {
    /// Whether this address may be called.
    pub(crate) fn call(self, address: IpAddr) -> bool {
        match reach(address) {
            Reach::Public => self.public,
            Reach::Private => self.private,
            Reach::Loopback => self.loopback,
            Reach::Never => false,
        }
    }
}

/// Reads a URL and says why it may not be called.
pub(crate) fn check(policy: Policy, text: &str) -> Result<Target, UrlError> {
    let is_tls = spelling(text)?;
    let url = Url::parse(text).map_err(|_| UrlError::NotAUrl)?;
    let port = url.port_or_known_default().ok_or(UrlError::NotAUrl)?;
    if port == 0 {
        return Err(UrlError::Port);
    }
    let host = match url.host().ok_or(UrlError::NotAUrl)? {
        Host::Ipv4(address) => Name::Address(address.into()),
        Host::Ipv6(address) => Name::Address(address.into()),
        Host::Domain(name) => Name::Domain(domain(name)?),
    };
    let may = may(policy, is_tls, &host)?;
    match &host {
        Name::Address(address) if !may.call(*address) => return Err(UrlError::NotPublic),
        Name::Domain(name) if may.public && !may.private && is_local(name) => {
            return Err(UrlError::LocalName);
        }
        Name::Address(_) | Name::Domain(_) => {}
    }
    let authority = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    Ok(Target {
        place: Place { is_tls, host, port },
        authority: HeaderValue::try_from(authority).map_err(|_| UrlError::NotAUrl)?,
        path: PathAndQuery::try_from(path).map_err(|_| UrlError::NotAUrl)?,
        may,
    })
}

/// Refuses what a lenient reader would mend, and says whether the scheme is https.
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

/// A name as it is looked up.
fn domain(name: &str) -> Result<String, UrlError> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if name.len() <= 253 && name.split('.').all(is_label) { Ok(name) } else { Err(UrlError::NotAUrl) }
}

/// How far a call to this host may reach.
fn may(policy: Policy, is_tls: bool, host: &Name) -> Result<May, UrlError> {
    let is_this_machine = match host {
        Name::Address(address) => reach(*address) == Reach::Loopback,
        Name::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
    };
    let is_dev = policy.allow_http_loopback && is_this_machine;
    if is_tls || policy.allow_http {
        if policy.allow_private_networks {
            return Ok(May { public: true, private: true, loopback: true });
        }
        return Ok(May { public: !is_dev, private: false, loopback: is_dev });
    }
    if is_dev { Ok(May { public: false, private: false, loopback: true }) } else { Err(UrlError::NotHttps) }
}

/// Whether a name means something in a local network only.
fn is_local(name: &str) -> bool {
    let is_below =
        |end: &str| name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !name.contains('.') || LOCAL.iter().any(|end| is_below(end))
}
