//! The addresses of a name are checked at each connect.

use egress::EgressConfig;

use crate::support::{
    Caller, Names, OPEN, STRICT, accept, answer_raw, has_no_more_callers, port, request, response,
};

fn caller(policy: egress::Policy, names: &Names) -> Caller {
    Caller::new(&EgressConfig { policy, ..EgressConfig::default() }, names)
}

#[tokio::test]
async fn a_name_with_a_private_address_is_rejected_at_the_connect() {
    let (listener, _) = port().await;
    let address = listener.local_addr().unwrap();
    for resolve_to in [
        &["127.0.0.1"][..],
        &["10.0.0.1"],
        &["169.254.169.254"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["64:ff9b::7f00:1"],
        &["0.0.0.0"],
        // A public address does not make up for a private one, in either order.
        &["93.184.216.34", "127.0.0.1"],
        &["127.0.0.1", "93.184.216.34"],
        &["93.184.216.34", "2606:4700::1", "fe80::1"],
    ] {
        let names = Names::default().resolve_to("evil.example", &[resolve_to]);
        let reason =
            caller(STRICT, &names).failure(&format!("https://evil.example:{}/", address.port())).await;
        assert_eq!(reason, "the address is refused: the host is not a public address", "{resolve_to:?}");
        assert_eq!(names.lookups(), ["evil.example"]);
    }
    assert!(has_no_more_callers(listener));
}

#[tokio::test]
async fn an_address_saved_under_another_policy_is_rejected_at_the_connect() {
    let (listener, url) = port().await;
    let caller = Caller::with(STRICT);
    assert_eq!(caller.failure(&url).await, "the address is refused: the URL must begin with https://");
    let reason = caller.failure(&url.replace("http:", "https:")).await;
    assert_eq!(reason, "the address is refused: the host is not a public address");
    assert!(has_no_more_callers(listener));
}

#[tokio::test]
async fn in_development_localhost_is_this_machine_only() {
    let (listener, _) = port().await;
    let url = |name: &str| format!("http://{name}:{}/", listener.local_addr().unwrap().port());
    let policy = egress::Policy { allow_http_loopback: true, ..STRICT };
    let names = Names::default()
        .resolve_to("localhost", &[&["127.0.0.1"], &["10.0.0.1"], &["93.184.216.34"]])
        .resolve_to("evil.example", &[&["127.0.0.1"]]);
    let caller = caller(policy, &names);
    let serve = async { response(&mut accept(&listener).await, "200 OK", "").await };
    let (status, ()) = tokio::join!(caller.status(url("localhost")), serve);
    assert_eq!(status, 200);
    for _ in 0..2 {
        let reason = caller.failure(url("localhost")).await;
        assert_eq!(reason, "the address is refused: the host is not a public address");
    }
    let reason = caller.failure(url("evil.example").replace("http:", "https:")).await;
    assert_eq!(reason, "the address is refused: the host is not a public address");
}

/// DNS rebinding: the connection uses the addresses that were checked, so that a second look-up has no effect.
#[tokio::test]
async fn each_connect_resolves_and_checks_the_name_once() {
    let (listener, _) = port().await;
    let url = format!("http://shop.example:{}/", listener.local_addr().unwrap().port());
    let names = Names::default().resolve_to("shop.example", &[&["127.0.0.1"], &["169.254.169.254"]]);
    let caller = caller(OPEN, &names);
    let serve = async {
        let mut stream = accept(&listener).await;
        answer_raw(&mut stream, b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
    };
    let (status, ()) = tokio::join!(caller.status(&url), serve);
    assert_eq!(status, 200);
    assert_eq!(names.lookups(), ["shop.example"]);
    let reason = caller.failure(&url).await;
    assert_eq!(reason, "the address is refused: the host is not a public address");
    assert_eq!(names.lookups().len(), 2);
    assert!(has_no_more_callers(listener));
}

#[tokio::test]
async fn the_host_header_contains_the_name_of_the_url() {
    let (listener, _) = port().await;
    let port = listener.local_addr().unwrap().port();
    let names = Names::default().resolve_to("shop.example", &[&["127.0.0.1"]]);
    let caller = caller(OPEN, &names);
    let serve = async {
        let mut stream = accept(&listener).await;
        request(&mut stream).await.unwrap().0
    };
    let url = format!("http://Shop.Example.:{port}/a?b");
    let (_, head) = tokio::join!(caller.post(&url), serve);
    assert!(head.starts_with("POST /a?b HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nhost: shop.example.:{port}\r\n")), "{head}");
}

#[tokio::test]
async fn after_a_refused_connection_the_next_address_is_tried() {
    let (listener, _) = port().await;
    let url = format!("http://shop.example:{}/", listener.local_addr().unwrap().port());
    // No server listens on the first two addresses.
    let names = Names::default().resolve_to("shop.example", &[&["127.0.0.2", "127.0.0.3", "127.0.0.1"]]);
    let caller = caller(OPEN, &names);
    let serve = async { response(&mut accept(&listener).await, "204 No Content", "").await };
    let (status, ()) = tokio::join!(caller.status(&url), serve);
    assert_eq!(status, 204);
}

/// A port whose accept queue is full: Linux does not answer further connection attempts.
#[tokio::test]
async fn after_a_delay_without_response_the_next_address_is_tried() {
    let (listener, _) = port().await;
    let port = listener.local_addr().unwrap().port();
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind(format!("127.0.0.2:{port}").parse().unwrap()).unwrap();
    let silent = silent.listen(1).unwrap();
    let address = silent.local_addr().unwrap();
    let _in_the_queue = (
        tokio::net::TcpStream::connect(address).await.unwrap(),
        tokio::net::TcpStream::connect(address).await.unwrap(),
    );
    let names = Names::default().resolve_to("shop.example", &[&["127.0.0.2", "127.0.0.1"]]);
    let caller = caller(OPEN, &names);
    let serve = async {
        caller.clock.somebody_sleeps().await;
        caller.clock.advance(1);
        response(&mut accept(&listener).await, "204 No Content", "").await;
    };
    let (status, ()) = tokio::join!(caller.status(format!("http://shop.example:{port}/")), serve);
    assert_eq!(status, 204);
}

#[tokio::test]
async fn names_without_addresses_fail() {
    let names = Names::default().resolve_to("empty.example", &[&[]]);
    let caller = caller(STRICT, &names);
    for url in ["https://no-such.example/", "https://empty.example/"] {
        assert_eq!(caller.failure(url).await, "the name could not be found");
    }
}

#[tokio::test]
async fn a_refused_connection_fails() {
    let (listener, url) = port().await;
    drop(listener);
    assert_eq!(Caller::open().failure(&url).await, "the connection was refused");
}

#[tokio::test]
async fn the_resolver_of_the_operating_system_resolves_localhost() {
    let (listener, _) = port().await;
    let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
    let clock = crate::support::FakeClock::new();
    let client =
        egress::EgressClient::new(&EgressConfig { policy: OPEN, ..EgressConfig::default() }, clock).unwrap();
    let serve = async { response(&mut accept(&listener).await, "200 OK", "").await };
    let posting = engine::ports::WebhookSender::send_event(&client, crate::support::call(&url));
    let (posted, ()) = tokio::join!(posting, serve);
    assert!(posted.outcome.is_success(), "{posted:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (inside, target) = port().await;
    for status in [301, 302, 303, 307, 308] {
        let (listener, url) = port().await;
        let caller = Caller::open();
        let head = format!("HTTP/1.1 {status} Elsewhere\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
        let serve = async { answer_raw(&mut accept(&listener).await, head.as_bytes()).await };
        let (posted, ()) = tokio::join!(caller.post(&url), serve);
        assert!(!posted.outcome.is_success());
        assert!(matches!(
            posted.outcome,
            engine::ports::WebhookOutcome::Responded { status: responded, .. } if responded == status
        ));
        assert!(has_no_more_callers(listener));
    }
    assert!(has_no_more_callers(inside));
}
