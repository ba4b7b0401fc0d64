//! The addresses of a name are checked at each connect.

use std::io;
use std::sync::Arc;

use egress::EgressConfig;
use engine::ports::{UrlError, WebhookOutcome};

use crate::support::{
    Caller, Names, OPEN, STRICT, accept, answer_raw, has_no_more_callers, port, request, response,
};

fn caller(policy: egress::Policy, names: &Names) -> Caller {
    Caller::new(&EgressConfig { policy, ..EgressConfig::default() }, names)
}

fn not_allowed(error: UrlError) -> String {
    format!("the address is not allowed: {error}")
}

#[tokio::test]
async fn a_name_with_a_private_address_is_rejected_at_the_connect() {
    let (listener, _) = port().await;
    let address = listener.local_addr().unwrap();
    for (resolve_to, expected) in [
        (&["127.0.0.1"][..], UrlError::NotPublic),
        (&["10.0.0.1"], UrlError::NotPublic),
        (&["169.254.169.254"], UrlError::Forbidden),
        (&["::1"], UrlError::NotPublic),
        (&["::ffff:127.0.0.1"], UrlError::Forbidden),
        (&["64:ff9b::7f00:1"], UrlError::Forbidden),
        (&["0.0.0.0"], UrlError::Forbidden),
        // A public address does not make up for a private one, in either order.
        (&["93.184.216.34", "127.0.0.1"], UrlError::NotPublic),
        (&["127.0.0.1", "93.184.216.34"], UrlError::NotPublic),
        (&["93.184.216.34", "2606:4700::1", "fe80::1"], UrlError::Forbidden),
    ] {
        let names = Names::default().resolve_to("evil.example", &[resolve_to]);
        let reason =
            caller(STRICT, &names).failure(&format!("https://evil.example:{}/", address.port())).await;
        assert_eq!(reason, not_allowed(expected), "{resolve_to:?}");
        assert_eq!(names.lookups(), ["evil.example"]);
    }
    assert!(has_no_more_callers(listener));
}

#[tokio::test]
async fn an_address_saved_under_another_policy_is_rejected_at_the_connect() {
    let (listener, url) = port().await;
    let caller = Caller::with(STRICT);
    assert_eq!(caller.failure(&url).await, not_allowed(UrlError::PlainHttpInPrivateNetwork));
    let reason = caller.failure(&url.replace("http:", "https:")).await;
    assert_eq!(reason, not_allowed(UrlError::NotPublic));
    assert!(has_no_more_callers(listener));
}

#[tokio::test]
async fn in_development_localhost_is_this_machine_only() {
    let (listener, _) = port().await;
    let url = |name: &str| format!("http://{name}:{}/", listener.local_addr().unwrap().port());
    let policy = egress::Policy { allow_local_hosts: true, ..STRICT };
    let names = Names::default()
        .resolve_to("localhost", &[&["127.0.0.1"], &["10.0.0.1"], &["93.184.216.34"]])
        .resolve_to("evil.example", &[&["127.0.0.1"]]);
    let caller = caller(policy, &names);
    let serve = async { response(&mut accept(&listener).await, "200 OK", "").await };
    let (status, ()) = tokio::join!(caller.status(url("localhost")), serve);
    assert_eq!(status, 200);
    for _ in 0..2 {
        let reason = caller.failure(url("localhost")).await;
        assert_eq!(reason, not_allowed(UrlError::NotPublic));
    }
    let reason = caller.failure(url("evil.example").replace("http:", "https:")).await;
    assert_eq!(reason, not_allowed(UrlError::NotPublic));
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
    assert_eq!(reason, not_allowed(UrlError::Forbidden));
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
        let reason = caller.failure(url).await;
        let name = url.trim_start_matches("https://").trim_end_matches('/');
        assert_eq!(reason, format!("the host name {name} does not exist in DNS, or has no address"));
    }
}

#[tokio::test]
async fn a_failed_look_up_is_not_an_unknown_name() {
    struct BrokenResolver;
    impl egress::NameResolver for BrokenResolver {
        fn resolve(&self, _: &str) -> egress::Resolving {
            Box::pin(async { Err(io::Error::other("Temporary failure in name resolution")) })
        }
    }
    let clock = crate::support::FakeClock::new();
    let client =
        egress::EgressClient::with_resolver(&EgressConfig::default(), clock, Arc::new(BrokenResolver))
            .unwrap();
    let posting =
        engine::ports::WebhookSender::send_event(&client, crate::support::call("https://a.example/"));
    assert_eq!(
        crate::support::reason(posting.await),
        "the host name a.example could not be resolved: no DNS server answered (Temporary failure in name resolution)"
    );
}

#[tokio::test]
async fn in_development_a_local_name_is_not_a_metadata_service_or_a_public_address() {
    let (listener, _) = port().await;
    let url = format!("http://shop.internal:{}/", listener.local_addr().unwrap().port());
    let policy = egress::Policy { allow_local_hosts: true, ..STRICT };
    let names = Names::default()
        .resolve_to("shop.internal", &[&["127.0.0.1"], &["169.254.169.254"], &["93.184.216.34"]]);
    let caller = caller(policy, &names);
    let serve = async {
        let mut stream = accept(&listener).await;
        answer_raw(&mut stream, b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
    };
    let (status, ()) = tokio::join!(caller.status(&url), serve);
    assert_eq!(status, 200);
    assert_eq!(caller.failure(&url).await, not_allowed(UrlError::Forbidden));
    assert_eq!(caller.failure(&url).await, not_allowed(UrlError::NotPublic));
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
        let head = format!(
            "HTTP/1.1 {status} Elsewhere\r\nlocation: {target}?key=secret\r\ncontent-length: 0\r\n\r\n"
        );
        let serve = async { answer_raw(&mut accept(&listener).await, head.as_bytes()).await };
        let (posted, ()) = tokio::join!(caller.post(&url), serve);
        assert!(!posted.outcome.is_success());
        let redirect_to = Some(format!("{target}?…"));
        let body = String::new();
        assert_eq!(
            posted.outcome,
            WebhookOutcome::Responded { status, body, retry_after: None, redirect_to }
        );
        assert!(has_no_more_callers(listener));
    }
    assert!(has_no_more_callers(inside));
}
