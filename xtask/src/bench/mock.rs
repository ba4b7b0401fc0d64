//! The stand-in for Meta that is measured against: it takes any message and answers at once.
//!
//! It is no simulator: it checks nothing and keeps nothing but a count. One thread, so that it leaves the rest of
//! the machine to what is measured.

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Path at which the number of received messages can be read.
pub(super) const COUNT_PATH: &str = "/count";

/// Serves until the process is ended; prints the address first.
pub(super) fn serve(listen: SocketAddr) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
        crate::terminal::say(listener.local_addr().context("asking for the address")?);
        let taken = Arc::new(AtomicU64::new(0));
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.context("accepting a connection")?;
            stream.set_nodelay(true).context("setting up a connection")?;
            while connections.try_join_next().is_some() {}
            let taken = Arc::clone(&taken);
            // A connection that ends with an error is a client that went away: nothing to be done about it.
            connections.spawn(http1::Builder::new().serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| answer(Arc::clone(&taken), request)),
            ));
        }
    })
}

/// Answers one request the way the Graph API does.
async fn answer(
    taken: Arc<AtomicU64>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let is_message = request.method() == Method::POST && request.uri().path().ends_with("/messages");
    let is_count = request.uri().path() == COUNT_PATH;
    let body = request.into_body().collect().await?.to_bytes();
    let (status, text) = if is_message {
        let number = taken.fetch_add(1, Ordering::Relaxed);
        (StatusCode::OK, accepted(recipient(&body), number))
    } else if is_count {
        (StatusCode::OK, taken.load(Ordering::Relaxed).to_string())
    } else {
        (
            StatusCode::NOT_FOUND,
            r#"{"error":{"message":"Unknown path","type":"OAuthException","code":2500}}"#.to_owned(),
        )
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    Ok(response)
}

/// Meta's words for "taken", about 250 bytes, with an id that no other message gets.
fn accepted(to: &str, number: u64) -> String {
    let wa_id = to.trim_start_matches('+');
    format!(
        "{{\"messaging_product\":\"whatsapp\",\"contacts\":[{{\"input\":\"{to}\",\"wa_id\":\"{wa_id}\"}}],\
         \"messages\":[{{\"id\":\"wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgS{number:032X}AA==\"}}]}}"
    )
}

/// The recipient of a message; found without parsing, since this is the floor that others are compared with.
fn recipient(body: &[u8]) -> &str {
    let text = std::str::from_utf8(body).unwrap_or_default();
    text.split_once("\"to\":\"").and_then(|(_, rest)| rest.split_once('"')).map_or("", |(to, _)| to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_metas() {
        let body = br#"{"messaging_product":"whatsapp","to":"+447700900123","type":"text"}"#;
        let answer: serde_json::Value = serde_json::from_str(&accepted(recipient(body), 7)).unwrap();
        assert_eq!(answer["contacts"][0]["wa_id"], "447700900123");
        assert_ne!(accepted("+447700900123", 7), accepted("+447700900123", 8));
    }
}
