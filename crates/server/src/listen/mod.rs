//! Accept loop: HTTP/1.1 and HTTP/2 on one port.
//!
//! **Invariant:** the number of connections is bounded ([`connections`]), and so is the time that a connection lasts while
//! no request is answered on it ([`watch`]).
//!
//! The timers of this module use the time of the operating system, not the clock of the engine: the clock that
//! `waypost dev` moves must not close connections.

mod body;
mod connection;
mod connections;
mod stream;
mod watch;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use engine::Deps;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::connection::Connection;
use self::connections::Connections;
use crate::http_options::HttpOptions;

/// Maximum size of the head of an HTTP/1 request, and of the bytes of a request or response in the memory of a connection.
const MAX_HTTP1_BUFFER: usize = 32 * 1024;
/// Maximum size of the headers of an HTTP/2 request.
const MAX_HTTP2_HEADERS: u32 = 16 * 1024;
/// Maximum number of concurrent requests of an HTTP/2 connection.
const MAX_HTTP2_STREAMS: u32 = 100;
/// Bytes of a body that an HTTP/2 client may send before the gateway reads them.
const HTTP2_STREAM_WINDOW: u32 = 64 * 1024;
/// Bytes of all bodies that an HTTP/2 client may send before the gateway reads them.
const HTTP2_CONNECTION_WINDOW: u32 = 256 * 1024;
/// Bytes of a response that wait for an HTTP/2 client.
const MAX_HTTP2_SEND_BUFFER: usize = 64 * 1024;
/// Maximum number of requests that an HTTP/2 client has canceled before the gateway has begun them. With one more, the
/// connection is closed. The limit defends against the attack "rapid reset" (CVE-2023-44487).
const MAX_HTTP2_PENDING_RESETS: usize = 20;
/// Maximum number of requests that the gateway resets because an HTTP/2 client violates the protocol. With one more, the
/// connection is closed.
const MAX_HTTP2_ERROR_RESETS: usize = 100;
/// Interval of the pings on an HTTP/2 connection.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(30);
/// Maximum time of the answer to a ping.
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Pause of the accept loop after an error, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop` is cancelled; then accepts no more connections and returns after the last response.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    deps: &Arc<Deps>,
    options: &HttpOptions,
    stop: CancellationToken,
) {
    let builder = builder();
    let connections = Arc::new(Connections::new(options, deps.metrics.clone()));
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = async {
                connections.settled().await;
                listener.accept().await
            } => accepted,
            () = stop.cancelled() => break,
            // Closed connections are removed from the set, so that it does not grow without limit.
            Some(_) = tasks.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(n_skipped) = deps.sampled_log.admit("accept_error", deps.now()) {
                    tracing::warn!(%error, n_skipped, "a connection could not be accepted");
                }
                if !is_of_peer(error.kind()) {
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "the pause concerns the operating system: no test waits for it"
                    )]
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        let place = match connections.admit(peer.ip()) {
            Ok(place) => place,
            // The stream is dropped, which closes the connection.
            Err(refusal) => {
                let reason = refusal.as_str();
                if let Some(n_skipped) = deps.sampled_log.admit("connection_refused", deps.now()) {
                    tracing::warn!(reason, client = %peer.ip(), n_skipped, "a connection was refused");
                }
                continue;
            }
        };
        // Responses are small and complete: Nagle's algorithm would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let connection = Connection { router: router.clone(), peer, place };
        tasks.spawn(connection.run(builder.clone(), stream, stop.clone()));
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

/// Returns the builder of connections.
fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // hyper's timeout of a head includes the time between two requests; `watch` tells them apart.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(MAX_HTTP1_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_PING_INTERVAL)
        .keep_alive_timeout(HTTP2_PING_TIMEOUT)
        .max_concurrent_streams(MAX_HTTP2_STREAMS)
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .max_header_list_size(MAX_HTTP2_HEADERS)
        .max_send_buf_size(MAX_HTTP2_SEND_BUFFER)
        .max_pending_accept_reset_streams(MAX_HTTP2_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_HTTP2_ERROR_RESETS);
    builder
}

/// Returns `true` if the error concerns one connection only: its peer has closed it before it was accepted.
fn is_of_peer(kind: ErrorKind) -> bool {
    [ErrorKind::ConnectionAborted, ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset].contains(&kind)
}
