//! TLS: a send that fails during the handshake was not sent, and ALPN selects the HTTP version.

use std::sync::Arc;
use std::time::Duration;

use graph::{GraphClient, GraphConfig, Versions};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::http2::Frames;
use crate::support::{ACCEPTED, SOON, accept, accepted, is_not_sent, port, response, send};

fn acceptor(alpn: &[&[u8]]) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = CertificateDer::from_slice(include_bytes!("fixtures/server.der"));
    let key = PrivatePkcs8KeyDer::from(include_bytes!("fixtures/server.key.der").as_slice());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key))
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

async fn secure_port() -> (TcpListener, GraphConfig) {
    let (listener, config) = port().await;
    let live_base_url = config.live_base_url.replace("http://", "https://");
    let authority = CertificateDer::from_slice(include_bytes!("fixtures/authority.der"));
    (listener, GraphConfig { live_base_url, authorities: vec![authority], ..config })
}

#[tokio::test]
async fn http_1_is_used_if_the_server_supports_nothing_else() {
    let (listener, config) = secure_port().await;
    let client = GraphClient::new(&config).unwrap();
    let serve = async {
        let mut stream = acceptor(&[b"http/1.1"]).accept(accept(&listener).await).await.unwrap();
        response(&mut stream, "200 OK", ACCEPTED).await;
    };
    let (outcome, ()) = tokio::join!(send(&client), serve);
    assert_eq!(outcome, accepted());
}

#[tokio::test]
async fn http_2_is_used_if_tls_negotiates_it() {
    let (listener, config) = secure_port().await;
    let client = GraphClient::new(&config).unwrap();
    let serve = async {
        let stream = acceptor(&[b"h2", b"http/1.1"]).accept(accept(&listener).await).await.unwrap();
        let mut frames = Frames::greeted(stream).await;
        let stream = frames.request().await;
        frames.response(stream, ACCEPTED).await;
    };
    let (outcome, ()) = tokio::join!(send(&client), serve);
    assert_eq!(outcome, accepted());
}

#[tokio::test]
async fn http_2_is_not_offered_if_it_is_disabled() {
    let (listener, config) = secure_port().await;
    let client = GraphClient::new(&GraphConfig { versions: Versions::Http1, ..config }).unwrap();
    let serve = async {
        let mut stream = acceptor(&[b"h2", b"http/1.1"]).accept(accept(&listener).await).await.unwrap();
        response(&mut stream, "200 OK", ACCEPTED).await;
    };
    let (outcome, ()) = tokio::join!(send(&client), serve);
    assert_eq!(outcome, accepted());
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_means_not_sent() {
    let (listener, config) = secure_port().await;
    let client = GraphClient::new(&GraphConfig { authorities: Vec::new(), ..config }).unwrap();
    let serve = async { acceptor(&[]).accept(accept(&listener).await).await.is_err() };
    let (outcome, is_refused) = tokio::join!(send(&client), serve);
    is_not_sent(&outcome);
    assert!(is_refused);
}

#[tokio::test]
async fn a_server_without_tls_means_not_sent() {
    let (listener, config) = secure_port().await;
    let client = GraphClient::new(&config).unwrap();
    let serve = async {
        let mut stream = accept(&listener).await;
        stream.read_exact(&mut [0; 16]).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream
    };
    let (outcome, _stream) = tokio::join!(send(&client), serve);
    is_not_sent(&outcome);
}

#[tokio::test]
async fn an_interrupted_handshake_means_not_sent() {
    let (listener, config) = secure_port().await;
    let client = GraphClient::new(&config).unwrap();
    let serve = async { drop(accept(&listener).await) };
    let (outcome, ()) = tokio::join!(send(&client), serve);
    is_not_sent(&outcome);
}

#[tokio::test]
async fn an_endless_handshake_means_not_sent_with_either_timeout() {
    for (connect_timeout, timeout) in [(SOON, Duration::from_secs(10)), (Duration::from_secs(10), SOON)] {
        let (listener, config) = secure_port().await;
        let client = GraphClient::new(&GraphConfig { connect_timeout, timeout, ..config }).unwrap();
        let (outcome, _stream) = tokio::join!(send(&client), accept(&listener));
        is_not_sent(&outcome);
    }
}
