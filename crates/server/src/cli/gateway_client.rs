//! HTTP client for a running gateway.

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

/// Maximum time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time of a call. The gateway waits for a send slot and then up to 30 s for Meta.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// Maximum size of a response in bytes.
const MAX_RESPONSE_BYTES: usize = 5 * 1024 * 1024;

/// A call to the API.
pub(super) struct Call<'a> {
    /// URL of the gateway without a slash at the end.
    pub(super) base_url: &'a str,
    /// Path.
    pub(super) path: &'a str,
    /// API key.
    pub(super) api_key: &'a SecretString,
    /// Idempotency key.
    pub(super) idempotency_key: Option<&'a str>,
    /// Request body.
    pub(super) body: &'a Value,
}

/// Posts JSON and returns the status and the JSON of the response.
///
/// # Errors
/// If there is no response, or it is not JSON. Unless the connection failed, the gateway may have processed the call.
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
        .map_err(|_| anyhow!("the URL or a key contains characters that are not allowed in a request"))?;
    let response = within(CALL_TIMEOUT, async {
        let response = client()?.request(request).await.map_err(|error| no_response(&uri, error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_RESPONSE_BYTES).collect().await;
        let body =
            body.map_err(|error| anyhow!("{error}")).context("reading the gateway's response")?.to_bytes();
        anyhow::Ok((status, body))
    });
    let Some(response) = response.await else {
        bail!(
            "{uri} did not respond within {} s; the message may or may not have been sent",
            CALL_TIMEOUT.as_secs()
        );
    };
    let (status, body) = response?;
    let response = serde_json::from_slice(&body).with_context(|| {
        format!("{uri} responded with {status} and no JSON: check that the URL is the address of a gateway")
    })?;
    Ok((status, response))
}

/// Response to a GET request.
pub(super) struct GetResponse {
    /// Status.
    pub(super) status: StatusCode,
    /// Header `Date`.
    pub(super) date: Option<String>,
    /// Body, truncated to a maximum size.
    pub(super) body: String,
}

/// Maximum time of a GET request.
const GET_TIMEOUT: Duration = Duration::from_secs(15);
/// Maximum number of bytes of the body that are returned.
const MAX_GET_BYTES: usize = 64 * 1024;

/// Sends a GET request.
///
/// # Errors
/// If there is no response.
pub(super) async fn get(url: &str) -> anyhow::Result<GetResponse> {
    let request = Request::get(url)
        .header(header::USER_AGENT, concat!("waypost/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::new()))
        .map_err(|_| anyhow!("the URL is not valid"))?;
    let response = within(GET_TIMEOUT, async {
        let response = client()?.request(request).await.context("no response")?;
        let status = response.status();
        let date =
            response.headers().get(header::DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
        let body = Limited::new(response.into_body(), MAX_GET_BYTES).collect().await;
        let body = body.map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
        Ok(GetResponse { status, date, body: String::from_utf8_lossy(&body).into_owned() })
    });
    response.await.unwrap_or_else(|| bail!("no response within {} s", GET_TIMEOUT.as_secs()))
}

fn no_response(uri: &str, error: hyper_util::client::legacy::Error) -> anyhow::Error {
    if error.is_connect() {
        anyhow::Error::new(error)
            .context(format!("no connection to {uri}: check that `waypost serve` is running, or use --url"))
    } else {
        anyhow::Error::new(error)
            .context(format!("{uri} sent no response; the message may or may not have been sent"))
    }
}

type HttpsClient = Client<hyper_rustls::HttpsConnector<HttpConnector>, Full<Bytes>>;

fn client() -> anyhow::Result<HttpsClient> {
    // The provider is passed explicitly, so that no process-wide default must be installed.
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("setting up TLS")?
        .with_webpki_roots()
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

#[expect(
    clippy::disallowed_methods,
    reason = "this process makes one call and exits; tests run it as a process"
)]
async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}
