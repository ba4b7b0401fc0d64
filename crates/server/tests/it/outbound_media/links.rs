//! Messages with linked files that the gateway downloads.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use engine::background;
use engine::deps::Ports;
use engine::media::MediaPorts;
use engine::ports::{Chunks, FetchError, FetchedFile, Fetcher};
use serde_json::{Value, json};

use super::{Counts, PDF, PNG};
use crate::fault_ports::with_faults;
use crate::support::{CUSTOMER, TestApp};

/// Web server with a few files, and the number of requests for each of them.
#[derive(Default)]
struct Web {
    requests: Mutex<Vec<String>>,
}

struct Given(VecDeque<Result<Bytes, FetchError>>);

#[async_trait]
impl Chunks for Given {
    async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        self.0.pop_front().transpose()
    }
}

#[async_trait]
impl Fetcher for Web {
    async fn fetch(&self, url: &str, max_bytes: u64) -> Result<FetchedFile, FetchError> {
        assert_eq!(max_bytes, 100 << 20);
        self.requests.lock().unwrap().push(url.to_owned());
        let n_requests = self.requests.lock().unwrap().iter().filter(|requests| *requests == url).count();
        let found = |mime_type: &str, body: Vec<Result<Bytes, FetchError>>| {
            Ok(FetchedFile {
                content_type: Some(mime_type.to_owned()),
                file_name: Some("a.png".to_owned()),
                body: Box::new(Given(body.into())),
            })
        };
        let png = || vec![Ok(Bytes::from_static(PNG))];
        let name = url.rsplit('/').next().unwrap_or_default();
        match name {
            "a.png" | "same.png" => found("image/png", png()),
            "page.png" => found("image/png", vec![Ok(Bytes::from_static(b"<html></html>"))]),
            "login.pdf" | "error.json" | "denied.xml" => Ok(FetchedFile {
                content_type: Some("application/octet-stream".to_owned()),
                file_name: Some("file".to_owned()),
                body: Box::new(Given(VecDeque::from([Ok(Bytes::from_static(match name {
                    "login.pdf" => b"<!DOCTYPE html><html><body>please log in</body></html>",
                    "error.json" => br#"{"error":"not found"}"#,
                    _ => b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
                }))]))),
            }),
            "menu.pdf" | "other.pdf" => Ok(FetchedFile {
                content_type: None,
                file_name: Some(name.to_owned()),
                body: Box::new(Given(VecDeque::from([Ok(Bytes::from_static(PDF))]))),
            }),
            "film.gif" => found("image/gif", vec![Ok(Bytes::from_static(b"GIF89a"))]),
            "cut.png" if n_requests == 1 => {
                let cut = FetchError::Unreachable("the connection was cut".to_owned());
                found("image/png", vec![Ok(Bytes::from_static(PNG)), Err(cut)])
            }
            "cut.png" => found("image/png", png()),
            "slow.png" => Err(FetchError::Unreachable("no answer".to_owned())),
            "silent.png" => std::future::pending().await,
            "busy.png" if n_requests == 1 => Err(FetchError::UnexpectedStatus { status: 503 }),
            "busy.png" => found("image/png", png()),
            "large.png" => Err(FetchError::TooLarge { max_bytes }),
            _ => Err(FetchError::UnexpectedStatus { status: 404 }),
        }
    }
}

async fn fetching() -> (TestApp, Arc<Web>, Arc<Counts>) {
    let mut app = TestApp::with(|settings| settings.media.fetches_links = true).await;
    let (web, counts) = (Arc::new(Web::default()), Arc::new(Counts::default()));
    let (fetcher, guard) = (web.clone(), counts.clone());
    app.restart_with(|ports| {
        let media = MediaPorts { fetcher: Some(fetcher), ..ports.media };
        with_faults(Ports { media, ..ports }, guard)
    })
    .await;
    background::tick_recovery(&app.deps).await.unwrap();
    (app, web, counts)
}

fn link(name: &str) -> Value {
    json!({"to": CUSTOMER, "type": "image", "image": {"url": format!("https://files.example/{name}")}})
}

#[tokio::test]
async fn a_link_is_downloaded_stored_and_uploaded_once() {
    let (app, web, counts) = fetching().await;
    app.send(link("a.png")).await.expect(200);
    app.send(link("a.png")).await.expect(200);
    assert!(app.accepted_message(0)["image"]["link"].is_null());
    assert_eq!(app.accepted_message(0)["image"]["id"], app.accepted_message(1)["image"]["id"]);
    assert_eq!(web.requests.lock().unwrap().len(), 1, "asked a moment ago");
    app.send(link("same.png")).await.expect(200);
    assert_eq!(counts.of("upload_media"), 1, "the same content");
    app.advance(601);
    app.send(link("a.png")).await.expect(200);
    assert_eq!((web.requests.lock().unwrap().len(), counts.of("upload_media")), (3, 1));
}

#[tokio::test]
async fn without_the_setting_meta_downloads_a_link() {
    let app = TestApp::new().await;
    app.send(link("a.png")).await.expect(200);
    assert_eq!(app.accepted_message(0)["image"]["link"], "https://files.example/a.png");
}

#[tokio::test]
async fn an_account_overrides_the_setting_for_links() {
    let (app, web, _) = fetching().await;
    let n_requests = || web.requests.lock().unwrap().len();
    let says = async |choice: Value| {
        let body = json!({"fetch_media": choice}).to_string();
        app.request("PUT", "/api/accounts/sandbox", body).await.expect(200)
    };
    assert_eq!(says(json!(false)).await.data()["fetch_media"], json!(false));
    app.send(link("a.png")).await.expect(200);
    assert_eq!(
        (n_requests(), &app.accepted_message(0)["image"]["link"]),
        (0, &json!("https://files.example/a.png"))
    );
    // The configuration applies again.
    assert_eq!(says(Value::Null).await.data()["fetch_media"], Value::Null);
    app.send(link("a.png")).await.expect(200);
    assert_eq!((n_requests(), &app.accepted_message(1)["image"]["link"]), (1, &Value::Null));
}

#[tokio::test]
async fn an_account_can_download_links_while_others_do_not() {
    let mut app = TestApp::new().await;
    let web = Arc::new(Web::default());
    let fetcher = web.clone();
    app.restart_with(|ports| Ports { media: MediaPorts { fetcher: Some(fetcher), ..ports.media }, ..ports })
        .await;
    background::tick_recovery(&app.deps).await.unwrap();
    app.send(link("a.png")).await.expect(200);
    assert!(web.requests.lock().unwrap().is_empty());
    let body = json!({"fetch_media": true}).to_string();
    app.request("PUT", "/api/accounts/sandbox", body).await.expect(200);
    app.send(link("a.png")).await.expect(200);
    assert_eq!(web.requests.lock().unwrap().len(), 1);
    assert!(app.accepted_message(1)["image"]["id"].is_string());
}

#[tokio::test]
async fn a_link_with_invalid_content_fails_the_message_with_the_reason() {
    let (app, _, counts) = fetching().await;
    for (name, reason) in [
        ("missing.png", "cannot be downloaded: the server answered 404"),
        ("large.png", "cannot be downloaded: it is larger than 104857600 bytes"),
        ("page.png", "is named a.png, but its content is an HTML page"),
        ("film.gif", "is image/gif, which Meta does not take"),
    ] {
        let mut body = link(name);
        body["client_reference"] = json!(name);
        let response = app.send(body).await.expect(400);
        assert_eq!((response.code(), response.pointers()), ("invalid_request", vec!["/image/link"]));
        assert!(response.reasons().starts_with(reason), "{}", response.reasons());
        let listed = app.get(&format!("/api/messages?client_reference={name}")).await;
        let row = &listed.data()["messages"][0];
        assert_eq!((&row["status"], &row["error"]["code"]), (&json!("failed"), &json!(131_053)));
        assert!(row["error"]["details"].as_str().unwrap().contains(reason), "{row:#}");
    }
    assert_eq!((app.n_accepted(), counts.of("upload_media")), (0, 0));
}

#[tokio::test]
async fn a_failed_download_of_a_link_is_retried() {
    let (app, web, _) = fetching().await;
    app.send(link("cut.png")).await.expect(200);
    assert_eq!((web.requests.lock().unwrap().len(), app.n_accepted()), (2, 1));
    app.send(link("busy.png")).await.expect(200);
    assert_eq!((web.requests.lock().unwrap().len(), app.n_accepted()), (4, 2));
    let response = app.send(link("slow.png")).await.expect(400);
    assert_eq!((response.code(), response.pointers()), ("invalid_request", vec!["/image/link"]));
    assert_eq!(response.reasons(), "cannot be downloaded: no answer");
    assert_eq!(app.n_accepted(), 2);
}

fn document(name: &str, more: &str) -> Value {
    let mut document = json!({"link": format!("https://files.example/{name}")});
    if !more.is_empty() {
        document["filename"] = json!(more);
    }
    json!({"to": CUSTOMER, "type": "document", "document": document})
}

#[tokio::test]
async fn an_error_page_is_not_sent_under_the_name_that_the_caller_gave() {
    let (app, _, counts) = fetching().await;
    for (link, found) in [("login.pdf", "an HTML page"), ("error.json", "JSON"), ("denied.xml", "XML")] {
        let response = app.send(document(link, "invoice.pdf")).await.expect(400);
        assert_eq!((response.code(), response.pointers()), ("invalid_request", vec!["/document/link"]));
        assert_eq!(response.reasons(), format!("is named invoice.pdf, but its content is {found}"));
    }
    assert_eq!((app.n_accepted(), counts.of("upload_media")), (0, 0));
    // Without a name, the file is text. A moment later, its content is known, and the name still does not fit.
    app.send(document("error.json", "")).await.expect(200);
    let response = app.send(document("error.json", "invoice.pdf")).await.expect(400);
    assert_eq!(response.reasons(), "is named invoice.pdf, but its content is text");
}

#[tokio::test]
async fn a_downloaded_document_has_the_name_that_is_known_of_it() {
    let (app, _, counts) = fetching().await;
    for (n, (link, given, shown)) in [
        ("menu.pdf", "", "menu.pdf"),
        ("menu.pdf", "lunch.pdf", "lunch.pdf"),
        // The same content has one record, but each link has its own name.
        ("other.pdf", "", "other.pdf"),
        ("other.pdf", "", "other.pdf"),
    ]
    .into_iter()
    .enumerate()
    {
        app.send(document(link, given)).await.expect(200);
        assert_eq!(app.accepted_message(n)["document"]["filename"], shown);
    }
    assert_eq!(counts.of("upload_media"), 1);
}

fn queued(mut body: Value, reference: &str) -> Value {
    body["mode"] = json!("queue");
    body["client_reference"] = json!(reference);
    body
}

async fn queue_error_and_text(app: &TestApp, name: &str) -> String {
    let waiting = app.send(queued(link(name), "file")).await.expect(202);
    let text = json!({"to": CUSTOMER, "type": "text", "text": "your code is 1234"});
    app.send(queued(text, "text")).await.expect(202);
    app.tick_queue().await;
    assert_eq!(app.n_accepted(), 1, "the text passes the file");
    assert_eq!(app.accepted_message(0)["text"]["body"], "your code is 1234");
    waiting.data()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_file_that_cannot_be_downloaded_yet_holds_only_its_own_message() {
    let (app, _, _) = fetching().await;
    let id = queue_error_and_text(&app, "busy.png").await;
    let waiting = app.message(&id).await;
    let reason = "/image/link cannot be downloaded: the server answered 503";
    assert_eq!(
        (&waiting["status"], &waiting["error"]["code"], &waiting["error"]["details"]),
        (&json!("queued"), &json!(131_053), &json!(reason))
    );
    assert_eq!(waiting["timeline"].as_array().unwrap().last().unwrap()["error"]["details"], reason);
    let events = app.get("/api/events?events=message.queued").await.expect(200);
    let reasons: Vec<_> = events.data()["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["data"]["client_reference"] == "file")
        .map(|event| event["data"]["error"]["details"].clone())
        .collect();
    assert_eq!(reasons, [Value::Null, json!(reason)]);
    app.advance(2);
    app.tick_queue().await;
    assert_eq!(app.n_accepted(), 2);
    let sent = app.message(&id).await;
    assert_eq!((&sent["status"], &sent["error"]), (&json!("sent"), &Value::Null));
}

#[tokio::test]
async fn a_file_that_cannot_be_downloaded_for_ten_minutes_fails_its_message() {
    let (app, web, _) = fetching().await;
    let id = queue_error_and_text(&app, "slow.png").await;
    for _ in 0..9 {
        app.advance(60);
        app.tick_queue().await;
        assert_eq!(app.message(&id).await["status"], "queued");
    }
    app.advance(60);
    app.tick_queue().await;
    let failed = app.message(&id).await;
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!(131_053)));
    assert_eq!(failed["error"]["details"], "/image/link cannot be downloaded: no answer");
    assert_eq!((app.n_accepted(), web.requests.lock().unwrap().len()), (1, 11));
}

#[tokio::test]
async fn a_server_that_does_not_answer_holds_later_messages_for_fifteen_seconds() {
    let (app, web, _) = fetching().await;
    app.send(queued(link("silent.png"), "file")).await.expect(202);
    let text = json!({"to": CUSTOMER, "type": "text", "text": "your code is 1234"});
    app.send(queued(text, "text")).await.expect(202);
    engine::messages::queue::tick(&app.deps).await.unwrap();
    while web.requests.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    app.advance(15);
    app.finish_tasks().await;
    app.tick_queue().await;
    assert_eq!(app.n_accepted(), 1);
}
