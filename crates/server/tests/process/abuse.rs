//! Attacks on the running program: bounded in count and time, on loopback only.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use engine::access::api_key::DEV_KEY;

use crate::command_line::Sandbox;
use crate::support::SOON;

/// Sends bytes on a connection of their own. Returns everything that the server answers until it closes the connection.
fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

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
