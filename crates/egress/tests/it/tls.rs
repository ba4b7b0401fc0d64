//! TLS: the certificate must be valid for the name in the URL, for every address of the name.

use std::sync::Arc;

use egress::EgressConfig;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::{Caller, Names, OPEN, accept, closed, port, response};

fn acceptor() -> TlsAcceptor {
    acceptor_with(include_bytes!("fixtures/server.der"), include_bytes!("fixtures/server.key.der"))
}

fn acceptor_with(certificate: &'static [u8], key: &'static [u8]) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = CertificateDer::from_slice(certificate);
    let key = PrivatePkcs8KeyDer::from(key);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key))
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// A listener with TLS, and a client that trusts its authority. The certificate is for `localhost` and 127.0.0.1.
async fn secure_port() -> (TcpListener, Caller, impl Fn(&str) -> String) {
    let (listener, _) = port().await;
    let port = listener.local_addr().unwrap().port();
    let names = Names::default()
        .resolve_to("localhost", &[&["127.0.0.1"]])
        .resolve_to("other.example", &[&["127.0.0.1"]]);
    let authorities = vec![CertificateDer::from_slice(include_bytes!("fixtures/authority.der"))];
    let caller = Caller::new(&EgressConfig { policy: OPEN, authorities, ..EgressConfig::default() }, &names);
    (listener, caller, move |name| format!("https://{name}:{port}/"))
}

#[tokio::test]
async fn a_certificate_for_the_name_is_accepted_and_the_connection_reused() {
    let (listener, caller, url) = secure_port().await;
    for name in ["localhost", "127.0.0.1", "localhost."] {
        let serve = async {
            let mut stream = acceptor().accept(accept(&listener).await).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
            response(&mut stream, "200 OK", "").await;
            let head = crate::support::request(&mut stream).await.unwrap().0;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                .await
                .unwrap();
            stream.flush().await.unwrap();
            head
        };
        let posts = async { (caller.status(url(name)).await, caller.status(url(name)).await) };
        let (statuses, _) = tokio::join!(posts, serve);
        assert_eq!(statuses, (200, 200));
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_rejected() {
    let (listener, caller, url) = secure_port().await;
    let serve = async { acceptor().accept(accept(&listener).await).await.is_err() };
    let (reason, is_refused) = tokio::join!(caller.failure(url("other.example")), serve);
    assert!(is_refused);
    assert_eq!(
        reason,
        "TLS with other.example failed: the certificate is not valid for the name other.example"
    );
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_rejected() {
    let (listener, _, url) = secure_port().await;
    let caller = Caller::open();
    let serve = async { acceptor().accept(accept(&listener).await).await.is_err() };
    let (reason, is_refused) = tokio::join!(caller.failure(url("127.0.0.1")), serve);
    assert!(is_refused);
    assert!(
        reason.starts_with("TLS with 127.0.0.1 failed: the issuer of the certificate is not trusted"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_rejected() {
    let (listener, _, url) = secure_port().await;
    let names = Names::default().resolve_to("localhost", &[&["127.0.0.1"]]);
    let authorities = vec![CertificateDer::from_slice(include_bytes!("fixtures/expired-authority.der"))];
    let caller = Caller::new(&EgressConfig { policy: OPEN, authorities, ..EgressConfig::default() }, &names);
    let acceptor =
        acceptor_with(include_bytes!("fixtures/expired.der"), include_bytes!("fixtures/expired.key.der"));
    let serve = async { acceptor.accept(accept(&listener).await).await.is_err() };
    let (reason, is_refused) = tokio::join!(caller.failure(url("localhost")), serve);
    assert!(is_refused);
    assert_eq!(reason, "TLS with localhost failed: the certificate has expired");
}

#[tokio::test]
async fn an_interrupted_or_invalid_handshake_fails() {
    let (listener, caller, url) = secure_port().await;
    let serve = async { drop(accept(&listener).await) };
    let (reason, ()) = tokio::join!(caller.failure(url("localhost")), serve);
    assert_eq!(reason, "TLS with localhost failed: the connection was closed during the handshake");
    let serve = async {
        let mut stream = accept(&listener).await;
        stream.read_exact(&mut [0; 16]).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        closed(&mut stream).await;
    };
    let (reason, ()) = tokio::join!(caller.failure(url("localhost")), serve);
    assert_eq!(reason, "TLS with localhost failed: the server does not speak TLS at this port");
}

#[tokio::test]
async fn an_endless_handshake_fails_at_the_deadline() {
    let (listener, caller, url) = secure_port().await;
    let serve = async {
        let mut stream = accept(&listener).await;
        stream.read_exact(&mut [0; 16]).await.unwrap();
        caller.clock.advance(15);
        closed(&mut stream).await;
    };
    let (reason, ()) = tokio::join!(caller.failure(url("localhost")), serve);
    assert_eq!(reason, "no response within 15 s");
}
