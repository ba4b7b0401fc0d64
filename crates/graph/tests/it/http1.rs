//! All outcomes of a send over HTTP/1.1.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use domain::messages::outcome::SendOutcome;
use engine::ports::Upstream as _;
use graph::{GraphClient, GraphConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::support::{
    ACCEPTED, BODY, SOON, TOKEN, accept, accepted, answer_raw, credentials, has_no_more_callers, is_not_sent,
    is_unknown, port, request, response, send, server, with_short_timeout,
};

#[tokio::test]
async fn a_send_is_one_request_with_the_token_and_the_body_as_given() {
    let (listener, client) = server().await;
    let address = listener.local_addr().unwrap();
    let serve = async {
        let mut stream = accept(&listener).await;
        let request = request(&mut stream).await.unwrap();
        stream
            .write_all(
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ACCEPTED}", ACCEPTED.len()).as_bytes(),
            )
            .await
            .unwrap();
        request
    };
    let (outcome, (head, body)) = tokio::join!(send(&client), serve);
    assert_eq!(outcome, accepted());
    assert_eq!(body, BODY);
    let mut lines: Vec<_> = head.lines().collect();
    lines[1..].sort_unstable();
    assert_eq!(
        lines,
        [
            "POST /v24.0/330011220099887/messages HTTP/1.1",
            &format!("authorization: Bearer {TOKEN}"),
            &format!("content-length: {}", BODY.len()),
            "content-type: application/json",
            &format!("host: {address}"),
            concat!("user-agent: waypost/", env!("CARGO_PKG_VERSION")),
        ]
    );
}

#[tokio::test]
async fn a_connection_is_reused() {
    let (listener, client) = server().await;
    let serve = async {
        let mut stream = accept(&listener).await;
        response(&mut stream, "200 OK", ACCEPTED).await;
        response(&mut stream, "200 OK", ACCEPTED).await;
    };
    let sends = async { (send(&client).await, send(&client).await) };
    let (outcomes, ()) = tokio::join!(sends, serve);
    assert_eq!(outcomes, (accepted(), accepted()));
    assert!(has_no_more_callers(listener));
}

#[tokio::test]
async fn a_refused_connection_means_not_sent() {
    let (listener, client) = server().await;
    drop(listener);
    is_not_sent(&send(&client).await);
}

#[tokio::test]
async fn an_unknown_host_means_not_sent() {
    let live_base_url = "http://no.such.host.invalid".to_owned();
    let config = GraphConfig { live_base_url, connect_timeout: SOON, ..GraphConfig::default() };
    is_not_sent(&send(&GraphClient::new(&config).unwrap()).await);
}

#[tokio::test]
async fn an_account_with_an_invalid_id_sends_nothing() {
    let (listener, client) = server().await;
    for id in ["", "33/messages", "33?x", "33 ", "..", "é"] {
        let mut credentials = credentials();
        credentials.account.phone_number_id = id.to_owned();
        is_not_sent(&client.send_message(&credentials, Bytes::from_static(b"{}")).await);
    }
    let mut credentials = credentials();
    credentials.access_token = "two\r\nlines".into();
    is_not_sent(&client.send_message(&credentials, Bytes::from_static(b"{}")).await);
    assert!(has_no_more_callers(listener));
}

#[tokio::test]
async fn a_sandbox_account_calls_the_simulator() {
    let (listener, config) = port().await;
    let unreachable = "http://no.such.host.invalid".to_owned();
    let config =
        GraphConfig { sandbox_base_url: config.live_base_url.clone(), live_base_url: unreachable, ..config };
    let client = GraphClient::new(&config).unwrap();
    let mut credentials = credentials();
    credentials.account.is_sandbox = true;
    let serve = async { response(&mut accept(&listener).await, "200 OK", ACCEPTED).await };
    let (outcome, ()) = tokio::join!(client.send_message(&credentials, Bytes::from_static(b"{}")), serve);
    assert_eq!(outcome, accepted());
}

#[tokio::test]
async fn a_request_without_a_response_is_unknown_and_not_repeated() {
    let (listener, client) = server().await;
    let serve = async {
        let mut stream = accept(&listener).await;
        request(&mut stream).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(send(&client), serve);
    is_unknown(&outcome);
    assert!(has_no_more_callers(listener));
}

#[tokio::test]
async fn an_idle_connection_that_closes_after_the_request_is_unknown_and_not_repeated() {
    let (listener, client) = server().await;
    let serve = async {
        let mut stream = accept(&listener).await;
        response(&mut stream, "200 OK", ACCEPTED).await;
        request(&mut stream).await.unwrap();
    };
    let sends = async { (send(&client).await, send(&client).await) };
    let ((first, second), ()) = tokio::join!(sends, serve);
    assert_eq!(first, accepted());
    is_unknown(&second);
    assert!(has_no_more_callers(listener));
}

#[tokio::test]
async fn an_interruption_within_the_response_is_unknown() {
    for part in [
        "H",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\ncontent-length: 60\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 600\r\n\r\n{\"messages\":[{\"id\":\"wamid.A\"}]}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"mes",
        "HTTP/1.1 500 No\r\ncontent-length: 600\r\n\r\n{\"error\":{\"code\":131000}}",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let (listener, client) = server().await;
        let serve = async { answer_raw(&mut accept(&listener).await, part.as_bytes()).await };
        let (outcome, ()) = tokio::join!(send(&client), serve);
        is_unknown(&outcome);
        assert!(has_no_more_callers(listener));
    }
}

#[tokio::test]
async fn an_interrupted_rejection_is_a_rejection() {
    let (listener, client) = server().await;
    let part = "HTTP/1.1 429 Slow\r\nretry-after: 9\r\ncontent-length: 600\r\n\r\n{\"err";
    let serve = async { answer_raw(&mut accept(&listener).await, part.as_bytes()).await };
    let (outcome, ()) = tokio::join!(send(&client), serve);
    assert_eq!(outcome, SendOutcome::Stopped { http_status: 429, retry_after: Some(9) });
}

#[tokio::test]
async fn an_invalid_response_is_unknown() {
    for garbage in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "\0\0\0\0\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
    ] {
        let (listener, client) = server().await;
        let serve = async { answer_raw(&mut accept(&listener).await, garbage.as_bytes()).await };
        let (outcome, ()) = tokio::join!(send(&client), serve);
        is_unknown(&outcome);
    }
}

#[tokio::test]
async fn a_response_after_the_deadline_is_unknown_and_the_connection_is_closed() {
    let (listener, client) = with_short_timeout().await;
    let serve = async {
        let mut stream = accept(&listener).await;
        request(&mut stream).await.unwrap();
        // The server waits until the client closes the connection.
        stream.read(&mut [0; 16]).await.unwrap_or_default()
    };
    let (outcome, read) = tokio::join!(send(&client), serve);
    is_unknown(&outcome);
    assert_eq!(read, 0);
}

#[tokio::test]
async fn a_body_after_the_deadline_is_unknown_or_rejected_by_its_status() {
    for (status, is_no) in [("200 OK", false), ("503 No", false), ("400 No", true)] {
        let (listener, client) = with_short_timeout().await;
        let serve = async {
            let mut stream = accept(&listener).await;
            answer_raw(&mut stream, format!("HTTP/1.1 {status}\r\ncontent-length: 9\r\n\r\n{{").as_bytes())
                .await;
            stream.read(&mut [0; 16]).await.unwrap_or_default()
        };
        let (outcome, _) = tokio::join!(send(&client), serve);
        if is_no {
            assert_eq!(outcome, SendOutcome::Stopped { http_status: 400, retry_after: None });
        } else {
            is_unknown(&outcome);
        }
    }
}

#[tokio::test]
async fn an_endless_response_is_unknown() {
    let (listener, client) = server().await;
    let serve = async {
        let mut stream = accept(&listener).await;
        request(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"x\":\"").await.unwrap();
        let spaces = vec![b' '; 64 * 1024];
        while stream.write_all(&spaces).await.is_ok() {}
    };
    let (outcome, ()) = tokio::join!(send(&client), serve);
    is_unknown(&outcome);
}

#[tokio::test]
async fn an_error_object_is_a_rejection_with_its_retry_after() {
    let (listener, client) = server().await;
    let body = r#"{"error":{"message":"(#80007) Rate limit issues","type":"OAuthException","code":80007,"fbtrace_id":"A1"}}"#;
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\nx-business-use-case-usage: {{\"2\":[{{\"type\":\"messaging\",\"estimated_time_to_regain_access\":3}}]}}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let serve = async { answer_raw(&mut accept(&listener).await, head.as_bytes()).await };
    let (outcome, ()) = tokio::join!(send(&client), serve);
    let SendOutcome::Refused(error) = outcome else { panic!("{outcome:?}") };
    assert_eq!((error.code, error.http_status, error.retry_after), (80_007, Some(400), Some(180)));
    assert_eq!(error.title.as_deref(), Some("Rate limit issues"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (listener, client) = server().await;
    let head = format!(
        "HTTP/1.1 307 Elsewhere\r\nlocation: http://{}/there\r\ncontent-length: 0\r\n\r\n",
        listener.local_addr().unwrap()
    );
    let serve = async { answer_raw(&mut accept(&listener).await, head.as_bytes()).await };
    let (outcome, ()) = tokio::join!(send(&client), serve);
    assert_eq!(outcome, SendOutcome::Stopped { http_status: 307, retry_after: None });
    assert!(has_no_more_callers(listener));
}

#[tokio::test]
async fn a_canceled_send_does_not_affect_other_sends() {
    let (listener, client) = server().await;
    let mut stream = tokio::select! {
        _ = send(&client) => panic!("there was a response"),
        stream = async {
            let mut stream = accept(&listener).await;
            request(&mut stream).await.unwrap();
            stream
        } => stream,
    };
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap_or_default(), 0);
    let serve = async { response(&mut accept(&listener).await, "200 OK", ACCEPTED).await };
    let (outcome, ()) = tokio::join!(send(&client), serve);
    assert_eq!(outcome, accepted());
}

/// A server closes the connection after each response without `Connection: close`, so that the next send may use a
/// closing connection. No send arrives twice, an accepted send arrived once, and a send that is not sent did not
/// arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closing_connection_never_duplicates_a_send() {
    let (listener, client) = server().await;
    let received: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let mut tasks = JoinSet::new();
    let count = Arc::clone(&received);
    tasks.spawn(async move {
        loop {
            let mut stream = accept(&listener).await;
            // A connection that the client opened but did not use ends without a request.
            if let Some((_, body)) = request(&mut stream).await {
                *count.lock().unwrap().entry(body).or_default() += 1;
                let response =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ACCEPTED}", ACCEPTED.len());
                let _gone = stream.write_all(response.as_bytes()).await;
            }
        }
    });
    let mut outcomes = BTreeMap::new();
    for number in 0..300 {
        let body = format!("{{\"number\":{number}}}");
        outcomes.insert(body.clone(), client.send_message(&credentials(), Bytes::from(body)).await);
    }
    tasks.shutdown().await;
    let received = received.lock().unwrap();
    for (body, outcome) in outcomes {
        let times = received.get(&body).copied().unwrap_or(0);
        match outcome {
            SendOutcome::Accepted(_) => assert_eq!(times, 1, "{body}"),
            SendOutcome::NotSent { .. } => assert_eq!(times, 0, "{body}"),
            SendOutcome::Unknown { .. } => assert!(times <= 1, "{body}"),
            SendOutcome::Refused(_) | SendOutcome::Stopped { .. } => panic!("{body}: {outcome:?}"),
        }
    }
}

/// Accepts connections and closes them immediately. The request may have been written into the closing connection.
#[tokio::test]
async fn a_connection_that_closes_at_once_is_unknown_or_not_sent() {
    let (listener, client) = server().await;
    let serve = async { drop(accept(&listener).await) };
    let (outcome, ()) = tokio::join!(send(&client), serve);
    assert!(matches!(outcome, SendOutcome::Unknown { .. } | SendOutcome::NotSent { .. }), "{outcome:?}");
    assert!(has_no_more_callers(listener));
}
