//! Calling a running gateway over HTTP.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::ConfigBuilderExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// How long a connection may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long an answer may take. The gateway itself waits for Meta for 30 s, and for its turn before.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// The most bytes of an answer.
const LONGEST_ANSWER: usize = 5 * 1024 * 1024;

/// One call.
pub(super) struct Call<'a> {
    /// The gateway's address, without a slash at its end.
    pub(super) base_url: &'a str,
    /// The path.
    pub(super) path: &'a str,
    /// Who calls.
    pub(super) api_key: &'a SecretString,
    /// Lets the call be made again without sending twice.
    pub(super) idempotency_key: Option<&'a str>,
    /// What is posted.
    pub(super) body: &'a Value,
}

/// Posts JSON and reads JSON.
///
/// # Errors
/// When there is no answer, or it is no JSON. Whether the gateway took the call is not known then, unless no connection
/// came about.
pub(super) async fn post(call: &Call<'_>) -> anyhow::Result<(StatusCode, Value)> {
    let uri = format!("{}{}", call.base_url, call.path);
    let mut request = Request::post(&uri)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("waypost/", env!("CARGO_PKG_VERSION")))
        .header("x-api-key", call.api_key.expose_secret());
    if let Some(key) = call.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let request = request
        .body(Full::new(Bytes::from(call.body.to_string())))
        .map_err(|_| anyhow!("the URL or a key holds characters that do not fit into a request"))?;
    let answered = within(ANSWER_WITHIN, async {
        let response = client()?.request(request).await.map_err(|error| silent(&uri, error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
        let body =
            body.map_err(|error| anyhow!("{error}")).context("reading the gateway's answer")?.to_bytes();
        anyhow::Ok((status, body))
    });
    let Some(answered) = answered.await else {
        bail!(
            "{uri} did not answer within {} s; the message may or may not have been sent",
            ANSWER_WITHIN.as_secs()
        );
    };
    let (status, body) = answered?;
    let answer = serde_json::from_slice(&body)
        .with_context(|| format!("{uri} answered {status} and no JSON: is this a waypost?"))?;
    Ok((status, answer))
}

/// What a look brought.
pub(super) struct Look {
    /// The status.
    pub(super) status: StatusCode,
    /// The header `Date`.
    pub(super) date: Option<String>,
    /// The body.
    pub(super) body: String,
}

/// How long a look may take.
const LOOK_WITHIN: Duration = Duration::from_secs(15);
/// The most bytes of an answer that are looked at.
const LONGEST_LOOK: usize = 64 * 1024;

/// Looks what answers at an address.
///
/// # Errors
/// When nothing does.
pub(super) async fn get(url: &str) -> anyhow::Result<Look> {
    let request = Request::get(url)
        .header(header::USER_AGENT, concat!("waypost/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::new()))
        .map_err(|_| anyhow!("this is no address"))?;
    let look = within(LOOK_WITHIN, async {
        let response = client()?.request(request).await.context("it gives no answer")?;
        let status = response.status();
        let date =
            response.headers().get(header::DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
        let body = Limited::new(response.into_body(), LONGEST_LOOK).collect().await;
        let body = body.map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
        Ok(Look { status, date, body: String::from_utf8_lossy(&body).into_owned() })
    });
    look.await.unwrap_or_else(|| bail!("it did not answer within {} s", LOOK_WITHIN.as_secs()))
}

fn silent(uri: &str, error: hyper_util::client::legacy::Error) -> anyhow::Error {
    if error.is_connect() {
        anyhow::Error::new(error)
            .context(format!("nobody answers at {uri}: is `waypost serve` running? (--url)"))
    } else {
        anyhow::Error::new(error)
            .context(format!("{uri} gave no answer; the message may or may not have been sent"))
    }
}

type HttpsClient = Client<hyper_rustls::HttpsConnector<HttpConnector>, Full<Bytes>>;

fn client() -> anyhow::Result<HttpsClient> {
    // Named, not taken from the process: then no one has to install a default first.
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("setting up TLS")?
        .with_webpki_roots()
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_WITHIN));
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

#[expect(
    clippy::disallowed_methods,
    reason = "this process makes one call and ends: there is no clock to move, and no test runs it but as a process"
)]
async fn within<F: Future>(patience: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(patience, future).await.ok()
}
