//! Bounds of bodies on connections: `Expect: 100-continue`, and many streams of HTTP/2.

use std::convert::Infallible;

use axum::http::{Request, StatusCode};
use bytes::Bytes;
use engine::access::api_key::DEV_KEY;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http_body_util::StreamBody;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use server::http_options::{BodyMemory, HttpOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinSet;

use crate::body_bounds::memory_in_use;
use crate::support::TestApp;

/// Serves one connection, and returns the client's end.
fn connect(app: &TestApp, tasks: &mut JoinSet<()>) -> DuplexStream {
    let (client, served) = tokio::io::duplex(1 << 16);
    let service = TowerToHyperService::new(app.router.clone());
    tasks.spawn(async move {
        let builder = Builder::new(TokioExecutor::new());
        drop(builder.serve_connection(TokioIo::new(served), service).await);
    });
    client
}

/// Reads until the text ends with a line.
async fn read_until(client: &mut DuplexStream, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let mut bytes = [0; 4096];
        let n = client.read(&mut bytes).await.unwrap();
        assert_ne!(n, 0, "{text}");
        text.push_str(std::str::from_utf8(&bytes[..n]).unwrap());
    }
    text
}

#[tokio::test]
async fn a_refused_request_is_not_asked_for_its_body() {
    let app = TestApp::new().await;
    let mut tasks = JoinSet::new();
    let head = |key: &str, path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\n{key}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
    };
    for (key, path, status) in [
        ("", "/api/contacts", "401"),
        ("", "/webhooks/meta", "401"),
        ("X-API-Key: wp_test_wrong\r\n", "/api/messages/send", "401"),
    ] {
        let mut client = connect(&app, &mut tasks);
        client.write_all(head(key, path).as_bytes()).await.unwrap();
        let answer = read_until(&mut client, "\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
    let mut client = connect(&app, &mut tasks);
    let key = format!("X-API-Key: {DEV_KEY}\r\n");
    client.write_all(head(&key, "/api/contacts").as_bytes()).await.unwrap();
    assert_eq!(read_until(&mut client, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"{}").await.unwrap();
    let answer = read_until(&mut client, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn the_streams_of_an_http2_connection_share_the_memory() {
    const STREAMS: usize = 30;
    let mut app = TestApp::new().await;
    let options = HttpOptions { max_body_memory: BodyMemory(160_000), ..HttpOptions::default() };
    app.router = server::run::router(&app.deps, options);
    let mut tasks = JoinSet::new();
    let client = connect(&app, &mut tasks);
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client));
    let (sender, connection) = handshake.await.unwrap();
    tasks.spawn(async move { drop(connection.await) });
    let mut answers = FuturesUnordered::new();
    for _ in 0..STREAMS {
        let piece = http_body::Frame::data(Bytes::from(vec![b' '; 4500]));
        let pieces = futures_util::stream::iter([Ok::<_, Infallible>(piece)]);
        let body = StreamBody::new(pieces.chain(futures_util::stream::pending()));
        let request = Request::post("http://localhost/api/auth/login").body(body).unwrap();
        answers.push(sender.clone().send_request(request));
    }
    // Four streams have 9000 bytes each. The memory of strangers is 40,000 bytes.
    for _ in 0..STREAMS - 4 {
        let answer = answers.next().await.unwrap().unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()["retry-after"], "1");
    }
    assert_eq!(memory_in_use(&app).await, 36_000);
    app.send_text(crate::support::CUSTOMER).await.expect(200);
    drop((answers, sender));
    while memory_in_use(&app).await > 0 {
        tokio::task::yield_now().await;
    }
}
