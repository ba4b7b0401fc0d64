//! Webhooks and handshakes over HTTP.
//!
//! **Invariant:** no request of the simulator follows a redirect or lives longer than its deadline, and none goes
//! anywhere but to a callback.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::{Sim, Webhook, error::SimError, serve::wait};

/// Maximum time for a receiver to respond.
const DEADLINE: Duration = Duration::from_secs(20);
/// The most bytes of an answer that are read.
const MOST_ANSWER: usize = 64 << 10;

/// Transport of requests to callbacks: a test can pass them to a router in its own process.
pub type Transport = Arc<
    dyn Fn(Request<Bytes>) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, String>> + Send>>
        + Send
        + Sync,
>;

/// The transport over real connections.
pub(crate) fn http_transport() -> Result<Transport, SimError> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(provider)
        .map_err(|error| SimError::Client(error.to_string()))?
        .https_or_http()
        .enable_http1()
        .build();
    let client: Client<HttpsConnector<HttpConnector>, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build(connector);
    Ok(Arc::new(move |request| {
        let client = client.clone();
        Box::pin(async move {
            let answer = async {
                let response = client.request(request.map(Full::new)).await.map_err(|error| chain(&error))?;
                let (parts, body) = response.into_parts();
                let body =
                    Limited::new(body, MOST_ANSWER).collect().await.map_err(|error| error.to_string())?;
                Ok(Response::from_parts(parts, body.to_bytes()))
            };
            tokio::select! {
                answer = answer => answer,
                () = wait(DEADLINE) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
            }
        })
    }))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

impl Sim {
    /// Sends every webhook that is due, once, one after the other; gives back how many.
    pub async fn deliver(&self) -> usize {
        let due = self.change(|state| state.claim_hooks(usize::MAX));
        let n = due.len();
        for webhook in due {
            self.send_webhook(webhook).await;
        }
        n
    }

    /// Sends one webhook and notes what came of it.
    pub(crate) async fn send_webhook(&self, webhook: Webhook) {
        let id = webhook.id;
        if webhook.url.is_empty() {
            self.change(|state| state.give_up(id, "the app has no callback"));
            return;
        }
        let (status, error) = match self.post(webhook).await {
            Ok(response) => (Some(response.status().as_u16()), None),
            Err(error) => (None, Some(error)),
        };
        if status != Some(200) {
            tracing::warn!(hook.id = id, ?status, ?error, "a webhook was not acknowledged");
        }
        self.change(|state| state.tried(id, status, error));
    }

    async fn post(&self, webhook: Webhook) -> Result<Response<Bytes>, String> {
        let mut request = Request::builder().method(Method::POST).uri(&webhook.url);
        for (name, value) in &webhook.headers {
            request = request.header(name, value);
        }
        let request = request.body(webhook.body).map_err(|error| error.to_string())?;
        (self.transport())(request).await
    }

    /// The verification of a callback: it must answer 200 with the challenge.
    pub(crate) async fn handshake(&self, url: &str, token: &str) -> Result<(), String> {
        let mut url = url::Url::parse(url).map_err(|error| error.to_string())?;
        let challenge = self.change(|state| crate::ids::number_of(&state.mint("challenge")) % 10_000_000_000);
        let challenge = challenge.to_string();
        url.query_pairs_mut()
            .append_pair("hub.mode", "subscribe")
            .append_pair("hub.challenge", &challenge)
            .append_pair("hub.verify_token", token);
        let request = Request::builder()
            .method(Method::GET)
            .uri(url.as_str())
            .header("user-agent", "facebookplatform/1.0")
            .body(Bytes::new())
            .map_err(|error| error.to_string())?;
        let response = (self.transport())(request).await?;
        if response.status() != 200 {
            return Err(format!("the callback answered {}", response.status().as_u16()));
        }
        if response.body().as_ref() != challenge.as_bytes() {
            return Err("the callback did not answer the challenge".to_owned());
        }
        Ok(())
    }
}
