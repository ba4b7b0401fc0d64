//! Attacks with many connections.

use crate::harness::wait_for;
use crate::support::SOON;

use super::target::{Target, exchange, open, status_line};

const MB: u64 = 1024;

#[test]
fn connections_without_a_request_take_no_place() {
    let mut target = Target::start(&[("WAYPOST_MAX_CONNECTIONS", "64")]);
    target.withstand(64 * MB, |target| {
        let beginnings: [&[u8]; 6] = [
            b"",
            b"P",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\0\0\0\0\x01\x82",
            b"POST /api/messages/send HTTP/1.1\r\nhost: a\r\n",
        ];
        let all: Vec<_> =
            beginnings.iter().cycle().take(300).map(|bytes| open(target.address(), bytes)).collect();
        // The page of metrics has a connection of its own.
        assert!(target.metric("waypost_connections ") <= 64 + 1);
        wait_for("the end of replaced connections", SOON, || {
            let n = target.metric("waypost_connections_closed_total{reason=\"replaced\"}");
            Ok((n >= 300 - 64).then_some(()))
        })
        .unwrap();
        assert_eq!(target.metric("waypost_connections_refused_total"), 0);
        all
    });
}

#[test]
fn clients_that_do_not_read_hold_little_memory() {
    let mut target = Target::start(&[]);
    target.withstand(64 * MB, |target| {
        let request = b"GET /api/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100);
        (0..50).map(|_| open(target.address(), &request)).collect::<Vec<_>>()
    });
}

#[test]
fn a_key_cannot_open_streams_of_events_without_end() {
    let mut target = Target::start(&[]);
    target.withstand(64 * MB, |target| {
        let request =
            format!("GET /api/events/stream HTTP/1.1\r\nhost: a\r\nx-api-key: {}\r\n\r\n", target.key());
        let mut streams = Vec::new();
        for n in 0..1_000 {
            let mut stream = open(target.address(), request.as_bytes());
            let status = status_line(&mut stream);
            let expected = if n < 16 { "HTTP/1.1 200 OK" } else { "HTTP/1.1 429 Too Many Requests" };
            assert_eq!(status, expected, "{n}");
            if n < 16 || n % 10 == 0 {
                streams.push(stream);
            }
        }
        streams
    });
}

#[test]
fn unsigned_webhooks_do_not_fill_the_log() {
    let mut target = Target::start(&[]);
    let log = target.environment.directory.path("serve.log");
    let size = || std::fs::metadata(&log).unwrap().len();
    let before = size();
    target.withstand(64 * MB, |target| {
        let post = b"POST /webhooks/meta HTTP/1.1\r\nhost: a\r\nx-hub-signature-256: sha256=00\r\n\
                     content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        let mut last = post.strip_suffix(b"\r\n\r\n{}").unwrap().to_vec();
        last.extend_from_slice(b"\r\nconnection: close\r\n\r\n{}");
        for _ in 0..10 {
            let mut posts = post.repeat(199);
            posts.extend_from_slice(&last);
            let answers = exchange(target.address(), &posts);
            assert_eq!(answers.matches("HTTP/1.1 401 ").count(), 200);
        }
        assert_eq!(target.metric("waypost_webhook_payloads_total{outcome=\"unsigned\"}"), 2_000);
    });
    let grown = size() - before;
    assert!(grown < 16 * 1024, "the log grew by {grown} bytes");
}

#[test]
fn a_query_of_many_parameters_costs_little() {
    let mut target = Target::start(&[]);
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    let names = |n: u32| (0..n).map(|n| format!("a{n:x}")).collect::<Vec<_>>().join("&");
    let cpu_of = |target: &Target, request: &str, status: &str| {
        let before = target.cpu();
        for _ in 0..200 {
            let answer = exchange(target.address(), request.as_bytes());
            assert!(answer.starts_with(status), "{}", answer.lines().next().unwrap_or_default());
        }
        target.cpu() - before
    };
    target.withstand(48 * MB, |target| {
        let plain = cpu_of(target, &request("/api/openapi.json"), "HTTP/1.1 200 ");
        for (n, status) in [(1_500, "HTTP/1.1 400 "), (5_000, "HTTP/1.1 400 "), (16_000, "HTTP/1.1 431 ")] {
            let attack = cpu_of(target, &request(&format!("/api/openapi.json?{}", names(n))), status);
            // 20 hundredths are the accuracy of the clock, and the work of the background.
            assert!(attack <= 2 * plain + 20, "{n} parameters: {attack}, none: {plain}");
        }
    });
}
