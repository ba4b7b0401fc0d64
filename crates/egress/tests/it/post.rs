//! The request of a webhook call, and all outcomes of the call.

use std::time::Duration;

use bytes::Bytes;
use egress::{EgressClient, EgressConfig};
use engine::ports::{WebhookOutcome, WebhookRequest, WebhookSender as _};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{
    Caller, FakeClock, OPEN, SECRET, START, accept, answer_raw, call, closed, port, reason, request, response,
};

fn responded(status: u16, body: &str) -> WebhookOutcome {
    WebhookOutcome::Responded { status, body: body.to_owned(), retry_after: None, redirect_to: None }
}

#[tokio::test]
async fn a_request_has_the_event_its_headers_and_both_signatures() {
    let (listener, url) = port().await;
    let address = listener.local_addr().unwrap();
    let call = WebhookRequest {
        headers: vec![
            ("Authorization".to_owned(), SecretString::from("Bearer abc")),
            ("X-Shop".to_owned(), SecretString::from("seven")),
        ],
        body: Bytes::from_static(br#"{"test": 2432232314}"#),
        event_id: "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(),
        at: Timestamp::from_second(1_614_265_330).unwrap(),
        secrets: vec![
            SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            SecretString::from(SECRET),
        ],
        is_redelivery: true,
        ..call(&url)
    };
    let serve = async {
        let mut stream = accept(&listener).await;
        let request = request(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        request
    };
    let caller = Caller::open();
    let (posted, (head, body)) = tokio::join!(caller.post_call(call), serve);
    assert_eq!(posted.outcome, responded(200, "ok"));
    assert_eq!(body, r#"{"test": 2432232314}"#);
    let mut lines: Vec<_> = head.lines().collect();
    lines[1..].sort_unstable();
    assert_eq!(
        lines,
        [
            "POST /hook HTTP/1.1",
            "authorization: Bearer abc",
            "content-length: 20",
            "content-type: application/json",
            &format!("host: {address}"),
            concat!("user-agent: Waypost/", env!("CARGO_PKG_VERSION")),
            "waypost-redelivery: true",
            "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,O4Gjv1HqPqsMrjmczoggs/sWA8gZD0VyHG+fLh4+ktI=",
            "webhook-timestamp: 1614265330",
            "x-shop: seven",
            "x-webhook-signature-previous: 4685c9d16f64a759d47846eae0e4f6c75bedef25470e9a0e099c5a56f2f5571f",
            "x-webhook-signature: 80ec8a89ce3cd22133a1066caecb4d04fea7467657c8514d717ec42c38a5c94c",
        ]
    );
}

#[tokio::test]
async fn an_endpoint_can_override_the_user_agent_and_only_redeliveries_are_marked() {
    let (listener, url) = port().await;
    let headers = vec![("user-agent".to_owned(), SecretString::from("shop/1"))];
    let call = WebhookRequest { headers, ..call(&url) };
    let serve = async { request(&mut accept(&listener).await).await.unwrap().0 };
    let caller = Caller::open();
    let (_, head) = tokio::join!(caller.post_call(call), serve);
    assert!(head.contains("\r\nuser-agent: shop/1"), "{head}");
    assert!(!head.contains("Waypost/") && !head.contains("redelivery"), "{head}");
}

#[tokio::test]
async fn an_invalid_header_or_secret_prevents_the_whole_request() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    for (name, value) in [
        ("Host", "elsewhere"),
        ("content-length", "0"),
        ("X-Webhook-Signature", "forged"),
        ("webhook-id", "forged"),
        ("X-A", "two\r\nlines: x"),
        ("two\r\nlines", "x"),
    ] {
        let headers = vec![(name.to_owned(), SecretString::from(value))];
        let posted = caller.post_call(WebhookRequest { headers, ..call(&url) }).await;
        assert_eq!(reason(posted), "a header of the endpoint cannot be sent", "{name}");
    }
    let secrets = vec![SecretString::from("hunter2")];
    let posted = caller.post_call(WebhookRequest { secrets, ..call(&url) }).await;
    assert_eq!(reason(posted), "the endpoint has no secret with the format `whsec_` followed by base64");
    assert!(crate::support::has_no_more_callers(listener));
}

#[tokio::test]
async fn only_2xx_is_a_success() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    for (status, is_success) in
        [(200, true), (204, true), (299, true), (300, false), (404, false), (410, false), (500, false)]
    {
        let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n\r\n");
        let serve = async { answer_raw(&mut accept(&listener).await, head.as_bytes()).await };
        let (posted, ()) = tokio::join!(caller.post(&url), serve);
        assert_eq!(posted.outcome, responded(status, ""));
        assert_eq!(posted.outcome.is_success(), is_success, "{status}");
    }
}

#[tokio::test]
async fn retry_after_is_read_in_both_formats() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    // The clock is at 2026-01-01T00:00:00Z.
    for value in ["90", "Thu, 01 Jan 2026 00:01:30 GMT"] {
        let head = format!(
            "HTTP/1.1 503 Later\r\nretry-after: {value}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        let serve = async { answer_raw(&mut accept(&listener).await, head.as_bytes()).await };
        let (posted, ()) = tokio::join!(caller.post(&url), serve);
        let retry_after = Some(SignedDuration::from_secs(90));
        assert_eq!(
            posted.outcome,
            WebhookOutcome::Responded { status: 503, body: String::new(), retry_after, redirect_to: None }
        );
    }
}

#[tokio::test]
async fn two_kilobytes_of_a_response_are_stored() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    let serve = async {
        let mut stream = accept(&listener).await;
        request(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let more = vec![b'x'; 64 * 1024];
        let mut n_written: usize = 0;
        // The server writes until the client closes the connection, which happens after the socket's buffers are full.
        while stream.write_all(&more).await.is_ok() {
            n_written += more.len();
            assert!(n_written < 64 << 20, "it reads for ever");
        }
    };
    let (posted, ()) = tokio::join!(caller.post(&url), serve);
    assert_eq!(posted.outcome, responded(200, &"x".repeat(2_048)));
}

#[tokio::test]
async fn an_unfinished_response_counts_by_its_status() {
    for status in [200, 500] {
        let (listener, url) = port().await;
        let caller = Caller::open();
        let serve = async {
            let mut stream = accept(&listener).await;
            request(&mut stream).await.unwrap();
            let n_looks = caller.clock.n_looks();
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 100\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            caller.clock.somebody_looks(n_looks).await;
            for _ in 0..2 {
                stream.write_all(b"drip ").await.unwrap();
                caller.clock.advance(7);
            }
            caller.clock.advance(1);
            closed(&mut stream).await;
        };
        let (posted, ()) = tokio::join!(caller.post(&url), serve);
        let WebhookOutcome::Responded { status: responded, body, .. } = posted.outcome else {
            panic!("{posted:?}")
        };
        assert_eq!(responded, status);
        assert!("drip drip ".starts_with(&body), "{body}");
        assert_eq!(posted.latency, SignedDuration::from_secs(15));
    }
}

#[tokio::test]
async fn no_response_within_fifteen_seconds_fails_and_closes_the_connection() {
    for part in ["", "H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nx: ", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let (listener, url) = port().await;
        let caller = Caller::open();
        let serve = async {
            let mut stream = accept(&listener).await;
            answer_raw(&mut stream, part.as_bytes()).await;
            caller.clock.advance(14);
            caller.clock.advance(1);
            closed(&mut stream).await;
        };
        let (posted, ()) = tokio::join!(caller.post(&url), serve);
        assert_eq!(posted.latency, SignedDuration::from_secs(15));
        assert_eq!(reason(posted), "no response within 15 s", "{part:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_reads_nothing_fails_at_the_deadline() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    let body = Bytes::from(vec![b' '; 16 << 20]);
    let serve = async {
        let mut stream = accept(&listener).await;
        stream.read_exact(&mut [0; 10]).await.unwrap();
        caller.clock.advance(15);
        closed(&mut stream).await;
    };
    let (posted, ()) = tokio::join!(caller.post_call(WebhookRequest { body, ..call(&url) }), serve);
    assert_eq!(reason(posted), "no response within 15 s");
}

#[tokio::test]
async fn the_deadline_is_configurable_and_includes_name_resolution() {
    struct Never;
    impl egress::NameResolver for Never {
        fn resolve(&self, _: &str) -> egress::Resolving {
            Box::pin(std::future::pending())
        }
    }
    let clock = FakeClock::new();
    let config =
        EgressConfig { timeout: Duration::from_millis(1_500), policy: OPEN, ..EgressConfig::default() };
    let shared: std::sync::Arc<dyn engine::ports::Clock> = std::sync::Arc::<FakeClock>::clone(&clock);
    let client = EgressClient::with_resolver(&config, shared, std::sync::Arc::new(Never)).unwrap();
    let later = async {
        clock.somebody_sleeps().await;
        clock.advance(2);
    };
    let (posted, ()) = tokio::join!(client.send_event(call("https://slow.example/")), later);
    assert_eq!(posted.latency, SignedDuration::from_secs(2));
    assert_eq!(reason(posted), "no response within 1500 ms");
}

#[tokio::test]
async fn an_interruption_fails_only_before_the_status() {
    for (part, expected) in [
        ("", None),
        ("HTTP/1.1 200 OK\r\ncontent-le", None),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", Some(responded(200, "half"))),
        ("HTTP/1.1 502 X\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz", Some(responded(502, "half"))),
    ] {
        let (listener, url) = port().await;
        let caller = Caller::open();
        let serve = async { answer_raw(&mut accept(&listener).await, part.as_bytes()).await };
        let (posted, ()) = tokio::join!(caller.post(&url), serve);
        match expected {
            Some(expected) => assert_eq!(posted.outcome, expected),
            None => {
                assert_eq!(
                    reason(posted),
                    "the connection was closed before the response was complete",
                    "{part}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_response_that_is_not_http_fails() {
    for part in
        ["SSH-2.0-OpenSSH_9.6\r\n", "\0\0\0\0\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "220 smtp.example\r\n\r\n"]
    {
        let (listener, url) = port().await;
        let caller = Caller::open();
        let serve = async { answer_raw(&mut accept(&listener).await, part.as_bytes()).await };
        let (posted, ()) = tokio::join!(caller.post(&url), serve);
        assert_eq!(reason(posted), "the response is not HTTP", "{part:?}");
    }
}

#[tokio::test]
async fn endless_headers_fail() {
    for line in ["x: y\r\n".to_owned(), format!("x: {}\r\n", "y".repeat(4_096)), "y".repeat(1_024)] {
        let (listener, url) = port().await;
        let caller = Caller::open();
        let serve = async {
            let mut stream = accept(&listener).await;
            answer_raw(&mut stream, b"HTTP/1.1 200 OK\r\nx: ").await;
            while stream.write_all(line.as_bytes()).await.is_ok() {}
        };
        let (posted, ()) = tokio::join!(caller.post(&url), serve);
        assert_eq!(reason(posted), "the head of the response is too large");
    }
}

#[tokio::test]
async fn endless_interim_responses_fail_at_the_deadline() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    let serve = async {
        let mut stream = accept(&listener).await;
        request(&mut stream).await.unwrap();
        for n in 0.. {
            if stream.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n").await.is_err() {
                break;
            }
            if n == 1_000 {
                caller.clock.advance(15);
            }
        }
    };
    let (posted, ()) = tokio::join!(caller.post(&url), serve);
    assert_eq!(reason(posted), "no response within 15 s");
}

#[tokio::test]
async fn a_response_before_the_end_of_the_request_counts() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    let body = Bytes::from(vec![b' '; 16 << 20]);
    let serve = async {
        let mut stream = accept(&listener).await;
        stream.read_exact(&mut [0; 10]).await.unwrap();
        stream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        closed(&mut stream).await;
    };
    let (posted, ()) = tokio::join!(caller.post_call(WebhookRequest { body, ..call(&url) }), serve);
    assert_eq!(posted.outcome, responded(413, ""));
}

#[tokio::test]
async fn switching_protocols_is_not_a_success() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    let serve = async {
        let mut stream = accept(&listener).await;
        answer_raw(
            &mut stream,
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        )
        .await;
        closed(&mut stream).await;
    };
    let (posted, ()) = tokio::join!(caller.post(&url), serve);
    assert!(!posted.outcome.is_success(), "{posted:?}");
}

#[tokio::test]
async fn the_latency_is_measured_with_the_given_clock() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    let serve = async {
        let mut stream = accept(&listener).await;
        caller.clock.advance(3);
        response(&mut stream, "200 OK", "").await;
    };
    let (posted, ()) = tokio::join!(caller.post(&url), serve);
    assert_eq!(posted.latency, SignedDuration::from_secs(3));
    assert_eq!(engine::ports::Clock::now(&*caller.clock).as_second(), START + 3);
}
