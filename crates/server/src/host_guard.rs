//! Guard of `waypost dev`: it answers only requests to a name of this machine, and no pages of other sites.
//!
//! The API key of `waypost dev` is public, so a web page knows it. A page can also give its own host name the address of this
//! machine (DNS rebinding); then the browser allows the page to read the answers. Only `Host` and `Origin` show this.
//!
//! **Invariant:** a request whose `Host` or `Origin` is neither loopback nor the host of `public_url` reaches no handler.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use domain::id::MessageId;
use engine::Deps;
use url::{Host, Url};

use crate::api::error::{ApiError, Code};
use crate::api::response;

/// Middleware that refuses foreign hosts and origins.
#[derive(Clone)]
pub(crate) struct HostGuard {
    deps: Arc<Deps>,
    /// Host of `public_url`.
    public_host: Option<Host>,
}

impl HostGuard {
    /// Creates the guard of a gateway with this public URL.
    pub(crate) fn new(deps: Arc<Deps>, public_url: Option<&str>) -> Self {
        Self { deps, public_host: public_url.and_then(|url| host_of(&Url::parse(url).ok()?)) }
    }

    /// Passes the request on, or refuses it.
    pub(crate) async fn check(State(guard): State<Self>, request: Request, next: Next) -> Response {
        let Some(message) = refusal(&request, guard.public_host.as_ref()) else {
            return next.run(request).await;
        };
        let id = guard.deps.new_id(MessageId::from_parts).to_string();
        response::with_request_id(response::failure(&ApiError::new(Code::Forbidden, message), &id), &id)
    }
}

/// Returns the reason why a request is refused.
fn refusal(request: &Request, public_host: Option<&Host>) -> Option<&'static str> {
    let is_own = |url: Option<Url>| {
        let host = url.as_ref().and_then(host_of);
        host.is_some_and(|host| is_loopback(&host) || Some(&host) == public_host)
    };
    let texts = |name| request.headers().get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    // HTTP/2 has the host in the URI.
    let authority = request.uri().authority().map(axum::http::uri::Authority::as_str);
    if !texts(header::HOST).chain(authority).all(|host| is_own(url_of_authority(host))) {
        return Some(
            "The header `Host` names neither this machine nor the host of `public_url`. `waypost dev` answers no other \
             host, because its API key is public. Call `localhost` or 127.0.0.1, or set `public_url`.",
        );
    }
    if !texts(header::ORIGIN).all(|origin| is_own(Url::parse(origin).ok())) {
        return Some(
            "The header `Origin` names a page of another site. `waypost dev` answers only pages of this machine and of \
             `public_url`, because its API key is public.",
        );
    }
    None
}

/// Returns the URL with this host and port; `None` if the text has other parts as well.
fn url_of_authority(authority: &str) -> Option<Url> {
    let has_other_parts = authority.contains(['/', '?', '#', '\\', '@']);
    if has_other_parts { None } else { Url::parse(&format!("http://{authority}")).ok() }
}

fn host_of(url: &Url) -> Option<Host> {
    url.host().map(|host| host.to_owned())
}

fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(*address).to_canonical().is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn is_refused(uri: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let public = Url::parse("https://tunnel.example/hooks").unwrap();
        refusal(&request.body(Body::empty()).unwrap(), host_of(&public).as_ref()).is_some()
    }

    #[test]
    fn only_names_of_this_machine_and_of_the_public_url_pass() {
        for good in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:1",
            "127.1.2.3",
            "[::1]:8090",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "tunnel.example",
            "tunnel.example:8443",
        ] {
            assert!(!is_refused("/", &[("host", good)]), "{good}");
            assert!(!is_refused(&format!("http://{good}/"), &[]), "{good}");
            assert!(!is_refused("/", &[("host", good), ("origin", &format!("http://{good}"))]), "{good}");
        }
        for bad in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil:80",
            "10.0.0.1",
            "0.0.0.0:8080",
            "[::2]",
            "localhost:x",
            "localhost@evil",
            "evil/localhost",
            "sub.tunnel.example",
            "",
        ] {
            assert!(is_refused("/", &[("host", bad)]), "{bad}");
            assert!(is_refused("/", &[("host", "localhost"), ("host", bad)]), "{bad}");
            assert!(is_refused("/", &[("host", "localhost"), ("origin", &format!("http://{bad}"))]), "{bad}");
        }
        assert!(is_refused("http://evil.example/", &[("host", "localhost")]));
        assert!(is_refused("/", &[("host", "localhost"), ("origin", "null")]));
        // The client of HTTP/1.0 is not a browser.
        assert!(!is_refused("/", &[]));
    }
}
