//! Management calls: requests, and the results of the responses.

use domain::json::{Object, Value};
use domain::templates::{TemplateCategory, TemplateStatus};
use engine::ports::{CallbackVerification, CreatedTemplate, UpstreamAdmin as _, UpstreamError};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::support::{TOKEN, accept, answer_raw, credentials, request, server, with_short_timeout};

/// Responds to one request; returns its first line and its body.
async fn serve(listener: &TcpListener, status: &str, body: &str) -> (String, String) {
    let mut stream = accept(listener).await;
    let (head, request_line) = request(&mut stream).await.unwrap();
    assert!(head.contains(&format!("authorization: Bearer {TOKEN}")));
    let response = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(response.as_bytes()).await.unwrap();
    (head.lines().next().unwrap().to_owned(), request_line)
}

const ACCEPTED: &str = r#"{"success":true}"#;

#[tokio::test]
async fn an_app_is_subscribed_and_a_number_registered() {
    let (listener, client) = server().await;
    let credentials = credentials();
    let (done, (request_line, body)) =
        tokio::join!(client.subscribe_app(&credentials), serve(&listener, "200 OK", ACCEPTED));
    assert_eq!((done, body.as_str()), (Ok(()), "{}"));
    assert_eq!(request_line, "POST /v24.0/210987650001234/subscribed_apps HTTP/1.1");

    let (listener, client) = server().await;
    let pin = "004217".into();
    let (done, (request_line, body)) =
        tokio::join!(client.register_phone_number(&credentials, &pin), serve(&listener, "200 OK", ACCEPTED));
    assert_eq!(done, Ok(()));
    assert_eq!(request_line, "POST /v24.0/330011220099887/register HTTP/1.1");
    assert_eq!(body, r#"{"messaging_product":"whatsapp","pin":"004217"}"#);
}

#[tokio::test]
async fn a_profile_is_read_flat_or_nested_and_changed() {
    for body in [
        r#"{"data":[{"about":"Ferries","websites":["https://a.example"],"messaging_product":"whatsapp","colour":1}]}"#,
        r#"{"data":[{"business_profile":{"about":"Ferries","websites":["https://a.example"]}}]}"#,
    ] {
        let (listener, client) = server().await;
        let credentials = credentials();
        let (profile, (request_line, _)) =
            tokio::join!(client.get_business_profile(&credentials), serve(&listener, "200 OK", body));
        assert_eq!(
            request_line,
            "GET /v24.0/330011220099887/whatsapp_business_profile?fields=about,address,description,email,websites,\
             vertical,profile_picture_url HTTP/1.1"
        );
        assert_eq!(
            serde_json::to_string(&Value::Object(profile.unwrap())).unwrap(),
            r#"{"about":"Ferries","address":null,"description":null,"email":null,"websites":["https://a.example"],"vertical":null,"profile_picture_url":null}"#
        );
    }
    let (listener, client) = server().await;
    let credentials = credentials();
    let mut change = Object::new();
    change.insert("about", "Ferries");
    let (done, (request_line, body)) = tokio::join!(
        client.update_business_profile(&credentials, &change),
        serve(&listener, "200 OK", ACCEPTED)
    );
    assert_eq!(done, Ok(()));
    assert_eq!(request_line, "POST /v24.0/330011220099887/whatsapp_business_profile HTTP/1.1");
    assert_eq!(body, r#"{"messaging_product":"whatsapp","about":"Ferries"}"#);
}

#[tokio::test]
async fn a_template_is_submitted_changed_and_deleted() {
    let (listener, client) = server().await;
    let credentials = credentials();
    let body = r#"{"name":"ferry_delay"}"#;
    let response = r#"{"id":"707001122334455","status":"PENDING","category":"MARKETING"}"#;
    let (submitted, (request_line, sent)) = tokio::join!(
        client.create_template(&credentials, body.to_owned()),
        serve(&listener, "200 OK", response)
    );
    assert_eq!(
        submitted,
        Ok(CreatedTemplate {
            meta_id: "707001122334455".to_owned(),
            status: TemplateStatus::Pending,
            category: Some(TemplateCategory::Marketing),
        })
    );
    assert_eq!(
        (request_line.as_str(), sent.as_str()),
        ("POST /v24.0/210987650001234/message_templates HTTP/1.1", body)
    );

    let (listener, client) = server().await;
    let response = r#"{"success":true,"id":"707001122334455"}"#;
    let (done, (request_line, _)) = tokio::join!(
        client.edit_template(&credentials, "707001122334455", body.to_owned()),
        serve(&listener, "200 OK", response)
    );
    assert_eq!((done, request_line.as_str()), (Ok(()), "POST /v24.0/707001122334455 HTTP/1.1"));

    for (meta_id, asks) in [(Some("7070"), "name=ferry_delay&hsm_id=7070"), (None, "name=ferry_delay")] {
        let (listener, client) = server().await;
        let (done, (request_line, _)) = tokio::join!(
            client.delete_template(&credentials, "ferry_delay", meta_id),
            serve(&listener, "200 OK", ACCEPTED)
        );
        let wanted = format!("DELETE /v24.0/210987650001234/message_templates?{asks} HTTP/1.1");
        assert_eq!((done, request_line), (Ok(()), wanted));
    }
}

#[tokio::test]
async fn an_error_of_meta_about_a_template_is_returned() {
    let (listener, client) = server().await;
    let credentials = credentials();
    let body = r#"{"error":{"message":"Invalid parameter","code":100,"error_subcode":2388299,
        "error_user_title":"Variables at the end","error_user_msg":"Put words after the last one."}}"#;
    let (submitted, _) = tokio::join!(
        client.create_template(&credentials, "{}".to_owned()),
        serve(&listener, "400 Bad Request", body)
    );
    let Err(UpstreamError::Refused(error)) = submitted else { panic!("{submitted:?}") };
    assert_eq!((error.code, error.subcode), (100, Some(2_388_299)));
    assert_eq!(error.details.as_deref(), Some("Put words after the last one."));
}

#[tokio::test]
async fn an_invalid_id_is_not_part_of_a_path() {
    let (_listener, client) = server().await;
    let done = client.edit_template(&credentials(), "7/../8", "{}".to_owned()).await;
    assert!(matches!(done, Err(UpstreamError::Unreachable(_))), "{done:?}");
}

fn callback(listener: &TcpListener) -> CallbackVerification {
    CallbackVerification {
        url: format!("http://{}/webhooks/meta", listener.local_addr().unwrap()),
        verify_token: "word+/=".to_owned(),
        challenge: "c-1".to_owned(),
    }
}

#[tokio::test]
async fn a_callback_is_called_without_the_token() {
    let (listener, client) = server().await;
    let callback = callback(&listener);
    let answering = async {
        let mut stream = accept(&listener).await;
        let (head, _) = request(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nc-1").await.unwrap();
        head
    };
    let (probed, head) = tokio::join!(client.verify_callback(&callback), answering);
    assert_eq!(probed, Ok(()));
    assert!(head.starts_with(
        "GET /webhooks/meta?hub.mode=subscribe&hub.challenge=c-1&hub.verify_token=word%2B%2F%3D HTTP/1.1"
    ));
    assert!(!head.contains(TOKEN));
}

#[tokio::test]
async fn a_callback_of_another_server_is_reported() {
    for (response, result) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", "without the challenge"),
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", "HTTP 403"),
        ("HTTP/1.1 302 Found\r\nlocation: https://a.example\r\ncontent-length: 0\r\n\r\n", "HTTP 302"),
    ] {
        let (listener, client) = server().await;
        let callback = callback(&listener);
        let answering = async { answer_raw(&mut accept(&listener).await, response.as_bytes()).await };
        let (probed, ()) = tokio::join!(client.verify_callback(&callback), answering);
        assert!(probed.as_ref().is_err_and(|reason| reason.contains(result)), "{probed:?}");
    }
    let (listener, client) = with_short_timeout().await;
    let callback = callback(&listener);
    drop(listener);
    let reason = client.verify_callback(&callback).await.unwrap_err();
    assert!(!reason.is_empty() && !reason.contains("meta:"), "{reason}");
    let nonsense = CallbackVerification { url: "not a url".to_owned(), ..callback };
    assert_eq!(client.verify_callback(&nonsense).await, Err("the value is not a URL".to_owned()));
}
