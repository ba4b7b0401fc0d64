//! Attacks on the running program: bounded in count and time, on loopback only.

mod bodies;
mod connections;
mod logins;
mod target;

use engine::access::api_key::DEV_KEY;

use self::target::exchange;
use crate::command_line::Sandbox;

#[test]
fn a_web_page_that_renames_this_machine_cannot_use_the_sandbox() {
    let sandbox = Sandbox::start();
    let address = sandbox.directory.gateway;
    let call = |method: &str, path: &str, headers: &str| {
        let request =
            format!("{method} {path} HTTP/1.1\r\n{headers}X-API-Key: {DEV_KEY}\r\nConnection: close\r\n\r\n");
        exchange(address, request.as_bytes())
    };
    for path in
        ["/api/messages", "/api/me", "/metrics", "/healthz", "/docs", "/webhooks/meta", "/api/events/stream"]
    {
        let rebound =
            call("GET", path, "Host: rebound.example:8080\r\nOrigin: http://rebound.example:8080\r\n");
        assert!(rebound.starts_with("HTTP/1.1 403 ") && rebound.contains("public_url"), "{path}: {rebound}");
        let foreign = call("GET", path, &format!("Host: {address}\r\nOrigin: http://evil.example\r\n"));
        assert!(foreign.starts_with("HTTP/1.1 403 ") && foreign.contains("Origin"), "{path}: {foreign}");
    }
    let own = call("GET", "/api/messages", &format!("Host: {address}\r\nOrigin: http://{address}\r\n"));
    assert!(own.starts_with("HTTP/1.1 200 "), "{own}");
}
