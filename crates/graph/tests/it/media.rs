//! Upload and download of files: requests, use of the access token, and memory.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use domain::messages::outcome::SendOutcome;
use engine::ports::{
    AccountCredentials, ByteStream, ByteStreamError, DownloadError, MediaUpstream as _, OutgoingFile,
    UpstreamError,
};
use futures_core::Stream;
use graph::{GraphClient, GraphConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::{SOON, TOKEN, accept, credentials, has_no_more_callers, port, request, server};

struct Given(VecDeque<Result<Bytes, ByteStreamError>>);

impl Stream for Given {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop_front())
    }
}

fn file(content: &[&'static str]) -> OutgoingFile {
    let size = content.iter().map(|chunk| chunk.len()).sum::<usize>();
    OutgoingFile {
        mime_type: "image/png".to_owned(),
        file_name: "a.png".to_owned(),
        size: size.try_into().unwrap(),
        sha256: [7; 32],
        content: Box::pin(Given(
            content.iter().map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))).collect(),
        )),
    }
}

async fn all(mut content: ByteStream) -> Result<Vec<u8>, ByteStreamError> {
    let mut whole = Vec::new();
    while let Some(chunk) = poll_fn(|context| content.as_mut().poll_next(context)).await {
        whole.extend_from_slice(&chunk?);
    }
    Ok(whole)
}

/// Responds to one request with these bytes; returns its head and body.
async fn serve(listener: &TcpListener, response: impl AsRef<str>) -> (String, String) {
    let mut stream = accept(listener).await;
    let request_line = request(&mut stream).await.unwrap();
    assert!(request_line.0.contains(&format!("authorization: Bearer {TOKEN}")), "{}", request_line.0);
    stream.write_all(response.as_ref().as_bytes()).await.unwrap();
    request_line
}

fn json(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn an_upload_is_a_form_with_a_length_and_the_fields_of_meta() {
    let (listener, client) = server().await;
    let credentials = credentials();
    let (id, (head, body)) = tokio::join!(
        client.upload_media(&credentials, file(&["\u{89}PNG", "", " and more"])),
        serve(&listener, json("200 OK", r#"{"id":"1402233445566778"}"#))
    );
    assert_eq!(id, Ok("1402233445566778".to_owned()));
    assert!(head.starts_with("POST /v24.0/330011220099887/media HTTP/1.1\r\n"), "{head}");
    let boundary = format!("waypost-{}", "07".repeat(32));
    assert!(head.contains(&format!("content-type: multipart/form-data; boundary={boundary}")), "{head}");
    let part = |name: &str| format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"");
    let expected = format!(
        "{}\r\n\r\nwhatsapp\r\n{}\r\n\r\nimage/png\r\n{}; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\
         \u{89}PNG and more\r\n--{boundary}--\r\n",
        part("messaging_product"),
        part("type"),
        part("file"),
    );
    assert_eq!(body, expected);
}

type Expected = fn(&SendOutcome) -> bool;

#[tokio::test]
async fn a_failed_upload_means_that_no_message_was_sent() {
    let ends: [(String, Expected); 7] = [
        (json("500 Oops", "x"), |end| matches!(end, SendOutcome::NotSent { .. })),
        (json("200 OK", "{}"), |end| matches!(end, SendOutcome::NotSent { .. })),
        (
            json("400 Bad", r#"{"error":{"code":100,"message":"(#100) Param file"}}"#),
            |end| matches!(end, SendOutcome::Refused(error) if error.code == 100),
        ),
        (
            json("401 No", r#"{"error":{"code":190,"message":"expired"}}"#),
            |end| matches!(end, SendOutcome::Refused(error) if error.code == 190),
        ),
        (
            json("400 Bad", r#"{"error":{"code":131056,"message":"pair"}}"#),
            |end| matches!(end, SendOutcome::Refused(error) if error.code == 131_056),
        ),
        (json("413 Large", ""), |end| matches!(end, SendOutcome::Stopped { http_status: 413, .. })),
        (String::new(), |end| matches!(end, SendOutcome::NotSent { .. })),
    ];
    for (response, is_expected) in ends {
        let (listener, client) = server().await;
        let credentials = credentials();
        let (end, _) = tokio::join!(client.upload_media(&credentials, file(&["x"])), async {
            serve(&listener, &response).await;
        });
        let end = end.unwrap_err();
        assert!(is_expected(&end), "{response}: {end:?}");
        assert!(!format!("{end:?}").contains(TOKEN));
    }
}

#[tokio::test]
async fn an_upload_with_incomplete_content_is_not_sent() {
    let (listener, client) = server().await;
    let credentials = credentials();
    let mut broken = file(&["half"]);
    broken.size = 8;
    let content = VecDeque::from([
        Ok(Bytes::from_static(b"half")),
        Err(ByteStreamError::Broken("the disk is gone".to_owned())),
    ]);
    broken.content = Box::pin(Given(content));
    let (end, cut) = tokio::join!(client.upload_media(&credentials, broken), async {
        let mut stream = accept(&listener).await;
        request(&mut stream).await
    });
    assert!(matches!(end, Err(SendOutcome::NotSent { .. })), "{end:?}");
    assert_eq!(cut, None, "the request never became whole");
}

#[tokio::test]
async fn a_file_is_requested_with_the_id_of_the_number() {
    let (listener, client) = server().await;
    let credentials = credentials();
    let body = r#"{"url":"https://lookaside.fbsbx.com/x?mid=1","file_size":"12","id":"77"}"#;
    let (info, (head, _)) =
        tokio::join!(client.get_media_info(&credentials, "77"), serve(&listener, json("200 OK", body)));
    assert!(head.starts_with("GET /v24.0/77?phone_number_id=330011220099887 HTTP/1.1\r\n"), "{head}");
    assert_eq!(info.unwrap().size, Some(12));
    let hostile = client.get_media_info(&credentials, "77/../1").await;
    assert!(matches!(hostile, Err(UpstreamError::Unreachable(_))), "{hostile:?}");
    let (done, (head, _)) = tokio::join!(
        client.delete_uploaded_media(&credentials, "77"),
        serve(&listener, json("200 OK", r#"{"success":true}"#))
    );
    assert!(head.starts_with("DELETE /v24.0/77?phone_number_id="), "{head}");
    assert_eq!(done, Ok(()));
}

async fn download(response: &str, most: u64) -> Result<Result<Vec<u8>, ByteStreamError>, DownloadError> {
    let (listener, config) = port().await;
    let url = format!("{}/whatsapp_business/attachments/?mid=1", config.live_base_url);
    let client = GraphClient::new(&GraphConfig { timeout: SOON, ..config }).unwrap();
    let credentials = credentials();
    let get = async {
        match client.download_media(&credentials, &url, most).await {
            Ok(download) => Ok(all(download.content).await),
            Err(error) => Err(error),
        }
    };
    let (got, (head, _stream)) = tokio::join!(get, async {
        let mut stream = accept(&listener).await;
        let (head, _) = request(&mut stream).await.unwrap();
        stream.write_all(response.as_bytes()).await.unwrap();
        // A connection stays open if the response contains its length.
        (head, response.contains("stall").then_some(stream))
    });
    assert!(head.starts_with("GET /whatsapp_business/attachments/?mid=1 HTTP/1.1"), "{head}");
    assert!(
        head.contains(&format!("authorization: Bearer {TOKEN}")) && head.contains("user-agent: waypost/")
    );
    got
}

#[tokio::test]
async fn a_download_is_streamed_up_to_its_maximum_size() {
    assert_eq!(download(&json("200 OK", "hello"), 5).await, Ok(Ok(b"hello".to_vec())));
    assert_eq!(download(&json("200 OK", "hello"), 4).await, Err(DownloadError::TooLarge(4)));
    let unannounced = "HTTP/1.1 200 OK\r\n\r\nhello";
    assert_eq!(download(unannounced, 4).await, Ok(Err(ByteStreamError::TooLarge(4))));
}

#[tokio::test]
async fn an_expired_url_is_distinguished_from_other_failures() {
    for status in [401, 403, 404, 410] {
        assert_eq!(download(&json(&format!("{status} No"), ""), 9).await, Err(DownloadError::Gone(status)));
    }
    for response in [json("500 Oops", ""), json("206 Partial", "x")] {
        let end = download(&response, 9).await;
        assert!(matches!(end, Err(DownloadError::Unreachable(_))), "{end:?}");
    }
    let moved = "HTTP/1.1 302 Found\r\nlocation: https://evil.example/\r\ncontent-length: 0\r\n\r\n";
    let end = download(moved, 9).await;
    assert!(matches!(&end, Err(DownloadError::Unreachable(why)) if why.contains("redirect")), "{end:?}");
}

#[tokio::test]
async fn an_interrupted_or_stalled_download_fails() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello";
    assert!(matches!(download(cut, 99).await, Ok(Err(ByteStreamError::Broken(_)))));
    let stalled = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nstall";
    let end = download(stalled, 99).await;
    assert!(
        matches!(&end, Ok(Err(ByteStreamError::Broken(why))) if why.contains("timed out after")),
        "{end:?}"
    );
}

#[tokio::test]
async fn the_token_is_sent_to_meta_only() {
    let (listener, client) = server().await;
    let own = listener.local_addr().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other_port = other.local_addr().unwrap().port();
    for url in [
        format!("http://127.0.0.1:{other_port}/x"),
        format!("https://{own}/x"),
        format!("http://localhost:{}/x", own.port()),
        format!("http://lookaside.fbsbx.com@127.0.0.1:{other_port}/x"),
        "http://lookaside.fbsbx.com/x".to_owned(),
        "https://lookaside.fbsbx.com:8443/x".to_owned(),
        "https://user@lookaside.fbsbx.com/x".to_owned(),
        "https://lookaside.fbsbx.com.evil.example/x".to_owned(),
        "https://evilfbcdn.net/x".to_owned(),
        "https://facebook.com.evil.example/x".to_owned(),
        "https://169.254.169.254/latest".to_owned(),
        "/x".to_owned(),
    ] {
        let end = client.download_media(&credentials(), &url, 9).await.map(|_| ());
        assert!(matches!(end, Err(DownloadError::Foreign(_))), "{url}: {end:?}");
        assert!(!format!("{end:?}").contains(TOKEN));
    }
    let sandbox_only = client
        .download_media(&credentials(), "http://127.0.0.1:8090/whatsapp_business/attachments/", 9)
        .await
        .map(|_| ());
    assert!(matches!(sandbox_only, Err(DownloadError::Foreign(_))), "a live account's token");
    assert!(has_no_more_callers(other));
    assert!(has_no_more_callers(listener));
}

/// Counts the bytes that are in memory at once.
#[derive(Default)]
struct Alive {
    now: AtomicUsize,
    most: AtomicUsize,
}

struct Piece(Vec<u8>, Arc<Alive>);

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.1.now.fetch_sub(self.0.len(), Ordering::SeqCst);
    }
}

struct Large {
    n_left: usize,
    in_memory: Arc<Alive>,
}

impl Stream for Large {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        const PIECE: usize = 64 << 10;
        if self.n_left == 0 {
            return Poll::Ready(None);
        }
        self.n_left -= PIECE;
        let now = self.in_memory.now.fetch_add(PIECE, Ordering::SeqCst) + PIECE;
        self.in_memory.most.fetch_max(now, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Bytes::from_owner(Piece(vec![1; PIECE], self.in_memory.clone())))))
    }
}

#[tokio::test]
async fn a_hundred_megabytes_are_uploaded_with_little_memory() {
    const SIZE: usize = 100 << 20;
    let (listener, client) = server().await;
    let credentials: AccountCredentials = credentials();
    let in_memory = Arc::new(Alive::default());
    let file = OutgoingFile {
        mime_type: "application/pdf".to_owned(),
        file_name: "document.pdf".to_owned(),
        size: SIZE.try_into().unwrap(),
        sha256: [1; 32],
        content: Box::pin(Large { n_left: SIZE, in_memory: in_memory.clone() }),
    };
    let (end, n_read) = tokio::join!(client.upload_media(&credentials, file), async {
        let mut stream = accept(&listener).await;
        let mut buffer = vec![0; 256 << 10];
        let (mut n_read, mut last) = (0, Vec::new());
        while !last.ends_with(b"--\r\n") {
            let n = stream.read(&mut buffer).await.unwrap();
            n_read += n;
            last = buffer[n.saturating_sub(8)..n].to_vec();
        }
        stream.write_all(json("200 OK", r#"{"id":"9"}"#).as_bytes()).await.unwrap();
        n_read
    });
    assert_eq!(end, Ok("9".to_owned()));
    assert!(n_read > SIZE);
    let most = in_memory.most.load(Ordering::SeqCst);
    assert!(most <= 2 << 20, "{most} bytes were held at once");
}
