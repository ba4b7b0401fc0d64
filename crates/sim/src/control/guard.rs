//! Access to the control API: only from this machine, by a name of this machine, and from no foreign web page.
//!
//! **Invariant:** a request whose `Host` or `Origin` is not loopback never reaches a control call.

use std::net::{IpAddr, SocketAddr};

use axum::{extract::Request, middleware::Next, response::Response};
use http::header;
use serde_json::json;

use crate::{graph::json_response, serve::Wired};

/// The middleware of the control API.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    match refusal(&request) {
        Some(why) => json_response(403, &json!({"error": {"message": why}})),
        None => next.run(request).await,
    }
}

/// Returns the reason why a request is refused.
fn refusal(request: &Request) -> Option<&'static str> {
    let text =
        |name: header::HeaderName| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text(header::HOST).or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    if host.is_some_and(|host| !is_loopback_authority(host)) {
        Some("the Host is not a name of this machine")
    } else if text(header::ORIGIN).is_some_and(|origin| !is_loopback_origin(origin)) {
        Some("the Origin is foreign")
    } else if request.extensions().get::<Wired>().is_some_and(|wired| !is_loopback_peer(wired.peer)) {
        Some("the control API is for this machine only")
    } else {
        None
    }
}

fn is_loopback_peer(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}

fn is_loopback_origin(origin: &str) -> bool {
    origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
        .is_some_and(is_loopback_authority)
}

/// `localhost`, `127.x.x.x` or `[::1]`, with or without a port.
fn is_loopback_authority(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => {
            (host, rest.strip_prefix(':').or(if rest.is_empty() { None } else { Some("?") }))
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
    let is_host = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_port && is_host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_pass() {
        for good in ["localhost", "localhost:8090", "127.0.0.1:1", "127.1.2.3", "[::1]:8090", "[::1]"] {
            assert!(is_loopback_authority(good), "{good}");
        }
        for bad in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil:80",
            "10.0.0.1",
            "[::2]",
            "localhost:x",
            "localhost@evil",
            "",
        ] {
            assert!(!is_loopback_authority(bad), "{bad}");
        }
        assert!(is_loopback_origin("http://127.0.0.1:8080") && is_loopback_origin("https://localhost"));
        assert!(!is_loopback_origin("null") && !is_loopback_origin("http://evil.example"));
    }
}
