//! A local server, and a client that calls it.

use std::time::Duration;

use bytes::Bytes;
use domain::accounts::account::{Account, AccountStatus};
use domain::id::{AccountId, WorkspaceId};
use domain::messages::outcome::{AcceptedMessage, SendOutcome};
use engine::ports::{AccountCredentials, Upstream as _};
use graph::{GraphClient, GraphConfig};
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The access token of [`credentials`]; no reason may contain it.
pub(crate) const TOKEN: &str = "EAAG-secret-token";

/// A request body as the engine creates it.
pub(crate) const BODY: &str = r#"{"messaging_product":"whatsapp","to":"+447700900123"}"#;

/// A response with a message id.
pub(crate) const ACCEPTED: &str = r#"{"messaging_product":"whatsapp","messages":[{"id":"wamid.A"}]}"#;

/// Deadline of a client that waits for a response that never comes.
pub(crate) const SOON: Duration = Duration::from_millis(500);

pub(crate) fn credentials() -> AccountCredentials {
    AccountCredentials {
        account: Account {
            id: AccountId::from_parts(1, &[1; 10]),
            workspace: WorkspaceId::from_parts(1, &[2; 10]),
            name: "main".to_owned(),
            phone_number_id: "330011220099887".to_owned(),
            waba_id: "210987650001234".to_owned(),
            display_phone_number: None,
            quality_rating: None,
            messaging_limit_tier: None,
            status: AccountStatus::Connected,
            status_reason: None,
            is_default: true,
            is_sandbox: false,
            fetches_links: None,
        },
        access_token: SecretString::from(TOKEN),
    }
}

/// Returns a listener on a local port, and a configuration with its URL.
pub(crate) async fn port() -> (TcpListener, GraphConfig) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let live_base_url = format!("http://{}", listener.local_addr().unwrap());
    let timeout = Duration::from_secs(10);
    (listener, GraphConfig { live_base_url, timeout, ..GraphConfig::default() })
}

/// Returns a listener on a local port, and a client that calls it.
pub(crate) async fn server() -> (TcpListener, GraphClient) {
    let (listener, config) = port().await;
    (listener, GraphClient::new(&config).unwrap())
}

/// Returns a client with a short timeout.
pub(crate) async fn with_short_timeout() -> (TcpListener, GraphClient) {
    let (listener, config) = port().await;
    (listener, GraphClient::new(&GraphConfig { timeout: SOON, ..config }).unwrap())
}

pub(crate) async fn send(client: &GraphClient) -> SendOutcome {
    let outcome = client.send_message(&credentials(), Bytes::from_static(BODY.as_bytes())).await;
    assert!(!format!("{outcome:?}").contains(TOKEN));
    outcome
}

pub(crate) fn accepted() -> SendOutcome {
    SendOutcome::Accepted(AcceptedMessage { wamid: "wamid.A".to_owned(), ..AcceptedMessage::default() })
}

#[track_caller]
pub(crate) fn is_unknown(outcome: &SendOutcome) {
    assert!(matches!(outcome, SendOutcome::Unknown { .. }), "{outcome:?}");
}

#[track_caller]
pub(crate) fn is_not_sent(outcome: &SendOutcome) {
    assert!(matches!(outcome, SendOutcome::NotSent { .. }), "{outcome:?}");
}

pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().await.unwrap().0
}

/// Returns `true` if no other connection was opened. The kernel knows this without waiting.
pub(crate) fn has_no_more_callers(listener: TcpListener) -> bool {
    listener.into_std().unwrap().accept().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

/// Reads one HTTP/1.1 request: its head and its body. Returns `None` if the client has closed the connection.
pub(crate) async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase();
            let length = head.lines().find_map(|credentials| credentials.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                let original = String::from_utf8(bytes[..end].to_vec()).unwrap();
                return Some((original, String::from_utf8(bytes[end + 4..].to_vec()).unwrap()));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// Reads a request and sends a response.
pub(crate) async fn response(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), status: &str, body: &str) {
    request(stream).await.expect("a request");
    let response = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(response.as_bytes()).await.unwrap();
}

/// Reads a request and writes exactly these bytes.
pub(crate) async fn answer_raw(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8]) {
    request(stream).await.expect("a request");
    stream.write_all(bytes).await.unwrap();
}
