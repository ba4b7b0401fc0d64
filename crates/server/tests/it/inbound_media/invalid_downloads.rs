//! Downloads of files with invalid content, size, host or name.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use engine::deps::Ports;
use engine::media::MediaPorts;
use engine::ports::{
    AccountCredentials, ByteStream, ByteStreamError, DownloadError, MediaDownload, MediaInfo, MediaUpstream,
    OutgoingFile, UpstreamError,
};
use serde_json::json;

use crate::support::TestApp;

/// Meta with invalid downloads: other content than announced, or more.
struct InvalidDownloads {
    right: Arc<dyn MediaUpstream>,
    kind: InvalidDownload,
    is_enabled: AtomicBool,
}

#[derive(Clone, Copy, PartialEq)]
enum InvalidDownload {
    OtherBytes,
    Endless,
    ForeignAddress,
}

struct Stream(InvalidDownload, bool);

impl futures_core::Stream for Stream {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let is_first = !std::mem::replace(&mut self.1, true);
        let piece =
            (is_first || self.0 == InvalidDownload::Endless).then(|| Ok(Bytes::from_static(&[7; 4096])));
        std::task::Poll::Ready(piece)
    }
}

#[async_trait]
impl MediaUpstream for InvalidDownloads {
    async fn upload_media(
        &self,
        line: &AccountCredentials,
        file: OutgoingFile,
    ) -> Result<String, domain::messages::outcome::SendOutcome> {
        self.right.upload_media(line, file).await
    }

    async fn get_media_info(&self, line: &AccountCredentials, id: &str) -> Result<MediaInfo, UpstreamError> {
        let mut info = self.right.get_media_info(line, id).await?;
        if self.is_enabled.load(Ordering::SeqCst) && self.kind == InvalidDownload::ForeignAddress {
            info.url = "http://127.0.0.1:9/whatsapp_business/attachments/".to_owned();
        }
        Ok(info)
    }

    async fn download_media(
        &self,
        line: &AccountCredentials,
        url: &str,
        most: u64,
    ) -> Result<MediaDownload, DownloadError> {
        let right = self.right.download_media(line, url, most).await?;
        if !self.is_enabled.load(Ordering::SeqCst) {
            return Ok(right);
        }
        let content: ByteStream = Box::pin(Stream(self.kind, false));
        Ok(MediaDownload { mime_type: None, content })
    }

    async fn delete_uploaded_media(&self, line: &AccountCredentials, id: &str) -> Result<(), UpstreamError> {
        self.right.delete_uploaded_media(line, id).await
    }
}

async fn with_invalid_download(kind: InvalidDownload) -> (TestApp, Arc<InvalidDownloads>) {
    let mut app = TestApp::new().await;
    let right = app.deps.media.upstream.clone();
    let invalid_downloads = Arc::new(InvalidDownloads { right, kind, is_enabled: AtomicBool::new(true) });
    let upstream = invalid_downloads.clone();
    app.restart_with(|ports| Ports { media: MediaPorts { upstream, ..ports.media }, ..ports }).await;
    (app, invalid_downloads)
}

#[tokio::test]
async fn content_with_a_wrong_hash_is_not_stored() {
    let (app, invalid_downloads) = with_invalid_download(InvalidDownload::OtherBytes).await;
    let (wamid, id) = app.picture().await;
    app.fetch_media().await;
    let shown = app.media_of(&wamid).await;
    assert_eq!(shown["state"], "pending");
    assert!(shown["reason"].as_str().unwrap().contains("SHA-256"), "{shown}");
    app.get(&format!("/api/media/{id}")).await.expect(409);
    invalid_downloads.is_enabled.store(false, Ordering::SeqCst);
    app.advance(10);
    app.fetch_media().await;
    assert_eq!(app.media_of(&wamid).await["state"], "ready");
}

#[tokio::test]
async fn an_endless_download_is_aborted() {
    let (app, _) = with_invalid_download(InvalidDownload::Endless).await;
    let (wamid, _) = app.picture().await;
    app.fetch_media().await;
    let shown = app.media_of(&wamid).await;
    assert_eq!(shown["state"], "failed");
    assert_eq!(shown["reason"], format!("the file is larger than {} bytes", 100 << 20));
}

#[tokio::test]
async fn a_file_on_a_foreign_host_is_not_downloaded() {
    let (app, _) = with_invalid_download(InvalidDownload::ForeignAddress).await;
    let (wamid, _) = app.picture().await;
    app.fetch_media().await;
    let shown = app.media_of(&wamid).await;
    assert_eq!(shown["state"], "pending");
    assert!(shown["reason"].as_str().unwrap().contains("which does not belong to Meta"), "{shown}");
}

#[tokio::test]
async fn a_file_above_the_configured_size_is_not_downloaded() {
    let app = TestApp::with(|settings| settings.media.max_bytes = 6).await;
    let (wamid, _) = app.picture().await;
    app.fetch_media().await;
    let shown = app.media_of(&wamid).await;
    assert_eq!(
        (&shown["state"], &shown["reason"]),
        (&json!("failed"), &json!("the file has 7 bytes; the maximum is 6"))
    );
}

#[tokio::test]
async fn the_name_and_type_of_a_document_are_not_trusted() {
    let app = TestApp::new().await;
    let document = json!({"type": "document", "document": {
        "filename": "../../a\"; x=\"\r\nEvil: 1.html", "mime_type": "text/html"}});
    let wamid = app.customer_sends(document, b"<script>alert(1)</script>").await;
    app.fetch_media().await;
    let shown = app.media_of(&wamid).await;
    assert_eq!(shown["state"], "ready", "{shown}");
    let received = app.get_raw("GET", &format!("/api/media/{}", shown["id"].as_str().unwrap()), &[]).await;
    assert_eq!(received.header("content-type"), "text/html");
    let disposition = received.header("content-disposition");
    assert!(disposition.starts_with("attachment; filename=\"a x=Evil 1.html\";"), "{disposition}");
    assert!(received.header("content-security-policy").starts_with("sandbox"));
    assert!(received.headers.get("evil").is_none());
    let root = app.folder.path().join("media");
    let mut n_files = 0;
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            assert!(
                name == "unfinished" || name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'),
                "{name}"
            );
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                n_files += 1;
            }
        }
    }
    assert_eq!(n_files, 1);
}
