//! Webhook endpoint for Meta: `GET|POST /webhooks/meta`.
//!
//! **Invariant:** the endpoint responds with 200 only after the commit. A body without a valid signature is not parsed.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, RawQuery, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use engine::metrics::Label;
use engine::ports::{AccountRecord, WebhookChange};
use engine::webhooks_in::ingest::{VerifiedPayload, ingest_payload};
use engine::{Deps, accounts, chain, directory};
use secrecy::ExposeSecret;

use crate::api::bounded_request::content_length;
use crate::client_ip;
use crate::http_options::HttpOptions;
use crate::request_bodies::bounded;
use crate::request_bodies::bounded::BoundError;
use crate::request_bodies::bounds::META_WEBHOOK;
use crate::request_bodies::budget::{BodyBudget, BodyOwner, RETRY_AFTER};

/// Maximum length of a parameter of `GET /webhooks/meta`, in bytes.
pub(crate) const MAX_PARAMETER: usize = 1024;

const SIGNATURE: &str = "x-hub-signature-256";

/// State of the endpoint.
#[derive(Clone)]
struct Endpoint {
    deps: Arc<Deps>,
    web: Arc<HttpOptions>,
    budget: Arc<BodyBudget>,
}

/// Returns the router of the endpoint.
pub(crate) fn router(deps: &Arc<Deps>, web: &Arc<HttpOptions>, budget: &Arc<BodyBudget>) -> Router {
    let endpoint = Endpoint { deps: deps.clone(), web: web.clone(), budget: budget.clone() };
    Router::new().route("/webhooks/meta", get(verify_callback).post(receive_webhook)).with_state(endpoint)
}

/// Verifies the callback URL: responds with the challenge if the verify token belongs to an account.
async fn verify_callback(
    State(Endpoint { deps, .. }): State<Endpoint>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let value = |name: &str| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.into_owned())
            .filter(|value| value.len() <= MAX_PARAMETER)
    };
    let is_subscription = value("hub.mode").as_deref() == Some("subscribe");
    let is_valid_token =
        value("hub.verify_token").is_some_and(|token| accounts::is_verify_token(&deps, &token));
    match value("hub.challenge") {
        Some(challenge) if is_subscription && is_valid_token => {
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], challenge).into_response()
        }
        Some(_) | None => {
            (StatusCode::FORBIDDEN, "The verify token does not belong to an account of this gateway.\n")
                .into_response()
        }
    }
}

/// Receives a webhook and counts its outcome.
async fn receive_webhook(State(endpoint): State<Endpoint>, request: Request) -> Response {
    let outcome = process_webhook(&endpoint, request).await.unwrap_or_else(|refused| refused);
    endpoint.deps.metrics.webhook_payloads.increment(&[Label::Static(outcome.as_str())]);
    outcome.into_response()
}

domain::text_enum! {
    /// Outcomes of webhooks from Meta.
    enum Outcome {
        /// The webhook is stored.
        Accepted = "accepted",
        /// No account's app secret signed the body.
        Unsigned = "unsigned",
        /// The signed body is not JSON.
        NotJson = "not_json",
        /// The body is too large.
        TooLarge = "too_large",
        /// The body did not arrive in time.
        Timeout = "timeout",
        /// The connection broke off before the end of the body.
        Incomplete = "incomplete",
        /// The memory for the bodies of requests is spent.
        Overloaded = "overloaded",
        /// The webhook could not be stored.
        StoreUnavailable = "store_unavailable",
    }
}

impl IntoResponse for Outcome {
    fn into_response(self) -> Response {
        let bad_request = StatusCode::BAD_REQUEST;
        match self {
            Self::Accepted => StatusCode::OK.into_response(),
            Self::Unsigned => (StatusCode::UNAUTHORIZED, "The signature is not valid.\n").into_response(),
            Self::NotJson => (bad_request, "The body is not JSON.\n").into_response(),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.\n").into_response(),
            Self::Timeout => {
                (StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time.\n").into_response()
            }
            Self::Incomplete => (bad_request, "The body is incomplete.\n").into_response(),
            Self::Overloaded => {
                (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, RETRY_AFTER.to_string())])
                    .into_response()
            }
            Self::StoreUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")]).into_response()
            }
        }
    }
}

impl From<BoundError> for Outcome {
    fn from(error: BoundError) -> Self {
        match error {
            BoundError::TooLarge(_) | BoundError::FormTooLarge => Self::TooLarge,
            BoundError::TooManyValues => Self::NotJson,
            BoundError::NotWhole(_) | BoundError::NoProgress(_) => Self::Timeout,
            BoundError::Overloaded(_) => Self::Overloaded,
        }
    }
}

/// Verifies, stores and applies a webhook. The body is read only if a signature is there.
async fn process_webhook(endpoint: &Endpoint, request: Request) -> Result<Outcome, Outcome> {
    let Endpoint { deps, web, budget } = endpoint;
    let signature = request.headers().get(SIGNATURE).map(|value| Bytes::copy_from_slice(value.as_bytes()));
    let signature =
        signature.filter(|signature| graph::is_signature(signature)).ok_or_else(|| unsigned(deps, false))?;
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    let client = client_ip::address(peer, request.headers(), &web.trusted_proxies);
    // The memory is in use until the webhook is stored.
    let memory = budget.lease(BodyOwner::Stranger(client));
    let declared = content_length(request.headers());
    let body = bounded::received(deps.clock.clone(), META_WEBHOOK, declared, request.into_body());
    let body = bounded::collect(bounded::accounted(META_WEBHOOK, memory.clone(), body))
        .await
        .map_err(|error| bounded::bound_error(&error).map_or(Outcome::Incomplete, Outcome::from))?;
    let mut signers = signers_of(deps, Some(&signature), &body);
    let signer = signers.first().ok_or_else(|| unsigned(deps, true))?;
    memory.authenticate(signer.account.workspace).map_err(|_| Outcome::Overloaded)?;
    bounded::take_values(&memory, &body)?;
    let changes = graph::decode_webhook(&body).map_err(|error| {
        if let Some(n_skipped) = deps.sampled_log.admit("undecodable_webhook", deps.now()) {
            tracing::warn!(error = %chain(&error), n_skipped, "a signed webhook is not valid JSON");
        }
        Outcome::NotJson
    })?;
    if changes.iter().any(|change| is_of_unknown_number(change, &signers)) {
        // Another process may have added the account a moment ago. A change of an unknown account is not applied later
        // automatically.
        directory::refresh_now(deps).await;
        signers = signers_of(deps, Some(&signature), &body);
    }
    let payload = VerifiedPayload { body, signature: Some(signature), signers: &signers };
    match ingest_payload(deps, payload, changes).await {
        Ok(_) => Ok(Outcome::Accepted),
        Err(error) => {
            tracing::error!(error = %chain(&error), "a webhook could not be stored");
            Err(Outcome::StoreUnavailable)
        }
    }
}

/// Logs a webhook without a valid signature. `has_signature` is `true` if it has a well-formed one.
fn unsigned(deps: &Deps, has_signature: bool) -> Outcome {
    if let Some(n_skipped) = deps.sampled_log.admit("unsigned_webhook", deps.now()) {
        tracing::warn!(has_signature, n_skipped, "a webhook without a valid signature was rejected");
    }
    Outcome::Unsigned
}

/// Returns `true` if the change is about a phone number of none of these accounts.
fn is_of_unknown_number(change: &WebhookChange, signers: &[Arc<AccountRecord>]) -> bool {
    let is_known = |number: &String| signers.iter().any(|signer| signer.account.phone_number_id == *number);
    change.phone_number_id.as_ref().is_some_and(|number| !is_known(number))
}

/// Returns the accounts whose app secret signed the payload: the current secret, or the previous one during a rotation.
/// Accounts of the same app share a secret; each secret is checked once.
pub(crate) fn signers_of(deps: &Deps, signature: Option<&[u8]>, body: &[u8]) -> Vec<Arc<AccountRecord>> {
    let directory = deps.directory.current();
    let now = deps.now();
    let mut tried: Vec<(&str, bool)> = Vec::new();
    let mut signers = Vec::new();
    for record in &directory.accounts {
        let old = record.old_app_secret.as_ref().filter(|(_, until)| now < *until).map(|(secret, _)| secret);
        let has_signed = record.app_secret.iter().chain(old).any(|secret| {
            let exposed = secret.expose_secret();
            let known = tried.iter().find(|(other, _)| *other == exposed).map(|(_, is_valid)| *is_valid);
            known.unwrap_or_else(|| {
                let is_valid = graph::verify(signature, body, secret);
                tried.push((exposed, is_valid));
                is_valid
            })
        });
        if has_signed {
            signers.push(record.clone());
        }
    }
    signers
}
