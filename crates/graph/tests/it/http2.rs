//! Frames of HTTP/2 (RFC 9113), and the outcome of a send that each of them causes.

use domain::messages::outcome::SendOutcome;
use graph::{GraphClient, GraphConfig, Versions};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{
    ACCEPTED, SOON, accept, accepted, has_no_more_callers, is_not_sent, is_unknown, port, send,
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Server side of a connection that is written frame by frame.
pub(crate) struct Frames<S> {
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// Accepts a connection, reads the client's preface and sends its own settings.
    pub(crate) async fn greeted(mut stream: S) -> Self {
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut frames = Self { stream };
        frames.write(SETTINGS, 0, 0, &[]).await;
        frames
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame).await.unwrap();
    }

    /// Reads the next frame: its type, flags and stream. Returns `None` if the client has closed the connection.
    async fn read(&mut self) -> Option<(u8, u8, u32)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap()];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some((kind, flags, u32::from_be_bytes(stream)))
    }

    /// Waits for a complete request; returns its stream.
    pub(crate) async fn request(&mut self) -> u32 {
        loop {
            match self.read().await.expect("a request") {
                (SETTINGS, flags, _) if flags & ACK == 0 => self.write(SETTINGS, ACK, 0, &[]).await,
                (HEADERS | DATA, flags, stream) if flags & END_STREAM != 0 => return stream,
                _ => {}
            }
        }
    }

    pub(crate) async fn response(&mut self, stream: u32, body: &str) {
        // `:status: 200` is entry 8 of HPACK's static table.
        self.write(HEADERS, END_HEADERS, stream, &[0x88]).await;
        self.write(DATA, END_STREAM, stream, body.as_bytes()).await;
    }

    async fn reset(&mut self, stream: u32, code: u32) {
        self.write(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    async fn go_away(&mut self, last_stream: u32, code: u32) {
        let payload = [last_stream.to_be_bytes(), code.to_be_bytes()].concat();
        self.write(GOAWAY, 0, 0, &payload).await;
    }
}

async fn server() -> (TcpListener, GraphClient) {
    let (listener, config) = port().await;
    (listener, GraphClient::new(&GraphConfig { versions: Versions::Http2, ..config }).unwrap())
}

async fn connection(listener: &TcpListener) -> Frames<TcpStream> {
    Frames::greeted(accept(listener).await).await
}

#[tokio::test]
async fn sends_share_a_connection() {
    let (listener, client) = server().await;
    let serve = async {
        let mut frames = connection(&listener).await;
        for _ in 0..3 {
            let stream = frames.request().await;
            frames.response(stream, ACCEPTED).await;
        }
    };
    let sends = async { [send(&client).await, send(&client).await, send(&client).await] };
    let (outcomes, ()) = tokio::join!(sends, serve);
    assert_eq!(outcomes, [accepted(), accepted(), accepted()]);
    assert!(has_no_more_callers(listener));
}

#[tokio::test]
async fn a_refused_stream_means_not_sent() {
    let (listener, client) = server().await;
    let serve = async {
        let mut frames = connection(&listener).await;
        let stream = frames.request().await;
        frames.reset(stream, REFUSED_STREAM).await;
        frames
    };
    let (outcome, _frames) = tokio::join!(send(&client), serve);
    is_not_sent(&outcome);
}

#[tokio::test]
async fn any_other_reset_is_unknown() {
    for code in [NO_ERROR, INTERNAL_ERROR, CANCEL, ENHANCE_YOUR_CALM] {
        let (listener, client) = server().await;
        let serve = async {
            let mut frames = connection(&listener).await;
            let stream = frames.request().await;
            frames.reset(stream, code).await;
            frames
        };
        let (outcome, _frames) = tokio::join!(send(&client), serve);
        is_unknown(&outcome);
        assert!(has_no_more_callers(listener));
    }
}

#[tokio::test]
async fn a_refusal_after_the_head_of_an_answer_is_unknown() {
    let (listener, client) = server().await;
    let serve = async {
        let mut frames = connection(&listener).await;
        let stream = frames.request().await;
        frames.write(HEADERS, END_HEADERS, stream, &[0x88]).await;
        frames.reset(stream, REFUSED_STREAM).await;
        frames
    };
    let (outcome, _frames) = tokio::join!(send(&client), serve);
    is_unknown(&outcome);
}

#[tokio::test]
async fn goaway_below_the_stream_means_not_sent() {
    for code in [NO_ERROR, ENHANCE_YOUR_CALM] {
        let (listener, client) = server().await;
        let serve = async {
            let mut frames = connection(&listener).await;
            frames.request().await;
            frames.go_away(0, code).await;
        };
        let (outcome, ()) = tokio::join!(send(&client), serve);
        is_not_sent(&outcome);
    }
}

#[tokio::test]
async fn goaway_at_the_stream_without_a_response_is_unknown() {
    for code in [NO_ERROR, INTERNAL_ERROR] {
        let (listener, client) = server().await;
        let serve = async {
            let mut frames = connection(&listener).await;
            let stream = frames.request().await;
            frames.go_away(stream, code).await;
        };
        let (outcome, ()) = tokio::join!(send(&client), serve);
        is_unknown(&outcome);
        assert!(has_no_more_callers(listener));
    }
}

#[tokio::test]
async fn goaway_at_the_stream_allows_the_response() {
    let (listener, client) = server().await;
    let serve = async {
        let mut frames = connection(&listener).await;
        let stream = frames.request().await;
        frames.go_away(stream, NO_ERROR).await;
        frames.response(stream, ACCEPTED).await;
        frames
    };
    let (outcome, _frames) = tokio::join!(send(&client), serve);
    assert_eq!(outcome, accepted());
}

#[tokio::test]
async fn after_goaway_the_next_send_uses_a_new_connection() {
    let (listener, client) = server().await;
    let serve = async {
        let mut first = connection(&listener).await;
        let stream = first.request().await;
        first.go_away(stream, NO_ERROR).await;
        first.response(stream, ACCEPTED).await;
        let mut second = connection(&listener).await;
        let stream = second.request().await;
        second.response(stream, ACCEPTED).await;
        (first, second)
    };
    let sends = async { (send(&client).await, send(&client).await) };
    let (outcomes, _frames) = tokio::join!(sends, serve);
    assert_eq!(outcomes, (accepted(), accepted()));
}

#[tokio::test]
async fn an_interrupted_connection_is_unknown_for_all_of_its_streams() {
    let (listener, client) = server().await;
    let serve = async {
        let mut frames = connection(&listener).await;
        frames.request().await;
        frames.request().await;
    };
    let (first, second, ()) = tokio::join!(send(&client), send(&client), serve);
    is_unknown(&first);
    is_unknown(&second);
}

#[tokio::test]
async fn invalid_frames_are_unknown() {
    let (listener, client) = server().await;
    let serve = async {
        let mut frames = connection(&listener).await;
        frames.request().await;
        frames.stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        frames
    };
    let (outcome, _frames) = tokio::join!(send(&client), serve);
    is_unknown(&outcome);
}

#[tokio::test]
async fn an_http_1_server_means_not_sent_or_unknown() {
    let (listener, client) = server().await;
    let serve = async {
        let mut stream = accept(&listener).await;
        stream.read_exact(&mut [0; 24]).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream
    };
    let (outcome, _stream) = tokio::join!(send(&client), serve);
    assert!(matches!(outcome, SendOutcome::NotSent { .. } | SendOutcome::Unknown { .. }), "{outcome:?}");
}

/// The server accepts no more streams, so that the second send waits until its deadline: its body never passed the
/// gate. After the server accepts streams again, the body still does not pass.
#[tokio::test]
async fn a_stream_that_never_opens_means_not_sent() {
    let (listener, config) = port().await;
    let config = GraphConfig { versions: Versions::Http2, timeout: SOON, ..config };
    let client = GraphClient::new(&config).unwrap();
    let (is_over, has_ended) = tokio::sync::oneshot::channel();
    let max_concurrent_streams = |count| [0, 3, 0, 0, 0, count];
    let serve = async {
        let mut frames = connection(&listener).await;
        let stream = frames.request().await;
        frames.write(SETTINGS, 0, 0, &max_concurrent_streams(0)).await;
        frames.response(stream, ACCEPTED).await;
        has_ended.await.unwrap();
        frames.write(SETTINGS, 0, 0, &max_concurrent_streams(9)).await;
        let mut filled = Vec::new();
        loop {
            let (kind, flags, stream) = frames.read().await.expect("the third request");
            if kind == DATA {
                filled.push(stream);
                if flags & END_STREAM != 0 {
                    frames.response(stream, ACCEPTED).await;
                    return filled;
                }
            }
        }
    };
    let sends = async {
        let (first, second) = (send(&client).await, send(&client).await);
        is_over.send(()).unwrap();
        (first, second, send(&client).await)
    };
    let ((first, second, third), filled) = tokio::join!(sends, serve);
    assert_eq!(first, accepted());
    is_not_sent(&second);
    assert_eq!(third, accepted());
    assert_eq!(filled.len(), 1);
}

#[tokio::test]
async fn a_response_after_the_deadline_is_unknown() {
    let (listener, config) = port().await;
    let config = GraphConfig { versions: Versions::Http2, timeout: SOON, ..config };
    let client = GraphClient::new(&config).unwrap();
    let serve = async {
        let mut frames = connection(&listener).await;
        let stream = frames.request().await;
        // The client cancels the stream.
        loop {
            if let (RST_STREAM, _, reset) = frames.read().await.expect("a reset") {
                return stream == reset;
            }
        }
    };
    let (outcome, is_reset) = tokio::join!(send(&client), serve);
    is_unknown(&outcome);
    assert!(is_reset);
}
