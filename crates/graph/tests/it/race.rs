//! Sends whose deadline passes while they are written: a send with the outcome `NotSent` was never received.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use domain::messages::outcome::SendOutcome;
use engine::ports::Upstream as _;
use graph::{GraphClient, GraphConfig, Versions};
use tokio::task::JoinSet;

use crate::support::{ACCEPTED, credentials};

/// A request that stops the server.
const POISON: &[u8] = b"the end";

/// Reads a connection to its end, responds to each request, and returns all received bytes.
fn listen(mut stream: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ACCEPTED}", ACCEPTED.len());
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        all.extend_from_slice(&buffer[..count]);
        if all.ends_with(b"}") {
            let _gone = stream.write_all(response.as_bytes());
        }
    }
    all
}

/// Returns everything that was received on any connection before [`POISON`].
fn serve(listener: &TcpListener) -> String {
    let mut connections = Vec::new();
    for stream in listener.incoming() {
        let stream = stream.unwrap();
        let mut first = [0; 7];
        if stream.peek(&mut first).is_ok_and(|count| first[..count] == *POISON) {
            break;
        }
        connections.push(thread::spawn(move || listen(stream)));
    }
    let all: Vec<u8> = connections.into_iter().flat_map(|connection| connection.join().unwrap()).collect();
    String::from_utf8_lossy(&all).into_owned()
}

fn outcomes(address: &str, timeout: Duration, versions: Versions) -> Vec<(String, SendOutcome)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = GraphConfig {
        live_base_url: format!("http://{address}"),
        timeout,
        versions,
        ..GraphConfig::default()
    };
    let client = Arc::new(GraphClient::new(&config).unwrap());
    runtime.block_on(async {
        let mut sends = JoinSet::new();
        for number in 0..150 {
            let client = Arc::clone(&client);
            sends.spawn(async move {
                let body = format!("{{\"number\":{number},\"mark\":\"#{number}#\"}}");
                let outcome = client.send_message(&credentials(), Bytes::from(body)).await;
                (format!("#{number}#"), outcome)
            });
        }
        sends.join_all().await
    })
}

#[test]
fn a_send_with_the_outcome_not_sent_was_never_received() {
    for versions in [Versions::Http1, Versions::Http2] {
        for milliseconds in [1, 2, 3, 5, 8, 13] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let server = thread::spawn(move || serve(&listener));
            // The runtime ends here, and its connections with it.
            let outcomes = outcomes(&address, Duration::from_millis(milliseconds), versions);
            TcpStream::connect(&address).unwrap().write_all(POISON).unwrap();
            let received = server.join().unwrap();
            let mut references = BTreeSet::new();
            for (reference, outcome) in outcomes {
                let times = received.matches(&reference).count();
                assert!(times <= 1, "{reference}: seen {times} times");
                if matches!(outcome, SendOutcome::NotSent { .. }) {
                    assert_eq!(times, 0, "{reference}: {outcome:?}");
                }
                references.insert(reference);
            }
            assert_eq!(references.len(), 150);
        }
    }
}
