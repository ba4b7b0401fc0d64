//! Deadlines of connections, on the paused time of tokio: no connection waits for anything but its client.

use axum::http::StatusCode;
use axum::routing::{get, post};
use bytes::Bytes;
use engine::metrics::Metrics;
use futures_util::stream;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinSet;

use super::*;
use crate::http_options::HttpOptions;
use crate::listen::connections::Connections;

/// Bytes on their way in one direction.
const WIRE: usize = 64 * 1024;
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct Server {
    connections: Arc<Connections>,
    metrics: Arc<Metrics>,
    router: Router,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

async fn wait(seconds: u64) {
    tokio::time::sleep_until(Instant::now() + Duration::from_secs(seconds)).await;
}

async fn read_body(body: Body) -> &'static str {
    if body.collect().await.is_ok() { "all" } else { "some" }
}

async fn slow_after_body(body: Body) -> &'static str {
    read_body(body).await;
    wait(600).await;
    "done"
}

/// Returns a body of `n` parts, one each 15 seconds.
fn slow_parts(n: u32) -> Body {
    Body::from_stream(stream::unfold(n, |n| async move {
        wait(15).await;
        (n > 0).then(|| (Ok::<_, Infallible>(Bytes::from_static(b": still here\n")), n - 1))
    }))
}

impl Server {
    fn new(max_connections: u32) -> Self {
        let options =
            HttpOptions { max_connections, max_connections_per_address: 100, ..HttpOptions::default() };
        let metrics = Arc::new(Metrics::new(Arc::new(crate::clock::SystemClock::new())));
        let large = || async { vec![b'a'; 1024 * 1024] };
        let slow = || async {
            wait(600).await;
            "done"
        };
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/refused", post(|| async { (StatusCode::UNAUTHORIZED, "no") }))
            .route("/large", get(large))
            .route("/body", post(read_body))
            .route("/slow", get(slow).post(slow_after_body))
            .route("/stream", get(|| async { slow_parts(40) }));
        Self {
            connections: Arc::new(Connections::new(&options, metrics.clone())),
            metrics,
            router,
            stop: CancellationToken::new(),
            tasks: JoinSet::new(),
        }
    }

    fn connect(&mut self) -> DuplexStream {
        let (client, stream) = duplex(WIRE);
        let peer: SocketAddr = "192.0.2.1:9".parse().unwrap();
        let place = self.connections.admit(peer.ip()).unwrap();
        let connection = Connection { router: self.router.clone(), peer, place };
        self.tasks.spawn(connection.run(super::super::builder(), stream, self.stop.clone()));
        client
    }

    fn n_closed(&self, reason: CloseReason) -> u64 {
        self.metrics.connections_closed.get(&[Label::Static(reason.as_str())])
    }
}

/// Reads until the server closes the connection. Returns the bytes, and the seconds until then.
async fn read_to_end(client: &mut DuplexStream, start: Instant) -> (String, u64) {
    let mut bytes = Vec::new();
    // An error is the end as well.
    let _n_read = client.read_to_end(&mut bytes).await;
    (String::from_utf8_lossy(&bytes).into_owned(), start.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_begins_no_request_is_closed() {
    for (bytes, seconds, reason) in [
        (&b""[..], 15, CloseReason::FirstBytes),
        (b"P", 15, CloseReason::FirstBytes),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", 15, CloseReason::FirstBytes),
        (b"G", 20, CloseReason::Head),
        (b"POST / HTTP/1.1\r\nhost: a\r\n", 20, CloseReason::Head),
        (b"PRI * HTTP/1.1\r\n", 20, CloseReason::Head),
    ] {
        let mut server = Server::new(10);
        let mut client = server.connect();
        let start = Instant::now();
        client.write_all(bytes).await.unwrap();
        let (answer, after) = read_to_end(&mut client, start).await;
        assert_eq!((answer.as_str(), after), ("", seconds), "{}", String::from_utf8_lossy(bytes));
        assert_eq!(server.n_closed(reason), 1);
        server.tasks.join_next().await.unwrap().unwrap();
        assert!(server.connections.admit("192.0.2.1".parse().unwrap()).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_that_come_one_by_one_do_not_move_the_deadline() {
    for (begin, seconds, reason) in
        [(&GET[..3], 20, CloseReason::Head), (&PREFACE[..3], 15, CloseReason::FirstBytes)]
    {
        let mut server = Server::new(10);
        let mut client = server.connect();
        let start = Instant::now();
        client.write_all(begin).await.unwrap();
        let rest = if begin.starts_with(b"GET") { &GET[3..] } else { &PREFACE[3..] };
        for byte in rest {
            wait(4).await;
            if client.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
        assert!(start.elapsed().as_secs() <= seconds + 4);
        assert_eq!(server.n_closed(reason), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_its_last_response() {
    let mut server = Server::new(10);
    let mut client = server.connect();
    let start = Instant::now();
    for _ in 0..5 {
        client.write_all(GET).await.unwrap();
        wait(70).await;
    }
    let (answers, after) = read_to_end(&mut client, start).await;
    assert_eq!(answers.matches("hello").count(), 5);
    assert_eq!(after, 4 * 70 + 75);
    assert_eq!(server.n_closed(CloseReason::Idle), 1);
}

#[tokio::test(start_paused = true)]
async fn an_http2_connection_without_a_request_is_closed() {
    let mut server = Server::new(10);
    let start = Instant::now();
    let stream = TokioIo::new(server.connect());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let mut client = JoinSet::new();
    client.spawn(async move {
        connection.await.ok();
    });
    let request = || Request::get("http://a/").body(Empty::<Bytes>::new()).unwrap();
    wait(70).await;
    let response = sender.send_request(request()).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    // The client still answers pings.
    client.join_next().await.unwrap().unwrap();
    assert_eq!(start.elapsed().as_secs(), 70 + 75);
    assert_eq!(server.n_closed(CloseReason::Idle), 1);
    assert!(sender.send_request(request()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn http2_headers_that_do_not_end_are_no_request() {
    let mut server = Server::new(10);
    let mut client = server.connect();
    let start = Instant::now();
    client.write_all(PREFACE).await.unwrap();
    // SETTINGS without a value, and HEADERS of stream 1 without END_HEADERS: `:method: GET`.
    client.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    client.write_all(&[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82]).await.unwrap();
    let mut n_sent = 0;
    // CONTINUATION: `:path: /`, again and again.
    while client.write_all(&[0, 0, 1, 9, 0, 0, 0, 0, 1, 0x84]).await.is_ok() {
        n_sent += 1;
        wait(4).await;
    }
    assert!(n_sent < 75 / 4 + 2, "{n_sent}");
    assert!(start.elapsed().as_secs() <= 75 + 5 + 4);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_closed() {
    let mut server = Server::new(10);
    let mut client = server.connect();
    let start = Instant::now();
    client.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    server.tasks.join_next().await.unwrap().unwrap();
    assert!((60..=65).contains(&start.elapsed().as_secs()));
    assert_eq!(server.n_closed(CloseReason::Write), 1);
}

#[tokio::test(start_paused = true)]
async fn an_http2_client_that_answers_pings_and_does_not_read_is_closed() {
    let mut server = Server::new(10);
    let start = Instant::now();
    let stream = TokioIo::new(server.connect());
    let mut client = http2::Builder::new(TokioExecutor::new());
    client.initial_stream_window_size(100_000).timer(TokioTimer::new());
    let (mut sender, connection) = client.handshake(stream).await.unwrap();
    let mut client = JoinSet::new();
    client.spawn(async move {
        connection.await.ok();
    });
    let request = Request::get("http://a/large").body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    server.tasks.join_next().await.unwrap().unwrap();
    assert!((60..=65).contains(&start.elapsed().as_secs()));
    assert_eq!(server.n_closed(CloseReason::Write), 1);
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_the_whole_response() {
    let mut server = Server::new(10);
    let mut client = server.connect();
    client.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let (mut buffer, mut n_read) = (vec![0; WIRE], 0);
    loop {
        wait(25).await;
        match client.read(&mut buffer).await.unwrap() {
            0 => break,
            n => n_read += n,
        }
    }
    assert!(n_read > 1024 * 1024);
}

#[tokio::test(start_paused = true)]
async fn slow_answers_and_streams_of_events_last() {
    for (path, end, at_least) in [("/slow", "done", 600), ("/stream", "0\r\n\r\n", 600)] {
        let mut server = Server::new(10);
        let mut client = server.connect();
        let start = Instant::now();
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let (answer, after) = read_to_end(&mut client, start).await;
        assert!(answer.ends_with(end) && after >= at_least, "{path}: {answer} after {after} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_makes_room_for_a_new_one() {
    let mut server = Server::new(2);
    let (mut silent, mut busy) = (server.connect(), server.connect());
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let start = Instant::now();
    wait(1).await;
    let mut new = server.connect();
    new.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut new, start).await.0.ends_with("hello"));
    assert_eq!(read_to_end(&mut silent, start).await, (String::new(), 1));
    assert_eq!(server.n_closed(CloseReason::Replaced), 1);
    assert!(read_to_end(&mut busy, start).await.0.ends_with("done"));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_its_whole_body_makes_room_and_one_at_work_does_not() {
    let mut server = Server::new(2);
    let (mut unfinished, mut busy) = (server.connect(), server.connect());
    unfinished.write_all(b"POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n1").await.unwrap();
    busy.write_all(b"POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\nconnection: close\r\n\r\n1")
        .await
        .unwrap();
    let start = Instant::now();
    wait(1).await;
    let mut new = server.connect();
    new.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    assert_eq!(read_to_end(&mut unfinished, start).await, (String::new(), 1));
    wait(1).await;
    assert!(server.connections.admit("192.0.2.1".parse().unwrap()).is_err());
    assert!(read_to_end(&mut busy, start).await.0.ends_with("done"));
    assert!(read_to_end(&mut new, start).await.0.ends_with("done"));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_idle_connections_and_waits_for_answers() {
    let mut server = Server::new(10);
    let (mut silent, mut idle, mut busy) = (server.connect(), server.connect(), server.connect());
    idle.write_all(GET).await.unwrap();
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let start = Instant::now();
    wait(1).await;
    server.stop.cancel();
    assert_eq!(read_to_end(&mut silent, start).await, (String::new(), 1));
    assert_eq!(read_to_end(&mut idle, start).await.1, 1);
    let (answer, after) = read_to_end(&mut busy, start).await;
    assert!(answer.ends_with("done"));
    assert_eq!(after, 600);
    while server.tasks.join_next().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn http2_requests_that_are_canceled_at_once_end_the_connection() {
    let mut server = Server::new(10);
    let mut client = server.connect();
    let mut frames = PREFACE.to_vec();
    frames.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    for stream in (1_u8..200).step_by(2) {
        // HEADERS with END_STREAM and END_HEADERS (`GET http:/`), and RST_STREAM with CANCEL.
        frames.extend([0, 0, 3, 1, 5, 0, 0, 0, stream, 0x82, 0x84, 0x86]);
        frames.extend([0, 0, 4, 3, 0, 0, 0, 0, stream, 0, 0, 0, 8]);
    }
    let start = Instant::now();
    client.write_all(&frames).await.unwrap();
    let (answer, after) = read_to_end(&mut client, start).await;
    assert!(answer.contains("too_many_resets") && after < 15, "{answer:?} after {after} s");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_too_large_is_refused() {
    let mut server = Server::new(10);
    let mut client = server.connect();
    let start = Instant::now();
    let head = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "a".repeat(40_000));
    client.write_all(head.as_bytes()).await.unwrap();
    let (answer, after) = read_to_end(&mut client, start).await;
    assert!(answer.starts_with("HTTP/1.1 431 ") && after == 0, "{answer} after {after} s");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_its_whole_body_first_gets_the_refusal() {
    let mut server = Server::new(10);
    let mut client = server.connect();
    let body = vec![b'a'; 1024 * 1024];
    let head = format!("POST /refused HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len());
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(&body).await.unwrap();
    let start = Instant::now();
    let (answer, after) = read_to_end(&mut client, start).await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && after == 0, "{answer} after {after} s");
    // A client that does not close the connection is not waited for.
    server.tasks.join_next().await.unwrap().unwrap();
    assert_eq!(start.elapsed().as_secs(), 2);
}
