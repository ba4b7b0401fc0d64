//! HTTP client for a running gateway and its simulator.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
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
/// Maximum size of a response in bytes. A page of 200 events can be large.
const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

/// A gateway, or the simulator.
pub(super) struct GatewayClient {
    /// URL without a slash at the end.
    base_url: String,
    /// API key; the simulator needs none.
    api_key: Option<SecretString>,
    client: HttpsClient,
}

/// Request to a gateway.
pub(super) struct ApiRequest<'a> {
    /// Method.
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: &'a str,
    /// Body.
    pub(super) body: CallBody,
    /// Idempotency key.
    pub(super) idempotency_key: Option<&'a str>,
}

impl<'a> ApiRequest<'a> {
    /// Creates a request without an idempotency key.
    pub(super) fn new(method: Method, path: &'a str, body: CallBody) -> Self {
        Self { method, path, body, idempotency_key: None }
    }
}

/// Body of a request.
#[derive(Clone)]
pub(super) struct CallBody {
    content_type: Option<String>,
    bytes: Bytes,
}

impl CallBody {
    /// Creates an empty body.
    pub(super) fn empty() -> Self {
        Self { content_type: None, bytes: Bytes::new() }
    }

    /// Creates a JSON body.
    pub(super) fn json(value: &Value) -> Self {
        Self::of_type("application/json", value.to_string())
    }

    /// Creates a body of a content type.
    pub(super) fn of_type(content_type: &str, bytes: impl Into<Bytes>) -> Self {
        Self { content_type: Some(content_type.to_owned()), bytes: bytes.into() }
    }
}

/// Response of a gateway.
pub(super) struct ApiResponse {
    /// Status.
    pub(super) status: StatusCode,
    /// Seconds of the header `Retry-After`.
    pub(super) retry_after: Option<u32>,
    /// Bytes of the body.
    pub(super) bytes: Bytes,
    uri: String,
}

impl ApiResponse {
    /// Returns the body as JSON; an empty body is `null`.
    ///
    /// # Errors
    /// If the body is not JSON.
    pub(super) fn json(&self) -> anyhow::Result<Value> {
        if self.bytes.is_empty() && self.status.is_success() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.bytes).with_context(|| {
            format!(
                "{} responded with {} and no JSON: check that the URL is the address of a gateway",
                self.uri, self.status
            )
        })
    }
}

/// Reason why there is no response.
#[derive(Debug)]
pub(super) enum CallError {
    /// The request was not sent.
    NotSent(anyhow::Error),
    /// The gateway may have processed the request.
    NoResponse(anyhow::Error),
}

impl From<CallError> for anyhow::Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotSent(error) | CallError::NoResponse(error) => error,
        }
    }
}

impl GatewayClient {
    /// Creates a client; it opens no connection yet.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub(super) fn new(base_url: String, api_key: Option<SecretString>) -> anyhow::Result<Self> {
        Ok(Self { base_url, api_key, client: client()? })
    }

    /// Returns the URL without a slash at the end.
    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Sends a request.
    ///
    /// # Errors
    /// If there is no response.
    pub(super) async fn call(&self, call: &ApiRequest<'_>) -> Result<ApiResponse, CallError> {
        let uri = format!("{}{}", self.base_url, call.path);
        let request = self.request(&uri, call).map_err(CallError::NotSent)?;
        let response = within(CALL_TIMEOUT, async {
            let response = self.client.request(request).await.map_err(|error| self.no_response(error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_RESPONSE_BYTES).collect().await;
            let body = body.map_err(|error| {
                CallError::NoResponse(anyhow!("{error}").context(format!("reading the response of {uri}")))
            })?;
            let retry_after = head.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            Ok(ApiResponse {
                status: head.status,
                retry_after: retry_after.and_then(|seconds| seconds.parse().ok()),
                bytes: body.to_bytes(),
                uri: uri.clone(),
            })
        });
        response.await.unwrap_or_else(|| {
            let seconds = CALL_TIMEOUT.as_secs();
            Err(CallError::NoResponse(anyhow!("{uri} did not respond within {seconds} s")))
        })
    }

    fn request(&self, uri: &str, call: &ApiRequest<'_>) -> anyhow::Result<Request<Full<Bytes>>> {
        let not_allowed =
            || anyhow!("the URL or a key contains characters that are not allowed in a request");
        let mut request = Request::builder().method(call.method.clone()).uri(uri).header(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("waypost/", env!("CARGO_PKG_VERSION"))),
        );
        if let Some(key) = &self.api_key {
            request = request.header("x-api-key", key.expose_secret());
        }
        if let Some(content_type) = &call.body.content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(key) = call.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        request.body(Full::new(call.body.bytes.clone())).map_err(|_| not_allowed())
    }

    fn no_response(&self, error: hyper_util::client::legacy::Error) -> CallError {
        let url = &self.base_url;
        if error.is_connect() {
            let advice = match self.api_key {
                Some(_) => "check that `waypost serve` or `waypost dev` is running there, or use --url",
                None => {
                    "check that `waypost dev` or `waypost simulator` is running there, or use --simulator-url"
                }
            };
            let text = format!("no connection to {url}: {advice}");
            CallError::NotSent(anyhow::Error::new(error).context(text))
        } else {
            CallError::NoResponse(anyhow::Error::new(error).context(format!("{url} sent no response")))
        }
    }
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
    response.await.unwrap_or_else(|| Err(anyhow!("no response within {} s", GET_TIMEOUT.as_secs())))
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

#[expect(clippy::disallowed_methods, reason = "a time limit of the command line; tests run it as a process")]
async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}
