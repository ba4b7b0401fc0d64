//! Attacks with bodies that do not end, on many connections and on one connection of HTTP/2.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::http::Request;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::{Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinSet;

use super::target::{Target, exchange, open, status_line};

const MB: u64 = 1024;
/// Memory that all bodies may use together, and the rest of the gateway under load.
const BODIES: u64 = (128 + 64) * MB;
/// Signature with the right form.
const SIGNATURE: &str =
    "x-hub-signature-256: sha256=0000000000000000000000000000000000000000000000000000000000000000";

#[test]
fn bodies_one_byte_short_use_bounded_memory() {
    let mut target = Target::start(&[]);
    for (path, size) in [("/webhooks/meta", 4 * 1024 * 1024), ("/api/auth/login", 16_000)] {
        target.withstand(BODIES, |target| {
            let mut request = format!(
                "POST {path} HTTP/1.1\r\nhost: a\r\n{SIGNATURE}\r\ncontent-type: application/json\r\n\
                 content-length: {size}\r\n\r\n"
            )
            .into_bytes();
            request.resize(request.len() + size - 1, b' ');
            (0..300).map(|_| open(target.address(), &request)).collect::<Vec<_>>()
        });
    }
}

#[test]
fn a_refusal_reaches_a_client_that_sends_its_whole_body_first() {
    let mut target = Target::start(&[]);
    target.withstand(64 * MB, |target| {
        for (path, status) in
            [("/api/auth/login", 413), ("/webhooks/meta", 401), ("/api/contacts", 401), ("/api/media", 401)]
        {
            let mut request = format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 5000000\r\n\r\n");
            request.push_str(&" ".repeat(5_000_000));
            let answer = exchange(target.address(), request.as_bytes());
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        }
    });
}

#[test]
fn one_connection_of_http2_uses_bounded_memory() {
    let mut target = Target::start(&[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    target.withstand(BODIES, |target| runtime.block_on(unfinished_streams(target.address())));
}

/// Opens 200 requests on one connection, each with a body that does not end. Asserts that another connection is answered
/// meanwhile.
async fn unfinished_streams(address: SocketAddr) -> JoinSet<()> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        connection.await.ok();
    });
    for _ in 0..200 {
        let part = Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b' '; 15_000])));
        let body = StreamBody::new(stream::iter([part]).chain(stream::pending()));
        let request = Request::post("http://a/api/auth/login").header("content-type", "application/json");
        let answer = sender.send_request(request.body(body).unwrap());
        tasks.spawn(async move {
            answer.await.ok();
        });
    }
    // The connection has 100 streams at a time: a request on another connection does not wait for them.
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut other, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tasks.spawn(async move {
        connection.await.ok();
    });
    let request = Request::get("http://a/healthz").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(other.send_request(request).await.unwrap().status(), 200);
    tasks
}

#[test]
fn a_form_without_an_end_uses_bounded_memory() {
    let mut target = Target::start(&[]);
    target.withstand(64 * MB, |target| {
        let head = format!(
            "POST /api/media HTTP/1.1\r\nhost: a\r\nx-api-key: {}\r\n\
             content-type: multipart/form-data; boundary=b\r\ncontent-length: 90000000\r\n\r\n",
            target.key()
        );
        for begin in ["--b\r\nx: ", "", "--b\r\ncontent-disposition: form-data; name=\"other\"\r\n\r\n"] {
            let mut request = format!("{head}{begin}");
            request.push_str(&"a".repeat(8_000_000));
            let mut stream = open(target.address(), request.as_bytes());
            let status = status_line(&mut stream);
            assert!(status.starts_with("HTTP/1.1 4"), "{begin:?}: {status}");
        }
    });
}
