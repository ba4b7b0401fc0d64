//! Calls that are not sends: requests, and decoded responses.

use engine::ports::{TemplateQuery, Upstream as _, UpstreamError};
use tokio::net::TcpListener;

use crate::support::{TOKEN, accept, credentials, request, server, with_short_timeout};

/// Responds to one request; returns its first line and its body.
async fn serve(listener: &TcpListener, status: &str, body: &str) -> (String, String) {
    use tokio::io::AsyncWriteExt as _;

    let mut stream = accept(listener).await;
    let (head, request_line) = request(&mut stream).await.unwrap();
    assert!(head.contains(&format!("authorization: Bearer {TOKEN}")));
    let response = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(response.as_bytes()).await.unwrap();
    (head.lines().next().unwrap().to_owned(), request_line)
}

#[tokio::test]
async fn templates_are_requested_page_by_page() {
    let (listener, client) = server().await;
    let query = TemplateQuery { name: Some("ferry_delay".into()), after: Some("QVFI+/=&".into()) };
    let body = r#"{"data":[{"id":"1","name":"ferry_delay","language":"en_GB","status":"APPROVED","category":"UTILITY",
        "components":[{"type":"BODY","text":"Late."}]},{"id":"2"}],"paging":{"cursors":{"after":"Z"},"next":"https://x"}}"#;
    let credentials = credentials();
    let (page, (request_line, _)) =
        tokio::join!(client.fetch_templates(&credentials, &query), serve(&listener, "200 OK", body));
    assert_eq!(
        request_line,
        "GET /v24.0/210987650001234/message_templates?fields=id,name,language,category,status,parameter_format,components,\
         quality_score,rejected_reason&limit=100&name=ferry_delay&after=QVFI%2B%2F%3D%26 HTTP/1.1"
    );
    let page = page.unwrap();
    assert_eq!(page.templates.len(), 1);
    assert_eq!(page.after.as_deref(), Some("Z"));
}

#[tokio::test]
async fn a_long_list_is_read_completely() {
    let (listener, client) = server().await;
    let node = |number: usize| {
        format!(
            r#"{{"id":"{number}","name":"n{number}","language":"en","status":"APPROVED","category":"UTILITY","components":[{{"type":"BODY","text":"{}"}}]}}"#,
            "x".repeat(20_000)
        )
    };
    let nodes: Vec<String> = (0..100).map(node).collect();
    let body = format!(r#"{{"data":[{}]}}"#, nodes.join(","));
    let (credentials, query) = (credentials(), TemplateQuery::default());
    let (page, _) =
        tokio::join!(client.fetch_templates(&credentials, &query), serve(&listener, "200 OK", &body));
    assert_eq!(page.unwrap().templates.len(), 100);
}

#[tokio::test]
async fn a_number_is_requested_by_its_id() {
    let (listener, client) = server().await;
    let body = r#"{"verified_name":"Harbour","status":"CONNECTED","id":"330011220099887"}"#;
    let credentials = credentials();
    let (number, (request_line, _)) =
        tokio::join!(client.get_phone_number(&credentials), serve(&listener, "200 OK", body));
    assert_eq!(
        request_line,
        "GET /v24.0/330011220099887?fields=display_phone_number,verified_name,quality_rating,status,throughput,\
         whatsapp_business_manager_messaging_limit HTTP/1.1"
    );
    assert_eq!(number.unwrap().status.as_deref(), Some("CONNECTED"));
}

#[tokio::test]
async fn a_token_is_checked_with_itself() {
    let (listener, client) = server().await;
    let body = r#"{"data":{"is_valid":true,"expires_at":0,"scopes":["whatsapp_business_messaging"]}}"#;
    let credentials = credentials();
    let (token, (request_line, _)) =
        tokio::join!(client.get_token_info(&credentials), serve(&listener, "200 OK", body));
    assert_eq!(request_line, format!("GET /v24.0/debug_token?input_token={TOKEN} HTTP/1.1"));
    assert!(token.unwrap().is_valid);
}

#[tokio::test]
async fn a_phone_number_is_searched_on_all_pages_of_its_business_account() {
    use tokio::io::AsyncWriteExt as _;

    let (listener, client) = server().await;
    let credentials = credentials();
    let pages = [
        r#"{"data":[{"id":"1"}],"paging":{"cursors":{"after":"a+b"},"next":"https://graph.facebook.com/x"}}"#,
        r#"{"data":[{"id":"330011220099887"}],"paging":{"cursors":{"after":"c"}}}"#,
        r#"{"data":[]}"#,
    ];
    // The client uses one connection for all calls.
    let answers = async {
        let mut stream = accept(&listener).await;
        let mut lines = Vec::new();
        for body in pages {
            let (head, _) = request(&mut stream).await.unwrap();
            lines.push(head.lines().next().unwrap().to_owned());
            let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(response.as_bytes()).await.unwrap();
        }
        (stream, lines)
    };
    let calls = async {
        let first = client.has_phone_number(&credentials).await;
        (first, client.has_phone_number(&credentials).await)
    };
    let (found, (_stream, lines)) = tokio::join!(calls, answers);
    assert_eq!(found, (Ok(true), Ok(false)));
    let path = "GET /v24.0/210987650001234/phone_numbers?fields=id&limit=100";
    let (first, second) = (format!("{path} HTTP/1.1"), format!("{path}&after=a%2Bb HTTP/1.1"));
    assert_eq!(lines, [first.clone(), second, first]);
}

#[tokio::test]
async fn the_subscribed_apps_of_an_account_are_listed() {
    let (listener, client) = server().await;
    let body = r#"{"data":[{"whatsapp_business_api_data":{"id":"1","name":"Harbour Desk"}}]}"#;
    let credentials = credentials();
    let (apps, (request_line, _)) =
        tokio::join!(client.list_subscribed_apps(&credentials), serve(&listener, "200 OK", body));
    assert_eq!(request_line, "GET /v24.0/210987650001234/subscribed_apps HTTP/1.1");
    assert_eq!(apps, Ok(vec!["Harbour Desk".to_owned()]));
}

#[tokio::test]
async fn a_message_is_marked_as_read() {
    let (listener, client) = server().await;
    let credentials = credentials();
    let (done, (request_line, body)) = tokio::join!(
        client.mark_message_read(&credentials, "wamid.HBg=", true),
        serve(&listener, "200 OK", r#"{"success":true}"#)
    );
    assert_eq!(done, Ok(()));
    assert_eq!(request_line, "POST /v24.0/330011220099887/messages HTTP/1.1");
    assert_eq!(
        body,
        r#"{"messaging_product":"whatsapp","status":"read","message_id":"wamid.HBg=","typing_indicator":{"type":"text"}}"#
    );
}

#[tokio::test]
async fn an_error_object_is_a_rejection_by_meta() {
    let (listener, client) = server().await;
    let body = r#"{"error":{"message":"Error validating access token","type":"OAuthException","code":190,"error_subcode":463}}"#;
    let credentials = credentials();
    let (number, _) =
        tokio::join!(client.get_phone_number(&credentials), serve(&listener, "401 Unauthorized", body));
    let Err(UpstreamError::Refused(error)) = number else { panic!("{number:?}") };
    assert_eq!((error.code, error.subcode, error.http_status), (190, Some(463), Some(401)));
}

#[tokio::test]
async fn a_response_with_another_shape_is_an_error() {
    for (status, body) in [
        ("200 OK", "<html>"),
        ("200 OK", r#"{"success":false}"#),
        ("502 Bad Gateway", "{}"),
        ("302 Found", ""),
    ] {
        let (listener, client) = server().await;
        let credentials = credentials();
        let (done, _) = tokio::join!(
            client.mark_message_read(&credentials, "wamid.A", false),
            serve(&listener, status, body)
        );
        let reason = format!("HTTP {} with an unexpected body", &status[..3]);
        assert_eq!(done, Err(UpstreamError::Unreachable(reason)));
    }
}

#[tokio::test]
async fn an_unreachable_meta_is_reported_without_the_token() {
    let (listener, client) = with_short_timeout().await;
    let credentials = credentials();
    let (token, _stream) = tokio::join!(client.get_token_info(&credentials), accept(&listener));
    let Err(UpstreamError::Unreachable(reason)) = token else { panic!("{token:?}") };
    assert_eq!(reason, "waiting for Meta: timed out after 500 ms");
    drop(listener);
    let Err(error) = client.get_token_info(&credentials).await else { panic!("it answered") };
    assert!(!format!("{error:?}").contains(TOKEN));
}
