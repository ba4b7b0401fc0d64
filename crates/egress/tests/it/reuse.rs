//! Reuse of idle connections.

use bytes::Bytes;
use engine::ports::{WebhookOutcome, WebhookRequest};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

use crate::support::{
    Caller, accept, answer_raw, call, closed, has_no_more_callers, port, reason, request, response,
};

#[tokio::test]
async fn a_connection_is_reused() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    let serve = async {
        let mut stream = accept(&listener).await;
        response(&mut stream, "200 OK", "one").await;
        response(&mut stream, "500 No", "two").await;
        answer_raw(
            &mut stream,
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n",
        )
        .await;
        response(&mut stream, "204 No Content", "").await;
    };
    let calls = async {
        [
            caller.status(&url).await,
            caller.status(&url).await,
            caller.status(&url).await,
            caller.status(&url).await,
        ]
    };
    let (statuses, ()) = tokio::join!(calls, serve);
    assert_eq!(statuses, [200, 500, 200, 204]);
    assert!(has_no_more_callers(listener));
}

#[tokio::test]
async fn each_port_has_its_own_connections() {
    let (one, url_one) = port().await;
    let (two, url_two) = port().await;
    let caller = Caller::open();
    let serve = async {
        let mut stream = accept(&one).await;
        response(&mut stream, "200 OK", "").await;
        let mut other = accept(&two).await;
        response(&mut other, "201 Created", "").await;
        response(&mut stream, "202 Accepted", "").await;
    };
    let calls = async {
        [caller.status(&url_one).await, caller.status(&url_two).await, caller.status(&url_one).await]
    };
    let (statuses, ()) = tokio::join!(calls, serve);
    assert_eq!(statuses, [200, 201, 202]);
}

#[tokio::test]
async fn a_closed_idle_connection_is_replaced() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    let serve = async {
        for _ in 0..3 {
            // The server closes the connection after each response, without `Connection: close`.
            response(&mut accept(&listener).await, "200 OK", "").await;
        }
    };
    let calls = async {
        for _ in 0..3 {
            assert_eq!(caller.status(&url).await, 200);
        }
    };
    tokio::join!(calls, serve);
}

#[tokio::test]
async fn an_idle_connection_that_closes_after_the_request_is_replaced_once() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    let serve = async {
        let mut stream = accept(&listener).await;
        response(&mut stream, "200 OK", "").await;
        let first = request(&mut stream).await.unwrap();
        drop(stream);
        // The same request over a new connection: it is not sent a third time.
        let mut stream = accept(&listener).await;
        assert_eq!(request(&mut stream).await.unwrap(), first);
    };
    let calls = async {
        assert_eq!(caller.status(&url).await, 200);
        caller.failure(&url).await
    };
    let (reason, ()) = tokio::join!(calls, serve);
    assert_eq!(reason, "the connection was closed before the response was complete");
    assert!(has_no_more_callers(listener));
}

#[tokio::test]
async fn an_idle_connection_that_closes_within_the_response_is_not_replaced() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    let serve = async {
        let mut stream = accept(&listener).await;
        response(&mut stream, "200 OK", "").await;
        answer_raw(&mut stream, b"HTTP/1.1 2").await;
    };
    let calls = async {
        assert_eq!(caller.status(&url).await, 200);
        caller.post(&url).await
    };
    let (posted, ()) = tokio::join!(calls, serve);
    assert_eq!(reason(posted), "the connection was closed before the response was complete");
    assert!(has_no_more_callers(listener));
}

#[tokio::test]
async fn unsolicited_bytes_are_not_a_response_to_a_later_request() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    let serve = async {
        let mut stream = accept(&listener).await;
        let forged =
            b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        answer_raw(&mut stream, forged).await;
        closed(&mut stream).await;
        response(&mut accept(&listener).await, "503 Later", "").await;
    };
    let calls = async { [caller.status(&url).await, caller.status(&url).await] };
    let (statuses, ()) = tokio::join!(calls, serve);
    assert_eq!(statuses, [500, 503]);
}

#[tokio::test]
async fn an_idle_connection_is_closed_at_its_expiry() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    let serve = async {
        let mut stream = accept(&listener).await;
        response(&mut stream, "200 OK", "").await;
        response(&mut stream, "200 OK", "").await;
        stream
    };
    let calls = async {
        assert_eq!(caller.status(&url).await, 200);
        caller.clock.advance(29);
        assert_eq!(caller.status(&url).await, 200);
    };
    let ((), mut stream) = tokio::join!(calls, serve);
    // The connection was used since, so that the first deadline does not close it.
    caller.clock.advance(29);
    caller.clock.advance(1);
    closed(&mut stream).await;
}

#[tokio::test]
async fn a_canceled_call_closes_its_connection_only() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    let mut stream = tokio::select! {
        _ = caller.post(&url) => panic!("nobody answered"),
        stream = async {
            let mut stream = accept(&listener).await;
            request(&mut stream).await.unwrap();
            stream
        } => stream,
    };
    closed(&mut stream).await;
    let serve = async { response(&mut accept(&listener).await, "200 OK", "").await };
    let (status, ()) = tokio::join!(caller.status(&url), serve);
    assert_eq!(status, 200);
}

/// Concurrent calls with different events over connections that open and close: each response belongs to its request.
#[tokio::test]
async fn each_response_belongs_to_its_request() {
    let (listener, url) = port().await;
    let caller = Caller::open();
    let mut servers = JoinSet::new();
    let accepting = async {
        loop {
            let mut stream = accept(&listener).await;
            servers.spawn(async move {
                // Every seventh request of a connection closes it.
                for n in 1.. {
                    let Some((_, body)) = request(&mut stream).await else { break };
                    let close = if n % 7 == 0 { "connection: close\r\n" } else { "" };
                    let response =
                        format!("HTTP/1.1 200 OK\r\n{close}content-length: {}\r\n\r\n{body}", body.len());
                    if stream.write_all(response.as_bytes()).await.is_err() || n % 7 == 0 {
                        break;
                    }
                }
            });
        }
    };
    let posting = async {
        let one = |worker: u32| {
            let (caller, url) = (&caller, &url);
            async move {
                for n in 0..50 {
                    let body = format!("{{\"worker\":{worker},\"n\":{n}}}");
                    let call = WebhookRequest { body: Bytes::from(body.clone()), ..call(url) };
                    let posted = caller.post_call(call).await;
                    let expected =
                        WebhookOutcome::Responded { status: 200, body, retry_after: None, redirect_to: None };
                    assert_eq!(posted.outcome, expected);
                }
            }
        };
        tokio::join!(one(0), one(1), one(2), one(3), one(4), one(5), one(6), one(7));
    };
    tokio::select! {
        () = accepting => {}
        () = posting => {}
    }
}
