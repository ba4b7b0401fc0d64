//! Names of files: of uploads to Meta, and of documents that the recipient sees.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::messages::outcome::SendOutcome;
use engine::background;
use engine::deps::Ports;
use engine::media::MediaPorts;
use engine::ports::{
    AccountCredentials, DownloadError, MediaDownload, MediaInfo, MediaUpstream, OutgoingFile, UpstreamError,
};
use serde_json::json;

use super::PDF;
use crate::support::{CUSTOMER, TestApp};

const OGG: &[u8] = b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead\x01\x01";

/// Records the name and the type of each file that is uploaded to Meta.
struct UploadRecorder {
    inner: Arc<dyn MediaUpstream>,
    uploads: Arc<Mutex<Vec<(String, String)>>>,
}

#[async_trait]
impl MediaUpstream for UploadRecorder {
    async fn upload_media(
        &self,
        credentials: &AccountCredentials,
        file: OutgoingFile,
    ) -> Result<String, SendOutcome> {
        self.uploads.lock().unwrap().push((file.file_name.clone(), file.mime_type.clone()));
        self.inner.upload_media(credentials, file).await
    }

    async fn get_media_info(
        &self,
        credentials: &AccountCredentials,
        id: &str,
    ) -> Result<MediaInfo, UpstreamError> {
        self.inner.get_media_info(credentials, id).await
    }

    async fn download_media(
        &self,
        credentials: &AccountCredentials,
        url: &str,
        max_bytes: u64,
    ) -> Result<MediaDownload, DownloadError> {
        self.inner.download_media(credentials, url, max_bytes).await
    }

    async fn delete_uploaded_media(
        &self,
        credentials: &AccountCredentials,
        id: &str,
    ) -> Result<(), UpstreamError> {
        self.inner.delete_uploaded_media(credentials, id).await
    }
}

async fn recording() -> (TestApp, Arc<Mutex<Vec<(String, String)>>>) {
    let mut app = TestApp::new().await;
    let uploads = Arc::new(Mutex::new(Vec::new()));
    let recorded = uploads.clone();
    app.restart_with(|ports| {
        let upstream = Arc::new(UploadRecorder { inner: ports.media.upstream, uploads: recorded });
        Ports { media: MediaPorts { upstream, ..ports.media }, ..ports }
    })
    .await;
    background::tick_recovery(&app.deps).await.unwrap();
    (app, uploads)
}

#[tokio::test]
async fn a_file_is_uploaded_with_an_extension_of_its_content() {
    let (app, uploads) = recording().await;
    for (n, (name, mime_type, uploaded)) in [
        ("voice-note.mp4", "audio/ogg", "voice-note.ogg"),
        ("rec.opus", "audio/opus", "rec.ogg"),
        ("blob", "audio/ogg", "audio.ogg"),
        ("file", "application/octet-stream", "audio.ogg"),
    ]
    .into_iter()
    .enumerate()
    {
        let content = [OGG, n.to_string().as_bytes()].concat();
        let id = app.uploaded(name, mime_type, &content).await;
        let audio = json!({"to": CUSTOMER, "type": "audio", "audio": {"id": id, "voice": true}});
        app.send(audio).await.expect(200);
        let expected = (uploaded.to_owned(), "audio/ogg".to_owned());
        assert_eq!(uploads.lock().unwrap().last(), Some(&expected), "{name}");
    }
}

#[tokio::test]
async fn the_name_of_an_uploaded_document_is_shown_to_the_recipient() {
    let (app, _) = recording().await;
    let mut n_sent = 0;
    let mut document = async |name: &str, document: serde_json::Value| {
        let mut document = document;
        let content = [PDF, n_sent.to_string().as_bytes()].concat();
        document["id"] = json!(app.uploaded(name, "application/pdf", &content).await);
        app.send(json!({"to": CUSTOMER, "type": "document", "document": document})).await.expect(200);
        n_sent += 1;
        app.accepted_message(n_sent - 1)["document"]["filename"].clone()
    };
    assert_eq!(document("Rechnung März.pdf", json!({})).await, "Rechnung März.pdf");
    assert_eq!(document("a.pdf", json!({"filename": "b.pdf"})).await, "b.pdf");
    assert_eq!(document("report.final", json!({})).await, "report.final.pdf");
    assert_eq!(document("blob", json!({})).await, "document.pdf");
}

#[tokio::test]
async fn the_name_of_an_uploaded_document_is_shown_in_a_header() {
    let (app, _) = recording().await;
    let id = app.uploaded("menu.pdf", "application/pdf", PDF).await;
    let interactive = json!({"to": CUSTOMER, "type": "interactive", "interactive": {
        "type": "button", "header": {"type": "document", "document": {"id": id}}, "body": {"text": "?"},
        "action": {"buttons": [{"type": "reply", "reply": {"id": "1", "title": "Yes"}}]}}});
    app.send(interactive).await.expect(200);
    assert_eq!(app.accepted_message(0)["interactive"]["header"]["document"]["filename"], "menu.pdf");
    let invoice = json!({"name": "invoice", "language": "en", "category": "UTILITY", "components": [
        {"type": "HEADER", "format": "DOCUMENT", "example": {"header_handle": ["4:x"]}},
        {"type": "BODY", "text": "Your invoice."}]});
    app.sim.add_template(None, invoice.as_object().unwrap(), "APPROVED").unwrap();
    let template = json!({"to": CUSTOMER, "type": "template", "template": {
        "name": "invoice", "language": "en",
        "components": [{"type": "header", "parameters": [{"type": "document", "document": {"id": id}}]}]}});
    app.send(template).await.expect(200);
    let parameter = &app.accepted_message(1)["template"]["components"][0]["parameters"][0];
    assert_eq!(parameter["document"]["filename"], "menu.pdf");
}

#[tokio::test]
async fn a_document_link_that_meta_downloads_has_the_name_of_its_path() {
    let app = TestApp::new().await;
    for (n, (document, link, file_name)) in [
        (
            json!({"link": "https://a.example/x/menu.pdf?v=2"}),
            "https://a.example/x/menu.pdf?v=2",
            Some("menu.pdf"),
        ),
        (
            json!({"link": "https://a.example/menu.pdf", "filename": "b.pdf"}),
            "https://a.example/menu.pdf",
            Some("b.pdf"),
        ),
        (json!({"link": "https://a.example/get.php?f=2"}), "https://a.example/get.php?f=2", None),
        (json!({"link": "https://a.example/menu"}), "https://a.example/menu", None),
        (
            json!({"link": "https://a.example/the menü.pdf#page=2"}),
            "https://a.example/the%20men%C3%BC.pdf",
            Some("the menü.pdf"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        app.send(json!({"to": CUSTOMER, "type": "document", "document": document})).await.expect(200);
        let sent = &app.accepted_message(n)["document"];
        assert_eq!((sent["link"].as_str(), sent["filename"].as_str()), (Some(link), file_name));
    }
    app.send(json!({"to": CUSTOMER, "type": "image", "image": {"link": "https://a.example/b.png"}}))
        .await
        .expect(200);
    assert!(app.accepted_message(5)["image"]["filename"].is_null());
}

#[tokio::test]
async fn text_is_not_sent_under_the_name_of_another_type() {
    let (app, _) = recording().await;
    let id = app.uploaded("page.txt", "text/plain", b"<html></html>").await;
    let body = json!({"to": CUSTOMER, "type": "document", "document": {"id": id, "filename": "invoice.pdf"}});
    let response = app.send(body).await.expect(400);
    assert_eq!((response.code(), response.pointers()), ("invalid_request", vec!["/document/id"]));
    assert_eq!(response.reasons(), "is named invoice.pdf, but its content is text");
    let body = json!({"to": CUSTOMER, "type": "document", "document": {"id": id, "filename": "invoice.csv"}});
    app.send(body).await.expect(200);
}
